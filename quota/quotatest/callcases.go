package quotatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

type callCase struct {
	rule  string
	check func(*callBench)
}

func callCases() []callCase {
	return []callCase{
		{"a bucket lets its burst go at once", func(b *callBench) {
			for range 10 {
				b.allowed(b.spend(slow("units", 10, 1)))
			}
			b.refused(unit, false, b.spend(slow("units", 10, 1)))
			b.refused(3*unit, false, b.spend(slow("units", 10, 3)))
			b.refused(10*unit, false, b.spend(slow("units", 10, 10)))
			b.allowed(b.spend(slow("units", 10, 0)))
		}},
		{"a call above the burst waits for the full burst and is paid off", func(b *callBench) {
			b.allowed(b.spend(slow("units", 10, 4)))
			b.refused(4*unit, false, b.spend(slow("units", 10, 30)))
			b.allowed(b.spend(slow("other", 10, 30)))
			b.refused(21*unit, false, b.spend(slow("other", 10, 1)))
		}},
		{"a call that leaves some for others goes while they are there", func(b *callBench) {
			keeping := slow("units", 10, 3)
			keeping.Keep = 4
			b.allowed(b.spend(keeping))
			b.allowed(b.spend(keeping)) // leaves 4
			b.refused(3*unit, false, b.spend(keeping))
			b.allowed(b.spend(slow("units", 10, 4)))
			day := counted("day", 10, 3)
			day.Keep = 4
			b.allowed(b.spend(day))
			b.allowed(b.spend(day))
			if answer := b.enter(b.spend(day)); answer.Allowed {
				b.Error("a call went that leaves too little for others")
			}
			b.allowed(b.spend(counted("day", 10, 4)))
			large := slow("large", 10, 8)
			large.Keep = 9 // more than there can be: all
			b.allowed(b.spend(large))
			b.refused(8*unit, false, b.spend(large))
		}},
		{"a bucket fills by itself", func(b *callBench) {
			quick := quota.BudgetAsk{Name: "units", Budget: quota.Budget{Units: 15, Per: 300 * time.Millisecond, Burst: 5}, N: 5}
			since := time.Now()
			b.allowed(b.spend(quick))
			b.comesIn(b.spend(quick), since, 100*time.Millisecond)
		}},
		{"a budget without a burst counts its whole span", func(b *callBench) {
			for range 5 {
				b.allowed(b.spend(counted("day", 5, 1)))
			}
			answer := b.enter(b.spend(counted("day", 5, 1)))
			if answer.Allowed {
				b.Fatal("the sixth of five units was let go")
			}
			b.wantWait(answer.Wait, 96*time.Hour, time.Hour)
		}},
		{"a call above all units goes alone", func(b *callBench) {
			b.allowed(b.spend(counted("day", 5, 9)))
			answer := b.enter(b.spend(counted("day", 5, 1)))
			if answer.Allowed {
				b.Fatal("let go")
			}
			b.wantWait(answer.Wait, 96*time.Hour, time.Hour)
			b.allowed(b.spend(counted("other", 5, 1)))
			if b.enter(b.spend(counted("other", 5, 9))).Allowed {
				b.Error("it went beside others")
			}
		}},
		{"a counted span ends", func(b *callBench) {
			quick := quota.BudgetAsk{Name: "day", Budget: quota.Budget{Units: 2, Per: 96 * time.Millisecond}, N: 2}
			since := time.Now()
			b.allowed(b.spend(quick))
			b.comesIn(b.spend(quick), since, 96*time.Millisecond)
		}},
		{"a refused call takes nothing", func(b *callBench) {
			b.allowed(b.spend(slow("b", 5, 5)))
			for range 3 {
				b.refused(unit, false, b.slots("x", 1, 1, slow("a", 5, 5), slow("b", 5, 1), counted("c", 5, 5)))
			}
			b.allowed(b.slots("y", 1, 1))
			b.refused(0, false, b.slots("x", 1, 1, slow("a", 5, 5), counted("c", 5, 5)))
			b.allowed(b.spend(slow("a", 5, 5), counted("c", 5, 5)))
		}},
		{"the longest wait counts", func(b *callBench) {
			b.allowed(b.spend(slow("a", 5, 5), slow("b", 5, 3)))
			b.refused(2*unit, false, b.spend(slow("a", 5, 2), slow("b", 5, 3)))
			b.refused(5*unit, false, b.spend(slow("a", 5, 5), slow("b", 5, 5)))
			b.pause(false, 4*unit)
			b.refused(4*unit, true, b.spend(slow("a", 5, 1)))
			b.refused(5*unit, true, b.spend(slow("a", 5, 5)))
		}},
		{"slots are as many as there are", func(b *callBench) {
			b.allowed(b.slots("a", 2, 4))
			b.allowed(b.slots("b", 1, 4))
			b.refused(0, false, b.slots("c", 2, 4))
			b.allowed(b.slots("c", 1, 4))
			b.refused(0, false, b.slots("d", 1, 4))
			b.leave("a")
			b.leave("a")
			b.leave("never there")
			b.allowed(b.slots("d", 2, 4))
			b.refused(0, false, b.slots("e", 1, 4))
			b.refused(0, false, b.slots("e", 1, 2))
			b.allowed(b.spend(slow("units", 1, 1)))
		}},
		{"a call wider than all slots goes alone", func(b *callBench) {
			b.allowed(b.slots("a", 1, 4))
			b.refused(0, false, b.slots("wide", 9, 4))
			b.leave("a")
			b.allowed(b.slots("wide", 9, 4))
			b.refused(0, false, b.slots("a", 1, 4))
			b.leave("wide")
			b.allowed(b.slots("a", 1, 4))
		}},
		{"a call that asks again keeps its slots", func(b *callBench) {
			for range 3 {
				b.allowed(b.slots("a", 2, 2, slow("units", 4, 1)))
			}
			b.allowed(b.slots("a", 2, 1))
			b.allowed(b.slots("a", 1, 2))
			b.refused(0, false, b.slots("b", 1, 2))
			b.refused(3*unit, false, b.slots("a", 2, 2, slow("units", 4, 5)))
			b.refused(0, false, b.slots("b", 1, 2))
			b.leave("a")
			b.allowed(b.slots("b", 1, 2))
			b.refused(0, false, b.slots("a", 2, 2))
		}},
		{"slots of a call that never leaves are free after a while", func(b *callBench) {
			lost := b.slots("lost", 1, 1)
			lost.TTL = 50 * time.Millisecond
			since := time.Now()
			b.allowed(lost)
			b.comesIn(b.slots("next", 1, 1), since, lost.TTL)
		}},
		{"asking again prolongs and never shortens", func(b *callBench) {
			short := b.slots("a", 1, 1)
			short.TTL = 20 * time.Millisecond
			b.allowed(short)
			b.allowed(b.slots("a", 1, 1))
			b.allowed(short)
			b.pass(40 * time.Millisecond)
			b.refused(0, false, b.slots("b", 1, 1))
		}},
		{"a pause stops every call", func(b *callBench) {
			b.pause(false, time.Hour)
			send := b.spend(slow("units", 5, 1))
			send.Send = true
			b.refused(time.Hour, true, send)
			b.refused(time.Hour, true, b.spend(slow("units", 5, 1)))
			b.refused(time.Hour, true, b.slots("a", 1, 1))
		}},
		{"a pause of sends stops sends alone", func(b *callBench) {
			b.pause(true, time.Hour)
			send := b.spend()
			send.Send = true
			b.refused(time.Hour, true, send)
			b.allowed(b.spend())
			b.pause(false, 30*time.Minute)
			b.refused(time.Hour, true, send)
			b.refused(30*time.Minute, true, b.spend())
		}},
		{"a pause is never shortened", func(b *callBench) {
			for _, sends := range []bool{false, true} {
				ask := b.spend()
				ask.Send = sends
				b.pause(sends, 2*time.Hour)
				b.pause(sends, time.Hour)
				b.pause(sends, 0)
				b.pause(sends, -time.Hour)
				b.refused(2*time.Hour, true, ask)
				b.pause(sends, 3*time.Hour)
				b.refused(3*time.Hour, true, ask)
				b.key.App += "'"
			}
		}},
		{"a pause ends", func(b *callBench) {
			since := time.Now()
			b.pause(false, 50*time.Millisecond)
			b.comesIn(b.spend(), since, 50*time.Millisecond)
		}},
		{"no pause is no pause", func(b *callBench) {
			b.pause(false, 0)
			b.pause(false, -time.Hour)
			b.pause(true, -time.Hour)
			send := b.spend()
			send.Send = true
			b.allowed(send)
		}},
		{"who waits as long as told is let go", func(b *callBench) {
			for i, ask := range []quota.CallAsk{
				b.spend(quota.BudgetAsk{Name: "bucket", Budget: quota.Budget{Units: 13, Per: 70 * time.Millisecond, Burst: 6}, N: 5}),
				b.spend(quota.BudgetAsk{Name: "counter", Budget: quota.Budget{Units: 7, Per: 40 * time.Millisecond}, N: 3}),
			} {
				for range 6 {
					answer := b.enter(ask)
					if answer.Allowed {
						continue
					}
					b.pass(answer.Wait)
					if again := b.enter(ask); !again.Allowed && again.Wait > clockError {
						b.Errorf("ask %d: told to wait %v and then %v more", i, answer.Wait, again.Wait)
					}
				}
			}
		}},
		{"states do not mix", (*callBench).statesDoNotMix},
		{"ids are compared byte by byte", func(b *callBench) {
			ids := []string{
				"a", "A", "a ", " a", "a%", "a_", "a'b", `a"b`, "a\\b", "ä", "a\u0308", "🙂", "{a}", "a:b", "null", "0", "00", "-1",
				strings.Repeat("k", 64), strings.Repeat("k", 63),
			}
			for _, id := range ids {
				b.allowed(b.slots(id, 1, len(ids)))
			}
			b.refused(0, false, b.slots("one more", 1, len(ids)))
			for i, id := range ids {
				b.leave(id)
				b.allowed(b.slots(strconv.Itoa(1000+i), 1, len(ids)))
			}
			b.refused(0, false, b.slots("one more", 1, len(ids)))
		}},
		{"what makes no sense is refused", (*callBench).nonsense},
		{"a context that is over changes nothing", func(b *callBench) {
			ctx, cancel := context.WithCancel(b.Context())
			cancel()
			b.allowed(b.slots("kept", 1, 2))
			if _, err := b.Store.Enter(ctx, b.slots("a", 1, 2, slow("units", 1, 1))); !errors.Is(err, context.Canceled) {
				b.Errorf("Enter: %v, want the context's error", err)
			}
			if err := b.Store.Leave(ctx, b.key, "kept"); !errors.Is(err, context.Canceled) {
				b.Errorf("Leave: %v, want the context's error", err)
			}
			if err := b.Store.Pause(ctx, b.key, false, time.Hour); !errors.Is(err, context.Canceled) {
				b.Errorf("Pause: %v, want the context's error", err)
			}
			b.allowed(b.slots("b", 1, 2, slow("units", 1, 1)))
			b.refused(0, false, b.slots("c", 1, 2))
		}},
		{"the other view sees the same", func(b *callBench) {
			b.allowed(b.slots("a", 1, 1, slow("units", 3, 3)))
			b.Store, b.Other = b.Other, b.Store
			b.refused(0, false, b.slots("b", 1, 1))
			b.refused(unit, false, b.spend(slow("units", 3, 1)))
			b.leave("a")
			b.pause(true, time.Hour)
			b.Store, b.Other = b.Other, b.Store
			b.allowed(b.slots("b", 1, 1))
			send := b.spend()
			send.Send = true
			b.refused(time.Hour, true, send)
		}},
		{"callers at once never pass a burst", func(b *callBench) {
			var bucket, counter atomic.Int64
			b.hammer(16, func(ctx context.Context, store quota.CallStore, i int) {
				ask, taken := b.spend(slow("bucket", 60, 2)), &bucket
				if i%2 == 1 {
					ask, taken = b.spend(counted("counter", 60, 2)), &counter
				}
				answer, err := store.Enter(ctx, ask)
				if err != nil {
					b.Error(err)
				}
				if answer.Allowed {
					taken.Add(2)
				}
			})
			if bucket.Load() != 60 || counter.Load() != 60 {
				b.Errorf("%d and %d units were let go, want 60 of each", bucket.Load(), counter.Load())
			}
		}},
		{"callers at once never pass a budget in any span", (*callBench).anySpan},
		{"callers at once never pass the slots", func(b *callBench) {
			var inflight atomic.Int64
			b.hammer(12, func(ctx context.Context, store quota.CallStore, i int) {
				id := strconv.Itoa(i)
				answer, err := store.Enter(ctx, b.slots(id, 1+i%2, 3))
				if err != nil {
					b.Error(err)
				}
				if !answer.Allowed {
					return
				}
				if n := inflight.Add(int64(1 + i%2)); n > 3 {
					b.Errorf("%d of 3 slots are taken", n)
				}
				inflight.Add(-int64(1 + i%2))
				if err := store.Leave(ctx, b.key, id); err != nil {
					b.Error(err)
				}
			})
			b.allowed(b.slots("all", 3, 3))
		}},
		{"random scripts match the arithmetic", (*callBench).randomScripts},
	}
}

