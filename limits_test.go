package mailtether_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/quota"
)

// shaky is a store of limits that can be switched off.
type shaky struct {
	quota.Store
	down atomic.Bool
}

func (s *shaky) err() error {
	if s.down.Load() {
		return errors.New("connection refused")
	}
	return nil
}

func (s *shaky) Decide(ctx context.Context, a quota.Ask) (quota.Answer, error) {
	if err := s.err(); err != nil {
		return quota.Answer{}, err
	}
	return s.Store.Decide(ctx, a)
}

func (s *shaky) Settle(ctx context.Context, e quota.Entry) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Settle(ctx, e)
}

func (s *shaky) State(ctx context.Context, l quota.Log) (quota.State, error) {
	if err := s.err(); err != nil {
		return quota.State{}, err
	}
	return s.Store.State(ctx, l)
}

// Without its limits nothing is sent, reading goes on, and the host hears of it
// once.
func TestStoreOfLimitsFails(t *testing.T) {
	store := &shaky{Store: quota.NewMemory()}
	edit := func(c *mailtether.Config) { c.Stores.Sends = store }
	live(t, edit, func(t *testing.T, h *host, _ *endpoint) {
		first := h.send(t, "first")
		store.down.Store(true)
		if i := h.send(t, "second"); i.State != outbox.StatePending {
			t.Fatalf("%s without limits", i.State)
		}
		h.send(t, "third")
		h.answer(t, first.Sent.RFCMessageIDs[0])
		time.Sleep(time.Hour)
		h.wantEvents(t, "account_state connected", "sent first", "limits_down ", "reply first")
		store.down.Store(false)
		time.Sleep(time.Hour)
		h.mu.Lock()
		slices.Sort(h.events[5:]) // they wait for the same moment
		h.mu.Unlock()
		h.wantEvents(t, "account_state connected", "sent first", "limits_down ", "reply first", "limits_up ", "sent second", "sent third")
	})
}

// What comes back slows the mailbox down, without the host's doing.
func TestBouncesSlowDown(t *testing.T) {
	limits := quota.DefaultSendLimits("test")
	limits.Messages = 20
	edit := func(c *mailtether.Config) {
		c.Sends.Limits = func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits { return limits }
	}
	live(t, edit, func(t *testing.T, h *host, _ *endpoint) {
		for n := range 8 {
			i := h.send(t, fmt.Sprint("k", n))
			if i.State != outbox.StateSent {
				t.Fatalf("message %d is %s: %v", n, i.State, i.Waiting)
			}
			if n < 5 {
				bounce := "From: MAILER-DAEMON@mail.example\r\nTo: alice@mail.example\r\nSubject: Undelivered Mail Returned to Sender\r\n" +
					"Auto-Submitted: auto-replied\r\nIn-Reply-To: " + i.Sent.RFCMessageIDs[0].Brackets() + "\r\n" +
					"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nNo.\r\n" +
					"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example\r\n\r\n" +
					"Final-Recipient: rfc822; gone@other.example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n--b--\r\n"
				if _, err := h.service.Deliver("alice@mail.example", []byte(bounce)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Minute)
		}
		for n := range 5 {
			h.send(t, fmt.Sprint("more", n))
			time.Sleep(time.Minute)
		}
		i := h.send(t, "last")
		if i.State != outbox.StatePending || len(i.Waiting) != 1 || !strings.HasPrefix(i.Waiting[0], "Slowed down until ") || !strings.Contains(i.Waiting[0], "bounced") {
			t.Errorf("message 14 of 20 is %s: %q", i.State, i.Waiting)
		}
		status, err := h.client.Sends.Status(t.Context(), quota.SendRequest{Ref: alice, Provider: h.service.Name()})
		if err != nil || len(status.Logs) != 1 || status.Logs[0].Factor != 0.5 {
			t.Errorf("status is %+v, %v", status, err)
		}
	})
}
