package threading

import (
	"github.com/mailtether/mailtether/mailbox"
)

// The refinements of [mailbox.KindAutoReply] and [mailbox.KindReceipt] in
// [mailbox.Verdict.Sub]. For [mailbox.KindCalendar] it is the iTIP method in
// lower case ("reply", "request", "cancel") when the header tells it.
const (
	SubOutOfOffice = "out_of_office"
	SubVacation    = "vacation"
	SubTicketRobot = "ticket_robot"
	// SubUnsubscribe is the mail of a client's button for leaving a list: a
	// machine wrote it, but a person wants it.
	SubUnsubscribe = "unsubscribe"
	SubOther       = "other"
	// SubDisposition is a read receipt: displayed or deleted (RFC 8098).
	SubDisposition = "disposition"
	// SubDelivery is a report of successful delivery (RFC 3464).
	SubDelivery = "delivery"
)

// Classify says what kind of message m is. It judges by the header, so that it
// works where bodies may not be read; where Body and Attachments are filled they
// refine the verdict, or decide where the header is silent: reports and
// automatic answers in words, notifications of Amazon SES. It never fails and
// reads no more than the first 4 KiB of a field and the first 256 KiB of a text.
//
// The kinds are tried in a fixed order, because a machine's message often bears
// the marks of several: bounce or delay, receipt, complaint, calendar,
// reaction, challenge, unsubscribe, automatic reply, list, human. The evidence
// lists every rule that fired for the winning kind, with the name of the field
// or the language of the phrase; for a human it lists the weak signs that were
// seen and did not suffice.
//
// Never enough alone: X-Auto-Response-Suppress, Precedence: bulk, list or junk,
// Auto-Submitted: no, a null return path, From postmaster, a subject behind a
// reply prefix, one phrase in the text, a subject that speaks of a failed
// delivery, a sender that is called like a mail system.
//
// Mail from a list is [mailbox.KindList] unless it carries In-Reply-To or
// References: then a person answered somebody, and whether it was us is for
// [Matcher] to say. A person's answer that a help desk marks as auto-generated
// is told from its robot by the text; by the header alone it counts as
// automatic. An answer to an invitation is [mailbox.KindCalendar] also when a
// person added words: the evidence then has "human_words".
//
// For an absence Verdict.Until is the day that the text or subject names as its
// end or as the day of return, at midnight UTC; zero when none was understood
// beyond doubt.
//
// For a bounce or delay Verdict.Bounce holds what the header tells: recipients
// from X-Failed-Recipients, the original Message-ID from In-Reply-To,
// References or X-MS-Exchange-Parent-Message-Id. If m has a body, it holds what
// [ReportOf] reads there. Cause and hardness stand in the report only: see
// [ReadReport].
func Classify(m *mailbox.Message) mailbox.Verdict {
	s := readSigns(m)
	for _, rule := range []func() (mailbox.Verdict, bool){
		s.notification, s.bounce, s.reportInWords, s.receipt, s.complaint, s.calendar, s.reaction,
		s.challenge, s.unsubscribe, s.autoReply, s.list,
	} {
		if v, ok := rule(); ok {
			return v
		}
	}
	return s.human()
}

// tally collects the evidence for one kind.
type tally struct {
	level    mailbox.Level
	evidence []mailbox.Evidence
}

// add records a rule that supports the kind at a level on its own.
func (t *tally) add(level mailbox.Level, rule, detail string) {
	t.level = max(t.level, level)
	t.note(rule, detail)
}

// note records a sign that does not suffice on its own.
func (t *tally) note(rule, detail string) {
	t.evidence = append(t.evidence, mailbox.Evidence{Rule: rule, Detail: detail})
}

// fired reports whether a rule was recorded.
func (t *tally) fired(rule string) bool {
	for _, e := range t.evidence {
		if e.Rule == rule {
			return true
		}
	}
	return false
}

func (t *tally) verdict(kind mailbox.Kind, sub string) (mailbox.Verdict, bool) {
	if t.level == mailbox.LevelNone {
		return mailbox.Verdict{}, false
	}
	return mailbox.Verdict{Kind: kind, Sub: sub, Level: t.level, Evidence: t.evidence}, true
}
