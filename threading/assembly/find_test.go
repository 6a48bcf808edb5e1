package assembly_test

import (
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

// answer is a message by ben to ann with a subject and a text.
func answer(id string, minute int, subject, text string, fields ...string) *mailbox.Message {
	m := message(id, minute, fields...)
	m.From, m.To, m.Subject = m.To, m.From, subject
	m.Body = &mailbox.Body{Text: text}
	return m
}

func TestParentBySubject(t *testing.T) {
	t.Parallel()
	const day = 24 * 60
	for name, c := range map[string]struct {
		subject, reply, from string
		minute               int
		fields               []string
		least, level         mailbox.Level
	}{
		"met":              {subject: "Hello", reply: "Re: Hello", minute: 5, level: mailbox.LevelMedium},
		"telling":          {subject: "Plans for the garden", reply: "Re: Plans for the garden", from: "eve@example.net", minute: 5, level: mailbox.LevelMedium},
		"strangers":        {subject: "Hello", reply: "Re: Hello", from: "eve@example.net", minute: 5},
		"too old":          {subject: "Hello", reply: "Re: Hello", minute: 31 * day},
		"no prefix":        {subject: "Hello", reply: "Hello", minute: 5},
		"sent before":      {subject: "Hello", reply: "Re: Hello", minute: -10},
		"doubtful":         {subject: "Hello", reply: "Re: Hello", minute: 5, fields: []string{"In-Reply-To", "<1f3a9c.gone@x>"}},
		"doubtful, wanted": {subject: "Hello", reply: "Re: Hello", minute: 5, fields: []string{"In-Reply-To", "<1f3a9c.gone@x>"}, least: mailbox.LevelLow, level: mailbox.LevelLow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := message("first.1@x", 0)
			first.Subject = c.subject
			second := answer("second.2@x", c.minute, c.reply, "", c.fields...)
			if c.from != "" {
				second.From = []mailbox.Address{{Address: c.from}}
				second.To = []mailbox.Address{{Address: "list@example.net"}}
			}
			a := assembly.New(assembly.Options{Least: c.least})
			a.Add(second)
			a.Add(first)
			for thread := range a.Threads() {
				for _, m := range thread.Messages {
					if m.ID != "second.2@x" {
						continue
					}
					if m.Level != c.level || (m.Parent == "first.1@x") != (c.level != mailbox.LevelNone) {
						t.Errorf("parent %q, level %v; want level %v", m.Parent, m.Level, c.level)
					}
					if c.level != mailbox.LevelNone && (len(m.Evidence) != 1 || m.Evidence[0].Rule != "subject") {
						t.Errorf("evidence %v", m.Evidence)
					}
				}
			}
		})
	}
}

func TestParentByQuote(t *testing.T) {
	t.Parallel()
	const text = "the seven wooden benches arrive on Thursday morning before the market opens"
	for minute, want := range map[int]mailbox.RFCMessageID{30: "first.1@x", -30: ""} {
		first := message("first.1@x", 0)
		first.Subject, first.Body = "Benches", &mailbox.Body{Text: text}
		for _, thread := range assemble(first, answer("second.2@x", minute, "Benches", "Fine with me.\n\n> "+text+"\n")) {
			for _, m := range thread.Messages {
				if m.ID == "second.2@x" && (m.Parent != want || want != "" && m.Level != mailbox.LevelMedium) {
					t.Errorf("%d minutes: parent %q, level %v; want %q", minute, m.Parent, m.Level, want)
				}
			}
		}
	}
}
