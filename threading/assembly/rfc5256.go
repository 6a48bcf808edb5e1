package assembly

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Node is a message in the answer to a THREAD command (RFC 5256).
type Node struct {
	// Number is the position in the list of messages, from 1; 0 stands for a
	// message that is missing.
	Number   int
	Children []*Node
}

// entry is a node while the tree is built.
type entry struct {
	number   int
	sent     time.Time
	subject  string // base subject
	reply    bool
	parent   *entry
	below    int // how many entries have it for a parent, while they are linked
	children []*entry
}

// References threads messages by the algorithm REFERENCES of RFC 5256, section 3.
// The order of the messages is that of their sequence numbers. Looking for loops
// costs time in proportion to the depth of a thread.
func References(messages []*mailbox.Message) []*Node {
	root := new(entry)
	link5256(messages, root)
	root.children = prune(root)
	for _, e := range root.children {
		e.parent = root
	}
	sortEntries(root.children)
	root.children = bySubject(root.children)
	return finish(root)
}

// OrderedSubject threads messages by the algorithm ORDEREDSUBJECT of RFC 5256,
// section 3.
func OrderedSubject(messages []*mailbox.Message) []*Node {
	var all []*entry
	for i, m := range messages {
		all = append(all, newEntry(i+1, m))
	}
	sortEntries(all)
	root := new(entry)
	first := make(map[string]*entry)
	for _, e := range all {
		if top, ok := first[e.subject]; ok {
			top.children = append(top.children, e)
			continue
		}
		first[e.subject] = e
		root.children = append(root.children, e)
	}
	return finish(root)
}

func newEntry(number int, m *mailbox.Message) *entry {
	e := &entry{number: number, sent: m.Date}
	if e.sent.IsZero() {
		e.sent = m.ReceivedAt
	}
	e.subject, e.reply = baseSubject(m.Subject)
	return e
}

// link5256 is step 1: it links the messages and the ids that they cite, and step 2:
// what has no parent becomes a child of root.
func link5256(messages []*mailbox.Message, root *entry) {
	byID := make(map[mailbox.RFCMessageID]*entry)
	var all []*entry
	get := func(id mailbox.RFCMessageID) *entry {
		if byID[id] == nil {
			byID[id] = new(entry)
			all = append(all, byID[id])
		}
		return byID[id]
	}
	for i, m := range messages {
		id := m.RFCMessageID
		if id == "" {
			if ids := mailbox.ParseMessageIDs(m.Header.Get("Message-ID")); len(ids) > 0 {
				id = ids[0]
			}
		}
		e := newEntry(i+1, m)
		if have := byID[id]; id == "" || have != nil && have.number != 0 {
			all = append(all, e)
		} else {
			have = get(id)
			have.number, have.sent, have.subject, have.reply = e.number, e.sent, e.subject, e.reply
			e = have
		}
		cited := m.References()
		if len(cited) == 0 {
			if ids := m.InReplyTo(); len(ids) > 0 {
				cited = ids[:1]
			}
		}
		var above *entry
		for _, id := range cited {
			next := get(id)
			if above != nil && next.parent == nil && !next.isAbove(above) {
				next.hang(above)
			}
			above = next
		}
		e.hang(nil)
		if above != nil && !e.isAbove(above) {
			e.hang(above)
		}
	}
	for _, e := range all {
		if e.parent == nil {
			e.parent = root
		}
		e.parent.children = append(e.parent.children, e)
	}
}

// hang makes parent, which may be nil, the parent of e.
func (e *entry) hang(parent *entry) {
	if e.parent != nil {
		e.parent.below--
	}
	if e.parent = parent; parent != nil {
		parent.below++
	}
}

// isAbove reports whether e is other or one of its ancestors. What has nothing
// below it is above nothing, which keeps long chains cheap.
func (e *entry) isAbove(other *entry) bool {
	if e.below == 0 {
		return e == other
	}
	for ; other != nil; other = other.parent {
		if other == e {
			return true
		}
	}
	return false
}

// prune is step 3: it returns the children of the root without missing messages
// that hold nothing together.
func prune(root *entry) []*entry {
	order := walk(root)
	for _, e := range slices.Backward(order) { // children before parents
		var kept []*entry
		for _, c := range e.children {
			switch {
			case c.number != 0, e == root && len(c.children) > 1:
				kept = append(kept, c)
			default:
				kept = append(kept, c.children...)
			}
		}
		e.children = kept
	}
	return root.children
}

// walk returns all entries below and with root, parents before children.
func walk(root *entry) []*entry {
	order := []*entry{root}
	for i := 0; i < len(order); i++ {
		order = append(order, order[i].children...)
	}
	return order
}

