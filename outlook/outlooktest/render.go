package outlooktest

import (
	"bytes"
	"encoding/base64"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// mime is the message as MIME: as it came or went, or as it would go now.
func (it *item) mime(now time.Time, propertyThreading bool) []byte {
	switch {
	case it.raw == nil:
		return it.render(now, propertyThreading)
	case it.draft && it.messageID != firstID(it.header):
		m := fakeserver.ParseMail(it.raw)
		m.Set("Message-ID", it.messageID)
		return m.Bytes()
	}
	return it.raw
}

func firstID(header []field) string {
	ids := mailbox.ParseMessageIDs(get(header, "Message-ID"))
	if len(ids) == 0 {
		return ""
	}
	return ids[0].Brackets()
}

// render writes a draft that was made from JSON as Exchange would: MIME with
// CRLF, without Bcc.
func (it *item) render(now time.Time, propertyThreading bool) []byte {
	it.load()
	var w bytes.Buffer
	line := func(name, value string) {
		if value != "" {
			w.WriteString(name + ": " + value + "\r\n")
		}
	}
	if it.from != nil {
		line("From", formatAddresses([]mailbox.Address{*it.from}))
		if it.sender != nil && !mailbox.SameAddress(it.sender.Address, it.from.Address) {
			line("Sender", formatAddresses([]mailbox.Address{*it.sender}))
		}
	}
	line("To", formatAddresses(it.to))
	line("CC", formatAddresses(it.cc))
	line("Reply-To", formatAddresses(it.replyTo))
	line("Subject", encodeText(it.subject))
	line("Thread-Topic", encodeText(it.topic))
	line("Thread-Index", base64.StdEncoding.EncodeToString(it.index))
	line("Date", now.Format(dateLayout))
	line("Message-ID", it.messageID)
	if propertyThreading {
		line("References", strings.Join(strings.Fields(it.references), "\r\n "))
		line("In-Reply-To", it.inReplyTo)
	}
	line("Accept-Language", "en-US")
	line("Content-Language", "en-US")
	if it.importance == "high" || it.importance == "low" {
		line("Importance", it.importance)
	}
	if it.hasAttachments() {
		line("X-MS-Has-Attach", "yes")
	}
	for _, f := range it.custom {
		line(f.name, encodeText(f.value))
	}
	for _, f := range it.header { // of a message that came as MIME
		if len(f.name) > 5 && strings.EqualFold(f.name[:5], "List-") {
			line(f.name, f.value)
		}
	}
	line("MIME-Version", "1.0")
	it.writeBody(&w)
	return w.Bytes()
}

func (it *item) writeBody(w *bytes.Buffer) {
	var inline, attached []*file
	for _, f := range it.files {
		if f.inline {
			inline = append(inline, f)
		} else {
			attached = append(attached, f)
		}
	}
	boundary := func(level string) string { return "_" + level + "_" + strings.ReplaceAll(newGUID(), "-", "") + "_" }
	text := func(w *bytes.Buffer) {
		if it.bodyType == "text" {
			writeText(w, "text/plain", it.body)
			return
		}
		b := boundary("000")
		w.WriteString("Content-Type: multipart/alternative;\r\n\tboundary=\"" + b + "\"\r\n\r\n")
		w.WriteString("--" + b + "\r\n")
		writeText(w, "text/plain", plainText(it.body))
		w.WriteString("--" + b + "\r\n")
		writeText(w, "text/html", it.body)
		w.WriteString("--" + b + "--\r\n")
	}
	wrap := func(kind, level string, inner func(w *bytes.Buffer), files []*file) func(w *bytes.Buffer) {
		if len(files) == 0 {
			return inner
		}
		return func(w *bytes.Buffer) {
			b := boundary(level)
			w.WriteString("Content-Type: " + kind + ";\r\n\tboundary=\"" + b + "\"\r\n\r\n--" + b + "\r\n")
			inner(w)
			for _, f := range files {
				w.WriteString("--" + b + "\r\n")
				writeFile(w, f)
			}
			w.WriteString("--" + b + "--\r\n")
		}
	}
	wrap("multipart/mixed", "004", wrap("multipart/related", "003", text, inline), attached)(w)
}

func writeText(w *bytes.Buffer, kind, s string) {
	w.WriteString("Content-Type: " + kind + "; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	q := quotedprintable.NewWriter(w)
	q.Write([]byte(s))
	q.Close()
	w.WriteString("\r\n")
}

func writeFile(w *bytes.Buffer, f *file) {
	kind := first(f.contentType, "application/octet-stream")
	if f.message {
		w.WriteString("Content-Type: message/rfc822\r\n\r\n")
		w.Write(f.data)
		w.WriteString("\r\n")
		return
	}
	name := mime.QEncoding.Encode("utf-8", strings.NewReplacer("\r", "", "\n", "", `"`, "'").Replace(f.name))
	w.WriteString("Content-Type: " + kind + "; name=\"" + name + "\"\r\n")
	disposition := "attachment"
	if f.inline {
		disposition = "inline"
	}
	w.WriteString("Content-Disposition: " + disposition + "; filename=\"" + name + "\"\r\n")
	if f.contentID != "" {
		w.WriteString("Content-ID: <" + f.contentID + ">\r\n")
	}
	w.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	writeBase64(w, f.data)
}

func writeBase64(w *bytes.Buffer, data []byte) {
	const perLine = 57 // bytes that make 76 characters
	for len(data) > 0 {
		n := min(len(data), perLine)
		w.WriteString(base64.StdEncoding.EncodeToString(data[:n]))
		w.WriteString("\r\n")
		data = data[n:]
	}
}

// encodeText encodes words (RFC 2047) and folds between them.
func encodeText(s string) string {
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}

func formatAddresses(list []mailbox.Address) string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, (&mail.Address{Name: a.Name, Address: a.Address}).String())
	}
	return strings.ReplaceAll(strings.Join(out, ",\r\n "), "?= =?", "?=\r\n =?")
}
