package fakeserver

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokenResponse is RFC 6749, 5.1, and OpenID Connect Core 1.0, 3.1.3.3.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	// RefreshExpires is Google's word for how long a limited grant lasts.
	RefreshExpires int    `json:"refresh_token_expires_in,omitempty"`
	IDToken        string `json:"id_token,omitempty"`
}

// Token serves the token endpoint.
func (o *OAuth) Token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		o.config.Error(w, BadRequest)
		return
	}
	o.mu.Lock()
	resp, kind := o.token(r)
	o.mu.Unlock()
	if kind != "" {
		o.config.Error(w, kind)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(resp)
}

func (o *OAuth) token(r *http.Request) (tokenResponse, TokenError) {
	grantType := r.PostForm.Get("grant_type")
	extra, isExtra := o.config.Extra[grantType]
	var client string
	if !extra.Anonymous {
		var kind TokenError
		if client, kind = o.authenticate(r); kind != "" {
			return tokenResponse{}, kind
		}
	}
	switch {
	case isExtra:
		g, kind := extra.Grant(r, client)
		if kind != "" {
			return tokenResponse{}, kind
		}
		g.GrantedAt = o.server.Now()
		return o.issue(&g, g.Scopes), ""
	case grantType == "authorization_code":
		return o.exchange(r, client)
	case grantType == "refresh_token":
		return o.renew(r, client)
	default:
		return tokenResponse{}, BadRequest
	}
}

// authenticate checks the credentials of a client (RFC 6749, 2.3.1).
func (o *OAuth) authenticate(r *http.Request) (client string, kind TokenError) {
	id, pass, basic := r.BasicAuth()
	if !basic {
		id, pass = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	} else { // both are form-encoded first (RFC 6749, 2.3.1)
		id, _ = url.QueryUnescape(id)
		pass, _ = url.QueryUnescape(pass)
	}
	c, known := o.clients[id]
	if !known || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(pass)) != 1 {
		return id, BadClient
	}
	return id, o.faults[id]
}

// exchange redeems a code (RFC 6749, 4.1.3).
func (o *OAuth) exchange(r *http.Request, client string) (tokenResponse, TokenError) {
	code := r.PostForm.Get("code")
	c := o.codes[code]
	delete(o.codes, code)
	if c == nil || c.grant.Client != client || c.grant.Revoked || o.server.Now().After(c.expires) ||
		c.redirect != r.PostForm.Get("redirect_uri") {
		return tokenResponse{}, BadCode
	}
	if !verified(c.challenge, r.PostForm.Get("code_verifier")) {
		return tokenResponse{}, BadVerifier
	}
	if o.config.Refuse != nil {
		if kind := o.config.Refuse(r, *c.grant); kind != "" {
			return tokenResponse{}, kind
		}
	}
	resp := o.issue(c.grant, c.grant.Scopes)
	if c.offline {
		resp.RefreshToken = o.issueRefresh(c.grant, c.grant.Scopes, nil)
		if c.limit > 0 {
			resp.RefreshExpires = int(c.grant.Expires.Sub(o.server.Now()) / time.Second)
		}
	}
	resp.IDToken = o.idToken(c.grant, c.grant.Scopes, c.nonce)
	return resp, ""
}

// verified is RFC 7636, 4.6.
func verified(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) == 1
}

// issue makes an access token.
func (o *OAuth) issue(g *Grant, scopes []string) tokenResponse {
	resp := tokenResponse{
		AccessToken: "access-" + secret(), TokenType: "Bearer",
		ExpiresIn: int(o.config.AccessTTL / time.Second),
	}
	if g.User != "" { // what an app may do by itself is not told
		echoed := scopes
		if o.config.Echo != nil {
			echoed = o.config.Echo(scopes)
		}
		resp.Scope = strings.Join(echoed, " ")
	}
	o.access[resp.AccessToken] = accessToken{g, scopes, o.server.Now().Add(o.config.AccessTTL)}
	return resp
}

// Revoke serves the revocation endpoint: the user's whole grant to the client
// ends (RFC 7009; so does Google's).
func (o *OAuth) Revoke(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		o.config.Error(w, BadRequest)
		return
	}
	token := r.FormValue("token")
	o.mu.Lock()
	var g *Grant
	if t := o.refresh[token]; t != nil && !t.dead {
		g = t.grant
	}
	if a, ok := o.access[token]; ok {
		g = a.grant
	}
	switch {
	case g == nil:
	case g.Revoked:
		g = nil
	case o.config.RevokeAll:
		o.end(g.User, "", "")
	default:
		o.end(g.User, g.Client, "")
	}
	o.mu.Unlock()
	if g == nil {
		o.config.Error(w, BadToken)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (o *OAuth) end(user, client string, reason TokenError) {
	for _, g := range o.grants {
		if !g.Revoked && g.User == user && (client == "" || g.Client == client) {
			g.Revoked, g.Reason = true, reason
		}
	}
}

// RevokeUser ends all grants of a user, as if the user had done so in the
// account's settings.
func (o *OAuth) RevokeUser(user string) { o.EndUser(user, "") }

// EndUser ends all grants of a user. Refreshes are refused with reason from then
// on; empty means BadRefresh.
func (o *OAuth) EndUser(user string, reason TokenError) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end(user, "", reason)
}

// ExpireAccess makes every access token that is out invalid; refresh tokens
// go on working.
func (o *OAuth) ExpireAccess() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.access)
}

// Bearer returns the grant behind the request's access token, limited to the
// scopes of that token, or nil.
func (o *OAuth) Bearer(r *http.Request) *Grant {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a, ok := o.access[token]
	if !ok || a.grant.Revoked || !o.server.Now().Before(a.expires) {
		return nil
	}
	g := *a.grant
	g.Scopes = slices.Clone(a.scopes)
	return &g
}

// Issue gives tokens without the browser dance: a shortcut for tests that are
// not about connecting.
func (o *OAuth) Issue(user, client string, scopes []string) (access, refresh string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := &Grant{User: user, Client: client, Scopes: scopes, GrantedAt: o.server.Now()}
	o.begin(g, 0)
	return o.issue(g, scopes).AccessToken, o.issueRefresh(g, scopes, nil)
}

// secret returns a random text that is good for names and URLs.
func secret() string {
	b := make([]byte, 18)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
