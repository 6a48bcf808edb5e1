package gmail_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/mailbox"
)

func TestCauses(t *testing.T) {
	t.Parallel()
	p := must[*gmail.Provider](t)(gmail.New(gmail.Config{}))
	grant := func(rest string) string { return `{"error":"invalid_grant"` + rest + `}` }
	tests := []struct {
		status int
		body   string
		class  mailbox.Class
		cause  mailbox.Cause
	}{
		{400, grant(``), mailbox.ClassReconnect, ""},
		{400, grant(`,"error_description":"Token has been expired or revoked."`), mailbox.ClassReconnect, ""},
		{400, grant(`,"error_description":"Bad Request"`), mailbox.ClassReconnect, ""},
		{400, grant(`,"error_subtype":"invalid_rapt"`), mailbox.ClassReconnect, mailbox.CauseSignInFrequency},
		{400, grant(`,"error_subtype":"rapt_required"`), mailbox.ClassReconnect, mailbox.CauseSignInFrequency},
		{400, grant(`,"error_subtype":"something_new"`), mailbox.ClassReconnect, ""},
		{400, grant(`,"error_subtype":["invalid_rapt"]`), mailbox.ClassReconnect, ""},
		{400, grant(`,"error_description":"reauth related error (invalid_rapt)"`), mailbox.ClassReconnect, mailbox.CauseSignInFrequency},
		{400, grant(`,"error_description":"Account has been deleted"`), mailbox.ClassReconnect, mailbox.CauseAccountDeleted},
		{400, grant(`,"error_description":"The account has been deleted"`), mailbox.ClassReconnect, mailbox.CauseAccountDeleted},
		{400, grant(`,"error_subtype":"invalid_rapt","error_description":"Account has been deleted"`), mailbox.ClassReconnect, mailbox.CauseSignInFrequency},
		// A text alone is no reason for anything.
		{400, `{"error":"brand_new","error_description":"Account has been deleted"}`, mailbox.ClassUnknown, ""},
		{400, `{"error":"invalid_request","error_description":"Account has been deleted"}`, mailbox.ClassConfig, ""},
		{400, `{"error":"invalid_rapt"}`, mailbox.ClassReconnect, mailbox.CauseSignInFrequency},
		{400, `{"error":"admin_policy_enforced"}`, mailbox.ClassAdmin, mailbox.CausePolicy},
		{400, `{"error":"access_not_configured"}`, mailbox.ClassAdmin, mailbox.CausePolicy},
		{401, `{"error":"invalid_client","error_description":"Unauthorized"}`, mailbox.ClassConfig, mailbox.CauseAppSecret},
		{401, `{"error":"invalid_client","error_description":"The OAuth client was not found."}`, mailbox.ClassConfig, mailbox.CauseAppRegistration},
		{401, `{"error":"deleted_client"}`, mailbox.ClassConfig, mailbox.CauseAppRegistration},
		{401, `{"error":"disabled_client"}`, mailbox.ClassConfig, mailbox.CauseAppRegistration},
		{401, `{"error":"unauthorized_client"}`, mailbox.ClassConfig, mailbox.CauseAppRegistration},
		{401, `<html>`, mailbox.ClassConfig, ""},
		{400, `<html>invalid_grant Account has been deleted`, mailbox.ClassUnknown, ""},
		{400, `[` + grant(``) + `]`, mailbox.ClassUnknown, ""},
		{400, `["invalid_grant"]`, mailbox.ClassUnknown, ""},
		{503, grant(`,"error_subtype":"invalid_rapt"`), mailbox.ClassUnavailable, ""},
		{429, grant(`,"error_description":"Account has been deleted"`), mailbox.ClassThrottled, ""},
		{0, url.Values{"error": {"admin_policy_enforced"}}.Encode(), mailbox.ClassAdmin, mailbox.CausePolicy},
		{0, url.Values{"error": {"access_denied"}}.Encode(), mailbox.ClassDeclined, ""},
		{0, url.Values{"error": {"org_internal"}}.Encode(), mailbox.ClassConfig, mailbox.CauseAppRegistration},
	}
	for _, tt := range tests {
		if e := p.OAuthError(tt.status, nil, []byte(tt.body)); e.Class != tt.class || e.Cause != tt.cause {
			t.Errorf("%d %s: %v with cause %q, want %v, %q", tt.status, tt.body, e.Class, e.Cause, tt.class, tt.cause)
		}
	}
}

