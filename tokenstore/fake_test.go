package tokenstore_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

var ref = mailbox.Ref{Tenant: "acme", Mailbox: "sales"}

// service is a mail service with a token endpoint, as mailbox.Provider and as
// the http.RoundTripper that leads to it.
type service struct {
	mailbox.Provider // the methods that no token needs; nil

	url     string
	rotates bool          // a refresh gives a new refresh token and ends the old one
	life    time.Duration // of access tokens
	delay   time.Duration // before an answer

	mu       sync.Mutex
	secret   string          // of the app; empty means "app-secret"
	down     string          // what every request is answered with, if not empty
	live     map[string]bool // refresh tokens
	serial   int
	requests []url.Values
	paths    []string
	cut      int // requests that were given up under way
	// script answers the next requests instead of the service, if not nil.
	script []func(form url.Values) *http.Response
}

func newService() *service {
	return &service{
		url:  "https://login.test/token",
		life: time.Hour,
		live: map[string]bool{"refresh-0": true},
	}
}

func (s *service) Name() mailbox.ProviderName { return mailbox.Outlook }

func (s *service) OAuth() mailbox.OAuth {
	return mailbox.OAuth{
		AuthURL:   "https://login.test/authorize",
		TokenURL:  s.url,
		RevokeURL: strings.Replace(s.url, "token", "revoke", 1),
	}
}

// OAuthError classifies as carelessly as a driver might: by the code alone.
func (s *service) OAuthError(_ int, header http.Header, body []byte) *mailbox.Error {
	var answer struct {
		Error    string `json:"error"`
		Suberror string `json:"suberror"`
	}
	_ = json.Unmarshal(body, &answer)
	e := &mailbox.Error{Code: answer.Error, Err: errors.New(string(body))}
	switch answer.Error {
	case "invalid_grant":
		e.Class = mailbox.ClassReconnect
		if answer.Suberror == "consent_required" {
			e.Class = mailbox.ClassConsent
		}
	case "invalid_client":
		e.Class = mailbox.ClassConfig
	case "":
		e.Class = mailbox.ClassReconnect // wrong on purpose: never to be believed
	}
	if header.Get("Retry-After") != "" {
		d, _ := time.ParseDuration(header.Get("Retry-After") + "s")
		e.RetryAfter = d
	}
	return e
}

func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := mailbox.CallOf(req.Context()); ok {
		return nil, errors.New("a request to the token endpoint carries a mailbox.Call")
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-req.Context().Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			s.cut++
			return nil, req.Context().Err()
		}
	}
	s.mu.Lock()
	s.requests = append(s.requests, maps.Clone(form))
	s.paths = append(s.paths, req.URL.Path)
	var scripted func(url.Values) *http.Response
	if len(s.script) > 0 {
		scripted, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	if scripted != nil {
		if resp := scripted(form); resp != nil {
			return resp, nil
		}
		return nil, errors.New("connection reset by peer")
	}
	return s.answer(form), nil
}

func (s *service) answer(form url.Values) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != "" {
		return answer(200, s.down)
	}
	if form.Get("client_id") != "app" || form.Get("client_secret") != cmp.Or(s.secret, "app-secret") {
		return answer(401, `{"error":"invalid_client"}`)
	}
	refresh, app := form.Get("refresh_token"), form.Get("grant_type") == "client_credentials"
	if !app && !s.live[refresh] {
		return answer(400, `{"error":"invalid_grant"}`)
	}
	s.serial++
	granted := map[string]any{
		"access_token": fmt.Sprintf("access-%d", s.serial),
		"token_type":   "Bearer",
		"expires_in":   int(s.life.Seconds()),
		"scope":        "mail.send",
	}
	if s.rotates && !app {
		delete(s.live, refresh)
		refresh = fmt.Sprintf("refresh-%d", s.serial)
		s.live[refresh] = true
		granted["refresh_token"] = refresh
	}
	b, _ := json.Marshal(granted)
	return answer(200, string(b))
}

func (s *service) setSecret(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
}

func (s *service) setDown(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = body
}

// count returns how many requests arrived.
func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *service) next(script ...func(url.Values) *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, script...)
}

func answer(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(body)),
	}
}

func always(status int, body string) func(url.Values) *http.Response {
	return func(url.Values) *http.Response { return answer(status, body) }
}

func lost(url.Values) *http.Response { return nil }

