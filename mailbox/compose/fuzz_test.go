package compose

import (
	"bytes"
	"errors"
	"io"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
)

// seeds are the messages of testdata, and small ones with one fault each.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, dir := range []string{"build", "read"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.eml"))
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in testdata/%s: %v", dir, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			all = append(all, b)
		}
	}
	for _, tt := range brokenMails {
		all = append(all, []byte(tt.raw))
	}
	return all
}

func FuzzRead(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	small := ReadOptions{MaxHeader: 2000, MaxBody: 300, MaxMessage: 20_000, MaxDepth: 3, MaxParts: 5}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(bytes.NewReader(b), ReadOptions{})
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		checkReadable(t, m)
		if len(b) < bufferSize {
			again, err := Read(iotest.OneByteReader(bytes.NewReader(b)), ReadOptions{})
			if diff := cmp.Diff(m, again); err != nil || diff != "" {
				t.Errorf("the result depends on how the source is read: %v\n%s", err, diff)
			}
		}
		header, err := Read(bytes.NewReader(b), ReadOptions{HeadersOnly: true})
		if err != nil {
			t.Fatalf("Read headers only: %v", err)
		}
		if diff := cmp.Diff(m.Header, header.Header); diff != "" || header.Subject != m.Subject || header.Body != nil {
			t.Errorf("headers only reads another header:\n%s", diff)
		}
		m, err = Read(bytes.NewReader(b), small)
		if err != nil {
			if !errors.Is(err, mailbox.ClassInvalid) {
				t.Fatalf("Read with limits: %v", err)
			}
			return
		}
		checkReadable(t, m)
		// One byte may become three (Windows-1252 in UTF-8), and as HTML up to
		// six; several parts are joined in both forms.
		if n := len(m.Body.Text) + len(m.Body.HTML); n > 40*300 {
			t.Errorf("the limit of the body is 300 bytes, got %d", n)
		}
		if len(m.Attachments) > 6 {
			t.Errorf("the limit is 5 parts, got %d attachments", len(m.Attachments))
		}
	})
}

// checkReadable holds what every message that was read has to keep.
func checkReadable(t *testing.T, m *mailbox.Message) {
	t.Helper()
	lines := []string{m.Subject, m.Sender.Name, m.Sender.Address}
	for _, list := range [][]mailbox.Address{m.From, m.ReplyTo, m.To, m.Cc, m.Bcc} {
		for _, a := range list {
			lines = append(lines, a.Name, a.Address)
			if a == (mailbox.Address{}) {
				t.Error("an address is empty")
			}
		}
	}
	for _, a := range m.Attachments {
		lines = append(lines, a.Name)
	}
	for _, s := range lines {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("decoded text holds control characters or is not UTF-8: %q", s)
		}
	}
	if b := m.Body; b != nil {
		for _, s := range []string{b.Text, b.HTML} {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r") {
				t.Errorf("a body holds NUL or CR or is not UTF-8: %q", s)
			}
		}
	}
	if len(m.Warnings) > maxWarnings {
		t.Errorf("%d warnings", len(m.Warnings))
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add("Subject", "=?utf-8?q?a=0Ab?= =?x?B?YQ?= \x80", "text/plain; charset=iso-2022-jp")
	f.Add("From", `"Doe, J." <j@example.com>, g: a@b (x), c;`, "")
	f.Add("Date", "Fri, 20 Nov 2026 10:00:00 +0100", "")
	f.Add("Message-ID", "<a@b>", "")
	f.Fuzz(func(t *testing.T, name, value, contentType string) {
		m := &mailbox.Message{Header: mailbox.Header{
			{Name: name, Value: value},
			{Name: "Content-Type", Value: contentType},
		}}
		Describe(m)
		checkReadable(t, m)
		first := *m
		Describe(m)
		if diff := cmp.Diff(&first, m); diff != "" {
			t.Errorf("Describe changes its own result:\n%s", diff)
		}
	})
}

