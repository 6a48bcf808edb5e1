package threading

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Matcher links incoming messages to the ones that were sent. It is safe for
// concurrent use as far as its Index is.
type Matcher struct {
	// Index holds the sent messages. Required.
	Index Index
}

// parentIDField is written by Exchange on mail it generates, and holds the id
// of the message it reacts to.
const parentIDField = "X-MS-Exchange-Parent-Message-Id"

// maxCited bounds how many ids of one message are looked up: all that matter,
// since the nearest ancestors come first.
const maxCited = 256

// clockSkew is how much earlier than the message it answers an answer may seem
// to have arrived, because a host's clock and the provider's differ.
const clockSkew = 5 * time.Minute

// The rules of a link, strongest first.
const (
	ruleEmbedded   = "original_id" // the id a report names
	ruleInReplyTo  = "in_reply_to"
	ruleParentID   = "exchange_parent_id"
	ruleReferences = "references"
	ruleThread     = "thread_id"
)

// Match finds the sent message that m answers in the mailbox ref; v is the
// verdict of [Classify] for m. The zero Match ([mailbox.LevelNone]) is no link;
// an error means that the index failed, and nothing is known.
//
// In order of strength:
//
//   - the original id of a report, our id in In-Reply-To or in
//     X-MS-Exchange-Parent-Message-Id: certain;
//   - the same from an address that the message was not sent to: high, with
//     OtherSender (reports come from mail systems and are not marked);
//   - our id anywhere in References: high, the right-most known one counts;
//   - the provider's conversation, if the sender (for a bounce: the failed
//     recipient) is a recipient of a message sent before in it: high for Gmail,
//     medium otherwise, low when no time can be compared;
//   - Gmail's conversation without a known participant: medium for a bounce or
//     delay, else low with OtherSender. Other providers merge unrelated mail of
//     equal subject into one conversation: no link.
//
// A changed subject breaks no link by id; it is noted as evidence. List mail is
// linked by id only. Ids that are the e-mail address of somebody in the message
// link nothing. Messages of our own, by id, folder or draft state, have no link.
func (x *Matcher) Match(ctx context.Context, ref mailbox.Ref, m *mailbox.Message, v mailbox.Verdict) (mailbox.Match, error) {
	if m.Draft || m.In(mailbox.FolderSent) {
		return mailbox.Match{}, nil
	}
	own := m.RFCMessageID
	if own == "" {
		if ids := mailbox.ParseMessageIDs(m.Header.Get("Message-ID")); len(ids) > 0 {
			own = ids[0]
		}
	}
	cited := citations(m, v)
	ids := make([]Term, 0, len(cited)+1)
	if own != "" {
		ids = append(ids, IDTerm(own))
	}
	for _, c := range cited {
		ids = append(ids, IDTerm(c.id))
	}
	a := answer{m: m, verdict: v, senders: senders(m)}
	if len(ids) > 0 {
		sent, err := x.Index.Find(ctx, ref, ids...)
		if err != nil {
			return mailbox.Match{}, indexError(ref, err)
		}
		if own != "" && slices.ContainsFunc(sent, func(s SentMessage) bool { return slices.Contains(s.IDs, own) }) {
			return mailbox.Match{}, nil
		}
		if match := a.byID(cited, sent); match.Level != mailbox.LevelNone {
			return match, nil
		}
	}
	if m.ThreadID == "" || v.Kind == mailbox.KindList {
		return mailbox.Match{}, nil
	}
	sent, err := x.Index.Find(ctx, ref, ThreadTerm(m.ThreadID))
	if err != nil {
		return mailbox.Match{}, indexError(ref, err)
	}
	return a.byThread(sent), nil
}

// indexError gives an error of the index a class, unless it has one.
func indexError(ref mailbox.Ref, err error) error {
	if _, ok := errors.AsType[*mailbox.Error](err); ok {
		return err
	}
	return &mailbox.Error{Op: "match", Mailbox: ref.Mailbox, Class: mailbox.ClassStorage, Err: err}
}

// citation is one id that a message cites, and where.
type citation struct {
	id          mailbox.RFCMessageID
	rule, field string
}

