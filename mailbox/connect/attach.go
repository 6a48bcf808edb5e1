package connect

import (
	"context"
	"errors"

	"github.com/mailtether/mailtether/mailbox"
)

// identify asks the provider who the mailbox of an account is, and whether it
// may be used with the grant of another account or of the app.
func (c *Connector) identify(ctx context.Context, a, grant mailbox.Account) (mailbox.Identity, error) {
	app, session, err := c.session(a, grant)
	if err != nil {
		return mailbox.Identity{}, err
	}
	// Somebody asks, so perhaps something was done about an earlier refusal.
	if s, ok := session.Tokens.(interface{ Retry() }); ok {
		s.Retry()
	}
	var id mailbox.Identity
	if a.Access == mailbox.AccessUser {
		id, err = app.Provider.Identify(ctx, session)
	} else if p, ok := app.Provider.(mailbox.AccountIdentifier); ok {
		id, err = p.IdentifyAccount(ctx, a, session)
	} else {
		err = unsupported()
	}
	if err == nil && id.Address == "" {
		err = &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "no_identity"}
	}
	return id, err
}

// attach stores a as the connected account of its mailbox. It is for accounts
// without a token of their own, for which there is nothing else to store.
func (c *Connector) attach(ctx context.Context, a mailbox.Account, id mailbox.Identity) (mailbox.Account, error) {
	for range maxConflicts {
		now, err := c.config.Accounts.Get(ctx, a.Ref)
		switch {
		case errors.Is(err, ErrNotFound):
			now = mailbox.Account{Ref: a.Ref, Provider: a.Provider, State: mailbox.StateDisconnected}
		case err != nil:
			return a, err
		case now.Provider != a.Provider || !now.Identity().Same(id):
			return a, &mailbox.Error{
				Class: mailbox.ClassWrongAccount,
				Err:   &WrongAccountError{Expected: now.Address, Actual: id.Address},
			}
		case now.State != mailbox.StateDisconnected && now.Access != a.Access:
			return a, mailbox.Invalid("mailbox", "one that is not connected in another way", "is")
		}
		before := now.State
		if before == mailbox.StateDisconnected || now.Link == "" {
			if err := c.takeLink(ctx, &now, id); err != nil {
				return a, err
			}
		}
		c.adapt(&now, a, id)
		stored, err := c.config.Accounts.Put(ctx, now)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return a, err
		}
		if stored.State != before {
			c.tell(ctx, stored, nil)
		}
		return stored, nil
	}
	return a, errConflicts
}

// adapt makes an account connected as a, with the identity.
func (c *Connector) adapt(now *mailbox.Account, a mailbox.Account, id mailbox.Identity) {
	if a.Owner != "" {
		now.Owner = a.Owner
	}
	now.App, now.Access, now.Parent = a.App, a.Access, a.Parent
	now.Scopes, now.ExtraScopes = a.Scopes, nil
	now.Wanted, now.Capabilities = a.Wanted, a.Capabilities
	now.Directory = a.Directory
	c.rename(now, id)
	setState(now, mailbox.StateConnected)
	if now.ConnectedAt.IsZero() {
		now.ConnectedAt = now.StateSince
	}
}

// rename takes over who the provider says an account is. The Link goes with the
// address, so that the old one is free for somebody else.
func (c *Connector) rename(a *mailbox.Account, id mailbox.Identity) {
	if a.Link != "" && !mailbox.SameAddress(a.Address, id.Address) {
		a.Link = c.link(*a, id)
	}
	if id.Subject != "" {
		a.Subject = id.Subject
	}
	a.Address, a.Aliases, a.Name = id.Address, id.Aliases, id.Name
	if id.Directory != "" {
		a.Directory = id.Directory
	}
}
