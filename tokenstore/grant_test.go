package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// classified is a service whose driver classifies every refusal as one error.
type classified struct {
	*service
	err mailbox.Error
}

func (s classified) OAuthError(int, http.Header, []byte) *mailbox.Error {
	e := s.err
	return &e
}

// Words for somebody who is signing in mean something else in a refresh.
func TestRefreshTranslatesRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		class mailbox.Class
		cause mailbox.Cause
		want  mailbox.Class
		dead  bool
	}{
		{mailbox.ClassWrongAccount, "", mailbox.ClassReconnect, true},
		{mailbox.ClassWrongAccount, mailbox.CauseAccountDeleted, mailbox.ClassNoMailbox, true},
		{mailbox.ClassDeclined, mailbox.CauseConsent, mailbox.ClassReconnect, true},
		{mailbox.ClassBadCallback, "", mailbox.ClassReconnect, true},
		{mailbox.ClassReconnect, mailbox.CauseAccountDeleted, mailbox.ClassReconnect, true},
		{mailbox.ClassConsent, mailbox.CauseConsent, mailbox.ClassConsent, true},
		{mailbox.ClassAdmin, mailbox.CauseConditionalAccess, mailbox.ClassAdmin, true},
		{mailbox.ClassNoMailbox, mailbox.CauseNoLicense, mailbox.ClassNoMailbox, true},
		{mailbox.ClassConfig, mailbox.CauseAppSecret, mailbox.ClassConfig, false},
		{mailbox.ClassInvalid, "", mailbox.ClassInvalid, false},
		{mailbox.ClassUnknown, "", mailbox.ClassUnknown, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.class, test.cause), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				client := f.client()
				client.Provider = classified{f.service, mailbox.Error{Class: test.class, Cause: test.cause}}
				f.source = tokenstore.NewSource(tokenstore.SourceConfig{
					Vault: f.vault, Ref: ref, Client: client,
					OnDead: func(_ context.Context, err *mailbox.Error, _ int64) { f.dead = append(f.dead, err.Class) },
				})
				time.Sleep(2 * time.Hour)
				f.service.next(always(400, `{"error":"invalid_grant"}`))
				if e := f.wantErr(t, test.want); e.Cause != test.cause {
					t.Errorf("cause %q, want %q", e.Cause, test.cause)
				}
				if (len(f.dead) == 1) != test.dead {
					t.Errorf("OnDead: %v, want told = %v", f.dead, test.dead)
				}
				if test.dead && f.dead[0] != test.want {
					t.Errorf("OnDead was told %v", f.dead)
				}
			})
		})
	}
}

// explaining is a service whose driver knows causes from the history of a grant.
type explaining struct {
	*service
	histories *[]mailbox.GrantHistory
}

func (s explaining) ExplainGrant(e *mailbox.Error, h mailbox.GrantHistory) mailbox.Cause {
	*s.histories = append(*s.histories, h)
	if e.Cause == "" && h.RefusedAt.Sub(h.UsedAt) > 90*24*time.Hour {
		return mailbox.CauseInactive
	}
	return e.Cause
}

func TestSourceExplains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var histories []mailbox.GrantHistory
		var causes []mailbox.Cause
		client := f.client()
		client.Provider = explaining{f.service, &histories}
		source := func() *tokenstore.Source {
			return tokenstore.NewSource(tokenstore.SourceConfig{
				Vault: f.vault, Ref: ref, Client: client,
				OnDead: func(_ context.Context, err *mailbox.Error, _ int64) { causes = append(causes, err.Cause) },
			})
		}
		// The dates of a grant go through a code exchange and two refreshes.
		granted := time.Now()
		f.service.next(always(200, `{"access_token":"first","refresh_token":"refresh-0","expires_in":3600,"refresh_token_expires_in":15552000}`))
		tok, _, err := client.Exchange(t.Context(), "code", "verifier", "https://host.test/callback")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, tok); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			time.Sleep(24 * time.Hour)
			if _, err := source().Token(t.Context(), mailbox.TokenRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		used := time.Now()
		if stored := f.stored(t); !stored.GrantedAt.Equal(granted) || !stored.IssuedAt.Equal(used) {
			t.Errorf("stored: granted %s, issued %s", stored.GrantedAt, stored.IssuedAt)
		}
		time.Sleep(91 * 24 * time.Hour)
		f.service.next(always(400, `{"error":"invalid_grant"}`))
		f.source = source()
		if e := f.wantErr(t, mailbox.ClassReconnect); e.Cause != mailbox.CauseInactive {
			t.Errorf("cause %q, want %q", e.Cause, mailbox.CauseInactive)
		}
		if diff := cmp.Diff([]mailbox.Cause{mailbox.CauseInactive}, causes); diff != "" {
			t.Errorf("OnDead was told (-want +got):\n%s", diff)
		}
		want := []mailbox.GrantHistory{{
			GrantedAt: granted, UsedAt: used, RefreshExpiry: granted.Add(15552000 * time.Second),
			RefusedAt: used.Add(91*24*time.Hour + 1750*time.Millisecond), // and the doubt
		}}
		if diff := cmp.Diff(want, histories); diff != "" {
			t.Errorf("history differs (-want +got):\n%s", diff)
		}
	})
}

