package outlooktest

import (
	"fmt"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Message is a message in a mailbox of the fake, for a look from Go.
type Message struct {
	// ID is the immutable id, MutableID the present mutable one.
	ID, MutableID string
	// Conversation is the conversationId.
	Conversation string
	// Folder is the well-known name of the folder ("inbox", "sentitems"), or the
	// display name of another one.
	Folder string
	// Raw is the message as it came in or went out; for a draft, as it would go
	// out now.
	Raw         []byte
	Subject     string
	From        string
	To          []string
	MessageID   mailbox.RFCMessageID
	Read, Draft bool
	ReceivedAt  time.Time
	// Submitted is how many times it was accepted for sending and still waits.
	Submitted int
}

// Messages returns the messages of a mailbox, oldest first. It panics when there
// is no such user.
func (s *Server) Messages(user string) []Message {
	s.lock()
	defer s.unlock()
	b := s.mustBox(user)
	items := b.sorted(nil)
	slices.Reverse(items)
	out := make([]Message, 0, len(items))
	for _, it := range items {
		m := Message{
			ID: it.immutableID(), MutableID: it.mutableID(), Conversation: it.conversation,
			Folder: first(it.folder.name, it.folder.display), Raw: it.mime(s.now(), true), Subject: it.subject,
			MessageID: it.rfcID(), Read: it.read, Draft: it.draft, ReceivedAt: it.received, Submitted: it.submitted,
		}
		if it.from != nil {
			m.From = it.from.Address
		}
		for _, a := range it.recipients() {
			m.To = append(m.To, a.Address)
		}
		out = append(out, m)
	}
	return out
}

// In returns the messages of one folder, oldest first.
func (s *Server) In(user, folder string) []Message {
	return slices.DeleteFunc(s.Messages(user), func(m Message) bool { return m.Folder != folder })
}

// Submissions returns every message that transport has taken, in order: what
// was really sent.
func (s *Server) Submissions() []Envelope {
	s.lock()
	defer s.unlock()
	return slices.Clone(s.submissions)
}

// Deliver puts a message from outside into a user's inbox, byte for byte, and
// returns its immutable id. Anything is taken, however broken.
func (s *Server) Deliver(to string, raw []byte) (id string, err error) {
	return s.DeliverTo(to, "inbox", raw)
}

// DeliverTo is Deliver into another folder, named by its well-known name.
func (s *Server) DeliverTo(to, folder string, raw []byte) (id string, err error) {
	s.lock()
	defer s.unlock()
	b := s.box(to)
	if b == nil {
		return "", fmt.Errorf("outlooktest: no such user: %s", to)
	}
	f := b.folder(folder)
	if f == nil {
		return "", fmt.Errorf("outlooktest: no such folder: %s", folder)
	}
	return s.receive(b, f, slices.Clone(raw)).immutableID(), nil
}

// SendByHand sends a message as if the user had written it in Outlook.
func (s *Server) SendByHand(user string, raw []byte) error {
	s.lock()
	defer s.unlock()
	b := s.mustBox(user)
	it := &item{draft: true, read: true}
	it.content = readContent(slices.Clone(raw))
	s.fileDraft(b, b.folder("drafts"), it)
	if err := s.submit(b, b, it, true); err != nil {
		b.remove(it, s.now())
		return err
	}
	return nil
}

// Settle lets transport finish with everything that was accepted.
func (s *Server) Settle() {
	s.lock()
	defer s.unlock()
	waiting := s.pending
	s.pending = nil
	for _, p := range waiting {
		s.transport(p)
	}
}

// SetRead marks a message as if the user had done so in Outlook.
func (s *Server) SetRead(user, id string, read bool) error {
	return s.withItem(user, id, func(b *box, it *item) {
		it.read = read
		b.touch(it, s.now())
	})
}

// Move moves a message to a folder, named by its well-known name.
func (s *Server) Move(user, id, folder string) error {
	return s.withItem(user, id, func(b *box, it *item) {
		if f := b.folder(folder); f != nil {
			b.move(it, f, s.now())
		}
	})
}

// Delete deletes a message for good.
func (s *Server) Delete(user, id string) error {
	return s.withItem(user, id, func(b *box, it *item) { b.remove(it, s.now()) })
}

func (s *Server) withItem(user, id string, f func(b *box, it *item)) error {
	s.lock()
	defer s.unlock()
	b := s.mustBox(user)
	it := b.byID[id]
	if it == nil {
		return fmt.Errorf("outlooktest: no such message")
	}
	f(b, it)
	return nil
}

func (s *Server) mustBox(user string) *box {
	b := s.box(user)
	if b == nil {
		panic("outlooktest: no such user: " + user)
	}
	return b
}
