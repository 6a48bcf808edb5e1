package connect

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// ticket is what a link for an administrator carries, sealed: whoever has the
// link can neither read nor change it. It allows nothing but to be sent to the
// provider's page, so it may be used several times while it is valid.
type ticket struct {
	mailbox.Ref
	Provider  mailbox.ProviderName `json:"provider"`
	App       string               `json:"app,omitempty"`
	Directory string               `json:"directory,omitempty"`
	Want      mailbox.Capabilities `json:"want"`
	Extra     []string             `json:"extra,omitempty"`
	ReturnTo  string               `json:"return_to"`
	Expires   int64                `json:"expires"` // Unix seconds
}

// maxTicket bounds a ticket in a URL.
const maxTicket = 8 << 10

func (c *Connector) sealTicket(t ticket) (string, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return "", mailbox.Invalid("ticket", "fields that marshal", "does not marshal")
	}
	sealed, err := c.tickets.Encrypt(plain, nil)
	if err != nil {
		return "", err
	}
	s := base64.RawURLEncoding.EncodeToString(sealed)
	if len(s) > maxTicket {
		return "", mailbox.Invalid("extra_scopes", "a link of at most 8 KiB", "make it longer")
	}
	return s, nil
}

// openTicket refuses with CodeBadTicket, or with CodeTicketExpired what once was
// a ticket.
func (c *Connector) openTicket(s string) (ticket, error) {
	refused := badCallback(CodeBadTicket)
	if len(s) > maxTicket {
		return ticket{}, refused
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || base64.RawURLEncoding.EncodeToString(sealed) != s { // it skips line breaks
		return ticket{}, refused
	}
	plain, err := c.tickets.Decrypt(sealed, nil)
	if err != nil {
		return ticket{}, refused
	}
	var t ticket
	if json.Unmarshal(plain, &t) != nil {
		return ticket{}, refused
	}
	if time.Now().Unix() >= t.Expires {
		return ticket{}, badCallback(CodeTicketExpired)
	}
	return t, nil
}
