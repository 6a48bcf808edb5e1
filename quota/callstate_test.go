package quota_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// instant is some time, not at the beginning of any step.
var instant = time.Date(2026, 3, 1, 12, 34, 56, 789_000, time.UTC)

func spend(b quota.Budget, n int) quota.CallAsk {
	return quota.CallAsk{Budgets: []quota.BudgetAsk{{Name: "units", Budget: b, N: n}}}
}

func TestCallStateWaits(t *testing.T) {
	t.Parallel()
	bucket := quota.Budget{Units: 60, Per: time.Minute, Burst: 10} // one a second
	third := quota.Budget{Units: 3, Per: time.Second, Burst: 1}    // one in 333,333.3 µs
	counter := quota.Budget{Units: 10, Per: 96 * time.Second}
	tests := []struct {
		name   string
		budget quota.Budget
		spent  []int // at one instant
		n      int
		wait   time.Duration
	}{
		{"room", bucket, []int{4, 5}, 1, 0},
		{"one missing", bucket, []int{10}, 1, time.Second},
		{"nothing asked", bucket, []int{10}, 0, 0},
		{"above the burst, full", bucket, nil, 50, 0},
		{"above the burst, not full", bucket, []int{3}, 50, 3 * time.Second},
		{"debt", bucket, []int{50}, 2, 42 * time.Second},
		{"rounded against the caller", third, []int{1}, 1, 333_334 * time.Microsecond},
		{"counter with room", counter, []int{4, 5}, 1, 0},
		// 12:34:56.000789 is in the step that ends at 12:34:57.
		{"counter", counter, []int{10}, 1, 97*time.Second - 789*time.Microsecond},
		{"counter above all units, empty", counter, nil, 50, 0},
		{"counter above all units", counter, []int{1}, 50, 97*time.Second - 789*time.Microsecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s quota.CallState
			for _, n := range tt.spent {
				if a := s.Enter(spend(tt.budget, n), instant); !a.Allowed {
					t.Fatalf("%d units: %+v", n, a)
				}
			}
			got := s.Enter(spend(tt.budget, tt.n), instant)
			if want := (quota.CallAnswer{Allowed: tt.wait == 0, Wait: tt.wait}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestCallStateForgets(t *testing.T) {
	t.Parallel()
	var s quota.CallState
	if !s.Idle(instant) {
		t.Error("a new state is not idle")
	}
	ask := spend(quota.Budget{Units: 6, Per: 6 * time.Second, Burst: 5}, 5) // in steps of 62.5 ms
	ask.ID, ask.Slots, ask.MaxSlots, ask.TTL = "a", 1, 1, 7*time.Second
	for _, step := range []struct {
		name string
		do   func()
		idle time.Duration
	}{
		{"a bucket", func() { s.Enter(ask, instant) }, 7 * time.Second},
		{"without the slot", func() { s.Leave("a") }, 6062500*time.Microsecond - 789*time.Microsecond},
		{"a pause", func() { s.Pause(false, 9*time.Second, instant) }, 9 * time.Second},
		{"a pause of sends", func() { s.Pause(true, 10*time.Second, instant) }, 10 * time.Second},
		{
			"a counter",
			func() { s.Enter(spend(quota.Budget{Units: 1, Per: 96 * time.Second}, 1), instant.Add(9*time.Second)) },
			106*time.Second - 789*time.Microsecond,
		},
	} {
		step.do()
		at := instant.Add(step.idle)
		if got := s.IdleAt(); !got.Equal(at) {
			t.Errorf("%s: idle at %v, want %v", step.name, got, at)
		}
		before := clone(t, &s)
		if before.Idle(at.Add(-time.Microsecond)) {
			t.Errorf("%s: idle too early", step.name)
		}
		if !before.Idle(at) {
			t.Errorf("%s: not idle at %v", step.name, at)
		}
	}
}

// clone returns a copy that went through its encoding.
func clone(t *testing.T, s *quota.CallState) *quota.CallState {
	t.Helper()
	data, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	c := new(quota.CallState)
	if err := c.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	again, err := c.MarshalBinary()
	if err != nil || !bytes.Equal(data, again) {
		t.Fatalf("%x comes back as %x (%v)", data, again, err)
	}
	return c
}

// TestCallStateRules spends from random budgets at random times, through the
// encoding, and checks what is promised: no span of Per sees more than Units,
// and a refused call goes exactly when it was told.
func TestCallStateRules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 7))
			b := quota.Budget{Units: 2 + r.IntN(200), Per: time.Duration(1+r.IntN(100_000)) * time.Millisecond}
			most := b.Units
			if r.IntN(3) > 0 {
				b.Burst = 1 + r.IntN(b.Units-1)
				most = b.Burst
			}
			type spending struct {
				at time.Time
				n  int
			}
			var (
				log   []spending
				s     = new(quota.CallState)
				now   = instant
				total int
			)
			for range 400 {
				ask := spend(b, 1+r.IntN(most))
				a := s.Enter(ask, now)
				if !a.Allowed {
					if a.Wait <= 0 || a.Paused {
						t.Fatalf("%+v: %+v", b, a)
					}
					if early := clone(t, s).Enter(ask, now.Add(a.Wait-time.Microsecond)); early.Allowed || early.Wait != time.Microsecond {
						t.Fatalf("%+v: wait %v, but a moment before: %+v", b, a.Wait, early)
					}
					now = now.Add(a.Wait)
					if a = s.Enter(ask, now); !a.Allowed {
						t.Fatalf("%+v: after the wait: %+v", b, a)
					}
				}
				log = append(log, spending{now, ask.Budgets[0].N})
				total += ask.Budgets[0].N
				if r.IntN(3) > 0 {
					now = now.Add(time.Duration(r.Int64N(int64(b.Per) / 8)).Truncate(time.Microsecond))
				}
				if r.IntN(8) == 0 {
					s = clone(t, s)
				}
			}
			for i, first := range log {
				sum := 0
				for _, l := range log[i:] {
					if l.at.Sub(first.at) < b.Per {
						sum += l.n
					}
				}
				if sum > b.Units {
					t.Fatalf("%+v: %d units in a span", b, sum)
				}
			}
		})
	}
}

