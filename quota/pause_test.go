package quota_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// refuseFirst answers the first call with a refusal and all others with 200.
func refuseFirst(status int, body string, header ...string) *server {
	return &server{answer: func(_ mailbox.Call, n int) *http.Response {
		if n == 0 {
			return respond(status, body, header...)
		}
		return respond(200, "{}")
	}}
}

func TestRefusalPausesItsScope(t *testing.T) {
	t.Parallel()
	const (
		a = "same mailbox, live"
		s = "same mailbox, send"
		b = "other mailbox"
		o = "other app"
	)
	sending := `{"error":{"code":429,"message":"User-rate limit exceeded.  Retry after 2000-01-01T00:01:30.500Z (Mail sending)"}}`
	reason := func(r string) string { return `{"error":{"code":403,"errors":[{"reason":"` + r + `"}]}}` }
	tests := []struct {
		name   string
		status int
		body   string
		header []string
		wait   time.Duration // least that what is paused waits; at most a tenth more
		scope  mailbox.Scope
		paused []string
	}{
		{"429 in seconds", 429, "", []string{"Retry-After", "90"}, 90 * time.Second, mailbox.ScopeMailbox, []string{a, s}},
		{"503 in seconds", 503, "", []string{"Retry-After", "90"}, 90 * time.Second, mailbox.ScopeMailbox, []string{a, s}},
		{
			"429 with a date by a clock that is ahead", 429, "",
			[]string{"Retry-After", "Sat, 01 Jan 2000 05:01:30 GMT", "Date", "Sat, 01 Jan 2000 05:00:00 GMT"},
			90 * time.Second, mailbox.ScopeMailbox,
			[]string{a, s},
		},
		{
			"429 with a date by a clock that is behind", 429, "",
			[]string{"Retry-After", "Fri, 31 Dec 1999 22:01:30 GMT", "Date", "Fri, 31 Dec 1999 22:00:00 GMT"},
			90 * time.Second, mailbox.ScopeMailbox,
			[]string{a, s},
		},
		{"Gmail text", 429, sending, nil, 90500 * time.Millisecond, mailbox.ScopeSending, []string{s}},
		{"Gmail text with 403", 403, sending, nil, 90500 * time.Millisecond, mailbox.ScopeSending, []string{s}},
		{"per user", 403, reason("userRateLimitExceeded"), []string{"Retry-After", "90"}, 90 * time.Second, mailbox.ScopeMailbox, []string{a, s}},
		{"per project", 403, `{"error":{"message":"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'x'"}}`, []string{"Retry-After", "90"}, 90 * time.Second, mailbox.ScopeApp, []string{a, s, b}},
		{"daily", 403, reason("dailyLimitExceeded"), []string{"Retry-After", "90"}, 90 * time.Second, mailbox.ScopeApp, []string{a, s, b}},
		{"403 about something else", 403, reason("insufficientPermissions"), []string{"Retry-After", "90"}, 0, "", nil},
		{"202 with Retry-After is success", 202, "", []string{"Retry-After", "90"}, 0, "", nil},
		{"500 with Retry-After", 500, "", []string{"Retry-After", "90"}, 0, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := refuseFirst(tt.status, tt.body, tt.header...)
				lim, err := quota.NewLimiter(quota.LimiterConfig{MaxWait: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				rt := lim.Transport(base)
				if status, err := send(t.Context(), rt, call("a", mailbox.LaneSend, 1)); err != nil || status != tt.status {
					t.Fatal(status, err)
				}
				if len(base.log) != 1 {
					t.Fatalf("%d requests were made for one call", len(base.log))
				}
				otherApp := call("a", mailbox.LaneLive, 1)
				otherApp.App = "other"
				calls := map[string]mailbox.Call{
					a: call("a", mailbox.LaneLive, 1), s: call("a", mailbox.LaneSend, 1), b: call("b", mailbox.LaneLive, 1), o: otherApp,
				}
				paused := make(map[string]bool)
				for _, name := range tt.paused {
					paused[name] = true
				}
				var wg sync.WaitGroup
				start := time.Now()
				for name, c := range calls {
					wg.Go(func() {
						mustSend(t, rt, c)
						wait := time.Since(start)
						if !paused[name] && wait != 0 || paused[name] && (wait < tt.wait || wait > tt.wait*11/10) {
							t.Errorf("%s waited %v; paused: %v for %v", name, wait, paused[name], tt.wait)
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

func TestPauseFailsCallsThatCannotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := refuseFirst(429, "", "Retry-After", "900")
		base.took = time.Second
		rt := limiter(t, quota.Limits{Concurrency: 1}).Transport(base)
		var wg sync.WaitGroup
		wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 1)) })
		synctest.Wait()
		start := time.Now()
		for _, lane := range []mailbox.Lane{mailbox.LaneSend, mailbox.LaneLive, mailbox.LaneBackfill} {
			wg.Go(func() { // they were waiting when the pause came
				_, err := send(t.Context(), rt, call("a", lane, 1))
				wantPaused(t, err, mailbox.ScopeMailbox, 15*time.Minute, 16*time.Minute)
				if got := time.Since(start); got != time.Second {
					t.Errorf("told after %v, want 1s", got)
				}
			})
		}
		wg.Wait()
		_, err := send(t.Context(), rt, call("a", mailbox.LaneLive, 1))
		e := wantPaused(t, err, mailbox.ScopeMailbox, 14*time.Minute, 16*time.Minute)
		if len(base.log) != 1 {
			t.Errorf("%d calls came through a pause", len(base.log))
		}
		time.Sleep(e.RetryAfter)
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
	})
}

func TestPauseOfTheAppFailsCallsOfOtherMailboxes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := refuseFirst(403, `{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`, "Retry-After", "900")
		base.took = time.Second
		rt := limiter(t, quota.Limits{Mailbox: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}).Transport(base)
		var wg sync.WaitGroup
		wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 1)) })
		synctest.Wait()
		start := time.Now()
		wg.Go(func() { mustSend(t, rt, call("b", mailbox.LaneLive, 10)) })
		synctest.Wait()
		wg.Go(func() { // it would wait 10 s for units of its mailbox
			_, err := send(t.Context(), rt, call("b", mailbox.LaneLive, 10))
			wantPaused(t, err, mailbox.ScopeApp, 15*time.Minute, 16*time.Minute)
			if got := time.Since(start); got != time.Second {
				t.Errorf("told after %v, want 1s", got)
			}
		})
		wg.Wait()
	})
}

