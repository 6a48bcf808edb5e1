package gmailtest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

const (
	callback = "http://127.0.0.1:9/callback"
	verifier = "0123456789012345678901234567890123456789012"
)

// consent walks through the authorization page and returns the query of the
// callback.
func (w *world) consent(d gmailtest.Decision, extra url.Values) url.Values {
	w.t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {"client-id"}, "redirect_uri": {callback}, "state": {"s"},
		"scope":       {gmailtest.ScopeSend + " " + gmailtest.ScopeMetadata + " openid email"},
		"access_type": {"offline"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}
	for name, values := range extra {
		q[name] = values
	}
	back, err := gmailtest.Decide(w.t.Context(), w.Transport(), w.URL()+"/o/oauth2/v2/auth?"+q.Encode(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	return back.Query()
}

// post posts a form without a token.
func (w *world) post(path string, form url.Values) answer {
	w.t.Helper()
	req := w.request("POST", path, "application/x-www-form-urlencoded", form.Encode())
	req.Header["Authorization"] = nil
	return w.do(req)
}

func (w *world) exchange(code string) answer {
	w.t.Helper()
	return w.post("/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
		"client_id": {"client-id"}, "client_secret": {"client-secret"},
	})
}

func (w *world) refresh(token string) answer {
	w.t.Helper()
	return w.post("/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"client-id"}, "client_secret": {"client-secret"},
	})
}

func TestConnect(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	back := w.consent(gmailtest.Decision{User: bob}, nil)
	if back.Get("state") != "s" {
		t.Errorf("callback = %v", back)
	}
	token := w.exchange(back.Get("code"))
	if token.str("access_token") == "" || token.str("refresh_token") == "" || token.at("expires_in") != 3600.0 || token.str("token_type") != "Bearer" {
		t.Fatalf("token = %s", token.body)
	}
	// Google spells the short scopes out.
	for _, s := range []string{gmailtest.ScopeSend, "openid", "https://www.googleapis.com/auth/userinfo.email"} {
		if !strings.Contains(" "+token.str("scope")+" ", " "+s+" ") {
			t.Errorf("scope = %q", token.str("scope"))
		}
	}
	w.token = token.str("access_token")
	if p := w.ok("GET", "/profile", ""); p.str("emailAddress") != bob {
		t.Errorf("profile = %s", p.body)
	}
	info := w.do(w.request("GET", "/v1/userinfo", "", ""))
	if info.str("email") != bob || info.at("email_verified") != true || info.str("sub") == "" {
		t.Errorf("userinfo = %s", info.body)
	}
}

func TestRefreshTokenNeedsOfflineAndConsent(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	for _, c := range []struct {
		name  string
		extra url.Values
		want  bool
	}{
		{"online", url.Values{"access_type": {"online"}}, false},
		{"granted before, no consent screen", nil, false},
		{"another prompt", url.Values{"prompt": {"select_account"}}, false},
		{"consent", url.Values{"prompt": {"consent select_account"}}, true},
	} {
		token := w.exchange(w.consent(gmailtest.Decision{User: ann}, c.extra).Get("code"))
		if got := token.str("refresh_token") != ""; token.status != 200 || got != c.want {
			t.Errorf("%s: %s", c.name, token.body)
		}
	}
	if w.exchange(w.consent(gmailtest.Decision{User: bob}, nil).Get("code")).str("refresh_token") == "" {
		t.Error("no refresh token with the first grant")
	}
}

func TestRefreshDoesNotRotate(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	_, refresh := w.Tokens(ann, gmailtest.ScopeModify)
	a := w.refresh(refresh)
	if a.status != 200 || a.str("refresh_token") != "" || a.str("access_token") == "" {
		t.Errorf("token = %s", a.body)
	}
}

func TestGranularConsent(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	token := w.exchange(w.consent(gmailtest.Decision{User: ann, Untick: []string{gmailtest.ScopeMetadata}}, nil).Get("code"))
	if strings.Contains(token.str("scope"), "metadata") {
		t.Errorf("scope = %q", token.str("scope"))
	}
	w.token = token.str("access_token")
	w.refused("GET", "/messages", "", 403, "insufficientPermissions", "")
}

func TestIncludeGrantedScopes(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.consent(gmailtest.Decision{User: ann}, nil)
	token := w.exchange(w.consent(gmailtest.Decision{User: ann}, url.Values{
		"scope": {gmailtest.ScopeModify}, "include_granted_scopes": {"true"},
	}).Get("code"))
	if !strings.Contains(token.str("scope"), gmailtest.ScopeMetadata) {
		t.Errorf("scope = %q", token.str("scope"))
	}
}

