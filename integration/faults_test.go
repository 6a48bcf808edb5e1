package integration

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/tokenstore"
)

// canary is in everything that is stored, and must not be in any error text.
const canary = "canary"

// operations are all calls of a store, by name, with a record that is there.
func operations(s *sqlstore.Store) map[string]func(context.Context) error {
	ref := mailbox.Ref{Tenant: "tenant", Mailbox: canary}
	sent := quota.Entry{Log: quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: canary}, Key: canary, Recipients: 1}
	calls := quota.CallKey{Provider: mailbox.Gmail, App: canary, Ref: ref}
	return map[string]func(context.Context) error{
		"Accounts.Get": func(ctx context.Context) error { _, err := s.Accounts().Get(ctx, ref); return err },
		"Accounts.Put": func(ctx context.Context) error {
			a := account(ref)
			a.Owner, a.Version = canary, 1
			_, err := s.Accounts().Put(ctx, a)
			return err
		},
		"Accounts.List": func(ctx context.Context) error {
			for _, err := range s.Accounts().List(ctx, ref.Tenant) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Accounts.InUse": func(ctx context.Context) error { _, err := s.Accounts().InUse(ctx, "outlook", canary); return err },
		"States.Put": func(ctx context.Context) error {
			return s.States().Put(ctx, canary, []byte(canary), time.Now().Add(time.Hour))
		},
		"States.Take": func(ctx context.Context) error { _, _, err := s.States().Take(ctx, canary); return err },
		"Tokens.Get":  func(ctx context.Context) error { _, err := s.Tokens().Get(ctx, ref); return err },
		"Tokens.Put": func(ctx context.Context) error {
			rec := record(ref, canary)
			rec.Version = 1
			_, err := s.Tokens().Put(ctx, rec)
			return err
		},
		"Tokens.Delete": func(ctx context.Context) error { return s.Tokens().Delete(ctx, ref) },
		"Tokens.List": func(ctx context.Context) error {
			for _, err := range s.Tokens().List(ctx, ref.Tenant) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Tokens.Tenants": func(ctx context.Context) error {
			for _, err := range s.Tokens().Tenants(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Tokens.Lock": func(ctx context.Context) error { _, err := s.Tokens().Lock(ctx, ref); return err },
		"Index.Add": func(ctx context.Context) error {
			m := sentMessage(ref, 0)
			m.Subject = canary
			return s.Index().Add(ctx, m)
		},
		"Index.Find": func(ctx context.Context) error { _, err := s.Index().Find(ctx, ref, threading.Term{}); return err },
		"Index.Forget": func(ctx context.Context) error {
			_, err := s.Index().Forget(ctx, ref, time.Now())
			return err
		},
		"Sends.Decide": func(ctx context.Context) error {
			_, err := s.Sends().Decide(ctx, quota.Ask{Entry: sent, Windows: []quota.Window{{Per: time.Hour, Max: 1}}})
			return err
		},
		"Sends.Settle": func(ctx context.Context) error { return s.Sends().Settle(ctx, sent) },
		"Sends.Remove": func(ctx context.Context) error { return s.Sends().Remove(ctx, sent.Log, canary) },
		"Sends.Entries": func(ctx context.Context) error {
			_, err := s.Sends().Entries(ctx, sent.Log, time.Time{})
			return err
		},
		"Sends.State": func(ctx context.Context) error { _, err := s.Sends().State(ctx, sent.Log); return err },
		"Sends.SetState": func(ctx context.Context) error {
			_, err := s.Sends().SetState(ctx, sent.Log, quota.State{Document: []byte(canary)})
			return err
		},
		"Calls.Enter": func(ctx context.Context) error {
			_, err := s.Calls().Enter(ctx, quota.CallAsk{CallKey: calls, ID: canary, Slots: 1, MaxSlots: 1, TTL: time.Hour})
			return err
		},
		"Calls.Leave": func(ctx context.Context) error { return s.Calls().Leave(ctx, calls, canary) },
		"Calls.Pause": func(ctx context.Context) error { return s.Calls().Pause(ctx, calls, true, time.Hour) },
		"Check":       s.Check,
		"Migrate":     s.Migrate,
	}
}

func wantStorage(t *testing.T, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok || e.Class != mailbox.ClassStorage || e.Op == "" {
		t.Errorf("%s: %v, want a *mailbox.Error of mailbox.ClassStorage that names the operation", what, err)
	} else if strings.Contains(err.Error(), canary) {
		t.Errorf("%s: the error tells what is stored: %v", what, err)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		db.Close()
		for name, call := range operations(store) {
			wantStorage(t, name, call(t.Context()))
		}
	})
}

// A statement that has to wait ends with its context, has had no effect, and
// works when it is repeated later.
func TestDatabaseSlow(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		ref := mailbox.Ref{Tenant: "tenant", Mailbox: canary}
		if _, err := store.Tokens().Put(t.Context(), record(ref, "first")); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Accounts().Put(t.Context(), account(ref)); err != nil {
			t.Fatal(err)
		}
		release := blockWrites(t, db, d)
		for name, call := range operations(store) {
			// A SQLite file can be read all the same, and the schema always.
			reads := d.Dialect == sqlstore.SQLite && d.Conns > 1 &&
				!strings.HasSuffix(name, "Put") && name != "Tokens.Delete" && name != "Tokens.Lock" && name != "States.Take" &&
				name != "Index.Add" && name != "Index.Forget" &&
				!strings.HasPrefix(name, "Calls.") && (!strings.HasPrefix(name, "Sends.") || name == "Sends.Entries" || name == "Sends.State")
			if reads || name == "Check" || name == "Migrate" {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			start := time.Now()
			err := call(ctx)
			cancel()
			wantStorage(t, name, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v (%s), want context.DeadlineExceeded", name, err, unwrapped(err))
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s took %v with a context of 50 ms", name, took)
			}
		}
		release()
		if rec, err := store.Tokens().Get(t.Context(), ref); err != nil || string(rec.Sealed) != "first" {
			t.Errorf("the record became %q, %v", rec.Sealed, err)
		}
		for name, call := range operations(store) {
			if err := call(t.Context()); err != nil && !errors.Is(err, mailbox.ClassConflict) && !errors.Is(err, mailbox.ClassNotFound) {
				t.Errorf("%s later: %v (%s)", name, err, unwrapped(err))
			}
		}
	})
}

