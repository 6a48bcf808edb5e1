package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// account is the life of one mailbox: what it has to send, and what happens to
// its mail.
type account struct {
	*resident
	world   *world
	rng     *rand.Rand // of its own, so that others do not change its life
	referee *referee
	service service

	waiting  int // messages that were not looked at yet
	head     *message
	retries  []*message
	numbered int
	inFlight int
	underway int // taken from the backlog, and not known to be sent or back

	wakes    int64  // the planned attempt; 0 for none
	events   int    // how often something happened that decisions depend on
	expected expect // what the last refusal promised
	bounces  float64
	replies  float64
	fastest  int64    // how soon answers come
	example  *example // nil for most
}

// message is one message to be sent.
type message struct {
	key        string
	recipients int
	placed     int64 // when the place was reserved that it still has; 0 if it has none
}

// expect is the promise of a refusal: the same message may go at a time, and not
// before, if nothing happens until then.
type expect struct {
	at     int64
	key    string
	events int
}

const (
	maxInFlight = 2
	// flightMean is how long a message takes from its reservation to its commit.
	flightMean = 1_300_000
)

func newAccount(w *world, r *resident, seed uint64) *account {
	a := &account{resident: r, world: w, rng: rand.New(rand.NewPCG(seed, 1_000+uint64(hash(r.Mailbox))))}
	a.service.hard = r.kind.hard
	a.referee = newReferee(r, func(rule, problem string) {
		w.result.violate(violation{at: w.now, mailbox: string(r.Mailbox), rule: rule, problem: problem})
	})
	if r.example {
		a.example = &example{mailbox: string(r.Mailbox)}
		w.result.examples[r.kind.preset] = a.example
	}
	return a
}

// midnight begins a day of the mailbox's owner: it plans what comes.
func (a *account) midnight() {
	w := a.world
	today := a.referee.dayOf(w.now)
	w.result.worked(a.kind.preset, a.referee.nextDay(w.now, a.hasMail()))
	w.at(today.ends, a.midnight)
	a.example.nextDay()
	a.example.count(a.referee, w.now, 0)

	a.bounces, a.replies, a.fastest = 0.01, 0.005, 20*hour
	switch x := a.rng.Float64(); {
	case x < 0.02: // a list of bad addresses
		a.bounces = 0.12
	case x < 0.04: // something that many answer at once
		a.replies, a.fastest = 0.15, hour
	}
	length := today.ends - w.now
	if a.rng.Float64() < 0.15 && !a.eager {
		return // an idle day
	}
	if a.eager && a.waiting < 2*a.limits.Messages {
		a.arrive(4 * a.limits.Messages)
	}
	if a.rng.Float64() < rarely(a.limits.Messages) && !a.eager {
		campaign := a.limits.Messages/2 + a.rng.IntN(a.limits.Messages)
		w.at(w.now+a.rng.Int64N(length), func() { a.arrive(campaign) })
	}
	for range 3 + a.rng.IntN(12) {
		w.at(w.now+a.rng.Int64N(length), func() { a.arrive(1) })
	}
	if a.rng.Float64() < 0.4 {
		for range 1 + a.rng.IntN(6) {
			w.at(w.now+a.rng.Int64N(length), a.sendByHand)
		}
	}
}

// arrive puts messages into the backlog.
func (a *account) arrive(n int) {
	a.world.result.asked += n
	a.waiting += n
	if a.expected.at <= a.world.now { // else it waits for that
		a.wake(a.world.now)
	}
}

func (a *account) hasMail() bool { return a.waiting > 0 || a.head != nil || len(a.retries) > 0 }

// left is how many messages are still to be sent.
func (a *account) left() int {
	n := a.waiting + len(a.retries) + a.underway
	if a.head != nil {
		n++
	}
	return n
}

// next returns the message that is to be sent next.
func (a *account) next() *message {
	if a.head != nil {
		return a.head
	}
	if n := len(a.retries); n > 0 {
		a.head, a.retries = a.retries[n-1], a.retries[:n-1]
		return a.head
	}
	a.waiting--
	a.numbered++
	a.head = &message{key: "message-" + strconv.Itoa(a.numbered), recipients: 1}
	if a.rng.Float64() < 0.1 && a.example == nil {
		a.head.recipients = 2 + a.rng.IntN(3)
	}
	return a.head
}

// wake plans an attempt, unless one is planned that comes before.
func (a *account) wake(at int64) {
	if a.wakes != 0 && a.wakes <= at {
		return
	}
	a.wakes = at
	a.world.at(at, func() {
		if a.wakes == at {
			a.wakes = 0
			a.attempt()
		}
	})
}

// attempt asks for a place for the next message, and sends it if there is one.
func (a *account) attempt() {
	w := a.world
	if !a.hasMail() {
		a.referee.use.idle = true
		return
	}
	if a.inFlight == maxInFlight {
		return // the end of a flight wakes it
	}
	m, p := a.next(), w.anyProcess()
	place, d, err := p.gov.Reserve(context.Background(), a.request(m))
	if err != nil {
		w.fail(fmt.Errorf("reserving for %s: %w", a.Mailbox, err))
		return
	}
	w.result.decisions++
	a.checkPromise(m, d)
	if !d.Allowed {
		a.refused(m, d)
		return
	}
	a.head, a.expected = nil, expect{}
	if m.placed != 0 {
		a.referee.leave(m.placed, m.recipients)
	}
	m.placed = w.now
	a.events++
	a.referee.reserve(w.now, m.recipients)
	a.fly(m, p, place)
	a.wake(w.now + w.between(20_000, 300_000))
}

func (a *account) request(m *message) quota.SendRequest {
	return quota.SendRequest{Ref: a.Ref, Provider: a.provider, Key: m.key, Recipients: m.recipients}
}

// checkPromise holds a decision against what the last refusal said: it is
// allowed at that time if nothing has happened, and a microsecond before it is
// not.
func (a *account) checkPromise(m *message, d quota.Decision) {
	e := a.expected
	if e.at == 0 || e.key != m.key || e.events != a.events {
		return
	}
	switch now := a.world.now; {
	case now == e.at && !d.Allowed:
		a.referee.report("not_before", fmt.Sprintf("refused at the time that a refusal named: %s until %v", d.Binding, d.NotBefore))
	case now < e.at && d.Allowed:
		a.referee.report("not_before", fmt.Sprintf("allowed %v before the time that a refusal named", micros(e.at-now)))
	}
}

// refused waits for the time that a refusal names.
func (a *account) refused(m *message, d quota.Decision) {
	w := a.world
	w.result.refused[d.Binding]++
	a.referee.refused(w.now, m)
	at := d.NotBefore.UnixMicro()
	if at <= w.now {
		a.referee.report("not_before", "a refusal names a time that is over")
		at = w.now + second
	}
	if at != d.NotBefore.Add(time.Microsecond-1).UnixMicro() {
		at++ // times of the simulation are whole microseconds
	}
	a.expected = expect{at: at, key: m.key, events: a.events}
	if at-1 > w.now && w.chance(0.05) { // look whether it is the earliest time
		at--
	}
	a.wake(at)
}
