package connect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// Open returns the mailbox of a connected account. It makes no request to the
// provider. When the provider ends the grant later, the state of the account is
// changed and Config.OnState is told.
//
// Errors, by class: ClassNotFound without an account; ClassReconnect,
// ClassConsent, ClassAdmin or ClassNoMailbox by the state of an account that is
// not connected; ClassConfig if the app of the account is not configured;
// ClassStorage.
//
// A mailbox that stays open sees a reconnect and a disconnect in this process at
// once, one in another process when its access token expires: hosts with several
// processes open a mailbox for each piece of work.
func (c *Connector) Open(ctx context.Context, ref mailbox.Ref) (mailbox.Mailbox, error) {
	const op = "open"
	a, err := c.config.Accounts.Get(ctx, ref)
	if err != nil {
		return nil, failed(op, "", ref, err)
	}
	if a.State != mailbox.StateConnected {
		e := &mailbox.Error{Class: stateClass(a.State)}
		if a.State == mailbox.StateDisconnected {
			e.Code = CodeDisconnected
		}
		return nil, failed(op, a.Provider, ref, e)
	}
	app, err := c.appOf(a)
	if err != nil {
		return nil, failed(op, a.Provider, ref, err)
	}
	source := tokenstore.NewSource(tokenstore.SourceConfig{
		Vault:     c.config.Vault,
		Ref:       ref,
		Client:    c.clients[app],
		Directory: a.Directory,
		OnDead: func(ctx context.Context, err *mailbox.Error, version int64) {
			c.grantEnded(ctx, ref, err, version)
		},
	})
	mb, err := app.Provider.Open(a, mailbox.Session{Tokens: source, Transport: app.Transport})
	return mb, failed(op, a.Provider, ref, err)
}

// Disconnect ends a connection: from now on Open refuses, the token is erased,
// and, if the app is set up so, the grant is revoked. The account stays in
// mailbox.StateDisconnected, so that history keeps its owner and a reconnect
// finds the same mailbox. Safe to repeat; it is no error if the mailbox is
// disconnected already.
//
// A revocation that fails is returned after everything else is done: the mailbox
// is disconnected all the same, but the user still sees the app among those that
// have access.
func (c *Connector) Disconnect(ctx context.Context, ref mailbox.Ref) error {
	const op = "disconnect"
	a, err := c.update(ctx, ref, func(a *mailbox.Account) error {
		setState(a, mailbox.StateDisconnected)
		a.Link = ""
		return nil
	}, nil)
	if err != nil {
		return failed(op, "", ref, err)
	}
	revoked := c.revoke(ctx, a)
	if err := c.config.Vault.Delete(ctx, ref); err != nil {
		return failed(op, a.Provider, ref, err)
	}
	return failed(op, a.Provider, ref, revoked)
}

// revoke ends the grant of an account, if its app is set up so.
func (c *Connector) revoke(ctx context.Context, a mailbox.Account) error {
	app, err := c.appOf(a)
	if err != nil || !app.RevokeOnDisconnect || app.Provider.OAuth().RevokeURL == "" {
		return nil //nolint:nilerr // the app is gone, and with it the right to revoke
	}
	tok, _, err := c.config.Vault.Get(ctx, a.Ref)
	if errors.Is(err, tokenstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.clients[app].Revoke(ctx, tok.Refresh)
}

// grantEnded marks the account whose token with the version was refused.
func (c *Connector) grantEnded(ctx context.Context, ref mailbox.Ref, cause *mailbox.Error, version int64) {
	state := stateOf(cause.Class)
	_, err := c.update(ctx, ref, func(a *mailbox.Account) error {
		if a.State == mailbox.StateDisconnected || a.State == state {
			return errUnchanged
		}
		// Looked at after the account was read: a reconnect stores its token
		// before it writes the account, so either it shows here, or the write
		// below is a conflict.
		if _, now, err := c.config.Vault.Get(ctx, ref); now != version || err != nil && !errors.Is(err, tokenstore.ErrNotFound) {
			return errUnchanged
		}
		setState(a, state)
		return nil
	}, cause)
	if err != nil {
		c.log.WarnContext(ctx, "marking an account failed", "tenant", ref.Tenant, "mailbox", ref.Mailbox, "error", err)
	}
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
		Err:   cause,
	})
}

// appOf returns the app that an account was connected with.
func (c *Connector) appOf(a mailbox.Account) (*App, error) {
	if app, ok := c.apps[appKey{a.Provider, a.App}]; ok {
		return app, nil
	}
	return nil, &mailbox.Error{Class: mailbox.ClassConfig, Code: CodeUnknownApp}
}

// now returns the time as stores keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func setState(a *mailbox.Account, s mailbox.AccountState) {
	if a.State != s {
		a.State, a.StateSince = s, now()
	}
}

// stateOf returns the state of an account whose grant was refused so.
func stateOf(c mailbox.Class) mailbox.AccountState {
	switch c {
	case mailbox.ClassConsent:
		return mailbox.StateNeedsConsent
	case mailbox.ClassAdmin:
		return mailbox.StateNeedsAdmin
	case mailbox.ClassNoMailbox:
		return mailbox.StateUnavailable
	default:
		return mailbox.StateNeedsReconnect
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
