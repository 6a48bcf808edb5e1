package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
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

func TestSourceRefreshesEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.want(t, "access-0")
		time.Sleep(54*time.Minute - time.Second) // 5 min early, and up to 1 min of jitter
		f.want(t, "access-0")
		f.wantRequests(t, 0)
		time.Sleep(time.Minute + time.Second)
		f.want(t, "access-1")
		f.want(t, "access-1")
		f.wantRequests(t, 1)
		if got := f.stored(t); got.Access != "access-1" || got.Refresh != "refresh-0" {
			t.Errorf("stored: %s, %s", string(got.Access), string(got.Refresh))
		}
	})
}

func TestSourceSparesShortTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.life = 2 * time.Minute
		time.Sleep(time.Hour)
		f.want(t, "access-1")
		time.Sleep(80 * time.Second)
		f.want(t, "access-1") // a margin of 5 min would refresh at every call
		time.Sleep(20 * time.Second)
		f.want(t, "access-2")
	})
}

func TestSourceWithoutExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.next(always(200, `{"access_token":"eternal","scope":""}`))
		time.Sleep(2 * time.Hour)
		f.want(t, "eternal")
		time.Sleep(1000 * time.Hour)
		f.want(t, "eternal")
		f.wantRequests(t, 1)
		wantToken(t, f.source, mailbox.TokenRequest{Rejected: "eternal"}, "access-1")
		if got := f.stored(t).Scopes; len(got) != 1 || got[0] != "mail.send" {
			t.Errorf("scopes %q: an empty scope means unchanged", got)
		}
	})
}

// 100 callers at once, through several sources, make one request.
func TestSourceOneRefreshForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates, f.service.delay = true, 3*time.Second
		sources := []*tokenstore.Source{f.source, f.newSource(f.vault), f.newSource(f.vault)}
		for round := range 5 {
			time.Sleep(2 * time.Hour)
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					tok, err := sources[i%len(sources)].Token(t.Context(), mailbox.TokenRequest{})
					if err != nil || tok == "" {
						t.Errorf("Token: %v", err)
					}
				})
			}
			wg.Wait()
			f.wantRequests(t, round+1)
		}
	})
}

// One caller gives up; the refresh goes on for the others.
func TestSourceCallerGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.rotates, f.service.delay = true, 5*time.Second
		time.Sleep(2 * time.Hour)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := f.source.Token(impatient, mailbox.TokenRequest{})
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mailbox.ClassUnavailable) {
				t.Errorf("the caller that gave up got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { wantToken(t, f.source, mailbox.TokenRequest{}, "access-1") })
		wg.Wait()
		f.wantRequests(t, 1)
	})
}

func TestSourceHangingEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.delay = time.Hour
		time.Sleep(2 * time.Hour)
		start := time.Now()
		f.wantErr(t, mailbox.ClassUnavailable)
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestSourceRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		other := f.otherProcess(t)
		f.want(t, "access-0")
		wantToken(t, other, mailbox.TokenRequest{}, "access-0")
		// 100 callers saw the same 401.
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { wantToken(t, f.source, mailbox.TokenRequest{Rejected: "access-0"}, "access-1") })
		}
		wg.Wait()
		f.wantRequests(t, 1)
		// Another process saw it too, and finds a token that differs.
		wantToken(t, other, mailbox.TokenRequest{Rejected: "access-0"}, "access-1")
		f.wantRequests(t, 1)
		// The same token again is no answer.
		f.service.next(always(200, `{"access_token":"access-1"}`))
		_, err := f.source.Token(t.Context(), mailbox.TokenRequest{Rejected: "access-1"})
		if !errors.Is(err, mailbox.ClassUnavailable) {
			t.Errorf("the rejected token came back: %v", err)
		}
	})
}

func TestSourceClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.service.delay = time.Second
		time.Sleep(2 * time.Hour)
		const claims = `{"access_token":{"nbf":{"essential":true}}}`
		var wg sync.WaitGroup
		wg.Go(func() { wantToken(t, f.source, mailbox.TokenRequest{}, "access-1") })
		synctest.Wait() // the refresh without claims is on its way
		wg.Go(func() { wantToken(t, f.source, mailbox.TokenRequest{Claims: claims}, "access-2") })
		wg.Wait()
		if got := f.service.requests[1].Get("claims"); got != claims {
			t.Errorf("claims sent: %q", got)
		}
		if f.service.requests[0].Has("claims") {
			t.Error("claims were sent without a challenge")
		}

		// A failure without claims is no answer to a request with them.
		time.Sleep(2 * time.Hour)
		f.service.next(always(503, ""))
		wg.Go(func() { f.wantErr(t, mailbox.ClassUnavailable) })
		synctest.Wait()
		wg.Go(func() { wantToken(t, f.source, mailbox.TokenRequest{Claims: claims}, "access-3") })
		wg.Wait()
	})
}

