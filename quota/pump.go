package quota

import "time"

// letGo lets calls go that wait in a mailbox or for its app.
func (l *Limiter) letGo(mb *mailboxState, now time.Time) {
	l.pump(mb, now)
	l.pumpApp(mb.app, now)
}

// letTenantGo lets sends go that only a slow restart of their tenant held back.
func (l *Limiter) letTenantGo(tenant *tenantState, now time.Time) {
	for _, mb := range l.mailboxes {
		if mb.tenant == tenant && len(mb.queues[rankSend]) > 0 {
			l.letGo(mb, now)
		}
	}
}

// pump lets waiting calls of a mailbox go, in order and as far as limits allow,
// and sets the timer for the rest.
func (l *Limiter) pump(mb *mailboxState, now time.Time) {
	if mb.waiting() == 0 {
		if mb.timer != nil {
			mb.timer.Stop()
		}
		return
	}
	mb.promote(now)
	var wake time.Time
lanes:
	for r := range ranks {
		h := mb.drain(r, now)
		switch h.by {
		case holdLane:
			wake = sooner(wake, h.until)
		case holdMailbox:
			wake = sooner(wake, h.until)
			break lanes
		case holdApp:
			l.armApp(mb.app, now)
			break lanes
		}
	}
	switch {
	case mb.timer == nil && wake.IsZero():
	case mb.timer == nil:
		mb.timer = time.AfterFunc(wake.Sub(now), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.letGo(mb, time.Now())
		})
	case wake.IsZero():
		mb.timer.Stop()
	default:
		mb.timer.Reset(wake.Sub(now))
	}
}

// sooner returns the earlier of two times, where zero is no time.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// drain lets the calls of one lane go and returns what holds back the first
// that stays.
func (mb *mailboxState) drain(r rank, now time.Time) hold {
	for len(mb.queues[r]) > 0 {
		w := mb.queues[r][0]
		h := mb.check(w.cost, w.seq, now)
		switch h.by {
		case holdNone:
			mb.remove(w)
			w.ticket = mb.take(w.cost, now)
			w.granted = true
			close(w.done)
			continue
		case holdApp:
			mb.app.block(w)
		default:
			mb.app.unblock(w)
		}
		return h
	}
	return hold{}
}

// pumpApp lets calls go that only the app's limits held back.
func (l *Limiter) pumpApp(app *appState, now time.Time) {
	if len(app.blocked) == 0 {
		return
	}
	for len(app.blocked) > 0 && app.allows(app.blocked[0].cost, now) {
		w := app.blocked[0]
		app.unblock(w) // its mailbox may hold it back by now
		l.pump(w.mailbox, now)
	}
	l.armApp(app, now)
}

// allows reports whether the app's limits allow a call.
func (a *appState) allows(c cost, now time.Time) bool {
	return a.gate.room(1, Unlimited) && !a.earliest(c, now).After(now)
}

// armApp sets the timer for the first call that the app's limits hold back. A
// call that waits for another to end needs none.
func (l *Limiter) armApp(app *appState, now time.Time) {
	if len(app.blocked) == 0 || !app.gate.room(1, Unlimited) {
		if app.timer != nil {
			app.timer.Stop()
		}
		return
	}
	wait := app.earliest(app.blocked[0].cost, now).Sub(now)
	if app.timer == nil {
		app.timer = time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.pumpApp(app, time.Now())
		})
		return
	}
	app.timer.Reset(wait)
}

// ahead returns the units that go before w, as far as is known.
func (mb *mailboxState) ahead(w *waiter, now time.Time) int {
	units := -w.cost.units
	for r := range w.cost.rank + 1 {
		if r == rankSend && w.cost.rank != rankSend && mb.sendsPaused(now) {
			continue // sending is paused: others pass
		}
		units += mb.queuedUnits[r]
	}
	return units
}

// sendsPaused reports whether no send goes, but other calls may.
func (mb *mailboxState) sendsPaused(now time.Time) bool {
	return mb.sends.until.After(now) || mb.tenant.gate.until.After(now)
}

// refuseHopeless refuses w if it is known to wait past its deadline.
func (l *Limiter) refuseHopeless(w *waiter, ahead int, now time.Time) bool {
	at, scope := w.mailbox.earliest(w.cost, ahead, now)
	if !at.After(w.deadline) {
		return false
	}
	w.mailbox.remove(w)
	w.refused, w.until, w.scope = true, at, scope
	close(w.done)
	return true
}

// recheck refuses the calls that a new pause makes wait past their deadline.
func (l *Limiter) recheck(mb *mailboxState, now time.Time) {
	for r := range ranks {
		queue := mb.queues[r]
		for i := len(queue) - 1; i >= 0; i-- { // from behind: refusing removes
			l.refuseHopeless(queue[i], 0, now)
		}
	}
	l.pump(mb, now)
}