func TestExplainGrant(t *testing.T) {
	t.Parallel()
	p := must[*gmail.Provider](t)(gmail.New(gmail.Config{}))
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	refused := &mailbox.Error{Class: mailbox.ClassReconnect, Code: "invalid_grant"}
	tests := []struct {
		name string
		err  *mailbox.Error
		h    mailbox.GrantHistory
		want mailbox.Cause
	}{
		{"a week after consent", refused, mailbox.GrantHistory{GrantedAt: ago(7*day + 20*time.Minute), UsedAt: ago(time.Hour)}, mailbox.CauseTesting},
		{"noticed a little later", refused, mailbox.GrantHistory{GrantedAt: ago(7*day + 23*time.Hour), UsedAt: ago(day)}, mailbox.CauseTesting},
		{"a clock that is behind", refused, mailbox.GrantHistory{GrantedAt: ago(7*day - 30*time.Minute)}, mailbox.CauseTesting},
		{"six days", refused, mailbox.GrantHistory{GrantedAt: ago(6*day + 22*time.Hour)}, ""},
		{"nine days", refused, mailbox.GrantHistory{GrantedAt: ago(9 * day)}, ""},
		{"used after a week", refused, mailbox.GrantHistory{GrantedAt: ago(7*day + 20*time.Hour), UsedAt: ago(10 * time.Hour)}, ""},
		{"said to end, and over", refused, mailbox.GrantHistory{GrantedAt: ago(30 * day), RefreshExpiry: ago(time.Minute)}, mailbox.CauseExpired},
		{"said to end later", refused, mailbox.GrantHistory{GrantedAt: ago(20 * day), RefreshExpiry: now.Add(10 * day)}, ""},
		{"said to end after a week", refused, mailbox.GrantHistory{GrantedAt: ago(40 * day), RefreshExpiry: ago(33*day + time.Second)}, mailbox.CauseTesting},
		{"said to end, consent unknown", refused, mailbox.GrantHistory{RefreshExpiry: ago(day)}, mailbox.CauseExpired},
		{"unused for half a year", refused, mailbox.GrantHistory{GrantedAt: ago(400 * day), UsedAt: ago(184 * day)}, mailbox.CauseInactive},
		{"never used", refused, mailbox.GrantHistory{GrantedAt: ago(200 * day)}, mailbox.CauseInactive},
		{"used last month", refused, mailbox.GrantHistory{GrantedAt: ago(400 * day), UsedAt: ago(30 * day)}, ""},
		{"nothing is known", refused, mailbox.GrantHistory{}, ""},
		{"what was told counts", &mailbox.Error{Class: mailbox.ClassReconnect, Cause: mailbox.CauseSignInFrequency}, mailbox.GrantHistory{GrantedAt: ago(7 * day)}, mailbox.CauseSignInFrequency},
		{"the app is at fault", &mailbox.Error{Class: mailbox.ClassConfig}, mailbox.GrantHistory{GrantedAt: ago(7 * day)}, ""},
		{"no error", nil, mailbox.GrantHistory{GrantedAt: ago(7 * day)}, ""},
	}
	for _, tt := range tests {
		tt.h.RefusedAt = now
		if got := p.ExplainGrant(tt.err, tt.h); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := p.ExplainGrant(refused, mailbox.GrantHistory{GrantedAt: ago(7 * day)}); got != "" {
		t.Errorf("no time of refusal: %q", got)
	}
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	p := must[*gmail.Provider](t)(gmail.New(gmail.Config{}))
	tests := []struct {
		name, claims string
		want         mailbox.Identity
		code         string
	}{
		{
			name: "Workspace", claims: `{"iss":"https://accounts.google.com","sub":"1001","email":"ann@example.com","email_verified":true,"name":"Ann","hd":"Example.com","new":[]}`,
			want: mailbox.Identity{Subject: "1001", Address: ann, Name: "Ann", Directory: "example.com"},
		},
		{
			name: "without scheme, verified as a string", claims: `{"iss":"accounts.google.com","sub":"1001","email":"ann@example.com","email_verified":"true"}`,
			want: mailbox.Identity{Subject: "1001", Address: ann},
		},
		{name: "not verified", claims: `{"iss":"accounts.google.com","sub":"1001","email":"ann@example.com","email_verified":false}`, want: mailbox.Identity{Subject: "1001"}},
		{name: "no address", claims: `{"iss":"accounts.google.com","sub":"1001","hd":7}`, want: mailbox.Identity{Subject: "1001"}},
		{name: "no subject", claims: `{"iss":"accounts.google.com","email":"ann@example.com","email_verified":true}`, code: "id_token_subject"},
		{name: "subject of another type", claims: `{"iss":"accounts.google.com","sub":1001}`, code: "id_token_subject"},
		{name: "another issuer", claims: `{"iss":"https://evil.example","sub":"1001"}`, code: "id_token_issuer"},
		{name: "http", claims: `{"iss":"http://accounts.google.com","sub":"1001"}`, code: "id_token_issuer"},
		{name: "an issuer below", claims: `{"iss":"https://accounts.google.com.evil.example","sub":"1001"}`, code: "id_token_issuer"},
		{name: "a slash", claims: `{"iss":"https://accounts.google.com/","sub":"1001"}`, code: "id_token_issuer"},
		{name: "no issuer", claims: `{"sub":"1001"}`, code: "id_token_issuer"},
		{name: "null", claims: `null`, code: "id_token_issuer"},
		{name: "an array", claims: `[]`, code: "id_token_malformed"},
		{name: "nothing", claims: ``, code: "id_token_malformed"},
	}
	for _, tt := range tests {
		got, err := p.IDToken([]byte(tt.claims))
		if tt.code != "" {
			if e := wantError(t, err, mailbox.ClassBadCallback, mailbox.OutcomeNone); e.Code != tt.code {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

func FuzzIDToken(f *testing.F) {
	f.Add(`{"iss":"https://accounts.google.com","sub":"1","email":"a@x.example","email_verified":"true","hd":"x.example"}`)
	f.Add(`{"iss":null,"sub":7}`)
	p, err := gmail.New(gmail.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		id, err := p.IDToken([]byte(claims))
		switch {
		case err != nil:
			if mailbox.ClassOf(err) != mailbox.ClassBadCallback {
				t.Errorf("%v", err)
			}
		case id.Subject == "" || !json.Valid([]byte(claims)):
			t.Errorf("%q gives %+v", claims, id)
		}
	})
}
