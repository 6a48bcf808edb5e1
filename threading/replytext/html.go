package replytext

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	maxOpen   = 4096 // open elements that are remembered; deeper ones count as their parents
	maxSearch = 256  // how far an end tag looks for its element
)

// element is an open element, with what was true outside of it.
type element struct {
	tag    atom.Atom
	block  bool
	before state
}

// state is what is true of the text at one place of a document.
type state struct {
	depth, soft int
	mark        mark
	hidden      bool
	pre         bool
	gmail       bool // within a container in which every blockquote of its kind is a quotation
	list        int  // next number of an ordered list, 0 in an unordered one, -1 outside
}

// renderer turns the tokens of a document into lines. It needs no tree: a
// document of any depth takes bounded space.
type renderer struct {
	lines []line
	open  []element
	state
	rest    bool // all from here on is history
	b       strings.Builder
	space   bool // white space is pending
	cells   int  // cells of the table row so far
	started bool // the line holds something
}

// render reads an HTML document as a reader sees it.
func render(source string) []line {
	r := renderer{state: state{list: -1}}
	z := html.NewTokenizer(strings.NewReader(source))
	skip := atom.Atom(0)
	for {
		switch z.Next() {
		case html.ErrorToken:
			r.breakLine()
			return r.lines
		case html.TextToken:
			if skip == 0 && !r.hidden {
				r.text(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := atom.Lookup(name)
			switch tag {
			case atom.Style, atom.Script, atom.Title, atom.Template, atom.Textarea, atom.Iframe, atom.Noembed, atom.Noframes:
				skip = tag
				continue
			}
			r.startTag(tag, attributesOf(z, more))
		case html.EndTagToken:
			name, _ := z.TagName()
			tag := atom.Lookup(name)
			if tag == skip {
				skip = 0
				continue
			}
			r.endTag(tag)
		}
	}
}

// attributes are those of an element that matter, in lower case.
type attributes struct {
	id, class, style, alt, kind, marker string
	hidden, signature                   bool
}

// maxAttribute is how much of an attribute is read.
const maxAttribute = 1024

func attributesOf(z *html.Tokenizer, more bool) attributes {
	var a attributes
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		v := string(value[:min(len(value), maxAttribute)])
		switch string(key) {
		case "id":
			a.id = strings.ToLower(v)
		case "class":
			a.class = strings.ToLower(v)
		case "style":
			a.style = strings.ToLower(strings.Join(strings.Fields(v), ""))
		case "alt":
			a.alt = v
		case "type":
			a.kind = strings.ToLower(v)
		case "data-marker", "name":
			a.marker += " " + strings.ToLower(v)
		case "data-signatureblock", "data-smartmail":
			a.signature = true
		case "hidden":
			a.hidden = true
		}
	}
	return a
}

func (r *renderer) startTag(tag atom.Atom, a attributes) {
	switch tag {
	case atom.Br:
		r.newLine()
		return
	case atom.Hr:
		if !r.hidden {
			r.breakLine()
			r.lines = append(r.lines, line{depth: r.depth, soft: r.soft, mark: markRule, rest: r.rest})
		}
		return
	case atom.Img:
		if emoji(a.alt) && !r.hidden {
			r.text(a.alt)
		}
		return
	case atom.Input, atom.Meta, atom.Link, atom.Base, atom.Col, atom.Wbr, atom.Area, atom.Source, atom.Embed, atom.Param, 0:
		return
	}
	block := isBlock(tag)
	if block {
		r.closeParagraph()
		r.breakLine()
	}
	before := r.state
	r.enter(tag, a)
	if len(r.open) < maxOpen {
		r.open = append(r.open, element{tag, block, before})
	} else {
		r.state = before
	}
	switch {
	case tag == atom.P && !strings.Contains(a.class, "mso"):
		r.blankLine()
	case tag == atom.Li && !r.hidden:
		r.bullet()
	case (tag == atom.Td || tag == atom.Th) && !r.hidden:
		if r.cells++; r.cells > 1 && r.started {
			r.space = true
		}
	case tag == atom.Tr:
		r.cells = 0
	}
}

// enter changes the state by what an element tells.
func (r *renderer) enter(tag atom.Atom, a attributes) {
	if a.hidden || hiddenStyle(a.style) {
		r.hidden = true
	}
	switch tag {
	case atom.Pre:
		r.pre = true
	case atom.Ul, atom.Menu:
		r.list = 0
	case atom.Ol:
		r.list = 1
	case atom.Head:
		r.hidden = true
	case atom.Body:
		r.hidden = false
	}
	switch a.quotes(tag) {
	case quoteRest: // of what is quoted already no more than it
		r.rest = r.rest || r.depth == 0
		if r.mark == markNone {
			r.mark = markHeader
		}
	case quoteHeader:
		r.mark = markHeader
	case quoteHard:
		r.depth = min(r.depth+1, maxDepth)
		r.mark = markNone
	case quoteGmail:
		r.gmail = true
	case quoteSoft:
		if r.gmail && strings.Contains(a.class, "gmail_quote") {
			r.depth = min(r.depth+1, maxDepth)
		} else {
			r.soft = min(r.soft+1, maxDepth)
		}
	case quoteAttribution:
		r.mark = markAttribution
	case quoteSignature:
		if r.depth == 0 && r.mark == markNone {
			r.mark = markSignature
		}
	}
}

func (r *renderer) endTag(tag atom.Atom) {
	if tag == 0 {
		return
	}
	block := isBlock(tag)
	for i := len(r.open) - 1; i >= max(0, len(r.open)-maxSearch); i-- {
		e := &r.open[i]
		if e.tag != tag {
			if e.block && !block {
				return // the end of a phrase ends no block
			}
			continue
		}
		if block {
			r.breakLine()
		}
		list := r.list
		r.state = e.before
		if tag == atom.Li {
			r.list = list
		}
		r.open = r.open[:i]
		if tag == atom.P {
			r.space = false
		}
		return
	}
}

// closeParagraph ends an open paragraph: a block ends it.
func (r *renderer) closeParagraph() {
	if n := len(r.open); n > 0 && r.open[n-1].tag == atom.P {
		r.breakLine()
		r.state = r.open[n-1].before
		r.open = r.open[:n-1]
	}
}

// text adds text to the line. Outside of <pre>, white space is squeezed.
func (r *renderer) text(s string) {
	if r.pre {
		for i, part := range strings.Split(s, "\n") {
			if i > 0 {
				r.newLine()
			}
			r.write(strings.TrimSuffix(part, "\r"))
		}
		return
	}
	for s != "" {
		n := strings.IndexAny(s, " \t\r\n\f")
		if n == 0 {
			r.space = true
			s = strings.TrimLeft(s, " \t\r\n\f")
			continue
		}
		word := s
		if n > 0 {
			word = s[:n]
		}
		s = s[len(word):]
		if r.space && r.started {
			r.b.WriteByte(' ')
		}
		r.space = false
		r.write(word)
	}
}

func (r *renderer) write(s string) {
	if s == "" {
		return
	}
	r.started = true
	if strings.Contains(s, "\u00a0") {
		s = strings.ReplaceAll(s, "\u00a0", " ")
	}
	r.b.WriteString(s)
}

func (r *renderer) bullet() {
	mark := "- "
	if r.list > 0 {
		mark = strconv.Itoa(r.list) + ". "
		r.list++
		if n := len(r.open); n > 0 {
			r.open[n-1].before.list = r.list
		}
	}
	r.b.WriteString(mark)
	r.space = false
}

// breakLine ends the line if it holds something.
func (r *renderer) breakLine() {
	if r.started {
		r.newLine()
	} else {
		r.b.Reset()
	}
	r.space = false
}

// newLine ends the line.
func (r *renderer) newLine() {
	if r.hidden {
		return
	}
	s := strings.TrimRight(r.b.String(), " \t")
	r.b.Reset()
	r.started, r.space = false, false
	l := line{depth: r.depth, soft: r.soft, mark: r.mark, rest: r.rest}
	if l.depth == 0 && l.soft == 0 {
		var body string
		previous := 0
		if n := len(r.lines); n > 0 {
			previous = r.lines[n-1].depth
		}
		l.depth, body = cutQuoteMarks(s, previous)
		l.text, l.plain = s, plain(body)
	} else {
		l.text, l.plain = strings.Repeat("> ", min(l.depth, 8))+s, plain(s)
	}
	r.lines = append(r.lines, l)
}

// blankLine separates paragraphs.
func (r *renderer) blankLine() {
	if n := len(r.lines); n > 0 && !r.lines[n-1].blank() && !r.hidden {
		r.lines = append(r.lines, line{depth: r.depth, soft: r.soft, mark: r.mark, rest: r.rest})
	}
}

// emoji reports whether the alternative text of a picture is one.
func emoji(alt string) bool {
	if alt == "" || utf8.RuneCountInString(alt) > 8 {
		return false
	}
	for _, r := range alt {
		if r < 0x200D || unicode.IsLetter(r) {
			return false
		}
	}
	return true
}

func isBlock(tag atom.Atom) bool {
	switch tag {
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Body, atom.Center, atom.Dd, atom.Div, atom.Dl, atom.Dt,
		atom.Fieldset, atom.Figure, atom.Footer, atom.Form, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Head,
		atom.Header, atom.Html, atom.Li, atom.Main, atom.Menu, atom.Nav, atom.Ol, atom.P, atom.Pre, atom.Section, atom.Table,
		atom.Tbody, atom.Tfoot, atom.Thead, atom.Tr, atom.Ul, atom.Caption, atom.Details, atom.Summary:
		return true
	}
	return false
}
