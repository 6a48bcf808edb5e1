package threading_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func crlf(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n") }

const failure = `
From: Mail Delivery Subsystem <mailer-daemon@example.com>
To: ann@example.com
Subject: Delivery Status Notification (Failure)
In-Reply-To: <sent.1@example.com>
Content-Type: multipart/report; boundary="outer"; report-type=delivery-status

--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=utf-8

Your message was not delivered. See 5.7.1 and 550 in the manual.

--inner--
--outer
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
Original-Envelope-Id: env-17
X-Original-Message-ID: <sent.1@example.com>

Original-Recipient: rfc822;Nobody@Example.org
Final-Recipient: RFC822; <nobody@inner.example.org>
Action: Failed
Status: 5.1.1 (bad mailbox)
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550-5.1.1 The account that you tried to
 reach does not exist

Final-Recipient: rfc822; slow@example.net
Action: delayed
Status: 4.4.1
Diagnostic-Code: smtp; The recipient server did not accept our requests
Will-Retry-Until: Mon, 30 Mar 2026 10:00:00 +0200 (CEST)

Final-Recipient: rfc822; fine@example.net
Action: delivered
Status: 2.0.0

--outer
Content-Type: message/rfc822

From: ann@example.com
Message-ID: <other@example.com>
Subject: Offer

Hello.
--outer--
`

func read(t *testing.T, raw string) threading.Report {
	t.Helper()
	rep, err := threading.ReadReport(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestReadReport(t *testing.T) {
	t.Parallel()
	want := threading.Report{
		Type: "delivery-status", ReportingMTA: "mx.example.com", EnvelopeID: "env-17", OriginalMessageID: "sent.1@example.com",
		Recipients: []threading.ReportRecipient{
			{
				Original: "Nobody@Example.org", Final: "nobody@inner.example.org", Action: "failed", Status: "5.1.1", RemoteMTA: "mx.example.org",
				Diagnostic: "550-5.1.1 The account that you tried to reach does not exist",
			},
			{
				Final: "slow@example.net", Action: "delayed", Status: "4.4.1", Diagnostic: "The recipient server did not accept our requests",
				RetryUntil: time.Date(2026, 3, 30, 8, 0, 0, 0, time.UTC),
			},
			{Final: "fine@example.net", Action: "delivered", Status: "2.0.0"},
		},
	}
	for name, raw := range map[string]string{"LF": strings.TrimPrefix(failure, "\n"), "CRLF": crlf(failure)} {
		rep := read(t, raw)
		if diff := cmp.Diff(want, rep); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if rep.Kind() != mailbox.KindBounce {
			t.Errorf("%s: kind is %s", name, rep.Kind())
		}
	}
	bounce := &mailbox.Bounce{OriginalMessageID: "sent.1@example.com", Recipients: []mailbox.BounceRecipient{
		{Address: "Nobody@Example.org", Action: "failed", Status: "5.1.1", SMTP: 550, Category: threading.CategoryUserUnknown, Hard: true},
		{Address: "slow@example.net", Action: "delayed", Status: "4.4.1", Category: threading.CategoryNetwork},
		{Address: "fine@example.net", Action: "delivered", Status: "2.0.0"},
	}}
	if diff := cmp.Diff(bounce, read(t, failure).Bounce()); diff != "" {
		t.Errorf("Bounce (-want +got):\n%s", diff)
	}
}

func status(groups string) string {
	return "From: MAILER-DAEMON@example.com\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: message/delivery-status\n\n" + groups + "\n--b--\n"
}

func TestReadReportForms(t *testing.T) {
	t.Parallel()
	one := []threading.ReportRecipient{{Final: "a@example.org", Action: "failed", Status: "5.1.1"}}
	group := "Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1\n"
	tests := []struct {
		name, raw string
		recipient []threading.ReportRecipient
		id        mailbox.RFCMessageID
		kind      mailbox.Kind
	}{
		{
			"body of the status part", "Reporting-MTA: dns; x\n\n" + group,
			one, "", mailbox.KindBounce,
		},
		{
			"no blank line between the groups", status("Reporting-MTA: dns; x\n" + group + "Final-Recipient: rfc822; b@example.org\nAction: delayed\n"),
			append(one[:1:1], threading.ReportRecipient{Final: "b@example.org", Action: "delayed"}), "", mailbox.KindBounce,
		},
		{
			"blank line inside a group", status("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@example.org\n\nAction: failed\nStatus: 5.1.1\n"),
			one, "", mailbox.KindBounce,
		},
		{
			"doubled blank lines", status("Reporting-MTA: dns; x\n\n\n\n" + group + "\n\n"),
			one, "", mailbox.KindBounce,
		},
		{
			"no per-message group", status(group),
			one, "", mailbox.KindBounce,
		},
		{
			"base64", "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n" +
				base64.StdEncoding.EncodeToString([]byte("Reporting-MTA: dns; x\n\n"+group)) + "\n--b--\n",
			one, "", mailbox.KindBounce,
		},
		{
			"labelled base64 but plain", "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n" +
				"@@@\n\n" + group + "\n--b--\n",
			one, "", mailbox.KindBounce,
		},
		{
			"internationalised", "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/global-delivery-status\n\n" +
				"Reporting-MTA: dns; x\n\nOriginal-Recipient: utf-8;j\u00f6rg@example.org\nFinal-Recipient: utf-8; j\\x{F6}rg@ex\\x{e4}mple.org\nAction: failed\n\n" +
				"--b\nContent-Type: message/global-headers\n\nMessage-ID: <sent.1@example.com>\n\n--b--\n",
			[]threading.ReportRecipient{{Original: "j\u00f6rg@example.org", Final: "j\u00f6rg@ex\u00e4mple.org", Action: "failed"}},
			"sent.1@example.com", mailbox.KindBounce,
		},
		{
			"returned header only", status(group) + "x", // what follows the closing delimiter is nothing
			one, "", mailbox.KindBounce,
		},
		{
			"id from text/rfc822-headers", "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + group +
				"\n--b\nContent-Type: text/rfc822-headers\n\nSubject: Offer\nMessage-Id:\n <sent.1@example.com>\n\n--b--\n",
			one, "sent.1@example.com", mailbox.KindBounce,
		},
		{
			"never closed", "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + group,
			one, "", mailbox.KindBounce,
		},
		{
			"wrong boundary", "Content-Type: multipart/report; boundary=other\n\n--b\nContent-Type: message/delivery-status\n\n" + group + "\n--b--\n",
			one, "", mailbox.KindBounce,
		},
		{
			"no Content-Type at all", "From: MAILER-DAEMON@example.com\nSubject: failure notice\n\n--b\nContent-Type: message/delivery-status\n\n" + group + "\n--b--\n",
			one, "", mailbox.KindBounce,
		},
		{
			"inside multipart/mixed", "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + group + "\n--b--\n--m--\n",
			one, "", mailbox.KindBounce,
		},
		{
			"X-Failed-Recipients only", "From: MAILER-DAEMON@example.com\nSubject: Delivery Status Notification (Failure)\nX-Failed-Recipients: a@example.org, b@example.org\nIn-Reply-To: <sent.1@example.com>\n\n",
			[]threading.ReportRecipient{{Final: "a@example.org", Action: "failed"}, {Final: "b@example.org", Action: "failed"}},
			"sent.1@example.com", mailbox.KindBounce,
		},
		{
			"X-Failed-Recipients of a delay", "From: MAILER-DAEMON@example.com\nSubject: Delivery Status Notification (Delay)\nX-Failed-Recipients: a@example.org\n\n",
			[]threading.ReportRecipient{{Final: "a@example.org", Action: "delayed"}},
			"", mailbox.KindDelay,
		},
		{
			"delay", status("Final-Recipient: rfc822; a@example.org\nAction: delayed\n\nFinal-Recipient: rfc822; b@example.org\nAction: relayed\n"),
			[]threading.ReportRecipient{{Final: "a@example.org", Action: "delayed"}, {Final: "b@example.org", Action: "relayed"}},
			"", mailbox.KindDelay,
		},
		{
			"words of their own", status("Final-Recipient: rfc822; a@example.org\nAction: failure\n\nFinal-Recipient: rfc822; b@example.org\nAction: Error (no host)\n\n" +
				"Final-Recipient: rfc822; c@example.org\nAction: deferred\n\nFinal-Recipient: rfc822; d@example.org\nAction: expired\n\nFinal-Recipient: rfc822; e@example.org\nAction: Delivered; ok\n"),
			[]threading.ReportRecipient{
				{Final: "a@example.org", Action: "failed"},
				{Final: "b@example.org", Action: "failed"},
				{Final: "c@example.org", Action: "delayed"},
				{Final: "d@example.org", Action: "failed"},
				{Final: "e@example.org", Action: "delivered"},
			},
			"", mailbox.KindBounce,
		},
		{
			"a recipient's fields in the first group", status("Reporting-MTA: dns; x\nAction: failed\nRemote-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; a@example.org\nStatus: 4.7.0\n"),
			[]threading.ReportRecipient{{Final: "a@example.org", Action: "failed", RemoteMTA: "mx.example.org", Status: "4.7.0"}},
			"", mailbox.KindBounce,
		},
		{
			"two types, and a name without a domain", status("Original-Recipient: rfc822; rfc822;a@example.org\n\nFinal-Recipient: rfc822; 1@example.org\nOriginal-Recipient: rfc822; 1\n"),
			[]threading.ReportRecipient{{Original: "a@example.org"}, {Original: "1", Final: "1@example.org"}},
			"", mailbox.KindBounce,
		},
		{
			"a word that tells nothing", status("Final-Recipient: rfc822; a@example.org\nAction: 5xx\nStatus: 4.4.7\n"),
			[]threading.ReportRecipient{{Final: "a@example.org", Status: "4.4.7"}},
			"", mailbox.KindDelay,
		},
		{
			"wrapped by a gateway", "From: postmaster@example.com\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: message/rfc822\n\n" +
				strings.TrimPrefix(failure, "\n") + "\n--m\nContent-Type: text/plain\n\nThis mail is confidential.\n--m--\n",
			read(t, failure).Recipients, "sent.1@example.com", mailbox.KindBounce,
		},
		{
			"success", status("Final-Recipient: rfc822; a@example.org\nAction: delivered\nStatus: 2.1.5\n"),
			[]threading.ReportRecipient{{Final: "a@example.org", Action: "delivered", Status: "2.1.5"}},
			"", mailbox.KindReceipt,
		},
		{
			"status without an action", status("Final-Recipient: rfc822; a@example.org\nStatus: 4.4.7\n"),
			[]threading.ReportRecipient{{Final: "a@example.org", Status: "4.4.7"}},
			"", mailbox.KindDelay,
		},
		{
			"a forwarded bounce is not its own", "From: ben@example.org\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\nSee below.\n--m\nContent-Type: message/rfc822\n\n" +
				strings.TrimPrefix(failure, "\n") + "\n--m--\n",
			nil, "", "",
		},
		{"ordinary mail", "From: ben@example.org\nSubject: Re: Offer\nIn-Reply-To: <sent.1@example.com>\nContent-Type: text/plain\n\nFinal-Recipient: rfc822; a@example.org\n", nil, "", ""},
		{"empty", "", nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, raw := range []string{tt.raw, crlf(tt.raw)} {
				rep := read(t, raw)
				if diff := cmp.Diff(tt.recipient, rep.Recipients); diff != "" {
					t.Errorf("recipients (-want +got):\n%s", diff)
				}
				if rep.OriginalMessageID != tt.id {
					t.Errorf("original id is %q, want %q", rep.OriginalMessageID, tt.id)
				}
				if rep.Kind() != tt.kind {
					t.Errorf("kind is %q, want %q", rep.Kind(), tt.kind)
				}
			}
		})
	}
}

func TestReadReceiptAndFeedback(t *testing.T) {
	t.Parallel()
	rep := read(t, "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\nContent-Type: message/disposition-notification\n\n"+
		"Reporting-UA: x\nOriginal-Recipient: rfc822;ben@example.org\nFinal-Recipient: rfc822;ben@example.org\n"+
		"Original-Message-ID: <sent.1@example.com>\nDisposition: manual-action/MDN-sent-manually; Displayed/warning\n\n--b--\n")
	want := threading.Report{
		Type: "disposition-notification", OriginalMessageID: "sent.1@example.com", Disposition: "displayed",
		Recipients: []threading.ReportRecipient{{Original: "ben@example.org", Final: "ben@example.org"}},
	}
	if diff := cmp.Diff(want, rep); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	if rep.Kind() != mailbox.KindReceipt {
		t.Errorf("receipt: kind is %s", rep.Kind())
	}
	if b := rep.Bounce(); b.Recipients[0].Hard || b.Recipients[0].Category != "" {
		t.Errorf("a receipt blames a recipient: %+v", b)
	}

	rep = read(t, "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n"+
		"Feedback-Type: Abuse\nOriginal-Rcpt-To: <ben@example.org>\nOriginal-Rcpt-To: redacted\n\n"+
		"--b\nContent-Type: message/rfc822\n\nMessage-ID: <sent.1@example.com>\n\nHello\n--b--\n")
	want = threading.Report{
		Type: "feedback-report", OriginalMessageID: "sent.1@example.com", FeedbackType: "abuse",
		Recipients: []threading.ReportRecipient{{Original: "ben@example.org"}},
	}
	if diff := cmp.Diff(want, rep); diff != "" {
		t.Errorf("feedback (-want +got):\n%s", diff)
	}
	if rep.Kind() != mailbox.KindComplaint {
		t.Errorf("feedback: kind is %s", rep.Kind())
	}
	if b := rep.Bounce(); b.Recipients[0].Hard {
		t.Errorf("a complaint makes a hard bounce: %+v", b)
	}

	old := read(t, "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n"+
		"Feedback-Type: opt-out\nRemoval-Recipient: ben@example.org\n\n--b\nContent-Type: text/rfc822-header\n\nMessage-ID: <sent.1@example.com>\n\n--b--\n")
	junk := read(t, "From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=b\n\n"+
		"--b\nContent-Type: message/rfc822\n\nTo: ben@example.org\nMessage-ID: <sent.1@example.com>\n\nHello\n--b--\n")
	want.FeedbackType = "opt-out"
	if diff := cmp.Diff(want, old); diff != "" {
		t.Errorf("opt-out (-want +got):\n%s", diff)
	}
	want.FeedbackType = ""
	if diff := cmp.Diff(want, junk); diff != "" {
		t.Errorf("junk report (-want +got):\n%s", diff)
	}
}

// A report is small; what is returned with it may be as large as mail gets.
func TestReadReportIsBounded(t *testing.T) {
	t.Parallel()
	head := status("Final-Recipient: rfc822; a@example.org\nAction: failed\n")
	head = strings.TrimSuffix(head, "--b--\n") + "--b\nContent-Type: message/rfc822\n\nMessage-ID: <sent.1@example.com>\n\n"
	taken := 0
	endless := readerFunc(func(p []byte) (int, error) {
		taken += len(p)
		for i := range p {
			p[i] = 'x'
		}
		return len(p), nil
	})
	rep, err := threading.ReadReport(io.MultiReader(strings.NewReader(head), endless))
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Truncated || len(rep.Recipients) != 1 || rep.OriginalMessageID != "sent.1@example.com" {
		t.Errorf("got %+v", rep)
	}
	if taken > 64<<20 {
		t.Errorf("read %d bytes of an endless message", taken)
	}

	groups := strings.Repeat("Final-Recipient: rfc822; a@example.org\nAction: failed\n\n", 1500)
	if rep := read(t, status(groups)); len(rep.Recipients) != 1000 {
		t.Errorf("%d recipients, want the first 1000", len(rep.Recipients))
	}

	boom := errors.New("boom")
	if _, err := threading.ReadReport(io.MultiReader(strings.NewReader(head), iotest.ErrReader(boom))); !errors.Is(err, boom) {
		t.Errorf("error is %v, want that of the reader", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// hostileReports are shapes on which a careless parser takes quadratic time.
func hostileReports() map[string]string {
	const size = 2 << 20
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	var nested strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=%d\n\n--%d\n", i, i)
	}
	return map[string]string{
		"nested parts":        nested.String(),
		"many parts":          "Content-Type: multipart/report; boundary=b\n\n" + fill("--b\n\n"),
		"many groups":         status(fill("Action: failed\n\n")),
		"many fields":         status(fill("Status: 5.1.1\n")),
		"one folded field":    status("Diagnostic-Code: smtp; " + fill("5.1\n ")),
		"one long field":      status("Diagnostic-Code: smtp; " + fill("5.1.1 ")),
		"escapes":             status("Final-Recipient: utf-8; " + fill(`\x{`)),
		"no line ends":        fill("x"),
		"blank lines":         fill("\n"),
		"delimiters only":     "\n" + fill("--"),
		"failed recipients":   "X-Failed-Recipients: " + fill("a@b,") + "\n\n",
		"encoded words":       "Subject: " + fill("=?utf-8?q?a?= ") + "\n\n",
		"brackets in subject": "Subject: " + fill("[") + "\nAuto-Submitted: " + fill("(") + "\n\n",
		"references":          "References: " + fill("<a@b> ") + "\n\n",
		"bare references":     "In-Reply-To: " + fill("a@b ") + "\n\n",
		"addresses":           "From: " + fill("a@b, ") + "\nTo: " + fill("\"") + "\n\n",
		"fields":              fill("In-Reply-To: a@b\n") + "\n",
		"words, addresses":    "From: MAILER-DAEMON@x\n\n" + fill("a@b.c "),
		"words, lines":        "From: MAILER-DAEMON@x\n\n" + fill("<a@b>:\n550 5.1.1\n"),
		"words, at signs":     "From: MAILER-DAEMON@x\n\n" + fill("@"),
		"words, quotes":       "From: MAILER-DAEMON@x\n\n" + fill("\"@"),
		"words, codes":        "From: MAILER-DAEMON@x\n\na@b.c\n" + fill("550 "),
		"words, one line":     "From: MAILER-DAEMON@x\n\n" + fill("x550.a@b<"),
		"words, fields":       "From: MAILER-DAEMON@x\n\n" + fill("To: a@b\n"),
		"words, announcement": "From: MAILER-DAEMON@x\n\n" + fill("original message\n"),
		"words, transcript":   "From: MAILER-DAEMON@x\n\n" + fill(">>> RCPT TO:<a@b.c>\n<<< 550 x\n"),
		"words, HTML":         "From: MAILER-DAEMON@x\nContent-Type: text/html\n\n" + fill("<p><b a=1>a@b.c"),
		"words, HTML tags":    "From: MAILER-DAEMON@x\nContent-Type: text/html\n\n" + fill("<"),
		"notification":        "From: x@sns.amazonaws.com\n\n{\"notificationType\":" + fill("[{\n"),
		"parameters":          "Content-Type: multipart/report" + fill("; a=\"") + "\n\n",
	}
}

func TestHostileInput(t *testing.T) {
	t.Parallel()
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	index := threading.NewMemory()
	if err := index.Add(t.Context(), threading.SentMessage{Ref: ref, Key: "k", IDs: []mailbox.RFCMessageID{"a@b"}}); err != nil {
		t.Fatal(err)
	}
	for name, raw := range hostileReports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			read(t, raw)
			m := message([]byte(raw))
			if _, err := (&threading.Matcher{Index: index}).Match(t.Context(), ref, m, threading.Classify(m)); err != nil {
				t.Error(err)
			}
			// A quadratic pass over two megabytes takes minutes.
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
