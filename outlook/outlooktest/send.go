package outlooktest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

// dateLayout is a Date field in UTC.
const dateLayout = "Mon, 2 Jan 2006 15:04:05 +0000"

// submission is a message that was accepted and is not filed yet: Graph has
// answered 202, transport has it
// (learn.microsoft.com/graph/outlook-things-to-know-about-send-mail, 2024-11).
type submission struct {
	box       *box
	item      *item
	raw       []byte
	from      string
	to        []string
	save      bool
	overLimit bool
	messageID string // on the wire
	due       time.Time
	requests  int
}

func (c *call) sendDraft() (answer, error) {
	it, err := c.item()
	if err != nil {
		return answer{}, err
	}
	if !it.draft {
		return answer{}, itemNotFound()
	}
	return c.submit(it, true)
}

func (c *call) sendMail() (answer, error) {
	save := true
	var it *item
	var err error
	if c.mediaType() == "application/json" {
		in, jerr := bodyMap(c.body)
		if jerr != nil {
			return answer{}, jerr
		}
		if keep, derr := decode[*bool]("saveToSentItems", parameter(in, "saveToSentItems")); derr != nil {
			return answer{}, derr
		} else if keep != nil {
			save = *keep
		}
		message, merr := bodyMap(parameter(in, "message"))
		if merr != nil {
			return answer{}, merr
		}
		it, err = c.draftFromJSON(message)
	} else {
		it, err = c.readDraft()
	}
	if err != nil {
		return answer{}, err
	}
	return c.submitNew(it, save)
}

// submitNew writes a message into Drafts and submits it. A message that is
// refused leaves nothing behind.
func (c *call) submitNew(it *item, save bool) (answer, error) {
	c.s.fileDraft(c.box, c.box.folder("drafts"), it)
	a, err := c.submit(it, save)
	if err != nil {
		c.box.remove(it, c.s.now())
	}
	return a, err
}

func (c *call) submit(it *item, save bool) (answer, error) {
	actor := c.own
	if actor == nil { // an app acts as the mailbox itself
		actor = c.box
	}
	if c.needsShared(it) && !c.has("Mail.Send.Shared") {
		return answer{}, accessDenied()
	}
	if err := c.s.submit(c.box, actor, it, save); err != nil {
		return answer{}, err
	}
	header := http.Header{}
	if v := c.s.options.SendRetryAfter; v != "" {
		header.Set("Retry-After", v)
	}
	return answer{status: http.StatusAccepted, header: header}, nil
}

// submit checks a draft and hands it to transport.
func (s *Server) submit(b, actor *box, it *item, save bool) error {
	if b.sendRefusal != nil {
		return b.sendRefusal
	}
	now := s.now()
	if err := s.setSender(b, actor, it); err != nil {
		return err
	}
	var to []string
	for _, a := range it.recipients() {
		if !validAddress(a.Address) {
			return invalidRecipients()
		}
		if !slices.ContainsFunc(to, func(have string) bool { return mailbox.SameAddress(have, a.Address) }) {
			to = append(to, a.Address)
		}
	}
	if len(to) == 0 {
		return invalidRecipients()
	}
	over := b.overLimit(now, len(to))
	if over && b.user.Personal {
		return refuse(s.options.SendLimitStatus, "ErrorExceededMessageLimit",
			"Cannot send mail. Daily Message/Recipient limit exceeded. Follow the instructions in your Inbox to verify your account.")
	}
	p := &submission{
		box: b, item: it, from: it.from.Address, to: to, save: save, overLimit: over, messageID: it.messageID,
		due: now.Add(s.options.SendDelay), requests: s.options.SendDelayRequests,
	}
	var err error
	if p.raw, err = s.freeze(p, now); err != nil {
		return err
	}
	if v, ok := it.propertyValue(propDeferred); ok {
		if t, err := time.Parse(time.RFC3339, v); err == nil && t.After(p.due) {
			p.due = t
		}
	}
	it.submitted++
	s.pending = append(s.pending, p)
	s.settle(nil, false)
	return nil
}

