package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// fleet is many mailboxes of one app, whose access tokens have expired.
type fleet struct {
	service *service
	client  *tokenstore.Client
	sources []*tokenstore.Source
	faults  []*mailbox.Error
	dead    int
	mu      sync.Mutex
}

func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{service: newService()}
	f.service.delay = 100 * time.Millisecond
	f.client = &tokenstore.Client{
		Provider: f.service, ClientID: "app", ClientSecret: "app-secret", Transport: f.service,
		OnFault: func(_ context.Context, err *mailbox.Error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.faults = append(f.faults, err)
		},
	}
	vault := tokenstore.NewVault(tokenstore.NewMemory(), newKeyring(t, "k1"))
	for i := range n {
		r := mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}
		refresh := fmt.Sprint("refresh-of-", i)
		f.service.live[refresh] = true
		if err := vault.Replace(t.Context(), r, mailbox.Outlook, tokenstore.Token{Refresh: tokenstore.Secret(refresh)}); err != nil {
			t.Fatal(err)
		}
		f.sources = append(f.sources, f.source(vault, r))
	}
	return f
}

func (f *fleet) source(vault *tokenstore.Vault, r mailbox.Ref) *tokenstore.Source {
	return tokenstore.NewSource(tokenstore.SourceConfig{
		Vault: vault, Ref: r, Client: f.client,
		OnDead: func(context.Context, *mailbox.Error, int64) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.dead++
		},
	})
}

// all asks every source at once, and returns how many failed with class.
func (f *fleet) all(t *testing.T, class mailbox.Class) (failed int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, source := range f.sources {
		wg.Go(func() {
			_, err := source.Token(t.Context(), mailbox.TokenRequest{})
			if err == nil {
				return
			}
			if !errors.Is(err, class) {
				t.Errorf("Token: %v (%v)", err, errors.Unwrap(err))
			}
			mu.Lock()
			defer mu.Unlock()
			failed++
		})
	}
	wg.Wait()
	return failed
}

// The secret of an app expires: one alarm, few requests, no user is asked, and
// everything goes on when it is repaired.
func TestAppSecretExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		f := newFleet(t, n)
		f.service.setSecret("new-secret")
		for range 10 { // for five minutes
			if failed := f.all(t, mailbox.ClassConfig); failed != n {
				t.Fatalf("%d of %d failed", failed, n)
			}
			time.Sleep(30 * time.Second)
		}
		if got := f.service.count(); got < 5 || got > 40 {
			t.Errorf("the token endpoint saw %d requests, want up to 32 and then one a minute", got)
		}
		if len(f.faults) != 1 || f.dead != 0 {
			t.Fatalf("OnFault was called %d times, OnDead %d times", len(f.faults), f.dead)
		}
		if e := f.faults[0]; e.Class != mailbox.ClassConfig || e.Code != "invalid_client" || e.Status != 401 {
			t.Errorf("OnFault was told %v", e)
		}
		_, _ = f.sources[0].Token(t.Context(), mailbox.TokenRequest{}) // may be the one that finds out
		_, err := f.sources[0].Token(t.Context(), mailbox.TokenRequest{})
		if e, ok := errors.AsType[*mailbox.Error](err); !ok || e.Code != "invalid_client" || e.RetryAfter <= 0 || e.RetryAfter > time.Minute {
			t.Errorf("an error that was held back: %#v", e)
		}

		f.service.setSecret("app-secret")
		time.Sleep(time.Minute)
		f.all(t, mailbox.ClassConfig) // one finds out
		time.Sleep(time.Minute)
		if failed := f.all(t, mailbox.ClassConfig); failed != 0 {
			t.Errorf("%d of %d fail after the repair", failed, n)
		}
		if len(f.faults) != 1 {
			t.Errorf("OnFault was called %d times", len(f.faults))
		}

		// Another episode is another alarm.
		f.service.setSecret("newer-secret")
		time.Sleep(2 * time.Hour)
		f.all(t, mailbox.ClassConfig)
		if len(f.faults) != 2 {
			t.Errorf("OnFault was called %d times, want once more", len(f.faults))
		}
		// A new secret comes with a new Client, which has nothing against it.
		f.service.setSecret("app-secret")
		*f = fleet{service: f.service, sources: f.sources[:0]}
		f.client = &tokenstore.Client{Provider: f.service, ClientID: "app", ClientSecret: "app-secret", Transport: f.service}
		vault := tokenstore.NewVault(tokenstore.NewMemory(), newKeyring(t, "k1"))
		if err := vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "refresh-0"}); err != nil {
			t.Fatal(err)
		}
		f.sources = append(f.sources, f.source(vault, ref))
		if failed := f.all(t, mailbox.ClassConfig); failed != 0 {
			t.Error("a new client fails")
		}
	})
}

