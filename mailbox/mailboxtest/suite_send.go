package mailboxtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

func send(t *testing.T, mb mailbox.Mailbox, out *mailbox.Outgoing) mailbox.Sent {
	t.Helper()
	return must[mailbox.Sent](t)(mb.Send(t.Context(), out, mailbox.SendOptions{}))
}

var sendRules = []rule{
	{"a text reaches the recipient", func(t *testing.T, h *Harness) {
		sent := send(t, h.open(t, h.Alice, sending), note(h.Bob, "A text"))
		if sent.At.IsZero() || len(sent.RFCMessageIDs) == 0 {
			t.Errorf("sent is %+v", sent)
		}
		m := h.await(t, h.Bob, mailbox.FolderInbox, "A text")
		if m.Body == nil || !strings.Contains(m.Body.Text+m.Body.HTML, "this is a note") {
			t.Errorf("body is %+v", m.Body)
		}
		if len(m.From) != 1 || !mailbox.SameAddress(m.From[0].Address, h.Alice) {
			t.Errorf("from is %+v", m.From)
		}
	}},
	{"a text reaches the recipient with every set that can send", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{mailbox.CanSend, mailbox.CanSend | mailbox.CanReadHeaders, sending, h.All} {
			send(t, h.open(t, h.Alice, caps), note(h.Bob, "With "+caps.String()))
			h.await(t, h.Bob, mailbox.FolderInbox, "With "+caps.String())
		}
	}},
	{"subject and names keep every script", func(t *testing.T, h *Harness) {
		out := note(h.Bob, "Grüße, 你好, Привет 🎉")
		out.To[0].Name = "Bøb, «the» \"Builder\""
		send(t, h.open(t, h.Alice, h.All), out)
		m := h.await(t, h.Bob, mailbox.FolderInbox, out.Subject)
		if len(m.To) != 1 || m.To[0].Name != out.To[0].Name {
			t.Errorf("to is %+v", m.To)
		}
	}},
	{"HTML and files arrive", func(t *testing.T, h *Harness) {
		out := note(h.Bob, "With files")
		out.HTML = "<p>Hello <b>Bob</b></p>"
		out.Attachments = []mailbox.File{
			{Name: "naïve plan.txt", ContentType: "text/plain", Data: []byte("plan")},
			{Name: "data.bin", Data: []byte{0, 1, 2, 255}},
		}
		send(t, h.open(t, h.Alice, sending), out)
		m := h.await(t, h.Bob, mailbox.FolderInbox, "With files")
		if !strings.Contains(m.Body.HTML, "<b>Bob</b>") {
			t.Errorf("HTML is %q", m.Body.HTML)
		}
		var names []string
		for _, a := range m.Attachments {
			names = append(names, a.Name)
		}
		if !slices.Contains(names, "naïve plan.txt") || !slices.Contains(names, "data.bin") {
			t.Errorf("attachments are %q", names)
		}
	}},
	{"a copy stands in the sent folder", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, sending)
		send(t, mb, note(h.Bob, "Copied"))
		if m := h.await(t, h.Alice, mailbox.FolderSent, "Copied"); !m.In(mailbox.FolderSent) || m.Draft {
			t.Errorf("folders %v, draft %v", m.Folders, m.Draft)
		}
	}},
	{"nothing is left in drafts", func(t *testing.T, h *Harness) {
		send(t, h.open(t, h.Alice, h.All), note(h.Bob, "No leftovers"))
		h.await(t, h.Alice, mailbox.FolderSent, "No leftovers")
		for m, err := range mailbox.All(t.Context(), h.open(t, h.Alice, reading), mailbox.Query{Folder: mailbox.FolderDrafts}) {
			t.Errorf("draft %+v, %v", m, err)
		}
	}},
	{"a blind copy is blind", func(t *testing.T, h *Harness) {
		out := note("eve@elsewhere.example", "Blind")
		out.Bcc = []mailbox.Address{{Address: h.Bob}}
		send(t, h.open(t, h.Alice, h.All), out)
		m := h.await(t, h.Bob, mailbox.FolderInbox, "Blind")
		if len(m.Bcc) != 0 || m.Header.Has("Bcc") {
			t.Errorf("the recipient sees Bcc %+v", m.Bcc)
		}
	}},
	{"a bad message is refused before any request", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, h.All)
		for name, out := range map[string]*mailbox.Outgoing{
			"no recipient":     {Subject: "x", Text: "x"},
			"no content":       {To: []mailbox.Address{{Address: h.Bob}}},
			"no address":       {To: []mailbox.Address{{Address: "nobody"}}, Text: "x"},
			"subject injected": {To: []mailbox.Address{{Address: h.Bob}}, Subject: "x\r\nBcc: eve@elsewhere.example", Text: "x"},
			"name injected":    {To: []mailbox.Address{{Name: "x\nX-Evil: 1", Address: h.Bob}}, Text: "x"},
			"header injected":  {To: []mailbox.Address{{Address: h.Bob}}, Text: "x", Header: mailbox.Header{{Name: "X-A", Value: "1\r\nBcc: eve@elsewhere.example"}}},
			"foreign header":   {To: []mailbox.Address{{Address: h.Bob}}, Text: "x", Header: mailbox.Header{{Name: "Received", Value: "1"}}},
			"file injected":    {To: []mailbox.Address{{Address: h.Bob}}, Text: "x", Attachments: []mailbox.File{{Name: "a\"\r\nX-Evil: 1"}}},
			"bad id":           {To: []mailbox.Address{{Address: h.Bob}}, Text: "x", RFCMessageID: "a@b>\r\nX-Evil: <1"},
		} {
			before := h.Requests()
			_, err := mb.Send(t.Context(), out, mailbox.SendOptions{})
			if err == nil {
				t.Errorf("%s: sent", name)
				continue
			}
			if e := wantClass(t, err, mailbox.ClassInvalid); e.Outcome != mailbox.OutcomeNotSent {
				t.Errorf("%s: outcome %v", name, e.Outcome)
			}
			if _, ok := errors.AsType[*mailbox.FieldError](err); !ok {
				t.Errorf("%s: no field is named: %v", name, err)
			}
			if got := h.Requests() - before; got != 0 {
				t.Errorf("%s: %d requests", name, got)
			}
		}
	}},
	{"a reply stands in its thread and cites the original", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{sending, h.All} {
			subject := "Question " + caps.String()
			send(t, h.open(t, h.Alice, caps), note(h.Bob, subject))
			question := h.await(t, h.Bob, mailbox.FolderInbox, subject)
			answer := note(h.Alice, "Re: "+subject)
			answer.Reply = &mailbox.Reply{
				ID: question.ID, ThreadID: question.ThreadID,
				RFCMessageID: question.RFCMessageID, References: question.References(),
			}
			sent := send(t, h.open(t, h.Bob, caps), answer)
			if sent.ThreadID != "" && sent.ThreadID != question.ThreadID {
				t.Errorf("%v: thread %q, want %q", caps, sent.ThreadID, question.ThreadID)
			}
			m := h.await(t, h.Alice, mailbox.FolderInbox, "Re: "+subject)
			if !slices.Contains(m.InReplyTo(), question.RFCMessageID) || !slices.Contains(m.References(), question.RFCMessageID) {
				t.Errorf("%v: in-reply-to %q, references %q, want %q", caps, m.InReplyTo(), m.References(), question.RFCMessageID)
			}
			own := h.await(t, h.Alice, mailbox.FolderSent, subject)
			if m.ThreadID != own.ThreadID {
				t.Errorf("%v: the answer stands in thread %q, the question in %q", caps, m.ThreadID, own.ThreadID)
			}
		}
	}},
	{"a reply goes out although the original is gone", func(t *testing.T, h *Harness) {
		send(t, h.open(t, h.Alice, h.All), note(h.Bob, "Vanishing"))
		question := h.await(t, h.Bob, mailbox.FolderInbox, "Vanishing")
		h.Delete(t, h.Bob, question.ID)
		answer := note(h.Alice, "Re: Vanishing")
		answer.Reply = &mailbox.Reply{ID: question.ID, ThreadID: question.ThreadID, RFCMessageID: question.RFCMessageID}
		send(t, h.open(t, h.Bob, h.All), answer)
		m := h.await(t, h.Alice, mailbox.FolderInbox, "Re: Vanishing")
		if !slices.Contains(m.References(), question.RFCMessageID) {
			t.Errorf("references %q, want %q", m.References(), question.RFCMessageID)
		}
	}},
	{"the sent copy can be read back with the ids that recipients see", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{sending, h.All} {
			subject := "Ids " + caps.String()
			mb := h.open(t, h.Alice, caps)
			var c mailbox.Checkpoint
			sent := must[mailbox.Sent](t)(mb.Send(t.Context(), note(h.Bob, subject), mailbox.SendOptions{
				Checkpoint: func(_ context.Context, got mailbox.Checkpoint) error { c = got; return nil },
			}))
			m := h.await(t, h.Bob, mailbox.FolderInbox, subject)
			reader, ok := mb.(mailbox.SentReader)
			if !ok {
				t.Skip("the mailbox does not read sent copies")
			}
			if sent.ID == "" {
				resolved, outcome, err := mb.(mailbox.SendResolver).ResolveSend(t.Context(), c)
				if err != nil || outcome != mailbox.OutcomeSent {
					t.Fatalf("%v: resolve: %v, %v", caps, outcome, err)
				}
				sent = resolved
			}
			full := must[mailbox.Sent](t)(reader.ReadSent(t.Context(), sent))
			if !slices.Contains(full.RFCMessageIDs, m.RFCMessageID) {
				t.Errorf("%v: ids %q lack %q, which the recipient sees", caps, full.RFCMessageIDs, m.RFCMessageID)
			}
			if !mailbox.SameAddress(full.From.Address, h.Alice) {
				t.Errorf("%v: from is %+v", caps, full.From)
			}
		}
	}},
	{"an unknown recipient comes back as a bounce", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, sending)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		send(t, mb, note(h.NoOne, "To nobody"))
		awaitChanges(t, mb, cursor, func(all []mailbox.Change) bool {
			return slices.ContainsFunc(all, func(c mailbox.Change) bool {
				return c.Message != nil && c.Message.In(mailbox.FolderInbox) && strings.Contains(c.Message.Header.Get("Content-Type"), "report")
			})
		})
	}},
	{"without the capability nothing is asked", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		before := h.Requests()
		_, err := mb.Send(t.Context(), note(h.Bob, "Not allowed"), mailbox.SendOptions{})
		if e := wantClass(t, err, mailbox.ClassConsent); e.Outcome != mailbox.OutcomeNotSent {
			t.Errorf("outcome is %v", e.Outcome)
		}
		if got := h.Requests() - before; got != 0 {
			t.Errorf("%d requests", got)
		}
	}},
}

