package replytext

// ParseBody takes a body apart that has both forms, or one of them. They say the
// same, and plain text is the surer one, unless it lacks the quote or its line
// breaks.
func ParseBody(text, html string) Reply {
	if text == "" {
		return ParseHTML(html)
	}
	r := Parse(text)
	if html != "" && (len(r.Quoted) == 0 || flattened(text)) {
		if h := ParseHTML(html); len(h.Quoted) > 0 {
			return h
		}
	}
	return r
}
