package mailtether_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
	"github.com/mailtether/mailtether/tokenstore"
)

// canaries collects the secrets of a run, and everything that was printed.
type canaries struct {
	mu      sync.Mutex
	secrets map[string]string // secret → what it is
	printed map[string]string // where → text
}

func (c *canaries) add(what, secret string) {
	if len(secret) < 12 { // shorter ones would be found by accident
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets[secret] = what
}

// see notes a text that somebody may read.
func (c *canaries) see(where string, texts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range texts {
		c.printed[where] += text + "\n"
	}
}

// seeError notes an error and all that is behind it, in every format.
func (c *canaries) seeError(where string, err error) {
	if err == nil {
		return
	}
	c.see(where, err.Error(), fmt.Sprintf("%v %+v %#v", err, err, err))
	if b, marshalErr := json.Marshal(err); marshalErr == nil {
		c.see(where, string(b))
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		c.seeError(where, err.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range err.Unwrap() {
			c.seeError(where, err)
		}
	}
}

// exchanges learns the secrets that went to and came from the providers.
func (c *canaries) exchanges(log []gmailtest.Exchange) {
	for _, x := range log {
		if auth := x.RequestHeader.Get("Authorization"); auth != "" {
			c.add("Authorization", strings.TrimPrefix(auth, "Bearer "))
		}
		if form, err := url.ParseQuery(string(x.RequestBody)); err == nil {
			for _, name := range []string{"code", "code_verifier", "client_secret", "refresh_token", "assertion", "token"} {
				c.add("request "+name, form.Get(name))
			}
		}
		var answer map[string]any
		if json.Unmarshal(x.ResponseBody, &answer) == nil {
			for _, name := range []string{"access_token", "refresh_token", "id_token"} {
				s, _ := answer[name].(string)
				c.add("answer "+name, s)
			}
		}
		if u, err := url.Parse(x.ResponseHeader.Get("Location")); err == nil {
			c.add("code", u.Query().Get("code"))
			c.add("state", u.Query().Get("state"))
		}
	}
}

// check looks for every secret in everything that was printed, as it is and in
// the spellings in which careless code prints bytes.
func (c *canaries) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	kinds := map[string]int{}
	for secret, what := range c.secrets {
		kinds[what]++
		for _, form := range []string{
			secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)),
			strings.Trim(fmt.Sprint([]byte(secret)), "[]"), url.QueryEscape(secret),
		} {
			for where, text := range c.printed {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s shows %s: …%.200s", where, what, text[max(0, i-60):])
				}
			}
		}
	}
	for _, what := range []string{
		"request code", "request code_verifier", "request client_secret", "request refresh_token", "request assertion",
		"request token", "answer access_token", "answer refresh_token", "answer id_token", "Authorization", "state", "cookie",
	} {
		if kinds[what] == 0 {
			t.Errorf("the flows had no %s: the test does not see it", what)
		}
	}
	if len(c.printed["log"]) < 500 || len(c.printed["event"]) < 500 {
		t.Errorf("hardly anything was printed: log %d, events %d bytes", len(c.printed["log"]), len(c.printed["event"]))
	}
}

// Write takes the log.
func (c *canaries) Write(b []byte) (int, error) {
	c.see("log", string(b))
	return len(b), nil
}

// carelessStores print what they are given, as a host's own code might, and
// panic with it on demand.
type carelessAccounts struct {
	*connect.Memory
	c     *canaries
	panic bool
}

func (s *carelessAccounts) Put(ctx context.Context, a mailbox.Account) (mailbox.Account, error) {
	s.c.see("account", fmt.Sprintf("%+v %#v", a, a))
	if s.panic {
		panic(fmt.Sprintf("%+v %#v", a, ctx))
	}
	return s.Memory.Put(ctx, a)
}

type carelessTokens struct {
	*tokenstore.Memory
	c    *canaries
	down bool
}

func (s *carelessTokens) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	s.c.see("token record", fmt.Sprintf("%+v %s %q", rec, rec.Sealed, rec.Sealed))
	if s.down {
		return tokenstore.Record{}, fmt.Errorf("no space for %+v", rec)
	}
	return s.Memory.Put(ctx, rec)
}

