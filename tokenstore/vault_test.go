package tokenstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
	"github.com/mailtether/mailtether/tokenstore/tokenstoretest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	tokenstoretest.TestStore(t, func(*testing.T) tokenstore.Store { return tokenstore.NewMemory() })
}

func TestMemoryLeases(t *testing.T) {
	t.Parallel()
	tokenstoretest.TestLeases(t, func(_ *testing.T, life time.Duration) tokenstore.Store {
		m := tokenstore.NewMemory()
		m.SetLeaseLife(life)
		return m
	})
}

func TestVaultRoundTrip(t *testing.T) {
	t.Parallel()
	v := tokenstore.NewVault(tokenstore.NewMemory(), newKeyring(t, "k1"))
	want := tokenstore.Token{
		Access: "access", Refresh: "refresh", Type: "Bearer", Scopes: []string{"a", "b"},
		Expiry:        time.Date(2026, 11, 20, 12, 0, 0, 1, time.UTC),
		IssuedAt:      time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC),
		RefreshExpiry: time.Date(2027, 5, 20, 11, 0, 0, 0, time.UTC),
	}
	if _, _, err := v.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Get of nothing: %v", err)
	}
	version, err := v.Put(t.Context(), ref, mailbox.Gmail, want, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, gotVersion, err := v.Get(t.Context(), ref)
	if err != nil || gotVersion != version {
		t.Fatalf("Get: version %d, want %d, error %v", gotVersion, version, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("token differs (-want +got):\n%s", diff)
	}
	if _, err := v.Put(t.Context(), ref, mailbox.Gmail, want, version+1); !errors.Is(err, tokenstore.ErrConflict) {
		t.Errorf("Put with another version: %v", err)
	}
	if err := v.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Get after Delete: %v", err)
	}
}

func TestVaultRefuses(t *testing.T) {
	t.Parallel()
	v := tokenstore.NewVault(tokenstore.NewMemory(), newKeyring(t, "k1"))
	good := tokenstore.Token{Refresh: "r"}
	tests := []struct {
		name     string
		ref      mailbox.Ref
		provider mailbox.ProviderName
		token    tokenstore.Token
	}{
		{"no tenant", mailbox.Ref{Mailbox: "m"}, mailbox.Gmail, good},
		{"no mailbox", mailbox.Ref{Tenant: "t"}, mailbox.Gmail, good},
		{"no provider", ref, "", good},
		{"no token", ref, mailbox.Gmail, tokenstore.Token{}},
		{"bytes that are no text", ref, mailbox.Gmail, tokenstore.Token{Access: "\xff"}},
		{"a line break", ref, mailbox.Gmail, tokenstore.Token{Refresh: "a\nb"}},
		{"year 10000", ref, mailbox.Gmail, tokenstore.Token{Refresh: "r", Expiry: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"too long", ref, mailbox.Gmail, tokenstore.Token{Refresh: tokenstore.Secret(bytes.Repeat([]byte("a"), 1<<20))}},
	}
	for _, test := range tests {
		_, err := v.Put(t.Context(), test.ref, test.provider, test.token, 0)
		if _, ok := errors.AsType[*mailbox.FieldError](err); !ok || !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%s: %v, want a FieldError of ClassInvalid", test.name, err)
		}
	}
}

