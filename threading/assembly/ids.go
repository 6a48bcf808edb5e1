package assembly

import (
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// linkByID links every message to the last known id of In-Reply-To, else of
// X-MS-Exchange-Parent-Message-Id, else of References.
func (f *forest) linkByID() {
	for i := range f.nodes {
		f.nodes[i].link = f.cited(int32(i))
	}
	f.breakLoops(func(loop []int32) int32 { return slices.Min(loop) })
}

// cited returns the link to the parent that the message names.
func (f *forest) cited(i int32) link {
	n := &f.nodes[i]
	for _, field := range []struct {
		rule string
		ids  []name
	}{
		{ruleInReplyTo, n.inReplyTo},
		{ruleParentID, n.parentIDs},
		{ruleReferences, n.references},
	} {
		missing := false // a nearer id stands for a message that is absent
		for _, id := range slices.Backward(field.ids) {
			switch to := f.owner[id]; {
			case to == i || to == nothing:
			case to == absent:
				missing = missing || likeness(f.id(id)) != likeAddress
			default:
				l := link{to, mailbox.LevelCertain, []mailbox.Evidence{{Rule: field.rule, Detail: string(f.id(id))}}}
				if field.rule == ruleReferences {
					l.level = mailbox.LevelHigh // the last id is not always the parent's
				}
				if nearest, ok := f.nearest(n); missing || ok && nearest != id && field.rule == ruleReferences {
					l.level = mailbox.LevelHigh
					l.evidence = append(l.evidence, mailbox.Evidence{Rule: ruleMissing, Detail: string(f.id(nearest))})
				}
				return l
			}
		}
	}
	return link{parent: -1}
}

// nearest returns the id of the missing message that n answers, if it tells.
func (f *forest) nearest(n *node) (name, bool) {
	for _, ids := range [][]name{n.inReplyTo, n.parentIDs, n.references} {
		for _, id := range slices.Backward(ids) {
			if f.owner[id] == absent && likeness(f.id(id)) != likeAddress {
				return id, true
			}
		}
	}
	return 0, false
}

// breakLoops drops one link of every loop: that of the message that victim
// chooses. As every message has one link at most, no two loops share a message.
func (f *forest) breakLoops(victim func(loop []int32) int32) {
	seen := make([]int32, len(f.nodes)) // the walk that came by, plus one
	for start := range f.nodes {
		walk := int32(start) + 1
		at := int32(start)
		for at >= 0 && seen[at] == 0 {
			seen[at] = walk
			at = f.nodes[at].parent
		}
		if at < 0 || seen[at] != walk {
			continue
		}
		loop := []int32{at}
		for next := f.nodes[at].parent; next != at; next = f.nodes[next].parent {
			loop = append(loop, next)
		}
		v := &f.nodes[victim(loop)]
		v.link, v.broken = link{parent: -1}, true
	}
}

// joinSiblings puts messages without a parent that cite the same missing message
// into one thread. Ids that could be addresses join only messages of the same
// subject; addresses join none.
func (f *forest) joinSiblings() {
	type key struct {
		id      name
		subject string
	}
	sets := newSets(len(f.nodes))
	first := make(map[key]int32)
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.parent >= 0 {
			continue
		}
		for _, ids := range [][]name{n.inReplyTo, n.parentIDs, n.references} {
			for _, id := range ids {
				k := key{id: id}
				switch like := likeness(f.id(id)); {
				case f.owner[id] != absent || like == likeAddress || like == likeEither && n.subject == "":
					continue
				case like == likeEither:
					k.subject = n.subject
				}
				if other, ok := first[k]; !ok {
					first[k] = int32(i)
				} else {
					sets.join(int32(i), other)
				}
			}
		}
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.parent >= 0 {
			continue
		}
		n.sibling = sets.of(int32(i)) // the smallest number is the earliest message
		if n.sibling != int32(i) {
			missing, _ := f.nearest(n)
			n.level = mailbox.LevelHigh
			n.evidence = []mailbox.Evidence{{Rule: ruleSibling, Detail: string(f.id(missing))}}
		}
	}
}
