package compose

import (
	"crypto/rand"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// maxOwnID is the longest Message-ID that we write. Relays replace ids they
// find malformed or too long (public mail of 2020-2026: a trailing dot, two
// "@", white space; see NewMessageID).
const maxOwnID = 200

// NewMessageID makes a Message-ID for a message from the address, in the form
// that relays leave alone: a dot-atom of lower-case letters and digits, one
// "@", the domain of the sender without a trailing dot, fewer than 200
// characters. Gmail and Outlook may still replace it: see
// [mailbox.Sent.RFCMessageIDs].
func NewMessageID(from string) mailbox.RFCMessageID {
	domain, err := asciiDomain(mailbox.Domain(from))
	if err != nil || strings.HasPrefix(domain, "[") {
		domain = "mailtether.invalid" // RFC 2606, 2: belongs to nobody
	}
	for len(domain) > 150 {
		_, domain, _ = strings.Cut(domain, ".")
	}
	return mailbox.RFCMessageID(strings.ToLower(rand.Text()) + "@" + domain)
}

// Bounds of the References field. RFC 5322 sets none. RFC 1036 (2.2.5) lets it
// be shortened, and the Usenet drafts say how: keep the first id, which names
// the thread, and drop from the second on when there are more than 21. RFC 5537
// (3.4.4) adds that the unfolded field should not exceed 998 characters and
// that the last two ids stay.
const (
	maxReferences     = 21
	maxReferencesLen  = 998
	minReferencesKept = 3
)

// references returns the References of a message that answers parent, whose own
// References are refs, oldest first.
func references(refs []mailbox.RFCMessageID, parent mailbox.RFCMessageID) []mailbox.RFCMessageID {
	seen := map[mailbox.RFCMessageID]bool{"": true, parent: true}
	ids := make([]mailbox.RFCMessageID, 0, len(refs)+1)
	size := len("References:")
	for _, id := range refs {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
			size += len(" <>") + len(id)
		}
	}
	if parent != "" {
		ids = append(ids, parent)
		size += len(" <>") + len(parent)
	}
	drop := 0 // how many ids behind the first one go
	for n := len(ids); n > maxReferences || n > minReferencesKept && size > maxReferencesLen; n-- {
		drop++
		size -= len(" <>") + len(ids[drop])
	}
	if drop > 0 {
		ids = append(ids[:1], ids[1+drop:]...)
	}
	return ids
}

// checkID refuses a message id that cannot be written into a header field, or
// that would not be read back as one id. It is lenient about the rest, since
// ids of other people's mail have to be cited as they are.
func checkID(field string, id mailbox.RFCMessageID) error {
	const limit = "left@right, printable ASCII without spaces and brackets, at most 900 bytes"
	switch at := strings.LastIndexByte(string(id), '@'); {
	case len(id) > 900:
		return mailbox.Invalid(field, limit, "is too long")
	case at <= 0 || at == len(id)-1:
		return mailbox.Invalid(field, limit, "has no left or no right side")
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '<' || c == '>' {
			return mailbox.Invalid(field, limit, "contains a character that is not allowed")
		}
	}
	return nil
}

// checkOwnID refuses a Message-ID for our own message that relays would replace
// or that is not what RFC 5322 (3.6.4) allows.
func checkOwnID(id mailbox.RFCMessageID) error {
	const limit = "dot-atom@domain, at most 200 bytes"
	if err := checkID("rfc_message_id", id); err != nil {
		return err
	}
	left, right, _ := strings.Cut(string(id), "@")
	switch {
	case len(id) > maxOwnID:
		return mailbox.Invalid("rfc_message_id", limit, "is too long")
	case !isDotAtom(left) || !isDotAtom(right):
		return mailbox.Invalid("rfc_message_id", limit, "is malformed")
	}
	return nil
}
