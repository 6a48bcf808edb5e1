package outlook_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const (
	anna  = "anna@contoso.example"
	bert  = "bert@contoso.example"
	carol = "carol@outlook.example" // a personal account
	noOne = "no.one@contoso.example"
	// member has rights on the mailboxes of anna and bert, once she is there.
	member = "mia@contoso.example"
)

// everything is what a mailbox of one user can be asked for.
const everything = mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies | mailbox.CanWriteReadState | mailbox.CanDraft

// world is a fake Microsoft and a provider that speaks to it.
type world struct {
	t *testing.T
	*outlooktest.Server
	provider  *outlook.Provider
	transport http.RoundTripper

	mu      sync.Mutex
	revoked map[string]bool
}

type option func(*outlook.Config)

func newWorld(t *testing.T, o outlooktest.Options, options ...option) *world {
	t.Helper()
	w := worldOf(t, outlooktest.NewServer(t, o), options...)
	w.transport = w.Transport()
	return w
}

// overNetwork is a world whose fake listens.
func overNetwork(t *testing.T, s *outlooktest.Server) *world {
	t.Helper()
	w := worldOf(t, s)
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	w.transport = tr
	return w
}

func worldOf(t *testing.T, s *outlooktest.Server, options ...option) *world {
	t.Helper()
	s.AddUser(outlooktest.User{
		Address: anna, Name: "Anna Aalto", Aliases: []string{"a.aalto@contoso.example"}, SharedWith: []string{member},
	})
	s.AddUser(outlooktest.User{Address: bert, Name: "Bert Berg", SharedWith: []string{member}})
	s.AddUser(outlooktest.User{Address: carol, Name: "Carol", Personal: true})
	c := outlook.Config{Endpoints: outlook.EndpointsAt(s.URL())}
	for _, set := range options {
		set(&c)
	}
	p, err := outlook.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, Server: s, provider: p, revoked: map[string]bool{}}
}

// tokens is a mailbox.TokenSource over the fake.
type tokens struct {
	w       *world
	address string
	scopes  []string

	mu      sync.Mutex
	current string
	asked   []mailbox.TokenRequest
}

func (s *tokens) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.w.mu.Lock()
	gone := s.w.revoked[s.address]
	s.w.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, req)
	if s.current == "" || string(req.Rejected) == s.current {
		if gone {
			return "", &mailbox.Error{Class: mailbox.ClassReconnect}
		}
		s.current, _ = s.w.Tokens(s.address, s.scopes...)
	}
	return mailbox.AccessToken(s.current), nil
}

func (w *world) session(address string, scopes []string) mailbox.Session {
	return mailbox.Session{Tokens: &tokens{w: w, address: address, scopes: scopes}, Transport: w.transport}
}

func (w *world) account(address string, caps mailbox.Capabilities) mailbox.Account {
	w.t.Helper()
	scopes, err := w.provider.Scopes(caps)
	if err != nil {
		w.t.Fatal(err)
	}
	return mailbox.Account{
		Ref:      mailbox.Ref{Tenant: "t1", Mailbox: mailbox.MailboxID(address)},
		Provider: mailbox.Outlook, Address: address, Name: "Anna Aalto",
		Scopes: scopes, Capabilities: w.provider.Granted(scopes),
	}
}

func (w *world) open(address string, caps mailbox.Capabilities) *outlook.Mailbox {
	w.t.Helper()
	a := w.account(address, caps)
	return w.openWith(a, w.session(address, a.Scopes))
}

func (w *world) openWith(a mailbox.Account, s mailbox.Session) *outlook.Mailbox {
	w.t.Helper()
	mb, err := w.provider.Open(a, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return mb.(*outlook.Mailbox)
}

// deliver puts a message from outside into the inbox.
func (w *world) deliver(to, subject string, fields ...string) mailbox.MessageID {
	w.t.Helper()
	id, err := w.Deliver(to, rawMail(to, subject, fields...))
	if err != nil {
		w.t.Fatal(err)
	}
	return mailbox.MessageID(id)
}

func rawMail(to, subject string, fields ...string) []byte {
	return []byte("From: Eve Outside <eve@elsewhere.example>\r\nTo: " + to + "\r\nSubject: " + subject +
		"\r\nDate: Mon, 02 Jun 2025 10:00:00 +0000\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", ".") +
		"@elsewhere.example>\r\n" + strings.Join(fields, "") + "\r\nHello from outside.\r\n")
}

func note(to, subject string) *mailbox.Outgoing {
	return &mailbox.Outgoing{To: []mailbox.Address{{Address: to}}, Subject: subject, Text: "Hello.\r\n"}
}

// checkpoints collects what Send reports before it sends.
func checkpoints(into *mailbox.Checkpoint) mailbox.SendOptions {
	return mailbox.SendOptions{Checkpoint: func(_ context.Context, c mailbox.Checkpoint) error {
		*into = c
		return nil
	}}
}

// calls counts requests of a method whose path ends in suffix, batched or not.
func (w *world) calls(method, suffix string) int {
	n := 0
	for _, x := range w.Log() {
		path, _, _ := strings.Cut(x.URL, "?")
		if x.Method == method && strings.HasSuffix(path, suffix) {
			n++
		}
	}
	return n
}

func asError(t *testing.T, err error) *mailbox.Error {
	t.Helper()
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want a *mailbox.Error", err, err)
	}
	return e
}

func wantOutcome(t *testing.T, err error, class mailbox.Class, outcome mailbox.Outcome) *mailbox.Error {
	t.Helper()
	e := asError(t, err)
	if e.Class != class || e.Outcome != outcome {
		t.Errorf("class %q, outcome %v (%v), want %q and %v", e.Class, e.Outcome, e, class, outcome)
	}
	return e
}

// drain asks for changes until there are no more.
func drain(t *testing.T, mb *outlook.Mailbox, from mailbox.Cursor) ([]mailbox.Change, mailbox.Cursor) {
	t.Helper()
	var all []mailbox.Change
	for range 200 {
		c, err := mb.Changes(t.Context(), from, 0)
		if err != nil {
			t.Fatal(err)
		}
		all, from = append(all, c.Changes...), c.Next
		if !c.More {
			return all, from
		}
	}
	t.Fatal("changes never end")
	return nil, ""
}

func startCursor(t *testing.T, mb *outlook.Mailbox) mailbox.Cursor {
	t.Helper()
	c, err := mb.Cursor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// kinds spells changes as "kind subject".
func kinds(all []mailbox.Change) []string {
	out := []string{}
	for _, c := range all {
		s := string(c.Kind)
		if c.Message != nil {
			s += " " + c.Message.Subject
		}
		out = append(out, s)
	}
	return out
}

// roundTripper is a transport in front of the fake.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// rewrite changes the bodies of answers on their way.
func rewrite(base http.RoundTripper, change func(r *http.Request, body string) string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		changed := change(r, string(body))
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader([]byte(changed))), int64(len(changed))
		return resp, err
	})
}

func contains[T comparable](all []T, one T) bool { return slices.Contains(all, one) }

// cancelSoon is a context that ends while the driver waits to try again.
func cancelSoon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func answerWith(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}
