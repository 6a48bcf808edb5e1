package connect_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		got := h.connect(t, request(), "ann")
		now := time.Now().UTC()
		want := mailbox.Account{
			Ref: ref, Owner: "user-7", Provider: mailbox.Gmail,
			Subject: "sub-ann", Address: "ann@example.com", Aliases: []string{"ann@example.org"}, Name: "ann",
			Scopes: []string{"mail.headers", "mail.send", "openid"}, Capabilities: wanted, Wanted: wanted,
			State: mailbox.StateConnected, StateSince: now, ConnectedAt: now, Version: 2,
		}
		if got.Link == "" || strings.Contains(got.Link, "ann") {
			t.Errorf("the link is %q", got.Link)
		}
		want.Link = got.Link
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("account differs (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, h.account(t)); diff != "" {
			t.Errorf("stored account differs (-want +got):\n%s", diff)
		}
		wantEvents := []mailbox.Event{{
			ID: "account_state:acme/sales:2", Ref: ref, Kind: mailbox.EventAccountState, At: now, State: mailbox.StateConnected,
		}}
		if diff := cmp.Diff(wantEvents, h.events); diff != "" {
			t.Errorf("events differ (-want +got):\n%s", diff)
		}

		mb, err := h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		o := mb.(*opened)
		if diff := cmp.Diff(want, o.account); diff != "" {
			t.Errorf("opened account differs (-want +got):\n%s", diff)
		}
		tok, err := o.session.Tokens.Token(t.Context(), mailbox.TokenRequest{})
		if err != nil || !strings.HasPrefix(string(tok), "canary-access") {
			t.Errorf("Token: %v", err)
		}
		time.Sleep(2 * time.Hour) // and it is refreshed
		if fresh, err := o.session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); err != nil || fresh == tok {
			t.Errorf("Token after expiry: %v", err)
		}
	})
}

// A second process with the same stores and key serves the callback.
func TestCallbackInAnotherProcess(t *testing.T) {
	t.Parallel()
	states := connect.NewMemoryStates()
	h := newHost(t, func(c *connect.Config) { c.States = states })
	callback := h.begin(t, request(), consent{user: "ann"})
	other, err := connect.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Callback(t.Context(), callback); err != nil {
		t.Errorf("Callback: %v", err)
	}
	// With another key it is no flow of ours.
	callback = h.begin(t, request(), consent{user: "ann"})
	h.config.StateKey = []byte(strings.Repeat("x", 32))
	stranger, err := connect.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = stranger.Callback(t.Context(), callback)
	wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeStateInvalid)
}

func TestCallbackRefusesState(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, h *host, r *connect.CallbackRequest)
		code   string
	}{
		{"no state (CSRF)", func(_ *testing.T, _ *host, r *connect.CallbackRequest) { r.Query.Del("state") }, connect.CodeStateInvalid},
		{"empty state", func(_ *testing.T, _ *host, r *connect.CallbackRequest) { r.Query.Set("state", "") }, connect.CodeStateInvalid},
		{"made-up state", func(_ *testing.T, _ *host, r *connect.CallbackRequest) {
			r.Query.Set("state", strings.Repeat("A", len(r.Query.Get("state"))))
		}, connect.CodeStateInvalid},
		{"two states", func(_ *testing.T, _ *host, r *connect.CallbackRequest) {
			r.Query["state"] = append(r.Query["state"], r.Query.Get("state"))
		}, connect.CodeStateInvalid},
		{"another browser (code injection)", func(_ *testing.T, _ *host, r *connect.CallbackRequest) { r.Browser = browserB }, connect.CodeStateInvalid},
		{"no browser secret", func(_ *testing.T, _ *host, r *connect.CallbackRequest) { r.Browser = "" }, connect.CodeStateInvalid},
		{"state of another browser's flow", func(t *testing.T, h *host, r *connect.CallbackRequest) {
			other := request()
			other.Browser = browserB
			r.Query.Set("state", h.begin(t, other, consent{user: "eve"}).Query.Get("state"))
		}, connect.CodeStateInvalid},
		{"another provider (mix-up)", func(_ *testing.T, _ *host, r *connect.CallbackRequest) { r.Provider = mailbox.Outlook }, connect.CodeOtherProvider},
		{"too late", func(*testing.T, *host, *connect.CallbackRequest) { time.Sleep(10 * time.Minute) }, connect.CodeStateExpired},
		{"forgotten by the store", func(t *testing.T, h *host, _ *connect.CallbackRequest) {
			h.config.States = connect.NewMemoryStates()
			var err error
			if h.Connector, err = connect.New(h.config); err != nil {
				t.Fatal(err)
			}
		}, connect.CodeStateUsed},
		{"no code", func(_ *testing.T, _ *host, r *connect.CallbackRequest) { r.Query.Del("code") }, connect.CodeNoCode},
		{"two codes", func(_ *testing.T, _ *host, r *connect.CallbackRequest) { r.Query.Add("code", "other") }, connect.CodeNoCode},
		{"a code without end", func(_ *testing.T, _ *host, r *connect.CallbackRequest) {
			r.Query.Set("code", strings.Repeat("a", 1<<20))
		}, connect.CodeNoCode},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				r := h.begin(t, request(), consent{user: "ann"})
				test.change(t, h, &r)
				_, err := h.Callback(t.Context(), r)
				wantRefused(t, err, mailbox.ClassBadCallback, test.code)
				h.wantUntouched(t)
				if n := h.gmail.count("/token") + h.outlook.count("/token"); n != 0 {
					t.Error("the code was exchanged although the callback is refused")
				}
			})
		})
	}
}

