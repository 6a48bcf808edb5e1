package quota

import (
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// succeeded tells that the provider answered without a refusal.
func (l *Limiter) succeeded(t ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mb, tenant := t.mailbox, t.mailbox.tenant
	grew := mb.parallel.passed(&mb.app.limits)
	if !grew && mb.gate.width == 0 && mb.app.gate.width == 0 && mb.sends.width == 0 && tenant.gate.width == 0 {
		return
	}
	now := time.Now()
	concurrency := mb.parallel.limit(&mb.app.limits)
	mb.gate.passed(t.epochs.mailbox, concurrency)
	mb.app.gate.passed(t.epochs.app, Unlimited)
	if t.cost.rank == rankSend {
		mb.sends.passed(t.epochs.sends, concurrency)
		if tenant.gate.width > 0 {
			tenant.gate.passed(t.epochs.tenant, Unlimited)
			l.letTenantGo(tenant, now)
		}
	}
	l.letGo(mb, now)
}

// refused pauses what a refusal covers. Calls that would now wait past their
// deadline are told at once. It returns how long the pause lasts if it is new,
// else 0.
func (l *Limiter) refused(t ticket, r refusal) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	mb := t.mailbox
	g, epoch := mb.gateOf(r.scope, t)
	if g == &mb.gate && epoch == g.epoch && (r.concurrent || r.wait == 0) {
		mb.parallel.halve(&mb.app.limits)
	}
	if !g.refused(now, epoch, r.wait) {
		return 0
	}
	l.pausedNow(mb, r.scope, now)
	return g.until.Sub(now)
}

// gateOf returns the gate that a refusal of a call closes, and its epoch when
// the call went.
func (mb *mailboxState) gateOf(s mailbox.Scope, t ticket) (*gate, uint32) {
	switch s {
	case mailbox.ScopeApp:
		return &mb.app.gate, t.epochs.app
	case mailbox.ScopeTenant:
		return &mb.tenant.gate, t.epochs.tenant
	case mailbox.ScopeSending:
		return &mb.sends, t.epochs.sends
	default:
		return &mb.gate, t.epochs.mailbox
	}
}

// pausedElsewhere takes over a pause of the scope that another process met.
func (l *Limiter) pausedElsewhere(mb *mailboxState, s mailbox.Scope, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	g, _ := mb.gateOf(s, ticket{})
	if g.pausedElsewhere(now, wait) {
		l.pausedNow(mb, s, now)
	}
}

// pausedNow tells waiting calls of a new pause.
func (l *Limiter) pausedNow(mb *mailboxState, s mailbox.Scope, now time.Time) {
	l.recheck(mb, now)
	if s == mailbox.ScopeApp || s == mailbox.ScopeTenant {
		for _, other := range l.mailboxes {
			if other != mb && other.waiting() > 0 && (other.app == mb.app && s == mailbox.ScopeApp || other.tenant == mb.tenant && s == mailbox.ScopeTenant) {
				l.recheck(other, now)
			}
		}
	}
	l.pumpApp(mb.app, now)
}

// learn pauses what a refusal covers, here and where the pause is shared.
func (l *Limiter) learn(t ticket, sc *sharedCall, r refusal) {
	if wait := l.refused(t, r); wait > 0 {
		sc.pause(r.scope, wait)
	}
}
