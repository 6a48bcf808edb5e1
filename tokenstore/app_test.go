package tokenstore_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// keyFile returns a key file as Google gives them out, and its public key.
func keyFile(t testing.TB, change func(fields map[string]string)) ([]byte, *rsa.PublicKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{
		"type":           "service_account",
		"project_id":     "project",
		"private_key_id": "key-1",
		"private_key":    pkcs8(t, key),
		"client_email":   "robot@project.iam.gserviceaccount.com",
		"client_id":      "1234567890",
		"token_uri":      "https://evil.test/token",
	}
	if change != nil {
		change(fields)
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return b, &key.PublicKey
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestParseServiceAccount(t *testing.T) {
	t.Parallel()
	good, _ := keyFile(t, nil)
	account, err := tokenstore.ParseServiceAccount(good)
	if err != nil || account.Email != "robot@project.iam.gserviceaccount.com" || account.KeyID != "key-1" {
		t.Fatalf("a good file: %v, %v", account, err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1, _ := keyFile(t, func(f map[string]string) {
		f["private_key"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	})
	if _, err := tokenstore.ParseServiceAccount(pkcs1); err != nil {
		t.Errorf("a key in PKCS #1: %v", err)
	}

	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(name, value string) func() []byte {
		return func() []byte {
			b, _ := keyFile(t, func(f map[string]string) { f[name] = value })
			return b
		}
	}
	tests := []struct {
		name, field string
		file        func() []byte
	}{
		{"nothing", "service account", func() []byte { return nil }},
		{"no JSON", "service account", func() []byte { return []byte("-----BEGIN PRIVATE KEY-----") }},
		{"an array", "service account", func() []byte { return []byte("[]") }},
		{"a number for a key", "service account", func() []byte { return []byte(`{"type":"service_account","private_key":1}`) }},
		{"far too long", "service account", func() []byte { return append(good, strings.Repeat(" ", 1<<16)...) }},
		{"null", "type", func() []byte { return []byte("null") }},
		{"a user's file", "type", changed("type", "authorized_user")},
		{"no address", "client_email", changed("client_email", "")},
		{"an address with a line break", "client_email", changed("client_email", "a@b\r\nX: y")},
		{"no key ID", "private_key_id", changed("private_key_id", "")},
		{"a long key ID", "private_key_id", changed("private_key_id", strings.Repeat("k", 256))},
		{"no key", "private_key", changed("private_key", "")},
		{"no PEM", "private_key", changed("private_key", canaryKey)},
		{"PEM around nothing", "private_key", changed("private_key", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")},
		{"a key of another kind", "private_key", changed("private_key", pkcs8(t, elliptical))},
		{"two keys", "private_key", changed("private_key", pkcs8(t, key)+pkcs8(t, key))},
	}
	for _, test := range tests {
		account, err := tokenstore.ParseServiceAccount(test.file())
		fe, ok := errors.AsType[*mailbox.FieldError](err)
		if account != nil || !ok || fe.Field != test.field || !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%s: %v, want a FieldError of %s", test.name, err, test.field)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			wantNoCanary(t, test.name, fmt.Sprintf("%v %+v", err, err))
		}
	}
}

func FuzzParseServiceAccount(f *testing.F) {
	good, _ := keyFile(f, nil)
	f.Add(good)
	f.Add([]byte(`{"type":"service_account","client_email":"a@b","private_key_id":"k","private_key":"-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n"}`))
	f.Add([]byte(`{"type":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		account, err := tokenstore.ParseServiceAccount(b)
		if err != nil {
			if _, ok := errors.AsType[*mailbox.FieldError](err); !ok || account != nil {
				t.Fatalf("error %v, account %v", err, account)
			}
			return
		}
		if account.Email == "" || account.KeyID == "" {
			t.Fatal("an account without a name")
		}
		if _, err := (&tokenstore.Client{Provider: newService(), ServiceAccount: account, Transport: noTransport{}}).Assertion(t.Context(), "a@b", nil); !errors.Is(err, mailbox.ClassUnavailable) {
			t.Fatalf("an account that cannot sign: %v", err)
		}
	})
}

type noTransport struct{}

func (noTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	file, public := keyFile(t, nil)
	account, err := tokenstore.ParseServiceAccount(file)
	if err != nil {
		t.Fatal(err)
	}
	// The server's clock may be 10 minutes off in either direction.
	for _, skew := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				c := &tokenstore.Client{Provider: s, ClientID: "app", ClientSecret: "app-secret", ServiceAccount: account, Transport: s}
				s.next(func(form url.Values) *http.Response {
					want := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": form["assertion"]}
					if diff := cmp.Diff(want, form); diff != "" {
						t.Errorf("the form differs (-want +got):\n%s", diff)
					}
					signed, err := jwt.ParseSigned(form.Get("assertion"), []jose.SignatureAlgorithm{jose.RS256})
					if err != nil {
						t.Fatal(err)
					}
					var claims jwt.Claims
					var rest struct {
						Scope string `json:"scope"`
					}
					if err := signed.Claims(public, &claims, &rest); err != nil {
						t.Errorf("the signature: %v", err)
					}
					now := time.Now().Add(skew)
					if err := claims.ValidateWithLeeway(jwt.Expected{
						Issuer: account.Email, Subject: "user@example.com", AnyAudience: jwt.Audience{s.url}, Time: now,
					}, 0); err != nil {
						t.Errorf("the claims: %v", err)
					}
					if claims.IssuedAt.Time().After(now) || claims.Expiry.Time().Sub(claims.IssuedAt.Time()) != time.Hour {
						t.Errorf("issued %s, expires %s, it is %s", claims.IssuedAt.Time(), claims.Expiry.Time(), now)
					}
					if rest.Scope != "a b" || signed.Headers[0].KeyID != "key-1" {
						t.Errorf("scope %q, key %q", rest.Scope, signed.Headers[0].KeyID)
					}
					return answer(200, `{"access_token":"a","expires_in":3599,"token_type":"Bearer"}`)
				})
				tok, err := c.Assertion(t.Context(), "user@example.com", []string{"a", "b"})
				if err != nil || tok.Access != "a" || tok.Refresh != "" {
					t.Errorf("Assertion: %v", err)
				}
			})
		})
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		c := &tokenstore.Client{Provider: atDirectories{classified{service: s}}, ClientID: "app", ClientSecret: "app-secret", Transport: s}
		s.next(func(form url.Values) *http.Response {
			want := url.Values{
				"grant_type": {"client_credentials"}, "scope": {"https://graph.test/.default"},
				"client_id": {"app"}, "client_secret": {"app-secret"},
			}
			if diff := cmp.Diff(want, form); diff != "" {
				t.Errorf("the form differs (-want +got):\n%s", diff)
			}
			return answer(200, `{"access_token":"a","expires_in":3599}`)
		})
		if tok, err := c.Credentials(t.Context(), "directory", []string{"https://graph.test/.default"}); err != nil || tok.Access != "a" {
			t.Errorf("Credentials: %v", err)
		}
		if got := s.paths; len(got) != 1 || got[0] != "/directory/token" {
			t.Errorf("asked at %q", got)
		}
		if _, err := c.Credentials(t.Context(), "", nil); !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("without a directory: %v", err)
		}
		if _, err := c.Assertion(t.Context(), "a@b", nil); !errors.Is(err, mailbox.ClassConfig) {
			t.Errorf("without a service account: %v", err)
		}
		c.ServiceAccount = &tokenstore.ServiceAccount{Email: "a@b", KeyID: "k"}
		if _, err := c.Assertion(t.Context(), "a@b", nil); !errors.Is(err, mailbox.ClassConfig) {
			t.Errorf("with a service account without a key: %v", err)
		}
		if s.count() != 1 {
			t.Errorf("%d requests", s.count())
		}
	})
}

// Where the app acts in its own right nobody can sign in, and what one
// organisation refuses is no fault of the app.
func TestAppRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code  string
		err   mailbox.Error
		want  mailbox.Class
		cause mailbox.Cause
		fault bool
	}{
		{"unauthorized_client", mailbox.Error{Class: mailbox.ClassConfig, Cause: mailbox.CauseAppRegistration}, mailbox.ClassAdmin, mailbox.CausePolicy, false},
		{"unauthorized_client", mailbox.Error{Class: mailbox.ClassConfig}, mailbox.ClassAdmin, mailbox.CausePolicy, false},
		{"access_denied", mailbox.Error{Class: mailbox.ClassDeclined}, mailbox.ClassAdmin, "", false},
		{"invalid_grant", mailbox.Error{Class: mailbox.ClassReconnect}, mailbox.ClassAdmin, "", false},
		{"invalid_grant", mailbox.Error{Class: mailbox.ClassReconnect, Cause: mailbox.CauseAccountDeleted}, mailbox.ClassNoMailbox, mailbox.CauseAccountDeleted, false},
		{"invalid_grant", mailbox.Error{Class: mailbox.ClassConsent, Cause: mailbox.CauseConsent}, mailbox.ClassAdmin, mailbox.CauseConsent, false},
		{"invalid_grant", mailbox.Error{Class: mailbox.ClassWrongAccount}, mailbox.ClassAdmin, "", false},
		{"invalid_client", mailbox.Error{Class: mailbox.ClassConfig, Cause: mailbox.CauseAppSecret}, mailbox.ClassConfig, mailbox.CauseAppSecret, true},
		{"unauthorized_client", mailbox.Error{Class: mailbox.ClassConfig, Cause: mailbox.CauseAppSecret}, mailbox.ClassConfig, mailbox.CauseAppSecret, true},
		{"temporarily_unavailable", mailbox.Error{Class: mailbox.ClassUnavailable}, mailbox.ClassUnavailable, "", false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.code, test.err.Class, test.err.Cause), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				faults := 0
				c := &tokenstore.Client{
					Provider: classified{s, test.err}, ClientID: "app", ClientSecret: "app-secret", Transport: s,
					OnFault: func(context.Context, *mailbox.Error) { faults++ },
				}
				s.next(always(400, `{"error":"`+test.code+`"}`))
				_, err := c.Credentials(t.Context(), "", []string{"s"})
				e, ok := errors.AsType[*mailbox.Error](err)
				if !ok || e.Class != test.want || e.Cause != test.cause {
					t.Errorf("%v, want class %v and cause %q", err, test.want, test.cause)
				}
				if (faults == 1) != test.fault {
					t.Errorf("OnFault was called %d times", faults)
				}
			})
		})
	}
}

// appFixture is an app with sources for several mailboxes.
type appFixture struct {
	service *service
	client  *tokenstore.Client
	dead    []mailbox.MailboxID
}

func newAppFixture() *appFixture {
	s := newService()
	return &appFixture{service: s, client: &tokenstore.Client{Provider: s, ClientID: "app", ClientSecret: "app-secret", Transport: s}}
}

func (f *appFixture) source(id mailbox.MailboxID, directory string) *tokenstore.AppSource {
	return tokenstore.NewAppSource(tokenstore.AppSourceConfig{
		Client: f.client, Ref: mailbox.Ref{Tenant: "acme", Mailbox: id}, Directory: directory,
		Flow: mailbox.AppFlowCredentials, Scopes: []string{"s"},
		OnDead: func(_ context.Context, err *mailbox.Error, version int64) {
			if err.Mailbox != id || version != 0 {
				panic("OnDead of another mailbox")
			}
			f.dead = append(f.dead, id)
		},
	})
}

func wantAppToken(t *testing.T, s *tokenstore.AppSource, req mailbox.TokenRequest, want mailbox.AccessToken) {
	t.Helper()
	if got, err := s.Token(t.Context(), req); err != nil || got != want {
		t.Errorf("Token returned %s, %v (%v), want %s", string(got), err, errors.Unwrap(err), string(want))
	}
}

func TestAppSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAppFixture()
		f.service.delay = time.Second
		a := f.source("a", "d1")
		// One request for all callers, all mailboxes of a directory, and all
		// sources that are made for them.
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				wantAppToken(t, f.source(mailbox.MailboxID(fmt.Sprint(i)), "d1"), mailbox.TokenRequest{}, "access-1")
			})
			wg.Go(func() { wantAppToken(t, a, mailbox.TokenRequest{}, "access-1") })
		}
		wg.Wait()
		wantAppToken(t, f.source("b", "d2"), mailbox.TokenRequest{}, "access-2") // another directory
		wantAppToken(t, a, mailbox.TokenRequest{}, "access-1")

		time.Sleep(56 * time.Minute) // early
		wantAppToken(t, a, mailbox.TokenRequest{}, "access-3")
		wantAppToken(t, a, mailbox.TokenRequest{Rejected: "access-1"}, "access-3")
		for range 10 {
			wg.Go(func() { wantAppToken(t, a, mailbox.TokenRequest{Rejected: "access-3"}, "access-4") })
		}
		wg.Wait()
		wantAppToken(t, a, mailbox.TokenRequest{Rejected: "access-4", Claims: "{}"}, "access-5")
		if got := f.service.count(); got != 5 {
			t.Errorf("%d requests, want 5", got)
		}

		// Trouble is not seen while the token is valid.
		time.Sleep(56 * time.Minute)
		f.service.setDown("<html>")
		wantAppToken(t, a, mailbox.TokenRequest{}, "access-5")
		wantAppToken(t, a, mailbox.TokenRequest{}, "access-5")
		if got := f.service.count(); got != 6 {
			t.Errorf("%d requests, want 6", got)
		}
		time.Sleep(time.Hour)
		if _, err := a.Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, mailbox.ClassUnavailable) {
			t.Errorf("Token: %v", err)
		}
		f.service.setDown("")
		wantAppToken(t, a, mailbox.TokenRequest{}, "access-6")
		if len(f.dead) != 0 {
			t.Errorf("OnDead: %v", f.dead)
		}
	})
}

func TestAppSourceDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAppFixture()
		f.client.Provider = classified{f.service, mailbox.Error{Class: mailbox.ClassConfig, Cause: mailbox.CauseAppRegistration}}
		f.service.next(always(400, `{"error":"unauthorized_client"}`))
		a, b := f.source("a", ""), f.source("b", "")
		for range 3 {
			for _, s := range []*tokenstore.AppSource{a, b} {
				_, err := s.Token(t.Context(), mailbox.TokenRequest{})
				if e, ok := errors.AsType[*mailbox.Error](err); !ok || e.Class != mailbox.ClassAdmin || e.Provider != mailbox.Outlook {
					t.Errorf("Token: %v", err)
				}
			}
		}
		if diff := cmp.Diff([]mailbox.MailboxID{"a", "b"}, f.dead); diff != "" {
			t.Errorf("OnDead (-want +got):\n%s", diff)
		}
		if got := f.service.count(); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
		time.Sleep(5 * time.Minute) // the administrator has allowed it
		wantAppToken(t, a, mailbox.TokenRequest{}, "access-1")
		wantAppToken(t, b, mailbox.TokenRequest{}, "access-1")
	})
}

func TestAppSourceErrors(t *testing.T) {
	t.Parallel()
	f := newAppFixture()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.source("a", "").Token(cancelled, mailbox.TokenRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for name, c := range map[string]tokenstore.AppSourceConfig{
		"no client":  {Flow: mailbox.AppFlowCredentials},
		"no flow":    {Client: f.client},
		"no subject": {Client: &tokenstore.Client{Provider: f.service, ServiceAccount: mustAccount(t)}, Flow: mailbox.AppFlowAssertion},
	} {
		c.Ref = ref
		_, err := tokenstore.NewAppSource(c).Token(t.Context(), mailbox.TokenRequest{})
		if e, ok := errors.AsType[*mailbox.Error](err); !ok || e.Class != mailbox.ClassInvalid || e.Mailbox != ref.Mailbox {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.service.count() != 0 {
		t.Error("something was asked")
	}
}

func mustAccount(t testing.TB) *tokenstore.ServiceAccount {
	t.Helper()
	file, _ := keyFile(t, nil)
	account, err := tokenstore.ParseServiceAccount(file)
	if err != nil {
		t.Fatal(err)
	}
	return account
}
