// Package tokenstoretest holds the rules of a [tokenstore.Store] as a test
// suite, for hosts that keep tokens in a database of their own.
package tokenstoretest

import (
	"bytes"
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

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// TestStore checks that a store keeps the rules of [tokenstore.Store], and those
// of [tokenstore.Locker] if it is one. open is called once for each rule and
// returns a store that holds nothing of earlier calls; it may register a
// clean-up on its t.
func TestStore(t *testing.T, open func(t *testing.T) tokenstore.Store) {
	t.Helper()
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.check(t, open(t))
		})
	}
}

var rules = []struct {
	name  string
	check func(t *testing.T, s tokenstore.Store)
}{
	{"a missing record is ErrNotFound", missing},
	{"what was put comes back unchanged", roundTrip},
	{"sealed bytes are kept byte for byte", sealedBytes},
	{"the caller's bytes are copied", noAliasing},
	{"creating twice is a conflict", createTwice},
	{"every write gives a higher version", versionsGrow},
	{"a stale version is a conflict", staleVersion},
	{"an update of a missing record is a conflict", updateMissing},
	{"a deleted record is gone, deleting again is no error", deleteTwice},
	{"versions do not repeat after a delete", versionsNeverRepeat},
	{"identifiers are compared byte for byte", identifiers},
	{"tenants do not see each other", tenants},
	{"a list has every record of the tenant once", list},
	{"a list can be stopped and ranged over again", listAgain},
	{"of many creators one wins", concurrentCreate},
	{"concurrent updates are never lost", concurrentUpdate},
	{"a cancelled context fails", cancelled},
	{"a lock excludes others", lockExcludes},
	{"waiting for a lock ends with the context", lockCancelled},
}

var testRef = mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"}

func record(ref mailbox.Ref, sealed string) tokenstore.Record {
	return tokenstore.Record{
		Ref:       ref,
		Provider:  mailbox.Outlook,
		Sealed:    []byte(sealed),
		UpdatedAt: time.Date(2026, 11, 20, 23, 59, 59, 123456000, time.UTC),
	}
}

func mustPut(t *testing.T, s tokenstore.Store, rec tokenstore.Record) tokenstore.Record {
	t.Helper()
	got, err := s.Put(t.Context(), rec)
	if err != nil {
		t.Fatalf("Put with version %d: %v", rec.Version, err)
	}
	if got.Version == 0 {
		t.Fatal("Put returned version 0, which means \"create\"")
	}
	return got
}

// wantStored checks that the store holds rec.
func wantStored(t *testing.T, s tokenstore.Store, rec tokenstore.Record) {
	t.Helper()
	got, err := s.Get(t.Context(), rec.Ref)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if diff := cmp.Diff(rec, got); diff != "" {
		t.Errorf("stored record differs (-want +got):\n%s", diff)
	}
}

func wantNotFound(t *testing.T, s tokenstore.Store, ref mailbox.Ref) {
	t.Helper()
	rec, err := s.Get(t.Context(), ref)
	if !errors.Is(err, tokenstore.ErrNotFound) || !errors.Is(err, mailbox.ClassNotFound) {
		t.Errorf("Get of a record that is not there: error %v, want ErrNotFound", err)
	}
	if len(rec.Sealed) != 0 {
		t.Error("Get of a record that is not there returned data")
	}
}

func wantConflict(t *testing.T, s tokenstore.Store, rec tokenstore.Record) {
	t.Helper()
	if _, err := s.Put(t.Context(), rec); !errors.Is(err, tokenstore.ErrConflict) || !errors.Is(err, mailbox.ClassConflict) {
		t.Errorf("Put with version %d: error %v, want ErrConflict", rec.Version, err)
	}
}

func missing(t *testing.T, s tokenstore.Store) {
	wantNotFound(t, s, testRef)
}

func roundTrip(t *testing.T, s tokenstore.Store) {
	rec := record(testRef, "sealed")
	got := mustPut(t, s, rec)
	rec.Version = got.Version
	if diff := cmp.Diff(rec, got); diff != "" {
		t.Errorf("Put changed the record (-want +got):\n%s", diff)
	}
	wantStored(t, s, rec)

	rec.Sealed, rec.Provider = []byte("other"), mailbox.Gmail
	rec.UpdatedAt = rec.UpdatedAt.Add(time.Microsecond)
	rec = mustPut(t, s, rec)
	wantStored(t, s, rec)
}

func sealedBytes(t *testing.T, s tokenstore.Store) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, sealed := range [][]byte{every, bytes.Repeat(every, 256), []byte("trailing \x00"), []byte(" spaces ")} {
		rec := record(mailbox.Ref{Tenant: "tenant", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}, string(sealed))
		wantStored(t, s, mustPut(t, s, rec))
	}
}

