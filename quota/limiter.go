package quota

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// LimiterConfig configures a [Limiter]. The zero value is ready for use.
type LimiterConfig struct {
	// Providers replaces limits of providers; what is missing or zero is that of
	// [DefaultLimits].
	Providers map[mailbox.ProviderName]Limits
	// MaxWait is the longest a call waits before it fails with ClassPaused; 0
	// means 2 minutes. A context's deadline may make it shorter. A call that is
	// known to wait longer fails at once.
	MaxWait time.Duration

	// Shared is where limiters of several processes, which serve the same
	// mailboxes and are configured alike, share budgets, calls in flight and
	// pauses. Nil means that this process is alone.
	Shared CallStore
	// Down says what to do while Shared fails. Empty means DownLocal: calls go by
	// the limits of this process alone, and the provider's refusals keep several
	// processes honest; how much a mailbox sends is up to [Sends]. With DownClosed
	// the calls of sends fail with ClassPaused, and only others go on.
	Down WhenDown
	// OnStore, if set, is told when Shared begins to fail, with its error, and
	// with nil when it works again. The call that found out waits for it.
	OnStore func(error)
}

// Limiter paces the calls of one process to mail services, and of several where
// it has a [CallStore]. Make one with [NewLimiter] and share it: calls that go
// through different limiters see each other only through such a store.
//
// Each call has to fit the units of its mailbox and its app and the calls in
// flight of its mailbox. Calls that have to wait go in the order sends, live
// calls, backfill, and within a lane in the order they came. A call held back by
// a limit of its lane alone (sending is paused, backfill has used its share)
// lets the other lanes pass.
//
// No lane of a mailbox stands still. Backfill leaves a share of the units and a
// call in flight to the others, so that a send or a live call waits for at most
// one call of another lane to end. Where live calls alone use all there is, one
// backfill call goes before them every 30 seconds.
//
// State is kept per provider, app, tenant and mailbox, and dropped once nothing
// in it matters any more; memory is at most twice that of the mailboxes
// in use. All methods are safe for concurrent use.
type Limiter struct {
	limits  map[mailbox.ProviderName]Limits
	maxWait time.Duration
	shared  *shared // nil: this process is alone

	mu        sync.Mutex
	mailboxes map[mailboxKey]*mailboxState
	tenants   map[tenantKey]*tenantState
	apps      map[appKey]*appState
	sweepAt   int    // number of mailboxes at which idle ones are looked for
	seq       uint64 // of waiting calls
}

// NewLimiter returns a limiter. A value that makes no sense is refused with a
// ClassInvalid error that names the field.
func NewLimiter(c LimiterConfig) (*Limiter, error) {
	l := &Limiter{
		limits:    make(map[mailbox.ProviderName]Limits),
		maxWait:   c.MaxWait,
		mailboxes: make(map[mailboxKey]*mailboxState),
		tenants:   make(map[tenantKey]*tenantState),
		apps:      make(map[appKey]*appState),
		sweepAt:   minSweep,
	}
	if l.maxWait == 0 {
		l.maxWait = 2 * time.Minute
	}
	if l.maxWait < 0 {
		return nil, mailbox.Invalid("max_wait", "above 0", "is negative")
	}
	for p, limits := range c.Providers {
		resolved, err := limits.resolve("providers["+string(p)+"].", p)
		if err != nil {
			return nil, err
		}
		l.limits[p] = resolved
	}
	var err error
	l.shared, err = newShared(l, c)
	return l, err
}

// Transport returns a round tripper that sends calls through base
// (http.DefaultTransport if nil) as soon as they fit. What a call is and costs
// is read from its context ([mailbox.CallOf]); a request without a call passes
// untouched.
//
// A call counts as in flight until the body of its answer is read to the end or
// closed. A call that the limiter does not let go fails with ClassPaused and
// OutcomeNotSent, its RetryAfter and Scope say what to wait for, and the
// context's error is reachable if that ended the wait.
//
// Answers are passed on whatever they are; the transport never repeats a call.
// A 429 or 503, and a 403 that names a rate limit, also pauses what it covers:
// see [ParseRetryAfter]; a pause of a tenant is one of its sends. Without a named
// time the pause is 1 s, doubling to 64 s with every refusal in a row, less up to
// a quarter at random. Refusals of calls that were in flight together count once. After a pause one call goes first,
// and each success adds one to those allowed at once. Refusals inside the
// answer of a multipart batch count like any other; their time is up when the
// part has been read.
func (l *Limiter) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{limiter: l, base: base}
}

