// Package mailboxtest helps to test code that uses mailboxes.
//
// [Service] is a mail service in memory. It implements mailbox.Provider, so a
// host wires it in place of Gmail or Outlook and tests its own code without a
// network: users sign in, send to each other, answer, share their mailboxes, and
// break on demand. It works inside a testing/synctest bubble.
//
// [TestProvider] is the conformance suite for implementations of
// mailbox.Provider: one rule for each case. Rules on optional interfaces hold for
// providers that do not implement them.
//
// Service does not model what is special to one provider: quotas, labels,
// rewritten Message-IDs, delta tokens. The packages gmailtest and outlooktest
// do.
package mailboxtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

// Memory is the name of the provider that Service implements.
const Memory mailbox.ProviderName = "memory"

// ClientID and ClientSecret are the OAuth client that every Service knows.
const (
	ClientID     = "client-id"
	ClientSecret = "client-secret"
)

// Decision is what a user does at the authorization page. See [Service.Decide].
type Decision = fakeserver.Decision

// Service is a mail service in memory. It is safe for concurrent use. Use New.
type Service struct {
	server *fakeserver.Server
	oauth  *fakeserver.OAuth

	mu       sync.Mutex
	revoked  map[string]bool
	users    map[string]*user
	order    []string
	nextID   int
	failures []*Failure
	calls    map[string]int
	outside  []Envelope
	// appAllowed: see AllowApp.
	appAllowed bool
}

// Envelope is a message on its way to addresses that are not of the service.
type Envelope = fakeserver.Envelope

// New returns a service without users.
func New() *Service {
	s := &Service{users: map[string]*user{}, calls: map[string]int{}, revoked: map[string]bool{}}
	mux := http.NewServeMux()
	s.server = fakeserver.New("https://mail.fake", mux)
	s.oauth = fakeserver.NewOAuth(s.server, fakeserver.OAuthConfig{
		Users:  s.addresses,
		Rotate: true,
		Extra:  map[string]fakeserver.ExtraGrant{"client_credentials": {Grant: s.appGrant}},
		Error: func(w http.ResponseWriter, kind fakeserver.TokenError) {
			code := "invalid_grant"
			switch kind {
			case fakeserver.BadClient, fakeserver.BadRequest, fakeserver.BadScope, notAllowed:
				code = string(kind)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(w).Encode(map[string]string{"error": code})
		},
	})
	s.oauth.Register(fakeserver.Client{ID: ClientID, Secret: ClientSecret})
	mux.HandleFunc("/authorize", s.oauth.Authorize)
	mux.HandleFunc("/token", s.oauth.Token)
	mux.HandleFunc("/revoke", s.oauth.Revoke)
	return s
}

// Transport reaches the authorization server of the service in process: wire it
// as the Transport of the OAuth app.
func (s *Service) Transport() http.RoundTripper { return s.server.Transport() }

// AddUser adds a user with an empty mailbox.
func (s *Service) AddUser(address, name string, aliases ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(address)
	if s.users[key] == nil {
		s.order = append(s.order, address)
	}
	s.users[key] = &user{address: address, name: name, aliases: aliases}
}

func (s *Service) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// Decide plays the user at the authorization page behind authURL and returns
// the query that the browser brings back to the host's callback.
func (s *Service) Decide(ctx context.Context, authURL string, d Decision) (string, error) {
	u, err := fakeserver.Decide(ctx, s.Transport(), authURL, d)
	if err != nil {
		return "", err
	}
	return u.RawQuery, nil
}

// Revoke ends all grants of a user.
func (s *Service) Revoke(address string) {
	s.mu.Lock()
	s.revoked[strings.ToLower(address)] = true
	s.mu.Unlock()
	s.oauth.RevokeUser(address)
}

// ExpireTokens makes all access tokens invalid; refreshing gives new ones.
func (s *Service) ExpireTokens() { s.oauth.ExpireAccess() }

// Session returns a session of a user with the capabilities, without the
// authorization page. Its token source gives a new token when one is rejected,
// unless the grant was revoked.
func (s *Service) Session(address string, caps mailbox.Capabilities) mailbox.Session {
	scopes, err := s.Scopes(caps)
	if err != nil {
		scopes = nil
	}
	return s.SessionWithScopes(address, scopes)
}

// SessionWithScopes is Session for a token that carries just these scopes.
func (s *Service) SessionWithScopes(address string, scopes []string) mailbox.Session {
	return mailbox.Session{Tokens: &issuer{s: s, address: address, scopes: scopes}}
}

type issuer struct {
	s       *Service
	address string
	scopes  []string

	mu    sync.Mutex
	token mailbox.AccessToken
}

func (i *issuer) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	i.s.mu.Lock()
	revoked := i.s.revoked[strings.ToLower(i.address)]
	i.s.mu.Unlock()
	i.mu.Lock()
	defer i.mu.Unlock()
	if revoked && (i.token == "" || i.token == req.Rejected) {
		return "", &mailbox.Error{Op: "token", Provider: Memory, Class: mailbox.ClassReconnect}
	}
	if i.token == "" || i.token == req.Rejected {
		access, _ := i.s.oauth.Issue(i.address, ClientID, i.scopes)
		i.token = mailbox.AccessToken(access)
	}
	return i.token, nil
}

