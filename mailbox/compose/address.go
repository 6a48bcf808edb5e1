package compose

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// maxAddresses bounds how many addresses of one field are kept.
const maxAddresses = 100_000

// addressParser reads an address list (RFC 5322, 3.4). It reads what it can
// understand of any input: commas in names without quotes, semicolons between
// addresses, brackets that are missing or doubled, names without addresses.
// Group names are dropped, their members are kept.
type addressParser struct {
	s       string
	charset string // for raw 8-bit names

	list    []mailbox.Address
	damaged bool
	cut     bool
	code    mailbox.WarningCode // a name was damaged

	// The mailbox being read.
	words    []addressWord
	hasAt    bool // one of the words, not quoted, holds an "@"
	comment  string
	angle    string
	hasAngle bool
	// lost is a name that ended in a comma before an address came: it may be
	// the first half of "Doe, John <john@example.com>".
	lost string

	// Set once a quote or a comment was found that nothing closes; further ones
	// need not be searched.
	openQuote, openComment bool
	nested                 bool // reading what an encoded word held
}

type addressWord struct {
	text   string // quotes removed
	quoted bool
	glued  bool // nothing stands between this word and the one before
}

func (p *addressParser) parse() []mailbox.Address {
	if strings.Contains(p.s, escJapanese) { // its 7-bit text holds commas and brackets
		p.s = guess([]byte(p.s))
		p.code = mailbox.WarnCharset
	}
	if n := strings.Count(p.s, "@"); n > 1 {
		p.list = make([]mailbox.Address, 0, min(n, 64))
	}
	glued := false
	for p.s != "" && !p.cut {
		c := p.s[0]
		isWord := false
		switch {
		case c == ',', c == ';':
			p.s = p.s[1:]
			p.finish(c == ',')
		case c == '<':
			p.readAngle()
		case c == '(' && !p.openComment:
			p.readComment()
			isWord = glued // a comment does not part what stands around it
		case c == '"' && !p.openQuote:
			isWord = p.readQuoted(glued)
		case c == ':' && !p.hasAngle && !p.hasAt: // the name of a group
			p.s = p.s[1:]
			p.keepLost()
			p.reset()
		case c <= ' ' || c == 0x7f:
			p.s = p.s[1:]
		case strings.IndexByte(`"():>`, c) >= 0:
			p.s = p.s[1:]
			p.damaged = true
		default:
			p.readAtom(glued)
			isWord = true
		}
		glued = isWord
	}
	p.finish(false)
	p.keepLost()
	if len(p.list) == 0 {
		return nil
	}
	return p.list
}

func (p *addressParser) readComment() {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '\\' && i+1 < len(p.s):
			i++
		case c == '(':
			if depth++; depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				p.comment = b.String()
				p.s = p.s[i+1:]
				return
			}
		}
		b.WriteByte(p.s[i])
	}
	p.openComment = true
}

// readQuoted reads a quoted string. It reports whether there was one.
func (p *addressParser) readQuoted(glued bool) bool {
	text, rest, ok := quotedString(p.s)
	if !ok {
		p.openQuote = true
		return false
	}
	p.s = rest
	p.words = append(p.words, addressWord{text: text, quoted: true, glued: glued})
	return true
}

// quotedString reads the quoted string at the beginning of s. It returns false
// if nothing closes it.
func quotedString(s string) (text, rest string, ok bool) {
	i := strings.IndexAny(s[1:], `"\`)
	if i < 0 {
		return "", s, false
	}
	if s[1+i] == '"' {
		return s[1 : 1+i], s[2+i:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", s, false
}

func (p *addressParser) readAtom(glued bool) {
	n := 0
	if strings.HasPrefix(p.s, "=?") { // encoded words may hold anything
		_, n, _ = parseWord(p.s)
	}
	if n == 0 {
		n = atomEnd(p.s)
		p.hasAt = p.hasAt || strings.IndexByte(p.s[:n], '@') >= 0
	}
	p.words = append(p.words, addressWord{text: p.s[:n], glued: glued})
	p.s = p.s[n:]
}

// atomEnd returns where the word at the beginning of s ends, which is not empty.
func atomEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case endsAtom(c):
			return i
		case c == '=' && i+1 < len(s) && s[i+1] == '?':
			return i
		case c == '[' && s[i-1] == '@': // a domain literal may hold colons
			if n := strings.IndexAny(s[i:min(len(s), i+80)], "] "); n > 0 {
				i += n - 1
			}
		}
	}
	return len(s)
}

func endsAtom(c byte) bool {
	switch c {
	case ',', ';', ':', '(', ')', '<', '>', '"', 0x7f:
		return true
	}
	return c <= ' '
}

// readAngle reads "<local@domain>", with or without an obsolete route.
func (p *addressParser) readAngle() {
	s := strings.TrimLeft(p.s, "< \t")
	end := angleEnd(s)
	text := s[:end]
	closed := end < len(s) && s[end] == '>'
	p.damaged = p.damaged || !closed
	p.s = s[end:]
	if closed {
		p.s = p.s[1:]
	}
	if strings.HasPrefix(text, "@") { // <@relay,@relay:local@domain>
		if i := strings.IndexByte(text, ':'); i >= 0 {
			text = text[i+1:]
		}
	}
	if p.hasAngle {
		p.damaged = true
		if p.angle != "" {
			return
		}
	}
	p.angle, p.hasAngle = text, true
}

// angleEnd returns where the address ends that begins behind "<". If the
// bracket is never closed it ends with the word.
func angleEnd(s string) int {
	quoted := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\' && quoted:
		case c == '"' && (i == 0 || s[i-1] != '\\'):
			quoted = !quoted
		case quoted:
		case c == '>':
			return i
		case c == '<', c == ',' && s[0] != '@':
			return i
		}
	}
	if quoted {
		if i := strings.IndexByte(s, '>'); i >= 0 {
			return i
		}
	}
	return len(s)
}

// finish ends a mailbox. comma tells that a comma ended it.
func (p *addressParser) finish(comma bool) {
	defer p.reset()
	switch {
	case p.hasAngle:
		name := p.phrase(p.words)
		if p.lost != "" && name != "" {
			name = p.lost + ", " + name
			p.lost = ""
		}
		p.keepLost()
		if name == "" {
			name = p.decode(p.comment)
		}
		address := p.cleanAddress(p.angle)
		if address == "" && name == "" {
			return // the null address
		}
		p.add(name, address)
	case p.hasAt:
		p.keepLost()
		address, name := p.splitAddress()
		if name == "" {
			name = p.decode(p.comment)
		}
		p.add(name, p.cleanAddress(address))
	case len(p.words) > 0:
		p.keepLost()
		p.damaged = true
		name := p.phrase(p.words)
		if comma {
			p.lost = name
			return
		}
		p.addName(name)
	}
}

func (p *addressParser) reset() {
	p.words = p.words[:0]
	p.comment, p.angle, p.hasAt, p.hasAngle = "", "", false, false
}

// keepLost adds a name that turned out not to belong to the address after it.
func (p *addressParser) keepLost() {
	if p.lost != "" {
		p.addName(p.lost)
		p.lost = ""
	}
}

// addName adds a mailbox that no "@" was found in. The "@" may be inside an
// encoded word or quotes; one word without any is taken for the name of a local
// mailbox ("MAILER-DAEMON").
func (p *addressParser) addName(name string) {
	switch {
	case name == "":
	case strings.Contains(name, "@") && !p.nested:
		inner := addressParser{s: name, nested: true}
		p.list = append(p.list, inner.parse()...)
	case strings.ContainsAny(name, " \t") || !isASCII(name):
		p.add(name, "")
	default:
		p.add("", name)
	}
}

func (p *addressParser) add(name, address string) {
	if len(p.list) >= maxAddresses {
		p.cut = true
		return
	}
	if !isCommon(address) && (!strings.Contains(address, "@") || strings.ContainsAny(address, " ,:;<>()") && !strings.ContainsAny(address, `"[`)) {
		p.damaged = true
	}
	p.list = append(p.list, mailbox.Address{Name: name, Address: address})
}

