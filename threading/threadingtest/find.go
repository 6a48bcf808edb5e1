package threadingtest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// conversation returns a Thread-Index of a conversation and of a depth.
func conversation(name byte, answers int) threading.ThreadIndex {
	return threading.ThreadIndex("\x01\xda\x00\xff\x80\x00" + strings.Repeat(string([]byte{name}), 16) + strings.Repeat("\x00\x80\xff\xfe\n", answers))
}

// full returns a message with every field.
func full() threading.SentMessage {
	return threading.SentMessage{
		Ref: home, Key: "key with spaces/ünïcode/'\"\\%_", Provider: mailbox.Outlook,
		IDs:         []mailbox.RFCMessageID{"z@x", "a@x", `"quoted left"@x`, "caf\u00e9@x"},
		Thread:      "AAQkAD+/=_%",
		Token:       "abcdefghijklmnopqrstuvwx",
		ThreadIndex: conversation(0xff, 2),
		Recipients:  []string{"Zoe@Example.com", "ann@example.com", "jos\u00e9@example.org"},
		Subject:     "Ünïcode 'subject' \"with\" \\ % _ <b>&amp; \u2028 \U0001f600",
		At:          noon.In(time.FixedZone("", 5*3600)),
		Phrases:     []uint64{0, 1, 1<<53 + 1, math.MaxInt64, 1 << 63, 1<<63 + 1, math.MaxUint64},
	}
}

func testTerms(x *harness) {
	m := full()
	x.add(m, sent("other", "c@x"))
	for what, term := range map[string]threading.Term{
		"the first id":         threading.IDTerm("z@x"),
		"another id":           threading.IDTerm("caf\u00e9@x"),
		"the thread":           threading.ThreadTerm(m.Thread),
		"the token":            threading.TokenTerm(m.Token),
		"the conversation":     threading.ConversationTerm(m.ThreadIndex.Conversation()),
		"a recipient":          threading.RecipientTerm("zoe+tag@example.com"),
		"the recipient's home": threading.DomainTerm("EXAMPLE.org"),
	} {
		x.want("by "+what, x.find(home, term), m)
	}
	x.want("by all, once", x.find(home, m.Terms()...), m)
	x.want("by one term, twice", x.byID("a@x", "a@x"), m)
}

func testNothing(x *harness) {
	x.want("empty index", x.byID("a@x"))
	x.forget(home, noon, 0)
	x.add(sent("k", "a@x"), sent("no terms"))
	x.want("unknown id", x.byID("b@x"))
	x.want("no terms", x.find(home))
	x.want("empty term", x.find(home, threading.Term{}))
	x.want("empty id", x.byID(""))
	x.want("unknown thread", x.byThread("t"))
	x.want("empty thread", x.byThread(""))
}

func testRoundTrip(x *harness) {
	bare := threading.SentMessage{Ref: home, Key: "bare", IDs: []mailbox.RFCMessageID{"bare@x"}}
	long := sent(strings.Repeat("k", 1024), mailbox.RFCMessageID(strings.Repeat("i", 990)+"@x"))
	longer := sent(strings.Repeat("k", 1023)+"l", mailbox.RFCMessageID(strings.Repeat("i", 100_000)+"@x"))
	x.add(full(), bare, long, longer)
	x.want("every field", x.byID("a@x"), full())
	x.want("zero fields", x.byID("bare@x"), bare)
	x.want("longest key", x.byID(long.IDs[0]), long)
	x.want("longest key, and a long id", x.byID(longer.IDs[0]), longer)
	for i := range 100 { // one recipient more each
		long.Recipients = append(long.Recipients, fmt.Sprintf("contact.%d@%d.example.org", i, i%7))
	}
	x.add(long)
	x.want("many recipients", x.find(home, threading.RecipientTerm("contact.99@1.example.org")), long)
}

