// Package connecttest holds the rules of [connect.AccountStore] and
// [connect.StateStore] as test suites, for hosts that keep them in a database of
// their own.
package connecttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

// TestAccountStore checks that a store keeps the rules of
// [connect.AccountStore]. open is called once for each rule and returns a store
// that holds nothing of earlier calls; it may register a clean-up on its t.
func TestAccountStore(t *testing.T, open func(t *testing.T) connect.AccountStore) {
	t.Helper()
	rules := []struct {
		name  string
		check func(t *testing.T, s connect.AccountStore)
	}{
		{"a missing account is ErrNotFound", accountMissing},
		{"what was put comes back unchanged", accountRoundTrip},
		{"every state, access and cause is kept", accountValues},
		{"the caller's slices are copied", accountNoAliasing},
		{"creating twice is a conflict", accountCreateTwice},
		{"every write makes the version one higher", accountVersions},
		{"a stale version is a conflict", accountStale},
		{"tenants do not see each other", accountTenants},
		{"identifiers are compared byte for byte", accountIdentifiers},
		{"a link is in use once, in all tenants", accountLinked},
		{"a link that is changed is free at once", accountLinkChanged},
		{"use is counted by provider and subject", accountInUse},
		{"a list has every account of the tenant once", accountList},
		{"concurrent updates are never lost", accountConcurrent},
		{"of many mailboxes for one subject one wins", accountConcurrentLink},
		{"a cancelled context fails", accountCancelled},
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.check(t, open(t))
		})
	}
}

// account returns an account with every field set.
func account(ref mailbox.Ref) mailbox.Account {
	at := time.Date(2026, 11, 20, 23, 59, 59, 123456000, time.UTC)
	return mailbox.Account{
		Ref: ref, Owner: "user-7", Provider: mailbox.Outlook, App: "main",
		Subject: "subject of " + string(ref.Mailbox), Address: "Zoë@Example.com", Name: `Zoë "Z" O'Neil`,
		Aliases: []string{"z@example.com", "zo@example.org"},
		Scopes:  []string{"Mail.Send", "User.Read"}, Capabilities: mailbox.CanSend | mailbox.CanReadHeaders,
		Directory: "9122040d-6c67-4c5b-b112-36a304b66dad", Access: mailbox.AccessShared, Parent: "parent",
		ExtraScopes: []string{"Calendars.Read"}, Wanted: mailbox.CanSend | mailbox.CanReadBodies, Cause: mailbox.CauseConsent,
		State: mailbox.StateConnected, StateSince: at, ConnectedAt: at.Add(-time.Hour),
		Link: fmt.Sprintf("link of %q %q", ref.Tenant, ref.Mailbox),
	}
}

var accountRef = mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"}

func putAccount(t *testing.T, s connect.AccountStore, a mailbox.Account) mailbox.Account {
	t.Helper()
	got, err := s.Put(t.Context(), a)
	if err != nil {
		t.Fatalf("Put with version %d: %v", a.Version, err)
	}
	return got
}

func wantAccount(t *testing.T, s connect.AccountStore, want mailbox.Account) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Ref)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("stored account differs (-want +got):\n%s", diff)
	}
}

func wantAccountErr(t *testing.T, s connect.AccountStore, a mailbox.Account, want error) {
	t.Helper()
	if _, err := s.Put(t.Context(), a); !errors.Is(err, want) || !errors.Is(err, mailbox.ClassConflict) {
		t.Errorf("Put: error %v, want %v", err, want)
	}
}

func accountMissing(t *testing.T, s connect.AccountStore) {
	_, err := s.Get(t.Context(), accountRef)
	if !errors.Is(err, connect.ErrNotFound) || !errors.Is(err, mailbox.ClassNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
}

func accountRoundTrip(t *testing.T, s connect.AccountStore) {
	want := account(accountRef)
	got := putAccount(t, s, want)
	want.Version = 1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Put changed the account (-want +got):\n%s", diff)
	}
	wantAccount(t, s, want)

	// Nearly everything empty.
	bare := mailbox.Account{
		Ref: mailbox.Ref{Tenant: "tenant", Mailbox: "bare"}, Provider: mailbox.Gmail,
		Subject: "s", Address: "a@example.com", State: mailbox.StateNeedsReconnect,
	}
	wantAccount(t, s, putAccount(t, s, bare))
}

func accountValues(t *testing.T, s connect.AccountStore) {
	a := account(accountRef)
	a = putAccount(t, s, a)
	for _, state := range []mailbox.AccountState{
		mailbox.StateNeedsReconnect, mailbox.StateNeedsConsent, mailbox.StateNeedsAdmin,
		mailbox.StateUnavailable, mailbox.StateDisconnected, mailbox.StateConnected,
	} {
		for _, access := range []mailbox.Access{mailbox.AccessUser, mailbox.AccessShared, mailbox.AccessApp} {
			for _, cause := range []mailbox.Cause{"", mailbox.CauseParent, mailbox.CauseSignInFrequency} {
				a.State, a.Access, a.Cause = state, access, cause
				a = putAccount(t, s, a)
				wantAccount(t, s, a)
			}
		}
	}
	a.Parent, a.Directory, a.Wanted, a.ExtraScopes = "", "", 0, nil
	wantAccount(t, s, putAccount(t, s, a))
}

func accountNoAliasing(t *testing.T, s connect.AccountStore) {
	a := account(accountRef)
	want := putAccount(t, s, a)
	want.Aliases, want.Scopes, want.ExtraScopes = slices.Clone(want.Aliases), slices.Clone(want.Scopes), slices.Clone(want.ExtraScopes)
	clear(a.Aliases)
	clear(a.Scopes)
	clear(a.ExtraScopes)
	wantAccount(t, s, want)
	got, err := s.Get(t.Context(), accountRef)
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Aliases)
	clear(got.Scopes)
	clear(got.ExtraScopes)
	wantAccount(t, s, want)
}

