package connect

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/mailtether/mailtether/mailbox"
)

// AccountStore keeps one account for each mailbox. Hosts implement it on their
// own database; the suite in package connecttest holds the rules.
//
// Implementations are safe for concurrent use, compare identifiers byte for
// byte, keep every field (times to the microsecond), never return an account of
// another tenant or mailbox than was asked for, read what was written last, and
// fail when the context is done. Failures other than those named below may be
// any error.
type AccountStore interface {
	// Get returns the account of a mailbox, or ErrNotFound.
	Get(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error)
	// Put writes a if the stored version still is a.Version; 0 creates. It
	// returns the account as stored, with its new version, which is one higher.
	// ErrConflict tells that the account has another version, exists already
	// (Version 0) or does not exist.
	//
	// ErrLinked tells that another account, of any tenant, has the same Link.
	// Accounts without a Link do not count. In SQL that is a partial unique
	// index, so that it holds between processes too.
	Put(ctx context.Context, a mailbox.Account) (mailbox.Account, error)
	// List ranges over the accounts of a tenant, in any order. A failure is the
	// last pair, with a zero Account. Ranging again starts over; stopping early
	// releases everything.
	List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[mailbox.Account, error]
	// Children ranges over the accounts of a tenant whose Parent is the mailbox,
	// whatever their state, as List does.
	Children(ctx context.Context, parent mailbox.Ref) iter.Seq2[mailbox.Account, error]
	// InUse counts the accounts of all tenants that have the provider and the
	// subject and are in a state other than mailbox.StateDisconnected. It is the
	// only query that crosses tenants, and tells nothing but a number: whether
	// ending a grant at the provider would harm anybody else.
	InUse(ctx context.Context, provider mailbox.ProviderName, subject string) (int, error)
}

// Memory is an [AccountStore] in memory. Use [NewMemory].
type Memory struct {
	mu       sync.Mutex
	accounts map[mailbox.TenantID]map[mailbox.MailboxID]mailbox.Account
	links    map[string]mailbox.Ref // who holds a Link
	uses     map[use]int            // what InUse answers
}

// use is what accounts are counted by.
type use struct {
	provider mailbox.ProviderName
	subject  string
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{
		accounts: make(map[mailbox.TenantID]map[mailbox.MailboxID]mailbox.Account),
		links:    make(map[string]mailbox.Ref),
		uses:     make(map[use]int),
	}
}

// Get implements [AccountStore].
func (m *Memory) Get(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error) {
	if err := ctx.Err(); err != nil {
		return mailbox.Account{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[ref.Tenant][ref.Mailbox]
	if !ok {
		return mailbox.Account{}, ErrNotFound
	}
	return cloneAccount(a), nil
}

// Put implements [AccountStore].
func (m *Memory) Put(ctx context.Context, a mailbox.Account) (mailbox.Account, error) {
	if err := ctx.Err(); err != nil {
		return mailbox.Account{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// The zero Account of a missing entry has the version of one to create.
	old := m.accounts[a.Tenant][a.Mailbox]
	if old.Version != a.Version {
		return mailbox.Account{}, ErrConflict
	}
	if holder, ok := m.links[a.Link]; ok && holder != a.Ref {
		return mailbox.Account{}, ErrLinked
	}
	a.Version++
	if m.accounts[a.Tenant] == nil {
		m.accounts[a.Tenant] = make(map[mailbox.MailboxID]mailbox.Account)
	}
	m.accounts[a.Tenant][a.Mailbox] = cloneAccount(a)
	m.index(old, a)
	return a, nil
}

// index keeps links and uses in step with an account that changes from old, the
// zero Account for a new one.
func (m *Memory) index(old, a mailbox.Account) {
	if old.Link != a.Link {
		delete(m.links, old.Link)
	}
	if a.Link != "" {
		m.links[a.Link] = a.Ref
	}
	if old.Version != 0 && old.State != mailbox.StateDisconnected {
		key := use{old.Provider, old.Subject}
		if m.uses[key]--; m.uses[key] == 0 {
			delete(m.uses, key)
		}
	}
	if a.State != mailbox.StateDisconnected {
		m.uses[use{a.Provider, a.Subject}]++
	}
}

// InUse implements [AccountStore].
func (m *Memory) InUse(ctx context.Context, provider mailbox.ProviderName, subject string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.uses[use{provider, subject}], nil
}

// List implements [AccountStore]. It ranges over the accounts as they were when
// ranging began.
func (m *Memory) List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[mailbox.Account, error] {
	return m.list(ctx, tenant, func(mailbox.Account) bool { return true })
}

// Children implements [AccountStore], as List does.
func (m *Memory) Children(ctx context.Context, parent mailbox.Ref) iter.Seq2[mailbox.Account, error] {
	return m.list(ctx, parent.Tenant, func(a mailbox.Account) bool { return a.Parent == parent.Mailbox })
}

func (m *Memory) list(ctx context.Context, tenant mailbox.TenantID, want func(mailbox.Account) bool) iter.Seq2[mailbox.Account, error] {
	return func(yield func(mailbox.Account, error) bool) {
		for _, a := range m.snapshot(tenant, want) {
			if err := ctx.Err(); err != nil {
				yield(mailbox.Account{}, err)
				return
			}
			if !yield(a, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(mailbox.Account{}, err)
		}
	}
}

func (m *Memory) snapshot(tenant mailbox.TenantID, want func(mailbox.Account) bool) []mailbox.Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	var accounts []mailbox.Account
	for _, a := range m.accounts[tenant] {
		if want(a) {
			accounts = append(accounts, cloneAccount(a))
		}
	}
	return accounts
}

// cloneAccount returns a copy that shares no memory with a.
func cloneAccount(a mailbox.Account) mailbox.Account {
	a.Aliases = slices.Clone(a.Aliases)
	a.Scopes = slices.Clone(a.Scopes)
	a.ExtraScopes = slices.Clone(a.ExtraScopes)
	return a
}
