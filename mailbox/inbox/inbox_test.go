package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/inbox"
	"github.com/mailtether/mailtether/mailbox/inbox/inboxtest"
	"github.com/mailtether/mailtether/mailbox/mailboxtest"
	"github.com/mailtether/mailtether/mailbox/outbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
)

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	inboxtest.TestStore(t, func(*testing.T) inbox.Store { return inbox.NewMemory() })
}

var ref = mailbox.Ref{Tenant: "t1", Mailbox: "alice"}

const caps = mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies

// world is a mail service with Alice and Bob, and an inbox and outbox of
// Alice's.
type world struct {
	t       *testing.T
	service *mailboxtest.Service
	index   threading.Index
	store   inbox.Store
	config  inbox.Config

	mu     sync.Mutex
	events []mailbox.Event
	refuse func(mailbox.Event) error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, service: mailboxtest.New(), index: threading.NewMemory(), store: inbox.NewMemory()}
	w.service.AddUser("alice@mail.example", "Alice")
	w.service.AddUser("bob@mail.example", "Bob")
	w.config = inbox.Config{Store: w.store, Open: w.open, Handler: w.handle, Index: w.index}
	return w
}

func (w *world) open(_ context.Context, r mailbox.Ref) (mailbox.Mailbox, error) {
	a := mailbox.Account{Ref: r, Provider: mailboxtest.Memory, Address: string(r.Mailbox) + "@mail.example", Capabilities: caps}
	return w.service.Open(a, w.service.Session(a.Address, caps))
}

func (w *world) handle(_ context.Context, e mailbox.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		if err := w.refuse(e); err != nil {
			return err
		}
	}
	w.events = append(w.events, e)
	return nil
}

// kinds returns the kind, the key and the subject of all events.
func (w *world) kinds() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, e := range w.events {
		kind := string(e.Kind)
		if e.Message != nil {
			kind += " " + e.Message.Subject
		}
		if e.Replay {
			kind += " (replay)"
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

func (w *world) wantKinds(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.kinds()); diff != "" {
		w.t.Errorf("events (-want +got)\n%s", diff)
	}
}

func (w *world) inbox() *inbox.Inbox {
	w.t.Helper()
	in, err := inbox.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return in
}

func (w *world) poll(in *inbox.Inbox) inbox.Report {
	w.t.Helper()
	r, err := in.Poll(w.t.Context(), ref)
	if err != nil {
		w.t.Fatalf("Poll: %v", err)
	}
	return r
}

// send sends from Alice through the outbox and returns the sent message's id.
func (w *world) send(key, to string) mailbox.RFCMessageID {
	w.t.Helper()
	o, err := outbox.New(outbox.Config{Ledger: outbox.NewMemory(), Open: w.open, Index: w.index})
	if err != nil {
		w.t.Fatal(err)
	}
	i, err := o.Send(w.t.Context(), outbox.Request{Ref: ref, Key: key, Message: &mailbox.Outgoing{
		To: []mailbox.Address{{Address: to}}, Subject: "Offer", Text: "Hello",
	}})
	if err != nil || i.State != outbox.StateSent {
		w.t.Fatalf("send: %v, %v", i.State, err)
	}
	return i.Sent.RFCMessageIDs[0]
}

func (w *world) deliver(from, subject string, fields ...string) {
	w.t.Helper()
	raw := fmt.Sprintf("From: %s\r\nTo: alice@mail.example\r\nSubject: %s\r\nDate: Mon, 02 Jun 2025 10:00:00 +0000\r\nMessage-ID: <%s@x.example>\r\n%s\r\nbody of %s\r\n",
		from, subject, strings.ReplaceAll(subject, " ", "."), strings.Join(fields, ""), subject)
	if _, err := w.service.Deliver("alice@mail.example", []byte(raw)); err != nil {
		w.t.Fatal(err)
	}
}

func inReplyTo(id mailbox.RFCMessageID) string {
	return "In-Reply-To: " + id.Brackets() + "\r\nReferences: " + id.Brackets() + "\r\n"
}

func scenario(t *testing.T, run func(*testing.T, *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { run(t, newWorld(t)) })
}

func TestAnswersAreNoticedAndToldApart(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		w.deliver("eve@x.example", "Old mail")
		w.poll(in)
		id := w.send("k1", "bob@mail.example")
		w.send("k2", "noone@mail.example") // bounces
		w.deliver("Bob <bob@mail.example>", "Re: Offer", inReplyTo(id))
		w.deliver("Bob <bob@private.example>", "Re: Offer from home", inReplyTo(id))
		w.deliver("Bob <bob@mail.example>", "Automatic reply: Offer", inReplyTo(id), "Auto-Submitted: auto-replied\r\n")
		w.deliver("news@x.example", "Newsletter")
		report := w.poll(in)
		w.wantKinds(
			"bounce Undelivered Mail Returned to Sender",
			"reply Re: Offer", "reply Re: Offer from home", "auto_reply Automatic reply: Offer",
		)
		if diff := cmp.Diff(inbox.Report{Seen: 7, Bodies: 4, Events: 4}, report); diff != "" {
			t.Errorf("report (-want +got)\n%s", diff)
		}
		reply, other := w.events[1], w.events[2]
		if reply.Key != "k1" || reply.Match == nil || reply.Match.OtherSender || reply.Message.Body == nil {
			t.Errorf("reply is %+v", reply)
		}
		if other.Match == nil || !other.Match.OtherSender {
			t.Errorf("reply from elsewhere is %+v", other.Match)
		}
		bounce := w.events[0]
		want := []mailbox.BounceRecipient{{Address: "noone@mail.example", Action: "failed", Status: "5.1.1", SMTP: 550, Category: "user_unknown", Hard: true}}
		if diff := cmp.Diff(want, bounce.Verdict.Bounce.Recipients); diff != "" || bounce.Key != "k2" {
			t.Errorf("bounce of %q (-want +got)\n%s", bounce.Key, diff)
		}
	})
}

