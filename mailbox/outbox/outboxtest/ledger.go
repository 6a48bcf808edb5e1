// Package outboxtest is the conformance suite for implementations of
// outbox.Ledger.
package outboxtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/quota"
)

// TestLedger runs the suite. Open returns an empty ledger; when it is called
// again within one test it need not be the same.
func TestLedger(t *testing.T, open func(t *testing.T) outbox.Ledger) {
	for name, check := range map[string]func(*testing.T, outbox.Ledger){
		"a created intent is read back whole":         readBack,
		"a key is created once":                       createOnce,
		"tenants and mailboxes do not share keys":     separate,
		"an update needs the stored version":          compareAndSwap,
		"of concurrent updates one wins":              race,
		"of concurrent creates one wins":              createRace,
		"due intents come oldest first, up to now":    due,
		"a list has one mailbox, oldest first":        list,
		"missing intents are not found":               missing,
		"a cancelled context stops every call":        cancelled,
		"a caller's later changes are not stored":     isolation,
		"times and zero times survive":                times,
		"a range over the list may be broken off":     breakOff,
		"an intent without a next time is not due":    notDue,
		"strange keys and texts are kept as they are": strange,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t))
		})
	}
}

var ref = mailbox.Ref{Tenant: "t1", Mailbox: "m1"}

func at(minute int) time.Time { return time.Date(2025, 6, 2, 10, minute, 0, 0, time.UTC) }

func intent(key string) outbox.Intent {
	return outbox.Intent{
		Ref: ref, Key: key, Digest: "d", State: outbox.StatePending,
		Message: &mailbox.Outgoing{
			To: []mailbox.Address{{Name: "Bøb", Address: "bob@example.com"}}, Subject: "Hi", Text: "x",
			Attachments: []mailbox.File{{Name: "a", Data: []byte{0, 255}}},
		},
		At: at(0), NextAt: at(1), CreatedAt: at(0), UpdatedAt: at(0),
	}
}

func create(t *testing.T, l outbox.Ledger, i outbox.Intent) outbox.Intent {
	t.Helper()
	got, created, err := l.Create(t.Context(), i)
	if err != nil || !created {
		t.Fatalf("Create: created %v, %v", created, err)
	}
	return got
}

func readBack(t *testing.T, l outbox.Ledger) {
	i := create(t, l, intent("k"))
	if i.Version == 0 {
		t.Error("version is 0")
	}
	i.State, i.Attempts, i.Looks, i.Waiting = outbox.StateUnknown, 3, 2, []string{"a", "b"}
	i.Checkpoint = &mailbox.Checkpoint{Ref: "r", RFCMessageID: "a@b", DraftID: "d", Position: "p", At: at(2)}
	i.Reservation = &quota.Reservation{ID: "res"}
	i.Sent = mailbox.Sent{ID: "s", ThreadID: "t", RFCMessageIDs: []mailbox.RFCMessageID{"a@b", "c@d"}, At: at(3)}
	i.HeldSince, i.Held, i.HeldBefore = at(4), 36*time.Hour, time.Hour
	i.Failure, i.Error, i.Announced, i.Complete = mailbox.ClassThrottled, "slow", true, true
	updated, err := l.Update(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Get(t.Context(), ref, "k")
	if err != nil {
		t.Fatal(err)
	}
	i.Version = updated.Version
	if diff := cmp.Diff(i, got); diff != "" {
		t.Errorf("(-stored +read)\n%s", diff)
	}
}

func createOnce(t *testing.T, l outbox.Ledger) {
	first := create(t, l, intent("k"))
	other := intent("k")
	other.Digest = "other"
	got, created, err := l.Create(t.Context(), other)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	if diff := cmp.Diff(first, got); diff != "" {
		t.Errorf("(-first +second)\n%s", diff)
	}
}

func separate(t *testing.T, l outbox.Ledger) {
	create(t, l, intent("k"))
	for _, r := range []mailbox.Ref{{Tenant: "t2", Mailbox: "m1"}, {Tenant: "t1", Mailbox: "m2"}, {Tenant: "t", Mailbox: "1m1"}} {
		if _, err := l.Get(t.Context(), r, "k"); mailbox.ClassOf(err) != mailbox.ClassNotFound {
			t.Errorf("%v: %v", r, err)
		}
		i := intent("k")
		i.Ref = r
		create(t, l, i)
	}
}

func compareAndSwap(t *testing.T, l outbox.Ledger) {
	i := create(t, l, intent("k"))
	next, err := l.Update(t.Context(), i)
	if err != nil || next.Version == i.Version {
		t.Fatalf("version %d, %v", next.Version, err)
	}
	if _, err := l.Update(t.Context(), i); mailbox.ClassOf(err) != mailbox.ClassConflict {
		t.Errorf("an old version: %v", err)
	}
	if _, err := l.Update(t.Context(), next); err != nil {
		t.Errorf("the current version: %v", err)
	}
}

func race(t *testing.T, l outbox.Ledger) {
	i := create(t, l, intent("k"))
	var won atomic.Int32
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			mine := i
			mine.Error = fmt.Sprint(n)
			_, err := l.Update(t.Context(), mine)
			if err == nil {
				won.Add(1)
			} else if mailbox.ClassOf(err) != mailbox.ClassConflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d updates won", won.Load())
	}
}

