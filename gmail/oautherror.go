package gmail

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// oauthClasses are the error codes of Google's authorization and token
// endpoints (developers.google.com/identity/protocols/oauth2/web-server and
// support.google.com/accounts/answer/16668185, 2026; RFC 6749, 4.1.2.1 and 5.2).
// A broken registration of the app is ClassConfig: it must not look like a lost
// grant.
func oauthClass(code string) (mailbox.Class, bool) {
	switch code {
	case "invalid_grant", "invalid_rapt", "rapt_required", "login_required", "interaction_required", "consent_required":
		return mailbox.ClassReconnect, true
	case "access_denied":
		return mailbox.ClassDeclined, true
	case "admin_policy_enforced", "access_not_configured":
		return mailbox.ClassAdmin, true
	case "invalid_client", "deleted_client", "disabled_client", "unauthorized_client", "invalid_scope", "org_internal",
		"redirect_uri_mismatch", "invalid_request", "disallowed_useragent", "unsupported_grant_type",
		"unsupported_response_type":
		return mailbox.ClassConfig, true
	case "rate_limit_exceeded":
		return mailbox.ClassAppLimit, true // of new users of the app
	case "server_error", "temporarily_unavailable", "internal_failure":
		return mailbox.ClassUnavailable, true
	default:
		return mailbox.ClassUnknown, false
	}
}

// OAuthError classifies a refusal by Google's authorization endpoint (status 0,
// body as query string) or token endpoint. Faults of Google's own are
// ClassUnavailable or ClassThrottled, so that a mailbox stays connected over
// them. An invalid_grant has the error_subtype as its code if there is one:
// "invalid_rapt" means that the organisation wants its users to sign in again.
func (p *Provider) OAuthError(status int, header http.Header, body []byte) *mailbox.Error {
	var wire struct {
		Error       flexString `json:"error"`
		Subtype     flexString `json:"error_subtype"`
		Description flexString `json:"error_description"`
		URI         flexString `json:"error_uri"`
	}
	if status == 0 {
		query, _ := url.ParseQuery(string(body)) // what could be read counts
		wire.Error = flexString(query.Get("error"))
		wire.Subtype = flexString(query.Get("error_subtype"))
		wire.Description = flexString(query.Get("error_description"))
	} else {
		json.Unmarshal(body, &wire) // what could be read counts; HTML says nothing
	}
	e := &mailbox.Error{
		Op: "oauth", Provider: mailbox.Gmail, Status: status,
		Err: &oauth2.RetrieveError{
			Response:         &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header},
			Body:             body,
			ErrorCode:        string(wire.Error),
			ErrorDescription: string(wire.Description),
			ErrorURI:         string(wire.URI),
		},
	}
	if isWord(string(wire.Error)) {
		e.Code = string(wire.Error)
	}
	if e.Code == "invalid_grant" && isWord(string(wire.Subtype)) {
		e.Code = string(wire.Subtype)
	}

	class, known := oauthClass(string(wire.Error))
	switch {
	case status >= 500 || status == http.StatusRequestTimeout:
		class = mailbox.ClassUnavailable
	case status == http.StatusTooManyRequests:
		class = mailbox.ClassThrottled
	case known:
	case status == http.StatusUnauthorized:
		class = mailbox.ClassConfig // the token endpoint knows no other way to be unauthorized than the client
	}
	e.Class = class
	if class == mailbox.ClassThrottled || class == mailbox.ClassUnavailable {
		wait, _, _ := quota.ParseRetryAfter(header, body, time.Now())
		e.RetryAfter = min(max(wait, 0), mailbox.MaxRetryAfter)
	}
	if class == mailbox.ClassThrottled || class == mailbox.ClassAppLimit {
		e.Scope = mailbox.ScopeApp
	}
	return e
}
