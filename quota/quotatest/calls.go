package quotatest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// CallHarness is a call store under test.
type CallHarness struct {
	Store quota.CallStore
	// Other is another view of the same data, as a second process would have.
	// Nil means Store itself.
	Other quota.CallStore
}

// RunCalls tests a call store. open is called once for each rule, possibly at
// the same time for several, and returns a store without states; it cleans up
// with t.Cleanup.
//
// The store's own clock is used as it is: it has to run as fast as that of the
// tests, and a slow machine fails nothing.
func RunCalls(t *testing.T, open func(t *testing.T) CallHarness) {
	t.Helper()
	for _, c := range callCases() {
		t.Run(strings.ReplaceAll(c.rule, " ", "_"), func(t *testing.T) {
			t.Parallel()
			h := open(t)
			if h.Other == nil {
				h.Other = h.Store
			}
			c.check(&callBench{
				T:           t,
				CallHarness: h,
				key: quota.CallKey{
					Provider: "provider", App: "app",
					Ref: mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"},
				},
				start: time.Now(),
			})
		})
	}
}

// callBench is what a case works with: a store, a key, and short words for
// using them.
type callBench struct {
	*testing.T
	CallHarness
	key   quota.CallKey
	start time.Time
}

// unit is how long a unit of slow takes to flow in: so long that no test sees
// it.
const unit = time.Hour

// slow is a budget that holds burst units and gets one more each hour.
func slow(name string, burst, n int) quota.BudgetAsk {
	return quota.BudgetAsk{Name: name, Budget: quota.Budget{Units: 1000, Per: 1000 * unit, Burst: burst}, N: n}
}

// counted is a budget of units in any 96 hours, counted in steps of an hour.
func counted(name string, units, n int) quota.BudgetAsk {
	return quota.BudgetAsk{Name: name, Budget: quota.Budget{Units: units, Per: 96 * time.Hour}, N: n}
}

// spend asks for units alone.
func (b *callBench) spend(budgets ...quota.BudgetAsk) quota.CallAsk {
	return quota.CallAsk{CallKey: b.key, Budgets: budgets}
}

// slots asks for slots, and for units if there are budgets.
func (b *callBench) slots(id string, n, most int, budgets ...quota.BudgetAsk) quota.CallAsk {
	return quota.CallAsk{CallKey: b.key, ID: id, Slots: n, MaxSlots: most, TTL: time.Hour, Budgets: budgets}
}

func (b *callBench) enter(a quota.CallAsk) quota.CallAnswer {
	b.Helper()
	answer, err := b.Store.Enter(b.Context(), a)
	if err != nil {
		b.Fatalf("Enter: %v", err)
	}
	if answer.Allowed && (answer.Wait != 0 || answer.Paused) || answer.Wait < 0 || answer.Paused && answer.Wait == 0 {
		b.Errorf("Enter: %+v contradicts itself", answer)
	}
	return answer
}

func (b *callBench) allowed(a quota.CallAsk) {
	b.Helper()
	if answer := b.enter(a); !answer.Allowed {
		b.Fatalf("Enter: %+v, want it allowed", answer)
	}
}

// refused wants a wait that was right at some time since the case began.
func (b *callBench) refused(wait time.Duration, paused bool, a quota.CallAsk) {
	b.Helper()
	answer := b.enter(a)
	if answer.Allowed {
		b.Fatal("Enter: allowed, want it refused")
	}
	b.wantWait(answer.Wait, wait, 0)
	if answer.Paused != paused {
		b.Errorf("paused: %v, want %v", answer.Paused, paused)
	}
}

// wantWait wants a wait that counts from some time since the case began, and may
// be longer by a step.
func (b *callBench) wantWait(got, want, step time.Duration) {
	b.Helper()
	passed := time.Since(b.start)
	if want == 0 && got != 0 || got > want+step+clockError || got < want-passed-clockError {
		b.Errorf("wait %v, want %v less up to %v", got, want+step, step+passed)
	}
}

// clockError is by how much waits may be off.
const clockError = 2 * time.Millisecond

func (b *callBench) leave(id string) {
	b.Helper()
	if err := b.Store.Leave(b.Context(), b.key, id); err != nil {
		b.Fatalf("Leave: %v", err)
	}
}

func (b *callBench) pause(sends bool, d time.Duration) {
	b.Helper()
	if err := b.Store.Pause(b.Context(), b.key, sends, d); err != nil {
		b.Fatalf("Pause: %v", err)
	}
}

// comesIn asks until it is allowed, which has to be in a minute but not in less
// than least after since.
func (b *callBench) comesIn(a quota.CallAsk, since time.Time, least time.Duration) {
	b.Helper()
	for !b.enter(a).Allowed {
		if time.Since(since) > least+time.Minute {
			b.Fatalf("not allowed after %v", time.Since(since))
		}
		b.pass(time.Millisecond)
	}
	if passed := time.Since(since); passed < least-clockError {
		b.Errorf("allowed after %v, want at least %v", passed, least)
	}
}

// pass lets time pass by the store's clock, which is not ours to turn.
func (b *callBench) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-b.Context().Done():
	}
}

// hammer calls f as often as said from each of 16 goroutines, over both views.
func (b *callBench) hammer(times int, f func(ctx context.Context, store quota.CallStore, i int)) {
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range times {
				f(b.Context(), []quota.CallStore{b.Store, b.Other}[g%2], g*times+i)
			}
		})
	}
	wg.Wait()
}
