package integration

import (
	"errors"
	"fmt"
	"reflect"
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
	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/tokenstore"
)

func record(ref mailbox.Ref, sealed string) tokenstore.Record {
	return tokenstore.Record{
		Ref: ref, Provider: mailbox.Outlook, Sealed: []byte(sealed),
		UpdatedAt: time.Date(2026, 11, 25, 12, 0, 0, 1000, time.UTC),
	}
}

func account(ref mailbox.Ref) mailbox.Account {
	return mailbox.Account{
		Ref: ref, Provider: mailbox.Outlook, Subject: "subject", Address: "a@example.com",
		State: mailbox.StateConnected, Link: fmt.Sprintf("%q", ref),
	}
}

// odd is text that a database or JSON cannot hold as it is, or that looks like
// the form in which such text is kept.
var odd = []string{
	"nul \x00 inside", "not \xff UTF-8 \xc3", "base64:", "base64:AAAA", "base64:sha256:AAAA", "\x00",
	"replacement \ufffd", "line\nbreak", "\U0001F4E8", strings.Repeat("long \xff", 2000), strings.Repeat("é", 3000), "",
}

// All text of an account comes back as it was, whatever is in it.
func TestOddText(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, _ := migrated(t, d)
		var stored []mailbox.Account
		for i, text := range odd {
			a := account(mailbox.Ref{Tenant: "base64:AAAA", Mailbox: mailbox.MailboxID(fmt.Sprint(i))})
			v := reflect.ValueOf(&a).Elem()
			for i := range v.NumField() {
				switch field := v.Field(i); field.Kind() {
				case reflect.String:
					field.SetString(text)
				case reflect.Slice:
					field.Set(reflect.ValueOf([]string{text, "plain"}))
				default: // numbers, times, and the Ref, which has rules of its own
				}
			}
			got, err := store.Accounts().Put(t.Context(), a)
			if err != nil {
				t.Fatalf("Put with %.20q: %v (%s)", text, err, unwrapped(err))
			}
			stored = append(stored, got)
			a.Version = 1
			if diff := cmp.Diff(a, got); diff != "" {
				t.Errorf("Put changed the account (-want +got):\n%s", diff)
			}
			if got, err = store.Accounts().Get(t.Context(), a.Ref); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(a, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the account came back otherwise (-want +got):\n%s", diff)
			}
		}
		for _, a := range stored { // each text is told from each other
			n, err := store.Accounts().InUse(t.Context(), a.Provider, a.Subject)
			if err != nil || n != 1 {
				t.Errorf("InUse with %.20q: %d, %v; want 1", a.Subject, n, err)
			}
		}
		state := odd[0]
		if err := store.States().Put(t.Context(), state, []byte(state), time.Now().Add(time.Minute)); err != nil {
			t.Errorf("Put of a state: %v", err)
		}
		if data, ok, err := store.States().Take(t.Context(), state); !ok || string(data) != state || err != nil {
			t.Errorf("Take: %q, %v, %v", data, ok, err)
		}
	})
}

// Lists of more than a page: everything once, and nothing stays open when they
// are left early.
func TestLongLists(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		const n = 600
		store, db := migrated(t, d)
		var want []string
		for i := range n {
			name := fmt.Sprintf("%03d", i)
			want = append(want, name)
			ref := mailbox.Ref{Tenant: "long", Mailbox: mailbox.MailboxID(name)}
			if _, err := store.Accounts().Put(t.Context(), account(ref)); err != nil {
				t.Fatal(err)
			}
			for _, ref := range []mailbox.Ref{ref, {Tenant: mailbox.TenantID(name), Mailbox: "only"}} {
				if _, err := store.Tokens().Put(t.Context(), record(ref, "sealed")); err != nil {
					t.Fatal(err)
				}
			}
		}
		var accounts, tokens, tenants []string
		for a, err := range store.Accounts().List(t.Context(), "long") {
			if err != nil {
				t.Fatal(err)
			}
			accounts = append(accounts, string(a.Mailbox))
		}
		for rec, err := range store.Tokens().List(t.Context(), "long") {
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, string(rec.Mailbox))
		}
		for tenant, err := range store.Tokens().Tenants(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			tenants = append(tenants, string(tenant))
		}
		for _, got := range [][]string{accounts, tokens} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("list differs (-want +got):\n%s", diff)
			}
		}
		if diff := cmp.Diff(append(slices.Clone(want), "long"), tenants); diff != "" {
			t.Errorf("tenants differ (-want +got):\n%s", diff)
		}
		for range store.Tokens().List(t.Context(), "long") {
			break
		}
		for range store.Tokens().Tenants(t.Context()) {
			break
		}
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use after the lists", n)
		}
	})
}