// Every bit of a state counts, and a forged one does not use up the flow.
func TestStateBitFlips(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := h.begin(t, request(), consent{user: "ann"})
	good := r.Query.Get("state")
	for i := range len(good) {
		for bit := range 8 {
			b := []byte(good)
			b[i] ^= 1 << bit
			r.Query.Set("state", string(b))
			_, err := h.Callback(t.Context(), r)
			wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeStateInvalid)
		}
	}
	r.Query.Set("state", good)
	if _, err := h.Callback(t.Context(), r); err != nil {
		t.Errorf("the true state after all that: %v", err)
	}
}

func TestStateWorksOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]consent{
		"after success": {user: "ann"},
		"after refusal": {err: "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			r := h.begin(t, request(), c)
			_, _ = h.Callback(t.Context(), r)
			_, err := h.Callback(t.Context(), r)
			wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeStateUsed)
		})
	}
}

// A code that was stolen from another flow fails on PKCE: the verifier is that
// of the flow the state belongs to.
func TestInjectedCodeFailsOnPKCE(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	victim := h.begin(t, request(), consent{user: "victim"})
	attacker := request()
	attacker.Mailbox, attacker.Browser = "attackers", browserB
	r := h.begin(t, attacker, consent{user: "eve"})
	r.Query.Set("code", victim.Query.Get("code"))
	_, err := h.Callback(t.Context(), r)
	wantRefused(t, err, mailbox.ClassBadCallback, "invalid_grant")
	if _, err := h.accounts.Get(t.Context(), attacker.Ref); !errors.Is(err, connect.ErrNotFound) {
		t.Error("the attacker connected the victim's account")
	}
}

// Neither the URL nor the StateStore shows the verifier or anything else of the
// flow.
func TestFlowIsSealed(t *testing.T) {
	t.Parallel()
	spy := &spyStates{StateStore: connect.NewMemoryStates()}
	h := newHost(t, func(c *connect.Config) { c.States = spy })
	u := h.start(t, request())
	for _, clear := range []string{"sales", "acme", "user-7", "tab%3D1", browserA, "verifier"} {
		if strings.Contains(u, clear) {
			t.Errorf("the URL shows %q: %s", clear, u)
		}
		if strings.Contains(string(spy.data), clear) {
			t.Errorf("the StateStore shows %q", clear)
		}
	}
	// And it is bound to its id.
	r := h.begin(t, request(), consent{user: "ann"})
	first := spy.data
	_ = h.start(t, request())
	spy.data, spy.answer = first, spy.data
	_, err := h.Callback(t.Context(), r)
	wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeStateInvalid)
}

// spyStates remembers what was put, and can answer something else.
type spyStates struct {
	connect.StateStore
	data, answer []byte
	err          error
}

func (s *spyStates) Put(ctx context.Context, id string, data []byte, expires time.Time) error {
	s.data = data
	if s.err != nil {
		return s.err
	}
	return s.StateStore.Put(ctx, id, data, expires)
}

func (s *spyStates) Take(ctx context.Context, id string) ([]byte, bool, error) {
	if s.err != nil {
		return nil, false, s.err
	}
	data, ok, err := s.StateStore.Take(ctx, id)
	if s.answer != nil {
		data = s.answer
	}
	return data, ok, err
}

