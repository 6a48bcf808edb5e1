package threading_test

import (
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func TestTokenIsOfOneMessage(t *testing.T) {
	t.Parallel()
	secret := []byte("secret")
	seen := map[string]string{}
	for name, token := range map[string]string{
		"the message":     threading.Token(secret, ref, "k"),
		"another key":     threading.Token(secret, ref, "k2"),
		"another mailbox": threading.Token(secret, mailbox.Ref{Tenant: ref.Tenant, Mailbox: "x"}, "k"),
		"another tenant":  threading.Token(secret, mailbox.Ref{Tenant: "x", Mailbox: ref.Mailbox}, "k"),
		"parts moved":     threading.Token(secret, mailbox.Ref{Tenant: ref.Tenant + "m", Mailbox: ref.Mailbox[1:]}, "k"),
		"another secret":  threading.Token([]byte("Secret"), ref, "k"),
	} {
		if before, again := seen[token]; again {
			t.Errorf("%s has the token of %s", name, before)
		}
		seen[token] = name
		if len(token) != 24 || strings.Trim(token, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("%s: %q", name, token)
		}
	}
	if again := threading.Token(secret, ref, "k"); seen[again] != "the message" {
		t.Errorf("the same message has another token: %s", again)
	}
}

func TestTokenAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"ann@example.com":       "ann+tok@example.com",
		"ann+sales@example.com": "ann+tok@example.com",
		"Ann.Lee@EXAMPLE.com":   "Ann.Lee+tok@EXAMPLE.com",
		`"a@b"@example.com`:     `"a@b"+tok@example.com`,
		"no address":            "no address",
		"@example.com":          "@example.com",
		"":                      "",
	} {
		if got := threading.TokenAddress(address, "tok"); got != want {
			t.Errorf("%q becomes %q, want %q", address, got, want)
		}
	}
}

func TestFindToken(t *testing.T) {
	t.Parallel()
	token := threading.Token([]byte("secret"), ref, "k")
	for _, tt := range []struct {
		list []string
		want string
	}{
		{nil, ""},
		{[]string{"ann@example.com", ""}, ""},
		{[]string{"x@example.com", token + ".1@example.com"}, token},
		{[]string{"ann+" + strings.ToUpper(token) + "@example.com"}, token},
		{[]string{token}, token},
		{[]string{"a@example." + token}, token},
		{[]string{token + "a@example.com", token[1:] + "@example.com", "0" + token[1:] + "@example.com"}, ""},
	} {
		if got := threading.FindToken(tt.list...); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.list, got, tt.want)
		}
	}
}
