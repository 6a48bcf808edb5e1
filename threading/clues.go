package threading

import (
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/replytext"
)

// clues are what an answer tells beside ids.
type clues struct {
	at time.Time
	// cites tells that there are ids of other messages.
	cites       bool
	threadIndex ThreadIndex
	// subject is the base subject, answered tells that a prefix stood before it.
	subject  string
	answered bool
	// quoted are fingerprints of the text that the answer quotes, and openers
	// what stands in front of it. Both need the body.
	quoted  []uint64
	openers []replytext.Opener
	// others are the addresses that the answer went to besides ours: a group,
	// colleagues.
	others []string
}

const (
	// maxParticipants bounds how many addresses of one message are looked up.
	maxParticipants = 16
	// maxQuoted bounds how many fingerprints of a quote are compared.
	maxQuoted = 4096
)

func (a *answer) readClues() {
	a.at = a.m.ReceivedAt
	if a.at.IsZero() {
		a.at = a.m.Date
	}
	a.cites = slices.ContainsFunc(append(a.m.InReplyTo(), a.m.References()...), func(id mailbox.RFCMessageID) bool {
		return !isParticipant(a.m, id)
	})
	a.threadIndex, _ = ParseThreadIndex(a.m.Header.Get("Thread-Index"))
	a.subject, a.answered = BaseSubject(subjectOf(a.m))
	if !a.report() {
		a.others = recipientsOf(a.m)
	}
	if a.m.Body == nil {
		return
	}
	r := replytext.ParseBody(a.m.Body.Text, a.m.Body.HTML)
	a.openers = r.Openers
	a.quoted = Fingerprints(strings.Join(r.Quoted, "\n"), maxQuoted)
}

// terms returns what to look for when no id is known.
func (a *answer) terms() []Term {
	var terms []Term
	if a.m.ThreadID != "" {
		terms = append(terms, ThreadTerm(a.m.ThreadID))
	}
	if c := a.threadIndex.Conversation(); c != "" {
		terms = append(terms, ConversationTerm(c))
	}
	add := func(addresses []string) {
		for _, address := range addresses[:min(len(addresses), maxParticipants)] {
			terms = append(terms, RecipientTerm(address))
		}
	}
	add(a.senders)
	add(a.reported())
	if len(a.quoted) > 0 && !a.cites { // nothing else links somebody beside the recipients
		add(a.others)
		for _, address := range a.senders[:min(len(a.senders), maxParticipants)] {
			if d := mailbox.Domain(address); d != "" && !isPublicMail(d) {
				terms = append(terms, DomainTerm(d))
			}
		}
	}
	return distinct(terms)
}

// near reports whether the answer comes from somebody beside the recipients of
// s: it went to one of them too, or the sender has an address in the domain of
// one.
func (a *answer) near(s *SentMessage) bool {
	if findRecipient(s.Recipients, a.others[:min(len(a.others), maxParticipants)]) != "" {
		return true
	}
	for _, from := range a.senders {
		d := mailbox.Domain(from)
		if d == "" || isPublicMail(d) {
			continue
		}
		for _, r := range s.Recipients {
			if mailbox.Domain(r) == d {
				return true
			}
		}
	}
	return false
}

// dated reports whether the answer quotes something that was sent when s was, as
// far as its clock and zone can be compared.
func (a *answer) dated(s *SentMessage) bool {
	if s.At.IsZero() {
		return false
	}
	for _, o := range a.openers {
		if o.Sent.IsZero() || o.DayOnly {
			continue
		}
		off := o.Sent.Sub(s.At).Abs()
		if o.Zoned && off <= 2*time.Minute {
			return true
		}
		// The zones of the world lie 14 hours around UTC at most, a quarter of an
		// hour apart at least, nearly all a whole hour.
		if !o.Zoned && off <= 14*time.Hour+2*time.Minute {
			if rest := (off + 2*time.Minute) % (30 * time.Minute); rest <= 4*time.Minute {
				return true
			}
		}
	}
	return false
}

// automatic reports whether a machine wrote the answer. Such subjects are ours
// with words of its own in front.
func (a *answer) automatic() bool {
	switch a.verdict.Kind {
	case mailbox.KindHuman, mailbox.KindList, "":
		return false
	}
	return true
}

// sameSubject reports whether the answer has the subject of s, and whether in
// the form of an answer.
func (a *answer) sameSubject(s *SentMessage) (same, answered bool) {
	ours, _ := BaseSubject(s.Subject)
	if ours == "" {
		return false, false
	}
	if ours == a.subject {
		return true, a.answered
	}
	if !a.automatic() || len(ours) < 4 {
		return false, false
	}
	before, ok := strings.CutSuffix(a.subject, ours)
	before = strings.TrimRight(before, " ")
	announced := ok && (strings.HasSuffix(before, ":") || strings.HasSuffix(before, "："))
	return announced, announced
}