func FuzzDecodeText(f *testing.F) {
	f.Add("text/plain; charset=utf-8", []byte("gr\xc3\xbc\xc3\x9fe \xff\r\r\nx"))
	f.Add("text/html", []byte(`<meta charset="koi8-r">`+"\xd0\xd2\xc9"))
	f.Add("text/plain; charset=utf-7", []byte("a+AOQ-b+-c+!"))
	f.Add("text/plain; charset=iso-2022-jp", []byte("\x1b$B%F%9%H\x1b(B"))
	f.Add("text/plain; charset=utf-16", []byte("\xff\xfea\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, contentType string, data []byte) {
		text, ws := DecodeText(contentType, data)
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r") {
			t.Errorf("not clean: %q", text)
		}
		if utf8.Valid(data) && contentType == "text/plain; charset=utf-8" && !bytes.ContainsAny(data, "\x00\r\ufeff") {
			if text != string(data) || len(ws) > 0 {
				t.Errorf("valid UTF-8 was changed: %q, %v", text, ws)
			}
		}
		html := textToHTML(text)
		if back := htmlToText(html); !strings.Contains(html, "&") && squeeze(back) != squeeze(text) {
			t.Errorf("text to HTML and back: %q became %q", text, back)
		}
		quotableHTML(text)
	})
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// FuzzAddresses compares with net/mail: whatever that accepts is read the same.
func FuzzAddresses(f *testing.F) {
	for _, tt := range addressTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := addressParser{s: s}
		got := p.parse()
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.Contains(s, "=?") || strings.Contains(s, "'") {
			return
		}
		parser := netmail.AddressParser{}
		want, err := parser.ParseList(s)
		if err != nil {
			return
		}
		var addresses []string
		for _, a := range want {
			addresses = append(addresses, unquoted(a.Address))
		}
		var ours []string
		for _, a := range got {
			ours = append(ours, unquoted(a.Address))
		}
		if !slices.Equal(addresses, ours) {
			t.Errorf("%q: got %q, net/mail reads %q", s, ours, addresses)
		}
	})
}

