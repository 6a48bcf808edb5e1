package outlooktest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// graphScope is the resource that short scope names belong to.
const graphScope = "https://graph.microsoft.com/"

// shortScope spells a scope without its resource: both forms are equal.
func shortScope(s string) string { return strings.TrimPrefix(s, graphScope) }

// hasOffline: a refresh token is only issued for offline_access.
func hasOffline(_ url.Values, scopes []string) bool { return slices.Contains(scopes, "offline_access") }

// echoScopes: the token response does not name offline_access.
func echoScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "offline_access" })
}

// tenants that an authority may name besides an id or a domain.
func validTenant(t string) bool {
	return t != "" && !strings.Contains(t, "/")
}

func tenantOf(path string) string {
	t, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/oauth2/")
	return t
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if !validTenant(tenantOf(r.URL.Path)) {
		http.NotFound(w, r)
		return
	}
	s.OAuth.Authorize(w, r)
}

// tokenAnswer carries what the error callback has to know of the request.
type tokenAnswer struct {
	status int
	header http.Header
	body   bytes.Buffer
	tenant string
}

func (t *tokenAnswer) Header() http.Header         { return t.header }
func (t *tokenAnswer) WriteHeader(status int)      { t.status = status }
func (t *tokenAnswer) Write(p []byte) (int, error) { return t.body.Write(p) }

// token serves the token endpoint and notes the claims a token was asked for with.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	answer := &tokenAnswer{status: http.StatusOK, header: http.Header{}, tenant: tenantOf(r.URL.Path)}
	var claims string
	if !validTenant(answer.tenant) {
		writeTokenError(answer, fakeserver.BadRequest)
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

// tokenError is the error envelope of Entra
// (learn.microsoft.com/entra/identity-platform/reference-error-codes, 2024-04).
type tokenError struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
	Suberror      string `json:"suberror,omitempty"`
}

type tokenRefusal struct {
	status   int
	err      string
	code     int
	text     string
	suberror string
}

// refusalOf words a refusal. Grants that ended are told differently at the
// authority of personal accounts.
func refusalOf(kind fakeserver.TokenError, tenant string) tokenRefusal {
	switch kind {
	case fakeserver.BadClient:
		return tokenRefusal{401, "invalid_client", 7000215, "Invalid client secret provided.", ""}
	case fakeserver.BadCode:
		return tokenRefusal{400, "invalid_grant", 54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.", ""}
	case fakeserver.BadVerifier:
		return tokenRefusal{400, "invalid_grant", 501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.", ""}
	case fakeserver.BadRefresh:
		if tenant == "consumers" {
			return tokenRefusal{400, "invalid_grant", 70000, "The user could not be authenticated as the grant is expired. The user must sign in again.", "bad_token"}
		}
		return tokenRefusal{400, "invalid_grant", 50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed.", ""}
	case fakeserver.BadScope:
		return tokenRefusal{400, "invalid_grant", 65001, "The user or administrator has not consented to use the application.", "consent_required"}
	default:
		return tokenRefusal{400, "invalid_request", 900144, "The request body must contain the required parameters.", ""}
	}
}

// writeTokenError writes a refusal as Entra does.
func writeTokenError(w http.ResponseWriter, kind fakeserver.TokenError) {
	tenant := ""
	if t, ok := w.(*tokenAnswer); ok {
		tenant = t.tenant
	}
	r := refusalOf(kind, tenant)
	number := strconv.Itoa(r.code)
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	trace, correlation := newGUID(), newGUID()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(r.status)
	json.NewEncoder(w).Encode(tokenError{
		Error: r.err,
		Description: "AADSTS" + number + ": " + r.text + " Trace ID: " + trace +
			" Correlation ID: " + correlation + " Timestamp: " + now,
		Codes: []int{r.code}, Timestamp: now, TraceID: trace, CorrelationID: correlation,
		URI: "https://login.microsoftonline.com/error?code=" + number, Suberror: r.suberror,
	})
}
