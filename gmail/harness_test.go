package gmail_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

const (
	ann = "ann@example.com"
	bob = "bob@example.com"

	apiPath = "/gmail/v1/users/me"
)

const everything = mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies | mailbox.CanWriteReadState | mailbox.CanDraft

// world is a fake Google with two users, and the driver that speaks to it.
type world struct {
	*gmailtest.Server
	t         testing.TB
	provider  *gmail.Provider
	transport http.RoundTripper
}

func setup(t testing.TB, o gmailtest.Options, configs ...gmail.Config) *world {
	t.Helper()
	var c gmail.Config
	if len(configs) > 0 {
		c = configs[0]
	}
	return worldOn(t, gmailtest.NewServer(t, o), c)
}

// worldOn is a world with a fake that somebody else made.
func worldOn(t testing.TB, s *gmailtest.Server, c gmail.Config) *world {
	t.Helper()
	s.AddUser(gmailtest.User{Address: ann, Name: "Ann Example", Subject: "1001"})
	s.AddUser(gmailtest.User{Address: bob, Name: "Bob Example"})
	c.Endpoints = gmail.EndpointsAt(s.URL())
	p, err := gmail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &world{Server: s, t: t, provider: p, transport: s.Transport()}
}

// tokens is a token source of one user that gets another token when one was
// refused.
type tokens struct {
	w      *world
	user   string
	scopes []string

	mu     sync.Mutex
	access mailbox.AccessToken
	given  int
	err    error
}

func (s *tokens) Token(_ context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return "", s.err
	}
	if s.access == "" || req.Rejected == s.access {
		access, _ := s.w.Tokens(s.user, s.scopes...)
		s.access = mailbox.AccessToken(access)
		s.given++
	}
	return s.access, nil
}

// session returns a session of a user with the scopes.
func (w *world) session(user string, scopes ...string) (mailbox.Session, *tokens) {
	source := &tokens{w: w, user: user, scopes: scopes}
	return mailbox.Session{Tokens: source, Transport: w.transport}, source
}

// open opens a user's mailbox with what the scopes for some capabilities allow.
func (w *world) open(user string, want mailbox.Capabilities) *gmail.Mailbox {
	w.t.Helper()
	scopes, err := w.provider.Scopes(want)
	if err != nil {
		w.t.Fatal(err)
	}
	s, _ := w.session(user, scopes...)
	return w.openWith(user, w.provider.Granted(scopes), s)
}

func (w *world) openWith(user string, c mailbox.Capabilities, s mailbox.Session) *gmail.Mailbox {
	w.t.Helper()
	mb, err := w.provider.Open(mailbox.Account{
		Ref:      mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID(user)},
		Provider: mailbox.Gmail, Address: user, Name: strings.ToUpper(user[:1]) + user[1:3], Capabilities: c,
	}, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return mb.(*gmail.Mailbox)
}

// letter is a small message from outside.
func letter(subject string, header ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: Zoe <zoe@outside.example>\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@outside.example>\r\n",
		ann, subject, strings.ReplaceAll(subject, " ", "."))
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	b.WriteString("\r\nHello,\r\nthis is " + subject + ".\r\n")
	return []byte(b.String())
}

// deliver brings a letter to ann.
func (w *world) deliver(subject string) mailbox.MessageID {
	w.t.Helper()
	return w.deliverAs(subject, gmailtest.Delivery{})
}

func (w *world) deliverAs(subject string, d gmailtest.Delivery) mailbox.MessageID {
	w.t.Helper()
	id, err := w.DeliverAs(ann, letter(subject), d)
	if err != nil {
		w.t.Fatal(err)
	}
	return mailbox.MessageID(id)
}

// requests counts the requests that reached the fake, batches as one each.
func (w *world) requests(path ...string) int {
	n := 0
	for _, x := range w.Log() {
		if !x.Inner && (len(path) == 0 || strings.Contains(x.URL, path[0])) {
			n++
		}
	}
	return n
}

func outgoing() *mailbox.Outgoing {
	return &mailbox.Outgoing{To: []mailbox.Address{{Address: bob}}, Subject: "Offer", Text: "Dear Bob", Ref: "ref-1"}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v (%v)", err, errors.Unwrap(err))
		}
		return v
	}
}

// wantError checks class and outcome, and that the error is finished: with
// provider, mailbox and operation, and without anything private.
func wantError(t testing.TB, err error, class mailbox.Class, outcome mailbox.Outcome) *mailbox.Error {
	t.Helper()
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want *mailbox.Error of class %q", err, err, class)
	}
	if e.Class != class || e.Outcome != outcome {
		t.Errorf("error %v: class %q, outcome %v; want %q, %v (native: %v)", e, e.Class, e.Outcome, class, outcome, e.Err)
	}
	if e.Op == "" || strings.Contains(e.Op, "gmail.users") || e.Provider != mailbox.Gmail {
		t.Errorf("error names %q of %q", e.Op, e.Provider)
	}
	for _, private := range []string{ann, bob, "Offer", "Dear Bob", "access-"} {
		if strings.Contains(err.Error(), private) {
			t.Errorf("%q stands in %q", private, err)
		}
	}
	return e
}

func wantField(t testing.TB, err error, field string) {
	t.Helper()
	fe, ok := errors.AsType[*mailbox.FieldError](err)
	if !ok || fe.Field != field || !strings.Contains(err.Error(), field) {
		t.Errorf("error %v does not name the field %q", err, field)
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// settled is a checkpoint time that lies behind the settling time.
func settled() time.Time { return time.Now().Add(-time.Hour) }
