package replytext_test

import (
	"strings"
	"testing"

	"github.com/mailtether/mailtether/threading/replytext"
)

// bounded checks that nothing in a reply is larger than its body allows.
func bounded(t *testing.T, r replytext.Reply, size int) {
	t.Helper()
	quoted := 0
	for _, l := range r.Quoted {
		quoted += len(l)
	}
	if most := 20*size + 100; len(r.Text) > most || len(r.Signature) > most || quoted > most || len(r.Openers) > size+1 {
		t.Errorf("%d bytes become text %d, signature %d, quoted %d, openers %d", size, len(r.Text), len(r.Signature), quoted, len(r.Openers))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("Yes.\n\nOn Tue, Mar 3, 2026 at 4:05 PM Ann <ann@example.com> wrote:\n> Shall we?\n>> ok\n\n-- \nBob\n")
	f.Add("Ja.\r\n-----Ursprüngliche Nachricht-----\r\nVon: Ann\r\nGesendet: 03.03.2026 16:05\r\nAn: Bob\r\n\r\nText")
	f.Add("reply On Wed, Mar 4, 2026 at 3:59 PM, ann@example.com wrote:\n> Hi")
	f.Add("___\nunsubscribe\n___\nunsubscribe\nRegards,\nBob\nTel: +1 555 010 0200\n\u00a0\n\u200b")
	f.Add("Begin forwarded message:\n\n> From: a\n>From b\n| x\nAB> y\n")
	f.Fuzz(func(t *testing.T, body string) {
		r := replytext.Parse(body)
		bounded(t, r, len(body))
		for l := range strings.Lines(r.Text) {
			if l = strings.TrimSpace(l); !strings.Contains(body, l) {
				t.Errorf("line %q is not in the body", l)
			}
		}
	})
}

func FuzzParseHTML(f *testing.F) {
	f.Add(`<div>Yes.</div><div class="gmail_quote"><div class="gmail_attr">On Tue, Mar 3, 2026 Ann wrote:</div><blockquote class="gmail_quote">Shall we?</blockquote></div>`)
	f.Add(`<p>a<p>b<ol><li>c<li>d</ol><pre> e </pre><hr><div id=divRplyFwdMsg>From: a<br>Sent: b</div>`)
	f.Add(`<table><tr><td hidden>x<td style="display:none">y</table></b></i></div><style>`)
	f.Fuzz(func(t *testing.T, body string) {
		bounded(t, replytext.ParseHTML(body), len(body))
	})
}
