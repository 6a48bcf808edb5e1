package tokenstore

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

func TestParseToken(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	tests := []struct {
		name, body string
		want       Token
		err        error
	}{
		{
			name: "Google",
			body: `{"access_token":"a","expires_in":3599,"refresh_token":"r","scope":"openid  email","token_type":"Bearer","refresh_token_expires_in":604799}`,
			want: Token{Access: "a", Refresh: "r", Type: "Bearer", Expiry: in(3599 * time.Second), IssuedAt: now, RefreshExpiry: in(604799 * time.Second), Scopes: []string{"openid", "email"}},
		},
		{name: "string", body: `{"access_token":"a","expires_in":"3600","token_type":"bearer"}`, want: Token{Access: "a", Type: "bearer", Expiry: in(time.Hour), IssuedAt: now}},
		{name: "fraction", body: `{"access_token":"a","expires_in":1.5}`, want: Token{Access: "a", Expiry: in(1500 * time.Millisecond), IssuedAt: now}},
		{name: "no expiry, empty scope", body: `{"access_token":"a","scope":""}`, want: Token{Access: "a", IssuedAt: now}},
		{name: "null expiry, null scope", body: `{"access_token":"a","expires_in":null,"scope":null,"refresh_token":null}`, want: Token{Access: "a", IssuedAt: now}},
		{name: "zero expiry", body: `{"access_token":"a","expires_in":0}`, want: Token{Access: "a", IssuedAt: now}},
		{name: "negative expiry", body: `{"access_token":"a","expires_in":-5}`, want: Token{Access: "a", IssuedAt: now}},
		{name: "absurd expiry", body: `{"access_token":"a","expires_in":1e300}`, want: Token{Access: "a", Expiry: in(maxLife), IssuedAt: now}},
		{name: "NaN", body: `{"access_token":"a","expires_in":"NaN"}`, want: Token{Access: "a", IssuedAt: now}},
		{name: "wrong types", body: `{"access_token":"a","expires_in":{},"scope":["x"],"refresh_token":7}`, want: Token{Access: "a", IssuedAt: now}},
		{name: "unknown fields", body: ` {"access_token":"a","id_token":"x","foci":"1","nested":{"a":[1]}} `, want: Token{Access: "a", IssuedAt: now}},
		{name: "error with status 200", body: `{"error":"invalid_grant"}`, err: errRefusal},
		{name: "no access token", body: `{"refresh_token":"r"}`, err: errNoAccess},
		{name: "access token of another type", body: `{"access_token":1}`, err: errNoAccess},
		{name: "access token with a line break", body: `{"access_token":"a\nb"}`, err: errNoAccess},
		{name: "refresh token with a NUL", body: `{"access_token":"a","refresh_token":"\u0000"}`, err: errNoAccess},
		{name: "DPoP", body: `{"access_token":"a","token_type":"DPoP"}`, err: errTokenType},
		{name: "HTML", body: `<html>`, err: errNotToken},
		{name: "form", body: `access_token=a&expires_in=3600`, err: errNotToken},
		{name: "array", body: `["access_token"]`, err: errNotToken},
		{name: "null", body: `null`, err: errNotToken},
		{name: "empty", body: ``, err: errNotToken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseToken([]byte(test.body), now)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			// Token prints redacted, also in a diff.
			if !cmp.Equal(test.want, got, cmp.Comparer(func(a, b []string) bool { return strings.Join(a, " ") == strings.Join(b, " ") })) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","expires_in":3599,"refresh_token":"r","scope":"openid email","token_type":"Bearer"}`))
	f.Add([]byte(`{"access_token":"a","expires_in":"1e9","refresh_token_expires_in":null}`))
	f.Add([]byte(`{"error":"invalid_grant","error_codes":[50173]}`))
	f.Add([]byte(`<html>502</html>`))
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		tok, err := parseToken(body, now)
		if err != nil {
			if tok.Access != "" || tok.Refresh != "" {
				t.Fatal("a token came with an error")
			}
			return
		}
		if tok.Access == "" || !printable(string(tok.Access)) || !printable(string(tok.Refresh)) {
			t.Fatal("an access token that no header can carry")
		}
		if !tok.Expiry.IsZero() && (!tok.Expiry.After(now) || tok.Expiry.Sub(now) > maxLife) {
			t.Fatalf("expiry %s", tok.Expiry)
		}
		if !json.Valid(body) {
			t.Fatal("read from something that is not JSON")
		}
		b, err := encodeToken(tok)
		if err != nil {
			t.Fatalf("a token that cannot be stored: %v", err)
		}
		back, err := decodeToken(b)
		if err != nil || back.Access != tok.Access || back.Refresh != tok.Refresh || !back.Expiry.Equal(tok.Expiry) {
			t.Fatalf("round trip: %v", err)
		}
	})
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://login.test/token":        true,
		"http://127.0.0.1:8080/token":     true,
		"http://[::1]/token":              true,
		"http://localhost/token":          true,
		"http://login.test/token":         false,
		"http://localhost.evil.test/":     false,
		"http://127.0.0.1.evil.test/":     false,
		"https://user:pw@login.test/":     false,
		"https://login.test/#fragment":    false,
		"ftp://localhost/":                false,
		"//login.test/token":              false,
		"/token":                          false,
		"":                                false,
		"https://":                        false,
		"javascript:alert(1)":             false,
		"http://[::1%25eth0]:80/zoned-ip": false,
	} {
		if err := CheckURL("token URL", url); (err == nil) != ok {
			t.Errorf("CheckURL(%q) = %v, want ok = %v", url, err, ok)
		}
	}
}

// The parts of a binding cannot be shifted into each other.
func FuzzBinding(f *testing.F) {
	f.Add("a", "bc", "d", "ab", "c", "d")
	f.Add("", "", "", "\x00", "", "")
	f.Fuzz(func(t *testing.T, t1, m1, p1, t2, m2, p2 string) {
		a := binding(mailbox.Ref{Tenant: mailbox.TenantID(t1), Mailbox: mailbox.MailboxID(m1)}, mailbox.ProviderName(p1))
		b := binding(mailbox.Ref{Tenant: mailbox.TenantID(t2), Mailbox: mailbox.MailboxID(m2)}, mailbox.ProviderName(p2))
		same := t1 == t2 && m1 == m2 && p1 == p2
		if (string(a) == string(b)) != same {
			t.Fatal("two bindings collide, or one binding has two forms")
		}
	})
}
