package replytext

import "strings"

const (
	maxFieldName = 40 // bytes of the name of a header field
	maxFields    = 16 // lines of a header block with their continuations
	maxFolds     = 3  // lines over which one field is wrapped
)

// headerField reads a line "From: …" in any of the languages known; bold marks
// around the name are ignored.
func headerField(s string) (f field, name, value string) {
	if s = strings.TrimLeft(s, "*_"); strings.HasPrefix(s, " ") {
		return fieldNone, "", "" // an item of a list
	}
	head := s[:min(len(s), maxFieldName)]
	i := strings.IndexByte(head, ':')
	size := 1
	if wide := strings.Index(head, "："); wide >= 0 && (i < 0 || wide < i) {
		i, size = wide, len("：")
	}
	if i < 1 {
		return fieldNone, "", ""
	}
	name = strings.ToLower(strings.TrimRight(head[:i], "*_ "))
	f, ok := fields[name]
	if !ok && strings.HasPrefix(name, "x-") {
		f = fieldRaw
	}
	return f, name, strings.TrimSpace(strings.TrimLeft(s[i+size:], "*_"))
}

// headerBlock reads a block of header fields that begins in line i, as mail
// clients put one above the text they quote.
func headerBlock(lines []line, i int) (span, bool) {
	b, end := readBlock(lines, i)
	if !b.convincing(lines[i].mark == markHeader) || indented(&lines[i]) && !b.complete() {
		return span{}, false
	}
	return span{start: i, end: end, opener: b.opener, block: true}, true
}

// announcedBlock reads the block below a line that announces a message: the
// From field is enough.
func announcedBlock(lines []line, i int) (span, bool) {
	b, end := readBlock(lines, i)
	if b.raw || !b.known[fieldFrom] {
		return span{}, false
	}
	return span{start: i, end: end, opener: b.opener, block: true}, true
}

// readBlock reads header fields from line i on, and returns where they end.
func readBlock(lines []line, i int) (block, int) {
	f, _, _ := headerField(lines[i].plain)
	marked := lines[i].mark == markHeader
	if !marked && (f == fieldNone || f >= fieldOther || partOfMore(lines, i)) {
		return block{}, i
	}
	b := block{known: make(map[field]bool, 4)}
	level, folds, end := lines[i].level(), 0, i
	for j := i; j < len(lines) && j < i+maxFields*2 && b.count < maxFields; j++ {
		l := &lines[j]
		if l.blank() {
			if j+1 == len(lines) || lines[j+1].blank() {
				break
			}
			if next, _, _ := headerField(lines[j+1].plain); next == fieldNone {
				break
			}
			continue
		}
		f, name, value := headerField(l.plain)
		if l.level() != level || f == fieldFrom && b.known[fieldFrom] && f != fieldNone && lines[j-1].blank() {
			break
		}
		if f == fieldNone {
			if marked && l.mark == markHeader {
				b.unknown(l.plain)
				end = j + 1
				continue
			}
			if folds++; folds > maxFolds || j > i && lines[j-1].blank() {
				break
			}
			b.fold(l.plain)
			continue
		}
		folds, end = 0, j+1
		b.add(f, name, value)
	}
	return b, end
}

// indented reports whether a line that nobody quotes is indented. Of the clients,
// only that of Yahoo did that, with complete blocks.
func indented(l *line) bool {
	return l.depth == 0 && (strings.HasPrefix(l.text, "  ") || strings.HasPrefix(l.text, "\t")) && l.plain[0] != '*'
}

// partOfMore reports whether a field stands below another that begins no block:
// clients put their blocks flush left and complete.
func partOfMore(lines []line, i int) bool {
	if i == 0 || lines[i-1].blank() || lines[i-1].level() != lines[i].level() {
		return false
	}
	above := lines[i-1].plain
	f, _, _ := headerField(above)
	name, _, found := strings.Cut(above[:min(len(above), maxFieldName)], ":")
	return f != fieldNone || found && strings.Contains(name, "-") && !strings.Contains(name, " ")
}

// block is what was read of a header block.
type block struct {
	known   map[field]bool
	named   int // fields with a name that is known
	count   int
	last    field
	dated   bool
	timed   bool // and the date has a time
	raw     bool
	opener  Opener
	someone bool // the From field holds an address
	foreign bool
}

func (b *block) add(f field, name, value string) {
	b.count++
	b.last = f
	if f == fieldRaw {
		b.raw = true
		return
	}
	if b.known[f] || f == fieldOther {
		return
	}
	b.known[f] = true
	b.named++
	if !englishFields[name] && name[0] != 'c' {
		b.foreign = b.foreign || f == fieldFrom || f == fieldSent
	}
	switch f {
	case fieldFrom:
		b.from(value)
	case fieldSent:
		b.sent(value)
	case fieldSubject:
		b.opener.Subject = strings.Trim(value, "* ")
	}
}

func (b *block) from(value string) {
	value = strings.TrimSpace(strings.Split(value, " on behalf of ")[0])
	address, at, _ := findAddress(value)
	b.opener.Address = address
	b.someone = address != ""
	if at < 0 {
		at = len(value)
	}
	b.opener.Name = strings.Trim(value[:at], " \"'*<([,;")
}

