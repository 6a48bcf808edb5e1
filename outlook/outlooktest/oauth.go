package outlooktest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// graphScope is the resource that short scope names belong to.
const graphScope = "https://graph.microsoft.com/"

// refreshLife is how long a refresh token lives that was not used
// (learn.microsoft.com/entra/identity-platform/refresh-tokens, read 2026-11).
const refreshLife = 90 * 24 * time.Hour

func (s *Server) newOAuth() *fakeserver.OAuth {
	return fakeserver.NewOAuth(s.Server, fakeserver.OAuthConfig{
		Users: s.signIns, Offline: hasOffline, Echo: echoScopes,
		OpenerPolicy: s.options.OpenerPolicy, Admit: s.admit, Denied: describe(codeDeclined),
		Rotate: true, Reuse: s.options.RefreshReuse, Inactivity: s.options.RefreshInactivity,
		Refuse: s.refuse, Widen: s.consented, IDToken: s.idToken, Error: s.writeTokenError,
		Extra: map[string]fakeserver.ExtraGrant{"client_credentials": {Grant: s.appGrant}},
	})
}

// shortScope spells a scope without its resource: both forms are equal.
func shortScope(s string) string { return strings.TrimPrefix(s, graphScope) }

// hasOffline: a refresh token is only issued for offline_access.
func hasOffline(_ url.Values, scopes []string) bool { return slices.Contains(scopes, "offline_access") }

// echoScopes: the token response does not name offline_access.
func echoScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "offline_access" })
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authority(r.URL.Path); !ok {
		unknownTenant(w)
		return
	}
	s.OAuth.Authorize(w, r)
}

func (s *Server) keys(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authority(r.URL.Path); !ok {
		unknownTenant(w)
		return
	}
	s.OAuth.Keys(w, r)
}

// token serves the token endpoint and notes the claims a token was asked for with.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	authority, ok := s.authority(r.URL.Path)
	answer := &tokenAnswer{status: http.StatusOK, header: http.Header{}, personal: authority == msaAccount}
	var claims string
	if !ok {
		s.writeTokenError(answer, codeTenant)
	} else {
		if r.ParseForm() == nil {
			claims = r.PostForm.Get("claims")
		}
		s.OAuth.Token(answer, r)
	}
	if claims != "" && answer.status == http.StatusOK {
		var issued struct {
			AccessToken string `json:"access_token"`
		}
		if json.Unmarshal(answer.body.Bytes(), &issued) == nil {
			s.mu.Lock()
			s.claims[issued.AccessToken] = claims
			s.mu.Unlock()
		}
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	w.Write(answer.body.Bytes())
}

// EndReason is why Entra ended a grant, as the number it gives it: see
// [Server.EndGrant].
type EndReason string

// The reasons
// (learn.microsoft.com/entra/identity-platform/reference-error-codes, 2024-04).
const (
	EndRevoked           EndReason = "50173"  // sessions were revoked
	EndPassword          EndReason = "50133"  // the password was changed or has expired
	EndInactive          EndReason = "700082" // not used for 90 days
	EndSignInFrequency   EndReason = "70043"  // the organisation wants a sign-in now and then
	EndMFA               EndReason = "50076"  // a second factor is wanted: suberror basic_action, with claims
	EndConditionalAccess EndReason = "53003"  // a policy forbids it
	EndBlocked           EndReason = "50057"  // the account is disabled
	EndDeleted           EndReason = "50034"  // the account is gone
	EndConsent           EndReason = "65001"  // consent was withdrawn: suberror consent_required
)

// EndGrant ends all grants of a user, with access tokens that are out. Refreshes
// are refused from then on. Personal accounts are told 70000 for whatever ends a
// grant there: EndRevoked, EndPassword, EndInactive. A later sign-in works:
// whatever was wrong counts as mended.
func (s *Server) EndGrant(user string, why EndReason) {
	var u User
	s.withBox(user, func(b *box) { u = b.user })
	kind := fakeserver.TokenError(why)
	if u.Personal && slices.Contains([]EndReason{EndRevoked, EndPassword, EndInactive}, why) {
		kind = codeGrant
	}
	s.OAuth.EndUser(u.Address, kind)
}

// ClientFault is what is wrong with an app registration: see
// [Server.SetClientFault].
type ClientFault string

// The faults.
const (
	ClientFine          ClientFault = ""
	ClientSecretExpired ClientFault = "7000222" // invalid_client
	ClientDisabled      ClientFault = "7000112" // unauthorized_client
	ClientNotFound      ClientFault = "700016"  // unauthorized_client
)

// SetClientFault refuses every token request of an app. ClientFine ends it.
func (s *Server) SetClientFault(clientID string, f ClientFault) {
	s.OAuth.SetClientFault(clientID, fakeserver.TokenError(f))
}
