package threading_test

import (
	"path/filepath"
	"testing"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

type parentLabel struct {
	ID     string `json:"id"`
	Parent string `json:"parent"`
	Dup    bool   `json:"dup"`
}

// Every second message of a list counts as sent; the others are matched. A link
// is right when it names the parent, or, if the parent was not sent, an
// ancestor.
func TestEvaluateMatch(t *testing.T) {
	dir := corpustest.Dir(t, "threads")
	ref := mailbox.Ref{Tenant: "t", Mailbox: "m"}
	for _, name := range lists {
		var labels []parentLabel
		corpustest.Labels(t, filepath.Join(dir, name+".truth.json.gz"), &labels)
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
		var found, right corpustest.Share
		i := -1
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox.gz")) {
			i++
			l := labels[i]
			if sent[l.ID] {
				continue
			}
			m := corpustest.Header(t, raw)
			match, err := matcher.Match(t.Context(), ref, m, threading.Classify(m))
			if err != nil {
				t.Fatal(err)
			}
			if sent[l.Parent] {
				found.Count(match.Key == l.Parent)
			}
			if match.Level == mailbox.LevelNone {
				continue
			}
			ancestor := l.Parent
			for range 1000 {
				if ancestor == "" || ancestor == match.Key {
					break
				}
				ancestor = parents[ancestor]
			}
			right.Count(ancestor != "")
		}
		if i+1 != len(labels) {
			t.Fatalf("%s: %d messages, %d labels", name, i+1, len(labels))
		}
		found.Floor(t, name+": sent parent found", 0.995)
		right.Floor(t, name+": links right", 0.999)
	}
}
