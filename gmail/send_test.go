package gmail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

const (
	sendHeaders = mailbox.CanSend | mailbox.CanReadHeaders
	sendDraft   = mailbox.CanSend | mailbox.CanDraft
)

// with returns the messages of a user that have a label.
func (w *world) with(user, label string) []gmailtest.Message {
	return slices.DeleteFunc(w.Messages(user), func(m gmailtest.Message) bool { return !m.Has(label) })
}

// noted is a checkpoint callback that keeps what it is given.
func noted(c *mailbox.Checkpoint) mailbox.SendOptions {
	return mailbox.SendOptions{Checkpoint: func(_ context.Context, got mailbox.Checkpoint) error {
		*c = got
		return nil
	}}
}

func TestSend(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{MessageID: gmailtest.MessageIDKeep})
	var outside gmailtest.Envelope
	w.SetRelay(func(e gmailtest.Envelope) { outside = e })
	mb := w.open(ann, mailbox.CanSend)
	out := outgoing()
	out.Bcc = []mailbox.Address{{Address: "hidden@outside.example"}}
	sent := must[mailbox.Sent](t)(mb.Send(t.Context(), out, mailbox.SendOptions{}))

	copies := w.with(ann, "SENT")
	if len(copies) != 1 || string(sent.ID) != copies[0].ID || string(sent.ThreadID) != copies[0].ThreadID {
		t.Fatalf("sent %+v, copies %+v", sent, copies)
	}
	if len(sent.RFCMessageIDs) != 1 || !bytes.Contains(copies[0].Raw, []byte(sent.RFCMessageIDs[0].Brackets())) {
		t.Errorf("ids %v do not stand in the copy", sent.RFCMessageIDs)
	}
	if sent.At.IsZero() || len(sent.Warnings) > 0 {
		t.Errorf("sent %+v", sent)
	}
	if len(w.Messages(bob)) != 1 || !slices.Equal(outside.To, []string{"hidden@outside.example"}) {
		t.Errorf("bob has %d messages, outside got %v", len(w.Messages(bob)), outside.To)
	}
	if bytes.Contains(outside.Raw, []byte("Bcc")) {
		t.Error("Bcc was delivered")
	}
	if !bytes.Contains(copies[0].Raw, []byte("From: Ann <"+ann+">")) || !bytes.Contains(copies[0].Raw, []byte(mailbox.RefHeader+": ref-1")) {
		t.Errorf("From or Ref is missing in\n%s", copies[0].Raw)
	}
	if n := w.requests(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestSendRefusesBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	many := slices.Repeat([]mailbox.Address{{Address: bob}}, 101)
	tests := []struct {
		name, field string
		change      func(*mailbox.Outgoing)
	}{
		{"no recipient", "", func(o *mailbox.Outgoing) { o.To = nil }},
		{"line break in the subject", "subject", func(o *mailbox.Outgoing) { o.Subject = "a\r\nBcc: x@y.example" }},
		{"too many recipients", "recipients", func(o *mailbox.Outgoing) { o.To, o.Cc, o.Bcc = many[:50], many[:50], many[:1] }},
		{"too large", "message size", func(o *mailbox.Outgoing) {
			o.Attachments = []mailbox.File{{Name: "a", Data: make([]byte, 27_500_000)}}
		}},
	}
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, everything)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := outgoing()
			tt.change(out)
			called := false
			_, err := mb.Send(t.Context(), out, mailbox.SendOptions{Checkpoint: func(context.Context, mailbox.Checkpoint) error {
				called = true
				return nil
			}})
			wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNotSent)
			if tt.field != "" {
				wantField(t, err, tt.field)
			}
			if called {
				t.Error("a checkpoint was given")
			}
		})
	}
	if _, err := mb.Send(t.Context(), nil, mailbox.SendOptions{}); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("nil: error %v", err)
	}
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestMaxRecipients(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{MaxRecipients: 150}, gmail.Config{MaxRecipients: -1})
	mb := w.open(ann, mailbox.CanSend)
	out := outgoing()
	out.To = nil
	for i := range 150 {
		out.To = append(out.To, mailbox.Address{Address: fmt.Sprintf("r%d@outside.example", i)})
	}
	must[mailbox.Sent](t)(mb.Send(t.Context(), out, mailbox.SendOptions{}))
	out.To = append(out.To, mailbox.Address{Address: bob})
	_, err := mb.Send(t.Context(), out, mailbox.SendOptions{})
	wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNotSent) // by Gmail
}

