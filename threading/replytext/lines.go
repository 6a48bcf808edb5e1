package replytext

import "strings"

// mark is what the structure of an HTML body tells about a line.
type mark int

const (
	markNone        mark = iota
	markAttribution      // introduces a quotation
	markHeader           // of a block of header fields
	markSignature        // of the signature
	markRule             // a horizontal rule; such a line has no text
)

// line is one line of a body.
type line struct {
	text  string // as it is read, without white space at its end
	plain string // without quote marks and invisible characters, trimmed
	depth int    // of quotation, by marks or by elements that only quote
	soft  int    // of elements that a writer may use for text of his own
	mark  mark
	rest  bool // HTML tells that all from here on is history
}

func (l *line) blank() bool { return l.plain == "" }

// level is how deep the line may be quoted.
func (l *line) level() int { return l.depth + l.soft }

// splitLines takes a plain text body apart.
func splitLines(text string) []line {
	lines := make([]line, 0, strings.Count(text, "\n")+1)
	for raw := range strings.Lines(text) {
		raw = strings.TrimRight(raw, " \t\r\n\u00a0")
		l := line{text: raw}
		previous := 0
		if n := len(lines); n > 0 {
			previous = lines[n-1].depth
		}
		l.depth, raw = cutQuoteMarks(raw, previous)
		if l.depth == 0 && previous > 0 && strings.HasSuffix(lines[len(lines)-1].text, "=") {
			l.depth = previous // a soft line break that nobody decoded
		}
		l.plain = plain(raw)
		if l.depth == 1 && previous == 0 && endsAddress(lines, l.plain) {
			l.depth, l.plain = 0, "> "+l.plain
		}
		lines = append(lines, l)
	}
	dropCodePrompts(lines)
	joinLinks(lines)
	return splitOpeners(splitGlued(lines))
}

// splitGlued gives the history a line of its own that some phones and webmailers
// put behind its opener: "On Thu, Jan 8, 2026 at 9:15 Ann <ann@example.com> wrote: Hi",
// "-------- Original message --------From: Ann <ann@example.com> Date: …".
func splitGlued(lines []line) []line {
	for i := range lines {
		l := &lines[i]
		at := gluedAt(l)
		if at < 0 {
			continue
		}
		split := append(make([]line, 0, len(lines)+1), lines[:i]...)
		for _, s := range []string{l.text[:at], l.text[at:]} {
			split = append(split, line{text: strings.TrimSpace(s), plain: plain(s)})
		}
		return append(split, lines[i+1:]...) // one is enough: the next would be quoted
	}
	return lines
}

// gluedAt returns where the history begins in a line that an opener begins, or -1.
func gluedAt(l *line) int {
	if l.depth > 0 {
		return -1
	}
	if at := gluedSeparator(l.text); at > 0 {
		return at
	}
	head := clip(l.text, maxOpenerLine)
	for i := 0; ; {
		colon := strings.IndexByte(head[i:], ':')
		if colon < 0 {
			return -1
		}
		i += colon + 1
		if !endsWithVerb(head[:i-1]) || strings.TrimSpace(l.text[i:]) == "" {
			continue
		}
		if p := parsePhrase(plain(head[:i])); p.date.timed && p.introduces(false) {
			return i
		}
		return -1 // an opener ends with its first verb
	}
}

// joinLinks takes the end of a link that was wrapped within quoted text for
// quoted, too.
func joinLinks(lines []line) {
	for i := 1; i+1 < len(lines); i++ {
		l := &lines[i]
		if l.depth > 0 || lines[i-1].depth == 0 || lines[i+1].depth == 0 {
			continue
		}
		rest := strings.TrimRight(l.plain, " >")
		if rest != "" && !strings.Contains(rest, " ") && strings.ContainsAny(rest, ")>/=_&%") {
			l.depth = lines[i-1].depth
		}
	}
}

// splitOpeners gives an opener a line of its own where a conversion from HTML
// lost the line break before it.
func splitOpeners(lines []line) []line {
	for i := 0; i+1 < len(lines); i++ {
		l := &lines[i]
		at := strings.LastIndex(l.text, "On ")
		if at < 1 || l.depth > 0 || lines[i+1].depth == 0 || len(l.text) > maxOpener || !endsWithColon(l.plain) {
			continue
		}
		head, tail := strings.TrimRight(l.text[:at], " -"), l.text[at:]
		own, p := parsePhrase(plain(head)), parsePhrase(plain(tail))
		if len(own.toks) == 0 || own.date.found || own.address != "" || p.date.first > 2 || p.verb < 0 || !p.introduces(true) {
			continue
		}
		split := append(make([]line, 0, len(lines)+1), lines[:i]...)
		split = append(split, line{text: head, plain: plain(head)}, line{text: tail, plain: plain(tail)})
		return append(split, lines[i+1:]...) // one is enough: a second would be quoted
	}
	return lines
}

