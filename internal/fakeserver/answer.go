package fakeserver

import (
	"bytes"
	"cmp"
	"fmt"
	"mime/quotedprintable"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Answer describes a message that somebody writes in answer to another one.
// From and Date are required.
type Answer struct {
	// From is who answers, as a From field: "ann@example.com" or
	// "Ann <ann@example.com>".
	From string
	// To is who gets the answer; empty means the sender of the original.
	To   string
	Date time.Time
	// Subject replaces the usual one ("Re: …", or "Automatic reply: …" from
	// OutOfOffice).
	Subject string
	// Text is the body; a short one is made up when it is empty.
	Text string
	// MessageID, without brackets, replaces a generated one.
	MessageID string
	// DropIDs leaves out In-Reply-To and References, as some clients do.
	DropIDs bool
	// Header holds further fields.
	Header mailbox.Header
}

// ReplyMessage writes a human answer to the raw message original: In-Reply-To,
// References (RFC 5322, 3.6.4), "Re: " once, and the original quoted below.
func ReplyMessage(original []byte, a Answer) []byte {
	m := ParseMail(original)
	if a.Subject == "" {
		a.Subject = m.Get("Subject")
		if len(a.Subject) < 3 || !strings.EqualFold(a.Subject[:3], "re:") {
			a.Subject = "Re: " + a.Subject
		}
	}
	if a.Text == "" {
		a.Text = "Thank you, that works for me."
	}
	if from := m.Addresses("From"); len(from) > 0 {
		a.Text += fmt.Sprintf("\r\n\r\nOn %s %s wrote:\r\n> …\r\n", a.Date.Format(time.RFC1123Z), from[0].Address)
	}
	return a.write(m, nil)
}

// OutOfOffice writes an automatic answer as RFC 3834 describes it.
func OutOfOffice(original []byte, a Answer) []byte {
	m := ParseMail(original)
	if a.Subject == "" {
		a.Subject = "Automatic reply: " + m.Get("Subject")
	}
	if a.Text == "" {
		a.Text = "I am out of the office and will read your message when I am back."
	}
	return a.write(m, mailbox.Header{
		{Name: "Auto-Submitted", Value: "auto-replied"},
		{Name: "Precedence", Value: "bulk"},
	})
}

func (a Answer) write(original *Mail, extra mailbox.Header) []byte {
	to := a.To
	if to == "" {
		for _, name := range []string{"Reply-To", "From"} {
			if list := original.Addresses(name); len(list) > 0 {
				to = list[0].Address
				break
			}
		}
	}
	id := a.MessageID
	if id == "" {
		id = NewID(addressOf(a.From))
	}
	h := mailbox.Header{
		{Name: "From", Value: a.From},
		{Name: "To", Value: to},
		{Name: "Subject", Value: a.Subject},
		{Name: "Date", Value: a.Date.Format(time.RFC1123Z)},
		{Name: "Message-ID", Value: "<" + id + ">"},
	}
	if parent := original.IDs("Message-ID"); len(parent) > 0 && !a.DropIDs {
		refs := original.IDs("References")
		if len(refs) == 0 {
			if up := original.IDs("In-Reply-To"); len(up) == 1 {
				refs = up
			}
		}
		h = append(h,
			mailbox.Field{Name: "In-Reply-To", Value: bracket(parent[0])},
			mailbox.Field{Name: "References", Value: bracket(append(refs, parent[0])...)})
	}
	h = append(h, extra...)
	h = append(h, a.Header...)
	h = append(h, mailbox.Field{Name: "MIME-Version", Value: "1.0"})
	var b bytes.Buffer
	writeHeader(&b, h)
	writeText(&b, "text/plain", a.Text)
	return b.Bytes()
}

// Report describes a delivery status notification (RFC 3464) about one
// recipient. Recipient, To and Date are required.
type Report struct {
	// From is the reporting system; empty means
	// "Mail Delivery System <mailer-daemon@DOMAIN>" of the recipient's domain.
	From string
	// To is the sender of the original: who gets the report.
	To   string
	Date time.Time
	// Subject; empty means "Undelivered Mail Returned to Sender".
	Subject string
	// Recipient is the address that could not be reached.
	Recipient string
	// Action is "failed" when empty; "delayed" is the other frequent one.
	Action string
	// Status is the enhanced status code (RFC 3463); empty means 5.1.1.
	Status string
	// Diagnostic is the SMTP answer; empty means "550 <Status> User unknown".
	Diagnostic string
	// MTA is the reporting host; empty means the domain of From.
	MTA string
	// Text is the part for people; empty makes one from the other fields.
	Text string
	// Notice replaces that part: a whole MIME part, its header included.
	Notice []byte
	// MessageID, without brackets, replaces a generated one.
	MessageID string
	// Cite puts the id of the original into In-Reply-To and References. Many
	// systems do not.
	Cite bool
	// Header holds further fields of the report itself, PerMessage those of the
	// first group of its status part.
	Header, PerMessage mailbox.Header
	// HeadersOnly returns the header of the original instead of all of it.
	HeadersOnly bool
}

// DSN writes a delivery status notification about the raw message original, as
// multipart/report with the original in its third part.
func DSN(original []byte, r Report) []byte {
	m := ParseMail(original)
	r.From = cmp.Or(r.From, "Mail Delivery System <mailer-daemon@"+mailbox.Domain(r.Recipient)+">")
	r.Subject = cmp.Or(r.Subject, "Undelivered Mail Returned to Sender")
	r.Action = cmp.Or(r.Action, "failed")
	r.Status = cmp.Or(r.Status, "5.1.1")
	r.Diagnostic = cmp.Or(r.Diagnostic, "550 "+r.Status+" User unknown")
	r.MTA = cmp.Or(r.MTA, mailbox.Domain(addressOf(r.From)))
	r.MessageID = cmp.Or(r.MessageID, NewID(addressOf(r.From)))
	r.Text = cmp.Or(r.Text, "Your message could not be delivered to "+r.Recipient+".\r\n\r\n"+
		"The answer of the remote server was:\r\n"+r.Diagnostic+"\r\n")
	id := m.IDs("Message-ID")

	boundary := NewBoundary()
	h := mailbox.Header{
		{Name: "From", Value: r.From},
		{Name: "To", Value: r.To},
		{Name: "Subject", Value: r.Subject},
		{Name: "Date", Value: r.Date.Format(time.RFC1123Z)},
		{Name: "Message-ID", Value: "<" + r.MessageID + ">"},
		{Name: "Auto-Submitted", Value: "auto-replied"},
	}
	if r.Cite && len(id) > 0 {
		h = append(h,
			mailbox.Field{Name: "In-Reply-To", Value: bracket(id[0])},
			mailbox.Field{Name: "References", Value: bracket(id[0])})
	}
	h = append(h, r.Header...)
	h = append(h,
		mailbox.Field{Name: "MIME-Version", Value: "1.0"},
		mailbox.Field{Name: "Content-Type", Value: `multipart/report; report-type=delivery-status; boundary="` + boundary + `"`})

	var b bytes.Buffer
	writeHeader(&b, h)
	b.WriteString("\r\n--" + boundary + "\r\n")
	if r.Notice != nil {
		b.Write(r.Notice)
	} else {
		writeText(&b, "text/plain", r.Text)
	}

	b.WriteString("\r\n--" + boundary + "\r\nContent-Type: message/delivery-status\r\n\r\n")
	writeHeader(&b, append(mailbox.Header{
		{Name: "Reporting-MTA", Value: "dns; " + r.MTA},
		{Name: "Arrival-Date", Value: r.Date.Format(time.RFC1123Z)},
	}, r.PerMessage...))
	b.WriteString("\r\n")
	writeHeader(&b, mailbox.Header{
		{Name: "Final-Recipient", Value: "rfc822; " + r.Recipient},
		{Name: "Action", Value: r.Action},
		{Name: "Status", Value: r.Status},
		{Name: "Diagnostic-Code", Value: "smtp; " + r.Diagnostic},
		{Name: "Last-Attempt-Date", Value: r.Date.Format(time.RFC1123Z)},
	})

	b.WriteString("\r\n--" + boundary + "\r\n")
	if r.HeadersOnly {
		b.WriteString("Content-Type: text/rfc822-headers\r\n\r\n")
		b.Write(ToCRLF(m.HeaderBytes()))
	} else {
		b.WriteString("Content-Type: message/rfc822\r\n\r\n")
		b.Write(ToCRLF(original))
	}
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return b.Bytes()
}

// NewID returns a fresh Message-ID, without brackets, at the domain of an
// address.
func NewID(address string) string {
	domain := mailbox.Domain(address)
	if domain == "" {
		domain = "mail.invalid"
	}
	return strings.ToLower(secret()) + "@" + domain
}

// NewBoundary returns a fresh boundary for a multipart part.
func NewBoundary() string { return "=_" + secret() }

func addressOf(field string) string {
	if list := ParseAddresses(field); len(list) > 0 {
		return list[0].Address
	}
	return field
}

func bracket(ids ...mailbox.RFCMessageID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = "<" + string(id) + ">"
	}
	return strings.Join(out, "\r\n ")
}

func writeHeader(b *bytes.Buffer, h mailbox.Header) {
	for _, f := range h {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
}

// writeText writes the rest of a part's header and its content.
func writeText(b *bytes.Buffer, mediaType, text string) {
	b.WriteString("Content-Type: " + mediaType + "; charset=" + strconv.Quote("UTF-8") + "\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(b)
	w.Write(ToCRLF([]byte(text))) // a bytes.Buffer never fails
	w.Close()
	b.WriteString("\r\n")
}
