package redisquota_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/quota/redisquota"
)

// workerEnv makes this test binary a worker: a process of a host.
const workerEnv = "MAILTETHER_TEST_WORKER"

func TestMain(m *testing.M) {
	if config := os.Getenv(workerEnv); config != "" {
		if err := work(context.Background(), config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// worker is the configuration of a process.
type worker struct {
	Name, Server, Prefix string
	// Mailboxes are how many there are, and Asks how often the process asks for
	// each of them.
	Mailboxes, Asks int
	// Again makes it ask again what fails, under the same key.
	Again bool
}

const fleetProcesses, fleetGoroutines = 8, 16

// fleetWindows are the limits of every mailbox of a fleet.
func fleetWindows(messages, recipients int) []quota.Window {
	return []quota.Window{
		{Per: quota.Horizon, Max: messages},
		{Per: quota.Horizon, Max: recipients, Recipients: true},
	}
}

// fleetLimits are the caps of each mailbox: few, so that each is passed by what
// all processes ask for, and not by what one of them does.
func fleetLimits(mailboxes int) (messages, recipients int) {
	if mailboxes == 1 {
		return 1000, 1200
	}
	return 3, 100
}

func fleetLog(i int) quota.Log {
	return quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: fmt.Sprint(i)}
}

// granted is what a worker was granted of a mailbox.
type granted struct{ Messages, Recipients int }

// work asks for all mailboxes in turn and prints what was granted of each.
func work(ctx context.Context, config string) error {
	var w worker
	if err := json.Unmarshal([]byte(config), &w); err != nil {
		return err
	}
	o, err := redis.ParseURL(w.Server)
	if err != nil {
		return err
	}
	o.PoolSize, o.MaxRetries = fleetGoroutines, -1
	c := redis.NewClient(o)
	defer c.Close()
	store, err := redisquota.New(c, redisquota.Options{Prefix: w.Prefix})
	if err != nil {
		return err
	}

	var (
		next   atomic.Int64
		wg     sync.WaitGroup
		mu     sync.Mutex
		got    = make([]granted, w.Mailboxes)
		failed error
	)
	windows := fleetWindows(fleetLimits(w.Mailboxes))
	for range fleetGoroutines {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= w.Mailboxes*w.Asks {
					return
				}
				i := n % w.Mailboxes
				ask := quota.Ask{
					Entry:   quota.Entry{Log: fleetLog(i), Key: fmt.Sprint(w.Name, n), Recipients: 1 + n%7/6},
					Windows: windows,
				}
				answer, err := store.Sends().Decide(ctx, ask)
				for tries := 0; w.Again && err != nil && tries < 10_000; tries++ {
					answer, err = store.Sends().Decide(ctx, ask)
				}
				mu.Lock()
				if err != nil {
					failed = err
				}
				if answer.Allowed {
					got[i].Messages++
					got[i].Recipients += ask.Recipients
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}

// However many processes ask, what they are granted together never exceeds the
// caps, and is in the log.
func TestProcesses(t *testing.T) {
	t.Parallel()
	many := 10_000
	if testing.Short() {
		many = 1000
	}
	for _, tt := range []struct {
		name            string
		mailboxes, asks int
	}{
		{"one mailbox", 1, 400},
		{"many mailboxes", many, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := server(t)
			store, prefix := newStore(t, c)
			begin := time.Now()
			got := fleet(t, worker{Server: service(t, "MAILTETHER_REDIS"), Prefix: prefix, Mailboxes: tt.mailboxes, Asks: tt.asks})
			asked := fleetProcesses * tt.mailboxes * tt.asks
			t.Logf("%d decisions by %d processes, %.0f/s", asked, fleetProcesses, float64(asked)/time.Since(begin).Seconds())

			var wg sync.WaitGroup
			for g := range fleetGoroutines {
				wg.Go(func() {
					for i := g; i < len(got); i += fleetGoroutines {
						checkFleet(t, store, i, got[i], tt.mailboxes)
					}
				})
			}
			wg.Wait()
		})
	}
}

// A server that is killed and comes back while the processes are at it lets them
// have no more than before.
func TestProcessesAndARestart(t *testing.T) {
	t.Parallel()
	p := start(t, "--appendonly", "yes", "--appendfsync", "always")
	store, prefix := newStore(t, client(t, &redis.Options{Addr: p.address}))
	messages, _ := fleetLimits(1)
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		for taken := 0; taken < messages/3; {
			entries, err := store.Sends().Entries(t.Context(), fleetLog(0), time.Time{})
			if err != nil {
				t.Error(err)
				return
			}
			taken = len(entries)
		}
		p.kill()
		p.again()
	}()
	got := fleet(t, worker{Server: "redis://" + p.address + "/0", Prefix: prefix, Mailboxes: 1, Asks: 400, Again: true})
	<-restarted
	checkFleet(t, store, 0, got[0], 1)
}

// checkFleet compares what was granted of a mailbox with its limits and its log.
func checkFleet(t *testing.T, store *redisquota.Store, i int, got granted, mailboxes int) {
	messages, recipients := fleetLimits(mailboxes)
	if got.Messages > messages || got.Recipients > recipients {
		t.Errorf("mailbox %d: granted %+v, limits %d and %d", i, got, messages, recipients)
	}
	if got.Messages < messages && got.Recipients < recipients-1 {
		t.Errorf("mailbox %d: granted %+v, which leaves room", i, got)
	}
	entries, err := store.Sends().Entries(t.Context(), fleetLog(i), time.Time{})
	if err != nil {
		t.Error(err)
	}
	logged := granted{Messages: len(entries)}
	for _, e := range entries {
		logged.Recipients += e.Recipients
	}
	if logged != got {
		t.Errorf("mailbox %d: granted %+v, but the log has %+v", i, got, logged)
	}
}

// fleet runs the workers and returns what they were granted together.
func fleet(t *testing.T, w worker) []granted {
	t.Helper()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		total = make([]granted, w.Mailboxes)
	)
	for n := range fleetProcesses {
		wg.Go(func() {
			w := w
			w.Name = fmt.Sprintf("process-%d/", n)
			config, err := json.Marshal(w)
			if err != nil {
				t.Error(err)
				return
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), workerEnv+"="+string(config))
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			var got []granted
			if err == nil {
				err = json.Unmarshal(out, &got)
			}
			if err != nil || len(got) != w.Mailboxes {
				t.Errorf("%s %v\n%s", w.Name, err, stderr.Bytes())
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for i, g := range got {
				total[i].Messages += g.Messages
				total[i].Recipients += g.Recipients
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return total
}
