package assembly_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/threading/assembly"
)

// label is what is true of a message: in a real mailbox, with its header as it
// came.
type label struct {
	ID     mailbox.RFCMessageID `json:"id"`
	Parent mailbox.RFCMessageID `json:"parent"`
	Root   mailbox.RFCMessageID `json:"root"`
	Cites  bool                 `json:"cites"`
	Dup    bool                 `json:"dup"`
}

type corpus struct {
	name     string
	messages []*mailbox.Message
	labels   []label
}

func readCorpora(t *testing.T) []corpus {
	t.Helper()
	dir := corpustest.Dir(t, "threads")
	var all []corpus
	for _, name := range []string{
		"lists-2002", "users-2019", "patches", "bare-ids",
		"small/default", "small/lkml", "small/threading", "small/broken", "small/duplicate",
	} {
		zip := ".gz"
		if strings.HasPrefix(name, "small/") {
			zip = ""
		}
		c := corpus{name: name}
		corpustest.Labels(t, filepath.Join(dir, name+".truth.json"+zip), &c.labels)
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox"+zip)) {
			c.messages = append(c.messages, corpustest.Message(t, raw))
		}
		if len(c.messages) != len(c.labels) {
			t.Fatalf("%s: %d messages, %d labels", name, len(c.messages), len(c.labels))
		}
		all = append(all, c)
	}
	return all
}

// without returns messages that lack some fields.
func without(messages []*mailbox.Message, names ...string) []*mailbox.Message {
	return changed(messages, func(m *mailbox.Message) {
		m.Header = slices.DeleteFunc(m.Header, func(f mailbox.Field) bool {
			return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, f.Name) })
		})
	})
}

func changed(messages []*mailbox.Message, change func(*mailbox.Message)) []*mailbox.Message {
	all := make([]*mailbox.Message, len(messages))
	for i, m := range messages {
		c := *m
		c.Header = slices.Clone(m.Header)
		change(&c)
		all[i] = &c
	}
	return all
}

// onlyRoot keeps the first id of References and nothing else.
func onlyRoot(m *mailbox.Message) {
	ids := m.References()
	m.Header = slices.DeleteFunc(m.Header, func(f mailbox.Field) bool {
		return strings.EqualFold(f.Name, "References") || strings.EqualFold(f.Name, "In-Reply-To")
	})
	if len(ids) > 0 {
		m.Header = append(m.Header, mailbox.Field{Name: "References", Value: ids[0].Brackets()})
	}
}

// rewritten is what a relay makes of a message that replaces ids.
func rewritten(m *mailbox.Message) {
	if m.RFCMessageID == "" {
		return
	}
	old := m.RFCMessageID
	m.RFCMessageID = "new." + old
	for i, f := range m.Header {
		if strings.EqualFold(f.Name, "Message-ID") {
			m.Header[i].Value = m.RFCMessageID.Brackets()
		}
	}
	m.Header = append(m.Header, mailbox.Field{Name: "X-Google-Original-Message-ID", Value: old.Brackets()})
}

// positions returns where each message stands, by all its ids.
func positions(messages []*mailbox.Message) map[mailbox.RFCMessageID]assembly.Message {
	a := assembly.New(assembly.Options{})
	for _, m := range messages {
		a.Add(m)
	}
	all := make(map[mailbox.RFCMessageID]assembly.Message)
	for t := range a.Threads() {
		for _, m := range t.Messages {
			for _, id := range append(m.Others, m.ID) {
				all[id] = m
			}
		}
	}
	return all
}

// score is how well messages were put into threads.
type score struct {
	parent corpustest.Share // of the messages that have one
	thread corpustest.Share // of the same: they stand in one tree with their true root
	root   corpustest.Share // of the same: and the tree has no other root
	alone  corpustest.Share // of those that name nobody: left without a parent
	levels map[mailbox.Level]*corpustest.Share
	rules  map[string]*corpustest.Share // parents, by the rules that found them
}

