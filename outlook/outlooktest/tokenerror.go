package outlooktest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// Refusals by the number that Entra gives them
// (learn.microsoft.com/entra/identity-platform/reference-error-codes, 2024-04).
const (
	codeForeign       fakeserver.TokenError = "50020"
	codeNoUser        fakeserver.TokenError = "50034"
	codeNoTenantNamed fakeserver.TokenError = "50059"
	codeLoginRequired fakeserver.TokenError = "50058"
	codeConsent       fakeserver.TokenError = "65001"
	codeDeclined      fakeserver.TokenError = "65004"
	codeGrant         fakeserver.TokenError = "70000"
	codeNotAdmin      fakeserver.TokenError = "90093"
	codeAdminConsent  fakeserver.TokenError = "90094"
	codeAskAdmin      fakeserver.TokenError = "90095"
	codeTenant        fakeserver.TokenError = "90002"
	codeAccountType   fakeserver.TokenError = "500208"
	codeInactive      fakeserver.TokenError = "700082"
	codeOtherTenant   fakeserver.TokenError = "700005"
	codeNoApp         fakeserver.TokenError = "700016"
	codeParameter     fakeserver.TokenError = "900144"
	codeConsumers     fakeserver.TokenError = "9002331"
	codeDefaultScope  fakeserver.TokenError = "1002012"
)

// tokenRefusal is how the token endpoint answers a refusal.
type tokenRefusal struct {
	status   int
	err      string
	text     string
	suberror string
	claims   string
}

// mfaClaims is the claims request that comes with a demand for a second factor:
// the next sign-in has to carry it.
const mfaClaims = `{"access_token":{"capolids":{"essential":true,"values":["00000000-0000-0000-0000-00000000ca01"]}}}`

func grantEnded(text, suberror string) tokenRefusal {
	return tokenRefusal{http.StatusBadRequest, "invalid_grant", text, suberror, ""}
}

// refusals words every refusal. Texts are those of the reference page and of
// reports; nobody may rely on them, nor on the numbers.
var refusals = map[fakeserver.TokenError]tokenRefusal{
	"7000215": {http.StatusUnauthorized, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.", "", ""},
	"7000222": {http.StatusUnauthorized, "invalid_client", "The provided client secret keys are expired.", "", ""},
	"7000112": {http.StatusBadRequest, "unauthorized_client", "Application is disabled.", "", ""},
	codeNoApp: {http.StatusBadRequest, "unauthorized_client", "Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.", "", ""},

	"54005":         grantEnded("OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.", ""),
	"501481":        grantEnded("The Code_Verifier does not match the code_challenge supplied in the authorization request.", ""),
	codeOtherTenant: grantEnded("The provided Authorization Code is intended to be used against another tenant, thus rejected. OAuth2 Authorization Code must be redeemed against same tenant it was acquired for.", ""),

	codeForeign:  grantEnded("User account does not exist in the tenant and cannot access the application in that tenant. The account needs to be added as an external user in the tenant first.", ""),
	codeNoUser:   grantEnded("The user account does not exist in the directory. To sign into this application, the account must be added to the directory.", ""),
	"50057":      grantEnded("The user account is disabled.", ""),
	"50076":      {http.StatusBadRequest, "invalid_grant", "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.", "basic_action", mfaClaims},
	"50133":      grantEnded("The session is not valid due to password expiration or recent password change.", ""),
	"50173":      grantEnded("The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.", ""),
	"53003":      grantEnded("Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.", "message_only"),
	codeConsent:  grantEnded("The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.", "consent_required"),
	codeGrant:    grantEnded("The user could not be authenticated as the grant is expired. The user must sign in again.", "bad_token"),
	"70043":      grantEnded("The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access.", "token_expired"),
	codeInactive: grantEnded("The refresh token has expired due to inactivity.", "token_expired"),

	codeNoTenantNamed: {http.StatusBadRequest, "invalid_request", "No tenant-identifying information found in either the request or implied by any provided credentials.", "", ""},
	codeTenant:        {http.StatusBadRequest, "invalid_request", "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", "", ""},
	codeParameter:     {http.StatusBadRequest, "invalid_request", "The request body must contain the required parameters.", "", ""},
	codeConsumers:     {http.StatusBadRequest, "invalid_request", "Application is configured for use by Microsoft Account users only. Please use the /consumers endpoint to serve this request.", "", ""},
	codeDefaultScope:  {http.StatusBadRequest, "invalid_scope", "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", "", ""},

	// Told on pages and redirects only.
	codeAccountType:   {text: "The domain is not a valid login domain for the account type."},
	codeLoginRequired: {text: "Session information is not sufficient for single-sign-on."},
	codeDeclined:      {text: "User declined to consent to access the app."},
	codeNotAdmin:      {text: "This operation can only be performed by an administrator. Sign out and sign in as an administrator or contact one of your organization's administrators."},
	codeAdminConsent:  {text: "The app needs permission to access resources in your organization that only an admin can grant. Ask an admin to grant permission to this app before you can use it."},
	codeAskAdmin:      {text: "The app needs permission to access resources in your organization that only an admin can grant. Request approval from an admin."},
}

// numbers are the refusals that every OAuth server knows.
var numbers = map[fakeserver.TokenError]fakeserver.TokenError{
	fakeserver.BadClient:   "7000215",
	fakeserver.BadCode:     "54005",
	fakeserver.BadVerifier: "501481",
	fakeserver.BadRefresh:  "50173",
	fakeserver.Inactive:    codeInactive,
	fakeserver.BadScope:    codeConsent,
	fakeserver.BadRequest:  codeParameter,
}

// describe is an error_description without the trace.
func describe(code fakeserver.TokenError) string {
	return "AADSTS" + string(code) + ": " + refusals[code].text
}

// tokenAnswer carries what the error callback has to know of the request.
type tokenAnswer struct {
	status   int
	header   http.Header
	body     bytes.Buffer
	personal bool // at the authority of personal accounts
}

func (t *tokenAnswer) Header() http.Header         { return t.header }
func (t *tokenAnswer) WriteHeader(status int)      { t.status = status }
func (t *tokenAnswer) Write(p []byte) (int, error) { return t.body.Write(p) }

// tokenError is the error envelope of Entra.
type tokenError struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
	Suberror      string `json:"suberror,omitempty"`
	Claims        string `json:"claims,omitempty"`
}

// writeTokenError writes a refusal as Entra does. Grants that ended are told
// differently at the authority of personal accounts.
func (s *Server) writeTokenError(w http.ResponseWriter, kind fakeserver.TokenError) {
	code := kind
	if number, ok := numbers[kind]; ok {
		code = number
	}
	if t, ok := w.(*tokenAnswer); ok && t.personal && (kind == fakeserver.BadRefresh || kind == fakeserver.Inactive) {
		code = codeGrant
	}
	r := refusals[code]
	number, _ := strconv.Atoi(string(code))
	now := s.now().Format("2006-01-02 15:04:05Z")
	trace, correlation := newGUID(), newGUID()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(r.status)
	json.NewEncoder(w).Encode(tokenError{
		Error: r.err,
		Description: describe(code) + " Trace ID: " + trace +
			" Correlation ID: " + correlation + " Timestamp: " + now,
		Codes: []int{number}, Timestamp: now, TraceID: trace, CorrelationID: correlation,
		URI: "https://login.microsoftonline.com/error?code=" + string(code), Suberror: r.suberror, Claims: r.claims,
	})
}
