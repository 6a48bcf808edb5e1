package threading

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// isStatusContent reports whether a first block of fields is that of a
// delivery-status part and not the header of a message.
func isStatusContent(h mailbox.Header) bool {
	if h.Has("Content-Type") || h.Has("From") || h.Has("Received") || h.Has("MIME-Version") {
		return false
	}
	return h.Has("Reporting-MTA") || h.Has("Final-Recipient") || h.Has("Original-Recipient") || h.Has("Original-Envelope-Id")
}

// setType keeps the type of the first report part.
func (rep *Report) setType(t string) {
	if rep.Type == "" {
		rep.Type = t
	}
}

// setOriginal keeps the first id that is stated.
func (rep *Report) setOriginal(value string) {
	if rep.OriginalMessageID == "" {
		if ids := mailbox.ParseMessageIDs(value); len(ids) > 0 {
			rep.OriginalMessageID = ids[0]
		}
	}
}

// readStatus reads the groups of a delivery-status part: one for the message,
// then one for each recipient. Blank lines between them are often missing or
// doubled, so a recipient begins where a recipient field occurs again.
func (rep *Report) readStatus(body []byte) {
	var current *ReportRecipient
	recipient := func(begins bool) *ReportRecipient {
		if current == nil || begins {
			if len(rep.Recipients) == maxRecipients {
				current = &ReportRecipient{} // read and dropped
			} else {
				rep.Recipients = append(rep.Recipients, ReportRecipient{})
				current = &rep.Recipients[len(rep.Recipients)-1]
			}
		}
		return current
	}
	for len(body) > 0 {
		var group mailbox.Header
		group, body = splitHeader(body)
		// Fields of the recipient may stand in the group of the message.
		nameless := current != nil && current.Original == "" && current.Final == ""
		if !nameless && (group.Has("Original-Recipient") || group.Has("Final-Recipient")) {
			current = nil
		}
		for _, f := range group {
			value := strings.TrimSpace(clip(f.Value))
			switch strings.ToLower(f.Name) {
			case "reporting-mta":
				_, rep.ReportingMTA = typed(value)
			case "original-envelope-id":
				rep.EnvelopeID = value
			case "x-original-message-id", "original-message-id": // Gmail, 8 of 8 samples
				rep.setOriginal(value)
			case "original-recipient":
				r := recipient(current != nil && current.Original != "")
				r.Original = reportAddress(value)
			case "final-recipient":
				r := recipient(current != nil && current.Final != "")
				r.Final = reportAddress(value)
			case "action":
				recipient(false).Action = actionWord(value)
			case "status":
				recipient(false).Status = findStatus(value)
			case "remote-mta":
				_, host := typed(value)
				recipient(false).RemoteMTA = host
			case "diagnostic-code":
				_, text := typed(value)
				recipient(false).Diagnostic = text
			case "will-retry-until":
				recipient(false).RetryUntil = reportDate(value)
			}
		}
	}
}

// actionWord reads an Action field. Some systems write words of their own, for
// instance OpenSMTPD "error" and NTMail "failure" (sample mail of Mailman, read
// 2026-11-26); one that tells nothing is left to the status.
func actionWord(value string) string {
	value = strings.ToLower(value)
	for _, w := range actionWords {
		if strings.HasPrefix(value, w.begins) {
			return w.action
		}
	}
	return ""
}

var actionWords = []struct{ begins, action string }{
	{"fail", actionFailed},
	{"delay", actionDelayed},
	{"deliver", actionDelivered},
	{"relay", actionRelayed},
	{"expand", actionExpanded},
	{"error", actionFailed},
	{"undeliver", actionFailed},
	{"bounce", actionFailed},
	{"reject", actionFailed},
	{"expire", actionFailed},
	{"permanent", actionFailed},
	{"defer", actionDelayed},
	{"transient", actionDelayed},
	{"temporar", actionDelayed},
	{"queued", actionDelayed},
	{"retry", actionDelayed},
	{"success", actionDelivered},
}

