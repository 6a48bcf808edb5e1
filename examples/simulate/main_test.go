package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/quota"
)

func TestSimulate(t *testing.T) {
	t.Parallel()
	o := options{mailboxes: 40, days: 12, processes: 4, seed: 1}
	r, err := simulate(t.Context(), o, nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.violations > 0 {
		var out strings.Builder
		r.printViolations(&out)
		t.Error(out.String())
	}
	if got := r.sent + r.left + r.lost + r.givenUp; got != r.asked {
		t.Errorf("%d messages sent, waiting or given up, of %d", got, r.asked)
	}
	if allowed := r.decisions - total(r.refused); allowed < r.sent || allowed > r.sent+r.cancelled+r.crashed+40*maxInFlight {
		t.Errorf("%d places for %d messages", allowed, r.sent)
	}
	for _, rule := range []quota.Rule{
		quota.RuleMessages, quota.RuleRecipients, quota.RulePace, quota.RuleGap, quota.RuleHours,
		quota.RulePaused, quota.RuleWarmUp, quota.RuleSlowDown,
	} {
		if r.refused[rule] == 0 {
			t.Errorf("nothing was refused by %s", rule)
		}
	}
	for _, kind := range []quota.SignalKind{quota.SignalBounce, quota.SignalReply, quota.SignalThrottled} {
		if r.signals[kind] == 0 {
			t.Errorf("no signal of %s", kind)
		}
	}
	if r.byHand == 0 || r.crashed == 0 || r.cancelled == 0 || r.restarts == 0 || total(r.changes) == 0 {
		t.Errorf("something never happened: %+v", r)
	}
	for _, k := range kinds {
		u := r.use[k.preset]
		if part := float64(u.sent) / float64(u.could); u.days == 0 || part < 0.98 {
			t.Errorf("%s used %.1f %% of %d days", k.preset, 100*part, u.days)
		}
		if e := r.examples[k.preset]; e == nil || len(e.days) != o.days {
			t.Errorf("the example of %s has not all days", k.preset)
		}
	}
}

func TestEachPresetAlone(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		r, err := simulate(t.Context(), options{mailboxes: 2, days: 2, processes: 1, seed: 5, preset: k.preset}, nil, io.Discard)
		if err != nil || r.violations > 0 || r.sent == 0 {
			t.Errorf("%s: %d sent, %d violations, %v", k.preset, r.sent, r.violations, err)
		}
	}
}

// run runs the command.
func run(t *testing.T, args ...string) (code int, out, log string) {
	t.Helper()
	var o, l bytes.Buffer
	code = command(t.Context(), args, &o, &l)
	return code, o.String(), l.String()
}

func TestSameSeedSameOutput(t *testing.T) {
	t.Parallel()
	chart := func(name string) string { return filepath.Join(t.TempDir(), name) }
	first, second := chart("first.svg"), chart("second.svg")
	code, out, _ := run(t, "-mailboxes", "9", "-days", "2", "-svg", first)
	_, again, _ := run(t, "-mailboxes", "9", "-days", "2", "-svg", second)
	_, other, _ := run(t, "-mailboxes", "9", "-days", "2", "-seed", "2")
	if code != 0 || out != again {
		t.Errorf("exit code %d, and then\n%s\nand\n%s", code, out, again)
	}
	if out == other {
		t.Error("the seed does not matter")
	}
	for _, want := range []string{"violations: 0", "asked", "crashed", "new_domain", "longest wait"} {
		if !strings.Contains(out, want) {
			t.Errorf("the summary lacks %q:\n%s", want, out)
		}
	}
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(second); err != nil || !bytes.Equal(a, b) {
		t.Errorf("two charts of one seed differ: %v", err)
	}
	checkChart(t, a)
}

// checkChart checks that a chart is XML, complete, and needs nothing else.
func checkChart(t *testing.T, svg []byte) {
	t.Helper()
	texts := map[string]bool{}
	for d, inText := xml.NewDecoder(bytes.NewReader(svg)), false; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch x := token.(type) {
		case xml.StartElement:
			inText = x.Name.Local == "text"
			switch x.Name.Local {
			case "svg", "title", "rect", "text", "line", "path":
			default:
				t.Errorf("an element %s", x.Name.Local)
			}
			for _, a := range x.Attr {
				if a.Name.Local == "href" || strings.Contains(a.Value, "url(") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("an attribute %v", a)
				}
			}
		case xml.CharData:
			if inText {
				texts[string(x)] = true
			}
		case xml.EndElement:
			inText = false
		}
	}
	for _, want := range []string{"new_domain", "gmail", "workspace", "microsoft365", "outlook", "backfill", "live sync", "sends", "budget", "minute", "6,000", "15 Mar"} {
		if !texts[want] {
			t.Errorf("the chart does not say %q", want)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-h"}, 0, "-mailboxes"},
		{[]string{"-mailboxes", "0"}, 2, "-mailboxes is 0"},
		{[]string{"-days", "1000"}, 2, "-days is 1000"},
		{[]string{"-processes", "0"}, 2, "-processes is 0"},
		{[]string{"-preset", "yahoo"}, 2, "new_domain"},
		{[]string{"-nothing"}, 2, "-nothing"},
		{[]string{"-seed", "x"}, 2, "-seed"},
		{[]string{"extra"}, 2, `"extra"`},
		{[]string{"-mailboxes", "1", "-days", "1", "-preset", "outlook", "-svg", "no/such/folder/x.svg"}, 1, "no/such/folder"},
	} {
		code, _, log := run(t, x.args...)
		if code != x.code || !strings.Contains(log, x.want) {
			t.Errorf("%q: exit code %d, %q", x.args, code, log)
		}
	}
}
