package gmail

import (
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

func TestIsCopy(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	to := []mailbox.Address{{Address: "bob@example.com"}, {Address: "carl@example.com"}}
	mark := mailbox.Checkpoint{Ref: "r1", RFCMessageID: "a@example.com"}
	where := position{Likeness: likeness("Offer  of\tMay", to, nil), Date: at.Unix()}
	looks := mailbox.Message{
		Subject: "Offer of May", Date: at,
		To: []mailbox.Address{{Address: "Carl@example.com"}}, Cc: []mailbox.Address{{Address: "bob@EXAMPLE.com"}},
	}
	with := func(change func(*mailbox.Message)) *mailbox.Message {
		m := looks
		change(&m)
		return &m
	}
	field := func(name, value string) func(*mailbox.Message) {
		return func(m *mailbox.Message) { m.Header = append(m.Header, mailbox.Field{Name: name, Value: value}) }
	}
	tests := []struct {
		name string
		msg  *mailbox.Message
		at   position
		want likelihood
	}{
		{"our mark", with(field(mailbox.RefHeader, "r1")), position{}, same},
		{"another mark", with(field(mailbox.RefHeader, "r2")), where, different},
		{"our Message-ID", with(field("Message-Id", "<a@example.com>")), position{}, same},
		{"our Message-ID, replaced", with(field(originalID, "<a@example.com>")), position{}, same},
		{"the thread of our draft", with(func(m *mailbox.Message) { m.ThreadID = "t" }), position{Thread: "t"}, same},
		{"another thread", with(func(m *mailbox.Message) { m.ThreadID = "u" }), position{Thread: "t"}, maybe},
		{"nothing to tell by", with(func(*mailbox.Message) {}), position{}, maybe},
		{"looks and date", with(field("Message-ID", "<CAx@mail.gmail.com>")), where, same},
		{"looks, other date", with(func(m *mailbox.Message) { m.Date = at.Add(time.Second) }), where, maybe},
		{"other subject", with(func(m *mailbox.Message) { m.Subject = "Offer" }), where, different},
		{"other recipients", with(func(m *mailbox.Message) { m.Cc = nil }), where, different},
	}
	for _, tt := range tests {
		if got := isCopy(tt.msg, mark, tt.at); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := isCopy(with(field(mailbox.RefHeader, "r2")), mailbox.Checkpoint{RFCMessageID: "a@example.com"}, where); got != same {
		t.Errorf("a mark that was not asked for decides: %d", got)
	}
}
