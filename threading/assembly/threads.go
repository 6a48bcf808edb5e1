package assembly

import (
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// threads yields the threads. A node number is a time, so children and roots
// need no sorting.
func (f *forest) threads(yield func(Thread) bool) {
	// The children of a node as a linked list.
	child, next := filled(len(f.nodes)), filled(len(f.nodes))
	for i := len(f.nodes) - 1; i >= 0; i-- {
		if above := f.nodes[i].parent; above >= 0 {
			next[i], child[above] = child[above], int32(i)
		}
	}
	tops := make(map[int32][]int32)
	for i := range f.nodes {
		if n := &f.nodes[i]; n.parent < 0 && n.sibling != int32(i) {
			tops[n.sibling] = append(tops[n.sibling], int32(i))
		}
	}
	depth := make([]int, len(f.nodes))
	var stack []int32
	for root := range f.nodes {
		n := &f.nodes[root]
		if n.parent >= 0 || n.sibling != int32(root) {
			continue
		}
		t := Thread{Root: f.id(n.id)}
		for _, top := range append([]int32{int32(root)}, tops[int32(root)]...) {
			name := f.id(f.nodes[top].id)
			if f.cut(&f.nodes[top]) {
				name = t.Root
			}
			stack = append(stack[:0], top)
			for len(stack) > 0 {
				i := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				t.Messages = append(t.Messages, f.message(i, name, depth[i]))
				below := len(stack)
				for c := child[i]; c >= 0; c = next[c] {
					depth[c] = depth[i] + 1
					stack = append(stack, c)
				}
				slices.Reverse(stack[below:])
			}
		}
		if !yield(t) {
			return
		}
	}
}

func filled(n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = -1
	}
	return s
}

func (f *forest) message(i int32, root mailbox.RFCMessageID, depth int) Message {
	n := &f.nodes[i]
	m := Message{ID: f.id(n.id), Root: root, Depth: depth, Level: n.level, Evidence: n.evidence}
	for _, other := range n.names[1:] {
		m.Others = append(m.Others, f.id(other))
	}
	if n.parent >= 0 {
		m.Parent = f.id(f.nodes[n.parent].id)
	}
	if n.sent != 0 {
		m.Sent = time.Unix(n.sent, 0).UTC()
	}
	return m
}
