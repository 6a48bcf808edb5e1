// Package inboxtest is the conformance suite for implementations of
// inbox.Store.
package inboxtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/inbox"
)

// TestStore runs the suite. Open returns an empty store.
func TestStore(t *testing.T, open func(t *testing.T) inbox.Store) {
	for name, check := range map[string]func(*testing.T, inbox.Store){
		"a mailbox never seen has version 0":      empty,
		"a saved state is read back whole":        readBack,
		"a save needs the stored version":         compareAndSwap,
		"of concurrent saves one wins":            race,
		"delivered ids are known afterwards":      delivered,
		"a refused save delivers nothing":         allOrNothing,
		"tenants and mailboxes share nothing":     separate,
		"a cancelled context stops every call":    cancelled,
		"a caller's later changes are not stored": isolation,
		"many ids are asked for at once":          many,
		"an id delivered twice is no error":       twice,
		"a long cursor is kept whole":             long,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t))
		})
	}
}

var ref = mailbox.Ref{Tenant: "t1", Mailbox: "m1"}

func state() inbox.State {
	at := time.Date(2025, 6, 2, 10, 0, 0, 123_456_000, time.UTC)
	return inbox.State{
		Ref: ref, Cursor: "cursor-1", BeganAt: at, SyncedAt: at,
		Failing:  map[string]int{"message:a": 2},
		SetAside: []inbox.SetAside{{EventID: "message:b", ID: "b", Attempts: 5, At: at}},
		Resync:   &inbox.Resync{Cursor: "cursor-2", Since: at, Folder: 1, Page: "p", Read: 7},
	}
}

func save(t *testing.T, s inbox.Store, st inbox.State, ids ...string) inbox.State {
	t.Helper()
	saved, err := s.Save(t.Context(), st, ids)
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return saved
}

func known(t *testing.T, s inbox.Store, r mailbox.Ref, ids ...string) map[string]bool {
	t.Helper()
	got, err := s.Delivered(t.Context(), r, ids)
	if err != nil {
		t.Fatalf("Delivered: %v", err)
	}
	return got
}

func empty(t *testing.T, s inbox.Store) {
	got, err := s.Load(t.Context(), ref)
	if diff := cmp.Diff(inbox.State{Ref: ref}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func readBack(t *testing.T, s inbox.Store) {
	saved := save(t, s, state())
	if saved.Version == 0 {
		t.Error("version is 0")
	}
	got, err := s.Load(t.Context(), ref)
	if diff := cmp.Diff(saved, got); diff != "" || err != nil {
		t.Errorf("%v (-saved +loaded)\n%s", err, diff)
	}
}

func compareAndSwap(t *testing.T, s inbox.Store) {
	first := save(t, s, state())
	second := save(t, s, first)
	if _, err := s.Save(t.Context(), first, nil); mailbox.ClassOf(err) != mailbox.ClassConflict {
		t.Errorf("an old version: %v", err)
	}
	if _, err := s.Save(t.Context(), state(), nil); mailbox.ClassOf(err) != mailbox.ClassConflict {
		t.Errorf("version 0: %v", err)
	}
	save(t, s, second)
}

func race(t *testing.T, s inbox.Store) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := s.Save(t.Context(), state(), nil)
			if err == nil {
				won.Add(1)
			} else if mailbox.ClassOf(err) != mailbox.ClassConflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d saves won", won.Load())
	}
}

func delivered(t *testing.T, s inbox.Store) {
	st := save(t, s, state(), "a", "b")
	save(t, s, st, "c")
	want := map[string]bool{"a": true, "b": true, "c": true}
	if diff := cmp.Diff(want, known(t, s, ref, "a", "b", "c", "d")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := known(t, s, ref); len(got) != 0 {
		t.Errorf("asked for nothing, got %v", got)
	}
}

func allOrNothing(t *testing.T, s inbox.Store) {
	save(t, s, state())
	if _, err := s.Save(t.Context(), state(), []string{"a"}); err == nil {
		t.Fatal("saved")
	}
	if got := known(t, s, ref, "a"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func separate(t *testing.T, s inbox.Store) {
	save(t, s, state(), "a")
	for _, r := range []mailbox.Ref{{Tenant: "t2", Mailbox: "m1"}, {Tenant: "t1", Mailbox: "m2"}} {
		got, err := s.Load(t.Context(), r)
		if err != nil || got.Version != 0 || got.Cursor != "" {
			t.Errorf("%v: %+v, %v", r, got, err)
		}
		if got := known(t, s, r, "a"); len(got) != 0 {
			t.Errorf("%v: %v", r, got)
		}
	}
}

func cancelled(t *testing.T, s inbox.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, ref); err == nil {
		t.Error("Load went on")
	}
	if _, err := s.Save(ctx, state(), nil); err == nil {
		t.Error("Save went on")
	}
	if _, err := s.Delivered(ctx, ref, []string{"a"}); err == nil {
		t.Error("Delivered went on")
	}
}

func isolation(t *testing.T, s inbox.Store) {
	st := state()
	save(t, s, st)
	st.Failing["message:a"], st.SetAside[0].Attempts, st.Resync.Page = 9, 9, "changed"
	got, err := s.Load(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	got.Version = 0
	if diff := cmp.Diff(state(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func many(t *testing.T, s inbox.Store) {
	var ids []string
	for n := range 1000 {
		ids = append(ids, fmt.Sprint("message:", n))
	}
	save(t, s, state(), ids...)
	if got := known(t, s, ref, ids...); len(got) != len(ids) {
		t.Errorf("%d of %d ids", len(got), len(ids))
	}
}

func twice(t *testing.T, s inbox.Store) {
	st := save(t, s, state(), "a", "a")
	save(t, s, st, "a")
	if got := known(t, s, ref, "a"); !got["a"] {
		t.Error("not known")
	}
}

func long(t *testing.T, s inbox.Store) {
	st := state()
	b := make([]byte, 64<<10)
	for i := range b {
		b[i] = "abcdefgh"[i%8]
	}
	st.Cursor = mailbox.Cursor(b)
	save(t, s, st)
	got, err := s.Load(t.Context(), ref)
	if err != nil || got.Cursor != st.Cursor {
		t.Errorf("%d bytes, %v", len(got.Cursor), err)
	}
}
