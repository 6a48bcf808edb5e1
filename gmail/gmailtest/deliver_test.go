package gmailtest_test

import (
	"bufio"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

func TestDeliveredCopy(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	sent := w.send("To: "+bob+", bob+tag@example.com", "Cc: "+ann, "Subject: x")
	if got := sent.labels(); got != "SENT INBOX UNREAD" {
		t.Errorf("labels of a message to oneself = %q", got)
	}
	if len(w.Messages(ann)) != 1 || len(w.Messages(bob)) != 1 {
		t.Errorf("copies: ann %d, bob %d", len(w.Messages(ann)), len(w.Messages(bob)))
	}
	got := w.Messages(bob)[0]
	if got.ID == sent.str("id") || strings.Join(got.Labels, " ") != "INBOX UNREAD" {
		t.Errorf("bob's copy = %s %v", got.ID, got.Labels)
	}
	for _, field := range []string{"Delivered-To: " + bob, "Return-Path: <" + ann + ">", "Received: by 2002:", "gmailapi.google.com with HTTPREST"} {
		if !strings.Contains(string(got.Raw), field) {
			t.Errorf("no %q in\n%s", field, got.Raw)
		}
	}
}

func TestAliasesReceive(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "dora@example.com", Aliases: []string{"sales@shop.example"}})
	w.send("To: SALES+x@shop.example")
	if len(w.inbox("dora@example.com")) != 1 {
		t.Error("the alias got nothing")
	}
}

func TestRelay(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.send("To: " + carl) // without a relay: accepted and forgotten
	var got []gmailtest.Envelope
	w.SetRelay(func(e gmailtest.Envelope) {
		got = append(got, e)
		if _, err := w.Deliver(ann, []byte(message("From: "+carl, "Subject: at once"))); err != nil { // no lock is held
			t.Error(err)
		}
	})
	w.send("To: "+carl+", "+bob, "Cc: x@third.example")
	if len(got) != 1 || strings.Join(got[0].To, " ") != carl+" x@third.example" || got[0].From != ann {
		t.Errorf("relayed = %+v", got)
	}
	if len(w.inbox(ann)) != 1 || len(w.inbox(bob)) != 1 {
		t.Error("mail is missing")
	}
}

// report is a delivery report, taken apart.
type report struct {
	header           textproto.MIMEHeader
	perMessage       textproto.MIMEHeader
	perRecipient     textproto.MIMEHeader
	notice, original string
}

func readReport(t *testing.T, raw string) report {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("Content-Type = %s %v, %v", kind, params, err)
	}
	var parts []string
	var types []string
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
		parts, types = append(parts, string(b)), append(types, kind)
	}
	if got := strings.Join(types, " "); got != "multipart/related message/delivery-status message/rfc822" {
		t.Fatalf("parts = %s", got)
	}
	status := textproto.NewReader(bufio.NewReader(strings.NewReader(parts[1] + "\r\n")))
	perMessage, _ := status.ReadMIMEHeader()
	perRecipient, _ := status.ReadMIMEHeader()
	return report{textproto.MIMEHeader(m.Header), perMessage, perRecipient, parts[0], parts[2]}
}

