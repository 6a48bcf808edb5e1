package connect_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/tokenstore"
)

// change writes to the stored account.
func (h *host) change(t testing.TB, f func(*mailbox.Account)) mailbox.Account {
	t.Helper()
	a := h.account(t)
	f(&a)
	a, err := h.accounts.Put(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWidenRefuses(t *testing.T) {
	t.Parallel()
	t.Run("no account", func(t *testing.T) {
		t.Parallel()
		_, err := newHost(t).Widen(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassNotFound, "")
	})
	t.Run("disconnected", func(t *testing.T) {
		t.Parallel()
		h := managed(t)
		h.connect(t, sendNow(), "ann")
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		_, err := h.Widen(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassReconnect, connect.CodeDisconnected)
	})
	t.Run("a provider that has no such consent", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		r := request()
		r.Need = mailbox.CanSend
		if _, err := h.Callback(t.Context(), h.begin(t, r, consent{user: "ann", scopes: []string{"openid", "mail.send"}})); err != nil {
			t.Fatal(err)
		}
		_, err := h.Widen(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassUnsupported, "")
	})
	t.Run("a mailbox on the grant of another", func(t *testing.T) {
		t.Parallel()
		h := managed(t)
		h.connect(t, sendNow(), "ann")
		h.change(t, func(a *mailbox.Account) { a.Access, a.Parent = mailbox.AccessShared, "parent" })
		_, err := h.Widen(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassUnsupported, "")
	})
	for name, test := range map[string]struct {
		status int
		body   string
		class  mailbox.Class
	}{
		"a grant that has ended": {400, `{"error":"invalid_grant"}`, mailbox.ClassReconnect},
		"policy":                 {400, `{"error":"admin_policy_enforced"}`, mailbox.ClassAdmin},
		"a provider that is down": {
			502, "<html>", mailbox.ClassUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := managed(t)
				before := h.connect(t, sendNow(), "ann")
				token, err := h.tokens.Get(t.Context(), ref)
				if err != nil {
					t.Fatal(err)
				}
				h.outlook.trouble["/contoso/token"] = answer(test.status, test.body)
				if _, err := h.Widen(t.Context(), ref); !errors.Is(err, test.class) {
					t.Errorf("got %v", err)
				}
				if diff := cmp.Diff(before, h.account(t)); diff != "" {
					t.Errorf("the account changed:\n%s", diff)
				}
				if after, err := h.tokens.Get(t.Context(), ref); err != nil || after.Version != token.Version {
					t.Errorf("the token changed: %v", err)
				}
				if n := len(h.states()); n != 1 {
					t.Errorf("%d events", n)
				}
			})
		})
	}
}

