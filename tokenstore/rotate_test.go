package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// fill stores a token for n mailboxes of each tenant.
func fill(t testing.TB, s tokenstore.Store, a tokenstore.AEAD, n int, tenants ...mailbox.TenantID) {
	t.Helper()
	v := tokenstore.NewVault(s, a)
	for _, tenant := range tenants {
		for i := range n {
			r := mailbox.Ref{Tenant: tenant, Mailbox: mailbox.MailboxID(fmt.Sprint(i))}
			if _, err := v.Put(t.Context(), r, mailbox.Outlook, tokenstore.Token{Refresh: tokenstore.Secret(r.String())}, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wantReadable checks that every record opens with one keyring.
func wantReadable(t testing.TB, s tokenstore.Store, a tokenstore.AEAD, n int, tenants ...mailbox.TenantID) {
	t.Helper()
	v := tokenstore.NewVault(s, a)
	for _, tenant := range tenants {
		for i := range n {
			r := mailbox.Ref{Tenant: tenant, Mailbox: mailbox.MailboxID(fmt.Sprint(i))}
			if tok, _, err := v.Get(t.Context(), r); err != nil || string(tok.Refresh) != r.String() {
				t.Errorf("%s: %v", r, err)
			}
		}
	}
}

func wantReport(t *testing.T, want, got tokenstore.RotateReport) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report differs (-want +got):\n%s", diff)
	}
}

func tenants(names ...mailbox.TenantID) iter.Seq2[mailbox.TenantID, error] {
	return func(yield func(mailbox.TenantID, error) bool) {
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	stores := map[string]func(t *testing.T) tokenstore.Store{
		"memory": func(*testing.T) tokenstore.Store { return tokenstore.NewMemory() },
		"file":   func(t *testing.T) tokenstore.Store { f, _ := newFile(t); return f },
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			fill(t, s, newKeyring(t, "2025"), 20, "a", "b", "c")
			fill(t, s, newKeyring(t, "2026"), 5, "d")
			v := tokenstore.NewVault(s, newKeyring(t, "2026", "2025"))
			var told []tokenstore.RotateReport
			report, err := v.Rotate(t.Context(), tokenstore.RotateOptions{
				Progress: func(r tokenstore.RotateReport) { told = append(told, r) },
			})
			if err != nil {
				t.Fatal(err)
			}
			want := tokenstore.RotateReport{Done: 65, Rotated: 60}
			wantReport(t, want, report)
			if len(told) != 1 {
				t.Fatalf("progress was told %d times, want once at the end", len(told))
			}
			wantReport(t, want, told[0])
			wantReadable(t, s, newKeyring(t, "2026"), 20, "a", "b", "c")
			wantReadable(t, s, newKeyring(t, "2026"), 5, "d")

			// What is done is not done again.
			report, err = v.Rotate(t.Context(), tokenstore.RotateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			wantReport(t, tokenstore.RotateReport{Done: 65}, report)
		})
	}
}

func TestRotateSomeTenants(t *testing.T) {
	t.Parallel()
	s := &store{Store: tokenstore.NewMemory()} // no TenantLister
	fill(t, s, newKeyring(t, "2025"), 3, "a", "b")
	v := tokenstore.NewVault(s, newKeyring(t, "2026", "2025"))
	if _, err := v.Rotate(t.Context(), tokenstore.RotateOptions{}); !errors.Is(err, mailbox.ClassConfig) {
		t.Errorf("nobody names the tenants: %v, want ClassConfig", err)
	}
	report, err := v.Rotate(t.Context(), tokenstore.RotateOptions{Tenants: tenants("b", "without"), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantReport(t, tokenstore.RotateReport{Done: 3, Rotated: 3}, report)
	wantReadable(t, s, newKeyring(t, "2025"), 3, "a")
	wantReadable(t, s, newKeyring(t, "2026"), 3, "b")

	down := errors.New("no connection")
	report, err = v.Rotate(t.Context(), tokenstore.RotateOptions{Tenants: func(yield func(mailbox.TenantID, error) bool) {
		_ = yield("a", nil) && yield("", down)
	}})
	if !errors.Is(err, mailbox.ClassStorage) || !errors.Is(err, down) {
		t.Errorf("a list of tenants that fails: %v", err)
	}
	wantReport(t, tokenstore.RotateReport{Done: 3, Rotated: 3}, report)
}

// An AEAD that cannot tell has everything sealed again.
func TestRotateForeignAEAD(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	ring := struct{ tokenstore.AEAD }{newKeyring(t, "k1")}
	fill(t, s, ring, 3, "a")
	report, err := tokenstore.NewVault(s, ring).Rotate(t.Context(), tokenstore.RotateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantReport(t, tokenstore.RotateReport{Done: 3, Rotated: 3}, report)

	fill(t, s, foreignAEAD{}, 1, "b")
	down := errors.New("KMS is down")
	_, err = tokenstore.NewVault(s, failingSeal{newKeyring(t, "k1"), down}).Rotate(t.Context(), tokenstore.RotateOptions{})
	if !errors.Is(err, mailbox.ClassConfig) || !errors.Is(err, down) {
		t.Errorf("an AEAD that does not seal: %v", err)
	}
}

// failingSeal opens and does not seal.
type failingSeal struct {
	tokenstore.AEAD
	err error
}

func (a failingSeal) Encrypt(_, _ []byte) ([]byte, error) { return nil, a.err }

func TestRotateUnreadable(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	fill(t, s, newKeyring(t, "lost"), 150, "a")
	fill(t, s, newKeyring(t, "2025"), 10, "b")
	report, err := tokenstore.NewVault(s, newKeyring(t, "2026", "2025")).Rotate(t.Context(), tokenstore.RotateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(report.FailedRefs); n != 100 || report.FailedRefs[0].Tenant != "a" {
		t.Errorf("%d are named, want the first 100", n)
	}
	report.FailedRefs = nil
	wantReport(t, tokenstore.RotateReport{Done: 160, Rotated: 10, Failed: 150, Unreadable: 150}, report)
	wantReadable(t, s, newKeyring(t, "lost"), 150, "a") // untouched: the key may turn up
}

func TestRotateStoreFails(t *testing.T) {
	t.Parallel()
	s := &store{Store: tokenstore.NewMemory()}
	fill(t, s, newKeyring(t, "2025"), 500, "a", "b")
	v := tokenstore.NewVault(s, newKeyring(t, "2026", "2025"))
	down := errors.New("read-only")
	s.fail(nil, down)
	report, err := v.Rotate(t.Context(), tokenstore.RotateOptions{Tenants: tenants("a", "b")})
	if !errors.Is(err, mailbox.ClassStorage) || !errors.Is(err, down) {
		t.Errorf("Rotate: %v", err)
	}
	if report.Rotated != 0 || report.Failed < 90 || report.Failed > 110 {
		t.Errorf("gave up after %d failures, want about 100", report.Failed)
	}
	// And goes on when the store is back.
	s.fail(nil, nil)
	if report, err = v.Rotate(t.Context(), tokenstore.RotateOptions{Tenants: tenants("a", "b")}); err != nil {
		t.Fatal(err)
	}
	wantReport(t, tokenstore.RotateReport{Done: 1000, Rotated: 1000}, report)
}

func TestRotateCancelled(t *testing.T) {
	t.Parallel()
	s := tokenstore.NewMemory()
	fill(t, s, newKeyring(t, "2025"), 3000, "a")
	v := tokenstore.NewVault(s, newKeyring(t, "2026", "2025"))
	ctx, cancel := context.WithCancel(t.Context())
	var told atomic.Int32
	report, err := v.Rotate(ctx, tokenstore.RotateOptions{Progress: func(r tokenstore.RotateReport) {
		told.Add(1)
		if r.Done == 1000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Rotate: %v, want context.Canceled", err)
	}
	if report.Done < 1000 || report.Done > 1100 || report.Failed != 0 || told.Load() != 2 {
		t.Errorf("report %+v, told %d times", report, told.Load())
	}
	// Run again, it does the rest.
	rest, err := v.Rotate(t.Context(), tokenstore.RotateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantReport(t, tokenstore.RotateReport{Done: 3000, Rotated: 3000 - report.Rotated}, rest)
	wantReadable(t, s, newKeyring(t, "2026"), 3000, "a")
}

// A record that is written or deleted between list and write stays as its writer
// left it.
func TestRotateMeetsWriters(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(v *tokenstore.Vault) error
		want      tokenstore.RotateReport
		refresh   tokenstore.Secret // "": deleted
	}{
		"replaced": {
			func(v *tokenstore.Vault) error {
				return v.Replace(context.Background(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "new"})
			},
			tokenstore.RotateReport{Done: 1, Rotated: 1},
			"new",
		},
		"deleted": {
			func(v *tokenstore.Vault) error { return v.Delete(context.Background(), ref) },
			tokenstore.RotateReport{Done: 1},
			"",
		},
	}
	for name, test := range tests {
		for _, primary := range []string{"2025", "2026"} { // of the other writer
			t.Run(name+" with "+primary, func(t *testing.T) {
				t.Parallel()
				s := &store{Store: tokenstore.NewMemory()}
				other := tokenstore.NewVault(s.Store, newKeyring(t, primary))
				if err := other.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "old"}); err != nil {
					t.Fatal(err)
				}
				s.beforePut = func() {
					if err := test.meanwhile(other); err != nil {
						t.Error(err)
					}
				}
				v := tokenstore.NewVault(s, struct{ tokenstore.AEAD }{newKeyring(t, "2027", "2026", "2025")})
				report, err := v.Rotate(t.Context(), tokenstore.RotateOptions{Tenants: tenants(ref.Tenant)})
				if err != nil {
					t.Fatal(err)
				}
				wantReport(t, test.want, report)
				tok, _, err := v.Get(t.Context(), ref)
				if test.refresh == "" {
					if !errors.Is(err, tokenstore.ErrNotFound) {
						t.Errorf("the rotation brought a deleted token back: %v", err)
					}
				} else if err != nil || tok.Refresh != test.refresh {
					t.Errorf("the token of the other writer is gone: %v", err)
				}
			})
		}
	}
}

// Keys are rotated while sources refresh, with a provider that ends a refresh
// token at its first use: no token is lost.
func TestRotateWhileRefreshing(t *testing.T) {
	t.Parallel()
	stores := map[string]func() tokenstore.Store{
		"compare-and-swap": func() tokenstore.Store { return slowPuts{tokenstore.NewMemory()} },
		"locked": func() tokenstore.Store {
			m := tokenstore.NewMemory()
			return struct {
				slowPuts
				tokenstore.Locker
			}{slowPuts{m}, m}
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const mailboxes, rounds = 8, 40
				f := newFixture(t)
				f.service.rotates = true
				s := open()
				rings := [...]*tokenstore.Keyring{newKeyring(t, "k1", "k2"), newKeyring(t, "k2", "k1")}
				vaults := [...]*tokenstore.Vault{tokenstore.NewVault(s, rings[0]), tokenstore.NewVault(s, rings[1])}
				var sources [mailboxes]*tokenstore.Source
				for i := range mailboxes {
					r := mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}
					first := firstToken()
					first.Refresh = tokenstore.Secret(fmt.Sprint("first-", i))
					f.service.live[string(first.Refresh)] = true
					if err := vaults[i%2].Replace(t.Context(), r, mailbox.Outlook, first); err != nil {
						t.Fatal(err)
					}
					sources[i] = tokenstore.NewSource(tokenstore.SourceConfig{
						Vault: vaults[i%2], Ref: r, Client: f.client(),
						OnDead: func(context.Context, *mailbox.Error, int64) { t.Errorf("mailbox %d lost its token", i) },
					})
				}
				for range rounds {
					time.Sleep(2 * time.Hour)
					var wg sync.WaitGroup
					for _, source := range sources {
						wg.Go(func() {
							if _, err := source.Token(t.Context(), mailbox.TokenRequest{}); err != nil {
								t.Errorf("Token: %v (%v)", err, errors.Unwrap(err))
							}
						})
					}
					for _, v := range vaults { // against each other
						wg.Go(func() {
							if r, err := v.Rotate(t.Context(), tokenstore.RotateOptions{Tenants: tenants("acme")}); err != nil || r.Failed > 0 {
								t.Errorf("Rotate: %+v, %v", r, err)
							}
						})
					}
					wg.Wait()
				}
				if got := f.service.serial; got != mailboxes*rounds {
					t.Errorf("%d refreshes, want %d", got, mailboxes*rounds)
				}
				for token := range f.service.live {
					// Only the stored ones live: none is held by nobody.
					if !storedSomewhere(t, vaults[0], token, mailboxes) && token != "refresh-0" {
						t.Errorf("the living token %s is stored nowhere", token)
					}
				}
			})
		})
	}
}

// slowPuts lets others in between.
type slowPuts struct{ tokenstore.Store }

func (s slowPuts) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	time.Sleep(3 * time.Millisecond)
	return s.Store.Put(ctx, rec)
}

func storedSomewhere(t *testing.T, v *tokenstore.Vault, refresh string, n int) bool {
	t.Helper()
	for i := range n {
		tok, _, err := v.Get(t.Context(), mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID(fmt.Sprint(i))})
		if err != nil {
			t.Fatal(err)
		}
		if string(tok.Refresh) == refresh {
			return true
		}
	}
	return false
}
