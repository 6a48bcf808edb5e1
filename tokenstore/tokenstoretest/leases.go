package tokenstoretest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/tokenstore"
)

// shortLife is how long the leases of TestLeases last: long enough for a slow
// database to grant one before it has ended.
const shortLife = time.Second

// TestLeases checks the rules of [tokenstore.Lease] that show when one ends by
// itself, since its holder has died. open is called once for each rule, as for
// [TestStore], and returns a [tokenstore.Locker] whose leases last life. The
// rules take a few seconds.
func TestLeases(t *testing.T, open func(t *testing.T, life time.Duration) tokenstore.Store) {
	t.Helper()
	for _, rule := range leaseRules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, shortLife)
			l, ok := s.(tokenstore.Locker)
			if !ok {
				t.Fatal("the store is no tokenstore.Locker")
			}
			rule.check(t, l)
		})
	}
}

var leaseRules = []struct {
	name  string
	check func(t *testing.T, l tokenstore.Locker)
}{
	{"a lease lasts as long as it says, and no longer", leaseEnds},
	{"a late release does not free the lease of somebody else", lateRelease},
	{"of those who wait for a dead holder one gets the lock", deadHolders},
}

// patient waits for a lease, and fails if that takes much longer than one lasts.
func patient(t *testing.T, l tokenstore.Locker) tokenstore.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*shortLife)
	defer cancel()
	lease, err := l.Lock(ctx, testRef)
	if err != nil {
		t.Fatalf("Lock: %v: the lease of a holder that died does not end", err)
	}
	if left := time.Until(lease.Until); left > shortLife {
		t.Errorf("a lease lasts %s, want at most %s", left, shortLife)
	}
	return lease
}

// wantAfter checks that nobody got a lock before the lease of another ended.
func wantAfter(t *testing.T, lease tokenstore.Lease) {
	t.Helper()
	if early := time.Until(lease.Until); early > 0 {
		t.Errorf("another got the lock %s before the lease ended", early)
	}
}

func leaseEnds(t *testing.T, l tokenstore.Locker) {
	dead := patient(t, l)
	next := patient(t, l)
	wantAfter(t, dead)
	next.Release()
	patient(t, l).Release()
}

func lateRelease(t *testing.T, l tokenstore.Locker) {
	slow := patient(t, l)
	holder := patient(t, l)
	slow.Release()
	patient(t, l)
	wantAfter(t, holder)
}

// deadHolders: every holder dies.
func deadHolders(t *testing.T, l tokenstore.Locker) {
	type grant struct {
		lease tokenstore.Lease
		at    time.Time // no earlier than it was granted
	}
	grants := make([]grant, 4)
	var wg sync.WaitGroup
	for i := range grants {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*shortLife)
			defer cancel()
			lease, err := l.Lock(ctx, testRef)
			if err != nil {
				t.Errorf("Lock: %v", err)
			}
			grants[i] = grant{lease, time.Now()}
		})
	}
	wg.Wait()
	slices.SortFunc(grants, func(a, b grant) int { return a.lease.Until.Compare(b.lease.Until) })
	for i := range grants[1:] {
		if early := grants[i].lease.Until.Sub(grants[i+1].at); early > 0 {
			t.Errorf("a lock was granted %s before the lease of its holder ended", early)
		}
	}
}
