package graph

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// errJSON is the only error of a reader: the text is not JSON, or was cut off.
var errJSON = errors.New("graph: malformed or truncated JSON")

// A reader walks through JSON text once, without building a tree. It accepts
// every valid text. A value of an unexpected type, null included, reads as the
// zero value, so that one odd property never costs a message. Strings without
// escapes are parts of the text, not copies.
//
// It stops at the first error, after which all methods return zero values.
type reader struct {
	s   string
	i   int
	err error
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errJSON
	}
	r.i = len(r.s)
}

// peek returns the next byte after white space, 0 at the end.
func (r *reader) peek() byte {
	for r.i < len(r.s) {
		switch c := r.s[r.i]; c {
		case ' ', '\n', '\r', '\t':
			r.i++
		default:
			return c
		}
	}
	return 0
}

// object calls member with each name; member has to consume the value. It
// skips a value that is not an object.
func (r *reader) object(member func(name string)) {
	if r.peek() != '{' {
		r.skip()
		return
	}
	r.i++
	if r.peek() == '}' {
		r.i++
		return
	}
	for r.err == nil {
		if r.peek() != '"' {
			r.fail()
			return
		}
		name := r.str()
		if r.peek() != ':' {
			r.fail()
			return
		}
		r.i++
		member(name)
		if !r.more('}') {
			return
		}
	}
}

// array calls element for each element; it has to consume the value. It skips
// a value that is not an array.
func (r *reader) array(element func()) {
	if r.peek() != '[' {
		r.skip()
		return
	}
	r.i++
	if r.peek() == ']' {
		r.i++
		return
	}
	for r.err == nil {
		element()
		if !r.more(']') {
			return
		}
	}
}

// more consumes a comma, or the closing bracket, for which it returns false.
func (r *reader) more(closing byte) bool {
	switch c := r.peek(); {
	case r.err != nil:
		return false
	case c == ',':
		r.i++
		return true
	case c == closing:
		r.i++
		return false
	default:
		r.fail()
		return false
	}
}

// str reads a string; any other value is skipped and reads as "".
func (r *reader) str() string {
	if r.peek() != '"' {
		r.skip()
		return ""
	}
	start := r.i + 1
	plain := r.skipString()
	if r.err != nil {
		return ""
	}
	s := r.s[start : r.i-1]
	if !plain {
		s = unescape(s)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// skipString moves behind a string and reports whether it has no escapes.
func (r *reader) skipString() (plain bool) {
	plain = true
	r.i++
	for {
		n := strings.IndexByte(r.s[r.i:], '"')
		if n < 0 {
			r.fail()
			return plain
		}
		slash := strings.IndexByte(r.s[r.i:r.i+n], '\\')
		if slash < 0 {
			r.i += n + 1
			return plain
		}
		plain = false
		if r.i += slash + 2; r.i > len(r.s) {
			r.fail()
			return plain
		}
	}
}

// boolean reads true; everything else is false.
func (r *reader) boolean() bool { return r.raw() == "true" }

// integer reads a number without fraction; everything else is 0.
func (r *reader) integer() int64 {
	s := r.raw()
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 18 {
		return 0
	}
	var n int64
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0
		}
		n = n*10 + int64(digits[i]-'0')
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n
}

// raw returns the text of the next value.
func (r *reader) raw() string {
	r.peek()
	start := r.i
	r.skip()
	return r.s[start:r.i]
}

// skip moves behind the next value, however deep it is nested.
func (r *reader) skip() {
	depth := 0
	for {
		switch c := r.peek(); c {
		case '"':
			r.skipString()
		case '{', '[':
			depth++
			r.i++
		case '}', ']':
			if depth--; depth < 0 {
				r.fail()
				return
			}
			r.i++
		case ',', ':':
			if depth == 0 {
				r.fail()
				return
			}
			r.i++
		case 0:
			r.fail()
		default:
			r.scalar()
		}
		if depth <= 0 || r.err != nil {
			return
		}
	}
}

// scalar moves behind a number, true, false or null.
func (r *reader) scalar() {
	start := r.i
	for r.i < len(r.s) {
		c := r.s[r.i]
		if c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != 'E' {
			break
		}
		r.i++
	}
	if r.i == start {
		r.fail()
	}
}

// unescape resolves the escapes of a string. Broken ones become U+FFFD.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			u := hex4(s)
			if u >= 0 {
				s = s[4:]
			}
			if utf16.IsSurrogate(u) {
				low := rune(-1)
				if strings.HasPrefix(s, `\u`) {
					low = hex4(s[2:])
				}
				if u = utf16.DecodeRune(u, low); u != utf8.RuneError {
					s = s[6:]
				}
			}
			b.WriteRune(u) // -1 becomes U+FFFD
		default:
			b.WriteRune(utf8.RuneError)
		}
	}
}

// hex4 reads four hexadecimal digits, -1 if they are not there.
func hex4(s string) rune {
	if len(s) < 4 {
		return -1
	}
	var u rune
	for i := range 4 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		u = u<<4 | rune(c)
	}
	return u
}