// Deliver puts a message from outside into a user's inbox. Raw is RFC 5322,
// however broken.
func (s *Service) Deliver(to string, raw []byte) (mailbox.MessageID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.find(to)
	if u == nil {
		return "", fmt.Errorf("mailboxtest: no user %q", to)
	}
	return s.file(u, raw, mailbox.FolderInbox, false), nil
}

// Delete removes a message from a user's mailbox for good.
func (s *Service) Delete(address string, id mailbox.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.find(address); u != nil {
		if i := u.index(id); i >= 0 {
			u.messages = slices.Delete(u.messages, i, i+1)
			u.log(mailbox.ChangeRemoved, id)
		}
	}
}

// LoseCursors makes the service forget every cursor that is out.
func (s *Service) LoseCursors() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		u.forgotten = len(u.changes) + 1
		u.changes = append(u.changes, change{})
	}
}

// Outside returns the messages sent to addresses that are not of the service.
func (s *Service) Outside() []Envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outside)
}

// Calls returns how often an operation was called: "send", "list", "fetch",
// "fetch_body" (messages whose body was read), "raw", "changes", "cursor",
// "set_read", "resolve", "read_sent", "identify", "find_shared", "watch",
// "unwatch".
func (s *Service) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// Failure makes operations fail.
type Failure struct {
	// Op is the operation, as in Calls; empty means all.
	Op string
	// Err is what the caller gets. Provider, Mailbox and Op are filled in.
	Err *mailbox.Error
	// After lets the operation take effect before it fails.
	After bool
	// Hang ignores Err: the operation ends with its context.
	Hang bool
	// Times is how often it fails: 0 means once, -1 always.
	Times int
}

// Fail scripts a failure. Failures are used in the order they were scripted.
func (s *Service) Fail(f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.failures = append(s.failures, &f)
}

// Recover removes all failures.
func (s *Service) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = nil
}

func (s *Service) failure(op string) *Failure {
	for _, f := range s.failures {
		if f.Times != 0 && (f.Op == "" || f.Op == op) {
			if f.Times > 0 {
				f.Times--
			}
			return f
		}
	}
	return nil
}

// The provider.

var scopeOf = []struct {
	scope string
	gives mailbox.Capabilities
}{
	{"send", mailbox.CanSend},
	{"headers", mailbox.CanReadHeaders},
	{"bodies", mailbox.CanReadHeaders | mailbox.CanReadBodies},
	{"shared", mailbox.CanShared},
	{"write", mailbox.CanReadHeaders | mailbox.CanReadBodies | mailbox.CanWriteReadState | mailbox.CanDraft},
}

// Name implements mailbox.Provider.
func (s *Service) Name() mailbox.ProviderName { return Memory }

// OAuth implements mailbox.Provider.
func (s *Service) OAuth() mailbox.OAuth {
	base := s.server.URL()
	return mailbox.OAuth{
		AuthURL: base + "/authorize", TokenURL: base + "/token", RevokeURL: base + "/revoke",
		RotatesRefreshTokens: true,
	}
}

// Scopes implements mailbox.Provider.
func (s *Service) Scopes(want mailbox.Capabilities) ([]string, error) {
	var all mailbox.Capabilities
	for _, x := range scopeOf {
		all |= x.gives
	}
	if all.Missing(want) != 0 {
		return nil, &mailbox.Error{Op: "scopes", Provider: Memory, Class: mailbox.ClassUnsupported}
	}
	scopes := []string{"identity"}
	if want.Has(mailbox.CanSend) {
		scopes = append(scopes, "send")
	}
	if want.Has(mailbox.CanShared) {
		scopes = append(scopes, "shared")
	}
	if reading := want &^ (mailbox.CanSend | mailbox.CanShared); reading != 0 {
		for _, x := range scopeOf[1:] {
			if x.gives.Has(reading) {
				return append(scopes, x.scope), nil
			}
		}
	}
	return scopes, nil
}

