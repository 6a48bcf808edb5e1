package gmailtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// Google spells the short sign-in scopes out when it tells what was granted.
const (
	scopeEmail   = "https://www.googleapis.com/auth/userinfo.email"
	scopeProfile = "https://www.googleapis.com/auth/userinfo.profile"
)

// Numbers of developers.google.com/identity/protocols/oauth2, read 2026-11-20.
const (
	maxRefresh  = 100 // refresh tokens that live, of one account and client
	testingLife = 7 * 24 * time.Hour
)

func (s *Server) newOAuth() *fakeserver.OAuth {
	return fakeserver.NewOAuth(s.Server, fakeserver.OAuthConfig{
		Users:        s.users,
		AccessTTL:    s.opts.AccessTTL,
		OpenerPolicy: s.opts.OpenerPolicy,
		// The periods that the help page on third-party access names.
		Limits: []time.Duration{30 * 24 * time.Hour, 180 * 24 * time.Hour},
		Offline: func(q url.Values, _ []string) bool {
			return q.Get("access_type") == "offline"
		},
		RefreshOnConsent: true,
		IncludeGranted:   true,
		RevokeAll:        true,
		MaxRefresh:       maxRefresh,
		Inactivity:       s.opts.RefreshInactivity,
		Life: func(g Grant) time.Duration {
			if s.opts.Testing && slices.ContainsFunc(g.Scopes, beyondSignIn) {
				return testingLife
			}
			return 0
		},
		Refuse: func(r *http.Request, g Grant) fakeserver.TokenError {
			s.mu.Lock()
			defer s.mu.Unlock()
			if r.PostForm.Get("grant_type") == "refresh_token" && s.reauth[g.User] {
				return badRapt
			}
			return ""
		},
		Extra:   map[string]fakeserver.ExtraGrant{assertionGrant: {Anonymous: true, Grant: s.assert}},
		Echo:    echoScopes,
		IDToken: s.idToken,
		Error:   tokenError,
	})
}

func echoScopes(scopes []string) []string {
	out := slices.Clone(scopes)
	for i, scope := range out {
		switch scope {
		case "email":
			out[i] = scopeEmail
		case "profile":
			out[i] = scopeProfile
		}
	}
	return out
}

// beyondSignIn reports whether a scope asks for more than who the user is.
func beyondSignIn(scope string) bool {
	return !slices.Contains([]string{"openid", "email", "profile", scopeEmail, scopeProfile}, scope)
}

// EndReason is why Google ended a grant: see [Server.EndGrant].
type EndReason string

// The reasons. Google tells hardly any of them apart: what it answers to a
// refresh, as developers saw it, stands behind each (invalid_grant, unless
// another error is named).
const (
	EndRevoked  EndReason = "revoked"  // "Token has been expired or revoked."
	EndPassword EndReason = "password" // the same
	EndInactive EndReason = "inactive" // the same
	EndDisabled EndReason = "disabled" // the same
	EndUnclear  EndReason = "unclear"  // "Bad Request", which was seen for all of them
	EndDeleted  EndReason = "deleted"  // "Account has been deleted"
	EndReauth   EndReason = "reauth"   // "reauth related error (invalid_rapt)", error_subtype invalid_rapt
	EndPolicy   EndReason = "policy"   // admin_policy_enforced
)

const badRapt = fakeserver.TokenError(EndReauth)

// EndGrant ends all grants of a user, with access tokens that are out. Refreshes
// are refused from then on. A later consent works: whatever was wrong counts as
// mended.
func (s *Server) EndGrant(user string, why EndReason) {
	s.OAuth.EndUser(s.mustFind(user).user.Address, fakeserver.TokenError(why))
}

// ClientFault is what is wrong with an OAuth client: see [Server.SetClientFault].
type ClientFault string

// The faults.
const (
	ClientFine    ClientFault = ""
	ClientSecret  ClientFault = "client_secret"  // invalid_client "Unauthorized"
	ClientUnknown ClientFault = "client_unknown" // invalid_client "The OAuth client was not found."
	ClientDeleted ClientFault = "client_deleted" // deleted_client "The OAuth client was deleted."
)

// SetClientFault refuses every token request of a client. ClientFine ends it.
func (s *Server) SetClientFault(clientID string, f ClientFault) {
	s.OAuth.SetClientFault(clientID, fakeserver.TokenError(f))
}

// refusal is how the token endpoint words a refusal.
type refusal struct {
	status                     int
	code, description, subtype string
}

