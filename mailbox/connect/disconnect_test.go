package connect_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

// witness notes what it is told.
type witness struct {
	mu    sync.Mutex
	told  []string
	err   error
	block bool
}

func (r *witness) note(ctx context.Context, text string) error {
	r.mu.Lock()
	r.told = append(r.told, text)
	r.mu.Unlock()
	if r.block {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.err
}

func (r *witness) Connected(ctx context.Context, a mailbox.Account) error {
	return r.note(ctx, fmt.Sprintf("connected %s %s", a.Mailbox, a.State))
}

func (r *witness) Disconnecting(ctx context.Context, a mailbox.Account, mb mailbox.Mailbox) error {
	text := "disconnecting " + string(a.Mailbox)
	if mb == nil {
		return r.note(ctx, text+" shut")
	}
	// The token still works.
	_, err := tokensOf(mb).Token(ctx, mailbox.TokenRequest{})
	return errors.Join(r.note(ctx, text), err)
}

func tokensOf(mb mailbox.Mailbox) mailbox.TokenSource {
	if m, ok := mb.(*member); ok {
		return m.session.Tokens
	}
	return mb.(*opened).session.Tokens
}

func (r *witness) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

// machine counts what a process does with the world, in words, and dies before or
// after one step: from then on nothing works.
type machine struct {
	*connect.Memory
	net http.RoundTripper

	mu    sync.Mutex
	did   []string
	dies  int // at which step; -1 never
	after bool
}

var errDied = errors.New("the process is dead")

func (m *machine) step(what string, do func() error) error {
	m.mu.Lock()
	n := len(m.did)
	m.did = append(m.did, what)
	m.mu.Unlock()
	if m.dies >= 0 && (n > m.dies || n == m.dies && !m.after) {
		return errDied
	}
	err := do()
	if n == m.dies {
		return errDied
	}
	return err
}

func (m *machine) Get(ctx context.Context, r mailbox.Ref) (a mailbox.Account, err error) {
	err = m.step("", func() (err error) { a, err = m.Memory.Get(ctx, r); return err })
	return a, err
}

func (m *machine) Put(ctx context.Context, a mailbox.Account) (put mailbox.Account, err error) {
	err = m.step(fmt.Sprintf("write %s %s", a.Mailbox, a.State), func() (err error) { put, err = m.Memory.Put(ctx, a); return err })
	return put, err
}

func (m *machine) Children(ctx context.Context, parent mailbox.Ref) iter.Seq2[mailbox.Account, error] {
	return func(yield func(mailbox.Account, error) bool) {
		var all []mailbox.Account
		err := m.step("", func() error {
			for a, err := range m.Memory.Children(ctx, parent) {
				if err != nil {
					return err
				}
				all = append(all, a)
			}
			return nil
		})
		if err != nil {
			yield(mailbox.Account{}, err)
			return
		}
		for _, a := range all {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func (m *machine) InUse(ctx context.Context, p mailbox.ProviderName, subject string) (n int, err error) {
	err = m.step("", func() (err error) { n, err = m.Memory.InUse(ctx, p, subject); return err })
	return n, err
}

func (m *machine) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	err = m.step("request "+req.URL.Path, func() (err error) { resp, err = m.net.RoundTrip(req); return err })
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// vaultOf is the machine's way to the tokens.
type vaultOf struct {
	tokenstore.Store
	m *machine
}

func (v vaultOf) Get(ctx context.Context, r mailbox.Ref) (rec tokenstore.Record, err error) {
	err = v.m.step("", func() (err error) { rec, err = v.Store.Get(ctx, r); return err })
	return rec, err
}

func (v vaultOf) Delete(ctx context.Context, r mailbox.Ref) error {
	return v.m.step("erase "+string(r.Mailbox), func() error { return v.Store.Delete(ctx, r) })
}

// start makes a Connector whose process is the machine.
func (m *machine) start(t *testing.T, h *host, r connect.Room) *connect.Connector {
	t.Helper()
	c := h.config
	c.Accounts = m
	c.Vault = tokenstore.NewVault(vaultOf{h.tokens, m}, keyring(t))
	c.Rooms = []connect.Room{r}
	c.Apps = slices.Clone(c.Apps)
	c.Apps[1].RevokeOnDisconnect = true
	c.Apps[1].Transport = m
	conn, err := connect.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func keyring(t *testing.T) *tokenstore.Keyring {
	t.Helper()
	ring, err := tokenstore.NewKeyring(tokenstore.Key{ID: "k", Secret: []byte("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk")})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// family is a host with a member's mailbox and a shared one that lives on it.
func family(t *testing.T) (*host, *organisation) {
	t.Helper()
	var o *organisation
	h := newHost(t, withOrganisation(&o))
	h.connect(t, sharing(), "ann")
	h.connectShared(t, supportRequest())
	return h, o
}

func TestDisconnectOrder(t *testing.T) {
	t.Parallel()
	h, o := family(t)
	m := &machine{Memory: h.accounts, net: o, dies: -1}
	r := new(witness)
	if err := m.start(t, h, r).Disconnect(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	want := []string{"write sales disconnected", "write support disconnected", "request /revoke", "erase sales"}
	if diff := cmp.Diff(want, slices.DeleteFunc(m.did, func(s string) bool { return s == "" })); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"disconnecting support", "disconnecting sales"}, r.told); diff != "" {
		t.Errorf("the room was told (-want +got):\n%s", diff)
	}
}

// A process that dies at any step, before or after it took effect, and another
// one that does it again: the end is the same.
func TestDisconnectAfterACrash(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n := 0; ; n++ {
			h, o := family(t)
			m := &machine{Memory: h.accounts, net: o, dies: n, after: after}
			err := m.start(t, h, new(witness)).Disconnect(t.Context(), ref)
			if err == nil && n >= len(m.did) {
				break // it got through
			}
			if err == nil {
				t.Errorf("no error after step %d (%q)", n, m.did[n])
			}
			again := &machine{Memory: h.accounts, net: o, dies: -1}
			if err := again.start(t, h, new(witness)).Disconnect(t.Context(), ref); err != nil {
				t.Fatalf("after a crash at step %d (%q): %v", n, m.did[n], err)
			}
			for _, r := range []mailbox.Ref{ref, support} {
				if a := h.accountOf(t, r); a.State != mailbox.StateDisconnected || a.Link != "" {
					t.Errorf("step %d: %s is %s, link %q", n, r, a.State, a.Link)
				}
			}
			if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
				t.Errorf("step %d: the token is still there: %v", n, err)
			}
			if len(h.outlook.revoked) == 0 && m.did[n] != "request /revoke" {
				t.Errorf("step %d (%q): nothing was revoked", n, m.did[n])
			}
			if n > 200 {
				t.Fatal("it never gets through")
			}
		}
	}
}

// Revoking ends the grants of all mailboxes of that user, so it waits for the
// last one.
func TestRevokesWithTheLastMailbox(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) {
		c.Apps[0].RevokeOnDisconnect = true
		c.LinkPer = func(mailbox.TenantID) connect.LinkScope { return connect.LinkPerTenant }
	})
	for _, tenant := range []mailbox.TenantID{"t1", "t2", "t3"} {
		h.connect(t, at(tenant, "m"), "ann")
	}
	h.connect(t, at("t1", "bob"), "bob")
	for i, tenant := range []mailbox.TenantID{"t1", "t2", "t3"} {
		if err := h.Disconnect(t.Context(), mailbox.Ref{Tenant: tenant, Mailbox: "m"}); err != nil {
			t.Fatal(err)
		}
		if want := i / 2; len(h.gmail.revoked) != want {
			t.Errorf("%d revoked after %d of 3 mailboxes", len(h.gmail.revoked), i+1)
		}
	}
}

// Rooms are waited for, but not for long, and their failure stops nothing.
func TestRoomsCannotStopADisconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := family(t)
		slow := &witness{block: true, err: errors.New("room")}
		h.config.Rooms = []connect.Room{slow, &witness{err: errDown}}
		c, err := connect.New(h.config)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.Disconnect(t.Context(), ref); err != nil {
			t.Errorf("Disconnect: %v", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
		if got := h.account(t).State; got != mailbox.StateDisconnected {
			t.Errorf("state %s", got)
		}
	})
}