var outcomeRules = []rule{
	{"the checkpoint comes once, before the message is out", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{mailbox.CanSend, sending, h.All} {
			subject := "Checkpoint " + caps.String()
			calls := 0
			out := note(h.Bob, subject)
			out.Ref = "ref-1"
			opts := mailbox.SendOptions{Checkpoint: func(ctx context.Context, c mailbox.Checkpoint) error {
				calls++
				for m, err := range mailbox.All(ctx, h.open(t, h.Bob, reading), mailbox.Query{}) {
					if err != nil || m.Subject == subject {
						t.Errorf("%v: already delivered (%v)", caps, err)
					}
				}
				if c.RFCMessageID == "" || c.Ref != "ref-1" || c.At.IsZero() {
					t.Errorf("%v: checkpoint is %+v", caps, c)
				}
				return nil
			}}
			must[mailbox.Sent](t)(h.open(t, h.Alice, caps).Send(t.Context(), out, opts))
			if calls != 1 {
				t.Errorf("%v: %d checkpoints", caps, calls)
			}
			h.await(t, h.Bob, mailbox.FolderInbox, subject)
		}
	}},
	{"a failing checkpoint stops the send", func(t *testing.T, h *Harness) {
		stop := errors.New("the ledger is down")
		for _, caps := range []mailbox.Capabilities{mailbox.CanSend, h.All} {
			opts := mailbox.SendOptions{Checkpoint: func(context.Context, mailbox.Checkpoint) error { return stop }}
			_, err := h.open(t, h.Alice, caps).Send(t.Context(), note(h.Bob, "Stopped"), opts)
			if !errors.Is(err, stop) || mailbox.OutcomeOf(err) != mailbox.OutcomeNotSent {
				t.Errorf("%v: %v, %v", caps, err, mailbox.OutcomeOf(err))
			}
		}
		if m := h.search(t, h.Bob, mailbox.FolderInbox, "Stopped"); m != nil {
			t.Error("it went out")
		}
	}},
	{"a lost answer is unknown, and looking finds the message", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{sending, h.All} {
			mb, c, err := h.brokenSend(t, caps, Lost)
			if got := mailbox.OutcomeOf(err); got != mailbox.OutcomeUnknown {
				t.Fatalf("%v: outcome is %v (%v)", caps, got, err)
			}
			sent, outcome := resolve(t, mb, c)
			if outcome != mailbox.OutcomeSent || sent.ID == "" {
				t.Errorf("%v: resolved to %v, %+v", caps, outcome, sent)
			}
			h.wantCopies(t, caps, 1)
		}
	}},
	{"a server fault is unknown, and looking never calls it sent", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{sending, h.All} {
			for _, how := range []Breakage{Refused500, HTMLError} {
				mb, c, err := h.brokenSend(t, caps, how)
				if got := mailbox.OutcomeOf(err); got != mailbox.OutcomeUnknown {
					t.Fatalf("%v: outcome is %v (%v)", caps, got, err)
				}
				if _, outcome := resolve(t, mb, c); outcome == mailbox.OutcomeSent {
					t.Errorf("%v: resolved to sent", caps)
				}
				h.wantCopies(t, caps, 0)
			}
		}
	}},
	{"a send that hangs ends with its context and is unknown", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, sending)
		h.BreakSend(t, Hangs)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := mb.Send(ctx, note(h.Bob, "Hanging"), mailbox.SendOptions{})
		if !errors.Is(err, context.DeadlineExceeded) || mailbox.OutcomeOf(err) != mailbox.OutcomeUnknown {
			t.Errorf("%v, outcome %v", err, mailbox.OutcomeOf(err))
		}
	}},
	{"a throttled send did not go out and says when to come back", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{mailbox.CanSend, sending} {
			h.BreakSend(t, Throttled)
			_, err := h.open(t, h.Alice, caps).Send(t.Context(), note(h.Bob, "Too fast"), mailbox.SendOptions{})
			e := wantClass(t, err, mailbox.ClassThrottled, mailbox.ClassSendLimit)
			if e.RetryAfter <= 0 || e.RetryAfter > mailbox.MaxRetryAfter {
				t.Errorf("%v: retry after %v", caps, e.RetryAfter)
			}
			if e.Outcome == mailbox.OutcomeSent {
				t.Errorf("%v: outcome %v", caps, e.Outcome)
			}
		}
		if m := h.search(t, h.Bob, mailbox.FolderInbox, "Too fast"); m != nil {
			t.Error("it went out")
		}
	}},
	{"who may only send cannot look", func(t *testing.T, h *Harness) {
		mb, c, err := h.brokenSend(t, mailbox.CanSend, Lost)
		if got := mailbox.OutcomeOf(err); got != mailbox.OutcomeUnknown {
			t.Fatalf("outcome is %v (%v)", got, err)
		}
		r, ok := mb.(mailbox.SendResolver)
		if !ok {
			return
		}
		_, outcome, err := r.ResolveSend(t.Context(), c)
		if outcome != mailbox.OutcomeUnknown {
			t.Errorf("outcome is %v", outcome)
		}
		wantClass(t, err, mailbox.ClassConsent)
	}},
	{"a cancelled send does nothing", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{mailbox.CanSend, h.All} {
			_, err := h.open(t, h.Alice, caps).Send(cancelled(t), note(h.Bob, "Cancelled"), mailbox.SendOptions{})
			if !errors.Is(err, context.Canceled) || mailbox.OutcomeOf(err) == mailbox.OutcomeSent {
				t.Errorf("%v: %v, outcome %v", caps, err, mailbox.OutcomeOf(err))
			}
		}
		if m := h.search(t, h.Bob, mailbox.FolderInbox, "Cancelled"); m != nil {
			t.Error("it went out")
		}
	}},
}

