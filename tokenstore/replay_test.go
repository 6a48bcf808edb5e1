package tokenstore_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// rewindable is a store whose rows an attacker can set.
type rewindable struct {
	*tokenstore.Memory
	mu      sync.Mutex
	planted *tokenstore.Record
}

func (s *rewindable) plant(rec *tokenstore.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planted = rec
}

func (s *rewindable) Get(ctx context.Context, ref mailbox.Ref) (tokenstore.Record, error) {
	s.mu.Lock()
	rec := s.planted
	s.mu.Unlock()
	if rec != nil && rec.Ref == ref {
		return *rec, nil
	}
	return s.Memory.Get(ctx, ref)
}

// Put takes a planted row for the present one.
func (s *rewindable) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.planted != nil && s.planted.Ref == rec.Ref {
		if s.planted.Version != rec.Version {
			return tokenstore.Record{}, tokenstore.ErrConflict
		}
		s.planted = nil
		now, err := s.Memory.Get(ctx, rec.Ref)
		if err != nil && !errors.Is(err, tokenstore.ErrNotFound) {
			return tokenstore.Record{}, err
		}
		rec.Version = now.Version
	}
	return s.Memory.Put(ctx, rec)
}

// List shows a planted row in place of the real one.
func (s *rewindable) List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[tokenstore.Record, error] {
	return func(yield func(tokenstore.Record, error) bool) {
		s.mu.Lock()
		planted := s.planted
		s.mu.Unlock()
		if planted != nil && planted.Tenant == tenant && !yield(*planted, nil) {
			return
		}
		for rec, err := range s.Memory.List(ctx, tenant) {
			if err == nil && planted != nil && rec.Ref == planted.Ref {
				continue
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

func wantSealed(t *testing.T, v *tokenstore.Vault, ref mailbox.Ref) {
	t.Helper()
	tok, _, err := v.Get(t.Context(), ref)
	if err != tokenstore.ErrSealed || tok.Access != "" || tok.Refresh != "" { //nolint:errorlint // flat: the very value
		t.Errorf("got %v, want the flat ErrSealed", err)
	}
}

func TestReplayedRows(t *testing.T) {
	t.Parallel()
	type history struct {
		old, now tokenstore.Record
		other    tokenstore.Record // sealed for the mailbox by somebody else with the key
	}
	tests := []struct {
		name string
		row  func(t *testing.T, s *rewindable, v *tokenstore.Vault, h history) tokenstore.Record
		ok   bool
	}{
		{"the row of now", func(_ *testing.T, _ *rewindable, _ *tokenstore.Vault, h history) tokenstore.Record { return h.now }, true},
		{"an older row", func(_ *testing.T, _ *rewindable, _ *tokenstore.Vault, h history) tokenstore.Record { return h.old }, false},
		{"older bytes under the version of now", func(_ *testing.T, _ *rewindable, _ *tokenstore.Vault, h history) tokenstore.Record {
			h.old.Version = h.now.Version
			return h.old
		}, false},
		{"other bytes under the version of now", func(_ *testing.T, _ *rewindable, _ *tokenstore.Vault, h history) tokenstore.Record {
			h.other.Version = h.now.Version
			return h.other
		}, false},
		{"the row of now under a lower version", func(_ *testing.T, _ *rewindable, _ *tokenstore.Vault, h history) tokenstore.Record {
			h.now.Version--
			return h.now
		}, false},
		{"a row that was deleted here", func(t *testing.T, _ *rewindable, v *tokenstore.Vault, h history) tokenstore.Record {
			if err := v.Delete(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
			return h.now
		}, false},
		{"a row that was deleted elsewhere, and seen to be", func(t *testing.T, s *rewindable, v *tokenstore.Vault, h history) tokenstore.Record {
			if err := s.Delete(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
			if _, _, err := v.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
				t.Fatal(err)
			}
			return h.now
		}, false},
		{"a newer row", func(_ *testing.T, _ *rewindable, _ *tokenstore.Vault, h history) tokenstore.Record {
			h.other.Version = h.now.Version + 1
			return h.other
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &rewindable{Memory: tokenstore.NewMemory()}
			ring := newKeyring(t, "k1")
			v := tokenstore.NewVault(s, ring)
			row := func(v *tokenstore.Vault, refresh tokenstore.Secret) tokenstore.Record {
				if err := v.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: refresh}); err != nil {
					t.Fatal(err)
				}
				rec, err := s.Memory.Get(t.Context(), ref)
				if err != nil {
					t.Fatal(err)
				}
				return rec
			}
			var h history
			h.other = row(tokenstore.NewVault(s, ring), "other")
			h.old = row(v, "old")
			h.now = row(v, "now")
			if _, _, err := v.Get(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
			rec := test.row(t, s, v, h)
			s.plant(&rec)
			if test.ok {
				if _, _, err := v.Get(t.Context(), ref); err != nil {
					t.Errorf("Get: %v", err)
				}
				return
			}
			wantSealed(t, v, ref)
			wantSealed(t, v, ref) // seeing it does not make it good
			// A rotation does not make it good either.
			report, err := v.Rotate(t.Context(), tokenstore.RotateOptions{Tenants: tenants(ref.Tenant)})
			if err != nil || report.Unreadable != 1 {
				t.Fatalf("Rotate: %+v, %v", report, err)
			}
			wantSealed(t, v, ref)
			// A new grant ends it.
			if err := v.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "new"}); err != nil {
				t.Fatal(err)
			}
			if tok, _, err := v.Get(t.Context(), ref); err != nil || tok.Refresh != "new" {
				t.Errorf("after a new grant: %v", err)
			}
		})
	}
}

// A process that has seen nothing takes what it finds: that is documented.
func TestReplayAfterRestart(t *testing.T) {
	t.Parallel()
	s := &rewindable{Memory: tokenstore.NewMemory()}
	ring := newKeyring(t, "k1")
	v := tokenstore.NewVault(s, ring)
	var rows []tokenstore.Record
	for _, refresh := range []tokenstore.Secret{"old", "now"} {
		if err := v.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: refresh}); err != nil {
			t.Fatal(err)
		}
		rec, err := s.Memory.Get(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, rec)
	}
	s.plant(&rows[0])
	if tok, _, err := tokenstore.NewVault(s, ring).Get(t.Context(), ref); err != nil || tok.Refresh != "old" {
		t.Errorf("a new process: %v", err)
	}
}

