package outbox

import (
	"context"
	"iter"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// Intent is the durable record that a message is to be sent once, under the
// host's idempotency key. It is plain data; a Ledger keeps it.
type Intent struct {
	mailbox.Ref
	// Key is the host's idempotency key, unique within the mailbox.
	Key string `json:"key"`
	// Message is what is sent. Its RFCMessageID and Ref are fixed when the
	// intent is created, so that every attempt carries the same marks.
	Message *mailbox.Outgoing `json:"message"`
	// Digest tells the message as the host gave it from another one under the
	// same key.
	Digest string `json:"digest"`

	// At is when the message was to go out.
	At    time.Time `json:"at"`
	State State     `json:"state"`
	// NextAt is when the intent needs attention again; zero means never.
	NextAt time.Time `json:"next_at,omitzero"`
	// Waiting says in words why a pending intent has not gone out yet.
	Waiting []string `json:"waiting,omitempty"`
	// HeldSince is since when the mailbox cannot be used (disconnected, not
	// allowed, the app refused); zero while it can. Held is how long that was
	// before, and how long sending limits have made it wait.
	HeldSince time.Time     `json:"held_since,omitzero"`
	Held      time.Duration `json:"held,omitempty"`
	// HeldBefore is what Held was at the checkpoint.
	HeldBefore time.Duration `json:"held_before,omitempty"`
	// Attempts counts the tries to send, Looks the tries to find out what became
	// of one.
	Attempts int `json:"attempts"`
	Looks    int `json:"looks,omitempty"`

	// Checkpoint is set just before the request that sends. An intent without
	// one has certainly not gone out.
	Checkpoint *mailbox.Checkpoint `json:"checkpoint,omitempty"`
	// Reservation is the place in the sending limits that the attempt holds.
	Reservation *quota.Reservation `json:"reservation,omitempty"`
	// Sent is what is known of the sent message. Complete tells that the sent
	// copy has been read, or that it never will be.
	Sent     mailbox.Sent `json:"sent,omitzero"`
	Complete bool         `json:"complete,omitempty"`
	// Failure is the class of the last failure and Error its text.
	Failure mailbox.Class `json:"failure,omitempty"`
	Error   string        `json:"error,omitempty"`
	// Announced tells that the host's handler has taken the event of the state.
	Announced bool `json:"announced,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version counts the writes, for compare-and-swap. The ledger sets it.
	Version int64 `json:"version"`
}

// State is where an intent stands. The values are stored.
type State string

// The states of an intent.
const (
	// StatePending: not sent; will be tried at NextAt.
	StatePending State = "pending"
	// StateSending: a process is at it until NextAt. If it does not come back
	// by then, the checkpoint tells how to go on.
	StateSending State = "sending"
	// StateUnknown: it may have gone out. With a NextAt it will be looked up
	// again; without, only [Outbox.Settle] ends it.
	StateUnknown State = "unknown"
	// StateSent: it went out.
	StateSent State = "sent"
	// StateFailed: it did not go out and will not.
	StateFailed State = "failed"
)

// Ledger keeps intents. Every method is safe for concurrent use, by several
// processes if the ledger is shared. A failed call leaves the record as it was
// or as it was to be, never in between. Package outboxtest holds the rules.
type Ledger interface {
	// Create stores a new intent and returns it with its version and true. If
	// the key exists in that mailbox, it returns the stored one and false.
	Create(ctx context.Context, i Intent) (Intent, bool, error)
	// Get returns an intent, or a ClassNotFound error.
	Get(ctx context.Context, ref mailbox.Ref, key string) (Intent, error)
	// Update replaces an intent whose stored version equals i.Version and
	// returns it with the next version. Another version is a ClassConflict error.
	Update(ctx context.Context, i Intent) (Intent, error)
	// Due returns up to limit intents of all tenants whose NextAt is set and not
	// after now, oldest NextAt first.
	Due(ctx context.Context, now time.Time, limit int) ([]Intent, error)
	// List ranges over the intents of one mailbox, oldest first.
	List(ctx context.Context, ref mailbox.Ref) iter.Seq2[Intent, error]
}
