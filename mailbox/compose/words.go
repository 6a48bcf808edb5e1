package compose

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// decodeHeader decodes the text of a header value to UTF-8: encoded words
// (RFC 2047), also such that stand where they may not, are split in the middle
// of a character or hold spaces, and raw 8-bit text. hint is the charset to try
// for the latter. Control characters become spaces. The code tells of a repair;
// it is empty if there was none. The text may be s itself.
func decodeHeader(s, hint string) (string, mailbox.WarningCode) {
	if !strings.Contains(s, "=?") && isPlain(s) {
		return s, ""
	}
	d := wordDecoder{hint: hint}
	d.decode(s)
	text := d.out.String()
	if !isPlain(text) {
		clean := cleanText(text)
		if d.code == "" && clean != strings.ReplaceAll(text, "\t", " ") {
			d.code = mailbox.WarnEncoding
		}
		text = clean
	}
	return text, d.code
}

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// cleanText replaces control characters by spaces, so that a line break hidden
// in an encoded word cannot break out of wherever the text is put next. NULs
// are removed.
func cleanText(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0:
			return -1
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, s)
}

type wordDecoder struct {
	out  strings.Builder
	hint string
	code mailbox.WarningCode

	// run is a sequence of encoded words with nothing but white space between
	// them.
	run []encodedWord
}

type encodedWord struct {
	charset string
	base64  bool
	text    string
}

func (d *wordDecoder) decode(s string) {
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		word, n, ok := parseWord(s[i:])
		if n == 0 {
			i += 2
			d.flush()
			d.raw(s[:i])
			s = s[i:]
			continue
		}
		if !ok {
			d.code = mailbox.WarnEncoding
		}
		if len(d.run) == 0 || strings.Trim(s[:i], " \t") != "" {
			d.flush()
			d.raw(s[:i])
		}
		d.run = append(d.run, word)
		s = s[i+n:]
	}
	d.flush()
	d.raw(s)
}

// parseWord reads an encoded word at the beginning of s, which is "=?". It
// returns its length, 0 if there is none; ok is false if it was malformed.
func parseWord(s string) (w encodedWord, n int, ok bool) {
	rest := s[2:]
	// The label and the letter are short, so look no further than they can be.
	head := rest[:min(len(rest), 60)]
	i := strings.IndexByte(head, '?')
	if i < 1 {
		return w, 0, false
	}
	j := strings.IndexByte(head[i+1:], '?')
	if j < 0 {
		return w, 0, false
	}
	w.charset = strings.TrimSpace(head[:i])
	switch strings.TrimSpace(head[i+1 : i+1+j]) {
	case "b", "B":
		w.base64 = true
	case "q", "Q":
	default:
		return w, 0, false
	}
	if w.charset == "" || strings.ContainsAny(w.charset, " \t\"<>,;:@=") {
		return w, 0, false
	}
	start := 2 + i + 1 + j + 1
	w.text = s[start:]
	// The next "=?" bounds the search, so that the words of a long value are
	// not searched again and again for an end that is missing.
	next := strings.Index(w.text, "=?")
	region := w.text
	if next >= 0 {
		// "=?=" may also be base64 padding and the end.
		region = w.text[:min(next+3, len(w.text))]
	}
	if end := strings.Index(region, "?="); end >= 0 {
		w.text = w.text[:end]
		return w, start + end + 2, !strings.ContainsAny(w.text, " \t")
	}
	// No end: the word is taken to reach up to the next white space.
	if next >= 0 {
		w.text = w.text[:next]
	}
	if end := strings.IndexAny(w.text, " \t"); end >= 0 {
		w.text = w.text[:end]
	}
	n = start + len(w.text)
	w.text = strings.TrimRight(w.text, "?")
	return w, n, false
}

// flush decodes the run. Neighbours of the same charset are decoded together,
// since a character may be split over two of them.
func (d *wordDecoder) flush() {
	for len(d.run) > 0 {
		n := 1
		for n < len(d.run) && strings.EqualFold(d.run[n].charset, d.run[0].charset) {
			n++
		}
		data, ok := wordBytes(d.run[:n])
		text, known := decodeCharset(d.run[0].charset, data)
		switch {
		case !known:
			d.code = mailbox.WarnCharset
		case !ok:
			d.code = mailbox.WarnEncoding
		}
		d.out.WriteString(text)
		d.run = d.run[n:]
	}
	d.run = nil
}

// wordBytes undoes the encoding of words of one charset.
func wordBytes(words []encodedWord) (data []byte, ok bool) {
	ok = true
	for len(words) > 0 {
		n := 1
		if words[0].base64 {
			n = base64Run(words)
		}
		d := decoder{keep: 1 << 62}
		for _, w := range words[:n] {
			if w.base64 {
				d.enc = base64Encoding
				d.writeBase64([]byte(w.text))
			} else {
				d.enc = quotedPrintable
				d.writeQuoted([]byte(strings.ReplaceAll(w.text, "_", "=20")), true)
			}
		}
		d.flushBase64() // missing padding does no harm
		data = append(data, d.data...)
		ok = ok && !d.damaged
		words = words[n:]
	}
	return data, ok
}

// base64Run returns how many of the words have to be decoded as one: more than
// one if the first was cut inside a group of four characters.
func base64Run(words []encodedWord) int {
	total := 0
	for i, w := range words {
		if !w.base64 {
			break
		}
		total += len(strings.TrimSpace(w.text))
		if total%4 == 0 {
			return i + 1
		}
		if strings.HasSuffix(w.text, "=") {
			break
		}
	}
	return 1
}

// raw writes text that is not encoded.
func (d *wordDecoder) raw(s string) {
	if utf8.ValidString(s) && !strings.Contains(s, escJapanese) {
		d.out.WriteString(s)
		return
	}
	d.code = mailbox.WarnCharset
	if enc := lookupCharset(cleanLabel(d.hint)); enc != nil {
		text, err := enc.NewDecoder().String(s)
		if err == nil && !strings.Contains(text, replacement) {
			d.out.WriteString(text)
			return
		}
	}
	d.out.WriteString(guess([]byte(s)))
}
