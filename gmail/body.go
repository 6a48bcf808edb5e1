package gmail

import (
	"bytes"
	"context"
	"errors"
	"html"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

// Bounds of a body, the same as those of compose.Read.
const (
	maxText  = 8 << 20 // bytes of text, all parts together
	maxDepth = 50
	maxParts = 1000
)

// bodyReader walks through the parts of one message.
type bodyReader struct {
	msg *mailbox.Message
	// load reads the content of a large text part.
	load  func(attachmentID string) (string, error)
	left  int
	parts int
	leaf  int
	err   error
}

// addBody fills Body and Attachments of msg from the parts of w. Only text is
// read; load is asked for text parts that Gmail did not put into its answer.
//
// The body is what a reader would see: the first text and the first HTML of
// every multipart/alternative, and all inline text of the others in a row.
// Where some of that exists as HTML only, Text is left empty, and where it
// exists as text only it becomes HTML, so that neither lacks anything.
func (w *wireMessage) addBody(msg *mailbox.Message, load func(string) (string, error)) error {
	r := &bodyReader{msg: msg, load: load, left: maxText}
	c := r.read(&w.Payload, "", 0, false)
	if r.err != nil {
		return r.err
	}
	msg.Body = &mailbox.Body{Text: c.text, HTML: c.html}
	return nil
}

// content is what a part adds to the body.
type content struct {
	text, html       string
	hasText, hasHTML bool
}

// read reads a part with everything below it. The id is its place, numbered as
// in IMAP. related tells that it stands behind the root of a multipart/related.
func (r *bodyReader) read(p *wirePart, id string, depth int, related bool) content {
	kind := strings.ToLower(p.MimeType)
	if !strings.HasPrefix(kind, "multipart/") {
		if id == "" {
			id = "1"
		}
		return r.readLeaf(p, kind, id, related)
	}
	if len(p.Parts) == 0 && (p.Body.Data != "" || p.Body.AttachmentID != "") {
		return r.readUnparted(p, kind, id)
	}
	if depth >= maxDepth {
		r.warn(mailbox.WarnTooDeep, id, "nested parts are not read")
		return content{}
	}
	var all []content
	behindRoot := false
	for i := range p.Parts {
		if r.parts++; r.parts > maxParts {
			r.warn(mailbox.WarnTruncated, "", "too many parts")
			break
		}
		childID := strconv.Itoa(i + 1)
		if id != "" {
			childID = id + "." + childID
		}
		c := r.read(&p.Parts[i], childID, depth+1, behindRoot)
		if r.err != nil {
			return content{}
		}
		behindRoot = kind == "multipart/related" && (behindRoot || c.hasText || c.hasHTML)
		all = append(all, c)
	}
	if kind == "multipart/alternative" {
		return alternative(all)
	}
	return joined(all)
}

// readUnparted reads a multipart in which Gmail found no parts: what is in the
// answer is taken for text, the rest is listed.
func (r *bodyReader) readUnparted(p *wirePart, kind, id string) content {
	r.warn(mailbox.WarnMultipart, id, "no parts were found")
	r.leaf++
	if p.Body.Data != "" {
		return r.readText(p, "text/plain", id, "")
	}
	r.msg.Attachments = append(r.msg.Attachments, mailbox.Attachment{
		ID: p.Body.AttachmentID, ContentType: kind, Size: max(int64(p.Body.Size), 0),
	})
	return content{}
}

// alternative combines parts that say the same in different forms.
func alternative(all []content) content {
	var c content
	for _, p := range all {
		if p.hasText && !c.hasText {
			c.text, c.hasText = p.text, true
		}
		if p.hasHTML && !c.hasHTML {
			c.html, c.hasHTML = p.html, true
		}
	}
	return c
}

// joined combines parts that follow each other.
func joined(all []content) content {
	var c content
	n, textComplete := 0, true
	for _, p := range all {
		if p.hasText || p.hasHTML {
			all[n] = p
			n++
			c.hasHTML = c.hasHTML || p.hasHTML
			textComplete = textComplete && p.hasText
		}
	}
	if n == 1 {
		return all[0]
	}
	var text, asHTML strings.Builder
	for _, p := range all[:n] {
		if textComplete {
			if s := text.String(); s != "" && !strings.HasSuffix(s, "\n") {
				text.WriteByte('\n')
			}
			text.WriteString(p.text)
		}
		if c.hasHTML {
			if !p.hasHTML {
				p.html = "<pre>" + html.EscapeString(p.text) + "</pre>"
			}
			asHTML.WriteString(p.html)
			asHTML.WriteByte('\n')
		}
	}
	c.text, c.html = text.String(), asHTML.String()
	c.hasText = n > 0 && textComplete
	return c
}

// readLeaf reads a part without parts: text of the body, or an attachment.
func (r *bodyReader) readLeaf(p *wirePart, kind, id string, related bool) content {
	h := p.header()
	disposition, _, _ := strings.Cut(h.Get("Content-Disposition"), ";")
	disposition = strings.ToLower(strings.TrimSpace(disposition))
	contentID := strings.Trim(h.Get("Content-ID"), "<> \t")
	r.leaf++

	isText := kind == "text/plain" || kind == "text/html" || kind == "" && p.Filename == "" && p.Body.AttachmentID == ""
	if isText && disposition != "attachment" && (p.Filename == "" || r.leaf == 1) && (!related || contentID == "") {
		return r.readText(p, kind, id, h.Get("Content-Type"))
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	r.msg.Attachments = append(r.msg.Attachments, mailbox.Attachment{
		ID:          p.Body.AttachmentID,
		Name:        p.Filename,
		ContentType: kind,
		ContentID:   contentID,
		Size:        max(int64(p.Body.Size), 0),
		Inline:      disposition == "inline" || disposition == "" && related && contentID != "",
	})
	return content{}
}

func (r *bodyReader) readText(p *wirePart, kind, id, contentType string) content {
	encoded := p.Body.Data
	if encoded == "" && p.Body.AttachmentID != "" {
		if int64(p.Body.Size) > int64(r.left) {
			r.warn(mailbox.WarnTruncated, id, "the text is above the size limit")
			return content{}
		}
		var err error
		if encoded, err = r.load(p.Body.AttachmentID); err != nil {
			if !errors.Is(err, mailbox.ClassNotFound) {
				r.err = err
				return content{}
			}
			r.warn(mailbox.WarnIncomplete, id, "the text is not there any more")
		}
	}
	data, whole := decodeBase64(encoded)
	if !whole {
		r.warn(mailbox.WarnEncoding, id, "the base64 of the answer is damaged")
	}
	if len(data) > r.left {
		r.warn(mailbox.WarnTruncated, id, "the text is above the size limit")
		data = cut(data, r.left)
	}
	r.left -= len(data)
	text, warnings := compose.DecodeText(charsetOf(contentType, kind, data), data)
	for _, w := range warnings {
		r.warn(w.Code, id, w.Detail)
	}
	if kind == "text/html" {
		return content{html: text, hasHTML: true}
	}
	return content{text: text, hasText: true}
}

// cut returns the first n bytes, or a few less so that no character of UTF-8 is
// cut in two.
func cut(data []byte, n int) []byte {
	if utf8.Valid(data) {
		for n > 0 && !utf8.RuneStart(data[n]) {
			n--
		}
	}
	return data[:n]
}

// charsetOf returns the Content-Type by which to decode a text part. Gmail was
// seen to give text as UTF-8 whatever the Content-Type still says
// (openclaw/gogcli issue 446, March 2026), so valid UTF-8 is taken for UTF-8,
// unless it holds the escape or NUL bytes of an encoding that is made of such.
func charsetOf(contentType, kind string, data []byte) string {
	if utf8.Valid(data) && !bytes.ContainsAny(data, "\x00\x1b") {
		return mime.FormatMediaType(kind, map[string]string{"charset": "utf-8"})
	}
	return contentType
}

func (r *bodyReader) warn(code mailbox.WarningCode, part, detail string) {
	for _, w := range r.msg.Warnings {
		if w.Code == code && w.Part == part {
			return
		}
	}
	r.msg.Warnings = append(r.msg.Warnings, mailbox.Warning{Code: code, Part: part, Detail: detail})
}

// loader reads text parts of a message that Gmail left out of its answer.
func (m *Mailbox) loader(ctx context.Context, id mailbox.MessageID) func(string) (string, error) {
	return func(attachmentID string) (string, error) {
		ctx := m.call(ctx, mailbox.Call{Method: methodAttachment})
		body, err := do(ctx, m, m.users.Messages.Attachments.Get(me, string(id), attachmentID).Context(ctx))
		if err != nil {
			return "", err
		}
		return body.Data, nil
	}
}
