package integration

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/quota"
)

var sendsLog = quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: "mailbox"}

func sendAsk(key string, windows ...quota.Window) quota.Ask {
	return quota.Ask{Entry: quota.Entry{Log: sendsLog, Key: key, Recipients: 1}, Windows: windows}
}

// A host may have made another isolation level the default of its database. A
// decision that waited for another one must see what that one entered all the
// same.
func TestLimitsAtOtherIsolationLevels(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			d := postgres(t)
			migrated(t, d)
			u, err := url.Parse(d.DSN)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			q.Set("default_transaction_isolation", level)
			u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // which is all that pgx reads
			d.DSN = u.String()
			sends := newStore(t, openDB(t, d), d, sqlstore.Options{}).Sends()
			const limit = 20
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for n := range 10 {
						ask := sendAsk(fmt.Sprint(i, "/", n), quota.Window{Per: quota.Horizon, Max: limit})
						if _, err := sends.Decide(t.Context(), ask); err != nil {
							t.Errorf("Decide: %v (%s)", err, unwrapped(err))
							return
						}
					}
				})
			}
			wg.Wait()
			entries, err := sends.Entries(t.Context(), sendsLog, time.Time{})
			if err != nil || len(entries) != limit {
				t.Errorf("%d entries, %v, want %d", len(entries), err, limit)
			}
		})
	}
}

// Entries may go while a decision looks for the one whose end makes room.
func TestDecideWhileEntriesAreRemoved(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, _ := migrated(t, d)
		sends := store.Sends()
		full := []quota.Window{{Per: quota.Horizon, Max: 1}, {Per: quota.Horizon, Max: 1, Recipients: true}}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				key := fmt.Sprint(i)
				for range 200 {
					answer, err := sends.Decide(t.Context(), sendAsk(key, full...))
					if err != nil {
						t.Errorf("Decide: %v (%s)", err, unwrapped(err))
						return
					}
					if !answer.Allowed {
						if answer.Usage[0].NotBefore.IsZero() && answer.Usage[1].NotBefore.IsZero() {
							t.Errorf("refused without a time: %+v", answer)
						}
						continue
					}
					if err := sends.Remove(t.Context(), sendsLog, key); err != nil {
						t.Errorf("Remove: %v (%s)", err, unwrapped(err))
					}
				}
			})
		}
		wg.Wait()
	})
}

// Whatever happens to entries, and at once: what is kept of each span is how many
// entries have their time in it, and how many recipients they have.
func TestSpansCountEntries(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		sends := store.Sends()
		start := time.Now().Add(-2 * time.Hour).Truncate(time.Microsecond)
		var wg sync.WaitGroup
		for g := range 4 {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			wg.Go(func() {
				for range 150 {
					e := quota.Entry{
						Log: sendsLog, Key: fmt.Sprint(random.IntN(40)), Recipients: 1 + random.IntN(3),
						At: start.Add(time.Duration(random.Int64N(int64(10 * time.Minute)))),
					}
					var err error
					switch random.IntN(4) {
					case 0:
						err = sends.Settle(t.Context(), e)
					case 1:
						err = sends.Remove(t.Context(), e.Log, e.Key)
					default:
						_, err = sends.Decide(t.Context(), quota.Ask{Entry: e, Windows: []quota.Window{{Per: time.Hour, Max: 35}}, DryRun: random.IntN(5) == 0})
					}
					if err != nil {
						t.Errorf("%v (%s)", err, unwrapped(err))
						return
					}
				}
			})
		}
		wg.Wait()
		if n := wantSpans(t, db); n < 20 {
			t.Errorf("only %d entries were left", n)
		}
	})
}

// wantSpans compares all spans with all entries, and returns how many these are.
func wantSpans(t *testing.T, db *sql.DB) (entries int) {
	t.Helper()
	type span struct {
		Log                  string
		Span                 int64
		Messages, Recipients int
	}
	read := func(query string) (spans []span) {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s span
			if err := rows.Scan(&s.Log, &s.Span, &s.Messages, &s.Recipients); err != nil {
				t.Fatal(err)
			}
			entries += s.Messages
			spans = append(spans, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return spans
	}
	kept := read(`SELECT tenant || kind || name AS log, span, messages, recipients FROM mailtether_log_spans
		WHERE messages <> 0 OR recipients <> 0 ORDER BY log, span`)
	entries = 0
	counted := read(`SELECT tenant || kind || name AS log, at >> 26 AS span, COUNT(*), SUM(recipients) FROM mailtether_log_entries
		GROUP BY tenant || kind || name, at >> 26 ORDER BY log, span`)
	if diff := cmp.Diff(counted, kept); diff != "" {
		t.Errorf("spans (-counted +kept):\n%s", diff)
	}
	return entries
}

// Mail that users send by hand is seen whether or not anything is ever decided
// about their mailboxes. The log does not grow with it, and a message with a date
// in the future empties no window.
func TestSeenMailIsForgotten(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		sends := store.Sends()
		see := func(key string, at time.Time) {
			t.Helper()
			e := quota.Entry{Log: sendsLog, Key: key, Recipients: 1, At: at}
			if err := sends.Settle(t.Context(), e); err != nil {
				t.Fatalf("Settle: %v (%s)", err, unwrapped(err))
			}
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		for i := range 50 {
			see(fmt.Sprint("old ", i), now.Add(-100*24*time.Hour))
		}
		for i := range 5 {
			see(fmt.Sprint("new ", i), now.Add(-time.Hour))
		}
		see("misdated", now.Add(1000*time.Hour))
		entries, err := sends.Entries(t.Context(), sendsLog, time.Time{})
		if err != nil || len(entries) != 6 {
			t.Errorf("%d entries, %v, want 6", len(entries), err)
		}
		var spans int
		if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM mailtether_log_spans`).Scan(&spans); err != nil || spans != 2 {
			t.Errorf("%d spans, %v, want 2", spans, err)
		}
		answer, err := sends.Decide(t.Context(), sendAsk("key", quota.Window{Per: quota.Horizon, Max: 6}))
		if err != nil || answer.Allowed || answer.Usage[0].Used != 6 || !answer.Usage[0].NotBefore.Equal(now.Add(23*time.Hour)) {
			t.Errorf("Decide: %+v, %v, want a refusal until %v", answer, err, now.Add(23*time.Hour))
		}
	})
}

// What was sent to a domain once does not stay for ever: old entries of logs that
// nothing is entered in any more go, and the logs without a state as well.
func TestIdleLogsAreSwept(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, d database) {
		store, db := migrated(t, d)
		now := time.Now()
		old := now.Add(-72 * time.Hour)
		log := func(name string) quota.Log {
			return quota.Log{Tenant: "tenant", Kind: quota.LogRecipientDomain, Name: name}
		}
		enter := func(s *sqlstore.Store, name, key string, at time.Time, version int64) {
			t.Helper()
			ask := quota.Ask{Entry: quota.Entry{Log: log(name), Key: key, Recipients: 1, At: at}, Version: version}
			if answer, err := s.Sends().Decide(t.Context(), ask); err != nil || !answer.Allowed {
				t.Fatalf("Decide: %+v, %v (%s)", answer, err, unwrapped(err))
			}
		}
		if _, err := store.Sends().SetState(t.Context(), log("state"), quota.State{Document: []byte("state")}); err != nil {
			t.Fatal(err)
		}
		enter(store, "idle", "old", old, 0)
		enter(store, "state", "old", old, 1)
		enter(store, "used", "old", old, 0)
		enter(store, "used again", "old", old, 0)
		seen := quota.Entry{Log: log("seen"), Key: "new", Recipients: 1, At: now}
		enter(store, "seen", "old", old, 0)
		if err := store.Sends().Settle(t.Context(), seen); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), `UPDATE mailtether_logs SET used_at = $1 WHERE name <> 'used'`, old.UnixMicro()); err != nil {
			t.Fatal(err)
		}
		enter(store, "used again", "older", old.Add(-time.Minute), 0)

		// Another process looks at once, and finds nothing the second time.
		for _, name := range []string{"other", "another"} {
			enter(newStore(t, db, d, sqlstore.Options{}), name, "key", now, 0)
		}
		for name, want := range map[string]int{"idle": 0, "state": 0, "used": 1, "used again": 2, "seen": 1, "other": 1, "another": 1} {
			entries, err := store.Sends().Entries(t.Context(), log(name), time.Time{})
			if err != nil || len(entries) != want {
				t.Errorf("%s: %d entries, %v, want %d", name, len(entries), err, want)
			}
		}
		if state, err := store.Sends().State(t.Context(), log("state")); err != nil || string(state.Document) != "state" {
			t.Errorf("the state became %q, %v", state.Document, err)
		}
		// All but the idle one are left, and come up again in two days.
		for name, want := range map[string]int{"idle": 0, "state": 1, "used": 1, "used again": 1, "seen": 1, "other": 1} {
			var n int
			err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM mailtether_logs WHERE name = $1 AND used_at > $2`, name, now.Add(-time.Hour).UnixMicro()).Scan(&n)
			if err != nil || n != want {
				t.Errorf("%s: %d logs in use, %v, want %d", name, n, err, want)
			}
		}
	})
}