func TestStateStoreDown(t *testing.T) {
	t.Parallel()
	spy := &spyStates{StateStore: connect.NewMemoryStates()}
	h := newHost(t, func(c *connect.Config) { c.States = spy })
	r := h.begin(t, request(), consent{user: "ann"})
	spy.err = errors.New("no connection")
	_, err := h.Callback(t.Context(), r)
	if e := wantRefused(t, err, mailbox.ClassStorage, ""); !errors.Is(e, spy.err) {
		t.Errorf("the cause is %v", e.Err)
	}
	if _, err := h.Start(t.Context(), request()); !errors.Is(err, mailbox.ClassStorage) {
		t.Errorf("Start: %v", err)
	}
}

func TestProviderSaysNo(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]mailbox.Class{
		"access_denied":         mailbox.ClassDeclined,
		"admin_policy_enforced": mailbox.ClassAdmin,
		"invalid_scope":         mailbox.ClassConfig,
		"surprise":              mailbox.ClassUnknown,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			r := h.begin(t, request(), consent{err: code})
			state := r.Query.Get("state")
			r.Query.Set("code", "canary-code") // an error outranks a code
			_, err := h.Callback(t.Context(), r)
			e := wantRefused(t, err, want, code)
			if native := e.Err.Error(); strings.Contains(native, state) || strings.Contains(native, "canary") {
				t.Errorf("the driver was shown secrets of the flow: %s", native)
			}
			h.wantUntouched(t)
		})
	}
}

func TestPartialConsent(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann", scopes: []string{"openid", "mail.headers"}}))
		e := wantRefused(t, err, mailbox.ClassConsent, "")
		ce, ok := errors.AsType[*connect.ConsentError](e)
		want := &connect.ConsentError{
			Wanted: wanted, Granted: mailbox.CanReadHeaders, Missing: mailbox.CanSend,
			Scopes: []connect.Permission{{Scope: "mail.send", For: mailbox.CanSend}},
		}
		if diff := cmp.Diff(want, ce); !ok || diff != "" {
			t.Errorf("the cause differs (-want +got):\n%s", diff)
		}
		h.wantUntouched(t)
	})
	t.Run("accepted", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		r := request()
		r.Need = mailbox.CanSend
		a, err := h.Callback(t.Context(), h.begin(t, r, consent{user: "ann", scopes: []string{"openid", "mail.send"}}))
		if err != nil || a.Capabilities != mailbox.CanSend || a.State != mailbox.StateConnected {
			t.Errorf("account %+v, error %v", a, err)
		}
	})
	t.Run("not even what is needed", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		r := request()
		r.Need = mailbox.CanSend
		_, err := h.Callback(t.Context(), h.begin(t, r, consent{user: "ann", scopes: []string{"mail.headers"}}))
		wantRefused(t, err, mailbox.ClassConsent, "")
	})
	t.Run("scope not told", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.gmail.edit = func(a map[string]any) { delete(a, "scope") }
		if a := h.connect(t, request(), "ann"); a.Capabilities != wanted || len(a.Scopes) != 3 {
			t.Errorf("an untold scope means as requested, got %v", a.Scopes)
		}
	})
	t.Run("a reconnect with less leaves the account alone", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		before := h.connect(t, request(), "ann")
		_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann", scopes: []string{"openid"}}))
		wantRefused(t, err, mailbox.ClassConsent, "")
		if diff := cmp.Diff(before, h.account(t)); diff != "" {
			t.Errorf("account changed:\n%s", diff)
		}
	})
}

func TestConnectFails(t *testing.T) {
	t.Parallel()
	html := "<html>Bad Gateway</html>"
	tests := []struct {
		name  string
		setup func(h *host)
		user  string
		class mailbox.Class
		code  string
	}{
		{"token endpoint 502 HTML", func(h *host) { h.gmail.trouble["/token"] = answer(502, html) }, "ann", mailbox.ClassUnavailable, ""},
		{"token endpoint 429", func(h *host) { h.gmail.trouble["/token"] = answer(429, "") }, "ann", mailbox.ClassThrottled, ""},
		{"token endpoint 200 HTML", func(h *host) { h.gmail.trouble["/token"] = answer(200, html) }, "ann", mailbox.ClassUnavailable, "bad_answer"},
		{"code refused", func(h *host) { h.gmail.trouble["/token"] = answer(400, `{"error":"invalid_grant"}`) }, "ann", mailbox.ClassBadCallback, "invalid_grant"},
		{"app secret refused", func(h *host) { h.gmail.trouble["/token"] = answer(401, `{"error":"invalid_client"}`) }, "ann", mailbox.ClassConfig, "invalid_client"},
		{"no refresh token", func(h *host) { h.gmail.edit = func(a map[string]any) { delete(a, "refresh_token") } }, "ann", mailbox.ClassConfig, connect.CodeNoRefreshToken},
		{"fresh token rejected", func(h *host) { h.gmail.trouble["/me"] = answer(401, "") }, "ann", mailbox.ClassUnavailable, "token_rejected"},
		{"no identity", func(h *host) { h.gmail.trouble["/me"] = answer(200, "{}") }, "ann", mailbox.ClassUnavailable, "no_identity"},
		{"no mailbox", func(*host) {}, "nobody", mailbox.ClassNoMailbox, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			test.setup(h)
			_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: test.user}))
			e := wantRefused(t, err, test.class, test.code)
			if e.Provider != mailbox.Gmail || e.Mailbox != ref.Mailbox || e.Op == "" {
				t.Errorf("the error does not say what failed: %#v", e)
			}
			h.wantUntouched(t)
		})
	}
}

