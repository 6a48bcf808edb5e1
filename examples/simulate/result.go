package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// result is what happened in a world, or in all.
type result struct {
	asked, sent, left  int
	decisions          int
	byHand             int
	cancelled, crashed int
	lost, givenUp      int // crashed, not sent, and not tried again: nobody gave the place back, or somebody did
	restarts           int
	refused            map[quota.Rule]int
	signals, changes   map[quota.SignalKind]int
	use                map[quota.Preset]workedOut
	examples           map[quota.Preset]*example
	violations         int
	byRule             map[string]int
	worst              []violation // the first ones
}

// violation is what a referee reports.
type violation struct {
	at            int64
	mailbox       string
	rule, problem string
}

const maxReported = 20

func newResult() *result {
	return &result{
		refused: make(map[quota.Rule]int), signals: make(map[quota.SignalKind]int), changes: make(map[quota.SignalKind]int),
		use: make(map[quota.Preset]workedOut), examples: make(map[quota.Preset]*example), byRule: make(map[string]int),
	}
}

func (r *result) violate(v violation) {
	r.violations++
	r.byRule[v.rule]++
	if len(r.worst) < maxReported {
		r.worst = append(r.worst, v)
	}
}

func (r *result) worked(p quota.Preset, w workedOut) {
	sum := r.use[p]
	r.use[p] = workedOut{sum.days + w.days, sum.sent + w.sent, sum.could + w.could}
}

// add adds what happened in another world.
func (r *result) add(o *result) {
	r.asked += o.asked
	r.sent += o.sent
	r.left += o.left
	r.decisions += o.decisions
	r.byHand += o.byHand
	r.cancelled += o.cancelled
	r.crashed += o.crashed
	r.lost += o.lost
	r.givenUp += o.givenUp
	r.restarts += o.restarts
	r.violations += o.violations
	r.worst = append(r.worst, o.worst...)
	r.worst = r.worst[:min(len(r.worst), maxReported)]
	addCounts(r.refused, o.refused)
	addCounts(r.signals, o.signals)
	addCounts(r.changes, o.changes)
	addCounts(r.byRule, o.byRule)
	for p, w := range o.use {
		r.worked(p, w)
	}
	for p, e := range o.examples {
		r.examples[p] = e
	}
}

func addCounts[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}

func total[K comparable](m map[K]int) (n int) {
	for _, x := range m {
		n += x
	}
	return n
}

// byCount lists counts, the largest first.
func byCount[K ~string](m map[K]int) string {
	if len(m) == 0 {
		return "none"
	}
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b K) int { return m[b] - m[a] })
	var parts []string
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%s %s", k, group(m[k])))
	}
	return strings.Join(parts, ", ")
}

// print writes the summary. Nothing in it depends on the machine.
func (r *result) print(out io.Writer, o options) {
	fmt.Fprintf(out, "%d mailboxes, %d days from %s, %d processes, seed %d\n\n", o.mailboxes, o.days, start.Format("2 January 2006"), o.processes, o.seed)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, n int, note string, args ...any) {
		fmt.Fprintf(w, "  %s\t%12s\t%s\n", name, group(n), fmt.Sprintf(note, args...))
	}
	row("asked", r.asked, "messages that the mailboxes had to send")
	row("sent", r.sent, "%s still wait, %d were given up after a crash", group(r.left), r.lost+r.givenUp)
	row("by hand", r.byHand, "seen minutes later, counted like the others")
	row("decisions", r.decisions, "")
	row("refused", total(r.refused), "%s", byCount(r.refused))
	row("cancelled", r.cancelled, "not sent, place given back")
	row("crashed", r.crashed, "between Reserve and Commit; of %s places nobody took care", group(r.lost))
	row("restarts", r.restarts, "of processes")
	row("signals", total(r.signals), "%s", byCount(r.signals))
	row("slow-downs", total(r.changes), "%s", byCount(r.changes))
	w.Flush()

	fmt.Fprintf(out, "\nUse of what could be sent, on whole days with mail waiting and nothing slowed down:\n\n")
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range kinds {
		if u, ok := r.use[k.preset]; ok && u.days > 0 {
			fmt.Fprintf(w, "  %s\t%.1f %%\tof %s messages on %s days\n", k.preset, 100*float64(u.sent)/float64(u.could), group(u.could), group(u.days))
		}
	}
	w.Flush()
}

// printViolations writes what the referees found.
func (r *result) printViolations(out io.Writer) {
	fmt.Fprintf(out, "\nviolations: %d\n", r.violations)
	if r.violations == 0 {
		return
	}
	fmt.Fprintf(out, "  %s; the first ones:\n", byCount(r.byRule))
	for _, v := range r.worst {
		fmt.Fprintf(out, "  %s %s: %s: %s\n", time.UnixMicro(v.at).UTC().Format(time.DateTime), v.mailbox, v.rule, v.problem)
	}
}

// group writes a number with its thousands apart.
func group(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
