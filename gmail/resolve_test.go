package gmail_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

// lose makes the answer to the request that sends get lost, before or after it
// took effect.
func (w *world) lose(after bool) {
	for _, path := range []string{apiPath + "/messages/send", apiPath + "/drafts/send"} {
		w.Inject(gmailtest.Fault{Method: http.MethodPost, Path: path, Lose: true, After: after})
	}
}

func TestResolveSend(t *testing.T) {
	t.Parallel()
	const unknown, notSent, sent = mailbox.OutcomeUnknown, mailbox.OutcomeNotSent, mailbox.OutcomeSent
	tests := []struct {
		name     string
		can      mailbox.Capabilities
		options  gmailtest.Options
		to       string
		happened bool // the message went out
		meddle   func(*world, mailbox.Checkpoint)
		early    mailbox.Outcome // at once
		late     mailbox.Outcome // after the settling time
		noID     bool            // the sent copy cannot be named
	}{
		{name: "headers, sent", can: sendHeaders, happened: true, early: sent, late: sent},
		{name: "headers, not sent", can: sendHeaders, early: unknown, late: notSent},
		{name: "everything, sent", can: everything, happened: true, early: sent, late: sent},
		{name: "everything, not sent", can: everything, early: unknown, late: notSent},
		{name: "drafts, sent", can: sendDraft, happened: true, early: sent, late: sent, noID: true},
		{name: "drafts, not sent", can: sendDraft, early: unknown, late: notSent},
		{
			name: "the draft lingers", can: everything, happened: true, early: sent, late: sent,
			options: gmailtest.Options{DraftLingers: time.Hour},
		},
		{
			name: "Message-ID kept, marks stripped", can: sendHeaders, happened: true, early: sent, late: sent,
			options: gmailtest.Options{MessageID: gmailtest.MessageIDKeep, StripXHeaders: true},
		},
		{
			name: "no mark left, but a thread of its own", can: everything, happened: true, early: sent, late: sent,
			options: gmailtest.Options{StripXHeaders: true},
		},
		{
			name: "no mark left but what it looks like", can: sendHeaders, happened: true, early: sent, late: sent,
			options: gmailtest.Options{StripXHeaders: true},
		},
		{
			name: "filed late", can: sendHeaders, happened: true, early: unknown, late: sent,
			options: gmailtest.Options{SentLag: gmailtest.Lag{Requests: 1}},
		},
		{
			name: "filed late, with a draft", can: everything, happened: true, early: unknown, late: sent,
			options: gmailtest.Options{SentLag: gmailtest.Lag{Requests: 1, Get: true}},
		},
		{
			name: "history forgotten, sent", can: sendHeaders, happened: true, early: sent, late: sent,
			meddle: func(w *world, _ mailbox.Checkpoint) { w.deliver("later"); w.ExpireHistory() },
		},
		{
			name: "history forgotten, not sent", can: sendHeaders, early: unknown, late: unknown,
			meddle: func(w *world, _ mailbox.Checkpoint) { w.deliver("later"); w.ExpireHistory() },
		},
		{
			name: "draft deleted by the user", can: everything, early: unknown, late: unknown,
			meddle: func(w *world, c mailbox.Checkpoint) {
				req, _ := http.NewRequest("DELETE", "gmail/v1/users/me/drafts/"+string(c.DraftID), nil)
				must[*http.Response](w.t)(w.open(ann, everything).Do(w.t.Context(), "gmail.users.drafts.delete", req))
			},
		},
		{
			name: "other mail was sent", can: everything, early: unknown, late: notSent,
			meddle: func(w *world, _ mailbox.Checkpoint) {
				other := outgoing()
				other.Ref = "ref-2"
				must[mailbox.Sent](w.t)(w.open(ann, everything).Send(w.t.Context(), other, mailbox.SendOptions{}))
			},
		},
		{
			name: "sent to oneself", can: sendHeaders, to: ann, happened: true, early: sent, late: sent,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, tt.options)
			for i := range 30 {
				w.deliver("noise " + string(rune('a'+i)))
			}
			w.lose(tt.happened)
			mb := w.open(ann, tt.can)
			var c mailbox.Checkpoint
			out := outgoing()
			if tt.to != "" {
				out.To[0].Address = tt.to
			}
			_, err := mb.Send(t.Context(), out, noted(&c))
			wantError(t, err, mailbox.ClassUnavailable, unknown)
			w.ClearFaults()
			if tt.meddle != nil {
				tt.meddle(w, c)
			}
			w.ClearLog()
			again := tt.late
			removes := tt.late == notSent && tt.can.Has(sendHeaders|mailbox.CanDraft)
			if removes { // and nobody can tell a second time why the draft is gone
				again = unknown
			}
			for i, want := range []mailbox.Outcome{tt.early, tt.late, again} {
				if i == 1 {
					c.At = settled()
				}
				got, outcome, err := mb.ResolveSend(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				if outcome != want {
					t.Errorf("look %d: outcome %v, want %v", i+1, outcome, want)
				}
				if want == sent && (len(got.RFCMessageIDs) == 0 || got.At.IsZero() || (got.ID == "") != tt.noID) {
					t.Errorf("look %d: %+v", i+1, got)
				}
				if want == sent && !tt.noID {
					copies := w.with(ann, "SENT")
					if got.ID != mailbox.MessageID(copies[0].ID) || got.From.Address != ann {
						t.Errorf("look %d: %+v, want %s", i+1, got, copies[0].ID)
					}
				}
				if want != sent && !cmp.Equal(got, mailbox.Sent{}) {
					t.Errorf("look %d: %v with %+v", i+1, outcome, got)
				}
			}
			removed := false
			for _, x := range w.Log() {
				switch {
				case x.Method == http.MethodDelete && strings.Contains(x.URL, "/drafts/"+string(c.DraftID)):
					removed = true
				case x.Method != http.MethodGet && x.URL != w.URL()+"/batch":
					t.Errorf("resolving made %s %s", x.Method, x.URL)
				}
			}
			if removed != removes {
				t.Errorf("the draft was removed: %v, want %v", removed, removes)
			}
		})
	}
}

