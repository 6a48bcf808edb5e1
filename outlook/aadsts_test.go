package outlook_test

import (
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
)

// Every number has one class and one cause, wherever it comes from: the list of
// numbers, one as a string or alone, the text, the redirect.
func TestCausesByNumber(t *testing.T) {
	t.Parallel()
	p := newProvider(t, outlook.Config{})
	tests := []struct {
		class   mailbox.Class
		cause   mailbox.Cause
		numbers []int
	}{
		{mailbox.ClassReconnect, mailbox.CauseMFA, []int{50072, 50074, 50076, 50078, 50079, 50158}},
		{mailbox.ClassReconnect, mailbox.CausePassword, []int{50055, 50132, 50133, 50144}},
		{mailbox.ClassReconnect, mailbox.CauseRevoked, []int{50173}},
		{mailbox.ClassReconnect, mailbox.CauseInactive, []int{70008, 700082}},
		{mailbox.ClassReconnect, mailbox.CauseExpired, []int{700084}},
		{mailbox.ClassReconnect, mailbox.CauseSignInFrequency, []int{70043}},
		{mailbox.ClassReconnect, mailbox.CauseAccountBlocked, []int{50053}},
		{mailbox.ClassReconnect, "", []int{50056, 50058, 50085, 50089, 50126, 50139, 70000}},
		{mailbox.ClassConsent, mailbox.CauseConsent, []int{65001}},
		{mailbox.ClassDeclined, "", []int{65004}},
		{mailbox.ClassWrongAccount, mailbox.CauseAccountDeleted, []int{50034, 51004, 90002}},
		{mailbox.ClassWrongAccount, "", []int{16000, 50014, 50020, 500208, 90072}},
		{mailbox.ClassAdmin, mailbox.CauseConditionalAccess, []int{50097, 50129, 50131, 50177, 50178, 53000, 53001, 53003, 53011, 530032, 530034, 530035}},
		{mailbox.ClassAdmin, mailbox.CauseAccountBlocked, []int{50057}},
		{mailbox.ClassAdmin, mailbox.CausePolicy, []int{50105, 90093, 90094, 90095}},
		{mailbox.ClassAdmin, mailbox.CauseAppRegistration, []int{70001, 700016, 7000112}},
		{mailbox.ClassNoMailbox, mailbox.CauseNoLicense, []int{650052}},
		{mailbox.ClassConfig, mailbox.CauseAppSecret, []int{70002, 700027, 7000215, 7000222}},
		{mailbox.ClassConfig, mailbox.CauseAppRegistration, []int{50194, 65005, 650056, 650057}},
		{mailbox.ClassConfig, "", []int{28002, 70011, 90014, 90038, 900144, 900561, 530036, 9002313, 9002331, 9002332}},
		{mailbox.ClassBadCallback, "", []int{54005, 501481, 700005}},
		{mailbox.ClassUnavailable, "", []int{50033, 50087, 70012, 90012, 90024, 90033, 90090}},
		{mailbox.ClassThrottled, "", []int{50196, 90055}},
		{mailbox.ClassUnknown, "", []int{90036, 90092}},
	}
	for _, tt := range tests {
		for _, n := range tt.numbers {
			number := strconv.Itoa(n)
			text := "AADSTS" + number + ": About anna@contoso.example. Trace ID: 65001"
			for _, answer := range []struct {
				status int
				body   string
			}{
				{400, `{"error":"invalid_grant","error_codes":[` + number + `]}`},
				{400, `{"error":"invalid_grant","error_codes":["` + number + `"],"suberror":"consent_required"}`},
				{400, `{"error":"invalid_grant","error_codes":` + number + `,"error_description":"AADSTS50173"}`},
				{400, `{"error":"interaction_required","error_codes":"AADSTS` + number + `"}`},
				{400, `{"error":"invalid_grant","error_codes":[null,{},"x",` + number + `,65001]}`},
				{400, `{"error":"invalid_grant","error_codes":{},"error_description":"` + text + `"}`},
				{0, url.Values{"error": {"interaction_required"}, "error_description": {text}}.Encode()},
			} {
				e := p.OAuthError(answer.status, nil, []byte(answer.body))
				if e.Class != tt.class || e.Cause != tt.cause || e.Code != "AADSTS"+number {
					t.Errorf("%s: %v with cause %q, code %s; want %v, %q", answer.body, e.Class, e.Cause, e.Code, tt.class, tt.cause)
				}
			}
			// Whatever a refused client is told besides, the client is at fault.
			e := p.OAuthError(401, nil, fmt.Appendf(nil, `{"error":"invalid_client","error_codes":[%d]}`, n))
			if e.Class != mailbox.ClassConfig || tt.class != mailbox.ClassConfig && e.Cause != mailbox.CauseAppSecret {
				t.Errorf("invalid_client with %d: %v with cause %q", n, e.Class, e.Cause)
			}
			for _, status := range []int{429, 500, 503} { // no grant ends because the service has trouble
				e := p.OAuthError(status, nil, fmt.Appendf(nil, `{"error":"invalid_grant","error_codes":[%d]}`, n))
				if e.Class != mailbox.ClassUnavailable && e.Class != mailbox.ClassThrottled || e.Cause != "" {
					t.Errorf("HTTP %d with %d: %v with cause %q", status, n, e.Class, e.Cause)
				}
			}
		}
	}
}

