package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// governor is what a host uses of [quota.Sends].
type governor interface {
	Reserve(context.Context, quota.SendRequest) (quota.Reservation, quota.Decision, error)
	Commit(context.Context, quota.Reservation) error
	Cancel(context.Context, quota.Reservation) error
	Observe(context.Context, quota.SendRequest) error
	Signal(context.Context, quota.Signal) (*quota.Change, error)
}

// world is a part of the fleet in virtual time: a clock, a store, and processes
// of the host that share the store. Nothing in it depends on another world, so
// that worlds can run on all cores and give the same result each time.
type world struct {
	agenda
	ends      int64
	rng       *rand.Rand
	processes []*process
	newGov    func() (governor, error)
	accounts  []*account
	result    *result
	err       error
}

// process is one process of the host. When it dies, another one takes its
// place, which knows only what is in the store.
type process struct {
	gov  governor
	dies int64
}

// newWorld makes a world for some mailboxes. wrap may replace the governor of a
// process.
func newWorld(o options, number int, fleet []*resident, wrap func(governor) governor) (*world, error) {
	w := &world{
		agenda: agenda{now: start.UnixMicro()},
		ends:   start.UnixMicro() + int64(o.days)*day,
		rng:    rand.New(rand.NewPCG(o.seed, uint64(1_000_000+number))),
		result: newResult(),
	}
	limits := make(map[string]quota.SendLimits)
	for _, r := range fleet {
		limits[string(r.Mailbox)] = r.limits
	}
	store := quota.NewMemory()
	w.newGov = func() (governor, error) {
		sends, err := quota.NewSends(quota.SendsConfig{
			Store:  store,
			Limits: limitsFrom(limits),
			Now:    func() time.Time { return time.UnixMicro(w.now).UTC() },
		})
		if err != nil || wrap == nil {
			return sends, err
		}
		return wrap(sends), nil
	}
	for range o.processes {
		p := new(process)
		w.processes = append(w.processes, p)
		w.startProcess(p)
	}
	for _, r := range fleet {
		a := newAccount(w, r, o.seed)
		w.accounts = append(w.accounts, a)
		w.at(w.now, a.midnight)
	}
	return w, w.err
}

// run lets time pass until the end, or until something fails. tell hears of each
// day.
func (w *world) run(ctx context.Context, tell func()) error {
	for midnight := w.now + day; midnight <= w.ends && w.err == nil; midnight += day {
		w.until(midnight, func() bool { return w.err == nil })
		tell()
		if w.err == nil {
			w.err = ctx.Err()
		}
	}
	for _, a := range w.accounts {
		w.result.left += a.left()
	}
	return w.err
}

// startProcess starts a process, or another one in place of a dead one.
func (w *world) startProcess(p *process) {
	gov, err := w.newGov()
	if err != nil {
		w.fail(err)
		return
	}
	p.gov, p.dies = gov, w.now+w.between(hour, 4*day)
	w.at(p.dies, func() {
		w.result.restarts++
		w.startProcess(p)
	})
}

// anyProcess is the one that happens to do the next piece of work.
func (w *world) anyProcess() *process { return w.processes[w.rng.IntN(len(w.processes))] }

// between draws a span.
func (w *world) between(least, most int64) int64 { return least + w.rng.Int64N(most-least) }

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

func (w *world) fail(err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("at %s: %w", time.UnixMicro(w.now).UTC().Format(time.DateTime), err)
	}
}
