package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"testing"
	"time"

	gomail "github.com/emersion/go-message/mail"
	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

var testDate = time.Date(2026, 11, 20, 10, 0, 0, 0, time.FixedZone("", 3600))

// plain is the smallest message; the tests add to it.
func plain(change func(*mailbox.Outgoing)) *mailbox.Outgoing {
	out := &mailbox.Outgoing{
		From:         mailbox.Address{Name: "Anna Lee", Address: "anna@example.com"},
		To:           []mailbox.Address{{Address: "ben@example.org"}},
		Subject:      "Hello",
		Text:         "Hello Ben\n",
		Date:         testDate,
		RFCMessageID: "id@example.com",
	}
	if change != nil {
		change(out)
	}
	return out
}

// goldenMails are rendered into testdata/build, which is where to look for what
// each of them becomes.
var goldenMails = []struct {
	name string
	out  *mailbox.Outgoing
	bcc  bool
}{
	{name: "text", out: plain(nil)},
	{name: "html", out: plain(func(o *mailbox.Outgoing) { o.Text, o.HTML = "", "<p>Hello Ben</p>" })},
	{name: "alternative", out: plain(func(o *mailbox.Outgoing) { o.HTML = "<p>Hello Ben</p>" })},
	{name: "addresses", bcc: true, out: plain(func(o *mailbox.Outgoing) {
		o.From = mailbox.Address{Name: "Jörg Müller", Address: "joerg@bücher.example"}
		o.ReplyTo = []mailbox.Address{{Name: "Support, Level 2", Address: "support@example.com"}}
		o.To = []mailbox.Address{
			{Name: `Ben "B." Doe`, Address: "ben@example.org"},
			{Name: "=?utf-8?q?not_a_word?=", Address: `"odd local"@example.org`},
			{Name: strings.Repeat("Langer Name ", 12) + "Ende", Address: "lang@example.org"},
			{Name: strings.Repeat("长", 80), Address: "cjk@example.cn"},
			{Address: strings.Repeat("l", 64) + "@" + strings.Repeat("d", 63) + "." + strings.Repeat("d", 63) + ".example"},
		}
		o.Cc = []mailbox.Address{{Address: "carla@[192.0.2.1]"}}
		o.Bcc = []mailbox.Address{{Address: "dora@example.net"}}
	})},
	{name: "subject", out: plain(func(o *mailbox.Outgoing) {
		o.Subject = "Grüße aus 北京: " + strings.Repeat("ein langer Betreff, der gefaltet wird, ", 4) + "🙂"
		o.Header = mailbox.Header{
			{Name: "X-Plain", Value: strings.Repeat("words that are folded at spaces ", 6) + "end"},
			{Name: "X-Long-Word", Value: strings.Repeat("w", 300)},
			{Name: "X-Spaces", Value: "two  spaces"},
			{Name: "x-lower", Value: "=?utf-8?q?literal?="},
		}
		o.Ref = "ref_0-9AZaz"
	})},
	{name: "everything", out: plain(func(o *mailbox.Outgoing) {
		o.Text = "Hallo Ben,\r\nsiehe Anhang.\n\n-- kein Trenner\n.\nFrom hier an: äöü " + strings.Repeat("x", 200) + " \n"
		o.HTML = `<html><body><p>Hallo Ben, <img src="cid:logo"></p></body></html>`
		o.Attachments = []mailbox.File{
			{Name: "logo.png", ContentType: "image/png", ContentID: "logo", Inline: true, Data: []byte("\x89PNG\r\n\x1a\n\x00")},
			{Name: "Übersicht über alles, was im nächsten Jahr zu tun sein wird.pdf", ContentType: "application/pdf", Data: bytes.Repeat([]byte("pdf"), 100)},
			{Name: `quoted "name".txt`, ContentType: "text/plain", Data: []byte("Grüße\n")},
			{ContentType: `text/calendar; method=REQUEST; charset="utf-8"`, Data: []byte("BEGIN:VCALENDAR\n")},
			{Name: "original.eml", ContentType: "message/rfc822", Data: []byte("Subject: x\n\nbody\n")},
			{Data: nil},
		}
		o.Signature = &mailbox.Signature{Text: "Anna Lee\nExample Ltd", HTML: "<b>Anna Lee</b>"}
	})},
	{name: "reply", out: plain(func(o *mailbox.Outgoing) {
		o.Subject = "Re: Hello"
		o.HTML = "<div>Thanks!</div>"
		o.Reply = &mailbox.Reply{
			RFCMessageID: "parent@example.org",
			References:   []mailbox.RFCMessageID{"root@example.org", "middle@example.org", "root@example.org"},
			Quote: &mailbox.Quote{
				From: mailbox.Address{Name: "Ben Doe", Address: "ben@example.org"},
				Date: testDate,
				Body: mailbox.Body{HTML: "<html><head><style>p{color:red}</style></head><body><p>How are you?<br>1 < 2</p></div></body></html>"},
			},
		}
		o.Signature = &mailbox.Signature{Text: "Anna"}
	})},
	{name: "unsubscribe", out: plain(func(o *mailbox.Outgoing) {
		o.Unsubscribe = &mailbox.Unsubscribe{URL: "https://example.com/u?id=1&x=%20", Mailto: "leave+1@example.com?subject=leave%20me"}
	})},
}

func TestBuildGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range goldenMails {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			built, err := Build(tt.out, BuildOptions{Bcc: tt.bcc})
			if err != nil {
				t.Fatal(err)
			}
			if built.RFCMessageID != tt.out.RFCMessageID {
				t.Errorf("id %q", built.RFCMessageID)
			}
			again, err := Build(tt.out, BuildOptions{Bcc: tt.bcc})
			if err != nil || !bytes.Equal(built.Raw, again.Raw) {
				t.Errorf("the same message was rendered differently: %v", err)
			}
			compareFile(t, "testdata/build/"+tt.name+".eml", built.Raw)
			checkWire(t, built.Raw)
			checkRoundTrip(t, tt.out, built.Raw)
			readStrictly(t, tt.out, built.Raw)
		})
	}
}