// Only refusals of the app itself hold others back.
func TestBreakerTrips(t *testing.T) {
	t.Parallel()
	refused := func(body string, e mailbox.Error) mailbox.Error {
		e.Err = errors.New(body)
		return e
	}
	tests := []struct {
		name  string
		body  string
		err   mailbox.Error // of the driver
		trips bool
	}{
		{"secret", `{"error":"invalid_request"}`, mailbox.Error{Class: mailbox.ClassConfig, Cause: mailbox.CauseAppSecret}, true},
		{"registration", `{"error":"unauthorized_client"}`, mailbox.Error{Class: mailbox.ClassConfig, Cause: mailbox.CauseAppRegistration}, true},
		{"invalid_client, no cause", `{"error":"invalid_client"}`, mailbox.Error{Class: mailbox.ClassConfig, Code: "AADSTS7000222"}, true},
		{"deleted_client", `{"error":"deleted_client"}`, mailbox.Error{Class: mailbox.ClassConfig}, true},
		{"a scope of one request", `{"error":"invalid_scope"}`, mailbox.Error{Class: mailbox.ClassConfig, Code: "invalid_scope"}, false},
		{"a resource of one request", `{"error":"unauthorized_client"}`, mailbox.Error{Class: mailbox.ClassConfig, Code: "AADSTS65005"}, false},
		{"one grant", `{"error":"invalid_grant"}`, mailbox.Error{Class: mailbox.ClassReconnect, Cause: mailbox.CauseRevoked}, false},
		{"one organisation", `{"error":"invalid_grant"}`, mailbox.Error{Class: mailbox.ClassAdmin}, false},
		{"an invalid_client that the driver takes for the user's", `{"error":"invalid_client"}`, mailbox.Error{Class: mailbox.ClassReconnect}, false},
		{"down", `<html>`, mailbox.Error{Class: mailbox.ClassConfig, Cause: mailbox.CauseAppSecret}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				faults := 0
				c := &tokenstore.Client{
					Provider: classified{s, refused(test.body, test.err)}, ClientID: "app", ClientSecret: "app-secret", Transport: s,
					OnFault: func(context.Context, *mailbox.Error) { faults++ },
				}
				s.next(always(400, test.body))
				request := tokenstore.RefreshRequest{Refresh: "refresh-0"}
				if _, err := c.Refresh(t.Context(), request); err == nil {
					t.Fatal("no error")
				}
				_, err := c.Refresh(t.Context(), request)
				if (err != nil) != test.trips || (faults == 1) != test.trips {
					t.Errorf("the next request: %v; %d faults told; want held back = %v", err, faults, test.trips)
				}
				// Who signs in is not held back, and finds out that it is over.
				s.next(always(200, `{"access_token":"a"}`))
				if _, _, err := c.Exchange(t.Context(), "code", "verifier", "https://host.test/"); err != nil {
					t.Errorf("Exchange: %v", err)
				}
				if _, err := c.Refresh(t.Context(), request); err != nil {
					t.Errorf("after a request that was granted: %v", err)
				}
			})
		})
	}
}

// atDirectories has a token endpoint for each directory.
type atDirectories struct{ classified }

func (s atDirectories) OAuthAt(directory string) mailbox.OAuth {
	o := s.OAuth()
	o.TokenURL = "https://login.test/" + directory + "/token"
	return o
}

// An app that one organisation has disabled goes on working for the others; a
// secret is wrong for all.
func TestBreakerPlaces(t *testing.T) {
	t.Parallel()
	for cause, elsewhere := range map[mailbox.Cause]bool{
		mailbox.CauseAppRegistration: true,
		mailbox.CauseAppSecret:       false,
	} {
		t.Run(string(cause), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				c := &tokenstore.Client{
					Provider: atDirectories{classified{s, mailbox.Error{Class: mailbox.ClassConfig, Cause: cause}}},
					ClientID: "app", ClientSecret: "app-secret", Transport: s,
				}
				s.next(always(400, `{"error":"unauthorized_client"}`))
				ask := func(directory string) error {
					_, err := c.Refresh(t.Context(), tokenstore.RefreshRequest{Refresh: "refresh-0", Directory: directory})
					return err
				}
				for range 2 {
					if ask("a") == nil {
						t.Error("the app is refused in directory a")
					}
				}
				if err := ask("b"); (err == nil) != elsewhere {
					t.Errorf("in directory b: %v", err)
				}
				time.Sleep(time.Minute)
				if err := ask("a"); err != nil {
					t.Errorf("a minute later: %v", err)
				}
			})
		})
	}
}

