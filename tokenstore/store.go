package tokenstore

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
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

// Format prints all but the sealed bytes, which are in clear if [Unencrypted] was
// asked for, with every verb.
func (rec Record) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "Record{%s, %s, version %d, %d bytes}", rec.Ref, rec.Provider, rec.Version, len(rec.Sealed))
}

// LogValue prints all but the sealed bytes.
func (rec Record) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(rec)) }

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
	// Get returns the record of a mailbox, or ErrNotFound. A store that can tell
	// that what it has is no record any more returns ErrDamaged.
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

// TenantLister is implemented by stores that can name their tenants, so that
// [Vault.Rotate] needs no list from the host.
type TenantLister interface {
	// Tenants ranges over the tenants that have records, in any order, each once.
	// Otherwise it behaves as [Store.List] does.
	Tenants(ctx context.Context) iter.Seq2[mailbox.TenantID, error]
}

// Locker is implemented by stores that can keep other processes from refreshing
// the same mailbox at the same time. It saves the provider from needless
// refreshes, and a grant at a provider that takes a refresh token used twice for
// theft; nothing in the store depends on it, since Put compares versions.
type Locker interface {
	// Lock waits until the caller alone holds the lock of the mailbox, or ctx is
	// done.
	Lock(ctx context.Context, ref mailbox.Ref) (Lease, error)
}

// Lease is a lock that ends by itself, so that a holder that died blocks nobody
// for good.
type Lease struct {
	// Until is when it ends, by the monotonic clock of this process, and never
	// later than the store thinks. The holder does nothing under it after that. A
	// lease of 45 seconds lets a [Source] use all of its default Timeout; a
	// mailbox whose holder died waits that long.
	Until time.Time
	// Release ends it early. It is called exactly once, and does not touch the
	// lease of somebody else who holds the lock by then.
	Release func()
}
