// Package fakeserver is the machinery that both published fakes are built on:
// an HTTP server that can be reached in process or by listening, keeps a log of
// all requests, fails on demand, has a clock that can be set, and signs users
// in by OAuth.
package fakeserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server wraps the handler of a fake. It is safe for concurrent use.
type Server struct {
	handler http.Handler

	mu     sync.Mutex
	origin string
	offset time.Duration
	faults []*Fault
	log    []Exchange
	http   *http.Server
	done   chan struct{} // closed when the listening server has ended
	stop   chan struct{} // closed by Close: ends hanging requests
	closed bool
}

// Exchange is one request and its answer, as the log keeps them.
type Exchange struct {
	At     time.Time
	Method string
	// URL is absolute.
	URL            string
	RequestHeader  http.Header
	RequestBody    []byte
	Status         int
	ResponseHeader http.Header
	ResponseBody   []byte
	// Inner marks a call inside a batch.
	Inner bool
	// Lost marks an answer that never reached the client.
	Lost bool
	// Scripted marks an answer that a fault made up.
	Scripted bool
}

// Fault is a scripted failure. A request matches when Method and Path (and
// Match, if set) fit; the first matching fault with tries left is used.
type Fault struct {
	// Method is the HTTP method; empty matches all.
	Method string
	// Path matches the URL path: exactly, or as a prefix when it ends in "*", or
	// as a suffix when it starts with "*". Empty matches all.
	Path string
	// Match looks at the request further. The body may be read.
	Match func(r *http.Request, body []byte) bool
	// Skip lets that many matching requests pass first.
	Skip int
	// Times is how often the fault strikes: 0 means once, -1 always.
	Times int

	// After lets the request take effect before the fault strikes.
	After bool
	// Delay is waited before the answer.
	Delay time.Duration
	// Hang never answers: the request ends with its context, or with Close.
	Hang bool
	// Lose drops the connection instead of answering.
	Lose bool
	// Status, Header and Body replace the answer. Status 0 with neither Hang
	// nor Lose leaves the answer as it is (for a Delay, or for Header alone). A
	// body that looks like JSON is labelled so unless Header says otherwise.
	Status int
	Header http.Header
	Body   string
}

// New returns a fake that answers by handler. Its origin is what its URLs begin
// with while it is used in process, for instance "https://gmail.fake".
func New(origin string, handler http.Handler) *Server {
	return &Server{handler: handler, origin: origin, stop: make(chan struct{})}
}

// URL is the origin of the fake: the listening address once Listen was called.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.origin
}

// Listen starts serving on a free port of the loopback interface, once. Close
// ends it.
func (s *Server) Listen() error {
	s.mu.Lock()
	listening := s.http != nil || s.closed
	s.mu.Unlock()
	if listening {
		return errors.New("fakeserver: already listening or closed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	s.mu.Lock()
	s.origin = "http://" + l.Addr().String()
	s.http, s.done = srv, done
	s.mu.Unlock()
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	return nil
}

// Close ends hanging requests and the listening server, and waits for it.
func (s *Server) Close() {
	s.mu.Lock()
	srv, done := s.http, s.done
	s.http = nil
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	s.mu.Unlock()
	if srv != nil {
		srv.Close()
		<-done
	}
}

// Now is the time of the fake.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.offset)
}

// SetTime sets the clock, which goes on from there.
func (s *Server) SetTime(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = time.Until(t)
}

// Advance puts the clock forward.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Inject scripts a fault. Faults are tried in the order they were injected.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Log returns the requests that have ended so far, in the order in which they
// did: the parts of a batch stand before the batch.
func (s *Server) Log() []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// ClearLog forgets the requests so far.
func (s *Server) ClearLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// fault returns the fault that strikes the request, or nil. Match is called
// without a lock, so that it may look at the server.
func (s *Server) fault(r *http.Request, body []byte) *Fault {
	s.mu.Lock()
	faults := slices.Clone(s.faults)
	s.mu.Unlock()
	for _, f := range faults {
		if f.Method != "" && f.Method != r.Method || !pathFits(f.Path, r.URL.Path) {
			continue
		}
		if f.Match != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			if !f.Match(r, body) {
				continue
			}
		}
		if s.strikes(f) {
			return f
		}
	}
	return nil
}

// strikes counts a matching request and reports whether the fault is used on it.
func (s *Server) strikes(f *Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case f.Times == 0:
		return false
	case f.Skip > 0:
		f.Skip--
		return false
	case f.Times > 0:
		f.Times--
	}
	return true
}

func pathFits(pattern, path string) bool {
	switch {
	case pattern == "":
		return true
	case strings.HasPrefix(pattern, "*"):
		return strings.HasSuffix(path, pattern[1:])
	case strings.HasSuffix(pattern, "*"):
		return strings.HasPrefix(path, pattern[:len(pattern)-1])
	default:
		return path == pattern
	}
}

// errLost is what an in-process client sees of a dropped connection.
var errLost = fmt.Errorf("fakeserver: connection reset: %w", io.ErrUnexpectedEOF)

// Serve answers one request, with faults and log. Fakes call it with inner set
// for the calls inside a batch. It returns an error when the client gets no
// answer.
func (s *Server) Serve(r *http.Request, inner bool) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	x := Exchange{
		At: s.Now(), Method: r.Method, URL: s.URL() + r.URL.RequestURI(),
		RequestHeader: r.Header.Clone(), RequestBody: body, Inner: inner,
	}
	rec := &recorder{header: http.Header{}}
	f := s.fault(r, body)
	scripted := f != nil && f.Status != 0
	if f == nil || f.After || !scripted && !f.Hang && !f.Lose {
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.handler.ServeHTTP(rec, r)
	}
	if f != nil {
		err = s.strike(r.Context(), f, rec)
	}
	if err == nil {
		err = r.Context().Err() // the client has left meanwhile
	}
	if rec.header.Get("Date") == "" { // by the clock of the fake, not of the machine
		rec.header.Set("Date", s.Now().UTC().Format(http.TimeFormat))
	}
	x.Status, x.ResponseHeader, x.ResponseBody = rec.code(), rec.header.Clone(), rec.body.Bytes()
	x.Lost, x.Scripted = err != nil, scripted
	s.mu.Lock()
	s.log = append(s.log, x)
	s.mu.Unlock()
	record(x)
	if err != nil {
		return nil, err
	}
	return rec.response(r), nil
}

func (s *Server) strike(ctx context.Context, f *Fault, rec *recorder) error {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			return errLost
		}
	}
	if f.Hang {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			return errLost
		}
	}
	if f.Lose {
		return errLost
	}
	if f.Status != 0 {
		rec.status = f.Status
		rec.header = http.Header{}
		if strings.HasPrefix(f.Body, "{") || strings.HasPrefix(f.Body, "[") {
			rec.header.Set("Content-Type", "application/json; charset=utf-8")
		}
		rec.body.Reset()
		rec.body.WriteString(f.Body)
	}
	for name, values := range f.Header {
		rec.header[http.CanonicalHeaderKey(name)] = values
	}
	return nil
}

// maxRequest bounds a request body: the largest upload of either service is
// 150 MB.
const maxRequest = 160 << 20

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer r.Body.Close()
	if r.ContentLength > maxRequest {
		return nil, fmt.Errorf("fakeserver: request body above %d bytes", maxRequest)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err == nil && len(body) > maxRequest {
		err = fmt.Errorf("fakeserver: request body above %d bytes", maxRequest)
	}
	return body, err
}
