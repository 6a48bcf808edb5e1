package quota_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// moody refuses now and then, and checks that no call comes while what covers it
// is paused.
type moody struct {
	t  *testing.T
	mu sync.Mutex
	r  *rand.Rand
	// pauses by scope and name; "" for the app.
	pauses map[mailbox.Scope]map[mailbox.MailboxID]pause
}

type pause struct{ since, until time.Time }

func (m *moody) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := mailbox.CallOf(req.Context())
	m.mu.Lock()
	m.check(mailbox.ScopeApp, "", c)
	m.check(mailbox.ScopeMailbox, c.Mailbox, c)
	if c.Lane == mailbox.LaneSend {
		m.check(mailbox.ScopeSending, c.Mailbox, c)
	}
	took := time.Duration(m.r.Intn(2_000_000)) * time.Microsecond
	mood := m.r.Intn(40)
	wait := time.Duration(1+m.r.Intn(100)) * time.Second
	m.mu.Unlock()

	select {
	case <-time.After(took):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	seconds := strconv.Itoa(int(wait / time.Second))
	switch mood {
	case 0:
		m.pause(mailbox.ScopeMailbox, c.Mailbox, wait)
		return respond(429, "", "Retry-After", seconds), nil
	case 1:
		return respond(503, "<html>"), nil // names no time: may belong to a pause that is over
	case 2:
		m.pause(mailbox.ScopeSending, c.Mailbox, wait)
		at := time.Now().Add(wait).UTC().Format(time.RFC3339Nano)
		return respond(429, `{"error":{"message":"Retry after `+at+` (Mail sending)"}}`), nil
	case 3:
		m.pause(mailbox.ScopeApp, "", wait)
		return respond(403, `{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`, "Retry-After", seconds), nil
	case 4:
		return nil, errors.New("connection reset")
	case 5:
		return respond(502, ""), nil
	default:
		return respond(200, "{}"), nil
	}
}

func (m *moody) pause(scope mailbox.Scope, name mailbox.MailboxID, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if p := m.pauses[scope][name]; p.until.Before(now.Add(wait)) {
		m.pauses[scope][name] = pause{now, now.Add(wait)}
	}
}

func (m *moody) check(scope mailbox.Scope, name mailbox.MailboxID, c mailbox.Call) {
	now := time.Now()
	if p := m.pauses[scope][name]; now.After(p.since) && now.Before(p.until) {
		m.t.Errorf("a call of %s, lane %d, came %v into a pause of %q of %v", c.Mailbox, c.Lane, now.Sub(p.since), scope, p.until.Sub(p.since))
	}
}

// Whatever providers answer and callers give up, every call ends, nothing passes
// a pause, and nothing stays behind.
func TestEveryCallEnds(t *testing.T) {
	t.Parallel()
	for seed := range int64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewSource(seed))
				base := &moody{t: t, r: rand.New(rand.NewSource(rnd.Int63())), pauses: map[mailbox.Scope]map[mailbox.MailboxID]pause{
					mailbox.ScopeApp: {}, mailbox.ScopeMailbox: {}, mailbox.ScopeSending: {},
				}}
				lim := limiter(t, quota.Limits{
					Mailbox: quota.Budget{Units: 900, Per: time.Minute}, App: quota.Budget{Units: 1500, Per: time.Minute},
					Upload: quota.Budget{Units: 1000, Per: time.Minute}, AppDay: 50_000, Concurrency: 3,
				})
				rt := lim.Transport(base)
				var passed, held int
				var mu sync.Mutex
				var wg sync.WaitGroup
				for range 30 {
					r := rand.New(rand.NewSource(rnd.Int63()))
					wg.Go(func() {
						for range 60 {
							ctx, cancel := t.Context(), context.CancelFunc(func() {})
							switch r.Intn(4) {
							case 0:
								ctx, cancel = context.WithTimeout(ctx, time.Duration(r.Intn(20_000))*time.Millisecond)
							case 1:
								ctx, cancel = context.WithCancel(ctx)
								time.AfterFunc(time.Duration(r.Intn(20_000))*time.Millisecond, cancel)
							}
							c := call(fmt.Sprint("m", r.Intn(5)), mailbox.Lane(r.Intn(3)), r.Intn(60))
							c.Parallel, c.Upload = r.Intn(5), int64(r.Intn(2)*r.Intn(80))
							start := time.Now()
							_, err := send(ctx, rt, c)
							if took := time.Since(start); took > 2*time.Minute+2*time.Second {
								t.Errorf("a call took %v", took)
							}
							cancel()
							mu.Lock()
							if e, ok := errors.AsType[*mailbox.Error](err); ok && e.Class == mailbox.ClassPaused {
								held++
							} else {
								passed++
							}
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				if waiting, flying := lim.Load(); waiting != 0 || flying != 0 {
					t.Errorf("%d waiting and %d in flight at the end", waiting, flying)
				}
				if passed < 100 || held < 100 {
					t.Errorf("%d calls passed, %d were held: the test shows nothing", passed, held)
				}
				time.Sleep(48 * time.Hour)
				if _, err := send(t.Context(), rt, call("m0", mailbox.LaneBackfill, 40)); errors.Is(err, mailbox.ClassPaused) {
					t.Errorf("two quiet days later: %v", err)
				}
			})
		})
	}
}
