package mailbox

import "unicode/utf8"

// TenantID names a customer of the host application. Every stored record
// carries one, and no query crosses it. A host with a single tenant picks any
// fixed value.
type TenantID string

// MailboxID names one connected mailbox of a tenant. The host chooses it at
// connect; it stays the same over disconnect and reconnect.
type MailboxID string

// Ref names one mailbox in the whole installation.
type Ref struct {
	Tenant  TenantID  `json:"tenant"`
	Mailbox MailboxID `json:"mailbox"`
}

// String returns "tenant/mailbox". It is meant for logs; it is not parsed back.
func (r Ref) String() string { return string(r.Tenant) + "/" + string(r.Mailbox) }

// Validate refuses a Ref with a part that is empty, longer than 255 bytes, not
// valid UTF-8, or has control characters.
func (r Ref) Validate() error {
	if err := validateID("tenant", string(r.Tenant)); err != nil {
		return err
	}
	return validateID("mailbox", string(r.Mailbox))
}

func validateID(field, v string) error {
	switch {
	case v == "":
		return Invalid(field, "1 to 255 bytes", "is empty")
	case len(v) > 255:
		return Invalid(field, "1 to 255 bytes", "is too long")
	case !utf8.ValidString(v):
		return Invalid(field, "valid UTF-8", "is not")
	}
	for i := range len(v) {
		if v[i] < ' ' || v[i] == 0x7f {
			return Invalid(field, "no control characters", "contains a control character")
		}
	}
	return nil
}

// MessageID names a message inside one mailbox, in the provider's words (Gmail
// message id, Graph immutable id). It is opaque and case-sensitive.
type MessageID string

// ThreadID names a conversation inside one mailbox (Gmail threadId, Graph
// conversationId). The two participants of a conversation see different values,
// and one real conversation may have several: it is evidence, not proof.
type ThreadID string

// RFCMessageID is the value of a Message-ID header field (RFC 5322, 3.6.4)
// without the angle brackets. It is case-sensitive.
type RFCMessageID string

// Brackets returns the id as it stands in a header field, "<left@right>", or ""
// for the empty id.
func (id RFCMessageID) Brackets() string {
	if id == "" {
		return ""
	}
	return "<" + string(id) + ">"
}

// ProviderName names a mail service. It is stored with every account and must
// never change once published.
type ProviderName string

// The providers that ship with mailtether.
const (
	Gmail   ProviderName = "gmail"
	Outlook ProviderName = "outlook"
)
