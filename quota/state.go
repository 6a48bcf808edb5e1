package quota

import (
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

type appKey struct {
	provider mailbox.ProviderName
	app      string
}

type mailboxKey struct {
	appKey
	ref mailbox.Ref
}

// tenantKey has no app: what bars a tenant from sending bars every app.
type tenantKey struct {
	provider mailbox.ProviderName
	tenant   mailbox.TenantID
}

// tenantState is what is known of the sends of a tenant.
type tenantState struct {
	gate      gate
	mailboxes int // how many states refer to it
}

// appState is what is known of one OAuth app.
type appState struct {
	limits Limits
	gate   gate
	units  bucket
	day    bucket // of 24 hours, without a burst
	// blocked are waiting calls, each first of its lane in its mailbox, that
	// only the app's limits hold back, best first.
	blocked []*waiter
	timer   *time.Timer
}

func newAppState(l Limits) *appState {
	return &appState{
		limits: l,
		units:  newBucket(l.App),
		day:    newBucket(Budget{Units: l.AppDay, Per: 24 * time.Hour}),
	}
}

// mailboxState is what is known of one mailbox as used by one app.
type mailboxState struct {
	app         *appState
	tenant      *tenantState
	gate        gate
	sends       gate
	parallel    adaptiveCap
	backfill    int // calls of that lane in flight
	units       bucket
	upload      bucket
	queues      [ranks][]*waiter
	queuedUnits [ranks]int
	promoted    time.Time // when a backfill call got ahead of live ones
	timer       *time.Timer
}

func newMailboxState(app *appState, tenant *tenantState) *mailboxState {
	return &mailboxState{
		app:    app,
		tenant: tenant,
		units:  newBucket(app.limits.Mailbox),
		upload: newBucket(app.limits.Upload),
	}
}

func (mb *mailboxState) waiting() int {
	return len(mb.queues[rankSend]) + len(mb.queues[rankLive]) + len(mb.queues[rankBackfill])
}

// idle reports whether the state equals that of a new mailbox.
func (mb *mailboxState) idle(now time.Time) bool {
	return mb.waiting() == 0 && mb.gate.quiet(now) && mb.sends.quiet(now) &&
		mb.units.full(now) && mb.upload.full(now)
}

// rank orders lanes, best first.
type rank int

const (
	rankSend rank = iota
	rankLive
	rankBackfill
	ranks
)

// cost is what a call takes from the limits.
type cost struct {
	rank     rank
	units    int
	parallel int
	upload   int
	ahead    bool // it got ahead of live calls, and leaves no reserve
}

// keeps is what the call has to leave of units that all lanes share.
func (c cost) keeps(l *Limits, units int) int {
	if c.ahead {
		return 0
	}
	return l.reserve(c.rank, units)
}

func costOf(call mailbox.Call) cost {
	c := cost{
		rank:     rankBackfill,
		units:    max(0, call.Units),
		parallel: max(1, call.Parallel),
		upload:   int(max(0, min(call.Upload, 1<<31-1))),
	}
	switch call.Lane {
	case mailbox.LaneSend:
		c.rank = rankSend
	case mailbox.LaneLive:
		c.rank = rankLive
	}
	return c
}

// ticket is a call that was let go.
type ticket struct {
	mailbox *mailboxState
	cost    cost
	most    int // calls of the mailbox that may be in flight
	epochs  struct{ mailbox, sends, tenant, app uint32 }
}

// holder is the group of limits that holds a call back.
type holder uint8

const (
	holdNone    holder = iota
	holdLane           // other lanes may pass
	holdMailbox        // nothing of the mailbox passes
	holdApp            // nothing that ranks below passes
)

// hold says what holds a call back.
type hold struct {
	by    holder
	until time.Time // zero: until another call ends
}

// check tells whether a call may go now. seq is its place among waiting calls.
func (mb *mailboxState) check(c cost, seq uint64, now time.Time) hold {
	app := mb.app
	concurrency := mb.parallel.limit(&app.limits)

	// First the limits of its lane alone.
	if at := mb.upload.readyAt(now, 0, c.upload, 0); at.After(now) {
		return hold{holdLane, at}
	}
	switch c.rank {
	case rankSend:
		if mb.sends.until.After(now) {
			return hold{holdLane, mb.sends.until}
		}
		if mb.tenant.gate.until.After(now) {
			return hold{holdLane, mb.tenant.gate.until}
		}
		if !mb.sends.room(1, Unlimited) || !mb.tenant.gate.room(1, Unlimited) {
			return hold{by: holdLane}
		}
	case rankBackfill:
		if at := mb.units.readyAt(now, 0, c.units, c.keeps(&app.limits, app.limits.Mailbox.Burst)); at.After(now) {
			return hold{holdLane, at}
		}
		if concurrency > 1 && mb.backfill > 0 && mb.backfill+c.parallel > concurrency-1 {
			return hold{by: holdLane}
		}
	}

	if mb.gate.until.After(now) {
		return hold{holdMailbox, mb.gate.until}
	}
	if at := mb.units.readyAt(now, 0, c.units, 0); at.After(now) {
		return hold{holdMailbox, at}
	}
	if !mb.gate.room(c.parallel, concurrency) {
		return hold{by: holdMailbox}
	}

	if len(app.blocked) > 0 && app.blocked[0].before(c.rank, seq) {
		return hold{by: holdApp}
	}
	if at := app.earliest(c, now); at.After(now) {
		return hold{holdApp, at}
	}
	if !app.gate.room(1, Unlimited) {
		return hold{by: holdApp}
	}
	return hold{}
}

// earliest is when time alone lets the app's limits allow a call.
func (a *appState) earliest(c cost, now time.Time) time.Time {
	at := later(now, a.gate.until)
	at = later(at, a.units.readyAt(now, 0, c.units, c.keeps(&a.limits, a.limits.App.Burst)))
	return later(at, a.day.readyAt(now, 0, c.units, c.keeps(&a.limits, a.limits.AppDay)))
}

// earliest returns the soonest that a call can go after others of ahead units,
// and what has to be waited for. Calls in flight may delay it further.
func (mb *mailboxState) earliest(c cost, ahead int, now time.Time) (time.Time, mailbox.Scope) {
	at, scope := later(now, mb.gate.until), mailbox.ScopeMailbox
	at = later(at, mb.units.readyAt(now, ahead, c.units, mb.app.limits.reserve(c.rank, mb.app.limits.Mailbox.Burst)))
	at = later(at, mb.upload.readyAt(now, 0, c.upload, 0))
	if c.rank == rankSend {
		if mb.sends.until.After(at) {
			at, scope = mb.sends.until, mailbox.ScopeSending
		}
		if mb.tenant.gate.until.After(at) {
			at, scope = mb.tenant.gate.until, mailbox.ScopeTenant
		}
	}
	if app := mb.app.earliest(c, now); app.After(at) {
		at, scope = app, mailbox.ScopeApp
	}
	return at, scope
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// take lets a call go that check allowed.
func (mb *mailboxState) take(c cost, now time.Time) ticket {
	app := mb.app
	mb.units.take(now, c.units)
	mb.upload.take(now, c.upload)
	app.units.take(now, c.units)
	app.day.take(now, c.units)
	mb.gate.inflight += c.parallel
	app.gate.inflight++
	switch c.rank {
	case rankSend:
		mb.sends.inflight++
		mb.tenant.gate.inflight++
	case rankBackfill:
		mb.backfill += c.parallel
	}
	return mb.ticket(c)
}

// ticket is that of a call which goes now.
func (mb *mailboxState) ticket(c cost) ticket {
	t := ticket{mailbox: mb, cost: c, most: mb.parallel.limit(&mb.app.limits)}
	t.epochs.mailbox, t.epochs.sends = mb.gate.epoch, mb.sends.epoch
	t.epochs.tenant, t.epochs.app = mb.tenant.gate.epoch, mb.app.gate.epoch
	return t
}

// give ends a call that take let go. Its units stay spent: providers count
// refused calls too.
func (mb *mailboxState) give(t ticket) {
	mb.gate.inflight -= t.cost.parallel
	mb.app.gate.inflight--
	switch t.cost.rank {
	case rankSend:
		mb.sends.inflight--
		mb.tenant.gate.inflight--
	case rankBackfill:
		mb.backfill -= t.cost.parallel
	}
}

// waiter is a call that has to wait. Its fields belong to the limiter's lock
// until done is closed.
type waiter struct {
	mailbox   *mailboxState
	cost      cost
	lane      rank // whose queue it stands in
	since     time.Time
	seq       uint64
	deadline  time.Time
	byContext bool // deadline is the context's
	atApp     bool // in appState.blocked

	done    chan struct{} // closed when granted or refused
	granted bool
	ticket  ticket
	refused bool // it would have waited past its deadline: see until and scope
	until   time.Time
	scope   mailbox.Scope
}

// before reports whether w goes before a call of that rank and place.
func (w *waiter) before(r rank, seq uint64) bool {
	return w.cost.rank < r || w.cost.rank == r && w.seq < seq
}

func (mb *mailboxState) enqueue(w *waiter) {
	r := w.cost.rank
	w.lane = r
	mb.queues[r] = append(mb.queues[r], w)
	mb.queuedUnits[r] += w.cost.units
}

// patience is how long the first backfill call waits for live calls that always
// come before it.
const patience = 30 * time.Second

// promote puts the first backfill call in front of the live ones if it has
// waited for patience, and no other has got ahead for as long.
func (mb *mailboxState) promote(now time.Time) {
	if len(mb.queues[rankBackfill]) == 0 || len(mb.queues[rankLive]) == 0 {
		return
	}
	w := mb.queues[rankBackfill][0]
	c := w.cost
	c.ahead = true
	if now.Sub(later(w.since, mb.promoted)) < patience || mb.check(c, w.seq, now).by == holdLane {
		return
	}
	mb.remove(w)
	w.cost = c
	w.lane, mb.promoted = rankLive, now
	mb.queues[rankLive] = slices.Insert(mb.queues[rankLive], 0, w)
	mb.queuedUnits[rankLive] += w.cost.units
}

func (mb *mailboxState) remove(w *waiter) {
	mb.app.unblock(w)
	r := w.lane
	if i := slices.Index(mb.queues[r], w); i >= 0 {
		mb.queues[r] = slices.Delete(mb.queues[r], i, i+1)
		mb.queuedUnits[r] -= w.cost.units
	}
}

func (a *appState) block(w *waiter) {
	if w.atApp {
		return
	}
	i, _ := slices.BinarySearchFunc(a.blocked, w, compareWaiters)
	a.blocked = slices.Insert(a.blocked, i, w)
	w.atApp = true
}

func (a *appState) unblock(w *waiter) {
	if !w.atApp {
		return
	}
	if i, found := slices.BinarySearchFunc(a.blocked, w, compareWaiters); found {
		a.blocked = slices.Delete(a.blocked, i, i+1)
	}
	w.atApp = false
}

func compareWaiters(a, b *waiter) int {
	switch {
	case a == b:
		return 0
	case a.before(b.cost.rank, b.seq):
		return -1
	default:
		return 1
	}
}
