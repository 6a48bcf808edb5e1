package connect

import (
	"context"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// Open returns the mailbox of a connected account. It makes no request to the
// provider. When the provider ends the grant later, the state of the account is
// changed and Config.OnState is told.
//
// Errors, by class: ClassNotFound without an account; ClassReconnect,
// ClassConsent, ClassAdmin or ClassNoMailbox by the state of an account that is
// not connected, with its cause; ClassConfig if the app of the account is not
// configured; ClassStorage.
//
// A mailbox that stays open sees a reconnect and a disconnect in this process at
// once, one in another process when its access token expires: hosts with several
// processes open a mailbox for each piece of work.
func (c *Connector) Open(ctx context.Context, ref mailbox.Ref) (mailbox.Mailbox, error) {
	const op = "open"
	a, grant, err := c.usable(ctx, ref)
	if err != nil {
		return nil, failed(op, a.Provider, ref, err)
	}
	app, session, err := c.session(a, grant)
	if err != nil {
		return nil, failed(op, a.Provider, ref, err)
	}
	mb, err := app.Provider.Open(a, session)
	return mb, failed(op, a.Provider, ref, err)
}

// usable returns what load does if the mailbox is connected, and otherwise also
// the error that Open has for it.
func (c *Connector) usable(ctx context.Context, ref mailbox.Ref) (a, grant mailbox.Account, err error) {
	if a, grant, err = c.load(ctx, ref); err == nil {
		err = refused(a)
	}
	return a, grant, err
}

// load returns the account of a mailbox, and the one whose grant it uses: itself,
// or its parent, which it follows.
func (c *Connector) load(ctx context.Context, ref mailbox.Ref) (a, grant mailbox.Account, err error) {
	a, err = c.config.Accounts.Get(ctx, ref)
	if err != nil || a.Access != mailbox.AccessShared {
		return a, a, err
	}
	if grant, err = c.parent(ctx, a); err != nil {
		return a, grant, err
	}
	if now := a; c.follow(&now, grant) {
		a, err = c.following(ctx, ref, nil)
	}
	return a, grant, err
}

// refused returns the error for an account that cannot be opened, by its state.
func refused(a mailbox.Account) error {
	if a.State == mailbox.StateConnected {
		return nil
	}
	e := &mailbox.Error{Class: stateClass(a.State), Cause: a.Cause}
	if a.State == mailbox.StateDisconnected {
		e.Code = CodeDisconnected
	}
	return e
}

// session returns what a driver needs to speak for an account, whatever its
// state. grant is the account whose grant it uses.
func (c *Connector) session(a, grant mailbox.Account) (*App, mailbox.Session, error) {
	app, err := c.appOf(a)
	if err != nil {
		return nil, mailbox.Session{}, err
	}
	session := mailbox.Session{Transport: app.Transport}
	if a.Access == mailbox.AccessApp {
		session.Tokens, err = c.appTokens(app, a)
	} else {
		session.Tokens = c.userTokens(app, grant)
	}
	return app, session, err
}

// appOf returns the app that an account was connected with.
func (c *Connector) appOf(a mailbox.Account) (*App, error) {
	if app, ok := c.apps[appKey{a.Provider, a.App}]; ok {
		return app, nil
	}
	return nil, &mailbox.Error{Class: mailbox.ClassConfig, Code: CodeUnknownApp}
}

// userTokens returns the tokens of the grant of an account. What the provider
// says about its end is about that account, whoever asked for a token.
func (c *Connector) userTokens(app *App, a mailbox.Account) mailbox.TokenSource {
	return c.sources.get(a.Ref, a.Version, func() mailbox.TokenSource {
		return tokenstore.NewSource(tokenstore.SourceConfig{
			Vault:     c.config.Vault,
			Ref:       a.Ref,
			Client:    c.clients[app],
			Directory: a.Directory,
			OnDead: func(ctx context.Context, err *mailbox.Error, version int64) {
				c.grantEnded(ctx, a, err, version)
			},
		})
	})
}
