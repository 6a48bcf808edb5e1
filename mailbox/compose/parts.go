package compose

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// place is where a part stands in the message.
type place struct {
	id          string // "1.2"; "" is the message itself
	defaultType string // what a part without Content-Type is
	depth       int
	related     bool // inside a multipart/related, behind its root
}

// entity is what the header of a part tells.
type entity struct {
	place
	contentType string // the value as it came
	mediaType   string // in lower case
	params      params
	disposition string
	name        string
	contentID   string
	enc         transferEncoding
}

// readPart reads the body of a part whose header was just read.
func (r *reader) readPart(h mailbox.Header, at place) content {
	e := r.describePart(h, at)
	if strings.HasPrefix(e.mediaType, "multipart/") {
		if at.depth < r.opts.MaxDepth {
			return r.readMultipart(e)
		}
		r.warn(mailbox.WarnTooDeep, at.id, "nested parts are not read")
	}
	return r.readLeaf(e)
}

func (r *reader) describePart(h mailbox.Header, at place) entity {
	e := entity{place: at, contentType: h.Get("Content-Type")}
	mediaType, ps := parseParams(e.contentType)
	disposition, dispositionParams := parseParams(h.Get("Content-Disposition"))
	e.params, e.disposition = ps, disposition
	var nameOK bool
	if e.name, nameOK = dispositionParams.text("filename"); e.name == "" {
		var ok bool
		e.name, ok = ps.text("name")
		nameOK = nameOK && ok
	}
	if !nameOK {
		r.warn(mailbox.WarnEncoding, at.id, "the file name is damaged")
	}
	if ids := h.Get("Content-ID"); ids != "" {
		e.contentID = strings.Trim(ids, "<> \t")
	}
	e.mediaType = e.completeType(mediaType)
	if mediaType != "" && e.mediaType != mediaType {
		r.warn(mailbox.WarnHeader, at.id, "the content type is malformed")
	}
	var known bool
	if e.enc, known = parseEncoding(h.Get("Content-Transfer-Encoding")); !known {
		r.warn(mailbox.WarnEncoding, at.id, "the transfer encoding is unknown")
	}
	return e
}

// completeType makes a media type of what stands in the header, which may be
// nothing or only half of one.
func (e *entity) completeType(mediaType string) string {
	if kind, sub, ok := strings.Cut(mediaType, "/"); ok && kind != "" && sub != "" && isPlain(mediaType) {
		return mediaType
	}
	_, hasBoundary := e.params.get("boundary")
	switch {
	case hasBoundary:
		return "multipart/mixed"
	case mediaType == "html":
		return "text/html"
	case mediaType != "" && (e.name != "" || e.disposition == "attachment"):
		return "application/octet-stream"
	default:
		return e.defaultType
	}
}

// readMultipart reads the parts of a multipart.
func (r *reader) readMultipart(e entity) content {
	boundary, _ := e.params.get("boundary")
	boundary = strings.TrimRight(boundary, " \t")
	if found := r.findBoundary(boundary); found != boundary {
		r.warn(mailbox.WarnMultipart, e.id, "the boundary parameter is missing or wrong")
		boundary = found
	} else if boundary == "" {
		r.warn(mailbox.WarnMultipart, e.id, "no boundary was found")
		e.mediaType = "text/plain"
		e.contentType = ""
		return r.readLeaf(e)
	}
	level := len(r.open)
	r.open = append(r.open, boundary)
	defer func() { r.open = r.open[:level] }()

	preamble := r.readText(identity)
	if r.stop.level < level {
		r.warn(mailbox.WarnMultipart, e.id, "no boundary was found")
		return r.textContent(e, "", preamble)
	}
	r.textLeft += int64(len(preamble.data))

	var parts []content
	var closed, related bool
	for n := 0; r.err == nil && r.stop.level == level; {
		last := r.stop.last
		r.stop = nil
		switch {
		case last:
			closed = true
			r.skip() // the epilogue
		case r.parts >= r.opts.MaxParts:
			r.warn(mailbox.WarnTruncated, "", "too many parts")
			r.skip()
		default:
			if closed {
				r.warn(mailbox.WarnMultipart, e.id, "a part follows the closing boundary")
				closed = false
			}
			r.parts++
			n++
			at := place{id: childID(e.id, n), defaultType: "text/plain", depth: e.depth + 1, related: related}
			if e.mediaType == "multipart/digest" {
				at.defaultType = "message/rfc822"
			}
			c := r.readPart(r.readHeader(at.id), at)
			related = e.mediaType == "multipart/related" && (related || c.hasText || c.hasHTML)
			parts = append(parts, c)
		}
	}
	if !closed {
		r.warn(mailbox.WarnMultipart, e.id, "the closing boundary is missing")
	}
	if e.mediaType == "multipart/alternative" {
		return alternative(parts)
	}
	return joined(parts)
}

