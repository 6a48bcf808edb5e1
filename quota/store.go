package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Store remembers what was sent and decides about the next message. It holds
// one log for each mailbox, and for each group of mailboxes or recipients that
// shares a limit; package quotatest holds the rules as a conformance suite.
//
// A log has entries, one per key, each with a time and a number of recipients,
// and a state: a small document that belongs to [Sends].
//
// Each method is one atomic step on one log: whatever number of callers and
// processes share the store, what they do to a log happens one after the other.
// Nothing about a call depends on another log, and all that a decision needs
// comes with it, so that one SQL transaction or one Redis script can take it.
//
// An error means that nothing was decided or stored as far as the store knows;
// every method is safe to repeat. A store is safe for concurrent use. It keeps
// nothing of the slices it is given, and what it returns belongs to the caller.
type Store interface {
	// Decide checks a send against windows and, if all of them have room, enters
	// it. If the key has an entry already, that entry is left out of the count,
	// and moves to the new time when there is room, or stays as it is when there
	// is not. A moved entry takes the new recipients and is not settled any more.
	//
	// An Ask with a window that could never hold the send, or whose Days do not
	// hold the time of the decision, is a ClassInvalid error.
	Decide(ctx context.Context, a Ask) (Answer, error)
	// Settle tells that the message of an entry went out, or may have. An entry
	// that is not settled yet moves to e.At if that is later than its own time,
	// a settled one stays as it is; one
	// that is missing is added. A missing one that is older than Retention may be
	// left out.
	Settle(ctx context.Context, e Entry) error
	// Remove takes out the entry of a key, settled or not. A missing one is no
	// error.
	Remove(ctx context.Context, l Log, key string) error
	// Entries returns the entries of a log with a time after the given one, by
	// time.
	Entries(ctx context.Context, l Log, after time.Time) ([]Entry, error)

	// State returns the state of a log: nil and version 0 if it has none.
	State(ctx context.Context, l Log) (State, error)
	// SetState replaces the state of a log whose version is still s.Version, and
	// gives it the next version. It reports false, and changes nothing, if the
	// version is another one. States stay until they are replaced.
	SetState(ctx context.Context, l Log, s State) (bool, error)
}

// Horizon is the longest rolling window.
const Horizon = 24 * time.Hour

// Retention is how long a store keeps an entry at least, judged by the time of
// a later decision: a window of a calendar day has up to 25 hours, and clocks
// may disagree by an hour.
const Retention = 26 * time.Hour

// Log names a log within a store.
type Log struct {
	Tenant mailbox.TenantID `json:"tenant"`
	Kind   LogKind          `json:"kind"`
	// Name is the mailbox's id, or the domain in lower case; empty for the log
	// of a tenant. At most 255 bytes, compared byte by byte.
	Name string `json:"name,omitempty"`
}

// LogKind says what shares a log. The values are stable.
type LogKind string

// The kinds of logs.
const (
	LogMailbox         LogKind = "mailbox"
	LogDomain          LogKind = "domain"           // all mailboxes of a tenant with addresses of a domain
	LogRecipientDomain LogKind = "recipient_domain" // all mail of a tenant to a domain
	LogTenant          LogKind = "tenant"           // all mail of a tenant
)

// Entry is one message in a log.
type Entry struct {
	Log
	// Key names the message within its log: 1 to 768 bytes, compared byte by
	// byte.
	Key string
	// Recipients is 1 to MaxRecipients.
	Recipients int
	// At is when the message counts. Zero means now by the store's clock. Stores
	// keep it to the microsecond, cutting off the rest.
	At time.Time
}

// MaxRecipients is how many recipients a message can have. Providers allow at
// most 2,000.
const MaxRecipients = 10_000

// State is the state of a log.
type State struct {
	// Document is at most 64 KiB.
	Document []byte
	// Version is 0 for a log without a state, and 1 for the first one.
	Version int64
}

// Ask asks for room for one entry.
type Ask struct {
	Entry
	// Windows are at most 16.
	Windows []Window
	// Version is that of the state which the windows were made from. If the log
	// has another one, nothing is decided and the answer is stale.
	Version int64
	// DryRun enters nothing, whatever the answer.
	DryRun bool
	// Usage is space that the store may return Answer.Usage in.
	Usage []Usage
}

