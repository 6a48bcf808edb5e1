package sqlstore

import (
	"context"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

var _ connect.StateStore = (*States)(nil)

// States is a [connect.StateStore]. An id that exists is refused with
// connect.ErrConflict. Entries that have expired are cleared away as others come
// in. All failures of the database are mailbox.ClassStorage.
type States struct {
	store *Store
	sql   stateStatements
}

type stateStatements struct{ put, take, sweep string }

func stateSQL(d Dialect) stateStatements {
	return stateStatements{
		put:  d.sql(`INSERT INTO mailtether_states (id, data, expires) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`),
		take: d.sql(`DELETE FROM mailtether_states WHERE id = $1 RETURNING data, expires`),
		sweep: d.sql(`DELETE FROM mailtether_states WHERE id IN
			(SELECT id FROM mailtether_states WHERE expires <= $1 ORDER BY expires LIMIT 10000)`),
	}
}

// sweepStates is how often what has expired is cleared away.
const sweepStates = time.Minute

// Put implements [connect.StateStore].
func (s *States) Put(ctx context.Context, id string, data []byte, expires time.Time) error {
	const op = "store flow"
	if err := s.store.ready(ctx); err != nil {
		return err
	}
	if id == "" {
		return mailbox.Invalid("id", "at least 1 byte", "is empty")
	}
	n, err := s.store.exec(ctx, s.sql.put, column(id), append([]byte{}, data...), expires.UnixMicro())
	if err != nil {
		return failed(ctx, op, "", err)
	}
	if n == 0 {
		return connect.ErrConflict
	}
	if due(&s.store.swept.states, sweepStates) {
		_, _ = s.store.exec(ctx, s.sql.sweep, time.Now().UnixMicro()) // nothing depends on it
	}
	return nil
}

// Take implements [connect.StateStore].
func (s *States) Take(ctx context.Context, id string) ([]byte, bool, error) {
	if err := s.store.ready(ctx); err != nil {
		return nil, false, err
	}
	var data []byte
	var expires int64
	found, err := s.store.one(ctx, s.sql.take, []any{column(id)}, &data, &expires)
	if err != nil || !found || time.Now().UnixMicro() >= expires {
		return nil, false, failed(ctx, "take flow", "", err)
	}
	return data, true, nil
}
