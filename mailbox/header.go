package mailbox

import (
	"mime"
	"strings"
)

// Field is one header field. Value is unfolded but not decoded: it holds the
// bytes as they came, with line breaks removed and the white space of folds
// kept.
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
	for i := range h {
		if h[i].is(name) {
			return h[i].Value
		}
	}
	return ""
}

// Values returns the values of all fields with that name, in order.
func (h Header) Values(name string) []string {
	var vs []string
	for i := range h {
		if h[i].is(name) {
			vs = append(vs, h[i].Value)
		}
	}
	return vs
}

// Has reports whether a field with that name is present, be it empty.
func (h Header) Has(name string) bool {
	for i := range h {
		if h[i].is(name) {
			return true
		}
	}
	return false
}

func (f *Field) is(name string) bool { return len(f.Name) == len(name) && sameName(f.Name, name) }

// sameName compares names of one length. Most differ in their last letter.
func sameName(a, b string) bool {
	last := len(a) - 1
	return last < 0 || (a[last]^b[last])&^0x20 == 0 && strings.EqualFold(a, b)
}

// maxIDs bounds how many ids ParseMessageIDs returns. RFC 5322 sets no limit;
// the longest References field of the public lists that were measured stays
// far below.
const maxIDs = 1000

// maxID bounds the length of one id: RFC 5322 (2.1.1) lets no line be longer
// than 998 characters, and an id cannot be folded.
const maxID = 998

// ParseMessageIDs extracts the message ids of one Message-ID, In-Reply-To or
// References value, the way they really come: bare ids without brackets, words
// and commas in between, white space inside brackets from broken folding,
// doubled brackets, a quoted left side, encoded words. Tokens without an "@"
// and ids longer than 998 bytes are dropped. If any id stands in brackets only
// those count, since the text around them may hold plain addresses; what stands
// in brackets may still be an address. Order is kept. Of more than 1,000 ids
// the first and the last 999 are returned, so that root and parent stay. It
// never fails: a value without ids gives nil. The ids are mostly pieces of the
// value: clone one that is kept for longer.
func ParseMessageIDs(value string) []RFCMessageID {
	if strings.Contains(value, "=?") {
		if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
			value = decoded
		}
	}
	if ids := bracketedIDs(value); len(ids) > 0 {
		return ids
	}
	var ids []RFCMessageID
	for token := range strings.FieldsFuncSeq(value, isIDSeparator) {
		ids = appendID(ids, strings.TrimRight(token, ".:'"))
	}
	return boundIDs(ids)
}

func bracketedIDs(value string) []RFCMessageID {
	var ids []RFCMessageID
	for {
		open := strings.IndexByte(value, '<')
		if open < 0 {
			break
		}
		value = value[open+1:]
		end := strings.IndexAny(value, "<>")
		if end < 0 {
			break
		}
		ids = appendID(ids, value[:end])
		if value[end] == '<' { // doubled or unclosed: look again from the next bracket
			value = value[end:]
		} else {
			value = value[end+1:]
		}
	}
	return boundIDs(ids)
}

func isIDSeparator(r rune) bool {
	return r <= ' ' || r == ',' || r == ';' || r == '(' || r == ')' || r == '<' || r == '>'
}

// appendID appends the id in s, if there is one. It lets the list grow to twice
// the limit before it shortens it, so that each id is moved once at most.
func appendID(ids []RFCMessageID, s string) []RFCMessageID {
	id := cleanID(s)
	if id == "" {
		return ids
	}
	if len(ids) == 2*maxIDs {
		ids = boundIDs(ids)
	}
	return append(ids, id)
}

// boundIDs keeps the first id and the last ones.
func boundIDs(ids []RFCMessageID) []RFCMessageID {
	if len(ids) <= maxIDs {
		return ids
	}
	copy(ids[1:], ids[len(ids)-maxIDs+1:])
	return ids[:maxIDs]
}

// cleanID removes white space that folding left inside an id and the quotes of
// a quoted left side (<"x"@d> equals <x@d>, RFC 5256, 3). What has other control
// characters inside is no id: nobody writes them, and a false link is worse than
// none.
func cleanID(s string) RFCMessageID {
	s = strings.TrimFunc(s, isBlank)
	if strings.ContainsFunc(s, isBlank) {
		s = strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n", r) {
				return -1
			}
			return r
		}, s)
		if strings.ContainsFunc(s, isBlank) {
			return ""
		}
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 || len(s) > maxID {
		return ""
	}
	left, right := s[:at], s[at:]
	if strings.IndexByte(right, '"') >= 0 { // "name@host"'s message: text, not an id
		return ""
	}
	if len(left) > 2 && left[0] == '"' && left[len(left)-1] == '"' {
		return RFCMessageID(left[1:len(left)-1] + right)
	}
	return RFCMessageID(s)
}

func isBlank(r rune) bool { return r <= ' ' || r == 0x7f }