func validAddress(a string) bool {
	local, domain, ok := strings.Cut(a, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(a, " \t\r\n<>,;") && !strings.Contains(domain, "@")
}

// overLimit counts recipients of the last 24 hours.
func (b *box) overLimit(now time.Time, n int) bool {
	b.recipients = slices.DeleteFunc(b.recipients, func(r sentAt) bool { return now.Sub(r.at) >= 24*time.Hour })
	total := n
	for _, r := range b.recipients {
		total += r.n
	}
	if total > b.user.SendLimit {
		return true
	}
	b.recipients = append(b.recipients, sentAt{now, n})
	return false
}

// freeze is the message as it goes over the wire. MIME that the client gave is
// passed on as it is, apart from fields that transport owns.
func (s *Server) freeze(p *submission, now time.Time) ([]byte, error) {
	it := p.item
	m := fakeserver.ParseMail(it.mime(now, !s.options.IgnorePropertyThreading || it.reply))
	if it.raw != nil {
		m.Del("Bcc")
		if given := addresses(it.header, "From"); len(given) == 0 || given[0].Address != it.from.Address {
			m.Set("From", formatAddresses([]mailbox.Address{*it.from}))
		}
		m.Del("Sender")
		if !mailbox.SameAddress(it.sender.Address, it.from.Address) {
			m.Set("Sender", formatAddresses([]mailbox.Address{*it.sender}))
		}
		if m.Get("Date") == "" {
			m.Set("Date", now.Format(dateLayout))
		}
	}
	rewrite := s.options.RewriteWorkIDs
	if p.box.user.Personal {
		rewrite = !s.options.KeepPersonalIDs
	}
	if it.ownMessageID && rewrite {
		p.messageID = s.newMessageID()
		m.Set("Message-ID", p.messageID)
		m.Set("X-Microsoft-Original-Message-ID", it.messageID)
	}
	raw := m.Bytes()
	if int64(len(raw)) > s.options.MaxMessageBytes {
		return nil, refuse(http.StatusBadRequest, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
	}
	return raw, nil
}

// settle files every submission whose time has come. A request to a mailbox
// counts for its submissions when counted is set.
func (s *Server) settle(asked *box, counted bool) {
	now := s.Now()
	waiting := s.pending
	s.pending = nil
	for _, p := range waiting {
		if counted && p.box == asked && p.requests > 0 {
			p.requests--
			s.pending = append(s.pending, p)
			continue
		}
		if p.requests > 0 || now.Before(p.due) {
			s.pending = append(s.pending, p)
			continue
		}
		s.transport(p)
	}
}

// transport delivers a message and moves it from Drafts to Sent Items.
func (s *Server) transport(p *submission) {
	now := s.now()
	s.submissions = append(s.submissions, Envelope{From: p.from, To: p.to, Raw: p.raw})
	var failed []failure
	var away []string
	for _, to := range p.to {
		b, bounce := s.box(to), s.bounces[strings.ToLower(to)]
		switch {
		case p.overLimit:
			failed = append(failed, failure{to, Bounce{Status: "5.1.90"}})
		case bounce != Bounce{}:
			failed = append(failed, failure{to, bounce})
		case b != nil && b.full:
			failed = append(failed, failure{to, Bounce{Status: "5.2.2"}})
		case b != nil && !b.user.NoMailbox:
			s.receive(b, b.folder("inbox"), s.received(p.raw, to))
		case b != nil || s.local(mailbox.Domain(to)):
			failed = append(failed, failure{to, Bounce{Status: "5.1.10"}})
		default:
			away = append(away, to)
		}
	}
	if len(away) > 0 {
		s.relays = append(s.relays, Envelope{From: p.from, To: away, Raw: p.raw})
	}
	s.fileSent(p, now)
	if len(failed) > 0 {
		s.receive(p.box, p.box.folder("inbox"), s.report(p, failed, now))
	}
}

// fileSent moves a submitted message to Sent Items.
func (s *Server) fileSent(p *submission, now time.Time) {
	it, b := p.item, p.box
	it.submitted--
	if it.gone || !it.draft {
		return
	}
	if !p.save {
		b.remove(it, now)
		return
	}
	it.load()
	it.draft, it.read = false, true
	it.sent, it.received = now, now
	it.raw, it.messageID = p.raw, p.messageID
	head, _ := splitHeader(p.raw)
	it.header = readHeader(head)
	b.indexRFC(it)
	b.move(it, b.folder("sentitems"), now)
	it.moved = false
}

// received puts the trace field of the fake's mail server on top.
func (s *Server) received(raw []byte, to string) []byte {
	m := fakeserver.ParseMail(raw)
	m.Prepend("Received", fmt.Sprintf("from %s by %s\r\n with Microsoft SMTP Server for <%s>;\r\n %s",
		s.host(), s.host(), to, s.now().Format(dateLayout)))
	return m.Bytes()
}

// receive files a message that came in.
func (s *Server) receive(b *box, f *folder, raw []byte) *item {
	now := s.now()
	it := &item{created: now, modified: now, received: now}
	it.content = readContent(raw)
	it.sent = it.date()
	if it.sent.IsZero() {
		it.sent = now
	}
	if it.messageID == "" {
		it.messageID = s.newMessageID()
	}
	s.converse(b, &it.content)
	return b.add(f, it)
}
