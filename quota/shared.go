package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

const (
	// storeTimeout bounds one step of the store.
	storeTimeout = time.Second
	// slotTTL is how long the slots of a process that died stay taken. A call
	// that lasts longer loses them.
	slotTTL = 2 * time.Minute
)

// shared is what limiters of several processes have in common. Calls that this
// process let go come here and wait until the store lets them go too.
type shared struct {
	limiter *Limiter
	store   CallStore
	down    downSwitch
	closed  bool   // no send goes while the store is down
	prefix  string // of the ids of this process's calls
	calls   atomic.Uint64

	mu      sync.Mutex
	leases  map[leaseKey]*lease
	sweepAt int // number of leases at which old ones are looked for
}

func newShared(l *Limiter, c LimiterConfig) (*shared, error) {
	switch c.Down {
	case "", DownLocal, DownClosed:
	default:
		return nil, mailbox.Invalid("down", "closed or local", "is neither")
	}
	if c.Shared == nil {
		return nil, nil
	}
	for p, limits := range l.limits {
		if err := limits.shareable("providers[" + string(p) + "]."); err != nil {
			return nil, err
		}
	}
	return &shared{
		limiter: l, store: c.Shared, down: downSwitch{tell: c.OnStore}, closed: c.Down == DownClosed,
		prefix: rand.Text()[:16] + "-",
		leases: make(map[leaseKey]*lease), sweepAt: minSweep,
	}, nil
}

// shareable refuses limits that no [CallStore] holds.
func (l Limits) shareable(prefix string) error {
	for _, b := range []struct {
		field string
		Budget
	}{
		{"mailbox", l.Mailbox},
		{"app", l.App},
		{"app_day", Budget{Units: l.AppDay, Per: 24 * time.Hour}},
		{"upload", l.Upload},
	} {
		if b.Units == Unlimited {
			continue
		}
		if err := (BudgetAsk{Name: "units", Budget: b.Budget}).validate(prefix + b.field); err != nil {
			return err
		}
	}
	if l.Concurrency > maxSlots {
		return mailbox.Invalid(prefix+"concurrency", "at most "+strconv.Itoa(maxSlots)+" where it is shared", "is too large")
	}
	return nil
}

// sharedCall is a call that other processes see. Nil is one that they do not.
type sharedCall struct {
	shared *shared
	ctx    context.Context // lives on when that of the call is over
	call   mailbox.Call
	id     string // of its slots; empty if it may have none
}

// begin returns the call as others will see it. It holds nothing yet.
func (s *shared) begin(ctx context.Context, call mailbox.Call) *sharedCall {
	if s == nil {
		return nil
	}
	return &sharedCall{shared: s, ctx: context.WithoutCancel(ctx), call: call}
}

// enter waits until the store lets a call go that began at start. Its slots have
// to be left.
func (s *shared) enter(ctx context.Context, call mailbox.Call, t ticket, start time.Time) (*sharedCall, error) {
	sc := s.begin(ctx, call)
	w := entering{shared: s, call: call, ticket: t, deadline: start.Add(s.limiter.maxWait)}
	if d, ok := ctx.Deadline(); ok && d.Before(w.deadline) {
		w.deadline, w.byContext = d, true
	}
	err := inOneMoment(
		func() error { return w.app(ctx) },
		func() error { return w.tenant(ctx) },
		func() error { return w.mailbox(ctx, sc) },
	)
	if err != nil {
		sc.leave()
		return nil, err
	}
	return sc, nil
}

// moment is how long what a step took may be kept before the call goes.
const moment = 50 * time.Millisecond

// inOneMoment takes steps until all were taken within a moment. What a step takes
// counts from then on: when another one had to wait, it is taken once more.
func inOneMoment(steps ...func() error) error {
	for i, taken := 0, 0; taken < len(steps); i = (i + 1) % len(steps) {
		start := time.Now()
		if err := steps[i](); err != nil {
			return err
		}
		if taken++; time.Since(start) > moment {
			taken = 1
		}
	}
	return nil
}

// app takes a call's units from the budgets of its app.
func (w *entering) app(ctx context.Context) error {
	if w.ticket.cost.units == 0 {
		return nil
	}
	key := leaseKey{CallKey{Provider: w.call.Provider, App: w.call.App}, max(rankLive, w.ticket.cost.rank)}
	return w.wait(ctx, mailbox.ScopeApp, func(ctx context.Context) (CallAnswer, error) {
		return w.shared.spend(ctx, key, w.ticket.cost.units, &w.ticket.mailbox.app.limits)
	})
}

// tenant waits for the end of a pause of a tenant's sends.
func (w *entering) tenant(ctx context.Context) error {
	if w.ticket.cost.rank != rankSend || w.call.Tenant == "" {
		return nil
	}
	key := leaseKey{CallKey: tenantCallKey(w.call)}
	return w.wait(ctx, mailbox.ScopeTenant, func(ctx context.Context) (CallAnswer, error) {
		return w.shared.spend(ctx, key, 0, nil)
	})
}

// mailbox takes what a call takes from the state of its mailbox.
func (w *entering) mailbox(ctx context.Context, sc *sharedCall) error {
	if w.call.Mailbox == "" {
		return nil // the state of an empty Ref is that of the app
	}
	ask := w.shared.ask(w.call, w.ticket)
	if sc.id != "" {
		ask.ID = sc.id // it has its slots
	}
	return w.wait(ctx, mailbox.ScopeMailbox, func(ctx context.Context) (answer CallAnswer, err error) {
		held := sc.id
		err = w.shared.do(ctx, func(ctx context.Context) error {
			sc.id = ask.ID // from here on it may have slots, also if no answer comes
			answer, err = w.shared.store.Enter(ctx, ask)
			if err == nil && !answer.Allowed {
				sc.id = held
			}
			return err
		})
		return answer, err
	})
}

