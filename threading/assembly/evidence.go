package assembly

import (
	"slices"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

const (
	// skew is how much later than its answer a message may seem to have been
	// sent.
	skew = 5 * 60
	// window is how long after a message its answers come: all but about 1 % in
	// public lists.
	window = 30 * 24 * 60 * 60
	// seriesTime is how long it takes to send the parts of a series.
	seriesTime = 60 * 60
	// maxOwners is how many messages may hold a phrase that tells something.
	maxOwners = 4
	// maxSameSubject is how many messages of the same subject are looked at, and
	// maxWritten how many of one author and minute.
	maxSameSubject, maxWritten = 50, 4
)

// finder finds parents of messages that name none.
type finder struct {
	*forest
	byIndex   map[threading.ThreadIndex]int32
	owners    map[uint64][]int32    // the messages whose author wrote a phrase
	written   map[stamp][]int32     // the messages of an author and minute
	bySubject map[string][]int32    // in the order of time
	bySeries  map[seriesKey][]int32 // covers and first parts
}

// stamp is an author (address or name) and a minute.
type stamp struct {
	author uint64
	minute int64
}

type seriesKey struct {
	author, key uint64
	first       int
}

// linkByEvidence links the messages that name no message of the mailbox.
func (f *forest) linkByEvidence(least mailbox.Level) {
	var orphans []int32
	for i := range f.nodes {
		if n := &f.nodes[i]; n.parent < 0 && !n.broken {
			orphans = append(orphans, int32(i))
		}
	}
	x := f.newFinder(orphans)
	links := make([]link, len(orphans))
	for k, i := range orphans {
		links[k] = x.find(i)
	}
	for k, i := range orphans {
		if l := links[k]; l.parent >= 0 && l.level >= least {
			f.nodes[i].link = l
		}
	}
	// Ids make no loops any more, so every loop has a link that was made here.
	f.breakLoops(func(loop []int32) int32 { return f.weakest(loop) })
}

// weakest returns the message of a loop whose link has the lowest level, of
// several the earliest message.
func (f *forest) weakest(loop []int32) int32 {
	return slices.MinFunc(loop, func(i, j int32) int {
		a, b := &f.nodes[i], &f.nodes[j]
		if a.level != b.level {
			return int(a.level) - int(b.level)
		}
		return int(i - j)
	})
}

func (f *forest) newFinder(orphans []int32) *finder {
	x := &finder{
		forest: f, byIndex: make(map[threading.ThreadIndex]int32), owners: make(map[uint64][]int32),
		written: make(map[stamp][]int32), bySubject: make(map[string][]int32), bySeries: make(map[seriesKey][]int32),
	}
	for _, i := range orphans {
		n := &f.nodes[i]
		for _, phrase := range n.quoted {
			x.owners[phrase] = nil
		}
		if n.prefixed && n.subject != "" {
			x.bySubject[n.subject] = nil
		}
	}
	for i := range f.nodes {
		x.add(int32(i))
	}
	return x
}

// add makes message i findable.
func (x *finder) add(i int32) {
	n := &x.nodes[i]
	if n.index != "" {
		if _, ok := x.byIndex[n.index]; !ok {
			x.byIndex[n.index] = i
		}
	}
	for _, phrase := range n.own {
		if owners, wanted := x.owners[phrase]; wanted && len(owners) <= maxOwners {
			x.owners[phrase] = append(owners, i)
		}
	}
	if n.sent != 0 {
		for _, author := range []uint64{n.author, n.authorName} {
			s := stamp{author, n.sent / 60}
			if author != 0 && len(x.written[s]) < maxWritten {
				x.written[s] = append(x.written[s], i)
			}
		}
		if same, wanted := x.bySubject[n.subject]; wanted {
			x.bySubject[n.subject] = append(same, i)
		}
	}
	if s := n.series; s.total > 0 && s.n <= 1 && n.author != 0 {
		k := seriesKey{n.author, s.key, s.n}
		x.bySeries[k] = append(x.bySeries[k], i)
	}
}