// Sends that wait for their pause to end are not in the way of live calls, also
// when it is guessed how long those will wait.
func TestPausedSendsAreNotAhead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"mailbox": "Retry after 2000-01-01T00:01:00Z (Mail sending)",
		"tenant":  "Retry after 2000-01-01T00:01:00Z: 5.7.233",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := refuseFirst(429, `{"error":{"message":"`+text+`"}}`)
				rt := limiter(t, quota.Limits{Mailbox: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}).Transport(base)
				mustSend(t, rt, call("a", mailbox.LaneSend, 10))
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneSend, 10)) })
				}
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
				defer cancel()
				start := time.Now()
				if _, err := send(ctx, rt, call("a", mailbox.LaneLive, 5)); err != nil || time.Since(start) != 5*time.Second {
					t.Errorf("got %v after %v, want nothing after 5s", err, time.Since(start))
				}
				wg.Wait()
			})
		})
	}
}

func TestNamedWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := limiter(t, quota.Limits{}).Transport(refuseFirst(429, "", "Retry-After", "99999999999"))
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		_, err := send(t.Context(), rt, call("a", mailbox.LaneLive, 1))
		wantPaused(t, err, mailbox.ScopeMailbox, mailbox.MaxRetryAfter, mailbox.MaxRetryAfter)
		time.Sleep(mailbox.MaxRetryAfter + 5*time.Second)
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
	})
}

// Refusals without a time double the pause, one strike for each episode however
// many calls were refused in it.
func TestBackoffCountsEpisodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{took: 100 * time.Millisecond, answer: func(mailbox.Call, int) *http.Response { return respond(429, "") }}
		rt := limiter(t, quota.Limits{}).Transport(base)
		var wg sync.WaitGroup
		for range 50 { // a storm: all in flight together
			wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 1)) })
		}
		wg.Wait()
		for i := range 9 {
			full := min(64*time.Second, time.Second<<i)
			start := time.Now()
			mustSend(t, rt, call("a", mailbox.LaneLive, 1))
			wait := time.Since(start) - base.took
			if wait < full*3/4-base.took || wait > full {
				t.Errorf("pause %d took %v, want %v less at most a quarter", i, wait, full)
			}
		}
		time.Sleep(time.Hour) // strikes fade
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		start := time.Now()
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		if wait := time.Since(start); wait > time.Second+base.took {
			t.Errorf("an hour later the pause took %v", wait)
		}
	})
}

// A refusal that comes late but names a later time still counts.
func TestLateRefusalExtendsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{answer: func(_ mailbox.Call, n int) *http.Response {
			switch n {
			case 0:
				time.Sleep(time.Second)
				return respond(429, "", "Retry-After", "10")
			case 1:
				time.Sleep(2 * time.Second)
				return respond(429, "", "Retry-After", "100")
			default:
				return respond(200, "")
			}
		}}
		rt := limiter(t, quota.Limits{}).Transport(base)
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 1)) })
			synctest.Wait()
		}
		wg.Wait()
		mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		if got := time.Since(start); got < 102*time.Second || got > 107*time.Second {
			t.Errorf("went on after %v, want 102s to 107s", got)
		}
	})
}

