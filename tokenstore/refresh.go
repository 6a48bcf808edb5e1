package tokenstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

const (
	// saveTimeout bounds storing a refreshed token, and the callback of a dead
	// grant, each.
	saveTimeout = 15 * time.Second
	// deadPause is how long a refused grant is not tried again while its record
	// stays the same. It is tried again then, since an administrator can lift a
	// policy.
	deadPause = 5 * time.Minute
	// earlyLockWait is how long an early refresh waits for a lease.
	earlyLockWait = time.Second
	// earlyPause is the time between tries of an early refresh that fails.
	earlyPause = 30 * time.Second
	// maxRounds bounds how often a refresh starts over because somebody else
	// wrote the record.
	maxRounds = 5
)

// disbelief is how long a refused grant is doubted: the process that rotated the
// token may still be about to store it, also where it held a lease, if that has
// ended on it.
var disbelief = [...]time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second}

// refusal remembers that the token endpoint said no, so that it is not asked
// the same again at once.
type refusal struct {
	err     *mailbox.Error
	version int64 // of the record that was refused
	claims  string
	until   time.Time
}

// current is the stored token.
type current struct {
	held
	version int64
}

// renew returns a token that serves req: the stored one if it does, otherwise a
// new one, which is stored first.
func (s *Source) renew(flight context.Context, req mailbox.TokenRequest) (held, error) {
	v, ref := s.config.Vault, s.config.Ref
	ctx, cancel := context.WithTimeout(flight, s.config.Timeout)
	defer cancel()
	locker, _ := v.store.(Locker)

	for range maxRounds {
		cur, err := s.load(ctx)
		if err != nil {
			return held{}, err
		}
		pending, isPending := v.unsavedOf(ref)
		if !isPending && cur.serves(req, time.Now()) {
			return cur.held, nil
		}
		if locker != nil {
			lease, err := s.lock(ctx, locker, cur, req)
			if err != nil {
				return orCurrent(cur.held, req, storeFailed("lock token", ref, err))
			}
			defer lease.Release()
			// A request that is cut short may cost a rotated token: what was
			// spent on waiting is not taken from its time.
			var cancel context.CancelFunc
			ctx, cancel = within(flight, s.config.Timeout, lease)
			defer cancel()
			locker = nil
			continue // the last holder may have refreshed
		}
		if isPending {
			if err := s.savePending(ctx, cur, pending); err != nil {
				return orCurrent(cur.held, req, err)
			}
			continue
		}

		next, err := s.ask(ctx, cur, req)
		if errors.Is(err, errSuperseded) {
			continue
		}
		if err != nil {
			return orCurrent(cur.held, req, err)
		}
		stored, err := s.save(ctx, cur, next)
		if err != nil {
			return orCurrent(cur.held, req, err)
		}
		if !stored {
			continue
		}
		if next.Access == req.Rejected {
			return held{}, &mailbox.Error{Op: "refresh token", Class: mailbox.ClassUnavailable, Code: "same_token"}
		}
		return s.hold(next, cur.epoch), nil
	}
	return held{}, storeFailed("refresh token", ref, errTooManyConflicts)
}

// lock waits for the lease of the mailbox; not for long where the present token
// will do, since then somebody else is refreshing it.
func (s *Source) lock(ctx context.Context, locker Locker, cur current, req mailbox.TokenRequest) (Lease, error) {
	if cur.covers(req, nil, time.Now()) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, earlyLockWait)
		defer cancel()
	}
	return locker.Lock(ctx, s.config.Ref)
}

// within bounds the talk with the provider by a lease, and leaves room to store
// what comes of it.
func within(ctx context.Context, timeout time.Duration, lease Lease) (context.Context, context.CancelFunc) {
	left := time.Until(lease.Until)
	return context.WithTimeout(ctx, min(timeout, left-min(saveTimeout, left/2)))
}

// load reads the stored token. A missing one is a dead grant: it was erased.
func (s *Source) load(ctx context.Context) (current, error) {
	epoch := s.epoch.Load()
	o, err := s.config.Vault.load(ctx, s.config.Ref)
	switch {
	case errors.Is(err, ErrNotFound):
		e := &mailbox.Error{Op: "load token", Class: mailbox.ClassReconnect, Code: "no_token", Err: err}
		tellDead(ctx, s.config.OnDead, s.failed(e), 0)
		return current{}, e
	case err != nil:
		return current{}, err
	case o.provider != s.config.Client.Provider.Name():
		return current{}, &mailbox.Error{Op: "load token", Class: mailbox.ClassConfig, Code: "other_provider"}
	}
	return current{held: s.hold(o.token, epoch), version: o.version}, nil
}

