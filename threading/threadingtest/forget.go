package threadingtest

import (
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func testForget(x *harness) {
	gone, kept := full(), sent("kept", "a@x")
	gone.At = noon.Add(-time.Microsecond)
	kept.Thread = gone.Thread
	x.add(gone, kept)
	x.forget(home, gone.At, 0)
	x.want("nothing was that old", x.byID("z@x"), gone)
	x.forget(home, noon, 1)
	for _, term := range gone.Terms() {
		if term != threading.IDTerm("a@x") && term != threading.ThreadTerm(gone.Thread) {
			x.want("what was forgotten", x.find(home, term))
		}
	}
	x.want("what shared its terms", x.find(home, gone.Terms()...), kept)
	x.forget(home, noon, 0)
	x.forget(home, noon.Add(time.Microsecond), 1)
	x.want("nothing is left", x.find(home, append(gone.Terms(), kept.Terms()...)...))
	x.forget(home, noon.Add(time.Hour), 0)
}

func testForgetNoTime(x *harness) {
	untimed := sent("untimed", "a@x")
	untimed.At = time.Time{}
	x.add(untimed, sent("noon", "b@x"))
	x.forget(home, time.Time{}, 0)
	x.wantKeys("before the zero time was nothing", x.byID("a@x", "b@x"), "untimed", "noon")
	x.forget(home, time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), 1)
	x.wantKeys("the message without a time is gone", x.byID("a@x", "b@x"), "noon")
}

func testForgetTenants(x *harness) {
	refs := lookalikes()
	for _, ref := range refs {
		m := sent("same key", "same@x")
		m.Ref = ref
		x.add(m)
	}
	for i, ref := range refs {
		x.forget(ref, noon.Add(time.Hour), 1)
		for j, other := range refs {
			if got := x.find(other, threading.IDTerm("same@x")); len(got) == 1 != (j > i) {
				x.t.Errorf("after %v was forgotten, %v has %d messages", ref, other, len(got))
			}
		}
	}
}

// More than a store may want to remove at a time, all of one time.
func testForgetMany(x *harness) {
	const n = 1234
	for i := range n {
		m := sent(fmt.Sprintf("%04d", i), mailbox.RFCMessageID(fmt.Sprintf("%d@x", i)))
		m.Thread = "t"
		x.add(m)
	}
	x.add(inThread("kept", "t", 1))
	x.forget(home, noon.Add(time.Second), n)
	x.wantKeys("the thread", x.byThread("t"), "kept")
	for i := range n {
		if got := x.byID(mailbox.RFCMessageID(fmt.Sprintf("%d@x", i))); len(got) != 0 {
			x.t.Fatalf("message %d is still found", i)
		}
	}
}

func testForgetAndAdd(x *harness) {
	m := full()
	x.add(m)
	x.forget(home, noon.Add(time.Second), 1)
	again := sent(m.Key, "new@x")
	x.add(again)
	x.want("by a new term", x.byID("new@x"), again)
	x.want("by what it had before", x.find(home, m.Terms()...))
	x.add(m)
	x.want("by the old terms", x.find(home, m.Terms()...), again.Merge(m))
}

// Messages that leave a term, because they get another or are forgotten, make
// room for those behind them.
func testResurface(x *harness) {
	const n = threading.MaxPerTerm + 10
	for i := range n {
		x.add(inThread(fmt.Sprintf("%03d", i), "t", i))
	}
	for i := n - 5; i < n; i++ {
		x.add(inThread(fmt.Sprintf("%03d", i), "elsewhere", i))
	}
	x.wantKeys("after the newest ones moved", x.byThread("t"), numbered(n-6, n-6-threading.MaxPerTerm)...)
	for i := n - 10; i < n-5; i++ { // become the oldest of all
		x.add(inThread(fmt.Sprintf("%03d", i), "t", -i))
	}
	x.forget(home, noon, 5)
	x.wantKeys("after the newest ones were forgotten", x.byThread("t"), numbered(n-11, -1)...)
	x.wantKeys("those that moved", x.byThread("elsewhere"), numbered(n-1, n-6)...)
}
