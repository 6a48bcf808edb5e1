package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/threading"
)

// sentMessage returns one with an id, a thread, a recipient and 32 phrases.
func sentMessage(ref mailbox.Ref, i int) threading.SentMessage {
	m := threading.SentMessage{
		Ref: ref, Key: fmt.Sprintf("campaign-7/contact-%09d", i), Provider: mailbox.Gmail,
		IDs:        []mailbox.RFCMessageID{mailbox.RFCMessageID(fmt.Sprintf("%09d.1a2b3c4d5e6f@outbound.example.com", i))},
		Thread:     mailbox.ThreadID(fmt.Sprintf("18f0a%011x", i)),
		Recipients: []string{fmt.Sprintf("contact.%09d@example.org", i)},
		Subject:    "A question about the warehouse",
		At:         time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second),
	}
	for p := range uint64(32) {
		m.Phrases = append(m.Phrases, (p+1)<<58+uint64(i))
	}
	return m
}

// fillIndex puts n messages into a mailbox that nobody finds by id, without going
// through the store, and one that can be found: number 0. They have four terms,
// the last of which is the same for all.
func fillIndex(t testing.TB, store *sqlstore.Store, db *sql.DB, d database, ref mailbox.Ref, n int) {
	t.Helper()
	if err := store.Index().Add(t.Context(), sentMessage(ref, 0)); err != nil {
		t.Fatal(err)
	}
	key, random := `CAST('filler ' || i AS BLOB)`, `randomblob(16)`
	if d.Dialect == sqlstore.PostgreSQL {
		key, random = `CAST('filler ' || i AS BYTEA)`, `decode(md5(CAST(random() AS TEXT)), 'hex')`
	}
	domain := threading.DomainTerm("example.org")
	for _, fill := range []struct {
		series int
		text   string
		args   []any
	}{
		{n, `INSERT INTO mailtether_sent (tenant, mailbox, key, version, at, document)
			SELECT s.tenant, s.mailbox, ` + key + `, 1, s.at + 1000 * i, s.document FROM n, mailtether_sent AS s
			WHERE s.tenant = $1 AND s.mailbox = $2`, nil},
		{3, `INSERT INTO mailtether_sent_terms (tenant, mailbox, key, at, term)
			SELECT s.tenant, s.mailbox, s.key, s.at, ` + random + ` FROM n, mailtether_sent AS s
			WHERE s.tenant = $1 AND s.mailbox = $2 AND s.version = 1`, nil},
		{0, `INSERT INTO mailtether_sent_terms (tenant, mailbox, key, at, term)
			SELECT tenant, mailbox, key, at, $3 FROM mailtether_sent WHERE tenant = $1 AND mailbox = $2 AND version = 1`, []any{domain[:]}},
	} {
		series := fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", fill.series)
		text := strings.Replace(fill.text, "SELECT", series+"SELECT", 1)
		if _, err := db.ExecContext(t.Context(), text, append([]any{string(ref.Tenant), string(ref.Mailbox)}, fill.args...)...); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever else is in the tables and however many terms are asked for, nothing
// reads more than the index gives, not even with a plan that was made for any
// mailbox.
func TestIndexIsNotScanned(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		if b.name == "SQLite in memory" {
			continue // its plans are those of SQLite in a file
		}
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			d := b.make(t)
			store, db := migrated(t, d)
			others := 20_000 // messages in each of ten other mailboxes
			if d.Dialect == sqlstore.SQLite {
				others = 2_000 // enough for its planner, and slow under the race detector
			}
			for i := range 10 {
				fillIndex(t, store, db, d, mailbox.Ref{Tenant: "tenant", Mailbox: mailbox.MailboxID(fmt.Sprint("other ", i))}, others)
			}
			for i := range 100 {
				if err := store.Index().Add(t.Context(), sentMessage(fleetRef, i)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := db.ExecContext(t.Context(), "ANALYZE"); err != nil {
				t.Fatal(err)
			}
			spy := &spy{driver: db.Driver(), dsn: d.DSN}
			spied := sql.OpenDB(spy)
			defer spied.Close()
			index := newStore(t, spied, d, sqlstore.Options{}).Index()
			m := sentMessage(fleetRef, 50)
			terms := m.Terms()
			for i := range 300 {
				terms = append(terms, threading.ThreadTerm(sentMessage(fleetRef, i).Thread))
			}
			calls := map[string]func() error{
				"Find by an id": func() error { return finds(t.Context(), index, 1, terms[0]) },
				"Find by many":  func() error { return finds(t.Context(), index, 100, terms...) },
				"Add of an old message": func() error {
					m.Thread = "moved"
					return index.Add(t.Context(), m)
				},
				"Forget": func() error {
					n, err := index.Forget(t.Context(), fleetRef, sentMessage(fleetRef, 10).At)
					return errors.Join(err, want("forgotten", n, 10))
				},
			}
			for _, name := range []string{"Find by an id", "Find by many", "Add of an old message", "Forget"} {
				spy.take()
				if err := calls[name](); err != nil {
					t.Fatalf("%s: %v (%s)", name, err, unwrapped(err))
				}
				seen := 0
				for _, s := range spy.take() {
					if !strings.Contains(s.text, "mailtether_sent") {
						continue
					}
					seen++
					plan := explain(t, db, d, s)
					if strings.Contains(plan, "Seq Scan on mailtether") || strings.Contains(plan, "SCAN mailtether") ||
						strings.Contains(plan, "SCAN s") || strings.Contains(plan, "SCAN t") {
						t.Errorf("%s scans:\n%s\n%s", name, s.text, plan)
					}
				}
				if seen == 0 {
					t.Errorf("%s: no statement was seen", name)
				}
			}
		})
	}
}

func finds(ctx context.Context, index threading.Index, n int, terms ...threading.Term) error {
	found, err := index.Find(ctx, fleetRef, terms...)
	return errors.Join(err, want("found", len(found), n))
}

func want(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%d %s, want %d", got, what, want)
	}
	return nil
}

