package tokenstore_test

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// A new refresh token is in the store before anybody gets the access token.
func TestRotatedTokenIsStoredFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates = true
		time.Sleep(2 * time.Hour)
		down := errors.New("disk full")
		f.store.fail(nil, down)
		if e := f.wantErr(t, mailbox.ClassStorage); !errors.Is(e, down) {
			t.Errorf("the cause is %v", e.Err)
		}
		f.wantRequests(t, 1)
		f.wantErr(t, mailbox.ClassStorage)
		f.wantRequests(t, 1) // refresh-0 is dead: asking again would end the grant
		if got := f.stored(t).Refresh; got != "refresh-0" {
			t.Fatalf("stored: %s", string(got))
		}
		f.store.fail(nil, nil)
		f.want(t, "access-1")
		f.wantRequests(t, 1)
		if got := f.stored(t).Refresh; got != "refresh-1" {
			t.Errorf("stored: %s", string(got))
		}
		// And the grant lives on.
		time.Sleep(2 * time.Hour)
		f.want(t, "access-2")
		if len(f.dead) != 0 {
			t.Errorf("OnDead: %v", f.dead)
		}
	})
}

// The old access token goes on while the new token cannot be stored.
func TestRotatedTokenWaitsBehindAValidOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates = true
		time.Sleep(56 * time.Minute)
		f.store.fail(nil, errors.New("disk full"))
		f.want(t, "access-0")
		f.store.fail(nil, nil)
		time.Sleep(31 * time.Second)
		f.want(t, "access-1")
		f.wantRequests(t, 1)
	})
}

// A token that waits to be stored does not overwrite a new grant.
func TestUnsavedTokenYieldsToReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates = true
		f.service.live["reconnected"] = true
		time.Sleep(2 * time.Hour)
		f.store.fail(nil, errors.New("disk full"))
		f.wantErr(t, mailbox.ClassStorage)
		f.store.fail(nil, nil)
		if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "reconnected"}); err != nil {
			t.Fatal(err)
		}
		f.want(t, "access-2")
		if f.service.requests[1].Get("refresh_token") != "reconnected" {
			t.Error("the old grant was used")
		}
	})
}

// Where the provider does not rotate, a store that refuses writes costs nothing.
func TestUnrotatedTokenNeedsNoStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		time.Sleep(2 * time.Hour)
		f.store.fail(nil, errors.New("read-only"))
		f.want(t, "access-1")
		f.want(t, "access-1")
		f.wantRequests(t, 1)
	})
}

// Another process refreshed while ours was on its way and was refused.
func TestInvalidGrantRereadsTheStore(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, time.Second} { // when the winner's write arrives
		t.Run(late.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.service.rotates = true
				other := f.otherProcess(t)
				time.Sleep(2 * time.Hour)
				var wg sync.WaitGroup
				f.service.next(func(form url.Values) *http.Response {
					winner := func() { wantToken(t, other, mailbox.TokenRequest{}, "access-1") }
					if late == 0 {
						winner()
					} else {
						f.store.mu.Lock()
						f.store.beforePut = func() { time.Sleep(late) }
						f.store.mu.Unlock()
						wg.Go(winner)
						time.Sleep(late / 2) // its refresh has ended, its write has not
					}
					return f.service.answer(form) // invalid_grant: refresh-0 is used up
				})
				f.want(t, "access-1")
				wg.Wait()
				if len(f.dead) != 0 {
					t.Errorf("OnDead: %v", f.dead)
				}
				if got := f.stored(t).Refresh; got != "refresh-1" {
					t.Errorf("stored: %s", string(got))
				}
			})
		})
	}
}

// Both processes refreshed, as Microsoft allows: the first write wins.
func TestConflictUsesTheWinner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		time.Sleep(2 * time.Hour)
		winner := firstToken()
		winner.Access, winner.Refresh = "winner", "refresh-winner"
		f.service.next(func(url.Values) *http.Response {
			if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, winner); err != nil {
				t.Error(err)
			}
			return answer(200, `{"access_token":"loser","refresh_token":"refresh-loser","expires_in":"3600"}`)
		})
		f.want(t, "winner")
		if got := f.stored(t).Refresh; got != "refresh-winner" {
			t.Errorf("stored: %s", string(got))
		}
	})
}

// The record was only sealed again (key rotation): that must not cost the new
// refresh token.
func TestConflictWithReencryption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates = true
		time.Sleep(2 * time.Hour)
		f.store.beforePut = func() {
			rec, err := f.store.Get(t.Context(), ref)
			if err == nil {
				_, err = f.store.Store.Put(t.Context(), rec)
			}
			if err != nil {
				t.Error(err)
			}
		}
		f.want(t, "access-1")
		if got := f.stored(t).Refresh; got != "refresh-1" {
			t.Errorf("stored: %s, and refresh-0 is used up", string(got))
		}
		f.wantRequests(t, 1)
	})
}

// A disconnect during a refresh is final.
func TestConflictWithDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates = true
		time.Sleep(2 * time.Hour)
		f.store.beforePut = func() {
			if err := f.vault.Delete(t.Context(), ref); err != nil {
				t.Error(err)
			}
		}
		f.wantErr(t, mailbox.ClassReconnect)
		if _, _, err := f.vault.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("the refresh brought the token back: %v", err)
		}
	})
}

// Eight processes with strict rotation: every expiry costs one refresh token,
// and none is lost.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	stores := map[string]func() tokenstore.Store{
		"compare-and-swap": func() tokenstore.Store { return &store{Store: tokenstore.NewMemory()} },
		"locked":           func() tokenstore.Store { return tokenstore.NewMemory() },
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.service.rotates, f.service.delay = true, 200*time.Millisecond
				s := open()
				var processes []*tokenstore.Source
				for i := range 8 {
					v := tokenstore.NewVault(s, newKeyring(t, "k1"))
					if i == 0 {
						if err := v.Replace(t.Context(), ref, mailbox.Outlook, firstToken()); err != nil {
							t.Fatal(err)
						}
					}
					processes = append(processes, f.newSource(v))
				}
				const expiries = 20
				for range expiries {
					time.Sleep(2 * time.Hour)
					var wg sync.WaitGroup
					for i := range 64 {
						wg.Go(func() {
							if _, err := processes[i%8].Token(t.Context(), mailbox.TokenRequest{}); err != nil {
								t.Errorf("Token: %v (%v)", err, errors.Unwrap(err))
							}
						})
					}
					wg.Wait()
				}
				if f.service.serial != expiries || len(f.dead) != 0 {
					t.Errorf("%d refreshes for %d expiries, OnDead %v", f.service.serial, expiries, f.dead)
				}
				if _, ok := s.(tokenstore.Locker); ok {
					f.wantRequests(t, expiries)
				}
			})
		})
	}
}

func TestLockHeldElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := tokenstore.NewMemory()
		v := tokenstore.NewVault(s, newKeyring(t, "k1"))
		if err := v.Replace(t.Context(), ref, mailbox.Outlook, firstToken()); err != nil {
			t.Fatal(err)
		}
		f.source = f.newSource(v)
		f.want(t, "access-0") // reading needs no lock
		time.Sleep(2 * time.Hour)
		lease, err := s.Lock(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		f.wantErr(t, mailbox.ClassStorage)
		lease.Release()
		f.want(t, "access-1")
	})
}