// TestDraftThatCannotBeRemovedStaysUnknown: as long as it is there, it may go
// out, so nothing may be sent in its place.
func TestDraftThatCannotBeRemovedStaysUnknown(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.lose(false)
	mb := w.open(ann, everything)
	var c mailbox.Checkpoint
	_, err := mb.Send(t.Context(), outgoing(), noted(&c))
	wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeUnknown)
	w.ClearFaults()
	c.At = settled()
	w.Inject(gmailtest.Fault{Method: http.MethodDelete, Status: 500, Body: "{}"})
	_, outcome, err := mb.ResolveSend(t.Context(), c)
	wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeUnknown)
	if outcome != mailbox.OutcomeUnknown {
		t.Errorf("outcome %v", outcome)
	}
	_, outcome, err = mb.ResolveSend(t.Context(), c)
	if err != nil || outcome != mailbox.OutcomeNotSent {
		t.Errorf("outcome %v, %v", outcome, err)
	}
}

func TestResolveSendThatCannotLook(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.lose(true)
	var c mailbox.Checkpoint
	_, err := w.open(ann, mailbox.CanSend).Send(t.Context(), outgoing(), noted(&c))
	wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeUnknown)
	_, outcome, err := w.open(ann, mailbox.CanSend).ResolveSend(t.Context(), c)
	wantError(t, err, mailbox.ClassConsent, mailbox.OutcomeUnknown)
	if outcome != mailbox.OutcomeUnknown {
		t.Errorf("outcome %v", outcome)
	}

	// With more scopes, granted later, the same checkpoint can be resolved.
	got, outcome, err := w.open(ann, everything).ResolveSend(t.Context(), c)
	if err != nil || outcome != mailbox.OutcomeSent || got.ID == "" {
		t.Errorf("%+v, %v, %v; want it found", got, outcome, err)
	}

	for name, fault := range map[string]gmailtest.Fault{
		"history": {Path: apiPath + "/history", Status: 503},
		"batch":   {Path: "/batch", Status: 502, Body: "<html>"},
	} {
		w := setup(t, gmailtest.Options{})
		w.lose(true)
		mb := w.open(ann, sendHeaders)
		_, err := mb.Send(t.Context(), outgoing(), noted(&c))
		wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeUnknown)
		w.Inject(fault)
		_, outcome, err := mb.ResolveSend(t.Context(), c)
		wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeUnknown)
		if outcome != mailbox.OutcomeUnknown {
			t.Errorf("%s: outcome %v", name, outcome)
		}
	}

	for _, position := range []string{"x", `{"h":7}`, `{"h":"-1"}`} {
		_, outcome, err := w.open(ann, everything).ResolveSend(t.Context(), mailbox.Checkpoint{Position: position, At: settled()})
		wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeUnknown)
		wantField(t, err, "checkpoint.position")
		if outcome != mailbox.OutcomeUnknown {
			t.Errorf("%s: outcome %v", position, outcome)
		}
	}
}

