package outbox_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
	"github.com/mailtether/mailtether/mailbox/outbox"
)

// refuse makes the mailbox fail to open with the class; 0 opens it again.
func (w *world) refuse(c mailbox.Class) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.openErr = nil
	if c != 0 {
		w.openErr = &mailbox.Error{Class: c}
	}
}

func (w *world) connected(o *outbox.Outbox) {
	w.t.Helper()
	if err := o.Connected(w.t.Context(), mailbox.Account{Ref: ref}); err != nil {
		w.t.Fatal(err)
	}
}

// Whatever keeps a mailbox from being used, its messages wait, say why, and go
// out once when it is connected again.
func TestHeldUntilReconnected(t *testing.T) {
	for class, text := range map[mailbox.Class]string{
		mailbox.ClassReconnect: "user",
		mailbox.ClassConsent:   "user",
		mailbox.ClassAdmin:     "administrator",
		mailbox.ClassNoMailbox: "administrator",
		mailbox.ClassConfig:    "app",
	} {
		t.Run(class.String(), func(t *testing.T) {
			scenario(t, func(t *testing.T, w *world) {
				w.config.Interval = time.Minute
				o := w.outbox()
				w.refuse(class)
				i := w.send(o, request("k1"))
				if i.State != outbox.StatePending || i.Failure != class || len(i.Waiting) != 1 || !strings.Contains(i.Waiting[0], text) {
					t.Fatalf("%s, waiting %q", i.State, i.Waiting)
				}
				if err := o.Disconnecting(t.Context(), mailbox.Account{Ref: ref}, nil); err != nil {
					t.Fatal(err)
				}
				w.settle(o, 240*time.Hour)
				i = w.state(o, "k1")
				if pause := time.Until(i.NextAt); i.State != outbox.StatePending || pause > 15*time.Minute || i.Attempts < 240*3 {
					t.Errorf("%s, next in %s, after %d attempts", i.State, pause, i.Attempts)
				}
				w.wantDelivered(0)
				w.refuse(0)
				w.connected(o)
				w.settle(o, time.Minute)
				w.wantDelivered(1)
				w.connected(o)
				w.settle(o, time.Hour)
				w.wantDelivered(1)
				w.wantEvents("sent k1")
				if i := w.state(o, "k1"); !i.HeldSince.IsZero() || i.Held < 240*time.Hour || i.Waiting != nil {
					t.Errorf("held since %s for %s, waiting %q", i.HeldSince, i.Held, i.Waiting)
				}
			})
		})
	}
}

// Should the reconnect not be told, the messages go out all the same.
func TestHeldGoesOnByItself(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.refuse(mailbox.ClassConfig)
		w.send(o, request("k1"))
		w.settle(o, 10*time.Hour)
		w.refuse(0)
		w.settle(o, 15*time.Minute+time.Second)
		w.wantDelivered(1)
	})
}

// A fault of the provider does not hold a message: it counts, before and after.
func TestHeldTimeDoesNotCount(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.config.Interval = time.Minute
		o := w.outbox()
		w.refuse(mailbox.ClassUnavailable)
		i := w.send(o, request("k1"))
		if !i.HeldSince.IsZero() {
			t.Error("held by a fault of the provider")
		}
		w.settle(o, 40*time.Hour)
		w.refuse(mailbox.ClassReconnect)
		w.settle(o, 200*time.Hour)
		w.refuse(mailbox.ClassThrottled)
		w.connected(o)
		w.settle(o, 31*time.Hour)
		if i := w.state(o, "k1"); i.State != outbox.StatePending {
			t.Fatalf("%s after 71 hours of trying", i.State)
		}
		w.settle(o, 2*time.Hour)
		if i := w.state(o, "k1"); i.State != outbox.StateFailed || i.Failure != mailbox.ClassThrottled {
			t.Errorf("%s (%s) after 73 hours of trying", i.State, i.Failure)
		}
		w.wantEvents("send_failed k1")
	})
}

func TestHoldFor(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.config.Interval, w.config.HoldFor = time.Minute, 100*time.Hour
		o := w.outbox()
		w.refuse(mailbox.ClassAdmin)
		w.send(o, request("k1"))
		w.settle(o, 99*time.Hour)
		if i := w.state(o, "k1"); i.State != outbox.StatePending {
			t.Fatalf("%s before its time", i.State)
		}
		w.settle(o, 2*time.Hour)
		if i := w.state(o, "k1"); i.State != outbox.StateFailed || i.Failure != mailbox.ClassAdmin {
			t.Errorf("%s (%s)", i.State, i.Failure)
		}
		w.wantEvents("send_failed k1")
	})
	_, err := outbox.New(outbox.Config{Ledger: outbox.NewMemory(), Open: (&world{}).open, HoldFor: -1})
	if mailbox.ClassOf(err) != mailbox.ClassInvalid {
		t.Errorf("a negative time: %v", err)
	}
}