// acquire waits until the call may go. The ticket has to be released.
func (l *Limiter) acquire(ctx context.Context, call mailbox.Call) (ticket, error) {
	now := time.Now()
	c := costOf(call)
	if err := ctx.Err(); err != nil {
		return ticket{}, paused(call, 0, mailbox.ScopeNone, err)
	}

	l.mu.Lock()
	mb := l.mailbox(call, now)
	if mb.waiting() == 0 && mb.check(c, l.seq, now).by == holdNone {
		t := mb.take(c, now)
		l.mu.Unlock()
		return t, nil
	}
	w := &waiter{mailbox: mb, cost: c, since: now, seq: l.seq, deadline: now.Add(l.maxWait), done: make(chan struct{})}
	l.seq++
	if d, ok := ctx.Deadline(); ok && d.Before(w.deadline) {
		w.deadline = d
		w.byContext = true
	}
	mb.enqueue(w)
	l.pump(mb, now)
	if !w.granted && l.refuseHopeless(w, mb.ahead(w, now), now) {
		l.letGo(mb, now)
	}
	l.mu.Unlock()

	timer := time.NewTimer(time.Until(w.deadline))
	defer timer.Stop()
	var cause error
	select {
	case <-w.done:
	case <-ctx.Done():
		cause = ctx.Err()
	case <-timer.C:
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	now = time.Now()
	switch {
	case w.granted && cause == nil:
		return w.ticket, nil
	case w.granted:
		l.finish(w.ticket, now) // its units are spent all the same
		return ticket{}, paused(call, 0, mailbox.ScopeNone, cause)
	case !w.refused:
		mb.remove(w)
		w.until, w.scope = mb.earliest(c, 0, now)
		l.letGo(mb, now) // it may have been in the way of others
	}
	if cause == nil && w.byContext {
		cause = context.DeadlineExceeded
	}
	return ticket{}, paused(call, max(w.until.Sub(now), backoffMin), w.scope, cause)
}

// paused is the error for a call that was not let go.
func paused(call mailbox.Call, wait time.Duration, scope mailbox.Scope, cause error) *mailbox.Error {
	return &mailbox.Error{
		Op:         call.Method,
		Provider:   call.Provider,
		Mailbox:    call.Mailbox,
		Class:      mailbox.ClassPaused,
		Outcome:    mailbox.OutcomeNotSent,
		RetryAfter: min(wait, mailbox.MaxRetryAfter),
		Scope:      scope,
		Err:        cause,
	}
}

// release ends a call.
func (l *Limiter) release(t ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finish(t, time.Now())
}

func (l *Limiter) finish(t ticket, now time.Time) {
	t.mailbox.give(t)
	l.letGo(t.mailbox, now)
	if tenant := t.mailbox.tenant; t.cost.rank == rankSend && tenant.gate.width > 0 {
		l.letTenantGo(tenant, now)
	}
}

// minSweep is the number of mailboxes below which none is looked at for being
// idle.
const minSweep = 1024

// mailbox returns the state of a call's mailbox.
func (l *Limiter) mailbox(call mailbox.Call, now time.Time) *mailboxState {
	key := mailboxKey{appKey{call.Provider, call.App}, call.Ref}
	if mb := l.mailboxes[key]; mb != nil {
		return mb
	}
	if len(l.mailboxes) >= l.sweepAt {
		l.sweep(now)
	}
	app := l.apps[key.appKey]
	if app == nil {
		app = newAppState(l.limitsOf(call.Provider))
		l.apps[key.appKey] = app
	}
	tk := tenantKey{call.Provider, call.Tenant}
	tenant := l.tenants[tk]
	if tenant == nil {
		tenant = new(tenantState)
		l.tenants[tk] = tenant
	}
	tenant.mailboxes++
	mb := newMailboxState(app, tenant)
	l.mailboxes[key] = mb
	return mb
}

// sweep drops what is idle.
func (l *Limiter) sweep(now time.Time) {
	for k, mb := range l.mailboxes {
		if mb.idle(now) {
			mb.tenant.mailboxes--
			delete(l.mailboxes, k)
		}
	}
	for k, tenant := range l.tenants {
		if tenant.mailboxes == 0 && tenant.gate.quiet(now) {
			delete(l.tenants, k)
		}
	}
	l.sweepAt = max(minSweep, 2*len(l.mailboxes))
}

func (l *Limiter) limitsOf(p mailbox.ProviderName) Limits {
	if limits, ok := l.limits[p]; ok {
		return limits
	}
	return DefaultLimits(p)
}
