package threading

import (
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// CanonicalAddress returns the form of an addr-spec under which two spellings of
// one mailbox are equal: lower case, without a "+tag" (subaddressing, kept by
// Gmail, Exchange Online and most servers), and for Gmail's consumer domains
// also without dots. Dots of other domains are kept: in Google Workspace they
// are significant.
func CanonicalAddress(address string) string {
	address = strings.ToLower(strings.TrimSpace(address))
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	local, domain := address[:at], address[at+1:]
	if plus := strings.IndexByte(local, '+'); plus > 0 {
		local = local[:plus]
	}
	if domain == "gmail.com" || domain == "googlemail.com" {
		return strings.ReplaceAll(local, ".", "") + "@gmail.com"
	}
	return local + "@" + domain
}

// findRecipient returns the first recipient that is one of the addresses, in any
// spelling, or "".
func findRecipient(recipients, addresses []string) string {
	for _, a := range addresses {
		canonical := CanonicalAddress(a)
		for _, r := range recipients {
			if mailbox.SameAddress(a, r) || canonical == CanonicalAddress(r) {
				return r
			}
		}
	}
	return ""
}

// isParticipant reports whether an id is really the e-mail address of somebody
// named in the message. Broken clients write one into In-Reply-To, and linking
// by it would join everything that person takes part in.
func isParticipant(m *mailbox.Message, id mailbox.RFCMessageID) bool {
	for _, list := range [][]mailbox.Address{m.From, m.ReplyTo, m.To, m.Cc, m.Bcc, {m.Sender}} {
		for _, a := range list {
			if mailbox.SameAddress(a.Address, string(id)) {
				return true
			}
		}
	}
	for _, f := range m.Header {
		switch strings.ToLower(f.Name) {
		case "from", "sender", "reply-to", "to", "cc", "delivered-to":
			if mentions(f.Value, string(id)) {
				return true
			}
		}
	}
	return false
}

// mentions reports whether an address stands as a whole in a header value,
// whatever is around it.
func mentions(value, address string) bool {
	for token := range strings.FieldsFuncSeq(clip(value), isAddressSeparator) {
		if mailbox.SameAddress(token, address) {
			return true
		}
	}
	return false
}

func isAddressSeparator(r rune) bool {
	return r <= ' ' || strings.ContainsRune(`<>(),;:"`, r)
}
