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

// clockSkew is how much earlier than the message it answers an answer may seem
// to have arrived, because a host's clock and the provider's differ.
const clockSkew = 5 * time.Minute

// The rules of a link, strongest first.
const (
	ruleEmbedded     = "original_id" // the id a report names
	ruleInReplyTo    = "in_reply_to"
	ruleParentID     = "exchange_parent_id"
	ruleReferences   = "references"
	ruleToken        = "token"
	ruleThreadIndex  = "thread_index" // it extends that of ours
	ruleThread       = "thread_id"    // the provider's conversation
	ruleConversation = "thread_index_conversation"
	ruleQuote        = "quoted_text"
	ruleOpener       = "quoted_date"
	ruleSubject      = "subject"
	ruleRecipient    = "failed_recipient"
)

// Match finds the sent message that m answers in the mailbox ref; v is the
// verdict of [Classify] for m. The zero Match ([mailbox.LevelNone]) is no link;
// an error means that the index failed, and nothing is known.
//
// In order of strength:
//
//   - the original id of a report, our id in In-Reply-To or in
//     X-MS-Exchange-Parent-Message-Id, our [Token] in a cited id or in the
//     address that was answered to: certain;
//   - the same from an address that the message was not sent to: high, with
//     OtherSender (reports come from mail systems and are not marked);
//   - our id anywhere in References: high, the right-most known one counts;
//   - a Thread-Index that extends ours: high;
//   - the provider's conversation, if the sender (for a bounce: the failed
//     recipient) is a recipient of a message sent before in it: high for Gmail,
//     medium otherwise, low when no time can be compared;
//   - Gmail's conversation without a known participant: medium for a bounce or
//     delay, else low with OtherSender. Other providers merge unrelated mail of
//     equal subject into one conversation: no link;
//   - what [SentMessage.Phrases] tells of our text in the quote of an answer:
//     high with the same subject and the date in front of the quote, medium with
//     one of them, else low; one step lower from a colleague, somebody in the same
//     domain or in the same group of recipients. It needs the body;
//   - our subject behind a reply prefix, or behind what an automatic answer puts
//     in front of it, from a recipient, within 30 days: medium if there is one
//     such message, low if there are several or no prefix;
//   - for a bounce, a message to the failed recipient within a week: medium if
//     there is one, else low.
//
// A low link is a suggestion: it should stop nothing by itself. Evidence of the
// rule "ambiguous" tells that another message would fit as well.
//
// A changed subject breaks no link by id; it is noted as evidence. List mail is
// linked by id only. Ids that are the e-mail address of somebody in the message
// link nothing. Messages of our own, by id, folder or draft state, have no link.
//
// It asks the index once for most answers and twice for all other mail.
func (x *Matcher) Match(ctx context.Context, ref mailbox.Ref, m *mailbox.Message, v mailbox.Verdict) (mailbox.Match, error) {
	if m.Draft || m.In(mailbox.FolderSent) {
		return mailbox.Match{}, nil
	}
	a := answer{m: m, verdict: v, senders: senders(m)}
	own := MessageIDs(m)
	cited := citations(m, v)
	terms := make([]Term, 0, len(own)+len(cited))
	for _, id := range own {
		terms = append(terms, IDTerm(id))
	}
	for _, c := range cited {
		terms = append(terms, c.term())
	}
	if len(terms) > 0 {
		sent, err := x.Index.Find(ctx, ref, terms...)
		if err != nil {
			return mailbox.Match{}, indexError(ref, err)
		}
		for i := range sent {
			if shareID(sent[i].IDs, own) {
				return mailbox.Match{}, nil
			}
		}
		if match := a.byCitation(cited, sent); match.Level != mailbox.LevelNone {
			return match, nil
		}
	}
	if v.Kind == mailbox.KindList {
		return mailbox.Match{}, nil
	}
	a.readClues()
	if terms = a.terms(); len(terms) == 0 {
		return mailbox.Match{}, nil
	}
	sent, err := x.Index.Find(ctx, ref, terms...)
	if err != nil {
		return mailbox.Match{}, indexError(ref, err)
	}
	return a.byTraces(sent), nil
}