// Trouble at the token endpoint never means that the user has to sign in again.
func TestSourceEndpointTrouble(t *testing.T) {
	t.Parallel()
	html := "<html><body>502 Bad Gateway</body></html>"
	tests := []struct {
		name   string
		answer func(url.Values) *http.Response
		want   mailbox.Class
	}{
		{"network", lost, mailbox.ClassUnavailable},
		{"500 that says invalid_grant", always(500, `{"error":"invalid_grant"}`), mailbox.ClassUnavailable},
		{"502 HTML", always(502, html), mailbox.ClassUnavailable},
		{"503 empty", always(503, ""), mailbox.ClassUnavailable},
		{"429", always(429, `{"error":"invalid_grant"}`), mailbox.ClassThrottled},
		{"429 HTML", always(429, html), mailbox.ClassThrottled},
		{"400 HTML", always(400, html), mailbox.ClassUnavailable},
		{"400 cut", always(400, `{"error":"invalid_gr`), mailbox.ClassUnavailable},
		{"403 of a proxy", always(403, "blocked"), mailbox.ClassUnavailable},
		{"200 HTML", always(200, html), mailbox.ClassUnavailable},
		{"200 without token", always(200, `{}`), mailbox.ClassUnavailable},
		{"200 null", always(200, `null`), mailbox.ClassUnavailable},
		{"200 token of another type", always(200, `{"access_token":"a","token_type":"mac"}`), mailbox.ClassUnavailable},
		{"200 token with a line break", always(200, `{"access_token":"a\r\nX-Evil: 1"}`), mailbox.ClassUnavailable},
		{"too long", always(200, `{"access_token":"`+strings.Repeat("a", 1<<20)+`"}`), mailbox.ClassUnavailable},
		{"redirect", func(url.Values) *http.Response {
			r := answer(307, "")
			r.Header.Set("Location", "https://elsewhere.test/token")
			return r
		}, mailbox.ClassUnavailable},
		{"app secret expired", always(401, `{"error":"invalid_client"}`), mailbox.ClassConfig},
		{"unheard-of code", always(400, `{"error":"surprise"}`), mailbox.ClassUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				time.Sleep(2 * time.Hour)
				f.service.next(test.answer)
				before, version, _ := f.vault.Get(t.Context(), ref)
				f.wantErr(t, test.want)
				after, now, err := f.vault.Get(t.Context(), ref)
				if err != nil || now != version || after.Refresh != before.Refresh {
					t.Error("the stored token was touched")
				}
				if len(f.dead) != 0 {
					t.Errorf("OnDead was called: %v", f.dead)
				}
				time.Sleep(time.Minute) // an app that was refused pauses
				f.want(t, "access-1")   // and the next try works
			})
		})
	}
}

// While the access token is valid, a failing early refresh bothers nobody.
func TestSourceEarlyRefreshFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		time.Sleep(56 * time.Minute)
		f.service.next(always(503, ""), always(503, ""))
		f.want(t, "access-0")
		f.want(t, "access-0")
		f.wantRequests(t, 1) // not at every call
		time.Sleep(31 * time.Second)
		f.want(t, "access-0")
		f.wantRequests(t, 2)
		time.Sleep(31 * time.Second)
		f.want(t, "access-1")
	})
}

func TestSourceObeysRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		time.Sleep(2 * time.Hour)
		f.service.next(func(url.Values) *http.Response {
			r := answer(429, `{"error":"slow_down"}`)
			r.Header.Set("Retry-After", "60")
			return r
		})
		if e := f.wantErr(t, mailbox.ClassThrottled); e.RetryAfter != time.Minute {
			t.Errorf("RetryAfter %s", e.RetryAfter)
		}
		time.Sleep(20 * time.Second)
		if e := f.wantErr(t, mailbox.ClassThrottled); e.RetryAfter != 40*time.Second {
			t.Errorf("RetryAfter %s, 40 s are left", e.RetryAfter)
		}
		f.wantRequests(t, 1)
		time.Sleep(40 * time.Second)
		f.want(t, "access-1")
	})
}

func TestSourceDeadGrant(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]mailbox.Class{
		`{"error":"invalid_grant"}`:                                 mailbox.ClassReconnect,
		`{"error":"invalid_grant","suberror":"consent_required"}`:   mailbox.ClassConsent,
		`{"error":"invalid_grant","error_description":null,"x":[]}`: mailbox.ClassReconnect,
	} {
		t.Run(want.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				time.Sleep(56 * time.Minute) // access-0 is still valid: the end is told all the same
				f.service.next(always(400, body))
				f.wantErr(t, want)
				if len(f.dead) != 1 || f.dead[0] != want {
					t.Errorf("OnDead: %v", f.dead)
				}
				// Not asked again for a while, and not told again.
				f.wantErr(t, want)
				f.wantRequests(t, 1)
				if len(f.dead) != 1 {
					t.Errorf("OnDead: %v", f.dead)
				}
				// A new grant counts at once.
				if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "refresh-0"}); err != nil {
					t.Fatal(err)
				}
				f.want(t, "access-1")
			})
		})
	}
}

func TestSourceDisconnected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.want(t, "access-0")
		if err := f.vault.Delete(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		e := f.wantErr(t, mailbox.ClassReconnect)
		if !errors.Is(e, tokenstore.ErrNotFound) {
			t.Errorf("the cause is %v", e.Err)
		}
		f.wantRequests(t, 0)
	})
}

