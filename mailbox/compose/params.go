package compose

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxParams bounds how many parameters of one field are looked at.
const maxParams = 200

// params are the parameters of a Content-Type or Content-Disposition value, as
// they came.
type params []param

type param struct {
	name  string // lower case
	value string
}

// parseParams splits a Content-Type or Content-Disposition value into its first
// token, in lower case, and its parameters. It accepts what RFC 2045 (5.1) does
// not allow: missing semicolons behind the token, spaces in values without
// quotes, quotes that are never closed.
func parseParams(s string) (string, params) {
	s = strings.TrimLeft(s, " \t")
	i := strings.IndexAny(s, "; \t(")
	if i < 0 {
		return strings.ToLower(s), nil
	}
	value := strings.ToLower(s[:i])
	if j := strings.IndexByte(s[i:], ';'); j >= 0 && !strings.Contains(s[i:i+j], "=") {
		i += j
	}
	s = s[i:]
	var ps params
	for len(ps) < maxParams {
		s = strings.TrimLeft(s, "; \t\r\n")
		if s == "" {
			break
		}
		i := strings.IndexAny(s, "=;")
		if i < 0 {
			break
		}
		if s[i] == ';' {
			s = s[i:]
			continue
		}
		p := param{name: strings.ToLower(strings.TrimRight(s[:i], " \t"))}
		p.value, s = paramValue(strings.TrimLeft(s[i+1:], " \t"))
		ps = append(ps, p)
	}
	return value, ps
}

// paramValue reads one value and returns what follows it.
func paramValue(s string) (value, rest string) {
	if s == "" || s[0] != '"' {
		i := strings.IndexByte(s, ';')
		if i < 0 {
			i = len(s)
		}
		return strings.TrimRight(s[:i], " \t"), s[i:]
	}
	s = s[1:]
	if i := strings.IndexAny(s, `"\`); i < 0 {
		return s, ""
	} else if s[i] == '"' {
		return s[:i], s[i+1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			// Other backslashes are kept: they are parts of Windows paths.
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

func (ps params) get(name string) (string, bool) {
	for _, p := range ps {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// token returns a parameter that cannot hold spaces. RFC 2045 (5.1) shows a
// comment behind such a value.
func (ps params) token(name string) string {
	v, _ := ps.get(name)
	if i := strings.IndexAny(v, " \t"); i >= 0 {
		v = v[:i]
	}
	return v
}

// text returns a parameter decoded to UTF-8, in whichever way it is encoded:
// RFC 2231, or an encoded word, which RFC 2047 forbids here and everybody
// writes. It returns false if the encoding was damaged.
func (ps params) text(name string) (string, bool) {
	if v, ok := ps.get(name + "*"); ok {
		charset, data, ok := extendedValue(v)
		text, known := decodeCharset(charset, data)
		return cleanText(text), ok && known
	}
	if text, ok, found := ps.continued(name); found {
		return text, ok
	}
	v, _ := ps.get(name)
	text, code := decodeHeader(v, "")
	return strings.Clone(text), code == ""
}

// continued puts a parameter together that was split into name*0, name*1 and
// so on (RFC 2231, 3).
func (ps params) continued(name string) (text string, ok, found bool) {
	type segment struct {
		index    int
		extended bool
		value    string
	}
	var segments []segment
	for _, p := range ps {
		digits, isSegment := strings.CutPrefix(p.name, name+"*")
		if !isSegment {
			continue
		}
		digits, extended := strings.CutSuffix(digits, "*")
		index, err := strconv.Atoi(digits)
		if err == nil && index >= 0 {
			segments = append(segments, segment{index, extended, p.value})
		}
	}
	if len(segments) == 0 {
		return "", true, false
	}
	slices.SortStableFunc(segments, func(a, b segment) int { return cmp.Compare(a.index, b.index) })
	var charset string
	var data []byte
	ok = true
	for i, s := range segments {
		ok = ok && s.index == i
		switch {
		case i == 0 && s.extended:
			var valid bool
			charset, data, valid = extendedValue(s.value)
			ok = ok && valid
		case s.extended:
			decoded, valid := percentDecode(s.value)
			data = append(data, decoded...)
			ok = ok && valid
		default:
			data = append(data, s.value...)
		}
	}
	if charset == "" && !segments[0].extended {
		text, code := decodeHeader(string(data), "")
		return text, ok && code == "", true
	}
	text, known := decodeCharset(charset, data)
	return cleanText(text), ok && known, true
}

// extendedValue reads charset'language'percent-encoded (RFC 2231, 4).
func extendedValue(s string) (charset string, data []byte, ok bool) {
	charset, rest, ok := strings.Cut(s, "'")
	if ok {
		_, rest, ok = strings.Cut(rest, "'")
	}
	if !ok {
		charset, rest = "utf-8", s
	}
	data, valid := percentDecode(rest)
	return charset, data, ok && valid
}

func percentDecode(s string) ([]byte, bool) {
	data := make([]byte, 0, len(s))
	ok := true
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '%':
			data = append(data, s[i])
		case i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			data = append(data, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			data = append(data, '%')
			ok = false
		}
	}
	return data, ok
}
