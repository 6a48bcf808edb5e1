package quota_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func TestParallelCountsAndWideCallsGoAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{took: time.Second}
		rt := limiter(t, quota.Limits{Concurrency: 10}).Transport(base)
		wide := call("a", mailbox.LaneLive, 1)
		wide.Parallel = 25
		start := time.Now()
		var wg sync.WaitGroup
		for _, parallel := range []int{6, 4, 25, 10, 1} {
			c := wide
			c.Parallel = parallel
			wg.Go(func() { mustSend(t, rt, c) })
			synctest.Wait()
		}
		wg.Wait()
		var at []time.Duration
		for _, a := range base.log {
			at = append(at, a.at.Sub(start))
		}
		want := []time.Duration{0, 0, time.Second, 2 * time.Second, 3 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("calls of 6, 4, 25, 10 and 1 came at %v, want %v", at, want)
		}
	})
}

func TestLanesOfAMailbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{took: time.Second}
		rt := limiter(t, quota.Limits{Concurrency: 1}).Transport(base)
		var wg sync.WaitGroup
		start := func(name string, lane mailbox.Lane) {
			wg.Go(func() { mustSend(t, rt, named(call("a", lane, 1), name)) })
			synctest.Wait()
		}
		start("first", mailbox.LaneBackfill)
		start("backfill 1", mailbox.LaneBackfill)
		start("live 1", mailbox.LaneLive)
		start("odd lane", mailbox.Lane(9))
		start("live 2", mailbox.LaneLive)
		start("send 1", mailbox.LaneSend)
		start("send 2", mailbox.LaneSend)
		wg.Wait()
		want := []string{"first", "send 1", "send 2", "live 1", "live 2", "backfill 1", "odd lane"}
		if got := base.methods(); !slices.Equal(got, want) {
			t.Errorf("order %q, want %q", got, want)
		}
	})
}

func TestLanesAcrossMailboxesOfAnApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{}
		rt := limiter(t, quota.Limits{App: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}, BackfillShare: 1}).Transport(base)
		mustSend(t, rt, named(call("x", mailbox.LaneLive, 10), "first"))
		var wg sync.WaitGroup
		for i, lane := range []mailbox.Lane{mailbox.LaneBackfill, mailbox.LaneLive, mailbox.LaneBackfill, mailbox.LaneSend, mailbox.LaneLive, mailbox.LaneSend} {
			c := named(call(fmt.Sprint("box", i), lane, 5), fmt.Sprint(i))
			wg.Go(func() { mustSend(t, rt, c) })
			synctest.Wait()
		}
		wg.Wait()
		want := []string{"first", "3", "5", "1", "4", "0", "2"}
		if got := base.methods(); !slices.Equal(got, want) {
			t.Errorf("order %q, want %q", got, want)
		}
	})
}

func TestBackfillLeavesRoomForLiveCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{took: 100 * time.Millisecond}
		rt := limiter(t, quota.Limits{
			Mailbox: quota.Budget{Units: 600, Per: time.Minute}, Concurrency: 4, BackfillShare: 0.5,
		}).Transport(base)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					send(ctx, rt, named(call("a", mailbox.LaneBackfill, 10), "backfill"))
				}
			})
		}
		for range 30 {
			time.Sleep(7 * time.Second)
			start := time.Now()
			mustSend(t, rt, named(call("a", mailbox.LaneLive, 10), "live"))
			if wait := time.Since(start); wait > 100*time.Millisecond {
				t.Errorf("a live call took %v beside a backfill", wait)
			}
		}
		stop()
		wg.Wait()
		backfill := mostIn(time.Minute, base.log, func(c mailbox.Call) bool { return c.Lane == mailbox.LaneBackfill })
		if backfill > 600 || backfill < 450 {
			t.Errorf("backfill used %d units in a minute, want what live calls leave of 600", backfill)
		}
		if base.widest > 4 {
			t.Errorf("%d in flight", base.widest)
		}
	})
}

func TestBackfillLeavesAPlaceFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{took: time.Minute}
		rt := limiter(t, quota.Limits{Concurrency: 4}).Transport(base)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { mustSend(t, rt, named(call("a", mailbox.LaneBackfill, 1), "backfill")) })
		}
		synctest.Wait()
		wg.Go(func() { mustSend(t, rt, named(call("a", mailbox.LaneLive, 1), "live")) })
		synctest.Wait()
		want := []string{"backfill", "backfill", "backfill", "live"}
		if got := base.methods(); !slices.Equal(got, want) {
			t.Errorf("in flight: %q, want %q", got, want)
		}
		wg.Wait()
	})
}

