package connect_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/connect/connecttest"
	"github.com/mailtether/mailtether/tokenstore"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	connecttest.TestAccountStore(t, func(*testing.T) connect.AccountStore { return connect.NewMemory() })
}

func TestMemoryStates(t *testing.T) {
	t.Parallel()
	connecttest.TestStateStore(t, func(*testing.T) connect.StateStore { return connect.NewMemoryStates() })
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		before := h.connect(t, request(), "ann")
		time.Sleep(time.Hour)
		// Everything but the mailbox comes from the account.
		a, err := h.Callback(t.Context(), h.begin(t, connect.StartRequest{Ref: ref, Browser: browserA}, consent{user: "ann"}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, a, ignoreVersion); diff != "" {
			t.Errorf("the account changed (-before +after):\n%s", diff)
		}
		if got := h.states(); len(got) != 1 {
			t.Errorf("events %v: nothing changed at the reconnect", got)
		}
		wider := request()
		wider.Want |= mailbox.CanReadBodies
		if a := h.connect(t, wider, "ann"); !a.Capabilities.Has(mailbox.CanReadBodies) {
			t.Errorf("capabilities %s", a.Capabilities)
		}
	})
}

func TestReconnectWithAnotherAccount(t *testing.T) {
	t.Parallel()
	for _, disconnected := range []bool{false, true} {
		h := newHost(t)
		h.connect(t, request(), "ann")
		if disconnected {
			if err := h.Disconnect(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
		}
		before := h.account(t)
		token, tokenErr := h.tokens.Get(t.Context(), ref)
		_, err := h.Callback(t.Context(), h.begin(t, request(), consent{user: "bob"}))
		e := wantRefused(t, err, mailbox.ClassWrongAccount, "")
		we, ok := errors.AsType[*connect.WrongAccountError](e)
		if !ok || we.Expected != "ann@example.com" || we.Actual != "bob@example.com" {
			t.Errorf("the cause is %#v", we)
		}
		if bytes.Contains([]byte(err.Error()+we.Error()), []byte("example.com")) {
			t.Errorf("the text holds an address: %v, %v", err, we)
		}
		if diff := cmp.Diff(before, h.account(t)); diff != "" {
			t.Errorf("the account changed:\n%s", diff)
		}
		after, afterErr := h.tokens.Get(t.Context(), ref)
		if !errors.Is(afterErr, tokenErr) || !bytes.Equal(token.Sealed, after.Sealed) {
			t.Error("the token changed")
		}
	}
}

func TestReconnectAtAnotherProvider(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	// The flow starts while the mailbox has no account, and ends when it has.
	r := request()
	r.Provider = mailbox.Outlook
	late := h.begin(t, r, consent{user: "ann"})
	h.connect(t, request(), "ann")
	_, err := h.Callback(t.Context(), late)
	wantRefused(t, err, mailbox.ClassWrongAccount, "")
	_, err = h.Start(t.Context(), r)
	if fe, ok := errors.AsType[*mailbox.FieldError](err); !ok || fe.Field != "provider" {
		t.Errorf("Start: %v", err)
	}
}

// Two flows for one new mailbox: the account that comes second gets nothing, and
// above all does not get its token under the first one's name.
func TestTwoAccountsRaceForOneMailbox(t *testing.T) {
	t.Parallel()
	for range 50 {
		h := newHost(t)
		callbacks := map[string]connect.CallbackRequest{
			"ann": h.begin(t, request(), consent{user: "ann"}),
			"bob": h.begin(t, request(), consent{user: "bob"}),
		}
		var mu sync.Mutex
		var winners []string
		var wg sync.WaitGroup
		for user, r := range callbacks {
			wg.Go(func() {
				if _, err := h.Callback(t.Context(), r); err == nil {
					mu.Lock()
					winners = append(winners, user)
					mu.Unlock()
				} else if !errors.Is(err, mailbox.ClassWrongAccount) {
					t.Errorf("Callback: %v", err)
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 || h.account(t).Subject != "sub-"+winners[0] {
			t.Fatalf("winners %v, account %s", winners, h.account(t).Subject)
		}
		tok, _, err := h.vault.Get(t.Context(), ref)
		if err != nil || h.gmail.accesses[string(tok.Access)].user != winners[0] {
			t.Fatalf("the mailbox of %s has the token of %s", winners[0], h.gmail.accesses[string(tok.Access)].user)
		}
	}
}

func TestAlreadyLinked(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *connect.Config) {
		c.LinkPer = func(mailbox.TenantID) connect.LinkScope { return connect.LinkPerTenant }
	})
	h.connect(t, request(), "ann")
	second := request()
	second.Mailbox, second.Owner = "second", "user-8"
	_, err := h.Callback(t.Context(), h.begin(t, second, consent{user: "ann"}))
	wantRefused(t, err, mailbox.ClassConflict, "")
	if !errors.Is(err, connect.ErrLinked) {
		t.Errorf("the cause is %v", err)
	}
	if _, err := h.tokens.Get(t.Context(), second.Ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Error("a token was stored for the refused mailbox")
	}
	// Another tenant, and a mailbox whose first link has ended, are free.
	other := request()
	other.Tenant = "other"
	h.connect(t, other, "ann")
	if err := h.Disconnect(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	h.connect(t, second, "ann")
	// Now the first mailbox cannot come back.
	_, err = h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
	if !errors.Is(err, connect.ErrLinked) {
		t.Errorf("got %v", err)
	}
}

// A crash or a failing store between claim and token leaves no healthy account.
func TestTokenIsStoredBeforeTheAccount(t *testing.T) {
	t.Parallel()
	ring, err := tokenstore.NewKeyring(tokenstore.Key{ID: "k", Secret: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	down := tokenstore.NewVault(storeDown{tokenstore.NewMemory()}, ring)
	h := newHost(t, func(c *connect.Config) { c.Vault = down })
	_, err = h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
	if e := wantRefused(t, err, mailbox.ClassStorage, ""); !errors.Is(e, errDown) {
		t.Errorf("the cause is %v", e.Err)
	}
	if got := h.account(t).State; got != mailbox.StateNeedsReconnect {
		t.Errorf("state %s", got)
	}
	_, err = h.Open(t.Context(), ref)
	wantRefused(t, err, mailbox.ClassReconnect, "")
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.connect(t, request(), "ann")
	mb, err := h.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	source := mb.(*opened).session.Tokens
	if _, err := source.Token(t.Context(), mailbox.TokenRequest{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if a := h.account(t); a.State != mailbox.StateDisconnected || a.Owner != "user-7" || a.Subject != "sub-ann" {
		t.Errorf("the account is %+v", a)
	}
	if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("the token is still there: %v", err)
	}
	// A mailbox that was opened before stops too.
	if _, err := source.Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, mailbox.ClassReconnect) {
		t.Errorf("Token after Disconnect: %v", err)
	}
	_, err = h.Open(t.Context(), ref)
	wantRefused(t, err, mailbox.ClassReconnect, connect.CodeDisconnected)
	if got, want := h.states(), []mailbox.AccountState{mailbox.StateConnected, mailbox.StateDisconnected}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if len(h.gmail.revoked) != 0 {
		t.Error("revoked without being asked to")
	}
	h.connect(t, request(), "ann")
	if got := h.account(t).State; got != mailbox.StateConnected {
		t.Errorf("state after reconnect %s", got)
	}
	_, err = h.Connector.Open(t.Context(), mailbox.Ref{Tenant: "acme", Mailbox: "missing"})
	if wantRefused(t, err, mailbox.ClassNotFound, ""); !errors.Is(err, connect.ErrNotFound) {
		t.Errorf("Open of nothing: %v", err)
	}
	if err := h.Disconnect(t.Context(), mailbox.Ref{Tenant: "acme", Mailbox: "missing"}); !errors.Is(err, connect.ErrNotFound) {
		t.Errorf("Disconnect of nothing: %v", err)
	}
}

func TestDisconnectRevokes(t *testing.T) {
	t.Parallel()
	revoking := func(c *connect.Config) { c.Apps[0].RevokeOnDisconnect = true }
	t.Run("done", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, revoking)
		h.connect(t, request(), "ann")
		tok, _, err := h.vault.Get(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(h.gmail.revoked, []string{string(tok.Refresh)}) {
			t.Errorf("%d tokens were revoked, want the refresh token", len(h.gmail.revoked))
		}
	})
	t.Run("ended already", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, revoking)
		h.connect(t, request(), "ann")
		h.gmail.trouble["/revoke"] = answer(400, `{"error":"invalid_token"}`)
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Errorf("Disconnect: %v", err)
		}
	})
	t.Run("provider down", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, revoking)
		h.connect(t, request(), "ann")
		h.gmail.trouble["/revoke"] = answer(503, "<html>")
		err := h.Disconnect(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassUnavailable, "")
		if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("the token was kept because the provider is down: %v", err)
		}
		if got := h.account(t).State; got != mailbox.StateDisconnected {
			t.Errorf("state %s", got)
		}
	})
}