func TestOnlyBodiesOfMatchedMessagesAreRead(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		w.poll(in)
		id := w.send("k1", "bob@mail.example")
		for n := range 300 {
			w.deliver("eve@x.example", fmt.Sprint("Private ", n))
		}
		w.deliver("bob@mail.example", "Re: Offer", inReplyTo(id))
		report := w.poll(in)
		if got := w.service.Calls("fetch_body") + w.service.Calls("raw"); got != 1 || report.Bodies != 1 || report.Seen != 302 {
			t.Errorf("%d bodies read, report %+v", got, report)
		}
		w.wantKinds("reply Re: Offer")
	})
}

func TestPoliciesDecideWhatIsDelivered(t *testing.T) {
	for _, c := range []struct {
		policy inbox.Policy
		bodies int
		kinds  []string
	}{
		{inbox.PolicyMatched, 1, []string{"reply Re: Offer"}},
		{inbox.PolicyHeaders, 0, []string{"sent_by_hand By hand", "message Unrelated", "reply Re: Offer"}},
		{inbox.PolicyFull, 3, []string{"sent_by_hand By hand", "message Unrelated", "reply Re: Offer"}},
	} {
		t.Run(string(c.policy), func(t *testing.T) {
			scenario(t, func(t *testing.T, w *world) {
				w.config.Policy = c.policy
				in := w.inbox()
				w.poll(in)
				id := w.send("k1", "bob@mail.example")
				mb, err := w.open(t.Context(), ref)
				if err != nil {
					t.Fatal(err)
				}
				byHand := &mailbox.Outgoing{To: []mailbox.Address{{Address: "bob@mail.example"}}, Subject: "By hand", Text: "x"}
				if _, err := mb.Send(t.Context(), byHand, mailbox.SendOptions{}); err != nil {
					t.Fatal(err)
				}
				w.deliver("eve@x.example", "Unrelated")
				w.deliver("bob@mail.example", "Re: Offer", inReplyTo(id))
				report := w.poll(in)
				w.wantKinds(c.kinds...)
				if report.Bodies != c.bodies || w.service.Calls("fetch_body") != c.bodies {
					t.Errorf("%d bodies, %d read", report.Bodies, w.service.Calls("fetch_body"))
				}
			})
		})
	}
}

