package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/mailbox/outbox/outboxtest"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
)

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	outboxtest.TestLedger(t, func(*testing.T) outbox.Ledger { return outbox.NewMemory() })
}

var ref = mailbox.Ref{Tenant: "t1", Mailbox: "alice"}

const (
	sendOnly = mailbox.CanSend
	canLook  = mailbox.CanSend | mailbox.CanReadHeaders
)

// world is a mail service with Alice and Bob, and an outbox of Alice's.
type world struct {
	t       *testing.T
	service *mailboxtest.Service
	ledger  outbox.Ledger
	config  outbox.Config

	mu      sync.Mutex
	openErr error
	caps    mailbox.Capabilities
	events  []string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, service: mailboxtest.New(), ledger: outbox.NewMemory(), caps: canLook}
	w.service.AddUser("alice@mail.example", "Alice")
	w.service.AddUser("bob@mail.example", "Bob")
	w.config = outbox.Config{Ledger: w.ledger, Open: w.open, Handler: w.handle}
	return w
}

func (w *world) open(ctx context.Context, r mailbox.Ref) (mailbox.Mailbox, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.openErr != nil {
		return nil, w.openErr
	}
	a := mailbox.Account{Ref: r, Provider: mailboxtest.Memory, Address: "alice@mail.example", Name: "Alice", Capabilities: w.caps}
	return w.service.Open(a, w.service.Session(a.Address, w.caps))
}

func (w *world) handle(_ context.Context, e mailbox.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, string(e.Kind)+" "+e.Key)
	return nil
}

func (w *world) outbox() *outbox.Outbox {
	w.t.Helper()
	o, err := outbox.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) wantEvents(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.events); diff != "" {
		w.t.Errorf("events (-want +got)\n%s", diff)
	}
}

// delivered counts the messages that Bob received.
func (w *world) delivered() int {
	w.t.Helper()
	mb, err := w.service.Open(mailbox.Account{Capabilities: canLook}, w.service.Session("bob@mail.example", canLook))
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, err := range mailbox.All(context.Background(), mb, mailbox.Query{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

func (w *world) wantDelivered(want int) {
	w.t.Helper()
	if got := w.delivered(); got != want {
		w.t.Errorf("%d messages delivered, want %d", got, want)
	}
}

// settle lets the runner work for a long time.
func (w *world) settle(o *outbox.Outbox, d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := o.Run(ctx); err != nil {
		w.t.Fatal(err)
	}
}

func request(key string) outbox.Request {
	return outbox.Request{Ref: ref, Key: key, Message: &mailbox.Outgoing{
		To: []mailbox.Address{{Address: "bob@mail.example"}}, Subject: "Hi", Text: "Hello",
	}}
}

func (w *world) send(o *outbox.Outbox, r outbox.Request) outbox.Intent {
	w.t.Helper()
	i, err := o.Send(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("Send: %v", err)
	}
	return i
}

func (w *world) state(o *outbox.Outbox, key string) outbox.Intent {
	w.t.Helper()
	i, err := o.Get(w.t.Context(), ref, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// scenario runs one test in a bubble of fake time.
func scenario(t *testing.T, run func(*testing.T, *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { run(t, newWorld(t)) })
}

func TestSendGoesOutOnce(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		i := w.send(o, request("k1"))
		if i.State != outbox.StateSent || i.Sent.ID == "" || len(i.Sent.RFCMessageIDs) == 0 {
			t.Fatalf("intent is %+v", i)
		}
		again := w.send(o, request("k1"))
		if again.State != outbox.StateSent || again.Sent.ID != i.Sent.ID {
			t.Errorf("the second time: %+v", again)
		}
		w.settle(o, time.Hour)
		w.wantDelivered(1)
		w.wantEvents("sent k1")
	})
}

func TestSameKeyOtherMessageIsRefused(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.send(o, request("k1"))
		r := request("k1")
		r.Message.Text = "Something else"
		if _, err := o.Send(t.Context(), r); mailbox.ClassOf(err) != mailbox.ClassConflict {
			t.Errorf("got %v", err)
		}
		w.wantDelivered(1)
	})
}

func TestBadRequestsAreRefused(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		for name, change := range map[string]func(*outbox.Request){
			"no key":     func(r *outbox.Request) { r.Key = "" },
			"long key":   func(r *outbox.Request) { r.Key = string(make([]byte, 256)) },
			"no tenant":  func(r *outbox.Request) { r.Tenant = "" },
			"no message": func(r *outbox.Request) { r.Message = nil },
			"injection":  func(r *outbox.Request) { r.Message.Subject = "a\r\nBcc: eve@example.com" },
		} {
			r := request("bad")
			change(&r)
			_, err := o.Send(t.Context(), r)
			if _, ok := errors.AsType[*mailbox.FieldError](err); !ok || mailbox.ClassOf(err) != mailbox.ClassInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.wantDelivered(0)
	})
}

