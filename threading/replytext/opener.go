package replytext

import (
	"strings"
)

const (
	maxOpenerLines = 5   // over which an opener is wrapped
	maxOpenerLine  = 400 // bytes of one of its lines
	maxOpener      = 700 // bytes of all
)

// span is an introduction of quoted text: the lines from start to before end.
type span struct {
	start, end int
	opener     Opener
	// forward tells that the text below is forwarded: it belongs to the message.
	forward bool
	// block tells that it is a block of header fields.
	block bool
}

// attributions finds the lines that introduce quoted text, in order.
func attributions(lines []line) []span {
	var all []span
	from := 0
	for t := range lines {
		deeper, ok := terminal(lines, t)
		if !ok {
			continue
		}
		if s, ok := attribution(lines, from, t, deeper); ok {
			all = append(all, s)
			from = t + 1
		}
	}
	return all
}

// terminal reports whether a line may be the last of an opener, and whether
// more deeply quoted text follows.
func terminal(lines []line, t int) (deeper, ok bool) {
	l := &lines[t]
	if l.blank() || len(l.plain) > maxOpenerLine {
		return false, false
	}
	marked := l.mark == markAttribution
	if n := nextText(lines, t+1); n >= 0 {
		next := &lines[n]
		deeper = next.level() > l.level() || l.level() == 0 && otherMark(l.plain, next.plain)
	}
	return deeper, marked || deeper || framed(l.plain) || endsWithColon(l.plain) || strings.HasSuffix(l.plain, "--") || endsWithVerb(l.plain) && standsAlone(lines, t)
}

// framed reports whether a line with an address stands between the marks of
// GroupWise.
func framed(s string) bool {
	return strings.HasPrefix(s, ">>> ") && strings.HasSuffix(s, " >>>") && strings.Contains(clip(s, maxOpenerLine), "@")
}

// endsWithVerb reports whether a line ends in "wrote" or the like: some clients
// write no colon behind it.
func endsWithVerb(s string) bool {
	i := strings.LastIndexByte(s, ' ')
	_, ok := verbs[strings.ToLower(s[i+1:])]
	return ok && i > 0
}

// standsAlone reports whether the line below line t is blank.
func standsAlone(lines []line, t int) bool { return t+1 == len(lines) || lines[t+1].blank() }

// otherMark reports whether a line below an opener begins with a quote mark of
// older mailers.
func otherMark(opener, next string) bool {
	return endsWithColon(opener) && altPrefix(next) != ""
}

// altPrefix returns the quote mark of a line if it is a bar or the like, or
// initials before a ">".
func altPrefix(s string) string {
	if len(s) > 1 && s[1] == ' ' && strings.IndexByte("|):%}]", s[0]) >= 0 {
		return s[:1]
	}
	i := strings.IndexByte(s[:min(len(s), 12)], '>')
	if i < 1 {
		return ""
	}
	for _, r := range s[:i] {
		if !letter(r) {
			return ""
		}
	}
	return s[:i+1]
}

func endsWithColon(s string) bool {
	s = strings.TrimRight(s, "*_ ")
	return strings.HasSuffix(s, ":") || strings.HasSuffix(s, "：")
}

// attribution finds the opener that ends in line t, the shortest that begins as
// one does. Text above it is not looked at before line from.
func attribution(lines []line, from, t int, deeper bool) (span, bool) {
	var weak span
	text := ""
	count, blanks := 0, 0
	for s := t; s >= from && count < maxOpenerLines; s-- {
		l := &lines[s]
		if l.blank() {
			if blanks++; blanks > 1 || text == "" || text[0] != '<' && text[0] != '>' {
				break
			}
			continue
		}
		if l.depth != lines[t].depth || l.soft != lines[t].soft || len(l.plain)+len(text) > maxOpener {
			break
		}
		count++
		below := byte(0)
		if text != "" {
			below = text[0]
		}
		text = join(l.plain, text)
		p := parsePhrase(text)
		p.attributed = l.mark == markAttribution
		switch {
		case p.introduces(deeper):
			if !p.named() && s > from && !lines[s-1].blank() && lines[s-1].depth == l.depth {
				if q := parsePhrase(join(lines[s-1].plain, text)); q.named() && q.leading() && len(q.s) < 200 {
					p, s = q, s-1
				}
			}
			return span{start: s, end: t + 1, opener: p.opener()}, true
		case deeper && (count == 1 || below == '<') && p.weak():
			weak = span{start: s, end: t + 1, opener: p.opener()}
		}
	}
	return weak, weak.end > 0
}

