package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// hostile are messages that make careless readers slow.
func hostile() map[string]string {
	const head = "From: ben@example.org\nTo: ann@example.com\nSubject: Re: x\nDate: Mon, 02 Mar 2026 10:00:00 +0000\n"
	repeat := strings.Repeat
	var nested, ids, fields strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	for i := range 40_000 {
		fmt.Fprintf(&ids, " <%020d@x.org>", i)
		fmt.Fprintf(&fields, "In-Reply-To: <%020d@x.org>\n", i)
	}
	const large = 50 << 20
	return map[string]string{
		"1 MB of References":        head + "References:" + ids.String() + "\n\nYes.\n",
		"40,000 In-Reply-To":        head + fields.String() + "\nYes.\n",
		"1 MB of subject":           "Subject: " + repeat("Re: ", 1<<18) + "x\n" + head + "\nYes.\n",
		"1 MB of open brackets":     head + "In-Reply-To: " + repeat("<", 1<<20) + "\nReferences: " + repeat("[", 1<<20) + "\n\nYes.\n",
		"10,000 nested parts":       head + nested.String(),
		"50 MB of text":             head + "\n" + repeat("all work and no play makes jack a dull boy\n", large/43),
		"50 MB on one line":         head + "\n" + repeat("word ", large/5),
		"50 MB of quotes":           head + "\n" + repeat("> all work and no play\n", large/23),
		"50 MB of openers":          head + "\n" + repeat("On Mon, 2 Mar 2026 at 10:00, Ann <ann@example.com> wrote:\n", large/59),
		"50 MB of quote marks":      head + "\n" + repeat(">", large),
		"10,000 nested blockquotes": head + "Content-Type: text/html\n\n" + repeat("<blockquote type=cite>", 10_000) + "x",
		"50 MB of HTML":             head + "Content-Type: text/html\n\n" + repeat("<p>word</p>\n", large/12),
		"a report of 50 MB": "From: MAILER-DAEMON@example.org\nSubject: failure notice\n\n" +
			repeat("<ann@example.com>: 550 5.1.1 user unknown\n", large/42),
		"a delivery-status part without end": "From: MAILER-DAEMON@example.org\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
			"--b\nContent-Type: message/delivery-status\n\n" + repeat("Final-Recipient: rfc822; ann@example.com\nAction: failed\nStatus: 5.1.1\n\n", 100_000),
		"an absence that never ends": "From: ben@example.org\nSubject: Out of office\nAuto-Submitted: auto-replied\n\n" + repeat("until 1 ", large/8),
	}
}

// No message takes more than its share of time, whatever is asked about it.
func TestHostileMail(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 1 GB of memory")
	}
	for name, raw := range hostile() {
		for _, command := range [][]string{{"classify"}, {"match", "-me", "ann@example.com"}, {"threads"}, {"reply"}} {
			began := time.Now()
			if err := run(t.Context(), append(command, "-"), strings.NewReader(raw), io.Discard); err != nil {
				t.Errorf("%s: %s: %v", name, command[0], err)
			}
			// A quadratic pass over this much takes hours.
			if took := time.Since(began); took > 90*time.Second {
				t.Errorf("%s: %s took %v", name, command[0], took)
			}
		}
	}
}
