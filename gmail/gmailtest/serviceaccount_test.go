package gmailtest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

const robot = "robot@p1.iam.gserviceaccount.com"

// assertion signs claims.
func assertion(t testing.TB, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) assert(token string) answer {
	w.t.Helper()
	return w.post("/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {token}})
}

// keyOf reads the private key of a key file.
func keyOf(t testing.TB, file []byte) *rsa.PrivateKey {
	t.Helper()
	var f struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal(file, &f); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(f.Key))
	if block == nil {
		t.Fatal("no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

func (w *world) claims() map[string]any {
	return map[string]any{
		"iss": robot, "sub": ann, "aud": w.URL() + "/token", "scope": gmailtest.ScopeSend + " " + gmailtest.ScopeMetadata,
		"iat": w.Now().Unix(), "exp": w.Now().Add(time.Hour).Unix(),
	}
}

func TestServiceAccount(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{ProjectID: "p1"})
	file := w.AddServiceAccount(gmailtest.ServiceAccount{
		Email: robot, Domain: "example.com", Scopes: []string{gmailtest.ScopeSend, gmailtest.ScopeMetadata, gmailtest.ScopeReadonly},
	})
	var f map[string]string
	if err := json.Unmarshal(file, &f); err != nil || f["type"] != "service_account" || f["client_email"] != robot ||
		f["private_key_id"] == "" || f["project_id"] != "p1" || f["token_uri"] != w.URL()+"/token" {
		t.Errorf("key file = %v, %v", f, err)
	}
	a := w.assert(assertion(t, jose.RS256, keyOf(t, file), w.claims()))
	if a.status != 200 || a.str("access_token") == "" || a.at("refresh_token") != nil || a.str("scope") != w.claims()["scope"] || a.at("expires_in") != 3600.0 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.token = a.str("access_token")
	if p := w.ok("GET", "/profile", ""); p.str("emailAddress") != ann {
		t.Errorf("profile = %s", p.body)
	}
	w.refused("GET", "/settings/sendAs", "", 403, "insufficientPermissions", "") // a delegated scope that was not asked for
	w.Advance(time.Hour)
	w.refused("GET", "/profile", "", 401, "authError", "")
}

func TestServiceAccountRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "eve@other.example"})
	key := keyOf(t, w.AddServiceAccount(gmailtest.ServiceAccount{
		Email: robot, Domain: "example.com", Scopes: []string{gmailtest.ScopeSend, gmailtest.ScopeMetadata},
	}))
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	unix := func(d time.Duration) int64 { return w.Now().Add(d).Unix() }
	const tooLong = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."
	const undelegated = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."
	for name, c := range map[string]struct {
		change            map[string]any
		status            int
		code, description string
	}{
		"issuer":        {map[string]any{"iss": "x@p1.iam.gserviceaccount.com"}, 400, "invalid_grant", "Invalid grant: account not found"},
		"audience":      {map[string]any{"aud": "https://oauth2.googleapis.com/token"}, 400, "invalid_grant", "Invalid JWT: Failed audience check."},
		"audience list": {map[string]any{"aud": []string{w.URL() + "/token"}}, 400, "invalid_request", "Bad Request"},
		"too long":      {map[string]any{"exp": unix(2 * time.Hour)}, 400, "invalid_grant", tooLong},
		"old":           {map[string]any{"iat": unix(-2 * time.Hour), "exp": unix(-time.Hour)}, 400, "invalid_grant", tooLong},
		"not yet":       {map[string]any{"iat": unix(30 * time.Minute), "exp": unix(time.Hour)}, 400, "invalid_grant", tooLong},
		"backwards":     {map[string]any{"exp": unix(-time.Minute)}, 400, "invalid_grant", tooLong},
		"no time":       {map[string]any{"iat": nil}, 400, "invalid_grant", tooLong},
		"no scope":      {map[string]any{"scope": ""}, 400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."},
		"nobody":        {map[string]any{"sub": "nobody@example.com"}, 400, "invalid_grant", "Invalid email or User ID"},
		"other domain":  {map[string]any{"sub": "eve@other.example"}, 401, "unauthorized_client", undelegated},
		"no subject":    {map[string]any{"sub": ""}, 401, "unauthorized_client", undelegated},
		"other scope":   {map[string]any{"scope": gmailtest.ScopeModify}, 401, "unauthorized_client", undelegated},
		"one more":      {map[string]any{"scope": gmailtest.ScopeSend + " " + gmailtest.ScopeModify}, 403, "access_denied", "Requested client not authorized."},
	} {
		claims := w.claims()
		maps.Copy(claims, c.change)
		a := w.assert(assertion(t, jose.RS256, key, claims))
		if a.status != c.status || a.str("error") != c.code || a.str("error_description") != c.description {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	payload, _ := json.Marshal(w.claims())
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	for name, c := range map[string]struct{ token, code, description string }{
		"foreign key": {assertion(t, jose.RS256, foreign, w.claims()), "invalid_grant", "Invalid JWT Signature."},
		"other alg":   {assertion(t, jose.PS256, key, w.claims()), "invalid_request", "Bad Request"},
		"alg none":    {unsigned, "invalid_request", "Bad Request"},
		"no token":    {"", "invalid_request", "Bad Request"},
	} {
		if a := w.assert(c.token); a.status != 400 || a.str("error") != c.code || a.str("error_description") != c.description {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	good := assertion(t, jose.RS256, key, w.claims())
	w.SetDelegation(robot, "example.com")
	if a := w.assert(good); a.str("error") != "unauthorized_client" {
		t.Errorf("after the delegation ended: %s", a.body)
	}
	w.SetDelegation(robot, "example.com", gmailtest.ScopeSend, gmailtest.ScopeMetadata)
	if a := w.assert(good); a.status != 200 {
		t.Errorf("delegated again: %s", a.body)
	}
	w.AddServiceAccount(gmailtest.ServiceAccount{Email: robot, Domain: "example.com", Scopes: []string{gmailtest.ScopeSend, gmailtest.ScopeMetadata}})
	if a := w.assert(good); a.str("error_description") != "Invalid JWT Signature." {
		t.Errorf("with the key before: %s", a.body)
	}
}
