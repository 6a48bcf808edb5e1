package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"

	"github.com/mailtether/mailtether/mailbox"
)

// node is one part of a message: a multipart with children, a text, or a file.
type node struct {
	contentType string
	encoding    string // Content-Transfer-Encoding
	disposition string
	contentID   string

	boundary string
	children []*node

	text string
	file []byte
}

// newTree arranges the parts of a message:
//
//	mixed( alternative( text, related( html, inline files ) ), attachments )
//
// Levels with a single part are left out.
func newTree(out *mailbox.Outgoing, body mailbox.Body, id mailbox.RFCMessageID) *node {
	var inline, attached []*node
	for i := range out.Attachments {
		f := &out.Attachments[i]
		if f.Inline {
			inline = append(inline, fileNode(f))
		} else {
			attached = append(attached, fileNode(f))
		}
	}
	boundaries := boundarySource{id: id, files: out.Attachments}
	var root *node
	if body.HTML != "" {
		root = textNode("text/html", body.HTML)
		if len(inline) > 0 {
			root = multipart("multipart/related; type=\"text/html\"", boundaries.next(), root, inline...)
		}
	}
	if body.Text != "" {
		text := textNode("text/plain", body.Text)
		if root == nil {
			root = text
		} else {
			root = multipart("multipart/alternative", boundaries.next(), text, root)
		}
	}
	if len(attached) > 0 {
		root = multipart("multipart/mixed", boundaries.next(), root, attached...)
	}
	return root
}

func multipart(contentType, boundary string, first *node, others ...*node) *node {
	return &node{
		contentType: contentType + `; boundary="` + boundary + `"`,
		boundary:    boundary,
		children:    append([]*node{first}, others...),
	}
}

func textNode(mediaType, text string) *node {
	return &node{contentType: mediaType + "; charset=utf-8", encoding: "quoted-printable", text: text}
}

// fileNode makes the part of a file that was checked.
func fileNode(f *mailbox.File) *node {
	mediaType, ps := "application/octet-stream", map[string]string(nil)
	if f.ContentType != "" {
		mediaType, ps, _ = mime.ParseMediaType(f.ContentType)
	}
	value := newMediaValue(mediaType)
	if f.Name != "" {
		delete(ps, "name")
	}
	for _, name := range slices.Sorted(maps.Keys(ps)) {
		value.param(name, ps[name])
	}
	if strings.HasPrefix(mediaType, "text/") && ps["charset"] == "" && !isASCII(f.Data) && utf8.Valid(f.Data) {
		value.param("charset", "utf-8")
	}
	disposition := newMediaValue("attachment")
	if f.Inline {
		disposition = newMediaValue("inline")
	}
	if f.Name != "" {
		value.wordsParam("name", f.Name)
		disposition.param("filename", f.Name)
	}
	n := &node{
		contentType: value.String(),
		encoding:    "base64",
		disposition: disposition.String(),
		contentID:   f.ContentID,
		file:        f.Data,
	}
	if isMessageType(mediaType) {
		n.encoding = "7bit"
	}
	return n
}

// addFields adds the fields that describe the content.
func (n *node) addFields(h *textproto.Header) {
	if n.contentID != "" {
		h.Add("Content-ID", "<"+n.contentID+">")
	}
	if n.disposition != "" {
		h.Add("Content-Disposition", n.disposition)
	}
	if n.encoding != "" {
		h.Add("Content-Transfer-Encoding", n.encoding)
	}
	h.Add("Content-Type", n.contentType)
}

// write renders the content of the part.
func (n *node) write(b *bytes.Buffer) error {
	switch {
	case n.children != nil:
		return n.writeParts(b)
	case n.encoding == "quoted-printable":
		w := quotedprintable.NewWriter(b)
		if _, err := io.WriteString(w, n.text); err != nil {
			return err
		}
		return w.Close()
	case n.encoding == "base64":
		writeBase64(b, n.file)
	default:
		b.WriteString(strings.ReplaceAll(normalizeLines(string(n.file)), "\n", "\r\n"))
	}
	return nil
}

func (n *node) writeParts(b *bytes.Buffer) error {
	w := textproto.NewMultipartWriter(b)
	if err := w.SetBoundary(n.boundary); err != nil {
		return err
	}
	for _, child := range n.children {
		var h textproto.Header
		child.addFields(&h)
		if _, err := w.CreatePart(h); err != nil {
			return err
		}
		if err := child.write(b); err != nil {
			return err
		}
	}
	return w.Close()
}

// boundarySource makes the boundaries of one message. They follow from its
// Message-ID, so that the same message is rendered the same way again. None can
// occur in quoted-printable or base64 content, where "=_" does not exist
// (RFC 2045, 6.7).
type boundarySource struct {
	id    mailbox.RFCMessageID
	files []mailbox.File
	stem  string
	n     int
}

func (b *boundarySource) next() string {
	for b.stem == "" || b.occurs() {
		sum := sha256.Sum256([]byte(string(b.id) + b.stem))
		b.stem = "=_" + hex.EncodeToString(sum[:12])
	}
	b.n++
	return b.stem + "_" + strconv.Itoa(b.n)
}

// occurs looks for the boundary in enclosed messages. They are not encoded, and
// may even hold an earlier rendering of this message.
func (b *boundarySource) occurs() bool {
	return slices.ContainsFunc(b.files, func(f mailbox.File) bool {
		return isMessageType(f.ContentType) && bytes.Contains(f.Data, []byte(b.stem))
	})
}

// isMessageType reports whether the content is a message of its own, which
// must not be encoded (RFC 2046, 5.2.1).
func isMessageType(contentType string) bool {
	const kind = "message/"
	contentType = strings.TrimLeft(contentType, " ")
	return len(contentType) > len(kind) && strings.EqualFold(contentType[:len(kind)], kind)
}
