package fakeserver_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// withIDTokens is a site that tells who signed in.
func withIDTokens(t testing.TB) *site {
	return newSite(t, fakeserver.OAuthConfig{IDToken: func(g fakeserver.Grant) map[string]any {
		return map[string]any{"iss": "https://issuer.example", "sub": g.User, "scopes": strings.Join(g.Scopes, " "), "nbf": 0}
	}})
}

func (s *site) published() jose.JSONWebKeySet {
	s.t.Helper()
	_, body, err := send(s.t, s.Server, "GET", "/keys", "")
	if err != nil {
		s.t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(body), &set); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	return set
}

// verify returns the claims of an ID token that a client must accept.
func (s *site) verify(token string) (map[string]any, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := parsed.Claims(s.published(), &claims); err != nil {
		return nil, err
	}
	var times jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&times); err != nil {
		return nil, err
	}
	return claims, times.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{"app"}, Time: s.Now()}, time.Second)
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	s := withIDTokens(t)
	s.SetTime(time.Unix(1_800_000_000, 0))
	tk := s.exchange(s.code(url.Values{"scope": {"openid a"}, "nonce": {"n"}}))
	claims, err := s.verify(tk.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iat", "nbf", "exp"} {
		if n, _ := claims[name].(float64); n < 1_800_000_000 {
			t.Errorf("%s = %v", name, claims[name])
		}
		delete(claims, name)
	}
	want := map[string]any{"iss": "https://issuer.example", "sub": user, "scopes": "openid a", "aud": "app", "nonce": "n"}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Error(diff)
	}

	refreshed, err := s.verify(s.refresh(tk.Refresh).ID)
	if err != nil || refreshed["nonce"] != nil {
		t.Errorf("with a refresh: %v, %v", refreshed, err)
	}
	narrow := s.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tk.Refresh}, "scope": {"a"}})
	if narrow.Access == "" || narrow.ID != "" {
		t.Errorf("a refresh without openid: %+v", narrow)
	}
	if tk := s.exchange(s.code(nil)); tk.ID != "" {
		t.Error("an ID token came without openid")
	}
	if tk := newSite(t, fakeserver.OAuthConfig{}).issue("openid"); tk.ID != "" {
		t.Error("an ID token came from a server that has none")
	}
}

// issue signs in with scopes.
func (s *site) issue(scopes string) token {
	s.t.Helper()
	return s.exchange(s.code(url.Values{"scope": {scopes}, "nonce": {"n"}}))
}

func TestBrokenIDTokens(t *testing.T) {
	t.Parallel()
	s := withIDTokens(t)
	for name, c := range map[string]struct {
		fault fakeserver.IDTokenFault
		alg   jose.SignatureAlgorithm // what a careless client accepts
		want  string
	}{
		"expired":   {fakeserver.IDTokenFault{Expired: true}, jose.RS256, "token is expired"},
		"wrong key": {fakeserver.IDTokenFault{WrongKey: true}, jose.RS256, "error in cryptographic primitive"},
		"unsigned":  {fakeserver.IDTokenFault{Unsigned: true}, "none", "unexpected signature algorithm"},
		"symmetric": {fakeserver.IDTokenFault{Symmetric: true}, jose.HS256, "unexpected signature algorithm"},
		"audience":  {fakeserver.IDTokenFault{Edit: func(c map[string]any) { c["aud"] = "other" }}, jose.RS256, "invalid audience"},
	} {
		s.BreakIDToken(c.fault)
		id := s.issue("openid").ID
		if _, err := s.verify(id); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		parsed, err := jwt.ParseSigned(id, []jose.SignatureAlgorithm{c.alg, jose.RS256})
		if err == nil && c.alg == jose.HS256 {
			secret := append([]byte("s&cret"), make([]byte, 32)...)
			err = parsed.Claims(secret, &map[string]any{})
		}
		if err != nil && c.alg != "none" {
			t.Errorf("%s: not even well-formed: %v", name, err)
		}
		if _, err := s.verify(s.issue("openid").ID); err != nil {
			t.Errorf("%s: the one after it: %v", name, err)
		}
	}
	s.BreakIDToken(fakeserver.IDTokenFault{Omit: true})
	if tk := s.issue("openid"); tk.ID != "" || tk.Access == "" {
		t.Errorf("omitted: %+v", tk)
	}
	s.BreakIDToken(fakeserver.IDTokenFault{Edit: func(c map[string]any) { delete(c, "nonce") }})
	if claims, err := s.verify(s.issue("openid").ID); err != nil || claims["nonce"] != nil {
		t.Errorf("edited: %v, %v", claims, err)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s := withIDTokens(t)
	before := s.issue("openid").ID
	first := s.published().Keys
	s.RotateKey()
	after := s.issue("openid").ID
	both := s.published().Keys
	if len(first) != 1 || len(both) != 2 || both[0].KeyID == both[1].KeyID || first[0].KeyID != both[1].KeyID {
		t.Fatalf("%d and %d keys", len(first), len(both))
	}
	for i, token := range []string{after, before} {
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil || parsed.Headers[0].KeyID != both[i].KeyID {
			t.Errorf("token %d names another key: %v", i, err)
		}
		if _, err := s.verify(token); err != nil {
			t.Errorf("token %d: %v", i, err)
		}
	}
	for _, key := range both {
		if !key.IsPublic() || key.Algorithm != "RS256" || key.Use != "sig" {
			t.Errorf("published key %+v", key)
		}
	}
	if got := s.Log()[len(s.Log())-1].ResponseHeader.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("keys are %s", got)
	}
}

func TestAdmitAndOpenerPolicy(t *testing.T) {
	t.Parallel()
	var refusal *fakeserver.Refusal
	s := newSite(t, fakeserver.OAuthConfig{
		OpenerPolicy: "same-origin", Denied: "no, thanks",
		Admit: func(r *http.Request, g fakeserver.Grant) *fakeserver.Refusal {
			if g.User != user || g.Client != "app" || strings.Join(g.Scopes, " ") != "a" || r.URL.Path != "/authorize" {
				t.Errorf("asked about %+v", g)
			}
			return refusal
		},
	})
	d := fakeserver.Decision{Untick: []string{"b"}}
	if q, err := s.authorize(d, nil); err != nil || q.Get("code") == "" {
		t.Errorf("admitted: %v, %v", q, err)
	}
	refusal = &fakeserver.Refusal{Error: "access_denied", Description: "not you"}
	if q, err := s.authorize(d, nil); err != nil || q.Get("error") != "access_denied" || q.Get("error_description") != "not you" || q.Get("state") != "st" {
		t.Errorf("sent back: %v, %v", q, err)
	}
	refusal = &fakeserver.Refusal{Description: "not <you>"}
	_, err := s.authorize(d, nil)
	if e, ok := err.(*fakeserver.PageError); !ok || e.Status != 400 || !strings.Contains(e.Body, "not &lt;you&gt;") || !strings.Contains(e.Error(), "400") {
		t.Errorf("told on a page: %v", err)
	}
	if q, err := s.authorize(fakeserver.Decision{Deny: true}, nil); err != nil || q.Get("error_description") != "no, thanks" {
		t.Errorf("denied: %v, %v", q, err)
	}
	if q, err := s.authorize(d, url.Values{"prompt": {"none"}}); err != nil || q.Get("error") != "login_required" {
		t.Errorf("prompt=none: %v, %v", q, err)
	}
	for _, x := range s.Log() {
		if x.ResponseHeader.Get("Cross-Origin-Opener-Policy") != "same-origin" {
			t.Errorf("%s %d without opener policy", x.Method, x.Status)
		}
	}
}
