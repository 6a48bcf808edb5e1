package threading_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/internal/corpustest"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/threading"
)

// sentMessage has one id, a thread, one recipient and 32 phrases.
func sentMessage(i int) threading.SentMessage {
	phrases := make([]uint64, 32)
	for p := range phrases {
		phrases[p] = uint64(p)<<58 + uint64(i)
	}
	return threading.SentMessage{
		Ref: ref, Key: fmt.Sprintf("campaign-7/contact-%09d", i), Provider: mailbox.Gmail,
		IDs:        []mailbox.RFCMessageID{mailbox.RFCMessageID(fmt.Sprintf("%09d.1a2b3c4d5e6f@outbound.example.com", i))},
		Thread:     mailbox.ThreadID(fmt.Sprintf("18f0a%011x", i)),
		Recipients: []string{fmt.Sprintf("contact.%09d@example.org", i)},
		Subject:    "A question about the warehouse", At: noon.Add(time.Duration(i) * time.Second), Phrases: phrases,
	}
}

func filled(b *testing.B, n int) *threading.Memory {
	b.Helper()
	index := threading.NewMemory()
	for i := range n {
		if err := index.Add(context.Background(), sentMessage(i)); err != nil {
			b.Fatal(err)
		}
	}
	return index
}

// The time of a match does not grow with the index.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sent=%d", n), func(b *testing.B) {
			if n > 100_000 && testing.Short() {
				b.Skip("takes about 1 GB of memory")
			}
			matcher := &threading.Matcher{Index: filled(b, n)}
			runtime.GC()
			var replies, inThread []*mailbox.Message
			for i := 0; i < n; i += n / 1000 {
				s := sentMessage(i)
				m := header("From: Contact <"+s.Recipients[0]+">", "To: ann@example.com", "Message-ID: <reply."+string(s.IDs[0])+">",
					"Subject: Re: "+s.Subject, "In-Reply-To: "+s.IDs[0].Brackets(), "References: <older@example.org> "+s.IDs[0].Brackets())
				m.From = []mailbox.Address{{Address: s.Recipients[0]}}
				replies = append(replies, m)
				c := *m
				c.Header, c.ThreadID, c.ReceivedAt = nil, s.Thread, s.At.Add(time.Hour)
				inThread = append(inThread, &c)
			}
			for _, evidence := range []struct {
				name     string
				messages []*mailbox.Message
				least    mailbox.Level
			}{{"id", replies, mailbox.LevelCertain}, {"thread", inThread, mailbox.LevelHigh}} {
				b.Run(evidence.name, func(b *testing.B) {
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						m := evidence.messages[i%len(evidence.messages)]
						match, err := matcher.Match(b.Context(), ref, m, mailbox.Verdict{Kind: mailbox.KindHuman})
						if err != nil || match.Level < evidence.least {
							b.Fatalf("%+v, %v", match, err)
						}
						i++
					}
				})
			}
		})
	}
}

// The time of a lookup does not grow with the index: by an id, by the domain that
// all messages share, and by as many terms of other messages as a matcher may
// ask for.
func BenchmarkMemoryFind(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sent=%d", n), func(b *testing.B) {
			if n > 100_000 && testing.Short() {
				b.Skip("takes about 1 GB of memory")
			}
			index := filled(b, n)
			var many []threading.Term
			for i := range 256 {
				many = append(many, threading.ThreadTerm(sentMessage(i*(n/256)).Thread))
			}
			for _, bm := range []struct {
				name  string
				terms []threading.Term
				want  int
			}{
				{"id", []threading.Term{threading.IDTerm(sentMessage(n / 2).IDs[0])}, 1},
				{"domain", []threading.Term{threading.DomainTerm("example.org")}, threading.MaxPerTerm},
				{"terms=256", many, 256},
			} {
				b.Run(bm.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						found, err := index.Find(b.Context(), ref, bm.terms...)
						if err != nil || len(found) != bm.want {
							b.Fatalf("%d messages, %v", len(found), err)
						}
					}
				})
			}
		})
	}
}

