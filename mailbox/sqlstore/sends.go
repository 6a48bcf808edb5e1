package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

var _ quota.Store = (*Sends)(nil)

// Sends is a [quota.Store]. A decision is one transaction, which holds the row
// of its log: decisions about one log come one after the other, those about
// different logs at once. It costs as much as reading the entries of the longest
// window from an index. What was entered in a log that nothing is entered in any
// more goes when it is two days old, a while after something is entered in another.
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

// pruneBatch is how many old entries a decision or a message that is seen takes
// away.
const pruneBatch = 200

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
		var used, now int64
		var document []byte
		dest := []any{&answer.State.Version, &document, &used, &now}
		err := conn.QueryRowContext(ctx, s.sql.lock, logArgs(a.Log, a.Version)...).Scan(dest...)
		if errors.Is(err, sql.ErrNoRows) { // the first time
			if _, err = conn.ExecContext(ctx, s.sql.open, logArgs(a.Log)...); err == nil {
				err = conn.QueryRowContext(ctx, s.sql.lock, logArgs(a.Log, a.Version)...).Scan(dest...)
			}
		}
		if err != nil {
			return err
		}
		if answer.State.Version != a.Version {
			answer.Stale, answer.State.Document = true, document
			return nil
		}
		answer.State = quota.State{}
		unnoted := now-used > useEvery.Microseconds()
		if !a.At.IsZero() {
			now = a.At.UnixMicro()
		}
		d := decision{ctx: ctx, conn: conn, Sends: s, ask: &a, now: now, use: unnoted}
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

// decision is a decision while it is made, on a log that is locked.
type decision struct {
	ctx  context.Context
	conn *sql.Conn
	*Sends
	ask *quota.Ask
	now int64
	use bool // it is to be noted that the log is in use
}

func (d *decision) decide(answer *quota.Answer) error {
	since := make([]int64, len(d.ask.Windows)) // entries after that are in the window
	for i, w := range d.ask.Windows {
		day, ok := d.day(w)
		if !ok {
			return mailbox.Invalid(fmt.Sprintf("windows[%d].days", i), "the time of the decision", "are of another time: the clocks differ by more than a day")
		}
		since[i] = d.now - w.Per.Microseconds()
		if w.Per == 0 {
			since[i] = w.Days[day].UnixMicro() - 1
		}
	}
	known, used, err := d.count(d.ask.Windows, since)
	if err != nil {
		return err
	}
	answer.Allowed, answer.Known, answer.At = true, known > 0, time.UnixMicro(d.now).UTC()
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
	if d.use {
		if _, err := d.conn.ExecContext(d.ctx, d.sql.use, logArgs(d.ask.Log)...); err != nil {
			return err
		}
	}
	if _, err := d.conn.ExecContext(d.ctx, d.sql.enter, logArgs(d.ask.Log, []byte(d.ask.Key), d.now, d.ask.Recipients)...); err != nil {
		return err
	}
	_, err = d.conn.ExecContext(d.ctx, d.sql.prune, logArgs(d.ask.Log, d.now-keepEntries, pruneBatch)...)
	return err
}

// day is which of the window's days it is. It is not ok if it is none.
func (d *decision) day(w quota.Window) (day int, ok bool) {
	if w.Per > 0 {
		return 0, true
	}
	for day = len(w.Days) - 1; day >= 0; day-- {
		if w.Days[day].UnixMicro() <= d.now {
			break
		}
	}
	return day, day >= 0 && day < len(w.Days)-1
}

func (d *decision) need(w quota.Window) int64 {
	if w.Recipients {
		return int64(d.ask.Recipients)
	}
	return 1
}

// count returns how much each window holds, without the entry of the key, and how
// many entries the key has, by reading the entries of the longest window once.
func (d *decision) count(windows []quota.Window, since []int64) (known int64, used []int64, err error) {
	longest := d.now
	columns := ""
	args := logArgs(d.ask.Log, []byte(d.ask.Key), nil)
	used = make([]int64, len(windows))
	dest := []any{&known}
	for i, w := range windows {
		longest = min(longest, since[i])
		what := "COUNT(*)"
		if w.Recipients {
			what = "SUM(recipients)"
		}
		args = append(args, since[i])
		columns += fmt.Sprintf(", COALESCE(%s FILTER (WHERE at > $%d), 0)", what, len(args))
		dest = append(dest, &used[i])
	}
	args[4] = longest
	if len(windows) == 0 {
		columns = ", COUNT(*)"
		dest = append(dest, new(int64))
	}
	statement := d.store.dialect.sql(`SELECT (SELECT COUNT(*) FROM mailtether_log_entries WHERE ` + ofLog + ` AND key = $4)` + columns + `
		FROM mailtether_log_entries WHERE ` + ofLog + ` AND at > $5 AND key <> $4`)
	return known, used, d.conn.QueryRowContext(d.ctx, statement, args...).Scan(dest...)
}

// notBefore is when a window that holds too much has room.
func (d *decision) notBefore(w quota.Window, since, excess int64) (time.Time, error) {
	if w.Per > 0 {
		statement := d.sql.nthMessage
		if w.Recipients {
			statement = d.sql.nthRecipient
		}
		var at int64
		err := d.conn.QueryRowContext(d.ctx, statement, logArgs(d.ask.Log, []byte(d.ask.Key), since, excess)...).Scan(&at)
		if errors.Is(err, sql.ErrNoRows) {
			return time.UnixMicro(d.now).UTC(), nil // entries were removed since they were counted: there is room
		}
		return time.UnixMicro(at).UTC().Add(w.Per), err
	}
	today, _ := d.day(w)
	later := w.Days[today+1 : len(w.Days)-1]
	windows, starts := make([]quota.Window, len(later)), make([]int64, len(later))
	for i, day := range later {
		windows[i], starts[i] = w, day.UnixMicro()-1
	}
	_, used, err := d.count(windows, starts)
	for i, n := range used {
		if n+d.need(w) <= int64(w.Max) {
			return later[i], err
		}
	}
	return w.Days[len(w.Days)-1], err
}

// Settle implements [quota.Store].
func (s *Sends) Settle(ctx context.Context, e quota.Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if err := s.store.ready(ctx); err != nil {
		return err
	}
	at := sql.NullInt64{Int64: e.At.UnixMicro(), Valid: !e.At.IsZero()}
	if _, err := s.store.exec(ctx, s.sql.settle, logArgs(e.Log, []byte(e.Key), at, e.Recipients)...); err != nil {
		return failed(ctx, "settle", "", err)
	}
	if at.Valid { // seen in the mailbox, of which nothing may ever be decided
		old := min(at.Int64, time.Now().UnixMicro()) - 2*keepEntries
		_, _ = s.store.exec(ctx, s.sql.prune, logArgs(e.Log, old, pruneBatch)...) // nothing depends on it
	}
	return nil
}

// Remove implements [quota.Store].
func (s *Sends) Remove(ctx context.Context, l quota.Log, key string) error {
	if err := s.store.ready(ctx); err != nil {
		return err
	}
	_, err := s.store.exec(ctx, s.sql.remove, logArgs(l, []byte(key))...)
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
	if s.dialect == PostgreSQL {
		// Who waited for a row has to see what the one before has written, whatever
		// level the host has made the default.
		begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
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
