package redisquota_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/quota/redisquota"
)

var (
	aLog   = quota.Log{Tenant: "tenant", Kind: quota.LogMailbox, Name: "mailbox"}
	aKey   = quota.CallKey{Provider: "provider", App: "app", Ref: mailbox.Ref{Tenant: "tenant", Mailbox: "mailbox"}}
	aCall  = quota.CallAsk{CallKey: aKey, ID: "id", Slots: 1, MaxSlots: 2, TTL: time.Minute, Budgets: []quota.BudgetAsk{aBudget}}
	anAsk  = quota.Ask{Entry: quota.Entry{Log: aLog, Key: "key", Recipients: 3}, Windows: []quota.Window{{Per: time.Hour, Max: 5}}}
	aState = quota.State{Document: []byte("document")}

	aBudget = quota.BudgetAsk{Name: "units", Budget: quota.Budget{Units: 96, Per: 96 * time.Minute}, N: 1}
)

// operations are all methods that speak to the server, on one log and one state.
var operations = []struct {
	name string
	do   func(context.Context, *redisquota.Store) error
}{
	{"Decide", func(ctx context.Context, s *redisquota.Store) error {
		_, err := s.Sends().Decide(ctx, anAsk)
		return err
	}},
	{"Settle", func(ctx context.Context, s *redisquota.Store) error {
		return s.Sends().Settle(ctx, anAsk.Entry)
	}},
	{"Remove", func(ctx context.Context, s *redisquota.Store) error { return s.Sends().Remove(ctx, aLog, "key") }},
	{"Entries", func(ctx context.Context, s *redisquota.Store) error {
		_, err := s.Sends().Entries(ctx, aLog, time.Time{})
		return err
	}},
	{"SetState", func(ctx context.Context, s *redisquota.Store) error {
		_, err := s.Sends().SetState(ctx, aLog, aState)
		return err
	}},
	{"State", func(ctx context.Context, s *redisquota.Store) error {
		_, err := s.Sends().State(ctx, aLog)
		return err
	}},
	{"Enter", func(ctx context.Context, s *redisquota.Store) error {
		_, err := s.Calls().Enter(ctx, aCall)
		return err
	}},
	{"Leave", func(ctx context.Context, s *redisquota.Store) error { return s.Calls().Leave(ctx, aKey, "id") }},
	{"Pause", func(ctx context.Context, s *redisquota.Store) error {
		return s.Calls().Pause(ctx, aKey, true, time.Minute)
	}},
}

func TestNew(t *testing.T) {
	t.Parallel()
	c := imitation(t)
	for _, tt := range []struct {
		client redis.UniversalClient
		prefix string
		field  string
	}{
		{c, "", ""},
		{c, "host:", ""},
		{c, strings.Repeat("p", 101), "prefix"},
		{c, "{", "prefix"},
		{c, "}", "prefix"},
		{nil, "", "client"},
	} {
		_, err := redisquota.New(tt.client, redisquota.Options{Prefix: tt.prefix})
		var field *mailbox.FieldError
		if errors.As(err, &field); (err == nil) != (tt.field == "") || field != nil && field.Field != tt.field {
			t.Errorf("New(%v, %q): %v", tt.client, tt.prefix, err)
		}
	}
}

// watch is a hook that sees the commands of a client, apart from those of a new
// connection, and may change the answers.
type watch struct {
	see func(*redis.Cmd)
}

func (w watch) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w watch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (w watch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		switch cmd.Name() {
		case "hello", "client":
			return err
		}
		w.see(cmd.(*redis.Cmd))
		if cmd.Err() != nil {
			return cmd.Err()
		}
		return err
	}
}

// Every operation is one command when the server knows the script, and works
// when it does not, or does not any more.
func TestOneScriptEach(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			c := server.open(t)
			_, prefix := newStore(t, c)
			var seen []string
			watched := c.WithTimeout(time.Minute)
			store := open(t, watched, prefix)
			watched.AddHook(watch{see: func(cmd *redis.Cmd) {
				seen = append(seen, cmd.Name())
			}})
			for _, op := range operations {
				if err := op.do(t.Context(), store); err != nil {
					t.Errorf("%s: %v", op.name, err)
				}
				seen = nil
				if err := op.do(t.Context(), store); err != nil {
					t.Errorf("%s again: %v", op.name, err)
				}
				if want := []string{"evalsha"}; !cmp.Equal(seen, want) {
					t.Errorf("%s: commands %q, want %q", op.name, seen, want)
				}
			}
		})
	}
	t.Run("after SCRIPT FLUSH", func(t *testing.T) {
		t.Parallel()
		p := start(t) // others use the scripts of the shared one
		c := client(t, &redis.Options{Addr: p.address})
		store := open(t, c, "")
		for _, op := range operations {
			if err := c.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if err := op.do(t.Context(), store); err != nil {
				t.Errorf("%s: %v", op.name, err)
			}
		}
	})
}

