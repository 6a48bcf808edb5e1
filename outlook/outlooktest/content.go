package outlooktest

import (
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// content is what a message says, apart from where it stands.
type content struct {
	subject                      string
	from, sender                 *mailbox.Address
	to, cc, bcc, replyTo         []mailbox.Address
	importance                   string // low, normal, high
	categories                   []string
	messageID                    string // with brackets
	ownMessageID                 bool   // chosen by the client
	inReplyTo, references        string
	topic                        string // Thread-Topic
	index                        []byte // Thread-Index
	conversation                 string
	deliveryReceipt, readReceipt bool
	properties                   []property // extended properties set by the client
	reply                        bool       // made by createReply: threading fields are Exchange's own
	custom                       []field    // X- fields set by the client
	flagged                      bool

	// raw is the message as it came or went; nil for a draft that was made from
	// JSON, or changed since.
	raw []byte
	// header is that of raw.
	header []field

	// bodyType and body are the readable text; files are the attachments. They
	// are read from raw when first needed.
	loaded   bool
	bodyType string // text or html
	body     string
	files    []*file
}

// field is a header field, unfolded.
type field struct{ name, value string }

// property is a single-value extended property.
type property struct{ id, value string }

// file is an attachment.
type file struct {
	number      uint64
	name        string
	contentType string
	contentID   string
	inline      bool
	message     bool // an attached message
	data        []byte
	modified    time.Time
}

func (c *content) rfcID() mailbox.RFCMessageID {
	ids := mailbox.ParseMessageIDs(c.messageID)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// get returns the first header field of that name.
func get(header []field, name string) string {
	for _, f := range header {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

func values(header []field, name string) []string {
	var vs []string
	for _, f := range header {
		if strings.EqualFold(f.name, name) {
			vs = append(vs, f.value)
		}
	}
	return vs
}

// recipients returns all recipients.
func (c *content) recipients() []mailbox.Address {
	all := make([]mailbox.Address, 0, len(c.to)+len(c.cc)+len(c.bcc))
	all = append(all, c.to...)
	all = append(all, c.cc...)
	return append(all, c.bcc...)
}

// hasAttachments is false when there are only inline files.
func (c *content) hasAttachments() bool {
	for _, f := range c.load().files {
		if !f.inline {
			return true
		}
	}
	return false
}

// load reads body and attachments, once.
func (c *content) load() *content {
	if c.loaded {
		return c
	}
	c.loaded = true
	parts := readParts(c.raw)
	c.files = parts.files
	switch {
	case parts.html != "":
		c.bodyType, c.body = "html", parts.html
	default:
		c.bodyType, c.body = "text", parts.text
	}
	return c
}
