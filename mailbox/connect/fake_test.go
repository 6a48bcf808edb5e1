package connect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

// service is a mail service with an authorization server: the mailbox.Provider,
// the http.RoundTripper that leads to it, and the page on which users consent.
type service struct {
	name   mailbox.ProviderName
	params map[string]string

	mu        sync.Mutex
	codes     map[string]grant
	refreshes map[string]grant
	accesses  map[string]grant
	serial    int
	requests  []string // paths
	revoked   []string
	// trouble answers the next request to the path instead of the service.
	trouble map[string]*http.Response
	// edit changes token answers.
	edit func(answer map[string]any)
	// before is called before a token answer is made.
	before func()
	authority
}

type grant struct {
	user, challenge, redirect, nonce string
	scopes                           []string
}

func newService(name mailbox.ProviderName) *service {
	return &service{
		name:      name,
		params:    map[string]string{"prompt": "consent select_account"},
		codes:     make(map[string]grant),
		refreshes: make(map[string]grant),
		accesses:  make(map[string]grant),
		trouble:   make(map[string]*http.Response),
	}
}

func (s *service) Name() mailbox.ProviderName { return s.name }

func (s *service) OAuth() mailbox.OAuth {
	base := "https://" + string(s.name) + ".test"
	o := mailbox.OAuth{
		AuthURL: base + "/authorize", TokenURL: base + "/token", RevokeURL: base + "/revoke",
		AuthParams: s.params, KeysURL: base + "/keys",
	}
	if s.name == mailbox.Outlook {
		o.AdminConsentURL = base + "/organizations/adminconsent"
	}
	return o
}

var scopeOf = map[string]mailbox.Capabilities{
	"mail.send":    mailbox.CanSend,
	"mail.headers": mailbox.CanReadHeaders,
	"mail.bodies":  mailbox.CanReadBodies,
}

func (s *service) Scopes(want mailbox.Capabilities) ([]string, error) {
	scopes := []string{"openid"}
	for scope, c := range scopeOf {
		if want.Has(c) {
			scopes = append(scopes, scope)
			want &^= c
		}
	}
	if want != 0 {
		return nil, &mailbox.Error{Op: "scopes", Provider: s.name, Class: mailbox.ClassUnsupported}
	}
	slices.Sort(scopes)
	return scopes, nil
}

func (s *service) Granted(scopes []string) mailbox.Capabilities {
	var c mailbox.Capabilities
	for _, scope := range scopes {
		c |= scopeOf[scope]
	}
	return c
}

func (s *service) OAuthError(status int, _ http.Header, body []byte) *mailbox.Error {
	var answer struct{ Error string }
	if status == 0 {
		q, _ := url.ParseQuery(string(body))
		answer.Error = q.Get("error")
	} else {
		_ = json.Unmarshal(body, &answer)
	}
	e := &mailbox.Error{Code: answer.Error, Err: errors.New(string(body))}
	switch answer.Error {
	case "invalid_grant":
		e.Class = mailbox.ClassReconnect
	case "invalid_client", "invalid_scope":
		e.Class = mailbox.ClassConfig
	case "admin_policy_enforced":
		e.Class = mailbox.ClassAdmin
	case "consent_required":
		e.Class = mailbox.ClassConsent
	}
	return e
}

