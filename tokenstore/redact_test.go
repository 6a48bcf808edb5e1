package tokenstore_test

import (
	"bytes"
	"encoding/json"
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
	for name, v := range map[string]any{
		"Token": tok, "*Token": &tok, "Secret": tok.Refresh, "Key": key, "*Key": &key, "Keyring": ring,
		"Vault": vault, "SourceConfig": config, "Source": source, "*Client": client, "Record": rec,
		"mailbox.Session": mailbox.Session{Tokens: source},
	} {
		for how, printed := range printings(v) {
			wantNoCanary(t, name+" as "+how, printed)
		}
	}
	if got := fmt.Sprint(tok.Refresh); got != "[redacted]" {
		t.Errorf("a Secret prints as %q", got)
	}
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
