package outlook_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// appTokens are those that an app gets in its own right.
type appTokens struct {
	w       *world
	client  string
	address string // whose mailbox they are used for
	tenant  string

	mu      sync.Mutex
	current mailbox.AccessToken
}

func (s *appTokens) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != "" && req.Rejected != s.current {
		return s.current, nil
	}
	s.w.mu.Lock()
	gone := s.w.revoked[s.address]
	s.w.mu.Unlock()
	if gone {
		return "", &mailbox.Error{Class: mailbox.ClassReconnect}
	}
	scopes, _, err := s.w.provider.AppScopes(mailbox.CanSend)
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.client}, "client_secret": {"secret"}, "scope": {strings.Join(scopes, " ")},
	}
	req2, err := http.NewRequestWithContext(ctx, http.MethodPost, s.w.provider.OAuthAt(s.tenant).TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req2.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.w.transport.RoundTrip(req2)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		return "", errors.Join(err, errors.New("no token: "+resp.Status))
	}
	s.current = mailbox.AccessToken(answer.AccessToken)
	return s.current, nil
}

// appSession is that of an app whose administrator allowed the roles.
func (w *world) appSession(address string, roles ...string) mailbox.Session {
	client := "app with " + strings.Join(roles, " ")
	tenant := w.Tenant("contoso.example")
	w.OAuth.Register(outlooktest.Client{ID: client, Secret: "secret"})
	w.RevokeConsent(tenant, client)
	w.GrantRoles(tenant, client, roles...)
	return mailbox.Session{Tokens: &appTokens{w: w, client: client, address: address, tenant: tenant}, Transport: w.transport}
}

func appAccount(address string, caps mailbox.Capabilities) mailbox.Account {
	return mailbox.Account{
		Ref:      mailbox.Ref{Tenant: "t1", Mailbox: mailbox.MailboxID("app-" + address)},
		Provider: mailbox.Outlook, Access: mailbox.AccessApp, Address: address, Name: "Anna Aalto",
		Wanted: caps, Capabilities: caps,
	}
}

