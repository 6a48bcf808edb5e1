package integration

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/quota"
)

// limitsFleet is what a worker asks for: places in the logs of mailboxes.
type limitsFleet struct {
	// Mailboxes are how many there are, and Asks how often the process asks for
	// each of them.
	Mailboxes, Asks int
	// Cap is how many messages each may send in a day.
	Cap int
}

func limitsLog(i int) quota.Log {
	return quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: fmt.Sprint("mailbox-", i)}
}

// work asks, tries again what fails, and prints how many places it got of each
// mailbox: at least, since an answer may be lost.
func (f *limitsFleet) work(ctx context.Context, store *sqlstore.Store, w worker) error {
	got := make([]int64, f.Mailboxes)
	var next atomic.Int64
	var wg sync.WaitGroup
	var failed atomic.Value
	for range w.Goroutines {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < f.Mailboxes*f.Asks; n = int(next.Add(1)) - 1 {
				i := n % f.Mailboxes
				ask := quota.Ask{
					Entry:   quota.Entry{Log: limitsLog(i), Key: fmt.Sprint(w.Name, "/", n), Recipients: 1},
					Windows: []quota.Window{{Per: quota.Horizon, Max: f.Cap}, {Per: quota.Horizon, Max: f.Cap, Recipients: true}},
				}
				for try := 0; ; try++ {
					answer, err := store.Sends().Decide(ctx, ask)
					if err == nil {
						if answer.Allowed && !answer.Known {
							atomic.AddInt64(&got[i], 1)
						}
						break
					}
					if try == 2*maxKilled { // a killed connection fails one, or two
						failed.Store(fmt.Errorf("%w (%s)", err, unwrapped(err)))
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if err, _ := failed.Load().(error); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}

// However many processes ask, and whatever becomes of their connections, they
// never get more places together than there are.
func TestProcessesShareLimits(t *testing.T) {
	t.Parallel()
	many := 10_000
	if testing.Short() || raceDetector {
		many = 500
	}
	for _, tt := range []struct {
		name  string
		make  func(testing.TB) database
		fleet limitsFleet
		kill  bool
	}{
		{"PostgreSQL/one mailbox", postgres, limitsFleet{Mailboxes: 1, Asks: 100, Cap: 300}, false},
		{"PostgreSQL/many mailboxes", postgres, limitsFleet{Mailboxes: many, Asks: 1, Cap: 3}, false},
		{"PostgreSQL/connections die", postgres, limitsFleet{Mailboxes: 5, Asks: 40, Cap: 100}, true},
		{"SQLite/one mailbox", sqliteFile, limitsFleet{Mailboxes: 1, Asks: 10, Cap: 30}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := tt.make(t)
			store, db := migrated(t, d)
			workers := worker{Database: d, Goroutines: 4, Limits: &tt.fleet}
			if tt.kill {
				workers.Database.DSN += "&application_name=" + doomed
				ended := make(chan struct{})
				var killing sync.WaitGroup
				killing.Go(func() { killConnections(t, db, ended) })
				defer killing.Wait()
				defer close(ended)
			}
			start := time.Now()
			got := runFleet(t, workers, 8)
			t.Logf("%.0f decisions a second", float64(8*tt.fleet.Mailboxes*tt.fleet.Asks)/time.Since(start).Seconds())
			for i, n := range got {
				entries, err := store.Sends().Entries(t.Context(), limitsLog(i), time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if len(entries) != tt.fleet.Cap || n > tt.fleet.Cap || !tt.kill && n != tt.fleet.Cap {
					t.Fatalf("mailbox %d: %d places were given and %d are taken, of %d", i, n, len(entries), tt.fleet.Cap)
				}
			}
		})
	}
}

// doomed is the name of connections that killConnections may end.
const doomed = "mailtether-doomed"

// maxKilled bounds how many it ends. Without a bound the last workers may never
// get on where the machine is slow: theirs are then the only connections left.
const maxKilled = 200

// killConnections ends the workers' connections again and again.
func killConnections(t *testing.T, db *sql.DB, ended <-chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	killed := 0
	for {
		select {
		case <-ended:
			if killed == 0 {
				t.Error("no connection was ended: the test shows nothing")
			}
			return
		case <-tick.C:
		}
		if killed >= maxKilled {
			continue
		}
		var n int
		err := db.QueryRowContext(t.Context(), `SELECT COUNT(pg_terminate_backend(pid)) FROM (
			SELECT pid FROM pg_stat_activity WHERE application_name = '`+doomed+`' ORDER BY random() LIMIT 2) AS unlucky`).Scan(&n)
		if err != nil {
			t.Error(err)
			return
		}
		killed += n
	}
}

// runFleet runs as many workers, and adds up what they print.
func runFleet(t *testing.T, w worker, processes int) []int {
	t.Helper()
	total := make([]int, w.Limits.Mailboxes)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := range processes {
		wg.Go(func() {
			w := w
			w.Name = fmt.Sprint("process-", n)
			config, err := json.Marshal(w)
			if err != nil {
				t.Error(err)
				return
			}
			var stderr strings.Builder
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env, cmd.Stderr = append(os.Environ(), workerEnv+"="+string(config)), &stderr
			out, err := cmd.Output()
			var got []int
			if err == nil {
				err = json.Unmarshal(out, &got)
			}
			if err != nil || len(got) != len(total) {
				t.Errorf("%s: %v\n%s", w.Name, err, stderr.String())
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for i, n := range got {
				total[i] += n
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return total
}

// fillLog puts n entries a tenth of a second apart before at into a log.
func fillLog(t testing.TB, db *sql.DB, d database, l quota.Log, n int, at time.Time) {
	t.Helper()
	key := `CAST('filler ' || i AS BLOB)`
	if d.Dialect == sqlstore.PostgreSQL {
		key = `CAST('filler ' || i AS BYTEA)`
	}
	for _, statement := range []string{
		fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO mailtether_log_entries (tenant, kind, name, key, at, recipients, settled)
		SELECT '%s', '%s', '%s', %s, %d - 100000 * CAST(i AS BIGINT), 1, 1 FROM n`, n, l.Tenant, l.Kind, l.Name, key, at.UnixMicro()),
		fmt.Sprintf(`INSERT INTO mailtether_log_spans SELECT tenant, kind, name, at >> 26, COUNT(*), SUM(recipients) FROM mailtether_log_entries
			WHERE tenant = '%s' AND kind = '%s' AND name = '%s' GROUP BY tenant, kind, name, at >> 26`, l.Tenant, l.Kind, l.Name),
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever else is in the tables, a decision reads its own log from an index.
func TestLogsAreNotScanned(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		if b.name == "SQLite in memory" {
			continue // its plans are those of SQLite in a file
		}
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			d := b.make(t)
			_, db := migrated(t, d)
			now := time.Now()
			for i := range 20 {
				fillLog(t, db, d, limitsLog(i), 2000, now)
			}
			// A table of one page is scanned whatever indexes it has.
			for _, statement := range []string{
				`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
				INSERT INTO mailtether_logs (tenant, kind, name, version, used_at) SELECT 'tenant', 'mailbox', 'filler ' || i, 0, 4000000000000000 FROM n`,
				`INSERT INTO mailtether_log_spans SELECT tenant, kind, name, 0, 1, 1 FROM mailtether_logs`,
				`ANALYZE`,
			} {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			spy := &spy{driver: db.Driver(), dsn: d.DSN}
			spied := sql.OpenDB(spy)
			defer spied.Close()
			sends := newStore(t, spied, d, sqlstore.Options{}).Sends()
			days := []time.Time{now.Add(-30 * time.Hour), now.Add(-6 * time.Hour), now.Add(18 * time.Hour), now.Add(42 * time.Hour)}
			full := []quota.Window{
				{Per: quota.Horizon, Max: 2000},
				{Per: quota.Horizon, Max: 2000, Recipients: true},
				{Per: time.Minute, Max: 5},
				{Days: days, Max: 2000},
			}
			free := slices.Clone(full)
			for i := range free {
				free[i].Max = 1_000_000
			}
			e := quota.Entry{Log: limitsLog(3), Key: "one more", Recipients: 1}
			for name, call := range map[string]func() error{
				"a place": func() error {
					a, err := sends.Decide(t.Context(), quota.Ask{Entry: e, Windows: free})
					if err == nil && !a.Allowed {
						err = fmt.Errorf("refused: %+v", a)
					}
					return err
				},
				"a refusal": func() error {
					a, err := sends.Decide(t.Context(), quota.Ask{Entry: e, Windows: full})
					if err == nil && a.Allowed {
						err = fmt.Errorf("allowed: %+v", a)
					}
					return err
				},
				"settling": func() error { return sends.Settle(t.Context(), e) },
				"entries": func() error {
					_, err := sends.Entries(t.Context(), e.Log, now.Add(-time.Hour))
					return err
				},
				"a state": func() error {
					_, err := sends.State(t.Context(), e.Log)
					return err
				},
			} {
				spy.take()
				if err := call(); err != nil {
					t.Fatalf("%s: %v (%s)", name, err, unwrapped(err))
				}
				seen := 0
				for _, s := range spy.take() {
					if !strings.Contains(s.text, "mailtether_log") {
						continue
					}
					seen++
					plan := explain(t, db, d, s)
					if strings.Contains(plan, "Seq Scan on mailtether") || strings.Contains(plan, "SCAN mailtether") {
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
