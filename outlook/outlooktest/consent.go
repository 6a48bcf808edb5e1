package outlooktest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// ConsentPolicy is what the users of a directory may allow an app by themselves.
type ConsentPolicy string

// The policies.
const (
	// ConsentAll: whatever needs no administrator by definition.
	ConsentAll ConsentPolicy = ""
	// ConsentManaged: what Microsoft's managed policy leaves, the default of new
	// directories. Of mail that is Mail.Send and Mail.Send.Shared alone, because
	// its list of exceptions does not name them
	// (learn.microsoft.com/entra/identity/enterprise-apps/manage-app-consent-policies,
	// 2026-01).
	ConsentManaged ConsentPolicy = "managed"
	// ConsentNone: nothing.
	ConsentNone ConsentPolicy = "none"
)

// Scopes that the managed policy does not leave to users, by their beginnings,
// and those that need an administrator everywhere
// (learn.microsoft.com/graph/permissions-reference, read 2026-11). Of Files and
// Sites the policy keeps what ends in ".All".
var (
	managedExceptions = []string{
		"Mail.Read", "MailboxItem.", "MailboxFolder.", "MailboxSettings.", "Calendars.", "Chat.", "OnlineMeetings.",
		"Contacts.ReadWrite", "Contacts.Read.Shared", "Tasks.", "People.Read",
		"IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "EWS.AccessAsUser.All", "EAS.AccessAsUser.All",
	}
	adminScopes = []string{"User.Read.All", "Mail-Advanced.ReadWrite", "Mail-Advanced.ReadWrite.Shared"}
)

func (p ConsentPolicy) leaves(scope string) bool {
	switch {
	case p == ConsentNone, slices.Contains(adminScopes, scope):
		return false
	case p != ConsentManaged:
		return true
	case strings.HasPrefix(scope, "Files."), strings.HasPrefix(scope, "Sites."):
		return !strings.HasSuffix(scope, ".All")
	default:
		return !slices.ContainsFunc(managedExceptions, func(e string) bool { return strings.HasPrefix(scope, e) })
	}
}

// appIn is what an administrator allowed an app in a directory.
type appIn struct{ tenant, client string }

type permissions struct {
	scopes, roles []string
}

// SetConsentPolicy sets what the users of a directory may allow by themselves.
// What they allowed before stays.
func (s *Server) SetConsentPolicy(tenantID string, p ConsentPolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[strings.ToLower(tenantID)] = p
}

// GrantConsent allows an app delegated permissions for all users of a directory,
// as an administrator does.
func (s *Server) GrantConsent(tenantID, clientID string, scopes ...string) {
	s.allow(tenantID, clientID, permissions{scopes: scopes})
}

// GrantRoles allows an app application permissions in a directory, as an
// administrator does: "Mail.Read", "Mail.ReadBasic.All", "Mail.ReadWrite",
// "Mail.Send", "User.Read.All".
func (s *Server) GrantRoles(tenantID, clientID string, roles ...string) {
	s.allow(tenantID, clientID, permissions{roles: roles})
}

func (s *Server) allow(tenant, client string, p permissions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := appIn{strings.ToLower(tenant), client}
	have := s.apps[key]
	for _, scope := range p.scopes {
		have.scopes = append(have.scopes, shortScope(scope))
	}
	have.roles = append(have.roles, p.roles...)
	s.apps[key] = have
}

// RevokeConsent takes back what an administrator allowed an app in a directory.
// Access tokens that are out go on working until they expire.
func (s *Server) RevokeConsent(tenantID, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.apps, appIn{strings.ToLower(tenantID), clientID})
}

// consented reports whether an administrator allowed a scope for the user of a
// grant.
func (s *Server) consented(g Grant, scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(g.User)
	return b != nil && slices.Contains(s.apps[appIn{b.user.TenantID, g.Client}].scopes, shortScope(scope))
}

