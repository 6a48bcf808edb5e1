package outlooktest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const dave = "dave@fabrikam.example"

// exchange redeems a code.
func exchange(t *testing.T, s *outlooktest.Server, tenant, code string) reply {
	t.Helper()
	return form(t, s, tenant, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"client-id"}, "client_secret": {"client-secret"},
		"code": {code}, "redirect_uri": {redirect},
	})
}

// signIn walks a user through the sign-in page and returns the tokens.
func signIn(t *testing.T, s *outlooktest.Server, tenant, scope string, d outlooktest.Decision) reply {
	t.Helper()
	back := authorize(t, s, tenant, scope, "", d)
	return exchange(t, s, tenant, back.Get("code")).ok(t, 200)
}

// claimsOf verifies an ID token with the published keys.
func claimsOf(t *testing.T, s *outlooktest.Server, tenant, token string) map[string]any {
	t.Helper()
	var set jose.JSONWebKeySet
	r := (&client{t: t, s: s}).do(http.MethodGet, s.URL()+"/"+tenant+"/discovery/v2.0/keys", nil).ok(t, 200)
	if err := json.Unmarshal(r.body, &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := parsed.Claims(set, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.SetTime(time.Unix(1_800_000_000, 0))
	contoso := s.Tenant("contoso.example")
	id := func(user string) string { return as(t, s, user).get("/me").ok(t, 200).str("id") }
	cid := id(carol)
	for _, tt := range []struct {
		user, scope string
		want        map[string]any
	}{
		{anna, "openid profile offline_access User.Read", map[string]any{
			"tid": contoso, "oid": id(anna), "name": "Anna Aalto", "preferred_username": anna,
		}},
		{anna, "openid email", map[string]any{"tid": contoso, "email": anna}},
		{carol, "openid profile", map[string]any{
			"tid": outlooktest.PersonalTenant, "oid": "00000000-0000-0000-" + cid[:4] + "-" + cid[4:], "name": "Carol", "preferred_username": carol,
		}},
	} {
		token := signIn(t, s, "common", tt.scope, outlooktest.Decision{User: tt.user})
		got := claimsOf(t, s, "common", token.str("id_token"))
		if sub, _ := got["sub"].(string); sub == "" || sub == got["oid"] {
			t.Errorf("sub = %v", got["sub"])
		}
		for _, name := range []string{"iat", "nbf", "exp"} {
			if n, _ := got[name].(float64); n < 1_800_000_000 || n > 1_800_003_700 {
				t.Errorf("%s = %v", name, got[name])
			}
			delete(got, name)
		}
		delete(got, "sub")
		tt.want["iss"] = s.URL() + "/" + tt.want["tid"].(string) + "/v2.0"
		tt.want["aud"], tt.want["ver"], tt.want["nonce"] = "client-id", "2.0", "n1"
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s, %s: %s", tt.user, tt.scope, diff)
		}
	}
	if r := signIn(t, s, "common", "User.Read", outlooktest.Decision{User: anna}); r.object["id_token"] != nil {
		t.Error("an ID token came without openid")
	}
}

// The sub of a user differs from app to app and stays the same in one.
func TestSubjectIsPairwise(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.OAuth.Register(outlooktest.Client{ID: "other", Secret: "client-secret"})
	sub := func(client string) any {
		_, refresh := s.OAuth.Issue(anna, client, []string{"openid"})
		v := refreshForm(refresh)
		v.Set("client_id", client)
		return claimsOf(t, s, "common", form(t, s, "common", v).ok(t, 200).str("id_token"))["sub"]
	}
	if a, b, c := sub("client-id"), sub("client-id"), sub("other"); a != b || a == c {
		t.Errorf("%v %v %v", a, b, c)
	}
}

// page is the text of the page that the sign-in ended on.
func page(t *testing.T, s *outlooktest.Server, tenant, scope string, d outlooktest.Decision) string {
	t.Helper()
	q := url.Values{"client_id": {"client-id"}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {scope}}
	_, err := outlooktest.Decide(t.Context(), s.Transport(), s.URL()+"/"+tenant+"/oauth2/v2.0/authorize?"+q.Encode(), d)
	if e, ok := errors.AsType[*outlooktest.PageError](err); ok {
		return e.Body
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: dave})
	s.AddUser(outlooktest.User{Address: "erin@branch.example", TenantID: s.Tenant("contoso.example")})
	contoso, fabrikam := s.Tenant("contoso.example"), s.Tenant("fabrikam.example")
	if contoso == "" || contoso == fabrikam || s.Tenant("branch.example") != contoso || s.Tenant("nobody.example") != "" {
		t.Fatalf("tenants %q and %q", contoso, fabrikam)
	}
	const unknown = "00000000-0000-0000-0000-000000000001"
	for _, tt := range []struct {
		user, tenant    string
		signIn, refresh string // AADSTS numbers, "" when it works
	}{
		{anna, "common", "", ""},
		{anna, "organizations", "", ""},
		{anna, contoso, "", ""},
		{anna, strings.ToUpper(contoso), "", ""},
		{anna, "contoso.example", "", ""},
		{anna, "branch.example", "", ""},
		{"erin@branch.example", contoso, "", ""},
		{anna, "consumers", "500208", "50034"},
		{anna, outlooktest.PersonalTenant, "500208", "50034"},
		{anna, fabrikam, "50020", "50020"},
		{anna, "fabrikam.example", "50020", "50020"},
		{dave, contoso, "50020", "50020"},
		{carol, "common", "", ""},
		{carol, "consumers", "", ""},
		{carol, outlooktest.PersonalTenant, "", ""},
		{carol, "organizations", "500208", "50020"},
		{carol, contoso, "50020", "50020"},
		{anna, unknown, "90002", "90002"},
		{anna, "nobody.example", "90002", "90002"},
	} {
		body := page(t, s, tt.tenant, "User.Read", outlooktest.Decision{User: tt.user})
		if (body == "") != (tt.signIn == "") || !strings.Contains(body, tt.signIn) {
			t.Errorf("%s signs in at %s: %q, want %q", tt.user, tt.tenant, body, tt.signIn)
		}
		_, refresh := s.Tokens(tt.user)
		r := form(t, s, tt.tenant, refreshForm(refresh))
		if r.status == 200 != (tt.refresh == "") || !strings.Contains(r.str("error_description"), "AADSTS"+tt.refresh) && tt.refresh != "" {
			t.Errorf("%s refreshes at %s: %d %s, want %q", tt.user, tt.tenant, r.status, r.body, tt.refresh)
		}
	}
	back := authorize(t, s, "common", "User.Read", "", outlooktest.Decision{User: anna})
	if r := exchange(t, s, fabrikam, back.Get("code")); !strings.Contains(r.str("error_description"), "AADSTS700005") {
		t.Errorf("a code redeemed at another tenant: %s", r.body)
	}
	(&client{t: t, s: s}).do("GET", s.URL()+"/"+unknown+"/discovery/v2.0/keys", nil).ok(t, 400)
}

