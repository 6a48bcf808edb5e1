package connecttest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

func accountLinked(t *testing.T, s connect.AccountStore) {
	first := putAccount(t, s, account(accountRef))
	for _, ref := range []mailbox.Ref{
		{Tenant: accountRef.Tenant, Mailbox: "second"},
		{Tenant: "other", Mailbox: accountRef.Mailbox},
	} {
		second := account(ref)
		second.Link = first.Link
		wantAccountErr(t, s, second, connect.ErrLinked)
		if _, err := s.Get(t.Context(), ref); !errors.Is(err, connect.ErrNotFound) {
			t.Errorf("the refused account was stored: %v", err)
		}
		// Without a link it is free, and does not get the link later.
		second.Link = ""
		second = putAccount(t, s, second)
		taken := second
		taken.Link = first.Link
		wantAccountErr(t, s, taken, connect.ErrLinked)
		wantAccount(t, s, second)
		// Accounts without a link do not stand in each other's way.
		third := account(mailbox.Ref{Tenant: ref.Tenant, Mailbox: "third"})
		third.Link = ""
		putAccount(t, s, third)
	}
	// The holder itself can be written, and gives the link up.
	first.Owner = "still writable"
	first = putAccount(t, s, first)
	link := first.Link
	first.Link = ""
	first = putAccount(t, s, first)
	heir := account(mailbox.Ref{Tenant: accountRef.Tenant, Mailbox: "heir"})
	heir.Link = link
	putAccount(t, s, heir)
	first.Link = link
	wantAccountErr(t, s, first, connect.ErrLinked)
}

func accountLinkChanged(t *testing.T, s connect.AccountStore) {
	first := account(accountRef)
	first.Link = "old"
	first = putAccount(t, s, first)
	first.Link = "new"
	first = putAccount(t, s, first)
	second := account(mailbox.Ref{Tenant: "other", Mailbox: "second"})
	second.Link = "new"
	wantAccountErr(t, s, second, connect.ErrLinked)
	second.Link = "old"
	second = putAccount(t, s, second)
	// A refused write takes nothing and gives nothing up.
	stolen := first
	stolen.Link = "old"
	wantAccountErr(t, s, stolen, connect.ErrLinked)
	stale := first
	stale.Version--
	stale.Link = ""
	wantAccountErr(t, s, stale, connect.ErrConflict)
	second.Link = "new"
	wantAccountErr(t, s, second, connect.ErrLinked)
}

func accountInUse(t *testing.T, s connect.AccountStore) {
	want := func(n int) {
		t.Helper()
		got, err := s.InUse(t.Context(), mailbox.Outlook, "shared subject")
		if err != nil || got != n {
			t.Errorf("InUse: %d, %v; want %d", got, err, n)
		}
	}
	want(0)
	var stored []mailbox.Account
	for i, ref := range []mailbox.Ref{{Tenant: "a", Mailbox: "1"}, {Tenant: "a", Mailbox: "2"}, {Tenant: "b", Mailbox: "1"}} {
		a := account(ref)
		a.Subject, a.Link = "shared subject", fmt.Sprint("link ", i)
		stored = append(stored, putAccount(t, s, a))
		want(i + 1)
	}
	for _, state := range []mailbox.AccountState{
		mailbox.StateNeedsConsent, mailbox.StateNeedsAdmin, mailbox.StateUnavailable, mailbox.StateNeedsReconnect,
	} {
		stored[0].State = state
		stored[0] = putAccount(t, s, stored[0])
		want(3)
	}
	stored[0].State, stored[0].Link = mailbox.StateDisconnected, ""
	putAccount(t, s, stored[0])
	want(2)
	elsewhere := account(mailbox.Ref{Tenant: "c", Mailbox: "1"})
	elsewhere.Subject, elsewhere.Provider = "shared subject", mailbox.Gmail
	putAccount(t, s, elsewhere)
	want(2)
	// Whoever it is that used it, it is in use; another subject is another one.
	stored[1].Access, stored[1].Parent = mailbox.AccessApp, ""
	stored[1] = putAccount(t, s, stored[1])
	want(2)
	stored[1].Subject = "Shared Subject"
	putAccount(t, s, stored[1])
	want(1)
}

func accountConcurrentLink(t *testing.T, s connect.AccountStore) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			a := account(mailbox.Ref{Tenant: "tenant", Mailbox: mailbox.MailboxID(fmt.Sprint(i))})
			a.Subject, a.Link = "shared", "shared"
			switch _, err := s.Put(t.Context(), a); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, connect.ErrLinked):
				t.Errorf("Put: %v, want ErrLinked", err)
			}
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d mailboxes are linked to one subject, want 1", n)
	}
}
