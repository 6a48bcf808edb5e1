package compose

import (
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// refusals are messages with one fault each, and the field that is named.
var refusals = []struct {
	name   string
	field  string
	change func(*mailbox.Outgoing)
}{
	{"no recipient", "to", func(o *mailbox.Outgoing) { o.To = nil }},
	{"no text", "text", func(o *mailbox.Outgoing) { o.Text = "" }},
	{"date", "date", func(o *mailbox.Outgoing) { o.Date = time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC) }},
	{"far date", "date", func(o *mailbox.Outgoing) { o.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
	{"text not UTF-8", "text", func(o *mailbox.Outgoing) { o.Text = "\xff" }},
	{"NUL in HTML", "html", func(o *mailbox.Outgoing) { o.HTML = "a\x00" }},
	{"signature not UTF-8", "signature.html", func(o *mailbox.Outgoing) { o.Signature = &mailbox.Signature{HTML: "\xff"} }},

	{"CRLF in subject", "subject", func(o *mailbox.Outgoing) { o.Subject = "a\r\nBcc: x@example.com" }},
	{"LF in subject", "subject", func(o *mailbox.Outgoing) { o.Subject = "a\nb" }},
	{"CR in subject", "subject", func(o *mailbox.Outgoing) { o.Subject = "a\rb" }},
	{"NUL in subject", "subject", func(o *mailbox.Outgoing) { o.Subject = "a\x00b" }},
	{"tab in subject", "subject", func(o *mailbox.Outgoing) { o.Subject = "a\tb" }},
	{"C1 control in subject", "subject", func(o *mailbox.Outgoing) { o.Subject = "a\u0085b" }},
	{"subject not UTF-8", "subject", func(o *mailbox.Outgoing) { o.Subject = "\xff" }},
	{"long subject", "subject", func(o *mailbox.Outgoing) { o.Subject = strings.Repeat("x", 999) }},

	{"LF in From name", "from.name", func(o *mailbox.Outgoing) { o.From.Name = "a\nb" }},
	{"LF in From address", "from.address", func(o *mailbox.Outgoing) { o.From.Address = "a@example.com\nBcc: x@example.com" }},
	{"From without address", "from.address", func(o *mailbox.Outgoing) { o.From.Address = "" }},
	{"LF in Reply-To", "reply_to[0].name", func(o *mailbox.Outgoing) {
		o.ReplyTo = []mailbox.Address{{Name: "a\nb", Address: "a@example.com"}}
	}},
	{"LF in To name", "to[1].name", func(o *mailbox.Outgoing) {
		o.To = append(o.To, mailbox.Address{Name: "a\nb", Address: "a@example.com"})
	}},
	{"CR in To address", "to[3].address", func(o *mailbox.Outgoing) {
		o.To = append(o.To, o.To[0], o.To[0], mailbox.Address{Address: "a@exam\rple.com"})
	}},
	{"DEL in Cc", "cc[0].name", func(o *mailbox.Outgoing) { o.Cc = []mailbox.Address{{Name: "\x7f", Address: "a@example.com"}} }},
	{"NUL in Bcc", "bcc[0].address", func(o *mailbox.Outgoing) { o.Bcc = []mailbox.Address{{Address: "a\x00@example.com"}} }},
	{"no @", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "example.com" }},
	{"no local part", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "@example.com" }},
	{"no domain", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@" }},
	{"two addresses in one", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@example.com, b@example.com" }},
	{"brackets", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "<a@example.com>" }},
	{"two dots", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a..b@example.com" }},
	{"open quote", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = `"a@example.com` }},
	{"quote inside", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = `"a"b"@example.com` }},
	{"trailing dot", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@example.com." }},
	{"hyphen", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@-example.com" }},
	{"space in the domain", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@exam ple.com" }},
	{"open literal", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@[192.0.2.1" }},
	{"bad IDN", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@bü cher.example" }},
	{"local part not ASCII", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "jörg@example.com" }},
	{"long local part", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = strings.Repeat("a", 65) + "@example.com" }},
	{"long address", "to[0].address", func(o *mailbox.Outgoing) { o.To[0].Address = "a@" + strings.Repeat("abcdefghi.", 26) + "com" }},

	{"LF in file name", "attachments[0].name", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{Name: "a\nb"}} }},
	{"long file name", "attachments[0].name", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{Name: strings.Repeat("x", 256)}} }},
	{"LF in content type", "attachments[0].content_type", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{ContentType: "a/b\nX: y"}} }},
	{"CRLF in a parameter", "attachments[0].content_type", func(o *mailbox.Outgoing) {
		o.Attachments = []mailbox.File{{ContentType: "a/b; c=\"d\r\nX: y\""}}
	}},
	{"not a content type", "attachments[1].content_type", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{}, {ContentType: "pdf"}} }},
	{"multipart", "attachments[0].content_type", func(o *mailbox.Outgoing) {
		o.Attachments = []mailbox.File{{ContentType: "multipart/mixed; boundary=b"}}
	}},
	{"8-bit message", "attachments[0].content_type", func(o *mailbox.Outgoing) {
		o.Attachments = []mailbox.File{{ContentType: "message/rfc822", Data: []byte("Subject: ü\n\n")}}
	}},
	{"message with long lines", "attachments[0].content_type", func(o *mailbox.Outgoing) {
		o.Attachments = []mailbox.File{{ContentType: "Message/RFC822", Data: []byte(strings.Repeat("x", 999))}}
	}},
	{"LF in content id", "attachments[0].content_id", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{ContentID: "a\nb"}} }},
	{"bracket in content id", "attachments[0].content_id", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{ContentID: "a>b"}} }},
	{"long content id", "attachments[0].content_id", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{ContentID: strings.Repeat("x", 201)}} }},
	{"inline without id", "attachments[0].content_id", func(o *mailbox.Outgoing) {
		o.HTML, o.Attachments = "x", []mailbox.File{{Inline: true}}
	}},
	{"inline without HTML", "attachments[0].inline", func(o *mailbox.Outgoing) { o.Attachments = []mailbox.File{{Inline: true, ContentID: "a"}} }},
	{"content id twice", "attachments[1].content_id", func(o *mailbox.Outgoing) {
		o.Attachments = []mailbox.File{{ContentID: "a"}, {ContentID: "a"}}
	}},

	{"LF in parent", "reply.rfc_message_id", func(o *mailbox.Outgoing) { o.Reply = &mailbox.Reply{RFCMessageID: "a@b\nX: y"} }},
	{"bracket in parent", "reply.rfc_message_id", func(o *mailbox.Outgoing) { o.Reply = &mailbox.Reply{RFCMessageID: "a@b> <c@d"} }},
	{"parent without @", "reply.rfc_message_id", func(o *mailbox.Outgoing) { o.Reply = &mailbox.Reply{RFCMessageID: "ab"} }},
	{"long parent", "reply.rfc_message_id", func(o *mailbox.Outgoing) {
		o.Reply = &mailbox.Reply{RFCMessageID: mailbox.RFCMessageID(strings.Repeat("a", 900)) + "@b"}
	}},
	{"space in a reference", "reply.references[1]", func(o *mailbox.Outgoing) {
		o.Reply = &mailbox.Reply{RFCMessageID: "a@b", References: []mailbox.RFCMessageID{"c@d", "e f@g"}}
	}},

	{"nothing to unsubscribe", "unsubscribe", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{} }},
	{"http", "unsubscribe.url", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{URL: "http://example.com/u"} }},
	{"relative URL", "unsubscribe.url", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{URL: "https:///u"} }},
	{"LF in URL", "unsubscribe.url", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{URL: "https://example.com/\nX: y"} }},
	{"bracket in URL", "unsubscribe.url", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{URL: "https://example.com/>,<x"} }},
	{"long URL", "unsubscribe.url", func(o *mailbox.Outgoing) {
		o.Unsubscribe = &mailbox.Unsubscribe{URL: "https://example.com/" + strings.Repeat("x", 900)}
	}},
	{"LF in mailto", "unsubscribe.mailto", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{Mailto: "a@example.com?subject=a\nb"} }},
	{"space in mailto", "unsubscribe.mailto", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{Mailto: "a@example.com?subject=a b"} }},
	{"mailto scheme", "unsubscribe.mailto", func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{Mailto: "mailto:a@example.com"} }},

	{"own field", "header[0].name", func(o *mailbox.Outgoing) { o.Header = mailbox.Header{{Name: "Bcc", Value: "x@example.com"}} }},
	{"empty name", "header[0].name", func(o *mailbox.Outgoing) { o.Header = mailbox.Header{{Name: "X-"}} }},
	{"colon in a name", "header[1].name", func(o *mailbox.Outgoing) { o.Header = mailbox.Header{{Name: "X-A"}, {Name: "X-B: c"}} }},
	{"LF in a name", "header[0].name", func(o *mailbox.Outgoing) { o.Header = mailbox.Header{{Name: "X-A\nBcc"}} }},
	{"long name", "header[0].name", func(o *mailbox.Outgoing) { o.Header = mailbox.Header{{Name: "X-" + strings.Repeat("a", 75)}} }},
	{"reserved name", "header[0].name", func(o *mailbox.Outgoing) { o.Header = mailbox.Header{{Name: "x-mailtether-ref", Value: "a"}} }},
	{"LF in a value", "header[0].value", func(o *mailbox.Outgoing) { o.Header = mailbox.Header{{Name: "X-A", Value: "b\nBcc: x@example.com"}} }},

	{"LF in id", "rfc_message_id", func(o *mailbox.Outgoing) { o.RFCMessageID = "a@example.com\nX: y" }},
	{"brackets around id", "rfc_message_id", func(o *mailbox.Outgoing) { o.RFCMessageID = "<a@example.com>" }},
	{"two @ in id", "rfc_message_id", func(o *mailbox.Outgoing) { o.RFCMessageID = "a@b@example.com" }},
	{"trailing dot in id", "rfc_message_id", func(o *mailbox.Outgoing) { o.RFCMessageID = "a@example.com." }},
	{"quoted id", "rfc_message_id", func(o *mailbox.Outgoing) { o.RFCMessageID = `"a"@example.com` }},
	{"long id", "rfc_message_id", func(o *mailbox.Outgoing) {
		o.RFCMessageID = mailbox.RFCMessageID(strings.Repeat("a", 190)) + "@example.com"
	}},
	{"LF in ref", "ref", func(o *mailbox.Outgoing) { o.Ref = "a\nb" }},
	{"space in ref", "ref", func(o *mailbox.Outgoing) { o.Ref = "a b" }},
	{"long ref", "ref", func(o *mailbox.Outgoing) { o.Ref = strings.Repeat("a", 65) }},
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := plain(tt.change)
			if field := fieldOf(Check(out)); field != tt.field {
				t.Errorf("Check names %q, want %q", field, tt.field)
			}
			built, err := Build(out, BuildOptions{})
			if field := fieldOf(err); field != tt.field || built != nil {
				t.Errorf("Build names %q, want %q", field, tt.field)
			}
			for _, s := range []string{"example.com", "Bcc", "\n"} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("the error tells the content: %v", err)
				}
			}
		})
	}
	if field := fieldOf(Check(nil)); field != "message" {
		t.Errorf("Check(nil) names %q", field)
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*mailbox.Outgoing){
		"zero From":          func(o *mailbox.Outgoing) { o.From = mailbox.Address{} },
		"only Bcc":           func(o *mailbox.Outgoing) { o.To, o.Bcc = nil, o.To },
		"no subject":         func(o *mailbox.Outgoing) { o.Subject = "" },
		"quoted local part":  func(o *mailbox.Outgoing) { o.To[0].Address = `"a \" b"@example.com` },
		"IDN":                func(o *mailbox.Outgoing) { o.To[0].Address = "a@münchen.example" },
		"literal":            func(o *mailbox.Outgoing) { o.To[0].Address = "a@[IPv6:2001:db8::1]" },
		"long subject":       func(o *mailbox.Outgoing) { o.Subject = strings.Repeat("x", 998) },
		"odd foreign id":     func(o *mailbox.Outgoing) { o.Reply = &mailbox.Reply{RFCMessageID: "a(b)c..d@e@f"} },
		"reply without id":   func(o *mailbox.Outgoing) { o.Reply = &mailbox.Reply{ThreadID: "t"} },
		"unsubscribe by URL": func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{URL: "https://example.com"} },
		"unsubscribe by IDN": func(o *mailbox.Outgoing) { o.Unsubscribe = &mailbox.Unsubscribe{Mailto: "a@münchen.example"} },
		"enclosed message": func(o *mailbox.Outgoing) {
			o.Attachments = []mailbox.File{{ContentType: "message/rfc822", Data: []byte("Subject: x\r\n\r\nbody")}}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := plain(change)
			if err := Check(out); err != nil {
				t.Fatal(err)
			}
			built, err := Build(out, BuildOptions{From: mailbox.Address{Address: "box@example.com"}})
			if err != nil {
				t.Fatal(err)
			}
			checkWire(t, built.Raw)
		})
	}
}