// A provider that answers with what it gave before: nothing has changed.
func TestWidenGivesNothingNew(t *testing.T) {
	t.Parallel()
	h := managed(t)
	before := h.connect(t, sendNow(), "ann")
	h.outlook.managed = nil
	h.outlook.edit = func(a map[string]any) { a["scope"] = "mail.send openid" }
	_, err := h.Widen(t.Context(), ref)
	e := wantRefused(t, err, mailbox.ClassConsent, "")
	want := &connect.ConsentError{
		Wanted: wanted, Granted: mailbox.CanSend, Missing: mailbox.CanReadHeaders,
		Scopes: []connect.Permission{{Scope: "mail.headers", For: mailbox.CanReadHeaders}},
	}
	if diff := cmp.Diff(want, e.Err); diff != "" {
		t.Errorf("the cause differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, h.account(t)); diff != "" {
		t.Errorf("the account changed:\n%s", diff)
	}
}

// An account whose grant was refused for a missing consent comes back.
func TestWidenHeals(t *testing.T) {
	t.Parallel()
	for _, state := range []mailbox.AccountState{mailbox.StateNeedsConsent, mailbox.StateNeedsAdmin} {
		h := managed(t)
		h.connect(t, sendNow(), "ann")
		h.change(t, func(a *mailbox.Account) { a.State, a.Wanted = state, a.Capabilities })
		a, err := h.Widen(t.Context(), ref)
		if err != nil || a.State != mailbox.StateConnected {
			t.Errorf("%s became %s, error %v", state, a.State, err)
		}
		if got := h.states(); len(got) != 2 || got[1] != mailbox.StateConnected {
			t.Errorf("events %v", got)
		}
	}
}

// Extra scopes nobody has agreed to do not stand in the way of what is needed,
// and those the mailbox has are not lost.
func TestWidenWithoutExtraScopes(t *testing.T) {
	t.Parallel()
	h := managed(t)
	r := sendNow()
	r.ExtraScopes = []string{"tasks", "files"}
	h.connect(t, r, "ann")
	h.change(t, func(a *mailbox.Account) { a.ExtraScopes = append(a.ExtraScopes, "calendar") })
	h.outlook.allowed = []string{"mail.headers"} // and not the calendar
	a, err := h.Widen(t.Context(), ref)
	if err != nil || a.Capabilities != wanted || strings.Join(a.Scopes, " ") != "mail.headers mail.send openid tasks files" {
		t.Errorf("scopes %v, error %v", a.Scopes, err)
	}
	// With the consent they come too.
	h.outlook.allowed = append(h.outlook.allowed, "calendar")
	a, err = h.Widen(t.Context(), ref)
	if err != nil || strings.Join(a.Scopes, " ") != "mail.headers mail.send openid tasks files calendar" {
		t.Errorf("scopes %v, error %v", a.Scopes, err)
	}
}

// A reconnect during Widen outranks it: the account says what the stored token
// allows.
func TestWidenDuringReconnect(t *testing.T) {
	t.Parallel()
	h := managed(t)
	h.connect(t, sendNow(), "ann")
	h.outlook.allowed = []string{"mail.headers"}
	late := h.begin(t, sendNow(), consent{user: "ann"})
	h.outlook.before = func() {
		if _, err := h.Callback(t.Context(), late); err != nil {
			t.Errorf("Callback: %v", err)
		}
	}
	a, err := h.Widen(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	tok, _, err := h.vault.Get(t.Context(), ref)
	if err != nil || strings.Join(tok.Scopes, " ") != strings.Join(a.Scopes, " ") || h.outlook.Granted(tok.Scopes) != a.Capabilities {
		t.Errorf("the account has %v, its token %v, error %v", a.Scopes, tok.Scopes, err)
	}
}

// A disconnect during Widen stays.
func TestDisconnectDuringWiden(t *testing.T) {
	t.Parallel()
	h := managed(t)
	h.connect(t, sendNow(), "ann")
	h.outlook.allowed = []string{"mail.headers"}
	h.outlook.before = func() {
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Errorf("Disconnect: %v", err)
		}
	}
	if _, err := h.Widen(t.Context(), ref); !errors.Is(err, mailbox.ClassReconnect) {
		t.Errorf("got %v", err)
	}
	if got := h.account(t).State; got != mailbox.StateDisconnected {
		t.Errorf("state %s", got)
	}
	if _, err := h.tokens.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("a token came back: %v", err)
	}
}

// A disconnect after the new token was stored stays too.
func TestDisconnectAfterWiden(t *testing.T) {
	t.Parallel()
	h := managed(t)
	h.connect(t, sendNow(), "ann")
	h.outlook.allowed = []string{"mail.headers"}
	racing := &disconnectingAccounts{Memory: h.accounts, disconnect: h.Connector.Disconnect}
	h.config.Accounts = racing
	c, err := connect.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	h.outlook.before = func() { racing.armed = true }
	_, err = c.Widen(t.Context(), ref)
	wantRefused(t, err, mailbox.ClassConflict, "")
	if a := h.account(t); racing.armed || a.State != mailbox.StateDisconnected || a.Capabilities != mailbox.CanSend {
		t.Errorf("state %s, capabilities %s", a.State, a.Capabilities)
	}
}

// disconnectingAccounts disconnects the mailbox before the next Get.
type disconnectingAccounts struct {
	*connect.Memory
	armed      bool
	disconnect func(context.Context, mailbox.Ref) error
}

func (s *disconnectingAccounts) Get(ctx context.Context, r mailbox.Ref) (mailbox.Account, error) {
	if s.armed {
		s.armed = false
		if err := s.disconnect(ctx, r); err != nil {
			return mailbox.Account{}, err
		}
	}
	return s.Memory.Get(ctx, r)
}

// A token makes no mailbox where there was none.
func TestWidenLeavesUnavailable(t *testing.T) {
	t.Parallel()
	rooms := &room{}
	h := managed(t, func(c *connect.Config) { c.Rooms = []connect.Room{rooms} })
	h.connect(t, sendNow(), "ann")
	h.change(t, func(a *mailbox.Account) { a.State = mailbox.StateUnavailable })
	h.outlook.allowed = []string{"mail.headers"}
	a, err := h.Widen(t.Context(), ref)
	if err != nil || a.State != mailbox.StateUnavailable || a.Capabilities != wanted || len(rooms.connected) != 1 {
		t.Errorf("state %s, capabilities %s, error %v", a.State, a.Capabilities, err)
	}
}
