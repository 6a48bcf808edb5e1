package threading

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// SentMessage is what has to be remembered of a sent message to recognise the
// answers to it.
type SentMessage struct {
	// Ref is the mailbox it was sent from.
	mailbox.Ref
	// Key is the host's idempotency key, unique within the mailbox, 1 to 1,024
	// bytes.
	Key string
	// Provider tells how far Thread can be trusted. Empty is taken as the least
	// trusted one.
	Provider mailbox.ProviderName
	// IDs are all Message-IDs the message is known under: as it was written, as
	// the provider replaced it, as an alias field tells (see [MessageIDs]).
	// Answers may cite any.
	IDs []mailbox.RFCMessageID
	// Thread is the provider's conversation; empty when it is not known.
	Thread mailbox.ThreadID
	// Token is the keyed token that was put into its Message-ID or Reply-To; see
	// [Token].
	Token string
	// ThreadIndex is that of the message as it was sent; empty for what did not
	// pass Exchange.
	ThreadIndex ThreadIndex
	// Recipients are the addr-specs it was sent to: To, Cc and Bcc.
	Recipients []string
	// Subject is as written, prefixes included.
	Subject string
	// At is when the provider took it.
	At time.Time
	// Phrases are the fingerprints of its text, to recognise a quote of it: see
	// [Phrases].
	Phrases []uint64
}

// maxKey bounds SentMessage.Key.
const maxKey = 1024

// Validate refuses a message without a mailbox or a key. Every [Index] calls
// it in Add. The error is of [mailbox.ClassInvalid].
func (s SentMessage) Validate() error {
	if err := s.Ref.Validate(); err != nil {
		return err
	}
	if s.Key == "" || len(s.Key) > maxKey {
		return mailbox.Invalid("key", "1 to 1024 bytes", "is empty or too long")
	}
	return nil
}

// Merge returns s completed by a later record of the same message: ids and
// recipients are united, every other field that is set in later replaces that
// of s. Every [Index] uses it in Add.
func (s SentMessage) Merge(later SentMessage) SentMessage {
	s.IDs = unite(s.IDs, later.IDs, func(id mailbox.RFCMessageID) mailbox.RFCMessageID { return id })
	s.Recipients = unite(s.Recipients, later.Recipients, strings.ToLower)
	if later.Provider != "" {
		s.Provider = later.Provider
	}
	if later.Thread != "" {
		s.Thread = later.Thread
	}
	if later.Token != "" {
		s.Token = later.Token
	}
	if later.ThreadIndex != "" {
		s.ThreadIndex = later.ThreadIndex
	}
	if later.Subject != "" {
		s.Subject = later.Subject
	}
	if !later.At.IsZero() {
		s.At = later.At
	}
	if len(later.Phrases) > 0 {
		s.Phrases = later.Phrases
	}
	s.Phrases = slices.Clone(s.Phrases)
	return s
}

// unite returns a new slice with the elements of a and b in order, without empty
// ones and without those whose identity was there before.
func unite[T ~string](a, b []T, identity func(T) T) []T {
	all := make([]T, 0, len(a)+len(b))
	seen := make(map[T]bool, len(a)+len(b))
	for _, list := range [][]T{a, b} {
		for _, x := range list {
			if k := identity(x); k != "" && !seen[k] {
				seen[k] = true
				all = append(all, x)
			}
		}
	}
	return all
}

// MaxPerTerm is how many messages [Index.Find] returns for one term at most.
// What is behind them is older than any answer that only such a term finds.
const MaxPerTerm = 32

// Index is where sent messages are remembered. Implementations keep the rules
// of the conformance suite in package threadingtest. They are safe for
// concurrent use, answer lookups without scanning, and carry tenant and mailbox
// in every key, so that no lookup ever crosses either. They need not know what a
// [Term] stands for.
//
// An error means that the store failed or that the context ended. All methods
// are safe to repeat.
type Index interface {
	// Add remembers a message under its terms ([SentMessage.Terms]). A second Add
	// under the same Ref and Key completes the first (see [SentMessage.Merge]),
	// and replaces its terms.
	Add(ctx context.Context, m SentMessage) error
	// Find returns the messages that have one of the terms, each once, in the
	// order of the terms; those that share a term newest first (by At, then by
	// Key), at most MaxPerTerm of them. None found is an empty result, no error.
	// What the slices of a message hold may be shared: nobody changes it.
	Find(ctx context.Context, ref mailbox.Ref, terms ...Term) ([]SentMessage, error)
	// Forget removes what was sent from the mailbox before a time, and returns
	// how many messages that were. Messages without a time are the oldest.
	Forget(ctx context.Context, ref mailbox.Ref, before time.Time) (int, error)
}
