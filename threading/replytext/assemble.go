package replytext

import (
	"slices"
	"strings"
)

// passage is a run of the author's own lines between quoted ones.
type passage struct {
	start, end int // lines
	signature  int // where its signature begins; end if it has none
}

// assemble builds the reply from its lines.
func assemble(lines []line) Reply {
	l := label(lines)
	if distrustBoxes(lines, l.kinds) {
		l = label(lines)
	}
	r := Reply{Openers: l.openers, Quoted: quoted(lines, l.kinds)}
	passages := ownPassages(lines, l)
	opener := slices.Index(l.kinds, kindOpener) // what is quoted below it is history, not what the author cites
	var texts []passage                         // those that say something
	var signature []string
	for k := range passages {
		p := &passages[k]
		if opener >= 0 && opener < p.start && len(texts) > 0 && onlySignature(lines[p.start:p.signature]) {
			p.signature = p.start
		}
		if s := text(lines, p.signature, p.end); s != "" {
			signature = append(signature, s)
		}
		if text(lines, p.start, p.signature) != "" {
			texts = append(texts, *p)
		}
	}
	r.Signature = strings.Join(signature, "\n")
	said := withoutClosings(lines, texts)
	switch {
	case len(texts) == 0:
		return whole(lines, l, r)
	case len(said) > 1:
		r.Inline = true
		r.Text = text(lines, inlineStart(lines, l.kinds, said[0].start), texts[len(texts)-1].signature)
	default:
		parts := make([]string, len(texts))
		for i, p := range texts {
			parts[i] = text(lines, p.start, p.signature)
		}
		r.Text = strings.Join(parts, "\n\n")
	}
	return r
}

// whole is the reply in which nothing of the author's own was found. A body
// that begins with a header block may be the print of one message, perhaps with
// its history: the text is then what follows the block.
func whole(lines []line, l labels, r Reply) Reply {
	r.Whole = true
	end := l.head
	for end < len(lines) && l.kinds[end] != kindOpener && lines[end].depth == 0 {
		end++
	}
	if own := lines[l.head:end]; l.head > 0 && text(own, 0, len(own)) != "" {
		cut := cutSignature(own)
		if r.Text = text(own, 0, cut); r.Text != "" {
			r.Signature = text(own, cut, len(own))
			return r
		}
	}
	r.Text = text(lines, 0, len(lines))
	return r
}

// ownPassages finds the runs of the author's own lines. What is forwarded has no
// signature of the author's.
func ownPassages(lines []line, l labels) []passage {
	var all []passage
	kinds := l.kinds
	for i := 0; i < len(lines); i++ {
		if kinds[i] != kindOwn && kinds[i] != kindSignature {
			continue
		}
		p := passage{start: i}
		for ; i < len(lines) && (kinds[i] == kindOwn || kinds[i] == kindSignature || kinds[i] == kindBlank); i++ {
			if kinds[i] != kindBlank {
				p.end = i + 1
			}
		}
		if p.signature = p.end; p.end <= l.forward {
			p.signature = p.start + cutMarked(lines[p.start:p.end], kinds[p.start:p.end])
		}
		all = append(all, p)
	}
	return all
}

// onlySignature reports whether lines below a quotation, under which nothing of the
// author's own need stand, are nothing but what cutSignature cuts off.
func onlySignature(lines []line) bool {
	const above = 2
	return cutSignature(append([]line{{text: "x", plain: "x"}, {}}, lines...)) <= above
}

// cutMarked is cutSignature for lines of which HTML may tell that they are a
// signature. Where text follows that is none, the mark is not believed.
func cutMarked(lines []line, kinds []kind) int {
	cut := cutSignature(lines)
	marked := slices.Index(kinds, kindSignature)
	if marked < 0 || marked >= cut {
		return cut
	}
	if slices.Contains(kinds[marked:cut], kindOwn) {
		return cut
	}
	return cutSignature(lines[:marked])
}

// withoutClosings leaves out passages that are only the end of a letter: they
// make no inline answer of a body.
func withoutClosings(lines []line, texts []passage) []passage {
	var said []passage
	for _, p := range texts {
		if p.signature-p.start > 1 || !closing(lines[p.start].plain) {
			said = append(said, p)
		}
	}
	return said
}

// closing reports whether a line is the end of a letter with a name behind it.
func closing(s string) bool {
	if valediction(s) {
		return true
	}
	head, rest, found := strings.Cut(s, ",")
	return found && valediction(head) && name(strings.TrimSpace(rest), 4)
}

// inlineStart goes up from the first of the author's lines to the quote and its
// opener right above it.
func inlineStart(lines []line, kinds []kind, start int) int {
	for start > 0 && kinds[start-1] != kindOwn && kinds[start-1] != kindSignature {
		start--
	}
	return start
}

// quoted returns the lines of other people.
func quoted(lines []line, kinds []kind) []string {
	var all []string
	for i := range lines {
		if kinds[i] == kindQuote && lines[i].plain != "" {
			all = append(all, lines[i].plain)
		}
	}
	return all
}

// text joins lines and trims the blank ones at both ends.
func text(lines []line, start, end int) string {
	for start < end && lines[start].blank() {
		start++
	}
	for end > start && lines[end-1].blank() {
		end--
	}
	if start >= end {
		return ""
	}
	size := 0
	for _, l := range lines[start:end] {
		size += len(l.text) + 1
	}
	var b strings.Builder
	b.Grow(size)
	for i, l := range lines[start:end] {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.text)
	}
	return strings.TrimSpace(b.String())
}
