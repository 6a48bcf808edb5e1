package compose

import (
	"strconv"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// maxFields bounds how many fields of one header are kept. It is far above
// what MaxHeader bytes of sensible fields make, and keeps the list from
// outgrowing the bytes it was read from.
const maxFields = 1 << 18

// readHeader reads header fields up to the blank line that ends them, or to the
// boundary of an enclosing multipart. The part is "" for the header of the
// message itself.
func (r *reader) readHeader(part string) mailbox.Header {
	top := part == ""
	var block strings.Builder
	if top {
		block.Grow(r.lines.headerSize())
	}
	var ended, cut, bareCR bool
	for {
		l, ok := r.next()
		if !ok {
			break
		}
		if l.blank() && (block.Len() > 0 || !top) {
			ended = true
			break
		}
		if l.blank() {
			r.warn(mailbox.WarnHeader, part, "the header begins with a blank line")
			continue
		}
		if int64(block.Len()+len(l.text)) >= r.opts.MaxHeader {
			if top {
				r.fail(mailbox.Invalid("header", atMost(r.opts.MaxHeader), "is too large"))
				return nil
			}
			cut = true
			continue
		}
		block.Write(l.text)
		if len(l.end) > 0 {
			block.WriteByte('\n')
			bareCR = bareCR || l.end[len(l.end)-1] == '\r'
		}
	}
	if cut {
		r.warn(mailbox.WarnTruncated, part, "the header is above the size limit")
	}
	if bareCR {
		r.warn(mailbox.WarnHeader, part, "a line ends in CR without LF")
	}
	return r.fields(block.String(), ended, part)
}

// fields splits what was read of a header into its fields, and puts back what
// turns out to be the body. ended tells that a blank line follows.
func (r *reader) fields(s string, ended bool, part string) mailbox.Header {
	h, whole, clean := parseFields(s)
	if !ended || !clean {
		n, broken := headerEnd(s, ended)
		if broken {
			r.warn(mailbox.WarnHeader, part, "a line is not a header field")
		}
		if n < len(s) {
			r.warn(mailbox.WarnHeader, part, "no blank line ends the header")
			r.unread([]byte(s[n:]))
			h, whole, _ = parseFields(s[:n])
		}
	}
	if !whole {
		r.warn(mailbox.WarnTruncated, part, "too many header fields")
	}
	return h
}

// headerEnd returns where the header in s ends, and whether it holds lines that
// are not fields. Such lines mostly come from broken folding. Only if no field
// with a known name follows them, and the line before does not ask for more,
// the blank line was forgotten and the body begins there. ended tells that a
// blank line follows; without one and without any known field it is all body.
func headerEnd(s string, ended bool) (n int, broken bool) {
	body := -1
	known := false
	before := byte(0) // the last character of the line before
	for i := 0; i < len(s); {
		text, next := lineAt(s, i)
		switch {
		case isFolded(text) && i > 0:
		case fieldNameEnd(text) < 0:
			if isEnvelope(text) || body < 0 && (before == ';' || before == ',') {
				broken = true
			} else if body < 0 {
				body = i
			}
		case body < 0 && (ended || known): // nothing depends on the name
		case isKnownField(text[:fieldNameEnd(text)]):
			broken = broken || body >= 0
			body = -1
			known = true
		}
		if trimmed := trimBlanks(text); trimmed != "" {
			before = trimmed[len(trimmed)-1]
		}
		i = next
	}
	switch {
	case !ended && !known:
		return 0, false
	case body >= 0:
		return body, broken
	default:
		return len(s), broken
	}
}

// parseFields splits a header into unfolded fields. What stands in front of the
// first one belongs to nothing. It reports whether it kept all of them, and
// whether every line is one or a folded part of one.
func parseFields(s string) (h mailbox.Header, whole, clean bool) {
	h = make(mailbox.Header, 0, min(strings.Count(s, "\n")+1, maxFields))
	var name string
	begin := -1 // of the value whose lines are being read
	clean = true
	for i := 0; i < len(s); {
		text, next := lineAt(s, i)
		colon := -1
		if begin < 0 || !isFolded(text) {
			colon = fieldNameEnd(text)
			clean = clean && colon >= 0
		}
		if colon >= 0 {
			if begin >= 0 {
				h = append(h, mailbox.Field{Name: name, Value: fieldValue(s[begin:i])})
			}
			if len(h) == maxFields {
				return h, false, false
			}
			name, begin = trimBlanks(text[:colon]), i+colon+1
		}
		i = next
	}
	if begin >= 0 {
		h = append(h, mailbox.Field{Name: name, Value: fieldValue(s[begin:])})
	}
	return h, true, clean
}

func fieldValue(lines string) string {
	return trimBlanks(unfold(strings.TrimSuffix(lines, "\n")))
}

// unfold removes the line breaks of a field. The white space behind them is
// kept (RFC 5322, 2.2.3).
func unfold(s string) string {
	if strings.IndexByte(s, '\n') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		text, next := lineAt(s, i)
		i = next
		if isEnvelope(text) {
			continue
		}
		if b.Len() > 0 && !isFolded(text) {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}

// lineAt returns the line that begins at i, and where the next one begins.
func lineAt(s string, i int) (text string, next int) {
	if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
		return s[i : i+n], i + n + 1
	}
	return s[i:], len(s)
}

func isFolded(text string) bool { return text != "" && isSpaceOrTab(text[0]) }

func isSpaceOrTab(c byte) bool { return c == ' ' || c == '\t' }

// trimBlanks is strings.Trim(s, " \t"), which takes longer to begin than most
// values take to trim.
func trimBlanks(s string) string {
	for s != "" && isSpaceOrTab(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpaceOrTab(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// isEnvelope recognises the separator line of mailbox files, which some
// programs leave or put at the top of a header.
func isEnvelope(text string) bool {
	for text != "" && text[0] == '>' {
		text = text[1:]
	}
	return strings.HasPrefix(text, "From ")
}

// fieldNameEnd returns where the colon behind a field name stands, or -1 if the
// line is not a field. White space in front of the colon is obsolete, yet
// allowed (RFC 5322, 4.5).
func fieldNameEnd(text string) int {
	i := strings.IndexByte(text, ':')
	if i < 0 {
		return -1
	}
	name := trimBlanks(text[:i])
	if name == "" {
		return -1
	}
	for j := range len(name) {
		if name[j] <= ' ' || name[j] == 0x7f {
			return -1
		}
	}
	return i
}

// isKnownField reports whether a name is one that a line of text does not begin
// with by chance.
func isKnownField(name string) bool {
	name = strings.ToLower(trimBlanks(name))
	switch name {
	case "from", "to", "cc", "bcc", "subject", "date", "sender", "reply-to", "message-id", "in-reply-to",
		"references", "received", "return-path", "delivered-to", "mime-version", "thread-index", "thread-topic",
		"auto-submitted", "precedence", "importance", "priority", "user-agent", "organization", "errors-to",
		"dkim-signature", "domainkey-signature", "authentication-results", "received-spf", "envelope-to",
		"return-receipt-to", "disposition-notification-to", "sensitivity", "lines", "status", "feedback-id":
		return true
	}
	for _, prefix := range [...]string{"x-", "list-", "content-", "resent-", "arc-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// atMost words a limit in bytes.
func atMost(bytes int64) string { return "at most " + strconv.FormatInt(bytes, 10) + " bytes" }
