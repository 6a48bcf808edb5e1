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

// tokenResponse is RFC 6749, 5.1.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token,omitempty"`
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
	id, pass, basic := r.BasicAuth()
	if !basic {
		id, pass = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	} else { // both are form-encoded first (RFC 6749, 2.3.1)
		id, _ = url.QueryUnescape(id)
		pass, _ = url.QueryUnescape(pass)
	}
	client, known := o.clients[id]
	if !known || subtle.ConstantTimeCompare([]byte(client.Secret), []byte(pass)) != 1 {
		return tokenResponse{}, BadClient
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		code := r.PostForm.Get("code")
		c := o.codes[code]
		delete(o.codes, code)
		if c == nil || c.grant.Client != id || c.grant.Revoked || o.server.Now().After(c.expires) ||
			c.redirect != r.PostForm.Get("redirect_uri") {
			return tokenResponse{}, BadCode
		}
		if !verified(c.challenge, r.PostForm.Get("code_verifier")) {
			return tokenResponse{}, BadVerifier
		}
		return o.issue(c.grant, c.grant.Scopes, c.offline), ""
	case "refresh_token":
		g := o.refresh[r.PostForm.Get("refresh_token")]
		if g == nil || g.Revoked || g.Client != id {
			return tokenResponse{}, BadRefresh
		}
		scopes := g.Scopes
		if want := strings.Fields(r.PostForm.Get("scope")); len(want) > 0 {
			for _, s := range want {
				if !slices.Contains(g.Scopes, s) {
					return tokenResponse{}, BadScope
				}
			}
			scopes = want
		}
		if o.config.Refuse != nil {
			if kind := o.config.Refuse(*g); kind != "" {
				return tokenResponse{}, kind
			}
		}
		return o.issue(g, scopes, o.config.Rotate), ""
	default:
		return tokenResponse{}, BadRequest
	}
}

// verified is RFC 7636, 4.6.
func verified(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) == 1
}

func (o *OAuth) issue(g *Grant, scopes []string, withRefresh bool) tokenResponse {
	resp := tokenResponse{
		AccessToken: "access-" + secret(), TokenType: "Bearer",
		ExpiresIn: int(o.config.AccessTTL / time.Second),
	}
	echoed := scopes
	if o.config.Echo != nil {
		echoed = o.config.Echo(scopes)
	}
	resp.Scope = strings.Join(echoed, " ")
	o.access[resp.AccessToken] = accessToken{g, scopes, o.server.Now().Add(o.config.AccessTTL)}
	if withRefresh {
		resp.RefreshToken = "refresh-" + secret()
		o.refresh[resp.RefreshToken] = g
		o.issued = append(o.issued, resp.RefreshToken)
		o.trim(g.User, g.Client)
	}
	return resp
}

// trim lets the oldest refresh tokens of a user and client die.
func (o *OAuth) trim(user, client string) {
	if o.config.MaxRefresh <= 0 {
		return
	}
	live := 0
	for _, token := range slices.Backward(o.issued) {
		g := o.refresh[token]
		if g == nil || g.User != user || g.Client != client {
			continue
		}
		if live++; live > o.config.MaxRefresh {
			delete(o.refresh, token)
		}
	}
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
	g := o.refresh[token]
	if a, ok := o.access[token]; ok {
		g = a.grant
	}
	if g != nil && g.Revoked {
		g = nil
	}
	if g != nil && o.config.RevokeAll {
		o.revoke(g.User, "")
	} else if g != nil {
		o.revoke(g.User, g.Client)
	}
	o.mu.Unlock()
	if g == nil {
		o.config.Error(w, BadToken)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (o *OAuth) revoke(user, client string) {
	for _, g := range o.grants {
		if g.User == user && (client == "" || g.Client == client) {
			g.Revoked = true
		}
	}
}

// RevokeUser ends all grants of a user, as if the user had done so in the
// account's settings.
func (o *OAuth) RevokeUser(user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revoke(user, "")
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
	return &Grant{User: a.grant.User, Client: a.grant.Client, Scopes: a.scopes}
}

// Issue gives tokens without the browser dance: a shortcut for tests that are
// not about connecting.
func (o *OAuth) Issue(user, client string, scopes []string) (access, refresh string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := &Grant{User: user, Client: client, Scopes: scopes}
	o.grants = append(o.grants, g)
	resp := o.issue(g, scopes, true)
	return resp.AccessToken, resp.RefreshToken
}

// secret returns a random text that is good for names and URLs.
func secret() string {
	b := make([]byte, 18)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
