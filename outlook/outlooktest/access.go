package outlooktest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

func unauthorized(r *http.Request) *apiError {
	message := "Lifetime validation failed, the token is expired."
	if r.Header.Get("Authorization") == "" {
		message = "Access token is empty."
	}
	e := refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", message)
	e.header = http.Header{"Www-Authenticate": {`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`}}
	return e
}

// challenge refuses tokens that were not asked for with the user's claims
// (learn.microsoft.com/entra/identity-platform/claims-challenge, read 2026-11).
func (c *call) challenge(own *box) error {
	if own.challenge == "" {
		return nil
	}
	token := strings.TrimPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if containsClaims(c.s.claims[token], own.challenge) {
		return nil
	}
	e := refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge.")
	e.header = http.Header{"Www-Authenticate": {`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` +
		base64.StdEncoding.EncodeToString([]byte(own.challenge)) + `"`}}
	return e
}

// containsClaims reports whether the claims request have holds every claim of
// want; a client may merge others in.
func containsClaims(have, want string) bool {
	var h, w any
	if json.Unmarshal([]byte(have), &h) != nil || json.Unmarshal([]byte(want), &w) != nil {
		return have == want
	}
	return contains(h, w)
}

func contains(have, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(have, want)
	}
	h, ok := have.(map[string]any)
	if !ok {
		return false
	}
	for name, v := range w {
		if !contains(h[name], v) {
			return false
		}
	}
	return true
}

// slots tells a call inside a batch whether the batch got a place for it.
type slots struct{ refused bool }

type slotsKey struct{}

// window is what the request limit counts over
// (learn.microsoft.com/graph/throttling-limits, 2025-01).
const window = 10 * time.Minute

// meter counts the call against the request limit of the mailbox. Calls that
// are refused count too.
func (c *call) meter() error {
	if c.s.options.MaxRequests < 0 || c.box == nil {
		return nil
	}
	now, b := c.s.Now(), c.box
	for len(b.requests) > 0 && now.Sub(b.requests[0]) >= window {
		b.requests = b.requests[1:]
	}
	b.requests = append(b.requests, now)
	if len(b.requests) > c.s.options.MaxRequests {
		return c.s.throttled("Application is over its MailboxRequests limit.")
	}
	return nil
}

// enter takes up to n of the places for concurrent requests and returns how
// many it got. What addresses no mailbox is not limited.
func (s *Server) enter(b *box, n int) int {
	if b == nil {
		return n
	}
	if limit := s.options.MaxConcurrent; limit > 0 {
		n = max(min(n, limit-b.inFlight), 0)
	}
	b.inFlight += n
	return n
}

func (s *Server) leave(b *box, n int) {
	if b == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.inFlight -= n
}

func (s *Server) tooManyAtOnce() *apiError {
	return s.throttled("Application is over its MailboxConcurrency limit.")
}

func (s *Server) throttled(message string) *apiError {
	e := refuse(http.StatusTooManyRequests, "ApplicationThrottled", message)
	if s.options.RetryAfter != "-" {
		e.header = http.Header{"Retry-After": {s.options.RetryAfter}}
	}
	return e
}

// has reports whether the token has any of the scopes, in either spelling.
func (c *call) has(scopes ...string) bool {
	return slices.ContainsFunc(c.grant.Scopes, func(s string) bool {
		return slices.Contains(scopes, shortScope(s))
	})
}

// allowed is has for the mailbox that is addressed: those of others need the
// .Shared form, and an app knows Mail.ReadBasic by a second name.
func (c *call) allowed(scopes []string) bool {
	if !c.shared {
		return c.has(scopes...) || c.app() != "" && slices.Contains(scopes, "Mail.ReadBasic") && c.has("Mail.ReadBasic.All")
	}
	for _, s := range scopes {
		if c.has(s + ".Shared") {
			return true
		}
	}
	return false
}

// basic reports whether the token may read no more than Mail.ReadBasic allows.
func (c *call) basic() bool { return !c.allowed(scopesRead) }
