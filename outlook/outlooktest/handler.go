package outlooktest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// call is one Graph request on its way through the fake.
type call struct {
	s      *Server
	r      *http.Request
	body   []byte
	grant  *fakeserver.Grant
	own    *box // the mailbox of the token, nil for an app's own
	box    *box // the mailbox that is addressed, nil for none
	shared bool // it is another user's
	query  url.Values
	beside string   // "users" and "subscriptions" stand beside the mailboxes
	path   []string // behind /me or /users/{id}
	vars   []string // what the wildcards of the route stand for
	root   string   // "/v1.0/me" or "/v1.0/users/{id}", for links

	immutable bool // Prefer: IdType="ImmutableId"
	textBody  bool // Prefer: outlook.body-content-type="text"
	pageSize  int  // Prefer: odata.maxpagesize
	applied   []string
}

// answer is what a handler returns.
type answer struct {
	status int
	header http.Header
	body   any    // JSON; nil for none
	raw    []byte // instead of body
	kind   string // content type of raw
}

// graph serves one Graph request.
func (s *Server) graph(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, r: r, query: r.URL.Query()}
	ans, err := c.serve()
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.setTrace(w, r)
	if len(c.applied) > 0 {
		w.Header().Set("Preference-Applied", strings.Join(c.applied, ", "))
	}
	for name, vs := range ans.header {
		w.Header()[name] = vs
	}
	switch {
	case ans.raw != nil:
		w.Header().Set("Content-Type", ans.kind)
		w.WriteHeader(ans.status)
		w.Write(ans.raw)
	case ans.body != nil:
		w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
		w.WriteHeader(ans.status)
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.Encode(ans.body)
	default:
		w.WriteHeader(ans.status)
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// setTrace sets the headers that support asks for.
func (s *Server) setTrace(w http.ResponseWriter, r *http.Request) (request, client string) {
	request = newGUID()
	client = first(r.Header.Get("client-request-id"), request)
	w.Header().Set("request-id", request)
	w.Header().Set("client-request-id", client)
	w.Header().Set("Date", s.now().Format(http.TimeFormat))
	return request, client
}

// errorBody is the error resource type (learn.microsoft.com/graph/errors).
type errorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   struct {
			Date    string `json:"date"`
			Request string `json:"request-id"`
			Client  string `json:"client-request-id"`
		} `json:"innerError"`
	} `json:"error"`
}

func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		e = refuse(http.StatusInternalServerError, "ErrorInternalServerError", err.Error())
	}
	var body errorBody
	body.Error.Code, body.Error.Message = e.code, e.message
	body.Error.Inner.Date = s.now().Format("2006-01-02T15:04:05")
	body.Error.Inner.Request, body.Error.Inner.Client = s.setTrace(w, r)
	for name, vs := range e.header {
		w.Header()[name] = vs
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	json.NewEncoder(w).Encode(body)
}

// serve runs the request: body, token, limits, route.
func (c *call) serve() (answer, error) {
	if err := c.readBody(); err != nil {
		return answer{}, err
	}
	if c.grant = c.s.OAuth.Bearer(c.r); c.grant == nil {
		return answer{}, unauthorized(c.r)
	}
	c.prefer()
	rest := strings.TrimPrefix(c.r.URL.Path, "/v1.0/")
	held, batched := c.r.Context().Value(slotsKey{}).(slots)
	if rest == "$batch" && c.r.Method == http.MethodPost && !batched {
		return c.batch()
	}
	c.s.lock()
	err := c.resolve(rest)
	if err == nil {
		err = c.meter()
	}
	if err == nil && !batched && c.s.enter(c.box, 1) == 0 {
		err = c.s.tooManyAtOnce()
	}
	c.s.unlock()
	switch {
	case err != nil:
		return answer{}, err
	case held.refused:
		return answer{}, c.s.tooManyAtOnce()
	case !batched:
		defer c.s.leave(c.box, 1)
		if !wait(c.r.Context(), c.s.options.Latency) {
			return answer{}, refuse(http.StatusGatewayTimeout, "UnknownError", "")
		}
	}
	c.s.lock()
	defer c.s.unlock()
	switch {
	case c.beside == "subscriptions":
		return c.serveSubscriptions(c.vars)
	case c.beside == "users":
		return c.listUsers()
	case len(c.path) == 0:
		return c.user()
	}
	return c.mail()
}

