package threading

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

const (
	// subjectDays is how long a subject links: 99 % of answers come within 32
	// days, 90 % within 3 (measured on public lists, 2026-11-20).
	subjectDays = 30 * 24 * time.Hour
	// bounceDays is how long a recipient of a bounce links: mail systems give up
	// after 5 days at most, mostly (RFC 5321, 4.5.4.1).
	bounceDays = 7 * 24 * time.Hour
	// fewPhrases is how many phrases of one message make a quote of it.
	fewPhrases = 3
)

// trace is what speaks for one sent message when no id does.
type trace struct {
	sent      *SentMessage
	recipient string
	near      bool
	timed     bool // both times are known
	age       time.Duration
	hits      int // phrases of it that are quoted
	dated     bool
	same      bool // subject
	answered  bool // subject in the form of an answer

	level mailbox.Level
	rank  int // of rule
	rule  string
}

// byTraces takes the message that most speaks for.
func (a *answer) byTraces(sent []SentMessage) mailbox.Match {
	newest := make([]*SentMessage, len(sent))
	for i := range sent {
		newest[i] = &sent[i]
	}
	slices.SortStableFunc(newest, func(x, y *SentMessage) int {
		return cmp.Or(y.At.Compare(x.At), strings.Compare(x.Key, y.Key))
	})
	traces := make([]trace, 0, len(sent))
	subjects, recent := 0, 0
	var common []uint64
	if len(a.quoted) > 0 {
		common = commonPhrases(sent)
	}
	for _, s := range newest {
		t := a.trace(s, common)
		if t.timed && t.age < -clockSkew {
			continue // sent later
		}
		if t.recipient != "" && t.timed {
			if t.same && t.age <= subjectDays {
				subjects++
			}
			if t.age <= bounceDays {
				recent++
			}
		}
		traces = append(traces, t)
	}
	var best *trace
	rival := false
	for i := range traces {
		t := &traces[i]
		a.judge(t, subjects, recent)
		if t.level == mailbox.LevelNone {
			continue
		}
		switch {
		case best == nil:
			best = t
		default:
			order := cmp.Or(cmp.Compare(t.level, best.level), cmp.Compare(t.rank, best.rank), cmp.Compare(t.hits, best.hits))
			if order > 0 {
				best, rival = t, false
			} else if order == 0 {
				rival = true
			}
		}
	}
	if best == nil {
		return mailbox.Match{}
	}
	match := a.link(best.sent, best.recipient)
	match.Level = best.level
	match.note(best.rule, clueFields[best.rule])
	if best.rank == rankQuote || best.rank == rankOpener {
		if best.same {
			match.note(ruleSubject, "Subject")
		}
		if best.dated && best.rank == rankQuote {
			match.note(ruleOpener, "body")
		}
	}
	if rival && best.rank < rankThread {
		match.Level = max(mailbox.LevelLow, match.Level-1)
		match.note("ambiguous", "")
	}
	return a.remark(match, best.sent)
}

// clueFields tell where the evidence of a rule stands.
var clueFields = map[string]string{
	ruleThreadIndex: "Thread-Index", ruleConversation: "Thread-Index", ruleThread: "thread",
	ruleQuote: "body", ruleOpener: "body", ruleSubject: "Subject", ruleRecipient: "report",
}

// The ranks of rules among links of one level. From rankThread on a rival is
// another message of the same conversation, and the newest one is answered.
const (
	rankRecipient = iota + 1
	rankSubject
	rankOpener
	rankQuote
	rankThread
	rankThreadIndex
)

// commonPhrases returns, in ascending order, the phrases that more than a quarter
// of the messages hold, and more than two: footers, disclaimers, signatures.
func commonPhrases(sent []SentMessage) []uint64 {
	var all []uint64
	for i := range sent {
		all = append(all, sent[i].Phrases...)
	}
	slices.Sort(all)
	common := all[:0]
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n] == all[i] {
			n++
		}
		if n > max(2, len(sent)/4) {
			common = append(common, all[i])
		}
		i += n
	}
	return common
}

func (a *answer) trace(s *SentMessage, common []uint64) trace {
	t := trace{sent: s, recipient: a.recipient(s), dated: a.dated(s)}
	if len(a.quoted) > 0 {
		own := slices.DeleteFunc(slices.Clone(s.Phrases), func(p uint64) bool {
			_, found := slices.BinarySearch(common, p)
			return found
		})
		t.hits = SharedFingerprints(a.quoted, own)
	}
	t.near = t.recipient == "" && a.near(s)
	t.timed = !a.at.IsZero() && !s.At.IsZero()
	t.age = a.at.Sub(s.At)
	t.same, t.answered = a.sameSubject(s)
	return t
}