func (b *callBench) statesDoNotMix() {
	keys := []quota.CallKey{}
	for _, ref := range []mailbox.Ref{
		{},
		{Tenant: "t"},
		{Tenant: "t", Mailbox: "m"},
		{Tenant: "T", Mailbox: "m"},
		{Tenant: "t", Mailbox: "M"},
		{Tenant: "t/m", Mailbox: "x"},
		{Tenant: "t", Mailbox: "m/x"},
		{Tenant: "t:m", Mailbox: "x"},
		{Tenant: "t", Mailbox: "m:x"},
		{Tenant: "t", Mailbox: "m{x}"},
		{Tenant: "tm", Mailbox: "x"},
		{Tenant: "t", Mailbox: "mx"},
		{Tenant: "t", Mailbox: "ä"},
		{Tenant: "t", Mailbox: "a\u0308"},
		{Tenant: "t", Mailbox: " m"},
		{Tenant: "t", Mailbox: "m "},
		{Tenant: "t", Mailbox: `m'"\%_`},
		{Tenant: "t", Mailbox: mailbox.MailboxID(strings.Repeat("m", 255))},
		{Tenant: "t", Mailbox: mailbox.MailboxID(strings.Repeat("m", 254))},
	} {
		keys = append(keys, quota.CallKey{Provider: "p", App: "a", Ref: ref})
	}
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	keys = append(
		keys,
		quota.CallKey{Provider: "p", App: "A", Ref: ref},
		quota.CallKey{Provider: "p", App: "", Ref: ref},
		quota.CallKey{Provider: "P", App: "a", Ref: ref},
		quota.CallKey{Provider: "", App: "pa", Ref: ref},
		quota.CallKey{Provider: "pa", App: "", Ref: ref},
		quota.CallKey{Provider: "p", App: "a/t", Ref: mailbox.Ref{Tenant: "m", Mailbox: "x"}},
	)
	for i, key := range keys {
		b.key = key
		if answer := b.enter(b.slots("a", 1, 1, slow("units", 1, 1))); !answer.Allowed {
			b.Errorf("%d: %q sees the state of another", i, key)
		}
	}
	b.key = keys[0]
	b.leave("a")
	b.pause(false, time.Hour)
	for _, key := range keys[1:] {
		b.key = key
		b.refused(0, false, b.slots("b", 1, 1))
		b.refused(unit, false, b.spend(slow("units", 1, 1)))
	}
}

