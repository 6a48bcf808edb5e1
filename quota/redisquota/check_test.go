package redisquota_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota/redisquota"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	safe := []string{"--appendonly", "yes", "--appendfsync", "always"}
	for _, tt := range []struct {
		name     string
		settings []string
		want     []string // settings and values; "?" is unknown
		certain  bool
	}{
		{"safe", safe, nil, false},
		{"not written at all", nil, []string{"appendonly no"}, true},
		{"written later", []string{"--appendonly", "yes", "--appendfsync", "everysec"}, []string{"appendfsync everysec"}, true},
		{"evicts", append(safe, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"), []string{"maxmemory-policy volatile-ttl"}, true},
		{"would evict if it had a limit", append(safe, "--maxmemory-policy", "allkeys-lru"), nil, false},
		{"full is full", append(safe, "--maxmemory", "100mb", "--maxmemory-policy", "noeviction"), nil, false},
		{"keeps its settings to itself", append(safe, "--rename-command", "CONFIG", ""), []string{"appendfsync ?"}, false},
		{
			"keeps them to itself, and is not safe",
			[]string{"--rename-command", "CONFIG", ""},
			[]string{"appendonly no"},
			true,
		},
		{
			"tells nothing", append(safe, "--user", "default", "on", "nopass", "~*", "+@all", "-config", "-info"),
			[]string{"redis_version ?", "appendonly ?", "appendfsync ?", "maxmemory-policy ?"},
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, tt.settings...)
			err := open(t, client(t, &redis.Options{Addr: p.address}), "").Check(t.Context())
			wantProblems(t, err, p.address, tt.want, tt.certain)
		})
	}
	t.Run("a cluster", func(t *testing.T) {
		t.Parallel()
		c, p := cluster(t)
		wantProblems(t, open(t, c, "").Check(t.Context()), p.address, []string{"appendonly no"}, true)
	})
	t.Run("a wrong password is no setting", func(t *testing.T) {
		t.Parallel()
		p := start(t, safe...)
		if err := client(t, &redis.Options{Addr: p.address}).ConfigSet(t.Context(), "requirepass", "secret").Err(); err != nil {
			t.Fatal(err)
		}
		err := open(t, client(t, &redis.Options{Addr: p.address}), "").Check(t.Context())
		if !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("%v, want an error of the store", err)
		}
	})
}

func wantProblems(t *testing.T, err error, server string, want []string, certain bool) {
	t.Helper()
	var got []string
	if check := new(redisquota.CheckError); errors.As(err, &check) {
		for _, p := range check.Problems {
			value := p.Value
			if p.Unknown {
				value = "?"
			}
			got = append(got, p.Setting+" "+value)
			if p.Server != server || p.Text == "" || !strings.Contains(err.Error(), p.String()) {
				t.Errorf("%+v is not said in %q", p, err)
			}
		}
		if check.Certain() != certain {
			t.Errorf("certain: %v, want %v", check.Certain(), certain)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