// date is that of the message, or of its first child when it is missing.
func (e *entry) date() (time.Time, int) {
	if e.number == 0 && len(e.children) > 0 {
		return e.children[0].sent, e.children[0].number
	}
	return e.sent, e.number
}

func sortEntries(all []*entry) {
	slices.SortStableFunc(all, func(a, b *entry) int {
		at, an := a.date()
		bt, bn := b.date()
		return cmp.Or(at.Compare(bt), cmp.Compare(an, bn))
	})
}

// bySubject is step 5: it merges threads of the same base subject.
func bySubject(top []*entry) []*entry {
	head := func(e *entry) *entry {
		if e.number == 0 && len(e.children) > 0 {
			return e.children[0]
		}
		return e
	}
	table := make(map[string]*entry)
	for _, e := range top {
		h := head(e)
		if h.subject == "" {
			continue
		}
		have, ok := table[h.subject]
		if !ok || e.number == 0 && have.number != 0 || head(have).reply && !h.reply && have.number != 0 {
			table[h.subject] = e
		}
	}
	var kept []*entry
	for _, e := range top {
		h := head(e)
		have := table[h.subject]
		switch {
		case h.subject == "" || have == e:
			kept = append(kept, e)
		case e.number == 0 && have.number == 0:
			have.children = append(have.children, e.children...)
		case have.number == 0, h.reply && !head(have).reply:
			have.children = append(have.children, e)
		default: // both stand side by side below a missing message
			both := *have
			*have = entry{children: []*entry{&both, e}, subject: h.subject}
		}
	}
	return kept
}

// finish is step 6, and turns entries into nodes.
func finish(root *entry) []*Node {
	order := walk(root)
	nodes := make(map[*entry]*Node, len(order))
	for _, e := range slices.Backward(order) {
		sortEntries(e.children)
		n := &Node{Number: e.number}
		for _, c := range e.children {
			n.Children = append(n.Children, nodes[c])
		}
		nodes[e] = n
	}
	return nodes[root].Children
}

// Format writes threads as in the answer to a THREAD command: "(3 2)(1)".
func Format(threads []*Node) string {
	var b strings.Builder
	// What is to be written, last first: a node, or a text.
	type item struct {
		node *Node
		text string
	}
	var stack []item
	branches := func(nodes []*Node) {
		for _, n := range slices.Backward(nodes) {
			stack = append(stack, item{text: ")"}, item{node: n}, item{text: "("})
		}
	}
	branches(threads)
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if top.node == nil {
			b.WriteString(top.text)
			continue
		}
		if top.node.Number != 0 {
			b.WriteString(strconv.Itoa(top.node.Number))
			if len(top.node.Children) > 0 {
				b.WriteByte(' ')
			}
		}
		if len(top.node.Children) == 1 {
			stack = append(stack, item{node: top.node.Children[0]})
		} else {
			branches(top.node.Children)
		}
	}
	return b.String()
}

// baseSubject returns the base subject of RFC 5256, section 2.1, in lower case,
// and whether the message is a reply or forward.
func baseSubject(subject string) (string, bool) {
	s, reply := strings.ToLower(strings.Join(strings.Fields(subject), " ")), false
	for {
		for strings.HasSuffix(s, "(fwd)") {
			s, reply = strings.TrimSpace(strings.TrimSuffix(s, "(fwd)")), true
		}
		for {
			if rest, ok := cutLeader(s); ok {
				s, reply = rest, true
			} else if rest, ok := cutBlob(s); ok && rest != "" {
				s = rest
			} else {
				break
			}
		}
		if !strings.HasPrefix(s, "[fwd:") || !strings.HasSuffix(s, "]") {
			return s, reply
		}
		s, reply = strings.TrimSpace(s[len("[fwd:"):len(s)-1]), true
	}
}

// cutBlob removes "[text]" and the spaces behind it.
func cutBlob(s string) (string, bool) {
	if !strings.HasPrefix(s, "[") {
		return s, false
	}
	end := strings.IndexAny(s[1:], "[]")
	if end < 0 || s[1+end] == '[' {
		return s, false
	}
	return strings.TrimLeft(s[end+2:], " "), true
}

// cutLeader removes "[blob] re [blob]:".
func cutLeader(s string) (string, bool) {
	rest := s
	for {
		r, ok := cutBlob(rest)
		if !ok {
			break
		}
		rest = r
	}
	for _, word := range []string{"re", "fwd", "fw"} {
		after, ok := strings.CutPrefix(rest, word)
		if !ok {
			continue
		}
		after = strings.TrimLeft(after, " ")
		if r, ok := cutBlob(after); ok {
			after = r
		}
		if after, ok = strings.CutPrefix(after, ":"); ok {
			return strings.TrimLeft(after, " "), true
		}
	}
	return s, false
}