// judge sets the level of a trace. subjects is how many messages to the sender
// have the subject, recent how many went to the sender or failed recipient
// within a week.
func (a *answer) judge(t *trace, subjects, recent int) {
	t.raise(a.byThreadIndex(t))
	t.raise(a.byThread(t))
	t.raise(a.byQuote(t))
	if t.recipient == "" || !t.timed {
		return
	}
	t.raise(a.byOpener(t))
	t.raise(a.bySubject(t, subjects))
	if a.report() && t.age <= bounceDays {
		t.raise(only(recent), rankRecipient, ruleRecipient)
	}
}

// only is the level of a rule that more than one message may fulfil.
func only(candidates int) mailbox.Level {
	if candidates == 1 {
		return mailbox.LevelMedium
	}
	return mailbox.LevelLow
}

// raise takes over a stronger judgement.
func (t *trace) raise(level mailbox.Level, rank int, rule string) {
	if level != mailbox.LevelNone && (level > t.level || level == t.level && rank > t.rank) {
		t.level, t.rank, t.rule = level, rank, rule
	}
}

func (a *answer) byThreadIndex(t *trace) (mailbox.Level, int, string) {
	ours := t.sent.ThreadIndex
	switch {
	case a.threadIndex.Follows(ours):
		return mailbox.LevelHigh, rankThreadIndex + len(ours), ruleThreadIndex // the longest is the nearest
	case ours == "" || a.threadIndex.Conversation() != ours.Conversation():
		return mailbox.LevelNone, 0, ""
	case t.recipient != "":
		return mailbox.LevelMedium, rankThread, ruleConversation
	}
	return mailbox.LevelLow, rankThread, ruleConversation
}

func (a *answer) byThread(t *trace) (mailbox.Level, int, string) {
	gmail := t.sent.Provider == mailbox.Gmail
	switch {
	case a.m.ThreadID == "" || a.m.ThreadID != t.sent.Thread:
		return mailbox.LevelNone, 0, ""
	case t.recipient != "" && !t.timed:
		return mailbox.LevelLow, rankThread, ruleThread
	case t.recipient != "" && gmail:
		return mailbox.LevelHigh, rankThread, ruleThread
	case t.recipient != "":
		return mailbox.LevelMedium, rankThread, ruleThread
	case !gmail || !t.timed:
		return mailbox.LevelNone, 0, ""
	case a.report():
		return mailbox.LevelMedium, rankThread, ruleThread
	}
	return mailbox.LevelLow, rankThread, ruleThread
}

// byQuote judges by our text in the answer. Alone it says little: letters to
// many share passages. Somebody beside the recipients may quote what another
// got, and who cites ids that are not ours mostly answers somebody who quoted us.
func (a *answer) byQuote(t *trace) (mailbox.Level, int, string) {
	beside := t.recipient == ""
	if t.hits == 0 || beside && (!t.near || a.cites) {
		return mailbox.LevelNone, 0, ""
	}
	level := mailbox.LevelLow
	many := t.hits >= fewPhrases
	switch {
	case many && t.same && t.dated:
		level = mailbox.LevelHigh
	case t.same, many && t.dated:
		level = mailbox.LevelMedium
	}
	if beside || a.cites {
		level--
	}
	return level, rankQuote, ruleQuote
}

// byOpener judges by the date in front of quoted text.
func (a *answer) byOpener(t *trace) (mailbox.Level, int, string) {
	switch {
	case !t.dated || a.cites && !t.same:
		return mailbox.LevelNone, 0, ""
	case !t.same || a.cites:
		return mailbox.LevelLow, rankOpener, ruleOpener
	}
	return mailbox.LevelMedium, rankOpener, ruleOpener
}

func (a *answer) bySubject(t *trace, candidates int) (mailbox.Level, int, string) {
	switch {
	case !t.same || t.age > subjectDays:
		return mailbox.LevelNone, 0, ""
	case !t.answered || a.cites:
		return mailbox.LevelLow, rankSubject, ruleSubject
	}
	return only(candidates), rankSubject, ruleSubject
}
