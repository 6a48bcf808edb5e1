package fakeserver_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// Which of the refresh tokens r0 → r1 → r2 work, after each was used once in
// that order.
func TestRefreshReuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy fakeserver.RefreshReuse
		// reuse is what a second use of r0 is told right after r1 came from it
		// (and was not used), later the same after r1 was used.
		reuse, later string
		// successor is what becomes of the newest token after that.
		successor string
	}{
		{fakeserver.ReuseAllowed, "", "", ""},
		{fakeserver.ReuseUntilSuccessorUsed, "", "refresh", ""},
		{fakeserver.ReuseStrict, "refresh", "refresh", "refresh"},
	} {
		s := newSite(t, fakeserver.OAuthConfig{Rotate: true, Reuse: c.policy})
		_, r0 := s.Issue(user, "app", []string{"a"})
		r1 := s.refresh(r0).Refresh
		if got := s.refresh(r0).err; got != c.reuse {
			t.Errorf("%q: reuse at once: %q", c.policy, got)
		}
		if got := s.refresh(r1).err; got != c.successor {
			t.Errorf("%q: the successor: %q", c.policy, got)
		}

		access, r0 := s.Issue(user, "app", []string{"a"})
		r1 = s.refresh(r0).Refresh
		r2 := s.refresh(r1).Refresh
		if r2 == "" {
			t.Fatalf("%q: a chain of refreshes broke", c.policy)
		}
		if got := s.refresh(r0).err; got != c.later {
			t.Errorf("%q: reuse later: %q", c.policy, got)
		}
		if got := s.refresh(r2).err; got != c.successor {
			t.Errorf("%q: the newest: %q", c.policy, got)
		}
		if dead := s.scopes(access) == ""; dead != (c.successor != "") {
			t.Errorf("%q: access token dead: %v", c.policy, dead)
		}
	}
}

// Two answers to the same token, of which the first was lost: both successors
// work, and using one ends the common predecessor only.
func TestReuseAfterALostAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Rotate: true, Reuse: fakeserver.ReuseUntilSuccessorUsed})
	_, r0 := s.Issue(user, "app", []string{"a"})
	lost, r1 := s.refresh(r0).Refresh, s.refresh(r0).Refresh
	if s.refresh(r1).err != "" || s.refresh(r0).err != "refresh" || s.refresh(lost).err != "" {
		t.Error("the token that came second is not the one that counts")
	}
}

func TestStrictReuseIsOfOneGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Rotate: true, Reuse: fakeserver.ReuseStrict})
	s.Register(fakeserver.Client{ID: "other", Secret: "o"})
	_, r0 := s.Issue(user, "app", []string{"a"})
	_, second := s.Issue(user, "app", []string{"a"})
	r1 := s.refresh(r0).Refresh
	theft := s.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r0}, "client_id": {"other"}, "client_secret": {"o"}})
	if theft.err != "refresh" || s.refresh(r1).err != "" {
		t.Error("another client ended the grant")
	}
	s.refresh(r0)
	if s.refresh(second).err != "" {
		t.Error("another grant ended")
	}
}

func TestRefreshesAreCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	_, refresh := s.Issue(user, "app", []string{"a"})
	s.refresh(refresh)
	s.refresh(refresh)
	s.refresh("unknown")
	s.exchange(s.code(nil))
	if got, bobs := s.Refreshes(strings.ToUpper(user)), s.Refreshes("bob@example.com"); got != 2 || bobs != 0 {
		t.Errorf("%d and %d refreshes", got, bobs)
	}
}

