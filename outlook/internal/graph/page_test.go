package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mailtether/mailtether/mailbox"
)

// pageOf makes a page as Graph answers to the fields that the driver selects.
func pageOf(messages, headers int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users('me')/mailFolders('inbox')/messages",` +
		`"@odata.nextLink":"https://graph.microsoft.com/v1.0/me/mailFolders/inbox/messages?$skip=1000","value":[`)
	for i := range messages {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"@odata.etag":"W/\"CQAAABYAAAC%06d\"","id":"AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAAAAAAAAAA%06d",`, i, i)
		fmt.Fprintf(&b, `"receivedDateTime":"2026-03-04T05:06:07Z","sentDateTime":"2026-03-04T05:06:01Z","hasAttachments":%t,`, i%3 == 0)
		fmt.Fprintf(&b, `"internetMessageId":"<%d.report@mail.example.org>","subject":"Weekly report %d \u2013 numbers",`, i, i)
		fmt.Fprintf(&b, `"parentFolderId":"AQMkADAwATM0MDAAMS1iMTcALWUyNzAtMDACLTAwCgAuAAAD","conversationId":"AAQkAGVmMDEzMTM4LTZmYWUtNDdkNC1hMDZi%06d",`, i)
		fmt.Fprintf(&b, `"isRead":%t,"isDraft":false,"sender":{"emailAddress":{"name":"Ann Example %d","address":"ann%d@example.org"}},`, i%2 == 0, i, i)
		fmt.Fprintf(&b, `"from":{"emailAddress":{"name":"Ann Example %d","address":"ann%d@example.org"}},`, i, i)
		b.WriteString(`"toRecipients":[{"emailAddress":{"name":"Bob Sample","address":"bob@example.net"}},{"emailAddress":{"name":"Cat Sample","address":"cat@example.net"}}],` +
			`"ccRecipients":[],"bccRecipients":[],"replyTo":[]`)
		if headers > 0 {
			b.WriteString(`,"internetMessageHeaders":[`)
			for h := range headers {
				if h > 0 {
					b.WriteByte(',')
				}
				quote := ""
				if h%5 == 0 {
					quote = `\"`
				}
				fmt.Fprintf(&b, `{"name":"X-Header-%d","value":"from mail-%d.example.org (2001:db8::%x) by mx.example.net with ESMTPS id %d%squoted%s; Wed, 4 Mar 2026"}`, h, i, h, i, quote, quote)
			}
			b.WriteByte(']')
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// sdkPage decodes a page with the models of the SDK.
func sdkPage(data []byte) ([]models.Messageable, error) {
	node, err := jsonserialization.NewJsonParseNodeFactory().GetRootParseNode("application/json", data)
	if err != nil {
		return nil, err
	}
	v, err := node.GetObjectValue(models.CreateMessageCollectionResponseFromDiscriminatorValue)
	if err != nil {
		return nil, err
	}
	return v.(models.MessageCollectionResponseable).GetValue(), nil
}

