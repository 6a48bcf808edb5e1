package connect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// grantEnded marks the account whose token with the version was refused, and the
// shared mailboxes that live on it. A refusal of the app itself
// (mailbox.ClassConfig) changes no account, nor does one that was given to
// another grant than the account has by now.
func (c *Connector) grantEnded(ctx context.Context, of mailbox.Account, refusal *mailbox.Error, version int64) {
	ref := of.Ref
	state, ok := stateOf(refusal.Class)
	if !ok {
		return
	}
	a, err := c.update(ctx, ref, func(a *mailbox.Account) error {
		known := a.State == state && (a.Cause == refusal.Cause || refusal.Cause == "")
		if a.State == mailbox.StateDisconnected || known || !sameGrant(*a, of) {
			return errUnchanged
		}
		// Looked at after the account was read: a reconnect stores its token
		// before it writes the account, so either it shows here, or the write
		// below is a conflict.
		if _, now, err := c.config.Vault.Get(ctx, ref); now != version || err != nil && !errors.Is(err, tokenstore.ErrNotFound) {
			return errUnchanged
		}
		setState(a, state)
		a.Cause = refusal.Cause
		return nil
	}, refusal)
	if err == nil && a.Capabilities.Has(mailbox.CanShared) {
		err = c.lead(ctx, a, refusal)
	}
	if err != nil && !errors.Is(err, ErrNotFound) { // one that is not stored yet
		c.log.WarnContext(ctx, "marking an account failed", "tenant", ref.Tenant, "mailbox", ref.Mailbox, "error", err)
	}
}

// sameGrant reports whether two states of an account get their tokens in the same
// way. Whether the token of a user is still the same, its version tells.
func sameGrant(a, b mailbox.Account) bool {
	if a.Access != mailbox.AccessApp || b.Access != mailbox.AccessApp {
		return a.Access == b.Access
	}
	return a.Provider == b.Provider && a.App == b.App && a.Directory == b.Directory && a.Address == b.Address
}

var (
	errUnchanged = errors.New("the account stays as it is")
	errConflicts = errors.New("the store reports a conflict over and over")
)

// update changes an account by compare-and-swap. change may be called several
// times; errUnchanged from it ends the update without an error. A change of the
// state is told to the host, with its cause.
func (c *Connector) update(ctx context.Context, ref mailbox.Ref, change func(*mailbox.Account) error, cause error) (mailbox.Account, error) {
	for range maxConflicts {
		a, err := c.config.Accounts.Get(ctx, ref)
		if err != nil {
			return mailbox.Account{}, err
		}
		before := a.State
		switch err := change(&a); {
		case errors.Is(err, errUnchanged):
			return a, nil
		case err != nil:
			return mailbox.Account{}, err
		}
		a, err = c.config.Accounts.Put(ctx, a)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err == nil && a.State != before {
			c.tell(ctx, a, cause)
		}
		return a, err
	}
	return mailbox.Account{}, errConflicts
}

// tell reports the new state of an account.
func (c *Connector) tell(ctx context.Context, a mailbox.Account, cause error) {
	if c.config.OnState == nil {
		return
	}
	c.config.OnState(ctx, mailbox.Event{
		ID:    fmt.Sprintf("account_state:%s:%d", a.Ref, a.Version),
		Ref:   a.Ref,
		Kind:  mailbox.EventAccountState,
		At:    a.StateSince,
		State: a.State,
		Cause: a.Cause,
		Err:   cause,
	})
}

// now returns the time as stores keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// setState gives an account a state, for no known cause.
func setState(a *mailbox.Account, s mailbox.AccountState) {
	if a.State != s {
		a.State, a.StateSince = s, now()
	}
	a.Cause = ""
}

// stateOf returns the state of an account that was refused with an error of the
// class. ok is false for classes that say nothing about the account.
func stateOf(c mailbox.Class) (state mailbox.AccountState, ok bool) {
	switch c {
	case mailbox.ClassReconnect:
		return mailbox.StateNeedsReconnect, true
	case mailbox.ClassConsent:
		return mailbox.StateNeedsConsent, true
	case mailbox.ClassAdmin:
		return mailbox.StateNeedsAdmin, true
	case mailbox.ClassNoMailbox:
		return mailbox.StateUnavailable, true
	default:
		return "", false
	}
}

// stateClass returns the class of the error for an account in a state in which
// it cannot be opened.
func stateClass(s mailbox.AccountState) mailbox.Class {
	switch s {
	case mailbox.StateNeedsConsent:
		return mailbox.ClassConsent
	case mailbox.StateNeedsAdmin:
		return mailbox.ClassAdmin
	case mailbox.StateUnavailable:
		return mailbox.ClassNoMailbox
	default:
		return mailbox.ClassReconnect
	}
}

// causeOf returns the cause that an error names, if it does.
func causeOf(err error) mailbox.Cause {
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		return e.Cause
	}
	return ""
}