// unquoted removes what two spellings of an address may differ in.
func unquoted(s string) string {
	return strings.NewReplacer(`"`, "", `\`, "").Replace(s)
}

// FuzzDate compares with net/mail: whatever that accepts, with a zone that has
// one meaning, is read the same.
func FuzzDate(f *testing.F) {
	for _, tt := range dateTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseDate(s)
		if ok && (got.Year() < 1900 || got.Year() > 10000) {
			t.Errorf("%q: year %d", s, got.Year())
		}
		want, err := netmail.ParseDate(s)
		if err != nil || len(s) > maxDateLen || !strings.ContainsAny(s, "+-") || want.Year() < 1900 {
			return
		}
		if name, _ := want.Zone(); name != "" && name != "UTC" {
			return
		}
		if y := want.Year(); y >= 2050 && y < 2069 && !strings.Contains(s, strconv.Itoa(y)) {
			return // two digits: net/mail departs from RFC 5322 (4.3)
		}
		if _, offset := want.Zone(); offset >= 16*3600 || offset <= -16*3600 {
			return
		}
		if !ok || !got.Equal(want) {
			t.Errorf("%q: got %v, %v; net/mail reads %v", s, got, ok, want)
		}
	})
}

// FuzzMbox writes two messages into a mailbox file and reads them back.
func FuzzMbox(f *testing.F) {
	f.Add([]byte("Subject: a\n\nFrom here\n>From there\n"), []byte("Subject: b\n\nFrom 10:20 x\n\n"))
	f.Add([]byte("\n\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for range Mbox(bytes.NewReader(first)) { // any bytes
		}
		var file bytes.Buffer
		var want [][]byte
		for _, b := range [][]byte{first, second} {
			b = bytes.ReplaceAll(b, []byte("\r"), nil)
			if len(bytes.TrimSpace(b)) == 0 {
				return
			}
			if !bytes.HasSuffix(b, []byte("\n")) {
				b = append(b, '\n')
			}
			want = append(want, b)
			file.WriteString("From someone@example.com Fri Nov 20 10:00:00 2026\n")
			for l := range bytes.Lines(b) {
				if bytes.HasPrefix(bytes.TrimLeft(l, ">"), []byte("From ")) {
					file.WriteByte('>')
				}
				file.Write(l)
			}
			file.WriteByte('\n')
		}
		want[1] = append(want[1], '\n') // nothing follows the last message to take its blank line
		var got [][]byte
		for b, err := range Mbox(&file) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("written and read back:\n%s", diff)
		}
	})
}

func FuzzBuild(f *testing.F) {
	f.Add("Anna Weiß", "anna@example.com", "Grüße", "Hallo\n", "<p>Hallo</p>", "a.txt", "text/plain", "cid1", "X-Note", "value", "<p@example.com>", []byte("data"))
	f.Add("", "a@b", "", "x", "", "", "", "", "", "", "", []byte(nil))
	f.Add("a\r\nBcc: x@y", "a@b", "s", "t", "", "n", "text/html", "", "X-A", "b", "p@q", []byte("\x00"))
	f.Add(`D. "Q" \`, `"a b"@example.com`, "=?utf-8?q?a?=", " ", "<body></body>", `"\`, "application/x; a=\"b c\"", "a", "X-Long", strings.Repeat("x", 300), strings.Repeat("a", 300)+"@b", []byte("x"))
	f.Fuzz(func(t *testing.T, name, address, subject, text, html, fileName, contentType, contentID, fieldName, fieldValue, parent string, data []byte) {
		out := &mailbox.Outgoing{
			From:         mailbox.Address{Name: "Sender", Address: "sender@example.com"},
			To:           []mailbox.Address{{Name: name, Address: address}, {Address: "second@example.com"}},
			Subject:      subject,
			Text:         text,
			HTML:         html,
			RFCMessageID: "id@example.com",
			Date:         time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		}
		if fileName != "" || contentType != "" || contentID != "" || len(data) > 0 {
			out.Attachments = []mailbox.File{{Name: fileName, ContentType: contentType, ContentID: contentID, Inline: contentID != "", Data: data}}
		}
		if fieldName != "" {
			out.Header = mailbox.Header{{Name: fieldName, Value: fieldValue}}
		}
		if parent != "" {
			out.Reply = &mailbox.Reply{RFCMessageID: mailbox.RFCMessageID(parent), References: []mailbox.RFCMessageID{"root@example.com"}}
		}
		built, err := Build(out, BuildOptions{})
		if check := Check(out); (check == nil) != (err == nil) {
			t.Fatalf("Check says %v, Build says %v", check, err)
		}
		if err != nil {
			if _, ok := errors.AsType[*mailbox.FieldError](err); !ok || !errors.Is(err, mailbox.ClassInvalid) {
				t.Fatalf("not an Invalid error: %v", err)
			}
			return
		}
		checkWire(t, built.Raw)
		checkRoundTrip(t, out, built.Raw)
	})
}

// checkWire holds what every rendered message has to keep on the wire.
func checkWire(t *testing.T, raw []byte) {
	t.Helper()
	for l := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(l) > 998 {
			t.Errorf("a line of %d bytes", len(l))
		}
		if bytes.ContainsAny(l, "\r\n\x00") {
			t.Errorf("a line end that is not CRLF, or a NUL: %q", l)
		}
	}
	if !bytes.HasSuffix(raw, []byte("\r\n")) {
		t.Error("the message does not end in CRLF")
	}
	if !isASCII(raw) {
		t.Error("the message is not ASCII")
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("net/mail: %v", err)
	}
	for name := range m.Header {
		switch name {
		case "Date", "From", "Reply-To", "To", "Cc", "Bcc", "Subject", "Message-Id", "In-Reply-To", "References",
			"List-Unsubscribe", "List-Unsubscribe-Post", "Mime-Version", "Content-Type", "Content-Transfer-Encoding":
		default:
			if !strings.HasPrefix(name, "X-") {
				t.Errorf("a field that nobody asked for: %q", name)
			}
		}
		if len(m.Header[name]) != 1 {
			t.Errorf("field %q occurs %d times", name, len(m.Header[name]))
		}
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		t.Error(err)
	}
}

