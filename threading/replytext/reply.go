// Package replytext takes the body of an answer apart: what its author wrote,
// the signature, and the history that was quoted below, above or in between.
//
// Kept as text: everything of which it is not sure that it is something else;
// forwarded messages with what introduces them; the quotes between the lines of
// an inline answer; code, lists and tables. A line of the author that is lost is
// worse than a quoted line that stays.
//
// Dropped from the text:
//
//   - lines behind quote marks, and the elements by which mail clients quote in
//     HTML, if the author's own text stands on one side of them only;
//   - the lines that introduce them ("On …, Ann wrote:") and what follows without
//     marks, in the languages and layouts of common clients;
//   - blocks of From, Sent, To and Subject in many languages, and lines such as
//     "-----Original Message-----", with all that follows;
//   - signatures after "-- ", lines of devices and apps ("Sent from my phone"), a
//     valediction with the name below it, cards of contact details, legal notices,
//     and the footers of mailing lists.
//
// The rules look at the body alone. A forward that is laid out exactly like an
// answer, as Outlook does it, is taken for one.
package replytext

import (
	"strings"
	"time"
)

// MaxText and MaxHTML are how many bytes of a body are read. What follows is
// dropped: the history of such a body is longer than any text above it.
const (
	MaxText = 1 << 20
	MaxHTML = 2 << 20
)

// Reply is a body taken apart.
type Reply struct {
	// Text is what the author wrote, without signature and quoted history. In an
	// inline answer the quotes between the author's own lines stay. When nothing
	// else would be left it is the whole body, and Whole is set.
	Text string
	// Whole tells that no text of the author's own was found, or that nothing
	// tells it from the text that was quoted.
	Whole bool
	// Inline tells that the author wrote on more than one side of a quote, and
	// that Text holds the quotes.
	Inline bool
	// Signature is what was cut off as the author's signature, with the footer of
	// a mailing list below it.
	Signature string
	// Quoted are the lines of other people's text in the order of the body,
	// quote marks, blank lines and openers removed. Forwarded text is not in it.
	Quoted []string
	// Openers are the lines and blocks that introduce quoted text, in the order
	// of the body and at any depth.
	Openers []Opener
}

// Opener is what introduces quoted text: a line such as "On Tue, 3 Jun 2025 at
// 12:34, Ann <ann@example.com> wrote:", or a block of From, Sent, To and Subject.
type Opener struct {
	// Name and Address are the author of the quoted text. Either may be empty.
	// The address is in lower case.
	Name, Address string
	// Sent is when the quoted text was sent, as the opener tells it. It is in
	// UTC; when Zoned is false the opener names no zone, and the time is that of
	// an unknown zone read as UTC. Zero when no date was understood, or when day
	// and month cannot be told apart.
	Sent time.Time
	// Zoned tells that the opener names a time zone.
	Zoned bool
	// DayOnly tells that the opener names a day without a time: Sent is its
	// beginning.
	DayOnly bool
	// Subject is that of a block.
	Subject string
}

// Parse takes a plain text body apart, in time linear in its size. Lines of
// Text are lines of the body, without white space at their ends.
func Parse(text string) Reply {
	return assemble(splitLines(clip(text, MaxText)))
}

// ParseHTML takes an HTML body apart. Text is the rendered text: one line for
// each block, quotes of an inline answer marked with "> ".
func ParseHTML(source string) Reply {
	return assemble(render(clip(source, MaxHTML)))
}

// PlainText returns the text of an HTML body as its reader sees it: a line for
// each block, quotes marked with "> ", nothing that is hidden. Only the first
// MaxHTML bytes are read.
func PlainText(source string) string {
	lines := render(clip(source, MaxHTML))
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.text
	}
	return strings.Join(texts, "\n")
}
