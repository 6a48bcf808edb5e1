package gmail_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// slowAtFirst is the way to a Gmail that is far away: the first request takes
// longer than all others, for it sets up the connection. So the minute in which
// Gmail counts begins late.
func slowAtFirst(base http.RoundTripper) http.RoundTripper {
	var first sync.Once
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		first.Do(func() { time.Sleep(400 * time.Millisecond) })
		return base.RoundTrip(r)
	})
}

// A long run of header fetches through the default limits meets no refusal of a
// Gmail that enforces the published ones, whatever the size of the batches.
func TestFetchesStayBelowTheLimits(t *testing.T) {
	t.Parallel()
	const messages = 700
	for _, lane := range []mailbox.Lane{mailbox.LaneLive, mailbox.LaneBackfill} {
		for _, size := range []int{1, 7, 25, 30} {
			t.Run(fmt.Sprint(lane, size), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := gmailtest.New(gmailtest.Options{
						Latency: 300 * time.Millisecond,
						Quota:   gmailtest.Quota{UserUnits: 6000, ProjectUnits: 1_200_000, Parallel: max(10, size)},
					})
					defer s.Close()
					w := worldOn(t, s, gmail.Config{BatchSize: size})
					ids := w.many(messages)
					limiter, err := quota.NewLimiter(quota.LimiterConfig{})
					if err != nil {
						t.Fatal(err)
					}
					w.transport = limiter.Transport(slowAtFirst(w.transport))
					mb := w.open(ann, mailbox.CanReadHeaders)
					lane := mailbox.WithLane(t.Context(), lane)
					must[[]*mailbox.Message](t)(mb.Fetch(lane, ids[:size+1], mailbox.PartHeaders))
					start := time.Now()
					got := must[[]*mailbox.Message](t)(mb.Fetch(lane, ids, mailbox.PartHeaders))
					if len(got) != messages {
						t.Errorf("%d of %d messages came", len(got), messages)
					}
					for _, x := range s.Log() {
						if x.Status == http.StatusTooManyRequests || x.Status == http.StatusForbidden {
							t.Fatalf("%s was refused after %v: %s", x.URL, time.Since(start), x.ResponseBody)
						}
					}
				})
			})
		}
	}
}
