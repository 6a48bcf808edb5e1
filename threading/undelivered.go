package threading

import (
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

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
	case s.m.Header.Has("X-MS-Exchange-Transport-Rules-Notification"):
		// Somebody is told that a rule has matched (mail of 2025 to a list, read 2026-11-26).
	case s.sender == senderPostmaster && (s.nullPath || s.automatic != "" || result != outcomeUnknown):
		t.add(mailbox.LevelMedium, "postmaster_sender", "From")
	case s.namedDelivery() && (s.nullPath || s.automatic != "" || result != outcomeUnknown):
		t.add(mailbox.LevelMedium, "delivery_sender", "From")
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
	if s.m.Body == nil {
		v, _ := t.verdict(kind, "")
		action := actionFailed
		if kind == mailbox.KindDelay {
			action = actionDelayed
		}
		v.Bounce = &mailbox.Bounce{OriginalMessageID: s.answeredID(), Recipients: s.failedRecipients(action)}
		return v, true
	}
	rep := reportOf(s)
	if said := rep.Kind(); said != kind && (said == mailbox.KindDelay || said == mailbox.KindReceipt && result == outcomeUnknown) {
		kind = said
		t.note("report_words", "body")
	}
	if kind == mailbox.KindReceipt {
		return t.verdict(kind, SubDelivery)
	}
	v, _ := t.verdict(kind, "")
	if v.Bounce = rep.Bounce(); v.Bounce == nil {
		v.Bounce = &mailbox.Bounce{OriginalMessageID: s.answeredID()}
	}
	return v, true
}

