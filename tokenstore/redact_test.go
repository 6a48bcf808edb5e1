package tokenstore_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// The canaries must not appear in anything that is printed.
const (
	canaryAccess  = "canary-access-7f3a"
	canaryRefresh = "canary-refresh-91bc"
	canaryKey     = "canary-key-0123456789abcdefghijk" // 32 bytes
	canaryApp     = "app-secret"
)

func wantNoCanary(t *testing.T, where, s string) {
	t.Helper()
	for _, canary := range []string{canaryAccess, canaryRefresh, canaryKey, canaryApp} {
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary))} {
			if strings.Contains(s, form) {
				t.Errorf("%s holds a secret: %s", where, s)
			}
		}
	}
}

// printings returns v in every format that programs log in. Only %p is left
// out: fmt does not let a type define it, and go vet refuses it.
func printings(v any) map[string]string {
	out := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08.3f"} {
		out[verb] = fmt.Sprintf(verb, v)
		out["nested "+verb] = fmt.Sprintf(verb, []any{map[string]any{"v": v}, struct{ V any }{v}})
	}
	if b, err := json.Marshal(v); err == nil {
		out["JSON"] = string(b)
	}
	if b, err := xml.Marshal(v); err == nil {
		out["XML"] = string(b)
	}
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, "nested", struct{ V any }{v})
	slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "v", v, "nested", struct{ V any }{v})
	out["slog text"], out["slog JSON"] = text.String(), js.String()
	return out
}

func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	tok := tokenstore.Token{Access: canaryAccess, Refresh: canaryRefresh, Scopes: []string{"s"}}
	key := tokenstore.Key{ID: "k1", Secret: []byte(canaryKey)}
	ring, err := tokenstore.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	s := tokenstore.NewMemory()
	vault := tokenstore.NewVault(s, ring)
	if err := vault.Replace(t.Context(), ref, mailbox.Outlook, tok); err != nil {
		t.Fatal(err)
	}
	config := tokenstore.SourceConfig{Vault: vault, Ref: ref, Client: &tokenstore.Client{Provider: newService(), ClientID: "app", ClientSecret: canaryApp}}
	source := tokenstore.NewSource(config)
	if _, err := source.Token(t.Context(), mailbox.TokenRequest{}); err != nil {
		t.Fatal(err)
	}
	rec, err := s.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	client := &tokenstore.Client{ClientSecret: canaryApp}
	account, private := canaryAccount(t)
	client.ServiceAccount = account
	appConfig := tokenstore.AppSourceConfig{Client: &tokenstore.Client{Provider: newService(), ClientSecret: canaryApp, ServiceAccount: account}, Ref: ref}
	appSource := tokenstore.NewAppSource(appConfig)
	file, _ := newFile(t)
	if err := tokenstore.NewVault(file, ring).Replace(t.Context(), ref, mailbox.Outlook, tok); err != nil {
		t.Fatal(err)
	}
	plain := tokenstore.NewMemory()
	if err := tokenstore.NewVault(plain, tokenstore.Unencrypted{}).Replace(t.Context(), ref, mailbox.Outlook, tok); err != nil {
		t.Fatal(err)
	}
	plainRecord, err := plain.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	report, err := vault.Rotate(t.Context(), tokenstore.RotateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"*ServiceAccount": account, "ServiceAccount": *account, "no ServiceAccount": (*tokenstore.ServiceAccount)(nil),
		"AppSourceConfig": appConfig, "AppSource": appSource, "File": file, "Memory": plain, "logged Record": slog.GroupValue(slog.Any("record", plainRecord)),
		"RotateReport": report, "RefreshRequest": tokenstore.RefreshRequest{Refresh: canaryRefresh},
		"Token": tok, "*Token": &tok, "Secret": tok.Refresh, "Key": key, "*Key": &key, "Keyring": ring,
		"Vault": vault, "SourceConfig": config, "Source": source, "*Client": client, "Record": rec,
		"mailbox.Session": mailbox.Session{Tokens: source},
	} {
		for how, printed := range printings(v) {
			wantNoCanary(t, name+" as "+how, printed)
			for _, secret := range private {
				if strings.Contains(printed, secret) {
					t.Errorf("%s as %s holds a part of the private key", name, how)
				}
			}
		}
	}
	if got := fmt.Sprint(tok.Refresh); got != "[redacted]" {
		t.Errorf("a Secret prints as %q", got)
	}
}

// canaryAccount returns an account with forms of its key that must not be printed.
func canaryAccount(t *testing.T) (*tokenstore.ServiceAccount, []string) {
	t.Helper()
	file, _ := keyFile(t, nil)
	account, err := tokenstore.ParseServiceAccount(file)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal(file, &fields); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(fields.Key))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		t.Fatalf("a key of type %T", parsed)
	}
	return account, []string{key.D.String(), key.D.Text(16), key.Primes[0].String(), key.Primes[1].String(), fields.Key[100:140]}
}

