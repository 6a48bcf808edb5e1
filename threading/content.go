package threading

import (
	"bytes"
	"strings"

	"golang.org/x/net/html/charset"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/replytext"
)

// Depth and number of parts that are looked at. Reports are two levels deep.
const (
	maxDepth = 8
	maxParts = 200
)

// content is what is collected from a report before it is judged.
type content struct {
	rep Report
	// marked: the header bears a mark of a report.
	marked bool
	// text and html are the words for people, up to the returned mail.
	text, html strings.Builder
	// returned is the header of the returned mail.
	returned mailbox.Header
	// named is how plainly the words name the recipients, if they were asked.
	named rank
}

func (c *content) readEntity(header mailbox.Header, body []byte, depth int) {
	contentType := clip(header.Get("Content-Type"))
	t := mediaType(contentType)
	switch {
	case strings.HasPrefix(t, "multipart/"), t == "" && depth == 0: // the type got lost on the way
		if depth == maxDepth {
			return
		}
		parts := splitParts(body, parameter(contentType, "boundary"))
		if t == "" && beginsWithWords(body) { // parts of the returned mail
			parts = nil
		}
		for _, part := range parts {
			h, b := splitPart(part)
			c.readEntity(h, b, depth+1)
		}
		if len(parts) == 0 {
			c.addText(&c.text, contentType, decode(header, body))
		}
	case isStatusType(t):
		c.rep.setType("delivery-status")
		c.rep.readStatus(decode(header, body))
	case isDispositionType(t):
		c.rep.setType("disposition-notification")
		c.rep.readDisposition(decode(header, body))
	case t == "message/feedback-report":
		c.rep.setType("feedback-report")
		c.rep.readFeedback(decode(header, body))
	case depth > 0 && depth < maxDepth && isReturnedType(t) && c.marked && c.rep.Type == "" && wrapsReport(body):
		h, b := splitHeader(body)
		c.readEntity(h, b, depth+1)
	case depth > 0 && isReturnedType(t):
		if c.returned == nil {
			c.returned, _ = splitHeader(decode(header, body))
			c.rep.setOriginal(c.returned.Get("Message-ID"))
		}
	case c.returned != nil:
	case t == "text/html":
		c.addText(&c.html, contentType, decode(header, body))
	case t == "", t == "text/plain":
		c.addText(&c.text, contentType, decode(header, body))
	}
}

// addText adds a part for people, in UTF-8.
func (c *content) addText(to *strings.Builder, contentType string, data []byte) {
	data = data[:min(len(data), 2*maxText)]
	if to.Len() > 2*maxText {
		return
	}
	if label := parameter(contentType, "charset"); label != "" {
		if enc, name := charset.Lookup(label); enc != nil && name != "utf-8" {
			if decoded, err := enc.NewDecoder().Bytes(data); err == nil {
				data = decoded
			}
		}
	}
	to.Write(data)
	to.WriteByte('\n')
}

// finish reads the words and what the header tells, where the report parts leave
// something open.
func (c *content) finish(s *signs) {
	rep := &c.rep
	text := c.text.String()
	if strings.TrimSpace(text) == "" {
		text = replytext.PlainText(c.html.String())
	}
	if len(rep.Recipients) == 0 && rep.Type == "" && s.notifies() && rep.readNotification(text) {
		return
	}
	if rep.Type == "disposition-notification" && s.rejects() {
		for i := range rep.Recipients {
			rep.Recipients[i].Action = actionFailed
		}
	}
	if s.mayReport() && (rep.Type != "disposition-notification" || rep.refused()) && rep.Type != "feedback-report" {
		c.readWords(s, text)
	}
	if s.junkReport() {
		rep.setType("feedback-report")
	}
	if to := returnedOf(c.returned).to; rep.Type == "feedback-report" && len(rep.Recipients) == 0 && len(to) == 1 {
		rep.addRecipient(ReportRecipient{Original: to[0]})
	}
	if len(rep.Recipients) == 0 && rep.Type != "feedback-report" {
		for _, failed := range s.failedRecipients(s.actionOf("")) {
			rep.addRecipient(ReportRecipient{Final: failed.Address, Action: failed.Action})
		}
	}
	if rep.OriginalMessageID == "" && (rep.Type != "" || len(rep.Recipients) > 0) {
		rep.OriginalMessageID = s.answeredID()
	}
}

// readWords reads the words for people.
func (c *content) readWords(s *signs, text string) {
	rep := &c.rep
	words, quoted := splitReturned(text)
	returned := returnedOf(c.returned)
	if c.returned == nil && quoted != "" {
		returned = readReturned(quoted)
	}
	if returned.id == "" {
		returned.id = statedID(words)
	}
	if rep.OriginalMessageID == "" {
		rep.OriginalMessageID = returned.id
	}
	if i := statusFields(words); i >= 0 && len(rep.Recipients) == 0 {
		rep.readStatus([]byte(words[i:]))
	}
	if rep.needsWords() {
		c.readRecipients(s, words, returned)
	}
	if len(rep.Recipients) == 1 {
		at := refusedAt(words + "\n" + rep.Recipients[0].Diagnostic)
		rep.Recipients[0].BeforeRecipient = at == stageGreeting
		rep.Recipients[0].AfterData = at == stageContent
	}
}

