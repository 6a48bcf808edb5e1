package tokenstore_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// leaseStore grants leases of a chosen length, and lets the test look at them.
type leaseStore struct {
	*tokenstore.Memory
	life     time.Duration
	released int
}

func (s *leaseStore) Lock(ctx context.Context, _ mailbox.Ref) (tokenstore.Lease, error) {
	return tokenstore.Lease{Until: time.Now().Add(s.life), Release: func() { s.released++ }}, ctx.Err()
}

func newLeaseFixture(t *testing.T, s tokenstore.Store) *fixture {
	t.Helper()
	f := newFixture(t)
	f.vault = tokenstore.NewVault(s, newKeyring(t, "k1"))
	if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, firstToken()); err != nil {
		t.Fatal(err)
	}
	f.source = f.newSource(f.vault)
	return f
}

// The provider is not talked to beyond the lease, and there is time left to store
// what it answered.
func TestLeaseBoundsTheRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		life, want time.Duration
		class      mailbox.Class
	}{
		{time.Hour, 30 * time.Second, mailbox.ClassUnavailable}, // SourceConfig.Timeout
		{40 * time.Second, 25 * time.Second, mailbox.ClassUnavailable},
		{20 * time.Second, 10 * time.Second, mailbox.ClassUnavailable},
		{2 * time.Second, time.Second, mailbox.ClassUnavailable},
		{0, 0, mailbox.ClassStorage},
		{-time.Second, 0, mailbox.ClassStorage}, // the store was slow to grant it
	}
	for _, test := range tests {
		t.Run(test.life.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &leaseStore{Memory: tokenstore.NewMemory(), life: test.life}
				f := newLeaseFixture(t, s)
				f.service.delay = time.Hour
				time.Sleep(2 * time.Hour)
				start := time.Now()
				f.wantErr(t, test.class)
				if took := time.Since(start); took != test.want {
					t.Errorf("gave up after %s, want %s", took, test.want)
				}
				if s.released != 1 {
					t.Errorf("the lease was released %d times", s.released)
				}
				if len(f.dead) != 0 {
					t.Errorf("OnDead: %v", f.dead)
				}
			})
		})
	}
}

// A holder that died blocks the mailbox no longer than its lease.
func TestDeadHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := tokenstore.NewMemory()
		f := newLeaseFixture(t, s)
		time.Sleep(2 * time.Hour)
		if _, err := s.Lock(t.Context(), ref); err != nil { // and no Release
			t.Fatal(err)
		}
		f.wantErr(t, mailbox.ClassStorage)
		time.Sleep(time.Second)
		f.want(t, "access-1")
		f.wantRequests(t, 1)
	})
}

// The time that was spent waiting for a lease is not taken from the request.
func TestLeaseThatComesLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := tokenstore.NewMemory()
		f := newLeaseFixture(t, s)
		f.service.rotates, f.service.delay = true, 10*time.Second
		time.Sleep(2 * time.Hour)
		lease, err := s.Lock(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(29*time.Second, lease.Release)
		f.want(t, "access-1")
		if got := f.stored(t).Refresh; got != "refresh-1" {
			t.Errorf("stored: %s", string(got))
		}
	})
}

// While the token is valid, nobody waits for the process that refreshes it.
func TestEarlyRefreshElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := tokenstore.NewMemory()
		f := newLeaseFixture(t, s)
		time.Sleep(56 * time.Minute)
		lease, err := s.Lock(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		f.want(t, "access-0")
		f.want(t, "access-0")
		if took := time.Since(start); took != time.Second {
			t.Errorf("waited %s, want 1 s, once", took)
		}
		lease.Release()
		time.Sleep(time.Minute)
		f.want(t, "access-1")
	})
}

// The end of a grant is believed under a lease too, however short, and not before
// the store was read again.
func TestDeadGrantUnderLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &leaseStore{Memory: tokenstore.NewMemory(), life: 100 * time.Millisecond}
		f := newLeaseFixture(t, s)
		time.Sleep(2 * time.Hour)
		f.service.next(always(400, `{"error":"invalid_grant"}`))
		f.wantErr(t, mailbox.ClassReconnect)
		if len(f.dead) != 1 {
			t.Errorf("OnDead: %v", f.dead)
		}
	})
}

// The holder before was so slow that its lease ended before it had stored the
// rotated token: its successor doubts the refusal.
func TestSlowHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &leaseStore{Memory: tokenstore.NewMemory(), life: time.Minute}
		f := newLeaseFixture(t, s)
		time.Sleep(2 * time.Hour)
		f.service.next(func(url.Values) *http.Response {
			go func() {
				time.Sleep(time.Second)
				late := firstToken()
				late.Access, late.Refresh = "late", "refresh-late"
				if err := tokenstore.NewVault(s, newKeyring(t, "k1")).Replace(t.Context(), ref, mailbox.Outlook, late); err != nil {
					t.Error(err)
				}
			}()
			return answer(400, `{"error":"invalid_grant"}`)
		})
		f.want(t, "late")
		if len(f.dead) != 0 {
			t.Errorf("OnDead: %v", f.dead)
		}
	})
}

// A store that cannot lock leaves the token in hand in use, and refreshes nothing.
func TestLockFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("no connection")
		f := newLeaseFixture(t, brokenLocker{tokenstore.NewMemory(), down})
		time.Sleep(56 * time.Minute)
		f.want(t, "access-0")
		time.Sleep(time.Hour)
		if e := f.wantErr(t, mailbox.ClassStorage); !errors.Is(e, down) {
			t.Errorf("the cause is %v", e.Err)
		}
		f.wantRequests(t, 0)
	})
}

type brokenLocker struct {
	*tokenstore.Memory
	err error
}

func (s brokenLocker) Lock(context.Context, mailbox.Ref) (tokenstore.Lease, error) {
	return tokenstore.Lease{}, s.err
}
