package compose

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Describe fills the decoded fields of m from m.Header: From, Sender, ReplyTo,
// To, Cc, Bcc, Subject, Date and RFCMessageID. Fields that the header does not
// have are left alone. Repairs are added to m.Warnings, and a missing From or
// Date is told if m.HeaderComplete is set. Calling it again changes nothing.
//
// Of a field that may occur only once the first counts. Several To, Cc or Bcc
// fields are read as one, so that no recipient is lost.
func Describe(m *mailbox.Message) {
	d := describer{m: m, ws: m.Warnings}
	_, ps := parseParams(m.Header.Get("Content-Type"))
	d.charset = ps.token("charset")

	d.addresses("From", &m.From, false)
	var sender []mailbox.Address
	d.addresses("Sender", &sender, false)
	if len(sender) > 0 {
		m.Sender = sender[0]
	}
	d.addresses("Reply-To", &m.ReplyTo, false)
	d.addresses("To", &m.To, true)
	d.addresses("Cc", &m.Cc, true)
	d.addresses("Bcc", &m.Bcc, true)
	if v, ok := d.first("Subject"); ok {
		m.Subject = strings.Clone(strings.TrimSpace(d.text("Subject", v)))
	}
	if v, ok := d.first("Date"); ok {
		if m.Date, ok = parseDate(v); !ok {
			d.ws.add(mailbox.WarnDate, "Date", "the date cannot be read")
		}
	} else if m.HeaderComplete {
		d.ws.add(mailbox.WarnMissing, "Date", "")
	}
	if v, ok := d.first("Message-ID"); ok {
		if ids := mailbox.ParseMessageIDs(v); len(ids) > 0 {
			m.RFCMessageID = mailbox.RFCMessageID(strings.Clone(string(ids[0])))
		} else if v != "" {
			d.ws.add(mailbox.WarnHeader, "Message-ID", "there is no id in it")
		}
	}
	if m.HeaderComplete && !m.Header.Has("From") {
		d.ws.add(mailbox.WarnMissing, "From", "")
	}
	m.Warnings = d.ws
}

type describer struct {
	m       *mailbox.Message
	ws      warnings
	charset string // of the body: raw 8-bit fields are mostly in the same one
}

// first returns the field that counts.
func (d *describer) first(name string) (string, bool) {
	vs := d.m.Header.Values(name)
	if len(vs) == 0 {
		return "", false
	}
	if len(vs) > 1 {
		d.ws.add(mailbox.WarnDuplicate, name, "")
	}
	return vs[0], true
}

func (d *describer) text(name, value string) string {
	text, code := decodeHeader(value, d.charset)
	if code != "" {
		d.ws.add(code, name, "the text is damaged")
	}
	return text
}

// addresses reads an address field into list, all fields of that name if merge
// is set.
func (d *describer) addresses(name string, list *[]mailbox.Address, merge bool) {
	vs := d.m.Header.Values(name)
	if len(vs) == 0 {
		return
	}
	if len(vs) > 1 {
		d.ws.add(mailbox.WarnDuplicate, name, "")
		if !merge {
			vs = vs[:1]
		}
	}
	*list = nil
	for _, v := range vs {
		p := addressParser{s: v, charset: d.charset}
		if more := p.parse(); *list == nil {
			*list = more
		} else {
			*list = append(*list, more...)
		}
		if p.damaged {
			d.ws.add(mailbox.WarnAddress, name, "the address list is malformed")
		}
		if p.code != "" {
			d.ws.add(p.code, name, "a name is damaged")
		}
		if p.cut {
			d.ws.add(mailbox.WarnTruncated, name, "too many addresses")
		}
	}
}
