package outlook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
	"github.com/mailtether/mailtether/quota"
)

// APIError is a refusal of Graph as it came, behind errors.As. Message is
// Microsoft's text: it may hold addresses, so it is not part of Error.
type APIError struct {
	Status  int
	Code    string
	Message string
	Target  string
	// InnerCodes are the codes of innerError and details, the outermost first.
	InnerCodes []string
	// RequestID, ClientRequestID and Date are what Microsoft's support asks for.
	RequestID, ClientRequestID, Date string
}

// Error implements error.
func (e *APIError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("outlook: Graph answered HTTP %d", e.Status)
	}
	return fmt.Sprintf("outlook: Graph answered HTTP %d, %s", e.Status, e.Code)
}

// parseAPIError reads the error envelope of Graph. Anything else, HTML
// included, gives an error without a code. Codes are cut at 100 bytes.
func parseAPIError(status int, h http.Header, body []byte) *APIError {
	var envelope struct {
		Error struct {
			Code, Message, Target text
			Details               list[struct{ Code text }]
			InnerError            inner
		}
	}
	_ = json.Unmarshal(body, &envelope) // what could be read is there
	e := envelope.Error
	api := &APIError{
		Status: status, Code: code(e.Code), Message: string(e.Message), Target: string(e.Target),
		RequestID: string(e.InnerError.RequestID), ClientRequestID: string(e.InnerError.ClientRequestID),
		Date: string(e.InnerError.Date),
	}
	for _, c := range []text{e.InnerError.Code, e.InnerError.InnerError.Code} {
		if c := code(c); c != "" {
			api.InnerCodes = append(api.InnerCodes, c)
		}
	}
	for _, d := range e.Details {
		if c := code(d.Code); c != "" {
			api.InnerCodes = append(api.InnerCodes, c)
		}
	}
	api.RequestID = cmp.Or(api.RequestID, clip(h.Get("request-id")))
	api.ClientRequestID = cmp.Or(api.ClientRequestID, clip(h.Get("client-request-id")))
	api.Date = cmp.Or(api.Date, h.Get("Date"))
	return api
}

// inner is innerError, which may hold another one.
type inner struct {
	Code, Date      text
	RequestID       text `json:"request-id"`
	ClientRequestID text `json:"client-request-id"`
	InnerError      struct{ Code text }
}

// text is a string that may come as null or as another type, which reads as "".
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// list is an array that may come as null or as another type, which reads as
// empty.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	var all []T
	if json.Unmarshal(b, &all) == nil {
		*l = all
	}
	return nil
}

// code keeps what can be a code: error texts print it.
func code(t text) string {
	s := clip(string(t))
	if strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return ""
	}
	return s
}

func clip(s string) string { return s[:min(len(s), 100)] }

// refusal classifies an answer of Graph that is not 2xx: by its code first,
// since the same cause comes with several statuses, and by the status when no
// code is known.
func (p *Provider) refusal(a gate.Answer) *mailbox.Error {
	api := parseAPIError(a.Status, a.Header, a.Body)
	class, name := api.classify()
	e := &mailbox.Error{Class: class, Code: name, RequestID: api.RequestID, Err: api}
	switch class {
	case mailbox.ClassThrottled, mailbox.ClassUnavailable, mailbox.ClassSendLimit:
		wait, scope, _ := quota.ParseRetryAfter(a.Header, a.Body, time.Now())
		e.RetryAfter = wait
		if class != mailbox.ClassUnavailable {
			e.Scope = scope
		}
		if class == mailbox.ClassSendLimit {
			e.Scope = mailbox.ScopeSending
		}
	case mailbox.ClassReconnect:
		e.Claims = gate.Claims(a.Header)
	case mailbox.ClassConsent:
		e.Cause = mailbox.CauseConsent
	case mailbox.ClassNoMailbox:
		if strings.HasSuffix(strings.ToLower(name), "forrestapi") {
			e.Cause = mailbox.CauseNoLicense
		}
	case mailbox.ClassInvalid:
		if a.Call.Method == graph.MethodSubscribe && strings.EqualFold(name, "ExtensionError") {
			// Outlook refused or was too slow (microsoft-graph-devx-api issue 126).
			e.Class = mailbox.ClassUnavailable
		}
	}
	if a.Call.Method == graph.MethodSend || a.Call.Method == graph.MethodSendMail {
		e.Outcome = p.sendOutcome(a, class, name)
		if strings.EqualFold(name, "ErrorNonExistentMailbox") {
			// Seen in passing on drafts of mailboxes that exist, and cured by waiting
			// (microsoft-graph-docs-contrib issue 8823).
			e.Class, e.Outcome = mailbox.ClassUnavailable, mailbox.OutcomeNotSent
		}
	}
	return e
}

// sendOutcome tells whether a refused send may have taken effect. Zero leaves
// it to the gate: refused below 500, unknown from there on.
func (p *Provider) sendOutcome(a gate.Answer, class mailbox.Class, name string) mailbox.Outcome {
	draft := a.Call.Method == graph.MethodSend
	switch {
	case a.Status == http.StatusRequestTimeout:
		return mailbox.OutcomeUnknown
	case draft && class == mailbox.ClassNotFound:
		return mailbox.OutcomeUnknown // on its way, or sent or deleted by the user: the draft tells
	case class == mailbox.ClassThrottled && (draft || p.config.DoubtThrottled):
		// Reported together with delivered mail (Microsoft Q&A 5629476, 2025-11).
		return mailbox.OutcomeUnknown
	case strings.EqualFold(name, "UnknownError"), strings.EqualFold(name, "ErrorMessageTimeout"),
		strings.EqualFold(name, "ErrorInternalServerError"), strings.EqualFold(name, "ErrorTimeoutExpired"):
		return mailbox.OutcomeUnknown
	default:
		return mailbox.OutcomeNone
	}
}

