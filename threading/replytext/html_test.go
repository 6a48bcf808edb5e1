package replytext_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/threading/replytext"
)

func TestParseHTML(t *testing.T) {
	t.Parallel()
	const opener = `On Tue, Mar 3, 2026 at 4:05 PM Ann &lt;<a href="mailto:ann@example.com">ann@example.com</a>&gt; wrote:`
	for _, c := range []struct {
		name, body string
		want       replytext.Reply // without openers
	}{
		{"blocks", `<html><head><title>T</title><style>p{}</style></head><body><p>One<br>two</p><p>Three &amp; four</p><ul><li>a<li>b</ul><table><tr><td>x</td><td>y</td></tr></table><pre>if x {
  y
}</pre><script>no()</script></body></html>`, replytext.Reply{Text: lines("One", "two", "", "Three & four", "- a", "- b", "x y", "if x {", "  y", "}")}},
		{"hidden", `<div style="display: none">Preheader</div><span style="display:none">x</span>Text`, replytext.Reply{Text: "Text"}},
		{"Gmail", `<div dir="ltr">Yes.</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">` + opener + `<br></div><blockquote class="gmail_quote" style="margin:0">Shall we?<br></blockquote></div>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"Gmail in an unknown language", `<div>Ndiyo.</div><div class="gmail_quote"><div class="gmail_attr">Mnamo tarehe fulani Ann aliandika hivi&nbsp;<br></div><blockquote class="gmail_quote">Twende?</blockquote></div>`, replytext.Reply{Text: "Ndiyo.", Quoted: []string{"Twende?"}}},
		{"Gmail signature", `<div>Yes.<br clear="all"><div><br></div><span class="gmail_signature_prefix">-- </span><br><div class="gmail_signature" data-smartmail="gmail_signature">Bob<br>Example Ltd</div></div>`, replytext.Reply{Text: "Yes.", Signature: lines("--", "Bob", "Example Ltd")}},
		{"text within the signature", `<div>Hello</div><div id="Signature"><p>I think that this is rather a long sentence for a signature, and since many people go on writing within that element, it is none but what they say.</p><p>Bob</p></div>`, replytext.Reply{Text: lines("Hello", "", "I think that this is rather a long sentence for a signature, and since many people go on writing within that element, it is none but what they say.", "", "Bob")}},
		{"a box of the author's", `<div>Here is the bill:</div><div style="border-top:1px solid #ccc"><div>Parts: 400</div><div>Work: 300</div></div><div>Please pay it.</div>`, replytext.Reply{Text: lines("Here is the bill:", "Parts: 400", "Work: 300", "Please pay it.")}},
		{"a signature below a line", `<div>Mine.</div><div style="border-top:1px solid #ccc"><div>Ann Jones</div><div>Example Inc.</div></div>`, replytext.Reply{Text: lines("Mine.", "Ann Jones", "Example Inc.")}},
		{"all text within the signature", `<div>Hi,</div><div id="ms-outlook-mobile-signature"><div>The parts come on Monday.</div><div>Get Outlook for iOS</div></div><hr><div id="divRplyFwdMsg"><b>From:</b> Ann &lt;ann@example.com&gt;<br><b>Sent:</b> Tuesday, March 3, 2026 4:05 PM<br><b>To:</b> Bob</div><div>Shall we?</div>`, replytext.Reply{Text: lines("Hi,", "The parts come on Monday."), Signature: "Get Outlook for iOS", Quoted: []string{"Shall we?"}}},
		{"only a signature", `<div id="Signature">Ann Jones<br>Example Inc.<br>This email and any attachments are confidential and intended solely for the addressee.<br>Many thanks and best regards!</div><blockquote type="cite">Shall we?</blockquote>`, replytext.Reply{Text: lines("Ann Jones", "Example Inc.", "This email and any attachments are confidential and intended solely for the addressee.", "Many thanks and best regards!", "> Shall we?"), Whole: true, Signature: lines("Ann Jones", "Example Inc.", "This email and any attachments are confidential and intended solely for the addressee.", "Many thanks and best regards!"), Quoted: []string{"Shall we?"}}},
		{"a ruled block of names", `<div>Yes.</div><div style="border:none;border-top:solid #E1E1E1 1.0pt"><b>From:</b> Ann<br><b>To:</b> Bob<br><b>Subject:</b> Lunch</div><p>Shall we?</p>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"a box with a date", `<div>Yes.</div><div style="border-top:1px solid #ccc"><div>Minutes</div><div>3 March 2026</div></div>`, replytext.Reply{Text: lines("Yes.", "Minutes", "3 March 2026")}},
		{"a block within the quote", `<div class="moz-cite-prefix">On 03/03/2026 04:05 PM, Ann wrote:<br></div><blockquote type="cite"><div>his</div><div id="divRplyFwdMsg"><b>From:</b> Max &lt;max@example.com&gt;<br><b>Sent:</b> Wednesday, December 29, 2021 12:35:25 PM<br><b>To:</b> Tom</div><div>old</div></blockquote>Mine.`, replytext.Reply{Text: "Mine.", Quoted: []string{"his", "old"}}},
		{"one picture of a heart", `<div><img alt="❤️" src="x"></div><blockquote type="cite">On Tue, 3 Mar 2026 at 16:05, Ann &lt;ann@example.com&gt; wrote:<div>Shall we?</div></blockquote>`, replytext.Reply{Text: "❤️", Quoted: []string{"Shall we?"}}},
		{"Freshdesk", `<div>Yes.</div><blockquote class="freshdesk_quote">Shall we?</blockquote>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"text below Outlook's mark", `<div id="appendonsend"></div><div>Hello</div>`, replytext.Reply{Text: "Hello"}},
		{"notice below the signature", `<div>Yes.</div>-- <br><div class="gmail_signature">Regards,<br>Bob</div><div><br></div><div>This note is meant for you.</div>`, replytext.Reply{Text: "Yes.", Signature: lines("--", "Regards,", "Bob", "", "This note is meant for you.")}},
		{"Gmail forward", `<div>Look.</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Ann &lt;ann@example.com&gt;<br>Subject: Joke<br></div>Ha.</div>`, replytext.Reply{Text: lines("Look.", "---------- Forwarded message ---------", "From: Ann <ann@example.com>", "Subject: Joke", "Ha.")}},
		{"inline", `<div class="gmail_quote"><div class="gmail_attr">` + opener + `</div><blockquote class="gmail_quote">One?</blockquote></div><div>Yes.</div><blockquote type="cite">Two?</blockquote><div>No.</div>`, replytext.Reply{Text: lines("On Tue, Mar 3, 2026 at 4:05 PM Ann <ann@example.com> wrote:", "> One?", "Yes.", "> Two?", "No."), Inline: true, Quoted: []string{"One?", "Two?"}}},
		{"below the quote within Gmail's container", `<div><br></div><div class="gmail_quote"><div class="gmail_attr">` + opener + `</div><blockquote class="gmail_quote">Shall we?</blockquote><div>Yes.</div></div>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"between quotes within Gmail's container", `<div class="gmail_quote"><div class="gmail_attr">` + opener + `</div><blockquote class="gmail_quote">One?</blockquote><div>Yes.</div><blockquote class="gmail_quote">Two?</blockquote><div>No.</div></div>`, replytext.Reply{Text: lines("On Tue, Mar 3, 2026 at 4:05 PM Ann <ann@example.com> wrote:", "> One?", "Yes.", "> Two?", "No."), Inline: true, Quoted: []string{"One?", "Two?"}}},
		{"bottom post", `<div class="moz-cite-prefix">Am 03.03.2026 um 16:05 schrieb Ann:</div><blockquote type="cite">Gehen wir?</blockquote><p>Ja.</p>`, replytext.Reply{Text: "Ja.", Quoted: []string{"Gehen wir?"}}},
		{"Outlook on the web", `<div>Yes.</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%"><div id="divRplyFwdMsg"><font><b>From:</b> Ann &lt;ann@example.com&gt;<br><b>Sent:</b> Tuesday, March 3, 2026 4:05 PM<br><b>To:</b> Bob<br><b>Subject:</b> Lunch</font></div><div><p>Shall we?</p></div>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"Outlook in an unknown language", `<p class=MsoNormal>Ndiyo.</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'><p class=MsoNormal><b>Kutoka:</b> Ann &lt;ann@example.com&gt;<br><b>Imetumwa:</b> 2026-03-03 16:05<br><b>Kwenda:</b> Bob</p></div></div><p class=MsoNormal>Twende?</p>`, replytext.Reply{Text: "Ndiyo.", Quoted: []string{"Twende?"}}},
		{"Outlook on a phone", `<div>Yes.</div><div id="ms-outlook-mobile-signature">Get <a href="https://example.com">Outlook for iOS</a></div><div id="mail-editor-reference-message-container"><div><hr><b>From:</b> Ann &lt;ann@example.com&gt;<br><b>Date:</b> Tuesday, March 3, 2026 at 16:05<br><b>To:</b> Bob</div><div>Shall we?</div></div>`, replytext.Reply{Text: "Yes.", Signature: "Get Outlook for iOS", Quoted: []string{"Shall we?"}}},
		{"Apple Mail", `<div>Yes.<br><div><br><blockquote type="cite"><div>On 3 Mar 2026, at 16:05, Ann &lt;ann@example.com&gt; wrote:</div><br><div>Shall we?</div></blockquote></div></div>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"Yahoo", `<div>Yes.</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>On Tuesday, March 3, 2026, 04:05:00 PM GMT+1, Ann &lt;ann@example.com&gt; wrote:</div><div>Shall we?</div></div>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"Proton", `<div>Yes.</div><div class="protonmail_signature_block"><div class="protonmail_signature_block-user">Bob</div></div><div class="protonmail_quote">On Tuesday, March 3rd, 2026 at 4:05 PM, Ann &lt;ann@example.com&gt; wrote:<br><blockquote class="protonmail_quote" type="cite">Shall we?</blockquote></div>`, replytext.Reply{Text: "Yes.", Signature: "Bob", Quoted: []string{"Shall we?"}}},
		{"Zimbra", `<div>Yes.</div><hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__"><b>From: </b>"Ann" &lt;ann@example.com&gt;<br><b>To: </b>"Bob"<br><b>Sent: </b>Tuesday, March 3, 2026 4:05:00 PM<br></div><div data-marker="__QUOTED_TEXT__">Shall we?</div>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"a quote of the author's choice", `<p>As Ann says:</p><blockquote>Eat well.</blockquote>`, replytext.Reply{Text: lines("As Ann says:", "Eat well.")}},
		{"plain blockquote below an opener", `<p>Yes.</p><p>On 3 Mar 2026, at 16:05, Ann &lt;ann@example.com&gt; wrote:</p><blockquote>Shall we?</blockquote>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"marks of plain text", `Yes.<br><br>On 3 Mar 2026, at 16:05, Ann &lt;ann@example.com&gt; wrote:<br>&gt; Shall we?<br>`, replytext.Reply{Text: "Yes.", Quoted: []string{"Shall we?"}}},
		{"misnested", `<div><b>Yes</div></b> and <i>no<p>Good`, replytext.Reply{Text: lines("Yes", "and no", "", "Good")}},
		{"only a quote", `<blockquote type="cite">Shall we?</blockquote>`, replytext.Reply{Text: "> Shall we?", Whole: true, Quoted: []string{"Shall we?"}}},
	} {
		got := replytext.ParseHTML(c.body)
		got.Openers = nil
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