func TestLostAnswerIsLookedUp(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.service.Fail(mailboxtest.Failure{Op: "send", After: true, Err: &mailbox.Error{Class: mailbox.ClassUnavailable}})
		if i := w.send(o, request("k1")); i.State != outbox.StateUnknown {
			t.Fatalf("state is %v", i.State)
		}
		w.settle(o, time.Hour)
		if i := w.state(o, "k1"); i.State != outbox.StateSent || i.Sent.ID == "" {
			t.Errorf("intent is %+v", i)
		}
		w.wantDelivered(1)
		w.wantEvents("sent k1")
	})
}

func TestFaultBeforeTheEffectIsTriedAgain(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.service.Fail(mailboxtest.Failure{Op: "send", Err: &mailbox.Error{Class: mailbox.ClassUnavailable}})
		first := w.send(o, request("k1"))
		if first.State != outbox.StateUnknown {
			t.Fatalf("state is %v", first.State)
		}
		w.settle(o, time.Hour)
		i := w.state(o, "k1")
		if i.State != outbox.StateSent || i.Message.RFCMessageID != first.Message.RFCMessageID {
			t.Errorf("intent is %+v", i)
		}
		w.wantDelivered(1)
	})
}

// dying is a ledger whose process dies: from the n-th update on nothing is
// stored.
type dying struct {
	outbox.Ledger
	updates atomic.Int32
	last    int32
}

var errDead = &mailbox.Error{Class: mailbox.ClassStorage}

func (d *dying) Update(ctx context.Context, i outbox.Intent) (outbox.Intent, error) {
	if d.updates.Add(1) > d.last {
		return i, errDead
	}
	return d.Ledger.Update(ctx, i)
}

func TestCrashAtEveryWriteSendsOnce(t *testing.T) {
	for last := range int32(8) {
		t.Run(fmt.Sprintf("after %d writes", last), func(t *testing.T) {
			scenario(t, func(t *testing.T, w *world) {
				first := w.config
				w.config.Ledger = &dying{Ledger: w.ledger, last: last}
				w.outbox().Send(t.Context(), request("k1")) // its error is that of a dead process
				w.config = first
				o := w.outbox()
				w.settle(o, time.Hour)
				if i := w.state(o, "k1"); i.State != outbox.StateSent {
					t.Errorf("state is %v (%s)", i.State, i.Error)
				}
				w.wantDelivered(1)
			})
		})
	}
}

func TestManyProcessesSendOnce(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		for range 4 {
			o := w.outbox()
			wg.Go(func() { o.Run(ctx) })
			for range 8 {
				wg.Go(func() {
					if _, err := o.Send(t.Context(), request("k1")); err != nil {
						t.Error(err)
					}
				})
			}
		}
		time.Sleep(time.Hour)
		stop()
		wg.Wait()
		w.wantDelivered(1)
		w.wantEvents("sent k1")
	})
}

func TestSendOnlyAsksTheHost(t *testing.T) {
	for _, decision := range []struct {
		outcome   mailbox.Outcome
		state     outbox.State
		delivered int
		event     string
	}{
		{mailbox.OutcomeSent, outbox.StateSent, 1, "sent k1"},
		{mailbox.OutcomeNotSent, outbox.StateSent, 2, "sent k1"}, // the host was wrong: it went out twice
	} {
		t.Run(decision.outcome.String(), func(t *testing.T) {
			scenario(t, func(t *testing.T, w *world) {
				w.caps = sendOnly
				o := w.outbox()
				w.service.Fail(mailboxtest.Failure{Op: "send", After: true, Err: &mailbox.Error{Class: mailbox.ClassUnavailable}})
				w.send(o, request("k1"))
				w.settle(o, 4*time.Hour)
				i := w.state(o, "k1")
				if i.State != outbox.StateUnknown || !i.NextAt.IsZero() {
					t.Fatalf("state is %v, next %v", i.State, i.NextAt)
				}
				w.wantDelivered(1)
				w.wantEvents("send_unknown k1")
				if _, err := o.Settle(t.Context(), ref, "k1", decision.outcome); err != nil {
					t.Fatal(err)
				}
				w.settle(o, time.Hour)
				if i := w.state(o, "k1"); i.State != decision.state {
					t.Errorf("state is %v", i.State)
				}
				w.wantDelivered(decision.delivered)
				w.wantEvents("send_unknown k1", decision.event)
			})
		})
	}
}

