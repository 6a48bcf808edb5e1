package gmailtest_test

import (
	"fmt"
	"testing"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

// filled is a mailbox with 5,000 messages in 1,000 threads.
func filled(b *testing.B) (w *world, ids []string) {
	s := gmailtest.NewServer(b, gmailtest.Options{})
	w = populate(b, s)
	for i := range 5000 {
		ids = append(ids, w.deliver("From: "+carl, "To: "+ann, fmt.Sprintf("Subject: Re: topic %d", i%1000),
			fmt.Sprintf("Message-ID: <%d@x.example>", i), fmt.Sprintf("References: <%d@x.example>", i-1000)))
	}
	return w, ids
}

func BenchmarkDeliver(b *testing.B) {
	w, _ := filled(b)
	raw := []byte(message("From: "+carl, "To: "+ann, "Subject: Re: topic 7", "References: <7@x.example>"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Deliver(ann, raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListPage(b *testing.B) {
	w, _ := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		w.ok("GET", "/messages?labelIds=INBOX&maxResults=500", "")
		w.ClearLog()
	}
}

func BenchmarkGetMetadata(b *testing.B) {
	w, ids := filled(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.ok("GET", "/messages/"+ids[i%len(ids)]+"?format=metadata", "")
		w.ClearLog()
	}
}

func BenchmarkHistoryPage(b *testing.B) {
	w, _ := filled(b)
	start := w.Messages(ann)[1000].HistoryID
	b.ReportAllocs()
	for b.Loop() {
		w.ok("GET", fmt.Sprintf("/history?startHistoryId=%d&maxResults=500&labelId=INBOX", start), "")
		w.ClearLog()
	}
}
