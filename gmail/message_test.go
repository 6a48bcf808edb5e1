package gmail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

func TestMessageFields(t *testing.T) {
	t.Parallel()
	const src = `{
		"id": "18c0", "threadId": "18bf", "labelIds": ["INBOX", "UNREAD", "Label_1"], "snippet": "x", "historyId": "77",
		"internalDate": "1700000000123", "sizeEstimate": 4321, "newField": {"a": [1]},
		"payload": {"partId": "", "mimeType": "text/plain", "headers": [
			{"name": "Received", "value": "first"},
			{"name": "Received", "value": "second\r\n\tfolded"},
			{"name": "From", "value": "Ann Example <ann@example.com>"},
			{"name": "To", "value": "bob@example.com, Carl <carl@example.com>"},
			{"name": "Subject", "value": "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?="},
			{"name": "Message-Id", "value": "<a.b@example.com>"},
			{"name": "Date", "value": "Tue, 14 Nov 2023 22:13:20 +0000"}
		]}
	}`
	w, err := decodeMessage([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := &mailbox.Message{
		ID: "18c0", ThreadID: "18bf", RFCMessageID: "a.b@example.com",
		Folders: []mailbox.Folder{mailbox.FolderInbox},
		Header: mailbox.Header{
			{Name: "Received", Value: "first"},
			{Name: "Received", Value: "second\tfolded"},
			{Name: "From", Value: "Ann Example <ann@example.com>"},
			{Name: "To", Value: "bob@example.com, Carl <carl@example.com>"},
			{Name: "Subject", Value: "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?="},
			{Name: "Message-Id", Value: "<a.b@example.com>"},
			{Name: "Date", Value: "Tue, 14 Nov 2023 22:13:20 +0000"},
		},
		HeaderComplete: true,
		From:           []mailbox.Address{{Name: "Ann Example", Address: "ann@example.com"}},
		To:             []mailbox.Address{{Address: "bob@example.com"}, {Name: "Carl", Address: "carl@example.com"}},
		Subject:        "Grüße",
		Date:           time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC),
		ReceivedAt:     time.UnixMilli(1700000000123).UTC(),
		Size:           4321,
	}
	if diff := cmp.Diff(want, w.message()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		labels      []string
		want        []mailbox.Folder
		read, draft bool
	}{
		{[]string{"UNREAD", "INBOX"}, []mailbox.Folder{mailbox.FolderInbox}, false, false},
		{[]string{"SENT", "INBOX"}, []mailbox.Folder{mailbox.FolderInbox, mailbox.FolderSent}, true, false},
		{[]string{"DRAFT"}, []mailbox.Folder{mailbox.FolderDrafts}, true, true},
		{[]string{"TRASH", "UNREAD"}, []mailbox.Folder{mailbox.FolderTrash}, false, false},
		{[]string{"SPAM"}, []mailbox.Folder{mailbox.FolderSpam}, true, false},
		{[]string{"Label_1", "STARRED", "CATEGORY_SOCIAL"}, []mailbox.Folder{mailbox.FolderArchive}, true, false},
		{nil, []mailbox.Folder{mailbox.FolderArchive}, true, false},
	}
	for _, tt := range tests {
		m := (&wireMessage{LabelIDs: tt.labels}).message()
		if diff := cmp.Diff(tt.want, m.Folders); diff != "" || m.Read != tt.read || m.Draft != tt.draft {
			t.Errorf("%v: read %v, draft %v, folders (-want +got):\n%s", tt.labels, m.Read, m.Draft, diff)
		}
	}
}

// TestOddJSON: null, unknown and mistyped members cost at most themselves.
func TestOddJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, src string
		check     func(*mailbox.Message) bool
		damaged   bool
	}{
		{
			"nulls", `{"id":"1","threadId":null,"labelIds":null,"internalDate":null,"sizeEstimate":null,"payload":null,"raw":null}`,
			func(m *mailbox.Message) bool { return m.ID == "1" && m.ReceivedAt.IsZero() && !m.HeaderComplete }, false,
		},
		{
			"null elements", `{"id":"1","labelIds":[null,"SENT"],"payload":{"headers":[null,{"name":null,"value":null},{"name":"Subject","value":"s"}],"parts":[null]}}`,
			func(m *mailbox.Message) bool { return m.In(mailbox.FolderSent) && m.Subject == "s" }, false,
		},
		{
			"numbers as numbers", `{"id":"1","internalDate":1700000000000,"sizeEstimate":"55","historyId":77}`,
			func(m *mailbox.Message) bool { return m.ReceivedAt.Unix() == 1700000000 && m.Size == 55 }, false,
		},
		{
			"numbers that are none", `{"id":"1","internalDate":"yesterday","sizeEstimate":1e99}`,
			func(m *mailbox.Message) bool { return m.ReceivedAt.IsZero() && m.Size == 0 }, false,
		},
		{
			"negative numbers", `{"id":"1","internalDate":"-5","sizeEstimate":-5}`,
			func(m *mailbox.Message) bool { return m.ReceivedAt.IsZero() && m.Size == 0 }, false,
		},
		{
			"labels of another type", `{"id":"1","labelIds":{"a":1},"payload":{"headers":[{"name":"Subject","value":"s"}]}}`,
			func(m *mailbox.Message) bool { return m.ID == "1" && m.Subject == "s" }, true,
		},
		{
			"a header value of another type", `{"id":"1","payload":{"headers":[{"name":"Subject","value":7},{"name":"From","value":"a@example.com"}]}}`,
			func(m *mailbox.Message) bool { return len(m.From) == 1 }, true,
		},
		{
			"no header", `{"id":"1","labelIds":["INBOX"]}`,
			func(m *mailbox.Message) bool { return !m.HeaderComplete && len(m.Header) == 0 }, false,
		},
		{
			"duplicate fields", `{"id":"1","payload":{"headers":[{"name":"Subject","value":"one"},{"name":"subject","value":"two"},{"name":"From","value":"a@example.com"},{"name":"From","value":"b@example.com"}]}}`,
			func(m *mailbox.Message) bool { return m.Subject == "one" && len(m.Header) == 4 && len(m.Warnings) > 0 }, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, err := decodeMessage([]byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			m := w.message()
			if !tt.check(m) {
				t.Errorf("got %+v", m)
			}
			told := false
			for _, w := range m.Warnings {
				told = told || w.Code == mailbox.WarnIncomplete
			}
			if told != tt.damaged || tt.damaged && m.HeaderComplete {
				t.Errorf("warnings %v, complete %v; want one about damage: %v", m.Warnings, m.HeaderComplete, tt.damaged)
			}
		})
	}
	for _, src := range []string{"", "<html>", `{"id":"1"`, `{"id":"1"}}`, "\xff"} {
		if _, err := decodeMessage([]byte(src)); err == nil {
			t.Errorf("%q is taken for a message", src)
		}
	}
}

