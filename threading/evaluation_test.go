package threading_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// The evaluation measures on real mail outside of the repository:
//
//	MAILTETHER_CORPORA=folder go test -run TestEvaluate -v ./threading
//
// The floors are what is reached; a change that falls below one has to say why.

// share is a proportion with its counts.
type share struct{ hit, of int }

func (s *share) count(hit bool) {
	s.of++
	if hit {
		s.hit++
	}
}

func (s share) value() float64 { return float64(s.hit) / float64(max(s.of, 1)) }

func (s share) String() string {
	return fmt.Sprintf("%6.2f %%  (%d of %d)", 100*s.value(), s.hit, s.of)
}

func (s share) floor(t *testing.T, name string, least float64) {
	t.Helper()
	t.Logf("%-44s %s", name, s)
	if s.of == 0 || s.value() < least {
		t.Errorf("%s is %s, want at least %.2f %%", name, s, 100*least)
	}
}

type bounceLabel struct {
	File       string   `json:"file"`
	Kind       string   `json:"kind"`
	DSN        bool     `json:"dsn"`
	Doubtful   bool     `json:"doubtful"`
	OriginalID string   `json:"original_message_id"`
	AltIDs     []string `json:"alt_message_ids"`
	Recipients []struct {
		Address string   `json:"address"`
		Alt     []string `json:"alt_addresses"`
		Status  string   `json:"status"`
		Hard    *bool    `json:"hard"`
	} `json:"recipients"`
}

func undelivered(kind mailbox.Kind) bool {
	return kind == mailbox.KindBounce || kind == mailbox.KindDelay
}

func TestEvaluateBounces(t *testing.T) {
	dir := filepath.Join(corpora(t), "bounces")
	var labels []bounceLabel
	readLabels(t, filepath.Join(dir, "labels.json"), &labels)

	var recall, precision, kind, headerID share
	var address, status, hard, soft, original share
	for _, l := range labels {
		if l.Doubtful {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, l.File))
		if err != nil {
			t.Fatal(err)
		}
		v := threading.Classify(message(raw))
		isBounce := undelivered(mailbox.Kind(l.Kind))
		if isBounce {
			recall.count(undelivered(v.Kind))
		}
		if undelivered(v.Kind) {
			precision.count(isBounce)
			if isBounce {
				kind.count(string(v.Kind) == l.Kind)
			}
			if got := v.Bounce.OriginalMessageID; got != "" && l.OriginalID != "" {
				headerID.count(string(got) == l.OriginalID || slices.Contains(l.AltIDs, string(got)))
			}
		}
		if !l.DSN {
			continue // the standard forms only
		}
		rep, err := threading.ReadReport(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		b := rep.Bounce()
		if b == nil {
			b = &mailbox.Bounce{}
		}
		if l.OriginalID != "" {
			original.count(string(b.OriginalMessageID) == l.OriginalID || slices.Contains(l.AltIDs, string(b.OriginalMessageID)))
		}
		for i, want := range l.Recipients {
			var got mailbox.BounceRecipient
			if i < len(b.Recipients) {
				got = b.Recipients[i]
			}
			if want.Address != "" {
				a := strings.ToLower(got.Address)
				address.count(a == want.Address || slices.Contains(want.Alt, a))
			}
			if want.Status != "" {
				status.count(got.Status == want.Status)
			}
			switch {
			case want.Hard == nil:
			case *want.Hard:
				hard.count(got.Hard)
			default:
				soft.count(!got.Hard)
			}
		}
	}
	recall.floor(t, "header: bounces and delays found", 0.98)
	precision.floor(t, "header: bounces and delays right", 0.995)
	kind.floor(t, "header: bounce or delay told apart", 0.995)
	headerID.floor(t, "header: original id right when told", 0.99)
	address.floor(t, "report part: recipient", 0.95)
	status.floor(t, "report part: status", 0.93)
	original.floor(t, "report part: original id", 0.96)
	hard.floor(t, "report part: hard found", 0.75)
	soft.floor(t, "report part: soft kept", 0.91)
	t.Logf("%-44s %6.2f %%", "report part: hard or soft, balanced", 50*(hard.value()+soft.value()))
}