func (rep *Report) readDisposition(body []byte) {
	h, _ := splitHeader(body)
	rep.setOriginal(h.Get("Original-Message-ID"))
	// "manual-action/MDN-sent-manually; displayed/error"
	_, disposition, found := strings.Cut(clip(h.Get("Disposition")), ";")
	if found {
		disposition, _, _ = strings.Cut(disposition, "/")
		rep.Disposition = strings.ToLower(strings.TrimSpace(disposition))
	}
	if h.Has("Final-Recipient") || h.Has("Original-Recipient") {
		rep.Recipients = append(rep.Recipients, ReportRecipient{
			Original: reportAddress(clip(h.Get("Original-Recipient"))),
			Final:    reportAddress(clip(h.Get("Final-Recipient"))),
		})
	}
}

func (rep *Report) readFeedback(body []byte) {
	h, _ := splitHeader(body)
	rep.FeedbackType = strings.ToLower(strings.TrimSpace(clip(h.Get("Feedback-Type"))))
	rep.EnvelopeID = strings.TrimSpace(clip(h.Get("Original-Envelope-Id")))
	to := h.Values("Original-Rcpt-To")
	if len(to) == 0 {
		to = h.Values("Removal-Recipient") // of the drafts before RFC 5965
	}
	for _, v := range to {
		address := strings.Trim(clip(v), " \t<>")
		if strings.Contains(address, "@") && len(rep.Recipients) < maxRecipients {
			rep.Recipients = append(rep.Recipients, ReportRecipient{Original: address})
		}
	}
}

// typed splits "type; value" (RFC 3464, 2.1.2).
func typed(value string) (kind, rest string) {
	kind, rest, found := strings.Cut(value, ";")
	if !found || strings.ContainsAny(strings.TrimSpace(kind), " @") {
		return "", strings.TrimSpace(value)
	}
	return strings.ToLower(strings.TrimSpace(kind)), strings.TrimSpace(rest)
}

// reportAddress reads an address field: "rfc822; a@b", "utf-8; \x{E4}@b",
// brackets and comments around it. Addresses of other kinds (X.400, local
// names without a domain) are kept as they are.
func reportAddress(value string) string {
	kind, address := typed(value)
	if kind == "utf-8" {
		address = unescapeUTF8(address)
	}
	if again, rest := typed(address); again == "rfc822" { // "rfc822; rfc822;a@b"
		address = rest
	}
	if open := strings.IndexByte(address, '<'); open >= 0 {
		if end := strings.IndexByte(address[open:], '>'); end > 1 {
			return withoutRoute(strings.TrimSpace(address[open+1 : open+end]))
		}
	}
	if before, _, found := strings.Cut(address, " ("); found && strings.Contains(before, "@") {
		address = before
	}
	return withoutRoute(strings.Trim(address, " \t<>"))
}

// withoutRoute removes a source route (RFC 5321, appendix C): "@a,@b:c@d". A
// route alone names nobody.
func withoutRoute(address string) string {
	if strings.HasPrefix(address, "@") {
		_, address, _ = strings.Cut(address, ":")
	}
	return address
}

// unescapeUTF8 resolves the \x{HEX} escapes of utf-8-addr-xtext (RFC 6533, 3).
func unescapeUTF8(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		digits, after, closed := strings.Cut(rest[:min(len(rest), 8)], "}")
		r, err := strconv.ParseUint(digits, 16, 32)
		if !closed || err != nil || !utf8.ValidRune(rune(r)) {
			b.WriteString(`\x{`)
			s = rest
			continue
		}
		b.WriteRune(rune(r))
		s = after + rest[min(len(rest), 8):]
	}
}

func reportDate(value string) time.Time {
	if before, _, found := strings.Cut(value, "("); found { // "(CEST)"
		value = strings.TrimSpace(before)
	}
	for _, layout := range []string{time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, value); err == nil {
			return t
		}
	}
	return time.Time{}
}
