package replytext

import "strings"

// kind is what a line of the body is.
type kind int

const (
	kindBlank kind = iota
	kindOwn
	kindQuote
	kindOpener    // introduces quoted text
	kindSignature // as HTML tells
)

// labels are the kinds of all lines with the openers.
type labels struct {
	kinds   []kind
	openers []Opener
	head    int // end of a header block with which the body begins, 0 if there is none
	forward int // first line of what is forwarded; the number of lines if there is none
}

// label tells of every line what it is.
func label(lines []line) labels {
	distrustSignatures(lines)
	found := attributions(lines)
	promote(lines, found)
	l := labels{kinds: make([]kind, len(lines)), forward: len(lines)}
	history, first := false, true
	for i := 0; i < len(lines); {
		for len(found) > 0 && found[0].start < i {
			found = found[1:]
		}
		at := &lines[i]
		if at.blank() && !ruled(at) {
			l.kinds[i] = kindBlank
			i++
			continue
		}
		s, ok := introduction(lines, i, found)
		switch {
		case ok && s.forward && !history && !at.rest && (at.depth == 0 || !quotedBefore(lines, l.kinds, i)):
			l.own(lines, i)
			return l
		case ok && !s.forward:
			if s.opener != (Opener{}) {
				l.openers = append(l.openers, s.opener)
			}
			for k := s.start; k < s.end; k++ {
				l.kinds[k] = kindOpener
			}
			if at.depth == 0 && !history && !deeper(lines, s.end, at.depth) {
				if first && s.block {
					l.head = s.end
				}
				history = true
			}
			i = s.end
		default:
			if !history && at.rest {
				history = true
			}
			l.kinds[i] = l.kindOf(at, history)
			i++
		}
		first = false
	}
	return l
}

func (l *labels) kindOf(at *line, history bool) kind {
	switch {
	case at.blank():
		return kindBlank
	case history || at.depth > 0:
		return kindQuote
	case at.mark == markSignature:
		return kindSignature
	}
	return kindOwn
}

// own marks all lines from i on as the message's own: they are forwarded.
func (l *labels) own(lines []line, i int) {
	l.forward = i
	for ; i < len(lines); i++ {
		l.kinds[i] = kindOwn
		if lines[i].blank() {
			l.kinds[i] = kindBlank
		}
	}
}

// quotedBefore reports whether quoted text precedes line i without other text
// between.
func quotedBefore(lines []line, kinds []kind, i int) bool {
	for k := i - 1; k >= max(0, i-maxGap); k-- {
		if !lines[k].blank() {
			return kinds[k] == kindQuote || kinds[k] == kindOpener
		}
	}
	return false
}

// deeper reports whether the text from line i on is quoted more deeply.
func deeper(lines []line, i, depth int) bool {
	n := nextText(lines, i)
	return n >= 0 && lines[n].depth > depth
}

// introduction finds the introduction of a message that begins in line i; next
// are the openers from there on.
func introduction(lines []line, i int, next []span) (span, bool) {
	at := &lines[i]
	if ruled(at) || dashes(at.plain) >= 3 { // belongs to a block below it
		if n := nextText(lines, i+1); n >= 0 && n <= i+3 && lines[n].depth == at.depth {
			if s, ok := headerBlock(lines, n); ok {
				s.start = i
				return s, true
			}
		}
		return span{}, false
	}
	if forward, ok := separator(at.plain); ok {
		s := span{start: i, end: i + 1, forward: forward, block: true}
		if n := nextText(lines, i+1); !forward && n >= 0 {
			if b, ok := announcedBlock(lines, n); ok {
				s.end, s.opener = b.end, b.opener
			}
		}
		return s, true
	}
	if len(next) > 0 && next[0].start == i {
		s := next[0]
		if n := nextText(lines, s.end); n >= 0 && lines[n].level() == at.level() {
			if b, ok := headerBlock(lines, n); ok { // some clients write both
				s.end = b.end
				s.opener.Subject = b.opener.Subject
			}
		}
		return s, true
	}
	return headerBlock(lines, i)
}

// promote makes quotations of the elements and of the other quote marks that
// follow an opener.
func promote(lines []line, found []span) {
	for _, s := range found {
		n := nextText(lines, s.end)
		if n < 0 {
			continue
		}
		level, base := lines[n].soft, lines[s.start].soft
		if level > base {
			for ; n < len(lines) && (lines[n].soft > base || lines[n].blank()); n++ {
				lines[n].depth += lines[n].soft - base
			}
			continue
		}
		prefix := altPrefix(lines[n].plain)
		if lines[n].depth > 0 || prefix == "" {
			continue
		}
		for ; n < len(lines) && len(lines[n].plain) >= len(prefix) && lines[n].plain[:len(prefix)] == prefix; n++ {
			lines[n].depth, lines[n].plain = 1, plain(lines[n].plain[len(prefix):])
		}
	}
}

// distrustSignatures takes away the mark of a signature where it is none: many
// people write on within the element that holds theirs.
func distrustSignatures(lines []line) {
	for i := 0; i < len(lines); i++ {
		start := i
		prose := false
		for ; i < len(lines) && lines[i].mark == markSignature; i++ {
			s := lines[i].plain
			prose = prose || len(s) > 2*maxShortLine && !containsAny(strings.ToLower(clip(s, maxOpener)), disclaimerWords)
		}
		if !prose && i-start <= maxSignature {
			continue
		}
		for k := start; k < i; k++ {
			lines[k].mark = markNone
		}
	}
}

// distrustBoxes takes away all marks of signatures where the author's own words
// stand within one: there are none beside it but a salutation, and a sentence is in
// it. It reports whether it did.
func distrustBoxes(lines []line, kinds []kind) bool {
	sentences := false
	for i, k := range kinds {
		switch {
		case k == kindOwn && !strings.HasSuffix(lines[i].plain, ","):
			return false
		case k == kindSignature:
			sentences = sentences || saysSomething(lines[i].plain)
		}
	}
	if !sentences {
		return false
	}
	for i := range lines {
		if lines[i].mark == markSignature {
			lines[i].mark = markNone
		}
	}
	return true
}

// saysSomething reports whether a line reads like a sentence, and like nothing that
// stands in a signature.
func saysSomething(s string) bool {
	return len(strings.Fields(s)) >= 3 && strings.ContainsAny(s[len(s)-1:], ".?!") && !notice(s) && !valediction(s)
}