// A call that waits for many units is not overtaken by later ones of its lane
// that need few, neither in its mailbox nor in its app.
func TestSmallCallsDoNotOvertake(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limits quota.Limits
		second string // mailbox of the later call
	}{
		"mailbox": {quota.Limits{Mailbox: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}, "a"},
		"app":     {quota.Limits{App: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}, "b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := &server{}
				rt := limiter(t, tt.limits).Transport(base)
				mustSend(t, rt, call("a", mailbox.LaneLive, 10))
				var wg sync.WaitGroup
				wg.Go(func() { mustSend(t, rt, named(call("a", mailbox.LaneLive, 10), "large")) })
				time.Sleep(5 * time.Second) // there are 5 units now
				wg.Go(func() { mustSend(t, rt, named(call(tt.second, mailbox.LaneLive, 1), "small")) })
				synctest.Wait()
				wg.Go(func() { mustSend(t, rt, named(call(tt.second, mailbox.LaneSend, 1), "send")) })
				wg.Wait()
				want := []string{"a", "send", "large", "small"}
				if got := base.methods(); !slices.Equal(got, want) {
					t.Errorf("order %q, want %q", got, want)
				}
			})
		})
	}
}

// A mailbox that live calls keep busy all the time still gets some backfill
// done, and sends are let through at once.
func TestNoLaneStandsStill(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]quota.Limits{
		"slots": {Concurrency: 2},
		"units": {Mailbox: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := &server{took: time.Second}
				rt := limiter(t, l).Transport(base)
				ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
				defer stop()
				var wg sync.WaitGroup
				for lane, callers := range map[mailbox.Lane]int{mailbox.LaneLive: 5, mailbox.LaneBackfill: 2} {
					for range callers {
						wg.Go(func() {
							for ctx.Err() == nil {
								_, err := send(ctx, rt, call("a", lane, 1))
								if errors.Is(err, context.DeadlineExceeded) {
									return // the ten minutes are nearly over
								}
								if err != nil {
									t.Error(err)
								}
							}
						})
					}
				}
				for range 20 {
					time.Sleep(29 * time.Second)
					start := time.Now()
					mustSend(t, rt, call("a", mailbox.LaneSend, 1))
					if wait := time.Since(start); wait > 3*time.Second { // one call of another lane, and its own
						t.Errorf("a send took %v", wait)
					}
				}
				wg.Wait()
				lanes := make(map[mailbox.Lane]int)
				for _, a := range base.log {
					lanes[a.call.Lane]++
				}
				if n := lanes[mailbox.LaneBackfill]; n < 15 || n > 40 {
					t.Errorf("%d backfill calls went in 10 minutes, want at least every half minute one (and %d live ones)", n, lanes[mailbox.LaneLive])
				}
			})
		})
	}
}

// A backfill alone uses the whole budget, as far as the size of its calls and its
// reserve for others allow, and never more.
func TestBackfillUsesTheBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		parallel int
		least    float64
	}{{1, 0.95}, {5, 0.95}, {10, 0.95}, {25, 0.9}} {
		t.Run(fmt.Sprint(tt.parallel), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const minutes = 20
				base := &server{took: 300 * time.Millisecond}
				lim, err := quota.NewLimiter(quota.LimiterConfig{})
				if err != nil {
					t.Fatal(err)
				}
				rt := lim.Transport(base)
				c := call("a", mailbox.LaneBackfill, quota.GmailCosts().Of("gmail.users.messages.get", tt.parallel))
				c.Provider, c.Parallel = mailbox.Gmail, tt.parallel
				start := time.Now()
				var wg sync.WaitGroup
				for range max(1, 8/tt.parallel) {
					wg.Go(func() {
						for time.Since(start) < minutes*time.Minute {
							mustSend(t, rt, c)
						}
					})
				}
				wg.Wait()
				used := 0
				for _, a := range base.log {
					if a.at.Sub(start) < minutes*time.Minute {
						used += a.call.Units
					}
				}
				part := float64(used) / (6000 * minutes)
				if part < tt.least {
					t.Errorf("%.1f %% of the budget is used, want %.0f %%", 100*part, 100*tt.least)
				}
				if most := mostIn(time.Minute, base.log, func(mailbox.Call) bool { return true }); most > 6000 {
					t.Errorf("used %d units in a minute", most)
				}
				t.Logf("%.1f %% of the budget", 100*part)
			})
		})
	}
}
