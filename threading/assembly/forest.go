package assembly

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// node is one message: all its copies.
type node struct {
	record
	names []name // its ids; the first is that of the oldest copy
	link
	// broken: its link by id was dropped because it closed a loop.
	broken bool
	// sibling is the earliest message without a parent that cites the same
	// missing message, or the node itself.
	sibling int32
}

// link is what a message hangs on.
type link struct {
	parent   int32 // -1 is none
	level    mailbox.Level
	evidence []mailbox.Evidence
}

// forest is the set of messages in the order of their times: that of node
// numbers. Nothing in it depends on the order of Add.
type forest struct {
	*Assembler
	nodes []node
	// owner is the node that a name stands for.
	owner []int32
	// habits are those of the mailbox.
	habits
}

// What a name stands for when it is no message.
const (
	absent  = -1 // a message that is not in the mailbox
	nothing = -2 // an address, or an id that several messages claim
)

// sameTime is how far apart the copies of one message may be that have an
// original id in common and different ids.
const sameTime = 24 * 60 * 60

// gather makes one node of all copies of a message.
func (a *Assembler) gather() *forest {
	f := &forest{Assembler: a, owner: make([]int32, len(a.names.list))}
	sets := newSets(len(a.records))
	first := make([]int32, len(a.names.list)) // the record with that id, plus one
	for i := range a.records {
		id := a.records[i].id
		if first[id] == 0 {
			first[id] = int32(i) + 1
		}
		sets.join(int32(i), first[id]-1)
	}
	claims := f.claims(sets, first)
	copies := make([][]int32, len(a.records))
	for i := range a.records {
		set := sets.of(int32(i))
		copies[set] = append(copies[set], int32(i))
	}
	for _, same := range copies {
		if len(same) > 0 {
			f.nodes = append(f.nodes, a.merge(same, claims))
		}
	}
	slices.SortFunc(f.nodes, func(x, y node) int {
		return cmp.Or(cmp.Compare(x.sent, y.sent), cmp.Compare(f.id(x.id), f.id(y.id)))
	})
	for i := range f.owner {
		f.owner[i] = absent
		if a.isParticipant(name(i)) {
			f.owner[i] = nothing
		}
	}
	for i := range f.nodes {
		f.nodes[i].sibling = int32(i)
		for _, n := range f.nodes[i].names {
			if f.owner[n] == absent {
				f.owner[n] = int32(i)
			}
		}
	}
	for n, claimed := range claims {
		if !claimed && f.owner[n] == absent {
			f.owner[n] = nothing
		}
	}
	f.habits = f.observe()
	return f
}

func (f *forest) id(n name) mailbox.RFCMessageID { return f.names.list[n] }

// isParticipant reports whether an id is the address of somebody in the mailbox.
func (a *Assembler) isParticipant(n name) bool {
	_, is := a.people[hash(strings.ToLower(string(a.names.list[n])))]
	return is
}

// claims joins messages that name the same original id, which servers write
// when they replace an id: they are copies. It returns the original ids, and
// whether each names one message: one that is claimed at different times by
// messages with different ids names none.
func (f *forest) claims(s sets, first []int32) map[name]bool {
	claimants := make(map[name][]int32)
	for i := range f.records {
		for _, n := range f.records[i].aliases {
			claimants[n] = append(claimants[n], int32(i))
		}
	}
	names := make(map[name]bool, len(claimants))
	var joined [][]int32
	for n, all := range claimants {
		if f.isParticipant(n) {
			continue
		}
		original := first[n] != 0
		if original {
			all = append(all, first[n]-1)
		}
		lo, hi := int64(0), int64(0)
		different := false
		for _, i := range all {
			r := &f.records[i]
			different = different || r.id != f.records[all[0]].id
			if r.sent != 0 {
				lo, hi = cmp.Or(min(lo, r.sent), r.sent), max(hi, r.sent)
			}
		}
		names[n] = !different || hi-lo <= sameTime && (original || likeness(f.id(n)) != likeAddress)
		if names[n] {
			joined = append(joined, all)
		}
	}
	for _, all := range joined {
		for _, i := range all {
			s.join(i, all[0])
		}
	}
	return names
}

// merge makes one message of its copies: what the oldest does not tell, the next
// one does.
func (a *Assembler) merge(copies []int32, claims map[name]bool) node {
	slices.SortFunc(copies, func(i, j int32) int { return a.compare(&a.records[i], &a.records[j]) })
	n := node{record: a.records[copies[0]], link: link{parent: -1}}
	n.names = append(n.names, n.id)
	for _, i := range copies {
		r := &a.records[i]
		n.names = append(n.names, r.id)
		for _, alias := range r.aliases {
			if claims[alias] {
				n.names = append(n.names, alias)
			}
		}
		n.sent = cmp.Or(n.sent, r.sent)
		n.author, n.authorName = cmp.Or(n.author, r.author), cmp.Or(n.authorName, r.authorName)
		n.inReplyTo = longer(n.inReplyTo, r.inReplyTo)
		n.parentIDs = longer(n.parentIDs, r.parentIDs)
		n.references = longer(n.references, r.references)
		n.index, n.list = cmp.Or(n.index, r.index), cmp.Or(n.list, r.list)
		n.to, n.openers = longer(n.to, r.to), longer(n.openers, r.openers)
		n.own, n.quoted = longer(n.own, r.own), longer(n.quoted, r.quoted)
	}
	others := n.names[1:]
	slices.SortFunc(others, func(x, y name) int { return cmp.Compare(a.names.list[x], a.names.list[y]) })
	others = slices.DeleteFunc(slices.Compact(others), func(x name) bool { return x == n.id })
	n.names = n.names[:1+len(others)]
	return n
}

// longer returns a unless b has more elements.
func longer[T any](a, b []T) []T {
	if len(b) > len(a) {
		return b
	}
	return a
}

// compare orders the copies of a message by all that they tell, oldest first.
// Copies that are equal here are equal in every way that matters.
func (a *Assembler) compare(x, y *record) int {
	names := func(x, y []name) int {
		return slices.CompareFunc(x, y, func(x, y name) int { return cmp.Compare(a.names.list[x], a.names.list[y]) })
	}
	return cmp.Or(
		cmp.Compare(x.sent, y.sent), cmp.Compare(a.names.list[x.id], a.names.list[y.id]),
		names(x.inReplyTo, y.inReplyTo), names(x.references, y.references), names(x.parentIDs, y.parentIDs),
		cmp.Compare(x.zone, y.zone), cmp.Compare(x.list, y.list), cmp.Compare(x.author, y.author), cmp.Compare(x.authorName, y.authorName),
		slices.Compare(x.to, y.to), cmp.Compare(x.subject, y.subject), cmp.Compare(flag(x.prefixed), flag(y.prefixed)),
		cmp.Compare(x.series.key, y.series.key), cmp.Compare(x.series.n, y.series.n), cmp.Compare(x.index, y.index),
		slices.Compare(x.own, y.own), slices.Compare(x.quoted, y.quoted), slices.CompareFunc(x.openers, y.openers, opener.compare),
	)
}

func (o opener) compare(p opener) int {
	return cmp.Or(cmp.Compare(o.author, p.author), cmp.Compare(o.name, p.name),
		cmp.Compare(o.sent, p.sent), cmp.Compare(flag(o.zoned), flag(p.zoned)))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