// The user closes the window during the exchange: the connect is finished.
func TestCallbackOutlivesItsContext(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := h.begin(t, request(), consent{user: "ann"})
	ctx, cancel := context.WithCancel(t.Context())
	h.gmail.before = cancel
	if _, err := h.Callback(ctx, r); err != nil {
		t.Errorf("Callback: %v", err)
	}
	if got := h.account(t).State; got != mailbox.StateConnected {
		t.Errorf("state %s", got)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*connect.StartRequest)
		field  string
	}{
		"no tenant":         {func(r *connect.StartRequest) { r.Tenant = "" }, "tenant"},
		"no mailbox":        {func(r *connect.StartRequest) { r.Mailbox = "" }, "mailbox"},
		"no browser":        {func(r *connect.StartRequest) { r.Browser = "" }, "browser"},
		"short browser":     {func(r *connect.StartRequest) { r.Browser = "123456789012345" }, "browser"},
		"no provider":       {func(r *connect.StartRequest) { r.Provider = "" }, "provider"},
		"unknown provider":  {func(r *connect.StartRequest) { r.Provider = "yahoo" }, "provider"},
		"unknown app":       {func(r *connect.StartRequest) { r.App = "other" }, "app"},
		"wants nothing":     {func(r *connect.StartRequest) { r.Want = 0 }, "want"},
		"needs more":        {func(r *connect.StartRequest) { r.Need = mailbox.CanReadBodies }, "want"},
		"another site":      {func(r *connect.StartRequest) { r.ReturnTo = "https://evil.test/" }, "return_to"},
		"another host":      {func(r *connect.StartRequest) { r.ReturnTo = "//evil.test/" }, "return_to"},
		"three slashes":     {func(r *connect.StartRequest) { r.ReturnTo = "///evil.test/" }, "return_to"},
		"backslash host":    {func(r *connect.StartRequest) { r.ReturnTo = `/\evil.test/` }, "return_to"},
		"backslashes":       {func(r *connect.StartRequest) { r.ReturnTo = `\\evil.test/` }, "return_to"},
		"later backslash":   {func(r *connect.StartRequest) { r.ReturnTo = `/a\b` }, "return_to"},
		"script":            {func(r *connect.StartRequest) { r.ReturnTo = "javascript:alert(1)" }, "return_to"},
		"tab":               {func(r *connect.StartRequest) { r.ReturnTo = "/\t/evil.test/" }, "return_to"},
		"line break":        {func(r *connect.StartRequest) { r.ReturnTo = "/\r\nSet-Cookie: a=b" }, "return_to"},
		"escaped slash":     {func(r *connect.StartRequest) { r.ReturnTo = "/%2fevil.test/ä" }, "return_to"},
		"space":             {func(r *connect.StartRequest) { r.ReturnTo = "/%2fevil.test/ a" }, "return_to"},
		"leading space":     {func(r *connect.StartRequest) { r.ReturnTo = " //evil.test/" }, "return_to"},
		"relative":          {func(r *connect.StartRequest) { r.ReturnTo = "settings" }, "return_to"},
		"dots":              {func(r *connect.StartRequest) { r.ReturnTo = "../settings" }, "return_to"},
		"broken escape":     {func(r *connect.StartRequest) { r.ReturnTo = "/%zz" }, "return_to"},
		"too long a return": {func(r *connect.StartRequest) { r.ReturnTo = "/" + strings.Repeat("a", 2048) }, "return_to"},
	}
	h := newHost(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request()
			test.change(&r)
			_, err := h.Start(t.Context(), r)
			fe, ok := errors.AsType[*mailbox.FieldError](err)
			if !ok || fe.Field != test.field || !errors.Is(err, mailbox.ClassInvalid) {
				t.Errorf("got %v, want a FieldError of %s", err, test.field)
			}
		})
	}
	r := request()
	r.Want = mailbox.CanShared
	if _, err := h.Start(t.Context(), r); !errors.Is(err, mailbox.ClassUnsupported) {
		t.Errorf("a capability the provider lacks: %v", err)
	}
}