// A disconnect while the user signs in outranks the sign-in.
func TestDisconnectDuringCallback(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.connect(t, request(), "ann")
	slow := &disconnecting{Memory: h.tokens, host: h}
	ring, err := tokenstore.NewKeyring(tokenstore.Key{ID: "k", Secret: bytes.Repeat([]byte("k"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	h.config.Vault = tokenstore.NewVault(slow, ring)
	if h.Connector, err = connect.New(h.config); err != nil {
		t.Fatal(err)
	}
	_, err = h.Callback(t.Context(), h.begin(t, request(), consent{user: "ann"}))
	wantRefused(t, err, mailbox.ClassConflict, "")
	if got := h.account(t).State; got != mailbox.StateDisconnected {
		t.Errorf("state %s", got)
	}
	if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("the token is still there: %v", err)
	}
}

// disconnecting is a token store during whose Put the mailbox is disconnected.
type disconnecting struct {
	*tokenstore.Memory
	host *host
	once sync.Once
}

func (s *disconnecting) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	rec, err := s.Memory.Put(ctx, rec)
	s.once.Do(func() { err = errors.Join(err, s.host.Disconnect(ctx, ref)) })
	return rec, err
}

func TestDeadGrant(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer string
		class  mailbox.Class
		state  mailbox.AccountState
	}{
		"revoked":      {`{"error":"invalid_grant"}`, mailbox.ClassReconnect, mailbox.StateNeedsReconnect},
		"admin policy": {`{"error":"admin_policy_enforced"}`, mailbox.ClassAdmin, mailbox.StateNeedsAdmin},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				h.connect(t, request(), "ann")
				mb, err := h.Open(t.Context(), ref)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Hour)
				// First a fault of the provider, which changes nothing.
				h.gmail.trouble["/token"] = answer(502, "<html>")
				if _, err := mb.(*opened).session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, mailbox.ClassUnavailable) {
					t.Fatalf("Token: %v", err)
				}
				if got := h.account(t).State; got != mailbox.StateConnected {
					t.Fatalf("a 502 made the state %s", got)
				}
				h.gmail.trouble["/token"] = answer(400, test.answer)
				if _, err := mb.(*opened).session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, test.class) {
					t.Fatalf("Token: %v", err)
				}
				a := h.account(t)
				if a.State != test.state || !a.StateSince.Equal(time.Now()) {
					t.Errorf("state %s since %s", a.State, a.StateSince)
				}
				last := h.events[len(h.events)-1]
				if len(h.events) != 2 || last.State != test.state || !errors.Is(last.Err, test.class) {
					t.Errorf("events %+v", h.events)
				}
				_, err = h.Open(t.Context(), ref)
				wantRefused(t, err, test.class, "")
				// A reconnect heals it, also for the mailbox that stayed open.
				h.connect(t, request(), "ann")
				if _, err := mb.(*opened).session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); err != nil {
					t.Errorf("Token after reconnect: %v", err)
				}
			})
		})
	}
}