func TestCallStateWhenTheClockStepsBack(t *testing.T) {
	t.Parallel()
	for _, b := range []quota.Budget{{Units: 60, Per: time.Minute, Burst: 10}, {Units: 10, Per: time.Minute}} {
		var s quota.CallState
		s.Enter(spend(b, 10), instant)
		for _, back := range []time.Duration{time.Second, time.Hour, 60 * 366 * 24 * time.Hour, 200 * 366 * 24 * time.Hour} {
			if a := s.Enter(spend(b, 1), instant.Add(-back)); a.Allowed {
				t.Errorf("%+v: a clock that steps back by %v opens the budget", b, back)
			}
		}
	}
}

func TestCallStateSpendsWhileTheClockIsBehind(t *testing.T) {
	t.Parallel()
	b := quota.Budget{Units: 10, Per: 96 * time.Second}
	s := new(quota.CallState)
	for _, at := range []time.Time{instant, instant.Add(-time.Hour)} {
		if a := s.Enter(spend(b, 5), at); !a.Allowed {
			t.Fatal(a)
		}
		s = clone(t, s)
	}
	// What was spent while it was behind counts as long as what was spent before.
	if a := s.Enter(spend(b, 1), instant.Add(96*time.Second)); a.Allowed {
		t.Error("units were forgotten too early")
	}
	if a := s.Enter(spend(b, 10), instant.Add(97*time.Second)); !a.Allowed {
		t.Errorf("units were forgotten too late: %+v", a)
	}
}

func TestCallStateChangesOfABudget(t *testing.T) {
	t.Parallel()
	// However often the span of a counter changes, nothing counts less than it
	// did, and the state stays small.
	var s quota.CallState
	now := instant
	for i := range 5000 {
		b := quota.Budget{Units: 1 << 30, Per: time.Hour + time.Duration(i)*time.Minute}
		if a := s.Enter(spend(b, 1), now); !a.Allowed {
			t.Fatal(a)
		}
		now = now.Add(time.Millisecond)
	}
	data, err := s.MarshalBinary()
	if err != nil || len(data) > 4096 {
		t.Errorf("the state takes %d bytes (%v)", len(data), err)
	}
	if a := s.Enter(spend(quota.Budget{Units: 5000, Per: time.Hour}, 1), now); a.Allowed {
		t.Error("some units were forgotten")
	}
	if a := s.Enter(spend(quota.Budget{Units: 5001, Per: time.Hour}, 1), now); !a.Allowed {
		t.Error("units were counted twice")
	}
}

func TestCallStateRefusesDamage(t *testing.T) {
	t.Parallel()
	var s quota.CallState
	ask := spend(quota.Budget{Units: 70, Per: time.Minute}, 5)
	ask.Budgets = append(ask.Budgets, quota.BudgetAsk{Name: "up", Budget: quota.Budget{Units: 9, Per: time.Hour, Burst: 5}, N: 9})
	ask.ID, ask.Slots, ask.MaxSlots, ask.TTL = "a", 1, 3, 7*time.Second
	s.Enter(ask, instant)
	ask.ID = "b"
	ask.Budgets = nil
	s.Enter(ask, instant)
	s.Pause(true, time.Hour, instant)
	data, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(data); i++ {
		if new(quota.CallState).UnmarshalBinary(data[:i]) == nil {
			t.Errorf("%d of %d bytes are taken for a state", i, len(data))
		}
	}
	for name, bad := range map[string][]byte{
		"a byte more":     append(bytes.Clone(data), 0),
		"another version": append([]byte{data[0] + 1}, data[1:]...),
		"ids not in order": bytes.Replace(
			bytes.Replace(bytes.Replace(data, []byte("\x01a\x01"), []byte("\x01c\x01"), 1), []byte("\x01b\x01"), []byte("\x01a\x01"), 1),
			[]byte("\x01c\x01"), []byte("\x01b\x01"), 1,
		),
		"names not in order": bytes.Replace(data, []byte("\x05units"), []byte("\x05zzzzz"), 1),
		"too long":           bytes.Repeat([]byte{1}, 2<<20),
		"endless budgets":    {1, 0, 0, 0xff, 0xff, 0xff, 0x7f},
		"endless slots":      {1, 0, 0, 0, 1, 1, 'a', 0xe9, 0x07, 1}, // 1001
	} {
		kept := clone(t, &s)
		err := kept.UnmarshalBinary(bad)
		if err == nil {
			t.Errorf("%s: taken for a state", name)
		}
		if after, _ := kept.MarshalBinary(); err != nil && !bytes.Equal(after, data) {
			t.Errorf("%s: the state was changed", name)
		}
	}
	var empty quota.CallState
	if err := s.UnmarshalBinary(nil); err != nil || !s.Idle(instant) || s.IdleAt() != empty.IdleAt() {
		t.Errorf("no data is no new state: %v", err)
	}
}