func (b *callBench) nonsense() {
	long := strings.Repeat("x", 256)
	many := make([]quota.BudgetAsk, 9)
	for i := range many {
		many[i] = slow(strings.Repeat("x", i+1), 1, 1)
	}
	with := func(change func(*quota.CallAsk)) quota.CallAsk {
		a := b.slots("a", 1, 1, slow("units", 5, 1))
		change(&a)
		return a
	}
	budget := func(change func(*quota.BudgetAsk)) quota.CallAsk {
		return with(func(a *quota.CallAsk) { change(&a.Budgets[0]) })
	}
	for field, ask := range map[string]quota.CallAsk{
		"provider":              with(func(a *quota.CallAsk) { a.Provider = mailbox.ProviderName(long) }),
		"app":                   with(func(a *quota.CallAsk) { a.App = "\xff" }),
		"tenant":                with(func(a *quota.CallAsk) { a.Tenant = "a\x00" }),
		"mailbox":               with(func(a *quota.CallAsk) { a.Mailbox = mailbox.MailboxID(long) }),
		"id":                    with(func(a *quota.CallAsk) { a.ID = "" }),
		"id too long":           with(func(a *quota.CallAsk) { a.ID = long[:65] }),
		"id without slots":      with(func(a *quota.CallAsk) { a.Slots = 0 }),
		"slots":                 with(func(a *quota.CallAsk) { a.Slots = -1 }),
		"max_slots":             with(func(a *quota.CallAsk) { a.MaxSlots = 0 }),
		"ttl":                   with(func(a *quota.CallAsk) { a.TTL = 0 }),
		"budgets":               with(func(a *quota.CallAsk) { a.Budgets = many }),
		"budgets[1].name":       with(func(a *quota.CallAsk) { a.Budgets = append(a.Budgets, a.Budgets[0]) }),
		"budgets[0].name":       budget(func(b *quota.BudgetAsk) { b.Name = "" }),
		"budgets[0].name upper": budget(func(b *quota.BudgetAsk) { b.Name = "A" }),
		"budgets[0].name long":  budget(func(b *quota.BudgetAsk) { b.Name = long[:17] }),
		"budgets[0].units":      budget(func(b *quota.BudgetAsk) { b.Units = 0 }),
		"budgets[0].burst":      budget(func(b *quota.BudgetAsk) { b.Burst = b.Units }),
		"budgets[0].burst < 0":  budget(func(b *quota.BudgetAsk) { b.Burst = -1 }),
		"budgets[0].per":        budget(func(b *quota.BudgetAsk) { b.Per = 0 }),
		"budgets[0].n":          budget(func(b *quota.BudgetAsk) { b.N = -1 }),
	} {
		_, err := b.Store.Enter(b.Context(), ask)
		want, _, _ := strings.Cut(field, " ")
		fe, ok := errors.AsType[*mailbox.FieldError](err)
		if !ok || !errors.Is(err, mailbox.ClassInvalid) || fe.Field != want {
			b.Errorf("%s: %v, want an invalid %s", field, err, want)
		}
	}
	b.allowed(b.slots("b", 1, 1, slow("units", 5, 5)))
}

