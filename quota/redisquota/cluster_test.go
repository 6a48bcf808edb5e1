package redisquota_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/quota/quotatest"
)

// cluster returns a client of a Redis Cluster of one server with all slots. It
// refuses every script whose keys are in several.
func cluster(t *testing.T) (*redis.ClusterClient, *process) {
	t.Helper()
	p := start(t, "--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")
	node := client(t, &redis.Options{Addr: p.address})
	if err := node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for info := ""; !strings.Contains(info, "cluster_state:ok"); {
		select {
		case <-t.Context().Done():
			t.Fatal(info)
		case <-time.After(10 * time.Millisecond):
		}
		var err error
		if info, err = node.ClusterInfo(t.Context()).Result(); err != nil {
			t.Fatal(err)
		}
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{p.address}})
	t.Cleanup(func() { c.Close() })
	return c, p
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c, _ := cluster(t)
	keys := []string{"mailtether:{a}:times", "mailtether:{b}:times"}
	if err := c.Eval(t.Context(), "return 1", keys).Err(); err == nil || !strings.Contains(err.Error(), "CROSSSLOT") && !strings.Contains(err.Error(), "slot") {
		t.Fatalf("two slots in one script: %v, want an error", err)
	}
	t.Run("Sends", func(t *testing.T) {
		t.Parallel()
		quotatest.Run(t, func(t *testing.T) quotatest.Harness {
			return quotatest.Harness{Store: open(t, c, t.Name()+":").Sends()}
		})
	})
	t.Run("Calls", func(t *testing.T) {
		t.Parallel()
		quotatest.RunCalls(t, func(t *testing.T) quotatest.CallHarness {
			return quotatest.CallHarness{Store: open(t, c, t.Name()+":").Calls()}
		})
	})
}
