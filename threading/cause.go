package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// The causes in [mailbox.BounceRecipient.Category]. Only CategoryUserUnknown and
// CategoryHostUnknown can be hard.
const (
	CategoryUserUnknown = "user_unknown" // no such mailbox, moved, or not an address
	CategoryHostUnknown = "host_unknown" // no such domain, or one that takes no mail
	CategoryMailboxFull = "mailbox_full"
	CategoryDisabled    = "disabled" // the mailbox exists and takes no mail
	CategoryBlocked     = "blocked"  // our address, domain, host or account has a bad name
	CategorySpam        = "spam"     // the content was taken for spam
	CategoryPolicy      = "policy"   // a rule of the recipient's organisation
	CategoryAuth        = "auth"     // SPF, DKIM, DMARC or reverse DNS
	CategoryTooLarge    = "too_large"
	CategoryRate        = "rate"    // too much in too short a time
	CategoryNetwork     = "network" // no connection, or it broke
	CategoryExpired     = "expired" // given up after many tries
	CategoryOther       = "other"
)

// Bounce returns what the report says in the terms of a verdict, nil when it
// names neither a recipient nor the original message. Recipients carry the
// address the mail was sent to, if the report tells it.
//
// Hard means that the address does not exist, permanently: never a rate or
// quota reply, never a full or disabled mailbox, never a delay, never a reply of
// the 4xx class, and never a refusal of the content.
func (rep Report) Bounce() *mailbox.Bounce {
	if len(rep.Recipients) == 0 && rep.OriginalMessageID == "" {
		return nil
	}
	b := &mailbox.Bounce{OriginalMessageID: mailbox.RFCMessageID(strings.Clone(string(rep.OriginalMessageID)))} // not the whole report
	for _, r := range rep.Recipients {
		b.Recipients = append(b.Recipients, r.bounce())
	}
	return b
}

func (r ReportRecipient) bounce() mailbox.BounceRecipient {
	out := mailbox.BounceRecipient{Address: r.Original, Action: r.Action, Status: r.Status}
	if out.Address == "" || !strings.Contains(out.Address, "@") && strings.Contains(r.Final, "@") {
		out.Address = r.Final
	}
	diagnostic := strings.ToLower(clip(r.Diagnostic))
	// Trust the words of the server that refused over the summary of the one
	// that reports: "5.0.0" says nothing, and a gateway's own code comes first.
	if told := lastStatus(diagnostic); !vague(told) && told[0] != '2' {
		out.Status = told
	}
	out.SMTP = findReply(diagnostic)
	switch r.outcome() {
	case actionDelivered, actionRelayed, actionExpanded:
		return out
	}
	if out.Status == "" && diagnostic == "" {
		return out // nothing is known
	}
	out.Category = category(out.Status, out.SMTP, causeText(r.Diagnostic))
	permanent := !strings.HasPrefix(out.Status, "4") && (out.SMTP == 0 || out.SMTP >= 500)
	// A reply to MAIL is not about the recipient, filters say "user unknown" when
	// they refuse the content, and long words without a code tell what may have
	// happened.
	doubtful := r.BeforeRecipient || r.AfterData && out.Status != "5.1.1" ||
		out.Status == "" && out.SMTP == 0 && (len(diagnostic) > maxPlainWords || says(causeText(r.Diagnostic), guessWords))
	out.Hard = gone(out.Category) && permanent && !doubtful && r.outcome() == actionFailed
	return out
}

// maxPlainWords is how long the words for one cause are, in bytes.
const maxPlainWords = 400

// gone reports whether a cause means that the address does not exist.
func gone(category string) bool {
	return category == CategoryUserUnknown || category == CategoryHostUnknown
}

func vague(status string) bool { return status == "" || strings.HasSuffix(status, ".0.0") }

// category finds the cause. Plain words come first, since no code may override
// them; then the code; then common words; then what the reply code proposes.
func category(status string, smtp int, text string) string {
	if c := plainWords.category(text, ""); c != "" {
		return c
	}
	if c := categoryOfStatus(status, text); c != "" {
		return c
	}
	if c := causeWords.category(text, ""); c != "" {
		return c
	}
	switch {
	case says(text, unavailableWords):
		return CategoryUserUnknown
	case smtp == 452 || smtp == 552: // RFC 5321, 4.2.3: exceeded storage allocation
		return CategoryMailboxFull
	}
	return CategoryOther
}

