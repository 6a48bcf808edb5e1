package quota_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// process returns the transport of one of several processes, which share a
// store.
func process(t *testing.T, store quota.CallStore, l quota.Limits, base http.RoundTripper, change ...func(*quota.LimiterConfig)) http.RoundTripper {
	t.Helper()
	c := quota.LimiterConfig{
		Providers: map[mailbox.ProviderName]quota.Limits{"test": l},
		MaxWait:   time.Hour, Shared: store,
	}
	for _, f := range change {
		f(&c)
	}
	lim, err := quota.NewLimiter(c)
	if err != nil {
		t.Fatal(err)
	}
	return lim.Transport(base)
}

func TestProcessesShareBudgetsAndSlots(t *testing.T) {
	t.Parallel()
	for seed := range int64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := quota.Limits{
					Mailbox: quota.Budget{Units: 600, Per: time.Minute, Burst: 60},
					App:     quota.Budget{Units: 1200, Per: time.Minute, Burst: 128},
					AppDay:  40_000, Concurrency: 4,
				}
				store := quota.NewCallMemory()
				base := &server{took: 50 * time.Millisecond}
				boxes := []string{"a", "b", "c"}
				var wg sync.WaitGroup
				for p := range 4 {
					rt := process(t, store, l, base)
					for g := range 6 {
						r := rand.New(rand.NewSource(seed + int64(100*p+g)))
						wg.Go(func() {
							for range 40 {
								c := call(boxes[r.Intn(len(boxes))], mailbox.Lane(r.Intn(3)), 1+r.Intn(12))
								c.Parallel = r.Intn(3)
								if _, err := send(t.Context(), rt, c); err != nil {
									t.Error(err)
								}
							}
						})
					}
				}
				wg.Wait()
				for _, box := range boxes {
					if most := mostIn(time.Minute, base.log, func(c mailbox.Call) bool { return string(c.Mailbox) == box }); most > l.Mailbox.Units {
						t.Errorf("mailbox %s used %d units in a minute, limit %d", box, most, l.Mailbox.Units)
					}
				}
				total := mostIn(time.Hour, base.log, func(mailbox.Call) bool { return true })
				if most := mostIn(time.Minute, base.log, func(mailbox.Call) bool { return true }); most > l.App.Units {
					t.Errorf("the app used %d units in a minute, limit %d", most, l.App.Units)
				}
				if base.widest > l.Concurrency {
					t.Errorf("%d calls in flight, limit %d", base.widest, l.Concurrency)
				}
				span := base.log[len(base.log)-1].at.Sub(base.log[0].at)
				if used := float64(total) / (float64(l.App.Units) * span.Minutes()); used < 0.7 { // a call that waits at one store pays twice at the other
					t.Errorf("the processes used %.0f %% of the app's budget", 100*used)
				}
				slotsAreFree(t, store, boxes, l.Concurrency)
			})
		})
	}
}

// slotsAreFree wants that no call of the mailboxes is in flight.
func slotsAreFree(t *testing.T, store quota.CallStore, boxes []string, slots int) {
	t.Helper()
	for _, box := range boxes {
		c := call(box, mailbox.LaneLive, 0)
		a, err := store.Enter(t.Context(), quota.CallAsk{
			CallKey: quota.CallKey{Provider: c.Provider, App: c.App, Ref: c.Ref},
			ID:      "all", Slots: slots, MaxSlots: slots, TTL: time.Second,
		})
		if err != nil || a.Wait == 0 && !a.Allowed {
			t.Errorf("slots of %s are still taken: %+v, %v", box, a, err)
		}
	}
}

func TestProcessesUseTheWholeBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := quota.NewCallMemory()
		base := &server{took: 20 * time.Millisecond}
		var wg sync.WaitGroup
		start := time.Now()
		for range 3 {
			rt := process(t, store, quota.Limits{
				Mailbox: quota.Budget{Units: 6000, Burst: 200}, BackfillShare: 1, Concurrency: 10,
				App: quota.Budget{Units: 1_200_000}, AppDay: 80_000_000,
			}, base)
			wg.Go(func() {
				for time.Since(start) < 5*time.Minute {
					mustSend(t, rt, call("a", mailbox.LaneBackfill, 20))
				}
			})
		}
		wg.Wait()
		if used := len(base.log) * 20; used < 95*30_000/100 || used > 30_200 {
			t.Errorf("used %d of 30000 units in 5 minutes", used)
		}
	})
}

