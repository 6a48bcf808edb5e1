package threading_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

type automaticLabel struct {
	File     string `json:"file"`
	Kind     string `json:"kind"`
	LinkedID string `json:"linked_id"`
	Until    string `json:"until"`
}

func (l automaticLabel) automatic() bool { return l.Kind == "autoreply" || l.Kind == "ticket" }

func automaticLabels(t *testing.T) (dir string, labels []automaticLabel) {
	t.Helper()
	dir = corpustest.Dir(t, "auto")
	corpustest.Labels(t, filepath.Join(dir, "labels.json"), &labels)
	return dir, labels
}

// half splits the messages in two by their names.
func half(name string) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() >> 16 & 1)
}

// f1 is what remains of finding and of being right.
type f1 struct{ recall, precision corpustest.Share }

func (f f1) value() float64 {
	r, p := f.recall.Value(), f.precision.Value()
	return 2 * r * p / max(r+p, 1e-9)
}

func TestEvaluateAutomatic(t *testing.T) {
	dir, labels := automaticLabels(t)
	for _, mode := range []struct {
		name  string
		read  func(testing.TB, []byte) *mailbox.Message
		floor float64
	}{{"header", corpustest.Header, 0.92}, {"header and body", corpustest.Message, 0.95}} {
		var halves [3]f1 // the third is the whole
		var human, sub corpustest.Share
		confusion := make(map[string]map[mailbox.Kind]int)
		for _, l := range labels {
			v := threading.Classify(mode.read(t, corpustest.Read(t, filepath.Join(dir, l.File))))
			if confusion[l.Kind] == nil {
				confusion[l.Kind] = make(map[mailbox.Kind]int)
			}
			confusion[l.Kind][v.Kind]++
			for _, i := range []int{half(l.File), 2} {
				if l.automatic() {
					halves[i].recall.Count(v.Kind == mailbox.KindAutoReply)
				}
				// Notices and wishes to leave a list answer nobody; they count on neither side.
				if v.Kind == mailbox.KindAutoReply && l.Kind != "notification" && l.Kind != "unsubscribe" {
					halves[i].precision.Count(l.automatic())
				}
			}
			if l.Kind == "human" {
				human.Count(v.Kind == mailbox.KindHuman || v.Kind == mailbox.KindList)
			}
			if l.automatic() && v.Kind == mailbox.KindAutoReply {
				sub.Count((l.Kind == "ticket") == (v.Sub == threading.SubTicketRobot))
			}
		}
		for _, kind := range slices.Sorted(maps.Keys(confusion)) {
			t.Logf("  %-14s %v", kind, confusion[kind])
		}
		halves[2].recall.Floor(t, "automatic answers found, "+mode.name, 0.90)
		halves[2].precision.Floor(t, "automatic answers right, "+mode.name, 0.90)
		for i, name := range []string{"first half", "second half", "all"} {
			corpustest.Row(t, "automatic answers, F1, "+mode.name+", "+name, fmt.Sprintf("%7.3f", halves[i].value()))
		}
		if halves[2].value() < mode.floor {
			t.Errorf("%s: F1 is %.3f, want %.3f", mode.name, halves[2].value(), mode.floor)
		}
		human.Floor(t, "human mail kept, "+mode.name, 0.98)
		sub.Floor(t, "ticket robots told from the rest, "+mode.name, 0.80)
	}
}

// A date may be the last day away or the first day back, with a weekend in
// between.
func TestEvaluateUntil(t *testing.T) {
	dir, labels := automaticLabels(t)
	var right, wrong corpustest.Share
	for _, l := range labels {
		v := threading.Classify(corpustest.Message(t, corpustest.Read(t, filepath.Join(dir, l.File))))
		if l.Until == "" {
			continue
		}
		want, err := time.Parse(time.DateOnly, l.Until)
		if err != nil {
			t.Fatal(err)
		}
		off := v.Until.Sub(want).Abs()
		right.Count(!v.Until.IsZero() && off <= 3*24*time.Hour)
		wrong.Count(!v.Until.IsZero() && off > 3*24*time.Hour)
	}
	right.Floor(t, "ends of absences understood", 0.85)
	wrong.Ceiling(t, "ends of absences wrong", 0)
}

