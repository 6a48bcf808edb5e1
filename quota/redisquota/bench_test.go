package redisquota_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/quota"
)

// BenchmarkDecide decides about messages of a mailbox that has sent some already,
// one call after the other in each of several goroutines. Each message is let go
// and takes the place of one before, so that there are always as many. The server
// keeps everything in memory, or writes each decision to disk before it answers.
func BenchmarkDecide(b *testing.B) {
	memory := sync.OnceValue(func() *redis.Client { return client(b, &redis.Options{Addr: start(b).address}) })
	for _, bm := range []struct {
		disk                bool
		entries, goroutines int
		several             int // every so many messages have two recipients
	}{
		{false, 0, 1, 0},
		{false, 0, 8, 0},
		{false, 100, 1, 0},
		{false, 100, 8, 0},
		{false, 2000, 1, 0},
		{false, 2000, 8, 0},
		{false, 2000, 1, 10},
		{false, 2000, 1, 1},
		{true, 100, 1, 0},
		{true, 100, 8, 0},
		{true, 100, 64, 0},
	} {
		name := fmt.Sprintf("disk=%v/entries=%d/goroutines=%d/several=%d", bm.disk, bm.entries, bm.goroutines, bm.several)
		b.Run(name, func(b *testing.B) {
			c := memory
			if bm.disk {
				c = func() *redis.Client { return server(b) }
			}
			store, _ := newStore(b, c())
			benchmarkDecide(b, store.Sends(), bm.entries, bm.goroutines, bm.several)
		})
	}
}

func benchmarkDecide(b *testing.B, store quota.Store, entries, goroutines, several int) {
	windows := []quota.Window{
		{Per: quota.Horizon, Max: 10_000},
		{Per: quota.Horizon, Max: 20_000, Recipients: true},
		{Per: time.Minute, Max: 1_000_000_000},
	}
	ask := func(i int) quota.Ask {
		a := quota.Ask{Entry: quota.Entry{Log: aLog, Key: fmt.Sprint("message-", i%max(1, entries)), Recipients: 1}, Windows: windows}
		if several > 0 && i%several == 0 {
			a.Recipients = 2
		}
		return a
	}
	decide := func(a quota.Ask) {
		if answer, err := store.Decide(b.Context(), a); err != nil || !answer.Allowed {
			b.Errorf("%+v, %v", answer, err)
		}
	}
	begin := time.Now().Add(-23 * time.Hour)
	for i := range entries {
		a := ask(i)
		a.At = begin.Add(time.Duration(i) * time.Second)
		decide(a)
	}
	b.ResetTimer()
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	for range goroutines {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				decide(ask(int(i)))
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}

// BenchmarkEnter lets calls of a mailbox go.
func BenchmarkEnter(b *testing.B) {
	store, _ := newStore(b, server(b))
	ask := quota.CallAsk{
		CallKey: aKey, ID: "call", Slots: 1, MaxSlots: 4, TTL: time.Minute,
		Budgets: []quota.BudgetAsk{
			{Name: "units", Budget: quota.Budget{Units: 1 << 30, Per: time.Minute, Burst: 1 << 29}, N: 5},
			{Name: "day", Budget: quota.Budget{Units: 1 << 40, Per: 24 * time.Hour}, N: 5},
		},
	}
	for b.Loop() {
		if answer, err := store.Calls().Enter(b.Context(), ask); err != nil || !answer.Allowed {
			b.Fatalf("%+v, %v", answer, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}