// An unclear send of a mailbox that is gone is looked up when it is back: the
// host is not asked what the mailbox knows.
func TestUnclearSendIsHeld(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.config.Interval = time.Minute
		o := w.outbox()
		w.service.Fail(mailboxtest.Failure{Op: "send", After: true, Err: &mailbox.Error{Class: mailbox.ClassUnavailable}})
		w.send(o, request("k1"))
		w.refuse(mailbox.ClassReconnect)
		w.settle(o, 100*time.Hour)
		i := w.state(o, "k1")
		if i.State != outbox.StateUnknown || i.NextAt.IsZero() || len(i.Waiting) != 1 {
			t.Fatalf("%s, next %s, waiting %q", i.State, i.NextAt, i.Waiting)
		}
		w.wantEvents()
		// Back, and at first without an answer: it still has its hour.
		w.service.Fail(mailboxtest.Failure{Op: "resolve", Err: &mailbox.Error{Class: mailbox.ClassUnavailable}, Times: 2})
		w.refuse(0)
		w.connected(o)
		w.settle(o, 30*time.Minute)
		if i := w.state(o, "k1"); i.State != outbox.StateSent {
			t.Errorf("%s (%s)", i.State, i.Failure)
		}
		w.wantDelivered(1)
		w.wantEvents("sent k1")
	})
}

// What a message waited before it was sent is no part of the time to look for it.
func TestHeldThenUnclear(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(map[bool]string{false: "there", true: "gone again"}[gone], func(t *testing.T) {
			scenario(t, func(t *testing.T, w *world) {
				w.config.Interval, w.config.HoldFor = time.Minute, 2000*time.Hour
				o := w.outbox()
				w.refuse(mailbox.ClassReconnect)
				w.send(o, request("k1"))
				w.settle(o, 1000*time.Hour)
				w.service.Fail(mailboxtest.Failure{Op: "send", After: true, Err: &mailbox.Error{Class: mailbox.ClassUnavailable}})
				w.service.Fail(mailboxtest.Failure{Op: "resolve", Err: &mailbox.Error{Class: mailbox.ClassUnavailable}, Times: 10000})
				w.refuse(0)
				w.connected(o)
				w.settle(o, time.Second)
				if gone {
					w.refuse(mailbox.ClassReconnect)
					w.settle(o, 1500*time.Hour)
					w.wantEvents() // its own time is not over
					w.refuse(0)
					w.connected(o)
				}
				w.settle(o, 2*time.Hour)
				if i := w.state(o, "k1"); i.State != outbox.StateUnknown || !i.NextAt.IsZero() {
					t.Errorf("%s, next %s", i.State, i.NextAt)
				}
				w.wantEvents("send_unknown k1")
			})
		})
	}
}

func TestUnclearSendIsNotHeldForGood(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.config.Interval, w.config.HoldFor = time.Minute, 10*time.Hour
		o := w.outbox()
		w.service.Fail(mailboxtest.Failure{Op: "send", After: true, Err: &mailbox.Error{Class: mailbox.ClassUnavailable}})
		w.send(o, request("k1"))
		w.refuse(mailbox.ClassReconnect)
		w.settle(o, 12*time.Hour)
		if i := w.state(o, "k1"); i.State != outbox.StateUnknown || !i.NextAt.IsZero() {
			t.Errorf("%s, next %s", i.State, i.NextAt)
		}
		w.wantEvents("send_unknown k1")
	})
}

// Connected touches what is held in that mailbox, and nothing else.
func TestConnectedWakesWhatIsHeld(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		later := request("later")
		later.At = time.Now().Add(time.Hour)
		w.send(o, later)
		w.send(o, request("sent"))
		w.refuse(mailbox.ClassUnavailable)
		w.send(o, request("fault"))
		w.refuse(mailbox.ClassReconnect)
		other := request("held")
		other.Tenant = "t2"
		w.send(o, other)
		w.send(o, request("held"))
		before := map[string]outbox.Intent{}
		for _, key := range []string{"later", "sent", "fault"} {
			before[key] = w.state(o, key)
		}
		w.connected(o)
		for key, i := range before {
			if got := w.state(o, key); got.Version != i.Version {
				t.Errorf("%s was touched", key)
			}
		}
		if i := w.state(o, "held"); i.NextAt.After(time.Now()) {
			t.Errorf("due in %s", time.Until(i.NextAt))
		}
		if i, err := o.Get(t.Context(), other.Ref, "held"); err != nil || !i.NextAt.After(time.Now()) {
			t.Errorf("the mailbox of another tenant: %v", err)
		}
	})
}

// racing is a ledger in which somebody else writes before every update.
type racing struct{ outbox.Ledger }

func (r racing) Update(ctx context.Context, i outbox.Intent) (outbox.Intent, error) {
	if _, err := r.Ledger.Update(ctx, i); err != nil {
		return i, err
	}
	return r.Ledger.Update(ctx, i)
}

func TestConnectedMeetsOtherWriters(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.refuse(mailbox.ClassReconnect)
		w.send(o, request("k1"))
		w.config.Ledger = racing{w.ledger}
		w.connected(w.outbox())
		w.config.Ledger = &dying{Ledger: w.ledger}
		if err := w.outbox().Connected(t.Context(), mailbox.Account{Ref: ref}); mailbox.ClassOf(err) != mailbox.ClassStorage {
			t.Errorf("got %v", err)
		}
	})
}
