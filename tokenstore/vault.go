package tokenstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// maxSealed bounds what is taken from a store.
const maxSealed = 1 << 20

// Vault is where tokens meet a [Store]: it seals what goes in and opens what
// comes out, bound to tenant, mailbox and provider, so that a record that was
// moved to another mailbox cannot be opened. It is safe for concurrent use. Use
// [NewVault], once per store and process: the sources of one Vault share their
// refreshes.
//
// A Vault remembers the newest version that it has seen of each record, of at
// most 262,144 mailboxes, and refuses an older one, one with the same version and
// other bytes, and one that it has seen deleted, with ErrSealed: somebody has put
// an old row back. It also refuses the records of a database that was set back to
// a backup, until the process is started again or the mailbox is connected again.
// What it cannot tell: an older row that is put back while no process runs that
// has seen a newer one, or that is given a higher version along with it.
type Vault struct {
	store Store
	aead  AEAD

	// epochs count the writes that did not come from a refresh (connect,
	// disconnect), so that sources drop the tokens they hold in memory. Mailboxes
	// share them by a hash: a source that drops its token for another mailbox only
	// reads the store once more.
	epochs [256]atomic.Int64
	seed   maphash.Seed

	flights flights   // refreshes that are running
	seen    sightings // records

	mu      sync.Mutex
	unsaved map[mailbox.Ref]unsaved // refreshed tokens that the store refused
}

// NewVault returns a Vault on s, sealed by a. Without either, every call fails
// with mailbox.ClassConfig: plain text has to be asked for, see [Unencrypted].
func NewVault(s Store, a AEAD) *Vault {
	return &Vault{
		store:   s,
		aead:    a,
		flights: newFlights(),
		seen:    newSightings(maxSightings),
		seed:    maphash.MakeSeed(),
		unsaved: make(map[mailbox.Ref]unsaved),
	}
}

// epoch returns the epoch of a mailbox.
func (v *Vault) epoch(ref mailbox.Ref) *atomic.Int64 {
	return &v.epochs[maphash.Comparable(v.seed, ref)%uint64(len(v.epochs))]
}

// Format prints nothing of what is inside, with every verb.
func (v *Vault) Format(f fmt.State, _ rune) { io.WriteString(f, "Vault{"+redacted+"}") }

// Get returns the token of a mailbox and the version of its record. The errors
// are ErrNotFound, ErrSealed (with the version, so that the record can be
// replaced), and mailbox.ClassStorage for a store that fails.
func (v *Vault) Get(ctx context.Context, ref mailbox.Ref) (Token, int64, error) {
	rec, err := v.load(ctx, ref)
	return rec.token, rec.version, err
}

// Put seals and stores t if the stored version still is version; 0 creates. It
// returns the new version. ErrConflict tells that it is not: see [Store.Put].
func (v *Vault) Put(ctx context.Context, ref mailbox.Ref, provider mailbox.ProviderName, t Token, version int64) (int64, error) {
	if err := v.ready(ref); err != nil {
		return 0, err
	}
	defer v.epoch(ref).Add(1)
	return v.put(ctx, ref, provider, t, version)
}

// Replace stores t over whatever there is for the mailbox, also over a record
// that cannot be opened or read any more: a new grant outranks every older one.
func (v *Vault) Replace(ctx context.Context, ref mailbox.Ref, provider mailbox.ProviderName, t Token) error {
	for range maxConflicts {
		_, version, err := v.Get(ctx, ref)
		if errors.Is(err, ErrDamaged) {
			if err := v.Delete(ctx, ref); err != nil {
				return err
			}
			continue
		}
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrSealed) {
			return err
		}
		if _, err = v.Put(ctx, ref, provider, t, version); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return storeFailed("replace token", ref, errTooManyConflicts)
}

// maxConflicts is how often a write is tried again against other writers. Each
// conflict means that somebody else got ahead, so more than a few tell of a
// store that does not compare versions.
const maxConflicts = 8

var errTooManyConflicts = errors.New("the store reports a conflict over and over")