// BenchmarkPage decodes a page of 1,000 messages, with the fields of a list and
// with header blocks of 25 fields each.
func BenchmarkPage(b *testing.B) {
	for _, kind := range []struct {
		name    string
		headers int
	}{{"fields", 0}, {"headers", 25}} {
		data := pageOf(1000, kind.headers)
		text := string(data)
		b.Run("ours/"+kind.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := ParsePage(text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("sdk/"+kind.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := sdkPage(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The reason for our own decoder, as a test: at least 20 times fewer
// allocations than the models of the SDK.
func TestPageAllocatesLittle(t *testing.T) {
	for _, headers := range []int{0, 25} {
		data := pageOf(1000, headers)
		text := string(data)
		ours := testing.AllocsPerRun(3, func() {
			if p, err := ParsePage(text); err != nil || len(p.Messages) != 1000 {
				t.Fatal(err)
			}
		})
		sdk := testing.AllocsPerRun(1, func() {
			if v, err := sdkPage(data); err != nil || len(v) != 1000 {
				t.Fatal(err)
			}
		})
		t.Logf("%d fields: %.0f allocations, SDK %.0f, ratio %.0f", headers, ours, sdk, sdk/ours)
		if sdk < 20*ours {
			t.Errorf("%d fields: %.0f allocations, SDK %.0f: less than 20 times fewer", headers, ours, sdk)
		}
	}
}

// Both decoders read the same.
func TestPageAgreesWithTheSDK(t *testing.T) {
	t.Parallel()
	data := pageOf(20, 5)
	ours, err := ParsePage(string(data))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := sdkPage(data)
	if err != nil {
		t.Fatal(err)
	}
	address := func(r models.Recipientable) mailbox.Address {
		return mailbox.Address{Name: *r.GetEmailAddress().GetName(), Address: *r.GetEmailAddress().GetAddress()}
	}
	want := make([]Message, len(theirs))
	for i, m := range theirs {
		want[i] = Message{
			ID: *m.GetId(), ConversationID: *m.GetConversationId(), ParentFolderID: *m.GetParentFolderId(),
			InternetMessageID: *m.GetInternetMessageId(), Subject: *m.GetSubject(),
			ReceivedDateTime: m.GetReceivedDateTime().Format("2006-01-02T15:04:05Z"),
			SentDateTime:     m.GetSentDateTime().Format("2006-01-02T15:04:05Z"),
			IsRead:           *m.GetIsRead(), IsDraft: *m.GetIsDraft(), HasAttachments: *m.GetHasAttachments(),
			From: address(m.GetFrom()), Sender: address(m.GetSender()),
		}
		for _, r := range m.GetToRecipients() {
			want[i].To = append(want[i].To, address(r))
		}
		for _, h := range m.GetInternetMessageHeaders() {
			want[i].Header = append(want[i].Header, mailbox.Field{Name: *h.GetName(), Value: *h.GetValue()})
		}
	}
	if diff := cmp.Diff(want, ours.Messages); diff != "" {
		t.Errorf("messages (-SDK +ours):\n%s", diff)
	}
	if ours.NextLink != "https://graph.microsoft.com/v1.0/me/mailFolders/inbox/messages?$skip=1000" || ours.DeltaLink != "" {
		t.Errorf("links %q, %q", ours.NextLink, ours.DeltaLink)
	}
}

func TestPageThatWasCutOffIsAnError(t *testing.T) {
	t.Parallel()
	text := string(pageOf(2, 2))
	for i := range len(text) {
		if p, err := ParsePage(text[:i]); err == nil {
			t.Fatalf("cut at %d of %d: %+v", i, len(text), p)
		}
	}
}

// Keeping one message must not keep the page.
func TestMessagesDoNotHoldThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	keep := func() Message {
		p, err := ParsePage(string(pageOf(5000, 25)))
		if err != nil {
			t.Fatal(err)
		}
		m := p.Messages[7]
		return m
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := keep()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("one message keeps %d bytes", grown)
	}
	runtime.KeepAlive(m)
}

func TestReaderStaysFlat(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000)
	m, err := ParseMessage(`{"future":` + deep + `,"id":"1"}`)
	if err != nil || m.ID != "1" {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := ParseMessage(`{"future":` + strings.Repeat("[", 1_000_000)); err == nil {
		t.Error("unclosed brackets are accepted")
	}
}

func TestStringsAreUnescaped(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "plain", "é🎉\u2028", "\"\\/\b\f\n\r\t", "\x00\x1f\x7f", strings.Repeat("a\\", 100), "\uFFFD",
	} {
		for _, text := range []string{marshal(t, s), asciiJSON(s)} {
			m, err := ParseMessage(`{"subject":` + text + `}`)
			if err != nil || m.Subject != s {
				t.Errorf("%s reads %q, %v", text, m.Subject, err)
			}
		}
	}
	for text, want := range map[string]string{
		`"\ud83d"`: "\uFFFD", `"\ud83dx"`: "\uFFFDx", `"\ud83d\u0041"`: "\uFFFDA", `"\udc00"`: "\uFFFD",
		`"\u12"`: "\uFFFD12", `"\uzzzz"`: "\uFFFDzzzz", `"\q"`: "\uFFFD", "\"\xff\"": "\uFFFD",
	} {
		m, err := ParseMessage(`{"subject":` + text + `}`)
		if err != nil || m.Subject != want {
			t.Errorf("%s reads %q, %v, want %q", text, m.Subject, err, want)
		}
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// asciiJSON escapes everything that can be.
func asciiJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String() + `"`
}

func FuzzPage(f *testing.F) {
	f.Add(string(pageOf(2, 2)))
	f.Add(`{"value":[{"id":"1","@removed":{"reason":"deleted"}},null],"@odata.deltaLink":"https://x.example/"}`)
	f.Add(`{"value":[{"id":"\ud83c\udf89","body":{"contentType":"HTML","content":"<p>\u003c"},"from":null}]}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePage(text)
		if err != nil {
			if json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
				t.Fatalf("valid JSON is refused: %v", err)
			}
			return
		}
		var size int
		for _, m := range p.Messages {
			size += len(m.Subject) + len(m.Body)
			for _, h := range m.Header {
				size += len(h.Name) + len(h.Value)
			}
		}
		if size > 3*len(text) { // U+FFFD is three bytes
			t.Fatalf("%d bytes out of %d", size, len(text))
		}
	})
}

// Valid messages read as encoding/json reads them.
func FuzzMessage(f *testing.F) {
	f.Add("id", "subject", "name", "a@x.example", true)
	f.Add("\"", "\\u0000", "\n\t\x00", "é🎉\xff", false)
	f.Fuzz(func(t *testing.T, id, subject, name, address string, read bool) {
		type email struct {
			Name    string `json:"name"`
			Address string `json:"address"`
		}
		type recipient struct {
			EmailAddress email `json:"emailAddress"`
		}
		in := map[string]any{
			"id": id, "subject": subject, "isRead": read, "from": recipient{email{name, address}},
			"internetMessageHeaders": []map[string]string{{"name": "X-" + name, "value": address}},
			"other":                  map[string]any{subject: []string{id, name}},
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Skip()
		}
		var back struct {
			ID, Subject string
			From        recipient
		}
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		got, err := ParseMessage(string(text))
		if err != nil {
			t.Fatal(err)
		}
		want := Message{
			ID: back.ID, Subject: back.Subject, IsRead: read, From: mailbox.Address(back.From.EmailAddress),
			Header: mailbox.Header{{Name: "X-" + back.From.EmailAddress.Name, Value: back.From.EmailAddress.Address}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("message (-want +got):\n%s", diff)
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add(`{"responses":[{"id":"2","status":200,"headers":{"Retry-After":"3"},"body":{"id":"x","value":[{"id":"a","size":3}]}},{"id":"1","status":429}]}`, 2)
	f.Add(`{"responses":[{"id":"1","status":-9223372036854775809,"headers":[],"body":"x"}]}`, 1)
	f.Add(`{"id":"x","uploadUrl":"https://x.example","nextExpectedRanges":["5-9"],"proxyAddresses":["SMTP:a@x.example"]}`, 0)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = max(0, min(n, 40))
		answers, err := ParseBatch(text, n)
		if err == nil && len(answers) != n {
			t.Fatalf("%d answers for %d calls", len(answers), n)
		}
		for _, a := range answers {
			ParseMessage(a.Body)
			ParseAttachments(a.Body)
			ParseID(a.Body)
		}
		parseSession(text)
		parseProfile(text)
	})
}