// categoryOfStatus reads the enhanced status code (IANA registry of 2024-12-06;
// the Exchange rows from non-delivery-reports-in-exchange-online, 2026-01). ""
// means that the words decide.
func categoryOfStatus(status, text string) string {
	class, detail, _ := strings.Cut(status, ".")
	switch detail {
	case "1.0":
		if strings.Contains(text, "address rejected") && !strings.Contains(text, "sender") {
			return CategoryUserUnknown
		}
	case "1.1", "1.3", "1.6":
		return CategoryUserUnknown
	case "1.10": // Exchange: recipient not found; IANA: the domain takes no mail (null MX)
		if strings.Contains(text, "null mx") {
			return CategoryHostUnknown
		}
		return CategoryUserUnknown
	case "1.2", "4.4", "4.310":
		if containsAny(text, []string{"try again", "malformed"}) { // the name service failed, not the name
			return CategoryNetwork
		}
		return CategoryHostUnknown
	case "1.8", "1.90", // Exchange: our mailbox is barred or over its daily limit
		"7.501", "7.502", "7.503", "7.508", "7.511", "7.513", "7.705", "7.708", "7.750":
		return CategoryBlocked
	case "2.1":
		return causeWords.category(text, CategoryDisabled)
	case "2.2":
		return CategoryMailboxFull
	case "2.3", "3.4":
		return CategoryTooLarge
	case "2.121", "2.122", "5.3", "7.28", "7.232", "7.233":
		return CategoryRate
	case "3.2":
		if class == "4" {
			return CategoryRate
		}
	case "4.1":
		// Exchange uses 5.4.1 for directory blocking and for a refused relay.
		switch {
		case strings.Contains(text, "recipient address rejected"):
			return CategoryUserUnknown
		case strings.Contains(text, "relay"):
			return CategoryPolicy
		}
		return CategoryNetwork
	case "4.2", "4.3", "4.312", "4.316", "7.321", "7.322", "7.323", "7.324", "7.325":
		return CategoryNetwork
	case "4.6", "4.14": // a loop
		return CategoryOther
	case "4.7", "4.300":
		return CategoryExpired
	case "7.12", "7.124", "7.133", "7.134", "7.135", "7.136", "7.703":
		return CategoryPolicy
	case "7.20", "7.21", "7.22", "7.23", "7.24", "7.25", "7.26", "7.27", "7.509", "7.515":
		return CategoryAuth
	case "7.1":
		if says(text, missingWords) {
			return CategoryUserUnknown
		}
		if c := causeWords.category(text, CategoryPolicy); !gone(c) { // the address exists, whatever a relay says
			return c
		}
		return CategoryPolicy
	case "7.350": // Exchange: the next server took it for spam (reports of 2017 and 2021, read 2026-11-26)
		return CategorySpam
	}
	if n, ok := strings.CutPrefix(detail, "7."); ok && len(n) == 3 {
		switch { // three digits each, so they compare as numbers
		case "606" <= n && n <= "649", class == "4" && ("500" <= n && n <= "699" || "850" <= n && n <= "899"):
			return CategoryBlocked
		}
	}
	return ""
}

// causeText brings a diagnostic into the form in which words are looked for:
// folded, and without addresses and numbers, which come between the words of a
// reply of several lines.
func causeText(diagnostic string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(fold(withoutAddresses(diagnostic))) {
		if word == "<>" || strings.Trim(word, "0123456789.-#()[]") == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String()
}

// says reports whether text contains any of the words. Short ones count only
// whole: "rbl" is not in "marble".
func says(text string, words []string) bool {
	for _, w := range words {
		if len(w) > 3 && strings.Contains(text, w) || len(w) <= 3 && hasWord(text, w) {
			return true
		}
	}
	return false
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// findStatus returns the first enhanced status code (RFC 3463) in s, or "". A
// part of an IP address or of a version number is none.
func findStatus(s string) string {
	for i := 0; i+4 < len(s); i++ {
		if s[i] != '2' && s[i] != '4' && s[i] != '5' || s[i+1] != '.' || i > 0 && partOfWord(s[i-1]) {
			continue
		}
		subject := digits(s[i+2:])
		mid := i + 2 + subject
		if subject == 0 || subject > 3 || mid >= len(s) || s[mid] != '.' {
			continue
		}
		detail := digits(s[mid+1:])
		end := mid + 1 + detail
		if detail == 0 || detail > 3 || end+1 < len(s) && s[end] == '.' && digits(s[end+1:]) > 0 {
			continue
		}
		return s[i:end]
	}
	return ""
}

// lastStatus returns the last enhanced status code in s, or "": a relay puts the
// words of the server behind it last.
func lastStatus(s string) string {
	last := ""
	for {
		code := findStatus(s)
		if code == "" {
			return last
		}
		last = code
		s = s[strings.Index(s, code)+len(code):]
	}
}

// findReply returns the first SMTP reply code of a failure in s, or 0.
func findReply(s string) int {
	i := replyIndex(s)
	if i < 0 {
		return 0
	}
	return int(s[i]-'0')*100 + int(s[i+1]-'0')*10 + int(s[i+2]-'0')
}

// replyIndex returns where the first SMTP reply code of a failure stands in s,
// or -1.
func replyIndex(s string) int {
	for i := 0; i+2 < len(s); i++ {
		if s[i] != '4' && s[i] != '5' || i > 0 && (partOfWord(s[i-1]) || s[i-1] == '-') || digits(s[i:]) != 3 {
			continue
		}
		// The second digit is 0 to 5 (RFC 5321, 4.2.1); "550.1" and "550kB" are no replies.
		if end := i + 3; s[i+1] > '5' || end < len(s) && partOfWord(s[end]) && !strings.HasPrefix(s[end:], ". ") {
			continue
		}
		return i
	}
	return -1
}

// digits returns how many of the first four bytes of s are digits.
func digits(s string) int {
	n := 0
	for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func partOfWord(c byte) bool {
	return c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
