package quota

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// maxErrorBody bounds how much of an error answer is read to classify it.
const maxErrorBody = 64 << 10

// ParseRetryAfter reads how long a refusal asks to wait and what it covers. It
// is meant for answers that are refusals because of a limit: 429, 503, and
// Gmail's 403 with a rate reason. A success may carry the header too (Graph sends
// it with 202) and must not be passed here.
//
// The wait is that of the Retry-After header (RFC 9110, 10.2.3: seconds or a
// date) or of Gmail's text "Retry after 2024-11-12T11:16:42.247Z (Mail
// sending)" in the body, the longer one if there are both. Without either it is
// the longest reset of a used-up limit in RateLimit headers
// (draft-ietf-httpapi-ratelimit-headers: RateLimit-Remaining and RateLimit-Reset
// of the drafts up to 06, RateLimit: "name";r=0;t=30 of those since 08); one of
// more than a day is no wait but a date, and says nothing. Neither provider
// documents these for mail. Dates are compared with the Date header, so that a
// wrong clock on our side does no harm, and with now when there is none. It is
// never negative and at most [mailbox.MaxRetryAfter]; false means that no time
// was named.
//
// The scope is ScopeSending when the text names sending or the code is one of
// Graph's sending limits, ScopeTenant when the text has an enhanced status code
// of Exchange that bars a whole tenant from sending, ScopeApp for limits of the
// project (per day, or per minute and not per user), else ScopeMailbox. It is
// valid also without a time.
//
// Only the first 64 KiB of body are looked at. Any input is fine.
func ParseRetryAfter(h http.Header, body []byte, now time.Time) (time.Duration, mailbox.Scope, bool) {
	e := parseAPIError(body)
	wait, limit, named := e.retryAfter(h, now)
	return wait, e.scope(limit), named
}

// refusalIn is all that an answer which is a refusal says about limits.
func refusalIn(h http.Header, body []byte, now time.Time) refusal {
	e := parseAPIError(body)
	wait, limit, _ := e.retryAfter(h, now)
	return refusal{scope: e.scope(limit), wait: wait, concurrent: e.isConcurrency()}
}

// retryAfter returns how long to wait, and the name of the limit if Gmail's text
// gives one.
func (e apiError) retryAfter(h http.Header, now time.Time) (wait time.Duration, limit string, named bool) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	wait, named = retryAfterHeader(h.Get("Retry-After"), now)
	at, limit, ok := retryAfterText(e.text)
	if ok {
		wait, named = max(wait, at.Sub(now)), true
	}
	if !named {
		wait, named = rateLimitReset(h)
	}
	return min(max(wait, 0), mailbox.MaxRetryAfter), limit, named
}

func retryAfterHeader(v string, now time.Time) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	if v == "" {
		return 0, false
	}
	if strings.Trim(v, "0123456789") == "" {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seconds > int64(mailbox.MaxRetryAfter/time.Second) {
			return mailbox.MaxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return date.Sub(now), true
}

// retryAfterText finds Gmail's date and the name of the limit in parentheses
// (https://developers.google.com/workspace/gmail/api/guides/handle-errors and
// published answers of 2024).
func retryAfterText(text string) (at time.Time, limit string, ok bool) {
	const mark = "retry after "
	i := strings.Index(lowerASCII(text), mark)
	if i < 0 {
		return time.Time{}, "", false
	}
	rest := strings.TrimLeft(text[i+len(mark):], " ")
	stamp := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789-+:.TZtz", r) }); end >= 0 {
		stamp = rest[:end]
	}
	at, err := time.Parse(time.RFC3339Nano, strings.ToUpper(strings.TrimRight(stamp, ".:")))
	if err != nil {
		return time.Time{}, "", false
	}
	rest = strings.TrimLeft(rest[len(stamp):], " ")
	if strings.HasPrefix(rest, "(") {
		if end := strings.IndexByte(rest, ')'); end > 0 {
			limit = rest[1:end]
		}
	}
	return at, limit, true
}

// apiError is what both providers' JSON errors tell about limits.
type apiError struct {
	code    string // Graph: error.code; Gmail: error.status
	reasons []string
	text    string // the messages, or the whole body when it is not JSON
}

