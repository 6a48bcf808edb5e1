package outlooktest_test

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const support = "support@contoso.example"

// Who may open a shared mailbox, and send from it, by each of the rights.
func TestRightsOnSharedMailboxes(t *testing.T) {
	t.Parallel()
	one := []string{anna}
	for _, tt := range []struct {
		name       string
		user       outlooktest.User
		open       bool   // GET /users/support/messages
		sender     string // Sender of /me/sendMail with from, "" when it is refused
		fromShared bool   // POST /users/support/sendMail
	}{
		{"none", outlooktest.User{}, false, "", false},
		{"member", outlooktest.User{SharedWith: one}, true, support, true},
		{"full access", outlooktest.User{FullAccess: one}, true, "", false},
		{"send as", outlooktest.User{SendAs: one}, false, support, false},
		{"on behalf", outlooktest.User{SendOnBehalf: one}, false, anna, false},
		{"full access, send as", outlooktest.User{FullAccess: one, SendAs: one}, true, support, true},
		{"full access, on behalf", outlooktest.User{FullAccess: one, SendOnBehalf: one}, true, anna, true},
		{"both ways to send", outlooktest.User{SendAs: one, SendOnBehalf: one}, false, support, false},
		{"others", outlooktest.User{SharedWith: []string{bert}, SendAs: []string{bert}}, false, "", false},
	} {
		s := start(t, outlooktest.Options{})
		u := tt.user
		u.Address, u.Name, u.Shared = support, "Support", true
		s.AddUser(u)
		c := as(t, s, anna, "Mail.Send", "Mail.Read.Shared", "Mail.Send.Shared")
		if r := c.get("/users/" + support + "/messages"); (r.status == 200) != tt.open || !tt.open && r.code() != "ErrorAccessDenied" {
			t.Errorf("%s: open: %d %s", tt.name, r.status, r.body)
		}

		m := text("from me", "x", bert)
		m["from"] = object{"emailAddress": object{"address": support}}
		r := c.post("/me/sendMail", object{"message": m})
		if tt.sender == "" {
			r.refused(t, 403, "ErrorSendAsDenied")
		} else {
			r.ok(t, 202)
			checkSent(t, s, tt.name, anna, tt.sender)
		}

		before := len(s.In(bert, "inbox"))
		r = c.post("/users/"+support+"/sendMail", object{"message": text("from it", "x", bert)})
		switch {
		case tt.fromShared:
			r.ok(t, 202)
			checkSent(t, s, tt.name, support, tt.sender)
		case tt.open:
			r.refused(t, 403, "ErrorSendAsDenied")
		default:
			r.refused(t, 403, "ErrorAccessDenied")
		}
		if got := len(s.In(bert, "inbox")) - before; (got == 1) != tt.fromShared {
			t.Errorf("%s: %d messages arrived", tt.name, got)
		}
	}
}

// checkSent looks at the newest message of bert: it is from support, by sender,
// and its copy is in the box of keeper.
func checkSent(t *testing.T, s *outlooktest.Server, name, keeper, sender string) {
	t.Helper()
	inbox := s.In(bert, "inbox")
	got := inbox[len(inbox)-1]
	if got.From != support || bytes.Contains(got.Raw, []byte("\r\nSender: ")) != (sender != support) {
		t.Errorf("%s: %s", name, got.Raw)
	}
	m := as(t, s, bert).get("/me/messages/"+got.MutableID).ok(t, 200)
	if have := m.obj("sender").obj("emailAddress").str("address"); have != sender {
		t.Errorf("%s: sender %q, want %q", name, have, sender)
	}
	if sent := s.In(keeper, "sentitems"); len(sent) != 1 || sent[0].Subject != got.Subject {
		t.Errorf("%s: sent items of %s: %d", name, keeper, len(sent))
	}
}

func TestOnBehalfByMIME(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: support, Shared: true, SendOnBehalf: []string{anna}})
	mime := "From: " + support + "\r\nSender: boss@contoso.example\r\nTo: " + bert + "\r\nSubject: x\r\n\r\nx"
	as(t, s, anna, "Mail.Send", "Mail.Send.Shared").post("/me/sendMail", mimeBody(base64.StdEncoding.EncodeToString([]byte(mime)))).ok(t, 202)
	own := "From: " + anna + "\r\nSender: boss@contoso.example\r\nTo: " + bert + "\r\nSubject: own\r\n\r\nx"
	as(t, s, anna).post("/me/sendMail", mimeBody(base64.StdEncoding.EncodeToString([]byte(own)))).ok(t, 202)
	if raw := string(s.In(bert, "inbox")[1].Raw); strings.Contains(raw, "Sender:") {
		t.Errorf("%s", raw)
	}
	raw := string(s.In(bert, "inbox")[0].Raw)
	if !strings.Contains(raw, "Sender: Anna Aalto <"+anna+">") && !strings.Contains(raw, "Sender: \"Anna Aalto\" <"+anna+">") || strings.Contains(raw, "boss@") {
		t.Errorf("%s", raw)
	}
}

