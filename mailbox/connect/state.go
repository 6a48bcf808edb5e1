package connect

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// StateStore keeps what belongs to a flow from its start to its callback. The
// data are sealed. Processes that serve the same flows share one. Implementations
// are safe for concurrent use; a table or a cache with atomic get-and-delete
// (Redis GETDEL) will do. The suite in package connecttest holds the rules.
type StateStore interface {
	// Put keeps data under id until expires. It fails if the id exists.
	Put(ctx context.Context, id string, data []byte, expires time.Time) error
	// Take returns the data and removes them in one step: of several callers
	// exactly one gets them. ok is false when there are none (any more), or when
	// they have expired.
	Take(ctx context.Context, id string) (data []byte, ok bool, err error)
}

// maxStates bounds MemoryStates, about 50 MB.
const maxStates = 100_000

// MemoryStates is a [StateStore] in memory, for hosts with one process. It holds
// at most 100,000 flows. Use [NewMemoryStates].
type MemoryStates struct {
	mu     sync.Mutex
	states map[string]stateEntry
	swept  time.Time
}

type stateEntry struct {
	data    []byte
	expires time.Time
}

// NewMemoryStates returns an empty MemoryStates.
func NewMemoryStates() *MemoryStates {
	return &MemoryStates{states: make(map[string]stateEntry)}
}

// Put implements [StateStore].
func (m *MemoryStates) Put(ctx context.Context, id string, data []byte, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(time.Now())
	if _, ok := m.states[id]; ok {
		return ErrConflict
	}
	if len(m.states) >= maxStates {
		return &mailbox.Error{Op: "start flow", Class: mailbox.ClassStorage, Code: "too_many_flows"}
	}
	m.states[id] = stateEntry{bytes.Clone(data), expires}
	return nil
}

// Take implements [StateStore].
func (m *MemoryStates) Take(ctx context.Context, id string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.states[id]
	delete(m.states, id)
	if !ok || !time.Now().Before(e.expires) {
		return nil, false, nil
	}
	return e.data, true, nil
}

// sweep drops what has expired, at most once a minute.
func (m *MemoryStates) sweep(now time.Time) {
	if now.Sub(m.swept) < time.Minute {
		return
	}
	m.swept = now
	for id, e := range m.states {
		if !now.Before(e.expires) {
			delete(m.states, id)
		}
	}
}

// keeper signs states and keeps the flows behind them. The states of one keeper
// mean nothing to a keeper with another purpose.
type keeper[F any] struct {
	store StateStore
	mac   []byte
	seal  *tokenstore.Keyring
	ttl   time.Duration
}

// minStateKey is the length of the shortest key that HMAC-SHA-256 and AES-256
// keys can be derived from.
const minStateKey = 32

// deriveKey returns the key for one purpose.
func deriveKey(key []byte, purpose string) ([]byte, error) {
	if len(key) < minStateKey {
		return nil, mailbox.Invalid("StateKey", "at least 32 random bytes", "is too short")
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "mailtether "+purpose, 32)
	if err != nil {
		return nil, mailbox.Invalid("StateKey", "a key HKDF can take", "is refused by crypto/hkdf")
	}
	return derived, nil
}

// deriveRing returns a keyring for one purpose.
func deriveRing(key []byte, purpose string) (*tokenstore.Keyring, error) {
	secret, err := deriveKey(key, purpose)
	if err != nil {
		return nil, err
	}
	return tokenstore.NewKeyring(tokenstore.Key{ID: "flow", Secret: secret})
}

func newKeeper[F any](c Config, purpose string) (*keeper[F], error) {
	mac, err := deriveKey(c.StateKey, purpose+" state signature")
	if err != nil {
		return nil, err
	}
	seal, err := deriveRing(c.StateKey, purpose+" flow sealing")
	if err != nil {
		return nil, err
	}
	return &keeper[F]{store: c.States, mac: mac, seal: seal, ttl: c.StateTTL}, nil
}

// keep stores f and returns the state parameter for it.
func (k *keeper[F]) keep(ctx context.Context, f F, browser string) (string, time.Time, error) {
	var s state
	rand.Read(s.id[:]) // never fails
	s.expires = time.Now().Add(k.ttl).Truncate(time.Second)
	plain, err := json.Marshal(f)
	if err != nil {
		return "", time.Time{}, mailbox.Invalid("flow", "fields that marshal", "does not marshal")
	}
	sealed, err := k.seal.Encrypt(plain, s.id[:])
	if err != nil {
		return "", time.Time{}, err
	}
	if err := k.store.Put(ctx, s.name(), sealed, s.expires); err != nil {
		return "", time.Time{}, err
	}
	return s.encode(k.mac, browser), s.expires, nil
}

// take checks a state parameter and returns the flow behind it, once.
func (k *keeper[F]) take(ctx context.Context, params []string, browser string) (*F, error) {
	var s state
	ok := len(params) == 1
	if ok {
		s, ok = parseState(params[0])
	}
	// A missing browser secret is not the same as an empty one.
	if !ok || browser == "" || !hmac.Equal(s.mac[:], s.sign(k.mac, browser)) {
		return nil, badCallback(CodeStateInvalid)
	}
	if !time.Now().Before(s.expires) {
		return nil, badCallback(CodeStateExpired)
	}
	sealed, ok, err := k.store.Take(ctx, s.name())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, badCallback(CodeStateUsed)
	}
	plain, err := k.seal.Decrypt(sealed, s.id[:])
	if err != nil {
		return nil, badCallback(CodeStateInvalid)
	}
	f := new(F)
	if err := json.Unmarshal(plain, f); err != nil {
		return nil, badCallback(CodeStateInvalid)
	}
	return f, nil
}

// state is the content of a state parameter:
//
//	id (16 bytes) | expiry in Unix seconds (8) | HMAC-SHA-256 over both and the browser's secret (32)
//
// in base64url without padding.
type state struct {
	id      [16]byte
	expires time.Time
	mac     [sha256.Size]byte
}

const stateLen = 16 + 8 + sha256.Size

func (s *state) signed() []byte {
	return binary.BigEndian.AppendUint64(s.id[:len(s.id):len(s.id)], uint64(s.expires.Unix()))
}

func (s *state) sign(key []byte, browser string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(s.signed()) // of fixed length, so what follows is unambiguous
	h.Write([]byte(browser))
	return h.Sum(nil)
}

func (s *state) encode(key []byte, browser string) string {
	return base64.RawURLEncoding.EncodeToString(append(s.signed(), s.sign(key, browser)...))
}

// name is the id under which the flow is stored.
func (s *state) name() string { return base64.RawURLEncoding.EncodeToString(s.id[:]) }

// parseState reads a state parameter. It does not check the signature.
func parseState(param string) (state, bool) {
	if len(param) != base64.RawURLEncoding.EncodedLen(stateLen) {
		return state{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(param)
	if err != nil || len(b) != stateLen {
		return state{}, false
	}
	s := state{
		id:  [16]byte(b),
		mac: [sha256.Size]byte(b[24:]),
	}
	s.expires = time.Unix(int64(binary.BigEndian.Uint64(b[16:])), 0)
	return s, true
}
