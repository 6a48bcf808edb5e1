package threading_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func TestRefine(t *testing.T) {
	t.Parallel()
	told := &mailbox.Bounce{OriginalMessageID: "header@x", Recipients: []mailbox.BounceRecipient{{Address: "told@x"}}}
	report := func(action, status string) threading.Report {
		return threading.Report{Type: "delivery-status", Recipients: []threading.ReportRecipient{{Final: "a@x", Action: action, Status: status}}}
	}
	tests := []struct {
		name   string
		v      mailbox.Verdict
		rep    threading.Report
		kind   mailbox.Kind
		sub    string
		bounce *mailbox.Bounce
		rules  []string
	}{
		{
			name: "recipients", v: mailbox.Verdict{Kind: mailbox.KindBounce, Bounce: told}, rep: report("failed", "5.1.1"), kind: mailbox.KindBounce,
			bounce: &mailbox.Bounce{OriginalMessageID: "header@x", Recipients: []mailbox.BounceRecipient{{
				Address: "a@x", Action: "failed", Status: "5.1.1", Category: threading.CategoryUserUnknown, Hard: true,
			}}},
		},
		{
			name: "delayed after all", v: mailbox.Verdict{Kind: mailbox.KindBounce, Bounce: told}, rep: report("delayed", "4.4.1"), kind: mailbox.KindDelay,
			bounce: &mailbox.Bounce{OriginalMessageID: "header@x", Recipients: []mailbox.BounceRecipient{{
				Address: "a@x", Action: "delayed", Status: "4.4.1", Category: threading.CategoryNetwork,
			}}},
			rules: []string{"report"},
		},
		{
			name: "delivered after all", v: mailbox.Verdict{Kind: mailbox.KindBounce}, rep: report("delivered", "2.0.0"), kind: mailbox.KindReceipt, sub: threading.SubDelivery,
			bounce: &mailbox.Bounce{Recipients: []mailbox.BounceRecipient{{Address: "a@x", Action: "delivered", Status: "2.0.0"}}},
			rules:  []string{"report"},
		},
		{
			name: "an id and nobody", v: mailbox.Verdict{Kind: mailbox.KindReceipt, Sub: threading.SubDisposition},
			rep:  threading.Report{Type: "disposition-notification", OriginalMessageID: "ours@x"},
			kind: mailbox.KindReceipt, sub: threading.SubDisposition, bounce: &mailbox.Bounce{OriginalMessageID: "ours@x"},
		},
		{
			name: "an id, and the header told who", v: mailbox.Verdict{Kind: mailbox.KindBounce, Bounce: told}, rep: threading.Report{OriginalMessageID: "ours@x"},
			kind: mailbox.KindBounce, bounce: &mailbox.Bounce{OriginalMessageID: "ours@x", Recipients: told.Recipients},
		},
		{name: "nothing", v: mailbox.Verdict{Kind: mailbox.KindBounce, Bounce: told}, kind: mailbox.KindBounce, bounce: told},
		{name: "a person who forwards a report", v: mailbox.Verdict{Kind: mailbox.KindHuman}, rep: report("failed", "5.1.1"), kind: mailbox.KindHuman},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.rep.Refine(tt.v)
			if got.Kind != tt.kind || got.Sub != tt.sub {
				t.Errorf("got %s %q, want %s %q", got.Kind, got.Sub, tt.kind, tt.sub)
			}
			if diff := cmp.Diff(tt.bounce, got.Bounce); diff != "" {
				t.Errorf("bounce (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.rules, rules(got.Evidence)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}
