package outlook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func TestOddJSONIsRead(t *testing.T) {
	t.Parallel()
	const header = `"internetMessageHeaders":[{"name":"Received","value":"by x"},{"name":"Subject","value":"=?utf-8?Q?caf=C3=A9?="},{"name":"From","value":"Eve <eve@elsewhere.example>"},{"name":"In-Reply-To","value":"<p@x.example>"}]`
	tests := []struct {
		name, json string
		want       mailbox.Message
	}{
		{"nothing but an id", `{"id":"1"}`, mailbox.Message{ID: "1"}},
		{
			"all null",
			`{"id":"1","from":null,"sender":null,"toRecipients":null,"subject":null,"receivedDateTime":null,"isRead":null,"isDraft":null,"internetMessageHeaders":null,"conversationId":null,"body":null}`,
			mailbox.Message{ID: "1"},
		},
		{
			"other types",
			`{"id":"1","from":"x","toRecipients":{"a":1},"subject":7,"receivedDateTime":12,"isRead":"yes","hasAttachments":[],"internetMessageHeaders":"none","future":{"deep":[{"er":[null]}]}}`,
			mailbox.Message{ID: "1"},
		},
		{
			"odd lists",
			`{"id":"1","toRecipients":[null,{},{"emailAddress":null},{"emailAddress":{"name":null,"address":"b@x.example"}},7],"internetMessageHeaders":[null,{"name":null,"value":"v"},{"name":"X-A","value":null}]}`,
			mailbox.Message{ID: "1", To: []mailbox.Address{{Address: "b@x.example"}}, Header: mailbox.Header{{Name: "X-A"}}},
		},
		{
			"placeholders", `{"id":"1","receivedDateTime":"datetime-value","sentDateTime":"2026-01-02T03:04:05.1234567Z","internetMessageId":"no brackets@x.example"}`,
			mailbox.Message{
				ID: "1", RFCMessageID: "brackets@x.example", Date: time.Date(2026, 1, 2, 3, 4, 5, 123456700, time.UTC),
				Warnings: []mailbox.Warning{{Code: mailbox.WarnDate, Part: "receivedDateTime"}},
			},
		},
		{
			"escapes", `{"id":"1","subject":"\u00e9 \ud83c\udf89 \ud83c \"q\" \/ \t","from":{"emailAddress":{"name":"A\nB","address":"a@x.example"}},"sender":{"emailAddress":{"address":"s@x.example"}}}`,
			mailbox.Message{
				ID: "1", Subject: "é 🎉 \uFFFD \"q\" / \t", From: []mailbox.Address{{Name: "A\nB", Address: "a@x.example"}},
				Sender: mailbox.Address{Address: "s@x.example"},
			},
		},
		{
			"a header block", `{"id":"1","subject":"from Graph","from":{"emailAddress":{"address":"/O=EXCHANGELABS/CN=EVE"}},"bccRecipients":[{"emailAddress":{"address":"c@x.example"}}],` + header + `}`,
			mailbox.Message{
				ID: "1", Subject: "café", From: []mailbox.Address{{Name: "Eve", Address: "eve@elsewhere.example"}}, Bcc: []mailbox.Address{{Address: "c@x.example"}},
				HeaderComplete: true,
				Header: mailbox.Header{
					{Name: "Received", Value: "by x"},
					{Name: "Subject", Value: "=?utf-8?Q?caf=C3=A9?="},
					{Name: "From", Value: "Eve <eve@elsewhere.example>"},
					{Name: "In-Reply-To", Value: "<p@x.example>"},
				},
				Warnings: []mailbox.Warning{{Code: mailbox.WarnMissing, Part: "Date"}},
			},
		},
		{"text in capitals", `{"id":"1","body":{"contentType":"TEXT","content":"x"}}`, mailbox.Message{ID: "1", Body: &mailbox.Body{Text: "x"}}},
		{"HTML in capitals", `{"id":"1","body":{"contentType":"HTML","content":"<p>"}}`, mailbox.Message{ID: "1", Body: &mailbox.Body{HTML: "<p>"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			a := w.account(anna, everything)
			s := w.session(anna, a.Scopes)
			s.Transport = rewrite(w.Transport(), func(r *http.Request, body string) string {
				if strings.HasSuffix(r.URL.Path, "/messages") {
					return `{"@odata.context":"x","value":[` + tt.json + `,null,7,"x"],"@odata.nextLink":null}`
				}
				return body
			})
			page, err := w.openWith(a, s).List(t.Context(), mailbox.Query{})
			if err != nil || len(page.Messages) != 1 {
				t.Fatalf("%d messages, %v", len(page.Messages), err)
			}
			tt.want.Folders = []mailbox.Folder{mailbox.FolderInbox}
			if diff := cmp.Diff(&tt.want, page.Messages[0]); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever Mail.ReadBasic includes: with the header block, without it, or
// refused for asking.
func TestReadBasic(t *testing.T) {
	t.Parallel()
	for _, policy := range []outlooktest.Policy{outlooktest.Allow, outlooktest.Omit, outlooktest.Refuse} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{ReadBasicHeaders: policy})
			mb := w.open(anna, mailbox.CanReadHeaders)
			cursor := startCursor(t, mb)
			id := w.deliver(anna, "Basic", "In-Reply-To: <p@x.example>\r\n")
			complete := policy == outlooktest.Allow
			check := func(how string, m *mailbox.Message) {
				t.Helper()
				if m == nil || m.ID != id || m.Subject != "Basic" || m.RFCMessageID != "Basic@elsewhere.example" || m.From[0].Address != "eve@elsewhere.example" ||
					m.HeaderComplete != complete || (len(m.InReplyTo()) == 1) != complete || m.ThreadID == "" {
					t.Errorf("%s: %+v", how, m)
				}
			}
			for range 2 {
				page, err := mb.List(t.Context(), mailbox.Query{})
				if err != nil {
					t.Fatal(err)
				}
				check("list", page.Messages[0])
				all, _ := drain(t, mb, cursor)
				check("changes", all[0].Message)
				got, err := mb.Fetch(t.Context(), []mailbox.MessageID{id}, mailbox.PartHeaders)
				if err != nil {
					t.Fatal(err)
				}
				check("fetch", got[0])
			}
			if n := len(slices.DeleteFunc(w.Log(), func(x outlooktest.Exchange) bool { return x.Status != 403 })); n > 1 {
				t.Errorf("asked %d times for what was refused", n)
			}
		})
	}
}

func TestNoAccessIsNoFallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, mailbox.CanReadHeaders)
	mb := w.openWith(a, w.session(anna, []string{"User.Read", "Mail.Send"})) // less than the account says
	for range 2 {
		if _, err := mb.List(t.Context(), mailbox.Query{}); !errors.Is(err, mailbox.ClassConsent) {
			t.Errorf("list: %v", err)
		}
		if _, err := mb.Fetch(t.Context(), []mailbox.MessageID{w.deliver(anna, "x")}, mailbox.PartHeaders); !errors.Is(err, mailbox.ClassConsent) {
			t.Errorf("fetch: %v", err)
		}
	}
}

func TestFetchInBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	var ids []mailbox.MessageID
	for i := range 45 {
		ids = append(ids, w.deliver(anna, fmt.Sprint("mail ", i)))
	}
	w.Move(anna, string(ids[3]), "archive")
	w.Delete(anna, string(ids[4]))
	foreign := w.deliver(bert, "not hers")
	odd := []mailbox.MessageID{"", ".", "..", "a/../../users", "x y", "\x00", foreign, mailbox.MessageID(strings.Repeat("A", 2000)), "nonsense"}
	asked := append(append([]mailbox.MessageID{}, ids...), odd...)
	mb := w.open(anna, everything)
	got, err := mb.Fetch(t.Context(), asked, mailbox.PartHeaders)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range got {
		switch {
		case i == 4 || i >= len(ids):
			if m != nil {
				t.Errorf("%.20q gives %+v", asked[i], m)
			}
		case m == nil || m.ID != asked[i] || m.Subject != fmt.Sprint("mail ", i) || !m.HeaderComplete || m.Body != nil:
			t.Errorf("at %d: %+v", i, m)
		case m.In(mailbox.FolderArchive) != (i == 3):
			t.Errorf("at %d: folders %v", i, m.Folders)
		}
	}
	if n := w.calls("POST", "/$batch"); n != 4 { // 48 ids that could be some, and the folders
		t.Errorf("%d batches", n)
	}
	for _, x := range w.Log() {
		if x.Inner && x.RequestHeader.Get("Prefer") != `IdType="ImmutableId"` {
			t.Errorf("%s %s without immutable ids", x.Method, x.URL)
		}
		if x.Inner && strings.Contains(x.URL, "users") {
			t.Errorf("an id led to %s", x.URL)
		}
	}
	w.ClearLog()
	if _, err = mb.Fetch(t.Context(), ids[:5], mailbox.PartIDs); err != nil || len(w.Log()) != 6 {
		t.Errorf("%d requests, %v", len(w.Log()), err) // a batch and five inside
	}
}

