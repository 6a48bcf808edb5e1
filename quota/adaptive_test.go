package quota_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// widest returns how many of n calls at once are in flight together.
func widest(t *testing.T, rt http.RoundTripper, base *server, n int) int {
	t.Helper()
	base.mu.Lock()
	base.widest = 0
	base.mu.Unlock()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneLive, 1)) })
	}
	wg.Wait()
	return base.widest
}

func TestConcurrencyAdapts(t *testing.T) {
	t.Parallel()
	const (
		tooMany = `{"error":{"code":429,"message":"Too many concurrent requests for user"}}`
		graph   = `{"error":{"code":"ApplicationThrottled","message":"Application is over its MailboxConcurrency limit."}}`
		units   = `{"error":{"code":403,"errors":[{"reason":"userRateLimitExceeded"}]}}`
	)
	tests := []struct {
		name   string
		limits quota.Limits
		body   string
		retry  string
		want   int // calls at once after the pause
	}{
		{"too many at once", quota.Limits{Concurrency: 10, MinConcurrency: 1}, tooMany, "30", 5},
		{"Graph's words for it", quota.Limits{Concurrency: 10, MinConcurrency: 1}, graph, "30", 5},
		{"without a time", quota.Limits{Concurrency: 10, MinConcurrency: 1}, units, "", 5},
		{"another limit with a time", quota.Limits{Concurrency: 10, MinConcurrency: 1}, units, "30", 10},
		{"floor", quota.Limits{Concurrency: 10, MinConcurrency: 8}, tooMany, "30", 8},
		{"fixed", quota.Limits{Concurrency: 10}, tooMany, "30", 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := &server{took: time.Second, answer: func(_ mailbox.Call, n int) *http.Response {
					if n < 10 { // all ten in flight are one episode
						return respond(429, tt.body, "Retry-After", tt.retry)
					}
					return respond(200, "{}")
				}}
				rt := limiter(t, tt.limits).Transport(base)
				if got := widest(t, rt, base, 10); got != 10 {
					t.Errorf("%d calls went at once at first, want 10", got)
				}
				if got := widest(t, rt, base, 30); got != tt.want {
					t.Errorf("%d calls went at once after a refusal, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestConcurrencyGrowsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refuse := true
		base := &server{took: time.Second, answer: func(mailbox.Call, int) *http.Response {
			if refuse {
				return respond(429, `{"error":{"message":"Too many concurrent requests for user"}}`)
			}
			return respond(200, "{}")
		}}
		rt := limiter(t, quota.Limits{Concurrency: 8, MinConcurrency: 1}).Transport(base)
		for range 6 { // 4, 2, 1, 1, 1, 1
			mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		}
		refuse = false
		for want := 1; want <= 8; want++ {
			if got := widest(t, rt, base, 40); got != want {
				t.Errorf("%d calls went at once, want %d", got, want)
			}
			base.took = 0
			for range 60 {
				mustSend(t, rt, call("a", mailbox.LaneLive, 1))
			}
			base.took = time.Second
		}
		for range 200 {
			mustSend(t, rt, call("a", mailbox.LaneLive, 1))
		}
		if got := widest(t, rt, base, 40); got != 8 {
			t.Errorf("%d calls went at once in the end, want the ceiling of 8", got)
		}
	})
}

func TestConcurrencyOfOthersStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &server{answer: func(c mailbox.Call, _ int) *http.Response {
			if c.Mailbox == "b" {
				return respond(429, `{"error":{"message":"Too many concurrent requests for user"}}`)
			}
			return respond(200, "{}")
		}}
		rt := limiter(t, quota.Limits{Concurrency: 8, MinConcurrency: 1}).Transport(base)
		mustSend(t, rt, call("b", mailbox.LaneLive, 1))
		base.took = time.Second
		if got := widest(t, rt, base, 40); got != 8 {
			t.Errorf("%d calls went at once, want 8", got)
		}
	})
}
