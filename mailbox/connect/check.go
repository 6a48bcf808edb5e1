package connect

import (
	"context"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// Check asks the provider whether a mailbox can be used, writes what it says into
// the account, and returns that. It finds out what no token endpoint tells: a
// user who lost the rights on a shared mailbox, an account that lost its licence,
// an administrator who has allowed the app since, a new address. A mailbox that
// turns out to be usable again is connected from then on, and the rooms are told.
// One that was disconnected stays so, and nobody is asked; a shared one whose
// parent is not connected, or allows nothing of it, waits for that.
//
// That a mailbox cannot be used is no error but a state with its cause. An error
// means that it could not be told: ClassNotFound, ClassConfig, ClassUnavailable,
// ClassThrottled, ClassStorage and the like, or ClassWrongAccount with a
// [*WrongAccountError] if the address leads to another account by now; then the
// account is returned as it was. Safe to repeat; it costs a request or two.
func (c *Connector) Check(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error) {
	a, err := c.check(ctx, ref)
	return a, failed("check", a.Provider, ref, err)
}

func (c *Connector) check(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error) {
	a, grant, err := c.load(ctx, ref)
	waits := a.Access == mailbox.AccessShared && (grant.State != mailbox.StateConnected || a.Cause == mailbox.CauseParent)
	if err != nil || a.State == mailbox.StateDisconnected || waits {
		return a, err
	}
	id, err := c.identify(ctx, a, grant)
	if err != nil {
		return c.failedCheck(ctx, a, err)
	}
	if !a.Identity().Same(id) {
		return a, &mailbox.Error{
			Class: mailbox.ClassWrongAccount,
			Err:   &WrongAccountError{Expected: a.Address, Actual: id.Address},
		}
	}
	now, err := c.since(ctx, a, func(now *mailbox.Account) {
		c.rename(now, id)
		setState(now, mailbox.StateConnected)
	}, nil)
	if err == nil && a.State != mailbox.StateConnected && now.State == mailbox.StateConnected {
		c.connected(ctx, now)
	}
	return now, err
}

// failedCheck gives an account the state that follows from a refusal, if any
// does.
func (c *Connector) failedCheck(ctx context.Context, a mailbox.Account, refusal error) (mailbox.Account, error) {
	class := mailbox.ClassOf(refusal)
	state, ok := stateOf(class)
	if !ok {
		return a, refusal
	}
	if a.Access == mailbox.AccessShared && class == mailbox.ClassReconnect {
		// That is about the parent's grant, whose end was noticed already.
		now, _, err := c.load(ctx, a.Ref)
		if err == nil && now.State == mailbox.StateConnected {
			err = refusal
		}
		return now, err
	}
	now, err := c.since(ctx, a, func(now *mailbox.Account) {
		setState(now, state)
		now.Cause = causeOf(refusal)
	}, refusal)
	if err == nil {
		err = c.lead(ctx, now, refusal)
	}
	return now, err
}

// since changes an account unless it was written since it was read as a: what was
// found out then may be out of date. It returns the account as it is.
func (c *Connector) since(ctx context.Context, a mailbox.Account, change func(*mailbox.Account), cause error) (mailbox.Account, error) {
	return c.update(ctx, a.Ref, func(now *mailbox.Account) error {
		before := *now
		if now.Version != a.Version {
			return errUnchanged
		}
		change(now)
		if now.State == before.State && now.Cause == before.Cause && sameIdentity(now.Identity(), before.Identity()) {
			return errUnchanged
		}
		return nil
	}, cause)
}

func sameIdentity(a, b mailbox.Identity) bool {
	return a.Subject == b.Subject && a.Address == b.Address && a.Name == b.Name &&
		a.Directory == b.Directory && slices.Equal(a.Aliases, b.Aliases)
}
