package integration

import (
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
)

func wantSchemaError(t *testing.T, err error, have, want int64) {
	t.Helper()
	e, ok := errors.AsType[*sqlstore.SchemaError](err)
	if !ok || !errors.Is(err, mailbox.ClassConfig) {
		t.Fatalf("got %v, want a SchemaError and mailbox.ClassConfig", err)
	}
	if e.Have != have || e.Want != want {
		t.Errorf("the error names versions %d and %d, want %d and %d", e.Have, e.Want, have, want)
	}
}

func schemaVersions(t *testing.T, db *sql.DB) (n, newest int64) {
	t.Helper()
	var applied int64
	if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*), MAX(version), MIN(applied_at) FROM mailtether_schema`).
		Scan(&n, &newest, &applied); err != nil {
		t.Fatal(err)
	}
	if applied == 0 {
		t.Error("the time of a migration is not recorded")
	}
	return n, newest
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		db := openDB(t, d)
		store := newStore(t, db, d, sqlstore.Options{})
		// Without tables every room refuses, and touches nothing.
		_, err := store.Tokens().Get(t.Context(), fleetRef)
		e, ok := errors.AsType[*sqlstore.SchemaError](err)
		if !ok || e.Have != 0 || e.Want == 0 {
			t.Fatalf("Get before Migrate: %v, want a SchemaError", err)
		}
		newest := e.Want
		if text := err.Error(); !strings.Contains(text, "version 0") || !strings.Contains(text, fmt.Sprint("version ", newest)) {
			t.Errorf("the error does not name both versions: %s", text)
		}
		_, err = store.Accounts().Get(t.Context(), fleetRef)
		wantSchemaError(t, err, 0, newest)
		_, _, err = store.States().Take(t.Context(), "id")
		wantSchemaError(t, err, 0, newest)
		_, err = store.Index().Find(t.Context(), fleetRef)
		wantSchemaError(t, err, 0, newest)
		_, err = store.Sends().State(t.Context(), sendsLog)
		wantSchemaError(t, err, 0, newest)
		wantSchemaError(t, store.Calls().Pause(t.Context(), quota.CallKey{}, false, 0), 0, newest)
		wantSchemaError(t, store.Check(t.Context()), 0, newest)

		for range 2 {
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatalf("Migrate: %v (%s)", err, unwrapped(err))
			}
			if n, version := schemaVersions(t, db); n != newest || version != newest {
				t.Errorf("%d migrations up to version %d, want %d", n, version, newest)
			}
		}
		if _, err := store.Tokens().Get(t.Context(), fleetRef); !errors.Is(err, mailbox.ClassNotFound) {
			t.Errorf("Get after Migrate: %v", err)
		}
	})
}

func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		shared := openDB(t, d)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 8 {
			db := shared
			if d.DSN != ":memory:" { // of which every connection would be another
				one := d
				one.Conns = 1
				db = openDB(t, one)
			}
			if err := db.PingContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			store := newStore(t, db, d, sqlstore.Options{})
			wg.Go(func() {
				<-start
				if err := store.Migrate(t.Context()); err != nil {
					t.Errorf("Migrate: %v (%s)", err, unwrapped(err))
				}
			})
		}
		close(start)
		wg.Wait()
		if n, version := schemaVersions(t, shared); n != version {
			t.Errorf("%d migrations up to version %d", n, version)
		}
	})
}

// A database of an earlier version gets the tables that it lacks, and keeps what
// it has.
func TestMigrateFromBefore(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		before, db := migrated(t, d)
		_, newest := schemaVersions(t, db)
		if _, err := before.Tokens().Put(t.Context(), record(fleetRef, "sealed")); err != nil {
			t.Fatal(err)
		}
		if err := before.Index().Add(t.Context(), sentMessage(fleetRef, 0)); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`DROP TABLE mailtether_logs`, `DROP TABLE mailtether_log_entries`, `DROP TABLE mailtether_log_spans`, `DROP TABLE mailtether_calls`,
			`DELETE FROM mailtether_schema WHERE version > 2`,
		} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		store := newStore(t, db, d, sqlstore.Options{})
		_, err := store.Sends().Decide(t.Context(), sendAsk("key"))
		wantSchemaError(t, err, 2, newest)
		if rec, err := before.Tokens().Get(t.Context(), fleetRef); err != nil || string(rec.Sealed) != "sealed" {
			t.Errorf("the code before: %q, %v", rec.Sealed, err)
		}
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatalf("Migrate: %v (%s)", err, unwrapped(err))
		}
		if rec, err := store.Tokens().Get(t.Context(), fleetRef); err != nil || string(rec.Sealed) != "sealed" {
			t.Errorf("the token became %q, %v", rec.Sealed, err)
		}
		if found, err := store.Index().Find(t.Context(), fleetRef, threading.IDTerm(sentMessage(fleetRef, 0).IDs[0])); err != nil || len(found) != 1 {
			t.Errorf("%d messages are left, %v", len(found), err)
		}
		if answer, err := store.Sends().Decide(t.Context(), sendAsk("key")); err != nil || !answer.Allowed {
			t.Errorf("Decide: %+v, %v", answer, err)
		}
	})
}

// What was sent before the version that counts entries by spans counts after it.
func TestMigrateCountsEntries(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		before, db := migrated(t, d)
		at := time.Now().UTC().Truncate(time.Microsecond)
		for i := range 30 {
			e := quota.Entry{Log: sendsLog, Key: fmt.Sprint(i), Recipients: 1 + i%3, At: at.Add(-time.Duration(i) * 10 * time.Second)}
			if err := before.Sends().Settle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		seen := quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: "nothing was decided about"}
		if err := before.Sends().Settle(t.Context(), quota.Entry{Log: seen, Key: "key", Recipients: 1}); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`DROP TABLE mailtether_log_spans`, `DELETE FROM mailtether_schema WHERE version > 3`,
			`DELETE FROM mailtether_logs WHERE name = '` + seen.Name + `'`,
		} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		store := newStore(t, db, d, sqlstore.Options{})
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatalf("Migrate: %v (%s)", err, unwrapped(err))
		}
		if n := wantSpans(t, db); n != 31 {
			t.Errorf("%d entries, want 31", n)
		}
		if err := store.Sends().Remove(t.Context(), seen, "key"); err != nil {
			t.Fatal(err)
		}
		if n := wantSpans(t, db); n != 30 {
			t.Errorf("%d entries, want 30", n)
		}
		windows := []quota.Window{{Per: quota.Horizon, Max: 30}, {Per: quota.Horizon, Max: 60, Recipients: true}}
		answer, err := store.Sends().Decide(t.Context(), sendAsk("key", windows...))
		if err != nil || answer.Allowed || answer.Usage[0].Used != 30 || answer.Usage[1].Used != 60 {
			t.Errorf("Decide: %+v, %v", answer, err)
		}
	})
}

// Neither an older nor a newer schema is worked on.
func TestOtherSchema(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		_, db := migrated(t, d)
		_, want := schemaVersions(t, db)
		for _, test := range []struct {
			change   string
			have     int64
			migrates bool
		}{
			{`INSERT INTO mailtether_schema (version, name, applied_at) VALUES (99, 'future', 1)`, 99, false},
			{`DELETE FROM mailtether_schema`, 0, true},
		} {
			if _, err := db.ExecContext(t.Context(), test.change); err != nil {
				t.Fatal(err)
			}
			store := newStore(t, db, d, sqlstore.Options{})
			wantSchemaError(t, store.Check(t.Context()), test.have, want)
			_, err := store.Tokens().Put(t.Context(), record(fleetRef, "sealed"))
			wantSchemaError(t, err, test.have, want)
			if err := store.Migrate(t.Context()); test.migrates {
				// The tables are there already, so the migration fails as a whole.
				if !errors.Is(err, mailbox.ClassStorage) {
					t.Errorf("Migrate over tables of unknown origin: %v", err)
				}
				wantSchemaError(t, store.Check(t.Context()), test.have, want)
			} else {
				wantSchemaError(t, err, test.have, want)
			}
		}
	})
}
