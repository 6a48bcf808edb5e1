// Package quotatest holds the rules of [quota.Store] as a conformance suite, for
// the stores of this module and for those that hosts write.
package quotatest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// Harness is a store under test.
type Harness struct {
	Store quota.Store
	// Other is another view of the same data, as a second process would have.
	// Nil means Store itself.
	Other quota.Store
}

// Run tests a store. open is called once for each rule, possibly at the same
// time for several, and returns a store without entries; it cleans up with
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, c := range cases() {
		t.Run(strings.ReplaceAll(c.rule, " ", "_"), func(t *testing.T) {
			t.Parallel()
			h := open(t)
			if h.Other == nil {
				h.Other = h.Store
			}
			c.check(&bench{
				T:       t,
				Harness: h,
				log:     quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: "mailbox"},
				start:   time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			})
		})
	}
}

// bench is what a case works with: a store, a mailbox, a time to start at, and
// short words for using them.
type bench struct {
	*testing.T
	Harness
	log   quota.Log
	start time.Time
}

func (b *bench) entry(key string, at time.Time, recipients int) quota.Entry {
	return quota.Entry{Log: b.log, Key: key, Recipients: recipients, At: at}
}

func messages(n int, per time.Duration) quota.Window { return quota.Window{Per: per, Max: n} }

func recipients(n int, per time.Duration) quota.Window {
	return quota.Window{Per: per, Max: n, Recipients: true}
}

// days is a window of calendar days that begin at midnight UTC, from two before
// the start to the third after it.
func (b *bench) days(n int) quota.Window {
	w := quota.Window{Max: n}
	for d := -2; d <= 3; d++ {
		w.Days = append(w.Days, b.start.Truncate(24*time.Hour).AddDate(0, 0, d))
	}
	return w
}

func (b *bench) ask(e quota.Entry, windows ...quota.Window) quota.Answer {
	b.Helper()
	a, err := b.Store.Decide(b.Context(), quota.Ask{Entry: e, Windows: windows})
	if err != nil {
		b.Fatalf("Decide(%q): %v", e.Key, err)
	}
	if len(a.Usage) != len(windows) {
		b.Fatalf("Decide(%q): %d usages for %d windows", e.Key, len(a.Usage), len(windows))
	}
	return a
}

func (b *bench) allowed(e quota.Entry, windows ...quota.Window) quota.Answer {
	b.Helper()
	a := b.ask(e, windows...)
	if !a.Allowed {
		b.Fatalf("Decide(%q at %v) was refused: %+v", e.Key, e.At, a.Usage)
	}
	for i, u := range a.Usage {
		if !u.NotBefore.IsZero() {
			b.Errorf("Decide(%q) was allowed, but window %d says not before %v", e.Key, i, u.NotBefore)
		}
	}
	return a
}

func (b *bench) refused(notBefore time.Time, e quota.Entry, windows ...quota.Window) quota.Answer {
	b.Helper()
	a := b.ask(e, windows...)
	if a.Allowed {
		b.Fatalf("Decide(%q at %v) was allowed: %+v", e.Key, e.At, a.Usage)
	}
	var latest time.Time
	for _, u := range a.Usage {
		if u.NotBefore.After(latest) {
			latest = u.NotBefore
		}
	}
	if !latest.Equal(notBefore) {
		b.Errorf("Decide(%q at %v): not before %v, want %v", e.Key, e.At, latest, notBefore)
	}
	return a
}

func (b *bench) settle(e quota.Entry) {
	b.Helper()
	if err := b.Store.Settle(b.Context(), e); err != nil {
		b.Fatalf("Settle(%q): %v", e.Key, err)
	}
}

func (b *bench) remove(key string) {
	b.Helper()
	if err := b.Store.Remove(b.Context(), b.log, key); err != nil {
		b.Fatalf("Remove(%q): %v", key, err)
	}
}

func (b *bench) setState(l quota.Log, document string, version int64) bool {
	b.Helper()
	ok, err := b.Store.SetState(b.Context(), l, quota.State{Document: []byte(document), Version: version})
	if err != nil {
		b.Fatalf("SetState(%v, version %d): %v", l, version, err)
	}
	return ok
}

func (b *bench) wantState(l quota.Log, document string, version int64) {
	b.Helper()
	for _, store := range []quota.Store{b.Store, b.Other} {
		s, err := store.State(b.Context(), l)
		if err != nil || string(s.Document) != document || s.Version != version {
			b.Errorf("State(%v) = %.40q, version %d, %v, want %.40q, version %d", l, s.Document, s.Version, err, document, version)
		}
	}
}

// used returns what the log holds at a time, counted over a day.
func (b *bench) used(at time.Time) (msgs, rcpts int) {
	b.Helper()
	a := b.ask(b.entry("probe", at, 1), messages(1_000_000, quota.Horizon), recipients(1_000_000, quota.Horizon))
	b.remove("probe")
	return a.Usage[0].Used, a.Usage[1].Used
}

func (b *bench) wantUsed(at time.Time, msgs, rcpts int) {
	b.Helper()
	if m, r := b.used(at); m != msgs || r != rcpts {
		b.Errorf("%d messages and %d recipients are counted, want %d and %d", m, r, msgs, rcpts)
	}
}

// hammer calls f 256 times from 32 goroutines, over both views.
func (b *bench) hammer(f func(store quota.Store, i int)) {
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 8 {
				f([]quota.Store{b.Store, b.Other}[g%2], g*8+i)
			}
		})
	}
	wg.Wait()
}

// equal reports whether two answers are the same.
func equal(a, b quota.Answer) bool {
	return a.Allowed == b.Allowed && a.Known == b.Known && a.At.Equal(b.At) && slices.EqualFunc(a.Usage, b.Usage, func(a, b quota.Usage) bool {
		return a.Used == b.Used && a.NotBefore.Equal(b.NotBefore)
	})
}
