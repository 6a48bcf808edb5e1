package assembly_test

import (
	"fmt"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

func ExampleAssembler() {
	a := assembly.New(assembly.Options{})
	a.Add(&mailbox.Message{
		RFCMessageID: "answer-2@example.org",
		Header:       mailbox.Header{{Name: "In-Reply-To", Value: "<offer-1@example.com>"}},
	})
	a.Add(&mailbox.Message{RFCMessageID: "offer-1@example.com"}) // the parent comes late
	for thread := range a.Threads() {
		for _, m := range thread.Messages {
			fmt.Println(m.Depth, m.ID, m.Level)
		}
	}
	// Output:
	// 0 offer-1@example.com none
	// 1 answer-2@example.org certain
}