func (s *Source) hold(t Token, epoch int64) held {
	return held{token: t, refreshAt: t.refreshAt(s.early), epoch: epoch}
}

// orCurrent hides a failure behind a token that is still valid, if it may.
func orCurrent(cur held, req mailbox.TokenRequest, err error) (held, error) {
	now := time.Now()
	if !cur.covers(req, err, now) {
		return held{}, err
	}
	return cur.postponed(err, now), nil
}

// errSuperseded tells that the record was written by somebody else.
var errSuperseded = errors.New("the stored token was replaced meanwhile")

// ask asks the token endpoint for the successor of cur.
func (s *Source) ask(ctx context.Context, cur current, req mailbox.TokenRequest) (Token, error) {
	if err := s.refusal.Load().standing(cur.version, req.Claims, time.Now()); err != nil {
		return Token{}, err
	}
	err := error(&mailbox.Error{Op: "refresh token", Class: mailbox.ClassReconnect, Code: "no_refresh_token"})
	if cur.token.Refresh != "" {
		var next Token
		if next, err = s.config.Client.Refresh(ctx, RefreshRequest{
			Refresh: cur.token.Refresh, Directory: s.config.Directory, Claims: req.Claims,
		}); err == nil {
			s.refusal.Store(nil)
			return next.after(cur.token), nil
		}
	}

	e := asError(err)
	pause := e.RetryAfter
	if grantEnded(e.Class) {
		if err := s.superseded(ctx, cur.version); err != nil {
			return Token{}, err
		}
		s.explain(e, cur.token)
		pause = deadPause
		tellDead(ctx, s.config.OnDead, s.failed(e), cur.version)
	}
	s.refusal.Store(&refusal{err: e, version: cur.version, claims: req.Claims, until: time.Now().Add(pause)})
	return Token{}, e
}

// explain fills in the cause of a refusal from the history of the grant, where
// the provider can tell.
func (s *Source) explain(e *mailbox.Error, t Token) {
	explainer, ok := s.config.Client.Provider.(mailbox.GrantExplainer)
	if !ok {
		return
	}
	e.Cause = explainer.ExplainGrant(e, mailbox.GrantHistory{
		GrantedAt:     t.GrantedAt,
		UsedAt:        t.IssuedAt,
		RefreshExpiry: t.RefreshExpiry,
		RefusedAt:     time.Now(),
	})
}

// forget forgets that a grant was refused. A pause that the provider asked for is
// kept.
func forget(remembered *atomic.Pointer[refusal]) {
	if r := remembered.Load(); r != nil && grantEnded(r.err.Class) {
		remembered.CompareAndSwap(r, nil)
	}
}

// standing returns the remembered refusal while it holds for the record.
func (r *refusal) standing(version int64, claims string, now time.Time) error {
	if r == nil || r.version != version || r.claims != claims || !now.Before(r.until) {
		return nil
	}
	e := asError(r.err)
	if e.RetryAfter > 0 {
		e.RetryAfter = r.until.Sub(now)
	}
	return e
}

// superseded returns errSuperseded if the record is no longer the one with the
// version, nil if it is, and the store's error if that cannot be told. It only
// reads, and so need not be done before a lease ends.
func (s *Source) superseded(ctx context.Context, version int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	for _, wait := range disbelief {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return storeFailed("load token", s.config.Ref, ctx.Err())
		}
		switch _, now, err := s.config.Vault.Get(ctx, s.config.Ref); {
		case now != version: // also when it was deleted
			return errSuperseded
		case err != nil:
			return err
		}
	}
	return nil
}

// tellDead calls an OnDead, if there is one.
func tellDead(ctx context.Context, onDead func(context.Context, *mailbox.Error, int64), e *mailbox.Error, version int64) {
	if onDead == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	onDead(ctx, e, version)
}

// grantEnded reports whether a refusal of this class means that the grant is of
// no use until a person has acted.
func grantEnded(c mailbox.Class) bool {
	switch c {
	case mailbox.ClassReconnect, mailbox.ClassConsent, mailbox.ClassAdmin, mailbox.ClassNoMailbox:
		return true
	default:
		return false
	}
}