func TestProcessesSharePauses(t *testing.T) {
	t.Parallel()
	tests := map[mailbox.Scope]struct {
		body  string
		stops []string
	}{
		mailbox.ScopeMailbox: {`{}`, []string{"live", "send"}},
		mailbox.ScopeSending: {`{"error":{"code":"ErrorExceededMessageLimit"}}`, []string{"send"}},
		mailbox.ScopeTenant:  {`{"error":{"message":"5.7.233 tenant exceeded its quota"}}`, []string{"send", "send of another mailbox"}},
		mailbox.ScopeApp:     {`{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`, []string{"live", "send", "send of another mailbox", "live of another mailbox"}},
	}
	for scope, tt := range tests {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := quota.NewCallMemory()
				l := quota.Limits{Concurrency: 4}
				refused := process(t, store, l, refuseFirst(429, tt.body, "Retry-After", "60"))
				mustSend(t, refused, call("a", mailbox.LaneSend, 1))
				start := time.Now()
				other := process(t, store, l, &server{})
				stops := make(map[string]bool)
				for _, name := range tt.stops {
					stops[name] = true
				}
				var wg sync.WaitGroup
				for name, c := range map[string]mailbox.Call{
					"live":                    call("a", mailbox.LaneLive, 1),
					"send":                    call("a", mailbox.LaneSend, 1),
					"send of another mailbox": call("b", mailbox.LaneSend, 1),
					"live of another mailbox": call("b", mailbox.LaneLive, 1),
				} {
					wg.Go(func() {
						mustSend(t, other, c)
						if wait := time.Since(start); stops[name] != (wait >= time.Minute) || wait > 70*time.Second {
							t.Errorf("%s went after %v", name, wait)
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

func TestPauseElsewhereFailsCallsThatCannotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := quota.NewCallMemory()
		shortly := func(c *quota.LimiterConfig) { c.MaxWait = time.Minute }
		rt := process(t, store, quota.Limits{}, refuseFirst(429, "", "Retry-After", "900"))
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		other := &server{}
		rt = process(t, store, quota.Limits{}, other, shortly)
		start := time.Now()
		for range 2 { // the second knows without asking
			_, err := send(t.Context(), rt, call("a", mailbox.LaneLive, 1))
			wantPaused(t, err, mailbox.ScopeMailbox, 15*time.Minute, 16*time.Minute)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := send(ctx, process(t, store, quota.Limits{}, other), call("a", mailbox.LaneLive, 1))
		wantPaused(t, err, mailbox.ScopeMailbox, 15*time.Minute, 16*time.Minute)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not tell of the deadline", err)
		}
		if time.Since(start) != 0 || len(other.log) != 0 {
			t.Errorf("told after %v, and %d calls went", time.Since(start), len(other.log))
		}
	})
}

// A pause that another process met ends with a slow restart here too.
func TestSlowRestartAfterAPauseElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := quota.NewCallMemory()
		l := quota.Limits{Concurrency: 4}
		mustSend(t, process(t, store, l, refuseFirst(429, "", "Retry-After", "60")), call("a", mailbox.LaneLive, 1))
		base := &server{took: time.Second}
		rt := process(t, store, l, base)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := send(ctx, rt, call("a", mailbox.LaneLive, 1)); err == nil {
			t.Fatal("a call went through a pause")
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 1)) })
		}
		wg.Wait()
		perSecond := make(map[int]int)
		for _, a := range base.log {
			perSecond[int(a.at.Sub(base.log[0].at)/time.Second)]++
		}
		if want := map[int]int{0: 1, 1: 2, 2: 4, 3: 1}; !maps.Equal(perSecond, want) {
			t.Errorf("calls in each second after the pause: %v, want %v", perSecond, want)
		}
	})
}

func TestWaitingForSlotsElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := quota.NewCallMemory()
		l := quota.Limits{Concurrency: 2}
		rt := process(t, store, l, &server{})
		other := process(t, store, l, &server{}, func(c *quota.LimiterConfig) { c.MaxWait = time.Second })
		first, err := open(t.Context(), rt, call("a", mailbox.LaneLive, 1))
		if err != nil {
			t.Fatal(err)
		}
		// Backfill leaves one of the two free, live calls do not.
		_, err = send(t.Context(), other, call("a", mailbox.LaneBackfill, 1))
		wantPaused(t, err, mailbox.ScopeMailbox, time.Second, time.Second)
		second, err := open(t.Context(), other, call("a", mailbox.LaneLive, 1))
		if err != nil {
			t.Fatal(err)
		}
		_, err = send(t.Context(), rt, call("b", mailbox.LaneLive, 1))
		if err != nil {
			t.Errorf("another mailbox: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := send(ctx, other, call("a", mailbox.LaneSend, 1))
			if e := wantPaused(t, err, mailbox.ScopeNone, 0, 0); !errors.Is(e, context.Canceled) {
				t.Errorf("%v does not tell of the cancellation", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()

		wg.Go(func() {
			start := time.Now()
			mustSend(t, rt, call("a", mailbox.LaneSend, 1))
			if wait := time.Since(start); wait < 10*time.Second || wait > 10*time.Second+50*time.Millisecond {
				t.Errorf("a send found a free slot after %v, want soon after 10s", wait)
			}
		})
		time.Sleep(10 * time.Second)
		first.Body.Close()
		wg.Wait()
		second.Body.Close()
		slotsAreFree(t, store, []string{"a", "b"}, 2)
	})
}

// A slot is given back also when the request was cancelled.
func TestSlotsAreLeftAfterCancelling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := quota.NewCallMemory()
		rt := process(t, store, quota.Limits{Concurrency: 2}, roundTripFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := send(ctx, rt, call("a", mailbox.LaneLive, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		slotsAreFree(t, store, []string{"a"}, 2)
	})
}

// faulty is a store that fails, or hangs, while it is told to.
type faulty struct {
	*quota.CallMemory
	broken, hangs, after atomic.Bool
	asked                atomic.Int64
}

var errBroken = &mailbox.Error{Class: mailbox.ClassStorage, Err: errors.New("the database is down")}

func (f *faulty) fault(ctx context.Context) error {
	f.asked.Add(1)
	switch {
	case f.hangs.Load():
		<-ctx.Done()
		return ctx.Err()
	case f.broken.Load():
		return errBroken
	}
	return nil
}

func (f *faulty) Enter(ctx context.Context, a quota.CallAsk) (quota.CallAnswer, error) {
	if f.after.Load() {
		if _, err := f.CallMemory.Enter(ctx, a); err != nil {
			return quota.CallAnswer{}, err
		}
	}
	if err := f.fault(ctx); err != nil {
		return quota.CallAnswer{}, err
	}
	return f.CallMemory.Enter(ctx, a)
}

func (f *faulty) Leave(ctx context.Context, k quota.CallKey, id string) error {
	if err := f.fault(ctx); err != nil {
		return err
	}
	return f.CallMemory.Leave(ctx, k, id)
}

func (f *faulty) Pause(ctx context.Context, k quota.CallKey, sends bool, d time.Duration) error {
	if err := f.fault(ctx); err != nil {
		return err
	}
	return f.CallMemory.Pause(ctx, k, sends, d)
}

func TestStoreOfCallsFails(t *testing.T) {
	t.Parallel()
	for _, down := range []quota.WhenDown{"", quota.DownLocal, quota.DownClosed} {
		for _, hangs := range []bool{false, true} {
			t.Run(fmt.Sprint(down, hangs), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					store := &faulty{CallMemory: quota.NewCallMemory()}
					var told []error
					base := &server{}
					rt := process(t, store, quota.Limits{Concurrency: 4, Mailbox: quota.Budget{Units: 6000, Per: time.Minute, Burst: 1000}}, base, func(c *quota.LimiterConfig) {
						c.Down = down
						c.OnStore = func(err error) { told = append(told, err) }
					})
					mustSend(t, rt, call("a", mailbox.LaneLive, 1))
					if len(told) != 0 {
						t.Fatalf("told %v of a store that works", told)
					}

					store.broken.Store(true)
					store.hangs.Store(hangs)
					start := time.Now()
					asked := store.asked.Load()
					for range 50 {
						mustSend(t, rt, call("a", mailbox.LaneLive, 1))
						mustSend(t, rt, call("a", mailbox.LaneBackfill, 1))
						_, err := send(t.Context(), rt, call("a", mailbox.LaneSend, 1))
						switch {
						case down != quota.DownClosed && err != nil:
							t.Fatal(err)
						case down == quota.DownClosed && !errors.Is(wantPaused(t, err, mailbox.ScopeNone, time.Second, time.Second).Err, mailbox.ClassStorage):
							t.Errorf("%v does not tell of the store", err)
						}
					}
					slow := time.Since(start)
					if !hangs && slow > 0 || slow > time.Second {
						t.Errorf("a dead store slowed 150 calls by %v", slow)
					}
					if n := store.asked.Load() - asked; n > 1 {
						t.Errorf("a dead store was asked %d times", n)
					}
					if len(told) != 1 || told[0] == nil {
						t.Errorf("told %v, want one failure", told)
					}
					// Local pacing goes on.
					start = time.Now()
					for range 3 {
						mustSend(t, rt, call("b", mailbox.LaneLive, 1000))
					}
					if got := time.Since(start); got < 20*time.Second {
						t.Errorf("3000 units took %v, want 20s", got)
					}

					store.broken.Store(false)
					store.hangs.Store(false)
					time.Sleep(3 * time.Second)
					mustSend(t, rt, call("a", mailbox.LaneSend, 1))
					if len(told) != 2 || told[1] != nil {
						t.Errorf("told %v, want a failure and its end", told)
					}
					time.Sleep(2 * time.Minute)
					slotsAreFree(t, store.CallMemory, []string{"a"}, 4)
				})
			})
		}
	}
}

