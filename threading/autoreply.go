package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// autoReply finds answers and notices that a machine wrote: by the header
// first, by the subject, and by the words of the text where those are silent.
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
	fromField := s.automaticFields(&t)
	// Inbox rules redirect human mail too, and anybody may ask others not to
	// answer automatically; both together are what a rule's answer looks like.
	if s.suppressesAll() && s.m.Header.Has("X-MS-Exchange-Inbox-Rules-Loop") {
		t.add(mailbox.LevelMedium, "exchange_rule_answer", "X-Auto-Response-Suppress, X-MS-Exchange-Inbox-Rules-Loop")
	}
	// What comes without a return path is no person's, and what is bulk without
	// coming from a list is an answer.
	if s.nullPath && (s.precedence == "bulk" || s.precedence == "junk") && !s.listSigns() {
		t.add(mailbox.LevelMedium, "null_path_bulk", "Return-Path, Precedence")
	}
	byHeader := t.level
	if s.agentAnswers(&t) {
		return mailbox.Verdict{}, false
	}
	s.automaticSubject(&t)
	s.automaticText(&t)
	if t.level == mailbox.LevelNone {
		return mailbox.Verdict{}, false
	}
	sub := s.refine(&t, fromField)
	if byHeader == mailbox.LevelNone && s.fromList() && s.readWords().known && sub == SubOther {
		return mailbox.Verdict{}, false
	}
	v, found := t.verdict(mailbox.KindAutoReply, sub)
	if sub == SubOutOfOffice || sub == SubVacation {
		v.Until = s.until()
	}
	return v, found
}

func (s *signs) suppressesAll() bool {
	return strings.EqualFold(field(s.m, "X-Auto-Response-Suppress"), "all")
}

// refine says which kind of automatic answer it is.
func (s *signs) refine(t *tally, fromField string) string {
	w := s.readWords()
	absent, departed := w.within(sayAbsent, 1500), w.within(sayDeparted, 800)
	switch {
	case departed && (!absent || w.sayings[sayDeparted].at < w.sayings[sayAbsent].at):
		t.note("departed", "text "+w.sayings[sayDeparted].lang)
		return SubOther
	case s.announces(announcesAbsence), s.endsAbsent(), s.announces(announcesAway):
		return SubOutOfOffice
	case absent && !(s.isTicket() && w.has(sayReceived)):
		if !t.fired("absence_text") {
			t.note("absence_text", "text "+w.sayings[sayAbsent].lang)
		}
		return SubOutOfOffice
	case fromField == SubVacation, strings.Contains(s.automaticNote, "vacation"), s.gmailVacation():
		return SubVacation
	case s.desk, hasTicket(s.subjectText) && !t.fired("exchange_rule_answer") && !t.fired("exchange_generated"), fromField == SubTicketRobot, w.has(sayReceived) && s.automatic != "auto-replied":
		return SubTicketRobot
	}
	return SubOther
}

// gmailVacation: the answer of Gmail's vacation responder (real mail, read
// 2026-11-26). A ticket number in its subject is ours.
func (s *signs) gmailVacation() bool {
	return s.automatic == "auto-replied" && s.m.Header.Has("X-Autoreply") && strings.HasSuffix(field(s.m, "Message-ID"), "@mail.gmail.com>")
}

func (s *signs) isTicket() bool { return s.desk || hasTicket(s.subjectText) }

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

// automaticSubject tallies what the subject announces.
func (s *signs) automaticSubject(t *tally) {
	absence := s.announces(announcesAbsence) || s.endsAbsent()
	if absence {
		t.add(mailbox.LevelMedium, "absence_subject", "Subject")
	}
	if s.announces(announcesAutomatic) {
		t.add(mailbox.LevelMedium, "auto_reply_subject", "Subject")
	}
	if s.announces(announcesAway) && !absence {
		if t.level > mailbox.LevelNone || s.nullPath {
			t.add(mailbox.LevelMedium, "away_subject", "Subject")
		}
	}
	// Sieve's default prefix and the old vacation program's subject (RFC 3834,
	// 3.1.5: "Auto:" proves nothing) need one of the weak signs beside them.
	if !s.prefixed && (strings.HasPrefix(s.subject, "auto:") || strings.HasPrefix(s.subject, "away from my mail")) &&
		(s.nullPath || s.precedence == "bulk" || s.precedence == "junk") {
		t.add(mailbox.LevelMedium, "auto_prefix", "Subject")
	}
}

