package tokenstore

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// AppSourceConfig is what an [AppSource] needs. Client, Ref, Flow and Scopes are
// required.
type AppSourceConfig struct {
	// Client is the app that acts in its own right. Share one between all its
	// mailboxes: it keeps their tokens.
	Client *Client
	Ref    mailbox.Ref
	// Directory is mailbox.Account.Directory. Required for
	// mailbox.AppFlowCredentials where the provider is a
	// mailbox.DirectoryProvider.
	Directory string
	// Subject is the address of the mailbox. Required for
	// mailbox.AppFlowAssertion.
	Subject string
	// Scopes and Flow are those of [mailbox.AppProvider].
	Scopes []string
	Flow   mailbox.AppFlow
	// Timeout bounds a request; 0 means 30 s.
	Timeout time.Duration
	// OnDead is called when the provider does not let the app use the mailbox
	// (any more): the error is of mailbox.ClassAdmin, ClassNoMailbox or
	// ClassConsent. version is 0: no token is stored. Otherwise it is as
	// SourceConfig.OnDead.
	OnDead func(ctx context.Context, err *mailbox.Error, version int64) `json:"-"`
}

// Format prints which mailbox it is for, with every verb.
func (c AppSourceConfig) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "AppSourceConfig{%s, %s}", c.Ref, redacted)
}

// AppSource gives access tokens for one mailbox to an app that acts in its own
// right (mailbox.AccessApp). It implements [mailbox.TokenSource] and is safe for
// concurrent use. Tokens are kept in memory, by the Client, and never stored:
// the sources of one Client that need the same token share it, and one request at
// a time asks for it. Use [NewAppSource].
type AppSource struct {
	config AppSourceConfig
	token  *appToken
	// told is when OnDead was called last, in Unix nanoseconds; 0 since a token
	// was granted.
	told atomic.Int64
}

// NewAppSource returns an AppSource. It makes no request.
func NewAppSource(c AppSourceConfig) *AppSource {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	s := &AppSource{config: c}
	if c.Client != nil {
		s.token = c.Client.tokens.get(c.key())
	}
	return s
}

// Format prints nothing of what is inside, with every verb.
func (s *AppSource) Format(f fmt.State, _ rune) { io.WriteString(f, "AppSource{"+redacted+"}") }

// Token implements [mailbox.TokenSource]. Errors are *mailbox.Error: ClassAdmin
// when an administrator has to allow the app, ClassNoMailbox when the account is
// gone; ClassConfig when the app's registration, secret or key is at fault;
// ClassUnavailable and ClassThrottled when the provider is. Claims challenges
// cannot be answered without a user: they are passed over, and a token that is
// rejected for one is asked for again.
func (s *AppSource) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return "", s.failed(err)
	}
	if s.config.Client == nil || s.config.Client.Provider == nil {
		return "", s.failed(mailbox.Invalid("AppSourceConfig", "a Client with a Provider", "lacks one of them"))
	}
	return s.get(ctx, mailbox.TokenRequest{Rejected: req.Rejected})
}

func (s *AppSource) get(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	for {
		if h := s.token.held.Load(); h != nil && h.serves(req, time.Now()) {
			return h.token.Access, nil
		}
		f := s.token.flights.join(ctx, mailbox.Ref{}, "", func(ctx context.Context) (held, error) {
			return s.renew(ctx, req)
		})
		switch h, ok, err := f.wait(ctx, req); {
		case err != nil:
			e := s.failed(err)
			s.tell(ctx, e)
			return "", e
		case ok:
			s.told.Store(0)
			return h.token.Access, nil
		}
	}
}

// Retry makes the next Token ask the provider again, although it refused the app a
// moment ago: an administrator may have acted since. Otherwise that is believed
// for 5 minutes.
func (s *AppSource) Retry() {
	if s.token != nil {
		forget(&s.token.refusal)
	}
}

