package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mailtether/mailtether/quota"
)

var _ quota.CallStore = (*Calls)(nil)

// Calls is a [quota.CallStore]. Each step is one transaction on one row. It
// returns mailbox.ClassInvalid for what quota.CallAsk.Validate refuses, and
// mailbox.ClassStorage for everything else that fails.
type Calls struct {
	store *Store
	sql   callStatements
}

type callStatements struct{ open, lock, update, sweep string }

func callSQL(d Dialect) callStatements {
	const key = `provider = $1 AND app = $2 AND tenant = $3 AND mailbox = $4`
	lock := d.sql(`UPDATE mailtether_calls SET idle_at = idle_at WHERE ` + key + ` RETURNING document, {now}`)
	if d == PostgreSQL { // see sendSQL
		lock = d.sql(`SELECT document, {now} FROM (SELECT document FROM mailtether_calls WHERE ` + key + ` FOR UPDATE) AS locked`)
	}
	return callStatements{
		open: d.sql(`INSERT INTO mailtether_calls (provider, app, tenant, mailbox, document, idle_at)
			VALUES ($1, $2, $3, $4, $5, {now})
			ON CONFLICT (provider, app, tenant, mailbox) DO NOTHING`),
		lock:   lock,
		update: d.sql(`UPDATE mailtether_calls SET document = $5, idle_at = $6 WHERE ` + key),
		// As a query of its own the time is one that an index can be searched by.
		sweep: d.sql(`DELETE FROM mailtether_calls WHERE idle_at < (SELECT {now} - $1)`),
	}
}

const (
	// sweepCalls is how often states are cleared away that equal new ones, and for
	// how long they have to.
	sweepCalls = 10 * time.Minute
	idleCalls  = time.Minute
)

// Enter implements [quota.CallStore].
func (c *Calls) Enter(ctx context.Context, a quota.CallAsk) (quota.CallAnswer, error) {
	if err := a.Validate(); err != nil {
		return quota.CallAnswer{}, err
	}
	var answer quota.CallAnswer
	err := c.step(ctx, a.CallKey, func(s *quota.CallState, now time.Time) bool {
		answer = s.Enter(a, now)
		return answer.Allowed
	})
	if err != nil {
		return quota.CallAnswer{}, failed(ctx, "enter", a.Mailbox, err)
	}
	if due(&c.store.swept.calls, sweepCalls) {
		_, _ = c.store.exec(ctx, c.sql.sweep, idleCalls.Microseconds()) // nothing depends on it
	}
	return answer, nil
}

// Leave implements [quota.CallStore].
func (c *Calls) Leave(ctx context.Context, k quota.CallKey, id string) error {
	if err := k.Validate(); err != nil {
		return err
	}
	err := c.step(ctx, k, func(s *quota.CallState, _ time.Time) bool {
		s.Leave(id)
		return true
	})
	return failed(ctx, "leave", k.Mailbox, err)
}

// Pause implements [quota.CallStore].
func (c *Calls) Pause(ctx context.Context, k quota.CallKey, sends bool, d time.Duration) error {
	if err := k.Validate(); err != nil {
		return err
	}
	err := c.step(ctx, k, func(s *quota.CallState, now time.Time) bool {
		s.Pause(sends, d, now)
		return true
	})
	return failed(ctx, "pause", k.Mailbox, err)
}

// step reads a state, lets f change it, and writes it back if f says so.
func (c *Calls) step(ctx context.Context, k quota.CallKey, f func(*quota.CallState, time.Time) bool) error {
	if err := c.store.ready(ctx); err != nil {
		return err
	}
	args := []any{column(k.Provider), column(k.App), column(k.Tenant), column(k.Mailbox)}
	return c.store.atomic(ctx, func(conn *sql.Conn) error {
		var document []byte
		var micros int64
		err := conn.QueryRowContext(ctx, c.sql.lock, args...).Scan(&document, &micros)
		if errors.Is(err, sql.ErrNoRows) { // the first time
			if _, err = conn.ExecContext(ctx, c.sql.open, append(args[:4:4], []byte{})...); err == nil {
				err = conn.QueryRowContext(ctx, c.sql.lock, args...).Scan(&document, &micros)
			}
		}
		if err != nil {
			return err
		}
		var state quota.CallState
		if err := state.UnmarshalBinary(document); err != nil {
			return err
		}
		if !f(&state, time.UnixMicro(micros)) {
			return nil
		}
		if document, err = state.MarshalBinary(); err != nil {
			return err
		}
		_, err = conn.ExecContext(ctx, c.sql.update, append(args[:4:4], document, state.IdleAt().UnixMicro())...)
		return err
	})
}
