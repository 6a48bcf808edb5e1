package outlook_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// traffic is the calls so far as "METHOD path", ids replaced.
func (w *world) traffic() []string {
	var all []string
	for _, x := range w.Log() {
		path, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(x.URL, w.URL()), "/v1.0"), "?")
		parts := strings.Split(path, "/")
		for i, p := range parts {
			if len(p) > 30 || i > 0 && parts[i-1] == "upload" {
				parts[i] = "*"
			}
		}
		all = append(all, x.Method+" "+strings.Join(parts, "/"))
	}
	return all
}

// received reads the newest message of an inbox.
func (w *world) received(address string) *mailbox.Message {
	w.t.Helper()
	all := w.In(address, "inbox")
	if len(all) == 0 {
		w.t.Fatalf("nothing arrived at %s", address)
	}
	m, err := compose.Read(bytes.NewReader(all[len(all)-1].Raw), compose.ReadOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func mustSend(t *testing.T, mb *outlook.Mailbox, out *mailbox.Outgoing) mailbox.Sent {
	t.Helper()
	s, err := mb.Send(t.Context(), out, mailbox.SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewMailIsADraftOfMIME(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{SendRetryAfter: "60"}) // 202 with Retry-After is success
	out := note(bert, "All fields")
	out.Bcc = []mailbox.Address{{Address: carol}}
	out.Ref, out.RFCMessageID = "ref-1", "own.id@contoso.example"
	out.Unsubscribe = &mailbox.Unsubscribe{URL: "https://contoso.example/u"}
	out.Header = mailbox.Header{{Name: "X-Campaign", Value: "7"}}
	out.Reply = &mailbox.Reply{RFCMessageID: "parent@elsewhere.example", References: []mailbox.RFCMessageID{"root@elsewhere.example"}}
	var c mailbox.Checkpoint
	sent, err := w.open(anna, everything).Send(t.Context(), out, checkpoints(&c))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"POST /me/messages", "POST /me/messages/*/send"}
	if diff := cmp.Diff(want, w.traffic()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if sent.ID == "" || sent.ID != c.DraftID || sent.ThreadID == "" || !contains(sent.RFCMessageIDs, "own.id@contoso.example") {
		t.Errorf("sent %+v, checkpoint %+v", sent, c)
	}
	if c.Ref != "ref-1" || c.RFCMessageID != "own.id@contoso.example" || c.At.IsZero() {
		t.Errorf("checkpoint %+v", c)
	}
	m := w.received(bert)
	for name, value := range map[string]string{
		mailbox.RefHeader: "ref-1", "X-Campaign": "7", "In-Reply-To": "<parent@elsewhere.example>",
		"References": "<root@elsewhere.example> <parent@elsewhere.example>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
	} {
		if got := m.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if m.Header.Has("Bcc") {
		t.Error("the recipient sees Bcc")
	}
	if w.received(carol).Subject != "All fields" {
		t.Error("the blind copy did not arrive")
	}
}

func TestSendWithoutDraftsIsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{SendRetryAfter: "60"})
	out := note(bert, "One request")
	out.Ref = "ref-2"
	sent := mustSend(t, w.open(anna, mailbox.CanSend), out)
	if diff := cmp.Diff([]string{"POST /me/sendMail"}, w.traffic()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if sent.ID != "" || len(sent.RFCMessageIDs) != 1 {
		t.Errorf("sent %+v", sent)
	}
	if got := w.received(bert); got.Header.Get(mailbox.RefHeader) != "ref-2" || got.RFCMessageID != sent.RFCMessageIDs[0] {
		t.Errorf("received %+v", got)
	}
	if len(w.In(anna, "sentitems")) != 1 {
		t.Error("no copy was kept")
	}
}

func TestReplyStandsInTheConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	id := w.deliver(anna, "Question", "References: <root@elsewhere.example>\r\n")
	mb := w.open(anna, everything)
	page, err := mb.List(t.Context(), mailbox.Query{Parts: mailbox.PartBody})
	if err != nil {
		t.Fatal(err)
	}
	out := compose.ReplyTo(page.Messages[0], mailbox.Identity{Address: anna}, compose.ReplyOptions{Quote: true})
	if out.Reply.ID != id {
		t.Fatalf("reply to %q, want %q", out.Reply.ID, id)
	}
	out.To, out.Bcc = nil, []mailbox.Address{{Address: bert}}
	out.Text, out.Ref, out.RFCMessageID = "My answer.", "ref-3", "answer@contoso.example"
	out.Header = mailbox.Header{{Name: "X-A", Value: "1"}}
	out.Attachments = []mailbox.File{{Name: "plan.txt", ContentType: "text/plain", Data: []byte("plan")}, {Data: nil}}
	w.ClearLog()
	sent := mustSend(t, mb, out)
	want := []string{
		"POST /me/messages/*/createReply", "PATCH /me/messages/*", "POST /me/messages/*/attachments",
		"POST /me/messages/*/attachments", "POST /me/messages/*/send",
	}
	if diff := cmp.Diff(want, w.traffic()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if sent.ThreadID != page.Messages[0].ThreadID || !slices.Equal(sent.RFCMessageIDs, []mailbox.RFCMessageID{"answer@contoso.example"}) {
		t.Errorf("sent %+v", sent)
	}
	m := w.received(bert)
	if got := m.References(); !slices.Equal(got, []mailbox.RFCMessageID{"root@elsewhere.example", "Question@elsewhere.example"}) {
		t.Errorf("references %q", got)
	}
	if m.RFCMessageID != "answer@contoso.example" || m.Header.Get(mailbox.RefHeader) != "ref-3" || m.Header.Get("X-A") != "1" || len(m.To) != 0 {
		t.Errorf("received %+v", m)
	}
	if text := m.Body.Text; !strings.HasPrefix(text, "My answer.") || strings.Count(text, "Hello from outside.") != 1 {
		t.Errorf("text is %q", text)
	}
	if len(m.Attachments) != 2 || m.Attachments[0].Name != "plan.txt" || m.Attachments[0].Size != 4 {
		t.Errorf("attachments %+v", m.Attachments)
	}
}

func TestReplyWithoutItsOriginalIsMIME(t *testing.T) {
	t.Parallel()
	many := mailbox.Header{}
	for _, n := range []string{"X-1", "X-2", "X-3", "X-4", "X-5"} {
		many = append(many, mailbox.Field{Name: n, Value: "v"})
	}
	tests := []struct {
		name   string
		change func(w *world, out *mailbox.Outgoing)
		first  string
		warns  bool
	}{
		{"gone", func(w *world, out *mailbox.Outgoing) { w.Delete(anna, string(out.Reply.ID)) }, "POST /me/messages/*/createReply", true},
		{"an id of another mailbox", func(w *world, out *mailbox.Outgoing) {
			out.Reply.ID = w.deliver(bert, "Not hers")
		}, "POST /me/messages/*/createReply", true},
		{"no id", func(_ *world, out *mailbox.Outgoing) { out.Reply.ID = "" }, "POST /me/messages", false},
		{"an id that is a path", func(_ *world, out *mailbox.Outgoing) { out.Reply.ID = ".." }, "POST /me/messages", false},
		{"a field that JSON cannot carry", func(_ *world, out *mailbox.Outgoing) {
			out.Unsubscribe = &mailbox.Unsubscribe{Mailto: "u@contoso.example"}
		}, "POST /me/messages", false},
		{"more fields than JSON can carry", func(_ *world, out *mailbox.Outgoing) { out.Header = many }, "POST /me/messages", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			out := note("eve@elsewhere.example", "Re: Vanished")
			out.Ref = "ref-4"
			out.Reply = &mailbox.Reply{ID: w.deliver(anna, "Vanished"), RFCMessageID: "Vanished@elsewhere.example"}
			tt.change(w, out)
			sent := mustSend(t, w.open(anna, everything), out)
			if got := w.traffic(); got[0] != tt.first || w.calls("POST", "/me/messages") != 1 {
				t.Errorf("requests %q", got)
			}
			if (len(sent.Warnings) > 0) != tt.warns {
				t.Errorf("warnings %v", sent.Warnings)
			}
			all := w.Submissions()
			if got := string(all[len(all)-1].Raw); !strings.Contains(got, "In-Reply-To: <Vanished@elsewhere.example>") {
				t.Errorf("sent %q", got)
			}
		})
	}
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestLargeFilesAreUploaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	large, medium := randomBytes(t, 10_000_000), randomBytes(t, 2_000_000)
	out := note(bert, "Large")
	out.HTML = `<p>See <img src="cid:logo"></p>`
	out.Ref = "ref-5"
	out.Reply = &mailbox.Reply{RFCMessageID: "p@elsewhere.example", References: []mailbox.RFCMessageID{"r@elsewhere.example"}}
	out.Attachments = []mailbox.File{
		{Name: "large.bin", Data: large},
		{Name: "medium.bin", Data: medium},
		{Name: "logo.png", ContentType: "image/png", ContentID: "logo", Inline: true, Data: []byte("png")},
	}
	sent := mustSend(t, w.open(anna, everything), out)
	want := []string{
		"POST /me/messages", "POST /me/messages/*/attachments/createUploadSession",
		"PUT /upload/*", "PUT /upload/*", "PUT /upload/*",
		"POST /me/messages/*/attachments", "POST /me/messages/*/attachments", "POST /me/messages/*/send",
	}
	if diff := cmp.Diff(want, w.traffic()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	ranges := []string{}
	for _, x := range w.Log() {
		if x.Method != "PUT" {
			continue
		}
		ranges = append(ranges, x.RequestHeader.Get("Content-Range"))
		if x.RequestHeader.Get("Authorization") != "" || x.RequestHeader.Get("Prefer") != "" {
			t.Errorf("the upload carries %v", x.RequestHeader)
		}
		if n := len(x.RequestBody); n > 4_000_000 || n%(320<<10) != 0 && n != 10_000_000%3_932_160 {
			t.Errorf("a part has %d bytes", n)
		}
	}
	if diff := cmp.Diff([]string{"bytes 0-3932159/10000000", "bytes 3932160-7864319/10000000", "bytes 7864320-9999999/10000000"}, ranges); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	if len(sent.Warnings) != 1 || sent.Warnings[0].Part != "References" {
		t.Errorf("warnings %v", sent.Warnings)
	}
	m := w.received(bert)
	if m.Header.Get(mailbox.RefHeader) != "ref-5" || !contains(m.References(), "p@elsewhere.example") || !contains(sent.RFCMessageIDs, m.RFCMessageID) {
		t.Errorf("header %+v, sent %+v", m.Header, sent)
	}
	got := map[string]int64{}
	for _, a := range m.Attachments {
		got[a.Name+" "+a.ContentID] = a.Size
	}
	if diff := cmp.Diff(map[string]int64{"large.bin ": 10_000_000, "medium.bin ": 2_000_000, "logo.png logo": 3}, got); diff != "" {
		t.Errorf("attachments (-want +got):\n%s", diff)
	}
	if !strings.Contains(m.Body.HTML, "cid:logo") {
		t.Errorf("HTML is %q", m.Body.HTML)
	}
}

func TestLargeReplyStandsInTheConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	out := note(bert, "Re: Big question")
	out.Reply = &mailbox.Reply{ID: w.deliver(anna, "Big question"), RFCMessageID: "Big.question@elsewhere.example"}
	out.Attachments = []mailbox.File{{Name: "large.bin", Data: randomBytes(t, 4_000_000)}}
	sent := mustSend(t, w.open(anna, everything), out)
	if len(sent.Warnings) != 0 || w.calls("POST", "/createReply") != 1 || w.calls("PUT", "") != 2 {
		t.Errorf("sent %+v by %q", sent, w.traffic())
	}
	if m := w.received(bert); !contains(m.References(), "Big.question@elsewhere.example") || m.Attachments[0].Size != 4_000_000 {
		t.Errorf("received %+v", m)
	}
}

func TestTooLargeIsRefusedBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	file := func(n int) []mailbox.File { return []mailbox.File{{Name: "f", Data: make([]byte, n)}} }
	tests := []struct {
		name   string
		caps   mailbox.Capabilities
		change func(*mailbox.Outgoing)
		field  string
	}{
		{"without drafts", mailbox.CanSend, func(o *mailbox.Outgoing) { o.Attachments = file(3_000_000) }, "message size"},
		{"above the limit of Exchange", everything, func(o *mailbox.Outgoing) { o.Attachments = file(27_000_000) }, "message size"},
		{"List-Unsubscribe", everything, func(o *mailbox.Outgoing) {
			o.Attachments, o.Unsubscribe = file(5_000_000), &mailbox.Unsubscribe{URL: "https://contoso.example/u"}
		}, "unsubscribe"},
		{"six fields", everything, func(o *mailbox.Outgoing) {
			o.Attachments, o.Ref = file(5_000_000), "r"
			for _, n := range []string{"X-1", "X-2", "X-3", "X-4", "X-5"} {
				o.Header = append(o.Header, mailbox.Field{Name: n, Value: "v"})
			}
		}, "header"},
		{"nothing", everything, nil, "message"},
		{"a large text", everything, func(o *mailbox.Outgoing) { o.Text = strings.Repeat("x y ", 1_000_000) }, "body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := note(bert, "Too large")
			if tt.change == nil {
				out = nil
			} else {
				tt.change(out)
			}
			_, err := w.open(anna, tt.caps).Send(t.Context(), out, mailbox.SendOptions{})
			wantOutcome(t, err, mailbox.ClassInvalid, mailbox.OutcomeNotSent)
			if f, ok := errors.AsType[*mailbox.FieldError](err); !ok || f.Field != tt.field {
				t.Errorf("field error %+v, want %q", f, tt.field)
			}
		})
	}
	if got := w.traffic(); len(got) != 0 {
		t.Errorf("requests %q", got)
	}
}