func TestSlowRestart(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"mailbox", "app"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := `{}`
				if scope == "app" {
					body = `{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`
				}
				base := refuseFirst(429, body, "Retry-After", "60")
				rt := limiter(t, quota.Limits{Concurrency: 4}).Transport(base)
				mustSend(t, rt, call("a", mailbox.LaneLive, 1))
				base.took = time.Second
				var wg sync.WaitGroup
				for i := range 16 {
					c := call("a", mailbox.LaneLive, 1)
					if scope == "app" {
						c = call(fmt.Sprint(i), mailbox.LaneLive, 1)
					}
					wg.Go(func() { mustSend(t, rt, c) })
				}
				wg.Wait()
				perSecond := make(map[int]int)
				for _, a := range base.log[1:] {
					perSecond[int(a.at.Sub(base.log[1].at)/time.Second)]++
				}
				want := map[int]int{0: 1, 1: 2, 2: 4, 3: 4, 4: 4, 5: 1}
				if scope == "app" {
					want = map[int]int{0: 1, 1: 2, 2: 4, 3: 8, 4: 1}
				}
				if fmt.Sprint(perSecond) != fmt.Sprint(want) {
					t.Errorf("calls started in each second: %v, want %v", perSecond, want)
				}
			})
		})
	}
}

// A batch ends the slow restart only if all of its parts passed.
func TestBatchesWidenASlowRestart(t *testing.T) {
	t.Parallel()
	for _, inner := range []string{"200 OK", "429 Too Many Requests"} {
		t.Run(inner, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := &server{answer: func(c mailbox.Call, n int) *http.Response {
					switch {
					case n == 0:
						return respond(429, "", "Retry-After", "10")
					case c.Parallel > 1:
						return respond(200, "--b\r\n\r\nHTTP/1.1 "+inner+"\r\n\r\n{}\r\n--b--", "Content-Type", "multipart/mixed; boundary=b")
					}
					return respond(200, "")
				}}
				rt := limiter(t, quota.Limits{Concurrency: 4}).Transport(base)
				batch := call("a", mailbox.LaneLive, 1)
				batch.Parallel = 2
				for range 5 {
					mustSend(t, rt, batch)
				}
				time.Sleep(5 * time.Minute) // no pause is on
				base.took = time.Second
				start := time.Now()
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 1)) })
				}
				wg.Wait()
				want := time.Second // all four at once
				if inner != "200 OK" {
					want = 3 * time.Second // one, two, one
				}
				if got := time.Since(start); got != want {
					t.Errorf("four calls took %v, want %v", got, want)
				}
			})
		})
	}
}

func TestRefusalsInsideABatch(t *testing.T) {
	t.Parallel()
	part := func(status, header, body string) string {
		return "--b\r\nContent-Type: application/http\r\nContent-ID: <response-1>\r\n\r\nHTTP/1.1 " + status + "\r\n" +
			"Content-Type: application/json\r\n" + header + "\r\n" + strings.ReplaceAll(body, "\n", "\r\n") + "\r\n"
	}
	ok := part("200 OK", "", "{\n  \"snippet\": \"HTTP/1.1 429 no --b\"\n}")
	tooMany := part("429 Too Many Requests", "", `{"error":{"message":"Too many concurrent requests for user"}}`)
	const closing = "--b--\r\n"
	tests := []struct {
		name  string
		body  string
		least time.Duration
		most  time.Duration
	}{
		{"all fine", ok + ok + closing, 0, 0},
		{"several refused count once", ok + tooMany + tooMany + tooMany + closing, 750 * time.Millisecond, time.Second},
		{"no line end after the last boundary", ok + tooMany + "--b--", 750 * time.Millisecond, time.Second},
		{"cut off", ok + tooMany, 750 * time.Millisecond, time.Second},
		{"with a time", ok + part("429 x", "retry-after: 30\r\n", "{}") + ok + closing, 30 * time.Second, 33 * time.Second},
		{"with a RateLimit", ok + part("429 x", "RATELIMIT: \"a\";r=0;t=30\r\n", "{}") + closing, 30 * time.Second, 33 * time.Second},
		{"403 rate", part("403 x", "", "{\"error\":\n{\"errors\":[{\"reason\":\"userRateLimitExceeded\"}]}}") + closing, 750 * time.Millisecond, time.Second},
		{"403 other", part("403 x", "", `{"error":{"errors":[{"reason":"forbidden"}]}}`) + closing, 0, 0},
		{"endless line", part("429 x", "", strings.Repeat("x", 100_000)) + closing, 750 * time.Millisecond, time.Second},
	}
	for _, tt := range tests {
		for _, wide := range []bool{true, false} {
			t.Run(fmt.Sprint(tt.name, wide), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					rt := limiter(t, quota.Limits{}).Transport(refuseFirst(200, tt.body, "Content-Type", `multipart/mixed; boundary="b"`))
					c := call("a", mailbox.LaneLive, 1)
					if wide {
						c.Parallel = 5
					}
					mustSend(t, rt, c)
					start := time.Now()
					mustSend(t, rt, c)
					wait := time.Since(start)
					if wide && (wait < tt.least || wait > tt.most) || !wide && wait != 0 {
						t.Errorf("waited %v, want %v to %v", wait, tt.least, tt.most)
					}
				})
			})
		}
	}
}
