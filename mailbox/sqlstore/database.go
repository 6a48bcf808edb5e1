package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// database runs statements.
type database struct {
	db      *sql.DB
	dialect Dialect
	checked atomic.Bool // the schema is that of this code
}

// sql returns a statement, written with $1 and the words in braces, in the
// dialect.
func (d Dialect) sql(statement string) string {
	switch d {
	case SQLite:
		// Of its forms of parameters, ?1 means the same to every driver.
		return strings.NewReplacer("$", "?",
			"{text}", "TEXT COLLATE BINARY", "{bytes}", "BLOB", "{clustered}", "WITHOUT ROWID",
			"{now}", "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
		).Replace(statement)
	default:
		return strings.NewReplacer(
			"{text}", `TEXT COLLATE "C"`, "{bytes}", "BYTEA", "{clustered}", "",
			// The time now, not the time when the transaction began.
			"{now}", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
		).Replace(statement)
	}
}

// busyLimit is how long a statement is tried again while SQLite is locked by
// others, unless its context ends first.
const busyLimit = 10 * time.Second

// retry calls f again while SQLite refuses it because of a lock: it has had no
// effect then.
func (d *database) retry(ctx context.Context, f func() error) error {
	start := time.Now()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := f()
		if d.dialect != SQLite || !busy(err) || time.Since(start) > busyLimit {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// busy reports whether err is SQLITE_BUSY or SQLITE_LOCKED. Drivers have types of
// their own for it, but all pass on SQLite's words: "database is locked",
// "database table is locked".
func busy(err error) bool {
	return err != nil && strings.Contains(err.Error(), " is locked")
}

// sleep waits for d, give or take a half at random, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// one runs a statement that gives at most one row, and scans it. It reads to the
// end: only then has SQLite committed what a statement with RETURNING wrote.
func (d *database) one(ctx context.Context, statement string, args []any, dest ...any) (bool, error) {
	found := false
	err := d.retry(ctx, func() error {
		found = false
		return d.each(ctx, statement, args, func(rows *sql.Rows) error {
			found = true
			return rows.Scan(dest...)
		})
	})
	return found && err == nil, err
}

// each runs a statement and calls f for every row. It does not retry.
func (d *database) each(ctx context.Context, statement string, args []any, f func(*sql.Rows) error) error {
	rows, err := d.db.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// exec runs a statement and returns how many rows it changed.
func (d *database) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	var n int64
	err := d.retry(ctx, func() error {
		result, err := d.db.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// pageSize is how many rows a list reads at a time.
const pageSize = 256

// pages ranges over what load gives, page by page: the rows whose key is above
// after, at most pageSize, in the order of key. Nothing is open while the
// caller has a row, so it may write, also through the only connection there is.
func pages[T any](ctx context.Context, load func(after string) ([]T, error), key func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for after := ""; ; {
			page, err := load(after)
			for _, row := range page {
				if err := ctx.Err(); err != nil {
					yield(none, failed(ctx, "list", "", err))
					return
				}
				if !yield(row, nil) {
					return
				}
			}
			if err != nil {
				yield(none, err)
				return
			}
			if len(page) < pageSize {
				return
			}
			after = key(page[len(page)-1])
		}
	}
}

// failed returns a failure of the database as an error of this package. That of
// the context is reachable, whatever the driver made of it.
func failed(ctx context.Context, op string, id mailbox.MailboxID, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return &mailbox.Error{Op: op, Mailbox: id, Class: mailbox.ClassStorage, Err: err}
}
