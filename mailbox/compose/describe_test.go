package compose

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	m := &mailbox.Message{
		HeaderComplete: true,
		Header: mailbox.Header{
			{Name: "from", Value: "Anna <anna@example.com>"},
			{Name: "Sender", Value: "Secretary <office@example.com>"},
			{Name: "REPLY-TO", Value: "answers@example.com"},
			{Name: "To", Value: "ben@example.org"},
			{Name: "To", Value: "carla@example.org"},
			{Name: "Cc", Value: "dora@example.org"},
			{Name: "Bcc", Value: "eve@example.org"},
			{Name: "Subject", Value: " =?utf-8?q?Gr=C3=BC=C3=9Fe?= "},
			{Name: "Date", Value: "Fri, 20 Nov 2026 10:00:00 GMT"},
			{Name: "Message-Id", Value: "<id@example.com> (comment)"},
		},
	}
	want := *m
	want.From = []mailbox.Address{{Name: "Anna", Address: "anna@example.com"}}
	want.Sender = mailbox.Address{Name: "Secretary", Address: "office@example.com"}
	want.ReplyTo = []mailbox.Address{{Address: "answers@example.com"}}
	want.To = []mailbox.Address{{Address: "ben@example.org"}, {Address: "carla@example.org"}}
	want.Cc = []mailbox.Address{{Address: "dora@example.org"}}
	want.Bcc = []mailbox.Address{{Address: "eve@example.org"}}
	want.Subject = "Grüße"
	want.Date = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	want.RFCMessageID = "id@example.com"
	want.Warnings = []mailbox.Warning{{Code: mailbox.WarnDuplicate, Part: "To"}}
	Describe(m)
	if diff := cmp.Diff(&want, m); diff != "" {
		t.Error(diff)
	}
}

// TestDescribePart covers a provider that withholds fields: what it told in
// other ways stays, and nothing is reported missing.
func TestDescribePart(t *testing.T) {
	t.Parallel()
	m := &mailbox.Message{
		From:         []mailbox.Address{{Address: "anna@example.com"}},
		Subject:      "known",
		Date:         testDate,
		RFCMessageID: "id@example.com",
		Header:       mailbox.Header{{Name: "To", Value: "ben@example.org"}},
		Warnings:     []mailbox.Warning{{Code: mailbox.WarnIncomplete}},
	}
	want := *m
	want.To = []mailbox.Address{{Address: "ben@example.org"}}
	Describe(m)
	if diff := cmp.Diff(&want, m); diff != "" {
		t.Error(diff)
	}
}
