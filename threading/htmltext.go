package threading

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// plainOf returns the words of HTML with a line for each block and each break.
// It is for looking things up in, not for showing.
func plainOf(source string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(source))
	hidden := atom.Atom(0) // the element whose content is passed over
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if hidden == 0 {
				b.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			tag := atom.Lookup(name)
			switch {
			case hidden != 0:
			case tag == atom.Script, tag == atom.Style, tag == atom.Title:
				hidden = tag
			case breaksLine(tag):
				b.WriteByte('\n')
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			tag := atom.Lookup(name)
			switch {
			case tag == hidden:
				hidden = 0
			case hidden == 0 && breaksLine(tag):
				b.WriteByte('\n')
			}
		}
	}
}

func breaksLine(tag atom.Atom) bool {
	switch tag {
	case atom.Br, atom.P, atom.Div, atom.Tr, atom.Table, atom.Td, atom.Th, atom.Li, atom.Ul, atom.Ol, atom.Pre, atom.Hr, atom.H1,
		atom.H2, atom.H3, atom.H4, atom.Blockquote, atom.Dt, atom.Dd:
		return true
	}
	return false
}
