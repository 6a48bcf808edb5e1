package compose

import "strings"

// content is what a part adds to the body: text, HTML, or both as two forms of
// the same.
type content struct {
	text, html       string
	hasText, hasHTML bool
}

// alternative combines parts that say the same in different forms. The first
// of each form counts.
func alternative(parts []content) content {
	var c content
	for _, p := range parts {
		if p.hasText && !c.hasText {
			c.text, c.hasText = p.text, true
		}
		if p.hasHTML && !c.hasHTML {
			c.html, c.hasHTML = p.html, true
		}
	}
	return c
}

// joined combines parts that follow each other. A form that some of them lack
// is derived from the other one, so that the text of a list's footer does not
// stand alone for a message written in HTML.
func joined(parts []content) content {
	var c content
	n := 0
	for _, p := range parts {
		if p.hasText || p.hasHTML {
			parts[n] = p
			n++
		}
		c.hasText = c.hasText || p.hasText
		c.hasHTML = c.hasHTML || p.hasHTML
	}
	parts = parts[:n]
	if n == 1 {
		return parts[0]
	}
	var text, html strings.Builder
	tail := "" // the end of the first HTML document; the others go in front of it
	for i, p := range parts {
		if c.hasText {
			if !p.hasText {
				p.text = htmlToText(p.html)
			}
			if text.Len() > 0 && !strings.HasSuffix(text.String(), "\n") {
				text.WriteByte('\n')
			}
			text.WriteString(p.text)
		}
		if c.hasHTML {
			if !p.hasHTML {
				p.html = textToHTML(p.text)
			}
			if i == 0 {
				end := bodyEnd(p.html)
				p.html, tail = p.html[:end], p.html[end:]
			} else {
				html.WriteByte('\n')
			}
			html.WriteString(p.html)
		}
	}
	html.WriteString(tail)
	c.text, c.html = text.String(), html.String()
	return c
}
