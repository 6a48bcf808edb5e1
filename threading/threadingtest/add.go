package threadingtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func testMerge(x *harness) {
	first := threading.SentMessage{
		Ref: home, Key: "k", Provider: mailbox.Gmail, IDs: []mailbox.RFCMessageID{"a@x"}, Recipients: []string{"ann@example.com"},
		Subject: "one", At: noon, Phrases: []uint64{1, 2},
	}
	later := threading.SentMessage{
		Ref: home, Key: "k", IDs: []mailbox.RFCMessageID{"a@x", "b@x"}, Thread: "t", Token: "token", ThreadIndex: conversation('c', 1),
		Recipients: []string{"ANN@example.com", "ben@example.com"}, Subject: "two", At: noon.Add(time.Second), Phrases: []uint64{3},
	}
	x.add(first, later)
	want := first.Merge(later)
	for what, term := range map[string]threading.Term{
		"the old id":           threading.IDTerm("a@x"),
		"the new id":           threading.IDTerm("b@x"),
		"the new thread":       threading.ThreadTerm("t"),
		"the new token":        threading.TokenTerm("token"),
		"the new conversation": threading.ConversationTerm(later.ThreadIndex.Conversation()),
		"the old recipient":    threading.RecipientTerm("ann@example.com"),
		"the new recipient":    threading.RecipientTerm("ben@example.com"),
	} {
		x.want("by "+what, x.find(home, term), want)
	}
	if len(want.IDs) != 2 || len(want.Recipients) != 2 || want.Subject != "two" || want.Provider != mailbox.Gmail || len(want.Phrases) != 1 {
		x.t.Errorf("Merge gives %+v", want)
	}
}

func testMergeKeeps(x *harness) {
	m := full()
	x.add(m, threading.SentMessage{Ref: home, Key: m.Key})
	x.want("by id", x.byID("a@x"), m)
	x.want("by all terms", x.find(home, m.Terms()...), m)
}

func testAddTwice(x *harness) {
	m := full()
	x.add(m, m, m)
	x.want("by id", x.byID("a@x", "z@x"), m)
	x.want("by thread", x.byThread(m.Thread), m)
}

func testReplacedTerms(x *harness) {
	before := sent("k", "a@x")
	before.Thread, before.Token, before.ThreadIndex = "before", "token before", conversation('b', 0)
	after := before
	after.Thread, after.Token, after.ThreadIndex = "after", "token after", conversation('a', 0)
	beside := before
	beside.Key = "beside"
	x.add(before, beside, after)
	terms := func(m threading.SentMessage) []threading.Term { return m.Terms()[1:] } // without the id
	x.want("the terms before", x.find(home, terms(before)...), beside)
	x.want("the terms after", x.find(home, terms(after)...), after)
	x.want("the id that they share", x.byID("a@x"), beside, after)
	x.add(before)
	x.want("back again", x.find(home, terms(before)...), beside, before)
	x.want("the terms after, later", x.find(home, terms(after)...))
}

func testNewTime(x *harness) {
	x.add(inThread("a", "t", 1), inThread("b", "t", 2), inThread("c", "t", 3))
	x.add(inThread("a", "t", 4))
	x.wantKeys("the oldest became the newest", x.byThread("t"), "a", "c", "b")
	x.add(inThread("c", "t", 0))
	x.wantKeys("one became the oldest", x.byThread("t"), "a", "b", "c")
	x.forget(home, noon.Add(time.Minute), 1)
	x.wantKeys("which is forgotten first", x.byThread("t"), "a", "b")
}

func testTenants(x *harness) {
	refs := lookalikes()
	for i, ref := range refs {
		m := sent("same key", "same@x")
		m.Ref, m.Thread, m.Subject = ref, "same thread", fmt.Sprint(i)
		x.add(m)
	}
	for i, ref := range refs {
		for _, got := range [][]threading.SentMessage{
			x.find(ref, threading.IDTerm("same@x")), x.find(ref, threading.ThreadTerm("same thread"), threading.IDTerm("same@x")),
		} {
			if len(got) != 1 || got[0].Ref != ref || got[0].Subject != fmt.Sprint(i) {
				x.t.Errorf("%v: got %+v", ref, got)
			}
		}
	}
	x.want("a mailbox without messages", x.find(mailbox.Ref{Tenant: home.Tenant, Mailbox: "none"}, threading.IDTerm("same@x")))
}

// lookalikes are mailboxes that a careless comparison takes for each other.
func lookalikes() []mailbox.Ref {
	return []mailbox.Ref{
		home,
		{Tenant: home.Tenant, Mailbox: "mailbox-2"},
		{Tenant: "tenant-2", Mailbox: home.Mailbox},
		{Tenant: "a", Mailbox: "b/c"},
		{Tenant: "a/b", Mailbox: "c"}, // equal when joined
		{Tenant: "TENANT-1", Mailbox: "MAILBOX-1"},
		{Tenant: "tenant-1 ", Mailbox: "mailbox-1 "},
		{Tenant: "tenant-_", Mailbox: "mailbox-%"},
		{Tenant: home.Tenant, Mailbox: "caf\u00e9"},
		{Tenant: home.Tenant, Mailbox: "cafe\u0301"},
		{Tenant: mailbox.TenantID(strings.Repeat("t", 255)), Mailbox: mailbox.MailboxID(strings.Repeat("m", 255))},
		{Tenant: mailbox.TenantID(strings.Repeat("t", 255)), Mailbox: mailbox.MailboxID(strings.Repeat("m", 254) + "n")},
	}
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
	x.want("after refusals", x.byID("a@x"))
	empties := sent("k", "", "a@x", "")
	empties.Recipients = []string{"", "ann@example.com"}
	x.add(empties)
	kept := sent("k", "a@x")
	kept.Recipients = []string{"ann@example.com"}
	x.want("empty ids and recipients are dropped", x.byID("a@x"), kept)
	x.want("by the empty id", x.byID(""))
}

