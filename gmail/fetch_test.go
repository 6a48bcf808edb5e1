package gmail_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

const reads = mailbox.CanReadHeaders | mailbox.CanReadBodies

// many delivers n letters to ann and returns their ids.
func (w *world) many(n int) []mailbox.MessageID {
	w.t.Helper()
	ids := make([]mailbox.MessageID, n)
	for i := range ids {
		ids[i] = w.deliver(fmt.Sprintf("letter %d", i))
	}
	return ids
}

// wantInOrder checks that messages are those of many, in the order of ids.
func wantInOrder(t testing.TB, ids []mailbox.MessageID, got []*mailbox.Message) {
	t.Helper()
	if len(got) != len(ids) {
		t.Fatalf("%d messages, want %d", len(got), len(ids))
	}
	for i, m := range got {
		if m == nil || m.ID != ids[i] || m.Subject != fmt.Sprintf("letter %d", i) {
			t.Fatalf("message %d is %+v, want %s", i, m, ids[i])
		}
	}
}

// TestThousandHeaders: 1,000 headers are at most 40 requests.
func TestThousandHeaders(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	ids := w.many(1000)
	mb := w.open(ann, mailbox.CanReadHeaders)
	w.ClearLog()
	got := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), ids, mailbox.PartHeaders))
	wantInOrder(t, ids, got)
	if n := w.requests(); n > 40 {
		t.Errorf("%d requests, want at most 40", n)
	}
	if strings.Contains(fmt.Sprint(w.Log()), "format=full") {
		t.Error("bodies were requested")
	}
}

func TestFetchParts(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Hello")
	mb := w.open(ann, reads)
	for _, tt := range []struct {
		parts        mailbox.Parts
		header, body bool
	}{{mailbox.PartIDs, false, false}, {mailbox.PartHeaders, true, false}, {mailbox.PartBody, true, true}} {
		m := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), []mailbox.MessageID{id}, tt.parts))[0]
		if m.ID != id || m.ThreadID == "" || m.ReceivedAt.IsZero() || m.Size == 0 || !m.In(mailbox.FolderInbox) || m.Read {
			t.Errorf("parts %d: %+v", tt.parts, m)
		}
		if (m.Subject == "Hello") != tt.header || m.HeaderComplete != tt.header || (m.Body != nil) != tt.body {
			t.Errorf("parts %d: subject %q, complete %v, body %v", tt.parts, m.Subject, m.HeaderComplete, m.Body)
		}
		if tt.body && m.Body.Text != "Hello,\nthis is Hello.\n" {
			t.Errorf("text %q", m.Body.Text)
		}
	}
	_, err := mb.Fetch(t.Context(), nil, 99)
	wantField(t, err, "parts")
}

func TestFetchOddIDs(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Hello")
	mb := w.open(ann, mailbox.CanReadHeaders)
	odd := []mailbox.MessageID{
		id, "18ffffffffffffff", "no-such-message", "", "..", "a b", "1\r\nAuthorization: x", "1/../../profile", "1?alt=media", "%2e%2e", id,
	}
	got := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), odd, mailbox.PartHeaders))
	for i, m := range got {
		if (m != nil) != (odd[i] == id) {
			t.Errorf("%q gives %+v", odd[i], m)
		}
	}
	for _, x := range w.Log() {
		if x.Inner && !strings.Contains(x.URL, "/messages/") {
			t.Errorf("a made-up id led to %s", x.URL)
		}
	}
	if got := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), nil, mailbox.PartHeaders)); len(got) != 0 {
		t.Errorf("nothing gives %v", got)
	}
	asked := 0
	for _, x := range w.Log() {
		if strings.Contains(x.URL, "/messages/"+string(id)) {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("a message that was named twice was asked for %d times", asked)
	}
}

