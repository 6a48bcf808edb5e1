package outlook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// TokenError is a refusal of the sign-in authority as it came, behind
// errors.As. Description is Microsoft's text: it may hold addresses, so it is not
// part of Error.
type TokenError struct {
	Status      int
	Code        string // "invalid_grant"
	Suberror    string // "basic_action"
	Numbers     []int  // AADSTS numbers
	Description string
	Claims      string
	// TraceID and CorrelationID are what Microsoft's support asks for.
	TraceID, CorrelationID string
}

// Error implements error.
func (e *TokenError) Error() string {
	s := "outlook: sign-in refused"
	if e.Code != "" {
		s += ": " + e.Code
	}
	if e.Suberror != "" {
		s += "/" + e.Suberror
	}
	for _, n := range e.Numbers {
		s += fmt.Sprintf(" AADSTS%d", n)
	}
	return s
}

// OAuthError turns a refusal of the authorization endpoint (status 0, body is
// the query string) or of the token endpoint into an error. Microsoft asks to
// branch on "error" alone; the AADSTS numbers behind it are hints that may
// change, and unknown ones fall back to it.
func (p *Provider) OAuthError(status int, header http.Header, body []byte) *mailbox.Error {
	t := parseTokenError(status, body)
	e := &mailbox.Error{
		Op: "sign in", Provider: mailbox.Outlook, Status: status,
		Code: t.Code, Claims: t.Claims, RequestID: t.CorrelationID, Err: t,
	}
	if len(t.Numbers) > 0 {
		e.Code = "AADSTS" + strconv.Itoa(t.Numbers[0])
	}
	e.Class = t.classify()
	switch e.Class {
	case mailbox.ClassUnavailable:
		e.RetryAfter, _, _ = quota.ParseRetryAfter(header, nil, time.Now())
	case mailbox.ClassThrottled:
		e.RetryAfter, _, _ = quota.ParseRetryAfter(header, nil, time.Now())
		e.Scope = mailbox.ScopeApp
		switch {
		case slices.Contains(t.Numbers, 50196): // a client that asks in a loop
			e.Scope = mailbox.ScopeMailbox
			e.RetryAfter = max(e.RetryAfter, 5*time.Minute)
		case slices.Contains(t.Numbers, 90055):
			e.Scope = mailbox.ScopeTenant
		}
	}
	return e
}

// parseTokenError never fails: what could be read is there.
func parseTokenError(status int, body []byte) *TokenError {
	t := &TokenError{Status: status}
	if status == 0 {
		q, _ := url.ParseQuery(string(body)) // keeps what it could read
		t.Code, t.Suberror = code(text(q.Get("error"))), code(text(q.Get("error_subcode")))
		t.Suberror = cmp.Or(t.Suberror, code(text(q.Get("suberror"))))
		t.Description, t.Claims = q.Get("error_description"), q.Get("claims")
		t.TraceID, t.CorrelationID = clip(q.Get("trace_id")), clip(q.Get("correlation_id"))
	} else {
		var j struct {
			Error, Suberror text
			Claims          text
			ErrorCodes      list[int] `json:"error_codes"`
			Description     text      `json:"error_description"`
			TraceID         text      `json:"trace_id"`
			CorrelationID   text      `json:"correlation_id"`
		}
		_ = json.Unmarshal(body, &j)
		t.Code, t.Suberror, t.Numbers = code(j.Error), code(j.Suberror), j.ErrorCodes
		t.Description, t.Claims = string(j.Description), string(j.Claims)
		t.TraceID, t.CorrelationID = clip(string(j.TraceID)), clip(string(j.CorrelationID))
	}
	t.Numbers = t.Numbers[:min(len(t.Numbers), 10)]
	if len(t.Numbers) == 0 {
		// The redirect has the number in the text alone.
		if _, rest, ok := strings.Cut(t.Description, "AADSTS"); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
			if end < 0 {
				end = len(rest)
			}
			if n, err := strconv.Atoi(rest[:min(end, 9)]); err == nil {
				t.Numbers = []int{n}
			}
		}
	}
	return t
}

