package outlooktest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// appToken asks for a token of the app itself.
func appToken(t *testing.T, s *outlooktest.Server, tenant string) reply {
	t.Helper()
	return form(t, s, tenant, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"client-id"}, "client_secret": {"client-secret"},
		"scope": {"https://graph.microsoft.com/.default"},
	})
}

// app returns a client with a token of the app itself in anna's directory.
func app(t *testing.T, s *outlooktest.Server, roles ...string) *client {
	t.Helper()
	tenant := s.Tenant("contoso.example")
	s.RevokeConsent(tenant, "client-id")
	s.GrantRoles(tenant, "client-id", roles...)
	r := appToken(t, s, tenant).ok(t, 200)
	for _, name := range []string{"refresh_token", "scope", "id_token"} {
		if v, ok := r.object[name]; ok {
			t.Errorf("%s = %v", name, v)
		}
	}
	return &client{t: t, s: s, token: r.str("access_token"), header: http.Header{}}
}

func TestAppTokenRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: dave})
	contoso := s.Tenant("contoso.example")
	s.GrantRoles(contoso, "client-id", "Mail.Read")
	for _, tt := range []struct {
		tenant, scope, secret string
		err, number           string
	}{
		{contoso, "https://graph.microsoft.com/.default", "client-secret", "", ""},
		{"contoso.example", s.URL() + "/.default", "client-secret", "", ""},
		{"common", "https://graph.microsoft.com/.default", "client-secret", "invalid_request", "50059"},
		{"organizations", "https://graph.microsoft.com/.default", "client-secret", "invalid_request", "50059"},
		{"consumers", "https://graph.microsoft.com/.default", "client-secret", "invalid_request", "50059"},
		{"nobody.example", "https://graph.microsoft.com/.default", "client-secret", "invalid_request", "90002"},
		{"fabrikam.example", "https://graph.microsoft.com/.default", "client-secret", "unauthorized_client", "700016"},
		{contoso, "Mail.Read", "client-secret", "invalid_scope", "1002012"},
		{contoso, "", "client-secret", "invalid_scope", "1002012"},
		{contoso, "https://graph.microsoft.com/.default", "x", "invalid_client", "7000215"},
	} {
		r := form(t, s, tt.tenant, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {"client-id"}, "client_secret": {tt.secret}, "scope": {tt.scope},
		})
		if r.str("error") != tt.err || !strings.Contains(r.str("error_description"), tt.number) {
			t.Errorf("%+v: %s", tt, r.body)
		}
	}
}

// Every call with every application permission: which are refused.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("Hi"))
	const (
		send  = "Mail.Send"
		basic = "Mail.ReadBasic.All"
		read  = "Mail.Read"
		write = "Mail.ReadWrite"
		users = "User.Read.All"
	)
	all := []string{send, "Mail.ReadBasic", basic, read, write, users, "User.ReadBasic.All", "Mail.Read.Shared"}
	for _, tt := range []struct {
		method, path string
		body         any
		allowed      []string
	}{
		{"GET", "/users/" + anna, nil, []string{users}},
		{"GET", "/users", nil, []string{users}},
		{"GET", "/users/" + anna + "/messages", nil, []string{"Mail.ReadBasic", basic, read, write}},
		{"GET", "/users/" + anna + "/messages/" + id + "?$select=body", nil, []string{read, write}},
		{"GET", "/users/" + anna + "/mailFolders/inbox/messages/delta", nil, []string{"Mail.ReadBasic", basic, read, write}},
		{"POST", "/users/" + anna + "/messages", text("n", "n", bert), []string{write}},
		{"PATCH", "/users/" + anna + "/messages/" + id, object{"isRead": true}, []string{write}},
		{"POST", "/users/" + anna + "/sendMail", object{"message": text("s", "s", bert)}, []string{send}},
		{"GET", "/subscriptions", nil, []string{"Mail.ReadBasic", basic, read, write}},
	} {
		var got []string
		for _, role := range all {
			r := app(t, s, role).immutable().do(tt.method, tt.path, tt.body)
			switch {
			case r.status < 300:
				got = append(got, role)
			case r.status != 403:
				t.Errorf("%s %s with %s: %d %s", tt.method, tt.path, role, r.status, r.body)
			}
		}
		if diff := cmp.Diff(tt.allowed, got); diff != "" {
			t.Errorf("%s %s: %s", tt.method, tt.path, diff)
		}
	}
}

