package tokenstore

import (
	"context"
	"errors"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// flight is one run of Source.renew for a mailbox, shared by everybody who asks
// while it lasts. Its goroutine ends by the time limits of the Source that
// started it.
type flight struct {
	claims string        // the claims challenge it carries
	done   chan struct{} // closed when the fields below are set
	held   held
	err    error
}

// join returns the flight of a mailbox, starting one with run if there is none.
// The flight does not end with ctx, so that one caller that gives up does not
// fail the others.
func (v *Vault) join(ctx context.Context, ref mailbox.Ref, claims string, run func(context.Context) (held, error)) *flight {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f, ok := v.flights[ref]; ok {
		return f
	}
	f := &flight{claims: claims, done: make(chan struct{}), err: errAborted}
	v.flights[ref] = f
	go func() {
		// Deferred, so that a panic or Goexit in a host's store leaves nobody
		// waiting.
		defer func() {
			v.mu.Lock()
			delete(v.flights, ref)
			v.mu.Unlock()
			close(f.done)
		}()
		f.held, f.err = run(context.WithoutCancel(ctx))
	}()
	return f
}

var errAborted = errors.New("the refresh was aborted")

// held is a token in memory. It is never changed once others can see it.
type held struct {
	token Token
	// refreshAt is when a successor should be asked for; zero means never.
	refreshAt time.Time
	// epoch is that of the vault before the token was read.
	epoch int64
}

// serves reports whether the token can be handed out for req without asking
// anybody.
func (h *held) serves(req mailbox.TokenRequest, now time.Time) bool {
	return h.token.Access != "" &&
		h.token.Access != req.Rejected &&
		req.Claims == "" &&
		(h.refreshAt.IsZero() || now.Before(h.refreshAt))
}
