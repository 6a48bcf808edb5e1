package gmailtest

import (
	"slices"
	"time"
)

// Message is a message of a mailbox, as a test sees it.
type Message struct {
	ID, ThreadID string
	// DraftID is set for drafts.
	DraftID string
	// Labels are label ids.
	Labels    []string
	At        time.Time // internalDate
	HistoryID uint64
	// Raw is the message with the fields that Gmail put before it. Do not
	// change it.
	Raw []byte
}

// Has reports whether the message has a label.
func (m Message) Has(label string) bool { return slices.Contains(m.Labels, label) }

// Messages returns the mailbox of a user, newest first. It panics when there is
// no such user.
func (s *Server) Messages(user string) []Message {
	b := s.mustFind(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, len(b.order))
	for i, m := range b.order {
		out[i] = Message{
			ID: m.id, ThreadID: m.thread, DraftID: m.draftID, Labels: slices.Clone(m.labels),
			At: m.at, HistoryID: m.historyID, Raw: m.raw,
		}
	}
	return out
}

// Watch returns the push subscription of a user's mailbox, or nil.
func (s *Server) Watch(user string) *Watch {
	b := s.mustFind(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.watch == nil {
		return nil
	}
	return new(*b.watch)
}
