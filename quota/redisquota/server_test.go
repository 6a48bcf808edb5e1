package redisquota_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// process is a Redis of a test's own, which it may kill.
type process struct {
	t       testing.TB
	address string
	args    []string
	cmd     *exec.Cmd
}

// start starts a Redis with settings of redis.conf in a directory of its own. Only
// the server itself can tell whether a port is free, and one that nobody listens at
// may still be an outgoing connection's: a server that ends is started elsewhere.
func start(t testing.TB, settings ...string) *process {
	t.Helper()
	service(t, "MAILTETHER_REDIS") // where that is, the program is
	settings = append([]string{"--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", ""}, settings...)
	var said string
	for range 20 {
		port, bus := 10_000+rand.IntN(10_000), 20_000+rand.IntN(10_000)
		p := &process{
			t:       t,
			address: fmt.Sprintf("127.0.0.1:%d", port),
			args:    append([]string{"--port", strconv.Itoa(port), "--cluster-port", strconv.Itoa(bus)}, settings...),
		}
		var ok bool
		if said, ok = p.serve(); ok {
			t.Cleanup(p.kill)
			return p
		}
	}
	t.Fatalf("Redis does not start:\n%s", said)
	return nil
}

// again starts a server that was killed, at its old address.
func (p *process) again() {
	p.t.Helper()
	var said string
	for range 100 {
		var ok bool
		if said, ok = p.serve(); ok {
			return
		}
	}
	p.t.Fatalf("Redis does not start at %s again:\n%s", p.address, said)
}

// serve starts the server and returns when it serves or has ended, with what it
// said until then.
func (p *process) serve() (said string, ok bool) {
	p.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command("/usr/bin/redis-server", p.args...)
	p.cmd.Stdout, p.cmd.Stderr = w, w
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		p.t.Fatal(err)
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go func() { // until it is killed; who does not listen to it stops it
				_, _ = io.Copy(io.Discard, r)
				r.Close()
			}()
			return said, true
		}
	}
	r.Close()
	p.kill()
	return said, false
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