// anySpan lets callers at once spend as fast as they can and looks for a span of
// which it is certain that it held too much.
func (b *callBench) anySpan() {
	const per = 150 * time.Millisecond
	budgets := []quota.BudgetAsk{
		{Name: "bucket", Budget: quota.Budget{Units: 50, Per: per, Burst: 20}, N: 1},
		{Name: "counter", Budget: quota.Budget{Units: 50, Per: per}, N: 1},
	}
	type spending struct{ asked, told time.Time }
	var (
		mu  sync.Mutex
		log [2][]spending
	)
	b.hammer(1, func(ctx context.Context, store quota.CallStore, i int) {
		which := i / 2 % 2
		for time.Since(b.start) < 4*per {
			asked := time.Now()
			answer, err := store.Enter(ctx, b.spend(budgets[which]))
			if err != nil {
				b.Error(err)
				return
			}
			if answer.Allowed {
				mu.Lock()
				log[which] = append(log[which], spending{asked, time.Now()})
				mu.Unlock()
			}
			if !answer.Allowed {
				b.pass(answer.Wait / 8)
			}
		}
	})
	for which, spent := range log {
		if len(spent) == 0 {
			b.Errorf("%s: nothing was spent", budgets[which].Name)
		}
		for _, first := range spent {
			n := 0
			for _, s := range spent {
				if !s.asked.Before(first.asked) && s.told.Sub(first.asked) < per-clockError {
					n++
				}
			}
			if n > budgets[which].Units {
				b.Errorf("%s: %d units in %v, limit %d", budgets[which].Name, n, per, budgets[which].Units)
				break
			}
		}
	}
}

