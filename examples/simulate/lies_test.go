package main

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// liar is a governor that is wrong in one way. Each lie may be nil.
type liar struct {
	governor
	reserve func(quota.SendRequest, *quota.Reservation, *quota.Decision)
	drop    string // a method that does nothing
}

func (l *liar) Reserve(ctx context.Context, r quota.SendRequest) (quota.Reservation, quota.Decision, error) {
	place, d, err := l.governor.Reserve(ctx, r)
	if err == nil && l.reserve != nil {
		l.reserve(r, &place, &d)
	}
	return place, d, err
}

func (l *liar) Commit(ctx context.Context, r quota.Reservation) error {
	if l.drop == "commit" {
		return nil
	}
	return l.governor.Commit(ctx, r)
}

func (l *liar) Cancel(ctx context.Context, r quota.Reservation) error {
	if l.drop == "cancel" {
		return nil
	}
	return l.governor.Cancel(ctx, r)
}

func (l *liar) Observe(ctx context.Context, r quota.SendRequest) error {
	if l.drop == "observe" {
		return nil
	}
	return l.governor.Observe(ctx, r)
}

func (l *liar) Signal(ctx context.Context, s quota.Signal) (*quota.Change, error) {
	if l.drop == "signal" {
		return nil, nil
	}
	return l.governor.Signal(ctx, s)
}

func TestRefereeFindsLies(t *testing.T) {
	t.Parallel()
	// every lies about every nth decision that matches.
	every := func(n int, match func(*quota.Decision) bool, lie func(quota.SendRequest, *quota.Reservation, *quota.Decision)) func(quota.SendRequest, *quota.Reservation, *quota.Decision) {
		var mu sync.Mutex // worlds run side by side
		count := 0
		return func(r quota.SendRequest, p *quota.Reservation, d *quota.Decision) {
			if !match(d) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if count++; count%n == 0 {
				lie(r, p, d)
			}
		}
	}
	allowed := func(d *quota.Decision) bool { return d.Allowed }
	refused := func(d *quota.Decision) bool { return !d.Allowed }
	by := func(rule quota.Rule) func(*quota.Decision) bool {
		return func(d *quota.Decision) bool { return !d.Allowed && d.Binding == rule }
	}
	allow := func(r quota.SendRequest, p *quota.Reservation, d *quota.Decision) {
		*p, *d = quota.Reservation{Ref: r.Ref, ID: r.Key, Recipients: r.Recipients}, quota.Decision{Allowed: true}
	}
	for _, x := range []struct {
		name string
		lie  liar
		want []string // what is found, at least
	}{
		{"allows every 50th that it should refuse", liar{reserve: every(50, refused, allow)}, []string{"gap", "messages_per_minute"}},
		{"has no cap of messages", liar{reserve: every(2, by(quota.RuleMessages), allow)}, []string{"messages_24h"}},
		{"has no cap of recipients", liar{reserve: every(2, by(quota.RuleRecipients), allow)}, []string{"recipients_24h"}},
		{"has no pace", liar{reserve: every(2, by(quota.RulePace), allow)}, []string{"messages_per_minute"}},
		{"has no gap", liar{reserve: every(2, by(quota.RuleGap), allow)}, []string{"gap"}},
		{"has no hours", liar{reserve: every(2, by(quota.RuleHours), allow)}, []string{"hours"}},
		{"does not warm up", liar{reserve: every(2, by(quota.RuleWarmUp), allow)}, []string{"warm_up"}},
		{"does not slow down", liar{reserve: every(2, by(quota.RuleSlowDown), allow)}, []string{"slow_down"}},
		{"names a later time", liar{reserve: every(20, refused, func(_ quota.SendRequest, _ *quota.Reservation, d *quota.Decision) {
			d.NotBefore = d.NotBefore.Add(time.Hour)
		})}, []string{"not_before"}},
		{"names an earlier time", liar{reserve: every(20, refused, func(_ quota.SendRequest, _ *quota.Reservation, d *quota.Decision) {
			d.NotBefore = d.NotBefore.Add(-time.Microsecond)
		})}, []string{"not_before"}},
		{"names no time", liar{reserve: every(20, refused, func(_ quota.SendRequest, _ *quota.Reservation, d *quota.Decision) {
			d.NotBefore = time.Time{}
		})}, []string{"not_before"}},
		{"refuses without need", liar{reserve: every(20, allowed, func(_ quota.SendRequest, p *quota.Reservation, d *quota.Decision) {
			*d = quota.Decision{NotBefore: p.At.Add(time.Minute), Binding: quota.RuleMessages}
		})}, []string{"needless"}},
		{"does not count what went out", liar{drop: "commit"}, []string{"gap"}},
		{"does not give back", liar{drop: "cancel"}, []string{"needless"}},
		{"does not count mail by hand", liar{drop: "observe"}, []string{"messages_24h"}},
		{"does not hear signals", liar{drop: "signal"}, []string{"signal", "slow_down", "paused"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			wrap := func(g governor) governor {
				l := x.lie
				l.governor = g
				return &l
			}
			r, err := simulate(t.Context(), options{mailboxes: 32, days: 8, processes: 2, seed: 3, preset: quota.PresetGmail}, wrap, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range x.want {
				if r.byRule[rule] == 0 {
					t.Errorf("no violation of %s among %v", rule, r.byRule)
				}
			}
		})
	}
}