func TestUnknownRecipientBounces(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.AddUser(gmailtest.User{Address: "nomail@example.com", NoGmail: true})
	for _, gone := range []string{"nobody@example.com", "nomail@example.com"} {
		sent := w.send("To: "+bob+", "+gone, "Subject: Ünfug")
		wire := w.header(sent.str("id"), "Message-ID")
		bounce := w.find(ann, w.inbox(ann)[0])
		if bounce.ThreadID != sent.str("threadId") || !bounce.Has("UNREAD") {
			t.Errorf("bounce = %+v", bounce.Labels)
		}
		r := readReport(t, string(bounce.Raw))
		for name, want := range map[string]string{
			"From":                "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
			"To":                  ann,
			"Subject":             "Delivery Status Notification (Failure)",
			"Auto-Submitted":      "auto-replied",
			"Return-Path":         "<>",
			"X-Failed-Recipients": gone,
			"In-Reply-To":         wire,
			"References":          wire,
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if r.perMessage.Get("X-Original-Message-ID") != wire || r.perMessage.Get("Reporting-MTA") != "dns; googlemail.com" {
			t.Errorf("per message = %v", r.perMessage)
		}
		if r.perRecipient.Get("Final-Recipient") != "rfc822; "+gone || r.perRecipient.Get("Action") != "failed" || r.perRecipient.Get("Status") != "5.1.1" {
			t.Errorf("per recipient = %v", r.perRecipient)
		}
		if !strings.Contains(r.notice, "** Address not found **") || !strings.Contains(r.notice, "icon.png") || !strings.Contains(r.original, "Message-ID: "+wire) {
			t.Errorf("notice %q, original %q", r.notice, r.original)
		}
	}
	if len(w.inbox(bob)) != 2 {
		t.Error("the good recipient got nothing")
	}
}

func TestBounceInAThreadOfItsOwn(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{DSNOwnThread: true})
	sent := w.send("To: nobody@example.com")
	if got := w.find(ann, w.inbox(ann)[0]).ThreadID; got == sent.str("threadId") {
		t.Error("the bounce joined the thread")
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	sent := w.send("To: "+carl, "Subject: Plan")
	wire := w.header(sent.str("id"), "Message-ID")
	for name, c := range map[string]struct {
		o         gmailtest.ReplyOptions
		from      string
		subject   string
		inReplyTo string
		auto      string
	}{
		"human":           {gmailtest.ReplyOptions{}, carl, "Re: Plan", wire, ""},
		"another address": {gmailtest.ReplyOptions{From: "Assistant <desk@elsewhere.example>"}, "Assistant <desk@elsewhere.example>", "Re: Plan", wire, ""},
		"out of office":   {gmailtest.ReplyOptions{OutOfOffice: true}, carl, "Automatic reply: Plan", wire, "auto-replied"},
		"ids dropped":     {gmailtest.ReplyOptions{DropIDs: true}, carl, "Re: Plan", "", ""},
	} {
		id, err := w.Reply(ann, sent.str("id"), c.o)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(strings.NewReader(w.raw(ann, id)))
		if err != nil {
			t.Fatal(err)
		}
		for field, want := range map[string]string{"From": c.from, "To": ann, "Subject": c.subject, "In-Reply-To": c.inReplyTo, "References": c.inReplyTo, "Auto-Submitted": c.auto} {
			if got := m.Header.Get(field); got != want {
				t.Errorf("%s: %s = %q, want %q", name, field, got, want)
			}
		}
	}
	if _, err := w.Reply(ann, "1", gmailtest.ReplyOptions{}); err == nil {
		t.Error("a reply to nothing")
	}
}

func TestBounceByHand(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	sent := w.send("To: "+carl, "Subject: Plan").str("id")
	id, err := w.Bounce(ann, sent, gmailtest.BounceOptions{Delayed: true})
	if err != nil {
		t.Fatal(err)
	}
	r := readReport(t, w.raw(ann, id))
	if r.header.Get("Subject") != "Delivery Status Notification (Delay)" || r.perRecipient.Get("Action") != "delayed" || r.perRecipient.Get("Status") != "4.4.1" {
		t.Errorf("delay = %v %v", r.header, r.perRecipient)
	}
	if id, err = w.Bounce(ann, sent, gmailtest.BounceOptions{Status: "5.2.2", Diagnostic: "552 5.2.2 full", Recipient: "x@y.example"}); err != nil {
		t.Fatal(err)
	}
	if r := readReport(t, w.raw(ann, id)); r.perRecipient.Get("Diagnostic-Code") != "smtp; 552 5.2.2 full" || r.header.Get("X-Failed-Recipients") != "x@y.example" {
		t.Errorf("bounce = %v %v", r.header, r.perRecipient)
	}
	if _, err := w.Bounce(ann, "1", gmailtest.BounceOptions{}); err == nil {
		t.Error("a bounce of nothing")
	}
}

func TestDeliverAs(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	id, err := w.DeliverAs(ann, []byte(message("Subject: x")), gmailtest.Delivery{Labels: []string{"SPAM", "UNREAD"}, At: at})
	if err != nil {
		t.Fatal(err)
	}
	if m := w.find(ann, id); !m.At.Equal(at) || !m.Has("SPAM") || m.Has("INBOX") {
		t.Errorf("message = %v %v", m.At, m.Labels)
	}
	if _, err := w.DeliverAs(ann, nil, gmailtest.Delivery{Labels: []string{"NOPE"}}); err == nil {
		t.Error("an unknown label was taken")
	}
	if _, err := w.Deliver("nobody@example.com", nil); err == nil {
		t.Error("an unknown user got mail")
	}
}

// TestDeliverAnything: whatever arrives can be read in every format.
func TestDeliverAnything(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"nothing":            "",
		"no header":          "\r\njust text",
		"no body":            "Subject: x",
		"LF":                 "Subject: x\nFrom: " + carl + "\n\nbody\n",
		"mbox line":          "From x@y Thu Jan  1 00:00:00 2026\nSubject: x\n\nbody\n",
		"bytes":              "Subject: \xff\xfe\r\nX\x00Y: z\r\n\r\n\x80\x81",
		"unclosed multipart": "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nbody",
		"no boundary":        "Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\nbody",
		"bad base64":         "Content-Transfer-Encoding: base64\r\n\r\n!!!!aGVsbG8",
		"bad quoted":         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=\r\nend=",
		"unknown charset":    "Content-Type: text/plain; charset=klingon\r\n\r\n\xff",
		"bad type":           "Content-Type: ;;;=\r\n\r\nx",
		"huge field":         "Subject: " + strings.Repeat("x", 1<<20) + "\r\n\r\nx",
		"deep":               strings.Repeat("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", 200) + "\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{})
			id, err := w.Deliver(ann, []byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"minimal", "metadata", "full", "raw"} {
				a := w.ok("GET", "/messages/"+id+"?format="+format, "")
				if a.str("id") != id {
					t.Errorf("%s: %.200s", format, a.body)
				}
			}
		})
	}
}