// Nothing stays for ever but states of logs.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			c := server.open(t)
			store, prefix := newStore(t, c)
			send := anAsk
			send.Version = 1
			bucket := aCall
			bucket.Budgets = []quota.BudgetAsk{aBudget, {Name: "bucket", Budget: quota.Budget{Units: 200, Per: time.Hour, Burst: 100}, N: 50}}
			if ok, err := store.Sends().SetState(t.Context(), aLog, aState); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if a, err := store.Sends().Decide(t.Context(), send); err != nil || !a.Allowed {
				t.Fatal(a, err)
			}
			if a, err := store.Calls().Enter(t.Context(), bucket); err != nil || !a.Allowed {
				t.Fatal(a, err)
			}
			log, calls := prefix+"{log:tenant:mailbox:mailbox}:", prefix+"{calls:provider:app:tenant:mailbox}:"
			// Units count until the end of the 96 steps after theirs, a bucket is full
			// again after a quarter of an hour.
			least := map[string]time.Duration{
				log + "times":   quota.Retention + time.Hour,
				log + "more":    quota.Retention + time.Hour,
				log + "above":   quota.Retention + time.Hour,
				log + "spans":   quota.Retention + time.Hour,
				log + "state":   0,
				calls + "state": 15 * time.Minute,
				calls + "steps": 96 * time.Minute,
				calls + "slots": time.Minute,
			}
			keys, err := c.Keys(t.Context(), prefix+"*").Result()
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range keys {
				want, known := least[key]
				delete(least, key)
				ttl, err := c.PTTL(t.Context(), key).Result()
				switch {
				case err != nil || !known:
					t.Errorf("key %q: %v", key, err)
				case want == 0 && ttl >= 0:
					t.Errorf("%q expires in %v, want never", key, ttl)
				case want > 0 && (ttl < want-time.Minute || ttl > 2*want):
					t.Errorf("%q expires in %v, want some time after %v", key, ttl, want)
				}
			}
			if len(least) > 0 {
				t.Errorf("missing keys: %v", least)
			}

			if err := store.Calls().Pause(t.Context(), aKey, true, 3*time.Hour); err != nil {
				t.Fatal(err)
			}
			if ttl := c.PTTL(t.Context(), calls+"state").Val(); ttl < 3*time.Hour-time.Minute {
				t.Errorf("with a pause of 3 h, it expires in %v", ttl)
			}
		})
	}
}

// A log that is used for ever stays as large as what it has to keep.
func TestOldEntriesGo(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			c := server.open(t)
			store, prefix := newStore(t, c)
			begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			ask := anAsk
			for i := range 200 {
				ask.Key, ask.Recipients, ask.At = string(rune('A'+i)), 1+i%2, begin.Add(time.Duration(i)*time.Hour)
				if a, err := store.Sends().Decide(t.Context(), ask); err != nil || !a.Allowed {
					t.Fatal(a, err)
				}
			}
			// A look ahead forgets nothing.
			ask.At, ask.DryRun, ask.Key = ask.At.Add(1000*time.Hour), true, "ahead"
			if _, err := store.Sends().Decide(t.Context(), ask); err != nil {
				t.Fatal(err)
			}
			tag := prefix + "{log:tenant:mailbox:mailbox}:"
			got := []int64{
				c.ZCard(t.Context(), tag+"times").Val(), c.ZCard(t.Context(), tag+"more").Val(), c.HLen(t.Context(), tag+"above").Val(), c.HLen(t.Context(), tag+"spans").Val(),
			}
			if want := []int64{27, 14, 14, 14}; !slices.Equal(got, want) {
				t.Errorf("%d entries, %d and %d with several recipients, %d spans; want %d", got[0], got[1], got[2], got[3], want)
			}
			if n := c.DBSize(t.Context()).Val(); server.name == "miniredis" && n != 4 {
				t.Errorf("%d keys", n)
			}
		})
	}
}

