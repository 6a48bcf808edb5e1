package threading

import (
	"cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/replytext"
)

// NewSentMessage returns what has to be remembered of a message that stands in a
// mailbox and was sent from it, so that answers to mail that was written by hand
// or before are recognised as well: all its ids, its recipients, its subject, and
// its phrases if the body is there. Provider is left to the caller.
func NewSentMessage(ref mailbox.Ref, key string, m *mailbox.Message) SentMessage {
	s := SentMessage{
		Ref: ref, Key: key, IDs: MessageIDs(m), Thread: m.ThreadID,
		Recipients: recipientsOf(m), Subject: subjectOf(m), At: m.ReceivedAt,
	}
	if s.At.IsZero() {
		s.At = m.Date
	}
	s.Token = cmp.Or(FindToken(s.IDs...), FindToken(replyTo(m)...))
	s.ThreadIndex, _ = ParseThreadIndex(m.Header.Get("Thread-Index"))
	if m.Body != nil {
		s.Phrases = Phrases(replytext.ParseBody(m.Body.Text, m.Body.HTML).Text)
	}
	return s
}

// recipientsOf returns the addresses of To, Cc and Bcc, decoded if the message
// has them, otherwise from the header.
func recipientsOf(m *mailbox.Message) []string {
	var all []string
	for _, list := range [][]mailbox.Address{m.To, m.Cc, m.Bcc} {
		for _, a := range list {
			all = append(all, a.Address)
		}
	}
	if len(all) == 0 {
		for _, name := range []string{"To", "Cc", "Bcc"} {
			all = append(all, addresses(field(m, name))...)
		}
	}
	return all
}
