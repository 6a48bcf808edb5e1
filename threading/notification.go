package threading

import (
	"cmp"
	"encoding/json"
	"strings"
)

// notification is what Amazon SES tells of a message, as JSON in a plain mail
// from its notification service
// (docs.aws.amazon.com/ses/latest/dg/notification-contents.html, well known).
type notification struct {
	NotificationType, EventType string
	Mail                        struct {
		MessageID string
		Headers   []struct{ Name, Value string }
	}
	Bounce struct {
		BounceType, BounceSubType string
		BouncedRecipients         []struct{ EmailAddress, Action, Status, DiagnosticCode string }
	}
	Complaint struct {
		ComplaintFeedbackType string
		ComplainedRecipients  []struct{ EmailAddress string }
	}
	Delivery struct {
		Recipients   []string
		SMTPResponse string
	}
}

// readNotification reads a notification at the beginning of a text, and reports
// whether there is one. Mail breaks long lines, so line ends are no part of it.
func (rep *Report) readNotification(text string) bool {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") || !strings.Contains(text, `"notificationType"`) && !strings.Contains(text, `"eventType"`) {
		return false
	}
	text = strings.NewReplacer("!\r\n ", "", "!\n ", "", "\r", "", "\n", "").Replace(text)
	var n notification
	if json.NewDecoder(strings.NewReader(text)).Decode(&n) != nil {
		return false
	}
	switch strings.ToLower(n.NotificationType + n.EventType) {
	case "bounce":
		for _, r := range n.Bounce.BouncedRecipients {
			_, diagnostic := typed(clip(r.DiagnosticCode))
			rep.addRecipient(ReportRecipient{Final: clip(r.EmailAddress), Action: cmp.Or(actionWord(r.Action), actionFailed), Status: findStatus(clip(r.Status)), Diagnostic: diagnostic})
		}
	case "complaint":
		rep.setType("feedback-report")
		rep.FeedbackType = strings.ToLower(n.Complaint.ComplaintFeedbackType)
		for _, r := range n.Complaint.ComplainedRecipients {
			rep.addRecipient(ReportRecipient{Original: clip(r.EmailAddress)})
		}
	case "delivery":
		for _, address := range n.Delivery.Recipients {
			response := clip(n.Delivery.SMTPResponse)
			rep.addRecipient(ReportRecipient{Final: clip(address), Action: actionDelivered, Status: findStatus(response), Diagnostic: response})
		}
	default:
		return false
	}
	rep.EnvelopeID = clip(n.Mail.MessageID)
	for _, h := range n.Mail.Headers {
		if strings.EqualFold(h.Name, "Message-ID") {
			rep.setOriginal(clip(h.Value))
		}
	}
	return len(rep.Recipients) > 0
}

func (rep *Report) addRecipient(r ReportRecipient) {
	if len(rep.Recipients) < maxRecipients {
		rep.Recipients = append(rep.Recipients, r)
	}
}

// notifies reports whether a message comes from a service that sends
// notifications of this form.
func (s *signs) notifies() bool {
	for _, a := range authors(s.m) {
		if _, domain, _ := strings.Cut(strings.ToLower(a), "@"); domain == "sns.amazonaws.com" || strings.HasSuffix(domain, ".sns.amazonaws.com") {
			return true
		}
	}
	return false
}