// readStrictly reads a rendered message with go-message, which stops at the
// first thing that is not as the standards have it.
func readStrictly(t *testing.T, out *mailbox.Outgoing, raw []byte) {
	t.Helper()
	r, err := gomail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := r.Header.Subject()
	if err != nil || subject != out.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	to, err := r.Header.AddressList("To")
	if err != nil || len(to) != len(out.To) {
		t.Fatalf("to: %d of %d addresses, %v", len(to), len(out.To), err)
	}
	for i, a := range to {
		if a.Name != out.To[i].Name {
			t.Errorf("to[%d]: name %q became %q", i, out.To[i].Name, a.Name)
		}
	}
	if refs, err := r.Header.MsgIDList("References"); err != nil || out.Reply != nil && len(refs) != 3 {
		t.Errorf("references %v, %v", refs, err)
	}
	body := Bodies(out)
	files := 0
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(part.Body)
		if err != nil {
			t.Fatal(err)
		}
		mediaType, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Errorf("content type: %v", err)
		}
		disposition, _, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		text := strings.TrimRight(normalizeLines(string(content)), "\n")
		switch {
		case disposition != "":
			files++
		case mediaType == "text/plain" && text != strings.TrimRight(normalizeLines(body.Text), "\n"):
			t.Errorf("text %q, want %q", text, body.Text)
		case mediaType == "text/html" && text != strings.TrimRight(normalizeLines(body.HTML), "\n"):
			t.Errorf("html %q, want %q", text, body.HTML)
		}
	}
	if files != len(out.Attachments) {
		t.Errorf("%d files, want %d", files, len(out.Attachments))
	}
}

// TestBuildFillsIn covers what Build adds by itself.
func TestBuildFillsIn(t *testing.T) {
	t.Parallel()
	out := plain(func(o *mailbox.Outgoing) {
		o.From = mailbox.Address{}
		o.Date = time.Time{}
		o.RFCMessageID = ""
		o.Bcc = []mailbox.Address{{Address: "hidden@example.net"}}
	})
	opts := BuildOptions{From: mailbox.Address{Name: "Box", Address: "box@example.com"}, Now: testDate}
	built, err := Build(out, opts)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(bytes.NewReader(built.Raw), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]mailbox.Address{opts.From}, m.From); diff != "" || !m.Date.Equal(testDate) {
		t.Errorf("date %v, from:\n%s", m.Date, diff)
	}
	if m.RFCMessageID == "" || m.RFCMessageID != built.RFCMessageID || mailbox.Domain(string(m.RFCMessageID)) != "example.com" {
		t.Errorf("id %q, in the message %q", built.RFCMessageID, m.RFCMessageID)
	}
	if bytes.Contains(built.Raw, []byte("hidden@")) {
		t.Error("Bcc is told to everybody")
	}
	if _, err := Build(out, BuildOptions{}); fieldOf(err) != "from.address" {
		t.Errorf("no From at all: %v", err)
	}
	before := time.Now().Add(-time.Minute)
	built, err = Build(out, BuildOptions{From: opts.From})
	if err != nil {
		t.Fatal(err)
	}
	m, err = Read(bytes.NewReader(built.Raw), ReadOptions{})
	if err != nil || m.Date.Before(before) || m.Date.After(time.Now().Add(time.Minute)) {
		t.Errorf("date %v, %v", m.Date, err)
	}
}

// fieldOf returns the field that an Invalid error names.
func fieldOf(err error) string {
	fe, ok := errors.AsType[*mailbox.FieldError](err)
	if !ok || !errors.Is(err, mailbox.ClassInvalid) || mailbox.OutcomeOf(err) != mailbox.OutcomeNotSent {
		return fmt.Sprintf("not Invalid: %v", err)
	}
	return fe.Field
}

func TestBuildMaxBytes(t *testing.T) {
	t.Parallel()
	out := plain(func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{Data: make([]byte, 30_000)}} })
	built, err := Build(out, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(built.Raw))
	for _, tt := range []struct {
		max  int64
		want bool
	}{{size, true}, {size - 1, false}, {100, false}} {
		_, err := Build(out, BuildOptions{MaxBytes: tt.max})
		if tt.want && err != nil || !tt.want && fieldOf(err) != "message size" {
			t.Errorf("%d bytes with a limit of %d: %v", size, tt.max, err)
		}
	}
	if got := estimate(out, Bodies(out)); got > size {
		t.Errorf("a message of %d bytes is estimated at %d", size, got)
	}
}

// TestBuildBoundaries renders a message that encloses an earlier rendering of
// itself: no boundary of the outer one may occur in the inner one.
func TestBuildBoundaries(t *testing.T) {
	t.Parallel()
	out := plain(func(o *mailbox.Outgoing) { o.HTML = "<p>x</p>" })
	for range 3 {
		built, err := Build(out, BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out = plain(func(o *mailbox.Outgoing) {
			o.HTML = "<p>x</p>"
			o.Attachments = []mailbox.File{{ContentType: "message/rfc822", Data: built.Raw}}
		})
	}
	built, err := Build(out, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(bytes.NewReader(built.Raw), ReadOptions{})
	if err != nil || len(m.Warnings) > 0 || len(m.Attachments) != 1 || m.Attachments[0].Size != int64(len(out.Attachments[0].Data)) {
		t.Errorf("%v %v %v", err, m.Warnings, m.Attachments)
	}
}
