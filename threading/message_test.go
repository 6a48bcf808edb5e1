package threading_test

import (
	"bytes"
	"net/mail"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// message makes a message of raw bytes of which nothing but the fields, the id
// and the date is known, as the rules have to do with no more than that.
func message(raw []byte) *mailbox.Message {
	m := &mailbox.Message{HeaderComplete: true}
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 && len(m.Header) > 0 {
			break
		}
		raw = rest
		if name, value, ok := strings.Cut(string(line), ":"); ok && !strings.ContainsAny(name, " \t") {
			m.Header = append(m.Header, mailbox.Field{Name: name, Value: strings.TrimSpace(value)})
		} else if n := len(m.Header); n > 0 {
			m.Header[n-1].Value += " " + strings.TrimSpace(string(line))
		}
	}
	if ids := mailbox.ParseMessageIDs(m.Header.Get("Message-ID")); len(ids) > 0 {
		m.RFCMessageID = ids[0]
	}
	if date, err := mail.ParseDate(m.Header.Get("Date")); err == nil {
		m.Date = date
	}
	return m
}
