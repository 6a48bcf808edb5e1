package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/quota"
)

// monday is the first Monday of the simulation at noon.
var monday = start.AddDate(0, 0, 1).Add(12 * time.Hour).UnixMicro()

func TestReferee(t *testing.T) {
	t.Parallel()
	plain := quota.SendLimits{Messages: 10, Recipients: 20, PerMessage: 5, PerMinute: 4}
	with := func(change func(*quota.SendLimits)) quota.SendLimits {
		l := plain
		change(&l)
		return l
	}
	// send sends n messages at once that are apart.
	send := func(n int, from, apart int64, recipients int) func(*referee) {
		return func(r *referee) {
			for i := range int64(n) {
				at := from + i*apart
				r.reserve(at, recipients)
				r.wentOut(at, at, recipients)
				r.settle(at, at, recipients)
			}
		}
	}
	for _, x := range []struct {
		name   string
		limits quota.SendLimits
		happen func(*referee)
		want   []string
	}{
		{"to the cap", plain, send(10, monday, minute, 1), nil},
		{"over the cap", plain, send(11, monday, minute, 1), []string{"messages_24h"}},
		{"over the cap in any 24 hours", plain, send(11, monday-day/2, day/10-1, 1), []string{"messages_24h"}},
		{"at the cap in any 24 hours", plain, send(30, monday-day, day/10, 1), nil},
		{"recipients", plain, send(5, monday, minute, 5), []string{"recipients_24h"}},
		{"pace", plain, send(5, monday, 14*second, 1), []string{"messages_per_minute"}},
		{"at the pace", plain, send(5, monday, 15*second, 1), nil},
		{"gap", with(func(l *quota.SendLimits) { l.Gap = time.Minute }), send(2, monday, minute-1, 1), []string{"gap"}},
		{"at the gap", with(func(l *quota.SendLimits) { l.Gap = time.Minute }), send(2, monday, minute, 1), nil},
		{"day", with(func(l *quota.SendLimits) { l.DayMessages = 3 }), send(4, monday, minute, 1), []string{"messages_day"}},
		{"two days", with(func(l *quota.SendLimits) { l.DayMessages = 3 }), send(6, monday+12*hour-3*minute, minute, 1), nil},
		{"recipients of a day", with(func(l *quota.SendLimits) { l.DayRecipients = 6 }), send(2, monday, minute, 4), []string{"recipients_day"}},
		{"hours", with(func(l *quota.SendLimits) {
			l.Hours = []quota.Hours{quota.Weekdays(quota.At(9, 0), quota.At(12, 0))}
		}), send(1, monday, 0, 1), []string{"hours"}},
		{"weekend", with(func(l *quota.SendLimits) {
			l.Hours = []quota.Hours{quota.Weekdays(quota.At(0, 0), quota.At(24, 0))}
		}), send(1, monday-day, 0, 1), []string{"hours"}},
		{"in hours", with(func(l *quota.SendLimits) {
			l.Hours = []quota.Hours{quota.Weekdays(quota.At(12, 0), quota.At(12, 1))}
		}), send(1, monday, 0, 1), nil},
		{"warm-up", with(func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 2, Step: 1} }), send(3, monday, minute, 1), []string{"warm_up"}},
		{"second day of a warm-up", with(func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 1, Step: 1} }), send(3, monday, day, 1), nil},
		{"no day but the first of a warm-up", with(func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 1, Step: 1} }), func(r *referee) {
			send(1, monday-10*day, 0, 1)(r)
			send(3, monday, minute, 1)(r)
		}, []string{"warm_up"}},
		{"slow-down", plain, func(r *referee) {
			r.slow.left, r.slow.since = whole/2, monday
			send(6, monday, minute, 1)(r)
		}, []string{"slow_down"}},
		{"recovered", plain, func(r *referee) {
			r.slow.left, r.slow.since = whole/2, monday-day
			send(6, monday, minute, 1)(r)
		}, nil},
		{"pause", plain, func(r *referee) {
			r.slow.paused = monday + 1
			send(1, monday, 0, 1)(r)
		}, []string{"paused"}},
		{"by hand", plain, func(r *referee) {
			r.observed(monday, 1)
			send(10, monday+minute, minute, 1)(r)
		}, []string{"messages_24h"}},
		{"refused without need", plain, func(r *referee) { r.refused(monday, &message{recipients: 1}) }, []string{"needless"}},
		{"refused because of its own place", with(func(l *quota.SendLimits) { l.Messages = 1 }), func(r *referee) {
			r.reserve(monday-hour, 1)
			r.refused(monday, &message{recipients: 1, placed: monday - hour})
		}, []string{"needless"}},
		{"refused with need", plain, func(r *referee) {
			send(10, monday, minute, 1)(r)
			r.refused(monday+day-1, &message{recipients: 1})
		}, nil},
		{"a bounce too many", plain, func(r *referee) {
			for range 5 {
				r.signalled(monday, quota.SignalBounce, 0, nil)
			}
		}, []string{"signal"}},
		{"slowed down without need", plain, func(r *referee) {
			r.signalled(monday, quota.SignalBounce, 0, &quota.Change{From: 1, To: 0.5})
		}, []string{"signal"}},
		{"slowed down too little", plain, func(r *referee) {
			r.signalled(monday, quota.SignalThrottled, 0, &quota.Change{From: 1, To: 0.9, Until: time.UnixMicro(monday + hour)})
		}, []string{"signal"}},
		{"paused too little", plain, func(r *referee) {
			r.signalled(monday, quota.SignalThrottled, 0, &quota.Change{From: 1, To: 0.7, Until: time.UnixMicro(monday + minute)})
		}, []string{"signal"}},
		{"slowed down as it should be", plain, func(r *referee) {
			r.signalled(monday, quota.SignalThrottled, 2*time.Hour, &quota.Change{From: 1, To: 0.7, Until: time.UnixMicro(monday + 2*hour)})
		}, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			r := newReferee(&resident{limits: x.limits, zone: time.UTC}, func(rule, _ string) { got = append(got, rule) })
			x.happen(r)
			if diff := cmp.Diff(x.want, slices.Compact(got)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var got tally
	var want []tallied
	now := monday
	for range 5_000 {
		now += rng.Int64N(2 * minute)
		at := now - rng.Int64N(10*minute)
		if len(want) > 0 && rng.IntN(5) == 0 {
			i := rng.IntN(len(want))
			got.remove(want[i].at, want[i].recipients)
			want = slices.Delete(want, i, i+1)
		} else {
			n := 1 + rng.IntN(4)
			got.add(at, n)
			want = append(want, tallied{at: at, recipients: n})
		}
		want = slices.DeleteFunc(want, func(x tallied) bool { return x.at < now-day })
		from := now - rng.Int64N(day)
		messages, recipients, last := 0, 0, int64(0)
		for _, x := range want {
			if x.at > from {
				messages++
				recipients += x.recipients
			} else {
				last = max(last, x.at)
			}
		}
		if m, n := got.since(from); m != messages || n != recipients {
			t.Fatalf("%d messages to %d, want %d to %d", m, n, messages, recipients)
		}
		if l := got.last(from); last != 0 && l != last {
			t.Fatalf("last %d, want %d", l, last)
		}
	}
}

func TestLocalDays(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		zone   string
		date   time.Time
		length time.Duration
		begins string
	}{
		{"Europe/Vienna", time.Date(2026, time.March, 29, 0, 0, 0, 0, time.UTC), 23 * time.Hour, "00:00"},
		{"Asia/Beirut", time.Date(2026, time.March, 29, 0, 0, 0, 0, time.UTC), 23 * time.Hour, "01:00"},
		{"America/Santiago", time.Date(2026, time.April, 4, 0, 0, 0, 0, time.UTC), 25 * time.Hour, "00:00"},
		{"Australia/Sydney", time.Date(2026, time.April, 5, 0, 0, 0, 0, time.UTC), 25 * time.Hour, "00:00"},
		{"Asia/Kolkata", time.Date(2026, time.April, 5, 0, 0, 0, 0, time.UTC), 24 * time.Hour, "00:00"},
	} {
		zone, err := time.LoadLocation(x.zone)
		if err != nil {
			t.Fatal(err)
		}
		noon := time.Date(x.date.Year(), x.date.Month(), x.date.Day(), 12, 0, 0, 0, zone).UnixMicro()
		d := localDayOf(noon, zone)
		if got := micros(d.ends - d.begins); got != x.length {
			t.Errorf("%s: a day of %v, want %v", x.zone, got, x.length)
		}
		if got := time.UnixMicro(d.begins).In(zone).Format("15:04"); got != x.begins {
			t.Errorf("%s: begins %s, want %s", x.zone, got, x.begins)
		}
		for _, at := range []int64{d.begins, d.ends - 1} {
			if got := localDayOf(at, zone); got != d {
				t.Errorf("%s: %v is in %v, not %v", x.zone, time.UnixMicro(at), got, d)
			}
		}
		if next := localDayOf(d.ends, zone); next.begins != d.ends || next.date != d.date+1 {
			t.Errorf("%s: the next day is %v", x.zone, next)
		}
	}
}
