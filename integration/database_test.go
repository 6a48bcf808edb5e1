package integration

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mailtether/mailtether/mailbox/sqlstore"
)

// service returns the value of the environment variable that names a service.
// Without it the test is skipped.
func service(t testing.TB, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		problem := variable + ` is not set: eval "$(.ci/services start)" starts what it names`
		if os.Getenv("MAILTETHER_REQUIRE_SERVICES") != "" {
			t.Fatal(problem)
		}
		t.Skip(problem)
	}
	return value
}

// database says where a database is. It travels to child processes.
type database struct {
	Dialect sqlstore.Dialect
	DSN     string
	// Conns bounds the connections of a process.
	Conns int
}

func (d database) open() (*sql.DB, error) {
	driver := "pgx"
	if d.Dialect == sqlstore.SQLite {
		driver = "sqlite"
	}
	db, err := sql.Open(driver, d.DSN)
	if err == nil {
		db.SetMaxOpenConns(d.Conns)
		db.SetMaxIdleConns(d.Conns)
	}
	return db, err
}

// backends are the databases that everything runs on. make returns an empty one,
// which the test has for itself and which is gone after it.
var backends = []struct {
	name string
	make func(t testing.TB) database
}{
	{"SQLite", sqliteFile},
	{"SQLite in memory", func(testing.TB) database {
		return database{Dialect: sqlstore.SQLite, DSN: ":memory:", Conns: 1}
	}},
	{"PostgreSQL", postgres},
}

// sqliteFile returns a database as the package documentation recommends it, but
// for syncing to disk.
func sqliteFile(t testing.TB) database {
	file := url.URL{Scheme: "file", Opaque: filepath.ToSlash(filepath.Join(t.TempDir(), "mail.db"))}
	file.RawQuery = "_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)&_txlock=immediate"
	return database{Dialect: sqlstore.SQLite, DSN: file.String(), Conns: 8}
}

// postgres returns a schema of its own in the database of MAILTETHER_POSTGRES.
func postgres(t testing.TB) database {
	t.Helper()
	server := service(t, "MAILTETHER_POSTGRES")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("MAILTETHER_POSTGRES is not a URL")
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	schema := "test_" + strings.ToLower(rand.Text())
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatalf("MAILTETHER_POSTGRES: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return database{Dialect: sqlstore.PostgreSQL, DSN: u.String(), Conns: 8}
}

// onAll runs a test on every database.
func onAll(t *testing.T, test func(t *testing.T, d database)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			test(t, b.make(t))
		})
	}
}

// openDB opens a database for as long as the test runs.
func openDB(t testing.TB, d database) *sql.DB {
	t.Helper()
	db, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newStore(t testing.TB, db *sql.DB, d database, o sqlstore.Options) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.New(db, d.Dialect, o)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// migrated returns a store with all its tables, and the database that it is on.
func migrated(t testing.TB, d database) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	return migratedWith(t, d, sqlstore.Options{})
}

func migratedWith(t testing.TB, d database, o sqlstore.Options) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := openDB(t, d)
	store := newStore(t, db, d, o)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate: %v (%v)", err, unwrapped(err))
	}
	return store, db
}

// unwrapped returns the innermost errors, which the text of a mailbox.Error
// leaves out.
func unwrapped(err error) string {
	for {
		switch e := err.(type) { //nolint:errorlint // looks at every level
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return err.Error()
			}
			err = e.Unwrap()
		default:
			return fmt.Sprint(err)
		}
	}
}