// Every level promises a share of right verdicts.
func TestEvaluateLevels(t *testing.T) {
	dir, labels := automaticLabels(t)
	right := map[string][]mailbox.Kind{
		"autoreply": {mailbox.KindAutoReply}, "ticket": {mailbox.KindAutoReply}, "receipt": {mailbox.KindReceipt}, "calendar": {mailbox.KindCalendar},
		"challenge": {mailbox.KindChallenge}, "reaction": {mailbox.KindReaction}, "human": {mailbox.KindHuman, mailbox.KindList},
		"list": {mailbox.KindList, mailbox.KindHuman}, "newsletter": {mailbox.KindList}, "notification": {mailbox.KindAutoReply, mailbox.KindList},
		"complaint": {mailbox.KindComplaint}, "feedback": {mailbox.KindComplaint}, "unsubscribe": {mailbox.KindAutoReply},
	}
	shares := make(map[mailbox.Level]*corpustest.Share)
	count := func(l mailbox.Level, hit bool) {
		if shares[l] == nil {
			shares[l] = new(corpustest.Share)
		}
		shares[l].Count(hit)
	}
	for _, l := range labels {
		v := threading.Classify(corpustest.Message(t, corpustest.Read(t, filepath.Join(dir, l.File))))
		count(v.Level, slices.Contains(right[l.Kind], v.Kind))
	}
	for _, name := range lists {
		for raw := range corpustest.Mbox(t, corpustest.Dir(t, "threads", name+".mbox.gz")) {
			switch v := threading.Classify(corpustest.Message(t, raw)); v.Kind {
			case mailbox.KindAutoReply, mailbox.KindBounce, mailbox.KindDelay: // TestEvaluateFalseAlarms counts them
			default:
				count(v.Level, v.Kind == mailbox.KindHuman || v.Kind == mailbox.KindList)
			}
		}
	}
	for level, least := range map[mailbox.Level]float64{mailbox.LevelCertain: 0.999, mailbox.LevelHigh: 0.99, mailbox.LevelMedium: 0.9} {
		shares[level].Floor(t, "verdicts right at level "+level.String(), least)
	}
	corpustest.Row(t, "verdicts right at level low", *shares[mailbox.LevelLow])
}

// An answer of a machine cites our message as a person's does.
func TestEvaluateAutomaticLinks(t *testing.T) {
	dir, labels := automaticLabels(t)
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	var linked, linkedReport, unlinked corpustest.Share
	for _, l := range labels {
		raw := corpustest.Read(t, filepath.Join(dir, l.File))
		m := corpustest.Header(t, raw)
		v := threading.Classify(m)

		// What is looked for, and a message that nobody answers.
		index := threading.NewMemory()
		for _, id := range []string{"other@outbound.example.com", l.LinkedID} {
			if id == "" {
				continue
			}
			sent := threading.SentMessage{Ref: ref, Key: id, IDs: []mailbox.RFCMessageID{mailbox.RFCMessageID(id)}}
			if err := index.Add(t.Context(), sent); err != nil {
				t.Fatal(err)
			}
		}
		matcher := &threading.Matcher{Index: index}
		match := func(v mailbox.Verdict) mailbox.Match {
			found, err := matcher.Match(t.Context(), ref, m, v)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if l.LinkedID == "" {
			unlinked.Count(match(v).Level == mailbox.LevelNone)
			continue
		}
		linked.Count(match(v).Key == l.LinkedID)
		rep, err := threading.ReadReport(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if rep.Kind() != "" {
			v.Bounce = rep.Bounce()
		}
		linkedReport.Count(match(v).Key == l.LinkedID)
	}
	linked.Floor(t, "linked to ours by the header", 0.82)
	linkedReport.Floor(t, "linked to ours with the report part", 0.92)
	unlinked.Floor(t, "left alone without our id", 1)
}

var lists = []string{"lists-2002", "users-2019", "patches", "bare-ids"}

// On list mail nearly all messages are written by people. The archive of 2002
// holds five real bounces and five real absence notes, as its description says;
// the others hold none.
func TestEvaluateFalseAlarms(t *testing.T) {
	dir := corpustest.Dir(t, "threads")
	real := map[string]int{"lists-2002": 5}
	var lost corpustest.Share
	all := 0
	for _, name := range lists {
		kinds := make(map[mailbox.Kind]int)
		withBody := make(map[mailbox.Kind]int)
		n := 0
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox.gz")) {
			n++
			kinds[threading.Classify(corpustest.Header(t, raw)).Kind]++
			v := threading.Classify(corpustest.Message(t, raw))
			withBody[v.Kind]++
			if v.Kind != mailbox.KindHuman && v.Kind != mailbox.KindList {
				t.Logf("%s %d: %s %s %s %v", name, n, v.Kind, v.Sub, v.Level, v.Evidence)
			}
		}
		all += n
		t.Logf("%-12s n=%d %v, with bodies %v", name, n, kinds, withBody)
		for mode, kinds := range map[string]map[mailbox.Kind]int{"header": kinds, "header and body": withBody} {
			reports := kinds[mailbox.KindBounce] + kinds[mailbox.KindDelay]
			automatic := n - kinds[mailbox.KindHuman] - kinds[mailbox.KindList] - reports
			if reports > real[name] {
				t.Errorf("%s, %s: %d bounces, at most %d are real", name, mode, reports, real[name])
			}
			if mode != "header" {
				lost.Of, lost.Hit = lost.Of+n, lost.Hit+max(automatic-real[name], 0)
			} else if automatic > real[name] {
				t.Errorf("%s, %s: %d automatic messages, at most %d are real", name, mode, automatic, real[name])
			}
		}
	}
	lost.Ceiling(t, "human mail on lists taken for automatic, header and body", 1.0/5000)
	if all < 10_000 {
		t.Errorf("only %d messages were read", all)
	}
}