// automaticText tallies what the author's words say. Without a sign in the
// header several things must come together, and nothing that only people do.
func (s *signs) automaticText(t *tally) {
	w := s.readWords()
	if !w.known || w.has(saySorry) {
		return
	}
	absent := w.within(sayAbsent, 400)
	support := w.count(sayThanks, sayLimited, sayContact, sayLater)
	if t.level > mailbox.LevelNone {
		if t.level == mailbox.LevelMedium && (absent || w.within(sayAutomatic, 1500)) && !w.quoted {
			t.add(mailbox.LevelHigh, "text_agrees", "text")
		}
		return
	}
	if w.quoted && !w.within(sayAutomatic, 200) || s.listSigns() && !s.cites {
		return
	}
	short := len(w.own) < 2500
	switch {
	case w.has(sayAutomatic) && short && !s.fromList() && (!s.prefixed || absent || s.nullPath || w.has(sayNoReply)):
		t.add(mailbox.LevelMedium, "automatic_text", "text "+w.sayings[sayAutomatic].lang)
	case s.fromList():
	case absent && s.announces(announcesAway) && short:
		t.add(mailbox.LevelMedium, "away_subject", "Subject")
	case absent && short && support >= 2, absent && short && support == 1 && s.nullPath:
		t.add(mailbox.LevelMedium, "absence_text", "text "+w.sayings[sayAbsent].lang)
	case w.within(sayReceived, 600) && short && s.acknowledges(w):
		t.add(mailbox.LevelMedium, "acknowledgement_text", "text "+w.sayings[sayReceived].lang)
	}
}

// acknowledges reports whether a text that says that something was received
// has two more traits of an acknowledgement.
func (s *signs) acknowledges(w *words) bool {
	n := w.count(sayThanks, saySoon, sayNoReply)
	if s.isTicket() {
		n++
	}
	if s.announces(announcesTicket) {
		n++
	}
	return n >= 2
}

// agentAnswers reports whether a person wrote what a help desk sent: it marks
// all its mail as generated, but the message goes on with a conversation and
// says nothing that machines say.
func (s *signs) agentAnswers(t *tally) bool {
	if s.automatic != "auto-generated" && s.automatic != "" || !s.prefixed || !s.cites || !s.isTicket() {
		return false
	}
	for _, e := range t.evidence {
		if e.Rule != "auto_submitted" && e.Rule != "machine_generated" {
			return false
		}
	}
	w := s.readWords()
	if !w.known || w.own == "" || w.count(sayAbsent, sayAutomatic, sayReceived, sayDeparted) > 0 {
		return false
	}
	s.agent = true
	return true
}

// announces reports whether the subject opens with words of a kind, followed by
// a colon, a reply prefix, other punctuation or nothing. Words that people
// choose may go on.
func (s *signs) announces(what saying) bool { return s.announced[what].at >= 0 }

// readSubject finds what the subject announces. What stands behind a reply
// prefix was announced to somebody else.
func (s *signs) readSubject() {
	for i := range s.announced {
		s.announced[i].at = -1
	}
	if tag, ok := strings.CutPrefix(strings.TrimSpace(s.subjectText), "["); ok { // "[Automatic reply] Offer"
		if tag, _, ok = strings.Cut(tag, "]"); ok {
			s.findAnnounced(fold(tag), announcesAutomatic)
		}
	}
	if s.prefixed || len(s.subject) < 4 {
		return
	}
	s.folded = fold(s.subject)
	s.findAnnounced(s.folded, announcesCalendar)
}

// findAnnounced looks for announcements up to last in a folded text.
func (s *signs) findAnnounced(text string, last saying) {
	if len(text) < 4 {
		return
	}
	for _, ph := range subjectPhrases()[[4]byte([]byte(text[:4]))] {
		if s.announced[ph.says].at >= 0 || ph.says > last || !ph.matches(text) {
			continue
		}
		if goesOn := ph.says == announcesAway || ph.says == announcesTicket; goesOn || opensSubject(text[len(ph.head):]) {
			s.announced[ph.says].at = 0
		}
	}
}

// opensSubject reports whether an announcement may stand before rest. French
// puts a space before the colon; Gmail puts the original subject with its
// prefix behind the user's words.
func opensSubject(rest string) bool {
	rest = strings.TrimLeft(rest, " .!")
	if rest == "" || rest[0] == ':' {
		return true
	}
	_, prefixed := cutPrefix(rest)
	return prefixed
}

// absenceEndings end the subject of an absence note that Notes writes; when the
// author returns may stand behind it in brackets (subjects of 2012 and 2013 in an
// archive, read 2026-11-26).
var absenceEndings = []string{" is out of the office", " is out of office", " ist außer haus", " est absent", " is afwezig"}

func (s *signs) endsAbsent() bool {
	if s.prefixed {
		return false
	}
	trimmed := strings.TrimRight(s.subject, " .!")
	if i := strings.LastIndex(trimmed, " ("); i > 0 && strings.HasSuffix(trimmed, ")") { // "(returning 10/01/2012)"
		trimmed = trimmed[:i]
	}
	for _, ending := range absenceEndings {
		if strings.HasSuffix(trimmed, ending) {
			return true
		}
	}
	return false
}
