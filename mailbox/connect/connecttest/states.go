package connecttest

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox/connect"
)

// TestStateStore checks that a store keeps the rules of [connect.StateStore].
// open is called once for each rule.
func TestStateStore(t *testing.T, open func(t *testing.T) connect.StateStore) {
	t.Helper()
	rules := []struct {
		name  string
		check func(t *testing.T, s connect.StateStore)
	}{
		{"what was put is taken once", stateOnce},
		{"an id is used once", stateIDs},
		{"an expired entry is not there", stateExpired},
		{"of many takers one gets it", stateConcurrent},
		{"a cancelled context fails", stateCancelled},
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.check(t, open(t))
		})
	}
}

func putState(t *testing.T, s connect.StateStore, id string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), id, data, time.Now().Add(time.Hour)); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func wantNoState(t *testing.T, s connect.StateStore, id string) {
	t.Helper()
	data, ok, err := s.Take(t.Context(), id)
	if ok || err != nil || len(data) != 0 {
		t.Errorf("Take: %d bytes, ok %v, error %v; want nothing", len(data), ok, err)
	}
}

func stateOnce(t *testing.T, s connect.StateStore) {
	wantNoState(t, s, "missing")
	data := make([]byte, 4096)
	for i := range data {
		data[i] = byte(i)
	}
	want := bytes.Clone(data)
	putState(t, s, "id", data)
	putState(t, s, "ID", []byte("another")) // ids are compared byte for byte
	clear(data)
	got, ok, err := s.Take(t.Context(), "id")
	if !ok || err != nil || !bytes.Equal(got, want) {
		t.Errorf("Take: %d bytes, ok %v, error %v; want what was put", len(got), ok, err)
	}
	wantNoState(t, s, "id")
	if got, ok, _ := s.Take(t.Context(), "ID"); !ok || string(got) != "another" {
		t.Error("taking one entry took another too")
	}
}

func stateIDs(t *testing.T, s connect.StateStore) {
	putState(t, s, "id", []byte("first"))
	if err := s.Put(t.Context(), "id", []byte("second"), time.Now().Add(time.Hour)); err == nil {
		t.Error("an id was used twice")
	}
	if got, _, _ := s.Take(t.Context(), "id"); string(got) != "first" {
		t.Errorf("the first entry became %q", got)
	}
}

func stateExpired(t *testing.T, s connect.StateStore) {
	// Stores may count in whole seconds, or drop it at once.
	if err := s.Put(t.Context(), "id", []byte("data"), time.Now().Add(-2*time.Second)); err != nil {
		t.Fatalf("Put: %v", err)
	}
	wantNoState(t, s, "id")
}

func stateConcurrent(t *testing.T, s connect.StateStore) {
	putState(t, s, "id", []byte("data"))
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, ok, err := s.Take(t.Context(), "id")
			if err != nil {
				t.Errorf("Take: %v", err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d of 16 took the entry, want 1", n)
	}
}

func stateCancelled(t *testing.T, s connect.StateStore) {
	putState(t, s, "id", []byte("data"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantCancelled(t, "Put", s.Put(ctx, "other", nil, time.Now().Add(time.Hour)))
	_, ok, err := s.Take(ctx, "id")
	wantCancelled(t, "Take", err)
	if ok {
		t.Error("Take under a cancelled context returned data")
	}
	if _, ok, err := s.Take(t.Context(), "id"); !ok || err != nil {
		t.Errorf("the entry is gone after a Take that failed: ok %v, error %v", ok, err)
	}
}