// notification finds the notifications of a sending service in a body.
func (s *signs) notification() (mailbox.Verdict, bool) {
	if s.m.Body == nil || !s.notifies() {
		return mailbox.Verdict{}, false
	}
	rep := reportOf(s)
	var t tally
	kind := rep.Kind()
	if kind == "" {
		return mailbox.Verdict{}, false
	}
	t.add(mailbox.LevelCertain, "service_notification", "From, body")
	sub := ""
	if kind == mailbox.KindReceipt {
		sub = SubDelivery
	}
	v, _ := t.verdict(kind, sub)
	if kind == mailbox.KindBounce || kind == mailbox.KindDelay {
		v.Bounce = rep.Bounce()
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

// rejects: a server refuses a message in the form of a read receipt, as the
// reject action of Sieve may (RFC 5429, 2.1) and Dovecot does for full mailboxes
// (sample mail of Mailman, read 2026-11-26).
func (s *signs) rejects() bool {
	return (s.reportType == "disposition-notification" || isDispositionType(s.mediaType)) && !s.prefixed &&
		(strings.Contains(s.automaticNote, "reject") || strings.Contains(s.subject, "rejected"))
}

// receipt finds read receipts, reports of success, and refusals in their form.
func (s *signs) receipt() (mailbox.Verdict, bool) {
	var t tally
	if s.rejects() {
		t.add(mailbox.LevelHigh, "rejection", "Content-Type, Subject")
		v, _ := t.verdict(mailbox.KindBounce, "")
		if v.Bounce = reportOf(s).Bounce(); v.Bounce == nil {
			v.Bounce = &mailbox.Bounce{OriginalMessageID: s.answeredID()}
		}
		return v, true
	}
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
	if s.junkReport() {
		t.add(mailbox.LevelHigh, "report_junk", "From, Subject")
	}
	if slices.ContainsFunc(s.m.Attachments, func(a mailbox.Attachment) bool { return mediaType(a.ContentType) == "message/feedback-report" }) {
		t.add(mailbox.LevelHigh, "report_feedback", "parts") // in a container that lost its type
	}
	return t.verdict(mailbox.KindComplaint, "")
}

// junkReport: an older report of Outlook.com's Junk Mail Reporting Program, which
// is the mail that somebody complained about and no more (sample mail of sisimai,
// read 2026-11-26).
func (s *signs) junkReport() bool {
	return strings.HasPrefix(s.subject, "complaint about message from") &&
		slices.ContainsFunc(authors(s.m), func(a string) bool { return strings.EqualFold(a, "staff@hotmail.com") })
}

// outcome is what the subject of a delivery report says became of the message.
type outcome uint8

const (
	outcomeUnknown outcome = iota
	outcomeFailed
	outcomeDelayed
	outcomeDelivered
)

// The openings below are matched at the start of a subject without prefix. They
// are families, not proofs: each rule that uses one asks for a second sign.

// failedOpenings begin the subjects of failure reports: the English ones of
// common mail servers, and Exchange's "Undeliverable:" as it is translated.
var failedOpenings = []string{
	"delivery status notification (failure)", "delivery status notification: error",
	"delivery status notification: failed", "delivery notification: delivery has failed",
	"delivery failure", "delivery failed", "delivery has failed", "email delivery error",
	"failed delivery", "failed mail", "failure delivery", "failure notice",
	"mail could not be delivered", "mail delivery fail", "mail failed", "mail system error",
	"message delivery has failed", "message not delivered", "message undeliverable",
	"non-deliverable", "postmaster notify", "returned mail", "undeliverable", "undelivered",
	"sorry, your message could not be delivered", "there was an error sending your mail",
	"onbestelbaar", "não entregue", "não_entregue", "non remis", "non recapitabile",
	"unzustellbar", "no se puede entregar", "niedostarczone", "ikke leveret",
	"kunde inte levereras", "toimittamaton", "не удается доставить", "недоставленное сообщение",
	"teslim edilemedi", "无法传递", "未送达", "無法傳遞", "配信不能", "배달되지 않음",
	"メッセージを配信できません", "配信できません", "メールエラー通知", "送信エラー", "配信エラー", "退信", "系统退信",
}

var delayedOpenings = []string{
	"delivery status notification (delay)", "delivery status notification (mail delivery delayed)",
	"delivery status notification: delayed", "delivery notification: delivery has been delayed",
	"delivery delayed", "delivery incomplete", "delayed mail", "mail delayed",
	"warning: could not send message", "warning: message", "warning. mail delayed",
}

var deliveredOpenings = []string{
	"successful mail delivery report", "delivery status notification (success)",
	"delivery status notification (relay)", "delivered:", "relayed:", "expanded:",
}

// reportOutcome reads the outcome from the subject of a report. A prefix means
// that a person answers or forwards one.
func (s *signs) reportOutcome() outcome {
	switch {
	case s.prefixed:
		return outcomeUnknown
	case opens(s.subject, failedOpenings):
		return outcomeFailed
	case opens(s.subject, delayedOpenings):
		return outcomeDelayed
	case opens(s.subject, deliveredOpenings):
		return outcomeDelivered
	// Gateways put words of their own before a well-known subject.
	case strings.Contains(s.subject, "returned to sender"), strings.Contains(s.subject, "returning message to sender"):
		return outcomeFailed
	}
	return outcomeUnknown
}

func opens(s string, openings []string) bool {
	for _, o := range openings {
		if strings.HasPrefix(s, o) {
			return true
		}
	}
	return false
}

// mayReport reports whether the words are worth reading.
func (s *signs) mayReport() bool { return s.marked() || s.hinted() }

// marked reports whether the header bears any mark of a delivery report.
func (s *signs) marked() bool {
	return s.reportType == "delivery-status" || s.untypedReport() || isStatusType(s.mediaType) || s.nullPath || s.automatic != "" ||
		s.sender != senderOther || s.reportOutcome() != outcomeUnknown ||
		s.m.Header.Has("X-Failed-Recipients") || s.m.Header.Has("X-MS-Exchange-Message-Is-Ndr") || s.unreadSender()
}

// unreadSender: an address that nobody reads.
func (s *signs) unreadSender() bool {
	return s.senderIs(is("noreply", "donotreply", "postmaster", "mailerdaemon", "maildaemon"))
}

// namedDelivery: the sender is called what mail systems call themselves,
// whatever its address.
func (s *signs) namedDelivery() bool {
	if s.cites && s.prefixed {
		return false
	}
	from := strings.ToLower(field(s.m, "From"))
	return containsAny(from, []string{"mail delivery subsystem", "mail delivery system", "mail delivery service", "mail delivery agent"})
}

// actionOf says what became of a message, by the subject and then by the words.
func (s *signs) actionOf(words string) string {
	text := strings.ToLower(words)
	switch result := s.reportOutcome(); {
	case result == outcomeDelayed, containsAny(text, willTryWords):
		return actionDelayed
	case result == outcomeDelivered:
		return actionDelivered
	case result == outcomeFailed:
		return actionFailed
	}
	switch {
	case containsAny(text, givenUpWords):
		return actionFailed
	case containsAny(text, stillTryingWords):
		return actionDelayed
	case containsAny(text, deliveredWords):
		return actionDelivered
	}
	return actionFailed
}

var givenUpWords = []string{
	"permanent error", "permanent failure", "failed permanently", "permanent fatal", "giving up", "given up", "not going to try again",
	"could not be delivered", "will not be retried", "delivery has failed",
}

// willTryWords promise more attempts, whatever the subject and other words say.
var willTryWords = []string{
	"will continue to try", "will continue trying", "will keep trying", "delivery attempts will continue", "attempts to deliver the message will continue",
	"this is a warning message only", "no need to resend", "do not need to resend",
}

var stillTryingWords = []string{
	"has not yet been delivered", "has been delayed", "is delayed", "has been postponed", "has been deferred", "will be retried", "will retry",
	"still trying", "not been delivered yet", "not yet been delivered",
}

var deliveredWords = []string{"successfully delivered", "was delivered to", "successfully relayed", "has been delivered to"}