// score compares with what is true. among tells which answers count, nil for all.
func (c *corpus) score(got map[mailbox.RFCMessageID]assembly.Message, among func(*mailbox.Message) bool) score {
	s := score{levels: make(map[mailbox.Level]*corpustest.Share), rules: make(map[string]*corpustest.Share)}
	for i, l := range c.labels {
		m := got[l.ID]
		switch {
		case l.Dup || l.ID == "":
			continue
		case l.Parent == "":
			if !l.Cites {
				s.alone.Count(m.Parent == "")
			}
			continue
		case among != nil && !among(c.messages[i]):
			continue
		}
		right := m.Parent != "" && m.Parent == got[l.Parent].ID
		thread := m.Root == got[l.Root].Root
		s.parent.Count(right)
		s.thread.Count(thread)
		s.root.Count(m.Root == got[l.Root].ID)
		if m.Parent == "" {
			continue
		}
		add(s.levels, m.Level, corpustest.Share{Of: 1, Hit: count(thread)})
		rules := m.Level.String()
		for _, e := range m.Evidence {
			rules += " " + e.Rule
		}
		add(s.rules, rules, corpustest.Share{Of: 1, Hit: count(right)})
	}
	return s
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func add[K comparable](to map[K]*corpustest.Share, key K, s corpustest.Share) {
	if to[key] == nil {
		to[key] = new(corpustest.Share)
	}
	sum(to[key], s)
}

func sum(to *corpustest.Share, s corpustest.Share) {
	to.Hit += s.Hit
	to.Of += s.Of
}

// naive attaches a message to the newest earlier one of the same subject within
// 30 days: the rule that others use when ids are lost.
func naive(messages []*mailbox.Message, labels []label) map[mailbox.RFCMessageID]assembly.Message {
	order := make([]int, 0, len(messages))
	for i, l := range labels {
		if !l.Dup && l.ID != "" {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return messages[i].Date.Compare(messages[j].Date) })
	newest := make(map[string]int)
	got := make(map[mailbox.RFCMessageID]assembly.Message)
	for _, i := range order {
		m := assembly.Message{ID: labels[i].ID, Root: labels[i].ID, Level: mailbox.LevelMedium}
		subject, _ := threading.BaseSubject(messages[i].Subject)
		if j, ok := newest[subject]; ok && subject != "" && messages[i].Date.Sub(messages[j].Date) <= 30*24*time.Hour {
			m.Parent, m.Root = labels[j].ID, got[labels[j].ID].Root
		}
		newest[subject] = i
		got[m.ID] = m
	}
	return got
}

func hasReferences(m *mailbox.Message) bool { return len(m.References()) > 0 }

// What is asked of answers that lost In-Reply-To, or all of References but the
// first id, is asked of those that had References: the others have lost all, and
// are measured with those.
func TestEvaluate(t *testing.T) {
	levels, rules := make(map[mailbox.Level]*corpustest.Share), make(map[string]*corpustest.Share)
	var intact, noReply, first, replaced, none, subject score
	for _, c := range readCorpora(t) {
		take := func(total *score, variant string, messages []*mailbox.Message, among func(*mailbox.Message) bool) score {
			s := c.score(positions(messages), among)
			for _, row := range []struct {
				what string
				s    *corpustest.Share
				to   *corpustest.Share
			}{
				{"parent", &s.parent, &total.parent},
				{"thread", &s.thread, &total.thread},
				{"root", &s.root, &total.root},
				{"new topics left alone", &s.alone, &total.alone},
			} {
				sum(row.to, *row.s)
				if !strings.HasPrefix(c.name, "small/") {
					corpustest.Row(t, c.name+", "+variant+": "+row.what, *row.s)
				}
			}
			for level, share := range s.levels {
				add(levels, level, *share)
			}
			for rule, share := range s.rules {
				add(rules, rule, *share)
			}
			return s
		}
		whole := take(&intact, "intact", c.messages, nil)
		if again := take(&replaced, "ids replaced, originals known", changed(c.messages, rewritten), nil); again.parent != whole.parent || again.root != whole.root {
			t.Errorf("%s: ids replaced: %v, %v; intact: %v, %v", c.name, again.parent, again.root, whole.parent, whole.root)
		}
		take(&noReply, "no In-Reply-To", without(c.messages, "In-Reply-To"), hasReferences)
		take(&first, "first References id", changed(c.messages, onlyRoot), hasReferences)
		take(&none, "no ids", without(c.messages, "In-Reply-To", "References"), nil)
		others := c.score(naive(c.messages, c.labels), nil)
		corpustest.Row(t, c.name+", no ids, by subject: parent", others.parent)
		corpustest.Row(t, c.name+", no ids, by subject: root", others.root)
		corpustest.Row(t, c.name+", no ids, by subject: new topics left alone", others.alone)
		sum(&subject.parent, others.parent)
		sum(&subject.root, others.root)
		sum(&subject.alone, others.alone)

		strangers := positions(changed(c.messages, func(m *mailbox.Message) {
			onlyRoot(m)
			m.Header = slices.DeleteFunc(m.Header, func(f mailbox.Field) bool { return strings.EqualFold(f.Name, "References") })
			m.Header = append(m.Header, mailbox.Field{Name: "In-Reply-To", Value: "<somebody@elsewhere.example>"})
		}))
		lost := positions(without(c.messages, "In-Reply-To", "References"))
		for _, l := range c.labels {
			if m := strangers[l.ID]; l.ID != "" && slices.ContainsFunc(m.Evidence, func(e mailbox.Evidence) bool { return strings.Contains(e.Detail, "somebody@") }) {
				t.Errorf("%s: a stranger's address links a message", c.name)
			}
		}
		if len(strangers) != len(lost) {
			t.Errorf("%s: %d messages with a stranger's address in In-Reply-To, %d without", c.name, len(strangers), len(lost))
		}
	}
	intact.parent.Floor(t, "intact: parent", 0.995)
	replaced.parent.Floor(t, "ids replaced, originals known: parent", 0.995)
	intact.alone.Floor(t, "intact: new topics left alone", 0.99)
	noReply.parent.Floor(t, "no In-Reply-To: parent", 0.98)
	first.thread.Floor(t, "first References id: thread", 0.99)
	none.parent.Floor(t, "no ids: parent, against the subject + 5", subject.parent.Value()+0.05)
	none.root.Floor(t, "no ids: root, against the subject + 5", subject.root.Value()+0.05)
	none.alone.Floor(t, "no ids: new topics left alone, against the subject", subject.alone.Value())
	for level, least := range map[mailbox.Level]float64{mailbox.LevelCertain: 0.999, mailbox.LevelHigh: 0.99, mailbox.LevelMedium: 0.9} {
		levels[level].Floor(t, level.String()+" links: thread right", least)
	}
	for _, rule := range slices.Sorted(maps.Keys(rules)) {
		corpustest.Row(t, "parent right, "+rule, rules[rule])
	}
}
