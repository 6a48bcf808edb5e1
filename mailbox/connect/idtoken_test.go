package connect_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

func claim(name string, value any) func(map[string]any) {
	return func(claims map[string]any) { claims[name] = value }
}

func TestIDTokenRefused(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := func(claims []byte) string {
		enc := base64.RawURLEncoding.EncodeToString
		return enc([]byte(`{"alg":"none"}`)) + "." + enc(claims) + "."
	}
	// The public key as an HMAC secret: the classic confusion of algorithms.
	confused := func(claims []byte) string {
		enc := base64.RawURLEncoding.EncodeToString
		signed := enc([]byte(`{"alg":"HS256"}`)) + "." + enc(claims)
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&testKey().PublicKey))
		mac.Write([]byte(signed))
		return signed + "." + enc(mac.Sum(nil))
	}
	tests := map[string]struct {
		claims func(map[string]any)
		sign   func([]byte) string
		code   string
	}{
		"missing":               {sign: func([]byte) string { return "" }, code: connect.CodeIDTokenMissing},
		"no token":              {sign: func([]byte) string { return "canary.not.token" }, code: connect.CodeIDTokenMalformed},
		"JSON serialization":    {sign: func([]byte) string { return `{"payload":"e30","signatures":[]}` }, code: connect.CodeIDTokenMalformed},
		"claims are no object":  {sign: func([]byte) string { return signWith(jose.RS256, testKey(), "", []byte("[]")) }, code: connect.CodeIDTokenMalformed},
		"alg none":              {sign: unsigned, code: connect.CodeIDTokenAlgorithm},
		"alg HS256":             {sign: confused, code: connect.CodeIDTokenAlgorithm},
		"alg RS512":             {sign: func(c []byte) string { return signWith(jose.RS512, testKey(), "", c) }, code: connect.CodeIDTokenAlgorithm},
		"key of somebody else":  {sign: func(c []byte) string { return signWith(jose.RS256, other, "", c) }, code: connect.CodeIDTokenSignature},
		"unknown key":           {sign: func(c []byte) string { return signWith(jose.RS256, testKey(), "retired", c) }, code: connect.CodeIDTokenSignature},
		"another audience":      {claims: claim("aud", "another-client"), code: connect.CodeIDTokenAudience},
		"no audience":           {claims: claim("aud", nil), code: connect.CodeIDTokenAudience},
		"another party":         {claims: claim("azp", "another-client"), code: connect.CodeIDTokenAudience},
		"two audiences":         {claims: claim("aud", []string{"client", "another-client"}), code: connect.CodeIDTokenAudience},
		"another nonce":         {claims: claim("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAA"), code: connect.CodeIDTokenNonce},
		"no nonce":              {claims: claim("nonce", ""), code: connect.CodeIDTokenNonce},
		"expired":               {claims: claim("exp", time.Now().Add(-11*time.Minute).Unix()), code: connect.CodeIDTokenTime},
		"without expiry":        {claims: func(c map[string]any) { delete(c, "exp") }, code: connect.CodeIDTokenTime},
		"not valid yet":         {claims: claim("nbf", time.Now().Add(11*time.Minute).Unix()), code: connect.CodeIDTokenTime},
		"another issuer":        {claims: claim("iss", "https://evil.test/contoso"), code: connect.CodeIDTokenIssuer},
		"another subject":       {claims: claim("sub", "sub-eve"), code: connect.CodeIDTokenSubject},
		"claims of bad type":    {claims: claim("azp", 7), code: connect.CodeIDTokenMalformed},
		"distributed claims":    {claims: claim("_claim_names", map[string]string{"groups": "src"}), code: connect.CodeIDTokenMalformed},
		"a bit of it is turned": {sign: turned, code: connect.CodeIDTokenSignature},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.gmail.claims, h.gmail.sign = test.claims, test.sign
			_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
			wantRefused(t, err, mailbox.ClassBadCallback, test.code)
			for e := err; e != nil; e = errors.Unwrap(e) {
				wantNoSecrets(t, name, e)
			}
			h.wantUntouched(t)
		})
	}
}

// turned signs and then changes the claims.
func turned(claims []byte) string {
	parts := strings.Split(signWith(jose.RS256, testKey(), "", claims), ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), "sub-ann", "sub-bob", 1)))
	return strings.Join(parts, ".")
}

func TestIDTokenAccepted(t *testing.T) {
	t.Parallel()
	for name, claims := range map[string]func(map[string]any){
		"as issued":               nil,
		"audience in a list":      claim("aud", []string{"client"}),
		"several, and authorized": func(c map[string]any) { c["aud"], c["azp"] = []string{"x", "client"}, "client" },
		// The clock of this machine is ten minutes ahead, or behind.
		"clock ahead":   func(c map[string]any) { c["exp"] = time.Now().Add(-10 * time.Minute).Unix() },
		"clock behind":  func(c map[string]any) { c["nbf"] = time.Now().Add(10 * time.Minute).Unix() },
		"no not-before": func(c map[string]any) { delete(c, "nbf") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the clock stands still
				h := newHost(t)
				h.gmail.claims = claims
				h.connect(t, request(), "ann")
			})
		})
	}
}

