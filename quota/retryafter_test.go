package quota_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 11, 12, 11, 0, 0, 0, time.UTC)
	const gmailText = `{"error":{"code":429,"message":"User-rate limit exceeded.  Retry after 2024-11-12T11:16:42.247Z (Mail sending)","errors":[{"reason":"rateLimitExceeded","domain":"usageLimits"}],"status":"RESOURCE_EXHAUSTED"}}`
	const gmailWait = 16*time.Minute + 42*time.Second + 247*time.Millisecond
	quotaText := func(limit string) string {
		return `{"error":{"code":403,"message":"Quota exceeded for quota metric 'Queries' and limit '` + limit + `' of service 'gmail.googleapis.com' for consumer 'project_number:1'","errors":[{"reason":"rateLimitExceeded"}]}}`
	}
	tests := []struct {
		name   string
		header map[string]string
		body   string
		wait   time.Duration
		scope  mailbox.Scope
		named  bool
	}{
		{"nothing", nil, "", 0, mailbox.ScopeMailbox, false},
		{"seconds", map[string]string{"Retry-After": "120"}, "", 2 * time.Minute, mailbox.ScopeMailbox, true},
		{"zero seconds", map[string]string{"Retry-After": "0"}, "", 0, mailbox.ScopeMailbox, true},
		{"blanks around", map[string]string{"Retry-After": " 7 "}, "", 7 * time.Second, mailbox.ScopeMailbox, true},
		{"negative seconds name nothing", map[string]string{"Retry-After": "-5"}, "", 0, mailbox.ScopeMailbox, false},
		{"words name nothing", map[string]string{"Retry-After": "soon"}, "", 0, mailbox.ScopeMailbox, false},
		{"too many seconds", map[string]string{"Retry-After": "999999999999999999999999"}, "", mailbox.MaxRetryAfter, mailbox.ScopeMailbox, true},
		{"seconds that overflow a duration", map[string]string{"Retry-After": "9223372036854775807"}, "", mailbox.MaxRetryAfter, mailbox.ScopeMailbox, true},
		{"date without Date uses our clock", map[string]string{"Retry-After": "Tue, 12 Nov 2024 11:05:00 GMT"}, "", 5 * time.Minute, mailbox.ScopeMailbox, true},
		{
			"our clock is an hour behind",
			map[string]string{"Retry-After": "Tue, 12 Nov 2024 12:05:00 GMT", "Date": "Tue, 12 Nov 2024 12:00:00 GMT"},
			"", 5 * time.Minute, mailbox.ScopeMailbox, true,
		},
		{
			"our clock is an hour ahead",
			map[string]string{"Retry-After": "Tue, 12 Nov 2024 10:05:00 GMT", "Date": "Tue, 12 Nov 2024 10:00:00 GMT"},
			"", 5 * time.Minute, mailbox.ScopeMailbox, true,
		},
		{"date in the past", map[string]string{"Retry-After": "Tue, 12 Nov 2024 10:00:00 GMT"}, "", 0, mailbox.ScopeMailbox, true},
		{"date in the far future", map[string]string{"Retry-After": "Tue, 12 Nov 9999 10:00:00 GMT"}, "", mailbox.MaxRetryAfter, mailbox.ScopeMailbox, true},
		{"broken Date is ignored", map[string]string{"Retry-After": "Tue, 12 Nov 2024 11:05:00 GMT", "Date": "yesterday"}, "", 5 * time.Minute, mailbox.ScopeMailbox, true},
		{"Gmail text", nil, gmailText, gmailWait, mailbox.ScopeSending, true},
		{"Gmail text in an array", nil, "[" + gmailText + "]", gmailWait, mailbox.ScopeSending, true},
		{"Gmail text with skew", map[string]string{"Date": "Tue, 12 Nov 2024 11:16:00 GMT"}, gmailText, 42247 * time.Millisecond, mailbox.ScopeSending, true},
		{"the longer of header and text", map[string]string{"Retry-After": "3600"}, gmailText, time.Hour, mailbox.ScopeSending, true},
		{"the longer of text and header", map[string]string{"Retry-After": "1"}, gmailText, gmailWait, mailbox.ScopeSending, true},
		{"another limit by name", nil, strings.ReplaceAll(gmailText, "Mail sending", "Forwarding rules"), gmailWait, mailbox.ScopeMailbox, true},
		{"no name", nil, strings.ReplaceAll(gmailText, " (Mail sending)", ""), gmailWait, mailbox.ScopeMailbox, true},
		{"text only in errors[]", nil, `{"error":{"errors":[{"message":"Retry after 2024-11-12T11:01:00Z"}]}}`, time.Minute, mailbox.ScopeMailbox, true},
		{"text outside of JSON", nil, "<p>Retry after 2024-11-12T11:01:00Z.</p>", time.Minute, mailbox.ScopeMailbox, true},
		{"text with an offset", nil, "retry after 2024-11-12T12:01:00+01:00", time.Minute, mailbox.ScopeMailbox, true},
		{"text without a date", nil, `{"error":{"message":"Please retry after 30 seconds."}}`, 0, mailbox.ScopeMailbox, false},
		{"per user", nil, quotaText("Queries per minute per user"), 0, mailbox.ScopeMailbox, false},
		{"per project", nil, quotaText("Queries per minute"), 0, mailbox.ScopeApp, false},
		{"per day", nil, quotaText("Queries per day"), 0, mailbox.ScopeApp, false},
		{"daily limit", nil, `{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`, 0, mailbox.ScopeApp, false},
		{"errors is no list", nil, `{"error":{"message":"Quota exceeded, queries per minute","errors":{"a":1}}}`, 0, mailbox.ScopeApp, false},
		{
			"Graph concurrency",
			map[string]string{"Retry-After": "10"},
			`{"error":{"code":"ApplicationThrottled","message":"Application is over its MailboxConcurrency limit."}}`,
			10 * time.Second, mailbox.ScopeMailbox, true,
		},
		{"Graph sending limit", nil, `{"error":{"code":"errorexceededmessagelimit","message":null,"innerError":null}}`, 0, mailbox.ScopeSending, false},
		{"Exchange bars the tenant", nil, `{"error":{"code":"ErrorMessageSubmissionBlocked","message":"550 5.7.705 Access denied, tenant has exceeded threshold"}}`, 0, mailbox.ScopeTenant, false},
		{"RateLimit-Reset", map[string]string{"RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Reset": " 50 "}, "", 50 * time.Second, mailbox.ScopeMailbox, true},
		{"RateLimit-Reset alone", map[string]string{"RateLimit-Reset": "50"}, "", 50 * time.Second, mailbox.ScopeMailbox, true},
		{"RateLimit-Reset of a limit with room", map[string]string{"RateLimit-Remaining": "3", "RateLimit-Reset": "50"}, "", 0, mailbox.ScopeMailbox, false},
		{"RateLimit-Reset as a date", map[string]string{"RateLimit-Reset": "1731409200"}, "", 0, mailbox.ScopeMailbox, false},
		{"RateLimit-Reset as a word", map[string]string{"RateLimit-Reset": "soon"}, "", 0, mailbox.ScopeMailbox, false},
		{"RateLimit", map[string]string{"RateLimit": `"default";r=0;t=30`}, "", 30 * time.Second, mailbox.ScopeMailbox, true},
		{"RateLimit of several", map[string]string{"RateLimit": `"per;r=0;t=99,\"user";r=5;t=60, "day" ; r=0; t=40 ,"minute";r=0;t=7`}, "", 40 * time.Second, mailbox.ScopeMailbox, true},
		{"RateLimit with room", map[string]string{"RateLimit": `"default";r=50;t=30`}, "", 0, mailbox.ScopeMailbox, false},
		{"RateLimit without a reset", map[string]string{"RateLimit": `"default";r=0`}, "", 0, mailbox.ScopeMailbox, false},
		{"Retry-After outranks RateLimit", map[string]string{"Retry-After": "5", "RateLimit": `"default";r=0;t=30`, "RateLimit-Reset": "50"}, "", 5 * time.Second, mailbox.ScopeMailbox, true},
		{"Gmail text outranks RateLimit", map[string]string{"RateLimit-Reset": "5"}, gmailText, gmailWait, mailbox.ScopeSending, true},
		{"error is a word", nil, `{"error":"temporarily_unavailable"}`, 0, mailbox.ScopeMailbox, false},
		{"nulls", nil, `{"error":null}`, 0, mailbox.ScopeMailbox, false},
		{"empty list", nil, `[]`, 0, mailbox.ScopeMailbox, false},
		{"beyond the bound", nil, strings.Repeat(" x", 40<<10) + "Retry after 2024-11-12T11:01:00Z", 0, mailbox.ScopeMailbox, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := make(http.Header)
			for k, v := range tt.header {
				h.Set(k, v)
			}
			wait, scope, named := quota.ParseRetryAfter(h, []byte(tt.body), now)
			if wait != tt.wait || scope != tt.scope || named != tt.named {
				t.Errorf("got %v, %q, %v; want %v, %q, %v", wait, scope, named, tt.wait, tt.scope, tt.named)
			}
		})
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	f.Add("120", "", "", "", "", "")
	f.Add("Tue, 12 Nov 2024 11:05:00 GMT", "Tue, 12 Nov 2024 11:00:00 GMT", "", "", "", "")
	f.Add("", "", `{"error":{"code":429,"message":"Retry after 2024-11-12T11:16:42.247Z (Mail sending)","errors":[{"reason":"rateLimitExceeded"}]}}`, "", "", "")
	f.Add("", "", `[{"error":{"code":"ApplicationThrottled","errors":null}}]`, "", "", "")
	f.Add("", "", "Retry after 2024-11-12T11:16:42.247Z (", "", "", "")
	f.Add("", "", "", `"a";r=0;t=30, "b\"";r=1`, "0", "30")
	now := time.Date(2024, 11, 12, 11, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, retryAfter, date, body, limit, remaining, reset string) {
		h := http.Header{
			"Retry-After": {retryAfter}, "Date": {date},
			"Ratelimit": {limit, limit}, "Ratelimit-Remaining": {remaining}, "Ratelimit-Reset": {reset},
		}
		wait, scope, named := quota.ParseRetryAfter(h, []byte(body), now)
		if wait < 0 || wait > mailbox.MaxRetryAfter {
			t.Errorf("wait %v is out of bounds", wait)
		}
		if !named && wait != 0 {
			t.Errorf("wait %v, but no time was named", wait)
		}
		switch scope {
		case mailbox.ScopeMailbox, mailbox.ScopeSending, mailbox.ScopeTenant, mailbox.ScopeApp:
		default:
			t.Errorf("scope %q", scope)
		}
	})
}