// TestBodiesHoldNoAttachments: attachments are described, not downloaded, and
// large text is.
func TestBodiesHoldNoAttachments(t *testing.T) {
	t.Parallel()
	for _, o := range []gmailtest.Options{{InlineBytes: 1000}, {InlineBytes: 1000, Unpadded: true}, {InlineBytes: 1000, RawCharset: true}} {
		w := setup(t, o)
		text := strings.Repeat("größer ", 1000)
		raw := "From: Zoe <zoe@outside.example>\r\nTo: " + ann + "\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\nMIME-Version: 1.0\r\n" +
			"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
			strings.ReplaceAll(text, "ö", "\xf6") + "\r\n--B\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--B--\r\n"
		raw = strings.ReplaceAll(raw, "ß", "\xdf")
		id, err := w.Deliver(ann, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		mb := w.open(ann, reads)
		m := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), []mailbox.MessageID{mailbox.MessageID(id)}, mailbox.PartBody))[0]
		if m.Subject != "Grüße" || strings.TrimSpace(m.Body.Text) != strings.TrimSpace(text) {
			t.Errorf("%+v: subject %q, text of %d bytes", o, m.Subject, len(m.Body.Text))
		}
		if len(m.Attachments) != 1 || m.Attachments[0].Name != "a.pdf" || m.Attachments[0].Size != 3 || m.Attachments[0].ID == "" {
			t.Errorf("attachments %+v", m.Attachments)
		}
		loads := 0
		for _, x := range w.Log() {
			if strings.Contains(x.URL, "/attachments/") {
				loads++
			}
		}
		if loads != 1 {
			t.Errorf("%d parts were loaded, want the text only", loads)
		}
	}
}

// TestBatchIsHalved: refusals among the parts are waited for and tried again in
// smaller batches, until everything is read.
func TestBatchIsHalved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := setup(t, gmailtest.Options{Quota: gmailtest.Quota{Parallel: 5}})
		ids := w.many(60)
		start := time.Now()
		got := must[[]*mailbox.Message](t)(w.open(ann, mailbox.CanReadHeaders).Fetch(context.Background(), ids, mailbox.PartHeaders))
		wantInOrder(t, ids, got)
		if took := time.Since(start); took < 3*time.Second || took > time.Minute {
			t.Errorf("it took %v", took)
		}
		if n := w.requests(); n > 30 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestInnerRefusals: what becomes of a fetch when one part of a batch is refused.
func TestInnerRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fault  gmailtest.Fault
		ok     bool
		class  mailbox.Class
		least  time.Duration // that it takes
		most   time.Duration
		checks func(*testing.T, *mailbox.Error)
	}{
		{name: "429 once", fault: gmailtest.Fault{Status: 429}, ok: true, least: time.Second, most: 2 * time.Second},
		{name: "429 with a header", fault: gmailtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"20"}}}, ok: true, least: 20 * time.Second, most: 21 * time.Second},
		{name: "429 for ever", fault: gmailtest.Fault{Status: 429, Times: -1}, class: mailbox.ClassThrottled, least: 15 * time.Second, most: 30 * time.Second},
		{
			name:  "429 with a far date",
			fault: gmailtest.Fault{Status: 429, Body: `{"error":{"message":"User-rate limit exceeded.  Retry after 2999-01-01T00:00:00Z"}}`},
			class: mailbox.ClassThrottled,
			checks: func(t *testing.T, e *mailbox.Error) {
				if e.RetryAfter != mailbox.MaxRetryAfter || e.Scope != mailbox.ScopeMailbox || e.Status != 429 {
					t.Errorf("%+v", e)
				}
			},
		},
		{name: "403 for units", fault: gmailtest.Fault{Status: 403, Body: `{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}`}, ok: true, least: time.Second, most: 2 * time.Second},
		{name: "500 once", fault: gmailtest.Fault{Status: 500}, ok: true, least: time.Second, most: 2 * time.Second},
		{name: "500 for ever", fault: gmailtest.Fault{Status: 500, Times: -1}, class: mailbox.ClassUnavailable, least: 15 * time.Second, most: 30 * time.Second},
		{name: "glitch", fault: gmailtest.Fault{Status: 400, Body: `{"error":{"message":"Precondition check failed."}}`}, ok: true, least: time.Second, most: 2 * time.Second},
		{name: "lost part", fault: gmailtest.Fault{Lose: true}, ok: true, least: time.Second, most: 2 * time.Second},
		{name: "HTML", fault: gmailtest.Fault{Status: 200, Body: "<html>"}, ok: true, least: time.Second, most: 2 * time.Second},
		{name: "another message", fault: gmailtest.Fault{Status: 200, Body: `{"id":"1"}`}, ok: true, least: time.Second, most: 2 * time.Second},
		{name: "no Gmail", fault: gmailtest.Fault{Status: 400, Body: `{"error":{"message":"Mail service not enabled"}}`}, class: mailbox.ClassNoMailbox},
		{name: "scope", fault: gmailtest.Fault{Status: 403, Body: `{"error":{"errors":[{"reason":"insufficientPermissions"}]}}`}, class: mailbox.ClassConsent},
		{name: "unknown 403", fault: gmailtest.Fault{Status: 403, Body: `{"error":{"message":"no"}}`}, class: mailbox.ClassUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := setup(t, gmailtest.Options{})
				ids := w.many(30)
				tt.fault.Path = apiPath + "/messages/" + string(ids[7])
				w.Inject(tt.fault)
				start := time.Now()
				got, err := w.open(ann, mailbox.CanReadHeaders).Fetch(context.Background(), ids, mailbox.PartHeaders)
				if took := time.Since(start); took < tt.least || took > max(tt.most, tt.least) {
					t.Errorf("it took %v, want %v to %v", took, tt.least, tt.most)
				}
				if tt.ok {
					if err != nil {
						t.Fatal(err)
					}
					wantInOrder(t, ids, got)
					return
				}
				e := wantError(t, err, tt.class, mailbox.OutcomeNone)
				if tt.checks != nil {
					tt.checks(t, e)
				}
			})
		})
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := setup(t, gmailtest.Options{})
		ids := w.many(3)
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/" + string(ids[1]), Status: 429, Header: http.Header{"Retry-After": {"50"}}})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := w.open(ann, mailbox.CanReadHeaders).Fetch(ctx, ids, mailbox.PartHeaders)
		wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNone)
		if took := time.Since(start); took != 5*time.Second || ctx.Err() == nil {
			t.Errorf("it took %v", took)
		}
	})
}

