package threading

import (
	"context"
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
	// the provider replaced it, as an alias field tells. Answers may cite any.
	IDs []mailbox.RFCMessageID
	// Thread is the provider's conversation; empty when it is not known.
	Thread mailbox.ThreadID
	// Recipients are the addr-specs it was sent to: To, Cc and Bcc.
	Recipients []string
	// Subject is as written, prefixes included.
	Subject string
	// At is when the provider took it.
	At time.Time
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
	if later.Subject != "" {
		s.Subject = later.Subject
	}
	if !later.At.IsZero() {
		s.At = later.At
	}
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

// MaxPerThread is how many messages [Index.ByThread] returns at most. A Gmail
// conversation is split after 100 messages (support.google.com/mail/answer/5900,
// read 2026-11-20); Exchange may put any number of messages with the same
// subject under one conversation id.
const MaxPerThread = 100

// Index is where sent messages are remembered. Implementations keep the rules
// of the conformance suite in package threadingtest. They are safe for
// concurrent use, answer lookups without scanning, and carry tenant and mailbox
// in every key, so that no lookup ever crosses either.
//
// An error means that the store failed or that the context ended. Adding and
// looking up are safe to repeat.
type Index interface {
	// Add remembers a message. A second Add under the same Ref and Key completes
	// the first: see [SentMessage.Merge].
	Add(ctx context.Context, m SentMessage) error
	// ByID returns the messages that have one of the ids, each once, in the
	// order of the ids; those that share an id newest first (by At, then by
	// Key). Ids are compared exactly. None found is an empty result, no error.
	ByID(ctx context.Context, ref mailbox.Ref, ids ...mailbox.RFCMessageID) ([]SentMessage, error)
	// ByThread returns the newest messages of a conversation, newest first, at
	// most MaxPerThread. The empty thread has no messages.
	ByThread(ctx context.Context, ref mailbox.Ref, thread mailbox.ThreadID) ([]SentMessage, error)
}