// tell calls OnDead if this source has not done so a while ago. The refusal may
// be one that another source has met.
func (s *AppSource) tell(ctx context.Context, e *mailbox.Error) {
	if !grantEnded(e.Class) {
		return
	}
	last, now := s.told.Load(), time.Now()
	if now.Sub(time.Unix(0, last)) >= deadPause && s.told.CompareAndSwap(last, now.UnixNano()) {
		tellDead(ctx, s.config.OnDead, e, 0)
	}
}

// renew asks for a new token, and hides a failure behind one that is still valid.
func (s *AppSource) renew(ctx context.Context, req mailbox.TokenRequest) (held, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	now := time.Now()
	old := s.token.held.Load()
	if old != nil && old.serves(req, now) { // the flight before this one
		return *old, nil
	}
	t, err := s.ask(ctx, now)
	if err != nil {
		if old == nil || !old.covers(req, err, time.Now()) {
			return held{}, err
		}
		h := old.postponed(err, time.Now())
		s.token.held.Store(&h)
		return h, nil
	}
	if t.Access == req.Rejected {
		return held{}, &mailbox.Error{Op: "app token", Class: mailbox.ClassUnavailable, Code: "same_token"}
	}
	h := held{token: t, refreshAt: t.refreshAt(s.token.early)}
	s.token.held.Store(&h)
	return h, nil
}

// ask makes the request, unless the same was refused a while ago.
func (s *AppSource) ask(ctx context.Context, now time.Time) (Token, error) {
	if err := s.token.refusal.Load().standing(0, "", now); err != nil {
		return Token{}, err
	}
	var t Token
	var err error
	switch c := s.config; c.Flow {
	case mailbox.AppFlowCredentials:
		t, err = c.Client.Credentials(ctx, c.Directory, c.Scopes)
	case mailbox.AppFlowAssertion:
		t, err = c.Client.Assertion(ctx, c.Subject, c.Scopes)
	default:
		err = mailbox.Invalid("Flow", "a flow of mailbox.AppProvider", "is unknown")
	}
	if err == nil {
		s.token.refusal.Store(nil)
		return t, nil
	}
	e := asError(err)
	pause := e.RetryAfter
	if grantEnded(e.Class) {
		pause = deadPause
	}
	s.token.refusal.Store(&refusal{err: e, until: time.Now().Add(pause)})
	return Token{}, e
}

// failed returns err as an error of the caller's own.
func (s *AppSource) failed(err error) *mailbox.Error {
	return ofMailbox(err, s.config.Client, s.config.Ref)
}

// appToken is a token of the app's own, shared by all sources that need it.
type appToken struct {
	early   time.Duration
	held    atomic.Pointer[held]
	flights flights
	refusal atomic.Pointer[refusal] // nil after a success
}

// appKey says what a token is for.
type appKey struct {
	flow               mailbox.AppFlow
	directory, subject string
	scopes             string
}

func (c AppSourceConfig) key() appKey {
	k := appKey{flow: c.Flow, scopes: strings.Join(c.Scopes, " ")}
	if c.Flow == mailbox.AppFlowAssertion {
		k.subject = c.Subject
	} else {
		k.directory = c.Directory // the token opens every mailbox of it
	}
	return k
}

// appTokens are the tokens of an app, by what they are for. The zero value is
// ready.
type appTokens struct {
	mu      sync.Mutex
	tokens  map[appKey]*appToken
	sweepAt int // the number of tokens at which those without use are dropped
}

const firstSweep = 1000

// get returns the token for k, which may not have been asked for yet.
func (a *appTokens) get(k appKey) *appToken {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.tokens[k]; t != nil {
		return t
	}
	if a.tokens == nil {
		a.tokens, a.sweepAt = make(map[appKey]*appToken), firstSweep
	}
	if len(a.tokens) >= a.sweepAt {
		now := time.Now()
		for k, t := range a.tokens {
			// Sources that still have it go on with it.
			if h := t.held.Load(); h == nil || !h.token.valid(now) {
				delete(a.tokens, k)
			}
		}
		a.sweepAt = max(firstSweep, 2*len(a.tokens))
	}
	t := &appToken{early: jitter(defaultEarly), flights: newFlights()}
	a.tokens[k] = t
	return t
}