// readRecipients takes from the words what the report parts leave open.
func (c *content) readRecipients(s *signs, words string, returned returnedMail) {
	own := ownAddresses(s.m, returned.senders)
	found, named := readText(words, func(address string) bool {
		return own[strings.ToLower(address)] || isSystemName(address)
	})
	c.named = named
	header := s.failedRecipients("")
	switch {
	case named == rankListed, named >= rankCommand && len(header) == 0:
	case len(header) > 0:
		diagnostic := diagnosis(words, "")
		found = found[:0]
		for _, h := range header {
			found = append(found, ReportRecipient{Final: h.Address, Status: findStatus(diagnostic), Diagnostic: diagnostic})
		}
	case len(returned.to) == 1 && (len(found) != 1 || !strings.EqualFold(found[0].Final, returned.to[0])):
		diagnostic := diagnosis(words, "")
		found = []ReportRecipient{{Final: returned.to[0], Status: findStatus(diagnostic), Diagnostic: diagnostic}}
	}
	c.rep.merge(found, s.actionOf(words))
}

// needsWords reports whether a recipient is not told of, or not what happened.
func (rep *Report) needsWords() bool {
	for _, r := range rep.Recipients {
		if r.Final == "" && r.Original == "" || r.Diagnostic == "" && vague(r.Status) {
			return true
		}
	}
	return len(rep.Recipients) == 0
}

// merge completes the recipients from what the words told.
func (rep *Report) merge(found []ReportRecipient, action string) {
	if len(rep.Recipients) == 0 {
		for _, f := range found {
			f.Action = action
			rep.addRecipient(f)
		}
		return
	}
	for i := range rep.Recipients {
		r := &rep.Recipients[i]
		for _, f := range found {
			nameless := r.Final == "" && r.Original == ""
			if !(nameless && len(found) == len(rep.Recipients)) && !strings.EqualFold(f.Final, r.Final) && !strings.EqualFold(f.Final, r.Original) {
				continue
			}
			if nameless {
				r.Original, r.Final = found[i].Original, found[i].Final
				f = found[i]
			}
			if r.Diagnostic == "" && vague(r.Status) {
				r.Diagnostic = f.Diagnostic
				if r.Status == "" {
					r.Status = f.Status
				}
			}
			break
		}
	}
}

// statusFields returns where fields of a delivery-status part begin that stand
// in the words, or -1.
func statusFields(words string) int {
	at, first := 0, -1
	for line := range strings.Lines(words) {
		name, value, found := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "reporting-mta", "action", "status", "original-recipient":
			if first < 0 {
				first = at
			}
		case "final-recipient":
			if found && strings.Contains(value, "@") {
				if first < 0 {
					return at
				}
				return first
			}
		}
		at += len(line)
	}
	return -1
}

// ownAddresses are those of the sender of the returned mail and of the report.
func ownAddresses(m *mailbox.Message, senders []string) map[string]bool {
	own := make(map[string]bool)
	add := func(all []string) {
		for _, a := range all {
			own[strings.ToLower(a)] = true
		}
	}
	add(authors(m))
	add(senders)
	for _, a := range m.To {
		own[strings.ToLower(a.Address)] = true
	}
	for _, name := range []string{"To", "Delivered-To", "X-Original-To"} {
		add(addresses(field(m, name)))
	}
	return own
}

// wrapsReport reports whether a message within a message is the report itself:
// gateways put it behind a notice of their own.
func wrapsReport(body []byte) bool {
	h, _ := splitHeader(body)
	contentType := clip(h.Get("Content-Type"))
	return mediaType(contentType) == "multipart/report" && strings.EqualFold(parameter(contentType, "report-type"), "delivery-status")
}

func isReturnedType(mediaType string) bool {
	switch mediaType {
	case "message/rfc822", "text/rfc822-headers", "text/rfc822-header", "text/rfc822", "message/rfc822-headers",
		"message/global", "message/global-headers":
		return true
	}
	return false
}

// beginsWithWords reports whether words stand before the first line of dashes:
// a recipient is named there.
func beginsWithWords(body []byte) bool {
	i := bytes.Index(body[:min(len(body), maxText)], []byte("\n--"))
	return !bytes.HasPrefix(body, []byte("--")) && i > 0 && bytes.IndexByte(body[:i], '@') >= 0
}

// splitPart splits a part into its header and its body. A part that begins with
// a blank line has no header, unless one follows all the same.
func splitPart(part []byte) (mailbox.Header, []byte) {
	if rest := bytes.TrimLeft(part, "\r\n"); len(rest) < len(part) && !hasFoldedPrefix(rest, "content-") {
		return nil, part
	}
	return splitHeader(part)
}

func hasFoldedPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}