func TestAskingNothingDecidesNothing(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.send(o, request("k1"))
		if _, err := o.Settle(t.Context(), ref, "k1", mailbox.OutcomeNotSent); mailbox.ClassOf(err) != mailbox.ClassConflict {
			t.Errorf("settling a sent message: %v", err)
		}
		if _, err := o.Cancel(t.Context(), ref, "k1"); mailbox.ClassOf(err) != mailbox.ClassConflict {
			t.Errorf("cancelling a sent message: %v", err)
		}
		w.wantDelivered(1)
	})
}

func TestRefusalFails(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.service.Fail(mailboxtest.Failure{Op: "send", Err: &mailbox.Error{Class: mailbox.ClassSender, Outcome: mailbox.OutcomeNotSent}})
		i := w.send(o, request("k1"))
		if i.State != outbox.StateFailed || i.Failure != mailbox.ClassSender {
			t.Errorf("intent is %+v", i)
		}
		w.settle(o, time.Hour)
		w.wantDelivered(0)
		w.wantEvents("send_failed k1")
	})
}

func TestThrottledSendWaits(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.service.Fail(mailboxtest.Failure{Op: "send", Err: &mailbox.Error{
			Class: mailbox.ClassThrottled, Outcome: mailbox.OutcomeNotSent, RetryAfter: 20 * time.Minute,
		}})
		i := w.send(o, request("k1"))
		if i.State != outbox.StatePending || time.Until(i.NextAt) < 20*time.Minute {
			t.Fatalf("state %v, next in %v", i.State, time.Until(i.NextAt))
		}
		w.settle(o, 19*time.Minute)
		w.wantDelivered(0)
		w.settle(o, 2*time.Minute)
		w.wantDelivered(1)
	})
}

func TestGivesUpInTheEnd(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		w.openErr = &mailbox.Error{Class: mailbox.ClassUnavailable}
		w.send(o, request("k1"))
		w.settle(o, 80*time.Hour)
		if i := w.state(o, "k1"); i.State != outbox.StateFailed || i.Failure != mailbox.ClassUnavailable {
			t.Errorf("intent is %+v", i)
		}
		w.wantEvents("send_failed k1")
	})
}

func TestLimitsHoldMessagesBack(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		sends, err := quota.NewSends(quota.SendsConfig{
			Limits: func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits {
				return quota.SendLimits{Messages: 3, Recipients: 100, PerMessage: 100, PerMinute: 20}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.config.Limits = sends
		o := w.outbox()
		for n := range 5 {
			w.send(o, request(fmt.Sprint("k", n)))
		}
		w.settle(o, time.Hour)
		w.wantDelivered(3)
		if i := w.state(o, "k4"); i.State != outbox.StatePending || len(i.Waiting) == 0 || i.Attempts != 0 {
			t.Errorf("intent is %+v", i)
		}
		w.settle(o, 24*time.Hour)
		w.wantDelivered(5)
	})
}

// Limits may make a message wait for longer than a failing one is kept.
func TestLimitsMayTakeWeeks(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		sends, err := quota.NewSends(quota.SendsConfig{
			Limits: func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits {
				return quota.SendLimits{Messages: 1, Recipients: 100, PerMessage: 100, PerMinute: 20}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.config.Limits = sends
		o := w.outbox()
		for n := range 10 {
			w.send(o, request(fmt.Sprint("k", n)))
		}
		w.settle(o, 10*24*time.Hour)
		w.wantDelivered(10)
	})
}

func TestFailedSendGivesItsPlaceBack(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		sends, err := quota.NewSends(quota.SendsConfig{
			Limits: func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits {
				return quota.SendLimits{Messages: 1, Recipients: 100, PerMessage: 100, PerMinute: 20}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.config.Limits = sends
		o := w.outbox()
		w.service.Fail(mailboxtest.Failure{Op: "send", Err: &mailbox.Error{Class: mailbox.ClassSender, Outcome: mailbox.OutcomeNotSent}})
		w.send(o, request("refused"))
		if i := w.send(o, request("k1")); i.State != outbox.StateSent {
			t.Errorf("state is %v, waiting for %q", i.State, i.Waiting)
		}
		if i := w.send(o, request("k2")); i.State != outbox.StatePending {
			t.Errorf("state is %v", i.State)
		}
	})
}

func TestScheduledAndCancelled(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		o := w.outbox()
		for _, key := range []string{"later", "never"} {
			r := request(key)
			r.At = time.Now().Add(100 * time.Hour) // longer than GiveUpAfter
			if i := w.send(o, r); i.State != outbox.StatePending {
				t.Fatalf("state is %v", i.State)
			}
		}
		if _, err := o.Cancel(t.Context(), ref, "never"); err != nil {
			t.Fatal(err)
		}
		w.settle(o, 99*time.Hour)
		w.wantDelivered(0)
		w.settle(o, 2*time.Hour)
		w.wantDelivered(1)
		w.wantEvents("send_failed never", "sent later")
	})
}

func TestFailingHandlerIsAskedAgain(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		failures := 3
		w.config.Handler = func(ctx context.Context, e mailbox.Event) error {
			if failures--; failures >= 0 {
				return errors.New("the host is busy")
			}
			return w.handle(ctx, e)
		}
		o := w.outbox()
		w.send(o, request("k1"))
		w.wantEvents()
		w.settle(o, time.Hour)
		w.wantEvents("sent k1")
		w.wantDelivered(1)
	})
}

