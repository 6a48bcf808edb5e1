package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// backfill is one Gmail mailbox whose old mail is read as fast as its units
// allow, while new mail is read and messages are sent. It runs in virtual time
// the arithmetic of budgets that the stores of [quota.CallStore] run,
// [quota.CallState]. A [quota.Limiter] waits by the clock of the machine and
// cannot be part of it; its order of lanes is played here.
type backfill struct {
	agenda
	rng     *rand.Rand
	limits  quota.Limits
	state   quota.CallState
	waiting [3][]*apiCall // by lane
	pumps   int64         // when waiting calls are looked at again
	seen    tally         // what arrives at Google; units stand for recipients
	most    int           // units of 60 s
	calls   int
	units   [3][backfillMinutes]int // by lane
	longest [3]time.Duration        // wait by lane
}

const (
	backfillMinutes = 20
	// backfillWorkers read old mail at once.
	backfillWorkers = 8
	// unitsPerMinute is what Google allows a user in a project made since
	// 2026-05-01.
	unitsPerMinute = 6_000
)

// lanes are all, in the order of the chart, and their names.
var lanes = []struct {
	lane mailbox.Lane
	name string
}{
	{mailbox.LaneBackfill, "backfill"},
	{mailbox.LaneLive, "live sync"},
	{mailbox.LaneSend, "sends"},
}

// runBackfill runs it under limits on calls.
func runBackfill(seed uint64, limits quota.Limits) *backfill {
	b := &backfill{
		agenda: agenda{now: start.UnixMicro()},
		rng:    rand.New(rand.NewPCG(seed, 2_000_000)),
		limits: limits,
	}
	units := gmail.DefaultUnits()
	get, history, send := units["gmail.users.messages.get"], units["gmail.users.history.list"], units["gmail.users.messages.send"]
	begin, end := b.now, b.now+backfillMinutes*minute
	// The workers of the backfill never rest.
	for range backfillWorkers {
		b.at(begin+b.rng.Int64N(second), func() { b.work(mailbox.LaneBackfill, get) })
	}
	// News are looked for every 5 s; from minute 5 to 10 there are many.
	for t := begin; t < end; t += 5 * second {
		b.at(t, func() { b.call(mailbox.LaneLive, history, nil) })
	}
	for t := begin + 5*minute; t < begin+10*minute; t += 2 * second {
		b.at(t, func() { b.call(mailbox.LaneLive, get, nil) })
	}
	// Messages are sent now and then, from minute 12 to 16 at the pace of a campaign.
	for t := begin; t < end; t += 20 * second {
		b.at(t+b.rng.Int64N(10*second), func() { b.call(mailbox.LaneSend, send, nil) })
	}
	for t := begin + 12*minute; t < begin+16*minute; t += 3 * second {
		b.at(t+b.rng.Int64N(second), func() { b.call(mailbox.LaneSend, send, nil) })
	}
	b.until(end, func() bool { return true })
	return b
}

// work makes one call after the other.
func (b *backfill) work(lane mailbox.Lane, units int) {
	b.call(lane, units, func() { b.work(lane, units) })
}

// apiCall is one call of the Gmail API.
type apiCall struct {
	id    string
	lane  mailbox.Lane
	units int
	asked int64
	then  func() // after its answer
}

// call makes a call as soon as the budget has room.
func (b *backfill) call(lane mailbox.Lane, units int, then func()) {
	b.calls++
	c := &apiCall{id: fmt.Sprint(b.calls), lane: lane, units: units, asked: b.now, then: then}
	b.waiting[lane] = append(b.waiting[lane], c)
	b.pump()
}

