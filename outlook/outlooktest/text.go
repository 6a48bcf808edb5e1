package outlooktest

import (
	"html"
	"strings"
	"unicode/utf8"
)

// plainText turns HTML into text: tags go, block ends become line breaks,
// entities are decoded.
func plainText(s string) string {
	var out strings.Builder
	for s != "" {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			out.WriteString(html.UnescapeString(s))
			break
		}
		out.WriteString(html.UnescapeString(s[:open]))
		s = s[open:]
		if rest, ok := strings.CutPrefix(s, "<!--"); ok {
			_, s, _ = strings.Cut(rest, "-->")
			continue
		}
		end := strings.IndexByte(s, '>')
		if end < 0 {
			break
		}
		tag := strings.ToLower(strings.TrimSpace(s[1:end]))
		s = s[end+1:]
		switch name := tagName(tag); name {
		case "style", "script", "head", "title":
			if i := indexFold(s, "</"+name); i >= 0 {
				s = s[i:]
			}
		case "br", "/p", "/div", "/tr", "/li", "hr":
			out.WriteString("\r\n")
		}
	}
	return strings.TrimSpace(out.String())
}

func tagName(tag string) string {
	for i, c := range tag {
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '/' && i > 0 {
			return tag[:i]
		}
	}
	return tag
}

func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

// asHTML turns text into HTML as Exchange does.
func asHTML(s string) string {
	s = strings.ReplaceAll(html.EscapeString(s), "\r\n", "\n")
	return "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"><meta name=\"Generator\" content=\"Microsoft Exchange Server\">\r\n" +
		"<!-- converted from text --></head>\r\n<body>\r\n<div class=\"PlainText\">" +
		strings.ReplaceAll(s, "\n", "<br>\r\n") + "</div>\r\n</body>\r\n</html>\r\n"
}

// previewLength is how many characters bodyPreview has at most
// (learn.microsoft.com/graph/api/resources/message).
const previewLength = 255

// preview is the beginning of the readable text.
func (c *content) preview() string {
	c.load()
	text := c.body
	if c.bodyType == "html" {
		const enough = 64 << 10
		if len(text) > enough {
			text = text[:enough]
		}
		text = plainText(strings.ToValidUTF8(text, ""))
	}
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > previewLength {
		text = string([]rune(text[:min(len(text), 4*previewLength)])[:previewLength])
	}
	return text
}