// A window of days that are over, or not there yet by the server's clock, is no
// reason to let anything go.
func TestDaysOfAnotherTime(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			store, _ := newStore(t, server.open(t))
			begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			ask := anAsk
			ask.Windows = []quota.Window{{Per: time.Hour, Max: 5}, {Days: []time.Time{begin, begin.AddDate(0, 0, 1), begin.AddDate(0, 0, 2)}, Max: 5}}
			for _, tt := range []struct {
				at time.Time
				ok bool
			}{
				{begin.Add(-time.Microsecond), false},
				{begin, true},
				{begin.AddDate(0, 0, 2).Add(-time.Microsecond), true},
				{begin.AddDate(0, 0, 2), false},
				{time.Time{}, false}, // now
			} {
				ask.At = tt.at
				_, err := store.Sends().Decide(t.Context(), ask)
				var field *mailbox.FieldError
				if tt.ok && err != nil || !tt.ok && (!errors.As(err, &field) || field.Field != "windows[1].days") {
					t.Errorf("at %v: %v, want it allowed: %v", tt.at, err, tt.ok)
				}
			}
		})
	}
}

// What a server answers beside the point is a failure of the store.
func TestFailures(t *testing.T) {
	t.Parallel()
	errStorage := func(t *testing.T, name string, err error, also ...error) {
		t.Helper()
		if !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("%s: %v, want an error of the store", name, err)
		}
		for _, want := range also {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want it to be %v as well", name, err, want)
			}
		}
	}
	t.Run("no server", func(t *testing.T) {
		t.Parallel()
		store := open(t, client(t, &redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1}), "")
		for _, op := range operations {
			errStorage(t, op.name, op.do(t.Context(), store))
		}
		errStorage(t, "Check", store.Check(t.Context()))
	})
	t.Run("the context is over", func(t *testing.T) {
		t.Parallel()
		store := open(t, imitation(t), "")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, op := range operations {
			errStorage(t, op.name, op.do(ctx, store), context.Canceled)
		}
		errStorage(t, "Check", store.Check(ctx), context.Canceled)
	})
	t.Run("the context ends on the way", func(t *testing.T) {
		t.Parallel()
		c := imitation(t)
		store := open(t, c, "")
		for _, op := range operations {
			ctx, cancel := context.WithCancel(t.Context())
			fails := c.WithTimeout(time.Minute)
			fails.AddHook(watch{see: func(cmd *redis.Cmd) {
				cancel()
				cmd.SetErr(errors.New("broken pipe"))
			}})
			errStorage(t, op.name, op.do(ctx, open(t, fails, "")), context.Canceled)
			if err := op.do(t.Context(), store); err != nil {
				t.Errorf("%s: %v", op.name, err)
			}
		}
	})
	t.Run("a key of another kind", func(t *testing.T) {
		t.Parallel()
		m := miniredis.RunT(t)
		store := open(t, client(t, &redis.Options{Addr: m.Addr()}), "")
		for _, key := range []string{"log:tenant:mailbox:mailbox}:times", "log:tenant:mailbox:mailbox}:state", "calls:provider:app:tenant:mailbox}:state", "calls:provider:app:tenant:mailbox}:slots"} {
			if err := m.Set("mailtether:{"+key, "text"); err != nil {
				t.Fatal(err)
			}
		}
		for _, op := range operations {
			errStorage(t, op.name, op.do(t.Context(), store))
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		t.Parallel()
		c := imitation(t)
		store := open(t, c, "")
		var answer any
		c.AddHook(watch{see: func(cmd *redis.Cmd) {
			cmd.SetErr(nil)
			cmd.SetVal(answer)
		}})
		for _, answer = range []any{
			nil, "", "OK", 1.5, true,
			map[any]any{},
			[]any{},
			[]any{nil},
			[]any{int64(1)},
			[]any{"decided"},
			[]any{"stale"},
			[]any{"days"},
			[]any{"stale", "one", ""},
			[]any{"stale", "1", int64(1)},
			[]any{"decided", int64(1), int64(0), int64(0), "1", nil},
			[]any{"decided", int64(1), int64(0), int64(0), int64(1), "now"},
			[]any{"other"},
			[]any{[]any{"-a"}, []any{}},
			[]any{[]any{"-a", "b"}, []any{}},
			[]any{[]any{"", "1"}, []any{}},
			[]any{[]any{}, []any{"a", "1"}},
			[]any{[]any{}, nil},
			[]any{[]any{}, []any{"1:a"}},
			[]any{int64(1), "0", int64(0)},
		} {
			for _, op := range operations {
				switch op.name {
				case "Settle", "Remove", "Leave", "Pause": // which need to know only that it went well
				default:
					errStorage(t, op.name, op.do(t.Context(), store))
				}
			}
		}
	})
}
