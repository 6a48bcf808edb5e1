package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

const (
	manyMailboxes = 10_000
	huge          = 1 << 30 // a limit that is never reached
)

// sends returns a governor of 10,000 mailboxes, and a request of each.
func sends(b *testing.B, store quota.Store) (*quota.Sends, []quota.SendRequest) {
	b.Helper()
	s, err := quota.NewSends(quota.SendsConfig{Store: store, Providers: map[mailbox.ProviderName]quota.SendLimits{
		"test": {Messages: huge, Recipients: huge, PerMessage: 1, PerMinute: huge},
	}})
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]quota.SendRequest, manyMailboxes)
	for i := range requests {
		requests[i] = quota.SendRequest{
			Ref:      mailbox.Ref{Tenant: "tenant", Mailbox: mailbox.MailboxID(fmt.Sprint("mailbox-", i))},
			Provider: "test", Key: "message",
		}
	}
	return s, requests
}

// gcra returns the rate limiter of throttled for the pace that takes all.
func gcra(b *testing.B, store throttled.GCRAStoreCtx) *throttled.GCRARateLimiterCtx {
	b.Helper()
	g, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{MaxRate: throttled.PerSec(1_000_000), MaxBurst: 1_000_000})
	if err != nil {
		b.Fatal(err)
	}
	return g
}

// BenchmarkMayOneMoreGo asks for one more message of one of 10,000 mailboxes.
// mailtether looks at caps of 24 hours for messages and recipients, at a pace, at
// hours, warm-up and slow-down, and remembers the message by its key; the others
// know one rate, and no message.
func BenchmarkMayOneMoreGo(b *testing.B) {
	b.Run("mailtether", func(b *testing.B) {
		s, requests := sends(b, quota.NewMemory())
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, d, err := s.Reserve(b.Context(), requests[i%manyMailboxes]); err != nil || !d.Allowed {
				b.Fatal(d, err)
			}
		}
	})
	b.Run("throttled", func(b *testing.B) {
		store, err := memstore.NewCtx(0)
		if err != nil {
			b.Fatal(err)
		}
		g := gcra(b, store)
		keys := make([]string, manyMailboxes)
		for i := range keys {
			keys[i] = fmt.Sprint("tenant/mailbox-", i)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if limited, _, err := g.RateLimitCtx(b.Context(), keys[i%manyMailboxes], 1); err != nil || limited {
				b.Fatal(limited, err)
			}
		}
	})
	b.Run("x-time-rate", func(b *testing.B) {
		limiters := make(map[mailbox.Ref]*rate.Limiter)
		_, requests := sends(b, nil)
		for _, r := range requests {
			limiters[r.Ref] = rate.NewLimiter(rate.Limit(huge), huge)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if !limiters[requests[i%manyMailboxes].Ref].AllowN(time.Now(), 1) {
				b.Fatal("refused")
			}
		}
	})
}