func noAliasing(t *testing.T, s tokenstore.Store) {
	rec := record(testRef, "sealed")
	put := mustPut(t, s, rec)
	want := put
	want.Sealed = []byte("sealed")
	clear(rec.Sealed)
	clear(put.Sealed)
	wantStored(t, s, want)
	got, err := s.Get(t.Context(), testRef)
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Sealed)
	wantStored(t, s, want)
}

func createTwice(t *testing.T, s tokenstore.Store) {
	first := mustPut(t, s, record(testRef, "first"))
	wantConflict(t, s, record(testRef, "second"))
	wantStored(t, s, first)
}

func versionsGrow(t *testing.T, s tokenstore.Store) {
	rec := mustPut(t, s, record(testRef, "0"))
	for range 10 {
		next := mustPut(t, s, rec) // also when nothing else changes
		if next.Version <= rec.Version {
			t.Fatalf("version %d follows %d", next.Version, rec.Version)
		}
		rec = next
	}
	wantStored(t, s, rec)
}

func staleVersion(t *testing.T, s tokenstore.Store) {
	first := mustPut(t, s, record(testRef, "first"))
	second := first
	second.Sealed = []byte("second")
	second = mustPut(t, s, second)
	wantConflict(t, s, first)
	future := second
	future.Version++
	wantConflict(t, s, future)
	wantStored(t, s, second)
}

func updateMissing(t *testing.T, s tokenstore.Store) {
	rec := record(testRef, "sealed")
	rec.Version = 1
	wantConflict(t, s, rec)
	wantNotFound(t, s, testRef)
}

func deleteTwice(t *testing.T, s tokenstore.Store) {
	if err := s.Delete(t.Context(), testRef); err != nil {
		t.Errorf("Delete of a record that was never there: %v", err)
	}
	rec := mustPut(t, s, record(testRef, "sealed"))
	for range 2 {
		if err := s.Delete(t.Context(), testRef); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		wantNotFound(t, s, testRef)
	}
	wantConflict(t, s, rec)
	wantNotFound(t, s, testRef)
}

func versionsNeverRepeat(t *testing.T, s tokenstore.Store) {
	old := mustPut(t, s, record(testRef, "old"))
	if err := s.Delete(t.Context(), testRef); err != nil {
		t.Fatal(err)
	}
	fresh := mustPut(t, s, record(testRef, "fresh"))
	if fresh.Version <= old.Version {
		t.Errorf("version %d after a delete, the deleted record had %d", fresh.Version, old.Version)
	}
	wantConflict(t, s, old)
	wantStored(t, s, fresh)
}

