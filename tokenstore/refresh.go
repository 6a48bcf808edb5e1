package tokenstore

import (
	"context"
	"errors"
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
	// earlyPause is the time between tries of an early refresh that fails.
	earlyPause = 30 * time.Second
	// maxRounds bounds how often a refresh starts over because somebody else
	// wrote the record.
	maxRounds = 5
)

// disbelief is how long a refused grant is doubted where the store is no
// Locker: the process that rotated the token may still be about to store it.
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
func (s *Source) renew(ctx context.Context, req mailbox.TokenRequest) (held, error) {
	v, ref := s.config.Vault, s.config.Ref
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
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
			lease, err := locker.Lock(ctx, ref)
			if err != nil {
				return s.orCurrent(cur, req, storeFailed("lock token", ref, err))
			}
			defer lease.Release()
			locker = nil
			continue // the last holder may have refreshed
		}
		if isPending {
			if err := s.savePending(ctx, cur, pending); err != nil {
				return s.orCurrent(cur, req, err)
			}
			continue
		}

		next, err := s.ask(ctx, cur, req)
		if errors.Is(err, errSuperseded) {
			continue
		}
		if err != nil {
			return s.orCurrent(cur, req, err)
		}
		stored, err := s.save(ctx, cur, next)
		if err != nil {
			return s.orCurrent(cur, req, err)
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

// load reads the stored token. A missing one is a dead grant: it was erased.
func (s *Source) load(ctx context.Context) (current, error) {
	epoch := s.config.Vault.epoch.Load()
	o, err := s.config.Vault.load(ctx, s.config.Ref)
	switch {
	case errors.Is(err, ErrNotFound):
		e := &mailbox.Error{Op: "load token", Class: mailbox.ClassReconnect, Code: "no_token", Err: err}
		s.tellDead(ctx, e, 0)
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

// orCurrent hides a failed early refresh behind the token that is still valid.
// The end of a grant is never hidden.
func (s *Source) orCurrent(cur current, req mailbox.TokenRequest, err error) (held, error) {
	now := time.Now()
	if grantEnded(mailbox.ClassOf(err)) || req.Claims != "" || cur.token.Access == req.Rejected || !cur.token.valid(now) {
		return held{}, err
	}
	h := cur.held
	h.refreshAt = now.Add(max(earlyPause, asError(err).RetryAfter))
	if last := cur.token.Expiry.Add(-expiryMargin); !cur.token.Expiry.IsZero() && h.refreshAt.After(last) {
		h.refreshAt = last
	}
	return h, nil
}

// errSuperseded tells that the record was written by somebody else.
var errSuperseded = errors.New("the stored token was replaced meanwhile")

// ask asks the token endpoint for the successor of cur.
func (s *Source) ask(ctx context.Context, cur current, req mailbox.TokenRequest) (Token, error) {
	if err := s.refusal.standing(cur.version, req.Claims, time.Now()); err != nil {
		return Token{}, err
	}
	err := error(&mailbox.Error{Op: "refresh token", Class: mailbox.ClassReconnect, Code: "no_refresh_token"})
	if cur.token.Refresh != "" {
		var next Token
		if next, err = s.config.Client.Refresh(ctx, RefreshRequest{
			Refresh: cur.token.Refresh, Directory: s.config.Directory, Claims: req.Claims,
		}); err == nil {
			s.refusal = refusal{}
			return next.after(cur.token), nil
		}
	}

	e := asError(err)
	pause := e.RetryAfter
	if grantEnded(e.Class) {
		if err := s.superseded(ctx, cur.version); err != nil {
			return Token{}, err
		}
		pause = deadPause
		s.tellDead(ctx, e, cur.version)
	}
	s.refusal = refusal{err: e, version: cur.version, claims: req.Claims, until: time.Now().Add(pause)}
	return Token{}, e
}

// standing returns the remembered refusal while it holds for the record.
func (r *refusal) standing(version int64, claims string, now time.Time) error {
	if r.err == nil || r.version != version || r.claims != claims || !now.Before(r.until) {
		return nil
	}
	e := asError(r.err)
	if e.RetryAfter > 0 {
		e.RetryAfter = r.until.Sub(now)
	}
	return e
}

// superseded returns errSuperseded if the record is no longer the one with the
// version, nil if it is, and the store's error if that cannot be told.
func (s *Source) superseded(ctx context.Context, version int64) error {
	waits := disbelief[:]
	if _, ok := s.config.Vault.store.(Locker); ok {
		waits = waits[:1] // nobody else is refreshing
	}
	for _, wait := range waits {
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

// tellDead calls OnDead.
func (s *Source) tellDead(ctx context.Context, e *mailbox.Error, version int64) {
	if s.config.OnDead == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	s.config.OnDead(ctx, s.failed(e), version)
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

// save stores next over cur, the record it came from. It returns false if
// somebody else's newer token has to be used instead. When it fails, a rotated
// refresh token is kept in memory for the next call.
func (s *Source) save(ctx context.Context, cur current, next Token) (bool, error) {
	v, ref := s.config.Vault, s.config.Ref
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	rotated := next.Refresh != cur.token.Refresh

	err := error(ErrConflict)
	version := cur.version
	for range maxConflicts {
		_, err = v.put(ctx, ref, s.config.Client.Provider.Name(), next, version)
		if !errors.Is(err, ErrConflict) {
			break
		}
		var now opened
		if now, err = v.load(ctx, ref); err != nil && !errors.Is(err, ErrNotFound) {
			break
		}
		// The record was erased, or holds the refresh token of a winner or of a
		// new grant: ours is worth nothing any more. With the same refresh token
		// in it, it was only sealed again, or somebody else has refreshed at a
		// provider that does not rotate.
		if err != nil || now.token.Refresh != cur.token.Refresh || !rotated {
			v.forgetUnsaved(ref)
			return false, nil
		}
		version, err = now.version, errTooManyConflicts
	}
	switch {
	case err == nil:
		v.forgetUnsaved(ref)
		return true, nil
	case !rotated:
		return true, nil // nothing is lost if it is not stored
	default:
		v.keepUnsaved(ref, unsaved{token: next, from: cur.token.Refresh})
		return false, storeFailed("store token", ref, err)
	}
}

// savePending stores a rotated token that the store refused earlier, unless the
// record was written by somebody else since.
func (s *Source) savePending(ctx context.Context, cur current, u unsaved) error {
	if u.from != cur.token.Refresh {
		s.config.Vault.forgetUnsaved(s.config.Ref)
		return nil
	}
	_, err := s.save(ctx, cur, u.token)
	return err
}
