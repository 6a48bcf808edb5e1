package compose

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/mailtether/mailtether/mailbox"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	original := mailbox.Quote{
		From: mailbox.Address{Name: "Ben <Doe>", Address: "ben@example.org"},
		Date: testDate,
		Body: mailbox.Body{Text: "How are you?\n> fine\n\n"},
	}
	const quotedText = "On Fri, 20 Nov 2026 at 10:00 +0100, Ben <Doe> <ben@example.org> wrote:\n> How are you?\n>> fine\n"
	const quotedHTML = `<br>
<div class="gmail_quote"><div class="gmail_attr">On Fri, 20 Nov 2026 at 10:00 +0100, Ben &lt;Doe&gt; &lt;ben@example.org&gt; wrote:<br></div>
<blockquote type="cite" class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex"><div>How are you?<br>
&gt; fine<br>
<br>
</div></blockquote></div>
`
	tests := []struct {
		name   string
		change func(*mailbox.Outgoing)
		want   mailbox.Body
	}{
		{"as it is", func(o *mailbox.Outgoing) { o.Text = "a\r\n\n" }, mailbox.Body{Text: "a\r\n\n"}},
		{
			"signature to text", func(o *mailbox.Outgoing) { o.Signature = &mailbox.Signature{Text: "Anna\nLtd", HTML: "<b>Anna</b>"} },
			mailbox.Body{Text: "Hello Ben\n\n-- \nAnna\nLtd"},
		},
		{
			"signature to both", func(o *mailbox.Outgoing) {
				o.HTML = "<HTML><BODY>Hi</BODY></HTML>"
				o.Signature = &mailbox.Signature{Text: "Anna & Co\nLtd", HTML: "<b>Anna</b>"}
			},
			mailbox.Body{
				Text: "Hello Ben\n\n-- \nAnna & Co\nLtd",
				HTML: "<HTML><BODY>Hi<br>\n<div class=\"gmail_signature\">-- <br><b>Anna</b></div>\n</BODY></HTML>",
			},
		},
		{
			"signature from the other form", func(o *mailbox.Outgoing) {
				o.HTML = "Hi"
				o.Signature = &mailbox.Signature{Text: "Anna & Co\nLtd"}
			},
			mailbox.Body{
				Text: "Hello Ben\n\n-- \nAnna & Co\nLtd",
				HTML: "Hi<br>\n<div class=\"gmail_signature\">-- <br>Anna &amp; Co<br>\nLtd</div>\n",
			},
		},
		{
			"signature in HTML only", func(o *mailbox.Outgoing) { o.Signature = &mailbox.Signature{HTML: "<b>Anna</b><br>Ltd"} },
			mailbox.Body{Text: "Hello Ben\n\n-- \nAnna\nLtd"},
		},
		{
			"quote in text", func(o *mailbox.Outgoing) { o.Reply = &mailbox.Reply{Quote: &original} },
			mailbox.Body{Text: "Hello Ben\n\n" + quotedText},
		},
		{
			"quote in HTML", func(o *mailbox.Outgoing) {
				o.Text, o.HTML = "", "<p>Hi</p></body>"
				o.Reply = &mailbox.Reply{Quote: &original}
			},
			mailbox.Body{HTML: "<p>Hi</p>" + quotedHTML + "</body>"},
		},
		{
			"signature above the quote", func(o *mailbox.Outgoing) {
				o.Signature = &mailbox.Signature{Text: "Anna"}
				o.Reply = &mailbox.Reply{Quote: &original}
			},
			mailbox.Body{Text: "Hello Ben\n\n-- \nAnna\n\n" + quotedText},
		},
		{
			"text of an HTML original", func(o *mailbox.Outgoing) {
				o.Reply = &mailbox.Reply{Quote: &mailbox.Quote{Body: mailbox.Body{HTML: "<p>One</p><p>Two</p>"}}}
			},
			mailbox.Body{Text: "Hello Ben\n\nOriginal message:\n> One\n>\n> Two\n"},
		},
		{
			"sender unknown", func(o *mailbox.Outgoing) {
				o.Reply = &mailbox.Reply{Quote: &mailbox.Quote{Date: testDate, Body: mailbox.Body{Text: "x"}}}
			},
			mailbox.Body{Text: "Hello Ben\n\nOn Fri, 20 Nov 2026 at 10:00 +0100:\n> x\n"},
		},
		{
			"date unknown, name on two lines, text not UTF-8", func(o *mailbox.Outgoing) {
				o.Reply = &mailbox.Reply{Quote: &mailbox.Quote{From: mailbox.Address{Name: "Be\nn"}, Body: mailbox.Body{Text: "\xffx"}}}
			},
			mailbox.Body{Text: "Hello Ben\n\nBe n wrote:\n> \ufffdx\n"},
		},
		{
			"nothing to quote", func(o *mailbox.Outgoing) {
				o.Reply = &mailbox.Reply{Quote: &mailbox.Quote{From: mailbox.Address{Name: "Ben"}, Body: mailbox.Body{Text: " \n"}}}
			},
			mailbox.Body{Text: "Hello Ben\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Bodies(plain(tt.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHTMLToText(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"", ""},
		{"a  b\n c", "a b c"},
		{"<p>One</p><p>Two</p>", "One\n\nTwo"},
		{"<div>One</div><div>Two<br>Three</div>", "One\nTwo\nThree"},
		{"a<br><br>b", "a\n\nb"},
		{"<b>bold</b><i>er</i> text", "bolder text"},
		{"1 &lt; 2 &amp; 3&nbsp;4", "1 < 2 & 3 4"},
		{"<html><head><title>t</title><style>s{}</style></head><body>x<script>y</script>z</body></html>", "xz"},
		{"<ul><li>one</li><li>two</li></ul>after", "- one\n- two\n\nafter"},
		{"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
		{"<pre>a  b\n  c</pre>d", "a  b\n  c\nd"},
		{"x<blockquote>one<blockquote>two</blockquote></blockquote>y", "x\n> one\n> > two\ny"},
		{`see <img src="x" alt="the picture">`, "see the picture"},
		{"a<hr>b", "a\n----\nb"},
		{"<!-- no --><!DOCTYPE html>yes", "yes"},
		{"</blockquote></pre>x", "x"},
		{"a <", "a <"},
	}
	for _, tt := range tests {
		if got := htmlToText(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestQuotableHTML puts foreign HTML between two marks: whatever it is, it must
// stay between them.
func TestQuotableHTML(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"<p>One</p>", "<p>One</p>"},
		{"<html><head><title>t</title><style>p{}</style><meta x></head><body bgcolor=red>x</body></html>", "x"},
		{"a</div></blockquote>b", "ab"},
		{"<b>a</div>b", "<b>ab</b>"},
		{"<div><b>a", "<div><b>a</b></div>"},
		{"<div><b>a</div>b</b>", "<div><b>a</b></div>b"},
		{"<script>alert(1)</script>x", "x"},
		{"<style>never closed", ""},
		{`a<img src="CID:logo">b<img src="https://example.com/x.png">c`, `ab<img src="https://example.com/x.png">c`},
		{"<!-- x -->a<!DOCTYPE html>", "a"},
		{"<ul><li>one<li>two</ul>", "<ul><li>one<li>two</ul>"},
		{"<div/>a", "<div/>a</div>"},
		{"<textarea></div>", "<textarea></div></textarea>"},
		{`<a title="</blockquote>">x`, `<a title="</blockquote>">x</a>`},
	}
	for _, tt := range tests {
		got := quotableHTML(tt.in)
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
		doc, err := html.Parse(strings.NewReader("<blockquote id=q>" + got + "</blockquote><p id=after>after</p>"))
		if err != nil {
			t.Fatal(err)
		}
		if parent := find(doc, "after").Parent; parent.Data != "body" {
			t.Errorf("%q: what follows the quote is inside <%s>", tt.in, parent.Data)
		}
	}
}

// find returns the element with an id.
func find(n *html.Node, id string) *html.Node {
	for _, a := range n.Attr {
		if a.Key == "id" && a.Val == id {
			return n
		}
	}
	for c := range n.ChildNodes() {
		if found := find(c, id); found != nil {
			return found
		}
	}
	return nil
}
