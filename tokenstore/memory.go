package tokenstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/mailtether/mailtether/mailbox"
)

// Memory is a [Store] in memory, for tests and for hosts whose mailboxes need
// not survive a restart. It is also a [TenantLister] and a [Locker], whose leases
// last a minute. Use [NewMemory].
type Memory struct {
	leases leases

	mu      sync.Mutex
	records map[mailbox.TenantID]map[mailbox.MailboxID]Record
	version int64
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{
		leases:  newLeases(),
		records: make(map[mailbox.TenantID]map[mailbox.MailboxID]Record),
	}
}

// Format prints nothing of what is inside, with every verb.
func (m *Memory) Format(f fmt.State, _ rune) { io.WriteString(f, "Memory{"+redacted+"}") }

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, ref mailbox.Ref) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, ok := m.records[ref.Tenant][ref.Mailbox]
	if !ok {
		return Record{}, ErrNotFound
	}
	return rec.clone(), nil
}

// Put implements [Store].
func (m *Memory) Put(ctx context.Context, rec Record) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// The zero Record of a missing entry has the version of one to create.
	if m.records[rec.Tenant][rec.Mailbox].Version != rec.Version {
		return Record{}, ErrConflict
	}
	m.version++
	rec.Version = m.version
	if m.records[rec.Tenant] == nil {
		m.records[rec.Tenant] = make(map[mailbox.MailboxID]Record)
	}
	m.records[rec.Tenant][rec.Mailbox] = rec.clone()
	return rec.clone(), nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, ref mailbox.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records[ref.Tenant], ref.Mailbox)
	if len(m.records[ref.Tenant]) == 0 {
		delete(m.records, ref.Tenant)
	}
	return nil
}

// List implements [Store]. It ranges over the records as they were when ranging
// began.
func (m *Memory) List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[Record, error] {
	return whileLive(ctx, func() []Record { return m.snapshot(tenant) })
}

// Tenants implements [TenantLister]. It ranges over the tenants as they were when
// ranging began.
func (m *Memory) Tenants(ctx context.Context) iter.Seq2[mailbox.TenantID, error] {
	return whileLive(ctx, func() []mailbox.TenantID {
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.Collect(maps.Keys(m.records))
	})
}

// Lock implements [Locker].
func (m *Memory) Lock(ctx context.Context, ref mailbox.Ref) (Lease, error) {
	return m.leases.lock(ctx, ref)
}

// whileLive ranges over a snapshot, which is taken when ranging begins, until ctx
// is done.
func whileLive[T any](ctx context.Context, snapshot func() []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for _, v := range snapshot() {
			if err := ctx.Err(); err != nil {
				yield(none, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(none, err)
		}
	}
}

func (m *Memory) snapshot(tenant mailbox.TenantID) []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	records := make([]Record, 0, len(m.records[tenant]))
	for _, rec := range m.records[tenant] {
		records = append(records, rec.clone())
	}
	return records
}

// clone returns a copy that shares no memory with rec.
func (rec Record) clone() Record {
	rec.Sealed = bytes.Clone(rec.Sealed)
	return rec
}
