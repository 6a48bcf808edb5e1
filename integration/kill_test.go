package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox/sqlstore"
)

// Processes are killed by SIGKILL while they refresh, one in each round, and
// replaced by new ones. What can hold then depends on the provider, whatever a
// client does.
//
// A strict provider takes any second use of a refresh token for theft. A process
// that dies between its answer and the write to the store takes the only
// good refresh token with it: that grant is lost for everybody. So in this mode
// they die at every other moment: while they wait for the lease, hold it, or have
// stored the token and hold the lease still. Nothing may be lost, and no refresh
// may be done twice.
//
// A lenient provider lets the predecessor of a refresh token work until its
// successor was used, which is stricter than what Microsoft documents (old ones
// keep working) and than Google (which does not rotate). Here they die anywhere.
// Nothing may be lost, and a kill may cost one refresh more.
//
// Either way, the others wait for a dead holder of the lease no longer than its
// TTL.
func TestProcessesKilled(t *testing.T) {
	t.Parallel()
	databases := []struct {
		name string
		make func(testing.TB) database
	}{{"PostgreSQL", postgres}, {"SQLite", sqliteFile}}
	for _, d := range databases {
		for _, lenient := range []bool{false, true} {
			name := d.name + "/strict"
			if lenient {
				name = d.name + "/lenient"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				killProcesses(t, d.make(t), lenient)
			})
		}
	}
}

const (
	killLeaseTTL = time.Second
	// killPatience is how much longer than the TTL of the lease a busy machine
	// may take to start a process and to serve everybody.
	killPatience = 5 * time.Second
)

// moment is where a process is killed, and what that may cost.
type moment struct {
	point            string // "" is any time
	fewest, greatest int    // refreshes in that round
}

func killProcesses(t *testing.T, d database, lenient bool) {
	const processes, goroutines = 4, 8
	moments := []moment{{pointLocked, 1, 1}, {pointStored, 1, 1}, {"", 1, 1}}
	if lenient {
		moments = []moment{{pointLocked, 1, 1}, {pointAnswered, 2, 2}, {"", 1, 2}, {pointStored, 1, 1}}
	}
	rounds := 12
	if testing.Short() {
		rounds = len(moments)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	server := newAuthServer(t)
	server.lenient = lenient
	f := newFleet(t, d, server, goroutines)
	f.worker.Watched, f.worker.LeaseTTL = true, killLeaseTTL
	a := &assassin{fleet: f}
	server.reached = func(process, point string) bool { return a.reached(ctx, process, point) }
	for range processes {
		f.start()
	}
	before, err := server.served(ctx, processes*goroutines)
	if err != nil {
		t.Fatal(err)
	}

	var longest time.Duration
	for i := range rounds {
		m := moments[i%len(moments)]
		start := time.Now()
		a.aim(m.point)
		server.expire(false)
		if m.point == "" {
			a.killAny(ctx)
		}
		after, err := server.served(ctx, processes*goroutines)
		if err == nil {
			err = a.done()
		}
		if err != nil {
			t.Fatalf("round %d, killed at %q: %v", i, m.point, err)
		}
		if n := after - before; n < m.fewest || n > m.greatest {
			t.Errorf("round %d, killed at %q: %d refreshes, want %d to %d", i, m.point, n, m.fewest, m.greatest)
		}
		before = after
		longest = max(longest, time.Since(start))
	}
	if longest > killLeaseTTL+killPatience {
		t.Errorf("a dead process blocked the others for %v; its lease lasts %v", longest, killLeaseTTL)
	}
	t.Logf("%d processes killed, %d refreshes, the longest wait %v with leases of %v", rounds, before, longest, killLeaseTTL)
	server.expire(true)
	f.wait()
}

// assassin kills one process in each round.
type assassin struct {
	fleet *fleet

	mu     sync.Mutex
	point  string
	killed bool
	err    error
}

func (a *assassin) aim(point string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.point, a.killed, a.err = point, false, nil
}

// reached kills the first process at the point. Whoever else is killed while
// that goes on is not asked about.
func (a *assassin) reached(ctx context.Context, process, point string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.killed || point != a.point {
		return false
	}
	a.killed = true
	a.err = a.fleet.replace(ctx, process)
	return true
}

// killAny kills any process, some time in the round or soon after it.
func (a *assassin) killAny(ctx context.Context) {
	names := a.fleet.names()
	select {
	case <-time.After(rand.N(40 * time.Millisecond)):
	case <-ctx.Done():
	}
	a.mu.Lock()
	a.killed = true
	a.mu.Unlock()
	// Not under the lock: a process whose token is not stored yet is let finish,
	// and tells where it is on the way.
	err := a.fleet.replace(ctx, names[rand.IntN(len(names))])
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *assassin) done() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil && !a.killed {
		return fmt.Errorf("nobody was at %q", a.point)
	}
	return a.err
}

// The lease of a holder that died ends with its TTL and not before, and when the
// holder turns out to live, it does not take away the lease of the next.
func TestLeaseOfADeadHolder(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		const ttl = time.Second
		_, db := migrated(t, d)
		one := newStore(t, db, d, sqlstore.Options{LeaseTTL: ttl}).Tokens()
		two := newStore(t, db, d, sqlstore.Options{}).Tokens()
		start := time.Now()
		dead, err := one.Lock(t.Context(), fleetRef)
		if err != nil {
			t.Fatal(err)
		}
		if end := start.Add(ttl); dead.Until.Before(end.Add(-ttl/10)) || dead.Until.After(time.Now().Add(ttl)) {
			t.Errorf("the lease ends %v after it was asked for, want %v", dead.Until.Sub(start), ttl)
		}
		next, err := two.Lock(t.Context(), fleetRef)
		if err != nil {
			t.Fatal(err)
		}
		if now := time.Now(); now.Before(dead.Until) || now.After(dead.Until.Add(5*time.Second)) {
			t.Errorf("the next holder came %v after the end of the lease", now.Sub(dead.Until))
		}
		dead.Release()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := one.Lock(ctx, fleetRef); err == nil {
			t.Error("the dead holder released the lease of the next one")
		}
		next.Release()
		again, err := one.Lock(t.Context(), fleetRef)
		if err != nil {
			t.Fatal(err)
		}
		again.Release()
	})
}
