package gmail

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// ruling is what a refusal means: what has to happen, and why it came to that.
type ruling struct {
	class mailbox.Class
	cause mailbox.Cause
}

// oauthCodes are the error codes of Google's authorization and token endpoints
// (developers.google.com/identity/protocols/oauth2/web-server and
// support.google.com/accounts/answer/16668185, 2026; RFC 6749, 4.1.2.1 and 5.2).
// A broken registration of the app is ClassConfig: it must not look like a lost
// grant. Google tells why a grant ended for the reauthentication of an
// organisation alone; an invalid_grant may be anything else.
var oauthCodes = map[string]ruling{
	"invalid_grant":        {mailbox.ClassReconnect, ""},
	"login_required":       {mailbox.ClassReconnect, ""},
	"interaction_required": {mailbox.ClassReconnect, ""},
	"consent_required":     {mailbox.ClassReconnect, mailbox.CauseConsent},
	"invalid_rapt":         {mailbox.ClassReconnect, mailbox.CauseSignInFrequency},
	"rapt_required":        {mailbox.ClassReconnect, mailbox.CauseSignInFrequency},

	"access_denied":         {mailbox.ClassDeclined, ""},
	"admin_policy_enforced": {mailbox.ClassAdmin, mailbox.CausePolicy},
	"access_not_configured": {mailbox.ClassAdmin, mailbox.CausePolicy},

	"invalid_client":            {mailbox.ClassConfig, mailbox.CauseAppSecret},
	"deleted_client":            {mailbox.ClassConfig, mailbox.CauseAppRegistration},
	"disabled_client":           {mailbox.ClassConfig, mailbox.CauseAppRegistration},
	"unauthorized_client":       {mailbox.ClassConfig, mailbox.CauseAppRegistration},
	"org_internal":              {mailbox.ClassConfig, mailbox.CauseAppRegistration},
	"redirect_uri_mismatch":     {mailbox.ClassConfig, mailbox.CauseAppRegistration},
	"invalid_scope":             {mailbox.ClassConfig, ""},
	"invalid_request":           {mailbox.ClassConfig, ""},
	"disallowed_useragent":      {mailbox.ClassConfig, ""},
	"unsupported_grant_type":    {mailbox.ClassConfig, ""},
	"unsupported_response_type": {mailbox.ClassConfig, ""},

	"rate_limit_exceeded":     {mailbox.ClassAppLimit, ""}, // of new users of the app
	"server_error":            {mailbox.ClassUnavailable, ""},
	"temporarily_unavailable": {mailbox.ClassUnavailable, ""},
	"internal_failure":        {mailbox.ClassUnavailable, ""},
}

// hints are descriptions that developers have seen (dust-tt/dust issue 8144,
// GAM-team/GAM issue 1171, both before 2026-11). Google documents none of them,
// so they tell a cause and never a class.
var hints = []struct {
	code, words string
	cause       mailbox.Cause
}{
	{"invalid_grant", "account has been deleted", mailbox.CauseAccountDeleted},
	{"invalid_grant", "invalid_rapt", mailbox.CauseSignInFrequency},
	{"invalid_grant", "rapt_required", mailbox.CauseSignInFrequency},
	{"invalid_client", "client was not found", mailbox.CauseAppRegistration},
}

// TokenError is a refusal of Google's OAuth server, behind errors.As. It holds
// what RFC 6749 (4.1.2.1, 5.2) defines and nothing else of the answer.
// Description is Google's text: it may hold addresses, so it is not part of Error.
type TokenError struct {
	Status      int
	Code        string // "invalid_grant"
	Subtype     string // "invalid_rapt"
	Description string
	URI         string
}

// Error implements error.
func (e *TokenError) Error() string {
	s := "gmail: OAuth refused"
	for _, word := range []string{e.Code, e.Subtype} {
		if isWord(word) {
			s += " " + word
		}
	}
	return s
}

// OAuthError classifies a refusal by Google's authorization endpoint (status 0,
// body as query string) or token endpoint. Faults of Google's own are
// ClassUnavailable or ClassThrottled, so that a mailbox stays connected over
// them. An invalid_grant has the error_subtype as its code if there is one:
// "invalid_rapt" means that the organisation wants its users to sign in again.
// See [Provider.ExplainGrant] for the causes that the refusal alone does not tell.
//
// unauthorized_client is what a service account without domain-wide delegation
// gets, too: an administrator of the domain has to allow it then.
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
		Err: &TokenError{
			Status: status, Code: string(wire.Error), Subtype: string(wire.Subtype),
			Description: string(wire.Description), URI: string(wire.URI),
		},
	}
	if isWord(string(wire.Error)) {
		e.Code = string(wire.Error)
	}
	if e.Code == "invalid_grant" && isWord(string(wire.Subtype)) {
		e.Code = string(wire.Subtype)
	}

	rule, known := oauthCodes[string(wire.Error)]
	switch {
	case status >= 500 || status == http.StatusRequestTimeout:
		rule = ruling{class: mailbox.ClassUnavailable}
	case status == http.StatusTooManyRequests:
		rule = ruling{class: mailbox.ClassThrottled}
	case known:
		var subtype mailbox.Cause
		if wire.Error == "invalid_grant" {
			subtype = oauthCodes[string(wire.Subtype)].cause
		}
		rule.cause = cmp.Or(subtype, hinted(wire.Error, wire.Description), rule.cause)
	case status == http.StatusUnauthorized:
		// The token endpoint knows no other way to be unauthorized than the client.
		rule.class = mailbox.ClassConfig
	}
	class := rule.class
	e.Class, e.Cause = class, rule.cause
	if class == mailbox.ClassThrottled || class == mailbox.ClassUnavailable {
		wait, _, _ := quota.ParseRetryAfter(header, body, time.Now())
		e.RetryAfter = min(max(wait, 0), mailbox.MaxRetryAfter)
	}
	if class == mailbox.ClassThrottled || class == mailbox.ClassAppLimit {
		e.Scope = mailbox.ScopeApp
	}
	return e
}

// hinted returns the cause that a description speaks of, if any.
func hinted(code, description flexString) mailbox.Cause {
	text := strings.ToLower(string(description))
	for _, h := range hints {
		if h.code == string(code) && strings.Contains(text, h.words) {
			return h.cause
		}
	}
	return ""
}