// What one tenant does, another neither sees nor feels, with the same names of
// mailboxes.
func TestTenants(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, _ := migrated(t, d)
		mine, theirs := mailbox.Ref{Tenant: "mine", Mailbox: "m"}, mailbox.Ref{Tenant: "theirs", Mailbox: "m"}
		for _, ref := range []mailbox.Ref{mine, theirs} {
			if _, err := store.Accounts().Put(t.Context(), account(ref)); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Tokens().Put(t.Context(), record(ref, "of "+string(ref.Tenant))); err != nil {
				t.Fatal(err)
			}
		}
		lease, err := store.Tokens().Lock(t.Context(), mine)
		if err != nil {
			t.Fatal(err)
		}
		other, err := store.Tokens().Lock(t.Context(), theirs)
		if err != nil {
			t.Fatal(err)
		}
		other.Release()
		lease.Release()

		a, err := store.Accounts().Get(t.Context(), mine)
		if err != nil {
			t.Fatal(err)
		}
		a.Owner, a.State = "changed", mailbox.StateDisconnected
		if _, err := store.Accounts().Put(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if err := store.Tokens().Delete(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		if a, err := store.Accounts().Get(t.Context(), theirs); err != nil || a.Owner != "" || a.State != mailbox.StateConnected {
			t.Errorf("the account of the other tenant: %+v, %v", a, err)
		}
		if rec, err := store.Tokens().Get(t.Context(), theirs); err != nil || string(rec.Sealed) != "of theirs" {
			t.Errorf("the token of the other tenant: %q, %v", rec.Sealed, err)
		}
		for rec, err := range store.Tokens().List(t.Context(), "mine") {
			t.Errorf("the list of a tenant without tokens has %v, %v", rec.Ref, err)
		}
		var tenants []mailbox.TenantID
		for tenant, err := range store.Tokens().Tenants(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			tenants = append(tenants, tenant)
		}
		if diff := cmp.Diff([]mailbox.TenantID{"theirs"}, tenants); diff != "" {
			t.Errorf("tenants with tokens (-want +got):\n%s", diff)
		}
	})
}

// Of many mailboxes that take the same link at once, one gets it, also when
// their accounts are there already.
func TestLinkTakenAtOnce(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, _ := migrated(t, d)
		for round := range 5 {
			var accounts []mailbox.Account
			for i := range 8 {
				a := account(mailbox.Ref{Tenant: "tenant", Mailbox: mailbox.MailboxID(fmt.Sprint(round, " ", i))})
				a.Link = ""
				a, err := store.Accounts().Put(t.Context(), a)
				if err != nil {
					t.Fatal(err)
				}
				a.Link = fmt.Sprint("link ", round)
				accounts = append(accounts, a)
			}
			var won atomic.Int32
			var wg sync.WaitGroup
			for _, a := range accounts {
				wg.Go(func() {
					switch _, err := store.Accounts().Put(t.Context(), a); {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, connect.ErrLinked):
						t.Errorf("Put: %v (%s), want ErrLinked", err, unwrapped(err))
					}
				})
			}
			wg.Wait()
			if n := won.Load(); n != 1 {
				t.Errorf("%d mailboxes have the link, want 1", n)
			}
		}
	})
}

// An erased token leaves nothing of itself in the database.
func TestErasedTokenIsGone(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		if _, err := store.Tokens().Put(t.Context(), record(fleetRef, "sealed")); err != nil {
			t.Fatal(err)
		}
		if err := store.Tokens().Delete(t.Context(), fleetRef); err != nil {
			t.Fatal(err)
		}
		var n, left int
		err := db.QueryRowContext(t.Context(), `SELECT COUNT(*), COUNT(sealed) FROM mailtether_tokens`).Scan(&n, &left)
		if err != nil || n != 1 || left != 0 {
			t.Errorf("%d rows, %d of them with a token, error %v", n, left, err)
		}
	})
}

// Sign-ins that nobody finished are cleared away as others come in.
func TestStaleStatesAreSwept(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		rows := func() (n int) {
			t.Helper()
			if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM mailtether_states`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		old := newStore(t, db, d, sqlstore.Options{}) // whose own sweep is done with the first
		for i := range 5 {
			if err := old.States().Put(t.Context(), fmt.Sprint("old", i), nil, time.Now().Add(time.Duration(-i)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if n := rows(); n != 4 {
			t.Errorf("%d rows, want the four that came after the sweep", n)
		}
		if err := store.States().Put(t.Context(), "new", nil, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n := rows(); n != 1 {
			t.Errorf("%d rows, want the one that has not expired", n)
		}
	})
}
