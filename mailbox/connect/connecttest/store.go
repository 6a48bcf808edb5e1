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
		{"children are the accounts that name the parent", accountChildren},
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

func accountChildren(t *testing.T, s connect.AccountStore) {
	children := func(parent mailbox.Ref) []string {
		t.Helper()
		names := []string{}
		for a, err := range s.Children(t.Context(), parent) {
			if err != nil {
				t.Fatalf("Children: %v", err)
			}
			names = append(names, a.Ref.String())
		}
		slices.Sort(names)
		return names
	}
	put := func(tenant mailbox.TenantID, id, parent mailbox.MailboxID, state mailbox.AccountState) {
		t.Helper()
		a := account(mailbox.Ref{Tenant: tenant, Mailbox: id})
		a.Parent, a.State = parent, state
		putAccount(t, s, a)
	}
	put("tenant", "parent", "", mailbox.StateConnected)
	put("tenant", "other parent", "", mailbox.StateConnected)
	want := []string{}
	for i := range 250 { // more than a page of any likely size
		id := mailbox.MailboxID(fmt.Sprintf("%03d", i))
		put("tenant", id, "parent", []mailbox.AccountState{mailbox.StateConnected, mailbox.StateDisconnected}[i%2])
		want = append(want, "tenant/"+string(id))
	}
	put("tenant", "adopted", "other parent", mailbox.StateConnected)
	put("other", "namesake", "parent", mailbox.StateConnected)
	for _, c := range []struct {
		parent mailbox.Ref
		want   []string
	}{
		{mailbox.Ref{Tenant: "tenant", Mailbox: "parent"}, want},
		{mailbox.Ref{Tenant: "tenant", Mailbox: "other parent"}, []string{"tenant/adopted"}},
		{mailbox.Ref{Tenant: "other", Mailbox: "parent"}, []string{"other/namesake"}},
		{mailbox.Ref{Tenant: "tenant", Mailbox: "001"}, []string{}},
	} {
		if diff := cmp.Diff(c.want, children(c.parent)); diff != "" {
			t.Errorf("children of %s (-want +got):\n%s", c.parent, diff)
		}
	}
	for range s.Children(t.Context(), mailbox.Ref{Tenant: "tenant", Mailbox: "parent"}) {
		break // must release everything
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
	err = nil
	for _, err = range s.Children(ctx, accountRef) {
	}
	wantCancelled(t, "Children", err)
	wantAccount(t, s, a)
}

func wantCancelled(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s under a cancelled context: %v, want context.Canceled", what, err)
	}
}
