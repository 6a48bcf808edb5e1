package connect

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// A shared mailbox has a state of its own, which follows that of its parent, the
// mailbox it lives on:
//
//   - While the parent is not connected, neither is the shared one: it has the
//     parent's state, for mailbox.CauseParent, and comes back with the parent.
//   - When the parent is disconnected on purpose, the shared one is too, and has
//     to be connected again.
//   - Trouble of its own (the user lost the rights on it) stays when the parent
//     comes back.
//
// The states are written when the parent's changes. Should that be missed, in a
// crash, Open and Check make up for it.

// follow gives a shared mailbox the state that it has by its parent's, and tells
// whether that changed anything.
func (c *Connector) follow(a *mailbox.Account, parent mailbox.Account) bool {
	switch {
	case a.State == mailbox.StateDisconnected:
		return false
	case parent.State == mailbox.StateDisconnected:
		setState(a, mailbox.StateDisconnected)
		a.Cause, a.Link = mailbox.CauseParent, ""
		return true
	case a.State != mailbox.StateConnected && a.Cause != mailbox.CauseParent:
		return false
	}
	state, granted := parent.State, c.sharedCapabilities(parent)&a.Wanted
	if state == mailbox.StateConnected && granted == 0 {
		state = mailbox.StateNeedsConsent // the parent came back with less
	}
	if state != mailbox.StateConnected {
		changed := a.State != state
		setState(a, state)
		a.Cause = mailbox.CauseParent
		return changed
	}
	changed := a.State != state || a.Capabilities != granted || !slices.Equal(a.Scopes, parent.Scopes)
	setState(a, state)
	a.Scopes, a.Capabilities = slices.Clone(parent.Scopes), granted
	return changed
}

// following makes a shared mailbox follow its parent and returns it as it is
// then. The parent is looked at again after a write, since it may have changed
// meanwhile.
func (c *Connector) following(ctx context.Context, ref mailbox.Ref, cause error) (mailbox.Account, error) {
	for range maxConflicts {
		changed := false
		a, err := c.update(ctx, ref, func(a *mailbox.Account) error {
			changed = false
			if a.Access != mailbox.AccessShared {
				return errUnchanged
			}
			parent, err := c.parent(ctx, *a)
			if err != nil {
				return err
			}
			if changed = c.follow(a, parent); !changed {
				return errUnchanged
			}
			return nil
		}, cause)
		if err != nil || !changed {
			return a, err
		}
	}
	return mailbox.Account{}, errConflicts
}

// lead makes all shared mailboxes follow the one they live on.
func (c *Connector) lead(ctx context.Context, parent mailbox.Account, cause error) error {
	children, err := c.children(ctx, parent)
	if err != nil {
		return err
	}
	for _, child := range children {
		if _, err := c.following(ctx, child.Ref, cause); err != nil {
			return err
		}
	}
	return nil
}

// parent returns the account that a shared mailbox lives on. One that is gone is
// disconnected.
func (c *Connector) parent(ctx context.Context, a mailbox.Account) (mailbox.Account, error) {
	parent, err := c.config.Accounts.Get(ctx, mailbox.Ref{Tenant: a.Tenant, Mailbox: a.Parent})
	if errors.Is(err, ErrNotFound) {
		return mailbox.Account{State: mailbox.StateDisconnected}, nil
	}
	return parent, err
}

// children returns the shared mailboxes that live on an account and are not
// disconnected.
func (c *Connector) children(ctx context.Context, parent mailbox.Account) ([]mailbox.Account, error) {
	if parent.Access != mailbox.AccessUser {
		return nil, nil
	}
	if app, err := c.appOf(parent); err == nil {
		if _, err := app.Provider.Scopes(mailbox.CanShared); err != nil {
			return nil, nil //nolint:nilerr // the provider has no shared mailboxes
		}
	}
	var children []mailbox.Account
	for a, err := range c.config.Accounts.Children(ctx, parent.Ref) {
		if err != nil {
			return nil, err
		}
		if a.Access == mailbox.AccessShared && a.State != mailbox.StateDisconnected {
			children = append(children, a)
		}
	}
	return children, nil
}

// sharedCapabilities returns what the grant of an account allows on mailboxes
// shared with its user, as far as scopes go. Providers name the scopes of shared
// mailboxes along with those of the user's own: a set of capabilities is allowed
// if every scope is there that asking for it on shared mailboxes adds.
func (c *Connector) sharedCapabilities(a mailbox.Account) mailbox.Capabilities {
	app, err := c.appOf(a)
	if err != nil || !a.Capabilities.Has(mailbox.CanShared) {
		return 0
	}
	granted := make(map[string]bool)
	for _, s := range a.Scopes {
		granted[scopeName(s)] = true
	}
	own := a.Capabilities &^ mailbox.CanShared
	var allowed mailbox.Capabilities
	for set := own; set != 0; set = (set - 1) & own { // every part of own
		plain, err := app.Provider.Scopes(set)
		if err != nil {
			continue
		}
		shared, err := app.Provider.Scopes(set | mailbox.CanShared)
		if err != nil {
			continue
		}
		if !slices.ContainsFunc(shared, func(s string) bool {
			return !slices.Contains(plain, s) && !granted[scopeName(s)]
		}) {
			allowed |= set
		}
	}
	return allowed
}

// scopeName returns the name of a scope without the resource it belongs to:
// Microsoft writes "Mail.Send" and "https://graph.microsoft.com/Mail.Send" for
// the same, in any case.
func scopeName(s string) string {
	return strings.ToLower(s[strings.LastIndexByte(s, '/')+1:])
}
