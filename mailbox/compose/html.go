package compose

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// textToHTML writes plain text as HTML.
func textToHTML(text string) string {
	return "<div>" + htmlLines(text) + "</div>"
}

func htmlLines(text string) string {
	return strings.NewReplacer("\r\n", "<br>\n", "\n", "<br>\n", "  ", "&nbsp; ").Replace(html.EscapeString(text))
}

// htmlToText writes HTML as plain text: what a reader sees, with line breaks
// where blocks begin and end, and "> " in front of quoted lines.
func htmlToText(source string) string {
	var w textWriter
	z := html.NewTokenizer(strings.NewReader(source))
	hidden := atom.Atom(0) // the element whose content is passed over
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return w.b.String()
		}
		if kind == html.TextToken {
			if hidden == 0 {
				w.text(string(z.Text()))
			}
			continue
		}
		if kind == html.CommentToken || kind == html.DoctypeToken {
			continue
		}
		name, hasAttr := z.TagName()
		tag := atom.Lookup(name)
		if hidden != 0 {
			if kind == html.EndTagToken && tag == hidden {
				hidden = 0
			}
			continue
		}
		if kind == html.EndTagToken {
			w.end(tag)
			continue
		}
		switch tag {
		case atom.Script, atom.Style, atom.Title, atom.Template, atom.Noscript:
			hidden = tag
		case atom.Img:
			w.text(attribute(z, hasAttr, "alt"))
		default:
			w.start(tag)
		}
	}
}

func attribute(z *html.Tokenizer, more bool, name string) string {
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		if string(key) == name {
			return string(value)
		}
	}
	return ""
}

// maxQuotes bounds how many quote marks stand in front of a line.
const maxQuotes = 8

// textWriter lays out text. White space is collapsed outside of <pre>.
type textWriter struct {
	b      strings.Builder
	quotes int
	pre    int
	breaks int  // line breaks to write before the next text
	space  bool // a space to write before the next text
	inLine bool // the current line has text
}

func (w *textWriter) start(tag atom.Atom) {
	switch tag {
	case atom.Br:
		w.lineBreak()
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Table:
		w.block(2)
	case atom.Blockquote:
		w.block(1)
		w.quotes++
	case atom.Pre:
		w.block(1)
		w.pre++
	case atom.Li:
		w.block(1)
		w.word("-")
		w.space = true
	case atom.Hr:
		w.block(1)
		w.word("----")
		w.block(1)
	case atom.Td, atom.Th:
		w.space = w.inLine
	case atom.Div, atom.Tr, atom.Dt, atom.Dd, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Address, atom.Center:
		w.block(1)
	}
}

func (w *textWriter) end(tag atom.Atom) {
	switch tag {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Table:
		w.block(2)
	case atom.Blockquote:
		w.block(1)
		w.quotes = max(w.quotes-1, 0)
	case atom.Pre:
		w.block(1)
		w.pre = max(w.pre-1, 0)
	case atom.Div, atom.Tr, atom.Li, atom.Dt, atom.Dd, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Address, atom.Center:
		w.block(1)
	}
}

// block asks for a new line (1) or a blank line (2) before the next text.
func (w *textWriter) block(breaks int) {
	w.space = false
	w.inLine = false
	if w.b.Len() > 0 {
		w.breaks = max(w.breaks, breaks)
	}
}

func (w *textWriter) lineBreak() {
	w.space = false
	w.inLine = false
	if w.b.Len() > 0 {
		w.breaks = min(w.breaks+1, 3)
	}
}

func (w *textWriter) text(s string) {
	s = strings.ReplaceAll(s, "\u00a0", " ")
	if w.pre > 0 {
		for i, l := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
			if i > 0 {
				w.lineBreak()
			}
			if l != "" {
				w.word(l)
			}
		}
		return
	}
	for s != "" {
		i := strings.IndexAny(s, " \t\r\n\f")
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			w.word(s[:i])
		}
		if i < len(s) {
			w.space = w.inLine
			i++
		}
		s = s[i:]
	}
}

func (w *textWriter) word(s string) {
	prefix := strings.Repeat("> ", min(w.quotes, maxQuotes))
	if w.b.Len() == 0 {
		w.b.WriteString(prefix)
	}
	for ; w.breaks > 0; w.breaks-- {
		w.b.WriteByte('\n')
		if w.breaks == 1 {
			w.b.WriteString(prefix)
		} else {
			w.b.WriteString(strings.TrimRight(prefix, " "))
		}
	}
	if w.space {
		w.b.WriteByte(' ')
	}
	w.b.WriteString(s)
	w.space = false
	w.inLine = true
}

// quotableHTML prepares the HTML of another message to stand inside ours: the
// shell of the document goes, and with it scripts and styles, which would apply
// to our text too; end tags that close nothing go, so that they cannot close
// the quote; elements left open are closed; inline images go, since their
// files are not sent along.
func quotableHTML(source string) string {
	var b strings.Builder
	var open []string
	count := map[string]int{}
	hidden := ""
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		raw := string(z.Raw())
		if kind == html.TextToken {
			if hidden == "" {
				b.WriteString(raw)
			}
			continue
		}
		if kind == html.CommentToken || kind == html.DoctypeToken {
			continue
		}
		nameBytes, hasAttr := z.TagName()
		name := string(nameBytes)
		switch {
		case hidden != "":
			if kind == html.EndTagToken && name == hidden {
				hidden = ""
			}
		case isHiddenElement(name):
			if kind != html.EndTagToken {
				hidden = name
			}
		case isShellElement(name):
		case kind == html.EndTagToken:
			if count[name] == 0 {
				continue
			}
			for {
				last := open[len(open)-1]
				open = open[:len(open)-1]
				count[last]--
				if last == name {
					b.WriteString("</" + last + ">")
					break
				}
				closeElement(&b, last)
			}
		case name == "img" && strings.HasPrefix(strings.ToLower(attribute(z, hasAttr, "src")), "cid:"):
		default:
			b.WriteString(raw)
			if !isVoidElement(name) {
				open = append(open, name)
				count[name]++
			}
		}
	}
	for _, name := range slices.Backward(open) {
		closeElement(&b, name)
	}
	return b.String()
}

// closeElement writes the end tag of an element that was left open, unless such
// tags are usually left out.
func closeElement(b *strings.Builder, name string) {
	switch name {
	case "p", "li", "dt", "dd", "option", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup":
	default:
		b.WriteString("</" + name + ">")
	}
}

func isHiddenElement(name string) bool {
	switch name {
	case "script", "style", "title", "template", "noscript", "object", "iframe", "noembed", "noframes", "xmp", "plaintext":
		return true
	}
	return false
}

func isShellElement(name string) bool {
	switch name {
	case "html", "head", "body", "meta", "link", "base", "frame", "frameset", "embed":
		return true
	}
	return false
}

// isVoidElement tells elements that have no content and no end tag.
func isVoidElement(name string) bool {
	switch name {
	case "area", "br", "col", "hr", "img", "input", "param", "source", "track", "wbr":
		return true
	}
	return false
}
