package assembly_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

type label struct {
	Parent mailbox.RFCMessageID `json:"parent"`
	Root   mailbox.RFCMessageID `json:"root"`
	Cites  bool                 `json:"cites"`
	Dup    bool                 `json:"dup"`
}

// without returns a copy of a message that lacks some header fields.
func without(m *mailbox.Message, names ...string) *mailbox.Message {
	c := *m
	c.Header = slices.DeleteFunc(slices.Clone(m.Header), func(f mailbox.Field) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.Name) })
	})
	return &c
}

func firstReference(m *mailbox.Message) *mailbox.Message {
	c := without(m, "In-Reply-To", "References")
	if ids := m.References(); len(ids) > 0 {
		c.Header = append(c.Header, mailbox.Field{Name: "References", Value: ids[0].Brackets()})
	}
	return c
}

func TestEvaluate(t *testing.T) {
	dir := corpustest.Dir(t, "threads")
	levels := make(map[mailbox.Level]*corpustest.Share)
	for _, name := range []string{"lists-2002", "users-2019", "patches", "bare-ids", "small/default", "small/lkml", "small/threading", "small/broken", "small/duplicate"} {
		ext := ".gz"
		if strings.HasPrefix(name, "small/") {
			ext = ""
		}
		var labels []label
		corpustest.Labels(t, filepath.Join(dir, name+".truth.json"+ext), &labels)
		var messages []*mailbox.Message
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox"+ext)) {
			messages = append(messages, corpustest.Message(t, raw))
		}
		if len(messages) != len(labels) {
			t.Fatalf("%s: %d messages, %d labels", name, len(messages), len(labels))
		}
		for _, variant := range []struct {
			name   string
			change func(*mailbox.Message) *mailbox.Message
		}{
			{"intact", func(m *mailbox.Message) *mailbox.Message { return m }},
			{"no In-Reply-To", func(m *mailbox.Message) *mailbox.Message { return without(m, "In-Reply-To") }},
			{"first References", firstReference},
			{"none", func(m *mailbox.Message) *mailbox.Message { return without(m, "In-Reply-To", "References") }},
			{"address", func(m *mailbox.Message) *mailbox.Message {
				c := without(m, "In-Reply-To", "References", "Thread-Index")
				c.Header = append(c.Header, mailbox.Field{Name: "In-Reply-To", Value: "<someone@host.example>"})
				c.Body, c.Subject = nil, ""
				return c
			}},
		} {
			evaluate(t, name+", "+variant.name, messages, labels, variant.change, levels)
		}
	}
	for level := mailbox.LevelLow; level <= mailbox.LevelCertain; level++ {
		if s := levels[level]; s != nil {
			least := map[mailbox.Level]float64{mailbox.LevelCertain: 0.999, mailbox.LevelHigh: 0.99, mailbox.LevelMedium: 0.9}[level]
			s.Floor(t, "level "+level.String()+": parent right, where known", least)
		}
	}
}

func evaluate(t *testing.T, name string, messages []*mailbox.Message, labels []label, change func(*mailbox.Message) *mailbox.Message, levels map[mailbox.Level]*corpustest.Share) {
	a := assembly.New(assembly.Options{Least: mailbox.LevelLow})
	var ids []mailbox.RFCMessageID
	for _, m := range messages {
		ids = append(ids, a.Add(change(m)))
	}
	got := make(map[mailbox.RFCMessageID]assembly.Message)
	for thread := range a.Threads() {
		for _, m := range thread.Messages {
			got[m.ID] = m
		}
	}
	var parent, all, root, attached corpustest.Share
	for i, l := range labels {
		if l.Dup {
			continue
		}
		g := got[ids[i]]
		all.Count(g.Parent == l.Parent)
		root.Count(g.Root == l.Root)
		if l.Parent != "" {
			parent.Count(g.Parent == l.Parent)
		} else if !l.Cites {
			attached.Count(g.Parent != "")
		}
		// The first id of References names the thread, not the parent.
		if !strings.HasSuffix(name, "first References") && g.Parent != "" && (l.Parent != "" || l.Cites) {
			if levels[g.Level] == nil {
				levels[g.Level] = new(corpustest.Share)
			}
			levels[g.Level].Count(g.Parent == l.Parent)
		}
	}
	corpustest.Row(t, name+": parent of all", all)
	if strings.HasSuffix(name, "intact") && parent.Of > 0 {
		parent.Floor(t, name+": parent of answers", 0.995)
	} else {
		corpustest.Row(t, name+": parent of answers", parent)
	}
	corpustest.Row(t, name+": thread", root)
	corpustest.Row(t, name+": no reply header, attached", attached)
}