// Granted implements mailbox.Provider.
func (s *Service) Granted(scopes []string) mailbox.Capabilities {
	var caps mailbox.Capabilities
	for _, x := range scopeOf {
		if slices.Contains(scopes, x.scope) {
			caps |= x.gives
		}
	}
	return caps
}

// OAuthError implements mailbox.Provider.
func (s *Service) OAuthError(status int, _ http.Header, body []byte) *mailbox.Error {
	e := &mailbox.Error{Op: "oauth", Provider: Memory, Status: status}
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		for pair := range strings.SplitSeq(string(body), "&") {
			if v, ok := strings.CutPrefix(pair, "error="); ok {
				answer.Error = v
			}
		}
	}
	switch answer.Error {
	case "invalid_grant":
		e.Class, e.Code = mailbox.ClassReconnect, answer.Error
	case "access_denied":
		e.Class, e.Code = mailbox.ClassDeclined, answer.Error
	case "unauthorized_client":
		e.Class, e.Code, e.Cause = mailbox.ClassAdmin, answer.Error, mailbox.CausePolicy
	case "invalid_client":
		e.Class, e.Code, e.Cause = mailbox.ClassConfig, answer.Error, mailbox.CauseAppSecret
	case "invalid_request", "invalid_scope":
		e.Class, e.Code = mailbox.ClassConfig, answer.Error
	default:
		if status >= 500 {
			e.Class = mailbox.ClassUnavailable
		}
	}
	if status == http.StatusTooManyRequests {
		e.Class = mailbox.ClassThrottled
	}
	return e
}

// Identify implements mailbox.Provider.
func (s *Service) Identify(ctx context.Context, session mailbox.Session) (mailbox.Identity, error) {
	b := &box{s: s, session: session}
	return do(ctx, b, "identify", 0, func(u *user) (mailbox.Identity, *mailbox.Error) {
		return u.identity(), nil
	})
}

// Open implements mailbox.Provider.
func (s *Service) Open(a mailbox.Account, session mailbox.Session) (mailbox.Mailbox, error) {
	if session.Tokens == nil {
		return nil, mailbox.Invalid("session.tokens", "required", "is missing")
	}
	if a.Access != mailbox.AccessUser && a.Address == "" {
		return nil, mailbox.Invalid("account.address", "the address of the mailbox", "is missing")
	}
	return &box{s: s, account: a, session: session}, nil
}

// find returns the user of an address or alias. s.mu is held.
func (s *Service) find(address string) *user {
	if u := s.users[strings.ToLower(address)]; u != nil {
		return u
	}
	for _, u := range s.users {
		if slices.ContainsFunc(u.aliases, func(a string) bool { return mailbox.SameAddress(a, address) }) {
			return u
		}
	}
	return nil
}

// file puts a message into a folder and returns its id. s.mu is held.
func (s *Service) file(u *user, raw []byte, f mailbox.Folder, read bool) mailbox.MessageID {
	s.nextID++
	m := &stored{
		id: mailbox.MessageID(fmt.Sprintf("m%06d", s.nextID)), raw: slices.Clone(raw),
		folder: f, read: read, at: time.Now(),
	}
	h, err := compose.Read(strings.NewReader(string(raw)), compose.ReadOptions{HeadersOnly: true})
	if err != nil {
		h = &mailbox.Message{}
	}
	m.rfcID = h.RFCMessageID
	m.thread = mailbox.ThreadID(fmt.Sprintf("t%06d", s.nextID))
	for _, id := range slices.Concat(h.InReplyTo(), h.References()) {
		if parent := u.byRFC(id); parent != nil {
			m.thread = parent.thread
			break
		}
	}
	u.messages = append(u.messages, m)
	u.log(mailbox.ChangeAdded, m.id)
	return m.id
}

// route delivers a sent message. s.mu is held.
func (s *Service) route(from *user, recipients []string, raw []byte) {
	var outside []string
	for _, to := range recipients {
		if u := s.find(to); u != nil {
			s.file(u, raw, mailbox.FolderInbox, false)
			continue
		}
		local := slices.ContainsFunc(s.order, func(a string) bool { return mailbox.Domain(a) == mailbox.Domain(to) })
		if !local {
			outside = append(outside, to)
			continue
		}
		report := fakeserver.DSN(raw, fakeserver.Report{
			To: from.address, Date: time.Now(), Recipient: to, Cite: true, HeadersOnly: true,
		})
		s.file(from, report, mailbox.FolderInbox, false)
	}
	if len(outside) > 0 {
		s.outside = append(s.outside, Envelope{From: from.address, To: outside, Raw: slices.Clone(raw)})
	}
}
