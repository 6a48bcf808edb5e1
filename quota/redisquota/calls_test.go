package redisquota_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/quota"
)

// On a clock that a test can turn, also back, the store gives the answers of
// quota.CallState to the microsecond, and keeps nothing that no longer counts.
func TestCallsToTheMicrosecond(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := miniredis.RunT(t)
			store := open(t, client(t, &redis.Options{Addr: m.Addr()}), "").Calls()
			var (
				r     = rand.New(rand.NewPCG(seed, 3))
				model quota.CallState
				now   = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)
				pers  = []time.Duration{time.Second, time.Minute, time.Minute + time.Microsecond, 24 * time.Hour}
			)
			for step := range 400 {
				if r.IntN(3) > 0 {
					d := time.Duration(r.Int64N([]int64{1000, 1_000_000, 600_000_000}[r.IntN(3)])) * time.Microsecond
					now = now.Add(d)
					m.FastForward(d)
				} else if r.IntN(20) == 0 {
					now = now.Add(-time.Second)
				}
				m.SetTime(now)
				ask := quota.CallAsk{CallKey: aKey, Send: r.IntN(2) == 0}
				if r.IntN(2) == 0 {
					ask.ID, ask.Slots, ask.MaxSlots = fmt.Sprint(r.IntN(5)), 1+r.IntN(3), 5
					ask.TTL = time.Duration(1+r.IntN(100_000)) * time.Millisecond
				}
				for i := range r.IntN(3) {
					b := quota.BudgetAsk{Name: []string{"a", "b"}[i], N: r.IntN(20), Keep: r.IntN(2) * r.IntN(12)}
					b.Units, b.Per = 10+r.IntN(100), pers[r.IntN(len(pers))]
					b.Burst = []int{0, 1 + r.IntN(b.Units-1)}[i]
					ask.Budgets = append(ask.Budgets, b)
				}
				switch r.IntN(30) {
				case 0:
					sends, d := r.IntN(2) == 0, time.Duration(r.IntN(5000))*time.Millisecond
					if err := store.Pause(t.Context(), aKey, sends, d); err != nil {
						t.Fatal(err)
					}
					model.Pause(sends, d, now)
				case 1, 2, 3:
					id := fmt.Sprint(r.IntN(5))
					if err := store.Leave(t.Context(), aKey, id); err != nil {
						t.Fatal(err)
					}
					model.Leave(id)
				}
				got, err := store.Enter(t.Context(), ask)
				if err != nil {
					t.Fatal(err)
				}
				if want := model.Enter(ask, now); got != want {
					t.Fatalf("step %d: %+v at %v\n got %+v\nwant %+v", step, ask, now, got, want)
				}
			}
			idle := model.IdleAt().Sub(now)
			m.FastForward(idle + time.Second)
			if keys := m.Keys(); len(keys) > 0 {
				t.Errorf("%v after the last thing that counts, there are %q", idle, keys)
			}
		})
	}
}

// However often the span of a budget changes, its state stays small, and nothing
// is forgotten.
func TestCallsOfManySpans(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	store := open(t, client(t, &redis.Options{Addr: m.Addr()}), "").Calls()
	ask := quota.CallAsk{CallKey: aKey, Budgets: []quota.BudgetAsk{{Name: "units", N: 1}}}
	budget := &ask.Budgets[0].Budget
	for i := range 300 {
		*budget = quota.Budget{Units: 1000, Per: time.Hour + time.Duration(i)*time.Minute}
		if a, err := store.Enter(t.Context(), ask); err != nil || !a.Allowed {
			t.Fatal(a, err)
		}
	}
	if fields, err := m.HKeys("mailtether:{calls:provider:app:tenant:mailbox}:steps"); err != nil || len(fields) > 128 {
		t.Errorf("%d steps are kept (%v)", len(fields), err)
	}
	*budget = quota.Budget{Units: 300, Per: time.Hour}
	if a, err := store.Enter(t.Context(), ask); err != nil || a.Allowed {
		t.Errorf("%+v, %v: some units were forgotten", a, err)
	}
	*budget = quota.Budget{Units: 301, Per: time.Hour}
	if a, err := store.Enter(t.Context(), ask); err != nil || !a.Allowed {
		t.Errorf("%+v, %v: some units were counted twice", a, err)
	}
}