func accountCreateTwice(t *testing.T, s connect.AccountStore) {
	first := putAccount(t, s, account(accountRef))
	second := account(accountRef)
	second.Address = "other@example.com"
	wantAccountErr(t, s, second, connect.ErrConflict)
	wantAccount(t, s, first)
	missing := account(mailbox.Ref{Tenant: "tenant", Mailbox: "missing"})
	missing.Version = 1
	wantAccountErr(t, s, missing, connect.ErrConflict)
}

func accountVersions(t *testing.T, s connect.AccountStore) {
	a := account(accountRef)
	for want := int64(1); want <= 5; want++ {
		if a = putAccount(t, s, a); a.Version != want {
			t.Fatalf("version %d after %d writes", a.Version, want)
		}
	}
	wantAccount(t, s, a)
}

func accountStale(t *testing.T, s connect.AccountStore) {
	first := putAccount(t, s, account(accountRef))
	second := first
	second.State = mailbox.StateNeedsAdmin
	second = putAccount(t, s, second)
	wantAccountErr(t, s, first, connect.ErrConflict)
	future := second
	future.Version++
	wantAccountErr(t, s, future, connect.ErrConflict)
	wantAccount(t, s, second)
}

func accountTenants(t *testing.T, s connect.AccountStore) {
	mine := putAccount(t, s, account(accountRef))
	other := mailbox.Ref{Tenant: "other", Mailbox: accountRef.Mailbox}
	if _, err := s.Get(t.Context(), other); !errors.Is(err, connect.ErrNotFound) {
		t.Errorf("another tenant sees the account: %v", err)
	}
	theirs := account(other)
	theirs.Link = "link of theirs"
	theirs.Owner = "theirs"
	theirs = putAccount(t, s, theirs)
	wantAccount(t, s, mine)
	if diff := cmp.Diff([]mailbox.Account{theirs}, collectAccounts(t, s, "other")); diff != "" {
		t.Errorf("list of the other tenant (-want +got):\n%s", diff)
	}
}

func accountIdentifiers(t *testing.T, s connect.AccountStore) {
	long := strings.Repeat("x", 255)
	var stored []mailbox.Account
	for i, ref := range []mailbox.Ref{
		{Tenant: "a/b", Mailbox: "c"},
		{Tenant: "a", Mailbox: "b/c"},
		{Tenant: "A", Mailbox: "b/c"},
		{Tenant: "a", Mailbox: "B/C"},
		{Tenant: "\u00e9", Mailbox: "m"}, // one code point
		{Tenant: "e\u0301", Mailbox: "m"},
		{Tenant: `'; DROP TABLE "x"; --`, Mailbox: `%_\`},
		{Tenant: mailbox.TenantID(long), Mailbox: mailbox.MailboxID(long)},
	} {
		a := account(ref)
		a.Owner = fmt.Sprint(i)
		stored = append(stored, putAccount(t, s, a))
	}
	for _, a := range stored {
		wantAccount(t, s, a)
	}
}

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

func collectAccounts(t *testing.T, s connect.AccountStore, tenant mailbox.TenantID) []mailbox.Account {
	t.Helper()
	var accounts []mailbox.Account
	for a, err := range s.List(t.Context(), tenant) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b mailbox.Account) int {
		return strings.Compare(string(a.Mailbox), string(b.Mailbox))
	})
	return accounts
}

func accountList(t *testing.T, s connect.AccountStore) {
	if got := collectAccounts(t, s, accountRef.Tenant); len(got) != 0 {
		t.Errorf("the list of an empty store has %d accounts", len(got))
	}
	var want []mailbox.Account
	for i := range 250 { // more than a page of any likely size
		ref := mailbox.Ref{Tenant: accountRef.Tenant, Mailbox: mailbox.MailboxID(fmt.Sprintf("%03d", i))}
		want = append(want, putAccount(t, s, account(ref)))
	}
	for range s.List(t.Context(), accountRef.Tenant) {
		break // must release everything
	}
	if diff := cmp.Diff(want, collectAccounts(t, s, accountRef.Tenant)); diff != "" {
		t.Errorf("list differs (-want +got):\n%s", diff)
	}
}

func accountConcurrent(t *testing.T, s connect.AccountStore) {
	putAccount(t, s, account(accountRef))
	const writers, writes = 8, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < writes; {
				a, err := s.Get(t.Context(), accountRef)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				a.Owner += "+"
				switch _, err = s.Put(t.Context(), a); {
				case err == nil:
					done++
				case !errors.Is(err, connect.ErrConflict):
					t.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	a, err := s.Get(t.Context(), accountRef)
	if n := strings.Count(a.Owner, "+"); err != nil || n != writers*writes || a.Version != writers*writes+1 {
		t.Errorf("%d of %d updates are there, version %d, error %v", n, writers*writes, a.Version, err)
	}
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

func accountCancelled(t *testing.T, s connect.AccountStore) {
	a := putAccount(t, s, account(accountRef))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Get(ctx, accountRef)
	wantCancelled(t, "Get", err)
	_, err = s.InUse(ctx, a.Provider, a.Subject)
	wantCancelled(t, "InUse", err)
	changed := a
	changed.Owner = "changed"
	_, err = s.Put(ctx, changed)
	wantCancelled(t, "Put", err)
	err = nil
	for _, err = range s.List(ctx, accountRef.Tenant) {
	}
	wantCancelled(t, "List", err)
	wantAccount(t, s, a)
}

func wantCancelled(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s under a cancelled context: %v, want context.Canceled", what, err)
	}
}
