package threading

import (
	"strings"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// splitReturned splits the text of a report before the mail that it returns:
// behind a line that announces it ("--- Below this line is a copy of the
// message."), or where a mail header begins in the middle of the text. returned
// begins at that header; it is empty when nothing is returned.
//
// Some reports only sum up the mail (To, Subject, Date) and go on with the
// reason. Such a block is part of the words; it counts as the returned header
// when there is no other.
func splitReturned(text string) (words, returned string) {
	var run headerRun
	announced := -1 // where the line of an announcement begins
	summary := -1
	blank, between := 0, 0 // lines behind the announcement
	for at := 0; at < len(text); {
		next := len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		line := strings.TrimRight(text[at:next], " \t\r\n")
		switch {
		case strings.TrimLeft(line, "-=_*# \t") == "":
			run = headerRun{}
			if line != "" && announced < 0 { // a rule before an announcement belongs to it
				break
			}
			if blank++; announced >= 0 && blank > 3 {
				announced = -1
			}
		case run.add(line, at):
			if announced >= 0 {
				return text[:announced], text[run.start:]
			}
			if run.traced && run.known >= 2 {
				return text[:run.start], text[run.start:]
			}
			if run.known >= 3 && summary < 0 {
				summary = run.start
			}
		case announcesReturned(line):
			if ruled(line) {
				return text[:at], text[next:]
			}
			announced, blank, between = at, 0, 0
		case announced >= 0: // an announcement may run over two lines
			if between++; between > 1 {
				announced = -1
			}
		}
		at = next
	}
	if summary >= 0 {
		return text, text[summary:]
	}
	return text, ""
}

// headerRun is a block of header fields without a blank line.
type headerRun struct {
	start  int
	open   bool
	known  int  // fields that mail headers have
	traced bool // fields that only mail headers have
}

// add takes a line at an offset of the text, and reports whether it is part of
// a mail header as far as can be told.
func (r *headerRun) add(line string, at int) bool {
	if r.open && (line[0] == ' ' || line[0] == '\t') {
		return r.known > 0
	}
	name, _, found := strings.Cut(line[:min(len(line), 80)], ":")
	if !found || name == "" || strings.ContainsAny(name, " \t<>@(\"'") {
		*r = headerRun{}
		return false
	}
	if !r.open {
		*r = headerRun{start: at, open: true}
	}
	switch strings.ToLower(name) {
	case "received", "return-path", "mime-version", "content-type", "content-transfer-encoding", "dkim-signature",
		"x-received", "x-mailer", "user-agent", "delivered-to", "domainkey-signature", "authentication-results",
		"arc-seal", "received-spf", "x-google-dkim-signature", "x-originating-ip":
		r.traced = true
		r.known++
	case "from", "to", "cc", "subject", "date", "message-id", "reply-to", "sender", "in-reply-to", "references", "x-priority":
		r.known++
	}
	return r.known > 0
}

// returnedPhrases announce the mail that a report returns, or its header.
var returnedPhrases = []string{
	"original message", "original mail", "original e-mail", "original email", "original header",
	"copy of the message", "copy of your message", "copy of the original", "copy of the mail", "copy of your mail",
	"message header", "header of the original", "returned message", "unsent message", "undelivered message",
	"message follows", "headers follow", "below this line", "first part of the message", "returned mail follows",
	"message as sent", "message text follows", "first part of your message", "included is a copy", "your message reads",
	"originalnachricht", "ursprüngliche nachricht", "kopie der nachricht", "kopie ihrer nachricht",
	"message original", "message d'origine", "mensaje original", "mensagem original", "messaggio originale",
	"исходное сообщение", "заголовки письма", "元のメッセージ", "元のメール", "原邮件", "原始邮件", "原信",
}

// announcesReturned reports whether a line may announce the returned mail.
func announcesReturned(line string) bool {
	return len(line) <= 160 && containsAny(strings.ToLower(line), returnedPhrases)
}

// ruled reports whether a line is set off from the text: by a rule of dashes
// before its words.
func ruled(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "--") || strings.HasPrefix(line, "==") || strings.HasPrefix(line, "**") || strings.HasPrefix(line, "__")
}

// returnedMail is what is known of the mail that came back.
type returnedMail struct {
	id mailbox.RFCMessageID
	// to are the addresses of its To and Cc fields, senders those it came from.
	to, senders []string
}

// maxReturnedText bounds how much of a mail quoted in text is looked at.
const maxReturnedText = 64 << 10

// readReturned reads the header of the returned mail from text that begins with
// it, as far as it is there.
func readReturned(text string) returnedMail {
	text = strings.TrimLeft(text[:min(len(text), maxReturnedText)], "\r\n")
	h, _ := splitHeader([]byte(text))
	r := returnedOf(h)
	if r.id == "" {
		r.id = statedID(text)
	}
	return r
}

func returnedOf(h mailbox.Header) returnedMail {
	var r returnedMail
	if ids := mailbox.ParseMessageIDs(clip(h.Get("Message-ID"))); len(ids) > 0 {
		r.id = ids[0]
	}
	for _, f := range []struct {
		name string
		into *[]string
	}{{"To", &r.to}, {"Cc", &r.to}, {"From", &r.senders}, {"Sender", &r.senders}, {"Return-Path", &r.senders}} {
		*f.into = append(*f.into, addresses(clip(h.Get(f.name)))...)
	}
	return r
}

// statedID returns the id of the first line that is a Message-ID field,
// indented or not.
func statedID(text string) mailbox.RFCMessageID {
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(line, " \t>*")
		const name = "message-id:"
		if len(line) > len(name) && strings.EqualFold(line[:len(name)], name) && utf8.ValidString(line) {
			if ids := mailbox.ParseMessageIDs(clip(line[len(name):])); len(ids) > 0 {
				return ids[0]
			}
		}
	}
	return ""
}
