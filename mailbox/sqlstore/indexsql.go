package sqlstore

import (
	"context"
)

// indexStatements are those of an Index. What changes messages is one statement
// in PostgreSQL, which returns how many. SQLite cannot change two tables by one:
// there it is several, for a transaction, of which the last one changes the
// messages. Every statement uses the last of its parameters, because drivers may
// refuse more than are used.
type indexStatements struct {
	get, find              string
	create, update, forget []string
}

func indexSQL(d Dialect) indexStatements {
	s := indexStatements{
		get: d.sql(`SELECT version, document FROM mailtether_sent WHERE tenant = $1 AND mailbox = $2 AND key = $3`),
	}
	if d == SQLite {
		return s.sqlite()
	}
	return s.postgreSQL()
}

func (s indexStatements) postgreSQL() indexStatements {
	d := PostgreSQL
	// The LIMIT of each inner query keeps the planner from reading whole mailboxes
	// instead, which it takes for cheaper when there are many terms.
	s.find = d.sql(`SELECT m.key, m.document
		FROM (SELECT h.key, MIN(w.position) AS position
			FROM json_array_elements_text(CAST(CAST($3 AS TEXT) AS json)) WITH ORDINALITY AS w (term, position)
			CROSS JOIN LATERAL (SELECT t.key FROM mailtether_sent_terms AS t
				WHERE t.tenant = $1 AND t.mailbox = $2 AND t.term = decode(w.term, 'hex')
				ORDER BY t.at DESC, t.key LIMIT $4) AS h
			GROUP BY h.key) AS f
		CROSS JOIN LATERAL (SELECT s.key, s.at, s.document FROM mailtether_sent AS s
			WHERE s.tenant = $1 AND s.mailbox = $2 AND s.key = f.key LIMIT 1) AS m
		ORDER BY f.position, m.at DESC, m.key`)
	s.create = []string{d.sql(`WITH changed AS (
			INSERT INTO mailtether_sent (tenant, mailbox, key, version, document, at)
			VALUES ($1, $2, $3, $5, $6, $7)
			ON CONFLICT (tenant, mailbox, key) DO NOTHING
			RETURNING tenant, mailbox, key, at),
		added AS (
			INSERT INTO mailtether_sent_terms (tenant, mailbox, key, term, at)
			SELECT tenant, mailbox, key, decode(term, 'hex'), at
			FROM changed, json_array_elements_text(CAST(CAST($4 AS TEXT) AS json)) AS w (term))
		SELECT COUNT(*) FROM changed`)}
	// All parts see the terms as they were when the statement began. They are
	// those of the version that it replaces, or it changes nothing.
	s.update = []string{d.sql(`WITH changed AS (
			UPDATE mailtether_sent SET version = $5, document = $6, at = $7
			WHERE tenant = $1 AND mailbox = $2 AND key = $3 AND version = $8
			RETURNING tenant, mailbox, key, at),
		wanted AS (
			SELECT tenant, mailbox, key, decode(term, 'hex') AS term, at
			FROM changed, json_array_elements_text(CAST(CAST($4 AS TEXT) AS json)) AS w (term)),
		dropped AS (
			DELETE FROM mailtether_sent_terms
			WHERE tenant = $1 AND mailbox = $2 AND key IN (SELECT key FROM changed) AND term NOT IN (SELECT term FROM wanted)),
		kept AS (
			INSERT INTO mailtether_sent_terms AS t (tenant, mailbox, key, term, at)
			SELECT tenant, mailbox, key, term, at FROM wanted
			ON CONFLICT (tenant, mailbox, key, term) DO UPDATE SET at = excluded.at WHERE t.at <> excluded.at)
		SELECT COUNT(*) FROM changed`)}
	// A message that is written meanwhile has another version and other terms: it
	// is left to the next batch. All lock in the same order.
	s.forget = []string{d.sql(`WITH old AS (
			SELECT key, version FROM mailtether_sent
			WHERE tenant = $1 AND mailbox = $2 AND at < $3
			ORDER BY at, key LIMIT $4 FOR UPDATE),
		changed AS (
			DELETE FROM mailtether_sent AS s USING old
			WHERE s.tenant = $1 AND s.mailbox = $2 AND s.key = old.key AND s.version = old.version
			RETURNING s.key),
		dropped AS (
			DELETE FROM mailtether_sent_terms AS t USING changed
			WHERE t.tenant = $1 AND t.mailbox = $2 AND t.key = changed.key)
		SELECT COUNT(*) FROM changed`)}
	return s
}

