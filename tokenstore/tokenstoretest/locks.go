package tokenstoretest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

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

	lease := mustLock(t, l)
	defer lease.Release()
	other, err := l.Lock(t.Context(), mailbox.Ref{Tenant: "other", Mailbox: testRef.Mailbox})
	if err != nil {
		t.Fatalf("the lock of another mailbox: %v", err)
	}
	other.Release()
}

func mustLock(t *testing.T, l tokenstore.Locker) tokenstore.Lease {
	t.Helper()
	lease, err := l.Lock(t.Context(), testRef)
	if err != nil {
		t.Fatalf("Lock: %v", err)
	}
	if lease.Release == nil {
		t.Fatal("a lease without Release")
	}
	return lease
}

func lockCancelled(t *testing.T, s tokenstore.Store) {
	l := locker(t, s)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Lock(cancelled, testRef); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock under a cancelled context: %v, want context.Canceled", err)
	}
	lease := mustLock(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Lock(ctx, testRef); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock while it is held: %v, want context.DeadlineExceeded", err)
	}
	lease.Release()
	mustLock(t, l).Release()
}

func leaseInFuture(t *testing.T, s tokenstore.Store) {
	l := locker(t, s)
	for range 2 { // the second finds what the first has left
		lease := mustLock(t, l)
		if left := time.Until(lease.Until); left < 5*time.Second {
			t.Errorf("a lease that ends in %s: a refresh takes longer", left)
		}
		lease.Release()
	}
}

// lockIsNoRecord: a lock neither needs a record nor makes one.
func lockIsNoRecord(t *testing.T, s tokenstore.Store) {
	l := locker(t, s)
	lease := mustLock(t, l)
	wantNotFound(t, s, testRef)
	if got := collect(t, s, testRef.Tenant); len(got) != 0 {
		t.Errorf("the list has %d records, and none was put", len(got))
	}
	rec := mustPut(t, s, record(testRef, "sealed"))
	if err := s.Delete(t.Context(), testRef); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Lock(ctx, testRef); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock ended with the record: %v", err)
	}
	lease.Release()
	wantConflict(t, s, rec)
}
