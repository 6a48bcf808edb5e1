package assembly_test

import (
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

// mail is a message of a minute with an id, a subject and References.
func mail(minute int, id, subject, references string) *mailbox.Message {
	m := &mailbox.Message{RFCMessageID: mailbox.RFCMessageID(id), Subject: subject, Date: noon.Add(time.Duration(minute) * time.Minute)}
	if references != "" {
		m.Header = mailbox.Header{{Name: "References", Value: references}}
	}
	return m
}

func inReplyTo(m *mailbox.Message, value string) *mailbox.Message {
	m.Header = append(m.Header, mailbox.Field{Name: "In-Reply-To", Value: value})
	return m
}

func undated(m *mailbox.Message) *mailbox.Message {
	m.ReceivedAt, m.Date = m.Date, time.Time{}
	return m
}

func TestReferencesSteps(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		want string
		mail []*mailbox.Message
	}{
		{"nothing", "", nil},
		{"a chain", "(1 2 3)", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "b@x", "Re: s", "<a@x>"), mail(2, "c@x", "Re: s", "<a@x> <b@x>")}},
		{"a fork, by date", "(1 (3)(2))", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(9, "b@x", "s", "<a@x>"), mail(2, "c@x", "s", "<a@x>")}},
		{"In-Reply-To without References", "(1 2)", []*mailbox.Message{mail(0, "a@x", "s", ""), inReplyTo(mail(1, "b@x", "t", ""), "<a@x>")}},
		{"References beat In-Reply-To", "(1 3)(2)", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "b@x", "t", ""), inReplyTo(mail(2, "c@x", "u", "<a@x>"), "<b@x>")}},
		{"the first id of In-Reply-To", "(1 3)(2)", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "b@x", "t", ""), inReplyTo(mail(2, "c@x", "u", ""), "<a@x> <b@x>")}},
		{"a missing parent of two", "((1)(2))", []*mailbox.Message{mail(0, "a@x", "s", "<gone@x>"), mail(1, "b@x", "t", "<gone@x>")}},
		{"a missing parent of one", "(1)", []*mailbox.Message{mail(0, "a@x", "s", "<gone@x>")}},
		{"a missing message inside", "(1 2)", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "b@x", "t", "<a@x> <gone@x>")}},
		{"a link is not replaced by what others cite", "(1 2 3)", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "b@x", "s", "<a@x>"), mail(2, "c@x", "s", "<gone@x> <b@x>")}},
		{"no loop", "(2 1)", []*mailbox.Message{mail(0, "a@x", "s", "<b@x>"), mail(1, "b@x", "s", "<a@x>")}},
		{"itself", "(1)", []*mailbox.Message{mail(0, "a@x", "s", "<a@x>")}},
		{"two of one id", "(1)(2)", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "a@x", "t", "")}},
		{"no id", "(1)(2)", []*mailbox.Message{mail(0, "", "s", ""), mail(1, "", "t", "")}},
		{"by date", "(2)(1)", []*mailbox.Message{mail(1, "a@x", "s", ""), mail(0, "b@x", "t", "")}},
		{"by the internal date where there is none", "(2)(1)(3)", []*mailbox.Message{mail(1, "a@x", "s", ""), undated(mail(0, "b@x", "t", "")), mail(2, "c@x", "u", "")}},
		{"equal dates by number", "(1)(2)", []*mailbox.Message{mail(0, "b@x", "s", ""), mail(0, "a@x", "t", "")}},
		{"a reply below what has its subject", "(1 2)", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "b@x", "Re: s", "")}},
		{"also when it came before", "(2 1)", []*mailbox.Message{mail(0, "b@x", "Re: s", ""), mail(1, "a@x", "s", "")}},
		{"two of one subject side by side", "((1)(2))", []*mailbox.Message{mail(0, "a@x", "s", ""), mail(1, "b@x", "s", "")}},
		{"two replies side by side", "((1)(2))", []*mailbox.Message{mail(0, "a@x", "Re: s", ""), mail(1, "b@x", "Re: s", "")}},
		{"without a subject nothing is merged", "(1)(2)", []*mailbox.Message{mail(0, "a@x", "", ""), mail(1, "b@x", "Re:", "")}},
		{
			"two missing parents of one subject become one", "((1)(2)(3)(4))",
			[]*mailbox.Message{mail(0, "a@x", "s", "<gone@x>"), mail(1, "b@x", "s", "<gone@x>"), mail(2, "c@x", "s", "<lost@x>"), mail(3, "d@x", "s", "<lost@x>")},
		},
		{
			"one more below a missing parent", "((1)(2)(3))",
			[]*mailbox.Message{mail(0, "a@x", "s", "<gone@x>"), mail(1, "b@x", "s", "<gone@x>"), mail(2, "c@x", "s", "")},
		},
	}
	for _, tt := range tests {
		if got := assembly.Format(assembly.References(tt.mail)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Subjects are equal by RFC 5256, 2.1.
func TestOrderedSubjectSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		subject string
		same    bool
	}{
		{"plan", true},
		{"PLAN", true},
		{"Re: plan", true},
		{"re [2]: plan", true},
		{"Fwd: plan", true},
		{"FW: Re: plan", true},
		{"[list] plan", true},
		{"[list] Re: [other] plan", true},
		{"plan (fwd)", true},
		{"plan (fwd) (fwd)", true},
		{"[Fwd: plan]", true},
		{"[fwd: Re: plan (fwd)]", true},
		{"Re:   plan", true},
		{"Re:plan", true},
		{"AW: plan", false},
		{"plans", false},
		{"re plan", false},
		{"[plan]", false},
		{"", false},
	} {
		got := assembly.Format(assembly.OrderedSubject([]*mailbox.Message{mail(0, "a@x", "plan", ""), mail(1, "b@x", tt.subject, "")}))
		if want := map[bool]string{true: "(1 2)", false: "(1)(2)"}[tt.same]; got != want {
			t.Errorf("%q: %s, want %s", tt.subject, got, want)
		}
	}
	got := assembly.Format(assembly.OrderedSubject([]*mailbox.Message{
		mail(5, "", "b", ""), mail(1, "", "a", ""), mail(2, "", "Re: a", ""), mail(0, "", "Re: b", ""), mail(3, "", "Re: a", ""),
	}))
	if want := "(4 1)(2 (3)(5))"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