func TestDecodeBase64(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		whole    bool
	}{
		{"", "", true},
		{"YQ==", "a", true},
		{"YQ", "a", true},
		{"_-8=", "\xff\xef", true},
		{"/+8=", "\xff\xef", true},
		{"YWJj\r\nZGVm\r\n", "abcdef", true},
		{"YWJj!!!!", "abc", false},
		{"Y", "", false},
	}
	for _, tt := range tests {
		got, whole := decodeBase64(tt.in)
		if string(got) != tt.want || whole != tt.whole {
			t.Errorf("decodeBase64(%q) = %q, %v; want %q, %v", tt.in, got, whole, tt.want, tt.whole)
		}
	}
}

// leaf is a part with content.
func leaf(kind, text string, header ...string) string {
	h := fmt.Sprintf(`{"name":"Content-Type","value":%q}`, kind)
	for i := 0; i+1 < len(header); i += 2 {
		h += fmt.Sprintf(`,{"name":%q,"value":%q}`, header[i], header[i+1])
	}
	mediaType, _, _ := strings.Cut(kind, ";")
	return fmt.Sprintf(`{"mimeType":%q,"filename":"","headers":[%s],"body":{"size":%d,"data":%q}}`,
		mediaType, h, len(text), base64.URLEncoding.EncodeToString([]byte(text)))
}

// file is an attachment.
func file(kind, name string, size int, header ...string) string {
	p := strings.Replace(leaf(kind, "", header...), `"filename":""`, fmt.Sprintf(`"filename":%q`, name), 1)
	return strings.Replace(p, `"body":{"size":0,"data":""}`, fmt.Sprintf(`"body":{"size":%d,"attachmentId":"att-%s"}`, size, name), 1)
}

func multi(kind string, parts ...string) string {
	return fmt.Sprintf(`{"mimeType":"multipart/%s","filename":"","headers":[],"body":{"size":0},"parts":[%s]}`, kind, strings.Join(parts, ","))
}