func TestNobodySignsInWithASharedMailbox(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: support, Shared: true, Admin: true})
	q := url.Values{"client_id": {"client-id"}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"User.Read"}}
	for _, path := range []string{"/common/oauth2/v2.0/authorize?", "/organizations/v2.0/adminconsent?"} {
		r := (&client{t: t, s: s}).do("GET", s.URL()+path+q.Encode(), nil).ok(t, 200)
		if strings.Contains(string(r.body), support) || !strings.Contains(string(r.body), anna) {
			t.Errorf("%s lists %s", path, r.body)
		}
		if _, err := outlooktest.Decide(t.Context(), s.Transport(), s.URL()+path+q.Encode(), outlooktest.Decision{User: support}); err == nil {
			t.Errorf("%s lets it in", path)
		}
	}
}

func TestNoSubscriptionsOnSharedMailboxes(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: support, Shared: true, SharedWith: []string{anna}})
	c := as(t, s, anna, "Mail.Read", "Mail.Read.Shared")
	c.post("/subscriptions", subscription(s, object{"resource": "users/" + support + "/messages"})).refused(t, 403, "ErrorAccessDenied")
	c.post("/subscriptions", subscription(s, object{"resource": "users/" + anna + "/messages"})).ok(t, 201)
	c.get("/users/"+support+"/mailFolders/inbox/messages/delta").ok(t, 200) // polling is what is left
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: support, Name: "Support Desk", Shared: true})
	s.AddUser(outlooktest.User{Address: "sales@contoso.example", Name: "Sales", UserPrincipalName: "s-sales@contoso.example", Shared: true})
	s.AddUser(outlooktest.User{Address: dave, Name: "Dave"})
	c := as(t, s, anna, "User.Read", "User.ReadBasic.All")
	mails := func(path string) []string {
		t.Helper()
		var out []string
		for path != "" {
			r := c.get(path).ok(t, 200)
			for _, u := range r.list("value") {
				out = append(out, u.str("mail"))
			}
			path = r.str("@odata.nextLink")
		}
		return out
	}
	everybody := []string{anna, bert, "sales@contoso.example", support}
	for path, want := range map[string][]string{
		"/users":        everybody,
		"/users?$top=1": everybody,
		"/users" + query("$filter", "startswith(displayName,'SUPP') or startswith(mail,'supp')", "$select", "id,mail", "$top", "5"): {support},
		"/users" + query("$filter", "startswith(userPrincipalName,'s-')", "$top", "1"):                                              {"sales@contoso.example"},
		"/users" + query("$filter", "mail eq '"+support+"'"):                                                                        {support},
		"/users" + query("$filter", "startswith(displayName,'D')"):                                                                  nil, // another directory's
	} {
		if diff := cmp.Diff(want, mails(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	if r := c.get("/users?$top=3").ok(t, 200); len(r.list("value")) != 3 || r.str("@odata.nextLink") == "" {
		t.Errorf("a page of three: %s", r.body)
	}
	for path, code := range map[string]string{
		"/users?$top=0":    "Request_UnsupportedQuery",
		"/users?$top=1000": "Request_UnsupportedQuery",
		"/users" + query("$filter", "startswith(mail,'x'"): "notImplemented",
		"/users" + query("$filter", "city eq 'x'"):         "notImplemented",
		"/users" + query("$filter", "mail eq 'x"):          "BadRequest",
		"/users" + query("$search", "x"):                   "notImplemented",
		"/users?$skiptoken=x":                              "BadRequest",
	} {
		if r := c.get(path); r.code() != code {
			t.Errorf("%s: %d %s, want %s", path, r.status, r.body, code)
		}
	}
	for _, path := range []string{"/users", "/users/" + bert} {
		as(t, s, anna, "User.Read", "Mail.ReadWrite.Shared").get(path).refused(t, 403, "Authorization_RequestDenied")
		as(t, s, carol, "User.Read", "User.ReadBasic.All").get("/users").refused(t, 403, "Authorization_RequestDenied")
	}
	other := c.get("/users/"+support+"?$select=id,displayName,mail,proxyAddresses,accountEnabled").ok(t, 200)
	if other.str("displayName") != "Support Desk" || other.object["proxyAddresses"] != nil || other.object["accountEnabled"] != nil {
		t.Errorf("basic properties: %s", other.body)
	}
	full := as(t, s, anna, "User.Read.All").get("/users/"+support+"?$select=proxyAddresses,accountEnabled").ok(t, 200)
	if full.object["proxyAddresses"] == nil || full.object["accountEnabled"] != false {
		t.Errorf("all properties: %s", full.body)
	}
	c.get("/users/"+dave).refused(t, 404, "Request_ResourceNotFound")
	c.get("/users/"+anna+"?$select=proxyAddresses").ok(t, 200)
}