// The directory comes from the ID token, and decides where tokens are refreshed.
func TestDirectoryDecidesTheEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		r := request()
		r.Provider = mailbox.Outlook
		if a := h.connect(t, r, "ann"); a.Directory != "contoso" {
			t.Fatalf("directory %q", a.Directory)
		}
		mb, err := h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := mb.(*opened).session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); err != nil {
			t.Fatal(err)
		}
		if h.outlook.count("/contoso/token") != 1 || h.outlook.count("/token") != 1 {
			t.Errorf("requests %v", h.outlook.requests)
		}
	})
}

// Keys are fetched once, and again when a token names one that is new.
func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.gmail.keyID = "first"
		for range 3 {
			h.connect(t, request(), "ann")
		}
		if n := h.gmail.count("/keys"); n != 1 {
			t.Errorf("the keys were fetched %d times", n)
		}
		h.gmail.keyID = "second"
		h.connect(t, request(), "ann")
		if n := h.gmail.count("/keys"); n != 2 {
			t.Errorf("after a new key they were fetched %d times", n)
		}
	})
}

func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	tests := map[string]*http.Response{
		"HTML":     answer(502, "<html>Bad Gateway</html>"),
		"not JSON": answer(200, "<html>"),
		"endless":  answer(200, `{"keys":[],"x":"`+strings.Repeat("x", 2<<20)+`"}`),
		"a redirect": {
			StatusCode: http.StatusFound, Header: http.Header{"Location": {"https://evil.test/keys"}}, Body: http.NoBody,
		},
		"broken key": answer(200, `{"keys":[{"kty":"RSA","n":"!","e":"!"}]}`),
	}
	for name, resp := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				h.gmail.trouble["/keys"] = resp
				_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
				wantRefused(t, err, mailbox.ClassUnavailable, connect.CodeNoKeys)
				h.wantUntouched(t)
				if n := len(h.gmail.requests); n != 2 || connect.ErrorCode(err) != connect.ErrorTryLater {
					t.Errorf("requests %v, code %s", h.gmail.requests, connect.ErrorCode(err))
				}
				synctest.Wait()                // whoever comes before the fetch is over shares its failure
				h.connect(t, request(), "ann") // and it passes
			})
		})
	}
}

// An endpoint that never answers holds the callback for seconds, not for ever,
// and leaves no goroutine behind: the bubble would not end.
func TestKeysNeverCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stuck stuckKeys
		h := newHost(t, func(c *connect.Config) {
			stuck.RoundTripper = c.Apps[0].Transport
			c.Apps[0].Transport = stuck
		})
		began := time.Now()
		_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
		wantRefused(t, err, mailbox.ClassUnavailable, connect.CodeNoKeys)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// stuckKeys answers no request for keys until it is cancelled.
type stuckKeys struct{ http.RoundTripper }

func (s stuckKeys) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/keys" {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return s.RoundTripper.RoundTrip(req)
}

// A provider that names no keys, and a request without openid, go without.
func TestNoIDToken(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) {
		c.Apps[0].Provider = plainOAuth{c.Apps[0].Provider.(*service)}
	})
	started, err := h.Start(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(started.URL, "nonce") {
		t.Errorf("a nonce without an ID token: %s", started.URL)
	}
}

type plainOAuth struct{ *service }

func (p plainOAuth) OAuth() mailbox.OAuth {
	o := p.service.OAuth()
	o.KeysURL = ""
	return o
}

// Every flow has a nonce of its own, which nothing but the URL shows.
func TestNonces(t *testing.T) {
	t.Parallel()
	spy := &spyStates{StateStore: connect.NewMemoryStates()}
	h := newHost(t, func(c *connect.Config) { c.States = spy })
	var nonces []string
	for range 20 {
		q := query(t, h.start(t, request()))
		nonce := q.Get("nonce")
		if len(nonce) < 26 || slices.Contains(nonces, nonce) || strings.Contains(q.Get("state"), nonce) || strings.Contains(string(spy.data), nonce) {
			t.Fatalf("nonce %q", nonce)
		}
		nonces = append(nonces, nonce)
	}
}

func TestKeysURLIsChecked(t *testing.T) {
	t.Parallel()
	c := newHost(t).config
	c.Apps = slices.Clone(c.Apps)
	c.Apps[0].Provider = plainKeys{c.Apps[0].Provider.(*service)}
	_, err := connect.New(c)
	fe, ok := errors.AsType[*mailbox.FieldError](err)
	if !ok || fe.Field != "Apps[0].Provider.KeysURL" {
		t.Errorf("got %v", err)
	}
}

type plainKeys struct{ *service }

func (p plainKeys) OAuth() mailbox.OAuth {
	o := p.service.OAuth()
	o.KeysURL = "http://keys.test/"
	return o
}
