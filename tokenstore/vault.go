package tokenstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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
type Vault struct {
	store Store
	aead  AEAD

	// epoch counts the writes that did not come from a refresh (connect,
	// disconnect), so that sources drop the tokens they hold in memory.
	epoch atomic.Int64

	mu      sync.Mutex
	flights map[mailbox.Ref]*flight // refreshes that are running
	unsaved map[mailbox.Ref]unsaved // refreshed tokens that the store refused
}

// NewVault returns a Vault on s, sealed by a. Without either, every call fails
// with mailbox.ClassConfig: there is no storing in plain text.
func NewVault(s Store, a AEAD) *Vault {
	return &Vault{
		store:   s,
		aead:    a,
		flights: make(map[mailbox.Ref]*flight),
		unsaved: make(map[mailbox.Ref]unsaved),
	}
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
	defer v.epoch.Add(1)
	return v.put(ctx, ref, provider, t, version)
}

// Replace stores t over whatever there is for the mailbox, also over a record
// that cannot be opened any more: a new grant outranks every older one.
func (v *Vault) Replace(ctx context.Context, ref mailbox.Ref, provider mailbox.ProviderName, t Token) error {
	for range maxConflicts {
		_, version, err := v.Get(ctx, ref)
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
	defer v.epoch.Add(1)
	if err := v.ready(ref); err != nil {
		return err
	}
	v.forgetUnsaved(ref)
	return storeFailed("delete token", ref, v.store.Delete(ctx, ref))
}

// opened is a record with its token in clear.
type opened struct {
	token    Token
	provider mailbox.ProviderName
	version  int64
}

func (v *Vault) load(ctx context.Context, ref mailbox.Ref) (opened, error) {
	if err := v.ready(ref); err != nil {
		return opened{}, err
	}
	rec, err := v.store.Get(ctx, ref)
	if err != nil {
		return opened{}, storeFailed("load token", ref, err)
	}
	o := opened{provider: rec.Provider, version: rec.Version}
	if len(rec.Sealed) > maxSealed {
		return o, ErrSealed
	}
	// The ref that was asked for is bound, not the one that came back: a store
	// that returns another mailbox's record is found out here.
	plain, err := v.aead.Decrypt(rec.Sealed, binding(ref, rec.Provider))
	if err != nil {
		return o, ErrSealed // whatever the AEAD says would say too much
	}
	o.token, err = decodeToken(plain)
	if err != nil {
		return o, ErrSealed
	}
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
	sealed, err := v.aead.Encrypt(plain, binding(ref, provider))
	if err != nil {
		return 0, &mailbox.Error{Op: "seal token", Mailbox: ref.Mailbox, Class: mailbox.ClassConfig, Err: err}
	}
	if len(sealed) > maxSealed {
		return 0, mailbox.Invalid("token", "less than 1 MiB when sealed", "is too long")
	}
	rec, err := v.store.Put(ctx, Record{
		Ref:       ref,
		Provider:  provider,
		Version:   version,
		Sealed:    sealed,
		UpdatedAt: time.Now().UTC().Truncate(time.Microsecond),
	})
	return rec.Version, storeFailed("store token", ref, err)
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

// plainToken is the form in which a token is sealed. The names are stored: they
// never change.
type plainToken struct {
	Access        string    `json:"access"`
	Refresh       string    `json:"refresh,omitempty"`
	Type          string    `json:"type,omitempty"`
	Expiry        time.Time `json:"expiry,omitzero"`
	IssuedAt      time.Time `json:"issued_at,omitzero"`
	GrantedAt     time.Time `json:"granted_at,omitzero"`
	RefreshExpiry time.Time `json:"refresh_expiry,omitzero"`
	Scopes        []string  `json:"scopes,omitempty"`
}

func encodeToken(t Token) ([]byte, error) {
	switch {
	case t.Access == "" && t.Refresh == "":
		return nil, mailbox.Invalid("token", "an access or a refresh token", "is empty")
	case !printable(string(t.Access)) || !printable(string(t.Refresh)):
		return nil, mailbox.Invalid("token", "printable ASCII (RFC 6749, A.12)", "has other characters")
	}
	b, err := json.Marshal(plainToken{
		Access:        string(t.Access),
		Refresh:       string(t.Refresh),
		Type:          t.Type,
		Expiry:        t.Expiry.UTC(),
		IssuedAt:      t.IssuedAt.UTC(),
		GrantedAt:     t.GrantedAt.UTC(),
		RefreshExpiry: t.RefreshExpiry.UTC(),
		Scopes:        t.Scopes,
	})
	if err != nil { // strings always marshal, times do not
		return nil, mailbox.Invalid("token", "times up to the year 9999", "has a time out of range")
	}
	return b, nil
}

func decodeToken(b []byte) (Token, error) {
	var p plainToken
	if err := json.Unmarshal(b, &p); err != nil {
		return Token{}, err
	}
	return Token{
		Access:        mailbox.AccessToken(p.Access),
		Refresh:       Secret(p.Refresh),
		Type:          p.Type,
		Expiry:        p.Expiry,
		IssuedAt:      p.IssuedAt,
		GrantedAt:     p.GrantedAt,
		RefreshExpiry: p.RefreshExpiry,
		Scopes:        p.Scopes,
	}, nil
}

// unsaved is a refreshed token that could not be stored yet.
type unsaved struct {
	token Token
	from  Secret // the refresh token that it replaces
}

func (v *Vault) keepUnsaved(ref mailbox.Ref, u unsaved) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unsaved[ref] = u
}

func (v *Vault) unsavedOf(ref mailbox.Ref) (unsaved, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u, ok := v.unsaved[ref]
	return u, ok
}

func (v *Vault) forgetUnsaved(ref mailbox.Ref) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.unsaved, ref)
}
