package outlooktest

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"

	"github.com/mailtether/mailtether/mailbox"
)

// Limits of what is read of a message that comes from outside.
const (
	maxDepth = 30
	maxParts = 1000
)

// readContent reads the header of a message, however broken. Body and
// attachments are read when they are needed.
func readContent(raw []byte) content {
	head, _ := splitHeader(raw)
	c := content{raw: raw, header: readHeader(head), importance: "normal"}
	c.subject = decodeWords(get(c.header, "Subject"))
	c.to = addresses(c.header, "To")
	c.cc = addresses(c.header, "Cc")
	c.bcc = addresses(c.header, "Bcc")
	c.replyTo = addresses(c.header, "Reply-To")
	if from := addresses(c.header, "From"); len(from) > 0 {
		c.from, c.sender = &from[0], &from[0]
	}
	if sender := addresses(c.header, "Sender"); len(sender) > 0 {
		c.sender = &sender[0]
	}
	if ids := mailbox.ParseMessageIDs(get(c.header, "Message-ID")); len(ids) > 0 {
		c.messageID, c.ownMessageID = ids[0].Brackets(), true
	}
	c.inReplyTo = get(c.header, "In-Reply-To")
	c.references = strings.Join(values(c.header, "References"), " ")
	c.topic = decodeWords(get(c.header, "Thread-Topic"))
	c.index = readThreadIndex(get(c.header, "Thread-Index"))
	switch strings.ToLower(get(c.header, "Importance")) {
	case "high":
		c.importance = "high"
	case "low":
		c.importance = "low"
	}
	for _, f := range c.header {
		if isCustom(f.name) {
			c.custom = append(c.custom, f)
		}
	}
	return c
}

func isCustom(name string) bool { return len(name) > 2 && strings.EqualFold(name[:2], "x-") }

// date reads the Date field; zero when it cannot be read.
func (c *content) date() time.Time {
	t, err := mail.ParseDate(get(c.header, "Date"))
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// splitHeader cuts a message at its first empty line.
func splitHeader(raw []byte) (head, body []byte) {
	for at := 0; at < len(raw); {
		end := bytes.IndexByte(raw[at:], '\n')
		if end < 0 {
			return raw, nil
		}
		line := raw[at : at+end]
		if len(bytes.TrimRight(line, "\r")) == 0 {
			return raw[:at], raw[at+end+1:]
		}
		at += end + 1
	}
	return raw, nil
}

// readHeader unfolds the fields of a header and skips lines that are none.
func readHeader(head []byte) []field {
	var fields []field
	var value strings.Builder
	flush := func() {
		if n := len(fields); n > 0 && value.Len() > 0 {
			fields[n-1].value = strings.TrimSpace(toUTF8(value.String()))
		}
		value.Reset()
	}
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			if len(fields) > 0 {
				value.Write(line)
			}
			continue
		}
		name, rest, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !ok || !isFieldName(name) {
			continue
		}
		flush()
		fields = append(fields, field{name: string(name)})
		value.Write(rest)
	}
	flush()
	return fields
}

func isFieldName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return len(b) > 0
}

// toUTF8 reads bytes that are not UTF-8 as Windows-1252.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return decodeCharset("windows-1252", []byte(s))
}

