package outbox

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Memory is a Ledger in memory, for tests and for hosts that may forget what
// they sent when they restart. It keeps every intent. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	intents map[mailbox.Ref]map[string]entry
	order   map[mailbox.Ref][]string
}

// entry is an intent as JSON, so that no caller shares memory with the ledger.
type entry struct {
	raw  []byte
	next time.Time
}

// NewMemory returns an empty ledger.
func NewMemory() *Memory { return &Memory{} }

// Create implements Ledger.
func (m *Memory) Create(ctx context.Context, i Intent) (Intent, bool, error) {
	if err := ctx.Err(); err != nil {
		return Intent{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.get(i.Ref, i.Key); ok {
		return old, false, nil
	}
	i.Version = 1
	if err := m.put(i); err != nil {
		return Intent{}, false, err
	}
	m.order[i.Ref] = append(m.order[i.Ref], i.Key)
	return i, true, nil
}

// Get implements Ledger.
func (m *Memory) Get(ctx context.Context, ref mailbox.Ref, key string) (Intent, error) {
	if err := ctx.Err(); err != nil {
		return Intent{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.get(ref, key)
	if !ok {
		return Intent{}, &mailbox.Error{Op: "ledger get", Class: mailbox.ClassNotFound}
	}
	return i, nil
}

// Update implements Ledger.
func (m *Memory) Update(ctx context.Context, i Intent) (Intent, error) {
	if err := ctx.Err(); err != nil {
		return Intent{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.get(i.Ref, i.Key)
	switch {
	case !ok:
		return Intent{}, &mailbox.Error{Op: "ledger update", Class: mailbox.ClassNotFound}
	case old.Version != i.Version:
		return Intent{}, &mailbox.Error{Op: "ledger update", Class: mailbox.ClassConflict}
	}
	i.Version++
	if err := m.put(i); err != nil {
		return Intent{}, err
	}
	return i, nil
}

// Due implements Ledger.
func (m *Memory) Due(ctx context.Context, now time.Time, limit int) ([]Intent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []Intent
	for ref, keys := range m.order {
		for _, key := range keys {
			if next := m.intents[ref][key].next; !next.IsZero() && !next.After(now) {
				i, _ := m.get(ref, key)
				due = append(due, i)
			}
		}
	}
	slices.SortStableFunc(due, func(a, b Intent) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.Key, b.Key))
	})
	return due[:min(limit, len(due))], nil
}

// List implements Ledger.
func (m *Memory) List(ctx context.Context, ref mailbox.Ref) iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		m.mu.Lock()
		keys := slices.Clone(m.order[ref])
		m.mu.Unlock()
		for _, key := range keys {
			i, err := m.Get(ctx, ref, key)
			if !yield(i, err) || err != nil {
				return
			}
		}
	}
}

func (m *Memory) get(ref mailbox.Ref, key string) (Intent, bool) {
	e, ok := m.intents[ref][key]
	if !ok {
		return Intent{}, false
	}
	var i Intent
	if err := json.Unmarshal(e.raw, &i); err != nil {
		panic("outbox: " + err.Error()) // put wrote it
	}
	return i, true
}

func (m *Memory) put(i Intent) error {
	raw, err := json.Marshal(i)
	if err != nil {
		return &mailbox.Error{Op: "ledger write", Class: mailbox.ClassInvalid, Err: err}
	}
	if m.intents == nil {
		m.intents, m.order = map[mailbox.Ref]map[string]entry{}, map[mailbox.Ref][]string{}
	}
	if m.intents[i.Ref] == nil {
		m.intents[i.Ref] = map[string]entry{}
	}
	m.intents[i.Ref][i.Key] = entry{raw, i.NextAt}
	return nil
}