func FuzzCallState(f *testing.F) {
	var s quota.CallState
	ask := spend(quota.Budget{Units: 70, Per: time.Minute}, 5)
	ask.ID, ask.Slots, ask.MaxSlots, ask.TTL = "a", 1, 3, 7*time.Second
	s.Enter(ask, instant)
	s.Pause(true, time.Hour, instant)
	seed, err := s.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, int64(1), 3, 2, 10, 4, int64(time.Minute))
	f.Add([]byte{1, 0, 0, 0, 0}, int64(0), 1, 1, 1, 0, int64(time.Millisecond))
	f.Fuzz(func(t *testing.T, data []byte, micros int64, n, slots, units, burst int, per int64) {
		s := new(quota.CallState)
		if s.UnmarshalBinary(data) != nil {
			return
		}
		again, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := new(quota.CallState).UnmarshalBinary(again); err != nil {
			t.Fatalf("%x is not read back: %v", again, err)
		}
		now := time.UnixMicro(micros)
		ask := quota.CallAsk{
			ID: "x", Slots: slots, MaxSlots: 4, TTL: time.Minute,
			Budgets: []quota.BudgetAsk{{Name: "units", Budget: quota.Budget{Units: units, Burst: burst, Per: time.Duration(per)}, N: n}},
		}
		if ask.Validate() != nil {
			return
		}
		a := s.Enter(ask, now)
		if a.Allowed && (a.Wait != 0 || a.Paused) || a.Wait < 0 {
			t.Errorf("%+v contradicts itself", a)
		}
		if a.Allowed && !s.Enter(quota.CallAsk{ID: "x", Slots: slots, MaxSlots: 1, TTL: time.Minute}, now).Allowed && micros >= 0 && micros < 1<<52 {
			t.Error("the slots were not kept")
		}
		s.Pause(false, time.Duration(per), now)
		s.Leave("x")
		s.Idle(now)
		after, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := new(quota.CallState).UnmarshalBinary(after); err != nil {
			t.Errorf("after use, %x is not read back: %v", after, err)
		}
	})
}

func TestCallAskBounds(t *testing.T) {
	t.Parallel()
	ask := spend(quota.Budget{Units: 1 << 40, Per: 366 * 24 * time.Hour, Burst: 1<<40 - 1}, 1<<40)
	ask.App = strings.Repeat("x", 255)
	ask.ID, ask.Slots, ask.MaxSlots, ask.TTL = strings.Repeat("x", 64), 1000, 1000, 366*24*time.Hour
	if err := ask.Validate(); err != nil {
		t.Errorf("the largest ask: %v", err)
	}
	ask.Budgets[0].N++
	if err := ask.Validate(); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("%v, want an invalid request", err)
	}
	var s quota.CallState
	ask.Budgets[0].N--
	for range 100 { // sums stay in range
		s = *clone(t, &s)
		s.Enter(ask, instant)
		ask.Budgets[0].Burst = 0
	}
}

// BenchmarkCallState is one call that goes and ends, in memory and by way of the
// encoding as in a store that keeps documents.
func BenchmarkCallState(b *testing.B) {
	ask := quota.CallAsk{
		ID: "process-1", Slots: 1, MaxSlots: 4, TTL: time.Minute,
		Budgets: []quota.BudgetAsk{
			{Name: "units", Budget: quota.Budget{Units: 1 << 40, Per: time.Minute, Burst: 1 << 39}, N: 20},
			{Name: "backfill", Budget: quota.Budget{Units: 1 << 39, Per: time.Minute, Burst: 1 << 38}, N: 20},
		},
	}
	for _, encoded := range []bool{false, true} {
		b.Run(map[bool]string{false: "in-memory", true: "encoded"}[encoded], func(b *testing.B) {
			s, data := new(quota.CallState), []byte(nil)
			b.ReportAllocs()
			for b.Loop() {
				if encoded {
					if err := s.UnmarshalBinary(data); err != nil {
						b.Fatal(err)
					}
				}
				now := time.Now()
				if a := s.Enter(ask, now); !a.Allowed {
					b.Fatal(a)
				}
				s.Leave(ask.ID)
				if encoded {
					data, _ = s.AppendBinary(data[:0])
				}
			}
		})
	}
}
