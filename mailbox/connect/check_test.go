package connect_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		r := new(witness)
		h.config.Rooms = []connect.Room{r}
		var err error
		if h.Connector, err = connect.New(h.config); err != nil {
			t.Fatal(err)
		}
		h.connect(t, request(), "ann")
		before := h.account(t)
		if a, err := h.Check(t.Context(), ref); err != nil || !cmp.Equal(before, a) {
			t.Errorf("nothing was wrong, and it changed: %v\n%s", err, cmp.Diff(before, a))
		}
		// The provider is down: that says nothing.
		h.gmail.trouble["/me"] = answer(500, "<html>")
		h.gmail.trouble["/token"] = answer(503, "<html>")
		if a, err := h.Check(t.Context(), ref); mailbox.ClassOf(err) != mailbox.ClassUnavailable || a.State != mailbox.StateConnected {
			t.Errorf("%s, %v", a.State, err)
		}
		// The mailbox is gone, and comes back under another address.
		h.gmail.trouble["/me"] = answer(200, `{"subject":"sub-ann","address":"nobody@example.com"}`)
		if a, err := h.Check(t.Context(), ref); err != nil || a.State != mailbox.StateUnavailable {
			t.Errorf("%s, %v", a.State, err)
		}
		_, err = h.Open(t.Context(), ref)
		wantRefused(t, err, mailbox.ClassNoMailbox, "")
		h.gmail.trouble["/me"] = answer(200, `{"subject":"sub-ann","address":"ann.new@example.com"}`)
		if a, err := h.Check(t.Context(), ref); err != nil || a.State != mailbox.StateConnected || a.Address != "ann.new@example.com" {
			t.Errorf("%s %s, %v", a.State, a.Address, err)
		}
		// An administrator said no, and then yes.
		time.Sleep(2 * time.Hour)
		h.gmail.trouble["/token"] = answer(400, `{"error":"admin_policy_enforced"}`)
		if a, err := h.Check(t.Context(), ref); err != nil || a.State != mailbox.StateNeedsAdmin {
			t.Errorf("%s, %v", a.State, err)
		}
		time.Sleep(time.Hour)
		if a, err := h.Check(t.Context(), ref); err != nil || a.State != mailbox.StateConnected {
			t.Errorf("%s, %v", a.State, err)
		}
		want := []string{"connected sales connected", "connected sales connected", "connected sales connected"}
		if diff := cmp.Diff(want, r.all()); diff != "" {
			t.Errorf("the room was told (-want +got):\n%s", diff)
		}
		// Another account behind the same token would be somebody else's mail.
		h.gmail.trouble["/me"] = answer(200, `{"subject":"sub-bob","address":"ann@example.com"}`)
		if _, err := h.Check(t.Context(), ref); mailbox.ClassOf(err) != mailbox.ClassWrongAccount {
			t.Errorf("got %v", err)
		}
		if err := h.Disconnect(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		asked := h.gmail.count("/me")
		if a, err := h.Check(t.Context(), ref); err != nil || a.State != mailbox.StateDisconnected || h.gmail.count("/me") != asked {
			t.Errorf("%s, %v, %d requests", a.State, err, h.gmail.count("/me")-asked)
		}
		if _, err := h.Check(t.Context(), support); !errors.Is(err, connect.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

// What a check found out before a reconnect or a disconnect counts no more after
// it.
func TestCheckIsOvertaken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer string
		meets  func(ctx context.Context, h *host, t *testing.T) error
		want   mailbox.AccountState
	}{
		"a refusal by a reconnect": {
			`{"subject":"sub-ann","address":"nobody@example.com"}`,
			func(_ context.Context, h *host, t *testing.T) error { h.connect(t, request(), "ann"); return nil },
			mailbox.StateConnected,
		},
		"good news by a disconnect": {
			`{"subject":"sub-ann","address":"ann@example.com"}`,
			func(ctx context.Context, h *host, _ *testing.T) error { return h.Disconnect(ctx, ref) },
			mailbox.StateDisconnected,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.connect(t, request(), "ann")
			h.gmail.trouble["/me"] = answer(200, test.answer)
			h.gmail.before = func() {
				if err := test.meets(t.Context(), h, t); err != nil {
					t.Error(err)
				}
			}
			if a, err := h.Check(t.Context(), ref); err != nil || a.State != test.want {
				t.Errorf("%s, %v", a.State, err)
			}
			if got := h.account(t).State; got != test.want {
				t.Errorf("state %s", got)
			}
		})
	}
}

// The parent's grant ends during the check of a shared mailbox: that is no
// trouble of its own.
func TestCheckMeetsADeadParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := family(t)
		time.Sleep(2 * time.Hour)
		h.outlook.trouble["/contoso/token"] = answer(400, `{"error":"invalid_grant"}`)
		if a, err := h.Check(t.Context(), support); err != nil || a.State != mailbox.StateNeedsReconnect || a.Cause != mailbox.CauseParent {
			t.Errorf("%s %s, %v", a.State, a.Cause, err)
		}
		// While it lasts, nobody is asked.
		asked := len(h.outlook.requests)
		if a, err := h.Check(t.Context(), support); err != nil || a.Cause != mailbox.CauseParent || len(h.outlook.requests) != asked {
			t.Errorf("%s %s, %v", a.State, a.Cause, err)
		}
		h.connect(t, sharing(), "ann")
		if got := h.accountOf(t, support); got.State != mailbox.StateConnected || got.Cause != "" {
			t.Errorf("%s %s", got.State, got.Cause)
		}
	})
}

// A reconnect is never what a shared mailbox needs by itself.
func TestCheckOfSharedIsRefused(t *testing.T) {
	t.Parallel()
	h, o := family(t)
	o.mu.Lock()
	o.refusal = &mailbox.Error{Class: mailbox.ClassReconnect}
	o.mu.Unlock()
	a, err := h.Check(t.Context(), support)
	if mailbox.ClassOf(err) != mailbox.ClassReconnect || a.State != mailbox.StateConnected {
		t.Errorf("%s, %v", a.State, err)
	}
	if got := h.accountOf(t, support); got.State != mailbox.StateConnected {
		t.Errorf("state %s", got.State)
	}
}
