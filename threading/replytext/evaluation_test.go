package replytext_test

import (
	"fmt"
	"hash/fnv"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/threading/replytext"
)

// bodyLabel is a row of the labels of reply bodies.
type bodyLabel struct {
	File      string `json:"file"`
	Out       string `json:"out"`
	Label     string `json:"label"`
	Signature string `json:"signature"`
	Compare   string `json:"compare"`
}

// lineScore compares lines of text.
type lineScore struct{ found, expected, right int }

func (s *lineScore) add(o lineScore) {
	s.found += o.found
	s.expected += o.expected
	s.right += o.right
}

func (s lineScore) f1() float64 { return 2 * float64(s.right) / float64(max(s.found+s.expected, 1)) }

func (s lineScore) exact() bool { return s.right == s.expected && s.right == s.found }

func TestEvaluateReplyText(t *testing.T) {
	dir := corpustest.Dir(t, "replytext")
	var labels []bodyLabel
	corpustest.Labels(t, filepath.Join(dir, "labels.json"), &labels)

	var total lineScore
	var lost corpustest.Share
	exact := make(map[string]*corpustest.Share)
	count := func(row string, hit bool) {
		if exact[row] == nil {
			exact[row] = new(corpustest.Share)
		}
		exact[row].Count(hit)
	}
	for _, l := range labels {
		body := string(corpustest.Read(t, filepath.Join(dir, l.File)))
		parse := replytext.Parse
		if filepath.Ext(l.File) == ".html" {
			parse = replytext.ParseHTML
		}
		r := parse(body)
		if l.Out == "" {
			continue
		}
		want := string(corpustest.Read(t, filepath.Join(dir, l.Out)))
		score := bestScore(l, r, want)
		total.add(score)
		for range score.expected {
			lost.Of++
		}
		lost.Hit += score.expected - score.right
		count("exact, all", score.exact())
		count("exact, "+l.Label, score.exact())
		count("exact, "+strings.TrimPrefix(filepath.Ext(l.File), "."), score.exact())
		h := fnv.New32a()
		h.Write([]byte(l.File))
		count(fmt.Sprintf("exact, half %d", h.Sum32()%2), score.exact())
		if !score.exact() {
			t.Logf("%s (%s, signature %s): %d found, %d expected, %d right", l.File, l.Label, l.Signature, score.found, score.expected, score.right)
		}
	}
	for _, row := range slices.Sorted(maps.Keys(exact)) {
		corpustest.Row(t, "replytext: "+row, *exact[row])
	}
	corpustest.Row(t, "replytext: line precision", corpustest.Share{Hit: total.right, Of: total.found})
	corpustest.Row(t, "replytext: line recall", corpustest.Share{Hit: total.right, Of: total.expected})
	corpustest.Row(t, "replytext: line F1", fmt.Sprintf("%7.3f %%  at least 95", 100*total.f1()))
	if total.f1() < 0.95 {
		t.Errorf("line F1 = %.3f, want at least 0.95", total.f1())
	}
	lost.Ceiling(t, "replytext: human lines lost", 0.01)
}

// bestScore compares what the label says: the text alone, or with the
// signature, or the better of both.
func bestScore(l bodyLabel, r replytext.Reply, want string) lineScore {
	compare := compareLines
	if l.Compare == "nospace" {
		compare = compareNoSpace
	}
	without := compare(r.Text, want)
	with := compare(r.Text+"\n"+r.Signature, want)
	switch {
	case l.Signature == "kept", l.Signature == "either" && with.f1() > without.f1():
		return with
	}
	return without
}

// contentLines returns the lines that hold something, without white space at
// their ends.
func contentLines(s string) []string {
	var lines []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

// compareLines counts the lines that both texts have, in order of appearance
// and as often.
func compareLines(got, want string) lineScore {
	have := make(map[string]int)
	lines := contentLines(got)
	for _, l := range lines {
		have[l]++
	}
	s := lineScore{found: len(lines)}
	for _, l := range contentLines(want) {
		s.expected++
		if have[l] > 0 {
			have[l]--
			s.right++
		}
	}
	return s
}

// compareNoSpace looks for the expected lines, one after the other, in the text
// without white space. What remains between them counts as one line each.
func compareNoSpace(got, want string) lineScore {
	var s lineScore
	rest := squeeze(got)
	for _, l := range contentLines(want) {
		s.expected++
		before, after, found := strings.Cut(rest, squeeze(l))
		if !found {
			continue
		}
		s.right++
		s.found++
		if before != "" {
			s.found++
		}
		rest = after
	}
	if rest != "" {
		s.found++
	}
	return s
}

func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func TestEvaluateRealMail(t *testing.T) {
	for _, file := range []string{"users-2019.mbox.gz", "lists-2002.mbox.gz"} {
		path := corpustest.Dir(t, "threads", file)
		var left, whole, lost, lostAll, wholeNew, agree corpustest.Share
		for raw := range corpustest.Mbox(t, path) {
			m := corpustest.Message(t, raw)
			if m.Body == nil || m.Body.Text == "" {
				continue
			}
			marked, own := splitMarked(m.Body.Text)
			r := replytext.Parse(m.Body.Text)
			kept := make(map[string]bool)
			for _, l := range contentLines(r.Text + "\n" + r.Signature) {
				kept[l] = true
			}
			if m.Body.HTML != "" && !r.Inline && !r.Whole {
				agree.Count(mostlyIn(r.Text, replytext.ParseHTML(m.Body.HTML).Text))
			}
			if isReply(m) {
				if !r.Inline && !r.Whole {
					for _, l := range marked {
						left.Count(kept[l])
					}
				}
				if len(own) > 3 && len(marked) > 0 {
					whole.Count(r.Whole)
				}
				continue
			}
			for _, l := range own {
				lostAll.Count(!kept[l])
			}
			if _, prefixed := threading.BaseSubject(m.Subject); prefixed {
				continue // an answer or a forward whose client lost the fields
			}
			wholeNew.Count(r.Whole)
			for _, l := range own {
				lost.Count(!kept[l])
			}
		}
		left.Ceiling(t, file+": marked lines left in answers that are not inline", 0.02)
		whole.Ceiling(t, file+": answers with own lines taken as a whole", 0.02)
		lost.Ceiling(t, file+": lines lost of mail that answers nothing", 0.01)
		corpustest.Row(t, file+": the same, subjects of answers and forwards included", lostAll)
		if agree.Of > 0 {
			agree.Floor(t, file+": HTML says what the text says", 0.95)
		}
		wholeNew.Ceiling(t, file+": mail that answers nothing taken as a whole", 0.02)
	}
}

// mostlyIn reports whether half of the lines of a text are in another, white
// space apart. Signatures and the marks of bold text may differ.
func mostlyIn(text, in string) bool {
	in = squeeze(in)
	lines := contentLines(text)
	found := 0
	for _, l := range lines {
		if strings.Contains(in, squeeze(l)) {
			found++
		}
	}
	return 2*found >= len(lines)
}

func isReply(m *mailbox.Message) bool {
	return m.Header.Has("In-Reply-To") || m.Header.Has("References")
}

// splitMarked separates the lines behind quote marks from the others.
func splitMarked(body string) (marked, own []string) {
	for _, l := range contentLines(body) {
		if strings.HasPrefix(l, ">") {
			marked = append(marked, l)
		} else {
			own = append(own, l)
		}
	}
	return marked, own
}
