package fakeserver

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
{{if .Limits}}<label>For <select name="limit"><option value="">an unlimited time</option>
{{range .Limits}}<option value="{{printf "%.0f" .Seconds}}">{{printf "%.0f" .Hours}} hours</option>
{{end}}</select></label>
{{end}}<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Cancel</button>
</form>
`))

var trouble = template.Must(template.New("trouble").Parse(`<!doctype html>
<html lang="en"><title>Sign in</title>
<h1>Sorry, but we’re having trouble signing you in</h1>
<p>{{.}}</p>
`))

// Page is the consent page of an authorization endpoint.
type Page struct {
	Users  []string
	Hint   string // who is chosen already
	Client string
	Scopes []string
	Limits []time.Duration
}

// Write shows the page.
func (p Page) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page.Execute(w, p)
}

// Refusal is why a sign-in goes no further.
type Refusal struct {
	// Error and Description go back to the client as error and
	// error_description. With an empty Error the user is told Description on a
	// page, and the client hears nothing.
	Error, Description string
}

// WriteTrouble tells the user on a page why the sign-in goes no further.
func WriteTrouble(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	trouble.Execute(w, message)
}

// SendBack redirects the browser to the client.
func SendBack(w http.ResponseWriter, r *http.Request, redirect string, answer url.Values) {
	out, err := url.Parse(redirect)
	if err != nil {
		http.Error(w, "redirect_uri_mismatch", http.StatusBadRequest)
		return
	}
	q := out.Query()
	for name := range answer {
		q.Set(name, answer.Get(name))
	}
	out.RawQuery = q.Encode()
	http.Redirect(w, r, out.String(), http.StatusFound)
}

// Return checks who asks an authorization endpoint, and where the answer may go
// to. Without a client, or with another redirect URI, it tells the user and
// returns false.
func (o *OAuth) Return(w http.ResponseWriter, r *http.Request) (client Client, back func(url.Values), ok bool) {
	if o.config.OpenerPolicy != "" {
		w.Header().Set("Cross-Origin-Opener-Policy", o.config.OpenerPolicy)
	}
	q := r.URL.Query()
	client, known := o.Client(q.Get("client_id"))
	redirect := q.Get("redirect_uri")
	switch {
	case !known:
		http.Error(w, "invalid_client", http.StatusUnauthorized)
		return client, nil, false
	case !client.Allows(redirect):
		http.Error(w, "redirect_uri_mismatch", http.StatusBadRequest)
		return client, nil, false
	}
	return client, func(v url.Values) {
		if state := q.Get("state"); state != "" {
			v.Set("state", state)
		}
		SendBack(w, r, redirect, v)
	}, true
}

// Authorize serves the authorization endpoint: GET shows the page, POST takes
// the user's decision and redirects back to the client.
func (o *OAuth) Authorize(w http.ResponseWriter, r *http.Request) {
	client, back, ok := o.Return(w, r)
	if !ok {
		return
	}
	q := r.URL.Query()
	scopes, prompt := strings.Fields(q.Get("scope")), strings.Fields(q.Get("prompt"))
	switch {
	case q.Get("response_type") != "code" || len(scopes) == 0 ||
		q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		back(url.Values{"error": {"invalid_request"}})
		return
	case slices.Contains(prompt, "none"): // there are no sessions
		back(url.Values{"error": {"login_required"}})
		return
	}
	users := o.config.Users()
	if r.Method == http.MethodGet {
		Page{users, q.Get("login_hint"), client.ID, scopes, o.config.Limits}.Write(w)
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	if r.PostForm.Get("decision") != "allow" {
		o.refuse(w, back, &Refusal{"access_denied", o.config.Denied})
		return
	}
	user := r.PostForm.Get("user")
	if !slices.Contains(users, user) {
		http.Error(w, "no such user", http.StatusBadRequest)
		return
	}
	limit, err := o.limit(r.PostForm.Get("limit"))
	if err != nil {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	g := &Grant{User: user, Client: client.ID, GrantedAt: o.server.Now()}
	g.Scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		return !slices.Contains(r.PostForm["scope"], s)
	})
	if o.config.Admit != nil {
		if refusal := o.config.Admit(r, *g); refusal != nil {
			o.refuse(w, back, refusal)
			return
		}
	}
	back(url.Values{"code": {o.grant(g, q, limit)}})
}

func (o *OAuth) refuse(w http.ResponseWriter, back func(url.Values), r *Refusal) {
	if r.Error == "" {
		WriteTrouble(w, r.Description)
		return
	}
	v := url.Values{"error": {r.Error}}
	if r.Description != "" {
		v.Set("error_description", r.Description)
	}
	back(v)
}

// limit reads the period that a grant is limited to, in seconds.
func (o *OAuth) limit(raw string) (time.Duration, error) {
	if raw == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseUint(raw, 10, 31)
	if err != nil || len(o.config.Limits) == 0 {
		return 0, fmt.Errorf("fakeserver: limit %q", raw)
	}
	return time.Duration(seconds) * time.Second, nil
}

// grant notes what a user allowed and returns the code for it.
func (o *OAuth) grant(g *Grant, q url.Values, limit time.Duration) (code string) {
	offline := o.config.Offline == nil || o.config.Offline(q, g.Scopes)
	code = "code-" + secret()
	o.mu.Lock()
	defer o.mu.Unlock()
	first := true
	for _, old := range o.grants {
		if old.User != g.User || old.Client != g.Client || old.Revoked {
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
	o.begin(g, limit)
	o.codes[code] = &grantCode{
		grant: g, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), nonce: q.Get("nonce"),
		offline: offline, limit: limit, expires: o.server.Now().Add(10 * time.Minute),
	}
	return code
}

// begin keeps a new grant and finds out when it ends.
func (o *OAuth) begin(g *Grant, limit time.Duration) {
	life := limit
	if o.config.Life != nil {
		if l := o.config.Life(*g); l > 0 && (life == 0 || l < life) {
			life = l
		}
	}
	if life > 0 {
		g.Expires = g.GrantedAt.Add(life)
	}
	o.grants = append(o.grants, g)
}
