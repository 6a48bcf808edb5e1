package mailbox

import "strings"

// Field is one header field. Value is unfolded but not decoded: it holds the
// bytes as they came, with line breaks removed.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Header is a list of header fields in the order of the message. The same name
// may occur several times. The zero value is an empty header.
type Header []Field

// Get returns the value of the first field with that name, or "". Names are
// compared without regard to case.
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Values returns the values of all fields with that name, in order.
func (h Header) Values(name string) []string {
	var vs []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			vs = append(vs, f.Value)
		}
	}
	return vs
}

// Has reports whether a field with that name is present, be it empty.
func (h Header) Has(name string) bool {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// maxIDs bounds how many ids ParseMessageIDs returns. RFC 5322 sets no limit;
// the longest References field of the public lists that were measured stays
// far below.
const maxIDs = 1000

// ParseMessageIDs extracts the message ids of one Message-ID, In-Reply-To or
// References value, the way they really come: bare ids without brackets, words
// and commas in between, white space inside brackets from broken folding,
// doubled brackets, a quoted left side. Tokens without an "@" are dropped. If
// any id stands in brackets only those count, since the text around them may
// hold plain addresses. Order is kept; at most 1,000 ids are returned. It
// never fails: a value without ids gives nil.
func ParseMessageIDs(value string) []RFCMessageID {
	if ids := bracketedIDs(value); len(ids) > 0 {
		return ids
	}
	var ids []RFCMessageID
	for token := range strings.FieldsFuncSeq(value, isIDSeparator) {
		if id := cleanID(token); id != "" && len(ids) < maxIDs {
			ids = append(ids, id)
		}
	}
	return ids
}

func bracketedIDs(value string) []RFCMessageID {
	var ids []RFCMessageID
	for len(ids) < maxIDs {
		open := strings.IndexByte(value, '<')
		if open < 0 {
			break
		}
		value = strings.TrimLeft(value[open+1:], "< \t\r\n")
		end := strings.IndexAny(value, "<>")
		if end < 0 {
			break
		}
		if id := cleanID(value[:end]); id != "" {
			ids = append(ids, id)
		}
		if value[end] == '<' { // an unclosed id: look again from the next bracket
			value = value[end:]
		} else {
			value = value[end+1:]
		}
	}
	return ids
}

func isIDSeparator(r rune) bool {
	return r <= ' ' || r == ',' || r == ';' || r == '(' || r == ')' || r == '<' || r == '>'
}

// cleanID removes white space that folding left inside an id and the quotes of
// a quoted left side (<"x"@d> equals <x@d>, RFC 5256, 3).
func cleanID(s string) RFCMessageID {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 {
		return ""
	}
	left, right := s[:at], s[at:]
	if len(left) > 2 && left[0] == '"' && left[len(left)-1] == '"' {
		left = left[1 : len(left)-1]
	}
	return RFCMessageID(left + right)
}
