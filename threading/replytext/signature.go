package replytext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxSignature     = 40 // lines after the delimiter of RFC 3676, 4.3
	maxBareSignature = 12 // lines after a delimiter without its space
	maxClosing       = 10 // lines after a valediction
	maxShortLine     = 70 // bytes of a line of a name or an address
	maxFooter        = 16 // lines of the footer of a list
)

// cutSignature returns the index of the line with which the signature of a
// passage begins, the footer of a list included; len(lines) if there is none. The
// first line is never part of a signature, except after a delimiter.
func cutSignature(lines []line) int {
	end := trimEnd(lines, len(lines))
	end = cutFooter(lines, end)
	end = cutDelimited(lines, end)
	end = trimEnd(lines, end)
	for range 3 { // a device line below a valediction below a card
		next := cutDevice(lines, end)
		next = cutDisclaimer(lines, next)
		next = cutClosing(lines, next)
		next = cutCard(lines, next)
		if next == end {
			break
		}
		end = trimEnd(lines, next)
	}
	return end
}

// trimEnd passes over blank lines before end.
func trimEnd(lines []line, end int) int {
	for end > 0 && lines[end-1].blank() {
		end--
	}
	return end
}

// lastParagraph returns where the paragraph before end begins.
func lastParagraph(lines []line, end int) int {
	for end > 0 && !lines[end-1].blank() {
		end--
	}
	return end
}