// An answer without ids is known by the text it quotes, where bodies may be read.
func TestBodyLinksWhatTheHeaderDoesNot(t *testing.T) {
	text := "We look for a second warehouse near the harbour and heard only good things about your company."
	for _, c := range []struct {
		policy inbox.Policy
		kind   string
	}{
		{inbox.PolicyHeaders, "message Offer"},
		{inbox.PolicyFull, "reply Offer"},
	} {
		t.Run(string(c.policy), func(t *testing.T) {
			scenario(t, func(t *testing.T, w *world) {
				w.config.Policy = c.policy
				in := w.inbox()
				w.poll(in)
				o, err := outbox.New(outbox.Config{Ledger: outbox.NewMemory(), Open: w.open, Index: w.index})
				if err != nil {
					t.Fatal(err)
				}
				i, err := o.Send(t.Context(), outbox.Request{Ref: ref, Key: "k", Message: &mailbox.Outgoing{
					To: []mailbox.Address{{Address: "bob@mail.example"}}, Subject: "Offer", HTML: "<p>" + text + "</p>",
				}})
				if err != nil || i.State != outbox.StateSent {
					t.Fatalf("send: %v, %v", i.State, err)
				}
				answer := fmt.Sprintf("From: bob@mail.example\r\nTo: alice@mail.example\r\nSubject: Offer\r\nDate: %s\r\n"+
					"Message-ID: <a@mail.example>\r\n\r\nYes, gladly.\r\n\r\n> %s\r\n", time.Now().Format(time.RFC1123Z), text)
				if _, err := w.service.Deliver("alice@mail.example", []byte(answer)); err != nil {
					t.Fatal(err)
				}
				w.poll(in)
				w.wantKinds(c.kind)
				if e := w.events[0]; c.policy == inbox.PolicyFull && (e.Key != "k" || e.Match == nil || e.Match.Evidence[0].Rule != "quoted_text") {
					t.Errorf("got key %q, match %+v", e.Key, e.Match)
				}
			})
		})
	}
}

// A bounce that names the message in its report only is linked by it.
func TestReportLinksWhatTheHeaderDoesNot(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.config.Policy = inbox.PolicyFull
		in := w.inbox()
		w.poll(in)
		id := w.send("k1", "nobody@gone.example")
		raw := "From: MAILER-DAEMON@gone.example\r\nTo: alice@mail.example\r\nSubject: Undelivered Mail Returned to Sender\r\n" +
			"Message-ID: <b@gone.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
			"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; gone.example\r\n\r\n" +
			"Final-Recipient: rfc822; nobody@gone.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n" +
			"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: " + id.Brackets() + "\r\n--b--\r\n"
		if _, err := w.service.Deliver("alice@mail.example", []byte(raw)); err != nil {
			t.Fatal(err)
		}
		w.poll(in)
		e := w.events[len(w.events)-1]
		if e.Kind != mailbox.EventBounce || e.Key != "k1" || e.Match == nil || e.Match.Level != mailbox.LevelCertain {
			t.Fatalf("got %s, key %q, match %+v", e.Kind, e.Key, e.Match)
		}
		if b := e.Verdict.Bounce; b == nil || len(b.Recipients) != 1 || !b.Recipients[0].Hard || b.OriginalMessageID != id {
			t.Errorf("bounce is %+v", b)
		}
	})
}

func TestMailSentByHandCountsAgainstTheLimits(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		sends, err := quota.NewSends(quota.SendsConfig{Limits: func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits {
			return quota.SendLimits{Messages: 3, Recipients: 100, PerMessage: 100, PerMinute: 20}
		}})
		if err != nil {
			t.Fatal(err)
		}
		w.config.Sends = sends
		in := w.inbox()
		w.poll(in)
		w.send("k1", "bob@mail.example") // the outbox has counted it already
		mb, err := w.open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		byHand := &mailbox.Outgoing{To: []mailbox.Address{{Address: "bob@mail.example"}}, Subject: "By hand", Text: "x"}
		for range 2 {
			if _, err := mb.Send(t.Context(), byHand, mailbox.SendOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		w.poll(in)
		w.poll(in)
		for n, want := range []bool{true, false} { // two by hand leave one place of three
			time.Sleep(time.Minute)
			_, d, err := sends.Reserve(t.Context(), quota.SendRequest{
				Ref: ref, Provider: mailboxtest.Memory, Key: fmt.Sprint("next ", n), Recipients: 1,
			})
			if err != nil || d.Allowed != want {
				t.Errorf("message %d: allowed %v, want %v (%v)", n, d.Allowed, want, err)
			}
		}
	})
}