// What a lookup costs that finds the most: 256 terms with 32 messages each.
func BenchmarkMemoryFindMost(b *testing.B) {
	index := threading.NewMemory()
	var terms []threading.Term
	for i := range 256 * threading.MaxPerTerm {
		m := sentMessage(i)
		m.Thread = mailbox.ThreadID(fmt.Sprint(i % 256))
		if err := index.Add(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 256 {
		terms = append(terms, threading.ThreadTerm(mailbox.ThreadID(fmt.Sprint(i))))
	}
	b.ReportAllocs()
	for b.Loop() {
		if found, err := index.Find(b.Context(), ref, terms...); err != nil || len(found) != 256*threading.MaxPerTerm {
			b.Fatalf("%d messages, %v", len(found), err)
		}
	}
}

// Messages that share a term may come in any order, and go in any.
func BenchmarkMemoryBackwards(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		index := threading.NewMemory()
		for i := range n {
			if err := index.Add(b.Context(), sentMessage(n-i)); err != nil {
				b.Fatal(err)
			}
		}
		if forgotten, err := index.Forget(b.Context(), ref, noon.Add(n*time.Hour)); err != nil || forgotten != n {
			b.Fatalf("%d forgotten, %v", forgotten, err)
		}
	}
}

// The memory of one message, as B/message.
func BenchmarkMemoryAdd(b *testing.B) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	index := threading.NewMemory()
	n := 0
	for b.Loop() {
		if err := index.Add(b.Context(), sentMessage(n)); err != nil {
			b.Fatal(err)
		}
		n++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/message")
	runtime.KeepAlive(index)
}

func BenchmarkClassify(b *testing.B) {
	common := []string{
		"Received: from mx.example.org by mx.example.com with ESMTPS id x; Mon, 2 Mar 2026 12:00:00 +0000",
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=from:to; bh=x; b=x", "Authentication-Results: mx.example.com; dkim=pass",
		"MIME-Version: 1.0", "Date: Mon, 2 Mar 2026 12:00:00 +0000", "Message-ID: <1@example.org>", "To: ann@example.com",
		"User-Agent: x", "X-Mailer: x", "Content-Language: en",
	}
	for _, bm := range []struct {
		name  string
		lines []string
	}{
		{"human", []string{"From: Ben <ben@example.org>", "Subject: Re: Offer", "In-Reply-To: <a@x>", "References: <b@x> <a@x>", "Content-Type: text/plain"}},
		{"auto_reply", []string{"From: Ben <ben@example.org>", "Subject: Automatic reply: Offer", "In-Reply-To: <a@x>", "Auto-Submitted: auto-generated"}},
		{"bounce", []string{
			"From: MAILER-DAEMON@example.org", "Subject: Undelivered Mail Returned to Sender", "Auto-Submitted: auto-replied",
			"Content-Type: multipart/report; report-type=delivery-status; boundary=b", "In-Reply-To: <a@x>",
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			m := header(append(common, bm.lines...)...)
			b.ReportAllocs()
			for b.Loop() {
				threading.Classify(m)
			}
		})
	}
}

func BenchmarkReadReport(b *testing.B) {
	b.SetBytes(int64(len(failure)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := threading.ReadReport(strings.NewReader(failure)); err != nil {
			b.Fatal(err)
		}
	}
}

// Real mail from raw bytes to the link, as the privacy policy has it: the header
// is read, classified and matched. It reports messages a second.
func BenchmarkRealMail(b *testing.B) {
	for _, name := range lists {
		b.Run(name, func(b *testing.B) {
			raws := slices.Collect(corpustest.Mbox(b, corpustest.Dir(b, "threads", name+".mbox.gz")))
			index := threading.NewMemory()
			for i, raw := range raws {
				if i%2 > 0 {
					continue
				}
				if err := index.Add(b.Context(), threading.NewSentMessage(ref, fmt.Sprint(i), corpustest.Header(b, raw))); err != nil {
					b.Fatal(err)
				}
			}
			matcher := &threading.Matcher{Index: index}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m, err := compose.Read(bytes.NewReader(raws[i%len(raws)]), compose.ReadOptions{HeadersOnly: true})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := matcher.Match(b.Context(), ref, m, threading.Classify(m)); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