// join puts two lines of an opener together. An equals sign at the end of the
// first is a line break of quoted-printable that nobody decoded.
func join(a, b string) string {
	if b == "" {
		return a
	}
	if cut, ok := strings.CutSuffix(a, "="); ok {
		return cut + b
	}
	return a + " " + b
}

// phrase is a text that may introduce a quotation, with what was found in it.
type phrase struct {
	s          string
	toks       []token
	lead       bool // begins with a word such as "On"
	verb       int  // token that says "wrote", or -1
	lang       string
	date       stamp
	address    string
	addrAt     int // where the address stands, -1 if there is none
	addrEnd    int
	attributed bool // HTML says that it introduces a quotation
	dashed     bool // stands between dashes
	framed     bool // stands between the marks of GroupWise: ">>> Ann <ann@example.com> 1/8/2026 9:15 AM >>>"
}

// parsePhrase looks for the parts of an opener.
func parsePhrase(s string) phrase {
	dashed := strings.HasPrefix(s, "--") && strings.HasSuffix(s, "--")
	framed := framed(s)
	s = strings.Trim(s, "-_*~[]|# —–>")
	p := phrase{s: s, dashed: dashed, framed: framed, toks: tokens(s), verb: -1}
	p.address, p.addrAt, p.addrEnd = findAddress(s)
	for i, t := range p.toks {
		if t.word == "" || t.start >= p.addrAt && t.start < p.addrEnd {
			continue
		}
		if lang, ok := verbLang(t.word); ok {
			p.verb, p.lang = i, lang
		}
	}
	if len(p.toks) > 0 {
		lang, ok := leads[p.toks[0].word]
		p.lead = ok || hasPrefix(s, "In a message dated ") // AOL
		if p.lang == "" || p.lang == "en" && ok && lang != "en" {
			p.lang = lang
		}
	}
	if p.date = findStamp(s, p.toks, p.lang); !p.date.found && p.lead {
		p.date = p.dayOfYear()
	}
	return p
}

// dayOfYear finds where the day stands behind the first word of a phrase that
// tells no year: "On Tue, Mar 3, Ann wrote".
func (p *phrase) dayOfYear() (st stamp) {
	named := false
	for _, t := range p.toks[1:min(len(p.toks), 5)] {
		_, day := weekdays[t.word]
		_, month := months[t.word]
		if t.digits > 2 || t.digits == 0 && !day && !month {
			break
		}
		if st.end == 0 {
			st.start = t.start
		}
		st.end, named = t.end, named || t.digits == 0
	}
	if !named {
		return stamp{}
	}
	return st
}

func verbLang(word string) (string, bool) {
	if lang, ok := verbs[word]; ok {
		return lang, true
	}
	if word[0] < 0x80 {
		return "", false
	}
	for _, g := range gluedVerbs {
		if strings.HasSuffix(word, g.ending) {
			return g.lang, true
		}
	}
	return "", false
}

// named tells that the phrase says who wrote.
func (p *phrase) named() bool { return p.verb >= 0 || p.address != "" }

// leading tells that the phrase begins as an opener does: with a known word,
// with the date, or with the author.
func (p *phrase) leading() bool {
	if p.lead || p.attributed {
		return true
	}
	if p.date.found && (p.date.first <= 1 || p.date.first == 2 && p.verb >= 0 && p.address != "") {
		return true
	}
	// The author first: a name of a few words before the address or the verb.
	end := p.addrAt
	if end < 0 {
		end = len(p.s)
		if p.verb >= 0 {
			end = p.toks[p.verb].start
		}
	}
	if end > 80 {
		return false
	}
	return len(strings.Fields(p.s[:end])) <= 5 && !strings.ContainsAny(p.s[:end], ".!?;:…")
}

