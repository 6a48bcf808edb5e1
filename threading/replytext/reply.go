// Package replytext takes the body of an answer apart: what its author wrote,
// the signature, and the history that was quoted below, above or in between.
package replytext

import (
	"strings"
	"time"
)

// Reply is a body taken apart.
type Reply struct {
	// Text is what the author wrote, without signature and quoted history. In an
	// inline answer the quotes between the author's own lines stay. When nothing
	// else would be left it is the whole body, and Whole is set.
	Text string
	// Whole tells that no text of the author's own was found.
	Whole bool
	// Signature is what was cut off as the author's signature.
	Signature string
	// Quoted are the lines of other people's text in the order of the body,
	// quote marks and blank lines removed.
	Quoted []string
	// Openers are the lines and blocks that introduce quoted text.
	Openers []Opener
}

// Opener is what introduces quoted text: a line such as "On Tue, 3 Jun 2025 at
// 12:34, Ann <ann@example.com> wrote:", or a block of From, Sent, To and Subject.
type Opener struct {
	// Name and Address are the author of the quoted text. Either may be empty.
	Name, Address string
	// Sent is when the quoted text was sent, as the opener tells it. It is in
	// UTC; when Zoned is false the opener names no zone, and the time is that of
	// an unknown zone read as UTC. Zero when no date was understood.
	Sent time.Time
	// Zoned tells that the opener names a time zone.
	Zoned bool
	// Subject is that of a block.
	Subject string
}

// Parse takes a plain text body apart.
func Parse(text string) Reply {
	var r Reply
	var own []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if quoted, ok := strings.CutPrefix(line, ">"); ok {
			if quoted = strings.TrimLeft(quoted, "> "); quoted != "" {
				r.Quoted = append(r.Quoted, quoted)
			}
			continue
		}
		own = append(own, line)
	}
	r.Text = strings.TrimSpace(strings.Join(own, "\n"))
	if r.Text == "" {
		r.Text, r.Whole = strings.TrimSpace(text), true
	}
	return r
}

// ParseHTML takes an HTML body apart.
func ParseHTML(source string) Reply { return Parse(source) }
