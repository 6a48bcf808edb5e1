package tokenstore

import (
	"context"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// leaseLife is how long a lease of Memory and File lasts: a refresh with its
// default timeout, the write of its result, and some room.
const leaseLife = time.Minute

// leases are the locks of a store that only one process uses. Use newLeases.
type leases struct {
	life time.Duration

	mu   sync.Mutex
	held map[mailbox.Ref]*lease
}

type lease struct {
	until time.Time
	done  chan struct{} // closed when it is released
}

func newLeases() leases {
	return leases{life: leaseLife, held: make(map[mailbox.Ref]*lease)}
}

// lock is the Lock of a [Locker].
func (l *leases) lock(ctx context.Context, ref mailbox.Ref) (Lease, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Lease{}, err
		}
		mine, other := l.try(ref, time.Now())
		if other == nil {
			return Lease{Until: mine.until, Release: func() { l.release(ref, mine) }}, nil
		}
		end := time.NewTimer(time.Until(other.until))
		select {
		case <-other.done:
		case <-end.C:
		case <-ctx.Done():
		}
		end.Stop()
	}
}

// try returns a new lease, or the one that stands against it.
func (l *leases) try(ref mailbox.Ref, now time.Time) (mine, other *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other := l.held[ref]; other != nil && now.Before(other.until) {
		return nil, other
	}
	mine = &lease{until: now.Add(l.life), done: make(chan struct{})}
	l.held[ref] = mine
	return mine, nil
}

func (l *leases) release(ref mailbox.Ref, mine *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[ref] == mine {
		delete(l.held, ref)
		close(mine.done)
	}
}
