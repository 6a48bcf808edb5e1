package outlook

import (
	"context"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Identify asks Graph who the token belongs to, and whether there is a mailbox:
// accounts without a licence, guests and on-premises mailboxes sign in as well.
// Subject is Microsoft's object id, which survives renames. The directory is not
// told here: see [Provider.IDToken].
//
// A mailbox that the token may not read cannot be asked; such accounts are
// found out by their first send.
func (p *Provider) Identify(ctx context.Context, s mailbox.Session) (mailbox.Identity, error) {
	if s.Tokens == nil {
		return mailbox.Identity{}, mailbox.Invalid("session.tokens", "a token source", "is nil")
	}
	client := p.client(mailbox.Account{}, s)
	me, err := client.Me(ctx)
	if err != nil {
		return mailbox.Identity{}, err
	}
	id := mailbox.Identity{Subject: me.ID, Address: me.Mail, Name: me.DisplayName}
	for _, proxy := range me.ProxyAddresses {
		kind, address, ok := strings.Cut(proxy, ":")
		if !ok || !strings.EqualFold(kind, "smtp") || !strings.Contains(address, "@") {
			continue // X500, SIP and the like
		}
		if kind == "SMTP" && id.Address == "" {
			id.Address = address
			continue
		}
		if !slices.Contains(id.Aliases, address) {
			id.Aliases = append(id.Aliases, address)
		}
	}
	// mail is null for unlicensed users, and for many personal accounts. Their
	// sign-in name is an address, if not always one of this mailbox.
	if id.Address == "" && strings.Contains(me.UserPrincipalName, "@") {
		id.Address = me.UserPrincipalName
	}
	id.Aliases = slices.DeleteFunc(id.Aliases, func(a string) bool { return mailbox.SameAddress(a, id.Address) })
	if err := client.Inbox(ctx); mailbox.ClassOf(err) == mailbox.ClassNoMailbox {
		return mailbox.Identity{}, err
	}
	if id.Address == "" {
		return mailbox.Identity{}, &mailbox.Error{
			Op: "identify", Provider: mailbox.Outlook, Class: mailbox.ClassNoMailbox, Code: "no_address",
		}
	}
	return id, nil
}
