package compose

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
)

func TestReplyTo(t *testing.T) {
	t.Parallel()
	self := mailbox.Identity{Address: "Me@example.com", Aliases: []string{"alias@example.com"}}
	list := func(addresses ...string) []mailbox.Address {
		var l []mailbox.Address
		for _, a := range addresses {
			l = append(l, mailbox.Address{Address: a})
		}
		return l
	}
	message := func(change func(*mailbox.Message)) *mailbox.Message {
		m := &mailbox.Message{
			ID: "m1", ThreadID: "t1", RFCMessageID: "id@example.org", Subject: "Hello", Date: testDate,
			From: []mailbox.Address{{Name: "Ben", Address: "ben@example.org"}},
			To:   list("me@example.com", "carla@example.net", "Ben@example.org"),
			Cc:   list("dora@example.net", "ALIAS@example.com", "carla@example.net"),
			Body: &mailbox.Body{Text: "How are you?"},
		}
		if change != nil {
			change(m)
		}
		return m
	}
	tests := []struct {
		name       string
		message    *mailbox.Message
		opts       ReplyOptions
		to, cc     []string
		subject    string
		references []mailbox.RFCMessageID
	}{
		{name: "sender", message: message(nil), to: []string{"ben@example.org"}, subject: "Re: Hello"},
		{
			name: "all", message: message(nil), opts: ReplyOptions{All: true},
			to: []string{"ben@example.org", "carla@example.net"}, cc: []string{"dora@example.net"}, subject: "Re: Hello",
		},
		{
			name: "Reply-To", message: message(func(m *mailbox.Message) { m.ReplyTo = list("answers@example.org") }), opts: ReplyOptions{All: true},
			to: []string{"answers@example.org", "carla@example.net", "Ben@example.org"}, cc: []string{"dora@example.net"}, subject: "Re: Hello",
		},
		{
			name: "Reply-To is us", message: message(func(m *mailbox.Message) { m.ReplyTo = list("me@example.com") }),
			to: []string{"ben@example.org"}, subject: "Re: Hello",
		},
		{
			name: "our own message", message: message(func(m *mailbox.Message) { m.From = list("me@EXAMPLE.com") }),
			to: []string{"carla@example.net", "Ben@example.org"}, subject: "Re: Hello",
		},
		{
			name: "to ourselves", message: message(func(m *mailbox.Message) { m.From, m.To, m.Cc = list("me@example.com"), list("me@example.com"), nil }),
			to: []string{"me@example.com"}, subject: "Re: Hello",
		},
		{
			name: "addresses that cannot be answered",
			message: message(func(m *mailbox.Message) {
				m.To = []mailbox.Address{{Name: "Undisclosed"}, {Address: "root"}, {Name: "E\nve", Address: "eve@example.net"}, {Address: "jörg@example.net"}}
			}),
			opts: ReplyOptions{All: true},
			to:   []string{"ben@example.org", "eve@example.net"}, cc: []string{"dora@example.net", "carla@example.net"}, subject: "Re: Hello",
		},
		{
			name: "nobody to answer", message: message(func(m *mailbox.Message) { m.From = []mailbox.Address{{Name: "Mail Delivery System"}} }),
			to: nil, subject: "Re: Hello",
		},
		{name: "Re: already", message: message(func(m *mailbox.Message) { m.Subject = "RE: Hello" }), to: []string{"ben@example.org"}, subject: "RE: Hello"},
		{name: "another language", message: message(func(m *mailbox.Message) { m.Subject = "AW: Hello" }), to: []string{"ben@example.org"}, subject: "Re: AW: Hello"},
		{name: "hostile subject", message: message(func(m *mailbox.Message) { m.Subject = "a\r\nBcc: x\xff" }), to: []string{"ben@example.org"}, subject: "Re: a  Bcc: x\ufffd"},
		{
			name: "long subject", message: message(func(m *mailbox.Message) { m.Subject = strings.Repeat("ü", 600) }),
			to: []string{"ben@example.org"}, subject: "Re: " + strings.Repeat("ü", 497),
		},
		{
			name: "References", message: message(func(m *mailbox.Message) {
				m.Header = mailbox.Header{
					{Name: "References", Value: "<1@x> <bad\xff@x>"},
					{Name: "References", Value: "2@x"},
					{Name: "In-Reply-To", Value: "<3@x>"},
				}
			}),
			to: []string{"ben@example.org"}, subject: "Re: Hello", references: []mailbox.RFCMessageID{"1@x", "2@x"},
		},
		{
			name: "In-Reply-To only", message: message(func(m *mailbox.Message) { m.Header = mailbox.Header{{Name: "In-Reply-To", Value: "<3@x>"}} }),
			to: []string{"ben@example.org"}, subject: "Re: Hello", references: []mailbox.RFCMessageID{"3@x"},
		},
		{
			name: "two in In-Reply-To", message: message(func(m *mailbox.Message) { m.Header = mailbox.Header{{Name: "In-Reply-To", Value: "<3@x> <4@x>"}} }),
			to: []string{"ben@example.org"}, subject: "Re: Hello",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := ReplyTo(tt.message, self, tt.opts)
			var to, cc []string
			for _, a := range out.To {
				to = append(to, a.Address)
			}
			for _, a := range out.Cc {
				cc = append(cc, a.Address)
			}
			if diff := cmp.Diff(tt.to, to, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("to:\n%s", diff)
			}
			if diff := cmp.Diff(tt.cc, cc, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("cc:\n%s", diff)
			}
			want := &mailbox.Reply{ID: "m1", ThreadID: "t1", RFCMessageID: "id@example.org", References: tt.references}
			if diff := cmp.Diff(want, out.Reply, cmpopts.EquateEmpty()); diff != "" || out.Subject != tt.subject {
				t.Errorf("subject %q, reply:\n%s", out.Subject, diff)
			}
			out.Text = "answer"
			if _, err := Build(out, BuildOptions{From: mailbox.Address{Address: "me@example.com"}}); err != nil && len(tt.to) > 0 {
				t.Errorf("the answer cannot be built: %v", err)
			}
		})
	}
	quoted := ReplyTo(message(nil), self, ReplyOptions{Quote: true}).Reply.Quote
	want := &mailbox.Quote{From: mailbox.Address{Name: "Ben", Address: "ben@example.org"}, Date: testDate, Body: mailbox.Body{Text: "How are you?"}}
	if diff := cmp.Diff(want, quoted); diff != "" {
		t.Errorf("quote:\n%s", diff)
	}
	headersOnly := message(func(m *mailbox.Message) { m.Body = nil })
	if q := ReplyTo(headersOnly, self, ReplyOptions{Quote: true}).Reply.Quote; q != nil {
		t.Errorf("a quote without a body: %v", q)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	ids := func(n int, left string) []mailbox.RFCMessageID {
		var l []mailbox.RFCMessageID
		for i := range n {
			l = append(l, mailbox.RFCMessageID(fmt.Sprintf("%s%d@x", left, i)))
		}
		return l
	}
	short, long := ids(100, "r"), ids(100, strings.Repeat("l", 90))
	huge := ids(10, strings.Repeat("h", 800))
	tests := []struct {
		name   string
		refs   []mailbox.RFCMessageID
		parent mailbox.RFCMessageID
		want   []mailbox.RFCMessageID
	}{
		{"none", nil, "", nil},
		{"parent only", nil, "p@x", []mailbox.RFCMessageID{"p@x"}},
		{"no parent", short[:2], "", short[:2]},
		{"parent last", append(ids(2, "r"), "p@x", "p@x"), "p@x", append(ids(2, "r"), "p@x")},
		{"twice", append(ids(2, "r"), ids(2, "r")...), "p@x", append(ids(2, "r"), "p@x")},
		{"20 and the parent", short[:20], "p@x", append(ids(20, "r"), "p@x")},
		{"21 and the parent", short[:21], "p@x", append(append(ids(1, "r"), short[2:21]...), "p@x")},
		{"many", short, "p@x", append(append(ids(1, "r"), short[81:]...), "p@x")},
		{"many bytes", long[:20], "p@x", append(append([]mailbox.RFCMessageID{long[0]}, long[11:20]...), "p@x")},
		{"huge", huge, "p@x", []mailbox.RFCMessageID{huge[0], huge[9], "p@x"}},
	}
	for _, tt := range tests {
		got := references(tt.refs, tt.parent)
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
		if field := "References: " + encodeIDs(got); len(got) > minReferencesKept && len(field) > maxReferencesLen {
			t.Errorf("%s: %d characters", tt.name, len(field))
		}
	}
}

func TestNewMessageID(t *testing.T) {
	t.Parallel()
	seen := map[mailbox.RFCMessageID]bool{}
	for from, domain := range map[string]string{
		"anna@example.com":    "example.com",
		"anna@Example.COM":    "example.com",
		"anna@bücher.example": "xn--bcher-kva.example",
		"anna@[192.0.2.1]":    "mailtether.invalid",
		"anna@example.com.":   "mailtether.invalid",
		"anna":                "mailtether.invalid",
		"":                    "mailtether.invalid",
		"a@" + strings.Repeat(strings.Repeat("d", 60)+".", 3) + "com": strings.Repeat(strings.Repeat("d", 60)+".", 2) + "com",
	} {
		id := NewMessageID(from)
		if err := checkOwnID(id); err != nil || mailbox.Domain(string(id)) != domain || seen[id] {
			t.Errorf("%q: %q, %v", from, id, err)
		}
		if strings.ToLower(string(id)) != string(id) {
			t.Errorf("%q is not in lower case", id)
		}
		seen[id] = true
	}
	first, second := NewMessageID("a@b.example"), NewMessageID("a@b.example")
	if first == second {
		t.Error("the same id twice")
	}
}
