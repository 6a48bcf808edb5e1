package threading

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// ordered is a list of messages, oldest first, that takes and gives up any of a
// million of them without moving the others: it is cut into blocks. No block is
// empty.
type ordered struct{ blocks [][]*SentMessage }

// maxBlock is how many messages a block has at most.
const maxBlock = 256

// oldestFirst is the reverse of the order that [Index.Find] asks for.
func oldestFirst(a, b *SentMessage) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(b.Key, a.Key))
}

// block returns the number of the block that m is in, or belongs into; behind
// the last one if m is newer than all.
func (o *ordered) block(m *SentMessage) int {
	i, _ := slices.BinarySearchFunc(o.blocks, m, func(b []*SentMessage, m *SentMessage) int {
		return oldestFirst(b[len(b)-1], m)
	})
	return i
}

func (o *ordered) insert(m *SentMessage) {
	i := o.block(m)
	if last := len(o.blocks) - 1; i > last { // the usual case
		if last < 0 || len(o.blocks[last]) == maxBlock {
			o.blocks = append(o.blocks, []*SentMessage{m})
		} else {
			o.blocks[last] = append(o.blocks[last], m)
		}
		return
	}
	b := o.blocks[i]
	at, _ := slices.BinarySearchFunc(b, m, oldestFirst)
	b = slices.Insert(b, at, m)
	o.blocks[i] = b
	if len(b) > maxBlock {
		half := len(b) / 2
		o.blocks = slices.Insert(o.blocks, i+1, slices.Clone(b[half:]))
		o.blocks[i] = slices.Delete(b, half, len(b))
	}
}

func (o *ordered) remove(m *SentMessage) {
	i := o.block(m)
	if i == len(o.blocks) {
		return
	}
	if at, found := slices.BinarySearchFunc(o.blocks[i], m, oldestFirst); found {
		o.blocks[i] = slices.Delete(o.blocks[i], at, at+1)
	}
	if len(o.blocks[i]) == 0 {
		o.blocks = slices.Delete(o.blocks, i, i+1)
	}
}

// single returns the only message, or nil if there are more.
func (o *ordered) single() *SentMessage {
	if len(o.blocks) == 1 && len(o.blocks[0]) == 1 {
		return o.blocks[0][0]
	}
	return nil
}

// newest ranges over the messages, newest first.
func (o *ordered) newest() iter.Seq[*SentMessage] {
	return func(yield func(*SentMessage) bool) {
		for _, b := range slices.Backward(o.blocks) {
			for _, m := range slices.Backward(b) {
				if !yield(m) {
					return
				}
			}
		}
	}
}