// cutFooter finds the footer of a mailing list or a tracker: a rule, and below
// it how to unsubscribe or where the list is.
func cutFooter(lines []line, end int) int {
	texts := 0
	for i := end - 1; i >= 0 && texts <= maxFooter; i-- {
		l := &lines[i]
		if l.blank() {
			continue
		}
		texts++
		rule := ruled(l) || l.plain == "---" || l.plain == "--" || l.plain == "—"
		if !rule || texts < 2 {
			continue
		}
		for k := i + 1; k < end; k++ {
			if containsAny(strings.ToLower(clip(lines[k].plain, 200)), footerWords) {
				for i > 0 && ruled(&lines[i-1]) {
					i--
				}
				return cutFooter(lines[:i], trimEnd(lines, i))
			}
		}
	}
	return end
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// cutDelimited finds the line "-- " of a signature, or "--" alone, or a rule of
// a few underscores with little below it.
func cutDelimited(lines []line, end int) int {
	texts := 0
	at := end
	for i := end - 1; i >= 0 && texts <= maxSignature; i-- {
		l := &lines[i]
		if l.blank() {
			continue
		}
		if delimiter(l.plain) && texts <= maxBareSignature {
			at = i
		} else {
			texts++
		}
	}
	return at
}

func delimiter(s string) bool {
	switch s {
	case "--", "- --", "—", "__", "___", "____": // "- --" is how PGP writes it
		return true
	}
	return false
}

// cutDevice finds a line that a device or an app adds.
func cutDevice(lines []line, end int) int {
	if end < 1 {
		return end
	}
	if deviceLine(lines[end-1].plain) {
		return end - 1
	}
	start := lastParagraph(lines, end)
	if end-start == 2 && deviceLine(lines[start].plain+" "+lines[start+1].plain) {
		return start
	}
	return end
}

// deviceLine reports whether a line is "Sent from my iPhone" or the like, and
// no sentence about a desk.
func deviceLine(s string) bool {
	s = strings.TrimLeft(s, "-–—*_[( ")
	if len(s) > 160 {
		return false
	}
	low := strings.ToLower(s)
	if hasPrefix(low, scannerHeads...) && containsAny(low, scanners) {
		return true
	}
	if i := strings.Index(low, "<http"); i > 0 { // a link rendered beside its text
		if end := strings.IndexByte(low[i:], '>'); end > 0 {
			low = low[:i] + low[i+end+1:]
		}
	}
	low = strings.TrimRight(low, ".*_)] !")
	if len(low) > 100 || len(strings.Fields(low)) > 12 || !containsAny(low, devices) {
		return false
	}
	if strings.ContainsAny(low, "?!;") || strings.Contains(low, ". ") {
		return false
	}
	if strings.Contains(low, ", ") && len(strings.Fields(low)) > 8 {
		return false
	}
	return hasPrefix(low, deviceHeads...) || len(strings.Fields(low)) <= 8 && hasSuffix(low, deviceTails...)
}

// valediction reports whether a line is nothing but the end of a letter: it
// has at most five words, one of them a valediction as its first or last.
func valediction(s string) bool {
	s = strings.Trim(s, " ,.!*_-–—~")
	words := strings.Fields(strings.ToLower(clip(s, maxShortLine+1)))
	if len(words) == 0 || len(words) > 6 || len(s) > maxShortLine || strings.ContainsAny(s, ".?:;@") {
		return false
	}
	if valedictions[strings.TrimRight(words[len(words)-1], ",!")] || words[0] == "thank" && closingPhrase(words[1:]) {
		return true
	}
	if !valedictions[strings.TrimRight(words[0], ",!")] {
		return false
	}
	return len(words) <= 2 || closingPhrase(words[1:])
}

// closingPhrase reports whether the words go on a valediction ("thanks and best
// regards", "thank you very much", "hilsen fra").
func closingPhrase(words []string) bool {
	for _, w := range words {
		w = strings.TrimRight(w, ",!")
		if !valedictions[w] && !closingWords[w] {
			return false
		}
	}
	return true
}

// cutClosing finds a valediction with the name below it, or a name after a dash
// or slash in the last line.
func cutClosing(lines []line, end int) int {
	if end < 2 {
		return end
	}
	if i := cutDashedName(lines, end); i < end {
		return i
	}
	texts := 0
	for i := end - 1; i > 0 && texts <= maxClosing; i-- {
		l := &lines[i]
		if l.blank() {
			continue
		}
		if valediction(l.plain) {
			if texts == 0 || !cardLines(lines[i+1:end]) {
				return end
			}
			return i
		}
		if len(l.plain) > 2*maxShortLine {
			return end
		}
		texts++
	}
	return end
}

// cutDashedName finds a name after a dash or slash in the last line, or above
// contact details.
func cutDashedName(lines []line, end int) int {
	for i := end - 1; i > max(0, end-maxFooter); i-- {
		s := lines[i].plain
		if s != "" && dashedName(s) {
			return i
		}
		if s != "" && !contact(s) {
			break
		}
	}
	return end
}

// dashedName reports whether a line is a name after a dash or slash.
func dashedName(s string) bool {
	rest := strings.TrimLeft(s, "-–—/~")
	if marks := utf8.RuneCountInString(s) - utf8.RuneCountInString(rest); marks < 1 || marks > 2 {
		return false
	}
	if strings.HasPrefix(rest, " ") && s[0] == '-' && !strings.HasPrefix(s, "--") {
		return false // an item of a list
	}
	return name(strings.TrimSpace(rest), 3)
}

// name reports whether a text is one to most words that begin with capitals.
func name(s string, most int) bool {
	words := strings.Fields(s)
	if len(words) == 0 || len(words) > most || len(s) > maxShortLine {
		return false
	}
	for i, w := range words {
		r, _ := utf8.DecodeRuneInString(w)
		if i > 0 && i < len(words)-1 && len(w) <= 3 && unicode.IsLower(r) {
			continue // "van", "de", "von"
		}
		if !unicode.IsUpper(r) && !(unicode.IsLetter(r) && !unicode.IsLower(r)) {
			return false
		}
		if strings.ContainsAny(w, "?!:;,()0123456789@/") {
			return false
		}
	}
	return true
}

// cardLines reports whether lines are what stands below a valediction: a name,
// perhaps with a title, a firm, numbers and addresses, and no sentence. What is
// separated from the name by a blank line must hold a contact detail.
func cardLines(lines []line) bool {
	texts, contacts := 0, 0
	apart, nameSeen := false, false
	for i := range lines {
		s := strings.Trim(lines[i].plain, "*_ ")
		if s == "" {
			apart = nameSeen
			continue
		}
		texts++
		if contact(s) {
			contacts++
		}
		switch {
		case !nameSeen:
			nameSeen = true
			if !name(strings.Trim(s, ".,-–—()"), 5) && !shortName(s) && !contact(s) {
				return false
			}
		case !contact(s) && sentence(s):
			return false
		}
	}
	return texts <= maxClosing && (!apart || contacts > 0)
}

// sentence reports whether a line is no part of a card: it is long, asks, is
// code or a note.
func sentence(s string) bool {
	if len(strings.Fields(s)) > 9 || len(s) > 2*maxShortLine || strings.ContainsAny(s[len(s)-1:], "?;{}:!") {
		return true
	}
	low := strings.ToLower(clip(s, 5))
	return strings.HasPrefix(low, "ps") || strings.HasPrefix(low, "p.s") || s[0] == '[' && len(s) < 6
}

// shortName reports whether a text is one word in small letters, as some sign.
func shortName(s string) bool {
	return len(strings.Fields(s)) == 1 && utf8.RuneCountInString(s) <= 15 && !strings.ContainsAny(s, "?!:;@/0123456789")
}

// cutCard finds a block of contact details at the end.
func cutCard(lines []line, end int) int {
	start, contacts := end, 0
	at := end
	for range 12 {
		p := lastParagraph(lines, at)
		if p == 0 || at == p {
			break
		}
		here, short := 0, true
		for i := p; i < at; i++ {
			s := lines[i].plain
			switch {
			case contact(s):
				here++
			case len(s) > maxShortLine || len(strings.Fields(s)) > 8 || strings.HasSuffix(s, ":") || strings.HasSuffix(s, "?"),
				strings.HasSuffix(s, "."), strings.HasPrefix(s, "- "), strings.HasPrefix(s, "* "):
				short = false
			}
		}
		if !short {
			break
		}
		if contacts += here; contacts >= 3 && (here > 0 || start == end) {
			start = p
		}
		at = trimEnd(lines, p)
	}
	if rule := trimEnd(lines, start) - 1; start < end && rule > 0 && ruled(&lines[rule]) {
		return rule
	}
	return start
}

// contact reports whether a line is a contact detail: a labelled number, a
// telephone number, an address or a link that stands alone.
func contact(s string) bool {
	if len(s) > 2*maxShortLine {
		return false
	}
	s = strings.Trim(s, "*_|[]()<> ")
	low := strings.ToLower(s)
	words := strings.Fields(low)
	if len(words) == 0 || len(words) > 9 {
		return false
	}
	digits := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' {
			digits++
		}
	}
	label := strings.TrimRight(words[0], ".:|*")
	switch label {
	case "tel", "telefon", "phone", "fax", "mobile", "mobil", "mob", "cell", "direct", "office", "t", "m", "f", "p", "tél", "téléphone",
		"tlf", "gsm", "kvk", "btw", "iban", "vat", "bic", "ust-idnr", "handy", "teléfono", "móvil", "telefono", "cel", "celular",
		"telefone", "telefoon", "puh", "тел", "моб", "电话", "電話", "전화", "www", "web", "email", "e-mail", "mail", "skype", "linkedin", "twitter", "e", "w":
		if digits >= 5 || strings.ContainsAny(low, "@/") || strings.Contains(low, "www.") || strings.Contains(low, ".") && len(words) == 2 {
			return true
		}
	case "[image", "cid":
		return true
	}
	if digits >= 7 && strings.Trim(s, "0123456789 ()-./+") == "" {
		return true
	}
	if digits >= 7 && (s[0] == '+' || s[0] == '0' || strings.Contains(s, "+")) {
		return true
	}
	return len(words) == 1 && (strings.HasPrefix(low, "www.") || strings.HasPrefix(low, "http") || strings.Contains(low, "@")) ||
		strings.HasPrefix(low, "image: ")
}

