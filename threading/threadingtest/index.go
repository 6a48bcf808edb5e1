// Package threadingtest holds the conformance suite for stores of sent
// messages: the rules that every [threading.Index] keeps.
package threadingtest

import (
	"fmt"
	"reflect"
	"slices"
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
		{"finds a message by each of its terms", testTerms},
		{"finds nothing without an error", testNothing},
		{"gives back what was added", testRoundTrip},
		{"gives back any bytes", testAnyBytes},
		{"merges records of one key", testMerge},
		{"keeps fields that a later record leaves empty", testMergeKeeps},
		{"adding twice changes nothing", testAddTwice},
		{"replaces terms", testReplacedTerms},
		{"moves a message to its new time", testNewTime},
		{"orders by the terms that were asked for", testOrder},
		{"gives all messages that share a term, newest first", testShared},
		{"finds many messages by many terms", testMany},
		{"keeps the order whatever is added and moved", testManyOnOneTerm},
		{"bounds what a term gives", testBound},
		{"compares terms exactly", testExact},
		{"takes messages without a time for the oldest", testNoTime},
		{"never crosses tenant or mailbox", testTenants},
		{"refuses a message without mailbox or key", testInvalid},
		{"keeps nothing of the caller's slices", testCopies},
		{"keeps concurrent additions", testConcurrent},
		{"adds, finds and forgets at once", testConcurrentForget},
		{"obeys a cancelled context", testCancelled},
		{"forgets what was sent before a time", testForget},
		{"forgets messages without a time", testForgetNoTime},
		{"forgets in one mailbox only", testForgetTenants},
		{"forgets many", testForgetMany},
		{"remembers what was forgotten when it is added again", testForgetAndAdd},
		{"gives the older messages when newer ones are gone", testResurface},
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

// inThread returns a message without ids that was sent some minutes after noon.
func inThread(key string, thread mailbox.ThreadID, minutes int) threading.SentMessage {
	m := sent(key)
	m.Thread, m.At = thread, noon.Add(time.Duration(minutes)*time.Minute)
	return m
}

func (x *harness) add(all ...threading.SentMessage) {
	x.t.Helper()
	for _, m := range all {
		if err := x.Add(x.t.Context(), m); err != nil {
			x.t.Fatalf("Add(%.40q): %v", m.Key, err)
		}
	}
}

func (x *harness) find(ref mailbox.Ref, terms ...threading.Term) []threading.SentMessage {
	x.t.Helper()
	found, err := x.Find(x.t.Context(), ref, terms...)
	if err != nil {
		x.t.Fatalf("Find(%v, %d terms): %v", ref, len(terms), err)
	}
	return found
}

func (x *harness) byID(ids ...mailbox.RFCMessageID) []threading.SentMessage {
	x.t.Helper()
	var terms []threading.Term
	for _, id := range ids {
		terms = append(terms, threading.IDTerm(id))
	}
	return x.find(home, terms...)
}

func (x *harness) byThread(thread mailbox.ThreadID) []threading.SentMessage {
	x.t.Helper()
	return x.find(home, threading.ThreadTerm(thread))
}

func (x *harness) forget(ref mailbox.Ref, before time.Time, want int) {
	x.t.Helper()
	n, err := x.Forget(x.t.Context(), ref, before)
	if err != nil || n != want {
		x.t.Errorf("Forget(%v, %v): %d, %v, want %d", ref, before, n, err, want)
	}
}

// want compares whole messages; times by instant, empty slices as nil.
func (x *harness) want(what string, got []threading.SentMessage, want ...threading.SentMessage) {
	x.t.Helper()
	got, want = normalised(got), normalised(want)
	if !reflect.DeepEqual(got, want) {
		x.t.Errorf("%s:\n got %+.2000q\nwant %+.2000q", what, got, want)
	}
}

func normalised(list []threading.SentMessage) []threading.SentMessage {
	var out []threading.SentMessage
	for _, m := range list {
		m.IDs = append([]mailbox.RFCMessageID(nil), m.IDs...)
		m.Recipients = append([]string(nil), m.Recipients...)
		m.Phrases = append([]uint64(nil), m.Phrases...)
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

// numbered returns the keys "000"… from one number down to another, which is
// left out.
func numbered(from, to int) []string {
	var keys []string
	for i := from; i > to; i-- {
		keys = append(keys, fmt.Sprintf("%03d", i))
	}
	return keys
}