// blockWrites holds a lock that every write has to wait for.
func blockWrites(t *testing.T, db *sql.DB, d database) (release func()) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	statements := []string{"BEGIN IMMEDIATE"}
	if d.Dialect == sqlstore.PostgreSQL {
		statements = []string{"BEGIN", "LOCK TABLE mailtether_accounts, mailtether_states, mailtether_tokens, mailtether_leases, mailtether_sent, mailtether_sent_terms, " +
			"mailtether_logs, mailtether_log_entries, mailtether_log_spans, mailtether_calls"}
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range statements {
		exec(statement)
	}
	return func() {
		exec("COMMIT")
		conn.Close()
	}
}

// A lease whose granting was not seen, because the context ended first, blocks
// nobody.
func TestLeaseGrantedUnseen(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
			if lease, err := store.Tokens().Lock(ctx, fleetRef); err == nil {
				lease.Release()
			}
			cancel()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // less than the TTL of a lease
		defer cancel()
		lease, err := store.Tokens().Lock(ctx, fleetRef)
		if err != nil {
			var left int
			_ = db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM mailtether_leases").Scan(&left)
			t.Fatalf("Lock: %v; %d leases are left", err, left)
		}
		lease.Release()
	})
}

// A locked SQLite is waited for, also where the host has not told it to wait.
func TestSQLiteWithoutBusyTimeout(t *testing.T) {
	t.Parallel()
	d := sqliteFile(t)
	d.DSN = strings.ReplaceAll(d.DSN, "busy_timeout(5000)", "busy_timeout(0)")
	d.Conns = 1
	const writers, writes = 8, 25
	var wg sync.WaitGroup
	for i := range writers {
		db := openDB(t, d)
		wg.Go(func() {
			store, err := sqlstore.New(db, d.Dialect, sqlstore.Options{})
			if err == nil {
				err = store.Migrate(t.Context())
			}
			rec := record(mailbox.Ref{Tenant: "tenant", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}, "sealed")
			for range writes {
				if err == nil {
					rec, err = store.Tokens().Put(t.Context(), rec)
				}
			}
			if err != nil {
				t.Errorf("writer %d: %v (%s)", i, err, unwrapped(err))
			}
		})
	}
	wg.Wait()
}