func TestDeniedConsent(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	if got := w.consent(gmailtest.Decision{User: ann, Deny: true}, nil); got.Get("error") != "access_denied" || got.Get("state") != "s" {
		t.Errorf("callback = %v", got)
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	_, gone := w.Tokens(bob, gmailtest.ScopeSend)
	w.OAuth.RevokeUser(bob)
	_, strict := w.Tokens(ann, gmailtest.ScopeSend)
	w.RequireReauth(ann)
	used := w.consent(gmailtest.Decision{User: ann}, nil).Get("code")
	w.exchange(used)
	client := func(form url.Values) url.Values {
		form.Set("client_id", "client-id")
		form.Set("client_secret", "client-secret")
		return form
	}
	for name, c := range map[string]struct {
		form                       url.Values
		status                     int
		code, description, subtype string
	}{
		"revoked":     {client(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {gone}}), 400, "invalid_grant", "Token has been expired or revoked.", ""},
		"unknown":     {client(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}), 400, "invalid_grant", "Token has been expired or revoked.", ""},
		"reauth":      {client(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {strict}}), 400, "invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt"},
		"used code":   {client(url.Values{"grant_type": {"authorization_code"}, "code": {used}, "redirect_uri": {callback}, "code_verifier": {verifier}}), 400, "invalid_grant", "Malformed auth code.", ""},
		"no verifier": {client(url.Values{"grant_type": {"authorization_code"}, "code": {w.consent(gmailtest.Decision{User: ann}, nil).Get("code")}, "redirect_uri": {callback}}), 400, "invalid_grant", "Invalid code verifier.", ""},
		"scope":       {client(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {strict}, "scope": {"more"}}), 400, "invalid_scope", "Some requested scopes were invalid.", ""},
		"grant type":  {client(url.Values{"grant_type": {"password"}}), 400, "invalid_request", "Bad Request", ""},
		"secret":      {url.Values{"grant_type": {"refresh_token"}, "client_id": {"client-id"}, "client_secret": {"wrong"}}, 401, "invalid_client", "Unauthorized", ""},
	} {
		a := w.post("/token", c.form)
		if a.status != c.status || a.str("error") != c.code || a.str("error_description") != c.description || a.str("error_subtype") != c.subtype {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestRevokeEndsTheWholeProject(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.OAuth.Register(gmailtest.Client{ID: "other", Secret: "s"})
	access, refresh := w.OAuth.Issue(ann, "other", []string{gmailtest.ScopeModify})
	_, mine := w.Tokens(ann, gmailtest.ScopeModify)
	if a := w.post("/revoke", url.Values{"token": {mine}}); a.status != 200 {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}
	w.token = access
	w.refused("GET", "/profile", "", 401, "authError", "")
	if a := w.post("/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"other"}, "client_secret": {"s"},
	}); a.str("error") != "invalid_grant" {
		t.Errorf("refresh of another client: %s", a.body)
	}
	if a := w.post("/revoke", url.Values{"token": {mine}}); a.status != 400 || a.str("error") != "invalid_token" {
		t.Errorf("second revocation: %d %s", a.status, a.body)
	}
}

func TestAccessTokensExpire(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{AccessTTL: 10 * time.Minute})
	w.Advance(9 * time.Minute)
	w.ok("GET", "/profile", "")
	w.Advance(time.Minute)
	w.refused("GET", "/profile", "", 401, "authError", "")
}

func TestUserinfo(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "eve@work.example", Name: "Eve", Subject: "77", HostedDomain: "work.example"})
	get := func(scopes ...string) answer {
		return w.as("eve@work.example", scopes...).do(w.request("GET", "/v1/userinfo", "", ""))
	}
	if a := get("openid", "email", "profile"); a.str("sub") != "77" || a.str("hd") != "work.example" || a.str("name") != "Eve" || a.str("email") != "eve@work.example" {
		t.Errorf("userinfo = %s", a.body)
	}
	if a := get("openid"); a.str("sub") != "77" || a.at("email") != nil {
		t.Errorf("userinfo with openid alone = %s", a.body)
	}
	if a := get(gmailtest.ScopeSend); a.status != http.StatusUnauthorized {
		t.Errorf("without sign-in scopes: %d", a.status)
	}
}
