package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

const (
	// useEvery is how often it is noted that a log is in use.
	useEvery = time.Hour
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
	old := time.Now().Add(-idleLogs).UnixMicro()
	for _, log := range logs {
		if _, err := s.store.exec(ctx, s.sql.prune, append(log[:3:3], old, sweepEntries)...); err != nil {
			return err
		}
		if _, err := s.store.exec(ctx, s.sql.drop, log...); err != nil {
			return err
		}
		if _, err := s.store.exec(ctx, s.sql.use, log...); err != nil { // unless it is gone
			return err
		}
	}
	return nil
}
