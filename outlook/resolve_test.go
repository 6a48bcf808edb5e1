package outlook_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// broken sends from anna to bert while the sending request breaks.
func (w *world) broken(caps mailbox.Capabilities, f outlooktest.Fault, change ...func(*mailbox.Outgoing)) (*outlook.Mailbox, mailbox.Checkpoint) {
	w.t.Helper()
	mb := w.open(anna, caps)
	out := note(bert, "Broken")
	out.Ref = "ref-broken"
	for _, c := range change {
		c(out)
	}
	var c mailbox.Checkpoint
	w.Inject(sending(f))
	if _, err := mb.Send(w.t.Context(), out, checkpoints(&c)); mailbox.OutcomeOf(err) != mailbox.OutcomeUnknown {
		w.t.Fatalf("the send gave %v", err)
	}
	return mb, c
}

func wantResolved(t *testing.T, mb *outlook.Mailbox, c mailbox.Checkpoint, want mailbox.Outcome) mailbox.Sent {
	t.Helper()
	s, got, err := mb.ResolveSend(t.Context(), c)
	if err != nil || got != want {
		t.Fatalf("resolved to %v, %v, want %v", got, err, want)
	}
	if want == mailbox.OutcomeSent && (s.ID == "" || s.ThreadID == "" || len(s.RFCMessageIDs) == 0 || s.At.IsZero() || s.From.Address != anna) {
		t.Errorf("sent is %+v", s)
	}
	return s
}

const settle = 5 * time.Minute

func TestResolveADraft(t *testing.T) {
	t.Parallel()
	lost := outlooktest.Fault{Lose: true}
	effect := outlooktest.Fault{Lose: true, After: true}
	type step struct {
		after time.Duration
		do    func(w *world, draft string)
		want  mailbox.Outcome
	}
	const (
		unknown = mailbox.OutcomeUnknown
		sent    = mailbox.OutcomeSent
		notSent = mailbox.OutcomeNotSent
	)
	tests := []struct {
		name    string
		options outlooktest.Options
		fault   outlooktest.Fault
		steps   []step
		copies  int
	}{
		{"the answer was lost", outlooktest.Options{}, effect, []step{{want: sent}, {want: sent}}, 1},
		{"504 after the effect", outlooktest.Options{}, outlooktest.Fault{Status: 504, After: true}, []step{{want: sent}}, 1},
		{"429 although it was taken", outlooktest.Options{}, outlooktest.Fault{Status: 429, After: true}, []step{{want: sent}}, 1},
		{"the request was lost", outlooktest.Options{}, lost, []step{
			{want: unknown}, {after: settle - time.Second, want: unknown}, {after: time.Second, want: notSent}, {want: notSent}, {after: time.Hour, want: notSent},
		}, 0},
		{"transport is slow", outlooktest.Options{SendDelay: time.Minute}, effect, []step{
			{want: unknown}, {after: 30 * time.Second, want: unknown}, {after: time.Minute, want: sent},
		}, 1},
		{"transport hides it", outlooktest.Options{SendDelay: time.Minute, HideInTransport: true}, effect, []step{
			{want: unknown}, {after: 2 * time.Minute, want: sent},
		}, 1},
		{"the user deleted the draft for good", outlooktest.Options{}, lost, []step{
			{do: func(w *world, id string) { w.Delete(anna, id) }, want: unknown}, {after: time.Hour, want: unknown},
		}, 0},
		{"the user put the draft into the trash", outlooktest.Options{}, lost, []step{
			{do: func(w *world, id string) { w.Move(anna, id, "deleteditems") }, want: notSent},
		}, 0},
		{"the user filed the draft elsewhere", outlooktest.Options{}, lost, []step{
			{after: time.Hour, do: func(w *world, id string) { w.Move(anna, id, "archive") }, want: unknown},
		}, 0},
		{"moving the draft away fails", outlooktest.Options{}, lost, []step{
			{after: time.Hour, do: func(w *world, _ string) { w.Inject(outlooktest.Fault{Path: "*/move", Status: 404}) }, want: unknown},
			{want: notSent},
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.options)
				mb, c := w.broken(everything, tt.fault)
				for i, s := range tt.steps {
					time.Sleep(s.after)
					if s.do != nil {
						s.do(w, string(c.DraftID))
					}
					t.Logf("step %d", i)
					got := wantResolved(t, mb, c, s.want)
					if s.want == sent && (got.ID != c.DraftID || got.RFCMessageIDs[0] != c.RFCMessageID) {
						t.Errorf("sent %+v, checkpoint %+v", got, c)
					}
				}
				time.Sleep(time.Hour)
				w.Settle()
				if n := len(w.In(bert, "inbox")); n != tt.copies {
					t.Errorf("%d copies arrived, want %d", n, tt.copies)
				}
				if tt.steps[len(tt.steps)-1].want == notSent && len(w.In(anna, "drafts")) != 0 {
					t.Error("a draft that can still go out is left")
				}
			})
		})
	}
}