// secretive is a host over both fakes whose every word is taken down.
type secretive struct {
	t         *testing.T
	c         *canaries
	google    *gmailtest.Server
	microsoft *outlooktest.Server
	mirror    *mirror // before Google
	accounts  *carelessAccounts
	tokens    *carelessTokens
	client    *mailtether.Client
	mux       *http.ServeMux
	cookies   map[string]*http.Cookie
}

const (
	googleSecret    = "canary-google-client-secret"
	microsoftSecret = "canary-microsoft-client-secret"
	origin          = "http://localhost:8080"
)

func newSecretive(t *testing.T) *secretive {
	h := &secretive{
		t: t, c: &canaries{secrets: map[string]string{}, printed: map[string]string{}},
		google: gmailtest.NewServer(t, gmailtest.Options{}), microsoft: outlooktest.NewServer(t, outlooktest.Options{}),
		mux: http.NewServeMux(), cookies: map[string]*http.Cookie{},
	}
	h.mirror = &mirror{base: h.google.Transport()}
	h.google.AddUser(gmailtest.User{Address: "ann@acme.example", HostedDomain: "acme.example"})
	h.google.AddUser(gmailtest.User{Address: "eve@acme.example", HostedDomain: "acme.example"})
	h.google.OAuth.Register(gmailtest.Client{ID: "google", Secret: googleSecret})
	h.microsoft.AddUser(outlooktest.User{Address: "bob@contoso.example"})
	h.microsoft.AddUser(outlooktest.User{Address: "admin@contoso.example", Admin: true})
	h.microsoft.AddUser(outlooktest.User{Address: "support@contoso.example", Shared: true, SharedWith: []string{"bob@contoso.example"}})
	h.microsoft.OAuth.Register(outlooktest.Client{ID: "microsoft", Secret: microsoftSecret})
	key := h.google.AddServiceAccount(gmailtest.ServiceAccount{
		Email: "robot@project.iam.example", Domain: "acme.example", Scopes: []string{gmailtest.ScopeReadonly, gmailtest.ScopeSend},
	})
	var file struct {
		PrivateKey string `json:"private_key"`
	}
	if err := json.Unmarshal(key, &file); err != nil || file.PrivateKey == "" {
		t.Fatalf("service account: %v", err)
	}
	for line := range strings.Lines(file.PrivateKey) {
		h.c.add("private key", strings.TrimSpace(strings.ReplaceAll(line, "-----", "")))
	}

	google, err := gmail.New(gmail.Config{Endpoints: gmail.EndpointsAt(h.google.URL())})
	if err != nil {
		t.Fatal(err)
	}
	microsoft, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(h.microsoft.URL())})
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("canary-key-of-the-vault-32-bytes")
	h.c.add("vault key", string(secret))
	h.accounts = &carelessAccounts{Memory: connect.NewMemory(), c: h.c}
	h.tokens = &carelessTokens{Memory: tokenstore.NewMemory(), c: h.c}
	h.client, err = mailtether.New(mailtether.Config{
		Apps: []connect.App{
			{
				Provider: google, ClientID: "google", ClientSecret: googleSecret, ServiceAccountKey: key,
				RedirectURL: origin + "/callback/gmail", Transport: h.mirror, RevokeOnDisconnect: true,
			},
			{
				Provider: microsoft, ClientID: "microsoft", ClientSecret: microsoftSecret,
				RedirectURL: origin + "/callback/outlook", AdminRedirectURL: origin + "/consented", Transport: h.microsoft.Transport(),
			},
		},
		Keys:   []tokenstore.Key{{ID: "k", Secret: secret}},
		Stores: mailtether.Stores{Accounts: h.accounts, Tokens: h.tokens},
		Handler: func(ctx context.Context, e mailbox.Event) error {
			b, err := json.Marshal(e)
			h.c.see("event", fmt.Sprintf("%v %+v %#v", e, e, e), string(b))
			h.c.seeError("event", e.Err)
			return errors.Join(err, errors.New("the handler fails, so that it is logged"))
		},
		AdminConsentURL: origin + "/consent",
		Logger:          slog.New(slog.NewJSONHandler(h.c, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook} {
		h.mux.Handle("/callback/"+string(p), h.client.Connect.CallbackHandler(p))
	}
	h.mux.Handle("/consent", h.client.Connect.AdminConsentHandler())
	h.mux.Handle("/consented", h.client.Connect.AdminCallbackHandler(mailbox.Outlook))
	return h
}

// visit is a request of the user's browser. It returns where that is sent to.
func (h *secretive) visit(to string) *url.URL {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), http.MethodGet, to, nil)
	for _, cookie := range h.cookies {
		r.AddCookie(cookie)
	}
	rec := httptest.NewRecorder()
	func() {
		defer func() {
			if v := recover(); v != nil {
				h.c.see("panic", fmt.Sprintf("%v %+v %#v", v, v, v))
			}
		}()
		h.mux.ServeHTTP(rec, r)
	}()
	resp := rec.Result()
	for _, cookie := range resp.Cookies() {
		h.cookies[cookie.Name] = cookie
		h.c.add("cookie", cookie.Value)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		h.t.Fatal(err)
	}
	if location.Host == "" { // on the way to a provider the URL has a state
		h.c.see("page", string(body), location.String())
	}
	return location
}

