package connect_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

// One attack each. Other tests look closer at most of them; this is the list.

func TestAttackCSRF(t *testing.T) {
	t.Parallel()
	// The attacker makes the victim's browser call back with the attacker's own
	// state and code, to have the victim's mailbox record hold the attacker's
	// account, or the other way round.
	h := newHost(t)
	attackers := h.begin(t, request(), consent{user: "eve"})
	attackers.Browser = browserB
	_, err := h.Callback(t.Context(), attackers)
	wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeStateInvalid)
	h.wantUntouched(t)
	if n := len(h.gmail.requests); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestAttackStateReplay(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := h.begin(t, request(), consent{user: "ann"})
	if _, err := h.Callback(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Query.Set("code", h.begin(t, request(), consent{user: "ann"}).Query.Get("code"))
	_, err := h.Callback(t.Context(), r)
	wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeStateUsed)
}

func TestAttackCodeInjection(t *testing.T) {
	t.Parallel()
	// A stolen code in a flow of the attacker's own: the verifier is another one.
	h := newHost(t)
	stolen := h.begin(t, request(), consent{user: "victim"}).Query.Get("code")
	own := request()
	own.Mailbox, own.Browser = "attackers", browserB
	r := h.begin(t, own, consent{user: "eve"})
	r.Query.Set("code", stolen)
	_, err := h.Callback(t.Context(), r)
	wantRefused(t, err, mailbox.ClassBadCallback, "invalid_grant")
	if _, err := h.accounts.Get(t.Context(), own.Ref); !errors.Is(err, connect.ErrNotFound) {
		t.Error("the attacker has the victim's mailbox")
	}
}

func TestAttackProviderMixUp(t *testing.T) {
	t.Parallel()
	// A provider that the attacker runs answers in the name of another one: the
	// code of the honest one must not be sent to it.
	h := newHost(t)
	r := h.begin(t, request(), consent{user: "ann"})
	r.Provider = mailbox.Outlook
	_, err := h.Callback(t.Context(), r)
	wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeOtherProvider)
	if n := len(h.outlook.requests) + len(h.gmail.requests); n != 0 {
		t.Error("a code was sent out")
	}
}

func TestAttackOpenRedirect(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, to := range []string{"https://evil.test/", "//evil.test/", `/\evil.test/`, "/\t/evil.test/", "///evil.test"} {
		r := request()
		r.ReturnTo = to
		wantField(t, h, r, "return_to")
	}
}

func TestAttackJavaScriptReturnURL(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, to := range []string{"javascript:alert(1)", " javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x"} {
		r := request()
		r.ReturnTo = to
		wantField(t, h, r, "return_to")
	}
}

func TestAttackPopupOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	// A page of the attacker's opens the flow in a popup to hear its result.
	h := newHost(t)
	for _, origin := range []string{"https://evil.test", "null", "*", "javascript:alert(1)", "https://host.test.evil.test"} {
		r := request()
		r.Popup, r.PopupID = origin, "0123456789abcdef"
		wantField(t, h, r, "popup")
		var b browser
		resp := b.do(mux(h, fixed(request())), http.MethodGet, "https://host.test/start?connect_popup="+url.QueryEscape(origin))
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: HTTP %d", origin, resp.StatusCode)
		}
	}
}

func wantField(t *testing.T, h *host, r connect.StartRequest, field string) {
	t.Helper()
	_, err := h.Start(t.Context(), r)
	if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != field {
		t.Errorf("%s: got %v", field, err)
	}
}

func TestAttackPKCEDowngrade(t *testing.T) {
	t.Parallel()
	t.Run("no way to switch it off", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"code_challenge_method", "code_challenge", "nonce", "state", "redirect_uri"} {
			c := newHost(t).config
			c.Apps[0].AuthParams = map[string]string{name: "plain"}
			_, err := connect.New(c)
			if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "Apps[0].AuthParams" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("every request has S256", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		seen := map[string]bool{}
		for range 20 {
			q := query(t, h.start(t, request()))
			challenge := q.Get("code_challenge")
			if q.Get("code_challenge_method") != "S256" || len(challenge) != 43 || seen[challenge] {
				t.Fatalf("method %q, challenge %q", q.Get("code_challenge_method"), challenge)
			}
			seen[challenge] = true
		}
	})
	// An attacker in the middle of the front channel takes the challenge out, or
	// puts one of their own in: the provider then refuses our verifier.
	for name, change := range map[string]func(q url.Values){
		"challenge taken out": func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") },
		"challenge replaced":  func(q url.Values) { q.Set("code_challenge", strings.Repeat("A", 43)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			u, err := url.Parse(h.start(t, request()))
			if err != nil {
				t.Fatal(err)
			}
			good := h.gmail.visit(t, u.String(), consent{user: "ann"})
			h.gmail.mu.Lock()
			q := u.Query()
			change(q)
			g := h.gmail.codes[good.Get("code")]
			g.challenge = q.Get("code_challenge")
			h.gmail.codes[good.Get("code")] = g
			h.gmail.mu.Unlock()
			_, err = h.Callback(t.Context(), connect.CallbackRequest{Query: good, Browser: browserA, Provider: mailbox.Gmail})
			wantRefused(t, err, mailbox.ClassBadCallback, "invalid_grant")
			h.wantUntouched(t)
		})
	}
}

func TestAttackNonceReplay(t *testing.T) {
	t.Parallel()
	// An ID token of an earlier sign-in of the same user, with a good signature.
	h := newHost(t)
	var old string
	h.gmail.sign = func(claims []byte) string {
		old = signWith("RS256", testKey(), "", claims)
		return old
	}
	h.connect(t, request(), "ann")
	replayed := old
	h.gmail.sign = func([]byte) string { return replayed }
	r := request()
	r.Mailbox = "second"
	_, err := h.Callback(t.Context(), h.begin(t, r, consent{user: "ann"}))
	wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeIDTokenNonce)
}

func TestAttackIDTokenOfAnotherClient(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.gmail.claims = claim("aud", "app-of-the-attacker")
	_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
	wantRefused(t, err, mailbox.ClassBadCallback, connect.CodeIDTokenAudience)
	h.wantUntouched(t)
}

func TestAttackForgedAdminConsent(t *testing.T) {
	t.Parallel()
	// The tenant and the word of consent are the attacker's to write.
	h := managed(t)
	h.connect(t, sendNow(), "ann")
	var b browser
	resp := b.do(adminMux(h), http.MethodGet, "https://host.test/admin/outlook?admin_consent=True&tenant=contoso&state=x")
	wantRedirect(t, resp, "/settings?connect_error=invalid_callback")
	if a := h.account(t); a.Capabilities != mailbox.CanSend {
		t.Errorf("the mailbox has %s", a.Capabilities)
	}
}
