package threading

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Term is something that a message can be found by: the hash of what it is and
// of its value. It has a fixed size, holds any bytes, and tells nobody an
// address.
type Term [16]byte

func term(kind, value string) Term {
	buf := make([]byte, 0, 128) // does not leave the stack
	sum := sha256.Sum256(append(append(append(buf, kind...), 0), value...))
	return Term(sum[:16])
}

// IDTerm finds the messages with a Message-ID. Ids are compared exactly.
func IDTerm(id mailbox.RFCMessageID) Term { return term("id", string(id)) }

// ThreadTerm finds the messages of a provider's conversation.
func ThreadTerm(id mailbox.ThreadID) Term { return term("thread", string(id)) }

// TokenTerm finds the message with a keyed token.
func TokenTerm(token string) Term { return term("token", token) }

// ConversationTerm finds the messages of an Exchange conversation:
// [ThreadIndex.Conversation].
func ConversationTerm(conversation string) Term { return term("conversation", conversation) }

// RecipientTerm finds the messages that went to an address, in any spelling of
// [CanonicalAddress].
func RecipientTerm(address string) Term { return term("recipient", CanonicalAddress(address)) }

// DomainTerm finds the messages that went to a domain, in any case.
func DomainTerm(domain string) Term { return term("domain", strings.ToLower(domain)) }

// Terms returns the terms that a message is to be found by, each once. They
// follow from the other fields.
func (s SentMessage) Terms() []Term {
	terms := make([]Term, 0, len(s.IDs)+2*len(s.Recipients)+3)
	for _, id := range s.IDs {
		terms = append(terms, IDTerm(id))
	}
	if s.Thread != "" {
		terms = append(terms, ThreadTerm(s.Thread))
	}
	if s.Token != "" {
		terms = append(terms, TokenTerm(s.Token))
	}
	if c := s.ThreadIndex.Conversation(); c != "" {
		terms = append(terms, ConversationTerm(c))
	}
	for _, r := range s.Recipients {
		terms = append(terms, RecipientTerm(r))
		if d := mailbox.Domain(r); d != "" && !isPublicMail(d) {
			terms = append(terms, DomainTerm(d))
		}
	}
	return distinct(terms)
}

// fewTerms are searched in less time than a map of them is made.
const fewTerms = 32

// distinct removes repetitions and keeps the order.
func distinct(terms []Term) []Term {
	var seen map[Term]struct{}
	if len(terms) > fewTerms {
		seen = make(map[Term]struct{}, len(terms))
	}
	kept := terms[:0]
	for _, t := range terms {
		if seen == nil {
			if !slices.Contains(kept, t) {
				kept = append(kept, t)
			}
		} else if _, again := seen[t]; !again {
			seen[t] = struct{}{}
			kept = append(kept, t)
		}
	}
	return kept
}