// childID numbers parts as IMAP does (RFC 9051, 6.4.5): the parts of the message
// are "1", "2" and so on, those of part 1 are "1.1", "1.2".
func childID(parent string, n int) string {
	if parent == "" {
		return strconv.Itoa(n)
	}
	return parent + "." + strconv.Itoa(n)
}

// findBoundary looks ahead for the boundary that separates the parts of a
// multipart: the declared one, or if that does not occur, as far as the buffer
// reaches, what looks like one: a line that begins with two dashes and has a
// header behind it.
func (r *reader) findBoundary(declared string) string {
	b := r.lines.buffered()
	if declared != "" && (r.stop != nil || bytes.Contains(b, []byte("--"+declared))) {
		return declared
	}
	for len(b) > 0 {
		var text []byte
		text, b, _ = bytes.Cut(b, []byte("\n"))
		if r.boundary(line{text: bytes.TrimRight(text, "\r"), head: true}) != nil {
			break
		}
		name, ok := bytes.CutPrefix(bytes.TrimRight(text, " \t\r"), []byte("--"))
		const field = "content-"
		if ok && len(name) > 0 && len(b) >= len(field) && strings.EqualFold(string(b[:len(field)]), field) {
			return string(name)
		}
	}
	return declared
}

// readLeaf reads a part that has no parts: text of the body, or an attachment.
func (r *reader) readLeaf(e entity) content {
	top := e.id == ""
	if top {
		e.id = "1"
	}
	first := r.leaves == 0
	r.leaves++
	if isBody(e, top, first) {
		d := r.readText(e.enc)
		if e.mediaType != "text/html" && e.mediaType != "text/plain" {
			e.mediaType = "text/plain"
		}
		return r.textContent(e, e.contentType, d)
	}
	d := decoder{enc: e.enc}
	r.copyTo(&d)
	if d.damaged {
		r.warn(mailbox.WarnEncoding, e.id, "the transfer encoding is damaged")
	}
	r.msg.Attachments = append(r.msg.Attachments, mailbox.Attachment{
		ID:          e.id,
		Name:        e.name,
		ContentType: e.mediaType,
		ContentID:   e.contentID,
		Size:        d.size,
		Inline:      e.disposition == "inline" || e.disposition == "" && e.related && e.contentID != "",
	})
	return content{}
}

// isBody tells text that is read together with the message from text that is
// enclosed. A message may begin with a named text part, and one that is nothing
// but text of an unusual kind is still read.
func isBody(e entity, top, first bool) bool {
	switch {
	case e.disposition == "attachment":
		return false
	case e.mediaType == "text/plain" || e.mediaType == "text/html":
		return (e.name == "" || first) && !(e.related && e.contentID != "")
	default:
		return top && e.name == "" && strings.HasPrefix(e.mediaType, "text/") && e.mediaType != "text/calendar"
	}
}

// textContent decodes the text of a part.
func (r *reader) textContent(e entity, contentType string, d decoder) content {
	if d.cut {
		r.warn(mailbox.WarnTruncated, e.id, "the text is above the size limit")
		d.data = trimPartialRune(d.data)
	}
	if d.damaged {
		r.warn(mailbox.WarnEncoding, e.id, "the transfer encoding is damaged")
	}
	text, ws := DecodeText(contentType, d.data)
	for _, w := range ws {
		r.warn(w.Code, e.id, w.Detail)
	}
	if e.mediaType == "text/html" {
		return content{html: text, hasHTML: true}
	}
	return content{text: text, hasText: true}
}

// trimPartialRune removes the beginning of a UTF-8 character at the end of b.
func trimPartialRune(b []byte) []byte {
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}

// readText reads the rest of a part, as much of it as may be kept.
func (r *reader) readText(enc transferEncoding) decoder {
	d := decoder{enc: enc, keep: r.textLeft}
	r.copyTo(&d)
	r.textLeft -= int64(len(d.data))
	return d
}

// skip passes over the rest of a part.
func (r *reader) skip() { r.copyTo(&decoder{}) }

// copyTo decodes the rest of a part. The last line end is not part of it: it
// belongs to the boundary that follows (RFC 2046, 5.1.1).
func (r *reader) copyTo(d *decoder) {
	var pending [maxCRs + 1]byte
	n := 0
	for {
		l, ok := r.next()
		if !ok {
			break
		}
		if n > 0 {
			d.newline(pending[:n])
		}
		n = copy(pending[:], l.end)
		d.write(l.text, n > 0)
	}
	d.close()
}
