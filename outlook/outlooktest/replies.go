package outlooktest

import (
	"encoding/json"
	"html"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

func (c *call) createReply() (answer, error)    { return c.draftReply(false) }
func (c *call) createReplyAll() (answer, error) { return c.draftReply(true) }
func (c *call) reply() (answer, error)          { return c.sendReply(false) }
func (c *call) replyAll() (answer, error)       { return c.sendReply(true) }

func (c *call) draftReply(all bool) (answer, error) {
	it, err := c.newReply(all)
	if err != nil {
		return answer{}, err
	}
	c.s.fileDraft(c.box, c.box.folder("drafts"), it)
	a := c.one(http.StatusCreated, it, selection{})
	a.header.Set("Location", c.s.URL()+c.root+"/messages/"+c.idOf(it))
	return a, nil
}

func (c *call) sendReply(all bool) (answer, error) {
	it, err := c.newReply(all)
	if err != nil {
		return answer{}, err
	}
	return c.submitNew(it, true)
}

// newReply makes the draft of an answer: recipients, subject, quoted original,
// and the threading fields that Exchange writes by itself.
func (c *call) newReply(all bool) (*item, error) {
	orig, err := c.item()
	if err != nil {
		return nil, err
	}
	if orig.draft {
		return nil, refuse(http.StatusBadRequest, "ErrorInvalidRequest", "The request is invalid.")
	}
	if c.mediaType() == "text/plain" {
		it, err := draftFromMIME(c.body)
		if err != nil {
			return nil, err
		}
		c.threadMIME(it, orig)
		return it, nil
	}
	in := map[string]json.RawMessage{}
	if len(strings.TrimSpace(string(c.body))) > 0 {
		if in, err = bodyMap(c.body); err != nil {
			return nil, err
		}
	}
	comment, err := decode[*string]("comment", parameter(in, "comment"))
	if err != nil {
		return nil, err
	}
	message, err := decode[map[string]json.RawMessage]("message", parameter(in, "message"))
	if err != nil {
		return nil, err
	}
	if _, ok := message["body"]; ok && comment != nil {
		return nil, badRequest("Only one of comment and message.body can be given.")
	}
	it := &item{draft: true, read: true}
	it.content = content{loaded: true, importance: "normal", bodyType: "html", reply: true}
	it.subject = "RE: " + strings.TrimSpace(trimReply(orig.subject))
	it.to, it.cc = c.replyRecipients(orig, all)
	text := ""
	if comment != nil {
		text = *comment
	}
	it.body = quote(orig, text)
	it.threadUnder(orig, c.s.Now())
	subject := it.subject
	if err := c.apply(it, message); err != nil {
		return nil, err
	}
	if it.subject != subject {
		c.box.retopic(&it.content)
	}
	return it, nil
}

// trimReply removes one reply prefix, so that it stands there once.
func trimReply(subject string) string {
	if rest, ok := cutPrefixFold(strings.TrimSpace(subject), "re:"); ok {
		return rest
	}
	return subject
}

// threadUnder continues the conversation of the original.
func (c *content) threadUnder(orig *item, now time.Time) {
	c.inReplyTo = orig.messageID
	refs := mailbox.ParseMessageIDs(orig.references)
	if len(refs) == 0 {
		refs = mailbox.ParseMessageIDs(orig.inReplyTo)
	}
	var out []string
	for _, id := range refs {
		out = append(out, id.Brackets())
	}
	c.references = strings.Join(append(out, orig.messageID), " ")
	c.topic = first(orig.topic, baseTopic(orig.subject))
	c.index = replyThreadIndex(orig.index, now)
	c.conversation = orig.conversation
}

// threadMIME threads a reply that the client wrote as MIME: what it says
// itself stands.
func (c *call) threadMIME(it, orig *item) {
	wrote := it.content
	it.threadUnder(orig, c.s.Now())
	m := fakeserver.ParseMail(it.raw)
	if wrote.inReplyTo == "" {
		m.Set("In-Reply-To", it.inReplyTo)
	}
	if wrote.references == "" {
		m.Set("References", strings.Join(strings.Fields(it.references), "\r\n "))
	}
	index, conversation := it.index, it.conversation
	it.content = readContent(m.Bytes())
	it.index, it.conversation, it.reply = index, conversation, true
}

// replyRecipients: Reply-To goes before From; all adds To and Cc without the
// mailbox itself.
func (c *call) replyRecipients(orig *item, all bool) (to, cc []mailbox.Address) {
	switch {
	case len(orig.replyTo) > 0:
		to = slices.Clone(orig.replyTo)
	case orig.from != nil:
		to = []mailbox.Address{*orig.from}
	}
	if !all {
		return to, nil
	}
	seen := func(a mailbox.Address) bool {
		same := func(b mailbox.Address) bool { return mailbox.SameAddress(a.Address, b.Address) }
		return c.box.owns(a.Address) || slices.ContainsFunc(to, same) || slices.ContainsFunc(cc, same)
	}
	for _, a := range orig.to {
		if !seen(a) {
			to = append(to, a)
		}
	}
	for _, a := range orig.cc {
		if !seen(a) {
			cc = append(cc, a)
		}
	}
	return to, cc
}

// quote is the body of a reply: the comment above the original.
func quote(orig *item, comment string) string {
	orig.load()
	original := orig.body
	if orig.bodyType == "text" {
		original = asHTML(original)
	}
	var from, to string
	if orig.from != nil {
		from = formatAddresses([]mailbox.Address{*orig.from})
	}
	to = formatAddresses(orig.to)
	return "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>" +
		comment + "<hr tabindex=\"-1\" style=\"display:inline-block; width:98%\">" +
		"<div id=\"divRplyFwdMsg\" dir=\"ltr\"><font face=\"Calibri, sans-serif\" color=\"#000000\" style=\"font-size:11pt\">" +
		"<b>From:</b> " + html.EscapeString(from) + "<br><b>Sent:</b> " + orig.sent.Format("Monday, January 2, 2006 3:04 PM") +
		"<br><b>To:</b> " + html.EscapeString(to) + "<br><b>Subject:</b> " + html.EscapeString(orig.subject) +
		"</font><div>&nbsp;</div></div>" + original + "</body></html>"
}