func TestSourceReconnectedInProcess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want(t, "access-0")
	fresh := firstToken()
	fresh.Access = "wider"
	if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, fresh); err != nil {
		t.Fatal(err)
	}
	f.want(t, "wider") // a cached token with the old scopes would not do
}

func TestSourceErrors(t *testing.T) {
	t.Parallel()
	t.Run("plain http", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.service.url = "http://login.test/token"
		_, err := f.source.Token(t.Context(), mailbox.TokenRequest{Rejected: "access-0"})
		if !errors.Is(err, mailbox.ClassConfig) {
			t.Errorf("got %v", err)
		}
		f.wantRequests(t, 0)
	})
	t.Run("record of another provider", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		if err := f.vault.Replace(t.Context(), ref, mailbox.Gmail, firstToken()); err != nil {
			t.Fatal(err)
		}
		f.wantErr(t, mailbox.ClassConfig)
	})
	t.Run("no refresh token", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Access: "access-0"}); err != nil {
			t.Fatal(err)
		}
		_, err := f.source.Token(t.Context(), mailbox.TokenRequest{Rejected: "access-0"})
		if !errors.Is(err, mailbox.ClassReconnect) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.source.Token(ctx, mailbox.TokenRequest{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("store down", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		down := errors.New("no connection")
		f.store.fail(down, down)
		if e := f.wantErr(t, mailbox.ClassStorage); !errors.Is(e, down) {
			t.Errorf("the cause is %v", e.Err)
		}
		f.store.fail(nil, nil)
		f.want(t, "access-0")
	})
	t.Run("wrong key", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.source = f.newSource(tokenstore.NewVault(f.store, newKeyring(t, "other")))
		f.wantErr(t, mailbox.ClassConfig)
		if len(f.dead) != 0 {
			t.Error("a wrong key is not the end of the grant")
		}
	})
	t.Run("no vault", func(t *testing.T) {
		t.Parallel()
		_, err := tokenstore.NewSource(tokenstore.SourceConfig{Ref: ref}).Token(t.Context(), mailbox.TokenRequest{})
		if !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no encryption", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		v := tokenstore.NewVault(f.store, nil)
		if err := v.Replace(t.Context(), ref, mailbox.Outlook, firstToken()); !errors.Is(err, mailbox.ClassConfig) {
			t.Errorf("a vault without AEAD stored a token: %v", err)
		}
	})
}

// The context of a call to the mail service does not reach the token endpoint
// as that call: service.RoundTrip fails on it.
func TestSourceHidesTheCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := mailbox.WithCall(t.Context(), mailbox.Call{Method: "messages.send", Units: 100})
	if _, err := f.source.Token(ctx, mailbox.TokenRequest{Rejected: "access-0"}); err != nil {
		t.Errorf("Token: %v (%v)", err, errors.Unwrap(err))
	}
}

// An endpoint that hangs holds nobody up while the token is valid.
func TestEarlyRefreshThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.want(t, "access-0")
		time.Sleep(56 * time.Minute)
		f.service.delay = 20 * time.Second
		began := time.Now()
		f.want(t, "access-0")
		f.want(t, "access-0") // waits for the same refresh
		if waited := time.Since(began); waited > 3*time.Second {
			t.Errorf("two callers waited for %s", waited)
		}
		time.Sleep(20 * time.Second)
		f.want(t, "access-1")
		f.wantRequests(t, 1)
		// Without a valid token there is nothing to go on with.
		time.Sleep(2 * time.Hour)
		f.want(t, "access-2")
	})
}

// What happens to one mailbox seldom makes others read the store.
func TestOtherMailboxesKeepTheirTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kept := 0
	for i := range 200 {
		f.store.fail(nil, nil)
		f.want(t, "access-0")
		other := mailbox.Ref{Tenant: ref.Tenant, Mailbox: mailbox.MailboxID(fmt.Sprint("other-", i))}
		if err := f.vault.Delete(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		f.store.fail(errors.New("down"), nil)
		if _, err := f.source.Token(t.Context(), mailbox.TokenRequest{}); err == nil {
			kept++
		}
	}
	if kept < 180 {
		t.Errorf("after %d of 200 writes for others, the store was read", 200-kept)
	}
}

// A refused grant is not asked for again at once, unless somebody says so.
func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		time.Sleep(2 * time.Hour)
		f.service.next(always(400, `{"error":"invalid_grant"}`))
		f.wantErr(t, mailbox.ClassReconnect)
		f.wantErr(t, mailbox.ClassReconnect)
		f.wantRequests(t, 1)
		f.source.Retry()
		f.want(t, "access-1")
		f.wantRequests(t, 2)

		// What the provider asked for is kept.
		time.Sleep(2 * time.Hour)
		f.service.next(func(url.Values) *http.Response {
			r := answer(429, `{"error":"slow_down"}`)
			r.Header.Set("Retry-After", "60")
			return r
		})
		f.wantErr(t, mailbox.ClassThrottled)
		f.source.Retry()
		f.wantErr(t, mailbox.ClassThrottled)
		f.wantRequests(t, 3)
	})
}
