package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	// sweepLogs is how often logs are looked for that are not in use any more,
	// idleLogs for how long they are not to be, and how old their entries.
	sweepLogs = time.Minute
	idleLogs  = 48 * time.Hour
	// sweepBatch is how many of these logs are swept at a time, and sweepEntries
	// how many entries of each.
	sweepBatch   = 20
	sweepEntries = 10_000
)

// sweep clears logs that are not in use. Those with a state come up again when
// they have not been used for as long once more.
func (s *Sends) sweep(ctx context.Context) error {
	var logs [][]any
	err := s.store.each(ctx, s.sql.idle, []any{idleLogs.Microseconds(), sweepBatch}, func(rows *sql.Rows) error {
		var tenant, kind, name string
		err := rows.Scan(&tenant, &kind, &name)
		logs = append(logs, []any{tenant, kind, name})
		return err
	})
	if err != nil {
		return err
	}
	for _, log := range logs {
		err := s.store.atomic(ctx, func(conn *sql.Conn) error {
			h, err := s.hold(ctx, conn, log, nil)
			if errors.Is(err, sql.ErrNoRows) { // somebody else was faster
				return nil
			}
			if err != nil {
				return err
			}
			return h.sweep()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep clears the log. It comes up again at once if more is to be cleared, and is
// noted as in use if something stays.
func (h *heldLog) sweep() error {
	more, err := h.prune(h.now-idleLogs.Microseconds(), sweepEntries)
	if err != nil || more {
		return err
	}
	dropped, err := h.exec(h.sql.drop)
	if err != nil {
		return err
	}
	last := h.sql.dropSpans
	if dropped == 0 {
		last = h.sql.use
	}
	_, err = h.exec(last)
	return err
}
