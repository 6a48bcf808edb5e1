package compose

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// maxToken is the longest piece that is written without a place to fold. With
// it every line stays within 76 characters, which RFC 2047 (2) asks for where
// encoded words are used.
const maxToken = 60

// encodeText writes unstructured text (RFC 5322, 3.2.5) for a header value: as
// it is if that can be folded and read back unchanged, else in encoded words.
func encodeText(s string) string {
	if isPlain(s) && isFoldable(s) && !strings.Contains(s, "=?") {
		return s
	}
	return encodeWords(s)
}

// isFoldable reports whether s survives folding at spaces: they are single, and
// the words between them are short.
func isFoldable(s string) bool {
	for word := range strings.SplitSeq(s, " ") {
		if word == "" && s != "" || len(word) > maxToken {
			return false
		}
	}
	return true
}

// encodeWords writes s as encoded words (RFC 2047) separated by spaces, in the
// shorter of both encodings. No character is split.
func encodeWords(s string) string {
	if quotedLen(s) <= base64.StdEncoding.EncodedLen(len(s)) {
		return encodeQ(s)
	}
	return encodeB(s)
}

const (
	openQ      = "=?utf-8?q?"
	openB      = "=?utf-8?b?"
	closeWord  = "?="
	maxPayload = maxToken - len(openQ) - len(closeWord)
)

func quotedLen(s string) int {
	n := 0
	for i := range len(s) {
		n += lenQ(s[i])
	}
	return n
}

// lenQ is how many characters a byte takes in the "Q" encoding. Only the
// characters that may stand in a phrase (RFC 2047, 5, rule 3) are left as they
// are.
func lenQ(c byte) int {
	switch {
	case isDigit(c), isLetter(c), c == ' ', strings.IndexByte("!*+-/", c) >= 0:
		return 1
	default:
		return 3
	}
}

func encodeQ(s string) string {
	var b strings.Builder
	b.Grow(quotedLen(s) * 4 / 3)
	b.WriteString(openQ)
	room := maxPayload
	for i, n := 0, 0; i < len(s); i += n {
		_, n = utf8.DecodeRuneInString(s[i:])
		if need := quotedLen(s[i : i+n]); need > room {
			b.WriteString(closeWord + " " + openQ)
			room = maxPayload - need
		} else {
			room -= need
		}
		for j := range n {
			switch c := s[i+j]; {
			case c == ' ':
				b.WriteByte('_')
			case lenQ(c) == 1:
				b.WriteByte(c)
			default:
				b.WriteByte('=')
				b.WriteByte(upperHex[c>>4])
				b.WriteByte(upperHex[c&15])
			}
		}
	}
	b.WriteString(closeWord)
	return b.String()
}

const upperHex = "0123456789ABCDEF"

func encodeB(s string) string {
	const room = maxPayload / 4 * 3
	var b strings.Builder
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n+size > room {
				break
			}
			n += size
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(openB)
		b.WriteString(base64.StdEncoding.EncodeToString([]byte(s[:n])))
		b.WriteString(closeWord)
		s = s[n:]
	}
	return b.String()
}

// encodeAddress writes a mailbox (RFC 5322, 3.4) whose address is valid.
func encodeAddress(a mailbox.Address) string {
	address := asciiAddress(a.Address)
	if a.Name == "" {
		return address
	}
	return encodePhrase(a.Name) + " <" + address + ">"
}

func encodeAddresses(list []mailbox.Address) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = encodeAddress(a)
	}
	return strings.Join(parts, ", ")
}

// encodePhrase writes a display name: as words, as a quoted string, or as
// encoded words.
func encodePhrase(s string) string {
	if !isPlain(s) || strings.Contains(s, "=?") || strings.TrimSpace(s) != s {
		return encodeWords(s)
	}
	atoms := isFoldable(s)
	for i := range len(s) {
		atoms = atoms && (s[i] == ' ' || isAtomChar(s[i]))
	}
	switch {
	case atoms:
		return s
	case len(s) <= maxToken && !strings.Contains(s, "  "):
		return quote(s)
	default:
		return encodeWords(s)
	}
}

// quote makes a quoted string.
func quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// mediaValue builds a Content-Type or Content-Disposition value.
type mediaValue struct{ b strings.Builder }

func newMediaValue(value string) *mediaValue {
	v := new(mediaValue)
	v.b.WriteString(value)
	return v
}

// param adds a parameter: as a token or quoted string if that can hold it, else
// in the extended form of RFC 2231, in as many pieces as it takes.
func (v *mediaValue) param(name, value string) {
	if !isPlain(value) || len(value) > maxToken || strings.Contains(value, "=?") || strings.Contains(value, "  ") {
		v.extended(name, value)
		return
	}
	v.b.WriteString("; " + name + "=")
	if isToken(value) {
		v.b.WriteString(value)
	} else {
		v.b.WriteString(quote(value))
	}
}

func (v *mediaValue) extended(name, value string) {
	const charset = "utf-8''"
	var piece strings.Builder
	piece.WriteString(charset)
	var pieces []string
	for i, n := 0, 0; i < len(value); i += n {
		_, n = utf8.DecodeRuneInString(value[i:])
		if piece.Len()+3*n > maxToken {
			pieces = append(pieces, piece.String())
			piece.Reset()
		}
		for j := range n {
			if c := value[i+j]; isDigit(c) || isLetter(c) || strings.IndexByte("-._~", c) >= 0 {
				piece.WriteByte(c)
			} else {
				piece.WriteByte('%')
				piece.WriteByte(upperHex[c>>4])
				piece.WriteByte(upperHex[c&15])
			}
		}
	}
	if len(pieces) == 0 {
		v.b.WriteString("; " + name + "*=" + piece.String())
		return
	}
	for i, p := range append(pieces, piece.String()) {
		v.b.WriteString("; " + name + "*" + strconv.Itoa(i) + "*=" + p)
	}
}

// wordsParam adds a parameter in encoded words. RFC 2047 (5) forbids it; it is
// how mail programs name files that older ones can read.
func (v *mediaValue) wordsParam(name, value string) {
	if isPlain(value) && len(value) <= maxToken {
		v.param(name, value)
		return
	}
	v.b.WriteString("; " + name + `="` + encodeWords(value) + `"`)
}

func (v *mediaValue) String() string { return v.b.String() }

// base64Line is how many bytes make a line of 76 characters (RFC 2045, 6.8).
const base64Line = 57

// writeBase64 writes data in lines of 76 characters, without a line end behind
// the last.
func writeBase64(b *bytes.Buffer, data []byte) {
	lines := len(data) / base64Line
	b.Grow(base64.StdEncoding.EncodedLen(len(data)) + 2*lines + 2)
	out := b.AvailableBuffer()
	for len(data) > base64Line {
		out = base64.StdEncoding.AppendEncode(out, data[:base64Line])
		out = append(out, '\r', '\n')
		data = data[base64Line:]
	}
	b.Write(base64.StdEncoding.AppendEncode(out, data))
}

func isAtomChar(c byte) bool {
	return isDigit(c) || isLetter(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// isDotAtom reports whether s is a dot-atom-text (RFC 5322, 3.2.3).
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if !isAtomChar(atom[i]) {
				return false
			}
		}
	}
	return true
}

// isToken reports whether s is a token (RFC 2045, 5.1).
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
