package tokenstore

import (
	"context"

	"github.com/mailtether/mailtether/mailbox"
)

// widening marks the flights of Widen. It is no claims challenge, which is JSON.
const widening = "widen"

// Widen asks for a token with the scopes, which may be more than those of the
// grant where the provider gives what was consented to meanwhile (Microsoft). The
// new token is stored first, as after any refresh, and is what Token gives from
// then on. It never runs beside a refresh of the same mailbox.
//
// The errors are those of Token. A refusal changes nothing and is not told to
// OnDead: the scopes were refused, which says nothing about the grant.
func (s *Source) Widen(ctx context.Context, scopes []string) (Token, error) {
	v := s.config.Vault
	if v == nil || s.config.Client == nil || s.config.Client.Provider == nil {
		return Token{}, s.failed(mailbox.Invalid("SourceConfig", "a Vault and a Client with a Provider", "lacks one of them"))
	}
	if err := ctx.Err(); err != nil {
		return Token{}, s.failed(err)
	}
	for {
		mine := false
		f := v.flights.join(ctx, s.config.Ref, widening, func(ctx context.Context) (held, error) {
			mine = true
			return s.widen(ctx, scopes)
		})
		select {
		case <-f.done:
		case <-ctx.Done():
			return Token{}, s.failed(ctx.Err())
		}
		switch {
		case !mine: // it was a flight of somebody else
		case f.err != nil:
			return Token{}, s.failed(f.err)
		default:
			return f.held.token, nil
		}
	}
}

// widen is renew for other scopes.
func (s *Source) widen(flight context.Context, scopes []string) (held, error) {
	v, ref := s.config.Vault, s.config.Ref
	ctx, cancel := context.WithTimeout(flight, s.config.Timeout)
	defer cancel()
	if locker, ok := v.store.(Locker); ok {
		lease, err := locker.Lock(ctx, ref)
		if err != nil {
			return held{}, storeFailed("lock token", ref, err)
		}
		defer lease.Release()
		var cancel context.CancelFunc
		ctx, cancel = within(flight, s.config.Timeout, lease)
		defer cancel()
	}
	for range maxRounds {
		cur, err := s.load(ctx)
		if err != nil {
			return held{}, err
		}
		if pending, ok := v.unsavedOf(ref); ok {
			if err := s.savePending(ctx, cur, pending); err != nil {
				return held{}, err
			}
			continue
		}
		if cur.token.Refresh == "" {
			return held{}, &mailbox.Error{Op: "widen token", Class: mailbox.ClassReconnect, Code: "no_refresh_token"}
		}
		next, err := s.config.Client.Refresh(ctx, RefreshRequest{
			Refresh: cur.token.Refresh, Directory: s.config.Directory, Scopes: scopes,
		})
		if err != nil {
			if grantEnded(mailbox.ClassOf(err)) && s.superseded(ctx, cur.version) != nil {
				continue
			}
			return held{}, err
		}
		if len(next.Scopes) == 0 {
			next.Scopes = scopes // RFC 6749, 5.1: not told means as requested
		}
		next = next.after(cur.token)
		stored, err := s.save(ctx, cur, next)
		if err != nil {
			return held{}, err
		}
		if stored {
			// Whoever waits for this or not, the sources of the mailbox hold a
			// token that can do less.
			s.epoch.Add(1)
			return s.hold(next, cur.epoch), nil
		}
	}
	return held{}, storeFailed("widen token", ref, errTooManyConflicts)
}
