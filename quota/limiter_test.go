package quota_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func TestLimiterRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		field  string
		limits quota.Limits
	}{
		{"mailbox.units", quota.Limits{Mailbox: quota.Budget{Units: 1}}},
		{"mailbox.units", quota.Limits{Mailbox: quota.Budget{Units: -2}}},
		{"mailbox.per", quota.Limits{Mailbox: quota.Budget{Units: 10, Per: -1}}},
		{"mailbox.burst", quota.Limits{Mailbox: quota.Budget{Units: 10, Burst: 10}}},
		{"mailbox.burst", quota.Limits{Mailbox: quota.Budget{Units: 10, Burst: -1}}},
		{"app.units", quota.Limits{App: quota.Budget{Units: -7}}},
		{"upload.burst", quota.Limits{Upload: quota.Budget{Units: 10, Burst: 11}}},
		{"app_day", quota.Limits{AppDay: -2}},
		{"concurrency", quota.Limits{Concurrency: -2}},
		{"min_concurrency", quota.Limits{MinConcurrency: -2}},
		{"min_concurrency", quota.Limits{MinConcurrency: 11}},
		{"min_concurrency", quota.Limits{Concurrency: 3, MinConcurrency: 4}},
		{"backfill_share", quota.Limits{BackfillShare: -0.1}},
		{"backfill_share", quota.Limits{BackfillShare: 1.1}},
	}
	for _, tt := range tests {
		_, err := quota.NewLimiter(quota.LimiterConfig{Providers: map[mailbox.ProviderName]quota.Limits{mailbox.Gmail: tt.limits}})
		wantInvalid(t, err, "providers[gmail]."+tt.field)
	}
	_, err := quota.NewLimiter(quota.LimiterConfig{MaxWait: -1})
	wantInvalid(t, err, "max_wait")

	for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook, "other"} {
		if _, err := quota.NewLimiter(quota.LimiterConfig{Providers: map[mailbox.ProviderName]quota.Limits{p: quota.DefaultLimits(p)}}); err != nil {
			t.Errorf("defaults of %s: %v", p, err)
		}
	}
}

// Whoever gives up makes way for those behind at once.
func TestGivingUpMakesWay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limits quota.Limits
		second string
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
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(5*time.Second, cancel)
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := send(ctx, rt, call("a", mailbox.LaneLive, 10)); !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
				})
				synctest.Wait()
				start := time.Now()
				mustSend(t, rt, call(tt.second, mailbox.LaneLive, 2))
				if got := time.Since(start); got != 5*time.Second {
					t.Errorf("the call behind went after %v, want 5s", got)
				}
				wg.Wait()
			})
		})
	}
}

// A call that drops out of the app's order, because it is refused or because its
// mailbox is paused, does not hold up the others.
func TestDroppingOutMakesWay(t *testing.T) {
	t.Parallel()
	limits := quota.Limits{App: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			rt := limiter(t, limits).Transport(&server{})
			mustSend(t, rt, call("a", mailbox.LaneLive, 10))
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() { mustSend(t, rt, call("b", mailbox.LaneLive, 5)) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := send(ctx, rt, call("c", mailbox.LaneSend, 10))
			wantPaused(t, err, mailbox.ScopeApp, 10*time.Second, 11*time.Second)
			wg.Wait()
			if got := time.Since(start); got != 5*time.Second {
				t.Errorf("the other went after %v, want 5s", got)
			}
		})
	})
	t.Run("paused", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			base := refuseFirst(429, "", "Retry-After", "60")
			base.took = time.Second
			rt := limiter(t, limits).Transport(base)
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 10)) })
			synctest.Wait()
			wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneSend, 10)) })
			synctest.Wait()
			mustSend(t, rt, call("b", mailbox.LaneLive, 3))
			if got := time.Since(start); got != 4*time.Second {
				t.Errorf("the other was done after %v, want 4s", got)
			}
			wg.Wait()
		})
	})
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{}
		rt := limiter(t, quota.Limits{Concurrency: 1}).Transport(base)
		held, err := open(t.Context(), rt, call("a", mailbox.LaneLive, 1))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		body := &closeRecorder{Reader: strings.NewReader("x")}
		req, _ := http.NewRequestWithContext(mailbox.WithCall(ctx, call("a", mailbox.LaneLive, 1)), http.MethodPost, "https://mail.test", body)
		_, err = rt.RoundTrip(req)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		wantPaused(t, err, mailbox.ScopeMailbox, time.Second, time.Second)
		if !body.closed {
			t.Error("the request body was not closed")
		}

		_, err = send(ctx, rt, call("b", mailbox.LaneLive, 1)) // free, but the context is over
		if !errors.Is(err, context.Canceled) || mailbox.OutcomeOf(err) != mailbox.OutcomeNotSent {
			t.Errorf("got %v", err)
		}

		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err = send(ctx, rt, call("a", mailbox.LaneLive, 1)) // in flight: nobody knows how long
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}

		start := time.Now()
		_, err = send(t.Context(), rt, call("a", mailbox.LaneLive, 1))
		wantPaused(t, err, mailbox.ScopeMailbox, time.Second, time.Second)
		if got := time.Since(start); got != 2*time.Minute {
			t.Errorf("waited %v, want 2m", got)
		}
		held.Body.Close()
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		if len(base.log) != 2 {
			t.Errorf("%d calls came through, want 2", len(base.log))
		}
	})
}

