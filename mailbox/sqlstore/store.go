package sqlstore

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Dialect is the kind of database.
type Dialect string

// The dialects.
const (
	PostgreSQL Dialect = "postgresql"
	SQLite     Dialect = "sqlite"
)

// Options are what a host may decide. The zero value is fine.
type Options struct {
	// LeaseTTL is how long a lock of a mailbox lasts if its holder dies. It has
	// to cover a refresh: 0 means 60 s, which is the 30 s that a
	// tokenstore.Source gives the provider by default, 15 s to store the token,
	// and a margin. At least 1 s, at most 1 hour.
	LeaseTTL time.Duration
}

const (
	defaultLeaseTTL = time.Minute
	minLeaseTTL     = time.Second
	maxLeaseTTL     = time.Hour
)

// Store is a database. It is safe for concurrent use and holds no goroutine. Use
// [New].
type Store struct {
	database
	leaseTTL time.Duration
	swept    struct{ states, leases, calls, logs atomic.Int64 } // Unix seconds
	writer   chan struct{}                                      // in SQLite, holds one element during a transaction of atomic
}

// New returns a Store on db, which stays the host's to configure and close. It
// does not connect. A configuration that cannot work is a mailbox.ClassInvalid
// error that names the field.
func New(db *sql.DB, d Dialect, o Options) (*Store, error) {
	if db == nil {
		return nil, mailbox.Invalid("db", "a *sql.DB", "is missing")
	}
	if d != PostgreSQL && d != SQLite {
		return nil, mailbox.Invalid("dialect", "PostgreSQL or SQLite", "is neither")
	}
	if o.LeaseTTL == 0 {
		o.LeaseTTL = defaultLeaseTTL
	}
	if o.LeaseTTL < minLeaseTTL || o.LeaseTTL > maxLeaseTTL {
		return nil, mailbox.Invalid("Options.LeaseTTL", "1 second to 1 hour", "is out of range")
	}
	return &Store{database: database{db: db, dialect: d}, leaseTTL: o.LeaseTTL, writer: make(chan struct{}, 1)}, nil
}

// Accounts returns the store of accounts.
func (s *Store) Accounts() *Accounts { return &Accounts{store: s, sql: accountSQL(s.dialect)} }

// States returns the store of sign-ins under way.
func (s *Store) States() *States { return &States{store: s, sql: stateSQL(s.dialect)} }

// Tokens returns the store of sealed tokens.
func (s *Store) Tokens() *Tokens { return &Tokens{store: s, sql: tokenSQL(s.dialect)} }

// Index returns the store of sent messages.
func (s *Store) Index() *Index { return &Index{store: s, sql: indexSQL(s.dialect)} }

// Sends returns the store of what mailboxes have sent.
func (s *Store) Sends() *Sends { return &Sends{store: s, sql: sendSQL(s.dialect)} }

// Calls returns the store of the budgets of calls.
func (s *Store) Calls() *Calls { return &Calls{store: s, sql: callSQL(s.dialect)} }

// due reports whether something that is done once in a while should be done
// again, and if so, notes that it was.
func due(last *atomic.Int64, every time.Duration) bool {
	now, before := time.Now().Unix(), last.Load()
	return now-before >= int64(every.Seconds()) && last.CompareAndSwap(before, now)
}

// anyMailbox stands for the mailbox where a tenant alone is to be validated.
const anyMailbox mailbox.MailboxID = "-"

// ready fails unless the schema is that of this code.
func (s *Store) ready(ctx context.Context) error {
	if s.checked.Load() {
		return nil
	}
	return s.Check(ctx)
}
