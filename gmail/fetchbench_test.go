package gmail_test

import (
	"testing"

	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

// BenchmarkThousandHeaders reads 1,000 headers from the fake in process, and
// counts the HTTP requests; one request a message is the baseline. The time is
// that of the fake more than of the driver.
func BenchmarkThousandHeaders(b *testing.B) {
	w := setup(b, gmailtest.Options{})
	ids := w.many(1000)
	mb := w.open(ann, mailbox.CanReadHeaders)
	w.ClearLog()
	runs := 0
	b.ReportAllocs()
	for b.Loop() {
		must[[]*mailbox.Message](b)(mb.Fetch(b.Context(), ids, mailbox.PartHeaders))
		runs++
	}
	requests := float64(w.requests()) / float64(runs)
	b.ReportMetric(requests, "requests/op")
	if requests > 40 {
		b.Errorf("%v requests, want at most 40", requests)
	}
}