// Everything before the sending request is NotSent, whatever broke, and leaves
// no draft.
func TestFailedPreparationLeavesNothing(t *testing.T) {
	t.Parallel()
	lost := outlooktest.Fault{After: true, Lose: true}
	broken := outlooktest.Fault{Status: 503, Body: "<html>busy</html>"}
	garbled := outlooktest.Fault{After: true, Status: 201, Body: `{"id":`}
	tests := []struct {
		name  string
		fault outlooktest.Fault
		path  string
		kind  string // new, reply, large
	}{
		{"creation refused", broken, "*/me/messages", "new"},
		{"creation lost", lost, "*/me/messages", "new"},
		{"creation garbled", garbled, "*/me/messages", "new"},
		{"large creation lost", lost, "*/me/messages", "large"},
		{"reply refused", broken, "*/createReply", "reply"},
		{"reply lost", lost, "*/createReply", "reply"},
		{"update refused", outlooktest.Fault{Method: "PATCH", Status: 400}, "", "reply"},
		{"update lost", outlooktest.Fault{Method: "PATCH", After: true, Lose: true}, "", "reply"},
		{"attachment refused", broken, "*/attachments", "reply"},
		{"session refused", broken, "*/createUploadSession", "large"},
		{"upload refused", outlooktest.Fault{Method: "PUT", Skip: 1, Status: 404}, "", "large"},
		{"upload lost", outlooktest.Fault{Method: "PUT", Skip: 1, After: true, Lose: true}, "", "large"},
		{"upload out of step", outlooktest.Fault{Method: "PUT", After: true, Status: 200, Body: `{"nextExpectedRanges":["5-"]}`}, "", "large"},
		{"upload never finished", outlooktest.Fault{Method: "PUT", Skip: 1, After: true, Status: 200, Body: `{"nextExpectedRanges":["5-"]}`}, "", "large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			out := note(bert, "Prepared")
			switch tt.kind {
			case "reply":
				out.Reply = &mailbox.Reply{ID: w.deliver(anna, "Original"), RFCMessageID: "Original@elsewhere.example"}
				out.Attachments = []mailbox.File{{Name: "f", Data: []byte("x")}}
			case "large":
				out.Attachments = []mailbox.File{{Name: "f", Data: make([]byte, 5_000_000)}}
			}
			f := tt.fault
			f.Path = tt.path
			w.Inject(f)
			_, err := w.open(anna, everything).Send(t.Context(), out, mailbox.SendOptions{
				Checkpoint: func(context.Context, mailbox.Checkpoint) error { t.Error("checkpoint"); return nil },
			})
			if got := asError(t, err).Outcome; got != mailbox.OutcomeNotSent {
				t.Errorf("outcome %v (%v)", got, err)
			}
			if left := w.In(anna, "drafts"); len(left) != 0 {
				t.Errorf("%d drafts are left", len(left))
			}
			if len(w.Submissions()) != 0 {
				t.Error("it went out")
			}
		})
	}
}

func TestFailedCheckpointLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	stop := errors.New("ledger down")
	_, err := w.open(anna, everything).Send(t.Context(), note(bert, "Stopped"), mailbox.SendOptions{
		Checkpoint: func(ctx context.Context, _ mailbox.Checkpoint) error {
			if c, _ := mailbox.CallOf(mailbox.WithCall(ctx, mailbox.Call{})); c.Lane != mailbox.LaneLive {
				t.Errorf("the host's context got lane %v", c.Lane)
			}
			return stop
		},
	})
	e := wantOutcome(t, err, mailbox.ClassStorage, mailbox.OutcomeNotSent)
	if !errors.Is(e, stop) {
		t.Errorf("%v is not behind %v", stop, e)
	}
	if len(w.In(anna, "drafts")) != 0 || len(w.Submissions()) != 0 {
		t.Error("something is left")
	}
}

// What the answer to the sending request says about the message.
func TestOutcomeOfTheSendingRequest(t *testing.T) {
	t.Parallel()
	body := func(code string) string {
		b, _ := json.Marshal(map[string]any{"error": map[string]any{"code": code, "message": "for anna@contoso.example"}})
		return string(b)
	}
	refused := func(status int, code string) outlooktest.Fault {
		return outlooktest.Fault{Status: status, Body: body(code)}
	}
	const (
		no      = mailbox.OutcomeNotSent
		unknown = mailbox.OutcomeUnknown
	)
	tests := []struct {
		name           string
		fault          outlooktest.Fault
		class          mailbox.Class
		draft, without mailbox.Outcome // with and without a draft
	}{
		{"lost before the effect", outlooktest.Fault{Lose: true}, mailbox.ClassUnavailable, unknown, unknown},
		{"lost after the effect", outlooktest.Fault{Lose: true, After: true}, mailbox.ClassUnavailable, unknown, unknown},
		{"504 after the effect", outlooktest.Fault{Status: 504, After: true, Body: body("UnknownError")}, mailbox.ClassUnavailable, unknown, unknown},
		{"503", refused(503, "ErrorServerBusy"), mailbox.ClassUnavailable, unknown, unknown},
		{"502 HTML", outlooktest.Fault{Status: 502, Body: "<html>"}, mailbox.ClassUnavailable, unknown, unknown},
		{"500 empty", outlooktest.Fault{Status: 500}, mailbox.ClassUnavailable, unknown, unknown},
		{"408", outlooktest.Fault{Status: 408}, mailbox.ClassUnavailable, unknown, unknown},
		{"UnknownError below 500", refused(400, "UnknownError"), mailbox.ClassUnavailable, unknown, unknown},
		{"429", refused(429, "ApplicationThrottled"), mailbox.ClassThrottled, unknown, no},
		{"429 empty", outlooktest.Fault{Status: 429}, mailbox.ClassThrottled, unknown, no},
		{"send limit as 429", refused(429, "ErrorExceededMessageLimit"), mailbox.ClassSendLimit, no, no},
		{"send limit as 400", refused(400, "ErrorSubmissionQuotaExceeded"), mailbox.ClassSendLimit, no, no},
		{"blocked", refused(403, "ErrorMessageSubmissionBlocked"), mailbox.ClassSendBlocked, no, no},
		{"no right to the sender", refused(403, "ErrorSendAsDenied"), mailbox.ClassSender, no, no},
		{"recipients", refused(400, "ErrorInvalidRecipients"), mailbox.ClassInvalid, no, no},
		{"scope", refused(403, "ErrorAccessDenied"), mailbox.ClassConsent, no, no},
		{"full", refused(413, "ErrorQuotaExceeded"), mailbox.ClassMailboxFull, no, no},
		{"the draft is gone", refused(404, "ErrorItemNotFound"), mailbox.ClassNotFound, unknown, no},
		{"no mailbox in passing", refused(404, "ErrorNonExistentMailBox"), mailbox.ClassUnavailable, no, no},
		{"a redirect", outlooktest.Fault{Status: 307, Header: http.Header{"Location": {"https://elsewhere.example/"}}}, mailbox.ClassUnknown, no, no},
	}
	for _, tt := range tests {
		for _, caps := range []mailbox.Capabilities{everything, mailbox.CanSend} {
			t.Run(tt.name+" "+caps.String(), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, outlooktest.Options{})
				w.Inject(sending(tt.fault))
				_, err := w.open(anna, caps).Send(t.Context(), note(bert, "Outcome"), mailbox.SendOptions{})
				want := tt.draft
				if caps == mailbox.CanSend {
					want = tt.without
				}
				e := wantOutcome(t, err, tt.class, want)
				if strings.Contains(e.Error(), "@") {
					t.Errorf("the text holds an address: %v", e)
				}
				if w.calls("POST", "/send")+w.calls("POST", "/sendMail") != 1 {
					t.Errorf("sent more than once: %q", w.traffic())
				}
				// A draft that certainly did not go out is deleted, any other stays.
				left := len(w.In(anna, "drafts"))
				if want == no && left != 0 || want == unknown && caps == everything && !tt.fault.After && left != 1 {
					t.Errorf("%d drafts are left", left)
				}
			})
		}
	}
}