func TestBodiesAndAttachments(t *testing.T) {
	t.Parallel()
	for _, o := range []outlooktest.Options{{}, {HTMLBodies: true, MixedCaseEnums: true}} {
		w := newWorld(t, o)
		plain := w.deliver(anna, "Plain")
		raw := strings.ReplaceAll("From: e@x.example\nTo: a@x.example\nSubject: Inline\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n"+
			"--b\nContent-Type: text/html\n\n<p>Look <img src=\"cid:logo\"></p>\n--b\nContent-Type: image/png; name=logo.png\nContent-ID: <logo>\nContent-Disposition: inline\nContent-Transfer-Encoding: base64\n\ncG5n\n--b--\n", "\n", "\r\n")
		inline, err := w.Deliver(anna, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		mb := w.open(anna, everything)
		w.ClearLog()
		got, err := mb.Fetch(t.Context(), []mailbox.MessageID{plain, mailbox.MessageID(inline)}, mailbox.PartBody)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got[0].Body.Text+got[0].Body.HTML, "Hello from outside.") || got[0].Attachments != nil {
			t.Errorf("plain: %+v", got[0])
		}
		if a := got[1].Attachments; !strings.Contains(got[1].Body.HTML, "cid:logo") || len(a) != 1 || a[0].Name != "logo.png" || a[0].Size != 3 || !a[0].Inline || a[0].ID == "" {
			t.Errorf("inline: %+v", got[1])
		}
		for _, x := range w.Log() {
			if strings.Contains(string(x.ResponseBody), "contentBytes") {
				t.Errorf("%s gave content", x.URL)
			}
		}
		page, err := mb.List(t.Context(), mailbox.Query{Parts: mailbox.PartBody, Max: 100})
		if err != nil || len(page.Messages) != 2 || page.Messages[0].Body == nil || page.Messages[1].Body == nil {
			t.Errorf("list: %+v, %v", page.Messages, err)
		}
	}
}

