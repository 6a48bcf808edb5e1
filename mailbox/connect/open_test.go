package connect_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

func token(t testing.TB, h *host, r mailbox.Ref) mailbox.AccessToken {
	t.Helper()
	mb, err := h.Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// counted is a token store that counts how often it is read.
type counted struct {
	*tokenstore.Memory
	reads atomic.Int32
}

func (c *counted) Get(ctx context.Context, r mailbox.Ref) (tokenstore.Record, error) {
	c.reads.Add(1)
	return c.Memory.Get(ctx, r)
}

// Opening again goes on with the token, and asks neither store nor provider.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	store := &counted{Memory: tokenstore.NewMemory()}
	h := newHost(t, func(c *connect.Config) { c.Vault = tokenstore.NewVault(store, keyring(t)) })
	h.connect(t, request(), "ann")
	tok := token(t, h, ref)
	reads, requests := store.reads.Load(), len(h.gmail.requests)
	for range 3 {
		if got := token(t, h, ref); got != tok {
			t.Error("another token")
		}
	}
	if store.reads.Load() != reads || len(h.gmail.requests) != requests {
		t.Errorf("%d reads and %d requests more", store.reads.Load()-reads, len(h.gmail.requests)-requests)
	}
}

// A reconnect in another process may allow more: the token of the grant before is
// not used any more, nor after a disconnect there.
func TestOpenAfterAReconnectElsewhere(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.connect(t, request(), "ann")
	tok := token(t, h, ref)
	c := h.config
	c.Vault = tokenstore.NewVault(h.tokens, keyring(t))
	conn, err := connect.New(c)
	if err != nil {
		t.Fatal(err)
	}
	other := &host{gmail: h.gmail, Connector: conn}
	other.connect(t, request(), "ann")
	if got := token(t, h, ref); got == tok {
		t.Error("the token of the grant before")
	}
	if err := other.Disconnect(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	_, err = h.Open(t.Context(), ref)
	wantRefused(t, err, mailbox.ClassReconnect, connect.CodeDisconnected)
}

// explaining is a service that tells why it refuses.
type explaining struct{ *service }

func (s explaining) OAuthError(status int, header http.Header, body []byte) *mailbox.Error {
	e := s.service.OAuthError(status, header, body)
	if e.Class == mailbox.ClassReconnect {
		e.Cause = mailbox.CausePassword
	}
	return e
}

// The cause of a refusal is kept with the account, told, and gone with it.
func TestCauseOfADeadGrant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, func(c *connect.Config) { c.Apps[0].Provider = explaining{c.Apps[0].Provider.(*service)} })
		h.connect(t, request(), "ann")
		mb, err := h.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		h.gmail.trouble["/token"] = answer(400, `{"error":"invalid_grant"}`)
		if _, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); mailbox.ClassOf(err) != mailbox.ClassReconnect {
			t.Fatalf("Token: %v", err)
		}
		if a := h.account(t); a.State != mailbox.StateNeedsReconnect || a.Cause != mailbox.CausePassword {
			t.Errorf("%s %s", a.State, a.Cause)
		}
		if last := h.events[len(h.events)-1]; last.Cause != mailbox.CausePassword {
			t.Errorf("event %+v", last)
		}
		_, err = h.Open(t.Context(), ref)
		if e, ok := errors.AsType[*mailbox.Error](err); !ok || e.Cause != mailbox.CausePassword {
			t.Errorf("Open: %v", err)
		}
		if a := h.connect(t, request(), "ann"); a.Cause != "" {
			t.Errorf("cause %s after a reconnect", a.Cause)
		}
	})
}

// Two apps of one provider, one of them a tenant's own: each mailbox is refreshed,
// revoked and alarmed about with its app alone.
func TestAppsOfOneProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		own := newService(mailbox.Gmail)
		h := newHost(t, func(c *connect.Config) {
			c.Apps[0].RevokeOnDisconnect = true
			theirs := c.Apps[0]
			theirs.Name, theirs.Provider, theirs.Transport = "their own", own, own
			theirs.Tenants = []mailbox.TenantID{"brings-own"}
			c.Apps = append(c.Apps, theirs)
		})
		common := h.connect(t, at("acme", "m"), "ann")
		h.gmail, own = own, h.gmail
		theirs := h.connect(t, at("brings-own", "m"), "bob")
		h.gmail, own = own, h.gmail
		if common.App != "" || theirs.App != "their own" {
			t.Fatalf("apps %q and %q", common.App, theirs.App)
		}
		time.Sleep(2 * time.Hour)
		own.trouble["/token"] = answer(401, `{"error":"invalid_client"}`)
		token(t, h, common.Ref)
		mb, err := h.Open(t.Context(), theirs.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); mailbox.ClassOf(err) != mailbox.ClassConfig {
			t.Errorf("Token: %v", err)
		}
		time.Sleep(5 * time.Minute)
		token(t, h, theirs.Ref)
		if err := h.Disconnect(t.Context(), theirs.Ref); err != nil {
			t.Fatal(err)
		}
		if len(own.revoked) != 1 || len(h.gmail.revoked) != 0 {
			t.Errorf("%d and %d revoked", len(own.revoked), len(h.gmail.revoked))
		}
		token(t, h, common.Ref)
	})
}