// ask is what a call takes from the state of its mailbox.
func (s *shared) ask(call mailbox.Call, t ticket) CallAsk {
	limits := &t.mailbox.app.limits
	a := CallAsk{
		CallKey: CallKey{Provider: call.Provider, App: call.App, Ref: call.Ref},
		Send:    t.cost.rank == rankSend,
	}
	add := func(name string, b Budget, n, keep int) {
		if b.Units != Unlimited && n > 0 {
			a.Budgets = append(a.Budgets, BudgetAsk{Name: name, Budget: b, N: n, Keep: keep})
		}
	}
	add("units", limits.Mailbox, t.cost.units, t.cost.keeps(limits, limits.Mailbox.Burst))
	add("upload", limits.Upload, t.cost.upload, 0)
	if t.most != Unlimited {
		a.ID = s.prefix + strconv.FormatUint(s.calls.Add(1), 36)
		a.Slots, a.MaxSlots, a.TTL = min(t.cost.parallel, maxSlots), t.most, slotTTL
		if t.cost.rank == rankBackfill && t.most > 1 {
			a.MaxSlots-- // backfill leaves one free
		}
	}
	return a
}

// tenantCallKey names the state of a tenant, which all apps share.
func tenantCallKey(call mailbox.Call) CallKey {
	return CallKey{Provider: call.Provider, Ref: mailbox.Ref{Tenant: call.Tenant}}
}

// leave gives the slots of the call back.
func (sc *sharedCall) leave() {
	if sc == nil || sc.id == "" {
		return
	}
	key := CallKey{Provider: sc.call.Provider, App: sc.call.App, Ref: sc.call.Ref}
	// What a failing store keeps is free again after slotTTL.
	_ = sc.shared.do(sc.ctx, func(ctx context.Context) error { return sc.shared.store.Leave(ctx, key, sc.id) })
	sc.id = ""
}

// pause tells other processes of a pause.
func (sc *sharedCall) pause(scope mailbox.Scope, d time.Duration) {
	if sc == nil {
		return
	}
	key, sends := CallKey{Provider: sc.call.Provider, App: sc.call.App, Ref: sc.call.Ref}, false
	switch scope {
	case mailbox.ScopeApp:
		key.Ref = mailbox.Ref{}
	case mailbox.ScopeTenant:
		key, sends = tenantCallKey(sc.call), true
	case mailbox.ScopeSending:
		sends = true
	}
	if key.Mailbox == "" && scope != mailbox.ScopeApp && scope != mailbox.ScopeTenant {
		return
	}
	// If the store fails, this process keeps the pause, and others will meet it.
	_ = sc.shared.do(sc.ctx, func(ctx context.Context) error { return sc.shared.store.Pause(ctx, key, sends, d) })
}

// entering is a call that waits for the store.
type entering struct {
	shared    *shared
	call      mailbox.Call
	ticket    ticket
	deadline  time.Time
	byContext bool // deadline is the context's
}

// wait asks until it may go, its deadline cannot be met, or the store fails.
func (w *entering) wait(ctx context.Context, scope mailbox.Scope, ask func(context.Context) (CallAnswer, error)) error {
	for try := 0; ; try++ {
		answer, err := ask(ctx)
		switch {
		case ctx.Err() != nil:
			return paused(w.call, 0, mailbox.ScopeNone, ctx.Err())
		case err != nil:
			return w.without(err)
		case answer.Allowed:
			return nil
		}
		covers := scope
		if answer.Paused {
			if scope == mailbox.ScopeMailbox && w.ticket.cost.rank == rankSend {
				covers = mailbox.ScopeSending // or more, which other calls will find out
			}
			w.shared.limiter.pausedElsewhere(w.ticket.mailbox, covers, answer.Wait)
		}
		wait := answer.Wait + jitter(min(answer.Wait/10, 100*time.Millisecond))
		if answer.Wait == 0 {
			wait = slotWait(w.ticket.cost.rank, try)
		}
		left := time.Until(w.deadline)
		if answer.Wait > left || left <= 0 {
			var cause error
			if w.byContext {
				cause = context.DeadlineExceeded
			}
			return paused(w.call, max(answer.Wait, backoffMin), covers, cause)
		}
		if !sleep(ctx, min(wait, left)) {
			return paused(w.call, 0, mailbox.ScopeNone, ctx.Err())
		}
	}
}

// without decides about a call that the store cannot decide about.
func (w *entering) without(err error) error {
	closed := w.shared.closed && w.ticket.cost.rank == rankSend
	if !closed || errors.Is(err, mailbox.ClassInvalid) {
		return nil // a name that no store holds is shared with nobody
	}
	return paused(w.call, downRetry, mailbox.ScopeNone, err)
}

// slotWait is how long to wait before asking for slots again that other
// processes hold: longer each time, and longest for backfill, so that sends find
// the next free one.
func slotWait(r rank, try int) time.Duration {
	most := [ranks]time.Duration{rankSend: 40 * time.Millisecond, rankLive: 160 * time.Millisecond, rankBackfill: 640 * time.Millisecond}[r]
	d := min(most, 5*time.Millisecond<<min(try, 8))
	return d/2 + jitter(d/2)
}

// sleep reports whether the time passed before the context was over.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// do takes one step of the store, unless it has failed lately.
func (s *shared) do(ctx context.Context, step func(context.Context) error) error {
	if !s.down.asks(time.Now()) {
		return errStoreDown
	}
	return s.down.watch(ctx, storeTimeout, step)
}
