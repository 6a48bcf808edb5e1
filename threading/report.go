package threading

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// The values of Action (RFC 3464, 2.3.3). The last three are good news.
const (
	actionFailed    = "failed"
	actionDelayed   = "delayed"
	actionDelivered = "delivered"
	actionRelayed   = "relayed"
	actionExpanded  = "expanded"
)

// Report is what a bounce, a receipt or a feedback report says: in its
// machine-readable parts, or in words. Fields that it does not state are empty.
type Report struct {
	// Type is "delivery-status", "disposition-notification" or
	// "feedback-report" (also for the complaint notification of a sending
	// service); empty when the message has no such part and was read from its
	// words.
	Type string
	// ReportingMTA is the host that wrote a delivery report.
	ReportingMTA string
	// EnvelopeID is the ENVID of the returned mail (RFC 3461).
	EnvelopeID string
	// OriginalMessageID is the Message-ID of the mail that was returned, read or
	// complained about: as the report states it, or from the returned header.
	OriginalMessageID mailbox.RFCMessageID
	// Recipients are those the report is about, in its order, at most 1,000.
	Recipients []ReportRecipient
	// Disposition is what a read receipt reports, for instance "displayed" or
	// "deleted" (RFC 8098, 3.2.6.2), in lower case.
	Disposition string
	// FeedbackType is what a feedback report is about, for instance "abuse" or
	// "not-spam" (RFC 5965, 7.3), in lower case.
	FeedbackType string
	// Truncated tells that the message was longer than what was read.
	Truncated bool
}

// ReportRecipient is what a delivery report says about one recipient (RFC 3464,
// 2.3), as it is written.
type ReportRecipient struct {
	// Original is the address the mail was sent to, Final the one it ended up at
	// after aliases and forwarding. Either may be empty.
	Original, Final string
	// Action is failed, delayed, delivered, relayed or expanded, in lower case.
	Action string
	// Status is the enhanced status code of the Status field or of the words, for
	// instance "5.1.1" (RFC 3463); empty if none is told.
	Status string
	// RemoteMTA is the host that refused.
	RemoteMTA string
	// Diagnostic is the text of Diagnostic-Code without its type, or the words of
	// the report about the recipient, on one line. It is other people's text and
	// may name addresses.
	Diagnostic string
	// AfterData tells that the content was refused and the recipient had been
	// accepted before it, as far as the words tell. "User unknown" at that point
	// is what filters say.
	AfterData bool
	// BeforeRecipient tells that the sender or the sending host was refused before
	// any recipient was named, as far as the words tell. What such a reply does
	// not find is ours.
	BeforeRecipient bool
	// RetryUntil is when a delayed delivery will be given up; zero if not told.
	RetryUntil time.Time
}

// maxReport is how many bytes of a message ReadReport looks at. The report part
// stands before the returned mail, which may be as large as mail gets.
const maxReport = 8 << 20

// ReadReport reads a raw message that is a report, or the bare content of its
// message/delivery-status part: the standard forms (RFC 3464 with the
// internationalised types of RFC 6533, RFC 8098, RFC 5965), the notifications
// of Amazon SES, and where those are missing or leave something open the words
// for people, as text or as HTML.
//
// Words are read only if the header bears a sign of a report, so that a person
// who writes about one makes none. For other messages the Report is empty. Call
// it for messages that [Classify] takes for a report: whether a message is one
// is not its question.
//
// It looks at the first 8 MiB of r and repairs what it can: the only error is
// that of r.
func ReadReport(r io.Reader) (Report, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return Report{}, err
	}
	truncated := len(raw) > maxReport
	raw = raw[:min(len(raw), maxReport)]
	header, body := splitHeader(raw)
	if isStatusContent(header) {
		rep := Report{Type: "delivery-status", Truncated: truncated}
		rep.readStatus(raw)
		return rep, nil
	}
	s := readSigns(&mailbox.Message{Header: header})
	c := content{marked: s.marked()}
	c.rep.Truncated = truncated
	c.readEntity(header, body, 0)
	c.finish(s)
	return c.rep, nil
}

// ReportOf reads the report that m is from what is there: its header and, if it
// was asked for, its body. It is for those who have no raw message. Without the
// machine-readable parts it tells less than [ReadReport]; without a body it
// tells what the header does.
func ReportOf(m *mailbox.Message) Report {
	return reportOf(readSigns(m))
}

func reportOf(s *signs) Report {
	var c content
	if b := s.m.Body; b != nil {
		c.text.WriteString(b.Text[:min(len(b.Text), maxText)])
		c.html.WriteString(b.HTML[:min(len(b.HTML), 2*maxText)])
	}
	c.finish(s)
	return c.rep
}

// Kind returns what the report makes of the message: a bounce if any recipient
// failed, a delay if any is still being tried, a receipt if all is well, a
// complaint; "" for a message that reports nothing.
func (rep Report) Kind() mailbox.Kind {
	switch {
	case rep.Type == "feedback-report":
		return mailbox.KindComplaint
	case rep.Type == "disposition-notification" && !rep.refused():
		return mailbox.KindReceipt
	}
	kind := mailbox.Kind("")
	for _, r := range rep.Recipients {
		switch r.outcome() {
		case actionFailed:
			return mailbox.KindBounce
		case actionDelayed:
			kind = mailbox.KindDelay
		default:
			if kind == "" {
				kind = mailbox.KindReceipt
			}
		}
	}
	return kind
}

// refused: a read receipt that is none, see rejects.
func (rep Report) refused() bool {
	return slices.ContainsFunc(rep.Recipients, func(r ReportRecipient) bool { return r.Action == actionFailed })
}

// outcome is the action, or what the status class says without one.
func (r ReportRecipient) outcome() string {
	if r.Action != "" {
		return r.Action
	}
	switch {
	case strings.HasPrefix(r.Status, "2"):
		return actionDelivered
	case strings.HasPrefix(r.Status, "4"):
		return actionDelayed
	}
	return actionFailed
}
