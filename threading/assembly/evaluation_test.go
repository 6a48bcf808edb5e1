package assembly_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

type truth struct {
	ID     mailbox.RFCMessageID `json:"id"`
	Parent mailbox.RFCMessageID `json:"parent"`
	Root   mailbox.RFCMessageID `json:"root"`
	Cites  bool                 `json:"cites"`
	Dup    bool                 `json:"dup"`
}

type corpus struct {
	name     string
	messages []*mailbox.Message
	truth    []truth
}

func readCorpora(t *testing.T) []corpus {
	dir := corpustest.Dir(t, "threads")
	var all []corpus
	for _, name := range []string{"lists-2002", "users-2019", "patches", "bare-ids", "small/default", "small/lkml", "small/threading", "small/broken", "small/duplicate"} {
		ext := ".gz"
		if strings.HasPrefix(name, "small/") {
			ext = ""
		}
		c := corpus{name: name}
		corpustest.Labels(t, filepath.Join(dir, name+".truth.json"+ext), &c.truth)
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox"+ext)) {
			c.messages = append(c.messages, corpustest.Message(t, raw))
		}
		if len(c.messages) != len(c.truth) {
			t.Fatalf("%s: %d messages, %d labels", name, len(c.messages), len(c.truth))
		}
		all = append(all, c)
	}
	return all
}

func results(a *assembly.Assembler) map[mailbox.RFCMessageID]assembly.Message {
	all := make(map[mailbox.RFCMessageID]assembly.Message)
	for t := range a.Threads() {
		for _, m := range t.Messages {
			all[m.ID] = m
			for _, o := range m.Others {
				all[o] = m
			}
		}
	}
	return all
}

func TestEvaluate(t *testing.T) {
	for _, c := range readCorpora(t) {
		a := assembly.New(assembly.Options{})
		for _, m := range c.messages {
			a.Add(m)
		}
		var parent, root, rootSib corpustest.Share
		got := results(a)
		for _, l := range c.truth {
			if l.Dup {
				continue
			}
			g, ok := got[l.ID]
			if !ok {
				t.Errorf("missing %s", l.ID)
			}
			parent.Count(g.Parent == l.Parent)
			root.Count(g.Root == l.Root)
			if g.Parent != l.Parent {
				t.Log("PARENT", l.ID, g.Parent, l.Parent)
			}
			if g.Root == l.Root || len(g.Evidence) > 0 && g.Evidence[0].Rule == "same_missing_parent" {
				rootSib.Count(true)
			}
		}
		corpustest.Row(t, c.name+" parent", parent)
		corpustest.Row(t, c.name+" root", root)
	}
}
