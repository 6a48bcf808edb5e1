package gmailtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// Google spells the short sign-in scopes out when it tells what was granted.
const (
	scopeEmail   = "https://www.googleapis.com/auth/userinfo.email"
	scopeProfile = "https://www.googleapis.com/auth/userinfo.profile"
)

// maxRefresh is how many refresh tokens of one account and client live
// (developers.google.com/identity/protocols/oauth2, read 2026-11-20).
const maxRefresh = 100

// badRapt refuses a refresh because the organisation asks for a new sign-in.
const badRapt fakeserver.TokenError = "invalid_rapt"

func (s *Server) newOAuth() *fakeserver.OAuth {
	return fakeserver.NewOAuth(s.Server, fakeserver.OAuthConfig{
		Users:     s.users,
		AccessTTL: s.opts.AccessTTL,
		Offline: func(q url.Values, _ []string) bool {
			return q.Get("access_type") == "offline"
		},
		RefreshOnConsent: true,
		IncludeGranted:   true,
		RevokeAll:        true,
		MaxRefresh:       maxRefresh,
		Refuse: func(g Grant) fakeserver.TokenError {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.reauth[g.User] {
				return badRapt
			}
			return ""
		},
		Echo: func(scopes []string) []string {
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
		},
		Error: tokenError,
	})
}

// tokenError writes a refusal of the token endpoint as Google words it.
func tokenError(w http.ResponseWriter, kind fakeserver.TokenError) {
	status, code, description, subtype := http.StatusBadRequest, "invalid_request", "Bad Request", ""
	switch kind {
	case fakeserver.BadClient:
		status, code, description = http.StatusUnauthorized, "invalid_client", "Unauthorized"
	case fakeserver.BadCode:
		code, description = "invalid_grant", "Malformed auth code."
	case fakeserver.BadVerifier:
		code, description = "invalid_grant", "Invalid code verifier."
	case fakeserver.BadRefresh:
		code, description = "invalid_grant", "Token has been expired or revoked."
	case badRapt:
		code, description, subtype = "invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt"
	case fakeserver.BadToken:
		code, description = "invalid_token", "Token expired or revoked"
	case fakeserver.BadScope:
		code, description = "invalid_scope", "Some requested scopes were invalid."
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
		Subtype     string `json:"error_subtype,omitempty"`
	}{code, description, subtype})
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
	u := b.user
	info := map[string]any{"sub": u.Subject}
	if grant.Has("email", scopeEmail) {
		info["email"], info["email_verified"] = u.Address, true
		if u.HostedDomain != "" {
			info["hd"] = u.HostedDomain
		}
	}
	if grant.Has("profile", scopeProfile) {
		info["name"] = u.Name
	}
	writeJSON(w, http.StatusOK, info)
}
