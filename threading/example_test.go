package threading_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func ExampleMatcher_Match() {
	ctx := context.Background()
	ref := mailbox.Ref{Tenant: "acme", Mailbox: "sales"}
	index := threading.NewMemory()
	err := index.Add(ctx, threading.SentMessage{
		Ref: ref, Key: "offer-17", Provider: mailbox.Gmail,
		IDs:        []mailbox.RFCMessageID{"offer-17@acme.example"},
		Recipients: []string{"ben@example.org"},
		At:         time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	matcher := &threading.Matcher{Index: index}
	for _, from := range []string{"ben@example.org", "cleo@example.org"} {
		m := &mailbox.Message{
			HeaderComplete: true,
			From:           []mailbox.Address{{Address: from}},
			Header:         mailbox.Header{{Name: "In-Reply-To", Value: "<offer-17@acme.example>"}},
		}
		verdict := threading.Classify(m)
		match, err := matcher.Match(ctx, ref, m, verdict)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(verdict.Kind, match.Key, match.Level, match.OtherSender)
	}
	// Output:
	// human offer-17 certain false
	// human offer-17 high true
}
