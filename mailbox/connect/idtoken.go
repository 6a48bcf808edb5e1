package connect

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

const (
	// clockSkew is how far the clocks of this machine and of the provider may be
	// apart. The provider's word on when an ID token is valid matters little
	// here: it comes from the token endpoint itself, over TLS, in answer to our
	// own request, and its nonce ties it to a flow that is minutes old and ends
	// with it. A wrong clock, on the other hand, would lock out everybody.
	// OpenID Connect Core 1.0 (3.1.3.7) leaves the leeway to the client.
	clockSkew = 10 * time.Minute
	// keysTimeout bounds the request for a provider's keys, and with it the life
	// of the goroutine that makes it.
	keysTimeout = 10 * time.Second
	// maxKeys bounds the answer to it. Google's has about 2 KB, Microsoft's
	// about 20 KB (2026-11).
	maxKeys = 1 << 20
)

// verifier checks the ID tokens that a provider issues to one app (OpenID
// Connect Core 1.0, 3.1.3.7). It keeps the provider's keys.
type verifier struct {
	app    *App
	reader mailbox.IDTokenReader
	keys   *oidc.RemoteKeySet
}

// newVerifier returns nil for a provider that issues no ID tokens.
func newVerifier(app *App) *verifier {
	reader, ok := app.Provider.(mailbox.IDTokenReader)
	url := app.Provider.OAuth().KeysURL
	if !ok || url == "" {
		return nil
	}
	// The context carries the client, nothing else.
	ctx := oidc.ClientContext(context.Background(), &http.Client{
		Transport:     boundedTransport{app.Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       keysTimeout,
	})
	return &verifier{app: app, reader: reader, keys: oidc.NewRemoteKeySet(ctx, url)}
}

// expects reports whether an authorization request with the scopes is answered
// with an ID token (OpenID Connect Core 1.0, 3.1.2.1).
func (v *verifier) expects(scopes []string) bool {
	return v != nil && slices.Contains(scopes, oidc.ScopeOpenID)
}

// verify returns who the ID token is about.
func (v *verifier) verify(ctx context.Context, raw tokenstore.Secret, nonce string) (mailbox.Identity, error) {
	if raw == "" {
		return mailbox.Identity{}, badCallback(CodeIDTokenMissing)
	}
	// RS256 is what both Google and Microsoft sign with. No other algorithm is
	// taken, so "none" and a public key used as an HMAC secret are out.
	algorithms := []jose.SignatureAlgorithm{jose.RS256}
	if _, err := jose.ParseSignedCompact(string(raw), algorithms); err != nil {
		if _, ok := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); ok {
			return mailbox.Identity{}, badCallback(CodeIDTokenAlgorithm)
		}
		return mailbox.Identity{}, badCallback(CodeIDTokenMalformed)
	}
	keys := &keySet{remote: v.keys}
	token, err := oidc.NewVerifier("", keys, &oidc.Config{
		SupportedSigningAlgs: []string{oidc.RS256},
		// What follows is checked below, where each has a code of its own: the
		// audience, and the times with a leeway on both sides. The issuer is the
		// provider's business.
		SkipClientIDCheck: true,
		SkipExpiryCheck:   true,
		SkipIssuerCheck:   true,
	}).Verify(ctx, string(raw))
	switch {
	case keys.err != nil:
		return mailbox.Identity{}, keys.err
	case err != nil:
		return mailbox.Identity{}, badCallback(CodeIDTokenMalformed)
	}
	var claims struct {
		Authorized string  `json:"azp"`
		NotBefore  float64 `json:"nbf"`
	}
	var all json.RawMessage
	if token.Claims(&claims) != nil || token.Claims(&all) != nil {
		return mailbox.Identity{}, badCallback(CodeIDTokenMalformed)
	}
	now := time.Now()
	switch {
	case !slices.Contains(token.Audience, v.app.ClientID),
		claims.Authorized != "" && claims.Authorized != v.app.ClientID,
		claims.Authorized == "" && len(token.Audience) > 1:
		return mailbox.Identity{}, badCallback(CodeIDTokenAudience)
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 || nonce == "":
		return mailbox.Identity{}, badCallback(CodeIDTokenNonce)
	case now.Add(-clockSkew).After(token.Expiry),
		claims.NotBefore > float64(now.Add(clockSkew).Unix()):
		return mailbox.Identity{}, badCallback(CodeIDTokenTime)
	}
	id, err := v.reader.IDToken(all)
	if err != nil {
		return mailbox.Identity{}, &mailbox.Error{Class: mailbox.ClassBadCallback, Code: CodeIDTokenIssuer, Err: err}
	}
	return id, nil
}

// keySet is the provider's keys for one verification. It tells a signature that
// is wrong from keys that cannot be had, which go-oidc's verifier does not.
type keySet struct {
	remote *oidc.RemoteKeySet
	err    error
}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.remote.VerifySignature(ctx, jwt)
	switch {
	case err == nil:
	case errors.Unwrap(err) != nil || ctx.Err() != nil: // "fetching keys" and why
		k.err = &mailbox.Error{Class: mailbox.ClassUnavailable, Code: CodeNoKeys, Err: err}
	default:
		k.err = badCallback(CodeIDTokenSignature)
	}
	return payload, err
}

// boundedTransport cuts answers at maxKeys.
type boundedTransport struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxKeys)
	}
	return resp, err
}