func (s *service) Identify(ctx context.Context, session mailbox.Session) (mailbox.Identity, error) {
	tok, err := session.Tokens.Token(ctx, mailbox.TokenRequest{})
	if err != nil {
		return mailbox.Identity{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+string(s.name)+".test/me", nil)
	if err != nil {
		return mailbox.Identity{}, err
	}
	req.Header.Set("Authorization", "Bearer "+string(tok))
	resp, err := session.Transport.RoundTrip(req)
	if err != nil {
		return mailbox.Identity{}, &mailbox.Error{Op: "identify", Class: mailbox.ClassUnavailable, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, err := session.Tokens.Token(ctx, mailbox.TokenRequest{Rejected: tok})
		return mailbox.Identity{}, err
	}
	var id mailbox.Identity
	err = json.NewDecoder(resp.Body).Decode(&id)
	if id.Address == "nobody@example.com" {
		return mailbox.Identity{}, &mailbox.Error{Op: "identify", Class: mailbox.ClassNoMailbox}
	}
	return id, err
}

// opened is a mailbox that can only show its session.
type opened struct {
	mailbox.Mailbox
	account mailbox.Account
	session mailbox.Session
}

func (s *service) Open(a mailbox.Account, session mailbox.Session) (mailbox.Mailbox, error) {
	return &opened{account: a, session: session}, nil
}

func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	var form url.Values
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		form, _ = url.ParseQuery(string(b))
	}
	s.mu.Lock()
	before := s.before
	s.before = nil
	s.requests = append(s.requests, req.URL.Path)
	resp := s.trouble[req.URL.Path]
	delete(s.trouble, req.URL.Path)
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if resp != nil {
		return resp, nil
	}
	switch req.URL.Path {
	case "/token", "/contoso/token":
		return s.token(form), nil
	case "/keys":
		return s.jwks(), nil
	case "/revoke":
		s.mu.Lock()
		defer s.mu.Unlock()
		s.revoked = append(s.revoked, form.Get("token"))
		return answer(200, "{}"), nil
	case "/me":
		return s.me(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")), nil
	}
	return answer(404, ""), nil
}

func (s *service) token(form url.Values) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if form.Get("client_id") != "client" || form.Get("client_secret") != canarySecret {
		return answer(401, `{"error":"invalid_client"}`)
	}
	var g grant
	var ok bool
	switch form.Get("grant_type") {
	case "authorization_code":
		g, ok = s.codes[form.Get("code")]
		delete(s.codes, form.Get("code"))
		ok = ok && g.redirect == form.Get("redirect_uri") &&
			g.challenge == oauth2.S256ChallengeFromVerifier(form.Get("code_verifier"))
	case "refresh_token":
		g, ok = s.refreshes[form.Get("refresh_token")]
		if scopes := strings.Fields(form.Get("scope")); ok && len(scopes) > 0 {
			if !s.consented(g, scopes) {
				return answer(400, `{"error":"consent_required"}`)
			}
			g.scopes = scopes
		}
	}
	if !ok {
		return answer(400, `{"error":"invalid_grant"}`)
	}
	s.serial++
	access, refresh := fmt.Sprintf("canary-access-%d", s.serial), fmt.Sprintf("canary-refresh-%d", s.serial)
	s.accesses[access], s.refreshes[refresh] = g, g
	granted := map[string]any{
		"access_token": access, "refresh_token": refresh, "token_type": "Bearer",
		"expires_in": 3600, "scope": strings.Join(g.scopes, " "),
	}
	if g.nonce != "" && form.Get("grant_type") == "authorization_code" {
		granted["id_token"] = s.idToken(string(s.name), g)
	}
	if s.edit != nil {
		s.edit(granted)
	}
	b, _ := json.Marshal(granted)
	return answer(200, string(b))
}

func (s *service) me(access string) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.accesses[access]
	if !ok {
		return answer(401, "{}")
	}
	b, _ := json.Marshal(mailbox.Identity{
		Subject: "sub-" + g.user, Address: g.user + "@example.com", Name: g.user,
		Aliases: []string{g.user + "@example.org"},
	})
	return answer(200, string(b))
}

// consent is what the user does on the provider's page.
type consent struct {
	user   string
	scopes []string // granted; nil grants what was asked for
	err    string   // an error code instead of consent
}