func TestCausesByWord(t *testing.T) {
	t.Parallel()
	p := newProvider(t, outlook.Config{})
	tests := []struct {
		body  string
		class mailbox.Class
		cause mailbox.Cause
	}{
		{`{"error":"invalid_grant"}`, mailbox.ClassReconnect, ""},
		{`{"error":"invalid_grant","suberror":"basic_action"}`, mailbox.ClassReconnect, ""},
		{`{"error":"invalid_grant","suberror":"user_password_expired"}`, mailbox.ClassReconnect, mailbox.CausePassword},
		{`{"error":"invalid_grant","suberror":"additional_action"}`, mailbox.ClassAdmin, mailbox.CauseConditionalAccess},
		{`{"error":"invalid_grant","suberror":"protection_policy_required"}`, mailbox.ClassAdmin, mailbox.CauseConditionalAccess},
		{`{"error":"invalid_grant","suberror":"message_only"}`, mailbox.ClassAdmin, ""},
		{`{"error":"invalid_grant","suberror":"consent_required"}`, mailbox.ClassConsent, mailbox.CauseConsent},
		{`{"error":"invalid_grant","suberror":"device_authentication_failed"}`, mailbox.ClassReconnect, ""},
		{`{"error":"consent_required"}`, mailbox.ClassConsent, mailbox.CauseConsent},
		{`{"error":"unauthorized_client"}`, mailbox.ClassAdmin, mailbox.CauseAppRegistration},
		{`{"error":"invalid_grant","error_codes":[12345],"suberror":"user_password_expired"}`, mailbox.ClassReconnect, mailbox.CausePassword},
		{`{"error":"invalid_grant","error_codes":[12345,50173]}`, mailbox.ClassReconnect, mailbox.CauseRevoked},
		{`{"error":"invalid_grant","error_codes":[999999999999999999999]}`, mailbox.ClassReconnect, ""},
		{`{"error":"invalid_client"}`, mailbox.ClassConfig, mailbox.CauseAppSecret},
		{`{"error":"invalid_client","suberror":"consent_required"}`, mailbox.ClassConfig, mailbox.CauseAppSecret},
		{`{"error":"invalid_client","error_codes":[65005]}`, mailbox.ClassConfig, mailbox.CauseAppRegistration},
		// The text decides about nothing but a number.
		{`{"error":"invalid_grant","error_description":"The account was deleted, the password changed, consent_required"}`, mailbox.ClassReconnect, ""},
		// What is no answer of a token endpoint tells nothing.
		{`[{"error":"invalid_grant","error_codes":[50034]}]`, mailbox.ClassUnknown, ""},
		{`"invalid_grant"`, mailbox.ClassUnknown, ""},
		{`<html>AADSTS50034 invalid_grant</html>`, mailbox.ClassUnknown, ""},
		{`error=invalid_grant`, mailbox.ClassUnknown, ""},
		{`{"error":["invalid_grant"],"error_codes":[50034]}`, mailbox.ClassUnknown, ""},
	}
	for _, tt := range tests {
		if e := p.OAuthError(400, nil, []byte(tt.body)); e.Class != tt.class || e.Cause != tt.cause {
			t.Errorf("%s: %v with cause %q, want %v, %q", tt.body, e.Class, e.Cause, tt.class, tt.cause)
		}
	}
}

func TestExplainGrant(t *testing.T) {
	t.Parallel()
	p := newProvider(t, outlook.Config{})
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	days := func(n float64) time.Time { return now.Add(-time.Duration(n * 24 * float64(time.Hour))) }
	refused := &mailbox.Error{Class: mailbox.ClassReconnect, Code: "AADSTS70000"}
	tests := []struct {
		name string
		err  *mailbox.Error
		h    mailbox.GrantHistory
		want mailbox.Cause
	}{
		{"unused for 90 days", refused, mailbox.GrantHistory{GrantedAt: days(200), UsedAt: days(90), RefusedAt: now}, mailbox.CauseInactive},
		{"never used", refused, mailbox.GrantHistory{GrantedAt: days(91), RefusedAt: now}, mailbox.CauseInactive},
		{"used a short while ago", refused, mailbox.GrantHistory{GrantedAt: days(200), UsedAt: days(89.9), RefusedAt: now}, ""},
		{"what was told counts", &mailbox.Error{Class: mailbox.ClassReconnect, Cause: mailbox.CauseRevoked}, mailbox.GrantHistory{UsedAt: days(100), RefusedAt: now}, mailbox.CauseRevoked},
		{"no refused grant", &mailbox.Error{Class: mailbox.ClassConfig}, mailbox.GrantHistory{UsedAt: days(100), RefusedAt: now}, ""},
		{"nothing is known", refused, mailbox.GrantHistory{}, ""},
		{"no time of refusal", refused, mailbox.GrantHistory{UsedAt: days(100)}, ""},
		{"no error", nil, mailbox.GrantHistory{UsedAt: days(100), RefusedAt: now}, ""},
	}
	for _, tt := range tests {
		if got := p.ExplainGrant(tt.err, tt.h); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func newProvider(t *testing.T, c outlook.Config) *outlook.Provider {
	t.Helper()
	p, err := outlook.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