// A reader that the store answered before a write is not taken for a replay after
// it.
func TestNoReplayBySlowRead(t *testing.T) {
	t.Parallel()
	s := &lateReads{Memory: tokenstore.NewMemory()}
	v := tokenstore.NewVault(s, newKeyring(t, "k1"))
	put := func(refresh tokenstore.Secret) {
		if err := v.Replace(t.Context(), ref, mailbox.Gmail, tokenstore.Token{Refresh: refresh}); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	s.afterGet = func() { put("second") }
	if tok, _, err := v.Get(t.Context(), ref); err != nil || tok.Refresh != "first" {
		t.Errorf("Get during a write: %v", err)
	}
	s.afterGet = func() {
		if err := v.Delete(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if tok, _, err := v.Get(t.Context(), ref); err != nil || tok.Refresh != "second" {
		t.Errorf("Get during a delete: %v", err)
	}
}

// lateReads lets something happen between the answer of the store and its arrival.
type lateReads struct {
	*tokenstore.Memory
	afterGet func() // called once
}

func (s *lateReads) Get(ctx context.Context, ref mailbox.Ref) (tokenstore.Record, error) {
	rec, err := s.Memory.Get(ctx, ref)
	if f := s.afterGet; f != nil {
		s.afterGet = nil
		f()
	}
	return rec, err
}

// Readers and writers that overlap never take each other for a replay.
func TestNoReplayByOverlap(t *testing.T) {
	t.Parallel()
	v := tokenstore.NewVault(tokenstore.NewMemory(), newKeyring(t, "k1"))
	tok := tokenstore.Token{Refresh: "r"}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 300 {
				_, version, err := v.Get(t.Context(), ref)
				switch {
				case errors.Is(err, tokenstore.ErrNotFound):
				case err != nil:
					t.Errorf("Get: %v", err)
					return
				}
				if i == 0 && version%5 == 0 {
					err = v.Delete(t.Context(), ref)
				} else if i < 4 {
					_, err = v.Put(t.Context(), ref, mailbox.Gmail, tok, version)
				}
				if err != nil && !errors.Is(err, tokenstore.ErrConflict) && !errors.Is(err, tokenstore.ErrNotFound) {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestUnencrypted(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	v := tokenstore.NewVault(s, tokenstore.Unencrypted{})
	want := tokenstore.Token{Refresh: "readable"}
	if err := v.Replace(t.Context(), ref, mailbox.Gmail, want); err != nil {
		t.Fatal(err)
	}
	if tok, _, err := v.Get(t.Context(), ref); err != nil || tok.Refresh != "readable" {
		t.Errorf("Get: %v", err)
	}
	rec, err := s.Get(t.Context(), ref)
	if err != nil || !bytes.HasPrefix(rec.Sealed, []byte("unencrypted\n")) || !bytes.Contains(rec.Sealed, []byte("readable")) {
		t.Errorf("the record does not say what it is; error %v", err)
	}
	// No vault with keys takes it, so that nobody gives up encryption by planting
	// plain text.
	wantSealed(t, tokenstore.NewVault(s, newKeyring(t, "k1")), ref)

	// Accidents are found.
	for i := range rec.Sealed {
		for bit := range 8 {
			bad := rec
			bad.Sealed = bytes.Clone(rec.Sealed)
			bad.Sealed[i] ^= 1 << bit
			wantUnreadable(t, bad)
		}
		bad := rec
		bad.Sealed = rec.Sealed[:i]
		wantUnreadable(t, bad)
	}
	moved := rec
	moved.Mailbox = "other"
	wantUnreadable(t, moved)
	moved = rec
	moved.Provider = mailbox.Outlook
	wantUnreadable(t, moved)
}

func wantUnreadable(t *testing.T, rec tokenstore.Record) {
	t.Helper()
	s := tokenstore.NewMemory()
	rec.Version = 0
	if _, err := s.Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, tokenstore.NewVault(s, tokenstore.Unencrypted{}), rec.Ref)
}

// Rows swapped between mailboxes of one tenant, tenants, and providers.
func TestSwappedSealedBytes(t *testing.T) {
	t.Parallel()
	refs := []mailbox.Ref{{Tenant: "a", Mailbox: "m"}, {Tenant: "a", Mailbox: "n"}, {Tenant: "b", Mailbox: "m"}}
	s := tokenstore.NewMemory()
	ring := newKeyring(t, "k1", "k2")
	v := tokenstore.NewVault(s, ring)
	var recs []tokenstore.Record
	for _, r := range refs {
		for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook} {
			if err := v.Replace(t.Context(), r, p, tokenstore.Token{Refresh: "r"}); err != nil {
				t.Fatal(err)
			}
			rec, err := s.Get(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			recs = append(recs, rec)
		}
	}
	for i, to := range recs {
		for j, from := range recs {
			planted := to
			planted.Version, planted.Sealed = 0, from.Sealed
			s := tokenstore.NewMemory()
			if _, err := s.Put(t.Context(), planted); err != nil {
				t.Fatal(err)
			}
			v := tokenstore.NewVault(s, ring)
			if i != j {
				wantSealed(t, v, to.Ref)
			} else if _, _, err := v.Get(t.Context(), to.Ref); err != nil {
				t.Errorf("Get of a row in its place: %v", err)
			}
		}
	}
}