// pump lets calls go, sends first, then live calls, then the backfill. One that
// has to wait holds those behind it.
func (b *backfill) pump() {
	for _, lane := range []mailbox.Lane{mailbox.LaneSend, mailbox.LaneLive, mailbox.LaneBackfill} {
		for len(b.waiting[lane]) > 0 {
			c := b.waiting[lane][0]
			answer := b.state.Enter(b.ask(c), time.UnixMicro(b.now))
			if !answer.Allowed {
				b.pumpAt(answer.Wait)
				return
			}
			b.waiting[lane] = b.waiting[lane][1:]
			b.fly(c)
		}
	}
}

// pumpAt looks at waiting calls again after a time. Without one, a call in
// flight is in the way, whose end will do that.
func (b *backfill) pumpAt(wait time.Duration) {
	at := b.now + wait.Microseconds()
	if wait == 0 || b.pumps > b.now && b.pumps <= at {
		return
	}
	b.pumps = at
	b.at(at, b.pump)
}

// fly makes a call that was let go.
func (b *backfill) fly(c *apiCall) {
	b.longest[c.lane] = max(b.longest[c.lane], micros(b.now-c.asked))
	b.units[c.lane][(b.now-start.UnixMicro())/minute] += c.units
	arrives := b.now + 20_000 + b.rng.Int64N(second/3)
	b.at(arrives, func() {
		b.seen.add(b.now, c.units)
		_, used := b.seen.since(b.now - minute)
		b.most = max(b.most, used)
	})
	b.at(arrives+20_000+b.rng.Int64N(second/5), func() {
		b.state.Leave(c.id)
		if c.then != nil {
			c.then()
		}
		b.pump()
	})
}

// ask is what a limiter asks its store for a call: its units, of which a
// backfill leaves some for others, and one of the calls in flight.
func (b *backfill) ask(c *apiCall) quota.CallAsk {
	a := quota.CallAsk{
		CallKey: quota.CallKey{Provider: mailbox.Gmail, App: "app", Ref: mailbox.Ref{Tenant: "acme", Mailbox: "ada"}},
		ID:      c.id, Slots: 1, MaxSlots: b.limits.Concurrency, TTL: time.Minute, Send: c.lane == mailbox.LaneSend,
	}
	units := quota.BudgetAsk{Name: "units", Budget: b.limits.Mailbox, N: c.units}
	if c.lane == mailbox.LaneBackfill {
		a.MaxSlots--
		units.Keep = units.Burst - int(b.limits.BackfillShare*float64(units.Burst))
	}
	a.Budgets = append(a.Budgets, units)
	return a
}

// total is the units of a lane.
func (b *backfill) total(lane mailbox.Lane) (sum int) {
	for _, n := range b.units[lane] {
		sum += n
	}
	return sum
}

// print writes the summary.
func (b *backfill) print(out io.Writer) {
	fmt.Fprintf(out, "\nBackfill of one Gmail mailbox in virtual time, %d minutes (quota.CallState, the arithmetic of shared budgets; the Limiter's own queue is played):\n\n", backfillMinutes)
	all := 0
	for _, l := range lanes {
		all += b.total(l.lane)
		fmt.Fprintf(out, "  %-10s %9s units, longest wait %v\n", l.name, group(b.total(l.lane)), b.longest[l.lane].Round(time.Millisecond))
	}
	fmt.Fprintf(out, "  most in any 60 s: %s of %s units; used in all: %.1f %%\n", group(b.most), group(unitsPerMinute), 100*float64(all)/(backfillMinutes*unitsPerMinute))
}

// judge reports a minute that saw more than Google allows.
func (b *backfill) judge(r *result) {
	if b.most > unitsPerMinute {
		r.violate(violation{at: b.now, mailbox: "the backfill", rule: "units_per_minute", problem: fmt.Sprintf("%d units in 60 s, the budget is %d", b.most, unitsPerMinute)})
	}
}

// peak is the highest minute.
func (b *backfill) peak() int {
	var sums []int
	for i := range backfillMinutes {
		sums = append(sums, b.units[0][i]+b.units[1][i]+b.units[2][i])
	}
	return slices.Max(sums)
}
