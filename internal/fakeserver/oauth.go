package fakeserver

import (
	"html/template"
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
	// kind of its own. It must not call methods of OAuth.
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
