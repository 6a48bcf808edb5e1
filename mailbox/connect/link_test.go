package connect_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

func at(tenant mailbox.TenantID, id mailbox.MailboxID) connect.StartRequest {
	r := request()
	r.Ref = mailbox.Ref{Tenant: tenant, Mailbox: id}
	return r
}

// tryConnect runs a flow and returns what its callback says.
func (h *host) tryConnect(t testing.TB, r connect.StartRequest, user string) (mailbox.Account, error) {
	t.Helper()
	return h.Callback(t.Context(), h.begin(t, r, consent{user: user}))
}

// wantLinked checks a refusal, and that it tells nothing of the holder and leaves
// nothing behind.
func (h *host) wantLinked(t testing.TB, r mailbox.Ref, err error) {
	t.Helper()
	if !errors.Is(err, connect.ErrLinked) || mailbox.ClassOf(err) != mailbox.ClassConflict {
		t.Fatalf("got %v, want ErrLinked", err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, secret := range []string{"holder", "example.com", "sub-ann", "acme"} {
			if text := fmt.Sprintf("%v %+v", e, e); strings.Contains(text, secret) {
				t.Errorf("the error tells %q: %s", secret, text)
			}
		}
	}
	if _, err := h.accounts.Get(t.Context(), r); !errors.Is(err, connect.ErrNotFound) {
		t.Errorf("an account was stored: %v", err)
	}
	if _, err := h.tokens.Get(t.Context(), r); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("a token was stored: %v", err)
	}
}

func TestLinkedOncePerHost(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	first := h.connect(t, at("acme", "holder"), "ann")
	for _, r := range []connect.StartRequest{at("acme", "second"), at("other", "second")} {
		_, err := h.tryConnect(t, r, "ann")
		h.wantLinked(t, r.Ref, err)
	}
	h.connect(t, at("other", "second"), "bob")
	// The same address at another provider is another account.
	elsewhere := at("other", "third")
	elsewhere.Provider = mailbox.Outlook
	h.connect(t, elsewhere, "ann")
	// A reconnect keeps the link, a disconnect gives it up, the next has it.
	if again := h.connect(t, at("acme", "holder"), "ann"); again.Link != first.Link {
		t.Error("the link changed at a reconnect")
	}
	if err := h.Disconnect(t.Context(), first.Ref); err != nil {
		t.Fatal(err)
	}
	if a := h.accountOf(t, first.Ref); a.Link != "" {
		t.Error("a disconnected mailbox has a link")
	}
	if heir := h.connect(t, at("other", "heir"), "ann"); heir.Link != first.Link {
		t.Error("the heir has another link")
	}
	before := h.accountOf(t, first.Ref)
	if _, err := h.tryConnect(t, at("acme", "holder"), "ann"); !errors.Is(err, connect.ErrLinked) {
		t.Errorf("got %v", err)
	}
	if after := h.accountOf(t, first.Ref); after.State != mailbox.StateDisconnected || after.Version != before.Version {
		t.Errorf("the refused mailbox became %s", after.State)
	}
}

// One tenant may count for itself while another does not.
func TestLinkedOncePerTenant(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) {
		c.LinkPer = func(tenant mailbox.TenantID) connect.LinkScope {
			if strings.HasPrefix(string(tenant), "loose") {
				return connect.LinkPerTenant
			}
			return connect.LinkPerHost
		}
	})
	h.connect(t, at("loose-1", "m"), "ann")
	h.connect(t, at("loose-2", "m"), "ann")
	_, err := h.tryConnect(t, at("loose-1", "second"), "ann")
	h.wantLinked(t, mailbox.Ref{Tenant: "loose-1", Mailbox: "second"}, err)
	// Where it counts for the host, those two count.
	_, err = h.tryConnect(t, at("strict", "m"), "ann")
	h.wantLinked(t, mailbox.Ref{Tenant: "strict", Mailbox: "m"}, err)
	h.connect(t, at("strict", "m"), "bob")
	h.connect(t, at("loose-1", "bob"), "bob") // its own option decides
}

