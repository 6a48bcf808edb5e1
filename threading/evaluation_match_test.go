package threading_test

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"
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

// variant is what was lost on the way.
type variant struct {
	name  string
	drop  []string
	found float64 // the least share of parents that are found
}

// Who loses In-Reply-To loses the only id in two of five answers of the oldest
// list, and in one of three of those that a web bridge wrote. Without any id the
// mail would be that of a list, which is not guessed about.
var variants = []variant{
	{"intact", nil, 0.995},
	{"no In-Reply-To", []string{"in-reply-to"}, 0.55},
	{"no ids", []string{"in-reply-to", "references", "list-id", "list-unsubscribe", "feedback-id", "mailing-list", "x-mailing-list", "x-beenthere"}, 0.5},
}

func (v variant) apply(m *mailbox.Message) {
	m.Header = slices.DeleteFunc(m.Header, func(f mailbox.Field) bool {
		return slices.Contains(v.drop, strings.ToLower(f.Name))
	})
}

// The 8 busiest authors of a list take turns in being the mailbox
// whose answers are looked for: what they wrote is indexed, all other mail is
// matched. A link is right when it names the parent, or, if the parent was
// written by somebody else, an ancestor.
func TestEvaluateMatch(t *testing.T) {
	dir := corpustest.Dir(t, "threads")
	calibration := make(map[mailbox.Level]*corpustest.Share)
	for _, level := range []mailbox.Level{mailbox.LevelLow, mailbox.LevelMedium, mailbox.LevelHigh, mailbox.LevelCertain} {
		calibration[level] = new(corpustest.Share)
	}
	for _, name := range lists {
		var labels []parentLabel
		corpustest.Labels(t, filepath.Join(dir, name+".truth.json.gz"), &labels)
		var messages []*mailbox.Message
		for raw := range corpustest.Mbox(t, filepath.Join(dir, name+".mbox.gz")) {
			messages = append(messages, corpustest.Message(t, raw))
		}
		if len(messages) != len(labels) {
			t.Fatalf("%s: %d messages, %d labels", name, len(messages), len(labels))
		}
		e := newMatchEvaluation(t, labels, messages)
		for _, v := range variants {
			found, right := e.run(t, v, calibration)
			found.Floor(t, "match, "+name+", "+v.name+": parent found", v.found)
			right.Floor(t, "match, "+name+", "+v.name+": medium and better right", 0.9)
		}
	}
	corpustest.Row(t, "match, low links right", calibration[mailbox.LevelLow])
	calibration[mailbox.LevelMedium].Floor(t, "match, medium links right", 0.9)
	calibration[mailbox.LevelHigh].Floor(t, "match, high links right", 0.99)
	calibration[mailbox.LevelCertain].Floor(t, "match, certain links right", 0.999)
}

type matchEvaluation struct {
	messages []*mailbox.Message
	parents  map[string]string
	authors  []string // of the messages
	unlinked []bool   // nothing tells what the message answers
	keys     []string // "" for copies
	busiest  []string
}

func newMatchEvaluation(t *testing.T, labels []parentLabel, messages []*mailbox.Message) *matchEvaluation {
	t.Helper()
	e := &matchEvaluation{messages: messages, parents: make(map[string]string)}
	counts := make(map[string]int)
	for i, m := range messages {
		l := labels[i]
		author := authorOf(m)
		if l.Dup || l.ID == "" {
			l.ID = ""
		} else {
			e.parents[l.ID] = l.Parent
			counts[author]++
		}
		e.authors = append(e.authors, author)
		e.keys = append(e.keys, l.ID)
		e.unlinked = append(e.unlinked, l.Parent == "")
	}
	delete(counts, "")
	e.busiest = slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	e.busiest = e.busiest[:min(8, len(e.busiest))]
	return e
}

func (e *matchEvaluation) run(t *testing.T, v variant, calibration map[mailbox.Level]*corpustest.Share) (found, right corpustest.Share) {
	t.Helper()
	stripped := make([]*mailbox.Message, len(e.messages))
	for i, m := range e.messages {
		c := *m
		c.Header = slices.Clone(m.Header)
		v.apply(&c)
		stripped[i] = &c
	}
	for _, me := range e.busiest {
		ref := mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID(me)}
		index := threading.NewMemory()
		matcher := &threading.Matcher{Index: index}
		sent := make(map[string]bool)
		for i, m := range stripped {
			if e.keys[i] == "" {
				continue
			}
			if e.authors[i] == me {
				sent[e.keys[i]] = true
				if err := index.Add(t.Context(), threading.NewSentMessage(ref, e.keys[i], m)); err != nil {
					t.Fatal(err)
				}
				continue
			}
			match, err := matcher.Match(t.Context(), ref, m, threading.Classify(m))
			if err != nil {
				t.Fatal(err)
			}
			parent := e.parents[e.keys[i]]
			if sent[parent] {
				found.Count(match.Key == parent)
			}
			if match.Level == mailbox.LevelNone || e.unlinked[i] {
				continue
			}
			ok := e.root(e.keys[i]) == e.root(match.Key)
			calibration[match.Level].Count(ok)
			if match.Level >= mailbox.LevelMedium {
				right.Count(ok)
			}
		}
	}
	return found, right
}

// authorOf returns the address of who wrote a message. Lists write their own
// address over it and keep it in Reply-To.
func authorOf(m *mailbox.Message) string {
	if len(m.From) == 0 {
		return ""
	}
	author := m.From[0].Address
	for _, to := range append(slices.Clone(m.To), m.Cc...) {
		if mailbox.SameAddress(to.Address, author) && len(m.ReplyTo) > 0 {
			author = m.ReplyTo[0].Address
		}
	}
	return threading.CanonicalAddress(author)
}

// root returns the first message of a thread.
func (e *matchEvaluation) root(id string) string {
	for range 1000 {
		parent := e.parents[id]
		if parent == "" {
			break
		}
		id = parent
	}
	return id
}
