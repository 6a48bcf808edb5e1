package fakeserver_test

import (
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const original = "From: Ann <ann@x.example>\r\nTo: bob@y.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Message-ID: <three@x.example>\r\nReferences: <one@x.example>\r\n <two@x.example>\r\n\r\nHello\r\n"

func read(t *testing.T, raw []byte) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	return m
}

func wantFields(t *testing.T, m *mail.Message, want map[string]string) {
	t.Helper()
	for name, v := range want {
		if got := m.Header.Get(name); got != v {
			t.Errorf("%s = %q, want %q", name, got, v)
		}
	}
}

func TestReplyMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		original string
		a        fakeserver.Answer
		want     map[string]string
	}{
		"usual": {original, fakeserver.Answer{}, map[string]string{
			"From": "Bob <bob@y.example>", "To": "ann@x.example", "Subject": "Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Message-Id": "<id@y.example>",
			"In-Reply-To": "<three@x.example>", "References": "<one@x.example> <two@x.example> <three@x.example>",
			"Date": "Fri, 01 May 2026 12:00:00 +0000", "Auto-Submitted": "",
		}},
		"of a reply": {
			"Subject: RE: x\r\nReply-To: list@x.example\r\nFrom: a@x.example\r\nMessage-ID: <b@x>\r\nIn-Reply-To: <a@x>\r\n\r\n",
			fakeserver.Answer{},
			map[string]string{"Subject": "RE: x", "To": "list@x.example", "References": "<a@x> <b@x>"},
		},
		"ids dropped":    {original, fakeserver.Answer{DropIDs: true}, map[string]string{"In-Reply-To": "", "References": ""}},
		"without an id":  {"From: a@x.example\r\n\r\n", fakeserver.Answer{}, map[string]string{"In-Reply-To": "", "Subject": "Re:"}},
		"all by oneself": {original, fakeserver.Answer{To: "c@z.example", Subject: "New", Header: mailbox.Header{{Name: "X-A", Value: "1"}}}, map[string]string{"To": "c@z.example", "Subject": "New", "X-A": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.a.From, c.a.Date, c.a.MessageID = "Bob <bob@y.example>", now, "id@y.example"
			wantFields(t, read(t, fakeserver.ReplyMessage([]byte(c.original), c.a)), c.want)
		})
	}
}

func TestOutOfOffice(t *testing.T) {
	t.Parallel()
	m := read(t, fakeserver.OutOfOffice([]byte(original), fakeserver.Answer{From: "bob@y.example", Date: now, Text: "Bin wég"}))
	wantFields(t, m, map[string]string{
		"Subject": "Automatic reply: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Auto-Submitted": "auto-replied", "In-Reply-To": "<three@x.example>",
	})
	if id := m.Header.Get("Message-Id"); !strings.HasSuffix(id, "@y.example>") {
		t.Errorf("Message-ID = %q", id)
	}
	if b, _ := io.ReadAll(m.Body); !strings.Contains(string(b), "Bin w=C3=A9g") {
		t.Errorf("body = %q", b)
	}
}

func TestDSN(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		r      fakeserver.Report
		want   map[string]string
		types  string
		status []string
	}{
		"usual": {
			fakeserver.Report{},
			map[string]string{
				"From": "Mail Delivery System <mailer-daemon@y.example>", "To": "ann@x.example", "Subject": "Undelivered Mail Returned to Sender",
				"Auto-Submitted": "auto-replied", "In-Reply-To": "",
			},
			"text/plain message/delivery-status message/rfc822",
			[]string{"Reporting-MTA: dns; y.example", "Final-Recipient: rfc822; bob@y.example", "Action: failed", "Status: 5.1.1", "Diagnostic-Code: smtp; 550 5.1.1 User unknown"},
		},
		"everything set": {
			fakeserver.Report{
				From: "postmaster@mx.example", Subject: "S", Action: "delayed", Status: "4.4.1", Diagnostic: "421 later", MTA: "mx.example",
				Cite: true, HeadersOnly: true, Notice: []byte("Content-Type: text/html\r\n\r\n<p>"), MessageID: "r@mx.example",
				Header: mailbox.Header{{Name: "X-A", Value: "1"}}, PerMessage: mailbox.Header{{Name: "X-B", Value: "2"}},
			},
			map[string]string{
				"From": "postmaster@mx.example", "Subject": "S", "In-Reply-To": "<three@x.example>", "References": "<three@x.example>", "X-A": "1",
				"Message-Id": "<r@mx.example>",
			},
			"text/html message/delivery-status text/rfc822-headers",
			[]string{"Reporting-MTA: dns; mx.example", "X-B: 2", "Action: delayed", "Status: 4.4.1", "Diagnostic-Code: smtp; 421 later"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.r.To, c.r.Recipient, c.r.Date = "ann@x.example", "bob@y.example", now
			m := read(t, fakeserver.DSN([]byte(strings.ReplaceAll(original, "\r\n", "\n")), c.r))
			wantFields(t, m, c.want)
			kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
			if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
				t.Fatalf("Content-Type: %s %v %v", kind, params, err)
			}
			var types, parts []string
			r := multipart.NewReader(m.Body, params["boundary"])
			for {
				p, err := r.NextRawPart()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(p)
				kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
				types, parts = append(types, kind), append(parts, string(b))
			}
			if got := strings.Join(types, " "); got != c.types {
				t.Fatalf("parts = %s", got)
			}
			for _, line := range c.status {
				if !strings.Contains(parts[1], line+"\r\n") {
					t.Errorf("no %q in %q", line, parts[1])
				}
			}
			if !strings.Contains(parts[2], "Message-ID: <three@x.example>\r\n") || strings.Contains(parts[2], "Hello") == c.r.HeadersOnly {
				t.Errorf("original = %q", parts[2])
			}
		})
	}
}

func TestReportOfAReport(t *testing.T) {
	t.Parallel()
	r := fakeserver.Report{To: "ann@x.example", Recipient: "bob@y.example", Date: now}
	inner := fakeserver.DSN([]byte(original), r)
	m := read(t, fakeserver.DSN(inner, r))
	_, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	n := 0
	for mr := multipart.NewReader(m.Body, params["boundary"]); ; n++ {
		if _, err := mr.NextRawPart(); err != nil {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d parts: the boundary of the inner report cut the outer one", n)
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(original))
	f.Add([]byte("Subject: =?x?\nFrom: <<>\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a := fakeserver.Answer{From: "bob@y.example", Date: now}
		for _, out := range [][]byte{
			fakeserver.ReplyMessage(raw, a), fakeserver.OutOfOffice(raw, a),
			fakeserver.DSN(raw, fakeserver.Report{To: "ann@x.example", Recipient: "bob@y.example", Date: now, Cite: true}),
		} {
			if m := fakeserver.ParseMail(out); m.Get("From") == "" || m.Get("Content-Type") == "" || len(m.Body()) == 0 {
				t.Errorf("the answer to %q is %q", raw, out)
			}
		}
	})
}
