package threading

import (
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// The refinements of [mailbox.KindAutoReply] and [mailbox.KindReceipt] in
// [mailbox.Verdict.Sub]. For [mailbox.KindCalendar] it is the iTIP method in
// lower case ("reply", "request", "cancel") when the header tells it.
const (
	SubOutOfOffice = "out_of_office"
	SubVacation    = "vacation"
	SubTicketRobot = "ticket_robot"
	SubOther       = "other"
	// SubDisposition is a read receipt: displayed or deleted (RFC 8098).
	SubDisposition = "disposition"
	// SubDelivery is a report of successful delivery (RFC 3464).
	SubDelivery = "delivery"
)

// Classify says what kind of message m is, from its header alone, so that it
// works where bodies may not be read. It never fails and reads no more than the
// first 4 KiB of a field.
//
// The kinds are tried in a fixed order, because a machine's message often bears
// the marks of several: bounce or delay, receipt, complaint, calendar,
// reaction, automatic reply, list, human. The evidence lists every rule that
// fired for the winning kind; for a human it lists the weak signs that were
// seen and did not suffice.
//
// Never enough alone: X-Auto-Response-Suppress, Precedence: bulk, list or junk,
// Auto-Submitted: no, a null return path, From postmaster, a subject behind a
// reply prefix.
//
// Mail from a list is [mailbox.KindList] unless it carries In-Reply-To or
// References: then a person answered somebody, and whether it was us is for
// [Matcher] to say. A person's answer that a ticket system marks as
// auto-generated counts as automatic: the header does not tell them apart.
//
// For a bounce or delay Verdict.Bounce holds what the header tells: recipients
// from X-Failed-Recipients, the original Message-ID from In-Reply-To,
// References or X-MS-Exchange-Parent-Message-Id. Cause and hardness stand in
// the report only: see [ReadReport].
func Classify(m *mailbox.Message) mailbox.Verdict {
	s := readSigns(m)
	for _, rule := range []func() (mailbox.Verdict, bool){
		s.bounce, s.receipt, s.complaint, s.calendar, s.reaction, s.autoReply, s.list,
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

func (t *tally) verdict(kind mailbox.Kind, sub string) (mailbox.Verdict, bool) {
	if t.level == mailbox.LevelNone {
		return mailbox.Verdict{}, false
	}
	return mailbox.Verdict{Kind: kind, Sub: sub, Level: t.level, Evidence: t.evidence}, true
}

// bounce finds reports of failed or delayed delivery. A report whose subject
// tells of success is left to receipt.
func (s *signs) bounce() (mailbox.Verdict, bool) {
	result := s.reportOutcome()
	var t tally
	if s.reportType == "delivery-status" || isStatusType(s.mediaType) {
		t.add(mailbox.LevelHigh, "report_delivery_status", "Content-Type")
	}
	if v := field(s.m, "X-MS-Exchange-Message-Is-Ndr"); s.m.Header.Has("X-MS-Exchange-Message-Is-Ndr") && !strings.EqualFold(v, "false") {
		t.add(mailbox.LevelHigh, "exchange_ndr", "X-MS-Exchange-Message-Is-Ndr")
	}
	if s.m.Header.Has("X-Failed-Recipients") {
		t.add(mailbox.LevelHigh, "failed_recipients", "X-Failed-Recipients")
	}
	if s.untypedReport() && s.nullPath {
		t.add(mailbox.LevelMedium, "report_null_path", "Content-Type, Return-Path")
	}
	switch {
	case s.sender == senderDaemon:
		t.add(mailbox.LevelMedium, "daemon_sender", "From")
	case s.sender == senderPostmaster && (s.nullPath || s.automatic != "" || result != outcomeUnknown):
		t.add(mailbox.LevelMedium, "postmaster_sender", "From")
	case s.nullPath && result != outcomeUnknown:
		t.add(mailbox.LevelMedium, "null_path_report", "Return-Path, Subject")
	}
	if t.level == mailbox.LevelNone {
		return mailbox.Verdict{}, false
	}
	t.corroborate(s, result)

	kind := mailbox.KindBounce
	switch {
	case result == outcomeDelivered && len(s.failedRecipients("")) == 0:
		return mailbox.Verdict{}, false
	case result == outcomeDelayed, result == outcomeUnknown && strings.Contains(s.automaticNote, "warning"):
		kind = mailbox.KindDelay
	}
	v, _ := t.verdict(kind, "")
	action := actionFailed
	if kind == mailbox.KindDelay {
		action = actionDelayed
	}
	v.Bounce = &mailbox.Bounce{
		OriginalMessageID: s.answeredID(),
		Recipients:        s.failedRecipients(action),
	}
	return v, true
}

// corroborate raises the level by one when a second, independent sign agrees.
// Only a stated outcome makes it certain, since the rest does not tell a
// failure from a delay.
func (t *tally) corroborate(s *signs, result outcome) {
	independent := false
	if s.untypedReport() {
		t.note("report", "Content-Type")
		independent = s.sender != senderOther
	}
	if s.nullPath {
		t.note("null_return_path", "Return-Path")
		independent = independent || s.sender == senderDaemon
	}
	if s.automatic != "" {
		t.note("auto_submitted", "Auto-Submitted")
		independent = independent || s.sender == senderDaemon
	}
	if result != outcomeUnknown {
		t.note("report_subject", "Subject")
	}
	switch {
	case t.level == mailbox.LevelHigh && result != outcomeUnknown:
		t.level = mailbox.LevelCertain
	case t.level == mailbox.LevelMedium && (independent || result != outcomeUnknown && s.sender != senderOther):
		t.level = mailbox.LevelHigh
	}
}

// maxRecipients bounds how many recipients of one report are kept. No provider
// lets a message go to more than 1,000 (facts for Exchange Online, 2026-01).
const maxRecipients = 1000

// failedRecipients reads X-Failed-Recipients, which Gmail and Exim write.
func (s *signs) failedRecipients(action string) []mailbox.BounceRecipient {
	var all []mailbox.BounceRecipient
	for _, v := range s.m.Header.Values("X-Failed-Recipients") {
		for address := range strings.SplitSeq(v, ",") {
			address = strings.Trim(address, " \t<>")
			if len(all) < maxRecipients && len(address) <= maxValue && strings.Contains(address, "@") {
				all = append(all, mailbox.BounceRecipient{Address: address, Action: action})
			}
		}
	}
	return all
}

// answeredID returns the id that a machine's message answers, judging by the
// header: a bounce or receipt answers exactly one message.
func (s *signs) answeredID() mailbox.RFCMessageID {
	for _, name := range []string{"In-Reply-To", "References", parentIDField} {
		for _, v := range slices.Backward(s.m.Header.Values(name)) {
			for _, id := range slices.Backward(mailbox.ParseMessageIDs(v)) {
				if !isParticipant(s.m, id) {
					return id
				}
			}
		}
	}
	return ""
}

// untypedReport: a report that does not say of what kind.
func (s *signs) untypedReport() bool {
	return s.mediaType == "multipart/report" && s.reportType == ""
}

func isStatusType(mediaType string) bool {
	return mediaType == "message/delivery-status" || mediaType == "message/global-delivery-status"
}

func isDispositionType(mediaType string) bool {
	return mediaType == "message/disposition-notification" || mediaType == "message/global-disposition-notification"
}

// receipt finds read receipts and reports of success.
func (s *signs) receipt() (mailbox.Verdict, bool) {
	var t tally
	if s.reportType == "disposition-notification" || isDispositionType(s.mediaType) {
		t.add(mailbox.LevelCertain, "report_disposition", "Content-Type")
		return t.verdict(mailbox.KindReceipt, SubDisposition)
	}
	if s.reportOutcome() == outcomeDelivered {
		switch {
		case s.reportType == "delivery-status" || isStatusType(s.mediaType):
			t.add(mailbox.LevelCertain, "report_delivered", "Content-Type, Subject")
		case s.sender != senderOther:
			t.add(mailbox.LevelMedium, "report_delivered", "From, Subject")
		}
	}
	return t.verdict(mailbox.KindReceipt, SubDelivery)
}

// complaint finds feedback reports (ARF, RFC 5965). Reports of failed
// authentication have the same form; the report part tells them apart.
func (s *signs) complaint() (mailbox.Verdict, bool) {
	var t tally
	if s.reportType == "feedback-report" || s.mediaType == "message/feedback-report" {
		t.add(mailbox.LevelCertain, "report_feedback", "Content-Type")
	}
	return t.verdict(mailbox.KindComplaint, "")
}

// calendar finds invitations and the answers to them (RFC 5546, RFC 6047).
func (s *signs) calendar() (mailbox.Verdict, bool) {
	var t tally
	method := ""
	if s.mediaType == "text/calendar" {
		t.add(mailbox.LevelCertain, "calendar_part", "Content-Type")
		method = calendarMethod(parameter(field(s.m, "Content-Type"), "method"))
	}
	if strings.EqualFold(field(s.m, "Content-Class"), "urn:content-classes:calendarmessage") {
		t.add(mailbox.LevelCertain, "calendar_class", "Content-Class")
	}
	return t.verdict(mailbox.KindCalendar, method)
}

// calendarMethod keeps the methods of RFC 5546 and nothing else.
func calendarMethod(value string) string {
	switch m := strings.ToLower(strings.TrimSpace(value)); m {
	case "publish", "request", "reply", "add", "cancel", "refresh", "counter", "declinecounter":
		return m
	}
	return ""
}

// reactionType is the part of a Gmail emoji reaction
// (developers.google.com/workspace/gmail/reactions/format, read 2026-11-20).
const reactionType = "text/vnd.google.email-reaction+json"

// reaction finds emoji reactions. The header of a Gmail reaction is that of an
// ordinary reply, so it is recognised only when the parts are known; Outlook's
// has no mark at all.
func (s *signs) reaction() (mailbox.Verdict, bool) {
	var t tally
	if s.mediaType == reactionType {
		t.add(mailbox.LevelCertain, "reaction_part", "Content-Type")
	}
	for _, a := range s.m.Attachments {
		if mediaType(a.ContentType) == reactionType {
			t.add(mailbox.LevelCertain, "reaction_part", "parts")
			break
		}
	}
	return t.verdict(mailbox.KindReaction, "")
}

// list finds mail from lists and campaigns (RFC 2369, RFC 2919).
func (s *signs) list() (mailbox.Verdict, bool) {
	if s.cites {
		return mailbox.Verdict{}, false
	}
	var t tally
	for _, sign := range []struct {
		level       mailbox.Level
		rule, field string
	}{
		{mailbox.LevelHigh, "list_id", "List-Id"},
		{mailbox.LevelHigh, "list_unsubscribe", "List-Unsubscribe"},
		{mailbox.LevelMedium, "feedback_id", "Feedback-ID"},
	} {
		if s.m.Header.Has(sign.field) {
			t.add(sign.level, sign.rule, sign.field)
		}
	}
	return t.verdict(mailbox.KindList, "")
}

// human is what remains. It names the weak signs against it.
func (s *signs) human() mailbox.Verdict {
	t := tally{level: mailbox.LevelHigh}
	t.note("no_automatic_sign", "")
	strong := len(t.evidence)
	for _, weak := range []struct{ rule, field string }{
		{"through_list", "List-Id"},
		{"list_unsubscribe", "List-Unsubscribe"},
		{"precedence", "Precedence"},
		{"auto_response_suppress", "X-Auto-Response-Suppress"},
		{"exchange_rules_loop", "X-MS-Exchange-Inbox-Rules-Loop"},
	} {
		if s.m.Header.Has(weak.field) {
			t.note(weak.rule, weak.field)
		}
	}
	if s.nullPath {
		t.note("null_return_path", "Return-Path")
	}
	if s.sender == senderPostmaster {
		t.note("postmaster_sender", "From")
	}
	if len(t.evidence) > strong {
		t.level = mailbox.LevelMedium
	}
	if !s.m.HeaderComplete {
		t.level = mailbox.LevelLow
		t.note("header_incomplete", "")
	}
	v, _ := t.verdict(mailbox.KindHuman, "")
	return v
}
