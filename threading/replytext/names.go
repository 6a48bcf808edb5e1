package replytext

import (
	"strings"
	"unicode/utf8"
)

// findAddress finds the first e-mail address of a text and the place it takes,
// with its brackets and repetitions ("<a@b<mailto:a@b>>", "[mailto:a@b]",
// "a@b <a@b>").
func findAddress(s string) (address string, start, end int) {
	at := strings.IndexByte(s, '@')
	for at == 0 || at > 0 && (!addressByte(s[at-1]) || at+1 == len(s) || !addressByte(s[at+1])) {
		next := strings.IndexByte(s[at+1:], '@')
		if next < 0 {
			return "", -1, -1
		}
		at += 1 + next
	}
	if at < 0 {
		return "", -1, -1
	}
	start, end = at, at+1
	for start > 0 && addressByte(s[start-1]) {
		start--
	}
	for end < len(s) && addressByte(s[end]) {
		end++
	}
	address = strings.ToLower(strings.Trim(s[start:end], ".'-"))
	if !strings.Contains(address, "@") || strings.HasSuffix(address, "@") || len(address) > maxAddress {
		return "", -1, -1
	}
	start = bracket(s, start)
	for end < len(s) && strings.IndexByte(">)]", s[end]) >= 0 {
		end++
	}
	if rest := s[end:]; strings.HasPrefix(strings.TrimLeft(rest, " <["), "mailto:") {
		if i := strings.IndexAny(rest, ">]"); i >= 0 {
			end += i + 1
			for end < len(s) && strings.IndexByte(">)]", s[end]) >= 0 {
				end++
			}
		}
	}
	if rest := strings.TrimLeft(s[end:], " "); len(rest) >= len(address)+2 && rest[0] == '<' && strings.EqualFold(rest[1:1+len(address)], address) && rest[1+len(address)] == '>' {
		end = len(s) - len(rest) + len(address) + 2
	}
	return address, start, end
}

// maxAddress is the longest address there is, in bytes: 64 before the "@" and
// 255 after it (RFC 5321, 4.5.3.1).
const maxAddress = 64 + 1 + 255

// bracket returns where the bracket before an address opens, if there is one.
func bracket(s string, start int) int {
	head := strings.TrimSuffix(s[:start], "mailto:")
	trimmed := strings.TrimRight(head, " ")
	open := strings.TrimRight(trimmed, "<([")
	if open != trimmed {
		return len(open)
	}
	return len(head)
}

func addressByte(c byte) bool {
	return c >= 0x80 || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", c) >= 0
}

// maxName is the longest name that is believed, in bytes.
const maxName = 120

// trimNoise removes punctuation and the small words of openers from both ends
// of a text. What is longer than a name is none.
func trimNoise(s string) string {
	for {
		s = strings.Trim(s, " ,.:;<>()[]{}*_-–—=|\"'“”„«»‘’：，、（）/`")
		if head, rest, _ := strings.Cut(s, " "); noise[lower(head)] {
			s = rest
			continue
		}
		i := strings.LastIndexByte(s, ' ')
		if !noise[lower(s[i+1:])] {
			break
		}
		s = s[:max(i, 0)]
	}
	if s = strings.TrimSuffix(s, "님이"); len(s) > maxName || !utf8.ValidString(s) {
		return ""
	}
	for _, r := range s {
		if letter(r) {
			return strings.TrimSpace(s)
		}
	}
	return ""
}

// lower returns a word in lower case without punctuation at its end, unless it
// is written as names are.
func lower(word string) string {
	word = strings.TrimRight(word, ".,:;)")
	if len(word) > 2 && word[0] >= 'A' && word[0] <= 'Z' && word[1] >= 'a' {
		switch word { // words that begin openers
		case "Missatge", "Pada", "Dnia", "Dana", "Dne", "The", "Den", "From":
		default:
			return ""
		}
	}
	return strings.ToLower(word)
}
