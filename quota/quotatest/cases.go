package quotatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		{"its own place delays no repeat", func(b *bench) {
			several := []int{1, 2, 1, 3, 1, 2, 2, 1}
			for i, n := range several {
				b.allowed(b.entry(fmt.Sprint(i), b.start.Add(time.Duration(i)*20*time.Second), n))
			}
			for key := range several {
				e := b.entry(fmt.Sprint(key), b.start.Add(10*time.Hour), 1)
				left, leftRecipients := len(several)-1, 13-several[key]
				for i, n := range several {
					if i == key {
						continue
					}
					room := b.start.Add(time.Duration(i)*20*time.Second + quota.Horizon)
					b.refused(room, e, messages(left, quota.Horizon))
					left--
					for range n {
						b.refused(room, e, recipients(leftRecipients, quota.Horizon))
						leftRecipients--
					}
				}
			}
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
		{"logs do not mix", func(b *bench) {
			box := func(tenant mailbox.TenantID, name string) quota.Log {
				return quota.Log{Tenant: tenant, Kind: quota.LogMailbox, Name: name}
			}
			logs := []quota.Log{
				box("t", "m"), box("T", "m"), box("t", "M"), box("t/m", "x"), box("t", "m/x"), box("t:m", "x"),
				box("t", "m:x"), box("t", "m{x}"), box("tm", "x"), box("t", "mx"), box("t", "%"), box("t", "_"), box("t", "ä"),
				{Tenant: "t", Kind: quota.LogDomain, Name: "m"},
				{Tenant: "t", Kind: quota.LogRecipientDomain, Name: "m"},
				{Tenant: "t", Kind: quota.LogTenant},
				{Tenant: "tm", Kind: quota.LogTenant},
			}
			for _, l := range logs {
				e := b.entry("a", b.start, 1)
				e.Log = l
				if a := b.allowed(e, messages(1, time.Hour)); a.Usage[0].Used != 0 {
					b.Errorf("%v sees the entry of another log", l)
				}
				b.wantState(l, "", 0)
				b.setState(l, "of "+string(l.Tenant)+string(l.Kind)+l.Name, 0)
			}
			if err := b.Store.Remove(b.Context(), logs[0], "a"); err != nil {
				b.Fatal(err)
			}
			for _, l := range logs[1:] {
				e := b.entry("b", b.start, 1)
				e.Log = l
				ask := quota.Ask{Entry: e, Windows: []quota.Window{messages(1, time.Hour)}, Version: 1}
				if a, err := b.Store.Decide(b.Context(), ask); err != nil || a.Allowed || a.Stale {
					b.Errorf("%v has lost its entry: %+v, %v", l, a, err)
				}
				b.wantState(l, "of "+string(l.Tenant)+string(l.Kind)+l.Name, 1)
			}
		}},
		{"keys are compared byte by byte", func(b *bench) {
			keys := []string{
				"a", "A", "a ", " a", "a%", "a_", "a'b", `a"b`, "a\\b", "ä", "a\u0308", "ß", "ss", "🙂", "{a}", "a:b", "null", "0", "00",
				"a\x00", "a\n", "\xff", strings.Repeat("k", 768), strings.Repeat("k", 767),
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
			if err := b.Store.Remove(ctx, b.log, "kept"); !errors.Is(err, context.Canceled) {
				b.Errorf("Remove: %v, want the context's error", err)
			}
			if _, err := b.Store.Entries(ctx, b.log, b.start); !errors.Is(err, context.Canceled) {
				b.Errorf("Entries: %v, want the context's error", err)
			}
			if _, err := b.Store.State(ctx, b.log); !errors.Is(err, context.Canceled) {
				b.Errorf("State: %v, want the context's error", err)
			}
			if _, err := b.Store.SetState(ctx, b.log, quota.State{}); !errors.Is(err, context.Canceled) {
				b.Errorf("SetState: %v, want the context's error", err)
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
					if err := store.Remove(b.Context(), b.log, key); err != nil {
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
		{"what no log takes is invalid", func(b *bench) {
			good := b.entry("a", b.start, 1)
			for _, change := range []func(*quota.Entry){
				func(e *quota.Entry) { e.Key = "" },
				func(e *quota.Entry) { e.Key = strings.Repeat("k", 769) },
				func(e *quota.Entry) { e.Recipients = 0 },
				func(e *quota.Entry) { e.Recipients = quota.MaxRecipients + 1 },
				func(e *quota.Entry) { e.Tenant = "" },
				func(e *quota.Entry) { e.Kind = "" },
				func(e *quota.Entry) { e.Name = strings.Repeat("n", 256) },
			} {
				e := good
				change(&e)
				if _, err := b.Store.Decide(b.Context(), quota.Ask{Entry: e}); !errors.Is(err, mailbox.ClassInvalid) {
					b.Errorf("Decide(%+v): %v, want an invalid request", e, err)
				}
				if err := b.Store.Settle(b.Context(), e); !errors.Is(err, mailbox.ClassInvalid) {
					b.Errorf("Settle(%+v): %v, want an invalid request", e, err)
				}
			}
			if _, err := b.Store.SetState(b.Context(), b.log, quota.State{Document: make([]byte, 64<<10+1)}); !errors.Is(err, mailbox.ClassInvalid) {
				b.Errorf("SetState with a large document: %v, want an invalid request", err)
			}
			b.wantUsed(b.start, 0, 0)
		}},
		{"a calendar day ends exactly", func(b *bench) {
			midnight := b.start.Truncate(24*time.Hour).AddDate(0, 0, 1)
			w := b.days(2)
			b.allowed(b.entry("yesterday", b.start.AddDate(0, 0, -1), 1), w)
			b.allowed(b.entry("a", b.start, 1), w)
			b.allowed(b.entry("b", midnight.Add(-2*time.Microsecond), 1), w)
			a := b.refused(midnight, b.entry("c", midnight.Add(-time.Microsecond), 1), w)
			if a.Usage[0].Used != 2 {
				b.Errorf("used %d, want 2", a.Usage[0].Used)
			}
			if a := b.allowed(b.entry("c", midnight, 1), w); a.Usage[0].Used != 0 {
				b.Errorf("used %d on the new day, want 0", a.Usage[0].Used)
			}
		}},
		{"a day that is full already is passed over", func(b *bench) {
			midnight := b.start.Truncate(24*time.Hour).AddDate(0, 0, 1)
			w := b.days(2)
			w.Recipients = true
			b.settle(b.entry("early", midnight.Add(time.Hour), 2)) // by a clock that is ahead
			b.refused(midnight.AddDate(0, 0, 1), b.entry("a", b.start, 1), w)
			w.Days = w.Days[:5]
			b.settle(b.entry("earlier", midnight.Add(25*time.Hour), 2))
			b.refused(midnight.AddDate(0, 0, 1), b.entry("a", b.start, 1), w) // none has room: the end of the last
		}},
		{"days that do not hold the time are invalid", func(b *bench) {
			for _, at := range []time.Time{b.start.AddDate(0, 0, -3), b.start.AddDate(0, 0, 4)} {
				_, err := b.Store.Decide(b.Context(), quota.Ask{Entry: b.entry("a", at, 1), Windows: []quota.Window{b.days(1)}})
				if !errors.Is(err, mailbox.ClassInvalid) {
					b.Errorf("at %v: %v, want an invalid request", at, err)
				}
			}
			b.wantUsed(b.start, 0, 0)
		}},
		{"advisory windows refuse nothing", func(b *bench) {
			full := messages(1, time.Hour)
			full.Advisory = true
			b.allowed(b.entry("a", b.start, 1), full)
			a := b.ask(b.entry("b", b.start.Add(time.Minute), 1), full, messages(2, time.Hour))
			if !a.Allowed || a.Usage[0].Used != 1 || !a.Usage[0].NotBefore.Equal(b.start.Add(time.Hour)) {
				b.Errorf("%+v, want it allowed and the advisory window reported", a)
			}
			b.wantUsed(b.start.Add(time.Minute), 2, 2)
		}},
		{"a dry run enters nothing", func(b *bench) {
			w := messages(1, time.Hour)
			dry := func(key string, at time.Time) quota.Answer {
				a, err := b.Store.Decide(b.Context(), quota.Ask{Entry: b.entry(key, at, 1), Windows: []quota.Window{w}, DryRun: true})
				if err != nil {
					b.Fatal(err)
				}
				return a
			}
			if a := dry("a", b.start); !a.Allowed || a.Known {
				b.Errorf("%+v, want it allowed", a)
			}
			b.wantUsed(b.start, 0, 0)
			b.allowed(b.entry("a", b.start, 1), w)
			if a := dry("a", b.start.Add(time.Minute)); !a.Allowed || !a.Known {
				b.Errorf("%+v, want it allowed and known", a)
			}
			if a := dry("b", b.start.Add(time.Minute)); a.Allowed {
				b.Errorf("%+v, want it refused", a)
			}
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(time.Minute), 1), w) // it has not moved
		}},
		{"a look ahead forgets nothing", func(b *bench) {
			b.allowed(b.entry("a", b.start, 1))
			ahead := quota.Ask{Entry: b.entry("b", b.start.AddDate(0, 1, 0), 1), Windows: []quota.Window{messages(1, time.Hour)}, DryRun: true}
			if a, err := b.Store.Decide(b.Context(), ahead); err != nil || !a.Allowed {
				b.Fatalf("%+v, %v", a, err)
			}
			b.refused(b.start.Add(time.Hour), b.entry("b", b.start.Add(time.Minute), 1), messages(1, time.Hour))
		}},
		{"a known key is told", func(b *bench) {
			if b.allowed(b.entry("a", b.start, 1)).Known {
				b.Error("a new key is called known")
			}
			if !b.allowed(b.entry("a", b.start, 1)).Known {
				b.Error("a key that has an entry is called new")
			}
			b.settle(b.entry("b", b.start, 1))
			if !b.refused(b.start.Add(time.Hour), b.entry("b", b.start, 1), messages(1, time.Hour)).Known {
				b.Error("a settled key is called new")
			}
			b.remove("a")
			if b.allowed(b.entry("a", b.start, 1)).Known {
				b.Error("a removed key is called known")
			}
		}},
		{"entries are returned by time", func(b *bench) {
			b.allowed(b.entry("b", b.start.Add(time.Minute), 2))
			b.allowed(b.entry("a", b.start, 1))
			b.settle(b.entry("c", b.start.Add(time.Hour), 3))
			for after, want := range map[time.Time][]int{
				b.start.Add(-time.Microsecond): {1, 2, 3},
				b.start:                        {2, 3},
				b.start.Add(time.Hour):         nil,
			} {
				entries, err := b.Store.Entries(b.Context(), b.log, after)
				if err != nil {
					b.Fatal(err)
				}
				var got []int
				for i, e := range entries {
					got = append(got, e.Recipients)
					if e.Log != b.log || e.Key == "" || i > 0 && e.At.Before(entries[i-1].At) {
						b.Errorf("entry %d is %+v", i, e)
					}
				}
				if !slices.Equal(got, want) {
					b.Errorf("recipients of the entries after %v: %v, want %v", after, got, want)
				}
			}
		}},
		{"a state is replaced by who knows its version", func(b *bench) {
			b.wantState(b.log, "", 0)
			if ok := b.setState(b.log, "x", 1); ok {
				b.Error("a state that is not there was replaced")
			}
			if ok := b.setState(b.log, "one", 0); !ok {
				b.Error("the first state was not taken")
			}
			if ok := b.setState(b.log, "another", 0); ok {
				b.Error("a state was replaced by who had not seen it")
			}
			b.wantState(b.log, "one", 1)
			if ok := b.setState(b.log, "", 1); !ok {
				b.Error("the second state was not taken")
			}
			b.wantState(b.log, "", 2)
			long := strings.Repeat("\x00\xffä", 64<<10/4)
			if ok := b.setState(b.log, long, 2); !ok {
				b.Error("a long state was not taken")
			}
			b.wantState(b.log, long, 3)
		}},
		{"a decision with an old state is not taken", func(b *bench) {
			b.setState(b.log, "slow", 0)
			decide := func(version int64) quota.Answer {
				a, err := b.Store.Decide(b.Context(), quota.Ask{Entry: b.entry("a", b.start, 1), Windows: []quota.Window{messages(1, time.Hour)}, Version: version})
				if err != nil {
					b.Fatal(err)
				}
				return a
			}
			for _, version := range []int64{0, 2} {
				if a := decide(version); !a.Stale || a.Allowed || string(a.State.Document) != "slow" || a.State.Version != 1 {
					b.Errorf("version %d: %+v, want a stale answer with the state", version, a)
				}
			}
			if a := decide(1); a.Stale || !a.Allowed || a.Known {
				b.Errorf("%+v, want it allowed", a)
			}
		}},
		{"states do not age", func(b *bench) {
			b.setState(b.log, "kept", 0)
			at := b.start.AddDate(1, 0, 0)
			if _, err := b.Store.Decide(b.Context(), quota.Ask{Entry: b.entry("a", at, 1), Version: 1}); err != nil {
				b.Fatal(err)
			}
			b.wantState(b.log, "kept", 1)
		}},
		{"of callers that replace a state at once one succeeds", func(b *bench) {
			var won atomic.Int64
			b.hammer(func(store quota.Store, i int) {
				ok, err := store.SetState(b.Context(), b.log, quota.State{Document: []byte(fmt.Sprint(i))})
				if err != nil {
					b.Error(err)
				}
				if ok {
					won.Add(1)
				}
			})
			if won.Load() != 1 {
				b.Errorf("%d callers replaced one version", won.Load())
			}
		}},
		{"entries are kept for the longest day", func(b *bench) {
			b.allowed(b.entry("a", b.start, 1))
			b.allowed(b.entry("b", b.start.Add(quota.Retention-time.Second), 1))
			entries, err := b.Store.Entries(b.Context(), b.log, b.start.Add(-time.Second))
			if err != nil || len(entries) != 2 {
				b.Errorf("%d entries, %v, want 2", len(entries), err)
			}
		}},
		{"random scripts match the model", (*bench).randomScripts},
	}
}