// Of calls at once only one finds out whether the store is back.
func TestOneCallFindsOutWhetherTheStoreIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{CallMemory: quota.NewCallMemory()}
		rt := process(t, store, quota.Limits{Concurrency: 40}, &server{})
		store.hangs.Store(true)
		c := call("a", mailbox.LaneLive, 0)
		mustSend(t, rt, c)
		time.Sleep(time.Minute)
		var slow atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				start := time.Now()
				mustSend(t, rt, c)
				if time.Since(start) > 0 {
					slow.Add(1)
				}
			})
		}
		wg.Wait()
		if slow.Load() != 1 {
			t.Errorf("%d of 20 calls waited for a dead store, want one", slow.Load())
		}
	})
}

// A step that failed may have had its effect: its slots are given back.
func TestSlotsOfALostAnswerAreLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{CallMemory: quota.NewCallMemory()}
		rt := process(t, store, quota.Limits{Concurrency: 4}, &server{took: 5 * time.Second})
		store.after.Store(true)
		store.broken.Store(true)
		c := call("a", mailbox.LaneLive, 0)
		var wg sync.WaitGroup
		wg.Go(func() { mustSend(t, rt, c) })
		synctest.Wait()
		store.after.Store(false)
		store.broken.Store(false)
		wg.Wait()
		slotsAreFree(t, store.CallMemory, []string{"a"}, 4)
	})
}

func TestCallsThatNoStoreHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := process(t, quota.NewCallMemory(), quota.Limits{Concurrency: 4}, &server{}, func(c *quota.LimiterConfig) {
			c.Down = quota.DownClosed
			c.OnStore = func(err error) { t.Errorf("told of %v", err) }
		})
		long := call(strings.Repeat("x", 300), mailbox.LaneSend, 1)
		mustSend(t, rt, long)
		nobody := call("", mailbox.LaneSend, 1)
		nobody.Ref = mailbox.Ref{}
		mustSend(t, rt, nobody)
	})
}

func TestSharedRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	for field, l := range map[string]quota.Limits{
		"providers[test].app.units":   {App: quota.Budget{Units: 1 << 41, Burst: 1}},
		"providers[test].mailbox.per": {Mailbox: quota.Budget{Units: 10, Per: time.Microsecond}},
		"providers[test].concurrency": {Concurrency: 1001},
	} {
		_, err := quota.NewLimiter(quota.LimiterConfig{
			Shared: quota.NewCallMemory(), Providers: map[mailbox.ProviderName]quota.Limits{"test": l},
		})
		wantInvalid(t, err, field)
	}
	_, err := quota.NewLimiter(quota.LimiterConfig{Down: "sideways"})
	wantInvalid(t, err, "down")
}

// The app's state is asked for chunks, not for every call.
func TestAppIsAskedByLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{CallMemory: quota.NewCallMemory()}
		rt := process(t, store, quota.Limits{App: quota.Budget{Units: 1_200_000}, AppDay: 80_000_000}, &server{})
		for i := range 500 { // 100 a second
			mustSend(t, rt, call(fmt.Sprint("b", i), mailbox.LaneLive, 5))
			time.Sleep(10 * time.Millisecond)
		}
		// Each call asks for its mailbox. Without slots there is nothing to leave.
		if n := store.asked.Load() - 500; n > 6 {
			t.Errorf("the app was asked %d times for 500 calls", n)
		}
	})
}