func TestBody(t *testing.T) {
	t.Parallel()
	latin1 := "Gr\xfc\xdfe"
	tests := []struct {
		name    string
		payload string
		text    string
		html    string
		files   []mailbox.Attachment
		warned  mailbox.WarningCode
	}{
		{name: "text", payload: leaf("text/plain; charset=utf-8", "Grüße\r\n"), text: "Grüße\n"},
		{name: "HTML", payload: leaf("text/html", "<b>x</b>"), html: "<b>x</b>"},
		{name: "charset as declared", payload: leaf("text/plain; charset=iso-8859-1", latin1), text: "Grüße"},
		{name: "UTF-8 whatever is declared", payload: leaf("text/plain; charset=iso-8859-1", "Grüße"), text: "Grüße"},
		{name: "ISO-2022-JP turned into UTF-8", payload: leaf("text/plain; charset=iso-2022-jp", "日本"), text: "日本"},
		{name: "ISO-2022-JP as declared", payload: leaf("text/plain; charset=iso-2022-jp", "\x1b$BF|K\\\x1b(B"), text: "日本"},
		{name: "UTF-16 turned into ASCII", payload: leaf("text/plain; charset=utf-16", "plain"), text: "plain"},
		{name: "UTF-16 as declared", payload: leaf("text/plain; charset=utf-16le", "a\x00b\x00"), text: "ab"},
		{name: "unknown charset", payload: leaf("text/plain; charset=x-nope", latin1), text: "Grüße", warned: mailbox.WarnCharset},
		{
			name:    "alternative",
			payload: multi("alternative", leaf("text/plain", "t"), leaf("text/html", "h"), leaf("text/html", "later")), text: "t", html: "h",
		},
		{
			name: "with files",
			payload: multi("mixed",
				multi("related",
					multi("alternative", leaf("text/plain", "t"), leaf("text/html", "h")),
					file("image/png", "logo.png", 10, "Content-ID", "<logo>"),
					file("image/png", "second.png", 11, "Content-ID", "<second>", "Content-Disposition", "inline; filename=second.png")),
				file("application/pdf", "a.pdf", 5_000_000, "Content-Disposition", `attachment; filename="a.pdf"`),
				leaf("text/plain", "not the body", "Content-Disposition", "attachment")),
			text: "t", html: "h",
			files: []mailbox.Attachment{
				{ID: "att-logo.png", Name: "logo.png", ContentType: "image/png", ContentID: "logo", Size: 10, Inline: true},
				{ID: "att-second.png", Name: "second.png", ContentType: "image/png", ContentID: "second", Size: 11, Inline: true},
				{ID: "att-a.pdf", Name: "a.pdf", ContentType: "application/pdf", Size: 5_000_000},
				{ContentType: "text/plain", Size: 12},
			},
		},
		{name: "text in a row", payload: multi("mixed", leaf("text/plain", "one"), leaf("text/plain", "two")), text: "one\ntwo"},
		{
			name:    "HTML with a footer of text",
			payload: multi("mixed", leaf("text/html", "<p>main</p>"), leaf("text/plain", "a < b")),
			html:    "<p>main</p>\n<pre>a &lt; b</pre>\n",
		},
		{
			name:    "both with a footer of text",
			payload: multi("mixed", multi("alternative", leaf("text/plain", "main"), leaf("text/html", "<p>main</p>")), leaf("text/plain", "foot")),
			text:    "main\nfoot", html: "<p>main</p>\n<pre>foot</pre>\n",
		},
		{
			name: "enclosed message is not opened",
			payload: multi("mixed", leaf("text/plain", "see"),
				`{"mimeType":"message/rfc822","filename":"m.eml","headers":[],"body":{"size":99,"attachmentId":"att"},"parts":[`+leaf("text/plain", "inner")+`]}`),
			text: "see", files: []mailbox.Attachment{{ID: "att", Name: "m.eml", ContentType: "message/rfc822", Size: 99}},
		},
		{
			name:    "parts of a report",
			payload: multi("report", leaf("text/plain", "could not"), leaf("message/delivery-status", "Status: 5.1.1"), leaf("text/rfc822-headers", "Subject: x")),
			text:    "could not",
			files: []mailbox.Attachment{
				{ContentType: "message/delivery-status", Size: 13}, {ContentType: "text/rfc822-headers", Size: 10},
			},
		},
		{name: "only a file", payload: file("application/pdf", "a.pdf", 5), files: []mailbox.Attachment{{ID: "att-a.pdf", Name: "a.pdf", ContentType: "application/pdf", Size: 5}}},
		{name: "large text", payload: strings.Replace(leaf("text/plain", ""), `"data":""`, `"attachmentId":"big"`, 1), text: "loaded big"},
		{
			name:    "large text that is gone",
			payload: strings.Replace(leaf("text/plain", ""), `"data":""`, `"attachmentId":"gone"`, 1), warned: mailbox.WarnIncomplete,
		},
		{
			name:    "text too large to load",
			payload: strings.Replace(leaf("text/plain", ""), `"size":0,"data":""`, `"size":9000000,"attachmentId":"big"`, 1), warned: mailbox.WarnTruncated,
		},
		{name: "damaged base64", payload: strings.Replace(leaf("text/plain", "abc"), `"YWJj"`, `"YWJj*"`, 1), text: "abc", warned: mailbox.WarnEncoding},
		{name: "unpadded base64", payload: strings.Replace(leaf("text/plain", "abcd"), `"YWJjZA=="`, `"YWJjZA"`, 1), text: "abcd"},
		{
			name: "multipart without parts", text: "--x\nrest", warned: mailbox.WarnMultipart,
			payload: multi("mixed", leaf("multipart/alternative", "--x\nrest")),
		},
		{
			name: "large multipart without parts", text: "before", warned: mailbox.WarnMultipart,
			payload: multi("mixed", leaf("text/plain", "before"), file("multipart/alternative", "", 900)),
			files:   []mailbox.Attachment{{ID: "att-", ContentType: "multipart/alternative", Size: 900}},
		},
		{name: "nothing", payload: `{}`},
		{name: "null parts", payload: `{"mimeType":"multipart/mixed","parts":[null,` + leaf("text/plain", "x") + `]}`, text: "x"},
		{name: "deep", payload: strings.Repeat(`{"mimeType":"multipart/mixed","parts":[`, 200) + leaf("text/plain", "x") + strings.Repeat("]}", 200), warned: mailbox.WarnTooDeep},
		{name: "many", payload: multi("mixed", strings.Repeat(`{"mimeType":"image/png"},`, 2000)+`{}`), warned: mailbox.WarnTruncated, files: slices.Repeat([]mailbox.Attachment{{ContentType: "image/png"}}, 1000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, err := decodeMessage([]byte(`{"id":"1","payload":` + tt.payload + `}`))
			if err != nil {
				t.Fatal(err)
			}
			m := w.message()
			m.Warnings = nil // of the header
			err = w.addBody(m, func(id string) (string, error) {
				if id == "gone" {
					return "", &mailbox.Error{Class: mailbox.ClassNotFound}
				}
				return base64.URLEncoding.EncodeToString([]byte("loaded " + id)), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&mailbox.Body{Text: tt.text, HTML: tt.html}, m.Body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.files, m.Attachments); diff != "" {
				t.Errorf("attachments (-want +got):\n%s", diff)
			}
			var codes []mailbox.WarningCode
			for _, w := range m.Warnings {
				codes = append(codes, w.Code)
			}
			var want []mailbox.WarningCode
			if tt.warned != "" {
				want = append(want, tt.warned)
			}
			if diff := cmp.Diff(want, codes); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBodyLoadFails(t *testing.T) {
	t.Parallel()
	w, err := decodeMessage([]byte(`{"payload":` + strings.Replace(leaf("text/plain", ""), `"data":""`, `"attachmentId":"big"`, 1) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	fault := errors.New("fault")
	if err := w.addBody(w.message(), func(string) (string, error) { return "", fault }); !errors.Is(err, fault) {
		t.Errorf("error %v, want that of the load", err)
	}
}

func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	part := leaf("text/plain", strings.Repeat("x", 3<<20))
	w, err := decodeMessage([]byte(`{"payload":` + multi("mixed", part, part, part) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	m := w.message()
	if err := w.addBody(m, nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(m.Body.Text, "x"); n != maxText {
		t.Errorf("%d bytes of text, want %d", n, maxText)
	}
	if len(m.Warnings) == 0 || m.Warnings[len(m.Warnings)-1].Code != mailbox.WarnTruncated {
		t.Errorf("warnings %v, want one about the size", m.Warnings)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"id":"1","threadId":"2","labelIds":["INBOX"],"internalDate":"1700000000000","payload":` +
		multi("mixed", leaf("text/plain; charset=iso-8859-1", "x\xff"), file("a/b", "c", 5)) + `}`))
	f.Add([]byte(`{"payload":{"headers":[{"name":"From","value":"a <b@c>\r\n d"}],"parts":[{"parts":[{}]}]}}`))
	f.Add([]byte(`{"internalDate":1e400,"payload":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := decodeMessage(data)
		if err != nil {
			return
		}
		m := w.message()
		for _, h := range m.Header {
			if strings.ContainsAny(h.Value, "\r\n") {
				t.Errorf("line break in %q", h.Value)
			}
		}
		if len(m.Folders) == 0 || m.Size < 0 {
			t.Errorf("folders %v, size %d", m.Folders, m.Size)
		}
		if err := w.addBody(m, func(id string) (string, error) { return id, nil }); err != nil {
			t.Fatal(err)
		}
		if m.Body == nil || !utf8.ValidString(m.Body.Text) || !utf8.ValidString(m.Body.HTML) {
			t.Errorf("body %+v", m.Body)
		}
		for _, a := range m.Attachments {
			if a.Size < 0 {
				t.Errorf("attachment %+v", a)
			}
		}
		if b, err := json.Marshal(m); err != nil || !bytes.HasPrefix(b, []byte("{")) {
			t.Errorf("the message cannot be stored: %v", err)
		}
	})
}