// gluedSeparator returns where the header block begins behind a line of dashes with
// words in between, or -1.
func gluedSeparator(s string) int {
	s = clip(s, maxOpenerLine)
	if !strings.HasPrefix(s, "----") {
		return -1
	}
	words := strings.TrimLeft(s, "-")
	end := strings.Index(words, "----")
	if end < 0 {
		return -1
	}
	rest := strings.TrimLeft(words[end:], "-")
	at := len(s) - len(rest)
	if f, _, _ := headerField(rest); f != fieldFrom {
		return -1
	}
	if forward, ok := separator(s[:at]); forward || !ok {
		return -1
	}
	return at
}

// flattened reports whether a conversion from HTML lost the line breaks of a text.
func flattened(text string) bool {
	for l := range strings.Lines(text) {
		if gluedSeparator(l) > 0 {
			return true
		}
	}
	return false
}

// maxDepth is how many quote marks are counted.
const maxDepth = 100

// cutQuoteMarks counts and removes the quote marks of a line. Spaces may stand
// between them. What mbox files do to a line that begins with "From ", and a
// comparison, are no marks, unless the line before is quoted.
func cutQuoteMarks(s string, previous int) (depth int, rest string) {
	if rest = strings.TrimLeft(s, " "); len(s)-len(rest) > 1 || rest != s && previous == 0 {
		return 0, s
	}
	if previous == 0 && framed(s) {
		return 0, s
	}
	if strings.HasPrefix(s, ">>>>> ") && strings.Contains(clip(s, maxOpenerLine), " == ") {
		return 0, s // an opener of Supercite
	}
	if previous == 0 && (strings.HasPrefix(s, ">From ") || strings.HasPrefix(s, ">=")) {
		return 0, s
	}
	for {
		if after, ok := strings.CutPrefix(rest, ">"); ok {
			depth, rest = depth+1, after
		} else if after, ok := strings.CutPrefix(rest, " >"); ok && depth > 0 {
			depth, rest = depth+1, after
		} else {
			return min(depth, maxDepth), rest
		}
	}
}

// endsAddress reports whether a line that begins with ">" is the end of an
// opener whose address was wrapped before its bracket.
func endsAddress(lines []line, rest string) bool {
	if len(rest) > 40 || !endsWithColon(rest) {
		return false
	}
	for i := len(lines) - 1; i >= max(0, len(lines)-3); i-- {
		if p := lines[i].plain; p != "" && strings.LastIndexByte(p, '<') > strings.LastIndexByte(p, '>') {
			return true
		}
	}
	return false
}

// dropCodePrompts takes runs of lines that begin with three marks at once, and
// that nothing less deep surrounds, for the prompts of an interpreter.
func dropCodePrompts(lines []line) {
	for i := 0; i < len(lines); i++ {
		if lines[i].depth == 0 {
			continue
		}
		start, least := i, maxDepth
		for ; i < len(lines) && lines[i].depth > 0; i++ {
			least = min(least, lines[i].depth)
		}
		if least != 3 || !strings.HasPrefix(lines[start].text, ">>> ") {
			continue
		}
		for k := start; k < i; k++ {
			lines[k].depth, lines[k].plain = 0, plain(lines[k].text)
		}
	}
}

// plain returns a line without the characters that nobody sees, with one kind
// of space, trimmed.
func plain(s string) string {
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 || s[i] == '\t' {
			return strings.TrimSpace(strings.Map(visible, s))
		}
	}
	return s
}

func visible(r rune) rune {
	switch {
	case r == '\t', r == 0x00A0, r >= 0x2000 && r <= 0x200A, r == 0x202F, r == 0x205F, r == 0x3000:
		return ' '
	case r == 0x00AD, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x2069, r == 0xFEFF:
		return -1
	}
	return r
}

// nextText returns the first line from i on that is not blank, or -1; long runs
// of blank lines are not searched.
func nextText(lines []line, i int) int {
	for end := min(len(lines), i+maxGap); i < end; i++ {
		if !lines[i].blank() {
			return i
		}
	}
	return -1
}

// maxGap is how many blank lines may stand between an opener and its quotation.
const maxGap = 20
