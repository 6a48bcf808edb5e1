package fakeserver

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// OAuth is an authorization server (RFC 6749, RFC 7636, RFC 7009) that also
// says who signed in (OpenID Connect Core 1.0): authorize page, code, PKCE,
// refresh, revoke, ID tokens. The fakes set its fields to be like their
// service. Use NewOAuth; it is safe for concurrent use afterwards.
type OAuth struct {
	server *Server
	config OAuthConfig
	keys   keyring

	mu        sync.Mutex
	clients   map[string]Client
	faults    map[string]TokenError // by client
	codes     map[string]*grantCode
	grants    []*Grant
	access    map[string]accessToken
	refresh   map[string]*refreshToken
	issued    []string // refresh tokens, oldest first
	refreshes map[string]int
	broken    []IDTokenFault
}

// OAuthConfig is how one service differs from another. Hooks must not call
// methods of OAuth unless they say that they may.
type OAuthConfig struct {
	// Users lists who can sign in, for the page.
	Users func() []string
	// AccessTTL is the life of an access token; 0 means one hour.
	AccessTTL time.Duration
	// OpenerPolicy is the Cross-Origin-Opener-Policy of the authorization
	// endpoint; empty sends none.
	OpenerPolicy string
	// Admit looks at what a user is about to allow and may refuse it. It may call
	// Granted and Client.
	Admit func(r *http.Request, g Grant) *Refusal
	// Denied is the error_description of a user's own refusal.
	Denied string
	// Limits are the periods that the page offers to limit a grant to. Empty
	// means that the service has no grants for a limited time.
	Limits []time.Duration

	// Offline tells whether a request gets a refresh token.
	Offline func(authorize url.Values, scopes []string) bool
	// Echo returns the scopes as the token response spells them.
	Echo func(scopes []string) []string
	// RefreshOnConsent gives a refresh token only where a consent screen is
	// shown: with the first grant of a user to a client, and with
	// prompt=consent (Google).
	RefreshOnConsent bool
	// IncludeGranted honours include_granted_scopes=true: the new grant also has
	// what the user granted the client before (Google).
	IncludeGranted bool
	// RevokeAll ends the grants of a user to all clients when one is revoked:
	// they belong to one project (Google).
	RevokeAll bool

	// Rotate returns a new refresh token with every refresh (Microsoft). Reuse
	// says what becomes of the old one.
	Rotate bool
	Reuse  RefreshReuse
	// MaxRefresh is how many refresh tokens of one user and client live; the
	// oldest dies when there are more. 0 means no limit.
	MaxRefresh int
	// Life is how long refresh tokens of a grant live, from consent; nil and 0
	// mean for ever.
	Life func(g Grant) time.Duration
	// Inactivity ends a refresh token that was not used for so long, counted
	// from its issue if refresh tokens rotate. 0 means never.
	Inactivity time.Duration
	// Widen tells whether a refresh may ask for a scope that neither the refresh
	// token nor any other grant of the user to the client has. With nil a
	// refresh can only narrow.
	Widen func(g Grant, scope string) bool
	// Refuse looks at every exchange of a code and every refresh that would
	// succeed and may refuse it with a kind of its own.
	Refuse func(r *http.Request, g Grant) TokenError
	// Extra are further grant types, by name.
	Extra map[string]ExtraGrant
	// IDToken returns the claims of an ID token besides aud, iat, exp and nonce.
	// It is asked when the scopes have openid; with nil there are no ID tokens.
	IDToken func(g Grant) map[string]any
	// Error writes a refusal of the token endpoint in the words of the service.
	Error func(w http.ResponseWriter, kind TokenError)
}

// TokenError is why a token request was refused. Fakes have further ones.
type TokenError string

// The refusals of the token endpoint.
const (
	BadClient   TokenError = "invalid_client"
	BadRequest  TokenError = "invalid_request"
	BadCode     TokenError = "code"     // unknown, used, expired, or wrong redirect URI
	BadVerifier TokenError = "verifier" // PKCE
	BadRefresh  TokenError = "refresh"  // unknown, expired, superseded or revoked
	Inactive    TokenError = "inactive" // not used for OAuthConfig.Inactivity
	BadScope    TokenError = "invalid_scope"
	BadToken    TokenError = "invalid_token" // revocation of an unknown token
)

// ExtraGrant is a grant type of the token endpoint besides codes and refreshes.
type ExtraGrant struct {
	// Anonymous says that the request proves by itself who asks, without the
	// credentials of a client.
	Anonymous bool
	// Grant returns what is granted, or why it is not. There is no refresh token.
	Grant func(r *http.Request, client string) (Grant, TokenError)
}

// Client is a registered OAuth client.
type Client struct {
	ID, Secret string
	// RedirectURIs are compared exactly; an empty list accepts every loopback
	// address, as native clients may use.
	RedirectURIs []string
	// Scopes and Roles are the delegated and the application permissions that
	// the registration lists: what the scope ".default" stands for (Microsoft).
	Scopes, Roles []string
}

// Allows reports whether the client may be answered at a redirect URI.
func (c Client) Allows(redirect string) bool {
	if len(c.RedirectURIs) > 0 {
		return slices.Contains(c.RedirectURIs, redirect)
	}
	u, err := url.Parse(redirect)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// Grant is what a user allowed a client, or an administrator an app.
type Grant struct {
	// User is empty for a grant to the app itself.
	User   string
	Client string
	Scopes []string
	// Tenant is the directory of a grant to the app itself (Microsoft).
	Tenant string
	// GrantedAt is when the user agreed, Expires when the grant ends by itself;
	// zero means never.
	GrantedAt, Expires time.Time
	// Revoked says that the grant has ended, and Reason what a refresh is told;
	// empty means BadRefresh.
	Revoked bool
	Reason  TokenError
}

// Has reports whether any of the scopes was granted.
func (g *Grant) Has(anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(s string) bool { return slices.Contains(g.Scopes, s) })
}

type grantCode struct {
	grant     *Grant
	redirect  string
	challenge string
	nonce     string
	offline   bool
	limit     time.Duration
	expires   time.Time
}

type accessToken struct {
	grant   *Grant
	scopes  []string
	expires time.Time
}

// NewOAuth returns the authorization server of a fake.
func NewOAuth(s *Server, c OAuthConfig) *OAuth {
	if c.AccessTTL == 0 {
		c.AccessTTL = time.Hour
	}
	return &OAuth{
		server: s, config: c,
		clients: map[string]Client{}, faults: map[string]TokenError{}, codes: map[string]*grantCode{},
		access: map[string]accessToken{}, refresh: map[string]*refreshToken{}, refreshes: map[string]int{},
	}
}

// Register adds or replaces a client.
func (o *OAuth) Register(c Client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clients[c.ID] = c
}

// Client returns a registered client.
func (o *OAuth) Client(id string) (Client, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c, ok := o.clients[id]
	return c, ok
}

// SetClientFault refuses every token request of a client with an error, as if
// something were wrong with its registration. The empty kind ends it.
func (o *OAuth) SetClientFault(id string, kind TokenError) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if kind == "" {
		delete(o.faults, id)
		return
	}
	o.faults[id] = kind
}

// Granted returns the scopes of all live grants of a user to a client.
func (o *OAuth) Granted(user, client string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.granted(user, client)
}

func (o *OAuth) granted(user, client string) []string {
	var scopes []string
	for _, g := range o.grants {
		if !g.Revoked && g.Client == client && strings.EqualFold(g.User, user) {
			scopes = append(scopes, g.Scopes...)
		}
	}
	return scopes
}