const brokenSubject = "Broken send"

// brokenSend sends from Alice to Bob while the sending call breaks.
func (h *Harness) brokenSend(t *testing.T, caps mailbox.Capabilities, how Breakage) (mailbox.Mailbox, mailbox.Checkpoint, error) {
	t.Helper()
	mb := h.open(t, h.Alice, caps)
	out := note(h.Bob, brokenSubject+" "+caps.String())
	out.Ref = "ref-broken"
	var c mailbox.Checkpoint
	h.BreakSend(t, how)
	_, err := mb.Send(t.Context(), out, mailbox.SendOptions{
		Checkpoint: func(_ context.Context, got mailbox.Checkpoint) error { c = got; return nil },
	})
	if err == nil {
		t.Fatalf("%v: the send did not break", caps)
	}
	return mb, c, err
}

// resolve asks until the outcome is known, for as long as a patient host would.
func resolve(t *testing.T, mb mailbox.Mailbox, c mailbox.Checkpoint) (mailbox.Sent, mailbox.Outcome) {
	t.Helper()
	r, ok := mb.(mailbox.SendResolver)
	if !ok {
		t.Skip("the mailbox cannot resolve sends")
	}
	for range 60 {
		sent, outcome, err := r.ResolveSend(t.Context(), c)
		if err != nil {
			t.Fatalf("ResolveSend: %v", err)
		}
		if outcome != mailbox.OutcomeUnknown {
			return sent, outcome
		}
		time.Sleep(10 * time.Second)
	}
	return mailbox.Sent{}, mailbox.OutcomeUnknown
}

// wantCopies counts how often the broken message arrived.
func (h *Harness) wantCopies(t *testing.T, caps mailbox.Capabilities, want int) {
	t.Helper()
	time.Sleep(10 * time.Minute)
	got := 0
	for m, err := range mailbox.All(t.Context(), h.open(t, h.Bob, reading), mailbox.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject == brokenSubject+" "+caps.String() {
			got++
		}
	}
	if got != want {
		t.Errorf("%v: %d copies arrived, want %d", caps, got, want)
	}
}
