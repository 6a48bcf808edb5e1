package gmailtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// Delivery says how mail from outside is filed. The zero value is new mail in
// the inbox.
type Delivery struct {
	// Labels replaces INBOX and UNREAD.
	Labels []string
	// At is when Gmail took the message; zero is the fake's present time.
	At time.Time
}

// Deliver files mail from outside in the inbox of a user, as it would arrive by
// SMTP: any bytes will do. It returns the message id, or an error when nobody
// has the address.
func (s *Server) Deliver(to string, raw []byte) (id string, err error) {
	return s.DeliverAs(to, raw, Delivery{})
}

// DeliverAs is Deliver with a say in labels and time.
func (s *Server) DeliverAs(to string, raw []byte, d Delivery) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(to)
	if b == nil || b.user.NoGmail {
		return "", errors.New("gmailtest: Deliver: no such mailbox")
	}
	if d.Labels == nil {
		d.Labels = []string{labelInbox, labelUnread}
	}
	for _, l := range d.Labels {
		if !b.knows(l) {
			return "", fmt.Errorf("gmailtest: Deliver: no label %q", l)
		}
	}
	if d.At.IsZero() {
		d.At = s.Now()
	}
	return s.file(b, to, raw, d).id, nil
}

// file puts a received message into a mailbox. s.mu is held.
func (s *Server) file(b *box, to string, raw []byte, d Delivery) *message {
	mail := fakeserver.ParseMail(fakeserver.ToCRLF(raw))
	stamp := d.At.UTC().Format(time.RFC1123Z)
	if len(mail.Values("Return-Path")) == 0 {
		from := ""
		if list := mail.Addresses("From"); len(list) > 0 {
			from = list[0].Address
		}
		mail.Prepend("Return-Path", "<"+from+">")
	}
	n := s.nonce()
	mail.Prepend("Received", fmt.Sprintf("by 2002:a05:6358:44d:b0:b5:cc1d:14a6 with SMTP id %x;\r\n        %s", n, stamp))
	mail.Prepend("Delivered-To", to)
	m := newMessage(s.newID(), mail.Bytes(), d.At, slices.Clone(d.Labels)...)
	m.indexed = s.Now().Add(s.opts.IndexLag)
	if m.thread = b.findThread(m, !s.opts.NoSubjectGrouping); m.thread == "" {
		m.thread = m.id
	}
	b.add(m)
	s.note(b, kindAdded, m)
	return m
}

// deliver brings a sent message to its recipients: mailboxes of the fake, a
// delivery report where there is no such mailbox, or the relay.
func (c *call) deliver(sender string, sent *message, mail *fakeserver.Mail, to []mailbox.Address) {
	raw := mail.Bytes()
	var outside []string
	done := []*box{c.b}
	for _, a := range to {
		b := c.s.find(a.Address)
		switch {
		case b == nil && !c.s.domains[mailbox.Domain(a.Address)]:
			outside = append(outside, a.Address)
		case b == nil || b.user.NoGmail:
			c.s.bounce(c.b, sent, a.Address, notFoundAddress)
		case !slices.Contains(done, b):
			done = append(done, b)
			c.s.file(b, a.Address, raw, Delivery{Labels: []string{labelInbox, labelUnread}, At: c.now})
		}
	}
	if relay := c.s.relay; relay != nil && len(outside) > 0 {
		c.after = append(c.after, func() { relay(Envelope{From: sender, To: outside, Raw: raw}) })
	}
}

// failure is why a message came back.
type failure struct {
	status, diagnostic, title, text string
	delayed                         bool
}

var (
	notFoundAddress = failure{
		status: "5.1.1",
		diagnostic: "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the " +
			"recipient's email address for typos or unnecessary spaces. gsmtp",
		title: "Address not found",
		text:  "Your message wasn't delivered to %s because the address couldn't be found, or is unable to receive mail.",
	}
	limitReached = failure{
		status:     "5.4.5",
		diagnostic: "550 5.4.5 Daily user sending limit exceeded. gsmtp",
		title:      "Message not delivered",
		text:       "You have reached a limit for sending mail. Your message to %s was not sent.",
	}
)

// bounce files Gmail's delivery report in the mailbox of the sender: From,
// Subject, X-Failed-Recipients, In-Reply-To and X-Original-Message-ID as in the
// samples of EmailEngine (test/fixtures/bounces/gmail.eml) and of public sets.
func (s *Server) bounce(b *box, sent *message, recipient string, f failure) *message {
	now := s.Now()
	id := sent.mail.Get("Message-ID")
	n := s.nonce()
	subject, action := "Delivery Status Notification (Failure)", "failed"
	if f.delayed {
		subject, action = "Delivery Status Notification (Delay)", "delayed"
	}
	raw := fakeserver.DSN(sent.raw, fakeserver.Report{
		From:       "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
		To:         b.user.Address,
		Date:       now.UTC(),
		Subject:    subject,
		Action:     action,
		Recipient:  recipient,
		Status:     f.status,
		Diagnostic: f.diagnostic,
		MTA:        "googlemail.com",
		MessageID:  fmt.Sprintf("%x.GMR@mx.google.com", n),
		Notice:     notice(recipient, f),
		Cite:       true,
		Header: mailbox.Header{
			{Name: "X-Failed-Recipients", Value: recipient},
			{Name: "Return-Path", Value: "<>"},
		},
		PerMessage: mailbox.Header{{Name: "X-Original-Message-ID", Value: id}},
	})
	m := s.file(b, b.user.Address, raw, Delivery{Labels: []string{labelInbox, labelUnread}, At: now})
	if !s.opts.DSNOwnThread && len(b.threads[sent.thread]) < maxThread {
		b.rethread(m, sent.thread)
	}
	return m
}

// rethread moves a message that was just filed.
func (b *box) rethread(m *message, thread string) {
	if m.thread == thread || len(b.threads[thread]) == 0 {
		return
	}
	drop(b.threads, m.thread, m)
	m.thread = thread
	b.threads[thread] = append(b.threads[thread], m)
	b.history[len(b.history)-1].thread = thread
}

// icon is the picture that stands beside the text of Gmail's reports.
const icon = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

// notice is the part of a report that is for people: text, HTML and an icon.
func notice(recipient string, f failure) []byte {
	outer, inner := fakeserver.NewBoundary(), fakeserver.NewBoundary()
	text := fmt.Sprintf(f.text, recipient)
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: multipart/related; boundary=%q\r\n\r\n", outer)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: multipart/alternative; boundary=%q\r\n\r\n", outer, inner)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=\"UTF-8\"\r\n\r\n\r\n** %s **\r\n\r\n%s\r\n\r\n\r\n\r\nThe response was:\r\n%s\r\n\r\n",
		inner, f.title, text, f.diagnostic)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/html; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--%s--\r\n",
		inner, wrap(base64.StdEncoding.EncodeToString([]byte("<html><body><h2>"+f.title+"</h2><p>"+html.EscapeString(text)+
			"</p><p>The response was:</p><p>"+html.EscapeString(f.diagnostic)+"</p></body></html>\r\n"))), inner)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: image/png; name=\"icon.png\"\r\nContent-Disposition: attachment; filename=\"icon.png\"\r\n"+
		"Content-Transfer-Encoding: base64\r\nContent-ID: <icon.png>\r\n\r\n%s\r\n--%s--\r\n", outer, wrap(icon), outer)
	return []byte(b.String())
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}
