package connect

import (
	"context"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Room is a part of the host that works with connected mailboxes: sends that
// wait for a reconnect, announcements of changes that have to be armed. The
// outbox and the inbox are rooms. A Room is safe for concurrent use, returns soon
// after its context is done, and may call the Connector.
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

// roomsTimeout bounds all that rooms do about one connect or disconnect: a user
// waits for it in front of a browser.
const roomsTimeout = 15 * time.Second

// connected brings back the shared mailboxes that live on a mailbox which was
// connected, and tells the rooms about it and them.
func (c *Connector) connected(ctx context.Context, a mailbox.Account) {
	back := []mailbox.Account{a}
	children, err := c.children(ctx, a)
	for _, child := range children {
		var now mailbox.Account
		if now, err = c.following(ctx, child.Ref, nil); err != nil {
			break
		}
		if child.State != mailbox.StateConnected && now.State == mailbox.StateConnected {
			back = append(back, now)
		}
	}
	if err != nil {
		c.log.WarnContext(ctx, "shared mailboxes not brought back", "tenant", a.Tenant, "mailbox", a.Mailbox, "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, roomsTimeout)
	defer cancel()
	for _, a := range back {
		for _, r := range c.config.Rooms {
			if err := r.Connected(ctx, a); err != nil {
				c.log.WarnContext(ctx, "room failed at a connect", "tenant", a.Tenant, "mailbox", a.Mailbox, "error", err)
			}
		}
	}
}

// disconnecting tells the rooms that mailboxes are about to be disconnected.
func (c *Connector) disconnecting(ctx context.Context, accounts ...mailbox.Account) {
	if len(c.config.Rooms) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, roomsTimeout)
	defer cancel()
	for _, a := range accounts {
		mb, err := c.Open(ctx, a.Ref)
		if err != nil {
			mb = nil
		}
		for _, r := range c.config.Rooms {
			if err := r.Disconnecting(ctx, a, mb); err != nil {
				c.log.WarnContext(ctx, "room failed at a disconnect", "tenant", a.Tenant, "mailbox", a.Mailbox, "error", err)
			}
		}
	}
}