func testCopies(x *harness) {
	spoil := func(m threading.SentMessage) {
		m.IDs[0], m.Recipients[0], m.Phrases[0] = "changed@x", "changed@example.com", 99
	}
	m, want := full(), full()
	x.add(m)
	spoil(m)
	x.want("after the caller changed its message", x.byID("a@x"), want)
	m = full()
	x.add(m)
	spoil(m)
	x.want("after the caller changed a later record", x.byThread(want.Thread), want)
}

func testConcurrent(x *harness) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	id := func(w, i int) mailbox.RFCMessageID { return mailbox.RFCMessageID(fmt.Sprintf("%d.%d@x", w, i)) }
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				m := sent(fmt.Sprintf("shared %d", i), id(w, i)) // every writer adds one id to it
				m.Thread = "t"
				one := sent("one for all", id(w, each+i))
				for _, m := range []threading.SentMessage{m, one} {
					if err := x.Add(x.t.Context(), m); err != nil {
						x.t.Errorf("Add: %v", err)
					}
				}
				if _, err := x.Find(x.t.Context(), home, threading.IDTerm(id((w+1)%writers, i)), threading.ThreadTerm("t")); err != nil {
					x.t.Errorf("Find: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for w := range writers {
		for i := range each {
			if got := x.byID(id(w, i)); len(got) != 1 || len(got[0].IDs) != writers {
				x.t.Fatalf("%s: got %+v, want one message with %d ids", id(w, i), got, writers)
			}
			if got := x.byID(id(w, each+i)); len(got) != 1 || got[0].Key != "one for all" || len(got[0].IDs) != writers*each {
				x.t.Fatalf("%s: got %+v, want one message with %d ids", id(w, each+i), got, writers*each)
			}
		}
	}
	if got := x.byThread("t"); len(got) != each {
		x.t.Errorf("the thread has %d messages, want %d", len(got), each)
	}
}

// Whatever happens at once, nothing is found under a term that it does not have,
// and what was added last is there.
func testConcurrentForget(x *harness) {
	const writers, rounds = 4, 25
	late := noon.Add(24 * time.Hour)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				m := sent(fmt.Sprintf("shared %d", w%2), mailbox.RFCMessageID(fmt.Sprintf("%d.%d@x", w, i)))
				m.Thread = mailbox.ThreadID(fmt.Sprint("thread ", w))
				if err := x.Add(x.t.Context(), m); err != nil {
					x.t.Errorf("Add: %v", err)
				}
				if _, err := x.Forget(x.t.Context(), home, late); err != nil {
					x.t.Errorf("Forget: %v", err)
				}
				found, err := x.Find(x.t.Context(), home, threading.ThreadTerm(m.Thread))
				if err != nil {
					x.t.Errorf("Find: %v", err)
				}
				for _, f := range found {
					if f.Thread != m.Thread {
						x.t.Errorf("a message of thread %q was found by %q", f.Thread, m.Thread)
					}
				}
			}
		})
	}
	wg.Wait()
	if _, err := x.Forget(x.t.Context(), home, late); err != nil {
		x.t.Fatal(err)
	}
	x.add(sent("shared 0", "last@x"), sent("shared 1"))
	for w := range writers {
		x.want("what was forgotten, by thread", x.byThread(mailbox.ThreadID(fmt.Sprint("thread ", w))))
		for i := range rounds {
			x.want("what was forgotten, by id", x.byID(mailbox.RFCMessageID(fmt.Sprintf("%d.%d@x", w, i))))
		}
	}
	x.want("what came last", x.byID("last@x"), sent("shared 0", "last@x"))
}

func testCancelled(x *harness) {
	x.add(sent("before", "b@x"))
	ctx, cancel := context.WithCancel(x.t.Context())
	cancel()
	if err := x.Add(ctx, sent("k", "a@x")); !errors.Is(err, context.Canceled) {
		x.t.Errorf("Add: error is %v, want context.Canceled", err)
	}
	if _, err := x.Find(ctx, home, threading.IDTerm("a@x")); !errors.Is(err, context.Canceled) {
		x.t.Errorf("Find: error is %v, want context.Canceled", err)
	}
	if _, err := x.Forget(ctx, home, noon.Add(time.Hour)); !errors.Is(err, context.Canceled) {
		x.t.Errorf("Forget: error is %v, want context.Canceled", err)
	}
	x.want("nothing was added", x.byID("a@x"))
	x.wantKeys("nothing was forgotten", x.byID("b@x"), "before")
}
