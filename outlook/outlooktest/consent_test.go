package outlooktest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const admin = "admin@contoso.example"

// withAdmin is start with an administrator of anna's directory.
func withAdmin(t *testing.T, o outlooktest.Options) *outlooktest.Server {
	t.Helper()
	s := start(t, o)
	s.AddUser(outlooktest.User{Address: admin, Admin: true})
	s.AddUser(outlooktest.User{Address: dave, Admin: true})
	return s
}

func TestConsentPolicies(t *testing.T) {
	t.Parallel()
	const all, managed, none = outlooktest.ConsentAll, outlooktest.ConsentManaged, outlooktest.ConsentNone
	for _, tt := range []struct {
		policy      outlooktest.ConsentPolicy
		user, scope string
		ok          bool
	}{
		{all, anna, "offline_access User.Read Mail.Send Mail.ReadWrite Mail.ReadWrite.Shared User.ReadBasic.All", true},
		{all, anna, "User.Read.All", false},
		{all, admin, "User.Read.All", true},
		{managed, anna, "openid profile email offline_access User.Read Mail.Send Mail.Send.Shared", true},
		{managed, anna, "User.Read https://graph.microsoft.com/Mail.Send", true},
		{managed, anna, "User.Read Mail.Send Mail.ReadBasic", false},
		{managed, anna, "https://graph.microsoft.com/Mail.Read", false},
		{managed, anna, "Mail.ReadWrite.Shared", false},
		{managed, anna, "MailboxSettings.Read", false},
		{managed, anna, "User.ReadBasic.All Contacts.Read Files.Read", true},
		{managed, anna, "Calendars.Read", false},
		{managed, anna, "Files.Read.All", false},
		{managed, anna, "User.Read.All", false},
		{managed, admin, "Mail.ReadWrite", true},
		{managed, carol, "Mail.ReadWrite", true}, // personal accounts have no directory that decides
		{managed, dave, "Mail.ReadWrite", true},  // another directory
		{none, anna, "User.Read", false},
		{none, admin, "User.Read", true},
	} {
		s := withAdmin(t, outlooktest.Options{})
		s.SetConsentPolicy(s.Tenant("contoso.example"), tt.policy)
		back := authorize(t, s, "common", tt.scope, "", outlooktest.Decision{User: tt.user})
		if (back.Get("code") != "") != tt.ok || back.Get("state") != "s1" {
			t.Errorf("%q, %s asks for %s: %v", tt.policy, tt.user, tt.scope, back)
		}
		if !tt.ok && (back.Get("error") != "access_denied" || !strings.HasPrefix(back.Get("error_description"), "AADSTS90094: ")) {
			t.Errorf("%q, %s asks for %s: %v", tt.policy, tt.user, tt.scope, back)
		}
	}
}

func TestConsentRefusalAsOptionsSay(t *testing.T) {
	t.Parallel()
	s := withAdmin(t, outlooktest.Options{ConsentWorkflow: true, ApprovalError: "consent_required"})
	s.SetConsentPolicy(s.Tenant("contoso.example"), outlooktest.ConsentManaged)
	back := authorize(t, s, "common", "Mail.Read", "", outlooktest.Decision{User: anna})
	if back.Get("error") != "consent_required" || !strings.HasPrefix(back.Get("error_description"), "AADSTS90095: ") {
		t.Error(back)
	}
	if back := authorize(t, s, "common", "Mail.Read", "", outlooktest.Decision{User: anna, Deny: true}); back.Get("error") != "access_denied" || !strings.HasPrefix(back.Get("error_description"), "AADSTS65004: ") {
		t.Errorf("denied by the user: %v", back)
	}
}