func createRace(t *testing.T, l outbox.Ledger) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, created, err := l.Create(t.Context(), intent("k"))
			if err != nil {
				t.Error(err)
			}
			if created {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d creates won", won.Load())
	}
}

func due(t *testing.T, l outbox.Ledger) {
	for n, minute := range []int{5, 1, 9, 3} {
		i := intent(fmt.Sprint(n))
		i.Tenant = mailbox.TenantID(fmt.Sprint("t", n))
		i.NextAt = at(minute)
		create(t, l, i)
	}
	for _, c := range []struct {
		now   time.Time
		limit int
		want  []string
	}{
		{at(0), 10, nil},
		{at(1), 10, []string{"1"}},
		{at(5), 10, []string{"1", "3", "0"}},
		{at(59), 2, []string{"1", "3"}},
	} {
		got, err := l.Due(t.Context(), c.now, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, i := range got {
			keys = append(keys, i.Key)
		}
		if diff := cmp.Diff(c.want, keys); diff != "" {
			t.Errorf("due at %v, limit %d (-want +got)\n%s", c.now, c.limit, diff)
		}
	}
}

func list(t *testing.T, l outbox.Ledger) {
	for n := range 3 {
		i := intent(fmt.Sprint(n))
		i.CreatedAt = at(n)
		create(t, l, i)
	}
	other := intent("other")
	other.Mailbox = "m2"
	create(t, l, other)
	var keys []string
	for i, err := range l.List(t.Context(), ref) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, i.Key)
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, keys); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func missing(t *testing.T, l outbox.Ledger) {
	if _, err := l.Get(t.Context(), ref, "k"); mailbox.ClassOf(err) != mailbox.ClassNotFound {
		t.Errorf("Get: %v", err)
	}
	if _, err := l.Update(t.Context(), intent("k")); mailbox.ClassOf(err) != mailbox.ClassNotFound {
		t.Errorf("Update: %v", err)
	}
}

func cancelled(t *testing.T, l outbox.Ledger) {
	i := create(t, l, intent("k"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Create(ctx, intent("k2")); err == nil {
		t.Error("Create went on")
	}
	if _, err := l.Get(ctx, ref, "k"); err == nil {
		t.Error("Get went on")
	}
	if _, err := l.Update(ctx, i); err == nil {
		t.Error("Update went on")
	}
	if _, err := l.Due(ctx, at(59), 1); err == nil {
		t.Error("Due went on")
	}
	for _, err := range l.List(ctx, ref) {
		if err == nil {
			t.Error("List went on")
		}
	}
}

func isolation(t *testing.T, l outbox.Ledger) {
	i := intent("k")
	create(t, l, i)
	i.Message.Subject, i.Message.To[0].Address = "changed", "eve@example.com"
	got, err := l.Get(t.Context(), ref, "k")
	if err != nil {
		t.Fatal(err)
	}
	if got.Message.Subject != "Hi" || got.Message.To[0].Address != "bob@example.com" {
		t.Errorf("stored message is %+v", got.Message)
	}
}

func times(t *testing.T, l outbox.Ledger) {
	i := intent("k")
	i.NextAt = time.Time{}
	i.At = time.Date(2025, 3, 30, 1, 59, 59, 123_456_000, time.UTC) // microseconds: what databases keep
	create(t, l, i)
	got, err := l.Get(t.Context(), ref, "k")
	if err != nil {
		t.Fatal(err)
	}
	if !got.NextAt.IsZero() || !got.At.Equal(i.At) {
		t.Errorf("next %v, at %v", got.NextAt, got.At)
	}
}

func breakOff(t *testing.T, l outbox.Ledger) {
	create(t, l, intent("a"))
	create(t, l, intent("b"))
	for range 2 {
		for range l.List(t.Context(), ref) {
			break
		}
	}
	if _, err := l.Get(t.Context(), ref, "a"); err != nil {
		t.Errorf("after a range that was broken off: %v", err)
	}
}

func notDue(t *testing.T, l outbox.Ledger) {
	i := intent("k")
	i.NextAt = time.Time{}
	create(t, l, i)
	got, err := l.Due(t.Context(), at(59), 10)
	if err != nil || len(got) != 0 {
		t.Errorf("due: %d, %v", len(got), err)
	}
}

func strange(t *testing.T, l outbox.Ledger) {
	for _, key := range []string{"K", "k", "a/b", "a'b", "ключ", "%", " "} {
		i := intent(key)
		i.Message.Text = "emoji 🎉 and null-like \u200b"
		create(t, l, i)
		got, err := l.Get(t.Context(), ref, key)
		if err != nil || got.Key != key || got.Message.Text != i.Message.Text {
			t.Errorf("%q: %+v, %v", key, got, err)
		}
	}
}
