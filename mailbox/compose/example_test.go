package compose_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

func ExampleBuild() {
	built, err := compose.Build(&mailbox.Outgoing{
		From:         mailbox.Address{Name: "Jörg", Address: "joerg@example.com"},
		To:           []mailbox.Address{{Name: "Ben Doe", Address: "ben@example.org"}},
		Subject:      "Grüße",
		Text:         "Hello Ben",
		HTML:         "<p>Hello Ben</p>",
		Signature:    &mailbox.Signature{Text: "Jörg"},
		Unsubscribe:  &mailbox.Unsubscribe{URL: "https://example.com/u/42"},
		Date:         time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), // default: now
		RFCMessageID: "made-by-hand@example.com",                     // default: compose makes one
	}, compose.BuildOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.ReplaceAll(string(built.Raw), "\r\n", "\n"))
	// Output:
	// Date: Fri, 20 Nov 2026 10:00:00 +0000
	// From: =?utf-8?b?SsO2cmc=?= <joerg@example.com>
	// To: Ben Doe <ben@example.org>
	// Subject: =?utf-8?b?R3LDvMOfZQ==?=
	// Message-Id: <made-by-hand@example.com>
	// List-Unsubscribe: <https://example.com/u/42>
	// List-Unsubscribe-Post: List-Unsubscribe=One-Click
	// Mime-Version: 1.0
	// Content-Type: multipart/alternative; boundary="=_b1f17377a8e6dfb8e8fc9051_1"
	//
	// --=_b1f17377a8e6dfb8e8fc9051_1
	// Content-Type: text/plain; charset=utf-8
	// Content-Transfer-Encoding: quoted-printable
	//
	// Hello Ben
	//
	// --=20
	// J=C3=B6rg
	// --=_b1f17377a8e6dfb8e8fc9051_1
	// Content-Type: text/html; charset=utf-8
	// Content-Transfer-Encoding: quoted-printable
	//
	// <p>Hello Ben</p><br>
	// <div class=3D"gmail_signature">-- <br>J=C3=B6rg</div>
	//
	// --=_b1f17377a8e6dfb8e8fc9051_1--
}

// What could break out of a header field is refused, and the field is named.
func ExampleCheck() {
	err := compose.Check(&mailbox.Outgoing{
		To:      []mailbox.Address{{Address: "ben@example.org"}},
		Subject: "Hello\r\nBcc: everybody@example.org",
		Text:    "Hello Ben",
	})
	fmt.Println(err)
	// Output:
	// mailtether: invalid request: subject contains a control character (allowed: no line breaks and control characters)
}

func ExampleReplyTo() {
	msg, err := compose.Read(strings.NewReader(strings.Join([]string{
		"From: Ben Doe <ben@example.org>",
		"To: anna@example.com, Carla <carla@example.net>",
		"Subject: Lunch?",
		"Date: Fri, 20 Nov 2026 10:00:00 +0100",
		"Message-ID: <2@example.org>",
		"References: <1@example.com>",
		"",
		"Today at noon?",
	}, "\r\n")), compose.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	self := mailbox.Identity{Address: "anna@example.com"}
	out := compose.ReplyTo(msg, self, compose.ReplyOptions{All: true, Quote: true})
	out.Text = "Yes!"

	fmt.Println(out.Subject, out.To)
	fmt.Println(out.Reply.References, out.Reply.RFCMessageID)
	fmt.Print(compose.Bodies(out).Text)
	// Output:
	// Re: Lunch? [{Ben Doe ben@example.org} {Carla carla@example.net}]
	// [1@example.com] 2@example.org
	// Yes!
	//
	// On Fri, 20 Nov 2026 at 10:00 +0100, Ben Doe <ben@example.org> wrote:
	// > Today at noon?
}

func ExampleRead() {
	msg, err := compose.Read(strings.NewReader(strings.Join([]string{
		"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>",
		"Subject: Report",
		"Date: Fri, 20 Nov 2026 10:00:00 +0100",
		"Content-Type: multipart/mixed; boundary=b",
		"",
		"--b",
		"",
		"The report is attached.",
		"--b",
		"Content-Type: application/pdf; name=report.pdf",
		"Content-Transfer-Encoding: base64",
		"",
		"JVBERi0xLjcK",
	}, "\r\n")), compose.ReadOptions{})
	if err != nil {
		log.Fatal(err) // only what the source or the limits caused
	}
	fmt.Println(msg.From[0].Name, "-", msg.Body.Text)
	for _, a := range msg.Attachments {
		fmt.Println(a.ID, a.Name, a.ContentType, a.Size)
	}
	for _, w := range msg.Warnings {
		fmt.Println(w)
	}
	// Output:
	// Jörg - The report is attached.
	// 2 report.pdf application/pdf 9
	// malformed_multipart: the closing boundary is missing
}

func ExampleMbox() {
	file := strings.NewReader(`From anna@example.com Fri Nov 20 10:00:00 2026
From: anna@example.com
Subject: One

>From here to there.

From ben@example.org Fri Nov 20 11:00:00 2026
From: ben@example.org
Subject: Two
`)
	for raw, err := range compose.Mbox(file) {
		if err != nil {
			log.Fatal(err)
		}
		msg, err := compose.Read(strings.NewReader(string(raw)), compose.ReadOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s %q\n", msg.From[0].Address, msg.Subject, msg.Body.Text)
	}
	// Output:
	// anna@example.com: One "From here to there."
	// ben@example.org: Two ""
}