func TestLargeMessagesAreUploaded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		size   int // of the attachment; base64 with line ends makes 1.37 times of it
		upload bool
	}{
		{"small", 10, false},
		{"below the limit of JSON", 2_500_000, false},
		{"above it", 2_600_000, true},
		{"nearly the largest", 26_500_000, true},
	}
	for _, drafts := range []bool{false, true} {
		for _, tt := range tests {
			name := tt.name
			want := mailbox.CanSend
			if drafts && tt.size > 10_000_000 {
				continue // as slow as it is large
			}
			if drafts {
				name, want = name+", as a draft", sendDraft
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := setup(t, gmailtest.Options{})
				mb := w.open(ann, want)
				out := outgoing()
				out.Attachments = []mailbox.File{{Name: "a.bin", Data: make([]byte, tt.size)}}
				opts := mailbox.SendOptions{}
				var c mailbox.Checkpoint
				if drafts {
					opts = noted(&c)
				}
				must[mailbox.Sent](t)(mb.Send(t.Context(), out, opts))
				copies := w.with(ann, "SENT")
				if len(copies) != 1 || len(w.Messages(bob)) != 1 || len(copies[0].Raw) < tt.size {
					t.Fatalf("%d copies, bob has %d", len(copies), len(w.Messages(bob)))
				}
				for _, x := range w.Log() {
					if strings.HasSuffix(x.URL, "/drafts/send?alt=json&prettyPrint=false") {
						continue
					}
					uploaded := strings.Contains(x.URL, "/upload/gmail/v1/")
					if uploaded != tt.upload || uploaded && !strings.Contains(x.URL, "uploadType=multipart") {
						t.Errorf("%s with %d bytes, want an upload: %v", x.URL, len(x.RequestBody), tt.upload)
					}
				}
			})
		}
	}
}