// One request at a time finds out whether a fault is over; a dead grant is no
// answer to that.
func TestBreakerProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 50)
		f.service.setSecret("another")
		f.all(t, mailbox.ClassConfig)
		before := f.service.count()
		time.Sleep(time.Minute)
		f.all(t, mailbox.ClassConfig)
		if got := f.service.count() - before; got != 1 {
			t.Errorf("%d requests found out, want 1", got)
		}
		f.service.setSecret("app-secret")
		time.Sleep(time.Minute)
		f.service.next(always(400, `{"error":"invalid_grant"}`))
		refresh := func() error {
			_, err := f.client.Refresh(t.Context(), tokenstore.RefreshRequest{Refresh: "refresh-0"})
			return err
		}
		if err := refresh(); !errors.Is(err, mailbox.ClassReconnect) {
			t.Errorf("a dead grant: %v", err)
		}
		if err := refresh(); err != nil {
			t.Errorf("the next request: %v", err)
		}
		if failed := f.all(t, mailbox.ClassConfig); failed != 0 {
			t.Errorf("%d fail after the repair", failed)
		}
	})
}

// Answers that come late do not begin or end an episode.
func TestBreakerLateAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		faults := 0
		c := &tokenstore.Client{
			Provider: s, ClientID: "app", ClientSecret: "app-secret", Transport: s,
			OnFault: func(context.Context, *mailbox.Error) { faults++ },
		}
		later := func(d time.Duration, status int, body string) func(url.Values) *http.Response {
			return func(url.Values) *http.Response { time.Sleep(d); return answer(status, body) }
		}
		refresh := func() error {
			_, err := c.Refresh(t.Context(), tokenstore.RefreshRequest{Refresh: "refresh-0"})
			return err
		}
		// A request that was granted before the secret expired.
		s.next(later(5*time.Second, 200, `{"access_token":"late"}`), always(401, `{"error":"invalid_client"}`))
		var wg sync.WaitGroup
		wg.Go(func() { _ = refresh() })
		synctest.Wait()
		_ = refresh()
		wg.Wait()
		if err := refresh(); !errors.Is(err, mailbox.ClassConfig) || faults != 1 {
			t.Errorf("a late grant ended the episode: %v, %d faults", err, faults)
		}
		// A request that was refused before the secret was repaired.
		time.Sleep(time.Minute)
		s.next(later(5*time.Second, 401, `{"error":"invalid_client"}`))
		wg.Go(func() { _ = refresh() })
		synctest.Wait()
		if _, _, err := c.Exchange(t.Context(), "code", "verifier", "https://host.test/"); !errors.Is(err, mailbox.ClassReconnect) {
			t.Errorf("Exchange: %v", err) // the service knows no codes
		}
		s.next(always(200, `{"access_token":"repaired"}`))
		if _, _, err := c.Exchange(t.Context(), "code", "verifier", "https://host.test/"); err != nil {
			t.Errorf("Exchange: %v", err)
		}
		wg.Wait()
		if err := refresh(); err != nil || faults != 1 {
			t.Errorf("a late refusal began an episode: %v, %d faults", err, faults)
		}
	})
}

// No more than 32 requests run at the same time, and one that waits gives up in
// time.
func TestClientBoundsParallelRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 200)
		f.service.delay = time.Second
		start := time.Now()
		if failed := f.all(t, mailbox.ClassUnavailable); failed != 0 {
			t.Errorf("%d failed", failed)
		}
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("200 requests of 1 s took %s, want 7 s", took)
		}
		time.Sleep(2 * time.Hour)
		f.service.delay = time.Hour
		start = time.Now()
		if failed := f.all(t, mailbox.ClassUnavailable); failed != 200 {
			t.Errorf("%d failed", failed)
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("gave up after %s", took)
		}
		if got := f.service.count(); got != 200 {
			t.Errorf("%d requests were answered", got)
		}
		// One that has waited so long that it might be cut short is not sent.
		f.service.cut, f.service.delay = 0, 20*time.Second
		if failed := f.all(t, mailbox.ClassUnavailable); failed != 200-32 || f.service.cut != 0 {
			t.Errorf("%d failed, %d were given up under way", failed, f.service.cut)
		}
		// Nothing is left behind.
		f.service.delay = 0
		if failed := f.all(t, mailbox.ClassUnavailable); failed != 0 {
			t.Errorf("%d failed", failed)
		}
	})
}