// citations returns the ids a message cites, strongest evidence first, without
// repetitions. Within one field the last id is the nearest.
func citations(m *mailbox.Message, v mailbox.Verdict) []citation {
	var all []citation
	seen := make(map[mailbox.RFCMessageID]bool)
	add := func(rule, field string, ids ...mailbox.RFCMessageID) {
		for _, id := range slices.Backward(ids) {
			if len(all) < maxCited && id != "" && !seen[id] {
				seen[id] = true
				all = append(all, citation{id, rule, field})
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
	return all
}

// answer is a message whose link is looked for.
type answer struct {
	m       *mailbox.Message
	verdict mailbox.Verdict
	senders []string
}

// report tells that the message comes from a mail system and speaks about a
// recipient.
func (a *answer) report() bool {
	switch a.verdict.Kind {
	case mailbox.KindBounce, mailbox.KindDelay, mailbox.KindComplaint:
		return true
	}
	return false
}

// known reports whether the answer comes from, or speaks about, a recipient.
func (a *answer) known(s *SentMessage) bool {
	if anyRecipient(s.Recipients, a.senders) {
		return true
	}
	if !a.report() || a.verdict.Bounce == nil {
		return false
	}
	failed := make([]string, 0, len(a.verdict.Bounce.Recipients))
	for _, r := range a.verdict.Bounce.Recipients {
		failed = append(failed, r.Address)
	}
	return anyRecipient(s.Recipients, failed)
}

// byID takes the first citation that is one of the sent messages. When several
// share the id, one that went to the sender is preferred.
func (a *answer) byID(cited []citation, sent []SentMessage) mailbox.Match {
	if len(sent) == 0 {
		return mailbox.Match{}
	}
	for _, c := range cited {
		var best *SentMessage
		known := false
		for i := range sent {
			s := &sent[i]
			if !slices.Contains(s.IDs, c.id) {
				continue
			}
			if k := a.known(s); best == nil || k && !known {
				best, known = s, k
			}
		}
		if best == nil || isParticipant(a.m, c.id) || anyRecipient(best.Recipients, []string{string(c.id)}) {
			continue
		}
		return a.idMatch(best, c, known)
	}
	return mailbox.Match{}
}

func (a *answer) idMatch(s *SentMessage, c citation, known bool) mailbox.Match {
	match := mailbox.Match{
		Key:          s.Key,
		RFCMessageID: c.id,
		Level:        mailbox.LevelHigh,
		Evidence:     []mailbox.Evidence{{Rule: c.rule, Detail: c.field}},
		OtherSender:  !known && !a.report(),
	}
	if c.rule != ruleReferences && !match.OtherSender {
		match.Level = mailbox.LevelCertain
	}
	if a.m.ThreadID != "" && a.m.ThreadID == s.Thread {
		match.Evidence = append(match.Evidence, mailbox.Evidence{Rule: ruleThread, Detail: "thread"})
	}
	return a.remark(match, s, known)
}

// remark adds what is worth knowing beside the rule that made the link.
func (a *answer) remark(match mailbox.Match, s *SentMessage, known bool) mailbox.Match {
	if known {
		match.Evidence = append(match.Evidence, mailbox.Evidence{Rule: "known_participant", Detail: "From"})
	}
	if match.OtherSender {
		match.Evidence = append(match.Evidence, mailbox.Evidence{Rule: "other_sender", Detail: "From"})
	}
	if !a.report() && s.Subject != "" {
		ours, _ := BaseSubject(s.Subject)
		theirs, _ := BaseSubject(subjectOf(a.m))
		if ours != theirs {
			match.Evidence = append(match.Evidence, mailbox.Evidence{Rule: "subject_changed", Detail: "Subject"})
		}
	}
	return match
}

// byThread links by the provider's conversation; sent is ordered newest first.
func (a *answer) byThread(sent []SentMessage) mailbox.Match {
	at := a.m.ReceivedAt
	if at.IsZero() {
		at = a.m.Date
	}
	var other *SentMessage
	for i := range sent {
		s := &sent[i]
		timed := !at.IsZero() && !s.At.IsZero()
		if timed && s.At.After(at.Add(clockSkew)) {
			continue
		}
		if a.known(s) {
			level := mailbox.LevelMedium
			switch {
			case !timed:
				level = mailbox.LevelLow
			case s.Provider == mailbox.Gmail:
				level = mailbox.LevelHigh
			}
			return a.threadMatch(s, level, true)
		}
		if other == nil && timed && s.Provider == mailbox.Gmail {
			other = s
		}
	}
	switch {
	case other == nil:
		return mailbox.Match{}
	case a.report():
		return a.threadMatch(other, mailbox.LevelMedium, false)
	}
	return a.threadMatch(other, mailbox.LevelLow, false)
}

func (a *answer) threadMatch(s *SentMessage, level mailbox.Level, known bool) mailbox.Match {
	match := mailbox.Match{
		Key:         s.Key,
		Level:       level,
		Evidence:    []mailbox.Evidence{{Rule: ruleThread, Detail: "thread"}},
		OtherSender: !known && !a.report(),
	}
	if len(s.IDs) > 0 {
		match.RFCMessageID = s.IDs[0]
	}
	return a.remark(match, s, known)
}
