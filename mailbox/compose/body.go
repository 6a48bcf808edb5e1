package compose

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"

	"github.com/mailtether/mailtether/mailbox"
)

// Bodies returns the final text and HTML of out: the signature appended, and
// below it the original that a reply quotes. Only the forms that out has are
// made; where a signature or an original has only the other form, it is
// converted. The text uses the "-- " line in front of the signature (RFC 3676,
// 4.3) and "> " in front of quoted lines; the HTML uses the elements that mail
// programs recognise when they fold quotes away. HTML of an original is made to
// stay inside its quote, but it is not sanitised.
func Bodies(out *mailbox.Outgoing) mailbox.Body {
	body := mailbox.Body{Text: out.Text, HTML: out.HTML}
	if s := out.Signature; s != nil {
		if text := signatureText(s); body.Text != "" && text != "" {
			body.Text = trimBreaks(body.Text) + "\n\n-- \n" + text
		}
		if markup := signatureHTML(s); body.HTML != "" && markup != "" {
			body.HTML = appendHTML(body.HTML, "<br>\n"+`<div class="gmail_signature">-- <br>`+markup+"</div>\n")
		}
	}
	if out.Reply == nil || out.Reply.Quote == nil || isBlank(out.Reply.Quote.Body) {
		return body
	}
	q := *out.Reply.Quote
	q.Body.Text = strings.ToValidUTF8(q.Body.Text, replacement)
	q.Body.HTML = strings.ToValidUTF8(q.Body.HTML, replacement)
	if body.Text != "" {
		body.Text = trimBreaks(body.Text) + "\n\n" + attribution(q) + "\n" + quoteLines(quoteText(q.Body)) + "\n"
	}
	if body.HTML != "" {
		body.HTML = appendHTML(body.HTML, "<br>\n"+`<div class="gmail_quote"><div class="gmail_attr">`+
			html.EscapeString(attribution(q))+"<br></div>\n"+
			`<blockquote type="cite" class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">`+
			quoteHTML(q.Body)+"</blockquote></div>\n")
	}
	return body
}

func signatureText(s *mailbox.Signature) string {
	if s.Text == "" && s.HTML != "" {
		return htmlToText(s.HTML)
	}
	return s.Text
}

func signatureHTML(s *mailbox.Signature) string {
	if s.HTML == "" && s.Text != "" {
		return htmlLines(s.Text)
	}
	return s.HTML
}

func isBlank(b mailbox.Body) bool {
	return strings.TrimSpace(b.Text) == "" && strings.TrimSpace(b.HTML) == ""
}

func quoteText(b mailbox.Body) string {
	if strings.TrimSpace(b.Text) == "" {
		return htmlToText(b.HTML)
	}
	return b.Text
}

func quoteHTML(b mailbox.Body) string {
	if strings.TrimSpace(b.HTML) == "" {
		return textToHTML(b.Text)
	}
	return quotableHTML(b.HTML)
}

// attribution is the line above a quote.
func attribution(q mailbox.Quote) string {
	who := oneLine(q.From.Name)
	switch address := oneLine(q.From.Address); {
	case who == "":
		who = address
	case address != "":
		who += " <" + address + ">"
	}
	if q.Date.IsZero() {
		if who == "" {
			return "Original message:"
		}
		return who + " wrote:"
	}
	when := q.Date.Format("Mon, 2 Jan 2006 at 15:04 -0700")
	if who == "" {
		return "On " + when + ":"
	}
	return "On " + when + ", " + who + " wrote:"
}

// oneLine keeps a decoded name from breaking the line it is put into.
func oneLine(s string) string {
	return strings.Join(strings.Fields(cleanText(strings.ToValidUTF8(s, replacement))), " ")
}

// quoteLines puts a quote mark in front of every line (RFC 3676, 4.5).
func quoteLines(text string) string {
	text = trimBreaks(strings.ReplaceAll(text, "\r\n", "\n"))
	var b strings.Builder
	b.Grow(len(text) + len(text)/16)
	first := true
	for l := range strings.SplitSeq(text, "\n") {
		if !first {
			b.WriteByte('\n')
		}
		first = false
		b.WriteByte('>')
		if l = strings.TrimRightFunc(l, unicode.IsSpace); l != "" && l[0] != '>' {
			b.WriteByte(' ')
		}
		b.WriteString(l)
	}
	return b.String()
}

func trimBreaks(s string) string { return strings.TrimRight(s, "\r\n") }

// appendHTML appends markup to a document or a piece of one, inside the body
// element if there is one.
func appendHTML(document, markup string) string {
	end := bodyEnd(document)
	return document[:end] + markup + document[end:]
}

// bodyEnd returns where the body of an HTML document ends.
func bodyEnd(document string) int {
	for _, tag := range [...]string{"</body", "</html"} {
		if i := lastIndexFold(document, tag); i >= 0 {
			return i
		}
	}
	return len(document)
}

// lastIndexFold is strings.LastIndex without regard to ASCII case, for tags.
func lastIndexFold(s, tag string) int {
	for i := len(s) - len(tag); i >= 0; i-- {
		if s[i] == tag[0] && strings.EqualFold(s[i:i+len(tag)], tag) {
			return i
		}
	}
	return -1
}