// checkRoundTrip reads a rendered message back and compares.
func checkRoundTrip(t *testing.T, out *mailbox.Outgoing, raw []byte) {
	t.Helper()
	m, err := Read(bytes.NewReader(raw), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Warnings) > 0 {
		t.Errorf("our own message needs repairs: %v", m.Warnings)
	}
	type fields struct {
		From, To, Cc, ReplyTo []mailbox.Address
		Subject               string
		Date                  time.Time
		ID                    mailbox.RFCMessageID
		References            []mailbox.RFCMessageID
		InReplyTo             []mailbox.RFCMessageID
		Body                  mailbox.Body
		Header                []string
	}
	want := fields{
		From: normalAddresses(out.From), To: normalAddresses(out.To...), Cc: normalAddresses(out.Cc...),
		ReplyTo: normalAddresses(out.ReplyTo...),
		Subject: strings.TrimSpace(out.Subject),
		Date:    out.Date,
		ID:      out.RFCMessageID,
		Body:    Bodies(out),
	}
	want.Body.Text = strings.TrimPrefix(normalizeLines(want.Body.Text), "\ufeff")
	want.Body.HTML = strings.TrimPrefix(normalizeLines(want.Body.HTML), "\ufeff")
	if out.Reply != nil {
		want.References = normalIDs(references(out.Reply.References, out.Reply.RFCMessageID))
		if id := out.Reply.RFCMessageID; id != "" {
			want.InReplyTo = normalIDs([]mailbox.RFCMessageID{id})
		}
	}
	got := fields{
		From: m.From, To: m.To, Cc: m.Cc, ReplyTo: m.ReplyTo, Subject: m.Subject, Date: m.Date, ID: m.RFCMessageID,
		References: m.References(), InReplyTo: m.InReplyTo(), Body: *m.Body,
	}
	for _, f := range out.Header {
		want.Header = append(want.Header, strings.TrimSpace(f.Value))
		value, _ := decodeHeader(m.Header.Get(f.Name), "")
		got.Header = append(got.Header, strings.TrimSpace(value))
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("built (-) and read back (+) differ:\n%s", diff)
	}
	if len(m.Attachments) != len(out.Attachments) {
		t.Fatalf("%d attachments became %d", len(out.Attachments), len(m.Attachments))
	}
	// Inline files stand in front of the others.
	files := slices.Clone(out.Attachments)
	slices.SortStableFunc(files, func(a, b mailbox.File) int {
		switch {
		case a.Inline == b.Inline:
			return 0
		case a.Inline:
			return -1
		default:
			return 1
		}
	})
	for i, a := range m.Attachments {
		f := files[i]
		if a.Name != strings.TrimSpace(f.Name) && a.Name != f.Name {
			t.Errorf("attachment %d: name %q became %q", i, f.Name, a.Name)
		}
		if a.ContentID != f.ContentID || a.Inline != f.Inline {
			t.Errorf("attachment %d: content id %q became %q, inline %v became %v", i, f.ContentID, a.ContentID, f.Inline, a.Inline)
		}
		if a.Size != int64(len(f.Data)) && !isMessageType(f.ContentType) {
			t.Errorf("attachment %d: %d bytes became %d", i, len(f.Data), a.Size)
		}
	}
}

// normalAddresses are addresses as they come back: domains in ASCII, quotes only
// where they are needed, no white space around names.
func normalAddresses(list ...mailbox.Address) []mailbox.Address {
	var normal []mailbox.Address
	for _, a := range list {
		p := addressParser{s: encodeAddress(mailbox.Address{Address: a.Address})}
		read := p.parse()
		if len(read) != 1 {
			return nil
		}
		normal = append(normal, mailbox.Address{Name: strings.TrimSpace(a.Name), Address: read[0].Address})
	}
	return normal
}

func normalIDs(ids []mailbox.RFCMessageID) []mailbox.RFCMessageID {
	return mailbox.ParseMessageIDs(encodeIDs(ids))
}
