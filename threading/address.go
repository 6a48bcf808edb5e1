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
	tag := strings.IndexByte(local, '+')
	if tag > 0 {
		local = local[:tag]
	}
	switch {
	case domain == "gmail.com" || domain == "googlemail.com":
		return strings.ReplaceAll(local, ".", "") + "@gmail.com"
	case tag > 0:
		return local + address[at:]
	}
	return address
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
	for _, list := range [...][]mailbox.Address{m.From, m.ReplyTo, m.To, m.Cc, m.Bcc, {m.Sender}} {
		for i := range list {
			if mailbox.SameAddress(list[i].Address, string(id)) {
				return true
			}
		}
	}
	var buf [12]byte
	for i := range m.Header {
		switch string(lowered(buf[:], m.Header[i].Name)) {
		case "from", "sender", "reply-to", "to", "cc", "delivered-to":
			if mentions(m.Header[i].Value, string(id)) {
				return true
			}
		}
	}
	return false
}

// mentions reports whether an address stands as a whole in a header value,
// whatever is around it.
func mentions(value, address string) bool {
	value = clip(value)
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false
	}
	for from := 0; ; {
		i := strings.IndexByte(value[from:], '@')
		if i < 0 {
			return false
		}
		from += i + 1
		begin := from - 1 - at
		end := begin + len(address)
		if begin >= 0 && end <= len(value) && (begin == 0 || isAddressSeparator(value[begin-1])) &&
			(end == len(value) || isAddressSeparator(value[end])) && mailbox.SameAddress(value[begin:end], address) {
			return true
		}
	}
}

func isAddressSeparator(c byte) bool {
	return c <= ' ' || strings.IndexByte(`<>(),;:"`, c) >= 0
}