// explain returns the plan of a statement; in PostgreSQL that for any values.
func explain(t *testing.T, db *sql.DB, d database, s statement) string {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query, args := "EXPLAIN QUERY PLAN "+s.text, s.args
	if d.Dialect == sqlstore.PostgreSQL {
		var values []string
		for _, a := range s.args {
			switch v := a.(type) {
			case nil:
				values = append(values, "NULL")
			case []byte:
				values = append(values, fmt.Sprintf("'\\x%x'", v))
			default:
				values = append(values, "'"+strings.ReplaceAll(fmt.Sprint(v), "'", "''")+"'")
			}
		}
		for _, text := range []string{"SET plan_cache_mode = force_generic_plan", "PREPARE spied AS " + s.text} {
			if _, err := conn.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		query, args = "EXPLAIN EXECUTE spied ("+strings.Join(values, ", ")+")", nil
	}
	rows, err := conn.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() {
		rows.Close()
		if d.Dialect == sqlstore.PostgreSQL {
			if _, err := conn.ExecContext(t.Context(), "DEALLOCATE spied"); err != nil {
				t.Error(err)
			}
		}
	}()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		line := ""
		dest := make([]any, len(columns))
		for i := range dest {
			dest[i] = new(any)
		}
		dest[len(dest)-1] = &line
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// spy is a driver.Connector that notes the statements of its connections.
type spy struct {
	driver driver.Driver
	dsn    string
	mu     sync.Mutex
	seen   []statement
}

type statement struct {
	text string
	args []any
}

func (s *spy) Connect(context.Context) (driver.Conn, error) {
	conn, err := s.driver.Open(s.dsn)
	return spiedConn{conn, s}, err
}

func (s *spy) note(text string, args []driver.NamedValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	noted := statement{text: text}
	for _, a := range args {
		noted.args = append(noted.args, a.Value)
	}
	s.seen = append(s.seen, noted)
}

func (s *spy) take() []statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *spy) Driver() driver.Driver { return s.driver }

type spiedConn struct {
	driver.Conn
	spy *spy
}

func (c spiedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.spy.note(text, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
}

func (c spiedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.spy.note(text, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
}