func TestCursorWaitsForTheHandler(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		w.poll(in)
		id := w.send("k1", "bob@mail.example")
		w.deliver("bob@mail.example", "Re: one", inReplyTo(id))
		w.deliver("bob@mail.example", "Re: two", inReplyTo(id))
		w.deliver("bob@mail.example", "Re: three", inReplyTo(id))
		broken := true
		w.refuse = func(e mailbox.Event) error {
			if broken && e.Message.Subject == "Re: two" {
				return errors.New("the database is down")
			}
			return nil
		}
		for range 3 {
			if _, err := in.Poll(t.Context(), ref); err == nil {
				t.Fatal("the handler's error is lost")
			}
		}
		w.wantKinds("reply Re: one")
		broken = false
		w.poll(in)
		w.wantKinds("reply Re: one", "reply Re: two", "reply Re: three")
		w.poll(in)
		w.wantKinds("reply Re: one", "reply Re: two", "reply Re: three")
	})
}

func TestPoisonIsSetAside(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		w.poll(in)
		id := w.send("k1", "bob@mail.example")
		w.deliver("bob@mail.example", "Re: poison", inReplyTo(id))
		w.deliver("bob@mail.example", "Re: fine", inReplyTo(id))
		w.refuse = func(e mailbox.Event) error {
			if e.Kind == mailbox.EventReply && e.Message.Subject == "Re: poison" {
				return errors.New("cannot parse")
			}
			return nil
		}
		for n := range 4 {
			if _, err := in.Poll(t.Context(), ref); err == nil {
				t.Fatalf("poll %d did not fail", n)
			}
		}
		if r := w.poll(in); r.SetAside != 1 {
			t.Errorf("report is %+v", r)
		}
		w.wantKinds("set_aside Re: poison", "reply Re: fine")
		s, err := w.store.Load(t.Context(), ref)
		if err != nil || len(s.SetAside) != 1 || s.SetAside[0].Attempts != 5 || len(s.Failing) != 0 {
			t.Errorf("state is %+v, %v", s, err)
		}
	})
}

// damaged is a mailbox whose provider fails to give every message.
type damaged struct{ mailbox.Mailbox }

func (d damaged) Changes(ctx context.Context, from mailbox.Cursor, limit int) (mailbox.Changes, error) {
	c, err := d.Mailbox.Changes(ctx, from, limit)
	for i := range c.Changes {
		c.Changes[i].Message = &mailbox.Message{ID: c.Changes[i].ID, Warnings: []mailbox.Warning{{Code: mailbox.WarnIncomplete}}}
	}
	return c, err
}

func TestUnreadableMessageIsSetAside(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.config.Policy = inbox.PolicyFull
		w.config.Open = func(ctx context.Context, r mailbox.Ref) (mailbox.Mailbox, error) {
			mb, err := w.open(ctx, r)
			return damaged{mb}, err
		}
		in := w.inbox()
		w.poll(in)
		w.deliver("eve@x.example", "Lost in the cloud")
		if r := w.poll(in); r.SetAside != 1 || r.Bodies != 0 {
			t.Errorf("report is %+v", r)
		}
		w.poll(in)
		w.wantKinds("set_aside ")
		if s, err := w.store.Load(t.Context(), ref); err != nil || len(s.SetAside) != 1 || w.events[0].Err == nil {
			t.Errorf("state is %+v, %v; event %+v", s, err, w.events)
		}
	})
}

func TestStoppingIsNotTheMessagesFault(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		w.poll(in)
		id := w.send("k1", "bob@mail.example")
		w.deliver("bob@mail.example", "Re: slow", inReplyTo(id))
		for range 8 {
			ctx, cancel := context.WithCancel(t.Context())
			w.refuse = func(mailbox.Event) error { cancel(); return ctx.Err() }
			in.Poll(ctx, ref)
		}
		w.refuse = nil
		w.poll(in)
		w.wantKinds("reply Re: slow")
	})
}

func TestLostCursorIsMadeGoodOnce(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		id := w.send("k1", "bob@mail.example")
		w.deliver("bob@mail.example", "Re: before we looked", inReplyTo(id))
		time.Sleep(time.Minute)
		w.poll(in)
		w.deliver("bob@mail.example", "Re: before", inReplyTo(id))
		w.poll(in)
		time.Sleep(time.Minute)
		for n := range 120 {
			w.deliver("bob@mail.example", fmt.Sprint("Re: gap ", n), inReplyTo(id))
		}
		w.service.LoseCursors()
		report := w.poll(in)
		if !report.Resynced || report.Events != 121 {
			t.Errorf("report is %+v", report)
		}
		count := map[string]int{}
		for _, kind := range w.kinds() {
			count[kind]++
		}
		if count["reply Re: before"] != 1 || count["reply Re: before (replay)"] != 0 || count["reply Re: gap 7 (replay)"] != 1 || count["resync (replay)"] != 1 {
			t.Errorf("events are %v", count)
		}
		w.deliver("bob@mail.example", "Re: after", inReplyTo(id))
		w.poll(in)
		if kinds := w.kinds(); kinds[len(kinds)-1] != "reply Re: after" {
			t.Errorf("last event is %q", kinds[len(kinds)-1])
		}
	})
}

