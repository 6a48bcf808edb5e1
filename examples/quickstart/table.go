package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/inbox"
	"github.com/mailtether/mailtether/mailbox/outbox"
)

// counts is what a poll did, and what the service was asked for.
type counts struct {
	inbox.Report
	asked asked
}

func table(out io.Writer, title string, columns ...string) (row func(cells ...any), flush func()) {
	fmt.Fprintf(out, "\n%s\n\n", title)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "  "+strings.Join(columns, "\t"))
	return func(cells ...any) {
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = fmt.Sprint(c)
		}
		fmt.Fprintln(tw, "  "+strings.Join(texts, "\t"))
	}, func() { tw.Flush() }
}

func printSent(out io.Writer, intents []outbox.Intent) {
	row, flush := table(out, "Sent", "MAILBOX", "KEY", "TO", "STATE", "MESSAGE-IDS")
	defer flush()
	for _, i := range intents {
		var ids []string
		for _, id := range i.Sent.RFCMessageIDs {
			ids = append(ids, string(id))
		}
		row(i.Mailbox, i.Key, i.Message.To[0].Address, i.State, strings.Join(ids, " = "))
	}
}

func printAnswers(out io.Writer, events []mailbox.Event) {
	row, flush := table(out, "What came back", "MAILBOX", "EVENT", "KEY", "FROM", "KIND", "LINK", "EVIDENCE")
	defer flush()
	for _, e := range events {
		if e.Message == nil || e.Match == nil {
			continue
		}
		from := ""
		if len(e.Message.From) > 0 {
			from = e.Message.From[0].Address
		}
		if e.Match.OtherSender {
			from += " (other sender)"
		}
		kind := string(e.Verdict.Kind)
		if e.Verdict.Sub != "" {
			kind += "/" + e.Verdict.Sub
		}
		if b := e.Verdict.Bounce; b != nil && len(b.Recipients) > 0 {
			kind += " " + strings.TrimSpace(b.Recipients[0].Status+" "+b.Recipients[0].Category)
		}
		var rules []string
		for _, ev := range slices.Concat(e.Match.Evidence, e.Verdict.Evidence) {
			rules = append(rules, ev.Rule)
		}
		row(e.Mailbox, e.Kind, e.Key, from, kind, e.Match.Level, strings.Join(rules, ", "))
	}
}

func printCounts(out io.Writer, reports map[mailbox.ProviderName]*counts) {
	row, flush := table(out, "Privacy", "PROVIDER", "MESSAGES SEEN", "BODIES READ", "CONTENT REQUESTS", "OF UNRELATED MESSAGES")
	defer flush()
	for _, p := range slices.Sorted(maps.Keys(reports)) {
		r := reports[p]
		row(p, r.Seen, r.Bodies, r.asked.total, r.asked.foreign)
	}
}
