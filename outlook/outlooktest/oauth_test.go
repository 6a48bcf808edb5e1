package outlooktest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const redirect = "http://127.0.0.1:8080/callback"

// form posts to a token endpoint.
func form(t *testing.T, s *outlooktest.Server, tenant string, v url.Values) reply {
	t.Helper()
	c := &client{t: t, s: s, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	return c.do(http.MethodPost, s.URL()+"/"+tenant+"/oauth2/v2.0/token", []byte(v.Encode()))
}

// authorize signs a user in and returns the code.
func authorize(t *testing.T, s *outlooktest.Server, tenant, scope, challenge string, d outlooktest.Decision) url.Values {
	t.Helper()
	q := url.Values{
		"client_id": {"client-id"}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {scope},
		"state": {"s1"}, "nonce": {"n1"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
		"prompt": {"select_account"}, "login_hint": {d.User}, "domain_hint": {"organizations"},
	}
	back, err := outlooktest.Decide(t.Context(), s.Transport(), s.URL()+"/"+tenant+"/oauth2/v2.0/authorize?"+q.Encode(), d)
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

func TestOAuthCodeFlow(t *testing.T) {
	t.Parallel()
	const verifier = "a-verifier-of-sufficient-length-for-the-rule-of-43"
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	for _, tt := range []struct{ tenant, user string }{
		{"common", anna},
		{"organizations", anna},
		{"contoso.example", anna},
		{"", anna},
		{"common", carol},
		{"consumers", carol},
		{outlooktest.PersonalTenant, carol},
	} {
		t.Run(tt.tenant+" "+tt.user, func(t *testing.T) {
			t.Parallel()
			s := start(t, outlooktest.Options{})
			tenant := tt.tenant
			if tenant == "" {
				tenant = s.Tenant("contoso.example")
			}
			back := authorize(t, s, tenant, "offline_access https://graph.microsoft.com/Mail.Send User.Read", challenge, outlooktest.Decision{User: tt.user})
			if back.Get("state") != "s1" || back.Get("code") == "" {
				t.Fatal(back)
			}
			v := url.Values{
				"grant_type": {"authorization_code"}, "client_id": {"client-id"}, "client_secret": {"client-secret"},
				"code": {back.Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
			}
			r := form(t, s, tenant, v).ok(t, 200)
			if got := strings.Fields(r.str("scope")); slices.Contains(got, "offline_access") || len(got) != 2 {
				t.Errorf("scope %q", got)
			}
			c := &client{t: t, s: s, token: r.str("access_token")}
			if got := c.get("/me").ok(t, 200).str("mail"); got != tt.user {
				t.Errorf("signed in as %q", got)
			}
			c.post("/me/sendMail", object{"message": text("x", "x", bert)}).ok(t, 202) // the long spelling of the scope counts

			if code := form(t, s, tenant, v); code.str("error") != "invalid_grant" {
				t.Errorf("a code was redeemed twice: %s", code.body)
			}
		})
	}
}

func TestOAuthNoRefreshTokenWithoutOfflineAccess(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	back := authorize(t, s, "common", "User.Read", "", outlooktest.Decision{User: anna})
	r := form(t, s, "common", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"client-id"}, "client_secret": {"client-secret"},
		"code": {back.Get("code")}, "redirect_uri": {redirect},
	}).ok(t, 200)
	if _, ok := r.object["refresh_token"]; ok {
		t.Error("a refresh token came without offline_access")
	}
}

func TestOAuthDenied(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	back := authorize(t, s, "common", "User.Read", "", outlooktest.Decision{User: anna, Deny: true})
	if back.Get("error") != "access_denied" || back.Get("code") != "" {
		t.Error(back)
	}
}

func refreshForm(token string) url.Values {
	return url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"client-id"}, "client_secret": {"client-secret"}, "refresh_token": {token},
	}
}

func TestOAuthRotationKeepsOldToken(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	_, first := s.Tokens(anna)
	second := form(t, s, "common", refreshForm(first)).ok(t, 200).str("refresh_token")
	if second == "" || second == first {
		t.Fatal("the refresh token did not rotate")
	}
	for _, token := range []string{first, second, first} {
		form(t, s, "common", refreshForm(token)).ok(t, 200)
	}
}

func TestOAuthErrors(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	_, work := s.Tokens(anna)
	_, personal := s.Tokens(carol)
	s.OAuth.RevokeUser(anna)
	s.OAuth.RevokeUser(carol)
	wrongSecret := refreshForm(work)
	wrongSecret.Set("client_secret", "x")
	for _, tt := range []struct {
		name, tenant string
		form         url.Values
		status       int
		err          string
		code         float64
		suberror     string
	}{
		{"revoked, work", "organizations", refreshForm(work), 400, "invalid_grant", 50173, ""},
		{"revoked, personal", "consumers", refreshForm(personal), 400, "invalid_grant", 70000, "bad_token"},
		{"wrong secret", "common", wrongSecret, 401, "invalid_client", 7000215, ""},
		{"no grant type", "common", url.Values{"client_id": {"client-id"}, "client_secret": {"client-secret"}}, 400, "invalid_request", 900144, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := form(t, s, tt.tenant, tt.form).ok(t, tt.status)
			codes, _ := r.object["error_codes"].([]any)
			if r.str("error") != tt.err || r.str("suberror") != tt.suberror || len(codes) != 1 || codes[0] != tt.code {
				t.Errorf("%s", r.body)
			}
			if !strings.HasPrefix(r.str("error_description"), "AADSTS") || r.str("trace_id") == "" || r.str("correlation_id") == "" || r.str("timestamp") == "" {
				t.Errorf("%s", r.body)
			}
		})
	}
}

func TestAccessTokenExpires(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	c.get("/me").ok(t, 200)
	s.Advance(2 * time.Hour)
	r := c.get("/me")
	r.refused(t, 401, "InvalidAuthenticationToken")
	if r.header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	c.token = ""
	c.get("/me").refused(t, 401, "InvalidAuthenticationToken")
}

func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	const claims = `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	_, refresh := s.Tokens(anna)
	s.Challenge(anna, claims)
	r := c.get("/me/messages")
	r.refused(t, 401, "InvalidAuthenticationToken")
	h := r.header.Get("WWW-Authenticate")
	_, rest, _ := strings.Cut(h, `claims="`)
	encoded, _, _ := strings.Cut(rest, `"`)
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || string(decoded) != claims || !strings.Contains(h, `error="insufficient_claims"`) {
		t.Fatalf("%s", h)
	}

	without := form(t, s, "common", refreshForm(refresh)).ok(t, 200)
	c.token = without.str("access_token")
	c.get("/me/messages").refused(t, 401, "InvalidAuthenticationToken")

	// Claims may be merged with others.
	var merged map[string]map[string]any
	if err := json.Unmarshal([]byte(claims), &merged); err != nil {
		t.Fatal(err)
	}
	merged["access_token"]["xms_cc"] = map[string]any{"values": []string{"cp1"}}
	enc, _ := json.Marshal(merged)
	v := refreshForm(refresh)
	v.Set("claims", string(enc))
	c.token = form(t, s, "common", v).ok(t, 200).str("access_token")
	c.get("/me/messages").ok(t, 200)

	s.Challenge(anna, "")
	as(t, s, anna).get("/me/messages").ok(t, 200)
}
