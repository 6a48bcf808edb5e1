package fakeserver_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

const (
	user     = "ann@example.com"
	redirect = "https://app.example/callback?x=1"
	verifier = "0123456789012345678901234567890123456789012"
)

// site is an authorization server at /authorize, /token and /revoke.
type site struct {
	*fakeserver.Server
	*fakeserver.OAuth
	t testing.TB
}

func newSite(t testing.TB, c fakeserver.OAuthConfig) *site {
	mux := http.NewServeMux()
	s := &site{Server: fakeserver.New(origin, mux), t: t}
	c.Users = func() []string { return []string{user, "bob@example.com"} }
	c.Error = func(w http.ResponseWriter, kind fakeserver.TokenError) {
		http.Error(w, string(kind), http.StatusBadRequest)
	}
	s.OAuth = fakeserver.NewOAuth(s.Server, c)
	s.Register(fakeserver.Client{ID: "app", Secret: "s&cret", RedirectURIs: []string{redirect}})
	mux.HandleFunc("/authorize", s.Authorize)
	mux.HandleFunc("/token", s.Token)
	mux.HandleFunc("/revoke", s.Revoke)
	mux.HandleFunc("/keys", s.Keys)
	return s
}

// authorize asks for the scopes a and b.
func (s *site) authorize(d fakeserver.Decision, change url.Values) (url.Values, error) {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirect}, "scope": {"a b"}, "state": {"st"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for name, v := range change {
		q[name] = v
	}
	if d.User == "" {
		d.User = user
	}
	back, err := fakeserver.Decide(s.t.Context(), s.Transport(), s.URL()+"/authorize?"+q.Encode(), d)
	if err != nil {
		return nil, err
	}
	return back.Query(), nil
}

func (s *site) code(change url.Values) string {
	s.t.Helper()
	q, err := s.authorize(fakeserver.Decision{}, change)
	if err != nil || q.Get("code") == "" {
		s.t.Fatalf("%v %v", q, err)
	}
	return q.Get("code")
}

type token struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
	Expires int    `json:"expires_in"`
	ID      string `json:"id_token"`

	RefreshExpires int `json:"refresh_token_expires_in"`

	err string
}

// post sends a form with the client's credentials unless it has some.
func (s *site) post(path string, form url.Values) token {
	s.t.Helper()
	if !form.Has("client_id") {
		form.Set("client_id", "app")
		form.Set("client_secret", "s&cret")
	}
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.read(req)
}

func (s *site) read(req *http.Request) token {
	s.t.Helper()
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		return token{err: strings.TrimSpace(string(b))}
	}
	var tk token
	if len(b) > 0 {
		if err := json.Unmarshal(b, &tk); err != nil {
			s.t.Fatal(err)
		}
	}
	return tk
}

func (s *site) exchange(code string) token {
	s.t.Helper()
	return s.post("/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
}

func (s *site) refresh(refresh string) token {
	s.t.Helper()
	return s.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
}

// scopes are those that a token is good for, "" when it is not.
func (s *site) scopes(access string) string {
	req, _ := http.NewRequest("GET", s.URL(), nil)
	req.Header.Set("Authorization", "bearer "+access)
	g := s.Bearer(req)
	if g == nil {
		return ""
	}
	return strings.Join(g.Scopes, " ")
}

func TestAuthorizationCodeFlow(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{AccessTTL: 10 * time.Minute, Echo: func(in []string) []string { return append([]string{"more"}, in...) }})
	q, err := s.authorize(fakeserver.Decision{Untick: []string{"b"}}, nil)
	if err != nil || q.Get("state") != "st" || q.Get("x") != "1" {
		t.Fatalf("callback = %v, %v", q, err)
	}
	tk := s.exchange(q.Get("code"))
	if tk.Scope != "more a" || tk.Refresh == "" || tk.Expires != 600 || s.scopes(tk.Access) != "a" {
		t.Fatalf("token = %+v, good for %q", tk, s.scopes(tk.Access))
	}
	if again := s.refresh(tk.Refresh); again.Access == tk.Access || again.Refresh != "" || s.scopes(again.Access) != "a" {
		t.Errorf("refreshed = %+v", again)
	}
	if s.scopes("other") != "" {
		t.Error("an unknown token is good")
	}
	s.Advance(10 * time.Minute)
	if s.scopes(tk.Access) != "" {
		t.Error("the token outlived its time")
	}
}

func TestAuthorizeRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	for name, c := range map[string]struct {
		d      fakeserver.Decision
		change url.Values
		want   string // error parameter; "" means an error page
	}{
		"denied":         {fakeserver.Decision{Deny: true}, nil, "access_denied"},
		"response type":  {change: url.Values{"response_type": {"token"}}, want: "invalid_request"},
		"no scope":       {change: url.Values{"scope": {""}}, want: "invalid_request"},
		"plain PKCE":     {change: url.Values{"code_challenge_method": {"plain"}}, want: "invalid_request"},
		"unknown client": {change: url.Values{"client_id": {"x"}}},
		"redirect":       {change: url.Values{"redirect_uri": {"https://app.example/callback"}}},
		"unknown user":   {d: fakeserver.Decision{User: "x@example.com"}},
	} {
		q, err := s.authorize(c.d, c.change)
		if (err != nil) != (c.want == "") || q.Get("error") != c.want || c.want != "" && q.Get("state") != "st" {
			t.Errorf("%s: %v, %v", name, q, err)
		}
	}
	s.Register(fakeserver.Client{ID: "native"})
	for uri, want := range map[string]bool{"http://127.0.0.1:1/cb": true, "http://[::1]/": true, "http://localhost/": true, "https://app.example/": false} {
		if _, err := s.authorize(fakeserver.Decision{}, url.Values{"client_id": {"native"}, "redirect_uri": {uri}}); (err == nil) != want {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestAuthorizationPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	_, body, err := send(t, s.Server, "GET", "/authorize?response_type=code&client_id=app&scope=a+%3Cb%3E&login_hint=bob@example.com&redirect_uri="+url.QueryEscape(redirect), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`value="ann@example.com">`, `value="bob@example.com" checked>`, `value="&lt;b&gt;" checked>`, `value="allow"`, `value="deny"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	s.Register(fakeserver.Client{ID: "other", Secret: "o"})
	used := s.code(nil)
	s.exchange(used)
	old := s.code(nil)
	s.Advance(11 * time.Minute)
	_, refresh := s.Issue(user, "app", []string{"a"})
	exchange := func(code string) url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	}
	with := func(form url.Values, name, value string) url.Values { form.Set(name, value); return form }
	for name, c := range map[string]struct {
		form url.Values
		want fakeserver.TokenError
	}{
		"secret":          {url.Values{"client_id": {"app"}, "client_secret": {"x"}}, fakeserver.BadClient},
		"client":          {url.Values{"client_id": {"x"}, "client_secret": {""}}, fakeserver.BadClient},
		"grant type":      {url.Values{"grant_type": {"x"}}, fakeserver.BadRequest},
		"unknown code":    {exchange("x"), fakeserver.BadCode},
		"used code":       {exchange(used), fakeserver.BadCode},
		"old code":        {exchange(old), fakeserver.BadCode},
		"redirect":        {with(exchange(s.code(nil)), "redirect_uri", "https://app.example/"), fakeserver.BadCode},
		"another's code":  {with(with(exchange(s.code(nil)), "client_id", "other"), "client_secret", "o"), fakeserver.BadCode},
		"verifier":        {with(exchange(s.code(nil)), "code_verifier", "x"), fakeserver.BadVerifier},
		"no verifier":     {with(exchange(s.code(nil)), "code_verifier", ""), fakeserver.BadVerifier},
		"not asked for":   {exchange(s.code(url.Values{"code_challenge": {""}, "code_challenge_method": {""}})), fakeserver.BadVerifier},
		"unknown refresh": {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, fakeserver.BadRefresh},
		"another's":       {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"other"}, "client_secret": {"o"}}, fakeserver.BadRefresh},
		"wider scope":     {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "scope": {"a b"}}, fakeserver.BadScope},
	} {
		if got := s.post("/token", c.form); got.err != string(c.want) {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

func TestClientByBasicAuthorization(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	_, refresh := s.Issue(user, "app", []string{"a"})
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("app", url.QueryEscape("s&cret")) // RFC 6749, 2.3.1
	if tk := s.read(req); tk.Access == "" {
		t.Errorf("token = %+v", tk)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Rotate: true})
	_, first := s.Issue(user, "app", []string{"a", "b"})
	second := s.refresh(first).Refresh
	if second == "" || second == first || s.refresh(first).Access == "" || s.refresh(second).Access == "" {
		t.Error("the refresh token did not rotate, or one of them died")
	}
	narrow := s.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first}, "scope": {"b"}})
	if s.scopes(narrow.Access) != "b" {
		t.Errorf("narrowed scopes = %q", s.scopes(narrow.Access))
	}
}

func TestOfflineDecides(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Offline: func(q url.Values, scopes []string) bool { return q.Get("offline") == "1" && len(scopes) == 2 }})
	if tk := s.exchange(s.code(nil)); tk.Refresh != "" || tk.Access == "" {
		t.Errorf("token = %+v", tk)
	}
	if tk := s.exchange(s.code(url.Values{"offline": {"1"}})); tk.Refresh == "" {
		t.Errorf("token = %+v", tk)
	}
}

func TestRefreshOnConsent(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{RefreshOnConsent: true})
	for i, c := range []struct {
		change url.Values
		want   bool
	}{{nil, true}, {nil, false}, {url.Values{"prompt": {"select_account consent"}}, true}} {
		if tk := s.exchange(s.code(c.change)); (tk.Refresh != "") != c.want {
			t.Errorf("grant %d: %+v", i, tk)
		}
	}
	s.RevokeUser(user)
	if tk := s.exchange(s.code(nil)); tk.Refresh == "" {
		t.Error("after a revocation consent is asked for again")
	}
}

func TestIncludeGranted(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		s := newSite(t, fakeserver.OAuthConfig{IncludeGranted: on})
		s.Issue(user, "app", []string{"old", "a"})
		want := map[bool]string{false: "a b", true: "a b old"}[on]
		if tk := s.exchange(s.code(url.Values{"include_granted_scopes": {"true"}})); tk.Scope != want {
			t.Errorf("scope = %q, want %q", tk.Scope, want)
		}
	}
}

func TestMaxRefresh(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{MaxRefresh: 2})
	_, first := s.Issue(user, "app", []string{"a"})
	_, bobs := s.Issue("bob@example.com", "app", []string{"a"})
	_, second := s.Issue(user, "app", []string{"a"})
	_, third := s.Issue(user, "app", []string{"a"})
	s.Issue(user, "other", []string{"a"})
	for refresh, want := range map[string]string{first: "refresh", second: "", third: "", bobs: ""} {
		if got := s.refresh(refresh).err; got != want {
			t.Errorf("refresh: %q, want %q", got, want)
		}
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Refuse: func(_ *http.Request, g fakeserver.Grant) fakeserver.TokenError {
		if g.User == user && g.Has("a") {
			return "strict"
		}
		return ""
	}})
	_, anns := s.Issue(user, "app", []string{"a"})
	_, bobs := s.Issue("bob@example.com", "app", []string{"a"})
	if s.refresh(anns).err != "strict" || s.refresh(bobs).err != "" {
		t.Error("Refuse was not asked")
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		s := newSite(t, fakeserver.OAuthConfig{RevokeAll: all})
		access, refresh := s.Issue(user, "app", []string{"a"})
		second, _ := s.Issue(user, "app", []string{"a"})
		other, _ := s.Issue(user, "other", []string{"a"})
		bobs, _ := s.Issue("bob@example.com", "app", []string{"a"})
		if tk := s.post("/revoke", url.Values{"token": {access}}); tk.err != "" {
			t.Fatal(tk.err)
		}
		if s.scopes(access) != "" || s.scopes(second) != "" || s.refresh(refresh).err != "refresh" {
			t.Error("the grant lives on")
		}
		if s.scopes(bobs) == "" || (s.scopes(other) == "") != all {
			t.Errorf("all %v: other clients %q, other users %q", all, s.scopes(other), s.scopes(bobs))
		}
		for _, unknown := range []string{refresh, "x"} {
			if tk := s.post("/revoke", url.Values{"token": {unknown}}); tk.err != "invalid_token" {
				t.Errorf("revoked once more: %+v", tk)
			}
		}
	}
}

func TestExpireAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	access, refresh := s.Issue(user, "app", []string{"a"})
	s.ExpireAccess()
	if s.scopes(access) != "" || s.refresh(refresh).Access == "" {
		t.Error("access tokens live, or the refresh token died")
	}
}
