package fakeserver

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// RefreshReuse is what becomes of a refresh token that was used, at a service
// that rotates them.
type RefreshReuse string

// The policies.
const (
	// ReuseAllowed: it goes on working until its own end. This is what Microsoft
	// documents (learn.microsoft.com/entra/identity-platform/refresh-tokens,
	// read 2026-11).
	ReuseAllowed RefreshReuse = ""
	// ReuseUntilSuccessorUsed: it goes on working until a token that came from it
	// is used. An answer that was lost does no harm.
	ReuseUntilSuccessorUsed RefreshReuse = "until_successor_used"
	// ReuseStrict: it is dead at once, and whoever uses it again ends the whole
	// grant, since it may have been stolen (RFC 9700, 4.14.2).
	ReuseStrict RefreshReuse = "strict"
)

// refreshToken is one refresh token.
type refreshToken struct {
	grant  *Grant
	scopes []string
	parent *refreshToken // whose use brought it
	// last is when it was used last, or issued.
	last       time.Time
	superseded bool // it was used, and another one took its place
	dead       bool
}

func (o *OAuth) issueRefresh(g *Grant, scopes []string, parent *refreshToken) string {
	token := "refresh-" + secret()
	o.refresh[token] = &refreshToken{grant: g, scopes: scopes, parent: parent, last: o.server.Now()}
	o.issued = append(o.issued, token)
	o.trim(g.User, g.Client)
	return token
}

// trim lets the oldest refresh tokens of a user and client die.
func (o *OAuth) trim(user, client string) {
	if o.config.MaxRefresh <= 0 {
		return
	}
	live := 0
	for _, token := range slices.Backward(o.issued) {
		t := o.refresh[token]
		if t == nil || t.grant.User != user || t.grant.Client != client {
			continue
		}
		if live++; live > o.config.MaxRefresh {
			delete(o.refresh, token)
		}
	}
}

// renew answers a refresh (RFC 6749, 6).
func (o *OAuth) renew(r *http.Request, client string) (tokenResponse, TokenError) {
	t := o.refresh[r.PostForm.Get("refresh_token")]
	if t == nil || t.grant.Client != client {
		return tokenResponse{}, BadRefresh
	}
	if kind := o.usable(t); kind != "" {
		return tokenResponse{}, kind
	}
	scopes, kept, ok := o.scopes(t, strings.Fields(r.PostForm.Get("scope")))
	if !ok {
		return tokenResponse{}, BadScope
	}
	if o.config.Refuse != nil {
		if kind := o.config.Refuse(r, *t.grant); kind != "" {
			return tokenResponse{}, kind
		}
	}
	resp := o.issue(t.grant, scopes)
	o.used(t)
	if o.config.Rotate {
		resp.RefreshToken = o.issueRefresh(t.grant, kept, t)
	}
	resp.IDToken = o.idToken(t.grant, scopes, "")
	o.refreshes[strings.ToLower(t.grant.User)]++
	return resp, ""
}

// usable tells why a refresh token cannot be used, if so.
func (o *OAuth) usable(t *refreshToken) TokenError {
	g, now := t.grant, o.server.Now()
	switch {
	case g.Revoked:
		return cmp.Or(g.Reason, BadRefresh)
	case t.superseded && o.config.Reuse == ReuseStrict:
		g.Revoked = true
		return BadRefresh
	case t.dead, !g.Expires.IsZero() && !now.Before(g.Expires):
		return BadRefresh
	case o.config.Inactivity > 0 && now.Sub(t.last) >= o.config.Inactivity:
		return Inactive
	}
	return ""
}

// used notes the use of a refresh token.
func (o *OAuth) used(t *refreshToken) {
	if !o.config.Rotate {
		t.last = o.server.Now()
		return
	}
	t.superseded = true
	if o.config.Reuse == ReuseUntilSuccessorUsed {
		for p := t.parent; p != nil && !p.dead; p = p.parent {
			p.dead = true
		}
	}
}

// scopes returns the scopes of the access token that is asked for, and those
// that the next refresh token keeps: a narrower request does not narrow them.
func (o *OAuth) scopes(t *refreshToken, want []string) (scopes, kept []string, ok bool) {
	if len(want) == 0 {
		return t.scopes, t.scopes, true
	}
	kept = t.scopes
	for _, s := range want {
		if slices.Contains(kept, s) {
			continue
		}
		g := *t.grant
		if o.config.Widen == nil || !slices.Contains(o.granted(g.User, g.Client), s) && !o.config.Widen(g, s) {
			return nil, nil, false
		}
		kept = append(slices.Clip(kept), s)
	}
	return want, kept, true
}

// Refreshes returns how many refreshes of a user have succeeded.
func (o *OAuth) Refreshes(user string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refreshes[strings.ToLower(user)]
}
