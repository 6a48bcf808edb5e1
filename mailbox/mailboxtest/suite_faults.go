package mailboxtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

var faultRules = []rule{
	{"an expired token is replaced and the call repeated", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "Still here"))
		mb := h.open(t, h.Alice, h.All)
		must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
		h.ExpireTokens(t)
		page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
		if len(page.Messages) != 1 {
			t.Errorf("%d messages", len(page.Messages))
		}
		h.ExpireTokens(t)
		send(t, mb, note(h.Bob, "With a new token"))
		h.await(t, h.Bob, mailbox.FolderInbox, "With a new token")
	}},
	{"a revoked grant asks to reconnect", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, h.All)
		must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
		h.Revoke(t, h.Alice)
		_, err := mb.List(t.Context(), mailbox.Query{})
		wantClass(t, err, mailbox.ClassReconnect)
		_, err = mb.Send(t.Context(), note(h.Bob, "Too late"), mailbox.SendOptions{})
		if e := wantClass(t, err, mailbox.ClassReconnect); e.Outcome != mailbox.OutcomeNotSent {
			t.Errorf("outcome is %v", e.Outcome)
		}
	}},
	{"a fault of the provider passes and asks nothing of the user", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		for _, how := range []Breakage{Refused500, HTMLError, Lost} {
			h.Break(t, how)
			_, err := mb.List(t.Context(), mailbox.Query{})
			e := wantClass(t, err, mailbox.ClassUnavailable)
			if e.Action() != mailbox.ActionRetry || e.Outcome != mailbox.OutcomeNone {
				t.Errorf("breakage %d: action %v, outcome %v", how, e.Action(), e.Outcome)
			}
			must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
		}
	}},
	{"throttling says how long to wait", func(t *testing.T, h *Harness) {
		h.Break(t, Throttled)
		_, err := h.open(t, h.Alice, reading).List(t.Context(), mailbox.Query{})
		if e := wantClass(t, err, mailbox.ClassThrottled); e.RetryAfter < 25*time.Second || e.RetryAfter > 35*time.Second {
			t.Errorf("retry after %v, want 30s", e.RetryAfter)
		}
	}},
	{"a call ends with its context", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, h.All)
		ctx := cancelled(t)
		_, err := mb.List(ctx, mailbox.Query{})
		wantCancelled(t, "list", err)
		_, err = mb.Fetch(ctx, []mailbox.MessageID{"x"}, mailbox.PartHeaders)
		wantCancelled(t, "fetch", err)
		_, err = mb.Cursor(ctx)
		wantCancelled(t, "cursor", err)
		wantCancelled(t, "set read", mb.SetRead(ctx, true, "x"))
	}},
	{"errors hold no address, subject or token", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, h.All)
		var errs []error
		for _, how := range []Breakage{Refused500, HTMLError, Throttled, Lost} {
			h.BreakSend(t, how)
			_, err := mb.Send(t.Context(), note(h.Bob, "Canary subject"), mailbox.SendOptions{})
			errs = append(errs, err)
		}
		h.Revoke(t, h.Alice)
		_, err := mb.List(t.Context(), mailbox.Query{})
		errs = append(errs, err)
		for _, err := range errs {
			if err == nil {
				t.Error("no error")
				continue
			}
			for _, secret := range []string{h.Alice, h.Bob, "Canary", "Bearer", "access-", "refresh-"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q holds %q", err, secret)
				}
			}
		}
	}},
}

func wantCancelled(t *testing.T, op string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s: context.Canceled is not behind %v", op, err)
	}
}
