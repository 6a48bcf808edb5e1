package tokenstore

import (
	"context"
	"errors"
	"sync"
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

// flights are those that are running, by mailbox. Use newFlights.
type flights struct {
	mu      sync.Mutex
	running map[mailbox.Ref]*flight
}

func newFlights() flights { return flights{running: make(map[mailbox.Ref]*flight)} }

// join returns the flight of a mailbox, starting one with run if there is none.
// The flight does not end with ctx, so that one caller that gives up does not
// fail the others.
func (fs *flights) join(ctx context.Context, ref mailbox.Ref, claims string, run func(context.Context) (held, error)) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f, ok := fs.running[ref]; ok {
		return f
	}
	f := &flight{claims: claims, done: make(chan struct{}), err: errAborted}
	fs.running[ref] = f
	go func() {
		// Deferred, so that a panic or Goexit in a host's store leaves nobody
		// waiting.
		defer func() {
			fs.mu.Lock()
			delete(fs.running, ref)
			fs.mu.Unlock()
			close(f.done)
		}()
		f.held, f.err = run(context.WithoutCancel(ctx))
	}()
	return f
}

// wait returns the token of the flight if it answers req, or its error. ok is
// false if it answered another question: it was started without this claims
// challenge, or before this token was rejected.
func (f *flight) wait(ctx context.Context, req mailbox.TokenRequest) (h *held, ok bool, err error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	switch {
	case f.err == nil && f.held.token.Access != req.Rejected && (req.Claims == "" || req.Claims == f.claims):
		return &f.held, true, nil
	case f.err != nil && req.Claims == f.claims:
		return nil, false, f.err
	}
	return nil, false, nil
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

// covers reports whether the token can be handed out for req although asking for
// a successor failed with err. The end of a grant is never covered up.
func (h *held) covers(req mailbox.TokenRequest, err error, now time.Time) bool {
	return !grantEnded(mailbox.ClassOf(err)) &&
		h.token.Access != req.Rejected &&
		req.Claims == "" &&
		h.token.valid(now)
}

// postponed returns h with a later time to ask for a successor, since that failed
// with err.
func (h held) postponed(err error, now time.Time) held {
	h.refreshAt = now.Add(max(earlyPause, asError(err).RetryAfter))
	if last := h.token.Expiry.Add(-expiryMargin); !h.token.Expiry.IsZero() && h.refreshAt.After(last) {
		h.refreshAt = last
	}
	return h
}