// What a user allowed before the policy came stays, until it is taken back.
func TestConsentOfBeforeStays(t *testing.T) {
	t.Parallel()
	s := withAdmin(t, outlooktest.Options{})
	signIn(t, s, "common", "Mail.Read", outlooktest.Decision{User: anna})
	s.SetConsentPolicy(s.Tenant("contoso.example"), outlooktest.ConsentManaged)
	signIn(t, s, "common", "https://graph.microsoft.com/Mail.Read", outlooktest.Decision{User: anna})
	for _, d := range []struct{ user, scope string }{{anna, "Mail.ReadWrite"}, {bert, "Mail.Read"}} {
		if back := authorize(t, s, "common", d.scope, "", outlooktest.Decision{User: d.user}); back.Get("error") == "" {
			t.Errorf("%s: %v", d.user, back)
		}
	}
	s.EndGrant(anna, outlooktest.EndConsent)
	if back := authorize(t, s, "common", "Mail.Read", "", outlooktest.Decision{User: anna}); back.Get("error") == "" {
		t.Errorf("after it was taken back: %v", back)
	}
}

// Two stages: sending now, reading when an administrator has agreed, with the
// same refresh token.
func TestWiderRefreshAfterAdminConsent(t *testing.T) {
	t.Parallel()
	s := withAdmin(t, outlooktest.Options{})
	tenant := s.Tenant("contoso.example")
	s.SetConsentPolicy(tenant, outlooktest.ConsentManaged)
	refresh := signIn(t, s, "common", "offline_access User.Read Mail.Send", outlooktest.Decision{User: anna}).str("refresh_token")
	wide := refreshForm(refresh)
	wide.Set("scope", "offline_access User.Read Mail.Send Mail.Read")
	r := form(t, s, tenant, wide).ok(t, 400)
	if r.str("error") != "invalid_grant" || r.str("suberror") != "consent_required" || !strings.Contains(r.str("error_description"), "AADSTS65001") {
		t.Errorf("before: %s", r.body)
	}
	s.GrantConsent(s.Tenant("fabrikam.example"), "client-id", "Mail.Read")
	s.GrantConsent(tenant, "other", "Mail.Read")
	form(t, s, tenant, wide).ok(t, 400) // neither is anna's
	s.GrantConsent(tenant, "client-id", "https://graph.microsoft.com/Mail.Read")
	r = form(t, s, tenant, wide).ok(t, 200)
	if !slices.Contains(strings.Fields(r.str("scope")), "Mail.Read") {
		t.Errorf("scope %q", r.str("scope"))
	}
	c := &client{t: t, s: s, token: r.str("access_token")}
	c.get("/me/messages").ok(t, 200)
	s.OAuth.Register(outlooktest.Client{ID: "third", Secret: "client-secret"})
	_, thirds := s.OAuth.Issue(anna, "third", []string{"Mail.Send"})
	third := refreshForm(thirds)
	third.Set("client_id", "third")
	third.Set("scope", "Mail.Read")
	form(t, s, tenant, third).ok(t, 400) // the consent is for one app
	next := form(t, s, tenant, refreshForm(r.str("refresh_token"))).ok(t, 200)
	if !slices.Contains(strings.Fields(next.str("scope")), "Mail.Read") {
		t.Errorf("the next refresh lost it: %q", next.str("scope"))
	}
	if back := authorize(t, s, "common", "Mail.Read", "", outlooktest.Decision{User: bert}); back.Get("code") == "" {
		t.Errorf("a colleague: %v", back)
	}
	s.RevokeConsent(tenant, "client-id")
	if back := authorize(t, s, "common", "Mail.Read", "", outlooktest.Decision{User: bert}); back.Get("error") != "" {
		t.Errorf("bert has agreed himself by now: %v", back)
	}
	form(t, s, tenant, wide).ok(t, 400)
}

// consent plays somebody at the page of admin consent.
func consent(t *testing.T, s *outlooktest.Server, tenant, scope string, d outlooktest.Decision) (url.Values, string) {
	t.Helper()
	q := url.Values{"client_id": {"client-id"}, "redirect_uri": {redirect}, "scope": {scope}, "state": {"s1"}}
	back, err := outlooktest.Decide(t.Context(), s.Transport(), s.URL()+"/"+tenant+"/v2.0/adminconsent?"+q.Encode(), d)
	if e, ok := err.(*outlooktest.PageError); ok {
		return nil, e.Body
	}
	if err != nil {
		t.Fatal(err)
	}
	return back.Query(), ""
}