// randomScripts compares the store with [quota.CallState] in steps that do not
// depend on how much time passes between them.
func (b *callBench) randomScripts() {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		b.key.App = fmt.Sprint("app ", seed)
		model := new(quota.CallState)
		for step := range 80 {
			id := strconv.Itoa(r.IntN(6))
			switch r.IntN(12) {
			case 0, 1, 2:
				b.leave(id)
				model.Leave(id)
				continue
			case 3:
				sends, d := r.IntN(2) == 0, time.Duration(r.IntN(3))*time.Hour
				if r.IntN(4) > 0 {
					continue // or the rest would be about pauses alone
				}
				b.pause(sends, d)
				model.Pause(sends, d, b.start)
				continue
			}
			ask := b.slots(id, 1+r.IntN(3), 4, slow("a", 40, r.IntN(8)), counted("b", 60, r.IntN(8)), slow("c", 3, r.IntN(6)/5))
			ask.Send = r.IntN(3) == 0
			if r.IntN(4) == 0 {
				ask.ID, ask.Slots = "", 0
			}
			got, want := b.enter(ask), model.Enter(ask, b.start)
			if got.Allowed != want.Allowed || got.Paused != want.Paused {
				b.Fatalf("seed %d, step %d: %+v gives %+v, want %+v", seed, step, ask, got, want)
			}
			if want.Wait > 0 || got.Wait > 0 {
				if off := (got.Wait - want.Wait).Abs(); off > time.Since(b.start)+time.Hour+clockError {
					b.Errorf("seed %d, step %d: wait %v, want %v", seed, step, got.Wait, want.Wait)
				}
			}
			if r.IntN(2) == 0 {
				b.Store, b.Other = b.Other, b.Store
			}
		}
	}
}
