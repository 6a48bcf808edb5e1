package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// The files are named by version: 0001_name.sql. What was published once never
// changes. Statements end with ";" at the end of a line.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

type migration struct {
	version    int64
	name       string
	statements []string
}

// migrations returns all migrations, in order.
func migrations(d Dialect) ([]migration, error) {
	const dir = "migrations"
	entries, err := migrationFiles.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, entry := range entries {
		number, name, _ := strings.Cut(strings.TrimSuffix(entry.Name(), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version != int64(len(all)+1) {
			return nil, fmt.Errorf("migration %s is not number %d", entry.Name(), len(all)+1)
		}
		script, err := migrationFiles.ReadFile(path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		m := migration{version: version, name: name}
		for statement := range strings.SplitSeq(string(script), ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				m.statements = append(m.statements, d.sql(statement))
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// SchemaError tells that the tables are not those of this code. It is behind a
// mailbox.ClassConfig error.
type SchemaError struct {
	// Have is the version of the database, 0 without any tables; Want is that of
	// this code. If Have is lower, [Store.Migrate] is missing; if it is higher,
	// the database was upgraded by newer code.
	Have, Want int64
}

// Error names both versions.
func (e *SchemaError) Error() string { return e.Unwrap().Error() }

// Unwrap gives the two versions a place in the text of a mailbox.Error.
func (e *SchemaError) Unwrap() error {
	return &mailbox.FieldError{
		Field: "database schema", Limit: fmt.Sprintf("version %d", e.Want), Problem: fmt.Sprintf("has version %d", e.Have),
	}
}

func (e *SchemaError) config(op string) error {
	return &mailbox.Error{Op: op, Class: mailbox.ClassConfig, Code: "schema_version", Err: e}
}

// querier is a *sql.DB or a *sql.Conn.
type querier interface {
	QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row
}

// version returns the version of the schema, 0 without any.
func (d *database) version(ctx context.Context, q querier) (int64, error) {
	exists := `SELECT to_regclass('mailtether_schema') IS NOT NULL`
	if d.dialect == SQLite {
		exists = `SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'mailtether_schema'`
	}
	var found bool
	if err := q.QueryRowContext(ctx, exists).Scan(&found); err != nil || !found {
		return 0, err
	}
	var version int64
	err := q.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM mailtether_schema`).Scan(&version)
	return version, err
}

// Check fails unless the schema of the database is that of this code: with a
// [SchemaError] behind mailbox.ClassConfig, or with mailbox.ClassStorage if the
// database fails. Every operation does the same until it has succeeded once.
//
// Code that is running already goes on when newer code migrates, so a migration
// has to be one that the code before it can live with. Version 4 is none, and no
// release is older: what the code before it sends is in no count, so that newer
// code would send above the limits for a day. Stop the one before you migrate.
func (s *Store) Check(ctx context.Context) error {
	const op = "check schema"
	all, err := migrations(s.dialect)
	if err != nil {
		return failed(ctx, op, "", err)
	}
	var have int64
	if err := s.retry(ctx, func() (err error) {
		have, err = s.version(ctx, s.db)
		return err
	}); err != nil {
		return failed(ctx, op, "", err)
	}
	if want := int64(len(all)); have != want {
		return (&SchemaError{Have: have, Want: want}).config(op)
	}
	s.checked.Store(true)
	return nil
}

// Migrate brings the tables up to the version of this code, each migration in a
// transaction of its own. Several processes may call it at once: one works, the
// others wait. It is safe to repeat, and does nothing to a database that is up to
// date. A newer schema is refused as [Store.Check] does.
func (s *Store) Migrate(ctx context.Context) error {
	const op = "migrate"
	all, err := migrations(s.dialect)
	if err != nil {
		return failed(ctx, op, "", err)
	}
	for _, m := range all {
		if err := s.apply(ctx, m); err != nil {
			return failed(ctx, op, "", err)
		}
	}
	return s.Check(ctx)
}

// apply applies one migration unless that was done.
func (s *Store) apply(ctx context.Context, m migration) error {
	var conn *sql.Conn
	if err := s.retry(ctx, func() (err error) {
		conn, err = s.db.Conn(ctx)
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	begin := "BEGIN"
	if s.dialect == SQLite {
		begin = "BEGIN IMMEDIATE" // it reads first; busy_timeout bounds the wait
	}
	return s.transaction(ctx, conn, begin, func() error {
		exec := func(statement string, args ...any) error {
			_, err := conn.ExecContext(ctx, statement, args...)
			return err
		}
		if s.dialect == PostgreSQL {
			if err := exec(`SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
				return err
			}
		}
		have, err := s.version(ctx, conn)
		if err != nil || have >= m.version {
			return err
		}
		if have == 0 {
			if err := exec(s.dialect.sql(createSchema)); err != nil {
				return err
			}
		}
		for _, statement := range m.statements {
			if err := exec(statement); err != nil {
				return err
			}
		}
		return exec(s.dialect.sql(`INSERT INTO mailtether_schema (version, name, applied_at) VALUES ($1, $2, $3)`),
			m.version, m.name, time.Now().UnixMicro())
	})
}

const createSchema = `CREATE TABLE IF NOT EXISTS mailtether_schema (
    version    BIGINT NOT NULL PRIMARY KEY,
    name       {text} NOT NULL,
    applied_at BIGINT NOT NULL
)`

// migrationLock is the key of the advisory lock of PostgreSQL: "mailteth".
const migrationLock = 0x6d61696c74657468

// transaction runs f in a transaction of conn. In SQLite, it is begin that says
// when it waits for other writers: database/sql alone cannot.
func (s *Store) transaction(ctx context.Context, conn *sql.Conn, begin string, f func() error) error {
	control := ctx
	if s.dialect == SQLite {
		// A driver may report a statement that was done as cancelled; it must be
		// certain whether there is a transaction.
		control = context.WithoutCancel(ctx)
	}
	err := s.retry(ctx, func() error {
		_, err := conn.ExecContext(control, begin)
		return err
	})
	if err != nil {
		return err
	}
	if err = f(); err == nil {
		_, err = conn.ExecContext(control, "COMMIT")
	}
	if err == nil {
		return nil
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, failure := conn.ExecContext(cleanup, "ROLLBACK"); failure != nil {
		// Nobody must get this connection with a transaction on it.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

const rollbackTimeout = 5 * time.Second