func TestSentMessagesAreIndexed(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		index := threading.NewMemory()
		w.config.Index = index
		r := request("k1")
		token := threading.Token([]byte("secret"), r.Ref, r.Key)
		r.Message.ReplyTo = []mailbox.Address{{Address: threading.TokenAddress("alice@mail.example", token)}}
		r.Message.Text = "Could we talk about the price of three hundred square metres next week?"
		i := w.send(w.outbox(), r)
		for what, term := range map[string]threading.Term{
			"id": threading.IDTerm(i.Sent.RFCMessageIDs[0]), "token": threading.TokenTerm(token),
			"recipient": threading.RecipientTerm(r.Message.To[0].Address),
		} {
			found, err := index.Find(t.Context(), ref, term)
			if err != nil || len(found) != 1 || found[0].Key != "k1" {
				t.Fatalf("by %s: found %+v, %v", what, found, err)
			}
			if n := threading.SharedFingerprints(found[0].Phrases, threading.Phrases(r.Message.Text)); n < 3 {
				t.Errorf("%d phrases of the text are kept", n)
			}
		}
	})
}

func TestCallerLeavingDoesNotLoseTheRecord(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		w.config.Open = func(c context.Context, r mailbox.Ref) (mailbox.Mailbox, error) {
			mb, err := w.open(c, r)
			return leaving{mb, cancel}, err
		}
		o := w.outbox()
		o.Send(ctx, request("k1"))
		if i := w.state(o, "k1"); i.State != outbox.StateSent {
			t.Errorf("state is %v", i.State)
		}
	})
}

// leaving is a mailbox whose caller goes away while it sends.
type leaving struct {
	mailbox.Mailbox
	leave context.CancelFunc
}

func (l leaving) Send(ctx context.Context, out *mailbox.Outgoing, opts mailbox.SendOptions) (mailbox.Sent, error) {
	sent, err := l.Mailbox.Send(ctx, out, opts)
	l.leave()
	return sent, err
}

// TestRandomTroubleNeverSendsTwice throws random faults and crashes at an
// outbox that can look, and counts what arrives.
func TestRandomTroubleNeverSendsTwice(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			scenario(t, func(t *testing.T, w *world) {
				rng := rand.New(rand.NewPCG(seed, 1))
				for range rng.IntN(6) {
					op := []string{"send", "send", "resolve", "read_sent"}[rng.IntN(4)]
					class := []mailbox.Class{mailbox.ClassUnavailable, mailbox.ClassUnknown, mailbox.ClassThrottled}[rng.IntN(3)]
					w.service.Fail(mailboxtest.Failure{
						Op: op, After: rng.IntN(2) == 0, Hang: rng.IntN(4) == 0, Times: 1 + rng.IntN(2),
						Err: &mailbox.Error{Class: class},
					})
				}
				good := w.config
				for range rng.IntN(3) {
					w.config.Ledger = &dying{Ledger: w.ledger, last: int32(rng.IntN(6))}
					o := w.outbox()
					o.Send(t.Context(), request("k1"))
					w.settle(o, time.Duration(rng.IntN(600))*time.Second)
				}
				w.config = good
				o := w.outbox()
				w.send(o, request("k1"))
				w.settle(o, 12*time.Hour)
				if i := w.state(o, "k1"); i.State != outbox.StateSent {
					t.Errorf("state is %v: %s", i.State, i.Error)
				}
				w.wantDelivered(1)
			})
		})
	}
}
