package gmailtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
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

// The scopes of the Gmail API that the fake knows (discovery document, revision
// 20261005).
const (
	ScopeFull     = "https://mail.google.com/"
	ScopeSend     = "https://www.googleapis.com/auth/gmail.send"
	ScopeCompose  = "https://www.googleapis.com/auth/gmail.compose"
	ScopeMetadata = "https://www.googleapis.com/auth/gmail.metadata"
	ScopeReadonly = "https://www.googleapis.com/auth/gmail.readonly"
	ScopeModify   = "https://www.googleapis.com/auth/gmail.modify"
	ScopeLabels   = "https://www.googleapis.com/auth/gmail.labels"
	ScopeSettings = "https://www.googleapis.com/auth/gmail.settings.basic"
)

// method is one method of the API.
type method struct {
	id      string
	route   string // as for http.ServeMux
	query   string // names of its query parameters
	upload  bool   // also under /upload
	scopes  []string
	units   int
	handle  func(*call) (any, *apiError)
	refused func(*call) *apiError // what gmail.metadata forbids beyond its scopes
}

// methods is the table of what the fake answers. Units are of the usage limits
// page of 2026-07-31, scopes of the discovery document.
func methods() []method {
	read := []string{ScopeFull, ScopeMetadata, ScopeModify, ScopeReadonly}
	full := []string{ScopeFull, ScopeModify, ScopeReadonly}
	modify := []string{ScopeFull, ScopeModify}
	drafts := []string{ScopeFull, ScopeCompose, ScopeModify}
	readDrafts := append(drafts, ScopeReadonly)
	labels := []string{ScopeFull, ScopeLabels, ScopeMetadata, ScopeModify, ScopeReadonly}
	const user = "/gmail/v1/users/{userId}"
	return []method{
		{id: "getProfile", route: "GET " + user + "/profile", scopes: append(read, ScopeCompose), units: 1, handle: (*call).getProfile},
		{id: "watch", route: "POST " + user + "/watch", scopes: read, units: 100, handle: (*call).startWatch},
		{id: "stop", route: "POST " + user + "/stop", scopes: read, units: 50, handle: (*call).stopWatch},

		{id: "messages.list", route: "GET " + user + "/messages", query: "q labelIds includeSpamTrash maxResults pageToken", scopes: read, units: 5, handle: (*call).messagesList, refused: noQuery},
		{id: "messages.get", route: "GET " + user + "/messages/{id}", query: "format metadataHeaders", scopes: read, units: 20, handle: (*call).messagesGet, refused: metadataOnly},
		{id: "messages.attachments.get", route: "GET " + user + "/messages/{messageId}/attachments/{id}", scopes: full, units: 20, handle: (*call).attachmentsGet},
		{id: "messages.send", route: "POST " + user + "/messages/send", upload: true, scopes: append(drafts, ScopeSend), units: 100, handle: (*call).messagesSend},
		{id: "messages.modify", route: "POST " + user + "/messages/{id}/modify", scopes: modify, units: 5, handle: (*call).messagesModify},
		{id: "messages.batchModify", route: "POST " + user + "/messages/batchModify", scopes: modify, units: 50, handle: (*call).messagesBatchModify},
		{id: "messages.trash", route: "POST " + user + "/messages/{id}/trash", scopes: modify, units: 20, handle: (*call).messagesTrash},
		{id: "messages.untrash", route: "POST " + user + "/messages/{id}/untrash", scopes: modify, units: 5, handle: (*call).messagesUntrash},
		{id: "messages.delete", route: "DELETE " + user + "/messages/{id}", scopes: []string{ScopeFull}, units: 10, handle: (*call).messagesDelete},

		{id: "threads.list", route: "GET " + user + "/threads", query: "q labelIds includeSpamTrash maxResults pageToken", scopes: read, units: 10, handle: (*call).threadsList, refused: noQuery},
		{id: "threads.get", route: "GET " + user + "/threads/{id}", query: "format metadataHeaders", scopes: read, units: 40, handle: (*call).threadsGet, refused: metadataOnly},

		{id: "drafts.create", route: "POST " + user + "/drafts", upload: true, scopes: drafts, units: 10, handle: (*call).draftsCreate},
		{id: "drafts.list", route: "GET " + user + "/drafts", query: "q includeSpamTrash maxResults pageToken", scopes: readDrafts, units: 5, handle: (*call).draftsList},
		{id: "drafts.get", route: "GET " + user + "/drafts/{id}", query: "format", scopes: readDrafts, units: 20, handle: (*call).draftsGet},
		{id: "drafts.update", route: "PUT " + user + "/drafts/{id}", upload: true, scopes: drafts, units: 15, handle: (*call).draftsUpdate},
		{id: "drafts.delete", route: "DELETE " + user + "/drafts/{id}", scopes: drafts, units: 10, handle: (*call).draftsDelete},
		{id: "drafts.send", route: "POST " + user + "/drafts/send", upload: true, scopes: drafts, units: 100, handle: (*call).draftsSend},

		{id: "history.list", route: "GET " + user + "/history", query: "startHistoryId historyTypes labelId maxResults pageToken", scopes: read, units: 2, handle: (*call).historyList},
		{id: "labels.list", route: "GET " + user + "/labels", scopes: labels, units: 1, handle: (*call).labelsList},
		{id: "labels.get", route: "GET " + user + "/labels/{id}", scopes: labels, units: 1, handle: (*call).labelsGet},
		{id: "labels.create", route: "POST " + user + "/labels", scopes: []string{ScopeFull, ScopeLabels, ScopeModify}, units: 5, handle: (*call).labelsCreate},
		{id: "settings.sendAs.list", route: "GET " + user + "/settings/sendAs", scopes: append(full, ScopeSettings), units: 1, handle: (*call).sendAsList},
		{id: "settings.sendAs.get", route: "GET " + user + "/settings/sendAs/{sendAsEmail}", scopes: append(full, ScopeSettings), units: 1, handle: (*call).sendAsGet},
	}
}

