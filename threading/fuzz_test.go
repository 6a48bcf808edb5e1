package threading_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

var kinds = []mailbox.Kind{
	mailbox.KindHuman, mailbox.KindAutoReply, mailbox.KindBounce, mailbox.KindDelay, mailbox.KindComplaint,
	mailbox.KindReceipt, mailbox.KindCalendar, mailbox.KindReaction, mailbox.KindList, mailbox.KindChallenge,
}

func headerSeeds(f *testing.F) {
	for _, lines := range []string{
		"", failure,
		"From: ben@example.org\nSubject: Re: Offer\nIn-Reply-To: <written@example.com>\n\n",
		"From: MAILER-DAEMON <>\nReturn-Path: <>\nSubject: failure notice\nX-Failed-Recipients: a@b, c@d\n\n",
		"Auto-Submitted: (a (b) c) auto-replied (vacation); x=y\nSubject: Automatic reply: x\n\n",
		"Content-Type: multipart/report; report-type=\"delivery-status\"; boundary=b\n\n",
		"Content-Type: text/calendar; method=REPLY\nContent-Class: urn:content-classes:calendarmessage\n\n",
		"List-Id: <a.b>\nSubject: [a] [b] Re[2]: Fwd: c\nReferences: <a@b> c@d\n\n",
		"Subject: =?utf-8?B?6Ieq5YuV5b+c562UOiBPZmZlcg==?=\nX-Auto-Response-Suppress: All\nX-MS-Exchange-Inbox-Rules-Loop: x\n\n",
	} {
		f.Add([]byte(lines))
	}
}

func FuzzClassify(f *testing.F) {
	headerSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := message(raw)
		v := threading.Classify(m)
		if !slices.Contains(kinds, v.Kind) || v.Level == mailbox.LevelNone || len(v.Evidence) == 0 {
			t.Fatalf("verdict %+v", v)
		}
		if reported := v.Kind == mailbox.KindBounce || v.Kind == mailbox.KindDelay; reported != (v.Bounce != nil) {
			t.Fatalf("kind %s with bounce %+v", v.Kind, v.Bounce)
		}
		if v.Bounce != nil {
			for _, r := range v.Bounce.Recipients {
				if !strings.Contains(r.Address, "@") || r.Hard {
					t.Fatalf("recipient %+v from the header alone", r)
				}
			}
		}
		if again := threading.Classify(m); !cmp.Equal(v, again) {
			t.Fatalf("the same message twice: %+v and %+v", v, again)
		}
	})
}

// A body may say anything: the verdict stays one, and a date stays near the
// message.
func FuzzClassifyBody(f *testing.F) {
	for _, text := range []string{
		"", "I am out of the office until 5 January.", "Ich bin bis zum 12.3. nicht im Büro.", "2026年3月5日まで休暇をいただきます。",
		"Je suis absent du 1er au 15 août 2026 inclus", "back on Monday, March 3rd", "> quoted\nI no longer work here", "\xff\xfe 31.31.", "03/04/2026 until 5/6",
	} {
		f.Add("Automatic reply: x", text)
		f.Add("Re: x", text)
	}
	today := time.Date(2026, 2, 27, 15, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, subject, text string) {
		m := &mailbox.Message{
			HeaderComplete: true, Date: today, Subject: subject, Body: &mailbox.Body{Text: text},
			Header: mailbox.Header{{Name: "Auto-Submitted", Value: "auto-replied"}},
		}
		v := threading.Classify(m)
		if !slices.Contains(kinds, v.Kind) || v.Level == mailbox.LevelNone {
			t.Fatalf("verdict %+v", v)
		}
		if !v.Until.IsZero() && (v.Until.Sub(today) > 401*24*time.Hour || today.Sub(v.Until) > 48*time.Hour) {
			t.Fatalf("until %v", v.Until)
		}
	})
}

func FuzzReadReport(f *testing.F) {
	headerSeeds(f)
	f.Add([]byte(status("Final-Recipient: utf-8; a\\x{E9}@b\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 x\n")))
	f.Add([]byte("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\nStatus: 4.4.7\n"))
	f.Add([]byte("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n--b--\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rep, err := threading.ReadReport(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if len(rep.Recipients) > 1000 || len(rep.OriginalMessageID) > 998 {
			t.Fatalf("unbounded: %d recipients, id of %d bytes", len(rep.Recipients), len(rep.OriginalMessageID))
		}
		b := rep.Bounce()
		if (b == nil) != (len(rep.Recipients) == 0 && rep.OriginalMessageID == "") {
			t.Fatalf("report %+v gives bounce %+v", rep, b)
		}
		if b == nil {
			return
		}
		for i, r := range b.Recipients {
			dead := r.Category == threading.CategoryUserUnknown || r.Category == threading.CategoryHostUnknown
			if r.Hard && (!dead || strings.HasPrefix(r.Status, "4") || r.Action == "delayed" || r.Action == "delivered" || r.SMTP != 0 && r.SMTP < 500) {
				t.Fatalf("hard without reason: %+v from %+v", r, rep.Recipients[i])
			}
			if r.SMTP != 0 && (r.SMTP < 400 || r.SMTP > 559) {
				t.Fatalf("no SMTP reply: %+v", r)
			}
		}
	})
}

func FuzzMatch(f *testing.F) {
	headerSeeds(f)
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	index := threading.NewMemory()
	sent := threading.SentMessage{
		Ref: ref, Key: "k", Provider: mailbox.Gmail, IDs: []mailbox.RFCMessageID{"written@example.com", "a@b"}, Thread: "thread",
		Recipients: []string{"ben@example.org"}, Subject: "Offer", At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC),
	}
	if err := index.Add(f.Context(), sent); err != nil {
		f.Fatal(err)
	}
	matcher := &threading.Matcher{Index: index}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := message(raw)
		for _, thread := range []mailbox.ThreadID{"", "thread"} {
			m.ThreadID = thread
			v := threading.Classify(m)
			match, err := matcher.Match(t.Context(), ref, m, v)
			if err != nil {
				t.Fatal(err)
			}
			if linked := match.Level != mailbox.LevelNone; linked != (match.Key == sent.Key) || linked != (len(match.Evidence) > 0) {
				t.Fatalf("match %+v", match)
			}
			if match.OtherSender && match.Level == mailbox.LevelCertain {
				t.Fatalf("certain about an unknown sender: %+v", match)
			}
			// Without our id in its text a message is linked by thread only.
			text := strings.Join(strings.Fields(string(raw)), "")
			if thread == "" && match.Key != "" && !strings.Contains(text, "=?") && !strings.Contains(text, string(match.RFCMessageID)) &&
				!strings.Contains(strings.ReplaceAll(text, `"`, ""), string(match.RFCMessageID)) {
				t.Fatalf("%q is linked to %s", raw, match.RFCMessageID)
			}
		}
	})
}
