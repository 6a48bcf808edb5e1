package assembly

import (
	"maps"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// candidate is a message that may be the parent, with what speaks for it.
type candidate struct {
	node int32
	// phrases of its author that the answer quotes.
	phrases int
	// opened: a quote of the answer names its author and time; nearest first
	// from 1, 0 is none.
	opened int
	// subject: it has the same base subject.
	subject bool
	// addressed: the answer went to its author. received: the author of the
	// answer got it.
	addressed, received bool
	// own: both have the same author.
	own bool
}

// find returns the link of a message whose reply headers tell nothing, by the
// first rule that has a candidate.
func (x *finder) find(i int32) link {
	for _, rule := range []func(int32) link{x.threadIndex, x.seriesStart, x.content} {
		if l := rule(i); l.parent >= 0 {
			return l
		}
	}
	return link{parent: -1}
}

// threadIndex finds the message whose Thread-Index this one extends, by one
// answer or more.
func (x *finder) threadIndex(i int32) link {
	index := x.nodes[i].index
	for size := len(index) - indexLevel; size >= indexHeader; size -= indexLevel {
		j, ok := x.byIndex[index[:size]]
		if !ok || j == i {
			continue
		}
		l := link{j, mailbox.LevelLow, []mailbox.Evidence{{Rule: ruleThreadIndex, Detail: "Thread-Index"}}}
		if !index.Answers(x.nodes[j].index) {
			l.evidence = append(l.evidence, mailbox.Evidence{Rule: ruleMissing, Detail: "Thread-Index"})
		}
		return l
	}
	return link{parent: -1}
}

// A Thread-Index is a header and one block for every answer ([MS-OXOMSG]
// 2.2.1.3, read 2026-11-20).
const indexHeader, indexLevel = 22, 5

// seriesStart finds the cover letter of a part of a series, or its first part.
func (x *finder) seriesStart(i int32) link {
	n := &x.nodes[i]
	if n.author == 0 {
		return link{parent: -1}
	}
	for first := 0; first <= 1 && first < n.series.n; first++ {
		all := x.bySeries[seriesKey{n.author, n.series.key, first}]
		// The nearest in time; a list of equal parts is cut to its neighbours.
		at, _ := slices.BinarySearch(all, i)
		for _, j := range all[max(0, at-1):min(len(all), at+1)] {
			c := &x.nodes[j]
			if c.sent < n.sent-seriesTime || c.sent > n.sent+skew {
				continue
			}
			level := mailbox.LevelLow
			if s := stem(x.id(n.id)); s != 0 && s == stem(x.id(c.id)) {
				level = mailbox.LevelHigh
			}
			return link{j, level, []mailbox.Evidence{{Rule: ruleSeries, Detail: "Subject"}}}
		}
	}
	return link{parent: -1}
}

// content weighs quoted text, the openers of quotes, the subject and the
// participants.
func (x *finder) content(i int32) link {
	n := &x.nodes[i]
	if n.sent == 0 {
		return link{parent: -1}
	}
	all := x.candidates(i)
	most := 0
	for k := range all {
		c := &all[k]
		o := &x.nodes[c.node]
		c.subject = c.subject || n.subject != "" && o.subject == n.subject
		// Lists write their own address into From, and leave the name.
		c.own = o.author == n.author && o.authorName == n.authorName
		c.addressed = !c.own && slices.Contains(n.to, o.author)
		c.received = !c.own && slices.Contains(o.to, n.author)
		if !c.own {
			most = max(most, c.phrases)
		}
	}
	var quoted, opened, same *candidate
	for k := range all { // newest first
		c := &all[k]
		if c.opened != 0 && (opened == nil || c.opened < opened.opened) {
			opened = c
		}
		if quoted == nil && !c.own && c.phrases >= minPhrases && (4*c.phrases >= most || 2*c.phrases >= len(x.nodes[c.node].own)) {
			quoted = c
		}
		if c.subject && !c.own && n.prefixed && (same == nil || c.addressed && !same.addressed) {
			same = c
		}
	}
	_, cites := x.nearest(n)
	var l link
	switch {
	case opened != nil && opened.phrases > 0:
		l = link{opened.node, mailbox.LevelHigh, []mailbox.Evidence{{Rule: ruleOpener}, {Rule: ruleQuote}}}
	case quoted != nil && quoted.subject:
		l = link{quoted.node, mailbox.LevelLow, []mailbox.Evidence{{Rule: ruleQuote}, {Rule: ruleSubject, Detail: "Subject"}}}
	case opened != nil && (opened.subject || opened.addressed):
		l = link{opened.node, mailbox.LevelLow, []mailbox.Evidence{{Rule: ruleOpener}}}
	case cites: // its parent is missing: only quotes tell of an ancestor
		return link{parent: -1}
	case quoted != nil && quoted.phrases >= manyPhrases && (quoted.addressed || quoted.received):
		l = link{quoted.node, mailbox.LevelLow, []mailbox.Evidence{{Rule: ruleQuote}}}
	case same != nil && same.addressed && same.received:
		l = link{same.node, mailbox.LevelLow, []mailbox.Evidence{{Rule: ruleSubject, Detail: "Subject"}}}
	case same != nil && (same.addressed || len(all) == 1):
		l = link{same.node, mailbox.LevelLow, []mailbox.Evidence{{Rule: ruleSubject, Detail: "Subject"}}}
	default:
		return link{parent: -1}
	}
	return l
}

const (
	// minPhrases and manyPhrases are how many phrases of few messages have to be
	// quoted, with the subject and without it.
	minPhrases, manyPhrases = 2, 4
)

// candidates returns the messages that the answer quotes or that have its
// subject, newest first.
func (x *finder) candidates(i int32) []candidate {
	n := &x.nodes[i]
	found := make(map[int32]candidate)
	for _, phrase := range n.quoted {
		if owners := x.owners[phrase]; len(owners) <= maxOwners {
			for _, j := range owners {
				c := found[j]
				c.phrases++
				found[j] = c
			}
		}
	}
	for k, o := range n.openers {
		for _, j := range x.wrote(o, n.zone) {
			if c := found[j]; c.opened == 0 {
				c.opened = k + 1
				found[j] = c
			}
		}
	}
	if n.prefixed && n.subject != "" {
		same := x.bySubject[n.subject]
		at, _ := slices.BinarySearch(same, i)
		for _, j := range same[max(0, at-maxSameSubject):at] {
			if x.nodes[j].sent >= n.sent-window {
				c := found[j]
				c.subject = true
				found[j] = c
			}
		}
	}
	var all []candidate
	for _, j := range slices.Backward(slices.Sorted(maps.Keys(found))) {
		if o := &x.nodes[j]; j != i && o.sent != 0 && o.sent <= n.sent+skew {
			c := found[j]
			c.node = j
			all = append(all, c)
		}
	}
	return all
}

// The offsets of time zones, in seconds: up to 14 hours, by quarters.
const farthestZone, zoneStep = 14 * 60 * 60, 15 * 60

// wrote returns the messages that an opener speaks of. When it names no zone the
// answer's own zone is tried first, then all.
func (x *finder) wrote(o opener, zone int32) []int32 {
	at := func(t int64) []int32 {
		for _, author := range []uint64{o.author, o.name} {
			if found := x.written[stamp{author, t / 60}]; author != 0 && len(found) > 0 {
				return found
			}
		}
		return nil
	}
	if o.zoned {
		return at(o.sent)
	}
	if found := at(o.sent - int64(zone)); found != nil {
		return found
	}
	for offset := int64(0); offset <= farthestZone; offset += zoneStep {
		if found := slices.Concat(at(o.sent-offset), at(o.sent+offset)); len(found) > 0 {
			return found
		}
	}
	return nil
}