func refusalOf(kind fakeserver.TokenError) refusal {
	const expired = "Token has been expired or revoked."
	switch kind {
	case fakeserver.BadClient, fakeserver.TokenError(ClientSecret):
		return refusal{http.StatusUnauthorized, "invalid_client", "Unauthorized", ""}
	case fakeserver.TokenError(ClientUnknown):
		return refusal{http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.", ""}
	case fakeserver.TokenError(ClientDeleted):
		return refusal{http.StatusUnauthorized, "deleted_client", "The OAuth client was deleted.", ""}
	case fakeserver.BadCode:
		return refusal{400, "invalid_grant", "Malformed auth code.", ""}
	case fakeserver.BadVerifier:
		return refusal{400, "invalid_grant", "Invalid code verifier.", ""}
	case fakeserver.BadRefresh, fakeserver.Inactive, fakeserver.TokenError(EndRevoked),
		fakeserver.TokenError(EndPassword), fakeserver.TokenError(EndDisabled):
		return refusal{400, "invalid_grant", expired, ""}
	case fakeserver.TokenError(EndUnclear):
		return refusal{400, "invalid_grant", "Bad Request", ""}
	case fakeserver.TokenError(EndDeleted):
		return refusal{400, "invalid_grant", "Account has been deleted", ""}
	case badRapt:
		return refusal{400, "invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt"}
	case fakeserver.TokenError(EndPolicy):
		return refusal{400, "admin_policy_enforced", "The administrator of this account does not allow the app.", ""}
	case badAssertion:
		return refusal{400, "invalid_request", "Bad Request", ""}
	case noAccount:
		return refusal{400, "invalid_grant", "Invalid grant: account not found", ""}
	case badJWT:
		return refusal{400, "invalid_grant", "Invalid JWT Signature.", ""}
	case badAudience:
		return refusal{400, "invalid_grant", "Invalid JWT: Failed audience check.", ""}
	case badJWTTime:
		return refusal{400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. " +
			"Check your iat and exp values in the JWT claim.", ""}
	case noSubject:
		return refusal{400, "invalid_grant", "Invalid email or User ID", ""}
	case notDelegated:
		return refusal{http.StatusUnauthorized, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, " +
			"or client not authorized for any of the scopes requested.", ""}
	case partDelegated:
		return refusal{http.StatusForbidden, "access_denied", "Requested client not authorized.", ""}
	case noScope:
		return refusal{400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.", ""}
	case fakeserver.BadToken:
		return refusal{400, "invalid_token", "Token expired or revoked", ""}
	case fakeserver.BadScope:
		return refusal{400, "invalid_scope", "Some requested scopes were invalid.", ""}
	default:
		return refusal{400, "invalid_request", "Bad Request", ""}
	}
}

// tokenError writes a refusal of the token endpoint as Google words it.
func tokenError(w http.ResponseWriter, kind fakeserver.TokenError) {
	r := refusalOf(kind)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(r.status)
	json.NewEncoder(w).Encode(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
		Subtype     string `json:"error_subtype,omitempty"`
	}{r.code, r.description, r.subtype})
}

// idToken returns what an ID token says
// (developers.google.com/identity/openid-connect/openid-connect, read 2026-11).
func (s *Server) idToken(g Grant) map[string]any {
	claims := map[string]any{"iss": s.URL(), "azp": g.Client}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.find(g.User); b != nil {
		b.identify(claims, &g)
	}
	return claims
}

// identify adds who the user is, as far as the scopes allow it.
func (b *box) identify(claims map[string]any, g *Grant) {
	u := b.user
	claims["sub"] = u.Subject
	if u.HostedDomain != "" {
		claims["hd"] = u.HostedDomain
	}
	if g.Has("email", scopeEmail) {
		claims["email"], claims["email_verified"] = u.Address, true
	}
	if g.Has("profile", scopeProfile) {
		claims["name"] = u.Name
	}
}

// userinfo answers the OpenID Connect userinfo endpoint.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	grant := s.OAuth.Bearer(r)
	if grant == nil || !grant.Has("openid", "email", scopeEmail) {
		w.Header().Set("Www-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]string{
			"error": "invalid_request", "error_description": "Invalid Credentials",
		})
		return
	}
	s.mu.Lock()
	b := s.byAddr[strings.ToLower(grant.User)]
	s.mu.Unlock()
	if b == nil {
		writePage(w, http.StatusNotFound, "There is no such user.")
		return
	}
	info := map[string]any{}
	b.identify(info, grant)
	writeJSON(w, http.StatusOK, info)
}
