package compose

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
)

// crlf writes a message of the tables below with the line ends of the wire.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// head is the header that the messages below begin with, so that they lack
// nothing but what they are about.
const head = "From: a@example.com\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n"

// brokenMails are messages with one fault each, and what is still read of them.
var brokenMails = []struct {
	name     string
	raw      string
	subject  string
	text     string
	html     string
	files    []mailbox.Attachment
	warnings []string // code and part
}{
	{
		name: "nothing",
		raw:  "", warnings: []string{"missing_header Date", "missing_header From"},
	},
	{
		name: "no header",
		raw:  "just some text\nand more\n", text: "just some text\nand more",
		warnings: []string{"malformed_header ", "missing_header Date", "missing_header From"},
	},
	{
		name: "header only, no blank line",
		raw:  head + "Subject: x", subject: "x",
	},
	{
		name: "blank line missing",
		raw:  head + "Subject: x\nDear Anna,\n\nthis is it.\n", subject: "x", text: "Dear Anna,\n\nthis is it.",
		warnings: []string{"malformed_header "},
	},
	{
		name: "folded without white space",
		raw:  head + "Subject: one\ntwo three\nTo: b@example.com\n\nbody", subject: "one two three", text: "body",
		warnings: []string{"malformed_header "},
	},
	{
		name: "parameter on a line of its own",
		raw:  head + "Content-Type: multipart/mixed;\nboundary=\"b\"\n\n--b\n\nhello\n--b--\n", text: "hello",
		warnings: []string{"malformed_header "},
	},
	{
		name: "mbox line and blank line on top",
		raw:  "\nFrom a@b Fri Nov 20 10:00:00 2026\n" + head + "Subject: x\n\nbody", subject: "x", text: "body",
		warnings: []string{"malformed_header "},
	},
	{
		name: "space in front of the colon",
		raw:  head + "Subject : x\n\nbody", subject: "x", text: "body",
	},
	{
		name: "two of everything",
		raw:  head + "From: second@example.com\nSubject: first\nSubject: second\nDate: x\n\nbody", subject: "first", text: "body",
		warnings: []string{"duplicate_header Date", "duplicate_header From", "duplicate_header Subject"},
	},
	{
		name: "CR only",
		raw:  strings.ReplaceAll(head+"Subject: x\n\none\ntwo\n", "\n", "\r"), subject: "x", text: "one\ntwo",
		warnings: []string{"malformed_header "},
	},
	{
		name: "CR CR LF",
		raw:  strings.ReplaceAll(head+"Subject: x\n\none\ntwo\n", "\n", "\r\r\n"), subject: "x", text: "one\ntwo",
	},
	{
		name: "every line end there is",
		raw:  head + "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\n--b\r\n\r\none\r\r\n--b\n\ntwo\rthree\r\n--b--\r", subject: "x", text: "one\ntwo\nthree",
	},
	{
		name: "NULs",
		raw:  head + "Subject: a\x00b\n\none\x00two\n", subject: "ab", text: "onetwo",
		warnings: []string{"malformed_encoding 1", "malformed_encoding Subject"},
	},
	{
		name: "raw 8-bit header in the charset of the body",
		raw:  head + "Subject: \xf0\xd2\xc9\nContent-Type: text/plain; charset=koi8-r\n\n\xf0\xd2\xc9", subject: "При", text: "При",
		warnings: []string{"unknown_charset Subject"},
	},
	{
		name: "raw UTF-8 header",
		raw:  head + "Subject: Grüße\n\nbody", subject: "Grüße", text: "body",
	},
	{
		name: "unknown charset, UTF-8",
		raw:  head + "Content-Type: text/plain; charset=x-martian\n\nGrüße", text: "Grüße",
		warnings: []string{"unknown_charset 1"},
	},
	{
		name: "unknown charset, not UTF-8",
		raw:  head + "Content-Type: text/plain; charset=x-martian\n\nGr\xfc\xdfe \x93x\x94", text: "Grüße “x”",
		warnings: []string{"unknown_charset 1"},
	},
	{
		name: "UTF-8 with a wrong byte",
		raw:  head + "Content-Type: text/plain; charset=utf-8\n\nGr\xc3\xbc\xdfe", text: "Grüße",
		warnings: []string{"unknown_charset 1"},
	},
	{
		name: "HTML tells its charset",
		raw:  head + "Content-Type: text/html\n\n<meta charset=koi8-r>\xf0\xd2\xc9", html: "<meta charset=koi8-r>При",
	},
	{
		name: "damaged base64",
		raw:  head + "Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=utf-8\n\nR3LD*\nvMOfZQ", text: "Grüße",
		warnings: []string{"malformed_encoding 1"},
	},
	{
		name: "base64 with a plain footer",
		raw:  head + "Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=utf-8\n\nR3LDvMOfZQ==\n____\nlist footer\n", text: "Grüße",
		warnings: []string{"malformed_encoding 1"},
	},
	{
		name: "damaged quoted-printable",
		raw:  head + "Content-Transfer-Encoding: Quoted-Printable\nContent-Type: text/plain; charset=utf-8\n\nGr=c3=BC=C3=9Fe =ZZ = x \t\nso=\nft=", text: "Grüße =ZZ = x\nsoft",
		warnings: []string{"malformed_encoding 1"},
	},
	{
		name: "unknown transfer encoding",
		raw:  head + "Content-Transfer-Encoding: x-rot13\n\nuryyb", text: "uryyb",
		warnings: []string{"malformed_encoding "},
	},
	{
		name: "boundary never occurs",
		raw:  head + "Content-Type: multipart/mixed; boundary=b\n\nhello\n", text: "hello",
		warnings: []string{"malformed_multipart "},
	},
	{
		name: "boundary parameter missing",
		raw:  head + "Content-Type: multipart/mixed\n\n--b\nContent-Type: text/plain\n\nhello\n--b--\n", text: "hello",
		warnings: []string{"malformed_multipart "},
	},
	{
		name: "boundary parameter wrong",
		raw:  head + "Content-Type: multipart/mixed; boundary=other\n\n--b\nContent-Type: text/plain\n\nhello\n--b--\n", text: "hello",
		warnings: []string{"malformed_multipart "},
	},
	{
		name: "no boundary at all",
		raw:  head + "Content-Type: multipart/mixed\n\nhello\n", text: "hello",
		warnings: []string{"malformed_multipart "},
	},
	{
		name: "never closed",
		raw:  head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n", text: "hello",
		warnings: []string{"malformed_multipart "},
	},
	{
		name: "inner multipart never closed",
		raw: head + "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/alternative; boundary=in\n\n" +
			"--in\n\ntext\n--in\nContent-Type: text/html\n\n<p>html\n--out\nContent-Type: application/pdf\n\nx\n--out--\n",
		text: "text", html: "<p>html",
		files:    []mailbox.Attachment{{ID: "2", ContentType: "application/pdf", Size: 1}},
		warnings: []string{"malformed_multipart 1"},
	},
	{
		name: "inner and outer boundary are the same",
		raw: head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b\n\n" +
			"--b\n\ntext\n--b--\n--b\nContent-Type: application/pdf\n\nx\n--b--\n",
		text:     "text",
		files:    []mailbox.Attachment{{ID: "1.2", ContentType: "application/pdf", Size: 1}},
		warnings: []string{"malformed_multipart ", "malformed_multipart 1"},
	},
	{
		name: "inner boundary begins with the outer one",
		raw: head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=bb\n\n" +
			"--bb\n\ntext\n--bb--\n--b--\n",
		text: "text",
	},
	{
		name: "a part behind the end",
		raw:  head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\nepilogue\n--b\n\ntwo\n--b--\n", text: "one\ntwo",
		warnings: []string{"malformed_multipart "},
	},
	{
		name: "part without header and blank line",
		raw:  head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nNote: hello\n--b--\n", text: "Note: hello",
		warnings: []string{"malformed_header 1"},
	},
	{
		name: "white space behind boundaries",
		raw:  head + "Content-Type: multipart/mixed; boundary=\"b \"\n\n--b  \n\nhello\n--b-- \t\n", text: "hello",
	},
	{
		name: "content type in ruins",
		raw:  head + "Content-Type: multipart; boundary=b\n\n--b\nContent-Type: html\n\n<p>hi\n--b\nContent-Type: pdf\nContent-Disposition: attachment\n\nx\n--b--\n",
		html: "<p>hi", files: []mailbox.Attachment{{ID: "2", ContentType: "application/octet-stream", Size: 1}},
		warnings: []string{"malformed_header 1", "malformed_header 2", "malformed_header "},
	},
	{
		name: "date nobody can read",
		raw:  "From: a@example.com\nDate: yesterday\n\nx", text: "x", warnings: []string{"malformed_date Date"},
	},
	{
		name: "addresses in ruins",
		raw:  "From: Anna a@example.com\nDate: 20 Nov 26 10:00 GMT\n\nx", text: "x", warnings: []string{"malformed_address From"},
	},
	{
		name: "encoded words in ruins",
		raw:  head + "Subject: =?UTF-8?q?Gr=c3?= =?utf-8?Q?=bc=c3=9f?==?utf-8?b?ZQ?= und =?utf-8?Q?spaces inside?= =?utf-8?Q?no_end\n\nx",
		text: "x", subject: "Grüße und spaces insideno end", warnings: []string{"malformed_encoding Subject"},
	},
	{
		name: "line break in an encoded word",
		raw:  head + "Subject: =?utf-8?q?a=0D=0ABcc:_x@y?=\n\nx", text: "x", subject: "a  Bcc: x@y", warnings: []string{"malformed_encoding Subject"},
	},
	{
		name:  "damaged base64 in a file",
		raw:   head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAA*A\nA\n--b--\n",
		files: []mailbox.Attachment{{ID: "1", ContentType: "image/png", Size: 3}}, warnings: []string{"malformed_encoding 1"},
	},
	{
		name:  "damaged file name",
		raw:   head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png; name*=utf-8''a%ZZ\n\nx\n--b--\n",
		files: []mailbox.Attachment{{ID: "1", Name: "a%ZZ", ContentType: "image/png", Size: 1}}, warnings: []string{"malformed_encoding 1"},
	},
	{
		name: "text of another kind",
		raw:  head + "Content-Type: text/enriched\n\n<bold>x</bold>", text: "<bold>x</bold>",
	},
	{
		name:  "nothing but a file",
		raw:   head + "Content-Type: application/pdf; name=x.pdf\nContent-Transfer-Encoding: base64\n\nAAAA\n",
		files: []mailbox.Attachment{{ID: "1", Name: "x.pdf", ContentType: "application/pdf", Size: 3}},
	},
	{
		name:  "digest",
		raw:   head + "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inner\n\nx\n--b--\n",
		files: []mailbox.Attachment{{ID: "1", ContentType: "message/rfc822", Size: 17}},
	},
	{
		name: "named text in front is read, behind is a file",
		raw:  head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name=a.txt\n\none\n--b\nContent-Type: text/plain; name=b.txt\n\ntwo\n--b--\n",
		text: "one", files: []mailbox.Attachment{{ID: "2", Name: "b.txt", ContentType: "text/plain", Size: 3}},
	},
	{
		name: "envelope line inside the header",
		raw:  head + "Subject: one\n>From a@b Fri Nov 20 10:00:00 2026\n two\n\nbody", subject: "one two", text: "body",
		warnings: []string{"malformed_header "},
	},
	{
		name: "leading white space",
		raw:  " " + head + "Subject: x\n\nbody", subject: "x", text: "body",
	},
	{
		name: "id without @",
		raw:  head + "Message-ID: <12345>\n\nx", text: "x", warnings: []string{"malformed_header Message-ID"},
	},
}

func TestReadBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range brokenMails {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := Read(strings.NewReader(tt.raw), ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if m.Subject != tt.subject {
				t.Errorf("subject %q, want %q", m.Subject, tt.subject)
			}
			if diff := cmp.Diff(&mailbox.Body{Text: tt.text, HTML: tt.html}, m.Body); diff != "" {
				t.Errorf("body:\n%s", diff)
			}
			if diff := cmp.Diff(tt.files, m.Attachments, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("attachments:\n%s", diff)
			}
			sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
			if diff := cmp.Diff(tt.warnings, warned(m), cmpopts.EquateEmpty(), sorted); diff != "" {
				t.Errorf("warnings:\n%s\n%v", diff, m.Warnings)
			}
		})
	}
}

func warned(m *mailbox.Message) []string {
	var codes []string
	for _, w := range m.Warnings {
		codes = append(codes, string(w.Code)+" "+w.Part)
	}
	return codes
}

// TestReadFiles reads the messages of testdata/read, which are shaped like
// those of well-known senders, and compares with what is kept beside them.
func TestReadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/read/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			m, err := Read(f, ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			m.Header = nil
			compareGolden(t, strings.TrimSuffix(name, ".eml")+".json", m)
		})
	}
}

func TestReadLimits(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string {
		var b strings.Builder
		b.WriteString(head)
		for i := range depth {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		b.WriteString("\ninnermost\n")
		for i := depth - 1; i >= 0; i-- {
			fmt.Fprintf(&b, "--b%d--\n", i)
		}
		return b.String()
	}
	parts := head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: image/png\n\nx\n", 30) + "--b--\n"
	tests := []struct {
		name    string
		raw     string
		opts    ReadOptions
		field   string // of the error
		warning string
		files   int
		text    string
	}{
		{name: "message", raw: head + "\n" + strings.Repeat("x", 3000), opts: ReadOptions{MaxMessage: 3000}, field: "message"},
		{name: "message fits", raw: head + "\nabc", opts: ReadOptions{MaxMessage: int64(len(head) + 4)}, text: "abc"},
		{name: "header", raw: head + "X: " + strings.Repeat("x", 3000) + "\n\nbody", opts: ReadOptions{MaxHeader: 3000}, field: "header"},
		{
			name:    "header of a part",
			raw:     head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: " + strings.Repeat("x", 3000) + "\n\nhello\n--b--\n",
			opts:    ReadOptions{MaxHeader: 3000},
			warning: "truncated 1", text: "hello",
		},
		{name: "body", raw: head + "\n" + strings.Repeat("x", 3000), opts: ReadOptions{MaxBody: 10}, warning: "truncated 1", text: "xxxxxxxxxx"},
		{name: "body cut inside a character", raw: head + "Content-Type: text/plain; charset=utf-8\n\nxüüüüüü", opts: ReadOptions{MaxBody: 6}, warning: "truncated 1", text: "xüü"},
		{
			name: "a preamble is not text",
			raw:  head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("preamble\n", 10) + "--b\n\n0123456789\n--b--\n",
			opts: ReadOptions{MaxBody: 10}, text: "0123456789",
		},
		{name: "parts", raw: parts, opts: ReadOptions{MaxParts: 20}, warning: "truncated ", files: 20},
		{name: "fields", raw: head + strings.Repeat("a:\n", 1<<18) + "\nbody", warning: "truncated ", text: "body"},
		{name: "depth fits", raw: nested(50), text: "innermost"},
		{name: "depth", raw: nested(51), warning: "too_deep 1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", files: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := Read(strings.NewReader(tt.raw), tt.opts)
			if tt.field != "" {
				fe, ok := errors.AsType[*mailbox.FieldError](err)
				if !ok || fe.Field != tt.field || !errors.Is(err, mailbox.ClassInvalid) {
					t.Fatalf("got %v, want Invalid for %q", err, tt.field)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []string(nil)
			if tt.warning != "" {
				want = []string{tt.warning}
			}
			if diff := cmp.Diff(want, warned(m)); diff != "" {
				t.Errorf("warnings:\n%s", diff)
			}
			if len(m.Attachments) != tt.files || m.Body.Text != tt.text {
				t.Errorf("%d attachments and %q, want %d and %q", len(m.Attachments), m.Body.Text, tt.files, tt.text)
			}
		})
	}
}

// TestReadError hands on the error of the source, wherever it strikes.
func TestReadError(t *testing.T) {
	t.Parallel()
	raw := crlf(head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: image/png\n\nx\n--b--\n")
	broken := errors.New("connection lost")
	for n := range raw {
		src := io.MultiReader(strings.NewReader(raw[:n]), iotest.ErrReader(broken))
		if m, err := Read(src, ReadOptions{}); !errors.Is(err, broken) || m != nil {
			t.Fatalf("source fails after %d bytes: got %v, %v", n, m, err)
		}
	}
}

// TestReadHeadersOnly stops behind the header: the body is not even looked at.
func TestReadHeadersOnly(t *testing.T) {
	t.Parallel()
	body := strings.NewReader(strings.Repeat("x", 1<<20))
	src := io.MultiReader(strings.NewReader(crlf(head+"Subject: x\n\n")), body)
	m, err := Read(src, ReadOptions{HeadersOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	want := &mailbox.Message{
		HeaderComplete: true,
		Header: mailbox.Header{
			{Name: "From", Value: "a@example.com"},
			{Name: "Date", Value: "Fri, 20 Nov 2026 10:00:00 +0000"},
			{Name: "Subject", Value: "x"},
		},
		From:    []mailbox.Address{{Address: "a@example.com"}},
		Subject: "x",
		Date:    time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	if read := 1<<20 - body.Len(); read > bufferSize {
		t.Errorf("%d bytes of the body were read", read)
	}
}

// TestReadBigHeader reads a header of 10 MB to its last field.
func TestReadBigHeader(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(head)
	for i := range 50_000 {
		fmt.Fprintf(&b, "X-Field-%d: %s\n", i, strings.Repeat("v", 100))
	}
	b.WriteString("References:")
	for i := range 100_000 {
		fmt.Fprintf(&b, "\n <%d@references.example.com>", i)
	}
	b.WriteString("\nTo: ")
	for i := range 50_000 {
		fmt.Fprintf(&b, "Recipient <%d@recipients.example.com>,\n ", i)
	}
	b.WriteString("last@example.com\nSubject: the last\n\nbody\n")
	m, err := Read(strings.NewReader(b.String()), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Warnings) > 0 || m.Subject != "the last" || len(m.To) != 50_001 || len(m.Header) != 50_005 || m.Body.Text != "body" {
		t.Errorf("%d bytes: warnings %v, subject %q, %d recipients, %d fields", b.Len(), m.Warnings, m.Subject, len(m.To), len(m.Header))
	}
	if want := "99999@references.example.com"; !strings.HasSuffix(m.Header.Get("References"), "<"+want+">") {
		t.Error("the end of References is lost")
	}
}
