package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// authServer is an authorization server with one grant, whose refresh tokens
// rotate, and the service that its access tokens are for. An access token is good
// until the test ends the round; who uses it waits there until that happens.
type authServer struct {
	url string
	// lenient lets the predecessor of a refresh token work until the token was
	// used itself. Otherwise any use of a superseded refresh token is taken for
	// theft at once. Both end the grant.
	lenient bool
	// reached is told that a process is at a point (see watched), and returns
	// whether it has been killed there. nil means that nobody wants to know.
	reached func(process, point string) bool

	mu        sync.Mutex
	changed   chan struct{} // closed at every change
	round     chan struct{} // closed at the end of the round
	refresh   string        // the newest refresh token
	before    string        // its predecessor
	access    string        // the newest access token, "" when it was ended
	refreshes int
	waiting   map[string]bool // who has used the access token: "process/goroutine"
	open      map[string]bool // processes that got an answer which they have not stored
	dead      map[string]bool // processes that were killed: nothing of theirs arrives any more
	finished  bool
	problems  []string
}

func newAuthServer(t testing.TB) *authServer {
	s := &authServer{
		changed: make(chan struct{}), round: make(chan struct{}),
		refresh: "refresh-0", access: "access-0",
		waiting: make(map[string]bool), open: make(map[string]bool), dead: make(map[string]bool),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /use", s.use)
	mux.HandleFunc("POST /point", s.point)
	mux.HandleFunc("POST /problem", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(io.LimitReader(r.Body, 1000))
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.dead[processOf(r)] {
			s.problem("%s: %s", processOf(r), text)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// processHeader names the process that a request comes from.
const processHeader = "Process"

func processOf(r *http.Request) string { return r.Header.Get(processHeader) }

// problem is called with mu held, and so is change.
func (s *authServer) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
	s.change()
}

func (s *authServer) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// token refreshes the grant (RFC 6749, 6).
func (s *authServer) token(w http.ResponseWriter, r *http.Request) {
	used := r.PostFormValue("refresh_token")
	s.mu.Lock()
	defer s.mu.Unlock()
	process := processOf(r)
	if s.dead[process] {
		panic(http.ErrAbortHandler) // it died before the request arrived
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case s.refresh != "" && used == s.refresh:
		s.before = s.refresh
	case s.refresh != "" && s.lenient && used == s.before: // the answer was lost
	default:
		if s.refresh != "" {
			s.problem("%s used a superseded refresh token: the grant has ended", process)
		}
		s.refresh, s.access = "", ""
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	s.refreshes++
	s.refresh, s.access = fmt.Sprintf("refresh-%d", s.refreshes), fmt.Sprintf("access-%d", s.refreshes)
	s.open[process] = true
	s.change()
	json.NewEncoder(w).Encode(map[string]any{
		"access_token": s.access, "refresh_token": s.refresh, "token_type": "Bearer", "expires_in": 3600,
	})
}

// use is the service. It answers when the round ends: 401 if there is another,
// 410 if that was all.
func (s *authServer) use(w http.ResponseWriter, r *http.Request) {
	who := processOf(r) + "/" + r.URL.Query().Get("goroutine")
	s.mu.Lock()
	accepted := s.access != "" && r.Header.Get("Authorization") == "Bearer "+s.access && !s.dead[processOf(r)]
	round := s.round
	if accepted {
		s.waiting[who] = true
		s.change()
	}
	s.mu.Unlock()
	if accepted {
		select {
		case <-round:
		case <-r.Context().Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		w.WriteHeader(http.StatusGone)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

func (s *authServer) point(w http.ResponseWriter, r *http.Request) {
	point := r.URL.Query().Get("at")
	if point == pointStored {
		s.mu.Lock()
		delete(s.open, processOf(r))
		s.change()
		s.mu.Unlock()
	}
	if s.reached != nil && s.reached(processOf(r), point) {
		<-r.Context().Done()
	}
}

// kill marks a process as dead and calls stop, at a moment when that does not
// cut it off between the answer of a strict server and the store.
func (s *authServer) kill(ctx context.Context, process string, stop func()) error {
	return s.await(ctx, "nothing of "+process+" to be lost", func() bool {
		if s.open[process] && !s.lenient {
			return false
		}
		s.dead[process] = true
		stop()
		for who := range s.waiting {
			if strings.HasPrefix(who, process+"/") {
				delete(s.waiting, who)
			}
		}
		return true
	})
}

// await waits until done, which is called with mu held, returns true, or the
// first problem turns up.
func (s *authServer) await(ctx context.Context, what string, done func() bool) error {
	for {
		s.mu.Lock()
		finished, changed, problems := done(), s.changed, slices.Clone(s.problems)
		waiting := len(s.waiting)
		s.mu.Unlock()
		switch {
		case len(problems) > 0:
			return fmt.Errorf("%d problems: %s", len(problems), strings.Join(problems[:min(3, len(problems))], "; "))
		case finished:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s, with %d callers served: %w", what, waiting, ctx.Err())
		}
	}
}

// served waits until n callers have used the access token, and returns how
// often the grant was refreshed so far.
func (s *authServer) served(ctx context.Context, n int) (int, error) {
	refreshes := 0
	err := s.await(ctx, fmt.Sprintf("%d callers", n), func() bool {
		refreshes = s.refreshes
		return len(s.waiting) == n
	})
	return refreshes, err
}

// expire ends the access token and the round. After the last one, callers go
// home.
func (s *authServer) expire(last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access, s.finished = "", last
	clear(s.waiting)
	close(s.round)
	s.round = make(chan struct{})
}
