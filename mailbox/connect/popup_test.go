package connect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// inPopup is the start URL as the script of ScriptHandler writes it.
const inPopup = "https://host.test/start?connect_popup=https%3A%2F%2Fhost.test&connect_popup_id=0123456789abcdef"

// popupOf runs a flow in a popup and returns the answer to the callback.
func popupOf(t *testing.T, h *host, r connect.StartRequest, c consent) (*http.Response, string) {
	t.Helper()
	m := mux(h, fixed(r))
	var b browser
	resp := b.do(m, http.MethodGet, inPopup)
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("start: HTTP %d", resp.StatusCode)
	}
	callback := h.gmail.visit(t, resp.Header.Get("Location"), c)
	resp = b.do(m, http.MethodGet, "https://host.test/connect/gmail?"+callback.Encode())
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

var nonces = regexp.MustCompile(`nonce-?=?"?([A-Z2-7]{26})`)

func TestPopupPage(t *testing.T) {
	t.Parallel()
	resp, page := popupOf(t, newHost(t), request(), consent{user: "ann"})
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Location") != "" {
		t.Fatalf("HTTP %d", resp.StatusCode)
	}
	inPage := nonces.FindStringSubmatch(page)
	policy := resp.Header.Get("Content-Security-Policy")
	inPolicy := nonces.FindStringSubmatch(policy)
	if inPage == nil || inPolicy == nil || inPage[1] != inPolicy[1] {
		t.Fatalf("nonces: page %v, policy %v", inPage, inPolicy)
	}
	resp.Header.Set("Content-Security-Policy", strings.ReplaceAll(policy, inPage[1], "NONCE"))
	want := http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {"default-src 'none'; script-src 'nonce-NONCE'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		"X-Content-Type-Options":  {"nosniff"},
		"Cache-Control":           {"no-store"},
		"Referrer-Policy":         {"no-referrer"},
	}
	if diff := cmp.Diff(want, resp.Header); diff != "" {
		t.Errorf("header differs (-want +got):\n%s", diff)
	}
	got := []byte(strings.ReplaceAll(page, inPage[1], "NONCE"))
	const golden = "testdata/popup.html"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantPage, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(wantPage), string(got)); diff != "" {
		t.Errorf("page differs (-want +got):\n%s", diff)
	}
	// Every answer has a nonce of its own.
	if _, again := popupOf(t, newHost(t), request(), consent{user: "ann"}); strings.Contains(again, inPage[1]) {
		t.Error("the nonce was used twice")
	}
}

