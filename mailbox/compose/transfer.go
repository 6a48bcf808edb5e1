package compose

import (
	"bytes"
	"strings"
)

// transferEncoding is a Content-Transfer-Encoding (RFC 2045, 6).
type transferEncoding uint8

const (
	identity transferEncoding = iota // 7bit, 8bit, binary
	quotedPrintable
	base64Encoding
)

// parseEncoding reads a Content-Transfer-Encoding value. It returns false for
// one it does not know; such content is taken as it is.
func parseEncoding(value string) (transferEncoding, bool) {
	value, _, _ = strings.Cut(value, ";")
	value, _, _ = strings.Cut(value, "(")
	switch strings.ToLower(strings.Trim(value, " \t\"'")) {
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "7bits", "8bits":
		return identity, true
	case "quoted-printable", "quoted_printable", "quotedprintable", "qp":
		return quotedPrintable, true
	case "base64", "base-64", "b64":
		return base64Encoding, true
	}
	return identity, false
}

// decoder undoes a Content-Transfer-Encoding line by line. Damaged input never
// stops it: what can be decoded is, and damaged is set.
type decoder struct {
	enc  transferEncoding
	keep int64 // how many more decoded bytes to keep; the others are only counted

	data    []byte
	size    int64
	cut     bool // there was more than could be kept
	damaged bool

	// quoted-printable
	soft  bool   // the line ended in a soft line break
	carry []byte // an escape that the piece of a long line cut in two

	// base64
	acc    uint32
	chars  int  // characters in acc
	padded bool // padding was seen: the encoded data should be over
}

// write takes a line, or a piece of one; last tells that the line ends here.
func (d *decoder) write(text []byte, last bool) {
	switch d.enc {
	case quotedPrintable:
		d.writeQuoted(text, last)
	case base64Encoding:
		d.writeBase64(text)
	default:
		d.emit(text)
	}
}

// newline takes the line end between two lines.
func (d *decoder) newline(end []byte) {
	switch d.enc {
	case base64Encoding:
	case quotedPrintable:
		if !d.soft {
			d.emit(end)
		}
		d.soft = false
	default:
		d.emit(end)
	}
}

// close finishes what is pending.
func (d *decoder) close() {
	if len(d.carry) > 0 {
		d.writeQuoted(nil, true)
	}
	d.damaged = d.damaged || d.chars != 0
	d.flushBase64()
}

func (d *decoder) emit(b []byte) {
	d.size += int64(len(b))
	if int64(len(b)) > d.keep {
		b = b[:d.keep]
		d.cut = true
	}
	d.keep -= int64(len(b))
	d.data = append(d.data, b...)
}

func (d *decoder) writeQuoted(text []byte, last bool) {
	if len(d.carry) > 0 {
		text = append(d.carry, text...)
		d.carry = nil
	}
	if last { // white space at the end of a line was added on the way (RFC 2045, 6.7)
		text = bytes.TrimRight(text, " \t")
	}
	for {
		i := bytes.IndexByte(text, '=')
		if i < 0 {
			d.emit(text)
			return
		}
		d.emit(text[:i])
		text = text[i:]
		switch {
		case len(text) == 1 && last:
			d.soft = true
			return
		case len(text) < 3 && !last:
			d.carry = bytes.Clone(text)
			return
		case len(text) >= 3 && isHex(text[1]) && isHex(text[2]):
			d.emit([]byte{unhex(text[1])<<4 | unhex(text[2])})
			text = text[3:]
		default:
			d.damaged = true
			d.emit(text[:1])
			text = text[1:]
		}
	}
}

func (d *decoder) writeBase64(text []byte) {
	if d.padded && !isBase64Line(text) {
		// Lists append a plain footer behind the encoded text.
		d.damaged = d.damaged || len(bytes.TrimSpace(text)) > 0
		return
	}
	var out [3 * 32]byte
	n := 0
	// Most lines are whole groups of four.
	for d.chars == 0 && len(text) >= 4 {
		v0, v1, v2, v3 := base64Values[text[0]], base64Values[text[1]], base64Values[text[2]], base64Values[text[3]]
		if v0|v1|v2|v3 >= 64 {
			break
		}
		if n == len(out) {
			d.emit(out[:n])
			n = 0
		}
		out[n], out[n+1], out[n+2] = v0<<2|v1>>4, v1<<4|v2>>2, v2<<6|v3
		n += 3
		text = text[4:]
	}
	d.emit(out[:n])
	for _, c := range text {
		v := base64Values[c]
		switch {
		case v < 64:
			d.acc = d.acc<<6 | uint32(v)
			if d.chars++; d.chars == 4 {
				d.emit([]byte{byte(d.acc >> 16), byte(d.acc >> 8), byte(d.acc)})
				d.acc, d.chars = 0, 0
			}
		case c == '=':
			d.flushBase64()
			d.padded = true
		case c != ' ' && c != '\t':
			d.damaged = true
		}
	}
}

// flushBase64 emits an incomplete group of characters.
func (d *decoder) flushBase64() {
	switch d.chars {
	case 1:
		d.damaged = true
	case 2:
		d.emit([]byte{byte(d.acc >> 4)})
	case 3:
		d.emit([]byte{byte(d.acc >> 10), byte(d.acc >> 2)})
	}
	d.acc, d.chars = 0, 0
}

// isBase64Line reports whether the line can be the beginning or the rest of
// base64 data: whole groups, or only padding.
func isBase64Line(text []byte) bool {
	text = bytes.TrimRight(text, " \t")
	n := len(text)
	text = bytes.TrimRight(text, "=")
	if len(text) == 0 {
		return true
	}
	for _, c := range text {
		if base64Values[c] >= 64 {
			return false
		}
	}
	return n%4 == 0
}

// base64Values maps the characters of the base64 alphabet to their values, all
// others to 255.
var base64Values = func() (values [256]byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range values {
		values[i] = 255
	}
	for i := range len(alphabet) {
		values[alphabet[i]] = byte(i)
	}
	return values
}()

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
