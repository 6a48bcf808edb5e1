package replytext_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/threading/replytext"
)

// typicalText is an answer of about 2 KB.
func typicalText() string {
	return "Hello Ann,\n\nthat suits me well, let us meet at noon in front of the station.\nI bring the papers.\n\nBest regards,\nBob Example\n\n" +
		"On Tue, Mar 3, 2026 at 4:05 PM Ann Example <ann@example.com> wrote:\n\n" +
		strings.Repeat("> This is a line of the message that was quoted, as long as lines are.\n", 24)
}

func BenchmarkParse(b *testing.B) {
	body := typicalText()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		replytext.Parse(body)
	}
}

func BenchmarkParseHTML(b *testing.B) {
	body := `<html><body><div dir="ltr">Hello Ann,<div><br></div><div>that suits me well.</div></div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Tue, Mar 3, 2026 at 4:05 PM Ann &lt;<a href="mailto:ann@example.com">ann@example.com</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex">` +
		strings.Repeat(`<div style="font-family:sans-serif">A line of the message that was quoted.</div>`, 20) + `</blockquote></div></body></html>`
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		replytext.ParseHTML(body)
	}
}

// hostile are bodies that are meant to take long.
func hostile() map[string]string {
	opener := "On Tue, Mar 3, 2026 at 4:05 PM Ann <ann@example.com> wrote:\n"
	return map[string]string{
		"one line":           strings.Repeat("x", 1<<20),
		"one line of words":  strings.Repeat("On 3 ", 1<<18),
		"50 MB":              strings.Repeat("some words of text\n", 50<<20/19),
		"quote marks":        strings.Repeat(">", 1<<20),
		"deepening":          strings.Repeat(strings.Repeat(">", 500)+" a:\n", 2000),
		"openers":            strings.Repeat(opener, 100_000),
		"openers and quotes": strings.Repeat(opener+"> a\n", 50_000),
		"colons":             strings.Repeat("On a:\n", 200_000),
		"blank lines":        strings.Repeat("\n", 1<<20),
		"blank and rules":    strings.Repeat("_____\n\n\n", 100_000),
		"footers":            strings.Repeat("___\nunsubscribe\n", 60_000),
		"fields":             strings.Repeat("From: a\n", 100_000),
		"fields, one open":   strings.Repeat("Subject: a\nb\n\n", 60_000),
		"signatures":         strings.Repeat("--\n", 300_000),
		"passages":           strings.Repeat("a\n> b\n", 100_000),
		"addresses":          strings.Repeat("a@", 1<<19),
		"open brackets":      strings.Repeat("<\n", 1<<19),
		"wrapped addresses":  strings.Repeat("a <\n> b:\n", 100_000),
		"nested blockquotes": strings.Repeat("<blockquote>", 10_000) + "x" + strings.Repeat("</blockquote>", 10_000),
		"cited blockquotes":  strings.Repeat(`<blockquote type="cite">a`, 40_000),
		"open paragraphs":    strings.Repeat("<p>a", 200_000),
		"ends without start": strings.Repeat("<div>", 5000) + strings.Repeat("</table>", 100_000),
		"attributes":         "<p " + strings.Repeat("a=b ", 1<<18) + ">x",
	}
}

func TestHostileBodies(t *testing.T) {
	for name, body := range hostile() {
		for form, parse := range map[string]func(string) replytext.Reply{"text": replytext.Parse, "HTML": replytext.ParseHTML} {
			start := time.Now()
			r := parse(body)
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("%s as %s takes %v", name, form, d)
			} else if testing.Verbose() {
				t.Logf("%-20s as %s takes %v", name, form, d)
			}
			if len(r.Text) > 20*len(body) {
				t.Errorf("%s as %s: %d bytes become %d", name, form, len(body), len(r.Text))
			}
		}
	}
}
