package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// heldLog is a log whose row a transaction holds: until it ends, nobody else
// changes anything of the log.
type heldLog struct {
	ctx  context.Context
	conn *sql.Conn
	*Sends
	args     []any // those of logArgs
	now      int64 // by the database's clock
	version  int64
	document []byte // of the state, unless it is that of the version asked for
	usedAt   int64
}

// hold holds the row of a log, and reads the document of its state unless that has
// the version, or version is nil. It returns sql.ErrNoRows if there is no row.
func (s *Sends) hold(ctx context.Context, conn *sql.Conn, log []any, version any) (*heldLog, error) {
	h := &heldLog{ctx: ctx, conn: conn, Sends: s, args: log}
	err := conn.QueryRowContext(ctx, s.sql.hold, append(log[:3:3], version)...).Scan(&h.version, &h.document, &h.usedAt, &h.now)
	return h, err
}

// holdOrOpen holds the row of a log that it adds if it is missing.
func (s *Sends) holdOrOpen(ctx context.Context, conn *sql.Conn, log []any, version any) (*heldLog, error) {
	h, err := s.hold(ctx, conn, log, version)
	if !errors.Is(err, sql.ErrNoRows) {
		return h, err
	}
	if _, err := conn.ExecContext(ctx, s.sql.open, log...); err != nil {
		return nil, err
	}
	return s.hold(ctx, conn, log, version)
}

// useEvery is how often it is noted that a log is in use.
const useEvery = time.Hour

// use notes that the log is in use.
func (h *heldLog) use() error {
	if h.now-h.usedAt <= useEvery.Microseconds() {
		return nil
	}
	_, err := h.exec(h.sql.use)
	return err
}

// exec runs a statement about the log, and returns how many rows it changed.
func (h *heldLog) exec(statement string, more ...any) (int64, error) {
	result, err := h.conn.ExecContext(h.ctx, statement, append(h.args[:3:3], more...)...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// A span is 2^26 microseconds, 67 seconds, counted since 1970: shifting a time to
// the right rounds down in both databases, before 1970 as well.
const spanBits = 26

// spanOf is the span that a time is in, and spanEnd when that ends.
func spanOf(at int64) int64  { return at >> spanBits }
func spanEnd(at int64) int64 { return (spanOf(at) + 1) << spanBits }

// entry is an entry of a log; it is not found if it has no recipients.
type entry struct {
	at, recipients int64
	settled        bool
}

func (e entry) found() bool { return e.recipients > 0 }

// entry returns the entry of a key.
func (h *heldLog) entry(key string) (e entry, err error) {
	err = h.conn.QueryRowContext(h.ctx, h.sql.entry, append(h.args[:3:3], []byte(key))...).Scan(&e.at, &e.recipients, &e.settled)
	if errors.Is(err, sql.ErrNoRows) {
		return entry{}, nil
	}
	return e, err
}

// put gives a key another entry than it has, and counts it. It reports whether the
// entry is the only one in its span.
func (h *heldLog) put(key string, old, e entry) (first bool, err error) {
	settled := 0
	if e.settled {
		settled = 1
	}
	if _, err := h.exec(h.sql.put, []byte(key), e.at, e.recipients, settled); err != nil {
		return false, err
	}
	if old.found() {
		if spanOf(old.at) == spanOf(e.at) && old.recipients == e.recipients {
			return false, nil
		}
		if err := h.uncount(old); err != nil {
			return false, err
		}
	}
	var messages int64
	args := append(h.args[:3:3], spanOf(e.at), e.recipients)
	err = h.conn.QueryRowContext(h.ctx, h.sql.count, args...).Scan(&messages)
	return messages == 1, err
}

// remove removes the entry of a key, if it has one.
func (h *heldLog) remove(key string) error {
	old, err := h.entry(key)
	if err != nil || !old.found() {
		return err
	}
	if _, err := h.exec(h.sql.remove, []byte(key)); err != nil {
		return err
	}
	return h.uncount(old)
}

// uncount takes an entry out of the count of its span.
func (h *heldLog) uncount(e entry) error {
	_, err := h.exec(h.sql.uncount, spanOf(e.at), e.recipients)
	return err
}

// prune removes up to n entries with a time before the given one, and all spans
// that are over by then: no window will ask for them. It reports whether there may
// be more.
func (h *heldLog) prune(before int64, n int) (more bool, err error) {
	removed, err := h.exec(h.sql.prune, before, n)
	if err != nil {
		return false, err
	}
	_, err = h.exec(h.sql.pruneSpans, spanOf(before))
	return removed == int64(n), err
}
