package mailbox

import "strings"

// Address is one mailbox address of a header field (RFC 5322, 3.4), decoded.
type Address struct {
	// Name is the display name, decoded, possibly empty.
	Name string `json:"name,omitempty"`
	// Address is the addr-spec, "local@domain", as it was written. In received
	// mail it may be a bare name ("MAILER-DAEMON"), or empty when only a display
	// name could be read.
	Address string `json:"address"`
}

// AddrSpecs returns the addr-specs of lists of addresses, in order.
func AddrSpecs(lists ...[]Address) []string {
	var all []string
	for _, list := range lists {
		for _, a := range list {
			all = append(all, a.Address)
		}
	}
	return all
}

// SameAddress reports whether two addr-specs are equal without regard to ASCII
// case. RFC 5321 (2.4) lets local parts be case-sensitive; no provider that
// mailtether speaks to makes use of that.
func SameAddress(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// Domain returns the part after the last "@" in lower case, or "".
func Domain(address string) string {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return ""
	}
	return strings.ToLower(address[i+1:])
}