// Units of a lease are spent some time after they were taken. Processes that all
// hold old leases when they begin to spend as fast as they can still stay below
// the budget.
func TestOldLeasesStayInTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := quota.Limits{App: quota.Budget{Units: 4000, Per: 50 * time.Second, Burst: 1280}} // leases of 20 units and 1 s
		store := quota.NewCallMemory()
		base := &server{}
		var processes []http.RoundTripper
		for range 10 {
			rt := process(t, store, l, base)
			mustSend(t, rt, call("a", mailbox.LaneLive, 1))
			processes = append(processes, rt)
		}
		time.Sleep(990 * time.Millisecond)
		start := time.Now()
		for _, rt := range processes {
			for range 19 {
				mustSend(t, rt, call("a", mailbox.LaneLive, 1))
			}
		}
		var wg sync.WaitGroup
		for _, rt := range processes {
			wg.Go(func() {
				for time.Since(start) < l.App.Per {
					mustSend(t, rt, call("a", mailbox.LaneLive, 1))
				}
			})
		}
		wg.Wait()
		used := 0
		for _, a := range base.log {
			if passed := a.at.Sub(start); passed >= 0 && passed < l.App.Per {
				used++
			}
		}
		if used > l.App.Units || used < 95*l.App.Units/100 {
			t.Errorf("%d units were used in %v, limit %d", used, l.App.Per, l.App.Units)
		}
	})
}

func TestLeasesFitASmallDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{}
		rt := process(t, quota.NewCallMemory(), quota.Limits{App: quota.Budget{Units: 1_200_000}, AppDay: 2000}, base)
		for {
			_, err := send(t.Context(), rt, call("a", mailbox.LaneLive, 1))
			if err != nil {
				wantPaused(t, err, mailbox.ScopeApp, 23*time.Hour, 24*time.Hour)
				break
			}
			time.Sleep(time.Millisecond)
		}
		if n := len(base.log); n > 2000 || n < 1900 {
			t.Errorf("%d of 2000 units of the day were used", n)
		}
	})
}

// Calls that wait for the app's budget do not all ask for it again and again.
func TestWaitingForTheAppAsksSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 50
		store := &faulty{CallMemory: quota.NewCallMemory()}
		l := quota.Limits{App: quota.Budget{Units: 600, Per: time.Minute, Burst: 100}} // 10 a second
		other := process(t, store.CallMemory, l, &server{})
		mustSend(t, other, call("other", mailbox.LaneLive, 200)) // a debt of 10 s
		rt := process(t, store, l, &server{})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() { mustSend(t, rt, call(fmt.Sprint(i), mailbox.LaneLive, 1)) })
		}
		wg.Wait()
		if wait := time.Since(start); wait < 15*time.Second || wait > 20*time.Second {
			t.Errorf("%d calls took %v, want somewhat more than 15s", calls, wait)
		}
		if n := store.asked.Load() - calls; n > 3*calls { // each asks for its mailbox
			t.Errorf("the app was asked %d times for %d calls", n, calls)
		}
	})
}

// What a step took is taken once more when another one had to wait: it counts
// from when it was taken, and the call goes later.
func TestStepsAreTakenInOneMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var taken []string
		waits := map[string]time.Duration{"mailbox": 10 * time.Second}
		step := func(name string) func() error {
			return func() error {
				time.Sleep(waits[name])
				delete(waits, name)
				taken = append(taken, name)
				return nil
			}
		}
		if err := quota.InOneMoment(step("app"), step("tenant"), step("mailbox")); err != nil {
			t.Fatal(err)
		}
		if want := []string{"app", "tenant", "mailbox", "app", "tenant"}; !slices.Equal(taken, want) {
			t.Errorf("taken %q, want %q", taken, want)
		}
		taken, waits["app"] = nil, 10*time.Second
		if err := quota.InOneMoment(step("app"), step("tenant"), step("mailbox")); err != nil {
			t.Fatal(err)
		}
		if want := []string{"app", "tenant", "mailbox"}; !slices.Equal(taken, want) {
			t.Errorf("taken %q, want %q", taken, want)
		}
		failure := errors.New("refused")
		if err := quota.InOneMoment(step("app"), func() error { return failure }); !errors.Is(err, failure) {
			t.Errorf("%v, want the failure of a step", err)
		}
	})
}