func (s *Server) routes() {
	for _, m := range methods() {
		m.id = "gmail.users." + m.id
		if cost, ok := s.opts.Quota.Units[m.id]; ok {
			m.units = cost
		}
		verb, path, _ := strings.Cut(m.route, " ")
		s.mux.HandleFunc(verb+" "+path, func(w http.ResponseWriter, r *http.Request) { s.api(w, r, m, false) })
		if m.upload {
			s.mux.HandleFunc(verb+" /upload"+path, func(w http.ResponseWriter, r *http.Request) { s.api(w, r, m, true) })
		}
	}
	s.mux.HandleFunc("POST /batch", s.batch)
	s.mux.HandleFunc("POST /batch/gmail/v1", s.batch)
	s.mux.HandleFunc("/o/oauth2/v2/auth", s.OAuth.Authorize)
	s.mux.HandleFunc("/token", s.OAuth.Token)
	s.mux.HandleFunc("/revoke", s.OAuth.Revoke)
	s.mux.HandleFunc("/v1/userinfo", s.userinfo)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range []string{"/gmail/", "/upload/", "/resumable/"} {
			if strings.HasPrefix(r.URL.Path, prefix) {
				http.Error(w, "gmailtest does not model "+r.Method+" "+r.URL.Path, http.StatusNotImplemented)
				return
			}
		}
		writePage(w, http.StatusNotFound, "The requested URL was not found on this server.")
	})
}

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
	return nil
}

// maxResults reads the size of a page: 100 when missing, at most 500.
func (c *call) maxResults() (int, *apiError) {
	v := c.query.Get("maxResults")
	if v == "" {
		return 100, nil
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return 0, badArgument("Invalid value at 'max_results' (TYPE_UINT32), %q", v)
	}
	if n == 0 {
		return 100, nil
	}
	return int(min(n, 500)), nil
}

func (c *call) uint64Param(name string) (uint64, *apiError) {
	v := c.query.Get(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, badArgument("Invalid value at '%s' (TYPE_UINT64), %q", name, v)
	}
	return n, nil
}

func (c *call) boolParam(name string) (bool, *apiError) {
	switch v := c.query.Get(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, badArgument("Invalid value at '%s' (TYPE_BOOL), %q", name, v)
	}
}

// pageToken names a place in the list that the query asks for.
func (c *call) pageToken(a, b int64) string {
	token := binary.BigEndian.AppendUint32(nil, c.fingerprint())
	token = binary.BigEndian.AppendUint64(token, uint64(c.now.UnixMilli()))
	token = binary.BigEndian.AppendUint64(token, uint64(a))
	token = binary.BigEndian.AppendUint64(token, uint64(b))
	return base64.RawURLEncoding.EncodeToString(token)
}

func (c *call) readPageToken(s string) (a, b int64, e *apiError) {
	token, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(token) != 28 || binary.BigEndian.Uint32(token) != c.fingerprint() {
		return 0, 0, badArgument("Invalid pageToken")
	}
	given := time.UnixMilli(int64(binary.BigEndian.Uint64(token[4:])))
	if life := c.s.opts.PageTokenLife; life > 0 && c.now.Sub(given) > life {
		return 0, 0, badArgument("Invalid pageToken")
	}
	return int64(binary.BigEndian.Uint64(token[12:])), int64(binary.BigEndian.Uint64(token[20:])), nil
}

// fingerprint ties page tokens to the list they were given for.
func (c *call) fingerprint() uint32 {
	h := fnv.New32a()
	io.WriteString(h, c.b.user.Address+"\n"+c.m.id)
	for _, name := range []string{"q", "labelIds", "includeSpamTrash", "startHistoryId", "labelId", "historyTypes"} {
		values := slices.Sorted(slices.Values(c.query[name]))
		io.WriteString(h, "\n"+strings.Join(values, " "))
	}
	return h.Sum32()
}

// base64url encodes as the API does.
func (s *Server) base64url(b []byte) string {
	if s.opts.Unpadded {
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return base64.URLEncoding.EncodeToString(b)
}

// decodeBase64url accepts base64url with and without padding.
func decodeBase64url(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

func (c *call) getProfile() (any, *apiError) {
	return struct {
		EmailAddress  string `json:"emailAddress"`
		MessagesTotal int    `json:"messagesTotal"`
		ThreadsTotal  int    `json:"threadsTotal"`
		HistoryID     string `json:"historyId"`
	}{
		c.b.user.Address, len(c.b.messages), len(c.b.threads),
		strconv.FormatUint(c.b.present(c.now), 10),
	}, nil
}

type insideBatch struct{}

func withBatch(ctx context.Context, seats *seats) context.Context {
	return context.WithValue(ctx, insideBatch{}, seats)
}
