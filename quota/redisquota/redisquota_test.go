package redisquota_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/quota/quotatest"
	"github.com/mailtether/mailtether/quota/redisquota"
)

// service returns the value of the environment variable that names a service.
// Without it the test is skipped.
func service(t testing.TB, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		problem := variable + ` is not set: eval "$(.ci/services start)" starts what it names`
		if os.Getenv("MAILTETHER_REQUIRE_SERVICES") != "" {
			t.Fatal(problem)
		}
		t.Skip(problem)
	}
	return value
}

// server returns a client of the Redis of MAILTETHER_REDIS.
func server(t testing.TB) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(service(t, "MAILTETHER_REDIS"))
	if err != nil {
		t.Fatal("MAILTETHER_REDIS is not a URL")
	}
	return client(t, o)
}

func client(t testing.TB, o *redis.Options) *redis.Client {
	t.Helper()
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// imitation returns a client of a server in this process.
func imitation(t testing.TB) *redis.Client {
	t.Helper()
	return client(t, &redis.Options{Addr: miniredis.RunT(t).Addr()})
}

// newStore returns a store whose keys nobody else has, and which are gone after
// the test.
func newStore(t testing.TB, c *redis.Client) (store *redisquota.Store, prefix string) {
	t.Helper()
	prefix = "test-" + rand.Text() + ":"
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, prefix+"*", 10_000).Result()
			if err == nil && len(keys) > 0 {
				err = c.Unlink(ctx, keys...).Err()
			}
			if err != nil {
				t.Error(err)
			}
			if cursor = next; err != nil || cursor == 0 {
				return
			}
		}
	})
	return open(t, c, prefix), prefix
}

func open(t testing.TB, c redis.UniversalClient, prefix string) *redisquota.Store {
	t.Helper()
	store, err := redisquota.New(c, redisquota.Options{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// servers are what the suites run on: the real one does not write to disk, which
// takes most of the time otherwise.
var servers = []struct {
	name string
	open func(testing.TB) *redis.Client
}{
	{"Redis", func(t testing.TB) *redis.Client { return client(t, &redis.Options{Addr: start(t).address}) }},
	{"miniredis", imitation},
}

func TestSends(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := s.open(t)
			quotatest.Run(t, func(t *testing.T) quotatest.Harness {
				store, prefix := newStore(t, c)
				return quotatest.Harness{Store: store.Sends(), Other: open(t, c, prefix).Sends()}
			})
		})
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := s.open(t)
			quotatest.RunCalls(t, func(t *testing.T) quotatest.CallHarness {
				store, prefix := newStore(t, c)
				return quotatest.CallHarness{Store: store.Calls(), Other: open(t, c, prefix).Calls()}
			})
		})
	}
}
