package replytext_test

import (
	"testing"

	"github.com/mailtether/mailtether/threading/replytext"
)

func TestPlainText(t *testing.T) {
	t.Parallel()
	source := `<html><head><style>p { color: red }</style></head><body><p>One &amp; <b>two</b></p>` +
		`<div style="display:none">hidden</div><ul><li>three</ul><blockquote type="cite">four<br>five</blockquote></body></html>`
	if got, want := replytext.PlainText(source), "One & two\n- three\n> four\n> five"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := replytext.PlainText(""); got != "" {
		t.Errorf("nothing gives %q", got)
	}
}