// parseAPIError reads Google's and Microsoft's error shapes, also wrapped in an
// array, with any part missing or of an unexpected type.
func parseAPIError(body []byte) apiError {
	body = bytes.TrimSpace(body[:min(len(body), maxErrorBody)])
	var wire struct {
		Error struct {
			Code, Message, Status any
			Errors                json.RawMessage
		}
	}
	object := body
	if bytes.HasPrefix(body, []byte{'['}) {
		var list []json.RawMessage
		if json.Unmarshal(body, &list) == nil && len(list) > 0 {
			object = list[0]
		}
	}
	if json.Unmarshal(object, &wire) != nil {
		return apiError{text: string(body)}
	}
	e := apiError{code: text(wire.Error.Code), text: text(wire.Error.Message)}
	if e.code == "" {
		e.code = text(wire.Error.Status)
	}
	var items []struct{ Reason, Message any }
	if json.Unmarshal(wire.Error.Errors, &items) == nil {
		for _, item := range items {
			e.reasons = append(e.reasons, text(item.Reason))
			if s := text(item.Message); s != e.text {
				e.text += "\n" + s
			}
		}
	}
	return e
}

// text returns v if it is a string.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// scope tells what a refusal covers. limit is the name Gmail's text gives.
func (e apiError) scope(limit string) mailbox.Scope {
	if strings.Contains(lowerASCII(limit), "sending") ||
		// Exchange refuses to send more while reading goes on, with a status that
		// varies (published client code, 2026).
		e.hasCode("ErrorExceededMessageLimit", "ErrorExceededHourlyMessageLimit",
			"ErrorExceededMaxRecipientLimit", "ErrorSubmissionQuotaExceeded") {
		return mailbox.ScopeSending
	}
	words := lowerASCII(e.text)
	if slices.ContainsFunc(tenantCodes, func(code string) bool { return strings.Contains(words, code) }) {
		return mailbox.ScopeTenant
	}
	if e.hasReason("dailyLimitExceeded", "quotaExceeded") {
		return mailbox.ScopeApp
	}
	if strings.Contains(words, "quota exceeded") && !strings.Contains(words, "per user") &&
		(strings.Contains(words, "per minute") || strings.Contains(words, "per day")) {
		return mailbox.ScopeApp
	}
	return mailbox.ScopeMailbox
}

// tenantCodes bar a whole tenant of Exchange Online from sending: used up quota
// of a trial and of a paid tenant, blocked, and of low reputation
// (learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online,
// 2026-01). They normally come in bounces.
var tenantCodes = []string{"5.7.232", "5.7.233", "5.7.705", "5.7.708"}

// isConcurrency reports whether the refusal is about too many calls at once
// (published answers of Gmail, July 2026, and of Graph, 2017 to 2023).
func (e apiError) isConcurrency() bool {
	words := lowerASCII(e.text)
	return strings.Contains(words, "too many concurrent") || strings.Contains(words, "mailboxconcurrency") ||
		e.hasCode("CommandConcurrencyLimitReached", "ErrorTooManyObjectsOpened")
}

// isRateLimit reports whether a 403 is about a rate or quota. Gmail uses 403 and
// 429 alike (handle-errors guide; published answers up to 2026).
func (e apiError) isRateLimit() bool {
	if e.hasReason("userRateLimitExceeded", "rateLimitExceeded", "dailyLimitExceeded", "quotaExceeded") ||
		e.hasCode("RESOURCE_EXHAUSTED") {
		return true
	}
	words := lowerASCII(e.text)
	return strings.Contains(words, "rate limit exceeded") || strings.Contains(words, "quota exceeded for quota metric")
}

func (e apiError) hasCode(codes ...string) bool {
	return slices.ContainsFunc(codes, func(c string) bool { return strings.EqualFold(c, e.code) })
}

func (e apiError) hasReason(reasons ...string) bool {
	return slices.ContainsFunc(e.reasons, func(have string) bool {
		return slices.ContainsFunc(reasons, func(r string) bool { return strings.EqualFold(r, have) })
	})
}

// lowerASCII lowers A to Z and keeps every byte where it is.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