// TestTokenDiesInsideABatch: parts that are refused for their token lead to
// another token, since the outer answer is 200.
func TestTokenDiesInsideABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := setup(t, gmailtest.Options{})
		ids := w.many(30)
		s, source := w.session(ann)
		mb := w.openWith(ann, mailbox.CanReadHeaders, s)
		must[mailbox.Cursor](t)(mb.Cursor(context.Background()))
		w.OAuth.ExpireAccess()
		got := must[[]*mailbox.Message](t)(mb.Fetch(context.Background(), ids, mailbox.PartHeaders))
		wantInOrder(t, ids, got)
		if source.given != 2 {
			t.Errorf("%d tokens were given, want 2", source.given)
		}

		// In a long fetch that happens again.
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/" + string(ids[2]), Status: 401})
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/" + string(ids[28]), Status: 429})
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/" + string(ids[28]), Status: 401})
		got = must[[]*mailbox.Message](t)(mb.Fetch(context.Background(), ids, mailbox.PartHeaders))
		wantInOrder(t, ids, got)

		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/*", Status: 401, Times: -1})
		_, err := mb.Fetch(context.Background(), ids, mailbox.PartHeaders)
		wantError(t, err, mailbox.ClassReconnect, mailbox.OutcomeNone)
	})
}

func TestOuterFailuresOfABatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault gmailtest.Fault
		class mailbox.Class
	}{
		{"HTML 502", gmailtest.Fault{Status: 502, Body: "<html>"}, mailbox.ClassUnavailable},
		{"lost", gmailtest.Fault{Lose: true, After: true}, mailbox.ClassUnavailable},
		{"429", gmailtest.Fault{Status: 429}, mailbox.ClassThrottled},
		{"no batch", gmailtest.Fault{Status: 200, Body: "{}"}, mailbox.ClassUnavailable},
		{"no parts", gmailtest.Fault{Status: 200, Header: http.Header{"Content-Type": {"multipart/mixed; boundary=x"}}, Body: "--x--"}, mailbox.ClassUnavailable},
		{"too many parts", gmailtest.Fault{Status: 400, Body: `{"error":{"message":"Inner request count exceeds the limit. Received: 250, Limit: 100"}}`}, mailbox.ClassInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := setup(t, gmailtest.Options{})
				ids := w.many(3)
				tt.fault.Path, tt.fault.Times = "/batch", -1
				w.Inject(tt.fault)
				_, err := w.open(ann, mailbox.CanReadHeaders).Fetch(context.Background(), ids, mailbox.PartHeaders)
				wantError(t, err, tt.class, mailbox.OutcomeNone)
			})
		})
	}
}

func TestHugeHeader(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	const size = 10 << 20
	id, err := w.Deliver(ann, letter("letter 0", "X-Huge", strings.Repeat(strings.Repeat("x", 900)+"\r\n ", size/900)))
	if err != nil {
		t.Fatal(err)
	}
	ids := []mailbox.MessageID{mailbox.MessageID(id)}
	got := must[[]*mailbox.Message](t)(w.open(ann, mailbox.CanReadHeaders).Fetch(t.Context(), ids, mailbox.PartHeaders))
	wantInOrder(t, ids, got)
	if n := len(got[0].Header.Get("X-Huge")); n < size*9/10 {
		t.Errorf("the header has %d bytes", n)
	}
}

// cutOff is an answer that the gate refuses to read on.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) {
	return 0, &mailbox.Error{Class: mailbox.ClassUnavailable, Code: gate.TooLarge}
}

// TestHugeBatch: a batch whose answer is too large to read is split.
func TestHugeBatch(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	ids := w.many(8)
	s, _ := w.session(ann)
	most := 2 // parts that are answered
	s.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if bytes.Count(body, []byte("GET ")) > most {
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {"multipart/mixed; boundary=B"}}, Request: r,
				Body: io.NopCloser(io.MultiReader(strings.NewReader("--B\r\nContent-ID: <response-item-0>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{"), cutOff{})),
			}, nil
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return w.Transport().RoundTrip(r)
	})
	mb := w.openWith(ann, mailbox.CanReadHeaders, s)
	got := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), ids, mailbox.PartHeaders))
	wantInOrder(t, ids, got)

	most = 0
	_, err := mb.Fetch(t.Context(), ids[:1], mailbox.PartHeaders)
	if e := wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNone); e.Code != gate.TooLarge {
		t.Errorf("error %v", e)
	}
}

// TestUnaskedAnswers: answers to parts that were not sent, or that were answered
// before, count for nothing.
func TestUnaskedAnswers(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	part := func(index, id, subject string) string {
		return "--B\r\nContent-ID: <response-item-" + index + ">\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" +
			`{"id":"` + id + `","payload":{"headers":[{"name":"Subject","value":"` + subject + `"}]}}` + "\r\n"
	}
	w.Inject(gmailtest.Fault{
		Path: "/batch", Status: 200, Header: http.Header{"Content-Type": {"multipart/mixed; boundary=B"}},
		Body: part("999", "18c0", "foreign") + part("1", "18c1", "letter 1") + part("1", "18c1", "again") + part("0", "18c0", "letter 0") + "--B--",
	})
	ids := []mailbox.MessageID{"18c0", "18c1"}
	got := must[[]*mailbox.Message](t)(w.open(ann, mailbox.CanReadHeaders).Fetch(t.Context(), ids, mailbox.PartHeaders))
	wantInOrder(t, ids, got)
}

func TestFetchIsAccounted(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{}, gmail.Config{BatchSize: 10, Units: gmail.LegacyUnits()})
	ids := w.many(25)
	s, _ := w.session(ann)
	var calls []mailbox.Call
	s.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		c, _ := mailbox.CallOf(r.Context())
		if c.Upload != r.ContentLength {
			t.Errorf("upload %d, body of %d", c.Upload, r.ContentLength)
		}
		c.Upload = 0
		calls = append(calls, c)
		return w.Transport().RoundTrip(r)
	})
	mb := w.openWith(ann, mailbox.CanReadHeaders, s)
	must[[]*mailbox.Message](t)(mb.Fetch(mailbox.WithLane(t.Context(), mailbox.LaneBackfill), ids, mailbox.PartHeaders))
	call := func(n int) mailbox.Call {
		return mailbox.Call{
			Ref: mailbox.Ref{Tenant: "t", Mailbox: ann}, Provider: mailbox.Gmail, Method: "gmail.users.messages.get",
			Units: 5 * n, Parallel: n, Lane: mailbox.LaneBackfill,
		}
	}
	if diff := cmp.Diff([]mailbox.Call{call(10), call(10), call(5)}, calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRaw(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Hello")
	want := w.Messages(ann)[0].Raw
	mb := w.open(ann, reads)
	for _, limit := range []int64{0, int64(len(want))} {
		got := must[[]byte](t)(mb.Raw(t.Context(), id, limit))
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	_, err := mb.Raw(t.Context(), id, int64(len(want))-1)
	wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNone)
	wantField(t, err, "message size")
	_, err = mb.Raw(t.Context(), id, -1)
	wantField(t, err, "max")
	for _, id := range []mailbox.MessageID{"18ffffffffffffff", "..", ""} {
		_, err = mb.Raw(t.Context(), id, 0)
		wantError(t, err, mailbox.ClassNotFound, mailbox.OutcomeNone)
	}
	for name, body := range map[string]string{"null": "null", "no raw": "{}", "damaged": `{"raw":"YWJj*"}`} {
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/*", Status: 200, Body: body})
		if _, err := mb.Raw(t.Context(), id, 0); mailbox.ClassOf(err) != mailbox.ClassUnavailable {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestSetRead(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	ids := w.many(1200)
	mb := w.open(ann, mailbox.CanWriteReadState)
	unread := func() int { return len(w.with(ann, "UNREAD")) }
	odd := append([]mailbox.MessageID{"18ffffffffffffff", "", ids[0]}, ids[:1100]...)
	w.ClearLog()
	if err := mb.SetRead(t.Context(), true, odd...); err != nil || unread() != 100 {
		t.Errorf("%v, %d unread, want 100", err, unread())
	}
	if n := w.requests(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	if err := mb.SetRead(t.Context(), true, odd...); err != nil || unread() != 100 {
		t.Errorf("again: %v, %d unread", err, unread())
	}
	if err := mb.SetRead(t.Context(), false, ids[:50]...); err != nil || unread() != 150 {
		t.Errorf("%v, %d unread, want 150", err, unread())
	}
	w.ClearLog()
	if err := mb.SetRead(t.Context(), true); err != nil || w.requests() != 0 {
		t.Errorf("nothing: %v, %d requests", err, w.requests())
	}

	for name, body := range map[string]string{"not an id": `{"error":{"message":"Invalid id value"}}`, "refused": `{"error":{"message":"Invalid ids"}}`} {
		if err := mb.SetRead(t.Context(), false, ids...); err != nil {
			t.Fatal(err)
		}
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/batchModify", Status: 400, Body: body})
		if err := mb.SetRead(t.Context(), true, append(ids[:40:40], "18ffffffffffffff", "not-an-id")...); err != nil || unread() != 1160 {
			t.Errorf("%s: %v, %d unread, want 1160", name, err, unread())
		}
	}
	w.Inject(gmailtest.Fault{Path: apiPath + "/messages/batchModify", Status: 403, Body: `{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`})
	wantError(t, mb.SetRead(t.Context(), true, ids[0]), mailbox.ClassAppLimit, mailbox.OutcomeNone)
}
