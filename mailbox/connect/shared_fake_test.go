package connect_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

// organisation is a service with mailboxes that belong to nobody alone, and with
// apps that an administrator gave rights of their own.
type organisation struct {
	*service

	mu      sync.Mutex
	members map[string][]string // by the local part of the shared address
	apps    []string            // directories whose administrator opened them to the app
	refusal *mailbox.Error      // of the next probe
	muted   bool                // does not tell subjects
}

func newOrganisation(s *service) *organisation {
	return &organisation{
		service: s,
		members: map[string][]string{"support": {"ann", "bob"}, "info": {"ann"}},
	}
}

// Scopes names those of shared mailboxes as Microsoft does.
func (o *organisation) Scopes(want mailbox.Capabilities) ([]string, error) {
	scopes, err := o.service.Scopes(want &^ mailbox.CanShared)
	if err != nil || !want.Has(mailbox.CanShared) {
		return scopes, err
	}
	for _, s := range slices.Clone(scopes) {
		if scopeOf[s] != 0 {
			scopes = append(scopes, s+".Shared")
		}
	}
	return scopes, nil
}

func (o *organisation) Granted(scopes []string) mailbox.Capabilities {
	c := o.service.Granted(scopes)
	if slices.ContainsFunc(scopes, func(s string) bool { return strings.HasSuffix(strings.ToLower(s), ".shared") }) {
		c |= mailbox.CanShared
	}
	return c
}

// IdentifyAccount implements mailbox.AccountIdentifier.
func (o *organisation) IdentifyAccount(ctx context.Context, a mailbox.Account, s mailbox.Session) (mailbox.Identity, error) {
	tok, err := s.Tokens.Token(ctx, mailbox.TokenRequest{})
	if err != nil {
		return mailbox.Identity{}, err
	}
	o.service.mu.Lock()
	g := o.service.accesses[string(tok)]
	o.service.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if refusal := o.refusal; refusal != nil {
		o.refusal = nil
		return mailbox.Identity{}, refusal
	}
	name, _, _ := strings.Cut(a.Address, "@")
	members, ok := o.members[name]
	switch {
	case a.Access == mailbox.AccessShared && !ok:
		return mailbox.Identity{}, &mailbox.Error{Class: mailbox.ClassNoMailbox}
	case a.Access == mailbox.AccessShared && !slices.Contains(members, g.user):
		return mailbox.Identity{}, &mailbox.Error{Class: mailbox.ClassConsent, Cause: mailbox.CauseNoRights}
	}
	id := mailbox.Identity{Subject: "sub-" + name, Address: a.Address, Name: name}
	if o.muted {
		id.Subject = ""
	}
	return id, nil
}

// AppScopes implements mailbox.AppProvider.
func (o *organisation) AppScopes(want mailbox.Capabilities) ([]string, mailbox.AppFlow, error) {
	if _, err := o.service.Scopes(want); err != nil {
		return nil, "", err
	}
	return []string{".default"}, mailbox.AppFlowCredentials, nil
}

// Open returns a mailbox whose user may be given rights on others.
func (o *organisation) Open(a mailbox.Account, session mailbox.Session) (mailbox.Mailbox, error) {
	return &member{opened{account: a, session: session}, o}, nil
}

type member struct {
	opened
	o *organisation
}

func (m *member) Account() mailbox.Account { return m.account }

// FindShared implements mailbox.SharedFinder.
func (m *member) FindShared(ctx context.Context, q mailbox.SharedQuery) ([]mailbox.SharedMailbox, error) {
	var found []mailbox.SharedMailbox
	for _, address := range q.Addresses {
		a := mailbox.Account{Address: address, Access: mailbox.AccessShared}
		id, err := m.o.IdentifyAccount(ctx, a, m.session)
		if mailbox.ClassOf(err) == mailbox.ClassNoMailbox {
			continue
		}
		found = append(found, mailbox.SharedMailbox{Address: address, Name: id.Name, Readable: err == nil})
	}
	return found, nil
}

// RoundTrip adds the client credentials grant (RFC 6749, 4.4).
func (o *organisation) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return o.service.RoundTrip(req)
	}
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(b))
	form, _ := url.ParseQuery(string(b))
	if form.Get("grant_type") != "client_credentials" {
		return o.service.RoundTrip(req)
	}
	directory, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	o.service.mu.Lock()
	o.service.requests = append(o.service.requests, req.URL.Path+"?app")
	o.service.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.apps, directory) || form.Get("scope") != ".default" || form.Get("client_secret") != canarySecret {
		return answer(400, `{"error":"admin_policy_enforced"}`), nil
	}
	return answer(200, `{"access_token":"canary-app-access","token_type":"Bearer","expires_in":3600}`), nil
}

// allow sets the directories whose administrator has opened all mailboxes to the
// app.
func (o *organisation) allow(directories ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.apps = directories
}

func (o *organisation) set(shared string, members ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.members[shared] = members
}

// mute makes the organisation keep its subjects to itself.
func (o *organisation) mute() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.muted = true
}

// withOrganisation makes the Outlook of a host an organisation.
func withOrganisation(o **organisation) func(*connect.Config) {
	return func(c *connect.Config) {
		for i := range c.Apps {
			if s, ok := c.Apps[i].Provider.(*service); ok && s.name == mailbox.Outlook {
				*o = newOrganisation(s)
				c.Apps[i].Provider, c.Apps[i].Transport = *o, *o
			}
		}
	}
}

// sharing is what a member's mailbox is connected with.
func sharing() connect.StartRequest {
	r := request()
	r.Provider, r.Want = mailbox.Outlook, wanted|mailbox.CanShared
	return r
}

var support = mailbox.Ref{Tenant: ref.Tenant, Mailbox: "support"}

func supportRequest() connect.SharedRequest {
	return connect.SharedRequest{Ref: support, Parent: ref.Mailbox, Owner: "team-1", Address: "support@example.com"}
}

func (h *host) connectShared(t testing.TB, r connect.SharedRequest) mailbox.Account {
	t.Helper()
	a, err := h.ConnectShared(t.Context(), r)
	if err != nil {
		t.Fatalf("ConnectShared: %v", err)
	}
	return a
}

func (h *host) accountOf(t testing.TB, r mailbox.Ref) mailbox.Account {
	t.Helper()
	a, err := h.accounts.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// told returns the events as "mailbox state cause", and forgets them.
func (h *host) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var told []string
	for _, e := range h.events {
		told = append(told, strings.TrimSpace(string(e.Mailbox)+" "+string(e.State)+" "+string(e.Cause)))
	}
	h.events = nil
	return told
}
