package quota_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

const tenantBarred = `{"error":{"code":"ErrorMessageSubmissionBlocked","message":"550 5.7.233 tenant exceeded its quota"}}`

func TestPauseOfATenantStopsItsSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := limiter(t, quota.Limits{}).Transport(refuseFirst(429, tenantBarred, "Retry-After", "90"))
		mustSend(t, rt, call("a", mailbox.LaneSend, 1))
		otherTenant, otherApp := call("a", mailbox.LaneSend, 1), call("a", mailbox.LaneSend, 1)
		otherTenant.Tenant = "u"
		otherApp.App = "other"
		start := time.Now()
		var wg sync.WaitGroup
		for name, tt := range map[string]struct {
			call  mailbox.Call
			stops bool
		}{
			"send":                    {call("a", mailbox.LaneSend, 1), true},
			"send of another mailbox": {call("b", mailbox.LaneSend, 1), true},
			"send by another app":     {otherApp, true},
			"send of another tenant":  {otherTenant, false},
			"live":                    {call("a", mailbox.LaneLive, 1), false},
			"backfill":                {call("b", mailbox.LaneBackfill, 1), false},
		} {
			wg.Go(func() {
				mustSend(t, rt, tt.call)
				if wait := time.Since(start); tt.stops && (wait < 90*time.Second || wait > 99*time.Second) || !tt.stops && wait != 0 {
					t.Errorf("%s went after %v", name, wait)
				}
			})
		}
		wg.Wait()
	})
}

func TestPauseOfATenantFailsSendsThatCannotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := refuseFirst(429, tenantBarred, "Retry-After", "900")
		base.took = time.Second
		rt := limiter(t, quota.Limits{Mailbox: quota.Budget{Units: 60, Per: time.Minute, Burst: 10}}).Transport(base)
		var wg sync.WaitGroup
		wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneSend, 1)) })
		synctest.Wait()
		wg.Go(func() { mustSend(t, rt, call("b", mailbox.LaneLive, 10)) })
		synctest.Wait()
		start := time.Now()
		wg.Go(func() { // it would wait 5 s for units of its mailbox
			_, err := send(t.Context(), rt, call("b", mailbox.LaneSend, 5))
			wantPaused(t, err, mailbox.ScopeTenant, 14*time.Minute, 16*time.Minute)
			if got := time.Since(start); got != time.Second {
				t.Errorf("told after %v, want 1s", got)
			}
		})
		wg.Wait()
		_, err := send(t.Context(), rt, call("c", mailbox.LaneSend, 1))
		wantPaused(t, err, mailbox.ScopeTenant, 14*time.Minute, 16*time.Minute)
	})
}

func TestSlowRestartOfATenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := refuseFirst(429, tenantBarred, "Retry-After", "60")
		rt := limiter(t, quota.Limits{Concurrency: 4}).Transport(base)
		mustSend(t, rt, call("a", mailbox.LaneSend, 1))
		base.took = time.Second
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() { mustSend(t, rt, call(fmt.Sprint(i), mailbox.LaneSend, 1)) })
		}
		wg.Wait()
		perSecond := make(map[int]int)
		for _, a := range base.log[1:] {
			perSecond[int(a.at.Sub(base.log[1].at)/time.Second)]++
		}
		// From 64 at once on the restart is over.
		want := map[int]int{0: 1, 1: 2, 2: 4, 3: 8, 4: 16, 5: 32, 6: 64, 7: 73}
		for second, n := range want {
			if perSecond[second] != n {
				t.Errorf("sends in each second after the pause: %v, want %v", perSecond, want)
				break
			}
		}
	})
}

// One strike for each episode, whatever the scope and however many were refused.
func TestOneStrikeForAnEpisode(t *testing.T) {
	t.Parallel()
	for scope, body := range map[string]string{
		"mailbox": `{}`,
		"sending": `{"error":{"code":"ErrorExceededMessageLimit"}}`,
		"tenant":  tenantBarred,
		"app":     `{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`,
	} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := &server{took: 100 * time.Millisecond, answer: func(mailbox.Call, int) *http.Response { return respond(429, body) }}
				rt := limiter(t, quota.Limits{}).Transport(base)
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() { mustSend(t, rt, call("a", mailbox.LaneSend, 1)) })
				}
				wg.Wait()
				for i := range 5 {
					full := time.Second << i
					start := time.Now()
					mustSend(t, rt, call("a", mailbox.LaneSend, 1))
					if wait := time.Since(start) - base.took; wait < full*3/4-base.took || wait > full {
						t.Errorf("pause %d took %v, want %v less at most a quarter", i, wait, full)
					}
				}
			})
		})
	}
}
