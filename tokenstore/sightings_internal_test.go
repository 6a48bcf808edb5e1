package tokenstore

import (
	"fmt"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
)

func TestSightingsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSightings(10)
	for i := range 1000 {
		ref := mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}
		s.note(ref, s.of(ref), sighting{version: 1})
		if got := s.of(ref).version; got != 1 {
			t.Fatalf("the newest sighting has version %d", got)
		}
	}
	if len(s.last) > 10 {
		t.Errorf("%d mailboxes are remembered, want at most 10", len(s.last))
	}
}

// A store that was set back to a backup gives versions below the newest that was
// seen: what this process itself writes counts all the same.
func TestSightingsFollowOwnWrites(t *testing.T) {
	t.Parallel()
	s := newSightings(10)
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	s.note(ref, sighting{}, sighting{version: 9})
	old := s.of(ref)
	written := sighting{version: 5, sum: [16]byte{1}}
	s.note(ref, old, written)
	if s.of(ref).replayed(written) {
		t.Error("the own write is taken for a replay")
	}
	// But not over what was seen meanwhile.
	s.note(ref, s.of(ref), sighting{version: 9})
	s.note(ref, written, sighting{version: 6})
	if got := s.of(ref).version; got != 9 {
		t.Errorf("version %d is remembered, want 9", got)
	}
}
