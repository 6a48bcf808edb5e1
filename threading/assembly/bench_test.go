package assembly_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

// The time of one message, as ns/message, and what is kept of it, as B/message, in
// pairs of question and answer, all of one subject, with texts of ordinary length.
func BenchmarkAssemble(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			all := make([]*mailbox.Message, n)
			for i := range all {
				all[i] = message(fmt.Sprintf("%d.a@x", i), i, "In-Reply-To", fmt.Sprintf("<%d.a@x>", i-1))
				if i%2 == 0 {
					all[i].Header = nil
				}
				all[i].Subject = "Re: Hello"
				all[i].Body = &mailbox.Body{Text: fmt.Sprintf("Message %d says that %s.", i, benches)}
			}
			b.ReportAllocs()
			for b.Loop() {
				a := assembly.New(assembly.Options{Least: mailbox.LevelLow})
				for _, m := range all {
					a.Add(m)
				}
				for range a.Threads() {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
			b.ReportMetric(retained(all), "B/message")
		})
	}
}

// retained returns the memory that an Assembler holds for each message.
func retained(all []*mailbox.Message) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := assembly.New(assembly.Options{})
	for _, m := range all {
		a.Add(m)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(a)
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(len(all))
}