type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error { c.closed = true; return nil }

func TestHopelessWaitFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := limiter(t, quota.Limits{Mailbox: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}).Transport(&server{})
		mustSend(t, rt, call("a", mailbox.LaneLive, 10))
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		start := time.Now()
		_, err := send(ctx, rt, call("a", mailbox.LaneLive, 10)) // needs 10 s
		wantPaused(t, err, mailbox.ScopeMailbox, 10*time.Second, 10*time.Second+time.Millisecond)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || time.Since(start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}

		var wg sync.WaitGroup
		wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 7)) })
		synctest.Wait()
		_, err = send(ctx, rt, call("a", mailbox.LaneLive, 5)) // 12 s behind the other
		wantPaused(t, err, mailbox.ScopeMailbox, 5*time.Second, 12*time.Second)
		if time.Since(start) != 0 {
			t.Errorf("failed after %v, want at once", time.Since(start))
		}
		if _, err := send(ctx, rt, call("a", mailbox.LaneSend, 5)); err != nil { // before the other
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestManyMailboxesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lim := limiter(t, quota.Limits{Mailbox: quota.Budget{Units: 60, Per: time.Minute}})
		rt := lim.Transport(&server{})
		for i := range 8 {
			for j := range 1000 {
				mustSend(t, rt, call(fmt.Sprint(i, "-", j), mailbox.LaneLive, 5))
			}
			time.Sleep(time.Minute)
		}
		if n := lim.MailboxesInMemory(); n > 3000 {
			t.Errorf("%d of 8000 mailboxes are remembered", n)
		}
	})
}

func TestHammer(t *testing.T) {
	t.Parallel()
	lim := limiter(t, quota.Limits{
		Mailbox: quota.Budget{Units: 100_000, Per: time.Second}, App: quota.Budget{Units: 400_000, Per: time.Second}, Concurrency: 3,
	})
	var mu sync.Mutex
	inflight := make(map[mailbox.MailboxID]int)
	rt := lim.Transport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		c, _ := mailbox.CallOf(r.Context())
		mu.Lock()
		inflight[c.Mailbox]++
		if inflight[c.Mailbox] > 3 {
			t.Errorf("%d in flight", inflight[c.Mailbox])
		}
		mu.Unlock()
		resp := respond(200, "ok")
		body := resp.Body
		resp.Body = struct {
			io.Reader
			io.Closer
		}{body, closeFunc(func() error { mu.Lock(); defer mu.Unlock(); inflight[c.Mailbox]--; return nil })}
		return resp, nil
	}))
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			r := rand.New(rand.NewSource(int64(g)))
			for range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if r.Intn(4) == 0 {
					go cancel()
				}
				resp, err := open(ctx, rt, call(fmt.Sprint(r.Intn(4)), mailbox.Lane(r.Intn(3)), r.Intn(50)))
				if err == nil {
					resp.Body.Close()
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if waiting, flying := lim.Load(); waiting != 0 || flying != 0 {
		t.Errorf("%d waiting and %d in flight at the end", waiting, flying)
	}
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }
