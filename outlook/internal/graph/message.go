package graph

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Message is a message as Graph writes it, as far as the driver reads it. A
// property that is missing, null or of an unexpected type is zero.
type Message struct {
	ID string
	// Removed marks a deleted or moved item of a delta page; it has only an ID.
	Removed           bool
	ConversationID    string
	ParentFolderID    string
	InternetMessageID string
	Subject           string
	ReceivedDateTime  string
	SentDateTime      string
	IsRead            bool
	IsDraft           bool
	HasAttachments    bool
	From, Sender      mailbox.Address
	ReplyTo           []mailbox.Address
	To, Cc, Bcc       []mailbox.Address
	// Header is nil when Graph gave no header block.
	Header mailbox.Header
	// BodyType is "text" or "html" in any case, "" without a body.
	BodyType string
	Body     string
}

// Page is a page of a list or of a delta round. At most one link is set.
type Page struct {
	Messages  []Message
	NextLink  string
	DeltaLink string
}

// ParseMessage decodes one message.
func ParseMessage(text string) (Message, error) {
	r := reader{s: text}
	var m Message
	r.message(&m)
	return m, r.err
}

// ParsePage decodes a page. Messages do not share memory with text or with one
// another, so that keeping one does not keep the page.
func ParsePage(text string) (Page, error) {
	r := reader{s: text}
	var p Page
	if r.peek() != '{' {
		r.fail()
	}
	r.object(func(name string) {
		switch name {
		case "value":
			r.array(func() {
				text := r.raw()
				if !strings.HasPrefix(text, "{") {
					return // null, or nothing that could be a message
				}
				m, err := ParseMessage(strings.Clone(text))
				if err != nil {
					r.fail()
					return
				}
				p.Messages = append(p.Messages, m)
			})
		case "@odata.nextLink":
			p.NextLink = strings.Clone(r.str())
		case "@odata.deltaLink":
			p.DeltaLink = strings.Clone(r.str())
		default:
			r.skip()
		}
	})
	if r.err != nil {
		return Page{}, r.err
	}
	return p, nil
}

func (r *reader) message(m *Message) {
	if r.peek() != '{' {
		r.fail()
	}
	r.object(func(name string) {
		switch name {
		case "id":
			m.ID = r.str()
		case "@removed":
			m.Removed = r.peek() == '{'
			r.skip()
		case "conversationId":
			m.ConversationID = r.str()
		case "parentFolderId":
			m.ParentFolderID = r.str()
		case "internetMessageId":
			m.InternetMessageID = r.str()
		case "subject":
			m.Subject = r.str()
		case "receivedDateTime":
			m.ReceivedDateTime = r.str()
		case "sentDateTime":
			m.SentDateTime = r.str()
		case "isRead":
			m.IsRead = r.boolean()
		case "isDraft":
			m.IsDraft = r.boolean()
		case "hasAttachments":
			m.HasAttachments = r.boolean()
		case "from":
			m.From = r.recipient()
		case "sender":
			m.Sender = r.recipient()
		case "replyTo":
			m.ReplyTo = r.recipients()
		case "toRecipients":
			m.To = r.recipients()
		case "ccRecipients":
			m.Cc = r.recipients()
		case "bccRecipients":
			m.Bcc = r.recipients()
		case "internetMessageHeaders":
			m.Header = r.headers()
		case "body":
			r.object(func(name string) {
				switch name {
				case "contentType":
					m.BodyType = r.str()
				case "content":
					m.Body = r.str()
				default:
					r.skip()
				}
			})
		default:
			r.skip()
		}
	})
}

func (r *reader) recipients() []mailbox.Address {
	var all []mailbox.Address
	r.array(func() {
		if a := r.recipient(); a != (mailbox.Address{}) {
			all = append(all, a)
		}
	})
	return all
}

func (r *reader) recipient() mailbox.Address {
	var a mailbox.Address
	r.object(func(name string) {
		if name != "emailAddress" {
			r.skip()
			return
		}
		r.object(func(name string) {
			switch name {
			case "name":
				a.Name = r.str()
			case "address":
				a.Address = r.str()
			default:
				r.skip()
			}
		})
	})
	return a
}

// usualFields is where a header block starts to grow: enough for most mail.
const usualFields = 32

func (r *reader) headers() mailbox.Header {
	var h mailbox.Header
	r.array(func() {
		var f mailbox.Field
		r.object(func(name string) {
			switch name {
			case "name":
				f.Name = r.str()
			case "value":
				f.Value = r.str()
			default:
				r.skip()
			}
		})
		if f.Name == "" {
			return
		}
		if h == nil {
			h = make(mailbox.Header, 0, usualFields)
		}
		h = append(h, f)
	})
	return h
}