// Ids, keys and subjects come from strangers: they may have any bytes.
func testAnyBytes(x *harness) {
	odd := []string{
		"nul \x00 inside", "\x00", "not \xff UTF-8 \xc3", "\xff", "\xfe", "replacement \ufffd", "line\r\nbreak",
		"base64:", "base64:AAAA", "base64:AA==", "null", `"`, `\u0000`, `{"a":1}`, " ", "\u00e9", "e\u0301", "É", "K", "k", "k ",
	}
	var all []threading.SentMessage
	for i, s := range odd {
		m := sent(s, mailbox.RFCMessageID(s), mailbox.RFCMessageID(s+"@x"))
		m.Provider, m.Thread, m.Token, m.Subject = mailbox.ProviderName(s), mailbox.ThreadID(s), s, s
		m.ThreadIndex, m.Recipients = threading.ThreadIndex(s+string(conversation(byte(i), 0))), []string{s, s + "@example.org"}
		m.At = noon.Add(time.Duration(i) * time.Minute)
		all = append(all, m)
	}
	x.add(all...)
	for _, m := range all {
		x.want(fmt.Sprintf("%q by id", m.Key), x.byID(m.IDs[0]), m)
		x.want(fmt.Sprintf("%q by thread", m.Key), x.byThread(m.Thread), m)
		x.want(fmt.Sprintf("%q by token", m.Key), x.find(home, threading.TokenTerm(m.Token)), m)
	}
	slices.Reverse(all)
	x.want("by the domain they share", x.find(home, threading.DomainTerm("example.org")), all...)
}

func testOrder(x *harness) {
	x.add(sent("1", "a@x", "d@x"), sent("2", "b@x"), sent("3", "c@x"))
	x.wantKeys("b, a, c", x.byID("b@x", "none@x", "a@x", "c@x"), "2", "1", "3")
	x.wantKeys("c, d, b, a", x.byID("c@x", "d@x", "b@x", "a@x"), "3", "1", "2")
	x.wantKeys("a, a, b, a", x.byID("a@x", "a@x", "b@x", "a@x"), "1", "2")
}

func testShared(x *harness) {
	old, same, newest := sent("b", "a@x", "b@x"), sent("a", "a@x"), sent("c", "a@x")
	newest.At = noon.Add(time.Hour)
	x.add(newest, old, same)
	x.wantKeys("one id, three messages", x.byID("a@x"), "c", "a", "b")
	x.wantKeys("one of them first", x.byID("b@x", "a@x"), "b", "c", "a")
	for i, key := range []string{"mid", "new", "old"} {
		x.add(inThread(key, "t", []int{0, 60, -60}[i]))
	}
	x.add(inThread("other", "T", 0))
	x.wantKeys("thread t", x.byThread("t"), "new", "mid", "old")
	x.wantKeys("after noon and before", x.find(home, threading.ThreadTerm("T"), threading.IDTerm("a@x"), threading.ThreadTerm("t")),
		"other", "c", "a", "b", "new", "mid", "old")
}

// As many terms as a matcher asks for, most of them with more than one message.
func testMany(x *harness) {
	const terms, per = 300, 3
	var asked []threading.Term
	var want []string
	for i := range terms {
		thread := mailbox.ThreadID(fmt.Sprint("thread ", i))
		for j := range per {
			m := inThread(fmt.Sprintf("%03d/%d", i, j), thread, j)
			m.IDs = []mailbox.RFCMessageID{mailbox.RFCMessageID(fmt.Sprintf("%d@x", (i+1)%terms))} // what the next one has, too
			x.add(m)
		}
		asked = append(asked, threading.ThreadTerm(thread), threading.IDTerm(mailbox.RFCMessageID(fmt.Sprintf("%d@x", i))))
	}
	// By its thread, 0 gives itself, and by its id, the last one; from 1 on the
	// id gives what the thread before has given.
	for _, i := range append([]int{0, terms - 1}, seq(1, terms-1)...) {
		for j := per - 1; j >= 0; j-- {
			want = append(want, fmt.Sprintf("%03d/%d", i, j))
		}
	}
	x.wantKeys("many terms", x.find(home, asked...), want...)
}

