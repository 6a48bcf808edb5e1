package gmailtest

import (
	"crypto/rand"
	"encoding/hex"
	"mime"
	netmail "net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

func (c *call) messagesSend() (any, *apiError) {
	media, err := c.media()
	if err != nil {
		return nil, err
	}
	var in messageIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	raw, err := in.raw(media)
	if err != nil {
		return nil, err
	}
	m, err := c.send(raw, in.ThreadID, "", c.s.opts.MessageID)
	if err != nil {
		return nil, err
	}
	return c.s.ref(m), nil
}

// send sends raw and files the copy of the sender, in the thread that was asked
// for, else in the one to stay in (a draft's), else in one of its own.
func (c *call) send(raw []byte, thread, stay string, policy MessageIDPolicy) (*message, *apiError) {
	mail := fakeserver.ParseMail(fakeserver.ToCRLF(raw))
	to := mail.Addresses("To", "Cc", "Bcc")
	for _, name := range []string{"To", "Cc", "Bcc"} {
		for _, v := range mail.Values(name) {
			if v != "" && len(fakeserver.ParseAddresses(v)) == 0 && !isGroup(v) {
				return nil, badArgument("Invalid %s header", name)
			}
		}
	}
	if len(to) == 0 {
		return nil, badArgument("Recipient address required")
	}
	if len(to) > c.s.opts.MaxRecipients {
		return nil, badArgument("Too many recipients: %d, limit: %d", len(to), c.s.opts.MaxRecipients)
	}
	if thread != "" && c.b.threads[thread] == nil {
		return nil, notFound()
	}
	over, err := c.b.sends.take(c.now, c.s.opts)
	if err != nil {
		return nil, err
	}
	sender := c.prepare(mail, policy)

	mine := fakeserver.ParseMail(mail.Bytes())
	if c.s.opts.StripSentBcc {
		mine.Del("Bcc")
	}
	m := newMessage(c.s.newID(), mine.Bytes(), c.now, labelSent)
	m.indexed = c.now.Add(c.s.opts.IndexLag)
	m.hidden = c.s.hide(c.b, c.now)
	c.place(m, thread, stay)
	for _, a := range to {
		if c.s.find(a.Address) == c.b {
			m.labels = append(m.labels, labelInbox, labelUnread)
			break
		}
	}
	c.b.add(m)
	c.s.note(c.b, kindAdded, m)

	mail.Del("Bcc")
	if over {
		for _, a := range to {
			c.s.bounce(c.b, m, a.Address, limitReached)
		}
		return m, nil
	}
	c.deliver(sender, m, mail, to)
	return m, nil
}

// prepare does to the header what Gmail does before a message goes out, and
// returns the address it is sent from.
func (c *call) prepare(mail *fakeserver.Mail, policy MessageIDPolicy) string {
	encodeRawBytes(mail)
	sender := c.b.user.Address
	if from := mail.Addresses("From"); len(from) == 1 && c.b.mayUse(from[0].Address) {
		sender = from[0].Address
	} else { // silently, with 200
		mail.Set("From", (&netmail.Address{Name: c.b.user.Name, Address: sender}).String())
	}
	if mail.Get("Date") == "" {
		mail.Set("Date", c.now.UTC().Format(time.RFC1123Z))
	}
	id := mail.Get("Message-ID")
	switch {
	case policy == MessageIDReplace || id == "":
		mail.Set("Message-ID", "<CA"+rand.Text()+rand.Text()[:14]+"@mail.gmail.com>")
	case !wellFormed(id):
		var b [12]byte
		rand.Read(b[:])
		mail.Set("Message-ID", "<"+hex.EncodeToString(b[:])+"@mx.google.com>")
		mail.Set("X-Google-Original-Message-ID", id)
	}
	if c.s.opts.StripXHeaders {
		for _, f := range mail.Header() {
			if len(f.Name) > 2 && strings.EqualFold(f.Name[:2], "X-") {
				mail.Del(f.Name)
			}
		}
	}
	mail.Prepend("Received", "from 000000000000 named unknown by gmailapi.google.com with HTTPREST; "+
		c.now.UTC().Format(time.RFC1123Z))
	return sender
}

// encodeRawBytes: header bytes outside ASCII are taken for Latin-1
// (googleworkspace/cli issue 404, openai/codex issue 23678, 2026).
func encodeRawBytes(mail *fakeserver.Mail) {
	for _, f := range mail.Header() {
		for i := range len(f.Value) {
			if f.Value[i] >= utf8.RuneSelf {
				mail.Set(f.Name, encodePhrase(latin1(f.Value)))
				break
			}
		}
	}
}

// encodePhrase encodes every word that needs it, so that addresses stay as they
// are.
func encodePhrase(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = mime.BEncoding.Encode("UTF-8", w)
	}
	return strings.Join(words, " ")
}

// wellFormed reports whether Gmail keeps a Message-ID: one id with one "@", a
// dotted domain, no trailing dot, no space (facts of public list archives,
// 2020–2026).
func wellFormed(field string) bool {
	ids := mailbox.ParseMessageIDs(field)
	if len(ids) != 1 || field != "<"+string(ids[0])+">" {
		return false
	}
	left, domain, _ := strings.Cut(string(ids[0]), "@")
	return left != "" && !strings.HasSuffix(left, ".") && !strings.Contains(domain, "@") &&
		strings.Contains(domain, ".") && !strings.HasSuffix(domain, ".")
}

// isGroup: "undisclosed-recipients:;" names nobody, which is allowed.
func isGroup(v string) bool { return strings.HasSuffix(strings.TrimSpace(v), ";") }

// place sets the thread of a sent message or draft.
func (c *call) place(m *message, thread, stay string) {
	switch {
	case thread != "" && thread == stay:
		m.thread = stay
	case thread != "" && (c.s.opts.ThreadIDAlone || c.b.fits(m, thread)):
		m.thread = thread
	case stay != "":
		m.thread = stay
	default:
		m.thread = m.id
	}
}

// hide starts the lag of a sent message, if there is one.
func (s *Server) hide(b *box, now time.Time) *hidden {
	lag := s.opts.SentLag
	if lag.For <= 0 && lag.Requests <= 0 {
		return nil
	}
	h := &hidden{until: now.Add(lag.For), requests: lag.Requests, get: lag.Get}
	b.hiding = append(b.hiding, h)
	return h
}