// cutDisclaimer finds paragraphs of legal text at the end.
func cutDisclaimer(lines []line, end int) int {
	end = trimEnd(lines, end)
	start := lastParagraph(lines, end)
	if start == 0 || end == start {
		return end
	}
	var words strings.Builder
	for i := start; i < end && words.Len() < maxNotice; i++ {
		words.WriteString(clip(lines[i].plain, maxNotice))
		words.WriteByte(' ')
	}
	if notice(words.String()) {
		return start
	}
	return end
}

// maxNotice is how much of a legal notice is looked at, in bytes.
const maxNotice = 4000

// notice reports whether a paragraph is legal text, or one of the lines that firms
// and mail servers put under all mail.
func notice(s string) bool {
	low := strings.ToLower(strings.TrimLeft(s, "*_- "))
	if containsAny(low, environmentWords) && len(low) < 300 {
		return true
	}
	if count(low, companyWords) >= 2 {
		return true
	}
	switch n := count(low, disclaimerWords); {
	case hasPrefix(low, noticeHeads...):
		return n >= 2
	default:
		return n >= 3 && len(low) >= 120
	}
}

// count returns how many of the words a text holds.
func count(s string, words []string) (n int) {
	for _, w := range words {
		if strings.Contains(s, w) {
			n++
		}
	}
	return n
}