func TestAdminConsent(t *testing.T) {
	t.Parallel()
	const scope = "https://graph.microsoft.com/Mail.Read https://graph.microsoft.com/User.ReadBasic.All"
	for _, tenant := range []string{"organizations", "common", "contoso.example", ""} {
		s := withAdmin(t, outlooktest.Options{})
		contoso := s.Tenant("contoso.example")
		if tenant == "" {
			tenant = contoso
		}
		s.SetConsentPolicy(contoso, outlooktest.ConsentManaged)
		back, _ := consent(t, s, tenant, scope, outlooktest.Decision{User: admin})
		if back.Get("admin_consent") != "True" || back.Get("tenant") != contoso || back.Get("scope") != scope || back.Get("state") != "s1" || back.Get("error") != "" {
			t.Errorf("%s: %v", tenant, back)
		}
		signIn(t, s, "common", "Mail.Read User.ReadBasic.All", outlooktest.Decision{User: anna})
	}
}

func TestAdminConsentToAllThatIsRegistered(t *testing.T) {
	t.Parallel()
	s := withAdmin(t, outlooktest.Options{})
	s.OAuth.Register(outlooktest.Client{ID: "client-id", Secret: "client-secret", Scopes: []string{"Mail.Read"}, Roles: []string{"Mail.Send"}})
	contoso := s.Tenant("contoso.example")
	s.SetConsentPolicy(contoso, outlooktest.ConsentNone)
	back, _ := consent(t, s, contoso, "https://graph.microsoft.com/.default", outlooktest.Decision{User: admin})
	if back.Get("scope") != "https://graph.microsoft.com/Mail.Read" {
		t.Errorf("%v", back)
	}
	signIn(t, s, "common", "Mail.Read", outlooktest.Decision{User: anna})
	c := &client{t: t, s: s, token: appToken(t, s, contoso).ok(t, 200).str("access_token")}
	c.post("/users/"+anna+"/sendMail", object{"message": text("s", "s", bert)}).ok(t, 202)
}

func TestAdminConsentRefusals(t *testing.T) {
	t.Parallel()
	s := withAdmin(t, outlooktest.Options{})
	for _, tt := range []struct {
		name, tenant, scope string
		d                   outlooktest.Decision
		err, text           string // with no err the text is on a page
	}{
		{"no administrator", "organizations", "Mail.Read", outlooktest.Decision{User: anna}, "access_denied", "AADSTS90093"},
		{"declined", "organizations", "Mail.Read", outlooktest.Decision{User: admin, Deny: true}, "consent_required", "AADSTS65004"},
		{"no scope", "organizations", "", outlooktest.Decision{User: admin}, "invalid_request", "AADSTS900144"},
		{"another directory's", "contoso.example", "Mail.Read", outlooktest.Decision{User: dave}, "", "AADSTS50020"},
		{"personal", "organizations", "Mail.Read", outlooktest.Decision{User: carol}, "", "AADSTS500208"},
		{"consumers", "consumers", "Mail.Read", outlooktest.Decision{User: admin}, "", "AADSTS500208"},
		{"unknown directory", "nobody.example", "Mail.Read", outlooktest.Decision{User: admin}, "", "AADSTS90002"},
		{"nobody", "organizations", "Mail.Read", outlooktest.Decision{User: "x@contoso.example"}, "", "AADSTS50034"},
	} {
		back, body := consent(t, s, tt.tenant, tt.scope, tt.d)
		if back.Get("error") != tt.err || tt.err != "" && (back.Get("admin_consent") != "True" || back.Get("state") != "s1" || back.Get("tenant") != "") {
			t.Errorf("%s: %v", tt.name, back)
		}
		if !strings.Contains(back.Get("error_description")+body, tt.text) {
			t.Errorf("%s: %v %s", tt.name, back, body)
		}
	}
	q := url.Values{"client_id": {"client-id"}, "redirect_uri": {"https://evil.example/"}, "scope": {"Mail.Read"}}
	(&client{t: t, s: s}).do("GET", s.URL()+"/organizations/v2.0/adminconsent?"+q.Encode(), nil).ok(t, 400)
	s.SetConsentPolicy(s.Tenant("contoso.example"), outlooktest.ConsentNone)
	if back := authorize(t, s, "common", "Mail.Read", "", outlooktest.Decision{User: anna}); back.Get("error") == "" {
		t.Error("one of the refused decisions took effect")
	}
}