// A store in trouble, or an app that is refused, leaves the token in hand in use
// while it is valid, and nobody is asked to sign in.
func TestSourceTroubleWhileValid(t *testing.T) {
	t.Parallel()
	down := errors.New("no connection")
	tests := map[string]struct {
		trouble func(f *fixture)
		repair  func(f *fixture)
		later   mailbox.Class // when the token in hand has expired
	}{
		"store down": {
			func(f *fixture) { f.store.fail(down, down) },
			func(f *fixture) { f.store.fail(nil, nil) },
			mailbox.ClassStorage,
		},
		"store slow": {
			func(f *fixture) { f.store.slow(time.Hour) },
			func(f *fixture) { f.store.slow(0) },
			mailbox.ClassStorage,
		},
		"store full": {
			func(f *fixture) { f.service.rotates = true; f.store.fail(nil, errors.New("disk full")) },
			func(f *fixture) { f.store.fail(nil, nil) },
			mailbox.ClassStorage,
		},
		"garbage in the store": {
			func(f *fixture) { f.store.garble(true) },
			func(f *fixture) { f.store.garble(false) },
			mailbox.ClassConfig,
		},
		"app secret expired": {
			func(f *fixture) { f.service.setSecret("another") },
			func(f *fixture) { f.service.setSecret("app-secret") },
			mailbox.ClassConfig,
		},
		"HTML": {
			func(f *fixture) { f.service.setDown("<html>") },
			func(f *fixture) { f.service.setDown("") },
			mailbox.ClassUnavailable,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.want(t, "access-0")
				time.Sleep(56 * time.Minute)
				test.trouble(f)
				f.want(t, "access-0")
				f.want(t, "access-0")
				time.Sleep(time.Minute)
				f.want(t, "access-0")
				time.Sleep(5 * time.Minute)
				f.wantErr(t, test.later)
				test.repair(f)
				time.Sleep(time.Minute)
				f.want(t, "access-1")
				if len(f.dead) != 0 {
					t.Errorf("OnDead: %v", f.dead)
				}
			})
		})
	}
}

// Processes and the provider may disagree about the time by 10 minutes: nothing is
// refreshed in a loop, and an expired token is given up when it is refused.
func TestSourceClockSkew(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{time.Hour, 5 * time.Minute} {
		for _, skew := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
			t.Run(fmt.Sprint(life, skew), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					f.service.life = life
					// Another process wrote the record, by its own clock.
					issued := time.Now().Add(skew)
					other := tokenstore.Token{
						Access: "access-0", Refresh: "refresh-0", IssuedAt: issued, GrantedAt: issued, Expiry: issued.Add(life),
					}
					if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, other); err != nil {
						t.Fatal(err)
					}
					current := mailbox.AccessToken("access-0")
					requests := 0
					for range 24 * 60 {
						got, err := f.source.Token(t.Context(), mailbox.TokenRequest{})
						if err != nil {
							t.Fatal(err)
						}
						if got == "access-0" && time.Since(issued.Add(-skew)) > life { // the service answers 401
							if got, err = f.source.Token(t.Context(), mailbox.TokenRequest{Rejected: got}); err != nil {
								t.Fatal(err)
							}
						}
						if got != current {
							current, requests = got, requests+1
						}
						time.Sleep(time.Minute)
					}
					f.wantRequests(t, requests)
					if most := int(24*time.Hour/(life*3/4)) + 2; requests > most {
						t.Errorf("%d refreshes a day, want at most %d", requests, most)
					}
					if len(f.dead) != 0 {
						t.Errorf("OnDead: %v", f.dead)
					}
				})
			})
		}
	}
}

// Two processes whose clocks differ by 20 minutes share a mailbox at a provider
// that rotates: each of their refreshes is of use, and the grant lives.
func TestProcessesWithSkewedClocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := tokenstore.NewMemory()
		f := newLeaseFixture(t, s)
		f.service.rotates = true
		behind := f.newSource(tokenstore.NewVault(&shiftedStore{Memory: s, shift: 20 * time.Minute, ring: newKeyring(t, "k1")}, newKeyring(t, "k1")))
		for range 24 * 60 {
			for _, source := range []*tokenstore.Source{f.source, behind} {
				if _, err := source.Token(t.Context(), mailbox.TokenRequest{}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		if n := f.service.count(); n > 2*24*60/45+2 {
			t.Errorf("%d refreshes a day", n)
		}
		if len(f.dead) != 0 {
			t.Errorf("OnDead: %v", f.dead)
		}
	})
}

// shiftedStore shows a process the times of tokens as if its clock were behind by
// shift.
type shiftedStore struct {
	*tokenstore.Memory
	shift time.Duration
	ring  *tokenstore.Keyring
	last  tokenstore.Record // that was shown: sealed bytes are random
}

func (s *shiftedStore) Get(ctx context.Context, ref mailbox.Ref) (tokenstore.Record, error) {
	rec, err := s.Memory.Get(ctx, ref)
	if err != nil || rec.Version == s.last.Version {
		return s.last, err
	}
	s.last, err = s.shifted(ctx, rec, s.shift)
	return s.last, err
}

func (s *shiftedStore) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	shifted, err := s.shifted(ctx, rec, -s.shift)
	if err != nil {
		return rec, err
	}
	stored, err := s.Memory.Put(ctx, shifted)
	rec.Version = stored.Version
	if err == nil {
		s.last = rec
	}
	return rec, err
}

// shifted seals a token again with other times.
func (s *shiftedStore) shifted(ctx context.Context, rec tokenstore.Record, by time.Duration) (tokenstore.Record, error) {
	m := tokenstore.NewMemory()
	v := tokenstore.NewVault(m, s.ring)
	version := rec.Version
	rec.Version = 0
	if _, err := m.Put(ctx, rec); err != nil {
		return rec, err
	}
	tok, now, err := v.Get(ctx, rec.Ref)
	if err != nil {
		return rec, err
	}
	tok.IssuedAt, tok.Expiry = tok.IssuedAt.Add(by), tok.Expiry.Add(by)
	if _, err := v.Put(ctx, rec.Ref, rec.Provider, tok, now); err != nil {
		return rec, err
	}
	rec, err = m.Get(ctx, rec.Ref)
	rec.Version = version
	return rec, err
}
