package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// SourceConfig is what a [Source] needs. Vault, Ref and Client are required.
type SourceConfig struct {
	Vault *Vault
	Ref   mailbox.Ref
	// Client is the OAuth app that the mailbox was connected with. Share one
	// between all its mailboxes.
	Client *Client
	// Directory is mailbox.Account.Directory.
	Directory string
	// Early is how long before its expiry a token is refreshed; 0 means 5
	// minutes. Each Source adds up to a fifth of it at random, so that processes
	// do not all refresh at the same time, and takes at most a quarter of the
	// token's life.
	Early time.Duration
	// Timeout bounds the wait for a Locker, and then the refresh, each; 0 means
	// 30 s. Storing the result is not cut short by it. A refresh also ends before
	// its lease: 15 s before, or halfway if the lease is shorter than 30 s.
	Timeout time.Duration
	// OnDead is called when the provider says that the grant has ended or does
	// not suffice any more: the error is of mailbox.ClassReconnect, ClassConsent,
	// ClassAdmin or ClassNoMailbox. version is that of the record it is about:
	// if the store holds another by now, the mailbox was reconnected and the news
	// is stale. It is called before the callers of Token get the error, once per
	// refusal, and must return soon. nil means nobody wants to know.
	OnDead func(ctx context.Context, err *mailbox.Error, version int64) `json:"-"`
}

// Format prints which mailbox it is for, with every verb.
func (c SourceConfig) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "SourceConfig{%s, %s}", c.Ref, redacted)
}

// Source gives the access tokens of one mailbox and refreshes them in time. It
// implements [mailbox.TokenSource] and is safe for concurrent use. It starts no
// goroutine that outlives the timeouts above. Use [NewSource].
//
// A Source reads the store on first use, and then again when a token is to be
// refreshed or was written by [Vault.Put], [Vault.Replace] or [Vault.Delete] of
// the same Vault. Another process that goes on with an old Source may use the
// access token it holds until that expires.
type Source struct {
	config  SourceConfig
	early   time.Duration
	epoch   *atomic.Int64 // of the vault, for the mailbox
	held    atomic.Pointer[held]
	refusal atomic.Pointer[refusal] // nil after a success
}

const (
	defaultEarly   = 5 * time.Minute
	defaultTimeout = 30 * time.Second
)

// NewSource returns a Source. It makes no request and does not read the store.
func NewSource(c SourceConfig) *Source {
	if c.Early <= 0 {
		c.Early = defaultEarly
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	s := &Source{config: c, early: jitter(c.Early)}
	if c.Vault != nil {
		s.epoch = c.Vault.epoch(c.Ref)
	}
	return s
}

// jitter returns up to a fifth more than early.
func jitter(early time.Duration) time.Duration { return early + rand.N(early/5+1) }

// Format prints nothing of what is inside, with every verb.
func (s *Source) Format(f fmt.State, _ rune) { io.WriteString(f, "Source{"+redacted+"}") }

// Token implements [mailbox.TokenSource]. Errors are *mailbox.Error:
// ClassReconnect, ClassConsent, ClassAdmin and ClassNoMailbox when the grant has
// ended or does not suffice, with the Cause as far as the provider lets it be
// known; ClassConfig when the app's registration or secret, or the keys of the
// vault, are at fault; ClassStorage when the store is; ClassUnavailable and
// ClassThrottled when the provider is. The last four come with an unchanged
// grant, and only when the access token in hand has expired: try again later.
func (s *Source) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return "", s.failed(err)
	}
	v := s.config.Vault
	if v == nil || s.config.Client == nil || s.config.Client.Provider == nil {
		return "", s.failed(mailbox.Invalid("SourceConfig", "a Vault and a Client with a Provider", "lacks one of them"))
	}
	if h := s.held.Load(); h != nil && h.epoch == s.epoch.Load() && h.serves(req, time.Now()) {
		return h.token.Access, nil
	}
	for {
		f := v.flights.join(ctx, s.config.Ref, req.Claims, func(ctx context.Context) (held, error) {
			return s.renew(ctx, req)
		})
		switch h, ok, err := s.wait(ctx, f, req); {
		case err == errEarly:
			return h.token.Access, nil
		case err != nil:
			if t, ok := s.inHand(ctx, req, err); ok {
				return t, nil
			}
			return "", s.failed(err)
		case ok:
			s.held.Store(h)
			return h.token.Access, nil
		}
	}
}

// Retry makes the next Token ask the provider again, although it refused the grant
// a moment ago: somebody may have acted since. Otherwise that is believed for 5
// minutes.
func (s *Source) Retry() { forget(&s.refusal) }

// earlyWait is how long a caller waits for an early refresh, before it goes on
// with the token that is still valid.
const earlyWait = time.Second

// errEarly tells that an early refresh takes its time.
var errEarly = errors.New("the refresh goes on")

// wait waits for a flight; not for long where the token in hand will do, which it
// then returns with errEarly.
func (s *Source) wait(ctx context.Context, f *flight, req mailbox.TokenRequest) (*held, bool, error) {
	h := s.held.Load()
	if h == nil || h.epoch != s.epoch.Load() || !h.covers(req, nil, time.Now()) {
		return f.wait(ctx, req)
	}
	early, cancel := context.WithTimeoutCause(ctx, earlyWait, errEarly)
	defer cancel()
	next, ok, err := f.wait(early, req)
	if !ok && context.Cause(early) == errEarly {
		return h, false, errEarly
	}
	return next, ok, err
}

// inHand returns the token that was handed out last, if it still does where
// nothing better is to be had: the store cannot be read.
func (s *Source) inHand(ctx context.Context, req mailbox.TokenRequest, err error) (mailbox.AccessToken, bool) {
	now := time.Now()
	h := s.held.Load()
	if h == nil || h.epoch != s.epoch.Load() || ctx.Err() != nil || !h.covers(req, err, now) {
		return "", false
	}
	next := h.postponed(err, now)
	s.held.Store(&next)
	return next.token.Access, true
}

// failed returns err as an error of the caller's own.
func (s *Source) failed(err error) *mailbox.Error {
	return ofMailbox(err, s.config.Client, s.config.Ref)
}