// approve refuses what the user may not allow alone.
func (s *Server) approve(u User, g Grant) *fakeserver.Refusal {
	if u.Admin {
		return nil
	}
	before := s.OAuth.Granted(u.Address, g.Client)
	for i, scope := range before {
		before[i] = shortScope(scope)
	}
	s.mu.Lock()
	policy := s.policies[u.TenantID]
	s.mu.Unlock()
	for _, scope := range g.Scopes {
		if policy.leaves(shortScope(scope)) || slices.Contains(before, shortScope(scope)) || s.consented(g, scope) {
			continue
		}
		code := codeAdminConsent
		if s.options.ConsentWorkflow {
			code = codeAskAdmin
		}
		return &fakeserver.Refusal{Error: s.options.ApprovalError, Description: describe(code)}
	}
	return nil
}

// adminConsent serves the page where an administrator allows an app for the
// whole directory (learn.microsoft.com/entra/identity-platform/v2-admin-consent,
// 2023-11).
func (s *Server) adminConsent(w http.ResponseWriter, r *http.Request) {
	client, back, ok := s.OAuth.Return(w, r)
	if !ok {
		return
	}
	fail := func(err string, code fakeserver.TokenError) {
		back(url.Values{"admin_consent": {"True"}, "error": {err}, "error_description": {describe(code)}})
	}
	authority, known := s.authority(r.URL.Path)
	scopes := strings.Fields(r.URL.Query().Get("scope"))
	switch {
	case !known:
		unknownTenant(w)
		return
	case authority == msaAccount:
		fakeserver.WriteTrouble(w, describe(codeAccountType))
		return
	case len(scopes) == 0:
		fail("invalid_request", codeParameter)
		return
	case r.Method == http.MethodGet:
		fakeserver.Page{Users: s.signIns(), Hint: r.URL.Query().Get("login_hint"), Client: client.ID, Scopes: scopes}.Write(w)
		return
	case r.ParseForm() != nil:
		fail("invalid_request", codeParameter)
		return
	}
	u, ok := s.user(r.PostForm.Get("user"))
	switch {
	case !ok || u.Shared:
		fakeserver.WriteTrouble(w, describe(codeNoUser))
	case u.Personal:
		fakeserver.WriteTrouble(w, describe(codeAccountType))
	case !u.admits(authority):
		fakeserver.WriteTrouble(w, describe(codeForeign))
	case !u.Admin:
		fail("access_denied", codeNotAdmin)
	case r.PostForm.Get("decision") != "allow":
		fail("consent_required", codeDeclined)
	default:
		granted := s.allowAsked(u.TenantID, client, scopes)
		back(url.Values{"admin_consent": {"True"}, "tenant": {u.TenantID}, "scope": {strings.Join(granted, " ")}})
	}
}

// allowAsked allows what an administrator was asked for. The scope ".default"
// stands for all that the registration lists, application permissions too.
func (s *Server) allowAsked(tenant string, client Client, scopes []string) []string {
	if !slices.ContainsFunc(scopes, func(v string) bool { return shortScope(v) == ".default" }) {
		s.allow(tenant, client.ID, permissions{scopes: scopes})
		return scopes
	}
	s.allow(tenant, client.ID, permissions{client.Scopes, client.Roles})
	listed := make([]string, len(client.Scopes))
	for i, v := range client.Scopes {
		listed[i] = graphScope + shortScope(v)
	}
	return listed
}

// appGrant answers the client credentials flow: the app itself, in one directory
// (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow,
// read 2026-11).
func (s *Server) appGrant(r *http.Request, client string) (Grant, fakeserver.TokenError) {
	authority, _ := s.authority(r.URL.Path)
	switch scope := r.PostForm.Get("scope"); {
	case authority == anyAccount || authority == workAccount || authority == msaAccount:
		return Grant{}, codeNoTenantNamed
	case scope != s.URL()+"/.default" && scope != graphScope+".default":
		return Grant{}, codeDefaultScope
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	allowed, ok := s.apps[appIn{authority, client}]
	if !ok {
		return Grant{}, codeNoApp
	}
	return Grant{Client: client, Tenant: authority, Scopes: slices.Clone(allowed.roles)}, ""
}
