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
// change, and unknown ones fall back to it. They also tell the Cause. The text of
// a refusal is read for a number only where none comes beside it, as on the
// redirect.
func (p *Provider) OAuthError(status int, header http.Header, body []byte) *mailbox.Error {
	t := parseTokenError(status, body)
	e := &mailbox.Error{
		Op: "sign in", Provider: mailbox.Outlook, Status: status,
		Code: t.Code, Claims: t.Claims, RequestID: t.CorrelationID, Err: t,
	}
	if len(t.Numbers) > 0 {
		e.Code = "AADSTS" + strconv.Itoa(t.Numbers[0])
	}
	r := t.rule()
	e.Class, e.Cause = r.class, r.cause
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

// maxNumbers bounds how many numbers of one refusal are looked at.
const maxNumbers = 10

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
			ErrorCodes      numbers `json:"error_codes"`
			Description     text    `json:"error_description"`
			TraceID         text    `json:"trace_id"`
			CorrelationID   text    `json:"correlation_id"`
		}
		_ = json.Unmarshal(body, &j)
		t.Code, t.Suberror, t.Numbers = code(j.Error), code(j.Suberror), j.ErrorCodes
		t.Description, t.Claims = string(j.Description), string(j.Claims)
		t.TraceID, t.CorrelationID = clip(string(j.TraceID)), clip(string(j.CorrelationID))
	}
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

// numbers are AADSTS numbers, which may come as strings, or one without an
// array. What is no number is left out.
type numbers []int

// UnmarshalJSON implements json.Unmarshaler.
func (n *numbers) UnmarshalJSON(b []byte) error {
	var all []json.RawMessage
	if json.Unmarshal(b, &all) != nil {
		all = []json.RawMessage{b}
	}
	for _, raw := range all[:min(len(all), maxNumbers)] {
		s := strings.TrimPrefix(strings.Trim(string(raw), `"`), "AADSTS")
		if v, err := strconv.Atoi(s); err == nil && v > 0 {
			*n = append(*n, v)
		}
	}
	return nil
}
