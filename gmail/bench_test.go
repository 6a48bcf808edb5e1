package gmail

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	api "google.golang.org/api/gmail/v1"
)

// headerJSON is a message in format=metadata with 30 header fields, as mail that
// came through a few relays has them.
func headerJSON() []byte {
	var b strings.Builder
	b.WriteString(`{"id":"18c0ffee00000001","threadId":"18c0ffee00000000","labelIds":["INBOX","UNREAD","CATEGORY_PERSONAL","IMPORTANT"],` +
		`"snippet":"Hello","sizeEstimate":54321,"historyId":"123456","internalDate":"1700000000123","payload":{"partId":"","mimeType":"multipart/alternative","headers":[`)
	for i := range 22 {
		fmt.Fprintf(&b, `{"name":"X-Relay-%d","value":"from mx%d.outside.example (mx%d.outside.example. [192.0.2.%d]) by mx.example.com with ESMTPS id %x"},`, i, i, i, i, 1<<40+i)
	}
	b.WriteString(`{"name":"From","value":"Zoe Example <zoe@outside.example>"},{"name":"To","value":"Ann <ann@example.com>, Bob <bob@example.com>"},` +
		`{"name":"Subject","value":"Re: Offer for the second quarter"},{"name":"Date","value":"Tue, 14 Nov 2023 22:13:20 +0000"},` +
		`{"name":"Message-ID","value":"<a.b.c@outside.example>"},{"name":"In-Reply-To","value":"<CAxyz@mail.gmail.com>"},` +
		`{"name":"References","value":"<CAabc@mail.gmail.com> <CAxyz@mail.gmail.com>"},{"name":"MIME-Version","value":"1.0"}]}}`)
	return []byte(b.String())
}

// BenchmarkMessage turns one answer into a message, beside what the generated
// types need for decoding alone.
func BenchmarkMessage(b *testing.B) {
	data := headerJSON()
	b.Run("mailtether", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			w, err := decodeMessage(data)
			if err != nil {
				b.Fatal(err)
			}
			if m := w.message(); len(m.To) != 2 {
				b.Fatal(m)
			}
		}
	})
	b.Run("mailtether-decode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeMessage(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated-decode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			var m api.Message
			if err := json.Unmarshal(data, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
