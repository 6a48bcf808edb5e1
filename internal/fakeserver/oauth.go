package fakeserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// OAuth is an authorization server (RFC 6749, RFC 7636, RFC 7009): authorize
// page, code, PKCE, refresh, revoke. The fakes set its fields to be like their
// service. Use NewOAuth; it is safe for concurrent use afterwards.
type OAuth struct {
	server *Server
	config OAuthConfig

	mu      sync.Mutex
	clients map[string]Client
	codes   map[string]*grantCode
	grants  []*Grant
	access  map[string]accessToken
	refresh map[string]*Grant
	issued  []string // refresh tokens, oldest first
}

// OAuthConfig is how one service differs from another.
type OAuthConfig struct {
	// Users lists who can sign in, for the page.
	Users func() []string
	// AccessTTL is the life of an access token; 0 means one hour.
	AccessTTL time.Duration
	// Rotate returns a new refresh token with every refresh; the old one goes
	// on working (Microsoft).
	Rotate bool
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
	// MaxRefresh is how many refresh tokens of one user and client live; the
	// oldest dies when there are more. 0 means no limit.
	MaxRefresh int
	// Refuse looks at every refresh that would succeed and may refuse it with a
	// kind of its own.
	Refuse func(g Grant) TokenError
	// Error writes a refusal of the token endpoint in the words of the service.
	Error func(w http.ResponseWriter, kind TokenError)
}

// TokenError is why a token request was refused.
type TokenError string

// The refusals of the token endpoint.
const (
	BadClient   TokenError = "invalid_client"
	BadRequest  TokenError = "invalid_request"
	BadCode     TokenError = "code"     // unknown, used, expired, or wrong redirect URI
	BadVerifier TokenError = "verifier" // PKCE
	BadRefresh  TokenError = "refresh"  // unknown, expired or revoked
	BadScope    TokenError = "invalid_scope"
	BadToken    TokenError = "invalid_token" // revocation of an unknown token
)

// Client is a registered OAuth client.
type Client struct {
	ID, Secret string
	// RedirectURIs are compared exactly; an empty list accepts every loopback
	// address, as native clients may use.
	RedirectURIs []string
}

// Grant is what a user allowed a client.
type Grant struct {
	User    string
	Client  string
	Scopes  []string
	Revoked bool
}

// Has reports whether any of the scopes was granted.
func (g *Grant) Has(anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(s string) bool { return slices.Contains(g.Scopes, s) })
}

type grantCode struct {
	grant     *Grant
	redirect  string
	challenge string
	offline   bool
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
		clients: map[string]Client{}, codes: map[string]*grantCode{},
		access: map[string]accessToken{}, refresh: map[string]*Grant{},
	}
}

// Register adds or replaces a client.
func (o *OAuth) Register(c Client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clients[c.ID] = c
}

var page = template.Must(template.New("authorize").Parse(`<!doctype html>
<html lang="en"><title>Sign in</title>
<h1>Sign in</h1>
<form method="post">
<fieldset><legend>Account</legend>
{{range .Users}}<label><input type="radio" name="user" value="{{.}}"{{if eq . $.Hint}} checked{{end}}> {{.}}</label><br>
{{end}}</fieldset>
<fieldset><legend>{{.Client}} asks for</legend>
{{range .Scopes}}<label><input type="checkbox" name="scope" value="{{.}}" checked> {{.}}</label><br>
{{end}}</fieldset>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Cancel</button>
</form>
`))

// Authorize serves the authorization endpoint: GET shows the page, POST takes
// the user's decision and redirects back to the client.
func (o *OAuth) Authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	o.mu.Lock()
	client, known := o.clients[q.Get("client_id")]
	o.mu.Unlock()
	redirect, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case !known:
		http.Error(w, "invalid_client", http.StatusUnauthorized)
		return
	case err != nil || !client.allows(q.Get("redirect_uri"), redirect):
		http.Error(w, "redirect_uri_mismatch", http.StatusBadRequest)
		return
	}
	back := func(v url.Values) {
		if state := q.Get("state"); state != "" {
			v.Set("state", state)
		}
		out := *redirect
		old := out.Query()
		for name := range v {
			old.Set(name, v.Get(name))
		}
		out.RawQuery = old.Encode()
		http.Redirect(w, r, out.String(), http.StatusFound)
	}
	scopes := strings.Fields(q.Get("scope"))
	if q.Get("response_type") != "code" || len(scopes) == 0 ||
		q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256" {
		back(url.Values{"error": {"invalid_request"}})
		return
	}
	users := o.config.Users()
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, map[string]any{
			"Users": users, "Scopes": scopes, "Client": client.ID, "Hint": q.Get("login_hint"),
		})
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	if r.PostForm.Get("decision") != "allow" {
		back(url.Values{"error": {"access_denied"}})
		return
	}
	user := r.PostForm.Get("user")
	if !slices.Contains(users, user) {
		http.Error(w, "no such user", http.StatusBadRequest)
		return
	}
	granted := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		return !slices.Contains(r.PostForm["scope"], s)
	})
	back(url.Values{"code": {o.grant(user, client.ID, q, granted)}})
}

// grant notes what a user allowed and returns the code for it.
func (o *OAuth) grant(user, client string, q url.Values, scopes []string) (code string) {
	offline := o.config.Offline == nil || o.config.Offline(q, scopes)
	g := &Grant{User: user, Client: client, Scopes: scopes}
	code = "code-" + secret()
	o.mu.Lock()
	defer o.mu.Unlock()
	first := true
	for _, old := range o.grants {
		if old.User != user || old.Client != client || old.Revoked {
			continue
		}
		first = false
		if o.config.IncludeGranted && q.Get("include_granted_scopes") == "true" {
			for _, s := range old.Scopes {
				if !slices.Contains(g.Scopes, s) {
					g.Scopes = append(g.Scopes, s)
				}
			}
		}
	}
	if o.config.RefreshOnConsent && !first && !slices.Contains(strings.Fields(q.Get("prompt")), "consent") {
		offline = false
	}
	o.grants = append(o.grants, g)
	o.codes[code] = &grantCode{
		grant: g, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), offline: offline,
		expires: o.server.Now().Add(10 * time.Minute),
	}
	return code
}

func (c Client) allows(raw string, u *url.URL) bool {
	if len(c.RedirectURIs) > 0 {
		return slices.Contains(c.RedirectURIs, raw)
	}
	host := u.Hostname()
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

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

// Decision is what a user does at the authorization page.
type Decision struct {
	User string
	Deny bool
	// Untick lists scopes the user does not grant.
	Untick []string
}

// Decide plays the user: it loads the authorization page, submits the form and
// returns the URL that the browser is sent back to. It does not load it.
func Decide(ctx context.Context, rt http.RoundTripper, authURL string, d Decision) (*url.URL, error) {
	browser := &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusFound { // refused before the page
		return resp.Location()
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fakeserver: authorization page: %s: %s", resp.Status, body)
	}
	form := url.Values{"user": {d.User}, "decision": {"allow"}}
	if d.Deny {
		form.Set("decision", "deny")
	}
	u, err := url.Parse(authURL)
	if err != nil {
		return nil, err
	}
	for s := range strings.FieldsSeq(u.Query().Get("scope")) {
		if !slices.Contains(d.Untick, s) {
			form.Add("scope", s)
		}
	}
	req, err = http.NewRequestWithContext(ctx, http.MethodPost, authURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err = browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return nil, errors.New("fakeserver: authorization refused: " + resp.Status)
	}
	return resp.Location()
}

func secret() string {
	b := make([]byte, 18)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
