package assembly_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

const benches = "the seven wooden benches arrive on Thursday morning before the market opens"

// threadIndex is that of a conversation, the given answers deep.
func threadIndex(conversation byte, path ...byte) string {
	raw := append([]byte{1, 0xdc, 0, 0, 0, 1}, make([]byte, 16)...)
	raw[6] = conversation
	for _, p := range path {
		raw = append(raw, 0, 0, 0, p, 0)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// by ann at noon; answers come from ben.
func letter(id string, minute int, subject, text string, fields ...string) *mailbox.Message {
	m := message(id, minute, fields...)
	m.Subject, m.Body = subject, &mailbox.Body{Text: text}
	return m
}

// inZone gives the Date of a message a zone, in hours east of Greenwich.
func inZone(m *mailbox.Message, hours int) *mailbox.Message {
	m.Date = m.Date.In(time.FixedZone("", hours*60*60))
	return m
}

// stranger makes somebody the author who has met nobody.
func stranger(m *mailbox.Message) *mailbox.Message {
	m.From, m.To = []mailbox.Address{{Address: "eve@example.net"}}, nil
	return m
}

// placed returns where a message stands.
func placed(t *testing.T, id mailbox.RFCMessageID, least mailbox.Level, all ...*mailbox.Message) assembly.Message {
	t.Helper()
	a := assembly.New(assembly.Options{Least: least})
	for _, m := range all {
		a.Add(m)
	}
	for thread := range a.Threads() {
		for _, m := range thread.Messages {
			if m.ID == id {
				return m
			}
		}
	}
	t.Fatalf("%s is nowhere", id)
	return assembly.Message{}
}

// What finds the parent of a message that names none.
func TestEvidence(t *testing.T) {
	t.Parallel()
	const quote = "Fine.\n\n> " + benches + "\n"
	opened := func(line string) string { return "Fine.\n\n" + line + "\n> " + benches + "\n" }
	first := letter("first.1@x", 0, "Benches", benches)
	var footers []*mailbox.Message
	for i := range 6 {
		footers = append(footers, letter(fmt.Sprintf("footer.%d@x", i), i+1, fmt.Sprint("Letter ", i), benches))
	}
	tests := []struct {
		name   string
		others []*mailbox.Message
		answer *mailbox.Message
		parent mailbox.RFCMessageID
		level  mailbox.Level
		rules  []string
		least  mailbox.Level
	}{
		{
			name: "Thread-Index, direct", others: []*mailbox.Message{letter("first.1@x", 0, "a", "", "Thread-Index", threadIndex(1))},
			answer: answer("a.2@x", 5, "b", "", "Thread-Index", threadIndex(1, 1)), parent: "first.1@x", level: mailbox.LevelHigh, rules: []string{"thread_index"},
		},
		{
			name: "Thread-Index, ancestor", others: []*mailbox.Message{letter("first.1@x", 0, "a", "", "Thread-Index", threadIndex(1))},
			answer: answer("a.2@x", 5, "b", "", "Thread-Index", threadIndex(1, 1, 2)), parent: "first.1@x", level: mailbox.LevelMedium, rules: []string{"thread_index"},
		},
		{
			name: "Thread-Index of another conversation", others: []*mailbox.Message{letter("first.1@x", 0, "a", "", "Thread-Index", threadIndex(1))},
			answer: answer("a.2@x", 5, "b", "", "Thread-Index", threadIndex(2, 1)),
		},
		{
			name: "quote and subject", others: []*mailbox.Message{first}, answer: answer("a.2@x", 5, "Benches", quote),
			parent: "first.1@x", level: mailbox.LevelMedium, rules: []string{"quoted_text", "subject"},
		},
		{name: "quote under another subject", others: []*mailbox.Message{first}, answer: answer("a.2@x", 5, "Tables", quote)},
		{
			name: "quote under another subject, wanted", others: []*mailbox.Message{first}, answer: answer("a.2@x", 5, "Tables", quote), least: mailbox.LevelLow,
			parent: "first.1@x", level: mailbox.LevelLow, rules: []string{"quoted_text"},
		},
		{name: "what everybody writes is no quote", others: append(footers, first), answer: answer("a.2@x", 60, "Benches", quote)},
		{
			name: "of two that are quoted the newest", others: []*mailbox.Message{first, letter("later.1@x", 10, "Benches", benches)},
			answer: answer("a.2@x", 60, "Benches", quote), parent: "later.1@x", level: mailbox.LevelMedium, rules: []string{"quoted_text", "subject"},
		},
		{
			name: "an opener alone", others: []*mailbox.Message{first}, least: mailbox.LevelLow,
			answer: answer("a.2@x", 60, "Tables", "Fine.\n\nOn Mon, 02 Mar 2026 14:00:00 +0200, ann@example.com wrote:\n> something else\n"),
			parent: "first.1@x", level: mailbox.LevelLow, rules: []string{"quote_opener"},
		},
		{
			name: "an opener without a zone has that of who answers", others: []*mailbox.Message{first, letter("later.1@x", 120, "Benches", benches)},
			answer: inZone(answer("a.2@x", 180, "Tables", opened("On Mon, Mar 2, 2026 at 2:00 PM Ann <ann@example.com> wrote:")), 2),
			parent: "first.1@x", level: mailbox.LevelMedium, rules: []string{"quote_opener", "quoted_text"},
		},
		{
			name: "opener with a zone, and quote", others: []*mailbox.Message{first},
			answer: answer("a.2@x", 60, "Tables", opened("On Mon, 02 Mar 2026 14:00:00 +0200, ann@example.com wrote:")),
			parent: "first.1@x", level: mailbox.LevelMedium, rules: []string{"quote_opener", "quoted_text"},
		},
		{
			name: "opener of an unknown zone", others: []*mailbox.Message{first},
			answer: answer("a.2@x", 60, "Tables", opened("On Mon, Mar 2, 2026 at 5:30 PM Ann <ann@example.com> wrote:")),
			parent: "first.1@x", level: mailbox.LevelMedium, rules: []string{"quote_opener", "quoted_text"},
		},
		{
			name: "opener of another minute", others: []*mailbox.Message{first},
			answer: answer("a.2@x", 60, "Tables", opened("On Mon, 02 Mar 2026 14:07:00 +0200, ann@example.com wrote:")),
		},
		{
			name: "opener of another author", others: []*mailbox.Message{first},
			answer: answer("a.2@x", 60, "Tables", opened("On Mon, 02 Mar 2026 14:00:00 +0200, eve@example.com wrote:")),
		},
		{
			name: "the opener tells which of two", others: []*mailbox.Message{first, letter("later.1@x", 10, "Benches", benches)},
			answer: answer("a.2@x", 60, "Benches", opened("On Mon, 02 Mar 2026 12:00:00 +0000, ann@example.com wrote:")),
			parent: "first.1@x", level: mailbox.LevelMedium, rules: []string{"quote_opener", "quoted_text"},
		},
		{
			name: "a short subject on one list", others: []*mailbox.Message{letter("first.1@x", 0, "Hello", "", "List-Id", "<a.example.net>")},
			answer: stranger(letter("a.2@x", 5, "Re: Hello", "", "List-Id", "<A.example.net>")), parent: "first.1@x", level: mailbox.LevelMedium, rules: []string{"subject"},
		},
		{
			name: "a short subject on two lists", others: []*mailbox.Message{letter("first.1@x", 0, "Hello", "", "List-Id", "<a.example.net>")},
			answer: stranger(letter("a.2@x", 5, "Re: Hello", "", "List-Id", "<b.example.net>")),
		},
		{
			name: "part of a series, ids made together", others: []*mailbox.Message{letter("20260302.77-1-ann@x", 0, "[PATCH v2 0/2] Benches", "")},
			answer: letter("20260302.77-3-ann@x", 1, "[PATCH v2 2/2] Paint them", ""), parent: "20260302.77-1-ann@x", level: mailbox.LevelHigh, rules: []string{"series"},
		},
		{
			name: "part of a series, other ids", others: []*mailbox.Message{letter("a@x", 0, "[PATCH v2 0/2] Benches", "")},
			answer: letter("b@x", 1, "[PATCH v2 2/2] Paint them", ""), parent: "a@x", level: mailbox.LevelMedium, rules: []string{"series"},
		},
		{
			name: "part of a series without a cover", others: []*mailbox.Message{letter("a@x", 0, "[PATCH v2 1/2] Benches", "")},
			answer: letter("b@x", 1, "[PATCH v2 2/2] Paint them", ""), parent: "a@x", level: mailbox.LevelMedium, rules: []string{"series"},
		},
		{
			name: "part of another version", others: []*mailbox.Message{letter("a@x", 0, "[PATCH 0/2] Benches", "")},
			answer: letter("b@x", 1, "[PATCH v2 2/2] Paint them", ""),
		},
		{
			name: "part of somebody else's series", others: []*mailbox.Message{letter("a@x", 0, "[PATCH v2 0/2] Benches", "")},
			answer: answer("b@x", 1, "[PATCH v2 2/2] Paint them", ""),
		},
		{
			name: "part of a series of yesterday", others: []*mailbox.Message{letter("a@x", -24*60, "[PATCH v2 0/2] Benches", "")},
			answer: letter("b@x", 1, "[PATCH v2 2/2] Paint them", ""),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := placed(t, tt.answer.RFCMessageID, tt.least, append([]*mailbox.Message{tt.answer}, tt.others...)...)
			if m.Parent != tt.parent || m.Level != tt.level {
				t.Errorf("parent %q, level %v; want %q, %v", m.Parent, m.Level, tt.parent, tt.level)
			}
			var rules []string
			for _, e := range m.Evidence {
				rules = append(rules, e.Rule)
			}
			if diff := cmp.Diff(tt.rules, rules); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

// Where answers name their parents, one that does not is hardly an answer.
func TestAnswersThatNameNobodyAmongOthersThatDo(t *testing.T) {
	t.Parallel()
	mail := func(named int) []*mailbox.Message {
		all := []*mailbox.Message{letter("first.1@x", 0, "Benches", benches), answer("last.1@x", 500, "Re: Benches", "Fine.\n\n> "+benches+"\n")}
		for i := range 24 {
			id := fmt.Sprintf("%d.a@x", i)
			all = append(all, letter(id, i, fmt.Sprint("Topic number ", i), ""))
			m := answer(fmt.Sprintf("%d.b@x", i), 30+i, fmt.Sprint("Re: Topic number ", i), "")
			if i < named {
				m.Header = mailbox.Header{{Name: "In-Reply-To", Value: "<" + id + ">"}}
			}
			all = append(all, m)
		}
		return all
	}
	for named, want := range map[int]mailbox.RFCMessageID{24: "", 21: "", 19: "first.1@x", 0: "first.1@x"} {
		if m := placed(t, "last.1@x", 0, mail(named)...); m.Parent != want {
			t.Errorf("%d of 25 answers name their parents: parent %q, want %q", named, m.Parent, want)
		}
		if m := placed(t, "last.1@x", mailbox.LevelLow, mail(named)...); m.Parent != "first.1@x" {
			t.Errorf("%d of 25 answers name their parents, low links wanted: parent %q", named, m.Parent)
		}
	}
}

// Levels of what is cited.
func TestCited(t *testing.T) {
	t.Parallel()
	first, second := message("first.1@x", 0), message("second.2@x", 1, "In-Reply-To", "<first.1@x>")
	for _, tt := range []struct {
		name   string
		fields []string
		parent mailbox.RFCMessageID
		level  mailbox.Level
		rules  string
	}{
		{"In-Reply-To", []string{"In-Reply-To", "<second.2@x>"}, "second.2@x", mailbox.LevelCertain, "in_reply_to"},
		{"bare id among words", []string{"In-Reply-To", "your message second.2@x of Monday"}, "second.2@x", mailbox.LevelCertain, "in_reply_to"},
		{"In-Reply-To beats References", []string{"References", "<second.2@x>", "In-Reply-To", "<first.1@x>"}, "first.1@x", mailbox.LevelCertain, "in_reply_to"},
		{"Exchange", []string{"X-MS-Exchange-Parent-Message-Id", "<second.2@x>"}, "second.2@x", mailbox.LevelCertain, "exchange_parent_id"},
		{"References", []string{"References", "<first.1@x> <second.2@x>"}, "second.2@x", mailbox.LevelHigh, "references"},
		{"several fields", []string{"References", "<first.1@x>", "References", "<second.2@x>"}, "second.2@x", mailbox.LevelHigh, "references"},
		{"the parent is missing", []string{"References", "<first.1@x> <0a1b2c3d4e.gone@x>"}, "first.1@x", mailbox.LevelHigh, "references parent_missing"},
		{"In-Reply-To is missing", []string{"References", "<first.1@x>", "In-Reply-To", "<0a1b2c3d4e.gone@x>"}, "first.1@x", mailbox.LevelHigh, "references parent_missing"},
		{"an address", []string{"In-Reply-To", "<stranger@elsewhere.example>"}, "", mailbox.LevelNone, ""},
	} {
		m := placed(t, "third.3@x", 0, message("third.3@x", 2, tt.fields...), second, first)
		var rules []string
		for _, e := range m.Evidence {
			rules = append(rules, e.Rule)
		}
		if got := strings.Join(rules, " "); m.Parent != tt.parent || m.Level != tt.level || got != tt.rules {
			t.Errorf("%s: parent %q, %v, %q; want %q, %v, %q", tt.name, m.Parent, m.Level, got, tt.parent, tt.level, tt.rules)
		}
	}
}