func TestPersonalAuthorityOnly(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{PersonalAuthorityOnly: true})
	_, annas := s.Tokens(anna)
	carols := signIn(t, s, "common", "offline_access User.Read", outlooktest.Decision{User: carol}).str("refresh_token")
	form(t, s, "common", refreshForm(annas)).ok(t, 200)
	form(t, s, "consumers", refreshForm(carols)).ok(t, 200)
	r := form(t, s, "common", refreshForm(carols)).ok(t, 400)
	if r.str("error") != "invalid_request" || !strings.Contains(r.str("error_description"), "AADSTS9002331") {
		t.Errorf("%s", r.body)
	}
}

func TestOpenerPolicy(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{"": "same-origin", "same-origin-allow-popups": "same-origin-allow-popups", "-": ""} {
		s := start(t, outlooktest.Options{OpenerPolicy: option})
		q := "?client_id=client-id&response_type=code&scope=User.Read&redirect_uri=" + url.QueryEscape(redirect)
		for _, path := range []string{"/common/oauth2/v2.0/authorize", "/organizations/v2.0/adminconsent"} {
			r := (&client{t: t, s: s}).do("GET", s.URL()+path+q, nil).ok(t, 200)
			if got := r.header.Get("Cross-Origin-Opener-Policy"); got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
	}
}

func TestEndGrant(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		user     string
		why      outlooktest.EndReason
		number   float64
		suberror string
	}{
		{anna, outlooktest.EndRevoked, 50173, ""},
		{anna, outlooktest.EndPassword, 50133, ""},
		{anna, outlooktest.EndInactive, 700082, "token_expired"},
		{anna, outlooktest.EndSignInFrequency, 70043, "token_expired"},
		{anna, outlooktest.EndMFA, 50076, "basic_action"},
		{anna, outlooktest.EndConditionalAccess, 53003, "message_only"},
		{anna, outlooktest.EndBlocked, 50057, ""},
		{anna, outlooktest.EndDeleted, 50034, ""},
		{anna, outlooktest.EndConsent, 65001, "consent_required"},
		{carol, outlooktest.EndRevoked, 70000, "bad_token"},
		{carol, outlooktest.EndInactive, 70000, "bad_token"},
		{carol, outlooktest.EndBlocked, 50057, ""},
	} {
		s := start(t, outlooktest.Options{})
		_, refresh := s.Tokens(tt.user)
		_, berts := s.Tokens(bert)
		c := as(t, s, tt.user)
		s.EndGrant(tt.user, tt.why)
		r := form(t, s, "common", refreshForm(refresh)).ok(t, 400)
		codes, _ := r.object["error_codes"].([]any)
		if r.str("error") != "invalid_grant" || r.str("suberror") != tt.suberror || len(codes) != 1 || codes[0] != tt.number {
			t.Errorf("%s: %s", tt.why, r.body)
		}
		if claims := r.str("claims"); json.Valid([]byte(claims)) != (tt.why == outlooktest.EndMFA) {
			t.Errorf("%s: claims %q", tt.why, claims)
		}
		c.get("/me").refused(t, 401, "InvalidAuthenticationToken")
		form(t, s, "common", refreshForm(berts)).ok(t, 200)
		signIn(t, s, "common", "User.Read", outlooktest.Decision{User: tt.user})
	}
}