// start mounts the flow of a request and begins it.
func (h *secretive) start(r connect.StartRequest) *url.URL {
	h.t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", h.mux)
	mux.Handle("/start", h.client.Connect.StartHandler(func(*http.Request) (connect.StartRequest, error) { return r, nil }))
	h.mux = mux
	to := h.visit(origin + "/start")
	h.c.add("state", to.Query().Get("state"))
	h.c.add("nonce", to.Query().Get("nonce"))
	return to
}

// decide plays the user at the provider's page.
func (h *secretive) decide(page *url.URL, d gmailtest.Decision) *url.URL {
	h.t.Helper()
	rt := h.google.Transport()
	if strings.HasPrefix(page.String(), h.microsoft.URL()) {
		rt = h.microsoft.Transport()
	}
	back, err := gmailtest.Decide(h.t.Context(), rt, page.String(), d)
	if err != nil {
		h.t.Fatalf("at the provider's page: %v", err)
	}
	h.c.add("code", back.Query().Get("code"))
	return back
}

// flow runs a whole flow and returns where the browser ends.
func (h *secretive) flow(r connect.StartRequest, d gmailtest.Decision) string {
	h.t.Helper()
	return h.visit(h.decide(h.start(r), d).String()).String()
}

func (h *secretive) want(got, part string) {
	h.t.Helper()
	if !strings.Contains(got, part) {
		h.t.Errorf("the browser ends at %q, want %q in it", got, part)
	}
}

// try notes the error of a call that has to fail.
func (h *secretive) try(what string, err error, want ...mailbox.Class) {
	h.t.Helper()
	h.c.seeError(what, err)
	for _, class := range want {
		if mailbox.ClassOf(err) == class {
			return
		}
	}
	h.t.Errorf("%s: %v, want one of %q", what, err, want)
}

var (
	annRef = mailbox.Ref{Tenant: "acme", Mailbox: "ann"}
	bobRef = mailbox.Ref{Tenant: "contoso", Mailbox: "bob"}
)