func TestAppInADirectory(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{MaxRequests: 3})
	s.AddUser(outlooktest.User{Address: dave})
	s.AddUser(outlooktest.User{Address: "support@contoso.example", Shared: true})
	c := app(t, s, "Mail.ReadWrite", "Mail.Send", "User.Read.All")
	r := c.get("/me")
	r.refused(t, 400, "BadRequest")
	if got := r.obj("error").str("message"); got != "/me request is only valid with delegated authentication flow." {
		t.Errorf("message %q", got)
	}
	c.get("/me/messages").refused(t, 400, "BadRequest")
	id := as(t, s, bert).get("/me").str("id")
	if got := c.get("/users/"+id).ok(t, 200).str("mail"); got != bert {
		t.Errorf("by id: %q", got)
	}
	for _, foreign := range []string{dave, carol, "nobody@contoso.example"} {
		c.get("/users/"+foreign).refused(t, 404, "Request_ResourceNotFound")
		c.get("/users/"+foreign+"/messages").refused(t, 404, "ErrorInvalidUser")
	}
	c.post("/users/support@contoso.example/sendMail", object{"message": text("hello", "x", bert)}).ok(t, 202)
	if sent := s.In("support@contoso.example", "sentitems"); len(sent) != 1 || s.In(bert, "inbox")[0].From != "support@contoso.example" {
		t.Errorf("sent %+v", sent)
	}
	batch := c.post("/$batch", object{"requests": []any{
		object{"id": "1", "method": "GET", "url": "/users/" + anna + "/messages"}, object{"id": "2", "method": "GET", "url": "/me"},
	}}).ok(t, 200)
	for _, part := range batch.list("responses") {
		if want := map[string]float64{"1": 200, "2": 400}[part.str("id")]; part["status"] != want {
			t.Errorf("part %v", part)
		}
	}
	for range 2 {
		c.get("/users/"+anna+"/messages").ok(t, 200)
	}
	c.get("/users/"+anna+"/messages").refused(t, 429, "ApplicationThrottled") // limits are per mailbox
	c.get("/users/support@contoso.example/messages").ok(t, 200)

	s.Advance(2 * time.Hour)
	c.get("/users/"+bert).refused(t, 401, "InvalidAuthenticationToken")
}

func TestAppSubscriptions(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: dave})
	c := app(t, s, "Mail.Read")
	c.post("/subscriptions", subscription(s, nil)).refused(t, 400, "BadRequest") // me/…
	c.post("/subscriptions", subscription(s, object{"resource": "users/" + dave + "/messages"})).refused(t, 404, "ResourceNotFound")
	made := c.post("/subscriptions", subscription(s, object{"resource": "/users/" + anna + "/mailFolders('inbox')/messages"})).ok(t, 201)
	c.post("/subscriptions", subscription(s, object{"resource": "users/" + bert + "/messages"})).ok(t, 201)
	if n := len(c.get("/subscriptions").ok(t, 200).list("value")); n != 2 {
		t.Errorf("%d subscriptions", n)
	}
	if n := len(as(t, s, anna).get("/subscriptions").ok(t, 200).list("value")); n != 0 {
		t.Errorf("the user sees %d subscriptions of the app", n)
	}
	as(t, s, anna).do("DELETE", "/subscriptions/"+made.str("id"), nil).refused(t, 404, "ResourceNotFound")
	c.do("DELETE", "/subscriptions/"+made.str("id"), nil).ok(t, 204)
}
