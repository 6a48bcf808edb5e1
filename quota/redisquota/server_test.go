package redisquota_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// process is a Redis of a test's own, which it may kill.
type process struct {
	t       testing.TB
	address string
	args    []string
	cmd     *exec.Cmd
}

// start starts a Redis with settings of redis.conf on a free port and in a
// directory of its own.
func start(t testing.TB, settings ...string) *process {
	t.Helper()
	service(t, "MAILTETHER_REDIS") // where that is, the program is
	port := freePort(t)
	p := &process{
		t:       t,
		address: fmt.Sprintf("127.0.0.1:%d", port),
		args:    append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", t.TempDir(), "--save", ""}, settings...),
	}
	t.Cleanup(p.kill)
	p.run()
	return p
}

// freePort returns a port below those that outgoing connections take, which might
// have it before the server does. A cluster uses the one 10,000 above it, too.
func freePort(t testing.TB) int {
	t.Helper()
	for range 50 {
		port := 20_000 + rand.IntN(12_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// run starts the server, again after a kill, and returns when it serves.
func (p *process) run() {
	p.t.Helper()
	p.cmd = exec.Command("/usr/bin/redis-server", p.args...)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	patient := client(p.t, &redis.Options{
		Addr: p.address, MaxRetries: 600, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	if err := patient.Ping(ctx).Err(); err != nil {
		p.t.Fatalf("Redis at %s: %v", p.address, err)
	}
}

// kill ends the server as a power cut would, but for what the system has yet to
// write to disk.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}
