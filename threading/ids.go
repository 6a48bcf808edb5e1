package threading

import (
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// parentIDField is written by Exchange on mail it generates, and holds the id
// of the message it reacts to.
const parentIDField = "X-MS-Exchange-Parent-Message-Id"

// idFields hold the id of a message, and the one it had before a relay replaced
// it (public mail of 2020 to 2026, read 2026-11-20).
var idFields = []string{"Message-ID", "X-Microsoft-Original-Message-ID", "X-Google-Original-Message-ID"}

// maxAliases bounds how many ids one message is known under.
const maxAliases = 16

// MessageIDs returns all ids that a message is known under: its Message-ID
// first, then those that relays have replaced and kept in fields of their own.
func MessageIDs(m *mailbox.Message) []mailbox.RFCMessageID {
	var ids []mailbox.RFCMessageID
	add := func(id mailbox.RFCMessageID) {
		if id != "" && len(ids) < maxAliases && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(m.RFCMessageID)
	for _, name := range idFields {
		for _, v := range m.Header.Values(name) {
			for _, id := range mailbox.ParseMessageIDs(v) {
				add(id)
			}
		}
	}
	return ids
}

// maxCited bounds how many ids of one message are looked up: all that matter,
// since the nearest ancestors come first.
const maxCited = 256

// citation is something by which a message names one of ours.
type citation struct {
	id          mailbox.RFCMessageID // or
	token       string
	rule, field string
}

func (c citation) term() Term {
	if c.token != "" {
		return TokenTerm(c.token)
	}
	return IDTerm(c.id)
}

// names reports whether it is the message that is cited.
func (c citation) names(s *SentMessage) bool {
	if c.token != "" {
		return s.Token == c.token
	}
	return slices.Contains(s.IDs, c.id)
}

// citations returns what a message cites, strongest evidence first, without
// repetitions. Within one field the last id is the nearest.
func citations(m *mailbox.Message, v mailbox.Verdict) []citation {
	all := make([]citation, 0, 4)
	add := func(rule, field string, ids ...mailbox.RFCMessageID) {
		for _, id := range slices.Backward(ids) {
			known := slices.ContainsFunc(all, func(c citation) bool { return c.id == id })
			if len(all) < maxCited && id != "" && !known {
				all = append(all, citation{id: id, rule: rule, field: field})
			}
		}
	}
	if v.Bounce != nil {
		add(ruleEmbedded, "original message id", v.Bounce.OriginalMessageID)
	}
	for _, f := range []struct{ rule, field string }{
		{ruleInReplyTo, "In-Reply-To"},
		{ruleParentID, parentIDField},
		{ruleReferences, "References"},
	} {
		for _, value := range slices.Backward(m.Header.Values(f.field)) {
			if len(all) == maxCited {
				break
			}
			add(f.rule, f.field, mailbox.ParseMessageIDs(value)...)
		}
	}
	return append(all, tokenCitations(m, all)...)
}

// maxTokens bounds how many tokens of one message are looked up.
const maxTokens = 16

// receivers are the fields that may hold the address a message was answered to,
// tag and all.
var receivers = []string{"To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Forwarded-To", "X-Delivered-To"}

// tokenCitations returns the tokens in the ids that are cited and in the
// addresses that received the message.
func tokenCitations(m *mailbox.Message, cited []citation) []citation {
	var all []citation
	add := func(s, field string) {
		for _, t := range keyedTokens(s) {
			known := slices.ContainsFunc(all, func(c citation) bool { return c.token == t })
			if len(all) < maxTokens && !known {
				all = append(all, citation{token: t, rule: ruleToken, field: field})
			}
		}
	}
	for _, c := range cited[:min(len(cited), maxTokens)] {
		add(string(c.id), c.field)
	}
	for _, list := range [][]mailbox.Address{m.To, m.Cc, m.Bcc} {
		for _, a := range list[:min(len(list), maxParticipants)] {
			add(a.Address, "To")
		}
	}
	for _, name := range receivers {
		for _, v := range m.Header.Values(name) {
			add(clip(v), name)
		}
	}
	return all
}
