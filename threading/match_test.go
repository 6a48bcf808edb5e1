package threading_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

var (
	ref  = mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"}
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

// offers are the sent messages of the match tests.
func offers(t *testing.T) threading.Index {
	t.Helper()
	index := threading.NewMemory()
	for _, m := range []threading.SentMessage{
		{
			Ref: ref, Key: "gmail", Provider: mailbox.Gmail, IDs: []mailbox.RFCMessageID{"written@example.com", "wire@mail.example.com"},
			Thread: "thread-g", Recipients: []string{"Ben.Reader@gmail.com", "boss@example.org"}, Subject: "Offer", At: noon,
		},
		{
			Ref: ref, Key: "gmail, later", Provider: mailbox.Gmail, IDs: []mailbox.RFCMessageID{"later@example.com"},
			Thread: "thread-g", Recipients: []string{"ben.reader@gmail.com"}, Subject: "Re: Offer", At: noon.Add(24 * time.Hour),
		},
		{
			Ref: ref, Key: "outlook", Provider: mailbox.Outlook, IDs: []mailbox.RFCMessageID{"o@example.com"},
			Thread: "thread-o", Recipients: []string{"ben@example.org"}, Subject: "Hello", At: noon,
		},
		{
			Ref: ref, Key: "no time", Provider: mailbox.Gmail, IDs: []mailbox.RFCMessageID{"untimed@example.com"},
			Thread: "thread-untimed", Recipients: []string{"ben@example.org"},
		},
		{ // a host that takes addresses for ids
			Ref: ref, Key: "addresses", IDs: []mailbox.RFCMessageID{"ben@example.org", "stranger@example.net"}, Recipients: []string{"ben@example.org"}, At: noon,
		},
		{
			Ref: mailbox.Ref{Tenant: "tenant", Mailbox: "other"}, Key: "other mailbox", Provider: mailbox.Gmail,
			IDs: []mailbox.RFCMessageID{"elsewhere@example.com"}, Thread: "thread-elsewhere", Recipients: []string{"ben@example.org"}, At: noon,
		},
		{
			Ref: ref, Key: "to ann", IDs: []mailbox.RFCMessageID{"shared@example.com"}, Recipients: []string{"ann@example.org"}, At: noon,
		},
		{
			Ref: ref, Key: "to ben", IDs: []mailbox.RFCMessageID{"shared@example.com"}, Recipients: []string{"ben@example.org"}, At: noon.Add(-time.Hour),
		},
	} {
		if err := index.Add(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	return index
}

func TestMatch(t *testing.T) {
	t.Parallel()
	index := offers(t)
	later := noon.Add(48 * time.Hour)
	bounce := func(id mailbox.RFCMessageID, failed ...string) func(*mailbox.Message, *mailbox.Verdict) {
		return func(_ *mailbox.Message, v *mailbox.Verdict) {
			v.Kind, v.Bounce = mailbox.KindBounce, &mailbox.Bounce{OriginalMessageID: id}
			for _, a := range failed {
				v.Bounce.Recipients = append(v.Bounce.Recipients, mailbox.BounceRecipient{Address: a, Action: "failed"})
			}
		}
	}
	thread := func(id mailbox.ThreadID, at time.Time) func(*mailbox.Message, *mailbox.Verdict) {
		return func(m *mailbox.Message, _ *mailbox.Verdict) { m.ThreadID, m.ReceivedAt = id, at }
	}
	none := mailbox.Match{}
	tests := []struct {
		name  string
		lines []string
		edit  []func(*mailbox.Message, *mailbox.Verdict)
		want  mailbox.Match // its evidence is compared by rules
		rules []string
	}{
		// By id.
		{
			name:  "In-Reply-To from the recipient",
			lines: []string{"From: Ben <ben.reader@gmail.com>", "Subject: Re: Offer", "In-Reply-To: <written@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "the id that the provider wrote",
			lines: []string{"From: ben.reader@gmail.com", "Subject: Re: Offer", "In-Reply-To: <wire@mail.example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "wire@mail.example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "another spelling of the recipient",
			lines: []string{"From: benreader+work@googlemail.com", "Subject: Re: Offer", "In-Reply-To: <written@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "the recipient stands in Sender",
			lines: []string{"From: Boss <chief@example.org>", "Sender: boss@example.org", "Subject: Re: Offer", "In-Reply-To: <written@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "bare id among words",
			lines: []string{"From: ben.reader@gmail.com", "Subject: Re: Offer", "In-Reply-To: your message written@example.com of Monday"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "several ids, one is ours",
			lines: []string{"From: help@example.org", "Subject: Re: Offer", "In-Reply-To: <written@example.com> <ticket.1@example.org>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh, OtherSender: true},
			rules: []string{"in_reply_to", "other_sender"},
		},
		{
			name:  "the last of several ids of ours",
			lines: []string{"From: ben.reader@gmail.com", "Subject: Re: Offer", "In-Reply-To: <written@example.com> <later@example.com>"},
			want:  mailbox.Match{Key: "gmail, later", RFCMessageID: "later@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "a colleague answers",
			lines: []string{"From: cleo@example.org", "Subject: Re: Offer", "In-Reply-To: <written@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh, OtherSender: true},
			rules: []string{"in_reply_to", "other_sender"},
		},
		{
			name:  "changed subject",
			lines: []string{"From: ben.reader@gmail.com", "Subject: Something else", "In-Reply-To: <written@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant", "subject_changed"},
		},
		{
			name:  "In-Reply-To beats References",
			lines: []string{"From: ben.reader@gmail.com", "Subject: Re: Offer", "In-Reply-To: <written@example.com>", "References: <written@example.com> <later@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "References, right-most known",
			lines: []string{"From: ben.reader@gmail.com", "Subject: Re: Offer", "In-Reply-To: <unknown@example.org>", "References: <written@example.com>, <later@example.com> <unknown@example.org>"},
			want:  mailbox.Match{Key: "gmail, later", RFCMessageID: "later@example.com", Level: mailbox.LevelHigh},
			rules: []string{"references", "known_participant"},
		},
		{
			name:  "References of a stranger",
			lines: []string{"From: cleo@example.net", "Subject: Re: Offer", "References: <written@example.com> <unknown@example.org>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh, OtherSender: true},
			rules: []string{"references", "other_sender"},
		},
		{
			name:  "second References field",
			lines: []string{"From: ben.reader@gmail.com", "Subject: Re: Offer", "References: undefined undefined", "References: <written@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh},
			rules: []string{"references", "known_participant"},
		},
		{
			name:  "Exchange names the parent",
			lines: []string{"From: ben@example.org", "Subject: Automatic reply: Hello", "X-MS-Exchange-Parent-Message-Id: <o@example.com>", "Auto-Submitted: auto-generated"},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelCertain},
			rules: []string{"exchange_parent_id", "known_participant", "subject_changed"},
		},
		{
			name:  "an id shared by two messages goes to the one that was sent to the answering person",
			lines: []string{"From: ben@example.org", "In-Reply-To: <shared@example.com>"},
			want:  mailbox.Match{Key: "to ben", RFCMessageID: "shared@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "known_participant"},
		},
		{
			name:  "an id shared by two messages, nobody known: the newest",
			lines: []string{"From: cleo@example.net", "In-Reply-To: <shared@example.com>"},
			want:  mailbox.Match{Key: "to ann", RFCMessageID: "shared@example.com", Level: mailbox.LevelHigh, OtherSender: true},
			rules: []string{"in_reply_to", "other_sender"},
		},
		{
			name:  "list mail is linked by id",
			lines: []string{"From: ben@example.org", "Subject: [Garden] Re: Hello", "List-Id: <garden.example.org>", "References: <o@example.com>"},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelHigh},
			rules: []string{"references", "known_participant"},
		},
		{
			name:  "id and thread agree",
			lines: []string{"From: ben@example.org", "Subject: Re: Hello", "In-Reply-To: <o@example.com>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-o", later)},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelCertain},
			rules: []string{"in_reply_to", "thread_id", "known_participant"},
		},

		// What links nothing.
		{
			name:  "no reply header",
			lines: []string{"From: ben@example.org", "Subject: Re: Hello"},
			want:  none,
		},
		{
			name:  "unknown ids",
			lines: []string{"From: ben@example.org", "In-Reply-To: <unknown@example.org>", "References: <more@example.org>"},
			want:  none,
		},
		{
			name:  "ids are case-sensitive",
			lines: []string{"From: ben.reader@gmail.com", "In-Reply-To: <WRITTEN@example.com>"},
			want:  none,
		},
		{
			name:  "the sender's address as id",
			lines: []string{"From: Stranger <Stranger@Example.net>", "In-Reply-To: <stranger@example.net>"},
			want:  none,
		},
		{
			name:  "another participant's address as id",
			lines: []string{"From: cleo@example.net", `To: "Doe, Ann" <ann@example.com>, "S" <stranger@example.net>`, "In-Reply-To: stranger@example.net"},
			want:  none,
		},
		{
			name:  "a recipient's address as id",
			lines: []string{"From: cleo@example.net", "In-Reply-To: <ben@example.org>"},
			want:  none,
		},
		{
			name:  "address first, id second",
			lines: []string{"From: cleo@example.org", "Subject: Re: Offer", "In-Reply-To: Message from Ben <ben@example.org> of Monday <written@example.com>"},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh, OtherSender: true},
			rules: []string{"in_reply_to", "other_sender"},
		},
		{
			name:  "another mailbox's message",
			lines: []string{"From: ben@example.org", "In-Reply-To: <elsewhere@example.com>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-elsewhere", later)},
			want:  none,
		},
		{
			name:  "our own message comes back",
			lines: []string{"From: ann@example.com", "Message-ID: <later@example.com>", "Subject: Re: Offer", "In-Reply-To: <written@example.com>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", later)},
			want:  none,
		},
		{
			name:  "our own message by its header alone",
			lines: []string{"From: ann@example.com", "Message-ID: <later@example.com>", "In-Reply-To: <written@example.com>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){func(m *mailbox.Message, _ *mailbox.Verdict) { m.RFCMessageID = "" }},
			want:  none,
		},
		{
			name:  "sent by hand",
			lines: []string{"From: ann@example.com", "Message-ID: <hand@example.com>", "In-Reply-To: <written@example.com>"},
			edit: []func(*mailbox.Message, *mailbox.Verdict){
				thread("thread-g", later),
				func(m *mailbox.Message, _ *mailbox.Verdict) { m.Folders = []mailbox.Folder{mailbox.FolderSent} },
			},
			want: none,
		},
		{
			name:  "a draft",
			lines: []string{"From: ann@example.com", "In-Reply-To: <written@example.com>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){func(m *mailbox.Message, _ *mailbox.Verdict) { m.Draft = true }},
			want:  none,
		},

		// By the provider's conversation.
		{
			name:  "Gmail thread and recipient",
			lines: []string{"From: benreader@gmail.com", "Subject: Re: Offer", "In-Reply-To: <unknown@example.org>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", later)},
			want:  mailbox.Match{Key: "gmail, later", RFCMessageID: "later@example.com", Level: mailbox.LevelHigh},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "Gmail thread, the newest message that was sent before",
			lines: []string{"From: benreader@gmail.com", "Subject: Re: Offer"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", noon.Add(time.Hour))},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "Gmail thread, the message that went to this person",
			lines: []string{"From: boss@example.org", "Subject: Re: Offer"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", later)},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "Gmail thread, received before anything was sent",
			lines: []string{"From: benreader@gmail.com"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", noon.Add(-time.Hour))},
			want:  none,
		},
		{
			name:  "Gmail thread, clocks differ a little",
			lines: []string{"From: benreader@gmail.com", "Subject: Offer"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", noon.Add(-time.Minute))},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "Gmail thread, the Date field stands in",
			lines: []string{"From: benreader@gmail.com", "Subject: Offer", "Date: Mon, 02 Mar 2026 13:00:00 +0000"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", time.Time{})},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "Gmail thread, no time to compare",
			lines: []string{"From: ben@example.org"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-untimed", later)},
			want:  mailbox.Match{Key: "no time", RFCMessageID: "untimed@example.com", Level: mailbox.LevelLow},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "Gmail thread, stranger",
			lines: []string{"From: cleo@example.net", "Subject: Re: Offer"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", later)},
			want:  mailbox.Match{Key: "gmail, later", RFCMessageID: "later@example.com", Level: mailbox.LevelLow, OtherSender: true},
			rules: []string{"thread_id", "other_sender"},
		},
		{
			name:  "Outlook conversation and recipient",
			lines: []string{"From: ben@example.org", "Subject: Re: Hello"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-o", later)},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelMedium},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "Outlook conversation of equal subjects",
			lines: []string{"From: cleo@example.net", "Subject: Hello"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-o", later)},
			want:  none,
		},
		{
			name:  "Outlook conversation, received before",
			lines: []string{"From: ben@example.org", "Subject: Hello"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-o", noon.Add(-time.Hour))},
			want:  none,
		},
		{
			name:  "list mail is not linked by thread",
			lines: []string{"From: ben@example.org", "Subject: Hello", "List-Id: <garden.example.org>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-o", later)},
			want:  none,
		},
		{
			name:  "unknown thread",
			lines: []string{"From: ben@example.org", "Subject: Something new"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-x", later)},
			want:  none,
		},

		// Reports.
		{
			name:  "the id a bounce names",
			lines: []string{"From: MAILER-DAEMON@mx.example.org", "Subject: failure notice"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){bounce("o@example.com", "ben@example.org")},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelCertain},
			rules: []string{"original_id", "known_participant"},
		},
		{
			name:  "the id a bounce names, recipient forwarded",
			lines: []string{"From: MAILER-DAEMON@mx.example.org", "Subject: failure notice"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){bounce("o@example.com", "inner@example.net")},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelCertain},
			rules: []string{"original_id"},
		},
		{
			name:  "the id a bounce names beats its header",
			lines: []string{"From: MAILER-DAEMON@mx.example.org", "Subject: failure notice", "In-Reply-To: <written@example.com>"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){bounce("o@example.com", "ben@example.org")},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelCertain},
			rules: []string{"original_id", "known_participant"},
		},
		{
			name:  "bounce by its header alone",
			lines: []string{"From: MAILER-DAEMON@mx.example.org", "Subject: failure notice", "In-Reply-To: <o@example.com>"},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelCertain},
			rules: []string{"original_id"},
		},
		{
			name:  "bounce by Gmail thread and failed recipient",
			lines: []string{"From: mailer-daemon@googlemail.com", "Subject: Delivery Status Notification (Failure)", "X-Failed-Recipients: boss@example.org"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", later)},
			want:  mailbox.Match{Key: "gmail", RFCMessageID: "written@example.com", Level: mailbox.LevelHigh},
			rules: []string{"thread_id", "known_participant"},
		},
		{
			name:  "bounce by Gmail thread alone",
			lines: []string{"From: mailer-daemon@googlemail.com", "Subject: Delivery Status Notification (Failure)"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-g", later)},
			want:  mailbox.Match{Key: "gmail, later", RFCMessageID: "later@example.com", Level: mailbox.LevelMedium},
			rules: []string{"thread_id"},
		},
		{
			name:  "bounce by Outlook conversation alone",
			lines: []string{"From: postmaster@example.org", "Subject: Undeliverable: Hello"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-o", later)},
			want:  none,
		},
		{
			name:  "bounce by Outlook conversation and failed recipient",
			lines: []string{"From: postmaster@example.org", "Subject: Undeliverable: Hello"},
			edit:  []func(*mailbox.Message, *mailbox.Verdict){thread("thread-o", later), bounce("", "BEN@example.org")},
			want:  mailbox.Match{Key: "outlook", RFCMessageID: "o@example.com", Level: mailbox.LevelMedium},
			rules: []string{"thread_id", "known_participant"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := header(tt.lines...)
			v := threading.Classify(m)
			for _, edit := range tt.edit {
				edit(m, &v)
			}
			matcher := &threading.Matcher{Index: index}
			got, err := matcher.Match(t.Context(), ref, m, v)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.rules, rules(got.Evidence)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			for _, e := range got.Evidence {
				if strings.ContainsAny(e.Detail, "@<") {
					t.Errorf("the detail of %s holds personal text: %q", e.Rule, e.Detail)
				}
			}
			got.Evidence, got.Thread, got.Recipient = nil, "", "" // see TestMatchNamesThreadAndRecipient
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("match (-want +got):\n%s", diff)
			}
		})
	}
}

// Providers give addresses and subjects decoded, with or without the header.
func TestMatchDecodedFields(t *testing.T) {
	t.Parallel()
	m := &mailbox.Message{
		From: []mailbox.Address{{Name: "Ben", Address: "Ben@Example.org"}}, Subject: "Re: Hello", ThreadID: "thread-o", ReceivedAt: noon.Add(time.Hour),
	}
	got, err := (&threading.Matcher{Index: offers(t)}).Match(t.Context(), ref, m, threading.Classify(m))
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != "outlook" || got.Level != mailbox.LevelMedium || got.OtherSender {
		t.Errorf("got %+v", got)
	}
}

// An id that is a part of somebody's address is an id.
func TestMatchTakesNoPartsForAddresses(t *testing.T) {
	t.Parallel()
	index := threading.NewMemory()
	for _, id := range []mailbox.RFCMessageID{"en@example.org", "ben@example.or", "ben@example.org"} {
		if err := index.Add(t.Context(), threading.SentMessage{Ref: ref, Key: string(id), IDs: []mailbox.RFCMessageID{id}}); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]string{
		"en@example.org": "en@example.org", "ben@example.or": "ben@example.or", "ben@example.org": "", "Ben@Example.Org": "",
	} {
		for _, from := range []string{"ben@example.org", "Ben <ben@example.org>", `"cleo@example.org" <a@x>, ben@example.org;`} {
			m := header("To: ann@example.com", "From: "+from, "In-Reply-To: <"+id+">")
			got, err := (&threading.Matcher{Index: index}).Match(t.Context(), ref, m, threading.Classify(m))
			if err != nil {
				t.Fatal(err)
			}
			if got.Key != want {
				t.Errorf("%s in an answer from %s: %q, want %q", id, from, got.Key, want)
			}
		}
	}
}

// Of a long thread the nearest ancestors are looked up, in one call.
func TestMatchBoundsLookups(t *testing.T) {
	t.Parallel()
	var references strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&references, " <%d@example.net>", i)
	}
	references.WriteString(" <written@example.com> <unknown@example.net>")
	counted := &countingIndex{Index: offers(t)}
	m := header("From: ben.reader@gmail.com", "Subject: Re: Offer", "References:"+references.String())
	got, err := (&threading.Matcher{Index: counted}).Match(t.Context(), ref, m, threading.Classify(m))
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != "gmail" || got.Level != mailbox.LevelHigh {
		t.Errorf("got %+v", got)
	}
	if counted.calls != 1 || counted.terms > 300 {
		t.Errorf("%d lookups of %d terms, want one of at most 300", counted.calls, counted.terms)
	}
}

// An id that is repeated leaves room for the others.
func TestMatchCountsAnIDOnce(t *testing.T) {
	t.Parallel()
	m := header("From: ben.reader@gmail.com", "Subject: Re: Offer", "References: <written@example.com>"+strings.Repeat(" <unknown@example.net>", 300))
	got, err := (&threading.Matcher{Index: offers(t)}).Match(t.Context(), ref, m, threading.Classify(m))
	if err != nil || got.Key != "gmail" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTermsAreDistinct(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 100} {
		s := threading.SentMessage{}
		for i := range n {
			s.Recipients = append(s.Recipients, fmt.Sprintf("%d@example.org", i))
		}
		if terms := s.Terms(); len(terms) != n+1 {
			t.Errorf("%d terms of %d recipients in one domain", len(terms), n)
		}
	}
}

type countingIndex struct {
	threading.Index
	calls, terms int
}

func (c *countingIndex) Find(ctx context.Context, ref mailbox.Ref, terms ...threading.Term) ([]threading.SentMessage, error) {
	c.calls++
	c.terms += len(terms)
	return c.Index.Find(ctx, ref, terms...)
}

// A broken store is no "no link": the caller has to try again.
func TestMatchStoreFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	reply := header("From: ben@example.org", "In-Reply-To: <o@example.com>")
	inThread := header("From: ben@example.org")
	inThread.ThreadID = "thread-o"
	for name, m := range map[string]*mailbox.Message{"by id": reply, "by thread": inThread} {
		_, err := (&threading.Matcher{Index: brokenIndex{boom}}).Match(t.Context(), ref, m, threading.Classify(m))
		if !errors.Is(err, mailbox.ClassStorage) || !errors.Is(err, boom) {
			t.Errorf("%s: error is %v, want class %v around boom", name, err, mailbox.ClassStorage)
		}
		if err != nil && strings.Contains(err.Error(), "boom") {
			t.Errorf("%s: the store's words stand in %q", name, err)
		}
	}
	own := &mailbox.Error{Op: "by_id", Class: mailbox.ClassUnavailable}
	_, err := (&threading.Matcher{Index: brokenIndex{own}}).Match(t.Context(), ref, reply, threading.Classify(reply))
	if !errors.Is(err, mailbox.ClassUnavailable) {
		t.Errorf("error is %v, want the store's own class", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&threading.Matcher{Index: offers(t)}).Match(ctx, ref, reply, threading.Classify(reply)); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

type brokenIndex struct{ err error }

func (b brokenIndex) Add(context.Context, threading.SentMessage) error { return b.err }

func (b brokenIndex) Find(context.Context, mailbox.Ref, ...threading.Term) ([]threading.SentMessage, error) {
	return nil, b.err
}

func (b brokenIndex) Forget(context.Context, mailbox.Ref, time.Time) (int, error) { return 0, b.err }