func TestStartParameters(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) {
		c.Apps[0].AuthParams = map[string]string{"hd": "example.com", "prompt": "consent select_account"}
	})
	r := request()
	r.LoginHint, r.Claims = "ann@example.com", `{"access_token":{}}`
	u, err := url.Parse(h.start(t, r))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"hd": "example.com", "login_hint": "ann@example.com", "claims": `{"access_token":{}}`,
		"scope": "mail.headers mail.send openid",
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := newHost(t).config
	tests := map[string]struct {
		change func(*connect.Config)
		field  string
	}{
		"no accounts":        {func(c *connect.Config) { c.Accounts = nil }, "Accounts"},
		"no vault":           {func(c *connect.Config) { c.Vault = nil }, "Vault"},
		"no apps":            {func(c *connect.Config) { c.Apps = nil }, "Apps"},
		"no key":             {func(c *connect.Config) { c.StateKey = nil }, "StateKey"},
		"short key":          {func(c *connect.Config) { c.StateKey = make([]byte, 31) }, "StateKey"},
		"negative TTL":       {func(c *connect.Config) { c.StateTTL = -1 }, "StateTTL"},
		"long TTL":           {func(c *connect.Config) { c.StateTTL = 2 * time.Hour }, "StateTTL"},
		"return elsewhere":   {func(c *connect.Config) { c.ReturnTo = "//evil.test" }, "ReturnTo"},
		"no provider":        {func(c *connect.Config) { c.Apps[0].Provider = nil }, "Apps[0].Provider"},
		"no client ID":       {func(c *connect.Config) { c.Apps[1].ClientID = "" }, "Apps[1].ClientID"},
		"no redirect URL":    {func(c *connect.Config) { c.Apps[0].RedirectURL = "" }, "Apps[0].RedirectURL"},
		"redirect over http": {func(c *connect.Config) { c.Apps[0].RedirectURL = "http://host.test/" }, "Apps[0].RedirectURL"},
		"same name twice":    {func(c *connect.Config) { c.Apps = append(c.Apps, c.Apps[0]) }, "Apps[2].Name"},
		"PKCE downgrade": {func(c *connect.Config) {
			c.Apps[0].AuthParams = map[string]string{"code_challenge_method": "plain"}
		}, "Apps[0].AuthParams"},
		"state override": {func(c *connect.Config) {
			s := newService(mailbox.Gmail)
			s.params = map[string]string{"state": "fixed"}
			c.Apps[0].Provider = s
		}, "Apps[0].AuthParams"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			c.Apps = append([]connect.App(nil), good.Apps...)
			test.change(&c)
			_, err := connect.New(c)
			fe, ok := errors.AsType[*mailbox.FieldError](err)
			if !ok || fe.Field != test.field {
				t.Errorf("got %v, want a FieldError of %s", err, test.field)
			}
		})
	}
}

func TestSeveralApps(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) {
		c.Apps[0].Name = "first"
		second := c.Apps[0]
		second.Name = "second"
		c.Apps = append(c.Apps, second)
	})
	r := request()
	_, err := h.Start(t.Context(), r)
	if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "app" {
		t.Errorf("an ambiguous app: %v", err)
	}
	r.App = "second"
	if a := h.connect(t, r, "ann"); a.App != "second" {
		t.Errorf("connected with app %q", a.App)
	}
	r.App = "" // a reconnect keeps to the app
	if a := h.connect(t, r, "ann"); a.App != "second" {
		t.Errorf("reconnected with app %q", a.App)
	}
	// An app that is gone is the operator's fault.
	h.config.Apps = h.config.Apps[:2]
	if h.Connector, err = connect.New(h.config); err != nil {
		t.Fatal(err)
	}
	_, err = h.Open(t.Context(), ref)
	wantRefused(t, err, mailbox.ClassConfig, connect.CodeUnknownApp)
	if err := h.Disconnect(t.Context(), ref); err != nil {
		t.Errorf("Disconnect without the app: %v", err)
	}
}

var ignoreVersion = cmpopts.IgnoreFields(mailbox.Account{}, "Version")

var errDown = errors.New("no connection")

// storeDown is a token store that fails on Put.
type storeDown struct{ *tokenstore.Memory }

func (storeDown) Put(context.Context, tokenstore.Record) (tokenstore.Record, error) {
	return tokenstore.Record{}, errDown
}