func identifiers(t *testing.T, s tokenstore.Store) {
	long := strings.Repeat("x", 255)
	refs := []mailbox.Ref{
		{Tenant: "a/b", Mailbox: "c"},
		{Tenant: "a", Mailbox: "b/c"},
		{Tenant: "A", Mailbox: "b/c"},
		{Tenant: "a", Mailbox: "B/C"},
		{Tenant: "a", Mailbox: "b/c "},
		{Tenant: "\u00e9", Mailbox: "m"},  // one code point
		{Tenant: "e\u0301", Mailbox: "m"}, // two
		{Tenant: `'; DROP TABLE "x"; --`, Mailbox: `%_\`},
		{Tenant: mailbox.TenantID(long), Mailbox: mailbox.MailboxID(long)},
		{Tenant: mailbox.TenantID(long), Mailbox: mailbox.MailboxID(long[:254])},
	}
	var stored []tokenstore.Record
	for i, ref := range refs {
		stored = append(stored, mustPut(t, s, record(ref, fmt.Sprint(i))))
	}
	for _, rec := range stored {
		wantStored(t, s, rec)
	}
}

func tenants(t *testing.T, s tokenstore.Store) {
	other := mailbox.Ref{Tenant: "other", Mailbox: testRef.Mailbox}
	mine := mustPut(t, s, record(testRef, "mine"))
	wantNotFound(t, s, other)
	theirs := mustPut(t, s, record(other, "theirs"))
	wantStored(t, s, mine)
	if got := collect(t, s, other.Tenant); len(got) != 1 || string(got[0].Sealed) != "theirs" {
		t.Errorf("the list of the other tenant has %d records, want its own one", len(got))
	}
	if err := s.Delete(t.Context(), testRef); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, theirs)
}

func collect(t *testing.T, s tokenstore.Store, tenant mailbox.TenantID) []tokenstore.Record {
	t.Helper()
	var records []tokenstore.Record
	for rec, err := range s.List(t.Context(), tenant) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		records = append(records, rec)
	}
	slices.SortFunc(records, func(a, b tokenstore.Record) int {
		return strings.Compare(string(a.Mailbox), string(b.Mailbox))
	})
	return records
}

func list(t *testing.T, s tokenstore.Store) {
	if got := collect(t, s, testRef.Tenant); len(got) != 0 {
		t.Errorf("the list of an empty store has %d records", len(got))
	}
	var want []tokenstore.Record
	for i := range 250 { // more than a page of any likely size
		ref := mailbox.Ref{Tenant: testRef.Tenant, Mailbox: mailbox.MailboxID(fmt.Sprintf("%03d", i))}
		want = append(want, mustPut(t, s, record(ref, fmt.Sprint(i))))
	}
	if diff := cmp.Diff(want, collect(t, s, testRef.Tenant)); diff != "" {
		t.Errorf("list differs (-want +got):\n%s", diff)
	}
}

func listAgain(t *testing.T, s tokenstore.Store) {
	for i := range 5 {
		mustPut(t, s, record(mailbox.Ref{Tenant: testRef.Tenant, Mailbox: mailbox.MailboxID(fmt.Sprint(i))}, "sealed"))
	}
	seq := s.List(t.Context(), testRef.Tenant)
	for range 3 {
		for rec, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			// Writing while ranging must not block, as key rotation does it.
			mustPut(t, s, rec)
			break
		}
	}
	n := 0
	for rec, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, s, rec)
		n++
	}
	if n != 5 {
		t.Errorf("ranging again gave %d records, want 5", n)
	}
}

func concurrentCreate(t *testing.T, s tokenstore.Store) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			_, err := s.Put(t.Context(), record(testRef, fmt.Sprint(i)))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, tokenstore.ErrConflict):
				t.Errorf("Put: %v, want ErrConflict", err)
			}
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d of 16 creators succeeded, want 1", n)
	}
}

func concurrentUpdate(t *testing.T, s tokenstore.Store) {
	mustPut(t, s, record(testRef, ""))
	const writers, writes = 8, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < writes; {
				rec, err := s.Get(t.Context(), testRef)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				rec.Sealed = append(rec.Sealed, '+')
				switch _, err = s.Put(t.Context(), rec); {
				case err == nil:
					done++
				case !errors.Is(err, tokenstore.ErrConflict):
					t.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	rec, err := s.Get(t.Context(), testRef)
	if err != nil || len(rec.Sealed) != writers*writes {
		t.Errorf("%d of %d updates are there, error %v", len(rec.Sealed), writers*writes, err)
	}
}

func cancelled(t *testing.T, s tokenstore.Store) {
	rec := mustPut(t, s, record(testRef, "sealed"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantCancelled := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s under a cancelled context: %v, want context.Canceled", what, err)
		}
	}
	_, err := s.Get(ctx, testRef)
	wantCancelled("Get", err)
	changed := rec
	changed.Sealed = []byte("changed")
	_, err = s.Put(ctx, changed)
	wantCancelled("Put", err)
	wantCancelled("Delete", s.Delete(ctx, testRef))
	err = nil
	for _, err = range s.List(ctx, testRef.Tenant) {
	}
	wantCancelled("List", err)
	wantStored(t, s, rec)
}

func locker(t *testing.T, s tokenstore.Store) tokenstore.Locker {
	l, ok := s.(tokenstore.Locker)
	if !ok {
		t.Skip("the store is no tokenstore.Locker, which is optional")
	}
	return l
}

func lockExcludes(t *testing.T, s tokenstore.Store) {
	l := locker(t, s)
	var holders, most atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				lease, err := l.Lock(t.Context(), testRef)
				if err != nil {
					t.Errorf("Lock: %v", err)
					return
				}
				if n := holders.Add(1); n > most.Load() {
					most.Store(n)
				}
				_, _ = s.Get(t.Context(), testRef) // something to be interrupted in
				holders.Add(-1)
				lease.Release()
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n > 1 {
		t.Errorf("%d held the lock at once", n)
	}

	lease, err := l.Lock(t.Context(), testRef)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	other, err := l.Lock(t.Context(), mailbox.Ref{Tenant: "other", Mailbox: testRef.Mailbox})
	if err != nil {
		t.Fatalf("the lock of another mailbox: %v", err)
	}
	other.Release()
}

func lockCancelled(t *testing.T, s tokenstore.Store) {
	l := locker(t, s)
	lease, err := l.Lock(t.Context(), testRef)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Lock(ctx, testRef); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock while it is held: %v, want context.DeadlineExceeded", err)
	}
	lease.Release()
	again, err := l.Lock(t.Context(), testRef)
	if err != nil {
		t.Fatalf("Lock after lease: %v", err)
	}
	again.Release()
}