// TestResolveAmongMany: the copy is found among others that were sent since, and
// a message that cannot be read leaves the outcome open.
func TestResolveAmongMany(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, everything)
	w.lose(true)
	var c mailbox.Checkpoint
	if _, err := w.open(ann, sendHeaders).Send(t.Context(), outgoing(), noted(&c)); err == nil {
		t.Fatal("no error")
	}
	for range 60 {
		other := outgoing()
		other.Ref, other.Subject = "", "By hand"
		must[mailbox.Sent](t)(mb.Send(t.Context(), other, mailbox.SendOptions{}))
	}
	got, outcome, err := mb.ResolveSend(t.Context(), c)
	if err != nil || outcome != mailbox.OutcomeSent || got.ID != mailbox.MessageID(w.with(ann, "SENT")[60].ID) {
		t.Errorf("%+v, %v, %v", got, outcome, err)
	}

	req := must[*http.Request](t)(http.NewRequest("DELETE", "gmail/v1/users/me/messages/"+string(got.ID), nil))
	s, _ := w.session(ann)
	must[*http.Response](t)(w.openWith(ann, everything, s).Do(t.Context(), "gmail.users.messages.delete", req))
	c.At = settled()
	_, outcome, err = mb.ResolveSend(t.Context(), c)
	if err != nil || outcome != mailbox.OutcomeUnknown {
		t.Errorf("deleted since: %v, %v; want unknown", outcome, err)
	}
}

// TestSettleTime runs on the clock: the outcome is open for as long as was
// configured.
func TestSettleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := setup(t, gmailtest.Options{}, gmail.Config{SettleTime: 5 * time.Minute})
		mb := w.open(ann, sendHeaders)
		w.lose(false)
		var c mailbox.Checkpoint
		if _, err := mb.Send(context.Background(), outgoing(), noted(&c)); err == nil {
			t.Fatal("no error")
		}
		time.Sleep(5*time.Minute - time.Second)
		if _, outcome, _ := mb.ResolveSend(context.Background(), c); outcome != mailbox.OutcomeUnknown {
			t.Errorf("before: %v", outcome)
		}
		time.Sleep(time.Second)
		if _, outcome, _ := mb.ResolveSend(context.Background(), c); outcome != mailbox.OutcomeNotSent {
			t.Errorf("after: %v", outcome)
		}
	})
}

func TestReadSent(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, sendHeaders)
	out := outgoing()
	out.From = mailbox.Address{Address: "stranger@elsewhere.example"}
	sent := must[mailbox.Sent](t)(mb.Send(t.Context(), out, mailbox.SendOptions{}))
	full := must[mailbox.Sent](t)(mb.ReadSent(t.Context(), sent))
	if len(full.RFCMessageIDs) != 2 || full.RFCMessageIDs[0] != sent.RFCMessageIDs[0] || full.From.Address != ann {
		t.Errorf("%+v, want the id we wrote, then Gmail's, and the sender that Gmail put in", full)
	}
	if len(sent.RFCMessageIDs) != 1 || full.At != sent.At {
		t.Errorf("the argument was changed: %+v", sent)
	}
	again := must[mailbox.Sent](t)(mb.ReadSent(t.Context(), full))
	if diff := cmp.Diff(full, again); diff != "" {
		t.Errorf("a second look differs (-first +second):\n%s", diff)
	}
	w.Inject(gmailtest.Fault{Path: apiPath + "/messages/*", Status: 200, Body: `{"id":"` + string(sent.ID) +
		`","payload":{"headers":[{"name":"Message-ID","value":"<new@mx.google.com>"},{"name":"X-Google-Original-Message-ID","value":"<bad.@x>"}]}}`})
	full = must[mailbox.Sent](t)(mb.ReadSent(t.Context(), mailbox.Sent{ID: sent.ID}))
	if diff := cmp.Diff([]mailbox.RFCMessageID{"new@mx.google.com", "bad.@x"}, full.RFCMessageIDs); diff != "" {
		t.Errorf("original id (-want +got):\n%s", diff)
	}

	_, err := mb.ReadSent(t.Context(), mailbox.Sent{ID: "18ffffffffffffff"})
	wantError(t, err, mailbox.ClassNotFound, mailbox.OutcomeNone)
	_, err = mb.ReadSent(t.Context(), mailbox.Sent{})
	wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNone)
	wantField(t, err, "sent.id")
}
