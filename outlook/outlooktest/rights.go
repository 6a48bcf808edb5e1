package outlooktest

import (
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// Rights of one mailbox on another, as an administrator of Exchange gives them.

// opens reports whether the user has full access to the mailbox.
func (b *box) opens(user *box) bool {
	return b == user || slices.ContainsFunc(b.user.SharedWith, user.owns) || slices.ContainsFunc(b.user.FullAccess, user.owns)
}

// sendsAs reports whether the user may send as the mailbox.
func (b *box) sendsAs(user *box) bool {
	return b == user || slices.ContainsFunc(b.user.SharedWith, user.owns) || slices.ContainsFunc(b.user.SendAs, user.owns)
}

// sendsOnBehalf reports whether the user may send on behalf of the mailbox.
func (b *box) sendsOnBehalf(user *box) bool {
	return slices.ContainsFunc(b.user.SendOnBehalf, user.owns)
}

// setSender fills From and Sender and checks the right to use them: whoever may
// send as a mailbox is not seen, whoever may send on its behalf is the sender
// (learn.microsoft.com/graph/outlook-send-mail-from-other-user, read 2026-11).
func (s *Server) setSender(b, actor *box, it *item) error {
	from := b
	if it.from != nil && it.from.Address != "" {
		from = s.box(it.from.Address)
	}
	switch {
	case from == nil, from.user.TenantID != actor.user.TenantID:
		return sendAsDenied()
	case it.from == nil || it.from.Address == "":
		it.from = from.address()
	case from == b && !mailbox.SameAddress(it.from.Address, b.user.Address) && !s.options.SendFromAlias:
		it.from = b.address() // Exchange writes the primary address
	}
	switch {
	case from.sendsAs(actor):
		it.sender = it.from
	case from.sendsOnBehalf(actor):
		it.sender = actor.address()
	default:
		return sendAsDenied()
	}
	return nil
}

// address is the mailbox as it stands in From.
func (b *box) address() *mailbox.Address {
	a := mailbox.Address{Name: b.user.Name, Address: b.user.Address}
	if a.Name == a.Address {
		a.Name = ""
	}
	return &a
}

// needsShared reports whether a user sends with the rights on another mailbox.
func (c *call) needsShared(it *item) bool {
	if c.own == nil || it.from == nil {
		return false
	}
	from := c.s.box(it.from.Address)
	return from != nil && from != c.own && (from.sendsAs(c.own) || from.sendsOnBehalf(c.own))
}

// app returns the directory of a token that an app got in its own right, or "".
func (c *call) app() string { return c.grant.Tenant }

// tenant returns the directory of the token.
func (c *call) tenant() string {
	if c.own != nil {
		return c.own.user.TenantID
	}
	return c.grant.Tenant
}

// find returns the mailbox of the token's directory by address, sign-in name or
// id. Nobody sees anybody else in the directory of personal accounts.
func (c *call) find(id string) *box {
	for _, b := range c.s.boxes {
		if b.is(id) && b.user.TenantID == c.tenant() && (b == c.own || !b.user.Personal) {
			return b
		}
	}
	return nil
}
