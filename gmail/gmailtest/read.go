package gmailtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// The formats of messages.get.
const (
	formatMinimal  = "minimal"
	formatMetadata = "metadata"
	formatFull     = "full"
	formatRaw      = "raw"
)

func (c *call) format() string {
	if f := c.query.Get("format"); f != "" {
		return strings.ToLower(f)
	}
	return formatFull
}

// messageJSON is the schema Message.
type messageJSON struct {
	ID           string    `json:"id"`
	ThreadID     string    `json:"threadId"`
	LabelIDs     []string  `json:"labelIds,omitempty"`
	Snippet      *string   `json:"snippet,omitempty"`
	Payload      *partJSON `json:"payload,omitempty"`
	SizeEstimate int       `json:"sizeEstimate,omitempty"`
	HistoryID    string    `json:"historyId,omitempty"`
	InternalDate string    `json:"internalDate,omitempty"`
	Raw          string    `json:"raw,omitempty"`
}

// partJSON is the schema MessagePart.
type partJSON struct {
	PartID   *string      `json:"partId,omitempty"`
	MimeType string       `json:"mimeType,omitempty"`
	Filename *string      `json:"filename,omitempty"`
	Headers  []headerJSON `json:"headers,omitempty"`
	Body     *bodyJSON    `json:"body,omitempty"`
	Parts    []*partJSON  `json:"parts,omitempty"`
}

type headerJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// bodyJSON is the schema MessagePartBody.
type bodyJSON struct {
	AttachmentID string `json:"attachmentId,omitempty"`
	Size         int    `json:"size"`
	Data         string `json:"data,omitempty"`
}

// message returns the message of the path. Ids that are no ids are told apart
// from ids that are unknown.
func (c *call) message(id string) (*message, *apiError) {
	if _, err := strconv.ParseUint(id, 16, 64); err != nil {
		return nil, badArgument("Invalid id value")
	}
	m := c.b.messages[id]
	if m == nil || m.hidden != nil && m.hidden.get && !m.hidden.over(c.now) {
		return nil, notFound()
	}
	return m, nil
}

func (c *call) messagesGet() (any, *apiError) {
	m, err := c.message(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return c.render(m)
}

// render gives a message in the format that the query asks for.
func (c *call) render(m *message) (*messageJSON, *apiError) {
	out := c.s.ref(m)
	out.Snippet = new(m.snippet())
	out.SizeEstimate = len(m.raw)
	out.HistoryID = strconv.FormatUint(m.historyID, 10)
	out.InternalDate = strconv.FormatInt(m.at.UnixMilli(), 10)
	switch format := c.format(); format {
	case formatMinimal:
	case formatMetadata:
		kind, _ := mediaType(m.mail.Get("Content-Type"))
		out.Payload = &partJSON{MimeType: kind, Headers: c.s.headers(m.mail.Header(), c.query["metadataHeaders"])}
	case formatFull:
		out.Payload = c.s.part(parsePart(m.raw), m, "")
	case formatRaw:
		out.Raw = c.s.base64url(m.raw)
	default:
		return nil, badArgument("Invalid value at 'format': %q", format)
	}
	return out, nil
}

// ref is what a list or a write says about a message.
func (s *Server) ref(m *message) *messageJSON {
	return &messageJSON{ID: m.id, ThreadID: m.thread, LabelIDs: slices.Clone(m.labels)}
}

// headers renders header fields; only limits them to these names.
func (s *Server) headers(h mailbox.Header, only []string) []headerJSON {
	var out []headerJSON
	for _, f := range h {
		if len(only) > 0 && !slices.ContainsFunc(only, func(name string) bool { return strings.EqualFold(name, f.Name) }) {
			continue
		}
		value := f.Value
		if !s.opts.EncodedHeaders {
			value = decodeField(f)
		}
		out = append(out, headerJSON{f.Name, strings.ToValidUTF8(value, "\uFFFD")})
	}
	return out
}

// part renders a part and those in it.
func (s *Server) part(p *part, m *message, id string) *partJSON {
	out := &partJSON{
		PartID: new(id), MimeType: p.mediaType, Filename: new(p.filename),
		Headers: s.headers(p.mail.Header(), nil), Body: &bodyJSON{},
	}
	for i, child := range p.parts {
		childID := strconv.Itoa(i)
		if id != "" {
			childID = id + "." + childID
		}
		out.Parts = append(out.Parts, s.part(child, m, childID))
	}
	if p.isMultipart() {
		return out
	}
	data := p.content()
	if p.isText() && !s.opts.RawCharset {
		data = p.utf8()
	}
	out.Body.Size = len(data)
	switch {
	case len(data) == 0:
	case p.filename != "" || !p.isText() && !p.isReportPart() || len(data) > s.opts.InlineBytes:
		out.Body.AttachmentID = s.attachmentID(id)
	default:
		out.Body.Data = s.base64url(data)
	}
	return out
}

// attachmentID names a part. Names change with every get; old ones stay good.
func (s *Server) attachmentID(part string) string {
	n := s.nonce()
	key := byte(binary.BigEndian.Uint64(n[:]))
	b := slices.Clone(n[:])
	for i := range len(part) {
		b = append(b, part[i]^key)
	}
	return "ANGjdJ" + base64.RawURLEncoding.EncodeToString(b)
}

func readAttachmentID(id string) (part string, ok bool) {
	encoded, ok := strings.CutPrefix(id, "ANGjdJ")
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || err != nil || len(b) < 8 {
		return "", false
	}
	key := b[7]
	for i := range b[8:] {
		b[8+i] ^= key
	}
	return string(b[8:]), true
}

func (c *call) attachmentsGet() (any, *apiError) {
	m, err := c.message(c.r.PathValue("messageId"))
	if err != nil {
		return nil, err
	}
	id, ok := readAttachmentID(c.r.PathValue("id"))
	if !ok {
		return nil, badArgument("Invalid attachment token")
	}
	p := parsePart(m.raw)
	if id != "" {
		for step := range strings.SplitSeq(id, ".") {
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(p.parts) {
				return nil, badArgument("Invalid attachment token")
			}
			p = p.parts[n]
		}
	}
	data := p.content()
	if p.isText() && p.filename == "" && !c.s.opts.RawCharset {
		data = p.utf8()
	}
	return bodyJSON{Size: len(data), Data: c.s.base64url(data)}, nil
}

// maxSnippet is about what Gmail gives.
const maxSnippet = 200

// snippet is the beginning of the text, escaped for HTML as Gmail does.
func (m *message) snippet() string {
	if m.text == nil {
		text := ""
		if p := parsePart(m.raw).firstText(); p != nil {
			data := p.utf8()
			if p.mediaType == "text/html" {
				data = stripTags(data)
			}
			text = string(bytes.Join(bytes.Fields(data[:min(len(data), 8<<10)]), []byte(" ")))
			if len(text) > maxSnippet {
				cut := maxSnippet
				for cut > 0 && !utf8.RuneStart(text[cut]) {
					cut--
				}
				text = text[:cut]
			}
		}
		m.text = new(html.EscapeString(strings.ToValidUTF8(text, "\uFFFD")))
	}
	return *m.text
}

func stripTags(b []byte) []byte {
	var out []byte
	inside := false
	for _, c := range b[:min(len(b), 64<<10)] {
		switch {
		case c == '<':
			inside = true
			out = append(out, ' ')
		case c == '>' && inside:
			inside = false
		case !inside:
			out = append(out, c)
		}
	}
	return []byte(html.UnescapeString(string(out)))
}
