package quota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Status is how a mailbox stands with its limits on sending.
type Status struct {
	// Decision is that about one more message to one recipient, now.
	Decision Decision
	// Limits are all limits that have a say, the mailbox's own first.
	Limits []LimitStatus
	// Logs are the mailbox and the groups that are slowed down or paused, or were.
	Logs []LogStatus
	// SendingDay is which day of sending a message of now belongs to, where 1 is
	// the first; 0 for a mailbox without a warm-up.
	SendingDay int
}

// LimitStatus is one limit and how much of it is used.
type LimitStatus struct {
	Rule Rule
	Log  Log
	// Limit is what holds now: the configured one, or less during a warm-up or a
	// slow-down.
	Limit, Used int
}

// LogStatus is what signals have done to a mailbox or a group.
type LogStatus struct {
	Log Log
	// Factor is which part of the limits of 24 hours holds now, 1 being all.
	Factor float64
	// Recovered is when all of it holds again, if nothing else happens; zero if it
	// does.
	Recovered time.Time
	// Paused is until when nothing may be sent; zero if there is no pause.
	Paused time.Time
	// Changes are the last 16, newest last, each with its reason. A recovery is
	// no change: it follows from Recovered.
	Changes []Change
}

// probe is a key that no message has, for questions about none.
const probe = "\x00probe"

// Status tells how a mailbox stands. Of the request, Ref, Provider and From are
// looked at, and To for limits of recipients' domains. It changes nothing.
func (s *Sends) Status(ctx context.Context, r SendRequest) (Status, error) {
	r.Key, r.Recipients, r.At = probe, 1, time.Time{}
	a := new(attempt)
	if err := a.begin(s, &r, true); err != nil {
		return Status{}, err
	}
	if err := a.decide(ctx); err != nil {
		return Status{}, storageError("status", r.Ref, mailbox.OutcomeNone, err)
	}
	rules, st := a.rules, Status{}
	a.explain(&st.Decision)
	if rules.WarmUp != nil {
		st.SendingDay = rules.sendingDay(a.places[0].state.sendState, a.now) + rules.WarmUp.Days
	}
	for i := range a.places {
		p := &a.places[i]
		for j, u := range p.answer.Usage {
			if !p.ask.Windows[j].Advisory {
				st.Limits = append(st.Limits, LimitStatus{Rule: p.limited[j].rule, Log: p.ask.Log, Limit: p.ask.Windows[j].Max, Used: u.Used})
			}
		}
		if len(p.state.Changes) == 0 {
			continue
		}
		l := LogStatus{Log: p.ask.Log, Factor: p.state.factor(a.now, rules.slowDown.Recovery), Changes: p.state.clone().Changes}
		if l.Factor < 1 {
			l.Recovered = p.state.recovered(rules.slowDown.Recovery)
		}
		if p.pause {
			l.Paused = p.state.Paused
		}
		st.Logs = append(st.Logs, l)
	}
	return st, nil
}

var errNoProgress = errors.New("quota: a refusal that is over already")

// maxForecast bounds a forecast.
const maxForecast = 10_000

// Forecast tells when each of the next n messages like r would go, if every one
// goes as soon as it may, arrives, and nothing else is sent: when a campaign
// would end. n is 1 to 10,000. It changes nothing; with a Jitter, what will be
// drawn is not known yet, and it is one of the ways it may go.
func (s *Sends) Forecast(ctx context.Context, r SendRequest, n int) ([]time.Time, error) {
	if n < 1 || n > maxForecast {
		return nil, mailbox.Invalid("n", fmt.Sprintf("1 to %d", maxForecast), "is out of range")
	}
	r.Key, r.At = probe, time.Time{}
	a := new(attempt)
	if err := a.begin(s, &r, true); err != nil {
		return nil, err
	}
	// The same decisions on a copy of the logs, with a clock of its own.
	now := a.now
	copied := NewMemory()
	for i := range a.places {
		if err := s.copyLog(ctx, a.places[i].ask.Log, copied); err != nil {
			return nil, storageError("forecast", r.Ref, mailbox.OutcomeNone, err)
		}
	}
	future := &Sends{
		store: copied, memory: copied, providers: s.providers, limits: s.limits, groups: s.groups, ofGroup: s.ofGroup,
		now: func() time.Time { return now },
	}
	future.attempts.New = s.attempts.New
	times := make([]time.Time, 0, n)
	for len(times) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.Key = fmt.Sprint(probe, len(times))
		place, d, err := future.Reserve(ctx, r)
		if err != nil {
			return nil, err
		}
		if !d.Allowed {
			if !d.NotBefore.After(now) {
				return nil, storageError("forecast", r.Ref, mailbox.OutcomeNone, errNoProgress)
			}
			now = d.NotBefore
			continue
		}
		times = append(times, now)
		if err := future.Commit(ctx, place); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// copyLog copies a log to another store.
func (s *Sends) copyLog(ctx context.Context, l Log, to *Memory) error {
	var entries []Entry
	err := s.call(ctx, func(ctx context.Context, store Store) (err error) {
		entries, err = store.Entries(ctx, l, s.clock().Add(-Retention))
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := to.Settle(ctx, e); err != nil {
			return err
		}
	}
	var st State
	err = s.call(ctx, func(ctx context.Context, store Store) (err error) {
		st, err = store.State(ctx, l)
		return err
	})
	if err != nil || st.Version == 0 {
		return err
	}
	st.Version = 0
	_, err = to.SetState(ctx, l, st)
	return err
}
