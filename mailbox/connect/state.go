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

// flow is what is remembered from Start to Callback. It is stored sealed, for
// minutes only.
type flow struct {
	mailbox.Ref
	Owner    string               `json:"owner,omitempty"`
	Provider mailbox.ProviderName `json:"provider"`
	App      string               `json:"app,omitempty"`
	Want     mailbox.Capabilities `json:"want"`
	Need     mailbox.Capabilities `json:"need"`
	Scopes   []string             `json:"scopes"`
	Verifier string               `json:"verifier"`
	ReturnTo string               `json:"return_to"`
}

// keeper signs states and keeps the flows behind them.
type keeper struct {
	store StateStore
	mac   []byte
	seal  *tokenstore.Keyring
	ttl   time.Duration
}

// minStateKey is the length of the shortest key that HMAC-SHA-256 and AES-256
// keys can be derived from.
const minStateKey = 32

func newKeeper(store StateStore, key []byte, ttl time.Duration) (*keeper, error) {
	if len(key) < minStateKey {
		return nil, mailbox.Invalid("StateKey", "at least 32 random bytes", "is too short")
	}
	mac, err := hkdf.Key(sha256.New, key, nil, "mailtether connect state signature", 32)
	if err != nil {
		return nil, mailbox.Invalid("StateKey", "a key HKDF can take", "is refused by crypto/hkdf")
	}
	sealing, err := hkdf.Key(sha256.New, key, nil, "mailtether connect flow sealing", 32)
	if err != nil {
		return nil, mailbox.Invalid("StateKey", "a key HKDF can take", "is refused by crypto/hkdf")
	}
	seal, err := tokenstore.NewKeyring(tokenstore.Key{ID: "flow", Secret: sealing})
	if err != nil {
		return nil, err
	}
	return &keeper{store: store, mac: mac, seal: seal, ttl: ttl}, nil
}

// keep stores f and returns the state parameter for it.
func (k *keeper) keep(ctx context.Context, f flow, browser string) (string, time.Time, error) {
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
func (k *keeper) take(ctx context.Context, param, browser string) (flow, error) {
	s, ok := parseState(param)
	// A missing browser secret is not the same as an empty one.
	if !ok || browser == "" || !hmac.Equal(s.mac[:], s.sign(k.mac, browser)) {
		return flow{}, badCallback(CodeStateInvalid)
	}
	if !time.Now().Before(s.expires) {
		return flow{}, badCallback(CodeStateExpired)
	}
	sealed, ok, err := k.store.Take(ctx, s.name())
	if err != nil {
		return flow{}, err
	}
	if !ok {
		return flow{}, badCallback(CodeStateUsed)
	}
	plain, err := k.seal.Decrypt(sealed, s.id[:])
	if err != nil {
		return flow{}, badCallback(CodeStateInvalid)
	}
	var f flow
	if err := json.Unmarshal(plain, &f); err != nil {
		return flow{}, badCallback(CodeStateInvalid)
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
