package gmailtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

func TestScopesAreEnforced(t *testing.T) {
	t.Parallel()
	const send, compose, metadata = gmailtest.ScopeSend, gmailtest.ScopeCompose, gmailtest.ScopeMetadata
	const readonly, modify, settings, labels = gmailtest.ScopeReadonly, gmailtest.ScopeModify, gmailtest.ScopeSettings, gmailtest.ScopeLabels
	for _, c := range []struct {
		method, path, body string
		allowed            string
	}{
		{"GET", "/profile", "", compose + metadata + readonly + modify},
		{"GET", "/messages", "", metadata + readonly + modify},
		{"GET", "/messages/ID?format=metadata", "", metadata + readonly + modify},
		{"GET", "/messages/ID", "", readonly + modify},
		{"GET", "/threads/ID?format=minimal", "", metadata + readonly + modify},
		{"POST", "/messages/send", sendBody(message("To: "+bob), ""), send + compose + modify},
		{"POST", "/messages/ID/modify", `{"removeLabelIds":["UNREAD"]}`, modify},
		{"POST", "/messages/batchModify", `{"ids":["ID"],"addLabelIds":["UNREAD"]}`, modify},
		{"POST", "/drafts", `{"message":` + sendBody(message("To: "+bob), "") + `}`, compose + modify},
		{"GET", "/drafts", "", compose + readonly + modify},
		{"GET", "/history?startHistoryId=HISTORY", "", metadata + readonly + modify},
		{"GET", "/labels", "", labels + metadata + readonly + modify},
		{"GET", "/settings/sendAs", "", readonly + modify + settings},
		{"POST", "/stop", "", metadata + readonly + modify},
		{"DELETE", "/messages/ID", "", ""},
	} {
		for _, scope := range []string{send, compose, metadata, readonly, modify, settings, labels, gmailtest.ScopeFull} {
			w := setup(t, gmailtest.Options{})
			id := w.deliver("Subject: x")
			fill := strings.NewReplacer("ID", id, "HISTORY", w.ok("GET", "/profile", "").str("historyId"))
			a := w.as(ann, scope).call(c.method, strings.Replace(fill.Replace(c.path), "startHistory"+id, "startHistoryId", 1),
				strings.ReplaceAll(c.body, `["ID"]`, `["`+id+`"]`))
			want := scope == gmailtest.ScopeFull || strings.Contains(c.allowed, scope)
			if got := a.status/100 == 2; got != want {
				t.Errorf("%s %s with %s: %d %s", c.method, c.path, scope, a.status, a.body)
			}
			if !want && a.status == http.StatusForbidden && !strings.Contains(a.str("error.message"), "Metadata scope") {
				a.wantError(t, http.StatusForbidden, "insufficientPermissions", "Request had insufficient authentication scopes.")
				if a.str("error.details.0.reason") != "ACCESS_TOKEN_SCOPE_INSUFFICIENT" {
					t.Errorf("details = %v", a.at("error.details"))
				}
			}
		}
	}
}