// visit plays the provider's page: it checks the authorization request and
// returns the parameters of the callback.
func (s *service) visit(t testing.TB, authURL string, c consent) url.Values {
	t.Helper()
	u, err := url.Parse(authURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if got, want := u.Scheme+"://"+u.Host+u.Path, s.OAuth().AuthURL; got != want {
		t.Fatalf("sent to %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "client", "code_challenge_method": "S256",
		"redirect_uri": redirectURL(s.name), "prompt": "consent select_account",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("authorization request has %s=%q, want %q", name, got, want)
		}
	}
	if len(q.Get("code_challenge")) != 43 || q.Has("code_verifier") || q.Has("client_secret") {
		t.Errorf("authorization request has no S256 challenge, or a secret: %v", q)
	}
	if openid := slices.Contains(strings.Fields(q.Get("scope")), "openid"); openid != q.Has("nonce") {
		t.Errorf("openid %v, nonce %q", openid, q.Get("nonce"))
	}
	callback := url.Values{"state": {q.Get("state")}}
	if c.err != "" {
		callback.Set("error", c.err)
		callback.Set("error_description", "words of the provider")
		return callback
	}
	if c.scopes == nil {
		c.scopes = strings.Fields(q.Get("scope"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.consented(grant{}, strings.Fields(q.Get("scope"))) {
		callback.Set("error", "admin_policy_enforced")
		return callback
	}
	s.serial++
	code := fmt.Sprintf("canary-code-%d", s.serial)
	s.codes[code] = grant{user: c.user, challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri"), nonce: q.Get("nonce"), scopes: c.scopes}
	callback.Set("code", code)
	return callback
}

func (s *service) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.requests {
		if p == path {
			n++
		}
	}
	return n
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func redirectURL(p mailbox.ProviderName) string { return "https://host.test/connect/" + string(p) }

const (
	canarySecret = "canary-client-secret"
	browserA     = "canary-browser-of-alice"
	browserB     = "canary-browser-of-mallory"
	wanted       = mailbox.CanSend | mailbox.CanReadHeaders
)

var ref = mailbox.Ref{Tenant: "acme", Mailbox: "sales"}

// host is an application with two providers.
type host struct {
	gmail, outlook *service
	accounts       *connect.Memory
	tokens         *tokenstore.Memory
	vault          *tokenstore.Vault
	config         connect.Config
	*connect.Connector

	mu     sync.Mutex
	events []mailbox.Event
}

func newHost(t testing.TB, edit ...func(*connect.Config)) *host {
	t.Helper()
	h := &host{
		gmail: newService(mailbox.Gmail), outlook: newService(mailbox.Outlook),
		accounts: connect.NewMemory(), tokens: tokenstore.NewMemory(),
	}
	ring, err := tokenstore.NewKeyring(tokenstore.Key{ID: "k", Secret: bytes.Repeat([]byte("k"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	h.vault = tokenstore.NewVault(h.tokens, ring)
	h.config = connect.Config{
		Accounts: h.accounts, Vault: h.vault,
		StateKey: []byte("canary-state-key-0123456789abcdef"),
		ReturnTo: "/settings", AdminConsentURL: "https://host.test/admin/start",
		OnState: func(_ context.Context, e mailbox.Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, e)
		},
	}
	for _, s := range []*service{h.gmail, h.outlook} {
		h.config.Apps = append(h.config.Apps, connect.App{
			Provider: s, ClientID: "client", ClientSecret: canarySecret,
			RedirectURL: redirectURL(s.name), AdminRedirectURL: "https://host.test/admin/" + string(s.name), Transport: s,
		})
	}
	for _, f := range edit {
		f(&h.config)
	}
	if h.Connector, err = connect.New(h.config); err != nil {
		t.Fatal(err)
	}
	return h
}

func request() connect.StartRequest {
	return connect.StartRequest{
		Ref: ref, Owner: "user-7", Provider: mailbox.Gmail, Want: wanted,
		ReturnTo: "/mailboxes?tab=1", Browser: browserA,
	}
}

func (h *host) start(t testing.TB, r connect.StartRequest) string {
	t.Helper()
	started, err := h.Start(t.Context(), r)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return started.URL
}

// begin starts a flow and lets the user act; it returns the callback.
func (h *host) begin(t testing.TB, r connect.StartRequest, c consent) connect.CallbackRequest {
	t.Helper()
	s := h.gmail
	if r.Provider == mailbox.Outlook {
		s = h.outlook
	}
	return connect.CallbackRequest{Query: s.visit(t, h.start(t, r), c), Browser: r.Browser, Provider: s.name}
}

// connect runs a whole flow that has to succeed.
func (h *host) connect(t testing.TB, r connect.StartRequest, user string) mailbox.Account {
	t.Helper()
	a, err := h.Callback(t.Context(), h.begin(t, r, consent{user: user}))
	if err != nil {
		t.Fatalf("Callback: %v (%v)", err, errors.Unwrap(err))
	}
	return a
}

func (h *host) account(t testing.TB) mailbox.Account {
	t.Helper()
	a, err := h.accounts.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantUntouched checks that nothing was stored for the mailbox.
func (h *host) wantUntouched(t testing.TB) {
	t.Helper()
	if _, err := h.accounts.Get(t.Context(), ref); !errors.Is(err, connect.ErrNotFound) {
		t.Errorf("an account was stored: %v", err)
	}
	if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("a token was stored: %v", err)
	}
}

func (h *host) states() []mailbox.AccountState {
	h.mu.Lock()
	defer h.mu.Unlock()
	var states []mailbox.AccountState
	for _, e := range h.events {
		states = append(states, e.State)
	}
	return states
}

// wantRefused checks an error of a callback.
func wantRefused(t testing.TB, err error, class mailbox.Class, code string) *mailbox.Error {
	t.Helper()
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok || e.Class != class || e.Code != code {
		t.Fatalf("got %v, want class %q and code %q", err, class, code)
	}
	return e
}

// query returns the parameters of a URL.
func query(t testing.TB, raw string) url.Values {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
