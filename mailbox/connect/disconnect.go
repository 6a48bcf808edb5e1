package connect

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

const (
	// disconnectTimeout bounds a disconnect that has begun.
	disconnectTimeout = time.Minute
	// revokeTimeout bounds the request that ends a grant at the provider.
	revokeTimeout = 15 * time.Second
)

// Disconnect ends a connection. In this order: the rooms are told, while the
// token still works; the account gets mailbox.StateDisconnected and gives up its
// Link, so that from then on Open refuses and another mailbox may be connected
// to the same account; shared mailboxes that live on it are disconnected too,
// with mailbox.CauseParent; the grant is revoked, if App.RevokeOnDisconnect asks
// for it and no other mailbox of the host needs it; the token is erased.
//
// The account stays, so that history keeps its owner and a reconnect finds the
// same mailbox. Messages that wait in the outbox go on waiting. It is no error
// if the mailbox is disconnected already. After an error, or a crash, call it
// again: what was done stays done, and the rest follows.
//
// A provider that fails to revoke is returned after everything else is done: the
// mailbox is disconnected all the same, but the user still sees the app among
// those that have access, and a repetition cannot change that.
//
// Once it has begun, it goes on for up to a minute even if ctx is cancelled.
func (c *Connector) Disconnect(ctx context.Context, ref mailbox.Ref) error {
	const op = "disconnect"
	a, err := c.config.Accounts.Get(ctx, ref)
	if err != nil {
		return failed(op, "", ref, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disconnectTimeout)
	defer cancel()
	return failed(op, a.Provider, ref, c.disconnect(ctx, a))
}

func (c *Connector) disconnect(ctx context.Context, a mailbox.Account) error {
	if a.State != mailbox.StateDisconnected {
		children, err := c.children(ctx, a)
		if err != nil {
			return err
		}
		c.disconnecting(ctx, append(children, a)...)
	}
	// Sources that were handed out lose their token with the record below.
	a, err := c.update(ctx, a.Ref, func(a *mailbox.Account) error {
		if a.State == mailbox.StateDisconnected && a.Link == "" {
			return errUnchanged
		}
		setState(a, mailbox.StateDisconnected)
		a.Link = ""
		return nil
	}, nil)
	if err != nil {
		return err
	}
	if err := c.lead(ctx, a, nil); err != nil {
		return err
	}
	token, unreadable := c.revocable(ctx, a)
	if unreadable != nil && !errors.Is(unreadable, tokenstore.ErrSealed) && !errors.Is(unreadable, tokenstore.ErrDamaged) {
		return unreadable // a store: the next try may still revoke
	}
	revoked := unreadable
	if token != "" {
		revoked = c.revoke(ctx, a, token)
	}
	if err := c.erase(ctx, a.Ref); err != nil {
		return err
	}
	return revoked
}

// revocable returns the token of the grant that is to be revoked, empty if none
// is: the app is not set up so, the provider cannot, the grant is not the
// account's own, or another mailbox of the host has the same user. At Google a
// revocation ends every grant of the user to the project (developers.google.com,
// "Using OAuth 2.0 for Web Server Applications", 2026-09).
func (c *Connector) revocable(ctx context.Context, a mailbox.Account) (tokenstore.Secret, error) {
	app, err := c.appOf(a)
	if err != nil || !app.RevokeOnDisconnect || a.Access != mailbox.AccessUser || app.Provider.OAuth().RevokeURL == "" {
		return "", nil //nolint:nilerr // the app is gone, and with it the right to revoke
	}
	tok, _, err := c.config.Vault.Get(ctx, a.Ref)
	if errors.Is(err, tokenstore.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	// Counted after a itself was disconnected: of two mailboxes of one user that
	// are disconnected at once, the later one finds that nobody is left.
	n, err := c.config.Accounts.InUse(ctx, a.Provider, a.Subject)
	if err != nil || n > 0 {
		return "", err
	}
	return cmp.Or(tok.Refresh, tokenstore.Secret(tok.Access)), nil
}

func (c *Connector) revoke(ctx context.Context, a mailbox.Account, token tokenstore.Secret) error {
	app, err := c.appOf(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	return c.clients[app].Revoke(ctx, token)
}

// erase deletes the token of a disconnected mailbox, unless it was reconnected
// meanwhile. A shared mailbox has none of its own; that of its parent is not
// touched.
func (c *Connector) erase(ctx context.Context, ref mailbox.Ref) error {
	switch a, err := c.config.Accounts.Get(ctx, ref); {
	case errors.Is(err, ErrNotFound): // the host removed the account: so goes its token
	case err != nil || a.State != mailbox.StateDisconnected:
		return err
	}
	c.sources.drop(ref)
	return c.config.Vault.Delete(ctx, ref)
}
