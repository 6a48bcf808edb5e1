package threading

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Memory is an [Index] in memory, safe for concurrent use. It is lost with the
// process; what a message takes is measured by BenchmarkMemoryAdd.
type Memory struct {
	mu    sync.RWMutex
	boxes map[mailbox.Ref]*memoryBox
}

// memoryBox holds the messages of one mailbox. A stored message is never
// changed, only replaced.
type memoryBox struct {
	byKey  map[string]*SentMessage
	byTerm map[Term]holders
}

// holders are the messages that have a term. Most terms have one.
type holders struct {
	one  *SentMessage
	many *[]*SentMessage // ordered oldest first, so that a new message goes to the end
}

// NewMemory returns an empty index.
func NewMemory() *Memory {
	return &Memory{boxes: make(map[mailbox.Ref]*memoryBox)}
}

var _ Index = (*Memory)(nil)

// Add implements [Index].
func (x *Memory) Add(ctx context.Context, m SentMessage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.Validate(); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	box := x.boxes[m.Ref]
	if box == nil {
		box = &memoryBox{byKey: make(map[string]*SentMessage), byTerm: make(map[Term]holders)}
		x.boxes[m.Ref] = box
	}
	old := box.byKey[m.Key]
	if old != nil {
		box.remove(old)
		m = old.Merge(m)
	} else {
		m = SentMessage{Ref: m.Ref, Key: m.Key}.Merge(m) // copies the slices
	}
	box.byKey[m.Key] = &m
	for _, t := range m.Terms() {
		box.byTerm[t] = box.byTerm[t].with(&m)
	}
	return nil
}

func (b *memoryBox) remove(m *SentMessage) {
	delete(b.byKey, m.Key)
	for _, t := range m.Terms() {
		if left := b.byTerm[t].without(m); left == (holders{}) {
			delete(b.byTerm, t)
		} else {
			b.byTerm[t] = left
		}
	}
}

// oldestFirst is the reverse of the order that [Index.Find] asks for.
func oldestFirst(a, b *SentMessage) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(b.Key, a.Key))
}

func (h holders) with(m *SentMessage) holders {
	switch {
	case h.many != nil:
		at, _ := slices.BinarySearchFunc(*h.many, m, oldestFirst)
		*h.many = slices.Insert(*h.many, at, m)
	case h.one != nil:
		pair := []*SentMessage{h.one, m}
		slices.SortFunc(pair, oldestFirst)
		h = holders{many: &pair}
	default:
		h.one = m
	}
	return h
}

func (h holders) without(m *SentMessage) holders {
	if h.many == nil {
		return holders{}
	}
	if at, found := slices.BinarySearchFunc(*h.many, m, oldestFirst); found {
		*h.many = slices.Delete(*h.many, at, at+1)
	}
	if len(*h.many) == 1 {
		return holders{one: (*h.many)[0]}
	}
	return h
}

// newest appends to found the newest messages, newest first, without those that
// are in it.
func (h holders) newest(found []*SentMessage) []*SentMessage {
	if h.many == nil {
		if h.one != nil && !slices.Contains(found, h.one) {
			found = append(found, h.one)
		}
		return found
	}
	list := *h.many
	for _, m := range slices.Backward(list[max(0, len(list)-MaxPerTerm):]) {
		if !slices.Contains(found, m) {
			found = append(found, m)
		}
	}
	return found
}

// Find implements [Index].
func (x *Memory) Find(ctx context.Context, ref mailbox.Ref, terms ...Term) ([]SentMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	box := x.boxes[ref]
	if box == nil {
		return nil, nil
	}
	var found []*SentMessage
	for _, t := range terms {
		found = box.byTerm[t].newest(found)
	}
	if len(found) == 0 {
		return nil, nil
	}
	out := make([]SentMessage, len(found))
	for i, m := range found {
		out[i] = *m
		out[i].IDs = slices.Clone(m.IDs)
		out[i].Recipients = slices.Clone(m.Recipients)
		out[i].Phrases = slices.Clone(m.Phrases)
	}
	return out, nil
}

// Forget implements [Index].
func (x *Memory) Forget(ctx context.Context, ref mailbox.Ref, before time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	box := x.boxes[ref]
	if box == nil {
		return 0, nil
	}
	n := 0
	for _, m := range box.byKey {
		if m.At.Before(before) {
			box.remove(m)
			n++
		}
	}
	if len(box.byKey) == 0 {
		delete(x.boxes, ref)
	}
	return n, nil
}
