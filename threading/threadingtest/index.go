// Package threadingtest holds the conformance suite for stores of sent
// messages: the rules that every [threading.Index] keeps.
package threadingtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// TestIndex runs the suite. open returns an empty index that no other test
// uses; it may be called from several tests at once, and closes what it opened
// by t.Cleanup.
func TestIndex(t *testing.T, open func(t *testing.T) threading.Index) {
	for _, rule := range []struct {
		name string
		test func(x *harness)
	}{
		{"finds a message by each of its ids", testByID},
		{"finds nothing without an error", testNothing},
		{"gives back what was added", testRoundTrip},
		{"merges records of one key", testMerge},
		{"keeps fields that a later record leaves empty", testMergeKeeps},
		{"adding twice changes nothing", testAddTwice},
		{"orders by the ids that were asked for", testOrder},
		{"gives all messages that share an id, newest first", testSharedID},
		{"compares ids exactly", testExact},
		{"finds the messages of a thread, newest first", testByThread},
		{"moves a message to its new thread", testThreadChanges},
		{"bounds what a thread gives", testThreadBound},
		{"never crosses tenant or mailbox", testTenants},
		{"refuses a message without mailbox or key", testInvalid},
		{"shares no memory with the caller", testCopies},
		{"keeps concurrent additions", testConcurrent},
		{"obeys a cancelled context", testCancelled},
	} {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.test(&harness{t: t, Index: open(t)})
		})
	}
}

// harness wraps the index under test.
type harness struct {
	t *testing.T
	threading.Index
}

var (
	home = mailbox.Ref{Tenant: "tenant-1", Mailbox: "mailbox-1"}
	// Databases keep microseconds.
	noon = time.Date(2026, 3, 29, 12, 0, 0, 123_456_000, time.UTC)
)

func sent(key string, ids ...mailbox.RFCMessageID) threading.SentMessage {
	return threading.SentMessage{Ref: home, Key: key, IDs: ids, At: noon}
}

func (x *harness) add(all ...threading.SentMessage) {
	x.t.Helper()
	for _, m := range all {
		if err := x.Add(x.t.Context(), m); err != nil {
			x.t.Fatalf("Add(%q): %v", m.Key, err)
		}
	}
}

func (x *harness) byID(ref mailbox.Ref, ids ...mailbox.RFCMessageID) []threading.SentMessage {
	x.t.Helper()
	found, err := x.ByID(x.t.Context(), ref, ids...)
	if err != nil {
		x.t.Fatalf("ByID(%v, %q): %v", ref, ids, err)
	}
	return found
}

func (x *harness) byThread(ref mailbox.Ref, thread mailbox.ThreadID) []threading.SentMessage {
	x.t.Helper()
	found, err := x.ByThread(x.t.Context(), ref, thread)
	if err != nil {
		x.t.Fatalf("ByThread(%v, %q): %v", ref, thread, err)
	}
	return found
}

