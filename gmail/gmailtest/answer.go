package gmailtest

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// ReplyOptions shapes an answer from outside. The zero value is a human answer
// from the first recipient.
type ReplyOptions struct {
	// From is who answers, "ann@example.com" or "Ann <ann@example.com>"; empty
	// means the first recipient of the message.
	From string
	// Subject and Text replace what is made up.
	Subject, Text string
	// OutOfOffice makes it an automatic answer (RFC 3834).
	OutOfOffice bool
	// DropIDs leaves out In-Reply-To and References, as some clients do.
	DropIDs bool
	// Header holds further fields.
	Header mailbox.Header
}

// BounceOptions shapes a delivery report. The zero value is a permanent failure
// of the first recipient.
type BounceOptions struct {
	// Recipient is who could not be reached; empty means the first recipient.
	Recipient string
	// Status is the enhanced status code; empty means 5.1.1, or 4.4.1 when
	// Delayed.
	Status string
	// Diagnostic is the answer of the remote server.
	Diagnostic string
	// Delayed makes it a warning: Gmail goes on trying.
	Delayed bool
}

// Reply delivers an answer to a message that the user has sent; messageID names
// the user's own copy. It returns the id of the answer in the user's mailbox.
func (s *Server) Reply(user, messageID string, o ReplyOptions) (id string, err error) {
	raw, recipient, err := s.sent(user, messageID)
	if err != nil {
		return "", err
	}
	if o.From == "" {
		o.From = recipient
	}
	a := fakeserver.Answer{
		From: o.From, Date: s.Now(), Subject: o.Subject, Text: o.Text, DropIDs: o.DropIDs, Header: o.Header,
	}
	if o.OutOfOffice {
		return s.Deliver(user, fakeserver.OutOfOffice(raw, a))
	}
	return s.Deliver(user, fakeserver.ReplyMessage(raw, a))
}

// Bounce files Gmail's delivery report about a message that the user has sent.
func (s *Server) Bounce(user, messageID string, o BounceOptions) (id string, err error) {
	_, recipient, err := s.sent(user, messageID)
	if err != nil {
		return "", err
	}
	o.Recipient = cmp.Or(o.Recipient, recipient)
	f := notFoundAddress
	if o.Delayed {
		f = failure{
			status: "4.4.1", diagnostic: "The recipient server did not accept our requests to connect.",
			title: "Delivery incomplete",
			text:  "There was a temporary problem delivering your message to %s. Gmail will retry for 46 more hours.",
		}
	}
	if o.Status != "" {
		f.status, f.diagnostic = o.Status, "550 "+o.Status+" The message was refused."
	}
	if o.Diagnostic != "" {
		f.diagnostic = o.Diagnostic
	}
	f.delayed = o.Delayed
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(user)
	m := b.messages[messageID]
	if m == nil {
		return "", errNoMessage
	}
	return s.bounce(b, m, o.Recipient, f).id, nil
}

var errNoMessage = errors.New("gmailtest: the user has no such message")

// sent returns a message of a user with its first recipient.
func (s *Server) sent(user, messageID string) (raw []byte, recipient string, err error) {
	b := s.mustFind(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := b.messages[messageID]
	if m == nil {
		return nil, "", errNoMessage
	}
	to := m.mail.Addresses("To", "Cc", "Bcc")
	if len(to) == 0 {
		return nil, "", fmt.Errorf("gmailtest: the message has no recipients")
	}
	return m.raw, to[0].Address, nil
}