// TestNoSecretIsEverShown drives every flow, and every way in which one fails,
// and looks for every secret in everything that anybody could read: log lines,
// errors, events, panics, pages, URLs of the host, and what the stores were given.
func TestNoSecretIsEverShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSecretive(t)
		ann := connect.StartRequest{Ref: annRef, Provider: mailbox.Gmail, Want: mailbox.CanSend | mailbox.CanReadBodies}
		asAnn := gmailtest.Decision{User: "ann@acme.example"}

		// Connecting fails in every way, and then does not.
		h.want(h.flow(ann, gmailtest.Decision{User: "ann@acme.example", Deny: true}), "declined")
		h.want(h.flow(ann, gmailtest.Decision{User: "ann@acme.example", Untick: []string{gmailtest.ScopeSend}}), "consent_missing")
		for status, body := range map[int]string{
			200: `{"access_token":"canary-cut-access-token","refresh_token":"canary-cut-refr`,
			400: `{"error":"invalid_grant","error_description":"canary"}`,
			429: "",
		} {
			h.google.Inject(gmailtest.Fault{Path: "/token", Status: status, Body: body})
			h.flow(ann, asAnn)
		}
		for _, status := range []int{200, 302, 400, 401, 502} {
			back := h.decide(h.start(ann), asAnn)
			h.mirror.set(status)
			h.visit(back.String())
			h.mirror.set(0)
		}
		h.c.add("answer access_token", "canary-cut-access-token")
		back := h.decide(h.start(ann), asAnn)
		h.accounts.panic = true
		h.visit(back.String())
		h.accounts.panic = false
		h.want(h.visit(back.String()).String(), "invalid_callback") // replayed
		h.tokens.down = true
		h.want(h.flow(ann, asAnn), "try_later")
		h.tokens.down = false
		h.google.OAuth.BreakIDToken(gmailtest.IDTokenFault{Edit: func(claims map[string]any) { claims["nonce"] = "of somebody else" }})
		h.want(h.flow(ann, asAnn), "invalid_callback")
		ann.Popup = origin
		h.flow(ann, asAnn) // answered with a page
		ann.Popup = ""
		h.want(h.flow(ann, asAnn), "connected=ann")
		h.want(h.flow(ann, gmailtest.Decision{User: "eve@acme.example"}), "wrong_account")
		h.want(h.flow(connect.StartRequest{Ref: mailbox.Ref{Tenant: "other", Mailbox: "x"}, Provider: mailbox.Gmail, Want: mailbox.CanSend}, asAnn), "already_linked")

		// Microsoft: two stages, an administrator, a shared mailbox, the app alone.
		h.microsoft.SetConsentPolicy(h.microsoft.Tenant("contoso.example"), outlooktest.ConsentManaged)
		bob := connect.StartRequest{Ref: bobRef, Provider: mailbox.Outlook, Want: mailbox.CanSend, Later: mailbox.CanReadBodies | mailbox.CanShared}
		h.want(h.flow(bob, gmailtest.Decision{User: "bob@contoso.example"}), "connected=bob")
		_, err := h.client.Connect.Widen(t.Context(), bobRef)
		h.try("widen", err, mailbox.ClassConsent, mailbox.ClassAdmin)
		link, err := h.client.Connect.AdminConsent(t.Context(), connect.AdminRequest{Ref: bobRef})
		if err != nil {
			t.Fatal(err)
		}
		h.c.see("letter", link.Subject, strings.ReplaceAll(link.Text, link.URL, ""))
		h.want(h.visit(h.decide(h.visit(link.URL), gmailtest.Decision{User: "admin@contoso.example"}).String()).String(), "admin_consent=granted")
		h.want(h.visit(link.URL+"x").String(), "connect_error")
		_, err = h.client.Connect.ConnectShared(t.Context(), connect.SharedRequest{
			Ref: mailbox.Ref{Tenant: "contoso", Mailbox: "support"}, Parent: "bob", Address: "support@contoso.example", Want: mailbox.CanReadBodies,
		})
		if err != nil {
			h.c.seeError("shared", err)
			t.Errorf("shared: %v", err)
		}
		robot := connect.AppRequest{
			Ref: mailbox.Ref{Tenant: "acme", Mailbox: "eve"}, Provider: mailbox.Gmail, Address: "eve@acme.example", Want: mailbox.CanReadBodies,
		}
		if _, err = h.client.Connect.ConnectApp(t.Context(), robot); err != nil {
			h.c.seeError("app", err)
			t.Errorf("app: %v", err)
		}
		robot.Mailbox, robot.Want = "eve2", mailbox.CanWriteReadState
		_, err = h.client.Connect.ConnectApp(t.Context(), robot)
		h.try("app without delegation", err, mailbox.ClassAdmin, mailbox.ClassConfig, mailbox.ClassConsent)
		_, err = h.client.Connect.ConnectApp(t.Context(), connect.AppRequest{
			Ref: mailbox.Ref{Tenant: "contoso", Mailbox: "app"}, Provider: mailbox.Outlook, Address: "support@contoso.example",
			Directory: h.microsoft.Tenant("contoso.example"), Want: mailbox.CanReadBodies,
		})
		h.c.seeError("app at Microsoft", err)

		// Sending and refreshing, with an endpoint that echoes, is down, and says no.
		h.send(annRef, "first")
		h.send(bobRef, "second")
		for _, fault := range []gmailtest.Fault{
			{Status: 200, Body: "<html>sign in</html>"},
			{Status: 400, Body: `{"error":"surprise"}`},
			{Lose: true},
		} {
			time.Sleep(2 * time.Hour)
			h.google.Inject(fault)
			_, err := h.client.Inbox.Poll(t.Context(), annRef)
			h.c.seeError("poll", err)
			h.google.ClearFaults()
		}
		for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 502} {
			if _, err := h.client.Inbox.Poll(t.Context(), annRef); err != nil {
				t.Errorf("poll: %v", err)
			}
			h.mirror.set(status) // the token is valid: the API echoes
			_, err := h.client.Inbox.Poll(t.Context(), annRef)
			h.c.seeError("poll", err)
			time.Sleep(2 * time.Hour)
			_, err = h.client.Inbox.Poll(t.Context(), annRef)
			h.c.seeError("poll", err)
			h.mirror.set(0)
		}
		time.Sleep(2 * time.Hour)
		h.google.SetClientFault("google", gmailtest.ClientSecret)
		_, err = h.client.Inbox.Poll(t.Context(), annRef)
		h.try("secret expired", err, mailbox.ClassConfig)
		h.google.SetClientFault("google", gmailtest.ClientFine)
		time.Sleep(2 * time.Hour)
		h.tokens.down = true
		_, err = h.client.Inbox.Poll(t.Context(), bobRef)
		h.try("store down", err, mailbox.ClassStorage)
		h.tokens.down = false
		time.Sleep(2 * time.Hour)
		h.microsoft.EndGrant("bob@contoso.example", outlooktest.EndMFA)
		_, err = h.client.Inbox.Poll(t.Context(), bobRef)
		h.try("grant ended", err, mailbox.ClassReconnect)

		// Leaving: the revocation fails, then it does not.
		h.mirror.set(500)
		h.try("disconnect", h.client.Connect.Disconnect(t.Context(), annRef), mailbox.ClassUnavailable)
		h.mirror.set(0)
		h.want(h.flow(ann, asAnn), "connected=ann")
		if err := h.client.Connect.Disconnect(t.Context(), annRef); err != nil {
			t.Errorf("disconnect: %v", err)
		}
		if err := h.client.Connect.Disconnect(t.Context(), bobRef); err != nil {
			t.Errorf("disconnect: %v", err)
		}

		h.c.see("client", fmt.Sprintf("%v %+v %#v", h.client, h.client, h.client), fmt.Sprintf("%v %+v", h.client.Connect, h.client.Stores))
		h.c.exchanges(h.google.Log())
		h.c.exchanges(h.microsoft.Log())
		h.c.check(t)
	})
}