// want compares whole messages; times by instant, empty slices as nil.
func (x *harness) want(what string, got []threading.SentMessage, want ...threading.SentMessage) {
	x.t.Helper()
	got, want = normalised(got), normalised(want)
	if !reflect.DeepEqual(got, want) {
		x.t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func normalised(list []threading.SentMessage) []threading.SentMessage {
	var out []threading.SentMessage
	for _, m := range list {
		m.IDs = append([]mailbox.RFCMessageID(nil), m.IDs...)
		m.Recipients = append([]string(nil), m.Recipients...)
		m.At = m.At.UTC()
		out = append(out, m)
	}
	return out
}

func (x *harness) wantKeys(what string, got []threading.SentMessage, want ...string) {
	x.t.Helper()
	var keys []string
	for _, m := range got {
		keys = append(keys, m.Key)
	}
	if !slices.Equal(keys, want) {
		x.t.Errorf("%s: got keys %q, want %q", what, keys, want)
	}
}

func testByID(x *harness) {
	m := sent("k", "a@x", "b@x")
	x.add(m, sent("other", "c@x"))
	x.want("by the first id", x.byID(home, "a@x"), m)
	x.want("by the second id", x.byID(home, "b@x"), m)
	x.want("by both, once", x.byID(home, "b@x", "a@x", "b@x"), m)
}

func testNothing(x *harness) {
	x.want("empty index, by id", x.byID(home, "a@x"))
	x.want("empty index, by thread", x.byThread(home, "t"))
	x.add(sent("k", "a@x"), sent("no ids"))
	x.want("unknown id", x.byID(home, "b@x"))
	x.want("no ids", x.byID(home))
	x.want("empty id", x.byID(home, ""))
	x.want("unknown thread", x.byThread(home, "t"))
	x.want("empty thread", x.byThread(home, ""))
}

func testRoundTrip(x *harness) {
	full := threading.SentMessage{
		Ref: home, Key: "key with spaces/ünïcode/'\"\\%_", Provider: mailbox.Outlook,
		IDs:        []mailbox.RFCMessageID{"z@x", "a@x", `"quoted left"@x`, "caf\u00e9@x"},
		Thread:     "AAQkAD+/=_%",
		Recipients: []string{"Zoe@Example.com", "ann@example.com", "jos\u00e9@example.com"},
		Subject:    "Ünïcode 'subject' \"with\" \\ % _ \U0001f600",
		At:         noon.In(time.FixedZone("", 5*3600)),
	}
	bare := threading.SentMessage{Ref: home, Key: "bare", IDs: []mailbox.RFCMessageID{"bare@x"}}
	long := sent(strings.Repeat("k", 1024), mailbox.RFCMessageID(strings.Repeat("i", 990)+"@x"))
	x.add(full, bare, long)
	x.want("every field", x.byID(home, "a@x"), full)
	x.want("by an unusual id", x.byID(home, "caf\u00e9@x"), full)
	x.want("by thread", x.byThread(home, full.Thread), full)
	x.want("zero fields", x.byID(home, "bare@x"), bare)
	x.want("longest key and id", x.byID(home, long.IDs[0]), long)
}

func testMerge(x *harness) {
	first := threading.SentMessage{Ref: home, Key: "k", Provider: mailbox.Gmail, IDs: []mailbox.RFCMessageID{"a@x"}, Recipients: []string{"ann@example.com"}, Subject: "one", At: noon}
	later := threading.SentMessage{Ref: home, Key: "k", IDs: []mailbox.RFCMessageID{"a@x", "b@x"}, Thread: "t", Recipients: []string{"ANN@example.com", "ben@example.com"}, Subject: "two", At: noon.Add(time.Second)}
	x.add(first, later)
	want := first.Merge(later)
	x.want("by the old id", x.byID(home, "a@x"), want)
	x.want("by the new id", x.byID(home, "b@x"), want)
	x.want("by the new thread", x.byThread(home, "t"), want)
	if len(want.IDs) != 2 || len(want.Recipients) != 2 || want.Subject != "two" || want.Provider != mailbox.Gmail {
		x.t.Errorf("Merge gives %+v", want)
	}
}

func testMergeKeeps(x *harness) {
	m := sent("k", "a@x")
	m.Provider, m.Thread, m.Recipients, m.Subject = mailbox.Gmail, "t", []string{"ann@example.com"}, "s"
	x.add(m, threading.SentMessage{Ref: home, Key: "k"})
	x.want("by id", x.byID(home, "a@x"), m)
	x.want("by thread", x.byThread(home, "t"), m)
}

func testAddTwice(x *harness) {
	m := sent("k", "a@x", "b@x")
	m.Thread, m.Recipients = "t", []string{"ann@example.com"}
	x.add(m, m)
	x.want("by id", x.byID(home, "a@x", "b@x"), m)
	x.want("by thread", x.byThread(home, "t"), m)
}

func testOrder(x *harness) {
	x.add(sent("1", "a@x", "d@x"), sent("2", "b@x"), sent("3", "c@x"))
	x.wantKeys("b, a, c", x.byID(home, "b@x", "none@x", "a@x", "c@x"), "2", "1", "3")
	x.wantKeys("c, d, b, a", x.byID(home, "c@x", "d@x", "b@x", "a@x"), "3", "1", "2")
}

func testSharedID(x *harness) {
	old, same, newest := sent("b", "a@x"), sent("a", "a@x"), sent("c", "a@x")
	newest.At = noon.Add(time.Hour)
	x.add(newest, old, same)
	x.wantKeys("one id, three messages", x.byID(home, "a@x"), "c", "a", "b")
}

func testExact(x *harness) {
	x.add(sent("k", "Left.Part@Example.com"))
	x.want("other case", x.byID(home, "left.part@example.com"))
	x.want("prefix", x.byID(home, "Left.Part@Example"))
	x.want("wildcard", x.byID(home, "Left%"))
	x.want("trailing space", x.byID(home, "Left.Part@Example.com "))
	x.wantKeys("the id itself", x.byID(home, "Left.Part@Example.com"), "k")
}

func testByThread(x *harness) {
	for i, key := range []string{"mid", "new", "old"} {
		m := sent(key)
		m.Thread, m.At = "t", noon.Add([]time.Duration{0, time.Hour, -time.Hour}[i])
		x.add(m)
	}
	other := sent("other")
	other.Thread = "T"
	x.add(other)
	x.wantKeys("thread t", x.byThread(home, "t"), "new", "mid", "old")
}

func testThreadChanges(x *harness) {
	m := sent("k", "a@x")
	m.Thread = "before"
	x.add(m)
	m.Thread = "after"
	x.add(m)
	x.want("old thread", x.byThread(home, "before"))
	x.want("new thread", x.byThread(home, "after"), m)
	x.want("by id", x.byID(home, "a@x"), m)
}

func testThreadBound(x *harness) {
	const n = threading.MaxPerThread + 5
	for i := range n {
		m := sent(fmt.Sprintf("%03d", i))
		m.Thread, m.At = "t", noon.Add(time.Duration(i)*time.Minute)
		x.add(m)
	}
	got := x.byThread(home, "t")
	if len(got) != threading.MaxPerThread {
		x.t.Fatalf("%d messages, want %d", len(got), threading.MaxPerThread)
	}
	for i, m := range got {
		if want := fmt.Sprintf("%03d", n-1-i); m.Key != want {
			x.t.Fatalf("number %d is %s, want %s: the newest ones, newest first", i, m.Key, want)
		}
	}
}

func testTenants(x *harness) {
	refs := []mailbox.Ref{
		home,
		{Tenant: home.Tenant, Mailbox: "mailbox-2"},
		{Tenant: "tenant-2", Mailbox: home.Mailbox},
		{Tenant: "a", Mailbox: "b/c"},
		{Tenant: "a/b", Mailbox: "c"}, // equal when joined
		{Tenant: "TENANT-1", Mailbox: "MAILBOX-1"},
	}
	for i, ref := range refs {
		m := sent("same key", "same@x")
		m.Ref, m.Thread, m.Subject = ref, "same thread", fmt.Sprint(i)
		x.add(m)
	}
	for i, ref := range refs {
		for what, got := range map[string][]threading.SentMessage{
			"by id": x.byID(ref, "same@x"), "by thread": x.byThread(ref, "same thread"),
		} {
			if len(got) != 1 || got[0].Ref != ref || got[0].Subject != fmt.Sprint(i) {
				x.t.Errorf("%v, %s: got %+v", ref, what, got)
			}
		}
	}
	x.want("a mailbox without messages", x.byID(mailbox.Ref{Tenant: home.Tenant, Mailbox: "none"}, "same@x"))
}

func testInvalid(x *harness) {
	for what, m := range map[string]threading.SentMessage{
		"no tenant":    {Ref: mailbox.Ref{Mailbox: "m"}, Key: "k", IDs: []mailbox.RFCMessageID{"a@x"}},
		"no mailbox":   {Ref: mailbox.Ref{Tenant: "t"}, Key: "k", IDs: []mailbox.RFCMessageID{"a@x"}},
		"no key":       {Ref: home, IDs: []mailbox.RFCMessageID{"a@x"}},
		"key too long": {Ref: home, Key: strings.Repeat("k", 1025), IDs: []mailbox.RFCMessageID{"a@x"}},
	} {
		if err := x.Add(x.t.Context(), m); !errors.Is(err, mailbox.ClassInvalid) {
			x.t.Errorf("%s: error is %v, want class %v", what, err, mailbox.ClassInvalid)
		}
	}
	x.want("after refusals", x.byID(home, "a@x"))
	empties := sent("k", "", "a@x", "")
	empties.Recipients = []string{"", "ann@example.com"}
	x.add(empties)
	kept := sent("k", "a@x")
	kept.Recipients = []string{"ann@example.com"}
	x.want("empty ids and recipients are dropped", x.byID(home, "a@x"), kept)
}

func testCopies(x *harness) {
	m := sent("k", "a@x")
	m.Thread, m.Recipients = "t", []string{"ann@example.com"}
	x.add(m)
	want := sent("k", "a@x")
	want.Thread, want.Recipients = "t", []string{"ann@example.com"}

	m.IDs[0], m.Recipients[0] = "changed@x", "changed@example.com"
	got := x.byID(home, "a@x")
	x.want("after the caller changed its message", got, want)
	for _, g := range got {
		g.IDs[0], g.Recipients[0] = "changed@x", "changed@example.com"
	}
	x.want("after the caller changed a result", x.byThread(home, "t"), want)
}

func testConcurrent(x *harness) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := func(w int) mailbox.RFCMessageID { return mailbox.RFCMessageID(fmt.Sprintf("%d.%d@x", w, i)) }
				m := sent(fmt.Sprintf("shared %d", i), id(w)) // every writer adds one id to it
				m.Thread = "t"
				if err := x.Add(x.t.Context(), m); err != nil {
					x.t.Errorf("Add: %v", err)
				}
				if _, err := x.ByID(x.t.Context(), home, id((w+1)%writers)); err != nil {
					x.t.Errorf("ByID: %v", err)
				}
				if _, err := x.ByThread(x.t.Context(), home, "t"); err != nil {
					x.t.Errorf("ByThread: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for w := range writers {
		for i := range each {
			id := mailbox.RFCMessageID(fmt.Sprintf("%d.%d@x", w, i))
			got := x.byID(home, id)
			if len(got) != 1 || len(got[0].IDs) != writers {
				x.t.Fatalf("%s: got %+v, want one message with %d ids", id, got, writers)
			}
		}
	}
	if got := x.byThread(home, "t"); len(got) != each {
		x.t.Errorf("the thread has %d messages, want %d", len(got), each)
	}
}

func testCancelled(x *harness) {
	ctx, cancel := context.WithCancel(x.t.Context())
	cancel()
	if err := x.Add(ctx, sent("k", "a@x")); !errors.Is(err, context.Canceled) {
		x.t.Errorf("Add: error is %v, want context.Canceled", err)
	}
	if _, err := x.ByID(ctx, home, "a@x"); !errors.Is(err, context.Canceled) {
		x.t.Errorf("ByID: error is %v, want context.Canceled", err)
	}
	if _, err := x.ByThread(ctx, home, "t"); !errors.Is(err, context.Canceled) {
		x.t.Errorf("ByThread: error is %v, want context.Canceled", err)
	}
	x.want("nothing was added", x.byID(home, "a@x"))
}
