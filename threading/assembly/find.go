package assembly

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// candidate is a message that may be the parent, with all that speaks for it.
type candidate struct {
	node    int32
	index   int  // length of its Thread-Index, if the answer's extends it
	phrases int  // how many of its phrases the answer quotes
	opener  int  // which opener names it, from 1; the first is the nearest
	part    bool // it begins the series of the answer
	stem    bool // and their ids were made together
	same    bool // base subject
	met     bool // one wrote to the other, or both to a list

	level mailbox.Level
	rank  int
	rules []string
}

// find returns the link of a message that names no message of the mailbox.
func (x *finder) find(i int32) link {
	n := &x.nodes[i]
	var found candidates
	x.byThreadIndex(n, &found)
	x.byQuote(n, &found)
	x.byOpener(n, &found)
	x.byPart(n, &found)
	x.bySame(i, &found)
	doubtful := x.doubtful(n)
	var best *candidate
	for k := range found {
		c := &found[k]
		o := &x.nodes[c.node]
		if c.node == i || o.sent > n.sent+skew {
			continue
		}
		c.same = n.subject != "" && o.subject == n.subject
		c.met = met(n, o)
		c.judge(n)
		if doubtful && c.level > mailbox.LevelNone {
			c.level--
		}
		if c.level != mailbox.LevelNone && (best == nil || c.better(best)) {
			best = c
		}
	}
	if best == nil {
		return link{parent: -1}
	}
	l := link{parent: best.node, level: best.level}
	for _, rule := range best.rules {
		l.evidence = append(l.evidence, mailbox.Evidence{Rule: rule})
	}
	return l
}

// candidates are few, so they are a list.
type candidates []candidate

func (c *candidates) at(node int32) *candidate {
	for k := range *c {
		if (*c)[k].node == node {
			return &(*c)[k]
		}
	}
	*c = append(*c, candidate{node: node})
	return &(*c)[len(*c)-1]
}

// better orders by level, then by the kind of evidence; of equals the newest
// message is the one that is answered.
func (c *candidate) better(d *candidate) bool {
	if c.level != d.level {
		return c.level > d.level
	}
	if c.rank != d.rank {
		return c.rank > d.rank
	}
	return c.node > d.node
}

// The ranks of evidence, which decide between candidates of one level.
const (
	rankSubject = iota + 1
	rankQuote
	rankOpener
	rankAncestor
	rankSeries
	rankParent
)

// fewPhrases is how many phrases make a quote that is no accident.
const fewPhrases = 3

// judge sets the level by what the evidence was measured to be worth.
func (c *candidate) judge(n *node) {
	many := c.phrases >= fewPhrases
	switch {
	case c.index > 0 && c.index == len(n.index)-threadIndexLevel:
		c.set(mailbox.LevelHigh, rankParent, ruleThreadIndex)
	case c.part && c.stem:
		c.set(mailbox.LevelHigh, rankSeries, ruleSeries)
	case c.opener == 1 && (c.phrases > 0 || c.same):
		c.set(mailbox.LevelMedium, rankOpener, ruleOpener, ruleQuote)
	case c.part:
		c.set(mailbox.LevelMedium, rankSeries, ruleSeries)
	case c.phrases > 0 && c.same:
		c.set(mailbox.LevelMedium, rankQuote, ruleQuote, ruleSubject)
	case c.index > 0:
		c.set(mailbox.LevelMedium, rankAncestor, ruleThreadIndex)
	case n.prefixed && c.same && (c.met || telling(n.subject)):
		c.set(mailbox.LevelMedium, rankSubject, ruleSubject)
	case c.opener == 1:
		c.set(mailbox.LevelLow, rankOpener, ruleOpener)
	case many:
		c.set(mailbox.LevelLow, rankQuote, ruleQuote)
	}
}

func (c *candidate) set(level mailbox.Level, rank int, rules ...string) {
	c.level, c.rank, c.rules = level, rank, rules
}

// met reports whether the writer of one of the messages got the other, or both
// wrote to the same list.
func met(n, o *node) bool {
	if n.list != 0 && n.list == o.list {
		return true
	}
	return o.author != n.author && (slices.Contains(n.to, o.author) || slices.Contains(o.to, n.author))
}

// telling reports whether a subject has so many words that strangers hardly use
// the same: "hello" and "your invoice" have not.
func telling(subject string) bool {
	return strings.Count(subject, " ") >= 2 || utf8.RuneCountInString(subject) >= 20
}

const (
	threadIndexHeader = 22
	threadIndexLevel  = 5
)

func (x *finder) byThreadIndex(n *node, found *candidates) {
	for size := len(n.index) - threadIndexLevel; size >= threadIndexHeader; size -= threadIndexLevel {
		if j, ok := x.byIndex[n.index[:size]]; ok {
			found.at(j).index = size
			return
		}
	}
}

func (x *finder) byQuote(n *node, found *candidates) {
	for _, phrase := range n.quoted {
		if owners := x.owners[phrase]; len(owners) <= maxOwners {
			for _, j := range owners {
				found.at(j).phrases++
			}
		}
	}
}

func (x *finder) byOpener(n *node, found *candidates) {
	for k, o := range n.openers {
		for _, j := range x.wrote(o, n.zone) {
			if c := found.at(j); c.opener == 0 {
				c.opener = k + 1
			}
		}
	}
}

// wrote returns the messages of the author and the minute of an opener. One that
// names no zone mostly has that of who answers; the zones of the world lie 14
// hours around UTC at most, a quarter of an hour apart at least.
func (x *finder) wrote(o opener, zone int32) []int32 {
	if o.zoned {
		return x.wroteAt(o, o.sent)
	}
	if w := x.wroteAt(o, o.sent-int64(zone)); len(w) > 0 {
		return w
	}
	for off := int64(0); off <= 14*60*60; off += 15 * 60 {
		for _, at := range []int64{o.sent - off, o.sent + off} {
			if w := x.wroteAt(o, at); len(w) > 0 {
				return w
			}
		}
	}
	return nil
}

func (x *finder) wroteAt(o opener, at int64) []int32 {
	for _, author := range []uint64{o.author, o.name} {
		if author == 0 {
			continue
		}
		if w := x.written[stamp{author, at / 60}]; len(w) > 0 {
			return w
		}
	}
	return nil
}

// byPart finds the cover letter of a series, or its first part.
func (x *finder) byPart(n *node, found *candidates) {
	if n.series.n == 0 || n.author == 0 {
		return
	}
	for first := range min(n.series.n, 2) {
		any := false
		for _, j := range x.bySeries[seriesKey{n.author, n.series.key, first}] {
			o := &x.nodes[j]
			if gap := n.sent - o.sent; gap < -seriesTime || gap > seriesTime {
				continue
			}
			c := found.at(j)
			s := stem(x.id(n.id))
			c.part, c.stem = true, s != 0 && s == stem(x.id(o.id))
			any = true
		}
		if any {
			return
		}
	}
}

// bySame finds the messages of the same subject that the answer may be one to.
func (x *finder) bySame(i int32, found *candidates) {
	n := &x.nodes[i]
	if !n.prefixed || n.subject == "" || n.sent == 0 {
		return
	}
	same := x.bySubject[n.subject]
	at, _ := slices.BinarySearch(same, i)
	for _, j := range slices.Backward(same[max(0, at-maxSameSubject):at]) {
		if x.nodes[j].sent < n.sent-window {
			return
		}
		found.at(j)
	}
}