// Window allows Max messages, or Max recipients, in a time.
//
// With Per, that is any span of Per: the window holds the entries with a time
// after At-Per, also those after At, which is exact for the newest entry and
// never too few for one that comes late.
//
// With Days, that is any of the given days: the window holds the entries since
// the beginning of the day that At is in, also those after it.
type Window struct {
	// Per is above 0 and at most Horizon, in whole microseconds; 0 with Days.
	Per time.Duration
	// Days are the moments at which days begin, ascending, at least 2 and at most
	// 8; the last one ends the last day.
	Days []time.Time
	// Max is at least 1.
	Max int
	// Recipients counts recipients instead of messages.
	Recipients bool
	// Advisory windows are reported, but refuse nothing.
	Advisory bool
}

// Answer is what a store decided.
type Answer struct {
	// Stale tells that the state of the log has another version: State holds it,
	// nothing was decided, and no other field is set.
	Stale bool
	State State
	// Allowed tells that every window had room, and that the entry was made
	// unless it was a dry run.
	Allowed bool
	// Known tells that the key had an entry before.
	Known bool
	// At is when it was decided: the time of the Ask, or now by the store's
	// clock. The entry has this time if it was made.
	At time.Time
	// Usage has one element for each window of the Ask, in its order.
	Usage []Usage
}

// Usage tells how full a window was, without the entry that was asked for.
type Usage struct {
	Used int
	// NotBefore is the earliest time at which the window has room for the entry
	// if nothing else happens; zero if it has room now. Of a window with Days it
	// is the beginning of a day; the end of the last one if none has room.
	NotBefore time.Time
}

// Validate refuses what no store takes, with a ClassInvalid error that names the
// field.
func (e Entry) Validate() error {
	if e.Tenant == "" || len(e.Tenant) > maxName || e.Kind == "" || len(e.Kind) > 32 || len(e.Name) > maxName {
		return mailbox.Invalid("log", fmt.Sprintf("a tenant and a kind, at most %d bytes each", maxName), "is missing or too long")
	}
	if e.Key == "" || len(e.Key) > maxKey {
		return mailbox.Invalid("key", fmt.Sprintf("1 to %d bytes", maxKey), "is empty or too long")
	}
	if e.Recipients < 1 || e.Recipients > MaxRecipients {
		return mailbox.Invalid("recipients", fmt.Sprintf("1 to %d", MaxRecipients), "are out of range")
	}
	return nil
}

const (
	maxName     = 255
	maxKey      = 768
	maxDocument = 64 << 10
	maxWindows  = 16
	maxDays     = 8
)

// Validate refuses what no store takes, with a ClassInvalid error that names the
// field.
func (s State) Validate() error {
	if len(s.Document) > maxDocument {
		return mailbox.Invalid("state.document", "at most 64 KiB", "is too long")
	}
	return nil
}

// Validate refuses what no store takes, with a ClassInvalid error that names the
// field. Whether Days hold the time of the decision is left to the store.
func (a *Ask) Validate() error {
	if err := a.Entry.Validate(); err != nil {
		return err
	}
	if len(a.Windows) > maxWindows {
		return mailbox.Invalid("windows", fmt.Sprintf("at most %d", maxWindows), "are too many")
	}
	for i := range a.Windows {
		if problem := a.Windows[i].problem(a.Recipients); problem != "" {
			return mailbox.Invalid(fmt.Sprintf("windows[%d]", i), "a window that can hold the send", problem)
		}
	}
	return nil
}

func (w *Window) problem(recipients int) string {
	switch {
	case w.Max < 1:
		return "allows nothing"
	case w.Recipients && w.Max < recipients:
		return "allows fewer recipients than the message has"
	case w.Per == 0 && (len(w.Days) < 2 || len(w.Days) > maxDays):
		return "has no length"
	case w.Per == 0:
		for i := range w.Days[1:] {
			if !w.Days[i].Before(w.Days[i+1]) {
				return "has days that are not in order"
			}
		}
	case w.Per < time.Microsecond || w.Per > Horizon || w.Per%time.Microsecond != 0 || len(w.Days) > 0:
		return "has a length that is out of range"
	}
	return ""
}

// covers reports whether the window's days, if it has any, hold a time in
// microseconds.
func (w *Window) covers(at int64) bool {
	return len(w.Days) == 0 || w.Days[0].UnixMicro() <= at && at < w.Days[len(w.Days)-1].UnixMicro()
}
