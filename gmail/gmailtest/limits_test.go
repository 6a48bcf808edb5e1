package gmailtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

func TestUnitsPerUserAndMinute(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 429} {
		w := setup(t, gmailtest.Options{Quota: gmailtest.Quota{UserUnits: 12, Status: status, RetryAfter: 30}, ProjectID: "77"})
		w.ok("GET", "/messages", "") // 5 units
		w.ok("GET", "/messages", "")
		want := status
		if want == 0 {
			want = 403
		}
		a := w.refused("GET", "/messages", "", want, "userRateLimitExceeded",
			"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'gmail.googleapis.com' for consumer 'project_number:77'.")
		if a.str("error.errors.0.domain") != "usageLimits" || a.header.Get("Retry-After") != "30" {
			t.Errorf("%v %s", a.header, a.body)
		}
		w.ok("GET", "/labels", "") // 1 unit still fits
		w.as(bob).ok("GET", "/messages", "")
		w.Advance(time.Minute)
		w.as(ann).ok("GET", "/messages", "")
	}
}

func TestUnitsPerProject(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{Quota: gmailtest.Quota{ProjectUnits: 5, DayUnits: 11}})
	w.ok("GET", "/messages", "")
	w.as(bob).refused("GET", "/messages", "", 403, "rateLimitExceeded", "'Queries per minute' of")
	w.Advance(time.Minute)
	w.as(bob).ok("GET", "/messages", "")
	w.Advance(time.Minute)
	w.as(bob).refused("GET", "/messages", "", 403, "dailyLimitExceeded", "Daily Limit Exceeded")
	w.Advance(24 * time.Hour)
	w.as(bob).ok("GET", "/messages", "")
}

func TestCostsCanBeSet(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{Quota: gmailtest.Quota{UserUnits: 10, Units: map[string]int{"gmail.users.labels.list": 10}}})
	w.ok("GET", "/labels", "")
	w.refused("GET", "/labels", "", 403, "userRateLimitExceeded", "")
}

// TestBatchPartsTakeParallelSeats: parts run at once, therefore a large batch
// trips the limit by itself.
func TestBatchPartsTakeParallelSeats(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{Quota: gmailtest.Quota{Parallel: 3}})
	id := w.deliver("Subject: x")
	var parts []string
	for i := range 5 {
		parts = append(parts, get(fmt.Sprint(i), id))
	}
	for range 2 { // the seats are free again afterwards
		_, replies := w.batch("/batch", parts...)
		count := map[int]int{}
		for _, r := range replies {
			count[r.status]++
			if r.status == 429 && !strings.Contains(r.body, "Too many concurrent requests for user") {
				t.Errorf("body = %s", r.body)
			}
		}
		if count[200] != 3 || count[429] != 2 {
			t.Errorf("statuses = %v", count)
		}
	}
	for range 5 { // one after the other
		w.ok("GET", "/messages/"+id, "")
	}
}

func TestParallelCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gmailtest.New(gmailtest.Options{Latency: time.Second, Quota: gmailtest.Quota{Parallel: 2}})
		defer s.Close()
		w := populate(t, s)
		statuses := make([]int, 5)
		var wg sync.WaitGroup
		for i := range statuses {
			wg.Go(func() { statuses[i] = w.call("GET", "/labels", "").status })
		}
		wg.Wait()
		count := map[int]int{}
		for _, s := range statuses {
			count[s]++
		}
		if count[200] != 2 || count[429] != 3 {
			t.Errorf("statuses = %v", count)
		}
	})
}

func TestBatchesShareSeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gmailtest.New(gmailtest.Options{Latency: time.Second, Quota: gmailtest.Quota{Parallel: 3}})
		defer s.Close()
		w := populate(t, s)
		id := w.deliver("Subject: x")
		good := make([]int, 2)
		var wg sync.WaitGroup
		for i := range good {
			wg.Go(func() {
				_, replies := w.batch("/batch", get("1", id), get("2", id))
				for _, r := range replies {
					if r.status == 200 {
						good[i]++
					}
				}
			})
		}
		wg.Wait()
		if good[0]+good[1] != 3 {
			t.Errorf("%v parts were answered", good)
		}
	})
}

func TestSendLimit(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{SendLimit: 2})
	w.SetTime(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	w.as(ann)
	raw := sendBody(message("To: "+bob, "Subject: x"), "")
	w.ok("POST", "/messages/send", raw)
	w.ok("POST", "/messages/send", raw)

	// For some minutes sends are answered 200 and come back.
	over := w.ok("POST", "/messages/send", raw)
	if len(w.inbox(bob)) != 2 || len(w.inbox(ann)) != 1 {
		t.Fatalf("bob has %d, ann %d", len(w.inbox(bob)), len(w.inbox(ann)))
	}
	bounce := readReport(t, w.raw(ann, w.inbox(ann)[0]))
	if bounce.perRecipient.Get("Status") != "5.4.5" || !strings.Contains(bounce.notice, "You have reached a limit for sending mail") ||
		bounce.header.Get("In-Reply-To") != w.header(over.str("id"), "Message-ID") {
		t.Errorf("bounce = %v %v", bounce.header, bounce.perRecipient)
	}

	// Then they are refused with a date, which every try moves on.
	w.Advance(6 * time.Minute)
	w.refused("POST", "/messages/send", raw, 429, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 2026-05-01T12:21:0")
	w.Advance(10 * time.Minute)
	w.refused("POST", "/messages/send", raw, 429, "rateLimitExceeded", "Retry after 2026-05-01T12:31:0")
	if a := w.refused("POST", "/messages/send", raw, 429, "rateLimitExceeded", "Z (Mail sending)"); a.str("error.status") != "RESOURCE_EXHAUSTED" {
		t.Errorf("body = %s", a.body)
	}
	w.ok("GET", "/messages", "") // reading goes on
	w.as(bob).ok("POST", "/messages/send", raw)

	w.Advance(24 * time.Hour)
	w.as(ann).ok("POST", "/messages/send", raw)
}

func TestSendLimitWithoutGrace(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{SendLimit: 1, SendLimitGrace: -1})
	raw := sendBody(message("To: "+bob), "")
	w.ok("POST", "/messages/send", raw)
	w.refused("POST", "/messages/send", raw, 429, "rateLimitExceeded", "(Mail sending)")
	if len(w.Messages(ann)) != 1 {
		t.Error("a refused message was filed")
	}
}

func TestMaxRecipients(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{MaxRecipients: 1})
	w.send("To: " + bob)
	w.refused("POST", "/messages/send", sendBody(message("To: "+bob, "Bcc: "+carl), ""), 400, "invalidArgument", "Too many recipients")
}

func TestLatencyEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gmailtest.New(gmailtest.Options{Latency: time.Hour})
		defer s.Close()
		w := populate(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		req := w.request("GET", "/gmail/v1/users/me/labels", "", "").WithContext(ctx)
		req.Header.Set("Authorization", "Bearer "+w.token)
		if _, err := s.Transport().RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}