// Calls of a batch are refused one by one: only those are asked for again.
func TestThrottledPartsOfABatchAreRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, outlooktest.Options{})
		var ids []mailbox.MessageID
		for i := range 10 {
			ids = append(ids, w.deliver(anna, fmt.Sprint(i)))
		}
		mb := w.open(anna, everything)
		if _, err := mb.Fetch(t.Context(), ids[:1], mailbox.PartHeaders); err != nil {
			t.Fatal(err) // learns the folders
		}
		w.ClearLog()
		w.Inject(outlooktest.Fault{Method: "GET", Path: "*" + string(ids[2]), Status: 429, Header: http.Header{"Retry-After": {"7"}}})
		w.Inject(outlooktest.Fault{Method: "GET", Path: "*" + string(ids[5]), Status: 503, Times: 2})
		began := time.Now()
		got, err := mb.Fetch(t.Context(), ids, mailbox.PartHeaders)
		if err != nil || slices.Contains(got, nil) {
			t.Fatalf("%v, %v", got, err)
		}
		if waited := time.Since(began); waited != 9*time.Second { // 7 s as asked, then 2 s
			t.Errorf("waited %v", waited)
		}
		if outer, all := w.calls("POST", "/$batch"), len(w.Log()); outer != 3 || all != 3+10+2+1 {
			t.Errorf("%d batches, %d calls", outer, all-outer)
		}

		w.Inject(outlooktest.Fault{Method: "GET", Path: "*" + string(ids[0]), Status: 429, Times: -1, Header: http.Header{"Retry-After": {"300"}}})
		began = time.Now()
		_, err = mb.Fetch(t.Context(), ids, mailbox.PartHeaders)
		if e := asError(t, err); e.Class != mailbox.ClassThrottled || e.RetryAfter != 5*time.Minute || time.Since(began) != 0 {
			t.Errorf("a long wait: %v after %v", e, time.Since(began))
		}
		w.ClearFaults()

		w.Inject(outlooktest.Fault{Method: "PATCH", Path: "*" + string(ids[0]), Status: 500, Times: -1})
		if err := mb.SetRead(t.Context(), true, ids...); !errors.Is(err, mailbox.ClassUnavailable) {
			t.Errorf("a lasting fault: %v", err)
		}
		if n := w.calls("PATCH", string(ids[0])); n != 4 {
			t.Errorf("tried %d times", n)
		}
	})
}

func TestBatchAnswersThatAreOdd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, outlooktest.Options{})
		id := w.deliver(anna, "x")
		a := w.account(anna, everything)
		s := w.session(anna, a.Scopes)
		answer := ""
		s.Transport = rewrite(w.Transport(), func(r *http.Request, body string) string {
			if answer != "" && strings.HasSuffix(r.URL.Path, "/$batch") {
				return answer
			}
			return body
		})
		mb := w.openWith(a, s)
		if _, err := mb.Fetch(t.Context(), []mailbox.MessageID{id}, mailbox.PartHeaders); err != nil {
			t.Fatal(err)
		}
		for _, answer = range []string{
			`{}`, `{"responses":null}`, `{"responses":[]}`, `{"responses":[null,{"id":null}]}`, `{"responses":[{"id":"2","status":200,"body":{}}]}`,
			`{"responses":[{"id":"1","status":"200"}]}`, `{"responses":[{"id":"1","status":200,"body":"text"}]}`, `{"responses":[{"id":"1","status":200,"body":null}]}`,
			`{"responses":[{"id":"1","status":200,"body":{"id":}}]}`, `{"responses":[{"id":"1"`, `[]`, `<html>`, `x`,
		} {
			_, err := mb.Fetch(t.Context(), []mailbox.MessageID{id}, mailbox.PartHeaders)
			if e := asError(t, err); e.Class != mailbox.ClassUnavailable {
				t.Errorf("%s: %v", answer, err)
			}
		}
		answer = `{"responses":[{"id":"1","status":404,"headers":null,"body":null}]}`
		if got, err := mb.Fetch(t.Context(), []mailbox.MessageID{id}, mailbox.PartHeaders); err != nil || got[0] != nil {
			t.Errorf("404 without a body: %v, %v", got, err)
		}
	})
}

func TestListBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, everything)
	for name, q := range map[string]mailbox.Query{
		"folder": {Folder: mailbox.FolderOther}, "max": {Max: 501}, "parts": {Parts: 9}, "page": {Page: "17"},
	} {
		_, err := mb.List(t.Context(), q)
		if f, ok := errors.AsType[*mailbox.FieldError](err); !ok || f.Field != name || !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := mb.List(t.Context(), mailbox.Query{Max: -1}); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("negative: %v", err)
	}
	if _, err := mb.Fetch(t.Context(), []mailbox.MessageID{"x"}, 9); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("parts of fetch: %v", err)
	}
	if n := len(w.Log()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestListOfEveryFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, everything)
	for folder, name := range map[mailbox.Folder]string{
		mailbox.FolderInbox: "inbox", mailbox.FolderSent: "sentitems", mailbox.FolderDrafts: "drafts",
		mailbox.FolderSpam: "junkemail", mailbox.FolderTrash: "deleteditems", mailbox.FolderArchive: "archive",
	} {
		if _, err := w.DeliverTo(anna, name, rawMail(anna, "in "+name)); err != nil {
			t.Fatal(err)
		}
		page, err := mb.List(t.Context(), mailbox.Query{Folder: folder})
		if err != nil || len(page.Messages) != 1 || !page.Messages[0].In(folder) || page.Messages[0].Subject != "in "+name {
			t.Errorf("%s: %+v, %v", folder, page.Messages, err)
		}
	}
}

func TestEndlessListEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, everything)
	s := w.session(anna, a.Scopes)
	s.Transport = rewrite(w.Transport(), func(r *http.Request, body string) string {
		if strings.HasSuffix(r.URL.Path, "/messages") {
			b, _ := json.Marshal(map[string]any{"value": []any{}, "@odata.nextLink": w.URL() + "/v1.0/me/messages?$skip=1"})
			return string(b)
		}
		return body
	})
	n := 0
	for _, err := range mailbox.All(t.Context(), w.openWith(a, s), mailbox.Query{}) {
		if n++; asError(t, err).Code != "endless_list" || n > 1 {
			t.Fatalf("%v", err)
		}
	}
	if n != 1 {
		t.Error("no error")
	}
}

func TestRaw(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	id := w.deliver(anna, "Raw")
	mb := w.open(anna, everything)
	raw, err := mb.Raw(t.Context(), id, 0)
	if err != nil || !strings.Contains(string(raw), "Subject: Raw\r\n") {
		t.Errorf("%q, %v", raw, err)
	}
	if _, err := mb.Raw(t.Context(), id, int64(len(raw))); err != nil {
		t.Errorf("exactly as large: %v", err)
	}
	if _, err := mb.Raw(t.Context(), id, int64(len(raw)-1)); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("larger: %v", err)
	}
	for _, gone := range []mailbox.MessageID{"..", "nonsense"} {
		if _, err := mb.Raw(t.Context(), gone, 0); !errors.Is(err, mailbox.ClassNotFound) {
			t.Errorf("%q: %v", gone, err)
		}
	}
	if _, err := w.open(anna, mailbox.CanReadHeaders).Raw(t.Context(), id, 0); !errors.Is(err, mailbox.ClassConsent) {
		t.Errorf("without the capability: %v", err)
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, everything)
	s := w.session(anna, a.Scopes)
	s.Transport = guard(t, w)
	mb := w.openWith(a, s)
	do := func(url string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return mb.Do(req)
	}
	resp, err := do(w.URL() + "/v1.0/me/mailFolders")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(body), "Inbox") {
		t.Errorf("got %s", body)
	}
	if _, err := do(w.URL() + "/v1.0/me/messages/nonsense"); !errors.Is(err, mailbox.ClassNotFound) {
		t.Errorf("a refusal: %v", err)
	}
	if _, err := do("https://elsewhere.example/v1.0/me"); asError(t, err).Code != "foreign_host" {
		t.Errorf("another host: %v", err)
	}
}

// The same over a real connection.
func TestOverANetwork(t *testing.T) {
	t.Parallel()
	s := outlooktest.New(outlooktest.Options{})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := overNetwork(t, s)
	mb := w.open(anna, everything)
	cursor := startCursor(t, mb)
	out := note(anna, "To myself")
	out.Attachments = []mailbox.File{{Name: "f", Data: make([]byte, 4_000_000)}}
	sent := mustSend(t, mb, out)
	all, _ := drain(t, mb, cursor)
	if got := kinds(all); len(got) != 2 || got[0] != "added To myself" {
		t.Errorf("changes %q", got)
	}
	if full, err := mb.ReadSent(t.Context(), sent); err != nil || full.From.Address != anna {
		t.Errorf("read %+v, %v", full, err)
	}
	s.Inject(sending(outlooktest.Fault{Lose: true, After: true}))
	var c mailbox.Checkpoint
	_, err := mb.Send(t.Context(), note(bert, "Lost"), checkpoints(&c))
	wantOutcome(t, err, mailbox.ClassUnavailable, mailbox.OutcomeUnknown)
	wantResolved(t, mb, c, mailbox.OutcomeSent)
}