func TestThrottledSendMailCanBeDoubted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{}, func(c *outlook.Config) { c.DoubtThrottled = true })
	w.Inject(sending(outlooktest.Fault{Status: 429, Header: http.Header{"Retry-After": {"17"}}}))
	_, err := w.open(anna, mailbox.CanSend).Send(t.Context(), note(bert, "Doubt"), mailbox.SendOptions{})
	if e := wantOutcome(t, err, mailbox.ClassThrottled, mailbox.OutcomeUnknown); e.RetryAfter.Seconds() != 17 || e.Scope != mailbox.ScopeMailbox {
		t.Errorf("retry after %v, scope %q", e.RetryAfter, e.Scope)
	}
}

func TestUnreachableServiceIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, mailbox.CanSend)
	s := w.session(anna, a.Scopes)
	s.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("no route")}
	})
	_, err := w.openWith(a, s).Send(t.Context(), note(bert, "Nowhere"), mailbox.SendOptions{})
	wantOutcome(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNotSent)
}

// An upload link that leads elsewhere gets neither the file nor a token.
func TestForeignUploadLinkIsRefused(t *testing.T) {
	t.Parallel()
	for _, link := range []string{
		"https://elsewhere.example/upload", "http://graph.fake/upload", "https://graph.fake.elsewhere.example/x",
		"https://graph.fake@elsewhere.example/x", "//elsewhere.example/", "file:///etc/passwd", "x", "", "\u0000",
	} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			a := w.account(anna, everything)
			s := w.session(anna, a.Scopes)
			s.Transport = rewrite(guard(t, w), func(r *http.Request, body string) string {
				if strings.HasSuffix(r.URL.Path, "/createUploadSession") {
					b, _ := json.Marshal(map[string]any{"uploadUrl": link, "nextExpectedRanges": nil})
					return string(b)
				}
				return body
			})
			out := note(bert, "Upload")
			out.Attachments = []mailbox.File{{Name: "f", Data: make([]byte, 4_000_000)}}
			_, err := w.openWith(a, s).Send(t.Context(), out, mailbox.SendOptions{})
			if e := asError(t, err); e.Outcome != mailbox.OutcomeNotSent {
				t.Errorf("outcome %v", e.Outcome)
			}
			if w.calls("PUT", "") != 0 || len(w.In(anna, "drafts")) != 0 || len(w.Submissions()) != 0 {
				t.Errorf("requests %q", w.traffic())
			}
		})
	}
}

