package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

var _ quota.Store = (*Sends)(nil)

// Sends is a [quota.Store]. Whatever changes a log is one transaction, which holds
// the log's row: what happens to one log happens one after the other, what happens
// to different logs at once. How many entries a log has in each span of about a
// minute is kept beside them, so that a decision costs as much as reading some
// 1,300 spans of a day at most, whether a thousand messages were sent or a million.
// What was entered in a log that nothing is entered in any more goes when it is two
// days old, a while after something is entered in another.
//
// It returns mailbox.ClassInvalid for what quota.Ask.Validate and the like
// refuse, and mailbox.ClassStorage for everything else that fails.
type Sends struct {
	store *Store
	sql   sendStatements
}

// keepEntries is how long decisions keep entries, in microseconds. What is only
// seen in the mailbox takes away what is older than twice that: a message may be
// seen, and be dated, long after or before decisions.
const keepEntries = int64(quota.Retention / time.Microsecond)

// pruneBatch is how many old entries go with each new span: enough for a log with a
// million messages a day.
const pruneBatch = 1_000

// logArgs are the parameters 1 to 3 of every statement about a log.
func logArgs(l quota.Log, more ...any) []any {
	return append([]any{column(l.Tenant), column(l.Kind), column(l.Name)}, more...)
}

// Decide implements [quota.Store].
func (s *Sends) Decide(ctx context.Context, a quota.Ask) (quota.Answer, error) {
	if err := a.Validate(); err != nil {
		return quota.Answer{}, err
	}
	if err := s.store.ready(ctx); err != nil {
		return quota.Answer{}, err
	}
	var answer quota.Answer
	err := s.store.atomic(ctx, func(conn *sql.Conn) error {
		answer = quota.Answer{}
		h, err := s.holdOrOpen(ctx, conn, logArgs(a.Log), a.Version)
		if err != nil {
			return err
		}
		if h.version != a.Version {
			answer.Stale, answer.State = true, quota.State{Version: h.version, Document: h.document}
			return nil
		}
		d := decision{heldLog: h, ask: &a, at: h.now}
		if !a.At.IsZero() {
			d.at = a.At.UnixMicro()
		}
		return d.decide(&answer)
	})
	if mailbox.ClassOf(err) == mailbox.ClassInvalid {
		return quota.Answer{}, err
	}
	if err != nil {
		return quota.Answer{}, failed(ctx, "decide", "", err)
	}
	if due(&s.store.swept.logs, sweepLogs) {
		_ = s.sweep(ctx) // nothing depends on it
	}
	return answer, nil
}

// decision is a decision while it is made.
type decision struct {
	*heldLog
	ask *quota.Ask
	at  int64 // when it is made
	own entry // that the key has already
}

func (d *decision) decide(answer *quota.Answer) error {
	since := make([]int64, len(d.ask.Windows)) // entries after that are in the window
	for i, w := range d.ask.Windows {
		day, ok := d.day(w)
		if !ok {
			return mailbox.Invalid(fmt.Sprintf("windows[%d].days", i), "the time of the decision", "are of another time: the clocks differ by more than a day")
		}
		since[i] = d.at - w.Per.Microseconds()
		if w.Per == 0 {
			since[i] = w.Days[day].UnixMicro() - 1
		}
	}
	var err error
	if d.own, err = d.entry(d.ask.Key); err != nil {
		return err
	}
	used, err := d.count(d.ask.Windows, since)
	if err != nil {
		return err
	}
	answer.Allowed, answer.Known, answer.At = true, d.own.found(), time.UnixMicro(d.at).UTC()
	for i, w := range d.ask.Windows {
		u := quota.Usage{Used: int(used[i])}
		if excess := used[i] + d.need(w) - int64(w.Max); excess > 0 {
			answer.Allowed = answer.Allowed && w.Advisory
			if u.NotBefore, err = d.notBefore(w, since[i], excess); err != nil {
				return err
			}
		}
		answer.Usage = append(answer.Usage, u)
	}
	if !answer.Allowed || d.ask.DryRun {
		return nil
	}
	if err := d.use(); err != nil {
		return err
	}
	first, err := d.put(d.ask.Key, d.own, entry{at: d.at, recipients: int64(d.ask.Recipients)})
	if err != nil || !first {
		return err
	}
	_, err = d.prune(d.at-keepEntries, pruneBatch)
	return err
}

