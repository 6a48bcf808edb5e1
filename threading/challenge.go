package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// challenge finds messages of filters that hold our mail until its sender
// confirms it: it has not been delivered yet.
func (s *signs) challenge() (mailbox.Verdict, bool) {
	var t tally
	machine := s.automatic != "" || s.nullPath || s.precedence == "auto_reply"
	if strings.Contains(s.automaticNote, "challenge") {
		t.add(mailbox.LevelHigh, "challenge_comment", "Auto-Submitted")
	}
	subject := s.announces(announcesConfirm) || strings.HasSuffix(s.subject, "(action required)")
	if subject && (s.automatic == "auto-replied" || machine && s.cites) {
		t.add(mailbox.LevelMedium, "challenge_subject", "Subject")
	}
	if subject && strings.Contains(strings.ToLower(field(s.m, "X-Delivery-Agent")), "tmda") {
		t.add(mailbox.LevelHigh, "challenge_agent", "X-Delivery-Agent")
	}
	// cPanel's BoxTrapper (mail to lists.sourceforge.net and lore.kernel.org, read
	// 2026-11-26). Spam bears its field as well, but not its subject.
	if s.m.Header.Has("X-Boxtrapper") && strings.Contains(s.subject, "verify#") {
		t.add(mailbox.LevelHigh, "challenge_agent", "X-Boxtrapper")
	}
	if t.level > mailbox.LevelNone || machine || subject || s.cites && !s.prefixed {
		w := s.readWords()
		switch {
		case !w.within(sayConfirm, 1000) || w.has(sayAbsent) || s.listSigns():
		case t.level > mailbox.LevelNone:
			t.add(mailbox.LevelHigh, "challenge_text", "text "+w.sayings[sayConfirm].lang)
		case machine || subject:
			t.add(mailbox.LevelMedium, "challenge_text", "text "+w.sayings[sayConfirm].lang)
		}
	}
	return t.verdict(mailbox.KindChallenge, "")
}

// unsubscribe finds the mail that a mail client sends when its user presses the
// button for leaving a list (RFC 2369): a machine's words, a person's will.
func (s *signs) unsubscribe() (mailbox.Verdict, bool) {
	var t tally
	if s.prefixed || s.cites || !strings.HasPrefix(s.subject, "unsubscribe") {
		return mailbox.Verdict{}, false
	}
	w := s.readWords()
	target := s.toUnsubscribe()
	switch {
	case w.has(sayUnsubscribe):
		t.add(mailbox.LevelHigh, "unsubscribe_text", "text")
	case target && !w.known:
		t.add(mailbox.LevelMedium, "unsubscribe_address", "To, Subject")
	case target && len(w.own) < 40 && !w.quoted:
		t.add(mailbox.LevelMedium, "unsubscribe_address", "To, Subject")
	}
	return t.verdict(mailbox.KindAutoReply, SubUnsubscribe)
}

// toUnsubscribe reports whether the message goes to an address made for leaving
// a list.
func (s *signs) toUnsubscribe() bool {
	to := addresses(field(s.m, "To"))
	for _, a := range s.m.To {
		to = append(to, a.Address)
	}
	for _, a := range to {
		local, _, _ := strings.Cut(strings.ToLower(a), "@")
		if strings.HasPrefix(local, "unsub") || strings.HasPrefix(local, "leave") || strings.Contains(local, "unsubscribe") || strings.Contains(local, "+unsub") {
			return true
		}
	}
	return false
}