func TestMetadataScopeCripplesWiderOnes(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Subject: x")
	w.as(ann, gmailtest.ScopeMetadata, gmailtest.ScopeModify)
	w.refused("GET", "/messages?q=", "", 403, "forbidden", "Metadata scope does not support 'q' parameter")
	w.refused("GET", "/threads?q=in:inbox", "", 403, "forbidden", "Metadata scope does not support 'q' parameter")
	w.refused("GET", "/messages/"+id, "", 403, "forbidden", "Metadata scope doesn't allow format FULL")
	w.refused("GET", "/messages/"+id+"?format=raw", "", 403, "forbidden", "Metadata scope doesn't allow format RAW")
	w.ok("GET", "/messages/"+id+"?format=metadata", "")
	w.ok("GET", "/messages/"+id+"?format=minimal", "")
	w.ok("GET", "/messages", "")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	for name, authorization := range map[string][]string{"none": nil, "wrong": {"Bearer x"}, "basic": {"Basic " + w.token}} {
		req := w.request("GET", "/gmail/v1/users/me/profile", "", "")
		req.Header["Authorization"] = authorization
		a := w.do(req)
		if a.wantError(t, 401, "authError", "invalid authentication credentials"); a.str("error.errors.0.message") != "Invalid Credentials" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	w.OAuth.ExpireAccess()
	w.refused("GET", "/profile", "", 401, "authError", "")
	w.as(ann).OAuth.RevokeUser(ann)
	w.refused("GET", "/profile", "", 401, "authError", "")
}

func TestUserID(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "dora@example.com", Aliases: []string{"sales@example.com"}})
	w.as("dora@example.com")
	for user, want := range map[string]int{"me": 200, "Dora@Example.com": 200, "sales@example.com": 403, ann: 403} {
		a := w.do(w.request("GET", "/gmail/v1/users/"+url.PathEscape(user)+"/profile", "", ""))
		if a.status != want {
			t.Errorf("%s: %d", user, a.status)
		}
		if want == 403 {
			a.wantError(t, 403, "forbidden", "Delegation denied for dora@example.com")
		}
	}
}

func TestAccountWithoutGmail(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "nomail@example.com", NoGmail: true})
	w.as("nomail@example.com")
	w.refused("GET", "/profile", "", 400, "failedPrecondition", "Mail service not enabled")
	if a := w.do(w.request("GET", "/v1/userinfo", "", "")); a.str("email") != "nomail@example.com" {
		t.Errorf("userinfo = %s", a.body)
	}
	if _, err := w.Deliver("nomail@example.com", []byte("x")); err == nil {
		t.Error("mail was delivered")
	}
}

func TestDisabledAPI(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{Disabled: true, ProjectID: "12345"})
	a := w.refused("GET", "/profile", "", 403, "accessNotConfigured", "Gmail API has not been used in project 12345 before or it is disabled")
	if a.str("error.details.0.reason") != "SERVICE_DISABLED" {
		t.Errorf("details = %v", a.at("error.details"))
	}
}

func TestUnknownParametersAndMembers(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.refused("GET", "/messages?labels=INBOX", "", 400, "badRequest", `Unknown name "labels"`)
	w.refused("POST", "/messages/send", `{"raw":"eA","subject":"x"}`, 400, "badRequest", `Unknown name "subject"`)
	w.refused("POST", "/messages/send", `{"raw":`, 400, "badRequest", "Invalid JSON payload")
}

func TestErrorShapes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shape gmailtest.ErrorShape
		query string
		want  string
		never []string
	}{
		"all":        {want: `{"error":{"code":403,`},
		"array":      {shape: gmailtest.ErrorShape{Array: true}, want: `[{"error":{"code":403,`},
		"no errors":  {shape: gmailtest.ErrorShape{NoErrors: true}, want: `"details":`, never: []string{`"errors"`}},
		"no status":  {shape: gmailtest.ErrorShape{NoStatus: true}, want: `"errors"`, never: []string{`"status"`}},
		"no details": {shape: gmailtest.ErrorShape{NoDetails: true}, want: `"errors"`, never: []string{`"details"`}},
		"old format": {query: "?$.xgafv=1", want: `"errors"`, never: []string{`"details"`}},
		"new format": {query: "?$.xgafv=2", want: `"details"`, never: []string{`"errors"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{ErrorShape: c.shape}).as(ann, gmailtest.ScopeSend)
			a := w.call("GET", "/profile"+c.query, "")
			if a.status != 403 || !strings.Contains(string(a.body), c.want) {
				t.Errorf("body = %s", a.body)
			}
			for _, s := range c.never {
				if strings.Contains(string(a.body), s) {
					t.Errorf("body has %s: %s", s, a.body)
				}
			}
		})
	}
}