func shareID(a, b []mailbox.RFCMessageID) bool {
	return slices.ContainsFunc(a, func(id mailbox.RFCMessageID) bool { return slices.Contains(b, id) })
}

// indexError gives an error of the index a class, unless it has one.
func indexError(ref mailbox.Ref, err error) error {
	if _, ok := errors.AsType[*mailbox.Error](err); ok {
		return err
	}
	return &mailbox.Error{Op: "match", Mailbox: ref.Mailbox, Class: mailbox.ClassStorage, Err: err}
}

// answer is a message whose link is looked for.
type answer struct {
	m       *mailbox.Message
	verdict mailbox.Verdict
	senders []string
	clues
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

// reported returns the recipients that a report speaks about.
func (a *answer) reported() []string {
	if !a.report() || a.verdict.Bounce == nil {
		return nil
	}
	all := make([]string, 0, len(a.verdict.Bounce.Recipients))
	for _, r := range a.verdict.Bounce.Recipients {
		all = append(all, r.Address)
	}
	return all
}

// recipient returns the recipient of s that the answer comes from, or speaks
// about; "" if it is none of them.
func (a *answer) recipient(s *SentMessage) string {
	if r := findRecipient(s.Recipients, a.senders); r != "" {
		return r
	}
	return findRecipient(s.Recipients, a.reported())
}

// byCitation takes the first citation that is one of the sent messages. When
// several share an id, one that went to the sender is preferred.
func (a *answer) byCitation(cited []citation, sent []SentMessage) mailbox.Match {
	if len(sent) == 0 {
		return mailbox.Match{}
	}
	for _, c := range cited {
		var best *SentMessage
		recipient := ""
		for i := range sent {
			s := &sent[i]
			if !c.names(s) {
				continue
			}
			if r := a.recipient(s); best == nil || r != "" && recipient == "" {
				best, recipient = s, r
			}
		}
		if best == nil || c.id != "" && (isParticipant(a.m, c.id) || findRecipient(best.Recipients, []string{string(c.id)}) != "") {
			continue
		}
		return a.cite(best, c, recipient, slices.ContainsFunc(cited, func(c citation) bool { return c.token != "" && c.names(best) }))
	}
	return mailbox.Match{}
}

func (a *answer) cite(s *SentMessage, c citation, recipient string, token bool) mailbox.Match {
	match := a.link(s, recipient)
	match.Level = mailbox.LevelHigh
	match.note(c.rule, c.field)
	if c.id != "" {
		match.RFCMessageID = c.id
	}
	if token && c.token == "" {
		match.note(ruleToken, "")
	}
	if (token || c.rule != ruleReferences) && !match.OtherSender {
		match.Level = mailbox.LevelCertain
	}
	if a.m.ThreadID != "" && a.m.ThreadID == s.Thread {
		match.note(ruleThread, "thread")
	}
	return a.remark(match, s)
}

// linking is a link in the making.
type linking struct{ mailbox.Match }

func (f *linking) note(rule, detail string) {
	f.Evidence = append(f.Evidence, mailbox.Evidence{Rule: rule, Detail: detail})
}

// link returns a link without level and evidence.
func (a *answer) link(s *SentMessage, recipient string) linking {
	match := linking{mailbox.Match{
		Key: s.Key, Thread: s.Thread, Recipient: recipient, OtherSender: recipient == "" && !a.report(),
		Evidence: make([]mailbox.Evidence, 0, 4),
	}}
	if len(s.IDs) > 0 {
		match.RFCMessageID = s.IDs[0]
	}
	return match
}

// remark adds what is worth knowing beside the rules that made the link.
func (a *answer) remark(match linking, s *SentMessage) mailbox.Match {
	if match.Recipient != "" {
		match.note("known_participant", "From")
	}
	if match.OtherSender {
		match.note("other_sender", "From")
	}
	if !a.report() && s.Subject != "" {
		ours, _ := BaseSubject(s.Subject)
		theirs, _ := BaseSubject(subjectOf(a.m))
		if ours != theirs {
			match.note("subject_changed", "Subject")
		}
	}
	return match.Match
}
