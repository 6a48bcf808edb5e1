package gmailtest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime"
	netmail "net/mail"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// part is one MIME part, read so leniently that nothing fails.
type part struct {
	mail      *fakeserver.Mail
	mediaType string
	params    map[string]string
	filename  string
	parts     []*part
}

// maxDepth is how deep parts may nest; deeper ones are not opened.
const maxDepth = 20

func parsePart(raw []byte) *part { return parseAt(raw, 0) }

func parseAt(raw []byte, depth int) *part {
	p := &part{mail: fakeserver.ParseMail(raw)}
	p.mediaType, p.params = mediaType(p.mail.Get("Content-Type"))
	_, disposition := mediaType(p.mail.Get("Content-Disposition"))
	if p.filename = decodeWords(disposition["filename"]); p.filename == "" {
		p.filename = decodeWords(p.params["name"])
	}
	p.filename = strings.ToValidUTF8(p.filename, "\uFFFD")
	switch {
	case depth >= maxDepth:
	case p.isMultipart():
		for _, raw := range split(p.mail.Body(), p.params["boundary"]) {
			p.parts = append(p.parts, parseAt(raw, depth+1))
		}
	case p.mediaType == "message/rfc822":
		p.parts = []*part{parseAt(p.content(), depth+1)}
	}
	return p
}

// mediaType reads a Content-Type or Content-Disposition as far as possible.
func mediaType(v string) (string, map[string]string) {
	t, params, err := mime.ParseMediaType(v)
	if err != nil && t == "" {
		t, _, _ = strings.Cut(v, ";")
		t = strings.ToLower(strings.TrimSpace(t))
	}
	if params == nil { // find at least the boundary of a damaged field
		params = map[string]string{}
		for field := range strings.SplitSeq(v, ";") {
			if name, value, ok := strings.Cut(field, "="); ok {
				params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	if !strings.Contains(t, "/") {
		t = "text/plain"
	}
	return strings.ToValidUTF8(t, "\uFFFD"), params
}

// split cuts a multipart body at its boundary lines. An unclosed last part
// counts; without a boundary there are no parts.
func split(body []byte, boundary string) [][]byte {
	if boundary == "" {
		return nil
	}
	var parts [][]byte
	delimiter := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body); {
		end := at + len(firstLine(body[at:]))
		if line := bytes.TrimRight(body[at:end], " \t\r\n"); bytes.HasPrefix(line, delimiter) {
			rest := line[len(delimiter):]
			if len(rest) == 0 || string(rest) == "--" {
				if start >= 0 {
					parts = append(parts, trimLineEnd(body[start:at]))
				}
				start = end
				if len(rest) > 0 {
					return parts
				}
			}
		}
		at = end
	}
	if start >= 0 && start < len(body) {
		parts = append(parts, body[start:])
	}
	return parts
}

// trimLineEnd removes the line end that belongs to the boundary.
func trimLineEnd(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

func (p *part) isMultipart() bool {
	return strings.HasPrefix(p.mediaType, "multipart/") && p.params["boundary"] != ""
}

func (p *part) isText() bool { return strings.HasPrefix(p.mediaType, "text/") }

// isReportPart: the parts of a report are given in place, like text.
func (p *part) isReportPart() bool {
	return strings.HasPrefix(p.mediaType, "message/") && p.mediaType != "message/rfc822"
}

// content undoes the transfer encoding, as far as it is sound.
func (p *part) content() []byte {
	body := p.mail.Body()
	switch strings.ToLower(strings.TrimSpace(p.mail.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return decodeBase64(body)
	case "quoted-printable":
		return decodeQP(body)
	default:
		return body
	}
}

// decodeQP decodes quoted-printable; what is not, stays as it is.
func decodeQP(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		if b[0] != '=' {
			out = append(out, b[0])
			b = b[1:]
			continue
		}
		if line := firstLine(b); len(bytes.TrimRight(line, " \t\r\n")) == 1 && len(line) > 1 { // soft line break
			b = b[len(line):]
			continue
		}
		var c [1]byte
		if len(b) >= 3 {
			if _, err := hex.Decode(c[:], b[1:3]); err == nil {
				out = append(out, c[0])
				b = b[3:]
				continue
			}
		}
		out = append(out, b[0])
		b = b[1:]
	}
	return out
}

func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

// decodeBase64 skips what is not base64 and stops at damage.
func decodeBase64(b []byte) []byte {
	clean := make([]byte, 0, len(b))
	for _, c := range b {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, _ := base64.RawStdEncoding.Decode(out, clean)
	return out[:n]
}

// utf8 is the content of a text part in UTF-8.
func (p *part) utf8() []byte {
	data := p.content()
	name := p.params["charset"]
	if name == "" || strings.EqualFold(name, "utf-8") || strings.EqualFold(name, "us-ascii") {
		return toUTF8(data)
	}
	r, err := charset.Reader(name, bytes.NewReader(data))
	if err != nil {
		return toUTF8(data)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return toUTF8(data)
	}
	return out
}

// toUTF8 reads bytes that are not UTF-8 as Latin-1.
func toUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return []byte(latin1(string(b)))
}

// latin1 reads every byte as the character of that number.
func latin1(s string) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteRune(rune(s[i]))
	}
	return out.String()
}

// firstText returns the part that a reader sees first.
func (p *part) firstText() *part {
	if len(p.parts) == 0 {
		if p.isText() && p.filename == "" {
			return p
		}
		return nil
	}
	for _, child := range p.parts {
		if t := child.firstText(); t != nil {
			return t
		}
	}
	return nil
}

// decodeWords decodes RFC 2047 words; what cannot be decoded stays.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	out, err := d.DecodeHeader(s)
	if err != nil {
		return s
	}
	return out
}

// decodeField decodes one header field. Names in address fields are quoted
// again where the decoded text needs it.
func decodeField(f mailbox.Field) string {
	value := f.Value
	if !utf8.ValidString(value) {
		value = latin1(value)
	}
	if !strings.Contains(value, "=?") {
		return value
	}
	switch strings.ToLower(f.Name) {
	case "from", "to", "cc", "bcc", "sender", "reply-to":
	default:
		return decodeWords(value)
	}
	parser := netmail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: charset.Reader}}
	list, err := parser.ParseList(value)
	if err != nil {
		return value
	}
	out := make([]string, len(list))
	for i, a := range list {
		if out[i] = a.Address; a.Name == "" {
			continue
		}
		name := a.Name
		if strings.ContainsAny(name, `()<>[]:;@\,."`) {
			name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
		}
		out[i] = name + " <" + a.Address + ">"
	}
	return strings.Join(out, ", ")
}