func TestEndOfGrants(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	life := func(g fakeserver.Grant) time.Duration {
		if g.Has("short") {
			return 10 * hour
		}
		return 0
	}
	for name, c := range map[string]struct {
		config fakeserver.OAuthConfig
		scope  string
		waits  []time.Duration // a refresh after each, with the newest token
		want   string          // of the last one
	}{
		"for ever":              {fakeserver.OAuthConfig{}, "a", []time.Duration{1e5 * hour}, ""},
		"life":                  {fakeserver.OAuthConfig{Life: life}, "short", []time.Duration{6 * hour, 3 * hour}, ""},
		"end of life":           {fakeserver.OAuthConfig{Life: life}, "short", []time.Duration{6 * hour, 4 * hour}, "refresh"},
		"end of life, rotated":  {fakeserver.OAuthConfig{Life: life, Rotate: true}, "short", []time.Duration{6 * hour, 4 * hour}, "refresh"},
		"used":                  {fakeserver.OAuthConfig{Inactivity: 10 * hour}, "a", []time.Duration{9 * hour, 9 * hour, 9 * hour}, ""},
		"not used":              {fakeserver.OAuthConfig{Inactivity: 10 * hour}, "a", []time.Duration{9 * hour, 10 * hour}, "inactive"},
		"rotated and used":      {fakeserver.OAuthConfig{Inactivity: 10 * hour, Rotate: true}, "a", []time.Duration{9 * hour, 9 * hour}, ""},
		"rotated, not used":     {fakeserver.OAuthConfig{Inactivity: 10 * hour, Rotate: true}, "a", []time.Duration{9 * hour, 10 * hour}, "inactive"},
		"another life is other": {fakeserver.OAuthConfig{Life: life}, "a", []time.Duration{100 * hour}, ""},
	} {
		s := newSite(t, c.config)
		_, refresh := s.Issue(user, "app", []string{c.scope})
		for i, wait := range c.waits {
			s.Advance(wait)
			tk, want := s.refresh(refresh), ""
			if i == len(c.waits)-1 {
				want = c.want
			}
			if tk.err != want {
				t.Errorf("%s: refresh %d: %q, want %q", name, i, tk.err, want)
			}
			if tk.Refresh != "" {
				refresh = tk.Refresh
			}
		}
	}
}

// A client that goes on with the first token of a chain runs into its end, used
// or not.
func TestInactivityOfARotatedTokenCountsFromItsIssue(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Inactivity: 10 * time.Hour, Rotate: true})
	_, first := s.Issue(user, "app", []string{"a"})
	s.Advance(9 * time.Hour)
	if s.refresh(first).err != "" {
		t.Fatal("it ended early")
	}
	s.Advance(2 * time.Hour)
	if got := s.refresh(first).err; got != "inactive" {
		t.Errorf("after 11 hours: %q", got)
	}
}

func TestLimitOfAGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Limits: []time.Duration{24 * time.Hour}})
	q, err := s.authorize(fakeserver.Decision{Limit: 24 * time.Hour}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute) // the code waits
	tk := s.exchange(q.Get("code"))
	if tk.RefreshExpires < 86340-2 || tk.RefreshExpires > 86340 {
		t.Errorf("refresh_token_expires_in = %d", tk.RefreshExpires)
	}
	s.Advance(24 * time.Hour)
	if got := s.refresh(tk.Refresh).err; got != "refresh" {
		t.Errorf("after the end: %q", got)
	}
	_, body, err := send(t, s.Server, "GET", "/authorize?response_type=code&client_id=app&scope=a&redirect_uri="+url.QueryEscape(redirect), "")
	if err != nil || !strings.Contains(body, `<option value="86400">24 hours</option>`) {
		t.Errorf("page = %s, %v", body, err)
	}
	if _, err := newSite(t, fakeserver.OAuthConfig{}).authorize(fakeserver.Decision{Limit: time.Hour}, nil); err == nil {
		t.Error("a service without limited grants gave one")
	}
}

func TestEndUserGivesTheReason(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	access, refresh := s.Issue(user, "app", []string{"a"})
	code := s.code(nil)
	s.EndUser(user, "blocked")
	if got := s.refresh(refresh).err; got != "blocked" {
		t.Errorf("refresh: %q", got)
	}
	if s.scopes(access) != "" || s.exchange(code).err != "code" {
		t.Error("something of the grant lives on")
	}
	s.EndUser(user, "other")
	if got := s.refresh(refresh).err; got != "blocked" {
		t.Errorf("the first reason counts: %q", got)
	}
	if tk := s.exchange(s.code(nil)); tk.Access == "" {
		t.Error("the user cannot sign in again")
	}
}

