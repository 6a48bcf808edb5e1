package redisquota_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// A server that is killed in the middle of everything, twice, and comes back on
// the same data has forgotten nothing that it told anybody, and lets nobody send
// above a cap.
func TestRestart(t *testing.T) {
	t.Parallel()
	const limit, askers = 600, 8
	p := start(t, "--appendonly", "yes", "--appendfsync", "always")
	c := client(t, &redis.Options{Addr: p.address, MaxRetries: -1, PoolSize: askers})
	store := open(t, c, "")
	log := quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: "mailbox"}
	windows := []quota.Window{{Per: quota.Horizon, Max: limit}}
	if ok, err := store.Sends().SetState(t.Context(), log, quota.State{Document: []byte("warm")}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	key := quota.CallKey{Provider: "provider", App: "app"}
	if err := store.Calls().Pause(t.Context(), key, false, time.Hour); err != nil {
		t.Fatal(err)
	}

	// Askers go on whatever happens, until they are refused.
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		granted = make(map[string]bool)
		unclear = make(map[string]bool)
		news    = make(chan struct{}, 1) // something was granted, or failed
		serves  = make(chan struct{})    // closed while the server runs
	)
	close(serves)
	count := func() (yes, perhaps int) {
		mu.Lock()
		defer mu.Unlock()
		return len(granted), len(unclear)
	}
	for g := range askers {
		wg.Go(func() {
			for i := 0; t.Context().Err() == nil; i++ {
				ask := quota.Ask{
					Entry:   quota.Entry{Log: log, Key: fmt.Sprint(g, "/", i), Recipients: 1 + i%2},
					Windows: windows, Version: 1,
				}
				a, err := store.Sends().Decide(t.Context(), ask)
				mu.Lock()
				again := serves
				switch {
				case err != nil:
					unclear[ask.Key] = true
					if !errors.Is(err, mailbox.ClassStorage) {
						t.Errorf("Decide: %v, want an error of the store", err)
					}
				case a.Allowed:
					granted[ask.Key] = true
				}
				mu.Unlock()
				select {
				case news <- struct{}{}:
				default:
				}
				if a.Stale {
					t.Error("the state was lost")
				}
				if err == nil && !a.Allowed {
					return
				}
				if err != nil {
					select {
					case <-again:
					case <-t.Context().Done():
					}
				}
			}
		})
	}
	for _, enough := range []int{limit / 4, limit / 2} {
		for yes, _ := count(); yes < enough; yes, _ = count() {
			<-news
		}
		mu.Lock()
		before, down := len(unclear), make(chan struct{})
		serves = down
		mu.Unlock()
		p.kill()
		for _, after := count(); after == before; _, after = count() {
			<-news
		}
		if _, err := store.Sends().State(t.Context(), log); !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("State without a server: %v, want an error of the store", err)
		}
		if _, err := store.Calls().Enter(t.Context(), quota.CallAsk{CallKey: key}); !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("Enter without a server: %v, want an error of the store", err)
		}
		p.again()
		close(down)
	}
	wg.Wait()

	entries, err := store.Sends().Entries(t.Context(), log, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != limit || len(granted) > limit {
		t.Errorf("the log has %d entries and %d were granted, the limit is %d", len(entries), len(granted), limit)
	}
	for _, e := range entries {
		if !granted[e.Key] && !unclear[e.Key] {
			t.Errorf("%q is in the log, but was refused", e.Key)
		}
		delete(granted, e.Key)
	}
	if len(granted) > 0 {
		t.Errorf("%d entries that were granted are lost", len(granted))
	}
	if s, err := store.Sends().State(t.Context(), log); err != nil || string(s.Document) != "warm" {
		t.Errorf("the state is %q (%v)", s.Document, err)
	}
	if a, err := store.Calls().Enter(t.Context(), quota.CallAsk{CallKey: key}); err != nil || !a.Paused {
		t.Errorf("the pause was forgotten: %+v (%v)", a, err)
	}
	t.Logf("%d calls failed", len(unclear))
}

// A process that decides by itself while the server is away keeps to the limits,
// and the server knows of all it sent when it is back.
func TestTheServerIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	const limit = 30
	p := start(t, "--appendonly", "yes", "--appendfsync", "always")
	store := open(t, client(t, &redis.Options{Addr: p.address, MaxRetries: -1}), "")
	var mu sync.Mutex
	var failure error
	failing := func() error {
		mu.Lock()
		defer mu.Unlock()
		return failure
	}
	sends, err := quota.NewSends(quota.SendsConfig{
		Store: store.Sends(), Down: quota.DownLocal, Tenant: quota.GroupLimits{Messages: 2 * limit},
		Providers: map[mailbox.ProviderName]quota.SendLimits{"test": {Messages: limit, Recipients: limit, PerMessage: 1, PerMinute: limit}},
		OnStore: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			failure = err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	places := make(map[string]quota.Reservation)
	send := func(n int) (allowed bool) {
		r := quota.SendRequest{Ref: mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"}, Provider: "test", Key: fmt.Sprint(n)}
		place, d, err := sends.Reserve(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if d.Allowed {
			places[r.Key] = place
		}
		return d.Allowed
	}
	settle := func(n int) {
		place := places[fmt.Sprint(n)]
		f := sends.Commit
		if n%5 == 0 {
			f = sends.Cancel
			delete(places, place.ID)
		}
		if err := f(t.Context(), place); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for ; n < limit/3; n++ {
		send(n)
		if n%2 == 0 {
			settle(n)
		}
	}
	p.kill()
	for settled := 1; send(n); n++ {
		if settled < n {
			settle(settled)
			settled += 2
		}
	}
	if failing() == nil || len(places) != limit {
		t.Errorf("%d messages of %d, the store fails with %v", len(places), limit, failing())
	}
	p.again()
	for failing() != nil { // it is asked again after a second
		send(n)
	}
	if send(n) || len(places) != limit {
		t.Errorf("%d messages of %d", len(places), limit)
	}
	for _, l := range []quota.Log{{Tenant: "tenant", Kind: quota.LogMailbox, Name: "mailbox"}, {Tenant: "tenant", Kind: quota.LogTenant}} {
		entries, err := store.Sends().Entries(t.Context(), l, time.Time{})
		if err != nil || len(entries) != limit {
			t.Errorf("%d entries of %v in the store, %v", len(entries), l, err)
		}
	}
}
