package mailboxtest_test

import (
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
)

func TestServiceConforms(t *testing.T) {
	t.Parallel()
	mailboxtest.TestProvider(t, newHarness)
}

func newHarness(t *testing.T) *mailboxtest.Harness {
	s := mailboxtest.New()
	s.AddUser("alice@mail.example", "Alice")
	s.AddUser("bob@mail.example", "Bob")
	s.AddUser("team@mail.example", "Team")
	s.Share("team@mail.example", "alice@mail.example")
	ops := []string{"send", "list", "fetch", "raw", "changes", "cursor", "set_read", "resolve", "read_sent", "watch", "unwatch", "find_shared"}
	return &mailboxtest.Harness{
		Provider: s,
		Alice:    "alice@mail.example",
		Bob:      "bob@mail.example",
		NoOne:    "noone@mail.example",
		All: mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies |
			mailbox.CanWriteReadState | mailbox.CanDraft,
		Session: func(t *testing.T, address string, scopes []string) mailbox.Session {
			return s.SessionWithScopes(address, scopes)
		},
		Deliver: func(t *testing.T, to string, raw []byte) {
			if _, err := s.Deliver(to, raw); err != nil {
				t.Fatal(err)
			}
		},
		Delete: func(_ *testing.T, address string, id mailbox.MessageID) { s.Delete(address, id) },
		Requests: func() int {
			n := 0
			for _, op := range ops {
				n += s.Calls(op)
			}
			return n
		},
		BodyReads:    func() int { return s.Calls("fetch_body") },
		Break:        func(_ *testing.T, how mailboxtest.Breakage) { s.Fail(failure("", how)) },
		BreakSend:    func(_ *testing.T, how mailboxtest.Breakage) { s.Fail(failure("send", how)) },
		ExpireTokens: func(*testing.T) { s.ExpireTokens() },
		Revoke:       func(_ *testing.T, address string) { s.Revoke(address) },
		LoseCursors:  func(*testing.T) { s.LoseCursors() },
		Announce:     mailbox.WatchRequest{URL: "https://host.example/hook", Secret: "s"},
		Watching: func(_ *testing.T, address string) int {
			if _, ok := s.Watched(address); ok {
				return 1
			}
			return 0
		},
		Shared: "team@mail.example",
	}
}

func failure(op string, how mailboxtest.Breakage) mailboxtest.Failure {
	f := mailboxtest.Failure{Op: op, Err: &mailbox.Error{Class: mailbox.ClassUnavailable}}
	switch how {
	case mailboxtest.Lost:
		f.After = true
	case mailboxtest.Throttled:
		f.Err = &mailbox.Error{Class: mailbox.ClassThrottled, Outcome: mailbox.OutcomeNotSent, RetryAfter: 30 * time.Second}
	case mailboxtest.Hangs:
		f.Hang = true
	}
	return f
}