func seq(from, to int) []int {
	var all []int
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// More messages than fit anywhere at once, added in no order; then half of them
// move away, and the times of the others turn round.
func testManyOnOneTerm(x *harness) {
	const n = 1000 // and prime to the step
	const step = 389
	for i := range n {
		x.add(inThread(fmt.Sprintf("%03d", i*step%n), "t", i*step%n))
	}
	x.wantKeys("all", x.byThread("t"), numbered(n-1, n-1-threading.MaxPerTerm)...)
	for i := range n {
		m := inThread(fmt.Sprintf("%03d", i*step%n), "t", -(i * step % n))
		if i*step%n%2 == 0 {
			m.Thread = "away"
		}
		x.add(m)
	}
	var odd, even []string
	for i := range threading.MaxPerTerm {
		odd = append(odd, fmt.Sprintf("%03d", 2*i+1))
		even = append(even, fmt.Sprintf("%03d", 2*i))
	}
	x.wantKeys("what stayed", x.byThread("t"), odd...)
	x.wantKeys("what moved", x.byThread("away"), even...)
	x.forget(home, noon.Add(-50*time.Minute), n-51)
	x.wantKeys("what was not forgotten", x.byThread("t"), odd[:25]...)
}

func testBound(x *harness) {
	const n = threading.MaxPerTerm + 5
	for i := range n {
		m := inThread(fmt.Sprintf("%03d", i), "t", i)
		m.IDs = []mailbox.RFCMessageID{mailbox.RFCMessageID(m.Key)}
		x.add(m)
	}
	newest := numbered(n-1, n-1-threading.MaxPerTerm)
	x.wantKeys("the newest ones, newest first", x.byThread("t"), newest...)
	x.wantKeys("one of the others before them", x.find(home, threading.IDTerm("000"), threading.ThreadTerm("t")), append([]string{"000"}, newest...)...)
	x.wantKeys("one of them before the rest", x.find(home, threading.IDTerm(mailbox.RFCMessageID(newest[9])), threading.ThreadTerm("t")),
		append(append([]string{newest[9]}, newest[:9]...), newest[10:]...)...)
	same := inThread("a", "same", 0)
	for i := range n { // the order is by key now
		same.Key = fmt.Sprintf("%03d", n-1-i)
		x.add(same)
	}
	got := x.byThread("same")
	if len(got) != threading.MaxPerTerm || got[0].Key != "000" || got[len(got)-1].Key != fmt.Sprintf("%03d", threading.MaxPerTerm-1) {
		x.t.Errorf("of messages of one time the bound keeps %d, not those with the first keys", len(got))
	}
}

func testExact(x *harness) {
	x.add(sent("k", "Left.Part@Example.com"))
	x.want("other case", x.byID("left.part@example.com"))
	x.want("prefix", x.byID("Left.Part@Example"))
	x.want("wildcard", x.byID("Left%"))
	x.want("trailing space", x.byID("Left.Part@Example.com "))
	x.want("another kind", x.find(home, threading.ThreadTerm("Left.Part@Example.com"), threading.TokenTerm("Left.Part@Example.com")))
	near := threading.IDTerm("Left.Part@Example.com")
	near[len(near)-1] ^= 1
	x.want("another last bit", x.find(home, near))
	x.wantKeys("the id itself", x.byID("Left.Part@Example.com"), "k")
}

func testNoTime(x *harness) {
	untimed := inThread("untimed", "t", 0)
	untimed.At = time.Time{}
	early := inThread("early", "t", 0)
	early.At = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	x.add(inThread("late", "t", 0), untimed, early)
	x.wantKeys("the thread", x.byThread("t"), "late", "early", "untimed")
	if got := x.byThread("t"); len(got) == 3 && (!got[2].At.IsZero() || !got[1].At.Equal(early.At)) {
		x.t.Errorf("the times became %v and %v", got[2].At, got[1].At)
	}
}