// Every way in which a refresh fails, printed with all that is behind it.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	answers := []func(url.Values) *http.Response{
		lost,
		always(200, `{"access_token":"`+canaryAccess+`\u0000","refresh_token":"`+canaryRefresh+`"}`),
		always(200, `{"access_token":["`+canaryAccess+`"]}`),
		always(200, `{"access_token":"`+canaryAccess+`","token_type":"mac"}`),
		always(200, `{"access_token":"`+canaryAccess),
		always(400, `{"error":"invalid_grant"}`),
		always(500, `oops`),
	}
	for i, script := range answers {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				if err := f.vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{
					Access: canaryAccess, Refresh: canaryRefresh, Expiry: time.Now().Add(-time.Hour),
				}); err != nil {
					t.Fatal(err)
				}
				f.service.next(script)
				_, err := f.source.Token(t.Context(), mailbox.TokenRequest{})
				if err == nil {
					t.Fatal("no error")
				}
				for ; err != nil; err = errors.Unwrap(err) {
					for how, printed := range printings(err) {
						wantNoCanary(t, how, printed)
					}
				}
			})
		})
	}
}

// Every way in which an app-only token is refused.
func TestAppErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	account, private := canaryAccount(t)
	answers := []func(url.Values) *http.Response{
		lost,
		always(200, `{"access_token":"`+canaryAccess+`\u0000"}`),
		always(200, `{"access_token":"`+canaryAccess),
		always(400, `{"error":"unauthorized_client"}`),
		always(401, `{"error":"invalid_client"}`),
		always(500, `oops`),
	}
	for i, script := range answers {
		for _, flow := range []mailbox.AppFlow{mailbox.AppFlowCredentials, mailbox.AppFlowAssertion} {
			t.Run(fmt.Sprint(i, flow), func(t *testing.T) {
				t.Parallel()
				s := newService()
				s.next(script)
				var told []error
				_, err := tokenstore.NewAppSource(tokenstore.AppSourceConfig{
					Client: &tokenstore.Client{
						Provider: s, ClientID: "app", ClientSecret: canaryApp, ServiceAccount: account, Transport: s,
						OnFault: func(_ context.Context, err *mailbox.Error) { told = append(told, err) },
					},
					Ref: ref, Flow: flow, Subject: "user@example.com",
					OnDead: func(_ context.Context, err *mailbox.Error, _ int64) { told = append(told, err) },
				}).Token(t.Context(), mailbox.TokenRequest{})
				if err == nil {
					t.Fatal("no error")
				}
				for _, err := range append(told, err) {
					for ; err != nil; err = errors.Unwrap(err) {
						for how, printed := range printings(err) {
							wantNoCanary(t, how, printed)
							if strings.Contains(printed, private[4]) {
								t.Errorf("%s holds a part of the private key", how)
							}
						}
					}
				}
			})
		}
	}
}

// A proxy that shows on its error page what it was sent shows no secret to the
// host, although the provider keeps the page in the native error.
func TestAnswersThatEchoTheRequest(t *testing.T) {
	t.Parallel()
	service := newService()
	secrets := []string{"app-secret", "refresh token/with=signs", "the-code", "the-verifier"}
	for _, answers := range []struct {
		status int
		page   string
		escape func(string) string
	}{
		{502, "<html>%s</html>", nil},
		{400, "%s", nil},
		{400, `{"error":"invalid_grant","error_description":"%s"}`, nil},
		{400, `{"error":"invalid_grant","error_description":"%s"}`, func(s string) string { return strings.ReplaceAll(s, "/", `\/`) }},
		{400, `{"error":"invalid_grant","error_description":"%s"}`, func(s string) string {
			return strings.NewReplacer("/", `\u002F`, "=", `\u003d`, "t", `\u0074`).Replace(s)
		}},
		{400, `{"error_description":"%s","access_token":"x"}`, nil},
		{200, "%s", nil},
	} {
		echo := func(form url.Values) *http.Response {
			text := form.Encode()
			for _, values := range form {
				text += " " + values[0]
			}
			if answers.escape != nil {
				text = answers.escape(text)
			}
			return answer(answers.status, fmt.Sprintf(answers.page, text))
		}
		client := &tokenstore.Client{Provider: service, ClientID: "app", ClientSecret: "app-secret", Transport: service}
		service.next(echo, echo, echo)
		_, err := client.Refresh(t.Context(), tokenstore.RefreshRequest{Refresh: tokenstore.Secret(secrets[1])})
		_, _, exchangeErr := client.Exchange(t.Context(), secrets[2], secrets[3], "https://host.test/callback")
		errs := []error{err, exchangeErr}
		if answers.status != 200 {
			errs = append(errs, client.Revoke(t.Context(), tokenstore.Secret(secrets[1])))
		}
		for _, err := range errs {
			if err == nil {
				t.Fatalf("an answer %d was taken", answers.status)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				for _, secret := range secrets {
					if strings.Contains(e.Error(), secret) || strings.Contains(e.Error(), url.QueryEscape(secret)) {
						t.Errorf("HTTP %d: the error shows %q: %v", answers.status, secret, e)
					}
				}
			}
		}
	}
}