// isCommon reports whether an address consists of what nearly all consist of:
// then there is nothing to repair.
func isCommon(address string) bool {
	at := false
	for i := range len(address) {
		switch c := address[i]; {
		case isLetter(c), isDigit(c), c == '.', c == '-', c == '_', c == '+':
		case c == '@':
			at = true
		default:
			return false
		}
	}
	return at
}

// splitAddress finds the address among words that no brackets order:
// "john@example.com", "John Doe john@example.com", "john @ example.com".
func (p *addressParser) splitAddress() (address, name string) {
	at := 0
	for i, w := range p.words {
		if !w.quoted && strings.IndexByte(w.text, '@') >= 0 {
			at = i
			break
		}
	}
	from, to := at, at+1
	if w := p.words[at].text; w[0] == '@' && at > 0 {
		for from = at - 1; from > 0 && p.words[from].glued; from-- {
		}
	} else {
		for from > 0 && p.words[from].glued {
			from--
		}
	}
	if w := p.words[at].text; w[len(w)-1] == '@' && to < len(p.words) {
		to++
	}
	for to < len(p.words) && p.words[to].glued {
		to++
	}
	var b strings.Builder
	for _, w := range p.words[from:to] {
		if w.quoted {
			b.WriteString(quote(w.text))
		} else {
			b.WriteString(w.text)
		}
	}
	rest := append(p.words[:from:from], p.words[to:]...)
	if len(rest) > 0 {
		p.damaged = true
	}
	return b.String(), p.phrase(rest)
}

// phrase joins the words of a display name and decodes it.
func (p *addressParser) phrase(words []addressWord) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return p.decode(strings.Clone(words[0].text))
	}
	size := 0
	for _, w := range words {
		size += len(w.text) + 1
	}
	var b strings.Builder
	b.Grow(size)
	for i, w := range words {
		if i > 0 && !w.glued {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return p.decode(b.String())
}

func (p *addressParser) decode(s string) string {
	text, code := decodeHeader(s, p.charset)
	if code != "" {
		p.code = code
	}
	return strings.TrimSpace(text)
}

// cleanAddress removes what does not belong to an addr-spec.
func (p *addressParser) cleanAddress(s string) string {
	if isCommon(s) {
		return strings.Clone(s)
	}
	clean := strings.TrimSpace(s)
	if i := strings.IndexByte(clean, '('); i >= 0 && !strings.Contains(clean, `"`) {
		clean = clean[:i]
	}
	if len(clean) > 7 && strings.EqualFold(clean[:7], "mailto:") {
		clean = clean[7:]
		p.damaged = true
	}
	if n := len(clean); n > 2 && clean[0] == '\'' && clean[n-1] == '\'' {
		clean = clean[1 : n-1]
		p.damaged = true
	}
	if !isPlain(clean) {
		var code mailbox.WarningCode
		clean, code = decodeHeader(clean, p.charset)
		p.damaged = p.damaged || code != ""
	}
	local := ""
	if strings.HasPrefix(clean, `"`) { // one spelling for what may be quoted in many ways
		if text, rest, ok := quotedString(clean); ok {
			local, clean = quote(text), rest
		}
	}
	if strings.ContainsAny(clean, " \t") {
		clean = strings.Join(strings.Fields(clean), "")
		p.damaged = p.damaged || local == ""
	}
	return local + strings.Clone(clean)
}
