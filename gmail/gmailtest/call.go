package gmailtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// call is one call of a method.
type call struct {
	s      *Server
	b      *box
	m      method
	r      *http.Request
	grant  *fakeserver.Grant
	query  url.Values
	body   []byte
	upload bool
	now    time.Time
	// after runs when the lock is free: mail that leaves the fake.
	after []func()
}

// noContent is the answer of methods that have none.
type noContent struct{}

// api answers one API call.
func (s *Server) api(w http.ResponseWriter, r *http.Request, m method, upload bool) {
	c := &call{s: s, m: m, r: r, query: r.URL.Query(), upload: upload, now: s.Now()}
	answer, err := c.run()
	for _, f := range c.after {
		f()
	}
	if err != nil {
		if n := s.opts.Quota.RetryAfter; n > 0 && err.domain == "usageLimits" {
			w.Header().Set("Retry-After", strconv.Itoa(n))
		}
		err.write(w, s.opts.ErrorShape, c.query.Get("$.xgafv"))
		return
	}
	if _, ok := answer.(noContent); ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if mask := c.query.Get("fields"); mask != "" {
		answer, err = applyMask(answer, mask)
		if err != nil {
			err.write(w, s.opts.ErrorShape, c.query.Get("$.xgafv"))
			return
		}
	}
	writeJSON(w, http.StatusOK, answer)
}

func (c *call) run() (any, *apiError) {
	if err := c.admit(); err != nil {
		return nil, err
	}
	free, err := c.s.enter(c)
	if err != nil {
		return nil, err
	}
	defer free()
	if c.r.Context().Value(insideBatch{}) == nil && c.s.wait(c.r.Context()) != nil {
		return nil, &apiError{code: 499, status: "CANCELLED", domain: "global", reason: "cancelled", message: "The operation was cancelled."}
	}
	c.body, err = c.readBody()
	if err != nil {
		return nil, err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.sweep()
	return c.m.handle(c)
}

// admit checks who asks and whether that is allowed, in the order in which the
// service does.
func (c *call) admit() *apiError {
	c.grant = c.s.OAuth.Bearer(c.r)
	if c.grant == nil {
		return unauthenticated()
	}
	if c.s.opts.Disabled {
		return notConfigured(c.s.opts.ProjectID)
	}
	if !c.grant.Has(c.m.scopes...) {
		return scopesInsufficient(c.m.id)
	}
	c.s.mu.Lock()
	c.b = c.s.byAddr[strings.ToLower(c.grant.User)]
	c.s.mu.Unlock()
	if c.b == nil { // a token of somebody who was never added
		return unauthenticated()
	}
	if user := c.r.PathValue("userId"); user != "me" && !mailbox.SameAddress(user, c.b.user.Address) {
		return forbidden("Delegation denied for " + c.b.user.Address)
	}
	if c.b.user.NoGmail {
		return failedPrecondition("Mail service not enabled")
	}
	if c.m.refused != nil && c.grant.Has(ScopeMetadata) {
		if err := c.m.refused(c); err != nil {
			return err
		}
	}
	for name := range c.query {
		if !slices.Contains(strings.Fields(c.m.query+" "+commonQuery), name) {
			return badRequest("Invalid JSON payload received. Unknown name %q: Cannot bind query parameter. "+
				"Field '%s' could not be found in request message.", name, name)
		}
	}
	return nil
}

// commonQuery is what every method takes.
const commonQuery = "$.xgafv access_token alt callback fields key oauth_token prettyPrint quotaUser uploadType upload_protocol"

// noQuery: a token with gmail.metadata may not search, not even for nothing and
// not even with a wider scope beside it.
func noQuery(c *call) *apiError {
	if c.query.Has("q") {
		return forbidden("Metadata scope does not support 'q' parameter")
	}
	return nil
}

// metadataOnly: nor may it read content.
func metadataOnly(c *call) *apiError {
	switch format := c.format(); format {
	case formatFull, formatRaw:
		return forbidden("Metadata scope doesn't allow format " + strings.ToUpper(format))
	default:
		return nil
	}
}

func (c *call) readBody() ([]byte, *apiError) {
	limit := c.s.opts.MaxJSON
	if c.upload {
		limit = maxMedia + maxMetadata
	}
	body, err := io.ReadAll(io.LimitReader(c.r.Body, int64(limit)+1))
	if err != nil {
		return nil, badRequest("The request body could not be read.")
	}
	if len(body) > limit {
		return nil, c.tooLarge(limit)
	}
	return body, nil
}

func (c *call) tooLarge(limit int) *apiError {
	e := badRequest("Request payload size exceeds the limit: %d bytes.", limit)
	if c.upload {
		e.code, e.reason, e.message = http.StatusRequestEntityTooLarge, "uploadTooLarge", "Request Entity Too Large"
	}
	switch c.s.opts.TooLarge {
	case TooLargeHTML400:
		e.code, e.page, e.message = http.StatusBadRequest, true, "Your client has issued a malformed or illegal request."
	case TooLargeHTML413:
		e.code, e.page, e.message = http.StatusRequestEntityTooLarge, true, "Your client issued a request that was too large."
	}
	return e
}

// decode reads a JSON body into v, which has to name every property that the
// schema has.
func (c *call) decode(v any) *apiError {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(c.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return badRequest("Invalid JSON payload received. Unknown name %s: Cannot find field.", name)
		}
		return badRequest("Invalid JSON payload received.")
	}
	if dec.More() {
		return badRequest("Invalid JSON payload received. Expected end of input.")
	}
	return nil
}