// TestSendsAreNotRepeated: no request that may send is made twice, and none
// carries what would make a transport repeat it.
func TestSendsAreNotRepeated(t *testing.T) {
	t.Parallel()
	html := "<!DOCTYPE html><title>502</title>"
	tests := []struct {
		name    string
		fault   gmailtest.Fault
		class   mailbox.Class
		outcome mailbox.Outcome
	}{
		{"answer lost, not sent", gmailtest.Fault{Lose: true}, mailbox.ClassUnavailable, mailbox.OutcomeUnknown},
		{"answer lost, sent", gmailtest.Fault{Lose: true, After: true}, mailbox.ClassUnavailable, mailbox.OutcomeUnknown},
		{"HTML 502", gmailtest.Fault{Status: 502, Body: html}, mailbox.ClassUnavailable, mailbox.OutcomeUnknown},
		{"503 with a wait", gmailtest.Fault{Status: 503, Header: http.Header{"Retry-After": {"1"}}}, mailbox.ClassUnavailable, mailbox.OutcomeUnknown},
		{"429", gmailtest.Fault{Status: 429}, mailbox.ClassThrottled, mailbox.OutcomeNotSent},
		{"sending limit", gmailtest.Fault{Status: 429, Body: `{"error":{"message":"User-rate limit exceeded.  Retry after 2999-01-01T00:00:00Z (Mail sending)"}}`}, mailbox.ClassSendLimit, mailbox.OutcomeNotSent},
		{"refused", gmailtest.Fault{Status: 400, Body: `{"error":{"message":"Invalid To header"}}`}, mailbox.ClassInvalid, mailbox.OutcomeNotSent},
		{"HTML 400", gmailtest.Fault{Status: 400, Body: html}, mailbox.ClassInvalid, mailbox.OutcomeNotSent},
		{"refused twice for its token", gmailtest.Fault{Status: 401, Times: 2}, mailbox.ClassReconnect, mailbox.OutcomeNotSent},
		{"empty answer", gmailtest.Fault{Status: 200, After: true}, mailbox.ClassUnavailable, mailbox.OutcomeUnknown},
		{"null", gmailtest.Fault{Status: 200, After: true, Body: "null"}, mailbox.ClassUnavailable, mailbox.OutcomeUnknown},
		{"half an answer", gmailtest.Fault{Status: 200, After: true, Body: `{"id":"1`}, mailbox.ClassUnavailable, mailbox.OutcomeUnknown},
		{"redirect", gmailtest.Fault{Status: 307, Header: http.Header{"Location": {"https://gmail.fake/x"}}}, mailbox.ClassUnknown, mailbox.OutcomeNotSent},
	}
	for _, way := range []struct {
		name string
		can  mailbox.Capabilities
		path string
		size int
	}{
		{"messages.send", mailbox.CanSend, apiPath + "/messages/send", 0},
		{"upload", mailbox.CanSend, "/upload" + apiPath + "/messages/send", 2_600_000},
		{"drafts.send", sendDraft, apiPath + "/drafts/send", 0},
	} {
		for _, tt := range tests {
			t.Run(way.name+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				w := setup(t, gmailtest.Options{})
				tt.fault.Path = way.path
				w.Inject(tt.fault)
				out := outgoing()
				out.Attachments = []mailbox.File{{Name: "a", Data: make([]byte, way.size)}}
				var c mailbox.Checkpoint
				_, err := w.open(ann, way.can).Send(t.Context(), out, noted(&c))
				wantError(t, err, tt.class, tt.outcome)
				sends := 0
				for _, x := range w.Log() {
					if strings.Contains(x.URL, way.path) {
						sends++
					}
					for name := range x.RequestHeader {
						if strings.Contains(strings.ToLower(name), "idempotency") {
							t.Errorf("request with %s", name)
						}
					}
				}
				if want := max(tt.fault.Times, 1); sends != want {
					t.Errorf("%d sends, want %d", sends, want)
				}
				arrived := len(w.Messages(bob))
				if want := map[bool]int{true: 1}[tt.fault.After]; arrived != want {
					t.Errorf("%d arrived, want %d", arrived, want)
				}
				if drafts := len(w.with(ann, "DRAFT")); tt.outcome == mailbox.OutcomeNotSent && drafts != 0 {
					t.Errorf("%d drafts are left", drafts)
				}
			})
		}
	}
}

func TestExpiredTokenIsReplaced(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 2_600_000} {
		for _, want := range []mailbox.Capabilities{mailbox.CanSend, sendDraft, everything} {
			w := setup(t, gmailtest.Options{})
			scopes, _ := w.provider.Scopes(want)
			s, source := w.session(ann, scopes...)
			mb := w.openWith(ann, w.provider.Granted(scopes), s)
			must[mailbox.Sent](t)(mb.Send(t.Context(), outgoing(), mailbox.SendOptions{}))
			w.OAuth.ExpireAccess()
			out := outgoing()
			out.Attachments = []mailbox.File{{Name: "a", Data: make([]byte, size)}}
			var c mailbox.Checkpoint
			must[mailbox.Sent](t)(mb.Send(t.Context(), out, noted(&c)))
			if n := len(w.Messages(bob)); n != 2 || source.given != 2 {
				t.Errorf("%v, %d bytes: bob has %d messages, %d tokens were given; want 2 and 2", want, size, n, source.given)
			}
		}
	}
}

