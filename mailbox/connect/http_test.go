package connect_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

// browser is a browser with cookies. It follows no redirects.
type browser struct {
	cookies map[string]*http.Cookie
}

func (b *browser) do(h http.Handler, method, target string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for _, c := range b.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		if b.cookies == nil {
			b.cookies = make(map[string]*http.Cookie)
		}
		b.cookies[c.Name] = c
	}
	return resp
}

func mux(h *host, start func(*http.Request) (connect.StartRequest, error)) http.Handler {
	m := http.NewServeMux()
	m.Handle("/start", h.StartHandler(start))
	for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook} {
		m.Handle("/connect/"+string(p), h.CallbackHandler(p))
	}
	m.Handle("/connect/any", h.CallbackHandler(""))
	return m
}

func fixed(r connect.StartRequest) func(*http.Request) (connect.StartRequest, error) {
	r.Browser = "" // the handler's business
	return func(*http.Request) (connect.StartRequest, error) { return r, nil }
}

func wantRedirect(t *testing.T, resp *http.Response, want string) {
	t.Helper()
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != want {
		t.Errorf("HTTP %d to %q, want 303 to %q", resp.StatusCode, got, want)
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers %v: the URL may be cached or passed on", resp.Header)
	}
}

func TestHandlers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := mux(h, fixed(request()))
	var b browser
	resp := b.do(m, http.MethodGet, "https://host.test/start")
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("HTTP %d", resp.StatusCode)
	}
	c := b.cookies["__Host-mailtether_connect"]
	if c == nil || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 600 {
		t.Fatalf("cookie %+v", c)
	}
	if strings.Contains(resp.Header.Get("Location"), c.Value) {
		t.Error("the URL shows the browser's secret")
	}
	// Two tabs at once.
	first := h.gmail.visit(t, resp.Header.Get("Location"), consent{user: "ann"})
	second := h.gmail.visit(t, b.do(m, http.MethodPost, "https://host.test/start").Header.Get("Location"), consent{err: "access_denied"})
	resp = b.do(m, http.MethodGet, "https://host.test/connect/gmail?"+first.Encode())
	wantRedirect(t, resp, "/mailboxes?connected=sales&tab=1")
	resp = b.do(m, http.MethodGet, "https://host.test/connect/gmail?"+second.Encode())
	wantRedirect(t, resp, "/mailboxes?connect_error=declined&tab=1")
	if got := h.account(t).State; got != mailbox.StateConnected {
		t.Errorf("state %s", got)
	}
}

func TestCallbackHandlerErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		consent consent
		setup   func(h *host)
		path    string
		want    string
		other   bool // another browser brings the callback
	}{
		"declined":         {consent: consent{err: "access_denied"}, want: "/mailboxes?connect_error=declined&tab=1"},
		"admin":            {consent: consent{err: "admin_policy_enforced"}, want: "/mailboxes?connect_error=admin_needed&tab=1"},
		"config":           {consent: consent{err: "invalid_scope"}, want: "/mailboxes?connect_error=misconfigured&tab=1"},
		"unknown":          {consent: consent{err: "surprise"}, want: "/mailboxes?connect_error=failed&tab=1"},
		"partial":          {consent: consent{user: "ann", scopes: []string{"mail.send"}}, want: "/mailboxes?connect_error=consent_missing&tab=1"},
		"no mailbox":       {consent: consent{user: "nobody"}, want: "/mailboxes?connect_error=no_mailbox&tab=1"},
		"provider down":    {consent: consent{user: "ann"}, setup: func(h *host) { h.gmail.trouble["/token"] = answer(502, "<html>") }, want: "/mailboxes?connect_error=try_later&tab=1"},
		"another browser":  {consent: consent{user: "ann"}, other: true, want: "/settings?connect_error=invalid_callback"},
		"another provider": {consent: consent{user: "ann"}, path: "/connect/outlook", want: "/settings?connect_error=invalid_callback"},
		"wrong account": {consent: consent{user: "bob"}, setup: func(h *host) {
			_, _ = h.accounts.Put(t.Context(), mailbox.Account{Ref: ref, Provider: mailbox.Gmail, Subject: "sub-ann", Address: "ann@example.com", State: mailbox.StateNeedsReconnect})
		}, want: "/mailboxes?connect_error=wrong_account&tab=1"},
		"already linked": {consent: consent{user: "ann"}, setup: func(h *host) {
			first := request()
			first.Mailbox = "first"
			h.connect(t, first, "ann")
		}, want: "/mailboxes?connect_error=already_linked&tab=1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			h := newHost(t, func(c *connect.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
			if test.setup != nil {
				test.setup(h)
			}
			m := mux(h, fixed(request()))
			var b, other browser
			callback := h.gmail.visit(t, b.do(m, http.MethodGet, "https://host.test/start").Header.Get("Location"), test.consent)
			path := "/connect/gmail"
			if test.path != "" {
				path = test.path
			}
			if test.other {
				other.do(m, http.MethodGet, "https://host.test/start") // has a cookie of its own
				b = other
			}
			resp := b.do(m, http.MethodGet, "https://host.test"+path+"?"+callback.Encode())
			wantRedirect(t, resp, test.want)
			if !strings.Contains(log.String(), "connect failed") {
				t.Errorf("nothing was logged: %s", log.String())
			}
			for _, secret := range []string{"canary", "example.com", callback.Get("state")} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log holds %q: %s", secret, log.String())
				}
			}
		})
	}
}

