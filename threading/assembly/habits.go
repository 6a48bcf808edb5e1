package assembly

// habits are what is usual in a mailbox. They tell what it means that a message
// lacks a field: little where the others lack it too.
type habits struct {
	// named: answers name another message. One that names none is hardly an
	// answer; who began a new topic from an old message quotes, too.
	named bool
	// parents: who names other messages names the parent, in In-Reply-To. What
	// stands in References alone is the parent, too, and not what is left of
	// longer References.
	parents bool
}

// observe returns the habits of the mailbox: answers are messages with a reply
// prefix, and five of six make a habit of the first kind. Less than twenty tell
// nothing.
func (f *forest) observe() habits {
	answers, named, citing, parents := 0, 0, 0, 0
	for i := range f.nodes {
		n := &f.nodes[i]
		inReplyTo := len(n.inReplyTo)+len(n.parentIDs) > 0
		cites := inReplyTo || len(n.references) > 0
		answers += flag(n.prefixed)
		named += flag(n.prefixed && cites)
		citing += flag(cites)
		parents += flag(inReplyTo)
	}
	return habits{named: answers >= 20 && 6*named >= 5*answers, parents: 2*parents >= citing}
}

// cut reports whether a message cites ancestors and not its parent: what is left
// of a References field that was shortened.
func (f *forest) cut(n *node) bool {
	return len(n.references) > 0 && len(n.inReplyTo)+len(n.parentIDs) == 0 && !f.parents
}

// doubtful reports whether evidence for a parent is worth less than usual: the
// message names one that is missing, or names none among answers that do.
func (f *forest) doubtful(n *node) bool {
	if len(n.inReplyTo)+len(n.parentIDs)+len(n.references) > 0 {
		return !f.cut(n)
	}
	return f.named
}
