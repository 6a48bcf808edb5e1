package redisquota_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/goredisstore.v9"

	"github.com/mailtether/mailtether/quota"
)

// BenchmarkOneRate asks Redis whether one more may go at a rate that takes all,
// which is all that throttled knows. It takes two commands for that, and a retry
// when others are at the same key; mailtether takes one, and remembers the
// message.
func BenchmarkOneRate(b *testing.B) {
	c := client(b, &redis.Options{Addr: start(b).address})
	run := func(b *testing.B, goroutines int, ask func() error) {
		b.SetParallelism(goroutines)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := ask(); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
	}
	for name, goroutines := range map[string]int{"few": 1, "many": 8} {
		b.Run("mailtether/"+name, func(b *testing.B) {
			store, _ := newStore(b, c)
			ask := quota.Ask{
				Entry:   quota.Entry{Log: aLog, Key: "message", Recipients: 1},
				Windows: []quota.Window{{Per: time.Minute, Max: 1_000_000}},
			}
			run(b, goroutines, func() error {
				_, err := store.Sends().Decide(b.Context(), ask)
				return err
			})
		})
		b.Run("throttled/"+name, func(b *testing.B) {
			store, err := goredisstore.NewCtx(c, "throttled:")
			if err != nil {
				b.Fatal(err)
			}
			limiter, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{MaxRate: throttled.PerSec(1_000_000), MaxBurst: 1_000_000})
			if err != nil {
				b.Fatal(err)
			}
			limiter.SetMaxCASAttemptsLimit(1000)
			run(b, goroutines, func() error {
				_, _, err := limiter.RateLimitCtx(b.Context(), "message", 1)
				return err
			})
		})
	}
}
