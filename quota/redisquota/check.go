package redisquota

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Problem is one thing about a server that is wrong for this package, or may be.
type Problem struct {
	// Server is the address; empty if the client does not tell.
	Server string
	// Setting is the name of the setting in redis.conf, or "redis_version".
	Setting string
	// Value is what it is set to; empty if Unknown.
	Value string
	// Unknown tells that the server keeps the setting to itself, as managed ones
	// do: look it up there.
	Unknown bool
	// Text says in one sentence what can happen, and what to set.
	Text string
}

// String returns the problem in one line.
func (p Problem) String() string {
	value := p.Value
	if p.Unknown {
		value = "(unknown)"
	}
	if p.Server == "" {
		return fmt.Sprintf("%s %s: %s", p.Setting, value, p.Text)
	}
	return fmt.Sprintf("%s: %s %s: %s", p.Server, p.Setting, value, p.Text)
}

// CheckError tells what is wrong with the servers.
type CheckError struct {
	// Problems are at least one, those of a server together.
	Problems []Problem
}

// Error lists the problems.
func (e *CheckError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "redisquota: " + strings.Join(lines, "; ")
}

// Certain reports whether one of the problems is more than a setting that the
// server keeps to itself. A host that runs on a managed Redis may go on
// otherwise.
func (e *CheckError) Certain() bool {
	return slices.ContainsFunc(e.Problems, func(p Problem) bool { return !p.Unknown })
}

// Check looks whether the server (on a cluster, every master) is fit for this
// package: new enough, does not lose what it has acknowledged when it restarts,
// and does not evict keys to make room. What is not is a *[CheckError]. A server
// that does not answer is a ClassStorage error.
//
// It changes nothing, needs the rights to INFO and CONFIG GET, and takes the lack
// of either for an unknown setting. The store works whatever Check says: a host
// calls it when it starts, to warn its operator.
func (s *Store) Check(ctx context.Context) error {
	const op = "check Redis"
	if err := ctx.Err(); err != nil {
		return failed(ctx, op, "", err)
	}
	var (
		mu       sync.Mutex
		problems []Problem
	)
	check := func(ctx context.Context, c *redis.Client) error {
		found, err := checkServer(ctx, c, c.Options().Addr)
		mu.Lock()
		defer mu.Unlock()
		problems = append(problems, found...)
		return err
	}
	var err error
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, check)
	case *redis.Ring:
		err = c.ForEachShard(ctx, check)
	case *redis.Client:
		err = check(ctx, c)
	default:
		problems, err = checkServer(ctx, c, "")
	}
	if err != nil {
		return failed(ctx, op, "", err)
	}
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Server, b.Server) })
	return &CheckError{Problems: problems}
}

// checkServer returns the problems of one server.
func checkServer(ctx context.Context, c redis.Cmdable, address string) ([]Problem, error) {
	info, err := settings(ctx, c)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, want := range wanted {
		value, known := info[want.setting]
		if want.fits(value, info) {
			continue
		}
		problems = append(problems, Problem{
			Server: address, Setting: want.setting, Value: value, Unknown: !known, Text: want.text,
		})
	}
	return problems, nil
}

// wanted is what a server should have.
var wanted = []struct {
	setting string
	fits    func(value string, info map[string]string) bool
	text    string
}{
	{
		"redis_version",
		func(v string, _ map[string]string) bool {
			major, _, _ := strings.Cut(v, ".")
			n, err := strconv.Atoi(major)
			return err == nil && n >= 7
		},
		"the scripts are made for Redis 7 and later: upgrade the server",
	},
	{
		"appendonly",
		func(v string, _ map[string]string) bool { return v == "yes" },
		"a restart forgets messages that were counted, and mailboxes may send above their caps: set appendonly yes",
	},
	{
		"appendfsync",
		func(v string, info map[string]string) bool { return v == "always" || info["appendonly"] == "no" },
		"a crash of the machine forgets the messages that were counted last, and mailboxes may send above their caps by as many: set appendfsync always",
	},
	{
		"maxmemory-policy",
		func(v string, info map[string]string) bool { return v == "noeviction" || info["maxmemory"] == "0" },
		"a server that is full forgets messages that were counted, and mailboxes may send above their caps: set maxmemory-policy noeviction",
	},
}

// settings returns what a server tells about itself by the names of redis.conf.
// INFO tells most of it, also where CONFIG is forbidden.
func settings(ctx context.Context, c redis.Cmdable) (map[string]string, error) {
	found := make(map[string]string)
	text, err := c.Info(ctx).Result()
	if err != nil && !refused(err) {
		return nil, err
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch name {
		case "redis_version", "maxmemory":
			found[name] = value
		case "maxmemory_policy":
			found["maxmemory-policy"] = value
		case "aof_enabled":
			found["appendonly"] = "no"
			if value == "1" {
				found["appendonly"] = "yes"
			}
		}
	}
	for _, name := range []string{"appendonly", "appendfsync", "maxmemory", "maxmemory-policy"} {
		values, err := c.ConfigGet(ctx, name).Result()
		if err != nil && !refused(err) {
			return nil, err
		}
		if value, ok := values[name]; ok {
			found[name] = value
		}
	}
	return found, nil
}

// refused reports whether the server answered that it does not answer this. That
// it is loading its data or wants a password is another matter.
func refused(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) &&
		(strings.HasPrefix(answer.Error(), "NOPERM") || strings.HasPrefix(answer.Error(), "ERR "))
}
