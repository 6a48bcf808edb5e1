package gate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

const origin = "https://api.example"

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// tokens gives "token-1", and after each rejection the next one.
type tokens struct {
	mu       sync.Mutex
	n        int
	requests []mailbox.TokenRequest
	err      error // fails every request
	errFresh error // fails requests for another token
}

func (t *tokens) Token(ctx context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests = append(t.requests, req)
	if t.err != nil {
		return "", t.err
	}
	if req.Rejected != "" {
		if t.errFresh != nil {
			return "", t.errFresh
		}
		t.n++
	}
	return mailbox.AccessToken("token-" + string(rune('1'+t.n))), nil
}

func answer(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func newGate(tok *tokens, rt http.RoundTripper) *gate.Gate {
	return &gate.Gate{
		Provider:    mailbox.Gmail,
		Mailbox:     "mb",
		Session:     mailbox.Session{Tokens: tok, Transport: rt},
		Origins:     []string{origin},
		OpenOrigins: []string{"https://upload.example"},
		Refusal: func(a gate.Answer) *mailbox.Error {
			e := &mailbox.Error{Class: mailbox.ClassUnknown, Code: string(a.Body)}
			switch a.Status {
			case http.StatusUnauthorized:
				e.Class = mailbox.ClassReconnect
			case http.StatusTooManyRequests:
				e.Class = mailbox.ClassThrottled
				e.RetryAfter = 1000 * mailbox.MaxRetryAfter
			case http.StatusBadGateway:
				e.Class = mailbox.ClassUnavailable
			}
			return e
		},
	}
}

func request(t *testing.T, lane mailbox.Lane, method, rawURL, body string) *http.Request {
	t.Helper()
	ctx := mailbox.WithCall(t.Context(), mailbox.Call{Method: "m", Lane: lane})
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, rawURL, r)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func asError(t *testing.T, err error) *mailbox.Error {
	t.Helper()
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want *mailbox.Error", err, err)
	}
	return e
}

func TestTokenGoesToConfiguredOriginsOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		url   string
		bare  bool
		admit bool
		token bool
	}{
		{name: "configured", url: origin + "/x", admit: true, token: true},
		{name: "default port is the same origin", url: origin + ":443/x", admit: true, token: true},
		{name: "host in capitals", url: "https://API.Example/x", admit: true, token: true},
		{name: "other port", url: origin + ":8443/x"},
		{name: "plain http", url: "http://api.example/x"},
		{name: "other host", url: "https://evil.example/x"},
		{name: "longer host", url: "https://api.example.evil.example/x"},
		{name: "user info before another host", url: "https://api.example@evil.example/x"},
		{name: "open origin with a token", url: "https://upload.example/x"},
		{name: "open origin without a token", url: "https://upload.example/x", bare: true, admit: true},
		{name: "configured without a token", url: origin + "/x", bare: true, admit: true},
		{name: "other host without a token", url: "https://evil.example/x", bare: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			tok := &tokens{}
			g := newGate(tok, roundTrip(func(r *http.Request) (*http.Response, error) {
				got = append(got, r.Header.Get("Authorization"))
				return answer(r, 200, "ok"), nil
			}))
			req := request(t, mailbox.LaneSend, "GET", tt.url, "")
			if tt.bare {
				req = req.WithContext(gate.WithoutToken(req.Context()))
			}
			resp, err := g.RoundTrip(req)
			if !tt.admit {
				e := asError(t, err)
				if e.Code != "foreign_host" || e.Outcome != mailbox.OutcomeNotSent {
					t.Errorf("error %v with outcome %v, want foreign_host and not_sent", e, e.Outcome)
				}
				if len(got) != 0 || len(tok.requests) != 0 {
					t.Errorf("a request was made (%d) or a token fetched (%d)", len(got), len(tok.requests))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := []string{""}
			if tt.token {
				want[0] = "Bearer token-1"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Authorization (-want +got):\n%s", diff)
			}
			if req.Header.Get("Authorization") != "" {
				t.Error("the caller's request was changed")
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	tests := []struct {
		base, want string
	}{
		{"https://API.example/v1/", "https://api.example"},
		{"https://api.example:443", "https://api.example"},
		{"https://api.example:8443/x?y", "https://api.example:8443"},
		{"http://127.0.0.1:80/x", "http://127.0.0.1"},
		{"http://localhost:8080", "http://localhost:8080"},
		{"http://[::1]:8080/", "http://[::1]:8080"},
		{"http://api.example", ""},
		{"http://127.0.0.1.evil.example", ""},
		{"ftp://api.example", ""},
		{"api.example", ""},
		{"", ""},
		{"https://user:secret@api.example", ""},
		{"https://api.example/%zz", ""},
	}
	for _, tt := range tests {
		got, err := gate.Origin("base", tt.base)
		if got != tt.want {
			t.Errorf("Origin(%q) = %q, want %q", tt.base, got, tt.want)
		}
		if tt.want == "" {
			fe, ok := errors.AsType[*mailbox.FieldError](err)
			if !ok || fe.Field != "base" || !errors.Is(err, mailbox.ClassInvalid) {
				t.Errorf("Origin(%q): error %v, want ClassInvalid naming the field", tt.base, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("Origin(%q): the error quotes the value", tt.base)
			}
		}
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		statuses []int // by attempt
		fresh    error // of the second token
		header   []string
		want     mailbox.Class
		ok       bool
		sent     []string
		tokens   []mailbox.TokenRequest
	}{
		{
			name: "accepted at once", statuses: []int{200}, ok: true,
			sent:   []string{"Bearer token-1 body"},
			tokens: []mailbox.TokenRequest{{}},
		},
		{
			name: "refreshed", statuses: []int{401, 200}, ok: true,
			sent:   []string{"Bearer token-1 body", "Bearer token-2 body"},
			tokens: []mailbox.TokenRequest{{}, {Rejected: "token-1"}},
		},
		{
			name: "refused twice", statuses: []int{401, 401}, want: mailbox.ClassReconnect,
			sent:   []string{"Bearer token-1 body", "Bearer token-2 body"},
			tokens: []mailbox.TokenRequest{{}, {Rejected: "token-1"}},
		},
		{
			name: "no other token for now", statuses: []int{401},
			fresh:  &mailbox.Error{Class: mailbox.ClassUnavailable},
			want:   mailbox.ClassUnavailable,
			sent:   []string{"Bearer token-1 body"},
			tokens: []mailbox.TokenRequest{{}, {Rejected: "token-1"}},
		},
		{
			name: "claims challenge", statuses: []int{401, 200}, ok: true,
			header: []string{"Www-Authenticate", `Bearer realm="", error="insufficient_claims", claims="eyJh"`},
			sent:   []string{"Bearer token-1 body", "Bearer token-2 body"},
			tokens: []mailbox.TokenRequest{{}, {Rejected: "token-1", Claims: "eyJh"}},
		},
		{
			name: "claims of another kind of challenge", statuses: []int{401, 200}, ok: true,
			header: []string{"Www-Authenticate", `Bearer error="invalid_token", claims="eyJh"`},
			sent:   []string{"Bearer token-1 body", "Bearer token-2 body"},
			tokens: []mailbox.TokenRequest{{}, {Rejected: "token-1"}},
		},
	}
	// Bodies of all kinds can be sent again, also those without GetBody.
	bodies := map[string]func(*http.Request){
		"with GetBody":    func(*http.Request) {},
		"without GetBody": func(r *http.Request) { r.GetBody = nil },
	}
	for _, tt := range tests {
		for kind, change := range bodies {
			t.Run(tt.name+" "+kind, func(t *testing.T) {
				t.Parallel()
				var sent []string
				tok := &tokens{errFresh: tt.fresh}
				g := newGate(tok, roundTrip(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					status := tt.statuses[len(sent)]
					sent = append(sent, r.Header.Get("Authorization")+" "+string(body))
					return answer(r, status, "", tt.header...), nil
				}))
				req := request(t, mailbox.LaneSend, "POST", origin+"/x", "body")
				change(req)
				resp, err := g.RoundTrip(req)
				if tt.ok {
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
				} else if e := asError(t, err); e.Class != tt.want || e.Outcome != mailbox.OutcomeNotSent {
					t.Errorf("class %v outcome %v, want %v and not_sent", e.Class, e.Outcome, tt.want)
				}
				if diff := cmp.Diff(tt.sent, sent); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.tokens, tok.requests); diff != "" {
					t.Errorf("token requests (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestOutcomeOfAFailure(t *testing.T) {
	t.Parallel()
	fails := func(err error) roundTrip {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	says := func(status int) roundTrip {
		return func(r *http.Request) (*http.Response, error) { return answer(r, status, "", "Location", "/y"), nil }
	}
	tests := []struct {
		name   string
		tokens *tokens
		rt     http.RoundTripper
		read   bool
		class  mailbox.Class
		want   mailbox.Outcome
	}{
		{
			name: "no token", tokens: &tokens{err: &mailbox.Error{Class: mailbox.ClassReconnect}},
			rt: fails(nil), class: mailbox.ClassReconnect, want: mailbox.OutcomeNotSent,
		},
		{
			name: "no connection", class: mailbox.ClassUnavailable, want: mailbox.OutcomeNotSent,
			rt: fails(&net.OpError{Op: "dial", Err: errors.New("refused")}),
		},
		{
			name: "lost answer", class: mailbox.ClassUnavailable, want: mailbox.OutcomeUnknown,
			rt: fails(io.ErrUnexpectedEOF),
		},
		{
			name: "reset while reading", class: mailbox.ClassUnavailable, want: mailbox.OutcomeUnknown,
			rt: fails(&net.OpError{Op: "read", Err: errors.New("reset")}),
		},
		{
			name: "held back by a limiter", class: mailbox.ClassPaused, want: mailbox.OutcomeNotSent,
			rt: fails(&mailbox.Error{Class: mailbox.ClassPaused, Outcome: mailbox.OutcomeNotSent}),
		},
		{name: "refused", rt: says(403), class: mailbox.ClassUnknown, want: mailbox.OutcomeNotSent},
		{name: "throttled", rt: says(429), class: mailbox.ClassThrottled, want: mailbox.OutcomeNotSent},
		{name: "redirected", rt: says(307), class: mailbox.ClassUnknown, want: mailbox.OutcomeNotSent},
		{name: "server fault", rt: says(502), class: mailbox.ClassUnavailable, want: mailbox.OutcomeUnknown},
		{name: "a read", read: true, rt: says(502), class: mailbox.ClassUnavailable, want: mailbox.OutcomeNone},
		{
			name: "a read held back", read: true, class: mailbox.ClassPaused, want: mailbox.OutcomeNone,
			rt: fails(&mailbox.Error{Class: mailbox.ClassPaused, Outcome: mailbox.OutcomeNotSent}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.tokens == nil {
				tt.tokens = &tokens{}
			}
			lane := mailbox.LaneSend
			if tt.read {
				lane = mailbox.LaneLive
			}
			g := newGate(tt.tokens, tt.rt)
			resp, err := g.Client().Do(request(t, lane, "POST", origin+"/x", "body"))
			if err == nil {
				resp.Body.Close()
				t.Fatal("no error")
			}
			e := asError(t, err)
			if e.Class != tt.class || e.Outcome != tt.want {
				t.Errorf("class %v, outcome %v; want %v, %v", e.Class, e.Outcome, tt.class, tt.want)
			}
			if e.Provider != mailbox.Gmail || e.Mailbox != "mb" || e.Op != "m" {
				t.Errorf("error names %q %q %q, want gmail, mb, m", e.Provider, e.Mailbox, e.Op)
			}
			if e.RetryAfter > mailbox.MaxRetryAfter {
				t.Errorf("RetryAfter %v is above the bound", e.RetryAfter)
			}
		})
	}
}

func TestCancelledBeforeItStarted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := newGate(&tokens{}, roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a request was made")
		return nil, io.EOF
	}))
	req := request(t, mailbox.LaneSend, "POST", origin+"/x", "body")
	call, _ := mailbox.CallOf(req.Context())
	_, err := g.RoundTrip(req.WithContext(mailbox.WithCall(ctx, call)))
	e := asError(t, err)
	if !errors.Is(err, context.Canceled) || e.Outcome != mailbox.OutcomeNotSent {
		t.Errorf("error %v, outcome %v; want context.Canceled and not_sent", err, e.Outcome)
	}
}

// TestNoConnectionNothingSent uses a real transport: an error before there is a
// connection proves that no byte went out, whatever its type.
func TestNoConnectionNothingSent(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	dropping := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer dropping.Close()
	tests := []struct {
		name, url string
		want      mailbox.Outcome
	}{
		{"certificate not trusted", untrusted.URL, mailbox.OutcomeNotSent},
		{"connection refused", closed.URL, mailbox.OutcomeNotSent},
		{"dropped after the request", dropping.URL, mailbox.OutcomeUnknown},
	}
	for _, tt := range tests {
		tr := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
		g := newGate(&tokens{}, tr)
		g.Origins = []string{tt.url}
		_, err := g.RoundTrip(request(t, mailbox.LaneSend, "POST", tt.url+"/x", "body"))
		tr.CloseIdleConnections()
		if e := asError(t, err); e.Outcome != tt.want {
			t.Errorf("%s: outcome %v, want %v (%v)", tt.name, e.Outcome, tt.want, e.Err)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 403} {
		var read countingReader
		g := newGate(&tokens{}, roundTrip(func(r *http.Request) (*http.Response, error) {
			resp := answer(r, status, "")
			resp.Body = io.NopCloser(&read)
			return resp, nil
		}))
		resp, err := g.RoundTrip(request(t, mailbox.LaneLive, "GET", origin+"/x", ""))
		if status == 200 {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if e := asError(t, err); e.Code != gate.TooLarge {
				t.Errorf("error %v, want %s", err, gate.TooLarge)
			}
		}
		if err == nil {
			t.Errorf("status %d: no error", status)
		}
		if read.n > 100<<20 {
			t.Errorf("status %d: %d bytes were read", status, read.n)
		}
	}
}

type countingReader struct{ n int64 }

func (r *countingReader) Read(p []byte) (int, error) {
	r.n += int64(len(p))
	return len(p), nil
}

func TestRequestBodyTooLargeToKeep(t *testing.T) {
	t.Parallel()
	g := newGate(&tokens{}, roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a request was made")
		return nil, io.EOF
	}))
	req := request(t, mailbox.LaneSend, "POST", origin+"/x", "")
	req.Body = io.NopCloser(io.LimitReader(&countingReader{}, 65<<20))
	_, err := g.RoundTrip(req)
	if e := asError(t, err); e.Class != mailbox.ClassInvalid || e.Outcome != mailbox.OutcomeNotSent {
		t.Errorf("error %v, outcome %v; want ClassInvalid and not_sent", err, e.Outcome)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	g := newGate(&tokens{}, nil)
	e := g.Refuse(gate.Answer{Call: mailbox.Call{Method: "part", Lane: mailbox.LaneSend}, Status: 429, Body: []byte("code")})
	want := &mailbox.Error{
		Op: "part", Provider: mailbox.Gmail, Mailbox: "mb", Class: mailbox.ClassThrottled, Code: "code",
		Status: 429, Outcome: mailbox.OutcomeNotSent, RetryAfter: mailbox.MaxRetryAfter,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	g := newGate(&tokens{}, nil)
	send := mailbox.WithCall(t.Context(), mailbox.Call{Method: "m", Lane: mailbox.LaneSend})
	read := mailbox.WithCall(t.Context(), mailbox.Call{Method: "m"})
	gone, cancel := context.WithCancel(send)
	cancel()
	tests := []struct {
		name    string
		ctx     context.Context
		err     error
		class   mailbox.Class
		code    string
		outcome mailbox.Outcome
	}{
		{"not decodable after a send", send, errors.New("bad JSON"), mailbox.ClassUnavailable, "bad_answer", mailbox.OutcomeUnknown},
		{"not decodable after a read", read, errors.New("bad JSON"), mailbox.ClassUnavailable, "bad_answer", mailbox.OutcomeNone},
		{"cancelled", gone, context.Canceled, mailbox.ClassUnavailable, "", mailbox.OutcomeUnknown},
		{
			"ours, wrapped by a client", send,
			&url.Error{Op: "Post", Err: &mailbox.Error{Provider: mailbox.Gmail, Class: mailbox.ClassThrottled, Outcome: mailbox.OutcomeNotSent}},
			mailbox.ClassThrottled, "", mailbox.OutcomeNotSent,
		},
		{"a field of the request", send, mailbox.Invalid("to", "", "is empty"), mailbox.ClassInvalid, "", mailbox.OutcomeNotSent},
	}
	for _, tt := range tests {
		e := asError(t, g.Error(tt.ctx, tt.err))
		if e.Class != tt.class || e.Code != tt.code || e.Outcome != tt.outcome || e.Provider != mailbox.Gmail {
			t.Errorf("%s: %+v, want class %v code %q outcome %v", tt.name, e, tt.class, tt.code, tt.outcome)
		}
		if mailbox.ClassOf(tt.err) == mailbox.ClassUnknown && !errors.Is(e, tt.err) {
			t.Errorf("%s: the cause is lost", tt.name)
		}
	}
	if err := g.Error(read, nil); err != nil {
		t.Errorf("Error(nil) = %v", err)
	}
}

// TestFailureBehindAContextError: a client that reports the error of the context
// does not hide that nothing was sent.
func TestFailureBehindAContextError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		fail error
		want mailbox.Outcome
	}{
		{"held back by a limiter", &mailbox.Error{Class: mailbox.ClassPaused, Outcome: mailbox.OutcomeNotSent}, mailbox.OutcomeNotSent},
		{"under way", context.Canceled, mailbox.OutcomeUnknown},
	} {
		req := request(t, mailbox.LaneSend, "POST", origin+"/x", "body")
		ctx, cancel := context.WithCancel(gate.WithFailure(req.Context()))
		g := newGate(&tokens{}, roundTrip(func(*http.Request) (*http.Response, error) {
			cancel()
			return nil, tt.fail
		}))
		if _, err := g.RoundTrip(req.WithContext(ctx)); err == nil {
			t.Fatal("no error")
		}
		e := asError(t, g.Error(ctx, ctx.Err()))
		if e.Outcome != tt.want || !errors.Is(e, tt.fail) && e.Class != mailbox.ClassPaused {
			t.Errorf("%s: %+v, want outcome %v", tt.name, e, tt.want)
		}
	}
}

// TestErrorsHoldNoSecrets checks the text of a refusal that carries one.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	g := newGate(&tokens{}, roundTrip(func(r *http.Request) (*http.Response, error) {
		return nil, errors.New("header " + r.Header.Get("Authorization"))
	}))
	_, err := g.RoundTrip(request(t, mailbox.LaneLive, "GET", origin+"/x?address=a@example.com", ""))
	for _, secret := range []string{"token-1", "a@example.com"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q stands in %q", secret, err)
		}
	}
}

func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://a.example/", "http://localhost:1", "https://u@h", "://", "https://[::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, base string) {
		got, err := gate.Origin("base", base)
		if err != nil {
			return
		}
		again, err := gate.Origin("base", got)
		if err != nil || again != got {
			t.Errorf("Origin(%q) = %q, and of that %q, %v", base, got, again, err)
		}
		if !bytes.HasPrefix([]byte(got), []byte("https://")) && !bytes.HasPrefix([]byte(got), []byte("http://")) {
			t.Errorf("Origin(%q) = %q", base, got)
		}
	})
}
