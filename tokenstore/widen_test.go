package tokenstore_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

var wide = []string{"mail.send", "mail.read"}

// granting answers with the scopes that are asked for.
func granting(form url.Values) *http.Response {
	return answer(200, `{"access_token":"wide","refresh_token":"refresh-wide","expires_in":3600,"scope":"`+form.Get("scope")+`"}`)
}

func TestWiden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		other := f.newSource(f.vault)
		wantToken(t, other, mailbox.TokenRequest{}, "access-0")
		f.service.next(granting)
		tok, err := f.source.Widen(t.Context(), wide)
		if err != nil || strings.Join(tok.Scopes, " ") != "mail.send mail.read" {
			t.Fatalf("scopes %v, error %v", tok.Scopes, err)
		}
		if got := f.service.requests[0]; got.Get("scope") != "mail.send mail.read" || got.Get("refresh_token") != "refresh-0" {
			t.Errorf("asked with scope %q", got.Get("scope"))
		}
		if got := f.stored(t); got.Access != "wide" || got.Refresh != "refresh-wide" || len(got.Scopes) != 2 {
			t.Errorf("stored %v", got)
		}
		// Everybody goes on with it, without asking again.
		f.want(t, "wide")
		wantToken(t, other, mailbox.TokenRequest{}, "wide")
		wantToken(t, f.otherProcess(t), mailbox.TokenRequest{}, "wide")
		f.wantRequests(t, 1)
	})
}

// Whoever asked may be gone: what was stored meanwhile is for everybody.
func TestWidenWithoutItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.want(t, "access-0")
		f.service.delay = time.Second
		f.service.next(granting)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := f.source.Widen(ctx, wide); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(2 * time.Second)
		f.want(t, "wide")
	})
}

func TestWidenUntoldScopes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.service.next(always(200, `{"access_token":"wide"}`))
	tok, err := f.source.Widen(t.Context(), wide)
	if err != nil || len(tok.Scopes) != 2 || tok.Refresh != "refresh-0" {
		t.Errorf("scopes %v, error %v", tok.Scopes, err)
	}
}

// A refusal is about the scopes: the grant goes on, and nobody is told that it
// is dead. Somebody who asks for a token meanwhile gets one.
func TestWidenRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.delay = time.Second
		time.Sleep(2 * time.Hour)
		f.service.next(always(400, `{"error":"invalid_grant","suberror":"consent_required"}`))
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := f.source.Widen(t.Context(), wide)
			if !errors.Is(err, mailbox.ClassConsent) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait() // it is on its way
		wg.Go(func() { f.want(t, "access-1") })
		wg.Wait()
		if len(f.dead) != 0 {
			t.Errorf("OnDead was told %v", f.dead)
		}
	})
}

// It waits for a refresh that is under way, and uses what came of it.
func TestWidenBesideRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.delay, f.service.rotates = time.Second, true
		time.Sleep(2 * time.Hour)
		var wg sync.WaitGroup
		wg.Go(func() { f.want(t, "access-1") })
		synctest.Wait()
		wg.Go(func() {
			if _, err := f.source.Widen(t.Context(), wide); err != nil {
				t.Errorf("Widen: %v", err)
			}
		})
		wg.Wait()
		if got := f.service.requests[1].Get("refresh_token"); got != "refresh-1" {
			t.Errorf("widened %s", got)
		}
	})
}

// Another process has rotated the token: its successor is widened.
func TestWidenSuperseded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates = true
		f.service.next(func(url.Values) *http.Response {
			wantToken(t, f.otherProcess(t), mailbox.TokenRequest{Rejected: "access-0"}, "access-1")
			return answer(400, `{"error":"invalid_grant"}`)
		})
		tok, err := f.source.Widen(t.Context(), wide)
		if err != nil || tok.Access != "access-2" {
			t.Errorf("Widen: %v", err)
		}
	})
}

func TestWidenFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		setup func(f *fixture)
		class mailbox.Class
	}{
		"endpoint down": {func(f *fixture) { f.service.next(lost) }, mailbox.ClassUnavailable},
		"store down":    {func(f *fixture) { f.store.fail(errors.New("no connection"), nil) }, mailbox.ClassStorage},
		"store read-only": {func(f *fixture) {
			f.service.rotates = true
			f.store.fail(nil, errors.New("read-only"))
		}, mailbox.ClassStorage},
		"disconnected": {func(f *fixture) { _ = f.vault.Delete(context.Background(), ref) }, mailbox.ClassReconnect},
		"no refresh token": {func(f *fixture) {
			_ = f.vault.Replace(context.Background(), ref, mailbox.Outlook, tokenstore.Token{Access: "a"})
		}, mailbox.ClassReconnect},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				test.setup(f)
				if _, err := f.source.Widen(t.Context(), wide); !errors.Is(err, test.class) {
					t.Errorf("got %v, want %v", err, test.class)
				}
			})
		})
	}
	if _, err := tokenstore.NewSource(tokenstore.SourceConfig{}).Widen(t.Context(), wide); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("without a vault: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newFixture(t).source.Widen(ctx, wide); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// It keeps to the lock of the mailbox, and to the end of the lease.
func TestWidenLocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := tokenstore.NewMemory()
		v := tokenstore.NewVault(s, newKeyring(t, "k1"))
		if err := v.Replace(t.Context(), ref, mailbox.Outlook, firstToken()); err != nil {
			t.Fatal(err)
		}
		source := f.newSource(v)
		lease, err := s.Lock(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Widen(t.Context(), wide); !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("under the lock of another: %v", err)
		}
		f.wantRequests(t, 0)
		lease.Release()
		if _, err := source.Widen(t.Context(), wide); err != nil {
			t.Errorf("Widen: %v", err)
		}
	})
}