// News of a dead grant that arrive after the reconnect are dropped.
func TestDeadGrantAfterReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.connect(t, request(), "ann")
		racing := &reconnecting{Memory: h.accounts, host: h}
		h.config.Accounts = racing
		c, err := connect.New(h.config)
		if err != nil {
			t.Fatal(err)
		}
		mb, err := c.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		racing.armed = true
		time.Sleep(2 * time.Hour)
		h.gmail.trouble["/token"] = answer(400, `{"error":"invalid_grant"}`)
		if _, err := mb.(*opened).session.Tokens.Token(t.Context(), mailbox.TokenRequest{}); !errors.Is(err, mailbox.ClassReconnect) {
			t.Errorf("Token: %v", err)
		}
		if got := h.account(t).State; racing.armed || got != mailbox.StateConnected {
			t.Errorf("state %s after a reconnect", got)
		}
	})
}

// reconnecting is an account store during whose Get the mailbox is reconnected.
type reconnecting struct {
	*connect.Memory
	host  *host
	armed bool
}

func (s *reconnecting) Get(ctx context.Context, r mailbox.Ref) (mailbox.Account, error) {
	a, err := s.Memory.Get(ctx, r)
	if s.armed {
		s.armed = false
		tok := tokenstore.Token{Access: "new", Refresh: "new"}
		err = errors.Join(err, s.host.vault.Replace(ctx, ref, mailbox.Gmail, tok))
	}
	return a, err
}

func TestAccountStoreDown(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.connect(t, request(), "ann")
	h.config.Accounts = failingAccounts{h.accounts}
	c, err := connect.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Start(t.Context(), request())
	wantRefused(t, err, mailbox.ClassStorage, "")
	_, err = c.Open(t.Context(), ref)
	wantRefused(t, err, mailbox.ClassStorage, "")
	wantRefused(t, c.Disconnect(t.Context(), ref), mailbox.ClassStorage, "")
	if _, err := h.tokens.Get(t.Context(), ref); err != nil {
		t.Errorf("the token was erased although the account is not disconnected: %v", err)
	}
}

type failingAccounts struct{ *connect.Memory }

func (failingAccounts) Get(context.Context, mailbox.Ref) (mailbox.Account, error) {
	return mailbox.Account{}, errDown
}
