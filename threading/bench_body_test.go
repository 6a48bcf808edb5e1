package threading_test

import (
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

func BenchmarkClassifyBody(b *testing.B) {
	for _, bm := range []struct {
		name string
		size int
	}{{"2KiB", 2 << 10}, {"50MiB", 50 << 20}} {
		b.Run(bm.name, func(b *testing.B) {
			m := header("From: ben@example.org", "Subject: Re: Offer", "In-Reply-To: <a@x>")
			m.Body = &mailbox.Body{Text: strings.Repeat("We take the grey one and thank you for your message, the rest later. ", bm.size/70)}
			b.ReportAllocs()
			for b.Loop() {
				threading.Classify(m)
			}
		})
	}
}
