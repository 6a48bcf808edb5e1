// Command simulate shows and proves the sending governor, package quota, in
// virtual time: a fleet of mailboxes with limits of their own sends for a month
// through several processes of a host that share a store and die now and then,
// while messages bounce, are answered, are refused by the mail services, and
// others are sent by hand. A referee that shares no code with the library
// watches every message and every refusal. Then one Gmail mailbox is backfilled
// beside live sync and sends.
//
//	go run ./examples/simulate
//	go run ./examples/simulate -mailboxes 100 -days 60 -preset new_domain -svg ramp.svg
//
// The exit code is 1 if a limit was violated, or a message was held back without
// need. What is printed to standard output depends on the flags alone; how long
// it took is printed to standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the time zones, for machines without

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// options are the flags.
type options struct {
	mailboxes, days, processes int
	seed                       uint64
	preset                     quota.Preset
	svg                        string
}

func main() {
	debug.SetGCPercent(400) // most of what is allocated is of no use a moment later
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command runs the program: 0 if all went well, 1 if a limit was violated or
// something failed, 2 if the flags make no sense.
func command(ctx context.Context, args []string, out, log io.Writer) int {
	o, err := parse(args, log)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(log, "simulate:", err)
		return 2
	}
	sends, err := simulate(ctx, o, nil, log)
	if err != nil {
		fmt.Fprintln(log, "simulate:", err)
		return 1
	}
	calls := runBackfill(o.seed, quota.DefaultLimits(mailbox.Gmail))
	calls.judge(sends)
	sends.print(out, o)
	calls.print(out)
	sends.printViolations(out)
	if o.svg != "" {
		if err := writeChart(o.svg, o, sends, calls); err != nil {
			fmt.Fprintln(log, "simulate:", err)
			return 1
		}
	}
	if sends.violations > 0 {
		return 1
	}
	return 0
}

func parse(args []string, log io.Writer) (options, error) {
	var o options
	var preset string
	f := flag.NewFlagSet("simulate", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.mailboxes, "mailboxes", 1000, "how many mailboxes send")
	f.IntVar(&o.days, "days", 30, "how many days pass")
	f.Uint64Var(&o.seed, "seed", 1, "what chance depends on: the same seed gives the same result")
	f.IntVar(&o.processes, "processes", 4, "how many processes of the host share the store")
	f.StringVar(&preset, "preset", "", "all mailboxes are of this `kind`: "+presetNames())
	f.StringVar(&o.svg, "svg", "", "write a chart to this `file`")
	err := f.Parse(args)
	o.preset = quota.Preset(preset)
	_, known := kindOf(o.preset)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(log, usageText)
		f.SetOutput(log)
		f.PrintDefaults()
		return o, err
	case err != nil:
		return o, err
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is not a flag", f.Arg(0))
	case o.mailboxes < 1 || o.mailboxes > 100_000:
		return o, fmt.Errorf("-mailboxes is %d, must be 1 to 100000", o.mailboxes)
	case o.days < 1 || o.days > 365:
		return o, fmt.Errorf("-days is %d, must be 1 to 365", o.days)
	case o.processes < 1 || o.processes > 64:
		return o, fmt.Errorf("-processes is %d, must be 1 to 64", o.processes)
	case preset != "" && !known:
		return o, fmt.Errorf("-preset is %q, must be one of %s", preset, presetNames())
	}
	return o, nil
}

const usageText = `Simulate sends from many mailboxes for some weeks of virtual time, and checks every
message and every refusal. It exits with 1 if a limit was violated or a message was
held back without need.

usage: simulate [flags]
`

func presetNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k.preset))
	}
	return strings.Join(names, ", ")
}

// worlds is how many worlds the mailboxes are dealt out to. It does not depend
// on the machine, so that the result does not either.
const worlds = 8

// simulate runs the fleet. wrap may replace the governor of each process.
func simulate(ctx context.Context, o options, wrap func(governor) governor, log io.Writer) (*result, error) {
	began := time.Now()
	fleet, err := newFleet(o)
	if err != nil {
		return nil, err
	}
	var all []*world
	for i := range min(worlds, len(fleet)) {
		var part []*resident
		for j := i; j < len(fleet); j += worlds {
			part = append(part, fleet[j])
		}
		w, err := newWorld(o, i, part, wrap)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var telling sync.Mutex
	days, whole := 0, len(all)*o.days
	tell := func() {
		telling.Lock()
		defer telling.Unlock()
		if days++; days*10/whole > (days-1)*10/whole {
			fmt.Fprintf(log, "%d %%\n", 100*days/whole)
		}
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, w := range all {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := w.run(ctx, tell); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	sum := newResult()
	for _, w := range all {
		sum.add(w.result)
	}
	took := time.Since(began).Seconds()
	fmt.Fprintf(log, "simulated in %.1f s: %s decisions a second\n", took, group(int(float64(sum.decisions)/took)))
	return sum, nil
}