func TestIdentifyByTheApp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, address, roles string
		want                 mailbox.Identity
		class                mailbox.Class
		cause                mailbox.Cause
	}{
		{name: "mail only", address: anna, roles: "Mail.ReadWrite Mail.Send", want: mailbox.Identity{Address: anna, Name: "Anna Aalto"}},
		{name: "with the directory", address: anna, roles: "Mail.ReadBasic.All User.Read.All", want: mailbox.Identity{Address: anna, Name: "Anna Aalto"}},
		{
			name: "by an alias", address: "a.aalto@contoso.example", roles: "Mail.Read User.Read.All",
			want: mailbox.Identity{Address: "a.aalto@contoso.example", Name: "Anna Aalto", Aliases: []string{anna}},
		},
		{name: "no right to read", address: anna, roles: "Mail.Send", class: mailbox.ClassConsent, cause: mailbox.CauseNoRights},
		{name: "no such user", address: noOne, roles: "Mail.Read User.Read.All", class: mailbox.ClassNoMailbox},
		{name: "no such mailbox", address: noOne, roles: "Mail.Read", class: mailbox.ClassNoMailbox},
		{name: "of another directory", address: "dora@fabrikam.example", roles: "Mail.Read", class: mailbox.ClassNoMailbox},
		{name: "personal", address: carol, roles: "Mail.Read", class: mailbox.ClassNoMailbox},
		{name: "unlicensed", address: "guest@contoso.example", roles: "Mail.Read", class: mailbox.ClassNoMailbox, cause: mailbox.CauseNoLicense},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			w.AddUser(outlooktest.User{Address: "dora@fabrikam.example"})
			w.AddUser(outlooktest.User{Address: "guest@contoso.example", NoMailbox: true})
			got, err := w.provider.IdentifyAccount(t.Context(), appAccount(tt.address, mailbox.CanReadHeaders), w.appSession(tt.address, strings.Fields(tt.roles)...))
			if tt.class != 0 {
				if e := asError(t, err); e.Class != tt.class || e.Cause != tt.cause {
					t.Errorf("error %v (native %v), want %v with cause %q", err, e.Err, tt.class, tt.cause)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestWatchByTheApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	open := func(address string) *outlook.Mailbox {
		return w.openWith(appAccount(address, mailbox.CanReadHeaders), w.appSession(address, "Mail.Read"))
	}
	list := func() int { return len(w.subscriptionsSeenBy(open(anna))) }
	for _, address := range []string{anna, bert} {
		watch(t, open(address), hook)
		watch(t, open(address), hook)
	}
	if n := list(); n != 4 {
		t.Errorf("%d subscriptions for two mailboxes", n)
	}
	// Ending those of one mailbox leaves those of the other.
	if err := open(anna).Unwatch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := list(); n != 2 {
		t.Errorf("%d subscriptions are left", n)
	}
	if err := errors.Join(open(bert).Unwatch(t.Context()), open(bert).Unwatch(t.Context())); err != nil {
		t.Error(err)
	}
	if n := list(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

// elsewhere opens the mailboxes of others as if they were the user's own, for
// the conformance suite: what a mailbox has to do does not depend on whose right
// it is used by.
type elsewhere struct {
	*outlook.Provider
	access mailbox.Access
	owner  func(mailbox.Session) string
}

func (p elsewhere) Open(a mailbox.Account, s mailbox.Session) (mailbox.Mailbox, error) {
	a.Access = p.access
	return p.Provider.Open(a, s)
}

func (p elsewhere) Identify(ctx context.Context, s mailbox.Session) (mailbox.Identity, error) {
	id, err := p.IdentifyAccount(ctx, mailbox.Account{Access: p.access, Address: p.owner(s), Scopes: everyShared, Wanted: mailbox.CanReadHeaders}, s)
	id.Subject = id.Address // the suite wants one; here the address decides
	return id, err
}

// Scopes asks for the .Shared scopes too.
func (p elsewhere) Scopes(want mailbox.Capabilities) ([]string, error) {
	if p.access == mailbox.AccessShared && want != 0 {
		want |= mailbox.CanShared
	}
	return p.Provider.Scopes(want)
}

func (p elsewhere) Granted(scopes []string) mailbox.Capabilities {
	return p.Provider.Granted(scopes) &^ mailbox.CanShared
}

var everyShared = []string{"Mail.ReadWrite.Shared", "Mail.Send.Shared"}

// memberTokens are those of a member who has rights on a mailbox.
type memberTokens struct {
	tokens
	box string
}

func (s *memberTokens) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	s.w.mu.Lock()
	gone := s.w.revoked[s.box]
	s.w.mu.Unlock()
	if gone && (req.Rejected != "" || s.current == "") {
		return "", &mailbox.Error{Class: mailbox.ClassReconnect}
	}
	return s.tokens.Token(ctx, req)
}

func TestProviderInMailboxesOfOthers(t *testing.T) {
	t.Parallel()
	t.Run("shared", func(t *testing.T) {
		mailboxtest.TestProvider(t, func(t *testing.T) *mailboxtest.Harness {
			w := newWorld(t, outlooktest.Options{})
			w.AddUser(outlooktest.User{Address: member})
			h := harness(w)
			h.IDToken, h.Watching, h.Shared = nil, nil, ""
			h.Announce = mailbox.WatchRequest{} // Graph cannot
			h.Provider = elsewhere{w.provider, mailbox.AccessShared, func(s mailbox.Session) string { return s.Tokens.(*memberTokens).box }}
			h.Session = func(_ *testing.T, address string, scopes []string) mailbox.Session {
				source := &memberTokens{tokens: tokens{w: w, address: member, scopes: append(everyShared, scopes...)}, box: address}
				return mailbox.Session{Tokens: source, Transport: w.transport}
			}
			revoke := h.Revoke
			h.Revoke = func(t *testing.T, address string) {
				revoke(t, address)
				w.OAuth.RevokeUser(member)
			}
			return h
		})
	})
	t.Run("app", func(t *testing.T) {
		mailboxtest.TestProvider(t, func(t *testing.T) *mailboxtest.Harness {
			w := newWorld(t, outlooktest.Options{})
			h := harness(w)
			h.IDToken, h.Watching, h.Shared = nil, nil, ""
			h.Provider = elsewhere{w.provider, mailbox.AccessApp, func(s mailbox.Session) string { return s.Tokens.(*appTokens).address }}
			h.Break = func(_ *testing.T, how mailboxtest.Breakage) {
				f := fault(how)
				f.Path = "/v1.0/*" // tokens are asked for as well
				w.Inject(f)
			}
			h.Session = func(_ *testing.T, address string, _ []string) mailbox.Session {
				return w.appSession(address, "Mail.ReadWrite", "Mail.Send", "User.Read.All")
			}
			revoke := h.Revoke
			h.Revoke = func(t *testing.T, address string) {
				revoke(t, address)
				w.OAuth.ExpireAccess()
			}
			return h
		})
	})
}
