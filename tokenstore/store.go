package tokenstore

import (
	"context"
	"iter"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Record is one sealed token as a store keeps it.
type Record struct {
	mailbox.Ref
	// Provider is bound to Sealed: changing it makes the record unreadable.
	Provider mailbox.ProviderName
	// Version is set by the store; see [Store.Put].
	Version int64
	// Sealed is opaque and must be kept byte for byte. It stays below 1 MiB, and
	// below 10 KiB with the tokens of Google and Microsoft.
	Sealed []byte
	// UpdatedAt is set by the writer, in UTC and whole microseconds.
	UpdatedAt time.Time
}

// Store keeps one record for each mailbox. Hosts implement it on their own
// database; the suite in package tokenstoretest holds the rules.
//
// Implementations are safe for concurrent use, compare identifiers byte for
// byte, never return a record of another tenant or mailbox than was asked for,
// read what was written last (no lagging replica), and fail when the context is
// done.
// Failures other than those named below may be any error; the Vault gives them
// mailbox.ClassStorage.
type Store interface {
	// Get returns the record of a mailbox, or ErrNotFound.
	Get(ctx context.Context, ref mailbox.Ref) (Record, error)
	// Put writes rec if the stored version still is rec.Version; 0 creates. It
	// returns the record as stored, with its new version. ErrConflict tells that
	// the record has another version, exists already (Version 0), or is gone.
	//
	// A new version is higher than every version the mailbox ever had, even
	// before a Delete: otherwise a writer that read the record before it was
	// deleted and created again would overwrite the new one. A sequence of the
	// database or the clock in microseconds serve as a start.
	Put(ctx context.Context, rec Record) (Record, error)
	// Delete erases the record. It is no error if there is none.
	Delete(ctx context.Context, ref mailbox.Ref) error
	// List ranges over the records of a tenant, in any order. A failure is the
	// last pair, with a zero Record. Ranging again starts over; stopping early
	// releases everything. A record that is written meanwhile may be seen in
	// either state.
	List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[Record, error]
}

// Locker is implemented by stores that can keep other processes from refreshing
// the same mailbox at the same time. It saves the provider from needless
// refreshes; nothing is lost without it, since Put compares versions.
type Locker interface {
	// Lock waits until the caller alone holds the lock of the mailbox, or ctx is
	// done. A holder that died must not block others for good: use a lease. The
	// caller calls unlock exactly once.
	Lock(ctx context.Context, ref mailbox.Ref) (unlock func(), err error)
}