// sent reads the date. Of dates of numbers alone the language of the field
// says in which order they stand.
func (b *block) sent(value string) {
	lang := ""
	if b.foreign {
		lang = "no" // any that writes the day first; those that begin with the year are known by it
	}
	d := findStamp(value, tokens(value), lang)
	b.dated, b.timed = d.found, d.timed
	b.opener.setDate(d)
}

// fold adds the next line of a wrapped field.
func (b *block) fold(s string) {
	switch {
	case b.last == fieldSubject && len(b.opener.Subject) < maxOpenerLine:
		b.opener.Subject = strings.Trim(b.opener.Subject+" "+s, "* ")
	case b.last == fieldFrom && b.opener.Address == "":
		b.from(b.opener.Name + " " + s)
	}
}

// unknown reads a line of a block that HTML marks, in a language not known. What is
// no field does not count.
func (b *block) unknown(s string) {
	i := strings.IndexByte(s, ':')
	if i < 0 {
		return
	}
	b.count++
	value := strings.TrimSpace(s[i+1:])
	switch d := findStamp(value, tokens(value), ""); {
	case !b.known[fieldSent] && d.found:
		b.known[fieldSent] = true
		b.sent(value)
	case !b.known[fieldFrom]:
		b.known[fieldFrom] = true
		b.from(value)
	}
}

// convincing tells that the lines are what a client writes above a quotation,
// and no list of places, no letter head and no raw header.
func (b *block) convincing(marked bool) bool {
	if b.raw {
		return false
	}
	if marked {
		return b.count >= 2 && (b.named >= 2 || b.dated || b.someone && b.opener.Name != "")
	}
	kinds := len(b.known)
	if !b.known[fieldFrom] {
		return kinds >= 2 && b.timed && (b.known[fieldTo] || kinds >= 3)
	}
	return kinds >= 2 && b.someone || kinds >= 3 && b.known[fieldSubject] && b.known[fieldSent]
}

// complete tells that the block names author, date, recipient and subject.
func (b *block) complete() bool {
	return b.someone && b.dated && b.known[fieldTo] && b.known[fieldSubject]
}

// separator reads a line that announces a message: "-----Original Message-----",
// "---------- Forwarded message ---------", "Begin forwarded message:".
func separator(s string) (forward, ok bool) {
	if len(s) > 120 {
		return false, false
	}
	if strings.HasPrefix(s, "- -") { // how signed text escapes a dash: RFC 9580, 7.2
		s = s[2:]
	}
	text := strings.Trim(s, "-–—_=*> ")
	if text == "" {
		return false, false
	}
	low := strings.ToLower(text)
	if begun(low) {
		return true, true
	}
	if strings.HasPrefix(low, "original message processed by") { // Tobit david
		return false, true
	}
	if !strings.HasPrefix(s, "--") && !strings.HasPrefix(s, "__") && !strings.HasPrefix(s, "==") && !strings.HasPrefix(s, "——") {
		return false, false
	}
	if len(strings.Fields(text)) > 6 {
		return false, false
	}
	message := containsAny(low, messageWords)
	if containsAny(low, forwardWords) && (message || strings.HasPrefix(low, "begin ")) {
		return true, true
	}
	if !message {
		return false, false
	}
	closed := strings.HasSuffix(s, "--") || strings.HasSuffix(s, "——")
	return false, containsAny(low, originalWords) && (closed || len(strings.Fields(text)) <= 2)
}

// begun reports whether a line is what Apple Mail writes above a forwarded
// message.
func begun(low string) bool {
	if !strings.HasSuffix(low, ":") && !strings.HasSuffix(low, "：") {
		return false
	}
	return hasPrefix(low,
		"begin forwarded message", "anfang der weitergeleiteten", "début du message", "début du message transféré",
		"inizio messaggio inoltrato", "inicio del mensaje reenviado", "início da mensagem", "início da mensagem encaminhada",
		"begin doorgestuurd bericht", "vidarebefordrat brev", "start på videresendt", "videresendt melding", "videresendt besked",
		"välitetty viesti", "początek przekazywanej", "początek wiadomości przekazanej", "начало переадресованного",
		"начало пересылаемого", "začátek přeposílané", "开始转发的邮件", "下面是被转发的邮件", "转发的邮件", "転送されたメッセージ", "전달된 메시지",
		"inici del missatge reenviat", "továbbított levél", "iletilmiş mesaj", "başlangıç iletilen",
	)
}

func hasPrefix(s string, heads ...string) bool {
	for _, head := range heads {
		if strings.HasPrefix(s, head) {
			return true
		}
	}
	return false
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// ruled reports whether a line is nothing but a rule.
func ruled(l *line) bool { return l.mark == markRule || dashes(l.plain) >= 5 }

// dashes returns the length of a line of nothing but dashes, in bytes.
func dashes(s string) int {
	if strings.Trim(s, "_-*=—–") != "" {
		return 0
	}
	return len(s)
}