// resolve finds the mailbox that is addressed, and the path behind it.
func (c *call) resolve(rest string) error {
	if c.app() == "" {
		if c.own = c.s.box(c.grant.User); c.own == nil {
			return unauthorized(c.r)
		}
		if err := c.challenge(c.own); err != nil {
			return err
		}
		c.box = c.own
	}
	segments := splitPath(rest)
	switch {
	case segments[0] == "subscriptions":
		c.beside, c.vars = segments[0], segments[1:]
	case segments[0] == "users" && len(segments) == 1:
		c.beside = segments[0]
	case segments[0] == "me" && c.own == nil:
		return badRequest("/me request is only valid with delegated authentication flow.")
	case segments[0] == "me":
		c.path, c.root = segments[1:], "/v1.0/me"
	case segments[0] == "users":
		c.path, c.root = segments[2:], "/v1.0/users/"+url.PathEscape(segments[1])
		return c.address(segments[1])
	default:
		return badRequest("Resource not found for the segment '" + segments[0] + "'.")
	}
	return nil
}

// splitPath splits a path; a key in parentheses is a segment of its own:
// mailFolders('inbox') is mailFolders/inbox.
func splitPath(path string) []string {
	var out []string
	for s := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		name, key, ok := strings.Cut(s, "('")
		if key, closed := strings.CutSuffix(key, "')"); ok && closed {
			out = append(out, name, strings.ReplaceAll(key, "''", "'"))
			continue
		}
		out = append(out, s)
	}
	return out
}

// address finds the mailbox of /users/{id}.
func (c *call) address(id string) error {
	c.box = c.find(id)
	switch {
	case c.box == nil && len(c.path) == 0:
		return refuse(http.StatusNotFound, "Request_ResourceNotFound",
			"Resource '"+id+"' does not exist or one of its queried reference-property objects are not present.")
	case c.box == nil:
		return refuse(http.StatusNotFound, "ErrorInvalidUser", "The requested user '"+id+"' is invalid.")
	}
	c.shared = c.own != nil && c.box != c.own
	return nil
}

// mail serves a request below a mailbox.
func (c *call) mail() (answer, error) {
	if c.shared && !c.box.opens(c.own) {
		return answer{}, accessDenied()
	}
	// Messages can be addressed through their folder too.
	if p := c.path; len(p) > 3 && p[0] == "mailFolders" && p[2] == "messages" && !strings.HasPrefix(p[3], "delta") && p[3] != "$count" {
		f := c.box.folder(p[1])
		if f == nil {
			return answer{}, itemNotFound()
		}
		if it := c.box.byID[p[3]]; it != nil && it.folder != f {
			return answer{}, itemNotFound()
		}
		c.path = p[2:]
	}
	known := false
	for _, rt := range routes {
		vars, ok := match(rt.pattern, c.path)
		if !ok {
			continue
		}
		known = true
		if rt.method != c.r.Method {
			continue
		}
		c.vars = vars
		return c.run(rt)
	}
	if known {
		return answer{}, refuse(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	}
	return answer{}, notModelled(c.r.Method + " " + c.r.URL.Path)
}

func (c *call) run(rt route) (answer, error) {
	if !c.allowed(rt.scopes) {
		return answer{}, accessDenied()
	}
	if c.box.user.NoMailbox && rt.pattern != "translateExchangeIds" {
		return answer{}, noMailbox()
	}
	if c.box.full && (c.r.Method != http.MethodGet || c.box.fullReads) {
		return answer{}, refuse(c.s.options.QuotaStatus, "ErrorQuotaExceeded", "The mailbox has exceeded its storage quota.")
	}
	c.s.settle(c.box, true)
	return rt.handler(c)
}

// readBody reads the request, unzipped, up to the size Graph takes.
func (c *call) readBody() error {
	limit := int64(c.s.options.MaxRequestBytes)
	tooLarge := refuse(c.s.options.OversizeStatus, "RequestEntityTooLarge", "Maximum request length exceeded.")
	b, err := io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	if err != nil {
		return badRequest("The request could not be read.")
	}
	if int64(len(b)) > limit {
		return tooLarge
	}
	if strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") && len(b) > 0 {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return badRequest("The request is not valid gzip.")
		}
		if b, err = io.ReadAll(io.LimitReader(z, limit+1)); err != nil {
			return badRequest("The request is not valid gzip.")
		}
		if int64(len(b)) > limit {
			return tooLarge
		}
	}
	c.body = b
	return nil
}

// mediaType is that of the request body.
func (c *call) mediaType() string {
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	return kind
}

// prefer reads the Prefer headers.
func (c *call) prefer() {
	for _, v := range c.r.Header.Values("Prefer") {
		for p := range strings.SplitSeq(v, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "idtype":
				if strings.EqualFold(value, "ImmutableId") {
					c.immutable = true
					c.applied = append(c.applied, `IdType="ImmutableId"`)
				}
			case "outlook.body-content-type":
				c.textBody = strings.EqualFold(value, "text")
				c.applied = append(c.applied, `outlook.body-content-type="`+strings.ToLower(value)+`"`)
			case "odata.maxpagesize":
				if n, err := strconv.Atoi(value); err == nil && n > 0 {
					c.pageSize = n
					c.applied = append(c.applied, "odata.maxpagesize="+value)
				}
			}
		}
	}
}