// A caller that goes away does not leave half a disconnect behind.
func TestDisconnectGoesOn(t *testing.T) {
	t.Parallel()
	h, _ := family(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.config.OnState = func(context.Context, mailbox.Event) { cancel() }
	c, err := connect.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Disconnect(ctx, ref); err != nil {
		t.Error(err)
	}
	if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("the token is still there: %v", err)
	}
}

// A mailbox that is reconnected while its disconnect is under way keeps its new
// token.
func TestReconnectDuringDisconnect(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) { c.Apps[0].RevokeOnDisconnect = true })
	h.connect(t, request(), "ann")
	h.gmail.trouble["/revoke"] = answer(200, "{}")
	h.gmail.before = func() { h.connect(t, request(), "ann") }
	if err := h.Disconnect(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if got := h.account(t).State; got != mailbox.StateConnected {
		t.Fatalf("state %s", got)
	}
	if _, err := h.tokens.Get(t.Context(), ref); err != nil {
		t.Errorf("the new token was erased: %v", err)
	}
}

// Reconnecting with the same id, also with a dead token: the rooms go on.
func TestRoomsAtConnectAndReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := family(t)
		r := &witness{err: errDown} // logged, and no more
		h.config.Rooms = []connect.Room{r}
		var err error
		if h.Connector, err = connect.New(h.config); err != nil {
			t.Fatal(err)
		}
		mb, err := h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		h.outlook.trouble["/contoso/token"] = answer(400, `{"error":"invalid_grant"}`)
		if _, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, mailbox.ClassReconnect) {
			t.Fatalf("Token: %v", err)
		}
		h.connect(t, sharing(), "ann")
		if err := h.Disconnect(t.Context(), support); err != nil {
			t.Fatal(err)
		}
		h.outlook.trouble["/contoso/token"] = answer(400, `{"error":"invalid_grant"}`)
		time.Sleep(2 * time.Hour)
		mb, err = h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, mailbox.ClassReconnect) {
			t.Fatalf("Token: %v", err)
		}
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		h.connect(t, sharing(), "ann")
		want := []string{
			"connected sales connected", "connected support connected",
			"disconnecting support",
			"disconnecting sales shut",
			"connected sales connected",
		}
		if diff := cmp.Diff(want, r.all()); diff != "" {
			t.Errorf("the room was told (-want +got):\n%s", diff)
		}
	})
}
