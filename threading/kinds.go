package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

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
	for _, a := range s.m.Attachments {
		if mediaType(a.ContentType) != "text/calendar" {
			continue
		}
		// A part without a name is the machine-readable twin of the text; a file
		// may be something that a person attached.
		switch {
		case a.Name == "":
			t.add(mailbox.LevelHigh, "calendar_part", "parts")
		case s.announces(announcesCalendar):
			t.add(mailbox.LevelMedium, "calendar_part", "parts, Subject")
		}
	}
	if s.announces(announcesCalendar) && strings.Contains(strings.ToLower(field(s.m, "Sender")), "calendar-notification@google.com") {
		t.add(mailbox.LevelHigh, "calendar_sender", "Sender, Subject")
	}
	if t.level > mailbox.LevelNone {
		if w := s.readWords(); w.known && w.own != "" && !w.has(sayInvited) && method != "request" && method != "publish" {
			t.note("human_words", "text")
		}
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
// and those of phones have no mark but their few words.
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
	if t.level == mailbox.LevelNone && s.m.Body != nil {
		switch w := s.readWords(); {
		case w.within(sayReacted, 120) && len(w.own) < 400:
			t.add(mailbox.LevelMedium, "reaction_text", "text "+w.sayings[sayReacted].lang)
		case isTapback(w.own):
			t.add(mailbox.LevelLow, "tapback_text", "text")
		}
	}
	return t.verdict(mailbox.KindReaction, "")
}

// tapbacks are what phones write for a reaction, before the quoted words.
var tapbacks = []string{"liked \"", "loved \"", "disliked \"", "laughed at \"", "emphasized \"", "emphasised \"", "questioned \""}

func isTapback(own string) bool { return opens(own, tapbacks) && strings.HasSuffix(own, `"`) }

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
		{mailbox.LevelMedium, "list_field", "Mailing-List"},
		{mailbox.LevelMedium, "list_field", "X-Mailing-List"},
		{mailbox.LevelMedium, "list_field", "X-BeenThere"},
	} {
		if s.m.Header.Has(sign.field) {
			t.add(sign.level, sign.rule, sign.field)
		}
	}
	return t.verdict(mailbox.KindList, "")
}

// human is what remains. It names the weak signs against it. Whoever answers
// something is most likely a person; mail out of the blue may be a notice that
// bears no sign of one.
func (s *signs) human() mailbox.Verdict {
	t := tally{level: mailbox.LevelMedium}
	t.note("no_automatic_sign", "")
	if s.cites {
		t.level = mailbox.LevelHigh
	}
	strong := len(t.evidence)
	for _, weak := range []struct{ rule, field string }{
		{"through_list", "List-Id"},
		{"list_unsubscribe", "List-Unsubscribe"},
		{"precedence", "Precedence"},
		{"auto_response_suppress", "X-Auto-Response-Suppress"},
		{"exchange_rules_loop", "X-MS-Exchange-Inbox-Rules-Loop"},
		{"errors_to", "Errors-To"},
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
	if !s.cites && s.robotSender() {
		t.note("robot_sender", "From")
	}
	if len(t.evidence) > strong {
		t.level--
	}
	if !s.m.HeaderComplete {
		t.level = mailbox.LevelLow
		t.note("header_incomplete", "")
	}
	if s.agent {
		t.level = min(t.level, mailbox.LevelMedium)
		t.note("agent_answer", "Subject, text")
	}
	v, _ := t.verdict(mailbox.KindHuman, "")
	return v
}

// robotSender reports whether the sender's address is named for a machine. That
// makes a person less likely, no more.
func (s *signs) robotSender() bool {
	return s.senderIs(func(name string) bool {
		return containsAny(name, []string{"noreply", "donotreply", "daemon", "newsletter", "notification", "alert"})
	})
}

// listSigns reports whether the header has a sign of list mail. Feedback-ID is
// none: sending services put it on single messages as well.
func (s *signs) listSigns() bool {
	return s.fromList() || s.m.Header.Has("List-Unsubscribe")
}

// fromList reports whether a mailing list distributed the message.
func (s *signs) fromList() bool {
	for _, name := range []string{"List-Id", "Mailing-List", "X-BeenThere", "X-Mailing-List"} {
		if s.m.Header.Has(name) {
			return true
		}
	}
	return false
}