func TestResyncGoesOnWhereItWasInterrupted(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		w.poll(in)
		id := w.send("k1", "bob@mail.example")
		w.poll(in)
		for n := range 250 {
			w.deliver("bob@mail.example", fmt.Sprint("Re: gap ", n), inReplyTo(id))
		}
		w.service.LoseCursors()
		handled := 0
		w.refuse = func(e mailbox.Event) error {
			if handled++; handled%100 == 0 {
				return errors.New("restarting")
			}
			return nil
		}
		for range 10 {
			if _, err := in.Poll(t.Context(), ref); err == nil {
				break
			}
		}
		count := map[string]int{}
		for _, kind := range w.kinds() {
			count[kind]++
		}
		for n := range 250 {
			if kind := fmt.Sprintf("reply Re: gap %d (replay)", n); count[kind] != 1 {
				t.Errorf("%q came %d times", kind, count[kind])
			}
		}
	})
}

func TestEventIDsAreStable(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		w.poll(in)
		id := w.send("k1", "bob@mail.example")
		w.deliver("bob@mail.example", "Re: Offer", inReplyTo(id))
		var ids []string
		w.refuse = func(e mailbox.Event) error {
			if ids = append(ids, e.ID); len(ids) < 3 {
				return errors.New("again")
			}
			return nil
		}
		for range 3 {
			in.Poll(t.Context(), ref)
		}
		if len(ids) != 3 || ids[0] != ids[1] || ids[1] != ids[2] || ids[0] == "" {
			t.Errorf("ids are %q", ids)
		}
	})
}

func TestReadingAMessageIsNoNewMessage(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		in := w.inbox()
		id := w.send("k1", "bob@mail.example")
		w.deliver("bob@mail.example", "Re: Before we looked", inReplyTo(id))
		w.poll(in)
		w.deliver("bob@mail.example", "Re: Offer", inReplyTo(id))
		w.poll(in)
		all := caps | mailbox.CanWriteReadState
		mb, err := w.service.Open(mailbox.Account{Capabilities: all}, w.service.Session("alice@mail.example", all))
		if err != nil {
			t.Fatal(err)
		}
		for m, err := range mailbox.All(t.Context(), mb, mailbox.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if err := mb.SetRead(t.Context(), true, m.ID); err != nil {
				t.Fatal(err)
			}
		}
		w.poll(in)
		w.wantKinds("reply Re: Offer")
	})
}

func TestRunPollsAllMailboxesUntilStopped(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		bob := mailbox.Ref{Tenant: "t1", Mailbox: "bob"}
		w.config.Policy = inbox.PolicyHeaders
		w.config.Mailboxes = func(context.Context) iter.Seq2[mailbox.Ref, error] {
			return func(yield func(mailbox.Ref, error) bool) {
				_ = yield(ref, nil) && yield(bob, nil)
			}
		}
		in := w.inbox()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := in.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Second)
		w.deliver("eve@x.example", "To Alice")
		w.service.Deliver("bob@mail.example", []byte("Subject: To Bob\r\n\r\n"))
		w.service.Fail(mailboxtest.Failure{Op: "changes", Err: &mailbox.Error{Class: mailbox.ClassUnavailable}})
		time.Sleep(3 * time.Minute)
		cancel()
		wg.Wait()
		seen := map[string]bool{}
		for _, kind := range w.kinds() {
			seen[kind] = true
		}
		if !seen["message To Alice"] || !seen["message To Bob"] || len(w.events) != 2 {
			t.Errorf("events are %q", w.kinds())
		}
	})
}

func TestPollsOfOneMailboxTakeTurns(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.config.Policy = inbox.PolicyHeaders
		in := w.inbox()
		w.poll(in)
		for n := range 20 {
			w.deliver("eve@x.example", fmt.Sprint("Mail ", n))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := in.Poll(t.Context(), ref); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(w.events) != 20 {
			t.Errorf("%d events for 20 messages", len(w.events))
		}
	})
}