func (e *TokenError) classify() mailbox.Class {
	switch {
	case e.Status >= 500:
		return mailbox.ClassUnavailable
	case e.Status == http.StatusTooManyRequests:
		return mailbox.ClassThrottled
	}
	switch e.Code {
	case "temporarily_unavailable", "server_error":
		return mailbox.ClassUnavailable
	case "invalid_client":
		return mailbox.ClassConfig // whatever else it says: no mailbox is at fault
	case "":
		return mailbox.ClassUnknown
	}
	for _, n := range e.Numbers {
		for class, numbers := range aadsts {
			if slices.Contains(numbers, n) {
				return class
			}
		}
	}
	if class, ok := suberrors[e.Suberror]; ok {
		return class
	}
	return oauthCodes[e.Code] // unknown ones are ClassUnknown
}

// suberrors: Microsoft.Identity.Client UiRequiredExceptionClassification, and
// reports for those it does not list.
var suberrors = map[string]mailbox.Class{
	"basic_action":               mailbox.ClassReconnect,
	"user_password_expired":      mailbox.ClassReconnect,
	"bad_token":                  mailbox.ClassReconnect,
	"token_expired":              mailbox.ClassReconnect,
	"additional_action":          mailbox.ClassAdmin,
	"message_only":               mailbox.ClassAdmin,
	"protection_policy_required": mailbox.ClassAdmin,
	"consent_required":           mailbox.ClassConsent,
}

// oauthCodes: RFC 6749 and the Microsoft identity platform.
var oauthCodes = map[string]mailbox.Class{
	"invalid_grant":             mailbox.ClassReconnect,
	"interaction_required":      mailbox.ClassReconnect,
	"login_required":            mailbox.ClassReconnect,
	"consent_required":          mailbox.ClassConsent,
	"access_denied":             mailbox.ClassDeclined,
	"unauthorized_client":       mailbox.ClassAdmin,
	"invalid_request":           mailbox.ClassConfig,
	"invalid_scope":             mailbox.ClassConfig,
	"invalid_resource":          mailbox.ClassConfig,
	"unsupported_grant_type":    mailbox.ClassConfig,
	"unsupported_response_type": mailbox.ClassConfig,
}

// aadsts are the numbers that tell more than "error" does (Microsoft Entra
// authentication and authorization error codes, 2024-04; 9002331, 9002332 and
// 530036 from reports).
var aadsts = map[mailbox.Class][]int{
	mailbox.ClassReconnect: {
		50053, 50055, 50056, 50058, 50072, 50074, 50076, 50078, 50079, 50085, 50089, 50126, 50132, 50133, 50139,
		50144, 50158, 50173, 70000, 70008, 70043, 700082, 700084,
	},
	mailbox.ClassAdmin: {
		50057, 50097, 50105, 50129, 50131, 50177, 50178, 53000, 53001, 53003, 53011, 530032, 530034, 530035,
		70001, 700016, 7000112, 90093, 90094, 90095,
	},
	mailbox.ClassConfig: {
		28002, 50194, 65005, 650056, 650057, 70002, 70011, 700027, 7000215, 7000222, 90014, 90038, 900144, 900561,
		530036, 9002313, 9002331, 9002332,
	},
	mailbox.ClassWrongAccount: {16000, 50014, 50020, 50034, 500208, 51004, 90072},
	mailbox.ClassBadCallback:  {54005, 501481, 700005},
	mailbox.ClassUnavailable:  {50033, 50087, 70012, 90012, 90024, 90033, 90090},
	mailbox.ClassThrottled:    {50196, 90055},
	mailbox.ClassConsent:      {65001},
	mailbox.ClassDeclined:     {65004},
	mailbox.ClassNoMailbox:    {650052},
	mailbox.ClassUnknown:      {90036, 90092}, // directory trouble that only Microsoft's support can end
}