// Delete erases the token of a mailbox. It is no error if there is none.
// Sources of this Vault forget the access token they hold.
func (v *Vault) Delete(ctx context.Context, ref mailbox.Ref) error {
	if err := v.ready(ref); err != nil {
		return err
	}
	defer v.epoch(ref).Add(1)
	v.forgetUnsaved(ref)
	old := v.seen.of(ref)
	if err := v.store.Delete(ctx, ref); err != nil {
		return storeFailed("delete token", ref, err)
	}
	v.seen.forget(ref, old)
	return nil
}

// opened is a record with its token in clear.
type opened struct {
	token    Token
	plain    []byte // the token as it was sealed
	provider mailbox.ProviderName
	version  int64
	sealed   []byte
}

func (v *Vault) load(ctx context.Context, ref mailbox.Ref) (opened, error) {
	if err := v.ready(ref); err != nil {
		return opened{}, err
	}
	old := v.seen.of(ref)
	rec, err := v.store.Get(ctx, ref)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			v.seen.forget(ref, old)
		}
		return opened{}, storeFailed("load token", ref, err)
	}
	now := sightingOf(rec)
	if old.replayed(now) {
		return opened{provider: rec.Provider, version: rec.Version}, ErrSealed
	}
	o, err := v.open(ref, rec)
	if err == nil {
		v.seen.note(ref, old, now)
	}
	return o, err
}

// open opens a record that came for ref. On ErrSealed the token is missing. The
// ref that was asked for is bound, not the one that came back: a store that
// returns another mailbox's record is found out here.
func (v *Vault) open(ref mailbox.Ref, rec Record) (opened, error) {
	o := opened{provider: rec.Provider, version: rec.Version}
	if len(rec.Sealed) > maxSealed {
		return o, ErrSealed
	}
	plain, err := v.aead.Decrypt(rec.Sealed, binding(ref, rec.Provider))
	if err != nil {
		return o, ErrSealed // whatever the AEAD says would say too much
	}
	token, err := decodeToken(plain)
	if err != nil {
		return o, ErrSealed
	}
	o.token, o.plain, o.sealed = token, plain, rec.Sealed
	return o, nil
}

func (v *Vault) put(ctx context.Context, ref mailbox.Ref, provider mailbox.ProviderName, t Token, version int64) (int64, error) {
	if err := v.ready(ref); err != nil {
		return 0, err
	}
	if provider == "" {
		return 0, mailbox.Invalid("provider", "the name of a provider", "is empty")
	}
	plain, err := encodeToken(t)
	if err != nil {
		return 0, err
	}
	return v.seal(ctx, ref, provider, plain, version)
}

// seal stores a token as encodeToken wrote it.
func (v *Vault) seal(ctx context.Context, ref mailbox.Ref, provider mailbox.ProviderName, plain []byte, version int64) (int64, error) {
	sealed, err := v.aead.Encrypt(plain, binding(ref, provider))
	if err != nil {
		return 0, &mailbox.Error{Op: "seal token", Mailbox: ref.Mailbox, Class: mailbox.ClassConfig, Err: err}
	}
	if len(sealed) > maxSealed {
		return 0, mailbox.Invalid("token", "less than 1 MiB when sealed", "is too long")
	}
	old := v.seen.of(ref)
	rec := Record{
		Ref:       ref,
		Provider:  provider,
		Version:   version,
		Sealed:    sealed,
		UpdatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
	stored, err := v.store.Put(ctx, rec)
	if err != nil {
		return 0, storeFailed("store token", ref, err)
	}
	rec.Version = stored.Version
	v.seen.note(ref, old, sightingOf(rec))
	return rec.Version, nil
}

func (v *Vault) ready(ref mailbox.Ref) error {
	if v == nil || v.store == nil || v.aead == nil {
		return &mailbox.Error{
			Class: mailbox.ClassConfig,
			Err:   &mailbox.FieldError{Field: "Vault", Limit: "a Store and an AEAD", Problem: "lacks one of them"},
		}
	}
	return ref.Validate()
}

// binding is the associated data of a record. Every part is preceded by its
// length, so that no two sets of parts give the same bytes.
func binding(ref mailbox.Ref, provider mailbox.ProviderName) []byte {
	var b []byte
	for _, part := range []string{"mailtether token", string(ref.Tenant), string(ref.Mailbox), string(provider)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}
