package threading

import "github.com/mailtether/mailtether/mailbox"

// IsReport reports whether messages of a kind come from mail systems and speak
// about a message that was sent, so that [ReadReport] has something to read.
func IsReport(kind mailbox.Kind) bool {
	switch kind {
	case mailbox.KindBounce, mailbox.KindDelay, mailbox.KindComplaint, mailbox.KindReceipt:
		return true
	}
	return false
}

// Refine completes the verdict of [Classify] on a message by what its report
// says: the fate of each recipient, the id of the message it is about, and
// whether it failed, is delayed or went well after all. A verdict that takes the
// message for no report is left as it is, and so is what the report does not
// tell.
func (rep Report) Refine(v mailbox.Verdict) mailbox.Verdict {
	b := rep.Bounce()
	if b == nil || !IsReport(v.Kind) {
		return v
	}
	if known := v.Bounce; known != nil {
		if b.OriginalMessageID == "" {
			b.OriginalMessageID = known.OriginalMessageID
		}
		if len(b.Recipients) == 0 {
			b.Recipients = known.Recipients
		}
	}
	v.Bounce = b
	if kind := rep.Kind(); kind != "" && kind != v.Kind {
		v.Kind = kind
		v.Sub = ""
		if kind == mailbox.KindReceipt {
			v.Sub = SubDelivery
		}
		v.Evidence = append(v.Evidence[:len(v.Evidence):len(v.Evidence)], mailbox.Evidence{Rule: "report", Detail: rep.Type})
	}
	return v
}
