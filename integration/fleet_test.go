package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/tokenstore"
)

// workerEnv makes this test binary a worker: a process of a host.
const workerEnv = "MAILTETHER_TEST_WORKER"

func TestMain(m *testing.M) {
	if config := os.Getenv(workerEnv); config != "" {
		if err := work(context.Background(), config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// worker is the configuration of a process.
type worker struct {
	Name       string
	Server     string
	Database   database
	LeaseTTL   time.Duration
	Goroutines int
	Watched    bool
	// Limits makes it one that asks for places to send.
	Limits *limitsFleet
}

var fleetRef = mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"}

// work is what a worker does: its goroutines get a token and use it, until the
// service says that it is enough.
func work(ctx context.Context, config string) error {
	var w worker
	if err := json.Unmarshal([]byte(config), &w); err != nil {
		return err
	}
	db, err := w.Database.open()
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, w.Database.Dialect, sqlstore.Options{LeaseTTL: w.LeaseTTL})
	if err != nil {
		return err
	}
	if w.Limits != nil {
		return w.Limits.work(ctx, store, w)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = w.Goroutines + 8
	named := namedTransport{w.Name, transport}
	c := caller{http.Client{Transport: named}, w.Server}

	tokens := tokenstore.Store(store.Tokens())
	if w.Watched {
		tokens = watched{store.Tokens(), c}
	}
	vault, err := fleetVault(tokens)
	if err != nil {
		return err
	}
	source := tokenstore.NewSource(tokenstore.SourceConfig{
		Vault: vault, Ref: fleetRef,
		Client: &tokenstore.Client{Provider: rotating{url: w.Server}, ClientID: "app", Transport: named},
		OnDead: func(ctx context.Context, err *mailbox.Error, _ int64) {
			c.post(ctx, "/problem", "OnDead: "+err.Error())
		},
	})
	var wg sync.WaitGroup
	for i := range w.Goroutines {
		wg.Go(func() {
			if err := c.useTokens(ctx, source, i); err != nil {
				c.post(ctx, "/problem", fmt.Sprintf("%v (%s)", err, unwrapped(err)))
			}
		})
	}
	wg.Wait()
	return nil
}

func fleetVault(s tokenstore.Store) (*tokenstore.Vault, error) {
	ring, err := tokenstore.NewKeyring(tokenstore.Key{ID: "1", Secret: bytes.Repeat([]byte{7}, 32)})
	return tokenstore.NewVault(s, ring), err
}

// caller speaks to the authServer.
type caller struct {
	http.Client
	server string
}

func (c *caller) post(ctx context.Context, path, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+path, strings.NewReader(body))
	if err != nil {
		return
	}
	if resp, err := c.Do(req); err == nil {
		resp.Body.Close()
	}
}

func (c *caller) useTokens(ctx context.Context, source *tokenstore.Source, i int) error {
	var rejected mailbox.AccessToken
	for {
		tok, err := source.Token(ctx, mailbox.TokenRequest{Rejected: rejected})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/use?goroutine=%d", c.server, i), nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+string(tok))
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusGone:
			return nil
		case http.StatusUnauthorized:
			rejected = tok
		default:
			return fmt.Errorf("HTTP %d", resp.StatusCode)
		}
	}
}

type namedTransport struct {
	name string
	base http.RoundTripper
}

func (n namedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set(processHeader, n.name)
	return n.base.RoundTrip(req)
}

// rotating is the provider behind an authServer. What it does not implement is
// never called.
type rotating struct {
	mailbox.Provider
	url string
}

func (rotating) Name() mailbox.ProviderName { return "rotating" }

func (p rotating) OAuth() mailbox.OAuth {
	return mailbox.OAuth{TokenURL: p.url + "/token", RotatesRefreshTokens: true}
}

func (rotating) OAuthError(int, http.Header, []byte) *mailbox.Error {
	return &mailbox.Error{Class: mailbox.ClassReconnect}
}

// The points at which a process can be watched and killed.
const (
	pointLocked   = "locked"   // it has the lease
	pointAnswered = "answered" // it has the new token, and is about to store it
	pointStored   = "stored"   // it has stored the new token, and has the lease still
)

// watched tells the authServer where a process is, and goes on when that
// answers.
type watched struct {
	*sqlstore.Tokens
	caller caller
}

func (s watched) Lock(ctx context.Context, ref mailbox.Ref) (tokenstore.Lease, error) {
	lease, err := s.Tokens.Lock(ctx, ref)
	if err == nil {
		s.caller.post(ctx, "/point?at="+pointLocked, "")
	}
	return lease, err
}

func (s watched) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	s.caller.post(ctx, "/point?at="+pointAnswered, "")
	rec, err := s.Tokens.Put(ctx, rec)
	if err == nil {
		s.caller.post(ctx, "/point?at="+pointStored, "")
	}
	return rec, err
}

// fleet is several processes on one database with one mailbox.
type fleet struct {
	t      testing.TB
	server *authServer
	worker worker // what all have in common

	mu      sync.Mutex
	started int
	running map[string]*process
}

type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func newFleet(t testing.TB, d database, server *authServer, goroutines int) *fleet {
	t.Helper()
	store, _ := migrated(t, d)
	vault, err := fleetVault(store.Tokens())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := vault.Replace(t.Context(), fleetRef, rotating{}.Name(), tokenstore.Token{
		Access: "access-0", Refresh: "refresh-0", IssuedAt: now, Expiry: now.Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	d.Conns = 4
	f := &fleet{
		t: t, server: server, running: make(map[string]*process),
		worker: worker{Server: server.url, Database: d, Goroutines: goroutines},
	}
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, p := range f.running {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return f
}

func (f *fleet) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.worker
	w.Name = fmt.Sprintf("process-%d", f.started)
	config, err := json.Marshal(w)
	if err != nil {
		f.t.Error(err)
		return
	}
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), workerEnv+"="+string(config))
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		f.t.Error(err)
		return
	}
	f.started++
	f.running[w.Name] = p
}

// names returns the processes that run.
func (f *fleet) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.running))
}

// replace kills a process with SIGKILL and starts another.
func (f *fleet) replace(ctx context.Context, name string) error {
	f.mu.Lock()
	p := f.running[name]
	delete(f.running, name)
	f.mu.Unlock()
	if p == nil {
		return fmt.Errorf("%s does not run", name)
	}
	err := f.server.kill(ctx, name, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Process.Kill() // also if ctx ended first
	_ = p.cmd.Wait()
	f.start()
	return err
}

// wait waits until all processes have ended by themselves.
func (f *fleet) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, p := range f.running {
		if err := p.cmd.Wait(); err != nil {
			f.t.Errorf("%s: %v\n%s", name, err, p.stderr.Bytes())
		}
	}
	clear(f.running)
}
