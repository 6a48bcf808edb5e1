package connect_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mailtether/mailtether/mailbox"
)

// authority is what a service adds to OAuth: ID tokens, and the consent of
// administrators.
type authority struct {
	// claims changes the claims of ID tokens.
	claims func(claims map[string]any)
	// sign makes an ID token of them; nil signs with the service's key.
	sign func(claims []byte) string
	// keyID names the key in use.
	keyID string
	// managed are the scopes that only an administrator may consent to, until
	// allowed has them.
	managed, allowed []string
}

// testKey signs all ID tokens of these tests: making keys is slow.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func issuer(name string) string { return "https://" + name + ".test/contoso" }

// signWith returns a compact JWS.
func signWith(alg jose.SignatureAlgorithm, key any, keyID string, claims []byte) string {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: alg, Key: key},
		(&jose.SignerOptions{}).WithHeader("kid", keyID),
	)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		panic(err)
	}
	s, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return s
}

func (a *authority) idToken(name string, g grant) string {
	now := time.Now()
	claims := map[string]any{
		"iss": issuer(name), "aud": "client", "sub": "sub-" + g.user, "nonce": g.nonce,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if a.claims != nil {
		a.claims(claims)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	if a.sign != nil {
		return a.sign(b)
	}
	return signWith(jose.RS256, testKey(), a.keyID, b)
}

func (a *authority) jwks() *http.Response {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: testKey().Public(), KeyID: a.keyID, Algorithm: "RS256", Use: "sig"},
	}})
	if err != nil {
		panic(err)
	}
	return answer(200, string(b))
}

// IDToken implements mailbox.IDTokenReader.
func (s *service) IDToken(claims []byte) (mailbox.Identity, error) {
	var c struct{ Iss, Sub string }
	if err := json.NewDecoder(bytes.NewReader(claims)).Decode(&c); err != nil || c.Iss != issuer(string(s.name)) {
		return mailbox.Identity{}, errors.New("another issuer")
	}
	id := mailbox.Identity{Subject: c.Sub}
	if s.name == mailbox.Outlook {
		id.Directory = "contoso"
	}
	return id, nil
}

// OAuthAt implements mailbox.DirectoryProvider.
func (s *service) OAuthAt(directory string) mailbox.OAuth {
	o := s.OAuth()
	if s.name == mailbox.Outlook {
		o.TokenURL = "https://outlook.test/" + directory + "/token"
		o.AdminConsentURL = "https://outlook.test/" + directory + "/adminconsent"
	}
	return o
}

// consented reports whether the user or an administrator agreed to the scopes.
func (s *service) consented(g grant, scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(scope string) bool {
		return slices.Contains(s.managed, scope) && !slices.Contains(s.allowed, scope) && !slices.Contains(g.scopes, scope)
	})
}

// administer plays the admin consent page and returns the parameters of the
// callback.
func (s *service) administer(t testing.TB, page, directory, refusal string) url.Values {
	t.Helper()
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if got, want := u.Scheme+"://"+u.Host+u.Path, "https://outlook.test/"+directory+"/adminconsent"; got != want {
		t.Fatalf("sent to %s, want %s", got, want)
	}
	if q.Get("client_id") != "client" || q.Get("redirect_uri") != "https://host.test/admin/outlook" || q.Get("scope") == "" || len(q) != 4 {
		t.Errorf("the request has %v", q)
	}
	if refusal != "" {
		return url.Values{"state": {q.Get("state")}, "error": {refusal}, "error_description": {"words of the provider"}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = append(s.allowed, strings.Fields(q.Get("scope"))...)
	return url.Values{"state": {q.Get("state")}, "admin_consent": {"True"}, "tenant": {"contoso"}, "scope": {q.Get("scope")}}
}
