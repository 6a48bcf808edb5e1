package outlooktest

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// PersonalTenant is the directory of all personal accounts
// (learn.microsoft.com/entra/identity-platform/id-token-claims-reference,
// 2023-05).
const PersonalTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// The authorities that name no directory.
const (
	anyAccount  = "common"
	workAccount = "organizations"
	msaAccount  = "consumers"
)

// Tenant returns the directory of the users at a mail domain, "" when there are
// none.
func (s *Server) Tenant(domain string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenants[strings.ToLower(domain)]
}

// place finds out in which directory a new user is.
func (s *Server) place(u *User) {
	domain := mailbox.Domain(u.Address)
	if u.Personal {
		u.TenantID = PersonalTenant
		return
	}
	u.TenantID = strings.ToLower(cmp.Or(u.TenantID, s.tenants[domain], guidOf("tenant", domain)))
	for _, a := range append([]string{u.Address}, u.Aliases...) {
		if d := mailbox.Domain(a); s.tenants[d] == "" {
			s.tenants[d] = u.TenantID
		}
	}
}

// guidOf makes a GUID that is always the same for the same names.
func guidOf(names ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return formatGUID([16]byte(sum[:]), 8)
}

// authority returns whose sign-ins the first segment of a path is for: common,
// organizations, consumers, or a directory by its id. It is false for a
// directory that there is not.
func (s *Server) authority(path string) (string, bool) {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	name = strings.ToLower(name)
	switch name {
	case anyAccount, workAccount, msaAccount:
		return name, true
	case PersonalTenant:
		return msaAccount, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.tenants[name]; id != "" {
		return id, true
	}
	for _, id := range s.tenants {
		if id == name {
			return id, true
		}
	}
	return "", false
}

// admits reports whether the account may sign in at an authority. Guests of
// other directories are not modelled.
func (u *User) admits(authority string) bool {
	switch authority {
	case anyAccount:
		return true
	case workAccount:
		return !u.Personal
	case msaAccount:
		return u.Personal
	default:
		return u.TenantID == authority
	}
}

// user returns a copy of the account that signs in with an address.
func (s *Server) user(address string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(address)
	if b == nil {
		return User{}, false
	}
	return b.user, true
}

// unknownTenant tells the user that the URL names no directory.
func unknownTenant(w http.ResponseWriter) {
	fakeserver.WriteTrouble(w, describe(codeTenant))
}

// admit is what stands between a user's click on Allow and the code.
func (s *Server) admit(r *http.Request, g Grant) *fakeserver.Refusal {
	authority, _ := s.authority(r.URL.Path)
	u, ok := s.user(g.User)
	switch {
	case !ok:
		return &fakeserver.Refusal{Description: describe(codeNoUser)}
	case u.admits(authority):
		return s.approve(u, g)
	case authority == workAccount || authority == msaAccount:
		return &fakeserver.Refusal{Description: describe(codeAccountType)}
	default:
		return &fakeserver.Refusal{Description: describe(codeForeign)}
	}
}

// refuse checks the authority that a token is asked for at: Microsoft wants the
// one that the account belongs to.
func (s *Server) refuse(r *http.Request, g Grant) fakeserver.TokenError {
	authority, _ := s.authority(r.URL.Path)
	u, ok := s.user(g.User)
	switch {
	case !ok:
		return codeNoUser
	case !u.admits(authority) && r.PostForm.Get("grant_type") == "authorization_code":
		return codeOtherTenant
	case !u.admits(authority) && authority == msaAccount:
		return codeNoUser
	case !u.admits(authority):
		return codeForeign
	case u.Personal && authority == anyAccount && s.options.PersonalAuthorityOnly && r.PostForm.Get("grant_type") == "refresh_token":
		return codeConsumers
	}
	return ""
}

// idToken returns what an ID token of version 2.0 says
// (learn.microsoft.com/entra/identity-platform/id-token-claims-reference,
// 2023-05): sub differs from app to app, oid and the names need profile.
func (s *Server) idToken(g Grant) map[string]any {
	u, _ := s.user(g.User)
	claims := map[string]any{
		"iss": s.URL() + "/" + u.TenantID + "/v2.0", "tid": u.TenantID, "ver": "2.0", "nbf": 0,
		"sub": guidOf("sub", g.Client, u.TenantID, u.ID),
	}
	if g.Has("profile") {
		claims["oid"], claims["name"], claims["preferred_username"] = u.objectID(), u.Name, u.UserPrincipalName
	}
	if g.Has("email") && !u.NoMailbox {
		claims["email"] = u.Address
	}
	return claims
}

// objectID is the oid of an account. That of a personal account is a GUID made
// of the 16 hexadecimal digits that Graph gives as its id
// (github.com/microsoft/quick-authentication/pull/31, 2022-10).
func (u *User) objectID() string {
	if !u.Personal || len(u.ID) != 16 {
		return u.ID
	}
	return "00000000-0000-0000-" + u.ID[:4] + "-" + u.ID[4:]
}
