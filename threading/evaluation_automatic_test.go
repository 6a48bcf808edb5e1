package threading_test

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func TestEvaluateAutomatic(t *testing.T) {
	dir := corpustest.Dir(t, "auto")
	var labels []struct {
		File     string `json:"file"`
		Kind     string `json:"kind"`
		LinkedID string `json:"linked_id"`
	}
	corpustest.Labels(t, filepath.Join(dir, "labels.json"), &labels)

	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	var recall, precision, human, linked, linkedReport, unlinked corpustest.Share
	confusion := make(map[string]map[mailbox.Kind]int)
	for _, l := range labels {
		raw := corpustest.Read(t, filepath.Join(dir, l.File))
		m := corpustest.Header(t, raw)
		v := threading.Classify(m)
		if confusion[l.Kind] == nil {
			confusion[l.Kind] = make(map[mailbox.Kind]int)
		}
		confusion[l.Kind][v.Kind]++
		automatic := l.Kind == "autoreply" || l.Kind == "ticket"
		if automatic {
			recall.Count(v.Kind == mailbox.KindAutoReply)
		}
		if l.Kind == "human" {
			human.Count(v.Kind == mailbox.KindHuman || v.Kind == mailbox.KindList)
		}
		if v.Kind == mailbox.KindAutoReply && l.Kind != "notification" { // notices answer nobody; they count on neither side
			precision.Count(automatic)
		}

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
	for _, kind := range slices.Sorted(maps.Keys(confusion)) {
		t.Logf("  %-14s %v", kind, confusion[kind])
	}
	recall.Floor(t, "automatic answers found", 0.92)
	precision.Floor(t, "automatic answers right", 0.88)
	corpustest.Row(t, "automatic answers, F1", fmt.Sprintf("%7.3f", 2*recall.Value()*precision.Value()/(recall.Value()+precision.Value())))
	human.Floor(t, "human mail kept", 0.98)
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
	all := 0
	for _, name := range lists {
		kinds := make(map[mailbox.Kind]int)
		n := 0
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox.gz")) {
			n++
			kinds[threading.Classify(corpustest.Header(t, raw)).Kind]++
		}
		all += n
		t.Logf("%-12s n=%d %v", name, n, kinds)
		if found := kinds[mailbox.KindBounce] + kinds[mailbox.KindDelay]; found > real[name] {
			t.Errorf("%s: %d bounces, at most %d are real", name, found, real[name])
		}
		if found := n - kinds[mailbox.KindHuman] - kinds[mailbox.KindList] - kinds[mailbox.KindBounce] - kinds[mailbox.KindDelay]; found > real[name] {
			t.Errorf("%s: %d automatic messages, at most %d are real", name, found, real[name])
		}
	}
	if all < 10_000 {
		t.Errorf("only %d messages were read", all)
	}
}