// day is which of the window's days it is. It is not ok if it is none.
func (d *decision) day(w quota.Window) (day int, ok bool) {
	if w.Per > 0 {
		return 0, true
	}
	for day = len(w.Days) - 1; day >= 0; day-- {
		if w.Days[day].UnixMicro() <= d.at {
			break
		}
	}
	return day, day >= 0 && day < len(w.Days)-1
}

// need is how much of a window the send takes.
func (d *decision) need(w quota.Window) int64 {
	return entry{recipients: int64(d.ask.Recipients)}.share(w)
}

// share is how much of a window an entry takes.
func (e entry) share(w quota.Window) int64 {
	if w.Recipients {
		return e.recipients
	}
	return 1
}

// count returns how much each window holds, without the entry of the key: what the
// spans hold that are in the window as a whole, and the entries in the rest of the
// span that it begins in.
func (d *decision) count(windows []quota.Window, since []int64) ([]int64, error) {
	used := make([]int64, len(windows))
	if len(windows) == 0 {
		return used, nil
	}
	columns, dest := make([]string, len(windows)), make([]any, len(windows))
	first := spanOf(d.at)
	args := append(d.args[:3:3], nil)
	for i, w := range windows {
		first = min(first, spanOf(since[i]))
		span, entries := "messages", "COUNT(*)"
		if w.Recipients {
			span, entries = "recipients", "SUM(recipients)"
		}
		n := len(args)
		args = append(args, since[i], spanOf(since[i]), spanEnd(since[i]))
		columns[i] = fmt.Sprintf(`COALESCE(SUM(%s) FILTER (WHERE span > $%d), 0) + COALESCE((
			SELECT %s FROM mailtether_log_entries WHERE %s AND at > $%d AND at < $%d), 0)`, span, n+2, entries, ofLog, n+1, n+3)
		dest[i] = &used[i]
	}
	args[3] = first
	statement := d.store.dialect.sql(`SELECT ` + strings.Join(columns, ", ") + ` FROM mailtether_log_spans WHERE ` + ofLog + ` AND span > $4`)
	if err := d.conn.QueryRowContext(d.ctx, statement, args...).Scan(dest...); err != nil {
		return nil, err
	}
	for i, w := range windows {
		if d.own.found() && d.own.at > since[i] {
			used[i] -= d.own.share(w)
		}
	}
	return used, nil
}

// notBefore is when a window that holds too much has room.
func (d *decision) notBefore(w quota.Window, since, excess int64) (time.Time, error) {
	if w.Per > 0 {
		at, err := d.nth(w, since, excess)
		return time.UnixMicro(at).UTC().Add(w.Per), err
	}
	today, _ := d.day(w)
	later := w.Days[today+1 : len(w.Days)-1]
	windows, starts := make([]quota.Window, len(later)), make([]int64, len(later))
	for i, day := range later {
		windows[i], starts[i] = w, day.UnixMicro()-1
	}
	used, err := d.count(windows, starts)
	for i, n := range used {
		if n+d.need(w) <= int64(w.Max) {
			return later[i], err
		}
	}
	return w.Days[len(w.Days)-1], err
}

// nth is the time of the entry after since that holds the n-th message, or
// recipient, without the entry of the key: first the span is looked for, then the
// entry in it.
func (d *decision) nth(w quota.Window, since, n int64) (at int64, err error) {
	inSpans, inEntries := d.sql.nthMessageSpan, d.sql.nthMessage
	if w.Recipients {
		inSpans, inEntries = d.sql.nthRecipientSpan, d.sql.nthRecipient
	}
	own, share := int64(math.MinInt64), int64(0)
	if d.own.found() {
		own, share = spanOf(d.own.at), d.own.share(w)
	}
	var span, before int64
	args := append(d.args[:3:3], []byte(d.ask.Key), since, spanOf(since), spanEnd(since), own, share, n)
	if err := d.conn.QueryRowContext(d.ctx, inSpans, args...).Scan(&span, &before); err != nil {
		return 0, err
	}
	args = append(args[:4:4], max(since, span<<spanBits-1), n-before)
	err = d.conn.QueryRowContext(d.ctx, inEntries, args...).Scan(&at)
	return at, err
}