func TestClientFault(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{})
	_, refresh := s.Issue(user, "app", []string{"a"})
	s.SetClientFault("app", "secret_expired")
	if got := s.refresh(refresh).err; got != "secret_expired" {
		t.Errorf("refresh: %q", got)
	}
	wrong := s.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"app"}, "client_secret": {"x"}})
	if wrong.err != "invalid_client" {
		t.Errorf("with a wrong secret: %q", wrong.err)
	}
	s.SetClientFault("app", "")
	if got := s.refresh(refresh).err; got != "" {
		t.Errorf("when mended: %q", got)
	}
}

func TestWidening(t *testing.T) {
	t.Parallel()
	consented := []string{"c"}
	s := newSite(t, fakeserver.OAuthConfig{Rotate: true, Widen: func(g fakeserver.Grant, scope string) bool {
		return g.User == user && slices.Contains(consented, scope)
	}})
	s.Issue(user, "app", []string{"b"})   // an older grant of the user to the client
	s.Issue(user, "other", []string{"d"}) // another client's
	_, refresh := s.Issue(user, "app", []string{"a"})
	ask := func(refresh, scope string) token {
		return s.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "scope": {scope}})
	}
	for scope, want := range map[string]string{"a b": "", "a c": "", "c": "", "a d": "invalid_scope", "a x": "invalid_scope"} {
		if got := ask(refresh, scope); got.err != want || want == "" && s.scopes(got.Access) != scope {
			t.Errorf("%s: %+v", scope, got)
		}
	}
	wider := ask(refresh, "c").Refresh
	if got := s.scopes(s.refresh(wider).Access); got != "a c" {
		t.Errorf("the next refresh is for %q", got)
	}
	if got := s.scopes(s.refresh(refresh).Access); got != "a" {
		t.Errorf("the token before is for %q", got)
	}
}

func TestExtraGrantTypes(t *testing.T) {
	t.Parallel()
	s := newSite(t, fakeserver.OAuthConfig{Extra: map[string]fakeserver.ExtraGrant{
		"app": {Grant: func(r *http.Request, client string) (fakeserver.Grant, fakeserver.TokenError) {
			if r.PostForm.Get("deny") != "" {
				return fakeserver.Grant{}, "denied"
			}
			return fakeserver.Grant{Client: client, Tenant: "t1", Scopes: []string{"role"}}, ""
		}},
		"signed": {Anonymous: true, Grant: func(_ *http.Request, client string) (fakeserver.Grant, fakeserver.TokenError) {
			return fakeserver.Grant{User: user, Client: "robot" + client, Scopes: []string{"a"}}, ""
		}},
	}})
	app := s.post("/token", url.Values{"grant_type": {"app"}})
	if app.Access == "" || app.Refresh != "" || app.Scope != "" || s.scopes(app.Access) != "role" {
		t.Errorf("token of an app = %+v", app)
	}
	req, _ := http.NewRequest("GET", s.URL(), nil)
	req.Header.Set("Authorization", "Bearer "+app.Access)
	if g := s.Bearer(req); g == nil || g.User != "" || g.Client != "app" || g.Tenant != "t1" {
		t.Errorf("grant = %+v", g)
	}
	if got := s.post("/token", url.Values{"grant_type": {"app"}, "deny": {"1"}}).err; got != "denied" {
		t.Errorf("denied: %q", got)
	}
	if got := s.post("/token", url.Values{"grant_type": {"app"}, "client_id": {"app"}}).err; got != "invalid_client" {
		t.Errorf("without a secret: %q", got)
	}
	if tk := s.post("/token", url.Values{"grant_type": {"signed"}, "client_id": {""}}); tk.Scope != "a" || tk.Refresh != "" || s.scopes(tk.Access) != "a" {
		t.Errorf("signed: %+v", tk)
	}
}