// guard fails the test when a request leaves for another host.
func guard(t *testing.T, w *world) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme+"://"+r.URL.Host != w.URL() {
			t.Errorf("%s %s, Authorization %q", r.Method, r.URL.Host, r.Header.Get("Authorization"))
		}
		return w.Transport().RoundTrip(r)
	})
}

func TestUploadLinkOnAConfiguredHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, everything)
	s := w.session(anna, a.Scopes)
	base := rewrite(w.Transport(), func(r *http.Request, body string) string {
		return strings.ReplaceAll(body, w.URL()+"/upload", "https://outlook.office.com/upload")
	})
	uploads := 0
	s.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "outlook.office.com" {
			if uploads++; r.Header.Get("Authorization") != "" {
				t.Error("the token went along")
			}
			r = r.Clone(r.Context())
			r.URL.Host = strings.TrimPrefix(w.URL(), "https://")
		}
		return base.RoundTrip(r)
	})
	out := note(bert, "Upload")
	out.Attachments = []mailbox.File{{Name: "f", Data: make([]byte, 4_000_000)}}
	mustSend(t, w.openWith(a, s), out)
	if uploads != 2 {
		t.Errorf("%d parts went to the upload host", uploads)
	}
}

func TestCallsCarryTheirCost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, everything)
	a.App = "app-2"
	s := w.session(anna, a.Scopes)
	var calls []mailbox.Call
	s.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		c, ok := mailbox.CallOf(r.Context())
		if !ok {
			t.Errorf("%s %s has no call", r.Method, r.URL.Path)
		}
		calls = append(calls, c)
		return w.Transport().RoundTrip(r)
	})
	mb := w.openWith(a, s)
	mustSend(t, mb, note(bert, "Cost"))
	ids := []mailbox.MessageID{}
	for range 25 {
		ids = append(ids, w.deliver(anna, "One"))
	}
	if err := mb.SetRead(mailbox.WithLane(t.Context(), mailbox.LaneBackfill), true, ids...); err != nil {
		t.Fatal(err)
	}
	base := mailbox.Call{Ref: a.Ref, Provider: mailbox.Outlook, App: "app-2", Units: 1, Parallel: 1}
	want := []mailbox.Call{base, base, base, base}
	want[0].Method, want[0].Lane = "graph.messages.create", mailbox.LaneSend
	want[1].Method, want[1].Lane = "graph.messages.send", mailbox.LaneSend
	want[2].Method, want[2].Lane, want[2].Units, want[2].Parallel = "graph.batch", mailbox.LaneBackfill, 20, 4
	want[3].Method, want[3].Lane, want[3].Units, want[3].Parallel = "graph.batch", mailbox.LaneBackfill, 5, 4
	for i := range calls {
		if i < 4 && i != 1 && calls[i].Upload == 0 {
			t.Errorf("%s: no upload size", calls[i].Method)
		}
		calls[i].Upload = 0
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
