package replytext_test

import (
	"fmt"

	"github.com/mailtether/mailtether/threading/replytext"
)

func ExampleParse() {
	r := replytext.Parse(`Gladly, at noon.

Best regards,
Bob Example

On Tue, 03 Mar 2026 16:05:00 +0100, Ann Example <ann@example.com> wrote:
> Shall we have lunch?
`)
	fmt.Printf("%q\n", r.Text)
	fmt.Printf("%q\n", r.Signature)
	fmt.Printf("%q\n", r.Quoted)
	fmt.Println(r.Openers[0].Name, r.Openers[0].Address, r.Openers[0].Sent)
	// Output:
	// "Gladly, at noon."
	// "Best regards,\nBob Example"
	// ["Shall we have lunch?"]
	// Ann Example ann@example.com 2026-03-03 15:05:00 +0000 UTC
}

func ExampleParseHTML() {
	r := replytext.ParseHTML(`<div>Gladly.</div><blockquote type="cite">Lunch?</blockquote>`)
	fmt.Println(r.Text, r.Quoted)
	// Output:
	// Gladly. [Lunch?]
}