// introduces tells that the phrase is an opener. Without quote marks below it
// must tell more, since all that follows will be cut.
func (p *phrase) introduces(deeper bool) bool {
	if len(p.toks) == 0 {
		return false
	}
	if p.attributed && (deeper || p.date.found && p.address != "") {
		return true
	}
	if !p.leading() {
		return false
	}
	if p.framed {
		return true
	}
	colon := endsWithColon(p.s) || p.attributed
	if deeper {
		return p.date.found && (p.named() || colon && p.date.timed)
	}
	if !p.date.found || !p.date.timed && p.address == "" || !p.lead && p.date.first > 1 && p.address == "" {
		return false
	}
	if p.verb >= 0 && p.ended() {
		return colon || p.dashed || p.lead && p.address != ""
	}
	// Languages without a verb: the date, then the author and nothing else.
	return colon && p.date.timed && p.addrAt > p.date.start && (p.lead || p.date.first <= 1) &&
		p.rest() <= 6 && len(tokens(p.s[p.addrEnd:])) <= 1
}

// ended tells that little follows after the verb: in English nothing but "the
// following"; in German, Dutch and Scandinavian the author.
func (p *phrase) ended() bool {
	if !endsWithColon(p.s) && p.verb != len(p.toks)-1 {
		return false
	}
	after := len(p.toks) - 1 - p.verb
	return p.lang != "en" || after <= 2 || p.address != "" && p.addrAt > p.toks[p.verb].start && after <= 12
}

// rest counts the words that are no part of the date and the address.
func (p *phrase) rest() int {
	n := 0
	for _, t := range p.toks {
		inDate := t.start >= p.date.start && t.start < p.date.end
		inAddress := t.start >= p.addrAt && t.start < p.addrEnd
		if !inDate && !inAddress {
			n++
		}
	}
	return n
}

// weak tells that a single line introduces the quotation below it: "Ann
// writes:", "Ann Example <ann@example.com>:", "[ Ann <ann@example.com> ]".
func (p *phrase) weak() bool {
	if len(p.toks) == 0 || len(strings.Fields(p.s)) > 10 {
		return false
	}
	if p.address != "" {
		return p.rest() <= 6 && !strings.ContainsAny(p.s[:p.addrAt], ".!?;")
	}
	if p.verb < 1 || !endsWithColon(p.s) && !p.dashed || p.toks[p.verb].end < len(strings.TrimRight(p.s, ": *")) {
		return false
	}
	first := p.s[p.toks[0].start]
	return p.verb <= 4 && (first >= 'A' && first <= 'Z' || first >= 0x80)
}

// opener tells who wrote and when.
func (p *phrase) opener() Opener {
	o := Opener{Name: p.name(), Address: p.address}
	o.setDate(p.date)
	return o
}

func (o *Opener) setDate(d stamp) {
	o.Sent, o.Zoned = d.at, d.zoned
	o.DayOnly = !d.at.IsZero() && !d.timed
}

// name is what remains between the date, the verb and the address: the piece
// before the address if there is one, else the longest.
func (p *phrase) name() string {
	best, start := "", 0
	piece := func(end int) bool {
		name := trimNoise(p.s[start:max(start, end)])
		if len(name) > len(best) {
			best = name
		}
		return name != ""
	}
	type cut struct {
		start, end int
		address    bool
	}
	var cuts []cut
	if p.date.end > 0 {
		cuts = append(cuts, cut{p.date.start, p.date.end, false})
	}
	if p.verb >= 0 {
		cuts = append(cuts, cut{p.toks[p.verb].start, p.toks[p.verb].end, false})
	}
	if p.addrAt >= 0 {
		cuts = append(cuts, cut{p.addrAt, p.addrEnd, true})
	}
	for range cuts { // the nearest cut first; there are at most three
		next := -1
		for i, c := range cuts {
			if c.start >= start && (next < 0 || c.start < cuts[next].start) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		c := cuts[next]
		if c.address {
			before := best
			best = ""
			if piece(c.start) {
				return best
			}
			best = before
		} else {
			piece(c.start)
		}
		start = c.end
	}
	piece(len(p.s))
	return best
}
