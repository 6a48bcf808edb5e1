package threading

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Memory is an [Index] in memory, safe for concurrent use. It is lost with the
// process. A message with one id, a thread, one recipient and 32 phrases takes
// about 950 bytes (measured by BenchmarkMemoryAdd).
type Memory struct {
	mu    sync.RWMutex
	boxes map[mailbox.Ref]*memoryBox
}

// memoryBox holds the messages of one mailbox. A stored message is never
// changed, only replaced.
type memoryBox struct {
	ref    mailbox.Ref
	byKey  map[string]*SentMessage
	byTerm map[Term]holders
}

// holders are the messages that have a term. Most terms have one.
type holders struct {
	one  *SentMessage
	many *ordered // otherwise
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
		ref := mailbox.Ref{Tenant: mailbox.TenantID(strings.Clone(string(m.Tenant))), Mailbox: mailbox.MailboxID(strings.Clone(string(m.Mailbox)))}
		box = &memoryBox{ref: ref, byKey: make(map[string]*SentMessage), byTerm: make(map[Term]holders)}
		x.boxes[ref] = box
	}
	if old := box.byKey[m.Key]; old != nil {
		box.remove(old)
		m = old.Merge(m)
	}
	kept := box.compact(m)
	box.byKey[kept.Key] = kept
	for _, t := range kept.Terms() {
		box.byTerm[t] = box.byTerm[t].with(kept)
	}
	return nil
}

// compact returns a copy that holds on to nothing but itself: its text is one
// string, and not a part of a message that the caller has read.
func (b *memoryBox) compact(m SentMessage) *SentMessage {
	m = SentMessage{Ref: b.ref, Key: m.Key}.Merge(m) // copies the slices
	// Times are compared by the clock on the wall, whatever they were made from.
	m.At = m.At.Round(0).UTC()
	size := 0
	for s := range m.texts() {
		size += len(*s)
	}
	var all strings.Builder
	all.Grow(size)
	for s := range m.texts() {
		all.WriteString(*s)
	}
	text := all.String()
	for s := range m.texts() {
		*s, text = text[:len(*s)], text[len(*s):]
	}
	// Nearly all have one id and one recipient: beside the rest, they are there
	// when it is.
	kept := &struct {
		SentMessage
		id [1]mailbox.RFCMessageID
		to [1]string
	}{SentMessage: m}
	if copy(kept.id[:], m.IDs) == len(m.IDs) {
		kept.IDs = slices.Clip(kept.id[:len(m.IDs)])
	}
	if copy(kept.to[:], m.Recipients) == len(m.Recipients) {
		kept.Recipients = slices.Clip(kept.to[:len(m.Recipients)])
	}
	return &kept.SentMessage
}

// texts ranges over the text of a message, but for its Ref.
func (s *SentMessage) texts() iter.Seq[*string] {
	return func(yield func(*string) bool) {
		for _, text := range []*string{
			&s.Key, (*string)(&s.Provider), (*string)(&s.Thread), &s.Token, (*string)(&s.ThreadIndex), &s.Subject,
		} {
			if !yield(text) {
				return
			}
		}
		for i := range s.IDs {
			if !yield((*string)(&s.IDs[i])) {
				return
			}
		}
		for i := range s.Recipients {
			if !yield(&s.Recipients[i]) {
				return
			}
		}
	}
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

func (h holders) with(m *SentMessage) holders {
	switch {
	case h == holders{}:
		return holders{one: m}
	case h.many == nil:
		many := new(ordered)
		many.insert(h.one)
		h = holders{many: many}
	}
	h.many.insert(m)
	return h
}

func (h holders) without(m *SentMessage) holders {
	if h.many == nil {
		return holders{}
	}
	h.many.remove(m)
	if last := h.many.single(); last != nil {
		return holders{one: last}
	}
	return h
}

// found are different messages, in the order in which they were added.
type found struct {
	list []*SentMessage
	seen map[*SentMessage]struct{} // from MaxPerTerm on; it takes longer to make than to search that many
}

// add adds the newest messages that have a term.
func (f *found) add(h holders) {
	if h.many == nil {
		f.addOne(h.one)
		return
	}
	n := 0
	for m := range h.many.newest() {
		if n == MaxPerTerm {
			break
		}
		f.addOne(m)
		n++
	}
}

func (f *found) addOne(m *SentMessage) {
	if m == nil || f.has(m) {
		return
	}
	f.list = append(f.list, m)
	switch {
	case f.seen != nil:
		f.seen[m] = struct{}{}
	case len(f.list) == MaxPerTerm:
		f.seen = make(map[*SentMessage]struct{}, 2*MaxPerTerm)
		for _, m := range f.list {
			f.seen[m] = struct{}{}
		}
	}
}

func (f *found) has(m *SentMessage) bool {
	if f.seen == nil {
		return slices.Contains(f.list, m)
	}
	_, has := f.seen[m]
	return has
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
	var f found
	for _, t := range terms {
		f.add(box.byTerm[t])
	}
	if len(f.list) == 0 {
		return nil, nil
	}
	out := make([]SentMessage, len(f.list))
	for i, m := range f.list {
		out[i] = *m
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