func TestHandlersRefuse(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := mux(h, func(r *http.Request) (connect.StartRequest, error) {
		switch r.FormValue("as") {
		case "stranger":
			return connect.StartRequest{}, errors.New("canary: not signed in")
		case "typo":
			return connect.StartRequest{}, mailbox.Invalid("mailbox", "", "is unknown")
		}
		req := request()
		req.ReturnTo = r.FormValue("return_to")
		return req, nil
	})
	for name, test := range map[string]struct {
		method, target string
		status         int
	}{
		"not allowed":     {http.MethodGet, "/start?as=stranger", http.StatusForbidden},
		"bad request":     {http.MethodGet, "/start?as=typo", http.StatusBadRequest},
		"open redirect":   {http.MethodGet, "/start?return_to=" + url.QueryEscape("https://evil.test/"), http.StatusBadRequest},
		"//host":          {http.MethodGet, "/start?return_to=//evil.test/", http.StatusBadRequest},
		"javascript:":     {http.MethodGet, "/start?return_to=javascript:alert(1)", http.StatusBadRequest},
		"start by PUT":    {http.MethodPut, "/start", http.StatusMethodNotAllowed},
		"callback by PUT": {http.MethodPost, "/connect/gmail", http.StatusMethodNotAllowed},
	} {
		var b browser
		resp := b.do(m, test.method, "https://host.test"+test.target)
		if resp.StatusCode != test.status || resp.Header.Get("Location") != "" || len(b.cookies) != 0 {
			t.Errorf("%s: HTTP %d to %q, want %d", name, resp.StatusCode, resp.Header.Get("Location"), test.status)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		if strings.Contains(body.String(), "canary") {
			t.Errorf("%s: the answer tells details: %s", name, body.String())
		}
	}
	// Nothing at all, and nonsense.
	for _, query := range []string{"", "?state=%zz;;&&=", "?error=access_denied", "?code=x&state=" + strings.Repeat("A", 75)} {
		var b browser
		wantRedirect(t, b.do(m, http.MethodGet, "https://host.test/connect/any"+query), "/settings?connect_error=invalid_callback")
	}
}

// What a host asks for is kept, as far as it stays on the site.
func TestReturnPaths(t *testing.T) {
	t.Parallel()
	for returnTo, want := range map[string]string{
		"/":                           "/?connected=sales",
		"/a/b?x=1&connected=evil#top": "/a/b?connected=sales&x=1#top",
		"/?connect_error=old":         "/?connected=sales",
		"/%2fevil.test/%c3%a4":        "/%2fevil.test/%c3%a4?connected=sales",
		"/..//evil.test/":             "/evil.test/?connected=sales",
		"/a?next=//evil.test":         "/a?connected=sales&next=%2F%2Fevil.test",
		"/a?broken=%2":                "/a?connected=sales",
	} {
		h := newHost(t)
		r := request()
		r.ReturnTo = returnTo
		m := mux(h, fixed(r))
		var b browser
		callback := h.gmail.visit(t, b.do(m, http.MethodGet, "https://host.test/start").Header.Get("Location"), consent{user: "ann"})
		wantRedirect(t, b.do(m, http.MethodGet, "https://host.test/connect/gmail?"+callback.Encode()), want)
	}
}

// Plain http is for development on the own machine: no Secure cookie then.
func TestHandlersOnLoopback(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) { c.Apps[1].RedirectURL = "http://localhost:8080/connect/outlook" })
	var b browser
	b.do(mux(h, fixed(request())), http.MethodGet, "http://localhost:8080/start")
	c := b.cookies["mailtether_connect"]
	if c == nil || c.Secure || !c.HttpOnly {
		t.Errorf("cookies %+v", b.cookies)
	}
}
