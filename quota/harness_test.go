package quota_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// server is a round tripper that answers from a function and remembers when
// which call came.
type server struct {
	answer func(c mailbox.Call, n int) *http.Response // n counts from 0
	took   time.Duration

	mu       sync.Mutex
	log      []arrival
	inflight map[mailbox.MailboxID]int
	widest   int
}

type arrival struct {
	at   time.Time
	call mailbox.Call
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := mailbox.CallOf(req.Context())
	s.mu.Lock()
	n := len(s.log)
	s.log = append(s.log, arrival{time.Now(), c})
	if s.inflight == nil {
		s.inflight = make(map[mailbox.MailboxID]int)
	}
	s.inflight[c.Mailbox] += max(1, c.Parallel)
	s.widest = max(s.widest, s.inflight[c.Mailbox])
	s.mu.Unlock()
	if s.took > 0 {
		time.Sleep(s.took)
	}
	s.mu.Lock()
	s.inflight[c.Mailbox] -= max(1, c.Parallel)
	s.mu.Unlock()
	if req.Body != nil {
		req.Body.Close()
	}
	if s.answer == nil {
		return respond(200, "{}"), nil
	}
	return s.answer(c, n), nil
}

// methods returns the methods in the order the calls came.
func (s *server) methods() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, a := range s.log {
		names = append(names, a.call.Method)
	}
	return names
}

func respond(status int, body string, header ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func call(box string, lane mailbox.Lane, units int) mailbox.Call {
	return mailbox.Call{
		Ref:      mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID(box)},
		Provider: "test", App: "app", Method: box, Units: units, Lane: lane,
	}
}

func named(c mailbox.Call, method string) mailbox.Call { c.Method = method; return c }

// send makes one call and reads its answer.
func send(ctx context.Context, rt http.RoundTripper, c mailbox.Call) (int, error) {
	resp, err := open(ctx, rt, c)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func open(ctx context.Context, rt http.RoundTripper, c mailbox.Call) (*http.Response, error) {
	req, err := http.NewRequestWithContext(mailbox.WithCall(ctx, c), http.MethodPost, "https://mail.test/x", strings.NewReader("x"))
	if err != nil {
		return nil, err
	}
	return rt.RoundTrip(req)
}

func limiter(t *testing.T, l quota.Limits) *quota.Limiter {
	t.Helper()
	lim, err := quota.NewLimiter(quota.LimiterConfig{Providers: map[mailbox.ProviderName]quota.Limits{"test": l}})
	if err != nil {
		t.Fatal(err)
	}
	return lim
}

func mustSend(t *testing.T, rt http.RoundTripper, c mailbox.Call) {
	t.Helper()
	if _, err := send(t.Context(), rt, c); err != nil {
		t.Fatal(err)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func wantPaused(t *testing.T, err error, scope mailbox.Scope, least, most time.Duration) *mailbox.Error {
	t.Helper()
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		t.Fatalf("got %v, want a pause", err)
	}
	if e.Class != mailbox.ClassPaused || e.Outcome != mailbox.OutcomeNotSent || e.Scope != scope {
		t.Errorf("got %v (%v, scope %q), want a pause of %q without effect", err, e.Outcome, e.Scope, scope)
	}
	if e.RetryAfter < least || e.RetryAfter > most {
		t.Errorf("retry after %v, want %v to %v", e.RetryAfter, least, most)
	}
	return e
}

func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	fe, ok := errors.AsType[*mailbox.FieldError](err)
	if !ok || !errors.Is(err, mailbox.ClassInvalid) || fe.Field != field {
		t.Errorf("got %v, want an invalid %s", err, field)
	}
}
