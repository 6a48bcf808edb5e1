package fakeserver

import (
	"bytes"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Mail is a message split into header fields and body, byte for byte. It
// decodes nothing and accepts everything: Bytes returns what ParseMail was
// given until a field is edited. It is not safe for concurrent use.
type Mail struct {
	fields []rawField
	// rest is the blank line and the body.
	rest []byte
	eol  string
}

// rawField is one header field with its folded lines and line end. A line that
// is not a field has no name and is kept as it is.
type rawField struct {
	name string
	raw  []byte
}

// Envelope is a message on its way out: who sent it, and which recipients it is
// for, whatever the header says.
type Envelope struct {
	From string
	To   []string
	Raw  []byte
}

// ParseMail splits a raw message. It never fails and copies nothing: do not
// change raw afterwards.
func ParseMail(raw []byte) *Mail {
	m := &Mail{eol: "\r\n"}
	if i := bytes.IndexByte(raw, '\n'); i >= 0 && (i == 0 || raw[i-1] != '\r') {
		m.eol = "\n"
	}
	for len(raw) > 0 {
		line := firstLine(raw)
		if isBlank(line) {
			m.rest = raw
			break
		}
		n := len(line)
		for n < len(raw) && (raw[n] == ' ' || raw[n] == '\t') && !isBlank(firstLine(raw[n:])) {
			n += len(firstLine(raw[n:]))
		}
		m.fields = append(m.fields, rawField{fieldName(line), raw[:n:n]})
		raw = raw[n:]
	}
	return m
}

func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

func isBlank(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// fieldName returns the name of a header line, or "" when it has none.
func fieldName(line []byte) string {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return ""
	}
	name := bytes.TrimRight(line[:i], " \t")
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	return string(name)
}

// value is the unfolded value: line breaks are taken out, nothing is decoded.
func (f rawField) value() string {
	_, v, _ := bytes.Cut(f.raw, []byte(":"))
	v = bytes.TrimSpace(v)
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(v)
	}
	out := make([]byte, 0, len(v))
	for _, c := range v {
		if c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return string(out)
}

// Header returns all fields in order, unfolded. Lines that are no fields are
// left out.
func (m *Mail) Header() mailbox.Header {
	h := make(mailbox.Header, 0, len(m.fields))
	for _, f := range m.fields {
		if f.name != "" {
			h = append(h, mailbox.Field{Name: f.name, Value: f.value()})
		}
	}
	return h
}

// Get returns the unfolded value of the first field with that name, or "".
func (m *Mail) Get(name string) string {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			return f.value()
		}
	}
	return ""
}

// Values returns the unfolded values of all fields with that name.
func (m *Mail) Values(name string) []string {
	var vs []string
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			vs = append(vs, f.value())
		}
	}
	return vs
}

// IDs returns the message ids of all fields with that name, in order.
func (m *Mail) IDs(name string) []mailbox.RFCMessageID {
	var ids []mailbox.RFCMessageID
	for _, v := range m.Values(name) {
		ids = append(ids, mailbox.ParseMessageIDs(v)...)
	}
	return ids
}

// Addresses returns the addresses of all fields with these names, in order,
// each once.
func (m *Mail) Addresses(names ...string) []mailbox.Address {
	var all []mailbox.Address
	for _, name := range names {
		for _, v := range m.Values(name) {
			for _, a := range ParseAddresses(v) {
				if !slices.ContainsFunc(all, func(b mailbox.Address) bool { return mailbox.SameAddress(a.Address, b.Address) }) {
					all = append(all, a)
				}
			}
		}
	}
	return all
}

// Del removes every field with that name.
func (m *Mail) Del(name string) {
	m.fields = slices.DeleteFunc(slices.Clone(m.fields), func(f rawField) bool { return strings.EqualFold(f.name, name) })
}

// Set puts one field in the place of the first one with that name, or at the
// end, and removes the others. The value is written as it is: it may hold folded
// lines, and has to be encoded.
func (m *Mail) Set(name, value string) {
	at := slices.IndexFunc(m.fields, func(f rawField) bool { return strings.EqualFold(f.name, name) })
	m.Del(name)
	if at < 0 {
		m.closeHeader()
		at = len(m.fields)
	}
	m.fields = slices.Insert(m.fields, at, m.field(name, value))
}

// Prepend puts a field before all others, as a relay does.
func (m *Mail) Prepend(name, value string) {
	m.fields = slices.Insert(slices.Clone(m.fields), 0, m.field(name, value))
}

func (m *Mail) field(name, value string) rawField {
	return rawField{name, []byte(name + ": " + value + m.eol)}
}

// closeHeader makes sure that the last line of the header has its end. The
// beginning of one that was cut is not to become a blank line.
func (m *Mail) closeHeader() {
	if n := len(m.fields); n > 0 && string(m.fields[n-1].raw) == "\r" {
		m.fields = m.fields[:n-1]
	}
	if n := len(m.fields); n > 0 && !bytes.HasSuffix(m.fields[n-1].raw, []byte("\n")) {
		m.fields = slices.Clone(m.fields)
		m.fields[n-1].raw = append(m.fields[n-1].raw, m.eol...)
	}
}

// HeaderBytes returns the header without the blank line.
func (m *Mail) HeaderBytes() []byte {
	var b bytes.Buffer
	for _, f := range m.fields {
		b.Write(f.raw)
	}
	return b.Bytes()
}

// Body returns what follows the blank line.
func (m *Mail) Body() []byte { return m.rest[len(firstLine(m.rest)):] }

// Bytes returns the whole message.
func (m *Mail) Bytes() []byte {
	n := len(m.rest)
	for _, f := range m.fields {
		n += len(f.raw)
	}
	b := make([]byte, 0, n)
	for _, f := range m.fields {
		b = append(b, f.raw...)
	}
	return append(b, m.rest...)
}

// ToCRLF returns raw with every line ended by CRLF, as mail travels by SMTP. It
// returns raw itself when there is nothing to change.
func ToCRLF(raw []byte) []byte {
	bare := 0
	for i, c := range raw {
		if c == '\n' && (i == 0 || raw[i-1] != '\r') {
			bare++
		}
	}
	if bare == 0 {
		return raw
	}
	out := make([]byte, 0, len(raw)+bare)
	for i, c := range raw {
		if c == '\n' && (i == 0 || raw[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}

// ParseAddresses reads an address list the way real mail needs it: what
// net/mail cannot read is searched for anything that looks like an address.
func ParseAddresses(value string) []mailbox.Address {
	parser := netmail.AddressParser{WordDecoder: &mime.WordDecoder{}}
	if list, err := parser.ParseList(value); err == nil {
		out := make([]mailbox.Address, len(list))
		for i, a := range list {
			out[i] = mailbox.Address{Name: a.Name, Address: a.Address}
		}
		return out
	}
	var out []mailbox.Address
	for token := range strings.FieldsFuncSeq(value, func(r rune) bool {
		return r <= ' ' || strings.ContainsRune(`,;:<>()[]"`, r)
	}) {
		if i := strings.LastIndexByte(token, '@'); i > 0 && i < len(token)-1 {
			out = append(out, mailbox.Address{Address: token})
		}
	}
	return out
}
