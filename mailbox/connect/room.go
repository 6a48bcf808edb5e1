package connect

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/mailtether/mailtether/mailbox"
)

// Room is a part of the host that works with connected mailboxes: sends that
// wait for a reconnect, announcements of changes that have to be armed. The
// outbox and the inbox are rooms.
type Room interface {
	// Connected is called after a mailbox was connected, reconnected or given
	// more capabilities, once the account is stored. An error is logged and
	// fails nothing. It may be missed in a crash, and may come twice.
	Connected(ctx context.Context, a mailbox.Account) error
	// Disconnecting is called before a mailbox is disconnected, while its token
	// still works, if it does: mb is nil when the mailbox cannot be opened. An
	// error is logged and does not stop the disconnect.
	Disconnecting(ctx context.Context, a mailbox.Account, mb mailbox.Mailbox) error
}

// LinkScope says how far it counts that an account is connected already.
type LinkScope string

// The scopes of a link.
const (
	LinkPerHost   LinkScope = "host"
	LinkPerTenant LinkScope = "tenant"
)

// link returns what is unique about a connected account: see
// mailbox.Account.Link.
func (c *Connector) link(tenant mailbox.TenantID, provider mailbox.ProviderName, subject string) string {
	scope := LinkPerHost
	if c.config.LinkPer != nil {
		scope = c.config.LinkPer(tenant)
	}
	if scope != LinkPerTenant {
		tenant = ""
	}
	h := sha256.New()
	for _, part := range []string{string(tenant), string(provider), subject} {
		binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
