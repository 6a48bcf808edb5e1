package quota_test

import (
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func TestBudgetHoldsInEverySpan(t *testing.T) {
	t.Parallel()
	for seed := range int64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewSource(seed))
				boxes := []string{"a", "b", "c"}
				l := quota.Limits{
					Mailbox:     quota.Budget{Units: 600 + rnd.Intn(600), Per: time.Minute},
					App:         quota.Budget{Units: 1500, Per: time.Minute, Burst: 100},
					Concurrency: 4,
				}
				base := &server{took: 50 * time.Millisecond}
				lim, err := quota.NewLimiter(quota.LimiterConfig{
					Providers: map[mailbox.ProviderName]quota.Limits{"test": l}, MaxWait: time.Hour,
				})
				if err != nil {
					t.Fatal(err)
				}
				rt := lim.Transport(base)
				var wg sync.WaitGroup
				for range 12 {
					r := rand.New(rand.NewSource(rnd.Int63()))
					wg.Go(func() {
						for range 60 {
							c := call(boxes[r.Intn(len(boxes))], mailbox.Lane(r.Intn(3)), 1+r.Intn(40))
							if _, err := send(t.Context(), rt, c); err != nil {
								t.Error(err)
							}
							if r.Intn(40) == 0 {
								time.Sleep(time.Duration(r.Intn(90)) * time.Second)
							}
						}
					})
				}
				wg.Wait()
				span := base.log[len(base.log)-1].at.Sub(base.log[0].at)
				for _, box := range boxes {
					most := mostIn(time.Minute, base.log, func(c mailbox.Call) bool { return string(c.Mailbox) == box })
					if most > l.Mailbox.Units {
						t.Errorf("mailbox %s used %d units in a minute, limit %d", box, most, l.Mailbox.Units)
					}
				}
				most := mostIn(time.Minute, base.log, func(mailbox.Call) bool { return true })
				if most > l.App.Units {
					t.Errorf("app used %d units in a minute, limit %d", most, l.App.Units)
				}
				if base.widest > l.Concurrency {
					t.Errorf("%d calls in flight, limit %d", base.widest, l.Concurrency)
				}
				if span > time.Hour {
					t.Errorf("took %v", span)
				}
			})
		})
	}
}

// mostIn returns the most units that any span of the log saw.
func mostIn(span time.Duration, log []arrival, match func(mailbox.Call) bool) int {
	most := 0
	for i, first := range log {
		sum := 0
		for _, a := range log[i:] {
			if a.at.Sub(first.at) >= span {
				break
			}
			if match(a.call) {
				sum += a.call.Units
			}
		}
		most = max(most, sum)
	}
	return most
}

func TestBudgetIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{}
		lim, err := quota.NewLimiter(quota.LimiterConfig{Providers: map[mailbox.ProviderName]quota.Limits{
			mailbox.Gmail: {BackfillShare: 1, Mailbox: quota.Budget{Units: 6000, Burst: 200}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		rt := lim.Transport(base)
		c := call("a", mailbox.LaneBackfill, 200)
		c.Provider, c.Parallel = mailbox.Gmail, 9
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			mustSend(t, rt, c)
		}
		if used := len(base.log) * c.Units; used < 95*60_000/100 || used > 60_000 {
			t.Errorf("used %d of 60000 units in 10 minutes", used)
		}
		if most := mostIn(time.Minute, base.log, func(mailbox.Call) bool { return true }); most > 6000 {
			t.Errorf("used %d units in a minute", most)
		}
	})
}

func TestCallAboveBurstGoesAndIsPaidOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{}
		rt := limiter(t, quota.Limits{Mailbox: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}).Transport(base)
		mustSend(t, rt, call("a", mailbox.LaneLive, 5))
		start := time.Now()
		mustSend(t, rt, call("a", mailbox.LaneLive, 30)) // waits for the full burst of 10: 5 s
		if got := time.Since(start).Round(time.Millisecond); got != 5*time.Second {
			t.Errorf("waited %v, want 5s", got)
		}
		mustSend(t, rt, call("a", mailbox.LaneLive, 1)) // 21 units later
		if got := time.Since(start).Round(time.Millisecond); got != 26*time.Second {
			t.Errorf("debt was paid after %v, want 26s", got)
		}
	})
}

func TestAppDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{}
		rt := limiter(t, quota.Limits{AppDay: 1000, BackfillShare: 0.5}).Transport(base)
		start := time.Now()
		for i := range 5 {
			mustSend(t, rt, call(fmt.Sprint("b", i), mailbox.LaneBackfill, 100))
		}
		_, err := send(t.Context(), rt, call("b", mailbox.LaneBackfill, 100))
		wantPaused(t, err, mailbox.ScopeApp, 23*time.Hour, 24*time.Hour)
		for i := range 5 {
			mustSend(t, rt, call(fmt.Sprint("l", i), mailbox.LaneLive, 100))
		}
		_, err = send(t.Context(), rt, call("l", mailbox.LaneSend, 1))
		paused := wantPaused(t, err, mailbox.ScopeApp, 23*time.Hour, 24*time.Hour)

		time.Sleep(paused.RetryAfter)
		time.Sleep(15 * time.Minute) // RetryAfter is bounded by a day
		mustSend(t, rt, call("l", mailbox.LaneLive, 100))
		if got := time.Since(start); got < 24*time.Hour || got > 24*time.Hour+15*time.Minute {
			t.Errorf("units came back after %v", got)
		}
	})
}

func TestAppDayHoldsInEverySpan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewSource(1))
		base := &server{}
		rt := limiter(t, quota.Limits{AppDay: 2000}).Transport(base)
		for start := time.Now(); time.Since(start) < 5*24*time.Hour; {
			time.Sleep(time.Duration(r.Int63n(int64(time.Hour))))
			_, err := send(t.Context(), rt, call("m", mailbox.LaneLive, 1+r.Intn(100)))
			if e, ok := errors.AsType[*mailbox.Error](err); ok {
				time.Sleep(e.RetryAfter)
			}
		}
		used := mostIn(24*time.Hour, base.log, func(mailbox.Call) bool { return true })
		if used > 2000 || used < 1900 {
			t.Errorf("used %d units in 24 hours, want nearly 2000", used)
		}
	})
}

func TestUploadBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{}
		rt := limiter(t, quota.Limits{Upload: quota.Budget{Units: 200, Per: 200 * time.Second, Burst: 100}}).Transport(base)
		up := call("a", mailbox.LaneLive, 1)
		up.Upload = 100
		mustSend(t, rt, up)
		up.Upload = 30
		start := time.Now()
		mustSend(t, rt, up)
		if got := time.Since(start).Round(time.Millisecond); got != 30*time.Second {
			t.Errorf("waited %v, want 30s", got)
		}
	})
}