// attribute returns what a browser would read in an attribute of the page.
func attribute(t *testing.T, page, name string) string {
	t.Helper()
	m := regexp.MustCompile(" " + name + `="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no attribute %s in %s", name, page)
	}
	return html.UnescapeString(m[1])
}

func TestPopupMessage(t *testing.T) {
	t.Parallel()
	evil := request()
	evil.Mailbox = `</script><script>alert(1)</script>"'&` + "`${x}"
	tests := map[string]struct {
		request  connect.StartRequest
		consent  consent
		message  map[string]string
		returnTo string
	}{
		"connected": {
			request(),
			consent{user: "ann"},
			map[string]string{"connected": "sales"},
			"/mailboxes?connected=sales&tab=1",
		},
		"declined": {
			request(),
			consent{err: "access_denied"},
			map[string]string{"connect_error": "declined"},
			"/mailboxes?connect_error=declined&tab=1",
		},
		"too little granted": {
			request(),
			consent{user: "ann", scopes: []string{"openid"}},
			map[string]string{"connect_error": "consent_missing"},
			"/mailboxes?connect_error=consent_missing&tab=1",
		},
		"administrator needed": {
			request(),
			consent{err: "admin_policy_enforced"},
			map[string]string{"connect_error": "admin_needed"},
			"/mailboxes?connect_error=admin_needed&tab=1",
		},
		"hostile names": {
			evil,
			consent{user: "ann"},
			map[string]string{"connected": string(evil.Mailbox)},
			"/mailboxes?connected=" + url.QueryEscape(string(evil.Mailbox)) + "&tab=1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, page := popupOf(t, newHost(t), test.request, test.consent)
			var got map[string]string
			if err := json.Unmarshal([]byte(attribute(t, page, "data-message")), &got); err != nil {
				t.Fatal(err)
			}
			test.message["source"], test.message["flow"] = "mailtether", "0123456789abcdef"
			if diff := cmp.Diff(test.message, got); diff != "" {
				t.Errorf("message differs (-want +got):\n%s", diff)
			}
			for attr, want := range map[string]string{
				"data-origin": "https://host.test", "data-channel": "mailtether:0123456789abcdef",
				"data-return-to": test.returnTo, "href": test.returnTo,
			} {
				if got := attribute(t, page, attr); got != want {
					t.Errorf("%s is %q, want %q", attr, got, want)
				}
			}
			if n := strings.Count(page, "<script"); n != 1 || strings.Contains(page, "onload=") {
				t.Errorf("%d scripts in %s", n, page)
			}
		})
	}
}

// A callback of no flow knows no opener: it is answered as without a popup.
func TestPopupOfNoFlow(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var b browser
	resp := b.do(mux(h, fixed(request())), http.MethodGet, "https://host.test/connect/gmail?connect_popup=https://host.test&state=x&code=y")
	wantRedirect(t, resp, "/settings?connect_error=invalid_callback")
}

func TestPopupOrigins(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) {
		c.Origins = []string{"https://App.Example.com:443", "http://localhost:3000"}
		c.Apps[1].RedirectURL = "https://other.test/connect/outlook"
	})
	for origin, want := range map[string]string{
		"https://app.example.com":     "https://app.example.com",
		"HTTPS://APP.example.com:443": "https://app.example.com",
		"http://localhost:3000":       "http://localhost:3000",
		"https://host.test":           "https://host.test", // of the redirect URL

		"https://other.test":                "", // of another app's
		"https://evil.test":                 "",
		"https://app.example.com.evil.test": "",
		"https://app.example.com:8443":      "",
		"http://app.example.com":            "",
		"http://localhost":                  "",
		"https://app.example.com/":          "",
		"https://app.example.com?x":         "",
		"https://app.example.com#x":         "",
		"https://app.example.com#":          "",
		"https://evil@app.example.com":      "",
		"https://app.example.com\n":         "",
		"null":                              "",
		"*":                                 "",
		"/":                                 "",
		"javascript:alert(1)":               "",
		"javascript://app.example.com":      "",
		"data:text/html,x":                  "",
		"file://":                           "",
		"//app.example.com":                 "",
		"app.example.com":                   "",
		"https://" + strings.Repeat("a", 300) + ".test": "",
	} {
		r := request()
		r.Popup = origin
		_, err := h.Start(t.Context(), r)
		if want == "" {
			if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "popup" {
				t.Errorf("%q: %v", origin, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", origin, err)
			continue
		}
		m := mux(h, fixed(r))
		var b browser
		callback := h.gmail.visit(t, b.do(m, http.MethodGet, "https://host.test/start").Header.Get("Location"), consent{user: "ann"})
		var page bytes.Buffer
		_, _ = page.ReadFrom(b.do(m, http.MethodGet, "https://host.test/connect/gmail?"+callback.Encode()).Body)
		if got := attribute(t, page.String(), "data-origin"); got != want {
			t.Errorf("%q became %q, want %q", origin, got, want)
		}
		if got := attribute(t, page.String(), "data-channel"); got != "" {
			t.Errorf("a channel %q without an id", got)
		}
	}
	for _, origin := range []string{"null", "*", "http://app.example.com", "https://app.example.com/path", ""} {
		c := h.config
		c.Origins = []string{origin}
		_, err := connect.New(c)
		if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "Origins" {
			t.Errorf("New with origin %q: %v", origin, err)
		}
	}
}

func TestPopupIDs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, id := range []string{"a b", `"`, "ä", "a\n", strings.Repeat("a", 65)} {
		r := request()
		r.Popup, r.PopupID = "https://host.test", id
		_, err := h.Start(t.Context(), r)
		if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "popup_id" {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	get := func(method, etag string) *http.Response {
		r := httptest.NewRequest(method, "https://host.test/connect.js", nil)
		r.Header.Set("If-None-Match", etag)
		w := httptest.NewRecorder()
		connect.ScriptHandler().ServeHTTP(w, r)
		return w.Result()
	}
	resp := get(http.MethodGet, "")
	script, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("HTTP %d, %v", resp.StatusCode, resp.Header)
	}
	// The names that both sides have to agree on.
	for _, name := range []string{
		"function mailtetherConnect(", connect.ParamPopup, connect.ParamPopupID, connect.ParamConnected, connect.ParamError,
		`"mailtether"`, `"mailtether:"`, "event.origin === from", "event.source === popup",
	} {
		if !strings.Contains(string(script), name) {
			t.Errorf("the script does not say %s", name)
		}
	}
	if resp := get(http.MethodGet, resp.Header.Get("ETag")); resp.StatusCode != http.StatusNotModified {
		t.Errorf("again: HTTP %d", resp.StatusCode)
	}
	if resp := get(http.MethodHead, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("HEAD: HTTP %d", resp.StatusCode)
	}
	if resp := get(http.MethodPost, ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: HTTP %d", resp.StatusCode)
	}
}