// send sends one message, or fails on the way; either is fine.
func (h *secretive) send(ref mailbox.Ref, key string) {
	i, err := h.client.Outbox.Send(h.t.Context(), outbox.Request{Ref: ref, Key: key, Message: &mailbox.Outgoing{
		To: []mailbox.Address{{Address: "somebody@partner.example"}}, Subject: "Hello", Text: "Hello",
	}})
	h.c.seeError("send", err)
	h.c.see("intent", fmt.Sprintf("%+v", i))
	if i.State != outbox.StateSent {
		h.t.Errorf("%s: %s %s", ref, i.State, i.Error)
	}
}

// mirror answers requests whose path ends in one of paths with what it was sent,
// as debugging proxies and their error pages do, while it is switched on.
type mirror struct {
	base   http.RoundTripper
	mu     sync.Mutex
	status int // 0 is off
}

func (m *mirror) set(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

func (m *mirror) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	status := m.status
	m.mu.Unlock()
	if status == 0 {
		return m.base.RoundTrip(r)
	}
	var page bytes.Buffer
	_ = r.Header.Write(&page)
	page.WriteString(r.URL.String() + "\n")
	if r.Body != nil {
		defer r.Body.Close()
		if _, err := page.ReadFrom(r.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: r.Header.Clone(), Body: io.NopCloser(&page), Request: r,
	}, nil
}