// store wraps a store with faults. It is neither a Locker nor a TenantLister.
type store struct {
	tokenstore.Store
	mu        sync.Mutex
	beforePut func() // called once, before the next Put
	putErr    error
	getErr    error
	delay     time.Duration
	garbage   bool
}

func (s *store) Get(ctx context.Context, ref mailbox.Ref) (tokenstore.Record, error) {
	s.mu.Lock()
	err, delay, garbage := s.getErr, s.delay, s.garbage
	s.mu.Unlock()
	if err != nil {
		return tokenstore.Record{}, err
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return tokenstore.Record{}, ctx.Err()
		}
	}
	rec, err := s.Store.Get(ctx, ref)
	if garbage {
		rec.Sealed = []byte("garbage")
	}
	return rec, err
}

func (s *store) slow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

func (s *store) garble(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.garbage = on
}

func (s *store) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	s.mu.Lock()
	before, err := s.beforePut, s.putErr
	s.beforePut = nil
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if err != nil {
		return tokenstore.Record{}, err
	}
	return s.Store.Put(ctx, rec)
}

func (s *store) fail(get, put error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.getErr, s.putErr = get, put
}

func newKeyring(t testing.TB, ids ...string) *tokenstore.Keyring {
	t.Helper()
	var keys []tokenstore.Key
	for _, id := range ids {
		keys = append(keys, tokenstore.Key{ID: id, Secret: bytes.Repeat([]byte(id[:1]), 32)})
	}
	ring, err := tokenstore.NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// fixture is one mailbox whose access token has an hour to live.
type fixture struct {
	service *service
	store   *store
	vault   *tokenstore.Vault
	dead    []mailbox.Class
	source  *tokenstore.Source
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{service: newService(), store: &store{Store: tokenstore.NewMemory()}}
	f.vault = tokenstore.NewVault(f.store, newKeyring(t, "k1"))
	if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, firstToken()); err != nil {
		t.Fatal(err)
	}
	f.source = f.newSource(f.vault)
	return f
}

func firstToken() tokenstore.Token {
	now := time.Now()
	return tokenstore.Token{
		Access: "access-0", Refresh: "refresh-0",
		IssuedAt: now, Expiry: now.Add(time.Hour), Scopes: []string{"mail.send"},
	}
}

func (f *fixture) newSource(v *tokenstore.Vault) *tokenstore.Source {
	return tokenstore.NewSource(tokenstore.SourceConfig{
		Vault: v, Ref: ref, Client: f.client(),
		OnDead: func(_ context.Context, err *mailbox.Error, _ int64) { f.dead = append(f.dead, err.Class) },
	})
}

func (f *fixture) client() *tokenstore.Client {
	return &tokenstore.Client{Provider: f.service, ClientID: "app", ClientSecret: "app-secret", Transport: f.service}
}

// otherProcess returns a source on the same store that shares nothing else.
func (f *fixture) otherProcess(t testing.TB) *tokenstore.Source {
	return f.newSource(tokenstore.NewVault(f.store, newKeyring(t, "k1")))
}

func (f *fixture) want(t testing.TB, want mailbox.AccessToken) {
	t.Helper()
	wantToken(t, f.source, mailbox.TokenRequest{}, want)
}

func wantToken(t testing.TB, s *tokenstore.Source, req mailbox.TokenRequest, want mailbox.AccessToken) {
	t.Helper()
	got, err := s.Token(t.Context(), req)
	if err != nil {
		t.Errorf("Token: %v (%v)", err, errors.Unwrap(err))
	} else if got != want {
		t.Errorf("Token returned %s, want %s", string(got), string(want))
	}
}

func (f *fixture) wantErr(t testing.TB, want mailbox.Class) *mailbox.Error {
	t.Helper()
	got, err := f.source.Token(t.Context(), mailbox.TokenRequest{})
	if got != "" || !errors.Is(err, want) {
		t.Fatalf("Token returned %q, %v; want class %v", string(got), err, want)
	}
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok || e.Mailbox != ref.Mailbox || e.Provider != mailbox.Outlook {
		t.Fatalf("the error does not name mailbox and provider: %#v", err)
	}
	return e
}

func (f *fixture) stored(t testing.TB) tokenstore.Token {
	t.Helper()
	tok, _, err := f.vault.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func (f *fixture) wantRequests(t testing.TB, want int) {
	t.Helper()
	if got := f.service.count(); got != want {
		t.Fatalf("the token endpoint saw %d requests, want %d", got, want)
	}
}
