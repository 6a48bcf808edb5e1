package tokenstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

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

// largeSealed: sealed bytes stay below 1 MiB, and a store takes that much.
func largeSealed(t *testing.T, s tokenstore.Store) {
	large := strings.Repeat("\x00\xff", 1<<19-1)
	rec := mustPut(t, s, record(testRef, large))
	wantStored(t, s, rec)
	if got := collect(t, s, testRef.Tenant); len(got) != 1 || string(got[0].Sealed) != large {
		t.Error("the list does not have the record of 1 MiB as it was put")
	}
}

func oddVersions(t *testing.T, s tokenstore.Store) {
	for _, version := range []int64{-1, math.MinInt64, math.MaxInt64} {
		rec := record(testRef, "odd")
		rec.Version = version
		wantConflict(t, s, rec)
	}
	wantNotFound(t, s, testRef)
	first := mustPut(t, s, record(testRef, "first"))
	for _, version := range []int64{-first.Version, math.MinInt64, math.MaxInt64, first.Version - 1} {
		if version == 0 {
			continue
		}
		rec := record(testRef, "odd")
		rec.Version = version
		wantConflict(t, s, rec)
	}
	wantStored(t, s, first)
}
