package outlooktest

import "slices"

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
