package outlook_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func TestIdentifyShared(t *testing.T) {
	t.Parallel()
	supportID := mailbox.Identity{Address: support, Name: "Support"}
	tests := []struct {
		name    string
		address string
		scopes  string
		wanted  mailbox.Capabilities
		fault   outlooktest.Fault
		want    mailbox.Identity
		class   mailbox.Class
		cause   mailbox.Cause
		asked   int
	}{
		{name: "readable", address: support, scopes: "Mail.Read.Shared", wanted: reading, want: supportID, asked: 1},
		{
			name: "spelled otherwise", address: "Support@Contoso.example", scopes: "Mail.Read.Shared", wanted: reading, asked: 1,
			want: mailbox.Identity{Address: "Support@Contoso.example", Name: "Support"},
		},
		{
			name: "for sending alone nothing can be proved", address: private, scopes: "Mail.Send.Shared", wanted: mailbox.CanSend,
			want: mailbox.Identity{Address: private, Name: "Support"},
		},
		{name: "no rights", address: private, scopes: "Mail.Read.Shared", wanted: reading, class: mailbox.ClassConsent, cause: mailbox.CauseNoRights, asked: 1},
		{name: "no mailbox", address: noOne, scopes: "Mail.Read.Shared", wanted: reading, class: mailbox.ClassNoMailbox, asked: 1},
		{
			name: "no licence", address: support, scopes: "Mail.Read.Shared", wanted: reading, class: mailbox.ClassNoMailbox, cause: mailbox.CauseNoLicense, asked: 1,
			fault: outlooktest.Fault{Path: "*/inbox", Status: 404, Body: `{"error":{"code":"MailboxNotEnabledForRESTAPI","message":"x"}}`},
		},
		{
			name: "nothing by that name", address: support, scopes: "Mail.Read.Shared", wanted: reading, class: mailbox.ClassNoMailbox, asked: 1,
			fault: outlooktest.Fault{Path: "*/inbox", Status: 404, Body: `{"error":{"code":"NotFound"}}`},
		},
		{
			name: "trouble", address: support, scopes: "Mail.Read.Shared", wanted: reading, class: mailbox.ClassUnavailable, asked: 1,
			fault: outlooktest.Fault{Path: "*/inbox", Status: 503},
		},
		{name: "a scope is missing", address: support, scopes: "Mail.Send.Shared Mail.Read", wanted: reading, class: mailbox.ClassConsent, cause: mailbox.CauseConsent},
		{name: "all scopes are missing", address: support, scopes: "Mail.Read Mail.Send", wanted: mailbox.CanSend, class: mailbox.ClassConsent, cause: mailbox.CauseConsent},
		{
			name: "with the directory", address: "help@contoso.example", scopes: "Mail.Read.Shared User.ReadBasic.All", wanted: reading, asked: 2,
			fault: outlooktest.Fault{Path: "/v1.0/users/*", Match: profileRequest, Status: 200, Body: `{"id":"o-7","displayName":"Help Desk","mail":"support@contoso.example","userPrincipalName":"x"}`},
			want:  mailbox.Identity{Address: "help@contoso.example", Name: "Help Desk", Aliases: []string{support}},
		},
		{name: "scopes are not known", address: support, wanted: reading, asked: 2, want: supportID},
		{name: "scopes are not known, nor is the mailbox", address: noOne, wanted: mailbox.CanSend, asked: 1, class: mailbox.ClassNoMailbox},
		{
			name: "the directory has none", address: noOne, scopes: "Mail.Read.Shared User.ReadBasic.All", wanted: reading, class: mailbox.ClassNoMailbox, asked: 1,
			fault: outlooktest.Fault{Path: "/v1.0/users/*", Match: profileRequest, Status: 404, Body: `{"error":{"code":"Request_ResourceNotFound"}}`},
		},
		{
			name: "the directory is closed", address: support, scopes: "Mail.Read.Shared User.ReadBasic.All", wanted: reading, asked: 2,
			fault: outlooktest.Fault{Path: "/v1.0/users/*", Match: profileRequest, Status: 403, Body: `{"error":{"code":"Authorization_RequestDenied"}}`}, want: supportID,
		},
		{
			name: "the directory has trouble", address: support, scopes: "Mail.Read.Shared User.ReadBasic.All", wanted: reading, class: mailbox.ClassUnavailable, asked: 1,
			fault: outlooktest.Fault{Path: "/v1.0/users/*", Match: profileRequest, Status: 503},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			w.AddUser(outlooktest.User{Address: support, Aliases: []string{"help@contoso.example"}, SharedWith: []string{anna}})
			w.AddUser(outlooktest.User{Address: private})
			if tt.fault.Status != 0 {
				w.Inject(tt.fault)
			}
			scopes := strings.Fields(tt.scopes)
			a := mailbox.Account{
				Provider: mailbox.Outlook, Access: mailbox.AccessShared, Address: tt.address, Name: "Support", Scopes: scopes, Wanted: tt.wanted,
			}
			got, err := w.provider.IdentifyAccount(t.Context(), a, w.session(anna, append(scopes, "User.Read", "Mail.Read.Shared")))
			if n := len(w.Log()); n != tt.asked {
				t.Errorf("%d requests, want %d", n, tt.asked)
			}
			if tt.class != 0 {
				if e := asError(t, err); e.Class != tt.class || e.Cause != tt.cause || e.Op != "identify account" {
					t.Errorf("error %v, want %v with cause %q", err, tt.class, tt.cause)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	w := newWorld(t, outlooktest.Options{})
	_, err := w.provider.IdentifyAccount(t.Context(), mailbox.Account{Address: anna}, w.session(anna, nil))
	if !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("an account of a user: %v", err)
	}
	_, err = w.provider.IdentifyAccount(t.Context(), mailbox.Account{Access: mailbox.AccessShared, Address: support}, mailbox.Session{})
	if !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("without tokens: %v", err)
	}
}

// profileRequest tells requests for a user from those for what the user has.
func profileRequest(r *http.Request, _ []byte) bool {
	return strings.Count(strings.TrimPrefix(r.URL.Path, "/v1.0/users/"), "/") == 0
}

func TestFindSharedInTheDirectory(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	w.AddUser(outlooktest.User{Address: "supply@contoso.example", Name: "Support of suppliers", NoMailbox: true})
	w.AddUser(outlooktest.User{Address: "support@fabrikam.example", Name: "Support", SharedWith: []string{anna}})
	a := w.account(anna, mailbox.CanReadHeaders|mailbox.CanShared)
	a.Scopes = append(a.Scopes, "User.ReadBasic.All")
	mb := w.openWith(a, w.session(anna, a.Scopes))
	for search, want := range map[string][]mailbox.SharedMailbox{
		"sup":      {{Address: support, Name: "Support", Readable: true}},
		"PRIVATE@": {{Address: private, Name: "Private"}},
		"Anna":     {},
		"zz'":      {},
	} {
		got, err := mb.FindShared(t.Context(), mailbox.SharedQuery{Search: search})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", search, err, diff)
		}
	}
}

func TestFindSharedByName(t *testing.T) {
	t.Parallel()
	w := sharing(t, outlooktest.Options{})
	a := w.account(anna, mailbox.CanReadHeaders|mailbox.CanShared)
	a.Scopes = append(a.Scopes, "https://graph.microsoft.com/User.ReadBasic.All")
	var asked url.Values
	w.Inject(outlooktest.Fault{
		Path: "/v1.0/users", Status: 200, Match: func(r *http.Request, _ []byte) bool { asked = r.URL.Query(); return true },
		Body: `{"value":[{"id":"1","displayName":"Support","mail":"support@contoso.example"},{"id":"2","displayName":"S'up","mail":null},
			{"displayName":"no id","mail":"x@contoso.example"},{"id":"3","displayName":"Su","mail":"not an address"},{"id":"4","mail":"private@contoso.example"}]}`,
	})
	got, err := w.openWith(a, w.session(anna, a.Scopes)).FindShared(t.Context(), mailbox.SharedQuery{
		Search: "S'up') or (1 eq 1", Addresses: []string{private},
	})
	want := []mailbox.SharedMailbox{{Address: private}, {Address: support, Name: "Support", Readable: true}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	const literal = `'S''up'') or (1 eq 1'`
	filter := "startswith(displayName," + literal + ") or startswith(mail," + literal + ") or startswith(userPrincipalName," + literal + ")"
	if asked.Get("$filter") != filter || asked.Get("$top") != "100" {
		t.Errorf("asked for %v", asked)
	}
}

func TestIdentifyNamesNoDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	p := outlook.Config{Endpoints: outlook.EndpointsAt(w.URL())}
	id, err := newProvider(t, p).Identify(t.Context(), w.session(anna, []string{"User.Read", "Mail.Read"}))
	if err != nil || id.Directory != "" {
		t.Errorf("%+v, %v", id, err)
	}
}
