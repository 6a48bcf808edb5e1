package quota

import (
	"context"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Store remembers the sends of each mailbox and decides about the next one. It
// is a log of entries per mailbox, one per key, each with a time and a number of
// recipients; package quotatest holds the rules as a conformance suite.
//
// Each method is one atomic step: whatever number of callers and processes share
// the store, what they do to one mailbox happens one after the other. Nothing
// about a call depends on another mailbox, and all that a decision needs comes
// with it, so that one SQL transaction or one Redis script can take it.
//
// An error means that nothing was decided or stored as far as the store knows;
// every method is safe to repeat. A store is safe for concurrent use.
type Store interface {
	// Decide checks a send against windows and, if all of them have room, enters
	// it. If the key has an entry already, that entry is left out of the count,
	// and moves to the new time when there is room, or stays as it is when there
	// is not.
	//
	// An Ask with a window that could never hold the send is a ClassInvalid error.
	Decide(ctx context.Context, a Ask) (Answer, error)
	// Settle tells that the message of an entry went out, or may have. An entry
	// that is not settled yet moves to e.At if that is later than its own time; a
	// settled one stays as it is; one that is missing is added.
	Settle(ctx context.Context, e Entry) error
	// Remove takes out the entry of a key, settled or not. A missing one is no
	// error.
	Remove(ctx context.Context, ref mailbox.Ref, key string) error
}

// Horizon is the longest window. A store may forget entries that are older than
// that by an hour or more, judged by the time of a later decision.
const Horizon = 24 * time.Hour

// Entry is one message in a mailbox's log.
type Entry struct {
	mailbox.Ref
	// Key names the message within its mailbox: 1 to 512 bytes, compared byte by
	// byte.
	Key string
	// Recipients is at least 1.
	Recipients int
	// At is when the message counts. Zero means now by the store's clock. Stores
	// keep it to the microsecond, cutting off the rest.
	At time.Time
}

// Ask asks for room for one entry.
type Ask struct {
	Entry
	Windows []Window
}

// Window allows Max messages, or Max recipients, in any span of Per. A window
// holds the entries with a time after At-Per, also those after At: that is
// exact for the newest entry and never too few for one that comes late.
type Window struct {
	// Per is above 0 and at most Horizon, in whole microseconds.
	Per time.Duration
	// Max is at least 1.
	Max int
	// Recipients counts recipients instead of messages.
	Recipients bool
}

// Answer is what a store decided.
type Answer struct {
	// Allowed tells that every window had room and the entry was made.
	Allowed bool
	// At is when it was decided: the time of the Ask, or now by the store's
	// clock. The entry has this time if it was allowed.
	At time.Time
	// Usage has one element for each window of the Ask, in its order.
	Usage []Usage
}

// Usage tells how full a window was, without the entry that was asked for.
type Usage struct {
	Used int
	// NotBefore is the earliest time at which the window has room for the entry
	// if nothing else happens; zero if it has room now.
	NotBefore time.Time
}
