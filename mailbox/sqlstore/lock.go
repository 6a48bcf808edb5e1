package sqlstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

const (
	// Waiting for a lease starts quick, since most refreshes take less than a
	// second, and becomes patient.
	minLockWait = 10 * time.Millisecond
	maxLockWait = 250 * time.Millisecond
	// releaseTimeout bounds giving a lease back, and undoTimeout one that may not
	// be there; a lease runs out by itself anyhow.
	releaseTimeout = 5 * time.Second
	undoTimeout    = time.Second
	// sweepLeases is how often leases of dead holders are cleared away.
	sweepLeases = time.Hour
)

// Lock implements [tokenstore.Locker]. It polls while somebody else holds the
// lock; who gets it next is left to chance.
func (s *Tokens) Lock(ctx context.Context, ref mailbox.Ref) (tokenstore.Lease, error) {
	const op = "lock token"
	if err := s.ready(ctx, ref); err != nil {
		return tokenstore.Lease{}, err
	}
	holder := rand.Text()
	for wait := minLockWait; ; wait = min(wait*3/2, maxLockWait) {
		if err := ctx.Err(); err != nil {
			return tokenstore.Lease{}, failed(ctx, op, ref.Mailbox, err)
		}
		asked := time.Now()
		n, err := s.tryLock(ctx, ref, holder)
		if err == nil && n == 1 {
			err = ctx.Err() // too late for the caller
		}
		if err != nil {
			s.release(ctx, ref, holder, undoTimeout) // it may have been granted all the same
			return tokenstore.Lease{}, failed(ctx, op, ref.Mailbox, err)
		}
		if n == 1 {
			if due(&s.store.swept.leases, sweepLeases) {
				_, _ = s.store.exec(ctx, s.sql.sweep) // nothing depends on it
			}
			return tokenstore.Lease{
				// The store began to count after asked. One percent is for clocks
				// that do not run at the same speed.
				Until:   asked.Add(s.store.leaseTTL - s.store.leaseTTL/100),
				Release: func() { s.release(ctx, ref, holder, releaseTimeout) },
			}, nil
		}
		if err := sleep(ctx, wait); err != nil {
			return tokenstore.Lease{}, failed(ctx, op, ref.Mailbox, err)
		}
	}
}

// tryLock asks for the lock once. A statement that is cancelled may be carried out
// nevertheless, and later than the one that undoes it: so it is given a moment to
// end after ctx has.
func (s *Tokens) tryLock(ctx context.Context, ref mailbox.Ref, holder string) (int64, error) {
	statement, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(undoTimeout, cancel) })
	defer stop()
	return s.store.exec(statement, s.sql.lock, string(ref.Tenant), string(ref.Mailbox), holder, s.store.leaseTTL.Microseconds())
}

func (s *Tokens) release(ctx context.Context, ref mailbox.Ref, holder string, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	_, _ = s.store.exec(ctx, s.sql.release, string(ref.Tenant), string(ref.Mailbox), holder)
}
