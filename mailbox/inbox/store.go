package inbox

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// State is how far a mailbox has been read. It is plain data; a Store keeps it.
type State struct {
	mailbox.Ref
	// Cursor is the position up to which everything was dealt with.
	Cursor mailbox.Cursor `json:"cursor"`
	// BeganAt is when the first position was taken. What came before is not read.
	BeganAt time.Time `json:"began_at"`
	// SyncedAt is a time before which nothing is left to read: where a resync
	// starts when the provider has lost the cursor.
	SyncedAt time.Time `json:"synced_at"`
	// Failing counts how often the handler failed on an event, by event id.
	Failing map[string]int `json:"failing,omitempty"`
	// SetAside lists what was given up, newest last, at most 100 entries.
	SetAside []SetAside `json:"set_aside,omitempty"`
	// Resync is the progress of a resync that has begun; nil when there is none.
	Resync *Resync `json:"resync,omitempty"`
	// Version counts the writes, for compare-and-swap. The store sets it; 0 is a
	// state that was never stored.
	Version int64 `json:"version"`
}

// SetAside names a message the handler could not take, or (with Attempts 0) the
// provider failed to give.
type SetAside struct {
	EventID  string            `json:"event_id"`
	ID       mailbox.MessageID `json:"id"`
	Attempts int               `json:"attempts"`
	At       time.Time         `json:"at"`
}

// Resync is the progress of reading a mailbox again after its cursor was lost.
type Resync struct {
	// Cursor was taken before the resync began; changes go on from there.
	Cursor mailbox.Cursor `json:"cursor"`
	Since  time.Time      `json:"since"`
	// Folder and Page are where to go on.
	Folder int    `json:"folder"`
	Page   string `json:"page,omitempty"`
	Read   int    `json:"read"`
}

// Store keeps states and the ids of events that were delivered. Every method is
// safe for concurrent use. Package inboxtest holds the rules.
type Store interface {
	// Load returns the state of a mailbox; one that was never stored has
	// Version 0.
	Load(ctx context.Context, ref mailbox.Ref) (State, error)
	// Save stores s and remembers the delivered event ids, both or neither. The
	// stored version has to equal s.Version, else it fails with ClassConflict.
	// It returns s with its next version.
	Save(ctx context.Context, s State, delivered []string) (State, error)
	// Delivered returns those of the event ids that were delivered before. A
	// store may forget ids after 90 days.
	Delivered(ctx context.Context, ref mailbox.Ref, ids []string) (map[string]bool, error)
}

// Memory is a Store in memory. It forgets nothing: about 100 bytes for each
// delivered event. The zero value is ready.
type Memory struct {
	mu        sync.Mutex
	states    map[mailbox.Ref]State
	delivered map[mailbox.Ref]map[string]bool
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{} }

// Load implements Store.
func (m *Memory) Load(ctx context.Context, ref mailbox.Ref) (State, error) {
	if err := ctx.Err(); err != nil {
		return State{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.states[ref].clone()
	s.Ref = ref
	return s, nil
}

// Save implements Store.
func (m *Memory) Save(ctx context.Context, s State, delivered []string) (State, error) {
	if err := ctx.Err(); err != nil {
		return State{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.states[s.Ref].Version != s.Version {
		return State{}, &mailbox.Error{Op: "inbox save", Mailbox: s.Mailbox, Class: mailbox.ClassConflict}
	}
	if m.states == nil {
		m.states, m.delivered = map[mailbox.Ref]State{}, map[mailbox.Ref]map[string]bool{}
	}
	s.Version++
	m.states[s.Ref] = s.clone()
	if m.delivered[s.Ref] == nil {
		m.delivered[s.Ref] = map[string]bool{}
	}
	for _, id := range delivered {
		m.delivered[s.Ref][id] = true
	}
	return s, nil
}

// Delivered implements Store.
func (m *Memory) Delivered(ctx context.Context, ref mailbox.Ref, ids []string) (map[string]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := map[string]bool{}
	for _, id := range ids {
		if m.delivered[ref][id] {
			known[id] = true
		}
	}
	return known, nil
}

func (s State) clone() State {
	s.Failing = maps.Clone(s.Failing)
	s.SetAside = slices.Clone(s.SetAside)
	if s.Resync != nil {
		s.Resync = new(*s.Resync)
	}
	return s
}