// A changed option ends no connection, and counts from the next one on.
func TestLinkOptionChanges(t *testing.T) {
	t.Parallel()
	var scope atomic.Value
	h := newHost(t, func(c *connect.Config) {
		c.LinkPer = func(mailbox.TenantID) connect.LinkScope { return scope.Load().(connect.LinkScope) }
	})
	scope.Store(connect.LinkPerTenant)
	h.connect(t, at("t1", "m"), "ann")
	h.connect(t, at("t2", "m"), "ann")
	scope.Store(connect.LinkPerHost)
	h.connect(t, at("t1", "m"), "ann") // both go on
	h.connect(t, at("t2", "m"), "ann")
	for _, r := range []connect.StartRequest{at("t1", "second"), at("t3", "m")} {
		_, err := h.tryConnect(t, r, "ann")
		h.wantLinked(t, r.Ref, err)
	}
	if err := h.Disconnect(t.Context(), mailbox.Ref{Tenant: "t1", Mailbox: "m"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.tryConnect(t, at("t1", "m"), "ann"); !errors.Is(err, connect.ErrLinked) {
		t.Errorf("got %v", err)
	}
	h.connect(t, at("t1", "bob"), "bob")
	scope.Store(connect.LinkPerTenant)
	_, err := h.tryConnect(t, at("t1", "second"), "bob")
	h.wantLinked(t, mailbox.Ref{Tenant: "t1", Mailbox: "second"}, err)
	h.connect(t, at("t3", "bob"), "bob")
}

// Many flows for one account, in two tenants, end at once: one wins.
func TestManyFlowsForOneAccount(t *testing.T) {
	t.Parallel()
	for range 20 {
		h := newHost(t)
		var callbacks []connect.CallbackRequest
		var refs []mailbox.Ref
		for i := range 16 {
			r := at(mailbox.TenantID(fmt.Sprint("tenant-", i%2)), mailbox.MailboxID(fmt.Sprint("m", i)))
			refs = append(refs, r.Ref)
			callbacks = append(callbacks, h.begin(t, r, consent{user: "ann"}))
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for _, r := range callbacks {
			wg.Go(func() {
				if _, err := h.Callback(t.Context(), r); err == nil {
					won.Add(1)
				} else if !errors.Is(err, connect.ErrLinked) {
					t.Errorf("Callback: %v", err)
				}
			})
		}
		wg.Wait()
		accounts, tokens := 0, 0
		for _, r := range refs {
			if _, err := h.accounts.Get(t.Context(), r); err == nil {
				accounts++
			}
			if _, err := h.tokens.Get(t.Context(), r); err == nil {
				tokens++
			}
		}
		if won.Load() != 1 || accounts != 1 || tokens != 1 {
			t.Fatalf("%d won, with %d accounts and %d tokens; want one", won.Load(), accounts, tokens)
		}
	}
}

// An account of a store that was filled before there were links gets one at its
// next reconnect.
func TestLinkOfAnOldAccount(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	want := h.connect(t, request(), "ann").Link
	a := h.account(t)
	a.Link = ""
	if _, err := h.accounts.Put(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := h.connect(t, request(), "ann").Link; got != want {
		t.Errorf("link %q, want %q", got, want)
	}
}

// A renamed account keeps its mailbox, frees its old address for somebody else,
// and is still one account.
func TestLinkOfARenamedAccount(t *testing.T) {
	t.Parallel()
	for name, learn := range map[string]func(*host) (mailbox.Account, error){
		"by a check": func(h *host) (mailbox.Account, error) { return h.Check(t.Context(), ref) },
		"by a reconnect": func(h *host) (mailbox.Account, error) {
			return h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
		},
	} {
		h := newHost(t)
		before := h.connect(t, request(), "ann")
		h.gmail.trouble["/me"] = answer(200, `{"subject":"sub-ann","address":"ann.new@example.com"}`)
		after, err := learn(h)
		if err != nil || after.Address != "ann.new@example.com" || after.Link == before.Link {
			t.Fatalf("%s: %s, link %v, %v", name, after.Address, after.Link == before.Link, err)
		}
		h.gmail.trouble["/me"] = answer(200, `{"subject":"sub-other","address":"ann@example.com"}`)
		h.connect(t, at("acme", "other"), "other")
		_, err = h.tryConnect(t, at("acme", "third"), "ann") // under either address
		h.wantLinked(t, mailbox.Ref{Tenant: "acme", Mailbox: "third"}, err)
	}
}