// classify returns the class and the code that decided.
func (e *APIError) classify() (mailbox.Class, string) {
	for _, c := range append([]string{e.Code}, e.InnerCodes...) {
		if class, ok := codes[strings.ToLower(c)]; ok {
			return class, c
		}
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		return mailbox.ClassReconnect, e.Code
	case e.Status == http.StatusNotFound:
		return mailbox.ClassNotFound, e.Code
	case e.Status == http.StatusConflict, e.Status == http.StatusPreconditionFailed:
		return mailbox.ClassConflict, e.Code
	case e.Status == http.StatusGone:
		return mailbox.ClassCursorLost, e.Code
	case e.Status == http.StatusTooManyRequests:
		return mailbox.ClassThrottled, e.Code
	case e.Status == http.StatusRequestTimeout, e.Status >= 500 && e.Status != http.StatusNotImplemented:
		return mailbox.ClassUnavailable, e.Code
	case e.Status == http.StatusBadRequest, e.Status == http.StatusRequestEntityTooLarge,
		e.Status == http.StatusUnsupportedMediaType, e.Status == http.StatusUnprocessableEntity:
		return mailbox.ClassInvalid, e.Code
	default:
		return mailbox.ClassUnknown, e.Code
	}
}

// codes are those of Graph and of Exchange behind it, in lower case: their
// spelling varies. Collected 2026-11 from Microsoft's documentation, its Outlook
// client and public reports; Microsoft publishes no complete list.
var codes = map[string]mailbox.Class{
	"invalidauthenticationtoken":        mailbox.ClassReconnect,
	"invalidauthenticationtokenexpired": mailbox.ClassReconnect,

	"erroraccessdenied":           mailbox.ClassConsent,
	"authorization_requestdenied": mailbox.ClassConsent,
	"accessdenied":                mailbox.ClassConsent,
	"errorsendasdenied":           mailbox.ClassSender,

	"erroritemnotfound":         mailbox.ClassNotFound,
	"errorcannotdeleteobject":   mailbox.ClassNotFound, // a deleted immutable id (msgraph-sdk-dotnet issue 3047, 2025-12)
	"errorinvalididmalformed":   mailbox.ClassNotFound, // an id of another mailbox or flavour
	"errorinvalidmailboxitemid": mailbox.ClassNotFound,
	"errorirresolvableconflict": mailbox.ClassConflict,

	"errorquotaexceeded": mailbox.ClassMailboxFull,

	"errorexceededmessagelimit":                      mailbox.ClassSendLimit,
	"errorexceededhourlymessagelimit":                mailbox.ClassSendLimit,
	"errorexceededmaxrecipientlimit":                 mailbox.ClassSendLimit,
	"errorsubmissionquotaexceeded":                   mailbox.ClassSendLimit,
	"errorexceededmessagelimitshowtierupgrade":       mailbox.ClassSendLimit,
	"errorexceededhourlymessagelimitshowtierupgrade": mailbox.ClassSendLimit,
	"errorexceededmaxrecipientlimitshowtierupgrade":  mailbox.ClassSendLimit,
	"errormessagesubmissionblocked":                  mailbox.ClassSendBlocked,
	"errormessageblocked":                            mailbox.ClassSendBlocked,
	"erroraccountsuspend":                            mailbox.ClassSendBlocked,
	"erroraccountsuspendshowtierupgrade":             mailbox.ClassSendBlocked,

	"mailboxnotenabledforrestapi":   mailbox.ClassNoMailbox,
	"mailboxnotsupportedforrestapi": mailbox.ClassNoMailbox,
	"errornonexistentmailbox":       mailbox.ClassNoMailbox,
	"resourcenotfound":              mailbox.ClassNoMailbox,
	"errorinvaliduser":              mailbox.ClassNoMailbox,

	"applicationthrottled":           mailbox.ClassThrottled,
	"toomanyrequests":                mailbox.ClassThrottled,
	"activitylimitreached":           mailbox.ClassThrottled,
	"commandconcurrencylimitreached": mailbox.ClassThrottled,
	"errortoomanyobjectsopened":      mailbox.ClassThrottled,
	"errormessagethrottled":          mailbox.ClassThrottled,

	"errormailboxmoveinprogress":        mailbox.ClassUnavailable,
	"mailboxstoreunavailable":           mailbox.ClassUnavailable,
	"errormailboxstoreunavailable":      mailbox.ClassUnavailable,
	"errorserverbusy":                   mailbox.ClassUnavailable,
	"errorinternalservererror":          mailbox.ClassUnavailable,
	"errorinternalservertransienterror": mailbox.ClassUnavailable,
	"errortimeoutexpired":               mailbox.ClassUnavailable,
	"errormessagetransienterror":        mailbox.ClassUnavailable,
	"errormessagetimeout":               mailbox.ClassUnavailable,
	"errorapiquarantined":               mailbox.ClassUnavailable,
	"unknownerror":                      mailbox.ClassUnavailable,

	"errormessagesizeexceeded":            mailbox.ClassInvalid,
	"errorinvalidrecipients":              mailbox.ClassInvalid,
	"errormimecontentinvalidbase64string": mailbox.ClassInvalid,
	"inefficientfilter":                   mailbox.ClassInvalid,
	"errorrestrictiontoocomplex":          mailbox.ClassInvalid,
	"invalidinternetmessageheader":        mailbox.ClassInvalid,

	"syncstatenotfound": mailbox.ClassCursorLost,
	"syncstateinvalid":  mailbox.ClassCursorLost,
	"resyncrequired":    mailbox.ClassCursorLost,
}