func TestSendThatNeverStarted(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	scopes, _ := w.provider.Scopes(mailbox.CanSend)

	s, source := w.session(ann, scopes...)
	source.err = &mailbox.Error{Class: mailbox.ClassReconnect, Code: "invalid_grant"}
	_, err := w.openWith(ann, mailbox.CanSend, s).Send(t.Context(), outgoing(), mailbox.SendOptions{})
	wantError(t, err, mailbox.ClassReconnect, mailbox.OutcomeNotSent)

	s, _ = w.session(ann, scopes...)
	s.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("no route")}
	})
	_, err = w.openWith(ann, mailbox.CanSend, s).Send(t.Context(), outgoing(), mailbox.SendOptions{})
	wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNotSent)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.open(ann, everything).Send(ctx, outgoing(), mailbox.SendOptions{})
	wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNotSent)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v hides the context's error", err)
	}
	_, err = w.open(ann, mailbox.CanSend).Send(ctx, outgoing(), mailbox.SendOptions{})
	wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNotSent)
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		can             mailbox.Capabilities
		draft, position bool
		before          []string // requests before the checkpoint
		after           string
	}{
		{"send only", mailbox.CanSend, false, false, nil, "POST /messages/send"},
		{"headers", sendHeaders, false, true, []string{"GET /profile"}, "POST /messages/send"},
		{"drafts", sendDraft, true, true, []string{"POST /drafts"}, "POST /drafts/send"},
		{"everything", everything, true, true, []string{"GET /profile", "POST /drafts"}, "POST /drafts/send"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{})
			calls := func() []string {
				var all []string
				for _, x := range w.Log() {
					u := must[*http.Request](t)(http.NewRequest(x.Method, x.URL, nil)).URL
					all = append(all, x.Method+" "+strings.TrimPrefix(u.Path, apiPath))
				}
				return all
			}
			var got mailbox.Checkpoint
			n := 0
			sent := must[mailbox.Sent](t)(w.open(ann, tt.can).Send(t.Context(), outgoing(), mailbox.SendOptions{
				Checkpoint: func(_ context.Context, c mailbox.Checkpoint) error {
					n++
					got = c
					if diff := cmp.Diff(tt.before, calls()); diff != "" {
						t.Errorf("before the checkpoint (-want +got):\n%s", diff)
					}
					return nil
				},
			}))
			if n != 1 || got.Ref != "ref-1" || got.RFCMessageID != sent.RFCMessageIDs[0] || got.At.IsZero() ||
				(got.DraftID != "") != tt.draft || (got.Position != "") != tt.position {
				t.Errorf("%d checkpoints, the last %+v", n, got)
			}
			if diff := cmp.Diff(append(tt.before, tt.after), calls()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if len(w.Messages(bob)) != 1 || len(w.with(ann, "DRAFT")) != 0 {
				t.Errorf("bob has %d messages, ann %d drafts", len(w.Messages(bob)), len(w.with(ann, "DRAFT")))
			}
		})
	}
}

func TestCheckpointThatFails(t *testing.T) {
	t.Parallel()
	fault := errors.New("disk full")
	for _, want := range []mailbox.Capabilities{mailbox.CanSend, sendHeaders, everything} {
		for _, cause := range []error{fault, &mailbox.Error{Class: mailbox.ClassConflict, Err: fault}} {
			w := setup(t, gmailtest.Options{})
			_, err := w.open(ann, want).Send(t.Context(), outgoing(), mailbox.SendOptions{
				Checkpoint: func(context.Context, mailbox.Checkpoint) error { return cause },
			})
			class := mailbox.ClassStorage
			if _, ok := errors.AsType[*mailbox.Error](cause); ok {
				class = mailbox.ClassConflict
			}
			wantError(t, err, class, mailbox.OutcomeNotSent)
			if !errors.Is(err, fault) {
				t.Errorf("%v hides the cause", err)
			}
			if len(w.Messages(bob)) != 0 || len(w.Messages(ann)) != 0 {
				t.Errorf("%v: bob has %d messages, ann %d", want, len(w.Messages(bob)), len(w.Messages(ann)))
			}
		}
	}
}

// TestPreparationThatFails: nothing was sent, whatever the failure looks like.
func TestPreparationThatFails(t *testing.T) {
	t.Parallel()
	for _, path := range []string{apiPath + "/profile", apiPath + "/drafts"} {
		for name, fault := range map[string]gmailtest.Fault{
			"lost":  {Lose: true, After: true},
			"502":   {Status: 502},
			"null":  {Status: 200, Body: "null"},
			"empty": {Status: 200, Body: "{}"},
		} {
			w := setup(t, gmailtest.Options{})
			fault.Path = path
			w.Inject(fault)
			_, err := w.open(ann, everything).Send(t.Context(), outgoing(), mailbox.SendOptions{
				Checkpoint: func(context.Context, mailbox.Checkpoint) error { t.Error("checkpoint"); return nil },
			})
			e := wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNotSent)
			if len(w.Messages(bob)) != 0 {
				t.Errorf("%s %s: sent in spite of %v", path, name, e)
			}
		}
	}
}