// The wrong place, the wrong key and every damage give one and the same error.
func TestSealedRecordsAreBound(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	ring := newKeyring(t, "k1")
	v := tokenstore.NewVault(s, ring)
	if err := v.Replace(t.Context(), ref, mailbox.Gmail, tokenstore.Token{Access: "access", Refresh: "refresh"}); err != nil {
		t.Fatal(err)
	}
	good, err := s.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(good.Sealed, []byte("refresh")) || bytes.Contains(good.Sealed, []byte("access")) {
		t.Fatal("the record holds the token in plain text")
	}
	wantSealed := func(t *testing.T, v *tokenstore.Vault, ref mailbox.Ref) {
		t.Helper()
		tok, _, err := v.Get(t.Context(), ref)
		if err != tokenstore.ErrSealed || tok.Access != "" || tok.Refresh != "" { //nolint:errorlint // flat: the very value
			t.Errorf("got %v, want the flat ErrSealed", err)
		}
	}
	// try stores a changed copy of good and reads it.
	try := func(t *testing.T, change func(rec *tokenstore.Record)) {
		t.Helper()
		s := tokenstore.NewMemory()
		rec := good
		rec.Version, rec.Sealed = 0, bytes.Clone(good.Sealed)
		change(&rec)
		if _, err := s.Put(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		wantSealed(t, tokenstore.NewVault(s, ring), rec.Ref)
	}

	t.Run("every bit", func(t *testing.T) {
		t.Parallel()
		for i := range good.Sealed {
			for bit := range 8 {
				try(t, func(rec *tokenstore.Record) { rec.Sealed[i] ^= 1 << bit })
			}
		}
	})
	t.Run("every cut", func(t *testing.T) {
		t.Parallel()
		for i := range good.Sealed {
			try(t, func(rec *tokenstore.Record) { rec.Sealed = rec.Sealed[:i] })
			try(t, func(rec *tokenstore.Record) { rec.Sealed = rec.Sealed[i+1:] })
		}
		try(t, func(rec *tokenstore.Record) { rec.Sealed = append(rec.Sealed, 0) })
		try(t, func(rec *tokenstore.Record) { rec.Sealed = slices.Concat(rec.Sealed, rec.Sealed) })
		try(t, func(rec *tokenstore.Record) { rec.Sealed = make([]byte, 2<<20) })
	})
	t.Run("moved", func(t *testing.T) {
		t.Parallel()
		try(t, func(rec *tokenstore.Record) { rec.Tenant = "other" })
		try(t, func(rec *tokenstore.Record) { rec.Mailbox = "other" })
		try(t, func(rec *tokenstore.Record) { rec.Provider = mailbox.Outlook })
		// The same characters, divided otherwise.
		try(t, func(rec *tokenstore.Record) { rec.Tenant, rec.Mailbox = "acm", "esales" })
		try(t, func(rec *tokenstore.Record) { rec.Mailbox, rec.Provider = "salesg", "mail" })
	})
	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		wantSealed(t, tokenstore.NewVault(s, newKeyring(t, "unknown")), ref)
		same, err := tokenstore.NewKeyring(tokenstore.Key{ID: "k1", Secret: bytes.Repeat([]byte{9}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		wantSealed(t, tokenstore.NewVault(s, same), ref)
	})
	t.Run("not a token inside", func(t *testing.T) {
		t.Parallel()
		wantSealed(t, tokenstore.NewVault(s, foreignAEAD{}), ref)
	})
	t.Run("another AEAD that explains itself", func(t *testing.T) {
		t.Parallel()
		wantSealed(t, tokenstore.NewVault(s, foreignAEAD{errors.New("padding is wrong at byte 7")}), ref)
	})
	t.Run("a store that returns another mailbox's record", func(t *testing.T) {
		t.Parallel()
		wantSealed(t, tokenstore.NewVault(confusedStore{s}, ring), mailbox.Ref{Tenant: "other", Mailbox: "other"})
	})
}

// An AEAD that fails (a KMS that is down) stores nothing.
func TestVaultSealFails(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	down := errors.New("KMS is down")
	_, err := tokenstore.NewVault(s, foreignAEAD{down}).Put(t.Context(), ref, mailbox.Gmail, tokenstore.Token{Refresh: "r"}, 0)
	if !errors.Is(err, mailbox.ClassConfig) || !errors.Is(err, down) {
		t.Errorf("Put: %v", err)
	}
	if _, err := s.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("something was stored: %v", err)
	}
}

// foreignAEAD opens everything to something that is not a token, or fails.
type foreignAEAD struct{ err error }

func (a foreignAEAD) Encrypt(plaintext, _ []byte) ([]byte, error) { return plaintext, a.err }
func (a foreignAEAD) Decrypt(_, _ []byte) ([]byte, error)         { return []byte("secret plaintext"), a.err }

// confusedStore returns the same record for every mailbox.
type confusedStore struct{ *tokenstore.Memory }

func (s confusedStore) Get(ctx context.Context, _ mailbox.Ref) (tokenstore.Record, error) {
	return s.Memory.Get(ctx, ref)
}

// Rows swapped between tenants are refused, whichever way they are swapped.
func TestSwappedRows(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	v := tokenstore.NewVault(s, newKeyring(t, "k1"))
	a, b := mailbox.Ref{Tenant: "a", Mailbox: "m"}, mailbox.Ref{Tenant: "b", Mailbox: "m"}
	var recs []tokenstore.Record
	for _, r := range []mailbox.Ref{a, b} {
		if err := v.Replace(t.Context(), r, mailbox.Gmail, tokenstore.Token{Refresh: tokenstore.Secret(r.Tenant)}); err != nil {
			t.Fatal(err)
		}
		rec, err := s.Get(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	recs[0].Sealed, recs[1].Sealed = recs[1].Sealed, recs[0].Sealed
	for _, rec := range recs {
		if _, err := s.Put(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.Get(t.Context(), rec.Ref); !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("tenant %s opened another tenant's token: %v", rec.Tenant, err)
		}
	}
	// A record that cannot be opened can still be replaced.
	if err := v.Replace(t.Context(), a, mailbox.Gmail, tokenstore.Token{Refresh: "new"}); err != nil {
		t.Errorf("Replace: %v", err)
	}
}

func TestKeyringReplacesKeys(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	old := tokenstore.NewVault(s, newKeyring(t, "2025"))
	if err := old.Replace(t.Context(), ref, mailbox.Gmail, tokenstore.Token{Refresh: "refresh"}); err != nil {
		t.Fatal(err)
	}
	both := tokenstore.NewVault(s, newKeyring(t, "new", "2025"))
	tok, version, err := both.Get(t.Context(), ref)
	if err != nil || tok.Refresh != "refresh" {
		t.Fatalf("the old key does not open any more: %v", err)
	}
	if _, err := both.Put(t.Context(), ref, mailbox.Gmail, tok, version); err != nil {
		t.Fatal(err)
	}
	if _, _, err := old.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("sealed with the old key although another is primary: %v", err)
	}
	only := tokenstore.NewVault(s, newKeyring(t, "new"))
	if _, _, err := only.Get(t.Context(), ref); err != nil {
		t.Errorf("the new key alone: %v", err)
	}
}

func TestKeyringSealsDifferently(t *testing.T) {
	t.Parallel()
	ring := newKeyring(t, "k1")
	seen := make(map[string]bool)
	for range 1000 {
		sealed, err := ring.Encrypt([]byte("same"), nil)
		if err != nil || seen[string(sealed)] {
			t.Fatalf("a nonce came twice, or Encrypt failed: %v", err)
		}
		seen[string(sealed)] = true
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	t.Parallel()
	good := tokenstore.Key{ID: "good", Secret: make([]byte, 32)}
	tests := map[string]struct {
		keys  []tokenstore.Key
		field string
	}{
		"no ID":        {[]tokenstore.Key{{Secret: good.Secret}}, "keys[0].ID"},
		"long ID":      {[]tokenstore.Key{{ID: fmt.Sprintf("%256d", 0), Secret: good.Secret}}, "keys[0].ID"},
		"same ID":      {[]tokenstore.Key{good, good}, "keys[1].ID"},
		"no secret":    {[]tokenstore.Key{{ID: "k"}}, "keys[0].Secret"},
		"short secret": {[]tokenstore.Key{good, {ID: "k", Secret: make([]byte, 16)}}, "keys[1].Secret"},
	}
	for name, test := range tests {
		_, err := tokenstore.NewKeyring(test.keys[0], test.keys[1:]...)
		fe, ok := errors.AsType[*mailbox.FieldError](err)
		if !ok || fe.Field != test.field {
			t.Errorf("%s: %v, want a FieldError of %s", name, err, test.field)
		}
	}
}

func FuzzKeyringDecrypt(f *testing.F) {
	ring := newKeyring(f, "k1", "k2")
	sealed, _ := ring.Encrypt([]byte("plain"), []byte("data"))
	f.Add(sealed, []byte("data"))
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1, 255}, []byte{})
	f.Add(append([]byte{1, 2, 'k', '2'}, make([]byte, 28)...), []byte{})
	f.Fuzz(func(t *testing.T, b, data []byte) {
		plain, err := ring.Decrypt(b, data)
		if err != nil {
			if err != tokenstore.ErrSealed || plain != nil { //nolint:errorlint // flat: the very value
				t.Fatalf("error %v with %d bytes, want the flat ErrSealed alone", err, len(plain))
			}
		} else if string(plain) != "plain" || string(data) != "data" {
			// Workers are processes of their own: the seed differs by its nonce.
			t.Fatal("something opened that no keyring of this test sealed")
		}
		// Whatever is sealed opens again, and only with its data.
		again, err := ring.Encrypt(b, data)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ring.Decrypt(again, data); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("round trip: %v", err)
		}
		if _, err := ring.Decrypt(again, append(bytes.Clone(data), 0)); err == nil {
			t.Fatal("opened with other associated data")
		}
	})
}

func FuzzUnencryptedDecrypt(f *testing.F) {
	stored, _ := tokenstore.Unencrypted{}.Encrypt([]byte("plain"), []byte("data"))
	f.Add(stored, []byte("data"))
	f.Add([]byte("unencrypted\n"), []byte{})
	f.Fuzz(func(t *testing.T, b, data []byte) {
		plain, err := tokenstore.Unencrypted{}.Decrypt(b, data)
		if err != nil && (err != tokenstore.ErrSealed || plain != nil) { //nolint:errorlint // flat: the very value
			t.Fatalf("error %v with %d bytes, want the flat ErrSealed alone", err, len(plain))
		}
		if err == nil {
			if again, _ := (tokenstore.Unencrypted{}).Encrypt(plain, data); !bytes.Equal(again, b) {
				t.Fatal("one content has two forms")
			}
		}
		again, _ := tokenstore.Unencrypted{}.Encrypt(b, data)
		if got, err := (tokenstore.Unencrypted{}).Decrypt(again, data); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("round trip: %v", err)
		}
	})
}