// A full disk refuses the write and keeps what there was.
func TestDatabaseFull(t *testing.T) {
	t.Parallel()
	d := sqliteFile(t)
	d.Conns = 1 // the limit belongs to the connection
	store, db := migrated(t, d)
	rec, err := store.Tokens().Put(t.Context(), record(fleetRef, "first"))
	if err != nil {
		t.Fatal(err)
	}
	limit := func(pages string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // which SQLite takes for what is used already
	large := rec
	large.Sealed = bytes.Repeat([]byte(canary), 10_000)
	_, err = store.Tokens().Put(t.Context(), large)
	wantStorage(t, "Put", err)
	if got, err := store.Tokens().Get(t.Context(), fleetRef); err != nil || got.Version != rec.Version || string(got.Sealed) != "first" {
		t.Errorf("the record became version %d, %d bytes, %v", got.Version, len(got.Sealed), err)
	}
	limit("1000000")
	if _, err := store.Tokens().Put(t.Context(), large); err != nil {
		t.Errorf("Put with room again: %v (%s)", err, unwrapped(err))
	}
}

// Rows that something else has damaged or moved are an error, never another
// mailbox's data; those beside them can be read.
func TestGarbage(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		vault, err := fleetVault(store.Tokens())
		if err != nil {
			t.Fatal(err)
		}
		ref := func(i int) mailbox.Ref {
			return mailbox.Ref{Tenant: "tenant", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}
		}
		for i := range 4 {
			a := account(ref(i))
			a.Owner = canary
			if _, err := store.Accounts().Put(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			if err := vault.Replace(t.Context(), ref(i), mailbox.Outlook, tokenstore.Token{Refresh: canary}); err != nil {
				t.Fatal(err)
			}
		}
		exec := func(statement string, args ...any) {
			t.Helper()
			if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
				t.Fatal(err)
			}
		}
		exec(`UPDATE mailtether_accounts SET document = $1 WHERE mailbox = '1'`, []byte("\x00"+canary))
		exec(`UPDATE mailtether_accounts SET document = (SELECT document FROM mailtether_accounts WHERE mailbox = '0') WHERE mailbox = '2'`)
		exec(`UPDATE mailtether_accounts SET tenant = 'other' WHERE mailbox = '3'`)
		for _, ref := range []mailbox.Ref{ref(1), ref(2), {Tenant: "other", Mailbox: "3"}} {
			a, err := store.Accounts().Get(t.Context(), ref)
			wantStorage(t, "Get of "+ref.String(), err)
			if a.Owner != "" {
				t.Errorf("Get of %v returned something", ref)
			}
		}
		for i := range 2 {
			if err := store.Index().Add(t.Context(), sentMessage(ref(0), i)); err != nil {
				t.Fatal(err)
			}
		}
		first, second := sentMessage(ref(0), 0), sentMessage(ref(0), 1)
		exec(`UPDATE mailtether_sent SET document = (SELECT document FROM mailtether_sent WHERE key = $1) WHERE key = $2`, []byte(first.Key), []byte(second.Key))
		if found, err := store.Index().Find(t.Context(), ref(0), threading.IDTerm(first.IDs[0])); err != nil || len(found) != 1 {
			t.Errorf("the message beside a damaged one: %d, %v", len(found), err)
		}
		_, err = store.Index().Find(t.Context(), ref(0), threading.IDTerm(second.IDs[0]))
		wantStorage(t, "Find of a damaged message", err)
		wantStorage(t, "Add to a damaged message", store.Index().Add(t.Context(), second))
		good := 0
		for a, err := range store.Accounts().List(t.Context(), "tenant") {
			if err == nil && a.Mailbox == "0" {
				good++
				continue
			}
			wantStorage(t, "List", err)
		}
		if good != 1 {
			t.Errorf("List gave %d of the accounts before the damaged one, want 1", good)
		}

		for name, call := range operations(store) {
			if !strings.HasPrefix(name, "Calls.") {
				continue
			}
			if err := call(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			exec(`UPDATE mailtether_calls SET document = $1`, []byte("\xff"+canary))
			wantStorage(t, name+" of a damaged state", call(t.Context()))
			exec(`DELETE FROM mailtether_calls`)
		}

		exec(`UPDATE mailtether_tokens SET sealed = $1 WHERE mailbox = '1'`, []byte(canary))
		exec(`UPDATE mailtether_tokens SET sealed = (SELECT sealed FROM mailtether_tokens WHERE mailbox = '0') WHERE mailbox = '2'`)
		exec(`UPDATE mailtether_tokens SET tenant = 'other' WHERE mailbox = '3'`)
		for _, ref := range []mailbox.Ref{ref(1), ref(2), {Tenant: "other", Mailbox: "3"}} {
			if _, _, err := vault.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrSealed) {
				t.Errorf("Get of %v: %v, want ErrSealed", ref, err)
			}
			// A new grant repairs it.
			if err := vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "new"}); err != nil {
				t.Errorf("Replace of %v: %v", ref, err)
			}
		}
		if tok, _, err := vault.Get(t.Context(), ref(0)); err != nil || tok.Refresh != canary {
			t.Errorf("the token beside them: %v", err)
		}
	})
}

// Identifiers that no mailbox.Ref allows never reach the database.
func TestInvalidRefs(t *testing.T) {
	t.Parallel()
	store, _ := migrated(t, database{Dialect: sqlstore.SQLite, DSN: ":memory:", Conns: 1})
	for _, ref := range []mailbox.Ref{{Tenant: "", Mailbox: "m"}, {Tenant: "t\x00", Mailbox: "m"}, {Tenant: "t", Mailbox: "\xff"}} {
		_, get := store.Accounts().Get(t.Context(), ref)
		_, put := store.Accounts().Put(t.Context(), account(ref))
		_, load := store.Tokens().Get(t.Context(), ref)
		_, save := store.Tokens().Put(t.Context(), record(ref, "sealed"))
		_, lock := store.Tokens().Lock(t.Context(), ref)
		_, find := store.Index().Find(t.Context(), ref)
		_, forget := store.Index().Forget(t.Context(), ref, time.Now())
		for _, err := range []error{get, put, load, save, lock, store.Tokens().Delete(t.Context(), ref), find, forget, store.Index().Add(t.Context(), sentMessage(ref, 0))} {
			if !errors.Is(err, mailbox.ClassInvalid) {
				t.Errorf("%q: %v, want mailbox.ClassInvalid", ref, err)
			}
		}
	}
}
