package connect

import (
	"fmt"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
)

func TestSources(t *testing.T) {
	t.Parallel()
	s := newSources(3)
	made := 0
	get := func(id string, version int64) mailbox.TokenSource {
		return s.get(mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID(id)}, version, func() mailbox.TokenSource {
			made++
			return freshToken(fmt.Sprint(made))
		})
	}
	first := get("a", 1)
	if get("a", 1) != first || made != 1 {
		t.Error("the source was not kept")
	}
	if get("a", 2) == first || len(s.kept) != 1 {
		t.Error("the source of an older account was kept")
	}
	for i := range 100 {
		get(fmt.Sprint(i), 1)
		if len(s.kept) > 3 {
			t.Fatalf("%d sources are kept, want 3 at most", len(s.kept))
		}
	}
	s.drop(mailbox.Ref{Tenant: "t", Mailbox: "99"})
	if len(s.kept) != 2 {
		t.Errorf("%d sources are left", len(s.kept))
	}
}
