package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// fly sends a message that has a place. The mail service takes it a moment
// later, and after another moment the process hears of that, unless it has died.
func (a *account) fly(m *message, p *process, place quota.Reservation) {
	w := a.world
	arrives := w.now + w.between(200_000, 1_500_000)
	heard := arrives + w.between(100_000, 800_000)
	a.inFlight++
	a.underway++

	dies := p.dies
	if w.chance(0.001) { // only what handled this message dies
		dies = w.now + w.between(1, heard-w.now)
	}
	switch {
	case dies <= arrives:
		w.at(heard, func() { a.crashed(m, place, false) })
	case w.chance(0.05 / float64(a.limits.Messages)): // once in 20 days of many messages
		w.at(heard, func() { a.throttled(m, place) })
	case !a.service.accept(arrives, m.recipients):
		a.referee.report("provider", "the mail service refused a message over its own limit")
		w.at(heard, func() { a.throttled(m, place) })
	case dies <= heard:
		a.out(m, arrives, w.now)
		w.at(heard, func() { a.crashed(m, place, true) })
	default:
		a.out(m, arrives, arrives)
		w.at(heard, func() {
			a.landed()
			a.commit(m, place)
		})
	}
}

// landed ends a flight.
func (a *account) landed() {
	a.inFlight--
	a.events++
	if a.expected.at <= a.world.now {
		a.wake(a.world.now)
	}
}

// out is for what comes of a message that went out. It may bounce, and somebody
// may answer.
func (a *account) out(m *message, arrives, certain int64) {
	w := a.world
	w.result.sent++
	a.underway--
	a.referee.wentOut(m.placed, certain, m.recipients)
	a.example.count(a.referee, w.now, 1)
	switch x := w.rng.Float64(); {
	case x < a.bounces:
		w.at(arrives+w.between(second, 4*hour), func() { a.signal(quota.SignalBounce, "bounce of "+m.key, 0) })
	case x < a.bounces+a.replies:
		w.at(arrives+w.between(2*minute, a.fastest), func() { a.signal(quota.SignalReply, "reply to "+m.key, 0) })
	}
}

// commit tells that a message went out.
func (a *account) commit(m *message, place quota.Reservation) {
	w := a.world
	for range 1 + w.rng.IntN(501)/500 { // twice now and then, which must not matter
		if err := w.anyProcess().gov.Commit(context.Background(), place); err != nil {
			w.fail(fmt.Errorf("committing for %s: %w", a.Mailbox, err))
		}
	}
	a.events++
	a.referee.settle(m.placed, w.now, m.recipients)
	m.placed = 0
}

// cancel gives back the place of a message that was not sent.
func (a *account) cancel(m *message, place quota.Reservation) {
	if err := a.world.anyProcess().gov.Cancel(context.Background(), place); err != nil {
		a.world.fail(fmt.Errorf("cancelling for %s: %w", a.Mailbox, err))
	}
	a.world.result.cancelled++
	a.events++
	a.referee.leave(m.placed, m.recipients)
	m.placed = 0
	a.expected = expect{} // there may be room sooner than it was said
	a.wake(a.world.now)
}

// again puts a message back, to be sent before all others.
func (a *account) again(m *message) {
	a.underway--
	a.retries = append(a.retries, m)
}

// throttled is for a message that the mail service refused: it is sent again
// later.
func (a *account) throttled(m *message, place quota.Reservation) {
	w := a.world
	a.landed()
	a.again(m)
	wait := time.Duration(0)
	if w.chance(0.5) {
		wait = time.Duration(w.between(5*minute, 3*hour)) * time.Microsecond
	}
	a.signal(quota.SignalThrottled, "refusal of "+m.key+" at "+fmt.Sprint(w.now), wait)
	a.cancel(m, place)
}

// crashed is for a message whose process died: later somebody finds its place
// and looks whether it went out.
func (a *account) crashed(m *message, place quota.Reservation, sent bool) {
	w := a.world
	w.result.crashed++
	a.landed()
	w.at(w.now+w.between(minute, hour), func() {
		switch x := w.rng.Float64(); {
		case sent:
			a.commit(m, place)
		case x < 0.6: // with the same key, which has its place still
			a.again(m)
			if a.expected.at <= w.now {
				a.wake(w.now)
			}
		case x < 0.8:
			a.underway--
			w.result.givenUp++
			a.cancel(m, place)
		default: // nobody looks: the place counts for a day
			a.underway--
			w.result.lost++
		}
	})
}

// sendByHand is for mail that the owner sends by another program. The host sees
// it some minutes later.
func (a *account) sendByHand() {
	w := a.world
	at := w.now
	if !a.service.accept(at, 1) {
		return
	}
	w.result.byHand++
	a.numbered++
	m := &message{key: fmt.Sprint("by-hand-", a.numbered), recipients: 1}
	w.at(at+w.between(10*second, 10*minute), func() {
		r := a.request(m)
		r.At = time.UnixMicro(at).UTC()
		if err := w.anyProcess().gov.Observe(context.Background(), r); err != nil {
			w.fail(fmt.Errorf("observing for %s: %w", a.Mailbox, err))
		}
		a.events++
		a.referee.observed(at, m.recipients)
		a.example.count(a.referee, w.now, 1)
	})
}

// signal tells the governor what happened to a message, sometimes twice.
func (a *account) signal(kind quota.SignalKind, id string, wait time.Duration) {
	w := a.world
	s := quota.Signal{Ref: a.Ref, Provider: a.provider, Kind: kind, ID: id, Wait: wait}
	change, err := w.anyProcess().gov.Signal(context.Background(), s)
	if err != nil {
		w.fail(fmt.Errorf("signalling for %s: %w", a.Mailbox, err))
		return
	}
	a.events++
	w.result.signals[kind]++
	if change != nil {
		w.result.changes[kind]++
	}
	a.referee.signalled(w.now, kind, wait, change)
	if w.chance(0.01) {
		if again, err := w.anyProcess().gov.Signal(context.Background(), s); err != nil || again != nil {
			a.referee.report("signal", fmt.Sprintf("%s counted twice: %v", kind, err))
		}
	}
}

func hash(id mailbox.MailboxID) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()
}

func limitsFrom(byMailbox map[string]quota.SendLimits) func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits {
	return func(r mailbox.Ref, _ mailbox.ProviderName) quota.SendLimits { return byMailbox[string(r.Mailbox)] }
}