func TestClientFaults(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	_, refresh := s.Tokens(anna)
	for _, tt := range []struct {
		fault  outlooktest.ClientFault
		status int
		err    string
	}{
		{outlooktest.ClientSecretExpired, 401, "invalid_client"},
		{outlooktest.ClientDisabled, 400, "unauthorized_client"},
		{outlooktest.ClientNotFound, 400, "unauthorized_client"},
	} {
		s.SetClientFault("client-id", tt.fault)
		r := form(t, s, "common", refreshForm(refresh)).ok(t, tt.status)
		if r.str("error") != tt.err || !strings.Contains(r.str("error_description"), "AADSTS"+string(tt.fault)) {
			t.Errorf("%s: %s", tt.fault, r.body)
		}
	}
	s.SetClientFault("client-id", outlooktest.ClientFine)
	form(t, s, "common", refreshForm(refresh)).ok(t, 200)
	if got := s.OAuth.Refreshes(anna); got != 1 {
		t.Errorf("%d refreshes", got)
	}
}

func TestRefreshTokensEndAfter90Days(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		user, tenant string
		option, wait time.Duration
		number       string
	}{
		{anna, "common", 0, 89 * day, ""},
		{anna, "common", 0, 91 * day, "700082"},
		{carol, "consumers", 0, 91 * day, "70000"},
		{anna, "common", -1, 1000 * day, ""},
		{anna, "common", day, 2 * day, "700082"},
	} {
		s := start(t, outlooktest.Options{RefreshInactivity: tt.option})
		_, refresh := s.Tokens(tt.user)
		s.Advance(tt.wait)
		r := form(t, s, tt.tenant, refreshForm(refresh))
		if r.status == 200 != (tt.number == "") || !strings.Contains(r.str("error_description"), tt.number) {
			t.Errorf("%+v: %s", tt, r.body)
		}
	}
}

func TestStrictReuse(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{RefreshReuse: outlooktest.ReuseStrict})
	_, first := s.Tokens(anna)
	second := form(t, s, "common", refreshForm(first)).ok(t, 200).str("refresh_token")
	form(t, s, "common", refreshForm(first)).ok(t, 400)
	if r := form(t, s, "common", refreshForm(second)).ok(t, 400); r.str("error") != "invalid_grant" {
		t.Errorf("%s", r.body)
	}
}
