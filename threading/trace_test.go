package threading_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

const letter = `we are looking for a second warehouse near the harbour and your company was
recommended to us by several of our customers in the region. Could we talk
about the price of three hundred square metres next week?`

func quoted(text string) string {
	return "> " + strings.ReplaceAll(text, "\n", "\n> ")
}

// exchangeIndex returns a Thread-Index of a conversation, the given number of
// answers deep.
func exchangeIndex(conversation byte, path ...byte) threading.ThreadIndex {
	raw := append([]byte{1, 0xdc, 0, 0, 0, 1}, make([]byte, 16)...)
	raw[6] = conversation
	for _, p := range path {
		raw = append(raw, 0, 0, 0, p, 0)
	}
	x, ok := threading.ParseThreadIndex(base64.StdEncoding.EncodeToString(raw))
	if !ok {
		panic("not a thread index")
	}
	return x
}

// What links when no id does.
func TestMatchTraces(t *testing.T) {
	t.Parallel()
	token := threading.Token([]byte("secret"), ref, "warehouse")
	boats := "Two rowing boats with new oars lie ready at the southern pier for whoever comes first."
	campaign := "This letter went to many people at once and says the same to each and every one of them."
	sent := []threading.SentMessage{
		{
			Key: "warehouse", IDs: []mailbox.RFCMessageID{"w@example.com"}, Token: token, ThreadIndex: exchangeIndex(1),
			Recipients: []string{"ben@example.org", "group@lists.example.net"}, Subject: "A second warehouse", At: noon,
			Phrases: threading.Phrases(letter),
		},
		{
			Key: "answer", IDs: []mailbox.RFCMessageID{"w2@example.com"}, ThreadIndex: exchangeIndex(1, 1, 2),
			Recipients: []string{"ben@example.org"}, Subject: "RE: A second warehouse", At: noon.Add(24 * time.Hour),
		},
		{Key: "lunch 1", Recipients: []string{"dora@example.org"}, Subject: "Lunch", At: noon},
		{Key: "lunch 2", Recipients: []string{"dora@example.org"}, Subject: "Lunch", At: noon.Add(time.Hour)},
		{Key: "campaign 1", Recipients: []string{"emil@gmail.com"}, Subject: "News", At: noon, Phrases: threading.Phrases(campaign)},
		{Key: "campaign 2", Recipients: []string{"fred@gmail.com"}, Subject: "News", At: noon, Phrases: threading.Phrases(campaign)},
		{Key: "campaign 3", Recipients: []string{"fred@gmail.com"}, Subject: "News", At: noon.Add(time.Minute), Phrases: threading.Phrases(campaign)},
		{Key: "boats", Recipients: []string{"hans@gmail.com"}, Subject: "Boats", At: noon, Phrases: threading.Phrases(boats)},
		{Key: "old", Recipients: []string{"gina@example.org"}, Subject: "Contract", At: noon.Add(-31 * 24 * time.Hour)},
		{Key: "no time", Recipients: []string{"hugo@example.org"}, Subject: "Contract"},
		{Key: "no subject", Recipients: []string{"ida@example.org"}, At: noon},
	}
	index := threading.NewMemory()
	for _, s := range sent {
		s.Ref = ref
		if err := index.Add(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	later := noon.Add(2 * time.Hour)
	bounce := &mailbox.Bounce{Recipients: []mailbox.BounceRecipient{{Address: "ben@example.org", Action: "failed"}}}
	auto := mailbox.Verdict{Kind: mailbox.KindAutoReply}
	tests := []struct {
		name    string
		lines   []string
		text    string
		html    string
		at      time.Time
		verdict mailbox.Verdict
		key     string
		level   mailbox.Level
		rules   []string
	}{
		{
			name: "token in the address", lines: []string{"From: ben@example.org", "To: ann+" + token + "@example.com"},
			key: "warehouse", level: mailbox.LevelCertain, rules: []string{"token", "known_participant", "subject_changed"},
		},
		{
			name: "token in capitals, delivered", lines: []string{"From: cleo@example.net", "Delivered-To: ANN+" + strings.ToUpper(token) + "@EXAMPLE.COM"},
			key: "warehouse", level: mailbox.LevelHigh, rules: []string{"token", "other_sender", "subject_changed"},
		},
		{
			name: "token in an id that a relay wrote anew", lines: []string{"From: ben@example.org", "In-Reply-To: <" + token + ".7@relay.example.net>"},
			key: "warehouse", level: mailbox.LevelCertain, rules: []string{"token", "known_participant", "subject_changed"},
		},
		{
			name:  "References know the newer message",
			lines: []string{"From: ben@example.org", "To: ann+" + token + "@example.com", "References: <w2@example.com>", "Subject: Re: A second warehouse"},
			key:   "answer", level: mailbox.LevelHigh, rules: []string{"references", "known_participant"},
		},
		{
			name: "Thread-Index of a direct answer", lines: []string{"From: cleo@example.net", "Thread-Index: " + exchangeIndex(1, 1).String()},
			key: "warehouse", level: mailbox.LevelHigh, rules: []string{"thread_index", "other_sender", "subject_changed"},
		},
		{
			name: "Thread-Index of an answer to the answer", lines: []string{"From: ben@example.org", "Subject: AW: A second warehouse", "Thread-Index: " + exchangeIndex(1, 1, 2, 3).String()},
			key: "answer", level: mailbox.LevelHigh, rules: []string{"thread_index", "known_participant"}, at: noon.Add(48 * time.Hour),
		},
		{
			name: "the same Exchange conversation", lines: []string{"From: ben@example.org", "Thread-Index: " + exchangeIndex(1).String()},
			key: "warehouse", level: mailbox.LevelMedium, rules: []string{"thread_index_conversation", "known_participant", "subject_changed"},
		},
		{
			name: "the same Exchange conversation, a stranger", lines: []string{"From: cleo@example.net", "Thread-Index: " + exchangeIndex(1).String()},
			key: "warehouse", level: mailbox.LevelLow, rules: []string{"thread_index_conversation", "other_sender", "subject_changed"},
		},
		{name: "another Exchange conversation", lines: []string{"From: cleo@example.net", "Thread-Index: " + exchangeIndex(2).String()}},
		{
			name: "our text quoted, same subject", lines: []string{"From: ben@example.org", "Subject: Re: A second warehouse"}, text: "Yes.\n\n" + quoted(letter),
			key: "warehouse", level: mailbox.LevelMedium, rules: []string{"quoted_text", "subject", "known_participant"},
		},
		{
			name: "our text quoted and wrapped anew", lines: []string{"From: ben@example.org", "Subject: Storage"}, text: "Yes.\n\n" + quoted(strings.ReplaceAll(strings.ReplaceAll(letter, "\n", " "), " a ", "\na ")),
			key: "warehouse", level: mailbox.LevelLow, rules: []string{"quoted_text", "known_participant", "subject_changed"},
		},
		{
			name: "our text quoted by a colleague", lines: []string{"From: cleo@example.org", "Subject: Re: A second warehouse"}, text: "Yes.\n\n" + quoted(letter),
			key: "warehouse", level: mailbox.LevelLow, rules: []string{"quoted_text", "subject", "other_sender"},
		},
		{
			name: "our text quoted to the group", lines: []string{"From: stranger@example.net", "To: group@lists.example.net", "Subject: Re: A second warehouse"}, text: "Yes.\n\nOn Mon, 02 Mar 2026 13:00:30 +0100, Ann wrote:\n" + quoted(letter),
			key: "warehouse", level: mailbox.LevelMedium, rules: []string{"quoted_text", "subject", "quoted_date", "other_sender"},
		},
		{name: "our text quoted to the group under another subject", lines: []string{"From: stranger@example.net", "To: group@lists.example.net", "Subject: Storage"}, text: "Yes.\n\n" + quoted(letter)},
		{
			name: "our text quoted, same subject and date", lines: []string{"From: ben@example.org", "Subject: Re: A second warehouse"}, text: "Yes.\n\nOn Mon, 02 Mar 2026 13:00:30 +0100, Ann wrote:\n" + quoted(letter),
			key: "warehouse", level: mailbox.LevelHigh, rules: []string{"quoted_text", "subject", "quoted_date", "known_participant"},
		},
		{name: "our text quoted by a stranger", lines: []string{"From: stranger@example.net", "Subject: Re: A second warehouse"}, text: "Yes.\n\n" + quoted(letter)},
		{name: "our text sent back before it was sent", lines: []string{"From: ben@example.org"}, text: quoted(letter), at: noon.Add(-time.Hour)},
		{
			name: "a letter that many got, quoted by one of them", lines: []string{"From: emil@gmail.com", "Subject: Re: News"}, text: "No.\n" + quoted(campaign),
			key: "campaign 1", level: mailbox.LevelMedium, rules: []string{"quoted_text", "subject", "known_participant"},
		},
		{
			name: "a letter that one got twice", lines: []string{"From: fred@gmail.com", "Subject: Re: News"}, text: "No.\n" + quoted(campaign),
			key: "campaign 3", level: mailbox.LevelLow, rules: []string{"quoted_text", "subject", "ambiguous", "known_participant"},
		},
		{
			name: "the date in front of a quote", lines: []string{"From: ben@example.org", "Subject: AW: A second warehouse"},
			text: "Yes.\n\nOn Mon, 02 Mar 2026 13:00:30 +0100, Ann wrote:\n> something\n",
			key:  "warehouse", level: mailbox.LevelMedium, rules: []string{"quoted_date", "subject", "known_participant"},
		},
		{
			name: "reply prefix and one candidate", lines: []string{"From: Ben <BEN@example.org>", "Subject: AW: A second warehouse"},
			key: "warehouse", level: mailbox.LevelMedium, rules: []string{"subject", "known_participant"},
		},
		{
			name: "our text quoted in an answer to something else", lines: []string{"From: ben@example.org", "Subject: Re: A second warehouse", "In-Reply-To: <unknown@example.net>"}, text: "Yes.\n\n" + quoted(letter),
			key: "warehouse", level: mailbox.LevelLow, rules: []string{"quoted_text", "subject", "known_participant"},
		},
		{
			name: "an address where an id should be names nothing else", lines: []string{"From: ben@example.org", "Subject: Re: A second warehouse", "In-Reply-To: <BEN@example.org>"},
			key: "warehouse", level: mailbox.LevelMedium, rules: []string{"subject", "known_participant"},
		},
		{name: "our text quoted by somebody at the same public service", lines: []string{"From: nobody@gmail.com", "Subject: Re: Boats"}, text: "No.\n" + quoted(boats)},
		{
			name: "our subject in an answer to something else", lines: []string{"From: ben@example.org", "Subject: Re: A second warehouse", "In-Reply-To: <unknown@example.net>"},
			key: "warehouse", level: mailbox.LevelLow, rules: []string{"subject", "known_participant"},
		},
		{name: "a colleague quotes our text in an answer to something else", lines: []string{"From: cleo@example.org", "Subject: Re: A second warehouse", "References: <unknown@example.net>"}, text: "Yes.\n\n" + quoted(letter)},
		{
			name: "reply prefix and two candidates", lines: []string{"From: dora@example.org", "Subject: Re: Lunch"},
			key: "lunch 2", level: mailbox.LevelLow, rules: []string{"subject", "ambiguous", "known_participant"},
		},
		{
			name: "the subject alone", lines: []string{"From: ben@example.org", "Subject: A second warehouse"},
			key: "warehouse", level: mailbox.LevelLow, rules: []string{"subject", "known_participant"},
		},
		{name: "too old for the subject", lines: []string{"From: gina@example.org", "Subject: Re: Contract"}},
		{name: "no time to compare", lines: []string{"From: hugo@example.org", "Subject: Re: Contract"}},
		{name: "no subject on either side", lines: []string{"From: ida@example.org"}},
		{name: "a colleague with the subject alone", lines: []string{"From: cleo@example.org", "Subject: Re: A second warehouse"}},
		{
			name: "automatic answer announced", lines: []string{"From: ben@example.org", "Subject: Automatyczna odpowiedź: A second warehouse"}, verdict: auto,
			key: "warehouse", level: mailbox.LevelMedium, rules: []string{"subject", "known_participant", "subject_changed"},
		},
		{name: "a person's subject that ends like ours", lines: []string{"From: ben@example.org", "Subject: Important: A second warehouse"}},
		{
			name: "bounce of the only message", lines: []string{"From: mailer-daemon@example.org", "Subject: failure notice"}, verdict: mailbox.Verdict{Kind: mailbox.KindBounce, Bounce: bounce},
			key: "warehouse", level: mailbox.LevelMedium, rules: []string{"failed_recipient", "known_participant"},
		},
		{
			name: "bounce of one of two messages", lines: []string{"From: mailer-daemon@example.org", "Subject: failure notice"}, verdict: mailbox.Verdict{Kind: mailbox.KindBounce, Bounce: bounce}, at: noon.Add(25 * time.Hour),
			key: "answer", level: mailbox.LevelLow, rules: []string{"failed_recipient", "ambiguous", "known_participant"},
		},
		{name: "bounce after a week", lines: []string{"From: mailer-daemon@example.org", "Subject: failure notice"}, verdict: mailbox.Verdict{Kind: mailbox.KindBounce, Bounce: bounce}, at: noon.Add(9 * 24 * time.Hour)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := header(tt.lines...)
			if tt.text != "" {
				m.Body = &mailbox.Body{Text: tt.text}
			}
			m.ReceivedAt = tt.at
			if tt.at.IsZero() {
				m.ReceivedAt = later
			}
			if tt.verdict.Kind == "" {
				tt.verdict.Kind = mailbox.KindHuman
			}
			got, err := (&threading.Matcher{Index: index}).Match(t.Context(), ref, m, tt.verdict)
			if err != nil {
				t.Fatal(err)
			}
			if got.Key != tt.key || got.Level != tt.level {
				t.Errorf("got %q, %v; want %q, %v", got.Key, got.Level, tt.key, tt.level)
			}
			if diff := cmp.Diff(tt.rules, rules(got.Evidence)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMatchNamesThreadAndRecipient(t *testing.T) {
	t.Parallel()
	matcher := &threading.Matcher{Index: offers(t)}
	for _, tt := range []struct {
		from, recipient string
	}{
		{"BEN.READER+work@googlemail.com", "Ben.Reader@gmail.com"},
		{"boss@example.org", "boss@example.org"},
		{"cleo@example.org", ""},
	} {
		m := header("From: "+tt.from, "In-Reply-To: <written@example.com>")
		got, err := matcher.Match(t.Context(), ref, m, threading.Classify(m))
		if err != nil {
			t.Fatal(err)
		}
		if got.Recipient != tt.recipient || got.Thread != "thread-g" || got.OtherSender != (tt.recipient == "") {
			t.Errorf("from %s: got %+v", tt.from, got)
		}
	}
}

// What an index gives may be what it holds.
func TestMatchChangesNothingThatItFinds(t *testing.T) {
	t.Parallel()
	index := threading.NewMemory()
	for i := range 4 {
		if err := index.Add(t.Context(), threading.SentMessage{
			Ref: ref, Key: fmt.Sprint(i), IDs: []mailbox.RFCMessageID{"b@x", "a@x"}, Recipients: []string{"ben@example.org", "ann@example.org"},
			Subject: "News", At: noon.Add(time.Duration(i%3) * time.Minute), Phrases: threading.Phrases(letter),
		}); err != nil {
			t.Fatal(err)
		}
	}
	find := func() []threading.SentMessage {
		found, err := index.Find(t.Context(), ref, threading.RecipientTerm("ben@example.org"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	want := find()
	for i := range want {
		s := &want[i]
		s.IDs, s.Recipients, s.Phrases = slices.Clone(s.IDs), slices.Clone(s.Recipients), slices.Clone(s.Phrases)
	}
	m := header("From: ben@example.org", "Subject: Re: News", "To: ann@example.org")
	m.Body = &mailbox.Body{Text: "Yes.\n\n" + quoted(letter)}
	m.ReceivedAt = noon.Add(time.Hour)
	got, err := (&threading.Matcher{Index: index}).Match(t.Context(), ref, m, mailbox.Verdict{Kind: mailbox.KindHuman})
	if err != nil || got.Level == mailbox.LevelNone {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(want, find()); diff != "" {
		t.Errorf("in the index (-before +after):\n%s", diff)
	}
}
