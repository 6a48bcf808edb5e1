package threading

import (
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// The values of Action (RFC 3464, 2.3.3). The last three are good news.
const (
	actionFailed    = "failed"
	actionDelayed   = "delayed"
	actionDelivered = "delivered"
	actionRelayed   = "relayed"
	actionExpanded  = "expanded"
)

// Report is what the machine-readable parts of a bounce, a receipt or a
// feedback report say. Fields that the report does not state are empty.
type Report struct {
	// Type is "delivery-status", "disposition-notification" or
	// "feedback-report"; empty when the message has no such part.
	Type string
	// ReportingMTA is the host that wrote a delivery report.
	ReportingMTA string
	// EnvelopeID is the ENVID of the returned mail (RFC 3461).
	EnvelopeID string
	// OriginalMessageID is the Message-ID of the mail that was returned, read or
	// complained about: as the report states it, or from the returned header.
	OriginalMessageID mailbox.RFCMessageID
	// Recipients are those the report is about, in its order, at most 1,000.
	Recipients []ReportRecipient
	// Disposition is what a read receipt reports, for instance "displayed" or
	// "deleted" (RFC 8098, 3.2.6.2), in lower case.
	Disposition string
	// FeedbackType is what a feedback report is about, for instance "abuse" or
	// "not-spam" (RFC 5965, 7.3), in lower case.
	FeedbackType string
	// Truncated tells that the message was longer than what was read.
	Truncated bool
}

// ReportRecipient is what a delivery report says about one recipient (RFC 3464,
// 2.3), as it is written.
type ReportRecipient struct {
	// Original is the address the mail was sent to, Final the one it ended up at
	// after aliases and forwarding. Either may be empty.
	Original, Final string
	// Action is failed, delayed, delivered, relayed or expanded, in lower case.
	Action string
	// Status is the enhanced status code of the Status field, for instance
	// "5.1.1" (RFC 3463).
	Status string
	// RemoteMTA is the host that refused.
	RemoteMTA string
	// Diagnostic is the text of Diagnostic-Code without its type, on one line.
	// It is other people's text and may name addresses.
	Diagnostic string
	// RetryUntil is when a delayed delivery will be given up; zero if not told.
	RetryUntil time.Time
}

// maxReport is how many bytes of a message ReadReport looks at. The report part
// stands before the returned mail, which may be as large as mail gets.
const maxReport = 8 << 20

// ReadReport reads a raw message that is a report, or the bare content of its
// message/delivery-status part. It reads the standard forms: RFC 3464 with the
// internationalised types of RFC 6533, RFC 8098 and RFC 5965. A message without
// such a part gives a Report with an empty Type; recipients then come from
// X-Failed-Recipients if that field is there. Call it for messages that
// [Classify] takes for a report: whether a message is one is not its question.
//
// It looks at the first 8 MiB of r and repairs what it can: the only error is
// that of r.
func ReadReport(r io.Reader) (Report, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return Report{}, err
	}
	var rep Report
	if len(raw) > maxReport {
		raw, rep.Truncated = raw[:maxReport], true
	}
	header, body := splitHeader(raw)
	if isStatusContent(header) {
		rep.Type = "delivery-status"
		rep.readStatus(raw)
		return rep, nil
	}
	rep.readEntity(header, body, 0)

	s := readSigns(&mailbox.Message{Header: header})
	if len(rep.Recipients) == 0 {
		action := actionFailed
		if s.reportOutcome() == outcomeDelayed {
			action = actionDelayed
		}
		for _, failed := range s.failedRecipients(action) {
			rep.Recipients = append(rep.Recipients, ReportRecipient{Final: failed.Address, Action: failed.Action})
		}
	}
	if rep.OriginalMessageID == "" && (rep.Type != "" || len(rep.Recipients) > 0) {
		rep.OriginalMessageID = s.answeredID()
	}
	return rep, nil
}

// isStatusContent reports whether a first block of fields is that of a
// delivery-status part and not the header of a message.
func isStatusContent(h mailbox.Header) bool {
	if h.Has("Content-Type") || h.Has("From") || h.Has("Received") || h.Has("MIME-Version") {
		return false
	}
	return h.Has("Reporting-MTA") || h.Has("Final-Recipient") || h.Has("Original-Recipient") || h.Has("Original-Envelope-Id")
}

// Depth and number of parts that are looked at. Reports are two levels deep.
const (
	maxDepth = 8
	maxParts = 200
)

func (rep *Report) readEntity(header mailbox.Header, body []byte, depth int) {
	contentType := clip(header.Get("Content-Type"))
	switch t := mediaType(contentType); {
	case strings.HasPrefix(t, "multipart/"), t == "" && depth == 0: // the type got lost on the way
		if depth == maxDepth {
			return
		}
		for _, part := range splitParts(body, parameter(contentType, "boundary")) {
			h, b := splitHeader(part)
			rep.readEntity(h, b, depth+1)
		}
	case isStatusType(t):
		rep.setType("delivery-status")
		rep.readStatus(decode(header, body))
	case isDispositionType(t):
		rep.setType("disposition-notification")
		rep.readDisposition(decode(header, body))
	case t == "message/feedback-report":
		rep.setType("feedback-report")
		rep.readFeedback(decode(header, body))
	case depth > 0 && isReturnedType(t):
		returned, _ := splitHeader(decode(header, body))
		rep.setOriginal(returned.Get("Message-ID"))
	}
}

func isReturnedType(mediaType string) bool {
	switch mediaType {
	case "message/rfc822", "text/rfc822-headers", "text/rfc822", "message/rfc822-headers",
		"message/global", "message/global-headers":
		return true
	}
	return false
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
		if group.Has("Original-Recipient") || group.Has("Final-Recipient") {
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
				action, _, _ := strings.Cut(strings.ToLower(value), " ")
				recipient(false).Action = strings.Trim(action, ";")
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
	for _, v := range h.Values("Original-Rcpt-To") {
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
	if open := strings.IndexByte(address, '<'); open >= 0 {
		if end := strings.IndexByte(address[open:], '>'); end > 1 {
			return strings.TrimSpace(address[open+1 : open+end])
		}
	}
	if before, _, found := strings.Cut(address, " ("); found && strings.Contains(before, "@") {
		address = before
	}
	return strings.Trim(address, " \t<>")
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

// Kind returns what the report makes of the message: a bounce if any recipient
// failed, a delay if any is still being tried, a receipt if all is well, a
// complaint; "" for a message that reports nothing.
func (rep Report) Kind() mailbox.Kind {
	switch rep.Type {
	case "disposition-notification":
		return mailbox.KindReceipt
	case "feedback-report":
		return mailbox.KindComplaint
	}
	kind := mailbox.Kind("")
	for _, r := range rep.Recipients {
		switch r.outcome() {
		case actionFailed:
			return mailbox.KindBounce
		case actionDelayed:
			kind = mailbox.KindDelay
		default:
			if kind == "" {
				kind = mailbox.KindReceipt
			}
		}
	}
	return kind
}

// outcome is the action, or what the status class says without one.
func (r ReportRecipient) outcome() string {
	if r.Action != "" {
		return r.Action
	}
	switch {
	case strings.HasPrefix(r.Status, "2"):
		return actionDelivered
	case strings.HasPrefix(r.Status, "4"):
		return actionDelayed
	}
	return actionFailed
}