// Settle implements [quota.Store].
func (s *Sends) Settle(ctx context.Context, e quota.Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if err := s.store.ready(ctx); err != nil {
		return err
	}
	err := s.store.atomic(ctx, func(conn *sql.Conn) error {
		h, err := s.holdOrOpen(ctx, conn, logArgs(e.Log), nil)
		if err != nil {
			return err
		}
		own, err := h.entry(e.Key)
		if err != nil {
			return err
		}
		settled := entry{at: h.now, recipients: int64(e.Recipients), settled: true}
		if !e.At.IsZero() {
			settled.at = e.At.UnixMicro()
		}
		if own.found() {
			settled.at, settled.recipients = max(settled.at, own.at), own.recipients
		}
		if own.settled {
			return nil
		}
		first, err := h.put(e.Key, own, settled)
		if err != nil || !first {
			return err
		}
		// It may have been seen in the mailbox, of which nothing may ever be decided.
		_, err = h.prune(min(settled.at, h.now)-2*keepEntries, pruneBatch)
		return err
	})
	return failed(ctx, "settle", "", err)
}

// Remove implements [quota.Store].
func (s *Sends) Remove(ctx context.Context, l quota.Log, key string) error {
	if err := s.store.ready(ctx); err != nil {
		return err
	}
	err := s.store.atomic(ctx, func(conn *sql.Conn) error {
		h, err := s.hold(ctx, conn, logArgs(l), nil)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return h.remove(key)
	})
	return failed(ctx, "remove", "", err)
}

// Entries implements [quota.Store].
func (s *Sends) Entries(ctx context.Context, l quota.Log, after time.Time) ([]quota.Entry, error) {
	if err := s.store.ready(ctx); err != nil {
		return nil, err
	}
	var entries []quota.Entry
	err := s.store.retry(ctx, func() error {
		entries = nil
		return s.store.each(ctx, s.sql.entries, logArgs(l, after.UnixMicro()), func(rows *sql.Rows) error {
			var key []byte
			var at int64
			e := quota.Entry{Log: l}
			err := rows.Scan(&key, &at, &e.Recipients)
			e.Key, e.At = string(key), time.UnixMicro(at).UTC()
			entries = append(entries, e)
			return err
		})
	})
	if err != nil {
		return nil, failed(ctx, "list entries", "", err)
	}
	return entries, nil
}

// State implements [quota.Store].
func (s *Sends) State(ctx context.Context, l quota.Log) (quota.State, error) {
	if err := s.store.ready(ctx); err != nil {
		return quota.State{}, err
	}
	var st quota.State
	if _, err := s.store.one(ctx, s.sql.state, logArgs(l), &st.Version, &st.Document); err != nil {
		return quota.State{}, failed(ctx, "load state", "", err)
	}
	return st, nil
}

// SetState implements [quota.Store].
func (s *Sends) SetState(ctx context.Context, l quota.Log, st quota.State) (bool, error) {
	if err := st.Validate(); err != nil {
		return false, err
	}
	if err := s.store.ready(ctx); err != nil {
		return false, err
	}
	document := append([]byte{}, st.Document...) // never NULL
	statement, args := s.sql.create, logArgs(l, document)
	if st.Version != 0 {
		statement, args = s.sql.update, append(args, st.Version)
	}
	n, err := s.store.exec(ctx, statement, args...)
	return n == 1, failed(ctx, "store state", "", err)
}

// atomic runs f in a transaction. Its first statement is to be a write: in SQLite
// it waits for other writers, until ctx ends.
func (s *Store) atomic(ctx context.Context, f func(*sql.Conn) error) error {
	begin := "BEGIN"
	switch s.dialect {
	case PostgreSQL:
		// Who waited for a row has to see what the one before has written, whatever
		// level the host has made the default.
		begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
	case SQLite:
		// There is one writer at a time, and who waits for a lock of SQLite tries
		// again now and then, while others come first: here they stand in line.
		select {
		case s.writer <- struct{}{}:
			defer func() { <-s.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.retry(ctx, func() error {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		return s.transaction(ctx, conn, begin, func() error { return f(conn) })
	})
}