func (s indexStatements) sqlite() indexStatements {
	d := SQLite
	s.find = d.sql(`SELECT s.key, s.document
		FROM json_each($3) AS w CROSS JOIN mailtether_sent AS s
		WHERE s.tenant = $1 AND s.mailbox = $2 AND s.key IN (
			SELECT t.key FROM mailtether_sent_terms AS t
			WHERE t.tenant = $1 AND t.mailbox = $2 AND t.term = unhex(w.value)
			ORDER BY t.at DESC, t.key LIMIT $4)
		GROUP BY s.key
		ORDER BY MIN(w.key), s.at DESC, s.key`)
	s.create = []string{
		d.sql(`INSERT INTO mailtether_sent_terms (tenant, mailbox, key, term, at)
			SELECT $1, $2, $3, unhex(w.value), $7 FROM json_each($4) AS w
			WHERE NOT EXISTS (SELECT 1 FROM mailtether_sent WHERE tenant = $1 AND mailbox = $2 AND key = $3)`),
		d.sql(`INSERT INTO mailtether_sent (tenant, mailbox, key, version, document, at)
			VALUES ($1, $2, $3, $5, $6, $7)
			ON CONFLICT (tenant, mailbox, key) DO NOTHING`),
	}
	s.update = []string{
		d.sql(`DELETE FROM mailtether_sent_terms
			WHERE tenant = $1 AND mailbox = $2 AND key = $3
			AND EXISTS (SELECT 1 FROM mailtether_sent WHERE tenant = $1 AND mailbox = $2 AND key = $3 AND version = $8)`),
		d.sql(`INSERT INTO mailtether_sent_terms (tenant, mailbox, key, term, at)
			SELECT $1, $2, $3, unhex(w.value), $7 FROM json_each($4) AS w
			WHERE EXISTS (SELECT 1 FROM mailtether_sent WHERE tenant = $1 AND mailbox = $2 AND key = $3 AND version = $8)`),
		d.sql(`UPDATE mailtether_sent SET version = $5, document = $6, at = $7
			WHERE tenant = $1 AND mailbox = $2 AND key = $3 AND version = $8`),
	}
	s.forget = []string{
		d.sql(`DELETE FROM mailtether_sent_terms
			WHERE tenant = $1 AND mailbox = $2 AND key IN (
				SELECT key FROM mailtether_sent WHERE tenant = $1 AND mailbox = $2 AND at < $3 ORDER BY at, key LIMIT $4)`),
		d.sql(`DELETE FROM mailtether_sent
			WHERE tenant = $1 AND mailbox = $2 AND key IN (
				SELECT key FROM mailtether_sent WHERE tenant = $1 AND mailbox = $2 AND at < $3 ORDER BY at, key LIMIT $4)`),
	}
	return s
}

// change runs what changes messages, and returns how many it has changed.
func (s *Store) change(ctx context.Context, statements []string, args []any) (int, error) {
	var n int64
	if s.dialect == PostgreSQL {
		_, err := s.one(ctx, statements[0], args, &n)
		return int(n), err
	}
	err := s.retry(ctx, func() error {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		// The first statement is a write: it waits for others, until ctx ends.
		return s.transaction(ctx, conn, "BEGIN", func() error {
			for _, statement := range statements {
				result, err := conn.ExecContext(ctx, statement, args...)
				if err != nil {
					return err
				}
				if n, err = result.RowsAffected(); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