func decodeCharset(name string, b []byte) string {
	if name != "" && !strings.EqualFold(name, "utf-8") && !strings.EqualFold(name, "us-ascii") {
		if r, err := charset.Reader(name, bytes.NewReader(b)); err == nil {
			if out, err := io.ReadAll(r); err == nil && utf8.Valid(out) {
				return string(out)
			}
		}
	}
	if utf8.Valid(b) {
		return string(b)
	}
	if strings.EqualFold(name, "windows-1252") {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return decodeCharset("windows-1252", b)
}

var words = mime.WordDecoder{CharsetReader: func(name string, r io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(r)
	return strings.NewReader(decodeCharset(name, b)), err
}}

// decodeWords decodes encoded words (RFC 2047); a damaged value stays as it is.
func decodeWords(s string) string {
	if out, err := words.DecodeHeader(s); err == nil {
		return toUTF8(out)
	}
	return s
}

var lists = mail.AddressParser{WordDecoder: &words}

// addresses reads all fields of that name. What is no address list is searched
// for tokens that look like addresses.
func addresses(header []field, name string) []mailbox.Address {
	var all []mailbox.Address
	for _, v := range values(header, name) {
		if parsed, err := lists.ParseList(v); err == nil {
			for _, a := range parsed {
				all = append(all, mailbox.Address{Name: toUTF8(a.Name), Address: a.Address})
			}
			continue
		}
		for piece := range strings.SplitSeq(v, ",") {
			if parsed, err := lists.Parse(piece); err == nil {
				all = append(all, mailbox.Address{Name: toUTF8(parsed.Name), Address: parsed.Address})
				continue
			}
			tokens := strings.FieldsFunc(piece, func(r rune) bool { return strings.ContainsRune(" \t<>()\"';:", r) })
			if i := slices.IndexFunc(tokens, func(s string) bool { return strings.Contains(s, "@") }); i >= 0 {
				all = append(all, mailbox.Address{Address: tokens[i]})
			}
		}
	}
	return all
}

// parts is the content of a message, taken apart.
type parts struct {
	text, html string
	files      []*file
	seen       int
}

func readParts(raw []byte) *parts {
	p := &parts{}
	head, body := splitHeader(raw)
	p.walk(readHeader(head), body, 0)
	return p
}

func (p *parts) walk(header []field, body []byte, depth int) {
	p.seen++
	if p.seen > maxParts {
		return
	}
	kind, params := mediaType(get(header, "Content-Type"))
	if boundary := params["boundary"]; strings.HasPrefix(kind, "multipart/") && boundary != "" && depth < maxDepth {
		for _, part := range splitMultipart(body, boundary) {
			head, content := splitHeader(part)
			p.walk(readHeader(head), content, depth+1)
		}
		return
	}
	disposition, dparams := mediaType(get(header, "Content-Disposition"))
	name := decodeWords(first(dparams["filename"], params["name"]))
	id := strings.Trim(get(header, "Content-ID"), "<> ")
	data := decodeTransfer(get(header, "Content-Transfer-Encoding"), body)
	isText := kind == "text/plain" || kind == "text/html"
	if isText && disposition != "attachment" && (name == "" || p.text == "" && p.html == "" && depth == 0) {
		s := decodeCharset(params["charset"], data)
		if kind == "text/html" {
			p.html += s
		} else {
			p.text += s
		}
		return
	}
	f := &file{
		number: uint64(len(p.files) + 1), name: name, contentType: kind, contentID: id,
		inline: disposition == "inline" && id != "" || id != "" && strings.HasPrefix(kind, "image/"),
		data:   data, message: kind == "message/rfc822",
	}
	if f.message {
		f.name = first(f.name, readContent(data).subject, "Message")
	}
	p.files = append(p.files, f)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// mediaType reads Content-Type or Content-Disposition, however broken.
func mediaType(v string) (string, map[string]string) {
	if kind, params, err := mime.ParseMediaType(v); err == nil {
		return kind, params
	}
	params := map[string]string{}
	kind, rest, _ := strings.Cut(v, ";")
	for p := range strings.SplitSeq(rest, ";") {
		if name, value, ok := strings.Cut(p, "="); ok {
			params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" || !strings.Contains(kind, "/") && kind != "attachment" && kind != "inline" {
		kind = "text/plain"
	}
	return kind, params
}

// splitMultipart returns the parts between the boundary lines. A missing end
// is forgiven.
func splitMultipart(body []byte, boundary string) [][]byte {
	var out [][]byte
	mark := []byte("--" + boundary)
	start := -1
	for at := 0; at <= len(body) && len(out) < maxParts; {
		end := bytes.IndexByte(body[at:], '\n')
		next := len(body) + 1
		line := body[at:]
		if end >= 0 {
			line, next = body[at:at+end], at+end+1
		}
		if rest, ok := bytes.CutPrefix(line, mark); ok {
			rest = bytes.TrimRight(rest, " \t\r")
			if closed := string(rest) == "--"; closed || len(rest) == 0 {
				if start >= 0 {
					out = append(out, trimBreak(body[start:at]))
				}
				start = next
				if closed {
					return out
				}
			}
		}
		at = next
	}
	if start >= 0 && start < len(body) {
		out = append(out, body[start:])
	}
	return out
}

// trimBreak removes the line break that belongs to the boundary.
func trimBreak(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// decodeTransfer undoes a transfer encoding; damaged data is given as far as
// it can be read.
func decodeTransfer(encoding string, b []byte) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		if out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b))); err == nil || len(out) > 0 {
			return out
		}
		return b
	case "base64":
		clean := slices.DeleteFunc(slices.Clone(b), func(c byte) bool {
			return !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/')
		})
		if len(clean)%4 == 1 {
			clean = clean[:len(clean)-1]
		}
		out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
		n, _ := base64.RawStdEncoding.Decode(out, clean)
		return out[:n]
	default:
		return b
	}
}