func TestReplyStaysInItsThread(t *testing.T) {
	t.Parallel()
	for name, checkpoint := range map[string]bool{"messages.send": false, "drafts": true} {
		w := setup(t, gmailtest.Options{})
		id := w.deliver("Question")
		original := w.Messages(ann)[0]
		mb := w.open(ann, everything)
		opts := mailbox.SendOptions{}
		if checkpoint {
			opts = noted(new(mailbox.Checkpoint))
		}
		reply := func(subject, thread string) mailbox.Sent {
			t.Helper()
			out := outgoing()
			out.Subject = subject
			out.Reply = &mailbox.Reply{
				ID: id, ThreadID: mailbox.ThreadID(thread), RFCMessageID: "Question@outside.example",
			}
			return must[mailbox.Sent](t)(mb.Send(t.Context(), out, opts))
		}
		warned := func(s mailbox.Sent) bool {
			return slices.ContainsFunc(s.Warnings, func(w mailbox.Warning) bool { return w.Code == mailbox.WarnThread })
		}

		sent := reply("Re: Question", original.ThreadID)
		if string(sent.ThreadID) != original.ThreadID || warned(sent) {
			t.Errorf("%s: %+v, want thread %s and no warning", name, sent, original.ThreadID)
		}
		sent = reply("Something else", original.ThreadID)
		if string(sent.ThreadID) == original.ThreadID || !warned(sent) {
			t.Errorf("%s, other subject: %+v, want another thread and a warning", name, sent)
		}
		w.ClearLog()
		sent = reply("Re: Question", "18ffffffffffffff")
		if !warned(sent) || len(w.with(ann, "SENT")) != 3 {
			t.Errorf("%s, thread not there: %+v, %d sent", name, sent, len(w.with(ann, "SENT")))
		}
		refused := 0
		for _, x := range w.Log() {
			if x.Status == 404 {
				refused++
			}
		}
		if refused != 1 || len(w.with(ann, "DRAFT")) != 0 {
			t.Errorf("%s: %d refusals, %d drafts", name, refused, len(w.with(ann, "DRAFT")))
		}
	}
}

func TestSendIsAccounted(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{}, gmail.Config{Units: map[string]int{"gmail.users.drafts.create": 11}})
	s, _ := w.session(ann)
	var calls []mailbox.Call
	s.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		c, ok := mailbox.CallOf(r.Context())
		if !ok {
			t.Errorf("%s without a call", r.URL)
		}
		if c.Upload > 0 {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if int64(len(body)) < c.Upload {
				t.Errorf("%s: upload of %d bytes is announced as %d", c.Method, len(body), c.Upload)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			c.Upload = 1
		}
		calls = append(calls, c)
		return w.Transport().RoundTrip(r)
	})
	p := must[mailbox.Mailbox](t)(w.provider.Open(mailbox.Account{
		Ref: mailbox.Ref{Tenant: "t", Mailbox: "m"}, App: "app", Address: ann, Capabilities: everything,
	}, s))
	ctx := mailbox.WithLane(t.Context(), mailbox.LaneBackfill)
	must[mailbox.Sent](t)(p.Send(ctx, outgoing(), noted(new(mailbox.Checkpoint))))
	call := func(method string, units int, upload int64) mailbox.Call {
		return mailbox.Call{
			Ref: mailbox.Ref{Tenant: "t", Mailbox: "m"}, Provider: mailbox.Gmail, App: "app",
			Method: "gmail.users." + method, Units: units, Upload: upload, Lane: mailbox.LaneSend,
		}
	}
	want := []mailbox.Call{call("getProfile", 1, 0), call("drafts.create", 11, 1), call("drafts.send", 100, 0)}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