func TestResolveByTheSentFolder(t *testing.T) {
	t.Parallel()
	sending := mailbox.CanSend | mailbox.CanReadHeaders
	tests := []struct {
		name    string
		options outlooktest.Options
		change  func(*mailbox.Outgoing)
		want    mailbox.Outcome
	}{
		{"by Message-ID", outlooktest.Options{SentHeaders: outlooktest.SentNone}, func(*mailbox.Outgoing) {}, mailbox.OutcomeSent},
		{"by a Message-ID with a quote", outlooktest.Options{}, func(o *mailbox.Outgoing) { o.RFCMessageID, o.Ref = "o'neill+x@contoso.example", "" }, mailbox.OutcomeSent},
		{"by the private field when the id was replaced", outlooktest.Options{RewriteWorkIDs: true}, func(*mailbox.Outgoing) {}, mailbox.OutcomeSent},
		{"by nothing", outlooktest.Options{RewriteWorkIDs: true, SentHeaders: outlooktest.SentNone}, func(*mailbox.Outgoing) {}, mailbox.OutcomeUnknown},
		{"by nothing when header blocks are refused", outlooktest.Options{RewriteWorkIDs: true, ReadBasicHeaders: outlooktest.Refuse}, func(*mailbox.Outgoing) {}, mailbox.OutcomeUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.options)
			for range 3 { // others with the same subject
				mustSend(t, w.open(anna, sending), note(bert, "Broken"))
			}
			mb, c := w.broken(sending, outlooktest.Fault{Lose: true, After: true}, tt.change)
			wantResolved(t, mb, c, tt.want)
		})
	}
}

func TestResolveFindsItAmongManySent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{RewriteWorkIDs: true})
	byHand := []byte("From: " + anna + "\r\nTo: " + bert + "\r\nSubject: By hand\r\n\r\nx\r\n")
	for range 150 {
		if err := w.SendByHand(anna, byHand); err != nil {
			t.Fatal(err)
		}
	}
	mb, c := w.broken(mailbox.CanSend|mailbox.CanReadHeaders, outlooktest.Fault{Lose: true, After: true})
	wantResolved(t, mb, c, mailbox.OutcomeSent)
}

func TestResolveNeedsToRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb, c := w.broken(mailbox.CanSend, outlooktest.Fault{Lose: true})
	w.ClearLog()
	_, outcome, err := mb.ResolveSend(t.Context(), c)
	wantOutcome(t, err, mailbox.ClassConsent, mailbox.OutcomeUnknown)
	if outcome != mailbox.OutcomeUnknown || len(w.Log()) != 0 {
		t.Errorf("outcome %v, %d requests", outcome, len(w.Log()))
	}
}

// A failure to look is never an outcome.
func TestResolveThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb, c := w.broken(everything, outlooktest.Fault{Lose: true, After: true})
	for range 2 {
		w.Inject(outlooktest.Fault{Status: 503})
		_, outcome, err := mb.ResolveSend(t.Context(), c)
		wantOutcome(t, err, mailbox.ClassUnavailable, mailbox.OutcomeUnknown)
		if outcome != mailbox.OutcomeUnknown {
			t.Errorf("outcome %v", outcome)
		}
	}
	// A checkpoint that another version wrote still works by its ids.
	c.Position = "not json"
	wantResolved(t, mb, c, mailbox.OutcomeSent)
	// One of nothing tells nothing.
	wantResolved(t, mb, mailbox.Checkpoint{}, mailbox.OutcomeUnknown)
	wantResolved(t, mb, mailbox.Checkpoint{DraftID: "..", At: time.Now()}, mailbox.OutcomeUnknown)
}

func TestReadSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, outlooktest.Options{RewriteWorkIDs: true, SendDelay: time.Minute, SentHeaders: outlooktest.SentFull})
		mb := w.open(anna, everything)
		out := note(bert, "Read me")
		out.RFCMessageID = "own@contoso.example"
		out.From = mailbox.Address{Address: "a.aalto@contoso.example"} // an alias, which Exchange overwrites
		sent := mustSend(t, mb, out)
		if _, err := mb.ReadSent(t.Context(), sent); !errors.Is(err, mailbox.ClassNotFound) {
			t.Errorf("before it is filed: %v", err)
		}
		time.Sleep(2 * time.Minute)
		full, err := mb.ReadSent(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		wire := w.In(bert, "inbox")[0].MessageID
		if full.ID != sent.ID || full.From.Address != anna || full.RFCMessageIDs[0] != "own@contoso.example" || !contains(full.RFCMessageIDs, wire) || !full.At.Equal(sent.At) {
			t.Errorf("sent %+v, read %+v, on the wire %q", sent, full, wire)
		}
		// Without the id, by what is known of the Message-ID.
		byID, err := mb.ReadSent(t.Context(), mailbox.Sent{RFCMessageIDs: full.RFCMessageIDs})
		if err != nil || byID.ID != sent.ID {
			t.Errorf("by Message-ID: %+v, %v", byID, err)
		}
		if _, err := mb.ReadSent(t.Context(), mailbox.Sent{}); !errors.Is(err, mailbox.ClassNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		if _, err := w.open(anna, mailbox.CanSend).ReadSent(t.Context(), sent); !errors.Is(err, mailbox.ClassConsent) {
			t.Errorf("without the capability: %v", err)
		}
	})
}

func TestPersonalAccountsRewriteTheMessageID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	for _, caps := range []mailbox.Capabilities{everything, mailbox.CanSend | mailbox.CanReadHeaders} {
		mb := w.open(carol, caps)
		out := note(bert, "Personal "+caps.String())
		out.Ref = "ref-" + strings.NewReplacer(",", "-", "_", "-").Replace(caps.String())
		var c mailbox.Checkpoint
		if _, err := mb.Send(t.Context(), out, checkpoints(&c)); err != nil {
			t.Fatal(err)
		}
		found, outcome, err := mb.ResolveSend(t.Context(), c)
		if err != nil || outcome != mailbox.OutcomeSent {
			t.Fatalf("%v: %v, %v", caps, outcome, err)
		}
		full, err := mb.ReadSent(t.Context(), found)
		if err != nil {
			t.Fatal(err)
		}
		if wire := w.received(bert).RFCMessageID; !contains(full.RFCMessageIDs, wire) || full.RFCMessageIDs[0] == wire {
			t.Errorf("%v: ids %q, on the wire %q", caps, full.RFCMessageIDs, wire)
		}
	}
}