func TestEvaluateAutomatic(t *testing.T) {
	dir := filepath.Join(corpora(t), "auto")
	var labels []struct {
		File     string `json:"file"`
		Kind     string `json:"kind"`
		LinkedID string `json:"linked_id"`
	}
	readLabels(t, filepath.Join(dir, "labels.json"), &labels)

	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	var recall, precision, human, linked, linkedReport, unlinked share
	confusion := make(map[string]map[mailbox.Kind]int)
	for _, l := range labels {
		raw, err := os.ReadFile(filepath.Join(dir, l.File))
		if err != nil {
			t.Fatal(err)
		}
		m := message(raw)
		v := threading.Classify(m)
		if confusion[l.Kind] == nil {
			confusion[l.Kind] = make(map[mailbox.Kind]int)
		}
		confusion[l.Kind][v.Kind]++
		automatic := l.Kind == "autoreply" || l.Kind == "ticket"
		if automatic {
			recall.count(v.Kind == mailbox.KindAutoReply)
		}
		if l.Kind == "human" {
			human.count(v.Kind == mailbox.KindHuman || v.Kind == mailbox.KindList)
		}
		if v.Kind == mailbox.KindAutoReply && l.Kind != "notification" { // notices answer nobody; they count on neither side
			precision.count(automatic)
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
			unlinked.count(match(v).Level == mailbox.LevelNone)
			continue
		}
		linked.count(match(v).Key == l.LinkedID)
		rep, err := threading.ReadReport(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if rep.Kind() != "" {
			v.Bounce = rep.Bounce()
		}
		linkedReport.count(match(v).Key == l.LinkedID)
	}
	for _, kind := range slices.Sorted(maps.Keys(confusion)) {
		t.Logf("  %-14s %v", kind, confusion[kind])
	}
	recall.floor(t, "automatic answers found", 0.92)
	precision.floor(t, "automatic answers right", 0.88)
	t.Logf("%-44s %6.3f", "automatic answers, F1", 2*recall.value()*precision.value()/(recall.value()+precision.value()))
	human.floor(t, "human mail kept", 0.98)
	linked.floor(t, "linked to ours by the header", 0.82)
	linkedReport.floor(t, "linked to ours with the report part", 0.92)
	unlinked.floor(t, "left alone without our id", 1)
}

var lists = []string{"lists-2002", "users-2019", "patches", "bare-ids"}

// On list mail nearly all messages are written by people. The archive of 2002
// holds five real bounces and five real absence notes, as its description says;
// the others hold none.
func TestEvaluateFalseAlarms(t *testing.T) {
	dir := filepath.Join(corpora(t), "threads")
	real := map[string]int{"lists-2002": 5}
	all := 0
	for _, name := range lists {
		kinds := make(map[mailbox.Kind]int)
		n := 0
		eachMessage(t, filepath.Join(dir, name+".mbox.gz"), func(header []byte) {
			n++
			kinds[threading.Classify(message(header)).Kind]++
		})
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

type parentLabel struct {
	ID     string `json:"id"`
	Parent string `json:"parent"`
	Dup    bool   `json:"dup"`
}

// Every second message of a list counts as sent; the others are matched. A link
// is right when it names the parent, or, if the parent was not sent, an
// ancestor.
func TestEvaluateMatch(t *testing.T) {
	dir := filepath.Join(corpora(t), "threads")
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	for _, name := range lists {
		var labels []parentLabel
		readLabels(t, filepath.Join(dir, name+".truth.json.gz"), &labels)
		parents := make(map[string]string)
		sent := make(map[string]bool)
		index := threading.NewMemory()
		for i, l := range labels {
			if l.Dup || l.ID == "" {
				continue
			}
			parents[l.ID] = l.Parent
			if i%2 == 0 {
				sent[l.ID] = true
				m := threading.SentMessage{Ref: ref, Key: l.ID, IDs: []mailbox.RFCMessageID{mailbox.RFCMessageID(l.ID)}}
				if err := index.Add(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
		}
		matcher := &threading.Matcher{Index: index}
		var found, right share
		i := -1
		eachMessage(t, filepath.Join(dir, name+".mbox.gz"), func(header []byte) {
			i++
			l := labels[i]
			if sent[l.ID] {
				return
			}
			m := message(header)
			match, err := matcher.Match(t.Context(), ref, m, threading.Classify(m))
			if err != nil {
				t.Fatal(err)
			}
			if sent[l.Parent] {
				found.count(match.Key == l.Parent)
			}
			if match.Level == mailbox.LevelNone {
				return
			}
			ancestor := l.Parent
			for range 1000 {
				if ancestor == "" || ancestor == match.Key {
					break
				}
				ancestor = parents[ancestor]
			}
			right.count(ancestor != "")
		})
		if i+1 != len(labels) {
			t.Fatalf("%s: %d messages, %d labels", name, i+1, len(labels))
		}
		found.floor(t, name+": sent parent found", 0.995)
		right.floor(t, name+": links right", 0.999)
	}
}
