package gmail

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// refusal classifies an answer of the Gmail API that is not 2xx. Google uses 403
// and 429 for the same limits, and 400 for mailboxes that do not exist, so the
// reason and the message decide before the status does. The reasons are those
// of developers.google.com/workspace/gmail/api/guides/handle-errors (2026) and
// of published answers.
func refusal(a gate.Answer) *mailbox.Error {
	w := parseRefusal(a.Body)
	native := googleapi.CheckResponseWithBody(&http.Response{StatusCode: a.Status, Header: a.Header}, a.Body)
	e := &mailbox.Error{Code: w.code(), Err: native}

	limited := func(class mailbox.Class) *mailbox.Error {
		e.Class = class
		e.RetryAfter, e.Scope, _ = quota.ParseRetryAfter(a.Header, a.Body, time.Now())
		if e.Scope == mailbox.ScopeSending && class == mailbox.ClassThrottled {
			e.Class = mailbox.ClassSendLimit
		}
		return e
	}
	of := func(class mailbox.Class) *mailbox.Error {
		e.Class = class
		return e
	}
	field := func(field, limit, problem string) *mailbox.Error {
		e.Err = errors.Join(&mailbox.FieldError{Field: field, Limit: limit, Problem: problem}, native)
		return of(mailbox.ClassInvalid)
	}

	switch {
	case w.says("mail service not enabled"):
		e.Cause = mailbox.CauseNoLicense
		return of(mailbox.ClassNoMailbox)
	case w.says("precondition check failed"):
		// A passing fault for the tokens of users
		// (googleapis/google-api-php-client issue 2558).
		return of(mailbox.ClassUnavailable)
	case w.says("delegation denied"):
		return field("user id", me, "is not the mailbox of the token")
	case w.says("metadata scope"), w.has("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
		w.says("insufficient authentication scopes"):
		e.Cause = mailbox.CauseConsent
		return of(mailbox.ClassConsent)
	case w.has("accessNotConfigured", "SERVICE_DISABLED"),
		w.says("topicname"), w.says("cloud pubsub"):
		return of(mailbox.ClassConfig)
	case w.has("domainPolicy"):
		e.Cause = mailbox.CausePolicy
		return of(mailbox.ClassAdmin)
	case w.has("dailyLimitExceeded"), w.says("daily limit exceeded"), w.has("quotaExceeded") && !w.says("per minute"):
		limited(mailbox.ClassAppLimit).Scope = mailbox.ScopeApp
		return e
	case w.has("userRateLimitExceeded", "rateLimitExceeded", "quotaExceeded", "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
		a.Status == http.StatusTooManyRequests:
		return limited(mailbox.ClassThrottled)
	case w.says("only one user push notification client"):
		return of(mailbox.ClassConflict)
	case w.says("payload size exceeds"), w.says("'raw' rfc822 payload"), w.has("uploadTooLarge"),
		a.Status == http.StatusRequestEntityTooLarge:
		return field("message size", sizeLimit, "was refused")
	case w.says("recipient address required"):
		return field("to", "at least one recipient", "was refused")
	case w.says("invalid to header"), w.says("invalid cc header"), w.says("invalid bcc header"), w.says("invalid from header"):
		_, rest, _ := strings.Cut(w.text, "invalid ")
		name, _, _ := strings.Cut(rest, " ")
		return field(name, "addresses as in RFC 5322, 3.4", "was refused")
	case w.says("invalid pagetoken"), w.says("invalid page token"):
		return field("page", "the Next of an earlier page", "was refused")
	case w.says("invalid id value"):
		return of(mailbox.ClassNotFound) // not even the form of an id: nothing has it
	case w.has("notFound", "NOT_FOUND") || a.Status == http.StatusNotFound:
		if a.Call.Method == methodHistory {
			return of(mailbox.ClassCursorLost)
		}
		return of(mailbox.ClassNotFound)
	}

	switch status := a.Status; {
	case status == http.StatusUnauthorized:
		return of(mailbox.ClassReconnect)
	case status == http.StatusConflict || status == http.StatusPreconditionFailed:
		return of(mailbox.ClassConflict)
	case status == http.StatusRequestTimeout || status >= 500:
		limited(mailbox.ClassUnavailable).Scope = mailbox.ScopeNone
		return e
	case status == http.StatusBadRequest:
		return of(mailbox.ClassInvalid)
	default:
		return of(mailbox.ClassUnknown)
	}
}

const sizeLimit = "at most 36,700,160 bytes"

// said is what an error body says. Every part of it is optional, and the body
// may be HTML of a front end, which says nothing.
type said struct {
	reasons []string
	text    string // all messages, in lower case
	status  string
}

func (w said) has(reasons ...string) bool {
	return slices.ContainsFunc(reasons, func(r string) bool {
		return strings.EqualFold(r, w.status) ||
			slices.ContainsFunc(w.reasons, func(have string) bool { return strings.EqualFold(have, r) })
	})
}

func (w said) says(words string) bool { return strings.Contains(w.text, words) }

// code is the most telling machine-readable word, bounded since it ends up in
// logs.
func (w said) code() string {
	for _, c := range append(w.reasons, w.status) {
		if isWord(c) {
			return c
		}
	}
	return ""
}

// isWord reports whether s is fit to stand in an error text: a provider's code,
// not prose that may quote an address.
func isWord(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// wireError is Google's error body, in its old format (errors) and its new one
// (details).
type wireError struct {
	Error struct {
		Message flexString `json:"message"`
		Status  flexString `json:"status"`
		Errors  []struct {
			Reason  flexString `json:"reason"`
			Message flexString `json:"message"`
		} `json:"errors"`
		Details []struct {
			Reason flexString `json:"reason"`
		} `json:"details"`
	} `json:"error"`
}

// flexString is a string, or nothing if it is something else.
type flexString string

func (s *flexString) UnmarshalJSON(data []byte) error {
	*s = ""
	var v string
	if json.Unmarshal(data, &v) == nil {
		*s = flexString(v)
	}
	return nil
}

// parseRefusal reads an error body: an object, or an array that holds one.
func parseRefusal(body []byte) said {
	var wire wireError
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		var list []wireError
		json.Unmarshal(body, &list) // what could be read counts
		if len(list) > 0 {
			wire = list[0]
		}
	} else {
		json.Unmarshal(body, &wire)
	}
	w := said{status: string(wire.Error.Status), text: strings.ToLower(string(wire.Error.Message))}
	for _, item := range wire.Error.Errors {
		w.reasons = append(w.reasons, string(item.Reason))
		w.text += "\n" + strings.ToLower(string(item.Message))
	}
	for _, d := range wire.Error.Details {
		w.reasons = append(w.reasons, string(d.Reason))
	}
	return w
}
