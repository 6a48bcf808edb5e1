package quotatest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

type testCase struct {
	rule  string
	check func(*bench)
}

// cases are the rules of a store, one each.
func cases() []testCase {
	return []testCase{
		{"an empty log has room", func(b *bench) {
			a := b.allowed(b.entry("a", b.start, 3), messages(1, time.Minute), recipients(3, quota.Horizon))
			if !a.At.Equal(b.start) {
				b.Errorf("decided at %v, want %v", a.At, b.start)
			}
			if a.Usage[0].Used != 0 || a.Usage[1].Used != 0 {
				b.Errorf("usage %+v, want none", a.Usage)
			}
		}},
		{"no windows refuse nothing", func(b *bench) {
			b.allowed(b.entry("a", b.start, 1))
			b.wantUsed(b.start, 1, 1)
		}},
		{"messages are counted in a window", func(b *bench) {
			w := messages(2, time.Hour)
			b.allowed(b.entry("a", b.start, 9), w)
			b.allowed(b.entry("b", b.start.Add(time.Minute), 9), w)
			b.refused(b.start.Add(time.Hour), b.entry("c", b.start.Add(2*time.Minute), 9), w)
		}},
		{"a window ends exactly", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(time.Hour-time.Microsecond), 1), w)
			b.allowed(b.entry("b", b.start.Add(time.Hour), 1), w)
		}},
		{"recipients are counted in a window", func(b *bench) {
			w := recipients(10, time.Hour)
			b.allowed(b.entry("a", b.start, 4), w)
			b.allowed(b.entry("b", b.start.Add(time.Minute), 4), w)
			b.allowed(b.entry("c", b.start.Add(2*time.Minute), 2), w)
			b.refused(b.start.Add(time.Hour), b.entry("d", b.start.Add(3*time.Minute), 4), w)
			b.refused(b.start.Add(time.Hour+time.Minute), b.entry("d", b.start.Add(3*time.Minute), 5), w)
			b.refused(b.start.Add(time.Hour+2*time.Minute), b.entry("d", b.start.Add(3*time.Minute), 10), w)
		}},
		{"every window is reported", func(b *bench) {
			b.allowed(b.entry("a", b.start, 5))
			at := b.start.Add(time.Second)
			a := b.refused(b.start.Add(time.Hour), b.entry("b", at, 1),
				messages(1, time.Minute), messages(5, time.Hour), recipients(5, time.Hour), messages(1, 500*time.Millisecond))
			want := []quota.Usage{
				{Used: 1, NotBefore: b.start.Add(time.Minute)},
				{Used: 1},
				{Used: 5, NotBefore: b.start.Add(time.Hour)},
				{Used: 0},
			}
			for i := range want {
				if a.Usage[i].Used != want[i].Used || !a.Usage[i].NotBefore.Equal(want[i].NotBefore) {
					b.Errorf("window %d: %+v, want %+v", i, a.Usage[i], want[i])
				}
			}
		}},
		{"a refusal takes no place", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(time.Minute), 1), w)
			b.wantUsed(b.start.Add(time.Minute), 1, 1)
			b.allowed(b.entry("c", b.start.Add(time.Hour), 1), w)
		}},
		{"a key has one place", func(b *bench) {
			w := messages(2, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.allowed(b.entry("b", b.start, 1), w)
			for i := range 3 {
				a := b.allowed(b.entry("a", b.start.Add(time.Duration(i)*time.Second), 1), w)
				if a.Usage[0].Used != 1 {
					b.Errorf("the own entry is counted: %+v", a.Usage)
				}
			}
			b.wantUsed(b.start.Add(time.Minute), 2, 2)
		}},
		{"an allowed repeat moves the place", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.allowed(b.entry("a", b.start.Add(30*time.Minute), 2), w)
			b.refused(b.start.Add(90*time.Minute), b.entry("b", b.start.Add(time.Hour), 1), w)
			b.wantUsed(b.start.Add(time.Hour), 1, 2)
		}},
		{"a refused repeat keeps its place", func(b *bench) {
			w := messages(1, time.Minute)
			b.allowed(b.entry("a", b.start, 1), w)
			at := b.start.Add(2 * time.Minute)
			b.allowed(b.entry("b", at, 1), w)
			b.refused(at.Add(time.Minute), b.entry("a", at.Add(time.Second), 1), w)
			b.wantUsed(at.Add(time.Second), 2, 2)
			b.refused(b.start.Add(quota.Horizon), b.entry("c", at.Add(time.Second), 1), messages(2, quota.Horizon), w)
		}},
		{"settling moves a place to a later time once", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.settle(b.entry("a", b.start.Add(10*time.Minute), 1))
			b.refused(b.start.Add(70*time.Minute), b.entry("b", b.start.Add(time.Hour), 1), w)
			b.settle(b.entry("a", b.start.Add(50*time.Minute), 1))
			b.refused(b.start.Add(70*time.Minute), b.entry("b", b.start.Add(time.Hour), 1), w)
		}},
		{"settling never moves a place to an earlier time", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.settle(b.entry("a", b.start.Add(-10*time.Minute), 1))
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(55*time.Minute), 1), w)
		}},
		{"settling adds what is missing", func(b *bench) {
			b.settle(b.entry("a", b.start, 3))
			b.wantUsed(b.start.Add(time.Minute), 1, 3)
			b.settle(b.entry("a", b.start.Add(time.Minute), 3))
			b.wantUsed(b.start.Add(time.Minute), 1, 3)
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(2*time.Minute), 1), messages(1, time.Hour))
		}},
		{"settling counts above every cap", func(b *bench) {
			w := messages(2, time.Hour)
			for i := range 5 {
				b.settle(b.entry(fmt.Sprint(i), b.start.Add(time.Duration(i)*time.Minute), 1))
			}
			a := b.refused(b.start.Add(time.Hour+3*time.Minute), b.entry("b", b.start.Add(10*time.Minute), 1), w)
			if a.Usage[0].Used != 5 {
				b.Errorf("used %d, want 5", a.Usage[0].Used)
			}
		}},
		{"a settled key may be asked for again", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.settle(b.entry("a", b.start, 1))
			b.allowed(b.entry("a", b.start.Add(time.Minute), 1), w)
			b.settle(b.entry("a", b.start.Add(2*time.Minute), 1))
			b.refused(b.start.Add(62*time.Minute), b.entry("b", b.start.Add(time.Hour), 1), w)
		}},
		{"removing gives the place back", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start, 7), w)
			b.remove("a")
			b.remove("a")
			b.remove("never there")
			b.wantUsed(b.start, 0, 0)
			b.allowed(b.entry("b", b.start, 1), w)
			b.settle(b.entry("b", b.start, 1))
			b.remove("b")
			b.allowed(b.entry("c", b.start, 1), w)
		}},
		{"removing one of several at the same time", func(b *bench) {
			for i := range 5 {
				b.allowed(b.entry(fmt.Sprint(i), b.start, 1+i))
			}
			b.remove("2")
			b.wantUsed(b.start, 4, 12)
			b.refused(b.start.Add(time.Hour), b.entry("x", b.start, 1), recipients(12, time.Hour))
		}},
		{"mailboxes do not mix", func(b *bench) {
			refs := []mailbox.Ref{
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
			}
			for _, ref := range refs {
				e := b.entry("a", b.start, 1)
				e.Ref = ref
				if a := b.allowed(e, messages(1, time.Hour)); a.Usage[0].Used != 0 {
					b.Errorf("%v sees the entry of another mailbox", ref)
				}
			}
			if err := b.Store.Remove(b.Context(), refs[0], "a"); err != nil {
				b.Fatal(err)
			}
			for _, ref := range refs[1:] {
				e := b.entry("b", b.start, 1)
				e.Ref = ref
				b.refused(b.start.Add(time.Hour), e, messages(1, time.Hour))
			}
		}},
		{"keys are compared byte by byte", func(b *bench) {
			keys := []string{
				"a", "A", "a ", " a", "a%", "a_", "a'b", `a"b`, "a\\b", "ä", "a\u0308", "ß", "ss", "🙂", "{a}", "a:b", "null", "0", "00",
				strings.Repeat("k", 512), strings.Repeat("k", 511),
			}
			for i, key := range keys {
				b.allowed(b.entry(key, b.start, 1), messages(i+1, time.Hour))
			}
			b.wantUsed(b.start, len(keys), len(keys))
			for _, key := range keys {
				b.remove(key)
			}
			b.wantUsed(b.start, 0, 0)
		}},
		{"a window that can never hold the send is invalid", func(b *bench) {
			b.allowed(b.entry("a", b.start, 5))
			for _, w := range []quota.Window{recipients(4, time.Hour), messages(0, time.Hour), recipients(0, time.Hour)} {
				for _, key := range []string{"a", "b"} {
					_, err := b.Store.Decide(b.Context(), quota.Ask{Entry: b.entry(key, b.start, 5), Windows: []quota.Window{messages(9, time.Hour), w}})
					if !errors.Is(err, mailbox.ClassInvalid) {
						b.Errorf("%+v: %v, want an invalid request", w, err)
					}
				}
			}
			b.wantUsed(b.start, 1, 5)
		}},
		{"an entry that comes late is counted", func(b *bench) {
			w := messages(2, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.settle(b.entry("by hand", b.start.Add(-10*time.Minute), 1))
			b.refused(b.start.Add(50*time.Minute), b.entry("b", b.start.Add(time.Minute), 1), w)
		}},
		{"a clock that steps back opens nothing", func(b *bench) {
			w := messages(2, time.Hour)
			b.allowed(b.entry("a", b.start, 1), w)
			b.allowed(b.entry("b", b.start.Add(time.Minute), 1), w)
			b.refused(b.start.Add(time.Hour), b.entry("c", b.start.Add(-30*time.Minute), 1), w)
		}},
		{"times are kept to the microsecond", func(b *bench) {
			w := messages(1, time.Second)
			a := b.allowed(b.entry("a", b.start.Add(1999*time.Nanosecond), 1), w)
			if want := b.start.Add(time.Microsecond); !a.At.Equal(want) {
				b.Errorf("decided at %v, want %v", a.At, want)
			}
			b.refused(b.start.Add(time.Second+time.Microsecond), b.entry("b", b.start.Add(time.Second), 1), w)
			b.allowed(b.entry("b", b.start.Add(time.Second+time.Microsecond), 1), w)
		}},
		{"zones do not matter", func(b *bench) {
			w := messages(1, time.Hour)
			b.allowed(b.entry("a", b.start.In(time.FixedZone("", 5*3600)), 1), w)
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(time.Minute).In(time.FixedZone("", -8*3600)), 1), w)
		}},
		{"no time means the clock of the store", func(b *bench) {
			a := b.allowed(b.entry("a", time.Time{}, 1), messages(1, time.Hour))
			if d := time.Since(a.At).Abs(); d > 10*time.Minute {
				b.Errorf("decided at %v, which is %v off", a.At, d)
			}
			b.refused(a.At.Add(time.Hour), b.entry("b", time.Time{}, 1), messages(1, time.Hour))
			b.settle(b.entry("c", time.Time{}, 1))
			b.wantUsed(time.Time{}, 2, 2)
		}},
		{"a context that is over changes nothing", func(b *bench) {
			ctx, cancel := context.WithCancel(b.Context())
			cancel()
			b.allowed(b.entry("kept", b.start, 1))
			if _, err := b.Store.Decide(ctx, quota.Ask{Entry: b.entry("a", b.start, 1)}); !errors.Is(err, context.Canceled) {
				b.Errorf("Decide: %v, want the context's error", err)
			}
			if err := b.Store.Settle(ctx, b.entry("b", b.start, 1)); !errors.Is(err, context.Canceled) {
				b.Errorf("Settle: %v, want the context's error", err)
			}
			if err := b.Store.Remove(ctx, b.ref, "kept"); !errors.Is(err, context.Canceled) {
				b.Errorf("Remove: %v, want the context's error", err)
			}
			b.wantUsed(b.start, 1, 1)
		}},
		{"the other view sees the same", func(b *bench) {
			b.allowed(b.entry("a", b.start, 1), messages(1, time.Hour))
			b.Store, b.Other = b.Other, b.Store
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(time.Minute), 1), messages(1, time.Hour))
			b.remove("a")
			b.Store, b.Other = b.Other, b.Store
			b.wantUsed(b.start, 0, 0)
		}},
		{"callers at once never pass a cap", func(b *bench) {
			const limit = 50
			var taken atomic.Int64
			b.hammer(func(store quota.Store, i int) {
				key := fmt.Sprint(i)
				a, err := store.Decide(b.Context(), quota.Ask{
					Entry:   b.entry(key, b.start.Add(time.Duration(i)*time.Millisecond), 1),
					Windows: []quota.Window{messages(limit, time.Hour)},
				})
				if err != nil {
					b.Error(err)
					return
				}
				if !a.Allowed {
					return
				}
				if i%3 == 0 {
					if err := store.Remove(b.Context(), b.ref, key); err != nil {
						b.Error(err)
					}
					return
				}
				taken.Add(1)
			})
			msgs, _ := b.used(b.start.Add(time.Minute))
			if n := int(taken.Load()); n > limit || n != msgs {
				b.Errorf("%d callers were let through and %d are counted, limit %d", n, msgs, limit)
			}
		}},
		{"callers at once with one key take one place", func(b *bench) {
			b.hammer(func(store quota.Store, _ int) {
				a, err := store.Decide(b.Context(), quota.Ask{Entry: b.entry("same", b.start, 1), Windows: []quota.Window{messages(1, time.Hour)}})
				if err != nil || !a.Allowed {
					b.Errorf("%+v, %v", a, err)
				}
			})
			b.wantUsed(b.start, 1, 1)
		}},
		{"random scripts match the model", (*bench).randomScripts},
	}
}
