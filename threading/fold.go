package threading

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxFolded bounds how much of a text is looked at, in bytes.
const maxFolded = 32 << 10

// fold brings a text into the form in which phrases are looked for: no more
// than maxFolded bytes, lower case, letters without accents, plain quotes, dashes
// and digits, white space squeezed. A blank line becomes one line break, any
// other line break a space. Both the phrases and the texts are folded, so
// people who write without accents are understood as well.
func fold(s string) string {
	if len(s) > maxFolded {
		s = s[:maxFolded]
	}
	letters := foldedLetters()
	var b strings.Builder
	b.Grow(len(s))
	breaks, space := 0, false
	for _, r := range s {
		if r >= utf8.RuneSelf {
			r = foldRune(r, letters)
		} else if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		switch {
		case r == 0:
			continue
		case r == '\n':
			breaks++
			continue
		case r == ' ' || r == '\t' || r == '\r':
			space = true
			continue
		}
		if b.Len() > 0 {
			switch {
			case breaks > 1:
				b.WriteByte('\n')
			case breaks == 1 || space:
				b.WriteByte(' ')
			}
		}
		breaks, space = 0, false
		if r == 'ß' {
			b.WriteString("ss")
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// foldRune folds what is not ASCII. Zero means: leave it out.
func foldRune(r rune, letters []rune) rune {
	switch {
	case int(r) < len(letters):
		return letters[r]
	case r == '‘' || r == '’' || r == '‚' || r == '′':
		return '\''
	case r == '“' || r == '”' || r == '„':
		return '"'
	case '‐' <= r && r <= '―' || r == '−':
		return '-'
	case r == '〜':
		return '~'
	case r == '。':
		return '.'
	case r == '、':
		return ','
	case '\u2000' <= r && r <= '\u200a' || r == '\u202f' || r == '\u3000':
		return ' '
	case '\u200b' <= r && r <= '\u200f' || '\u202a' <= r && r <= '\u202e' || r == '\ufeff' || '\u2066' <= r && r <= '\u2069':
		return 0
	case '！' <= r && r <= '～': // full width forms
		return unicode.ToLower(r - '！' + '!')
	}
	return unicode.ToLower(r)
}

// foldedLetters maps the letters below U+2000 to their folded form.
var foldedLetters = sync.OnceValue(func() []rune {
	all := make([]rune, 0x2000)
	for i := range all {
		r := rune(i)
		switch {
		case unicode.Is(unicode.Mn, r):
			continue // accents, vowel signs: left out
		case r == 0xa0:
			r = ' '
		case r == '«' || r == '»':
			r = '"'
		case '٠' <= r && r <= '٩':
			r = r - '٠' + '0'
		case r == 'ł' || r == 'Ł':
			r = 'l'
		case r == 'đ' || r == 'Đ':
			r = 'd'
		case r == 'ø' || r == 'Ø':
			r = 'o'
		case r == 'ı' || r == 'İ':
			r = 'i'
		default:
			r, _ = utf8.DecodeRuneInString(norm.NFD.String(string(unicode.ToLower(r))))
		}
		all[i] = r
	}
	return all
})
