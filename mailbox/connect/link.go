package connect

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// LinkScope says how far it counts that an account is connected already.
type LinkScope string

// The scopes of a link.
const (
	LinkPerHost   LinkScope = "host"
	LinkPerTenant LinkScope = "tenant"
)

func (c *Connector) linkScope(tenant mailbox.TenantID) LinkScope {
	if c.config.LinkPer != nil && c.config.LinkPer(tenant) == LinkPerTenant {
		return LinkPerTenant
	}
	return LinkPerHost
}

// link returns what is unique about a connected account, see mailbox.Account.Link:
// its primary address at the provider. That holds however the mailbox is used: by
// its user, as a shared one or by the app.
func (c *Connector) link(a mailbox.Account, id mailbox.Identity) string {
	tenant := a.Tenant
	if c.linkScope(tenant) == LinkPerHost {
		tenant = ""
	}
	h := sha256.New()
	for _, part := range []string{string(tenant), string(a.Provider), strings.ToLower(id.Address)} {
		binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// takeLink gives a the Link of an identity. a is as the store has it, or new. The
// store refuses a Link that another account holds, which settles any race;
// takeLink itself fails with ErrLinked where the account is connected under another
// Link: it had another address then, or Config.LinkPer said something else.
func (c *Connector) takeLink(ctx context.Context, a *mailbox.Account, id mailbox.Identity) error {
	a.Link = c.link(*a, id)
	if id.Subject == "" {
		return nil
	}
	n, err := c.config.Accounts.InUse(ctx, a.Provider, id.Subject)
	if err != nil {
		return err
	}
	if a.State != mailbox.StateDisconnected && a.Subject == id.Subject {
		n-- // a itself
	}
	switch {
	case n <= 0:
		return nil
	case c.linkScope(a.Tenant) == LinkPerHost:
		return ErrLinked
	}
	for other, err := range c.config.Accounts.List(ctx, a.Tenant) {
		if err != nil {
			return err
		}
		if other.Mailbox != a.Mailbox && other.State != mailbox.StateDisconnected &&
			other.Provider == a.Provider && other.Subject == id.Subject {
			return ErrLinked
		}
	}
	return nil
}
