package quota_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// BenchmarkLimiter is what the limiter adds to a call that need not wait, beside
// the same call without it and a bare token bucket.
func BenchmarkLimiter(b *testing.B) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}}
	base := roundTripFunc(func(*http.Request) (*http.Response, error) {
		resp.Body = http.NoBody
		return resp, nil
	})
	lim, err := quota.NewLimiter(quota.LimiterConfig{Providers: map[mailbox.ProviderName]quota.Limits{
		mailbox.Gmail: {
			Mailbox: quota.Budget{Units: 1 << 40, Burst: 1 << 39},
			App:     quota.Budget{Units: 1 << 40, Burst: 1 << 39},
			AppDay:  1 << 50,
		},
	}})
	if err != nil {
		b.Fatal(err)
	}
	run := func(b *testing.B, rt http.RoundTripper, mailboxes int) {
		reqs := make([]*http.Request, mailboxes)
		for i := range reqs {
			c := call(fmt.Sprint("mailbox-", i), mailbox.LaneLive, 5)
			c.Provider = mailbox.Gmail
			reqs[i], err = http.NewRequestWithContext(mailbox.WithCall(context.Background(), c), http.MethodGet, "https://mail.test", nil)
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			resp, err := rt.RoundTrip(reqs[i%mailboxes])
			if err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
		}
	}
	b.Run("without", func(b *testing.B) { run(b, base, 1) })
	b.Run("1-mailbox", func(b *testing.B) { run(b, lim.Transport(base), 1) })
	b.Run("10000-mailboxes", func(b *testing.B) { run(b, lim.Transport(base), 10_000) })
	b.Run("bare-bucket", func(b *testing.B) {
		bucket := rate.NewLimiter(1e12, 1<<40)
		b.ReportAllocs()
		for b.Loop() {
			bucket.AllowN(time.Now(), 5)
		}
	})
}

// BenchmarkDecision is one in-memory decision about a send, on a mailbox that
// sent as many messages in the last 24 hours.
func BenchmarkDecision(b *testing.B) {
	for _, sent := range []int{0, 100, 2000} {
		s, err := quota.NewSends(quota.SendsConfig{Providers: map[mailbox.ProviderName]quota.SendLimits{
			"test": {Messages: sent + 1, Recipients: 2*sent + 2, PerMessage: 2, PerMinute: 30, Gap: time.Microsecond},
		}})
		if err != nil {
			b.Fatal(err)
		}
		ctx := context.Background()
		now := time.Now()
		for i := range sent {
			r := request("sent-"+strconv.Itoa(i), 1)
			r.At = now.Add(-time.Duration(sent-i) * 24 * time.Hour / time.Duration(sent+1))
			if err := s.Observe(ctx, r); err != nil {
				b.Fatal(err)
			}
		}
		keys := make([]string, 1024)
		for i := range keys {
			keys[i] = "00000000-0000-4000-8000-" + strconv.Itoa(i)
		}
		b.Run(fmt.Sprintf("reserve-and-cancel/%d-sent", sent), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r := request(keys[i%len(keys)], 1)
				r.At = now
				place, d, err := s.Reserve(ctx, r)
				if err != nil || !d.Allowed {
					b.Fatal(d, err)
				}
				if err := s.Cancel(ctx, place); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("check/%d-sent", sent), func(b *testing.B) {
			r := request("another", 1)
			r.At = now
			b.ReportAllocs()
			for b.Loop() {
				if d, err := s.Check(ctx, r); err != nil || !d.Allowed {
					b.Fatal(d, err)
				}
			}
		})
		b.Run(fmt.Sprintf("refused/%d-sent", sent), func(b *testing.B) {
			r := request("the one that fits", 1)
			r.At = now
			if _, d, err := s.Reserve(ctx, r); err != nil || !d.Allowed {
				b.Fatal(d, err)
			}
			b.ReportAllocs()
			r.Key = "one too many"
			for b.Loop() {
				if _, d, err := s.Reserve(ctx, r); err != nil || d.Allowed {
					b.Fatal(d, err)
				}
			}
		})
	}
}

// BenchmarkMemory reports the memory of idle state per mailbox: a limiter's, and
// that of a day with 30 messages.
func BenchmarkMemory(b *testing.B) {
	const mailboxes = 10_000
	measure := func(b *testing.B, fill func() any) {
		for b.Loop() {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			kept := fill()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/mailboxes, "B/mailbox")
			runtime.KeepAlive(kept)
		}
	}
	b.Run("limiter", func(b *testing.B) {
		measure(b, func() any {
			lim, err := quota.NewLimiter(quota.LimiterConfig{})
			if err != nil {
				b.Fatal(err)
			}
			rt := lim.Transport(&server{})
			for i := range mailboxes {
				c := call(strconv.Itoa(i), mailbox.LaneLive, 5)
				c.Provider = mailbox.Gmail
				if _, err := send(context.Background(), rt, c); err != nil {
					b.Fatal(err)
				}
			}
			return lim
		})
	})
	b.Run("sends", func(b *testing.B) {
		measure(b, func() any {
			store := quota.NewMemory()
			now := time.Now()
			for i := range mailboxes {
				for j := range 30 {
					e := quota.Entry{Log: quota.Log{Tenant: "t", Kind: quota.LogMailbox, Name: strconv.Itoa(i)}, Recipients: 1}
					e.Key = fmt.Sprintf("00000000-0000-4000-8000-%012d", i*30+j)
					e.At = now.Add(time.Duration(j) * time.Minute)
					if _, err := store.Decide(context.Background(), quota.Ask{Entry: e}); err != nil {
						b.Fatal(err)
					}
				}
			}
			return store
		})
	})
}
