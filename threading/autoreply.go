package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// autoReply finds answers and notices that a machine wrote.
func (s *signs) autoReply() (mailbox.Verdict, bool) {
	var t tally
	switch s.automatic {
	case "":
	case "auto-replied": // RFC 3834, 5.1
		t.add(mailbox.LevelCertain, "auto_submitted", "Auto-Submitted: auto-replied")
	case "auto-generated", "auto-notified": // Exchange marks absence notes as generated
		t.add(mailbox.LevelHigh, "auto_submitted", "Auto-Submitted: "+s.automatic)
	default: // any other keyword is not a person either (RFC 3834, 5.2)
		t.add(mailbox.LevelHigh, "auto_submitted", "Auto-Submitted")
	}
	source := strings.ToLower(field(s.m, "X-MS-Exchange-Generated-Message-Source"))
	if source != "" {
		t.add(mailbox.LevelHigh, "exchange_generated", "X-MS-Exchange-Generated-Message-Source")
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoresponder"} {
		if s.m.Header.Has(name) && !strings.EqualFold(field(s.m, name), "no") {
			t.add(mailbox.LevelHigh, "x_autoreply", name)
		}
	}
	precedence := strings.ToLower(field(s.m, "Precedence"))
	if precedence == "auto_reply" || precedence == "auto-reply" {
		t.add(mailbox.LevelHigh, "precedence_auto_reply", "Precedence")
	}
	apple := strings.Contains(strings.ToLower(field(s.m, "X-Apple-Action")), "vacation")
	if apple {
		t.add(mailbox.LevelCertain, "apple_vacation", "X-Apple-Action")
	}
	// Inbox rules redirect human mail too, and anybody may ask others not to
	// answer automatically; both together are what a rule's answer looks like.
	suppressAll := strings.EqualFold(field(s.m, "X-Auto-Response-Suppress"), "all")
	if suppressAll && s.m.Header.Has("X-MS-Exchange-Inbox-Rules-Loop") {
		t.add(mailbox.LevelMedium, "exchange_rule_answer", "X-Auto-Response-Suppress, X-MS-Exchange-Inbox-Rules-Loop")
	}
	absence := s.absenceSubject()
	if absence {
		t.add(mailbox.LevelMedium, "absence_subject", "Subject")
	}
	response := s.responseSubject()
	if response {
		t.add(mailbox.LevelMedium, "auto_reply_subject", "Subject")
	}
	// Sieve's default prefix and the old vacation program's subject (RFC 3834,
	// 3.1.5: "Auto:" proves nothing) need one of the weak signs beside them.
	if !s.prefixed && (strings.HasPrefix(s.subject, "auto:") || strings.HasPrefix(s.subject, "away from my mail")) &&
		(s.nullPath || precedence == "bulk" || precedence == "junk") {
		t.add(mailbox.LevelMedium, "auto_prefix", "Subject")
	}

	sub := SubOther
	switch {
	case absence:
		sub = SubOutOfOffice
	case apple, strings.Contains(s.automaticNote, "vacation"):
		sub = SubVacation
	case hasTicket(subjectOf(s.m)):
		sub = SubTicketRobot
	}
	return t.verdict(mailbox.KindAutoReply, sub)
}

// hasTicket reports whether a subject carries a ticket number in brackets:
// "[example #123]", "[Ticket#123]", "[#123]". It only refines a verdict.
func hasTicket(subject string) bool {
	for {
		_, rest, ok := strings.Cut(subject, "[")
		if !ok {
			return false
		}
		tag, _, ok := strings.Cut(rest, "]")
		if !ok {
			return false
		}
		if i := strings.LastIndexByte(tag, '#'); i >= 0 {
			number := strings.TrimSpace(tag[i+1:])
			if number != "" && strings.Trim(number, "0123456789") == "" {
				return true
			}
		}
		subject = rest
	}
}

// absenceWords open the subject of an absence note, followed by a colon or by
// nothing: what Exchange, Gmail and sieve scripts write (StackOverflow 1027395
// and sample mail, read 2026-11-20).
var absenceWords = []string{
	"automatic reply", "out of office", "out of office autoreply", "out of the office",
	"autosvar", "automatisk svar", "automatiskt svar", "automatisch antwoord",
	"abwesenheitsnotiz", "automatische antwort", "non al computer", "fuori sede",
	"risposta automatica", "respuesta automática", "réponse automatique", "resposta automática",
	"frånvaro", "automatyczna odpowiedź", "automatická odpověď", "automatikus válasz",
	"automaattinen vastaus", "otomatik yanıt", "автоматический ответ", "αυτόματη απάντηση",
	"自动答复", "自动回复", "自動回覆", "自動応答", "자동 회신", "תשובה אוטומטית", "رد تلقائي",
}

// responseWords open the subject of other automatic answers.
var responseWords = []string{"auto reply", "autoreply", "auto-reply", "auto response", "auto-response"}

// absenceEndings end the subject of an absence note.
var absenceEndings = []string{" is out of the office", " is out of office"}

// announces reports whether s is one of the words, or opens with one and a
// colon. French puts a space before the colon.
func announces(s string, words []string) bool {
	for _, w := range words {
		rest, ok := strings.CutPrefix(s, w)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " .")
		if rest == "" || strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "：") {
			return true
		}
	}
	return false
}

// absenceSubject reports whether the subject is that of an absence note.
func (s *signs) absenceSubject() bool {
	if s.prefixed {
		return false
	}
	if announces(s.subject, absenceWords) {
		return true
	}
	trimmed := strings.TrimRight(s.subject, " .!")
	for _, ending := range absenceEndings {
		if strings.HasSuffix(trimmed, ending) {
			return true
		}
	}
	return false
}

// responseSubject reports whether the subject is that of another automatic
// answer.
func (s *signs) responseSubject() bool {
	return !s.prefixed && announces(s.subject, responseWords)
}
