package fakeserver

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// idTokenTTL is the life of an ID token at both services.
const idTokenTTL = time.Hour

// IDTokenFault breaks an ID token: see [OAuth.BreakIDToken].
type IDTokenFault struct {
	// Omit leaves the ID token out of the answer.
	Omit bool
	// Expired makes it one that ended an hour ago.
	Expired bool
	// Edit changes the claims before they are signed.
	Edit func(claims map[string]any)
	// WrongKey signs it with a key that is not published, under the name of one
	// that is. Unsigned leaves the signature out ("alg":"none"). Symmetric signs
	// it with the client's secret ("alg":"HS256").
	WrongKey, Unsigned, Symmetric bool
}

// BreakIDToken breaks the next ID token. Faults queue up.
func (o *OAuth) BreakIDToken(f IDTokenFault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken = append(o.broken, f)
}

// RotateKey makes another key sign ID tokens from now on. The old ones stay
// published.
func (o *OAuth) RotateKey() { o.keys.rotate() }

// Keys serves the keys that ID tokens are verified with, as a JSON Web Key Set
// (RFC 7517, 5).
func (o *OAuth) Keys(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(o.keys.public())
}

// idToken returns the ID token of an answer, or "" when there is none. A token
// that comes with a refresh has no nonce (OpenID Connect Core 1.0, 12.2).
func (o *OAuth) idToken(g *Grant, scopes []string, nonce string) string {
	if o.config.IDToken == nil || !slices.Contains(scopes, "openid") {
		return ""
	}
	var f IDTokenFault
	if len(o.broken) > 0 {
		f, o.broken = o.broken[0], o.broken[1:]
	}
	if f.Omit {
		return ""
	}
	now := o.server.Now()
	if f.Expired {
		now = now.Add(-2 * idTokenTTL)
	}
	of := *g
	of.Scopes = scopes
	claims := maps.Clone(o.config.IDToken(of))
	claims["aud"], claims["iat"], claims["exp"] = g.Client, now.Unix(), now.Add(idTokenTTL).Unix()
	if _, ok := claims["nbf"]; ok {
		claims["nbf"] = now.Unix()
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if f.Edit != nil {
		f.Edit(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic("fakeserver: claims of an ID token: " + err.Error())
	}
	key := o.keys.signing()
	switch {
	case f.Unsigned:
		enc := base64.RawURLEncoding
		return enc.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + enc.EncodeToString(payload) + "."
	case f.Symmetric:
		return sign(jose.HS256, jose.JSONWebKey{Key: padded(o.clients[g.Client].Secret), KeyID: key.KeyID}, payload)
	case f.WrongKey:
		other := newKey()
		other.KeyID = key.KeyID
		return sign(jose.RS256, other, payload)
	default:
		return sign(jose.RS256, key, payload)
	}
}

// padded makes a secret long enough for HS256, by zeros, as HMAC itself does.
func padded(secret string) []byte { return append([]byte(secret), make([]byte, 32)...) }

// sign writes a JSON Web Token (RFC 7519).
func sign(alg jose.SignatureAlgorithm, key jose.JSONWebKey, payload []byte) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic("fakeserver: signer: " + err.Error())
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		panic("fakeserver: sign: " + err.Error())
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		panic("fakeserver: serialize: " + err.Error())
	}
	return token
}

// keyring holds the keys that ID tokens are signed with, newest first. The first
// one is made when it is needed, since that takes a while.
type keyring struct {
	mu   sync.Mutex
	keys []jose.JSONWebKey
}

func (k *keyring) signing() jose.JSONWebKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.first()
}

func (k *keyring) first() jose.JSONWebKey {
	if len(k.keys) == 0 {
		k.keys = append(k.keys, newKey())
	}
	return k.keys[0]
}

func (k *keyring) rotate() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.first()
	k.keys = slices.Insert(k.keys, 0, newKey())
}

func (k *keyring) public() jose.JSONWebKeySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.first()
	var set jose.JSONWebKeySet
	for _, key := range k.keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return set
}

// newKey makes a key, named by its thumbprint (RFC 7638).
func newKey() jose.JSONWebKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("fakeserver: key: " + err.Error())
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		panic("fakeserver: thumbprint: " + err.Error())
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return key
}
