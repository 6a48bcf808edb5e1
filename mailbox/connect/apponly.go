package connect

import (
	"cmp"
	"context"
	"errors"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// AppRequest connects a mailbox by the right of the app itself, without its user.
// What is left empty is taken from the account, if the mailbox has one.
type AppRequest struct {
	mailbox.Ref
	// Owner becomes mailbox.Account.Owner; empty keeps the present one.
	Owner    string
	Provider mailbox.ProviderName
	// App is chosen as for a StartRequest.
	App string
	// Address is that of the mailbox.
	Address string
	// Directory is the organisation whose administrator allowed the app, see
	// mailbox.Account.Directory. Microsoft needs it.
	Directory string
	// Want is what the host asks for. It is what the account can do, since no
	// provider tells what an administrator gave: a call beyond that fails.
	Want mailbox.Capabilities
}

// ConnectApp connects a mailbox that an administrator has opened to the app:
// application permissions at Microsoft (client credentials, RFC 6749, 4.4),
// domain-wide delegation at Google (a service account, RFC 7523; see
// App.ServiceAccountKey). It asks the provider whether the app may use the
// mailbox, and starts no flow in a browser. The account has mailbox.AccessApp; no
// token is stored for it, and there is none to revoke. Safe to repeat.
//
// Errors, by class: ClassAdmin while no administrator has allowed the app;
// ClassConsent with mailbox.CauseNoRights if the mailbox is not among those it
// may use; ClassNoMailbox; ClassUnsupported; ClassConflict with ErrLinked;
// ClassWrongAccount with a [*WrongAccountError]; ClassConfig, ClassUnavailable,
// ClassThrottled, ClassStorage; ClassInvalid names the field.
func (c *Connector) ConnectApp(ctx context.Context, r AppRequest) (mailbox.Account, error) {
	a, err := c.connectApp(ctx, r)
	if err != nil {
		return mailbox.Account{}, failed("connect app mailbox", cmp.Or(a.Provider, r.Provider), r.Ref, err)
	}
	return a, nil
}

func (c *Connector) connectApp(ctx context.Context, r AppRequest) (mailbox.Account, error) {
	if err := r.Validate(); err != nil {
		return mailbox.Account{}, err
	}
	known, err := c.known(ctx, r.Ref)
	if err != nil {
		return mailbox.Account{}, err
	}
	a := mailbox.Account{
		Ref: r.Ref, Owner: r.Owner, Access: mailbox.AccessApp,
		Provider:  cmp.Or(r.Provider, known.Provider),
		App:       cmp.Or(r.App, known.App),
		Address:   cmp.Or(r.Address, known.Address),
		Directory: cmp.Or(r.Directory, known.Directory),
		Wanted:    cmp.Or(r.Want, known.Wanted).WithImplied(),
	}
	if err := errors.Join(checkAddress(a.Address), checkDirectory(a.Directory)); err != nil {
		return mailbox.Account{}, err
	}
	if a.Wanted == 0 {
		return mailbox.Account{}, mailbox.Invalid("want", "at least one capability", "is empty")
	}
	app, err := c.app(a.Tenant, a.Provider, a.App)
	if err != nil {
		return mailbox.Account{}, err
	}
	a.App, a.Capabilities = app.Name, a.Wanted
	if a.Scopes, _, err = appScopes(app, a.Wanted); err != nil {
		return a, err
	}
	id, err := c.identify(ctx, a, a)
	if err != nil {
		return a, err
	}
	if a, err = c.attach(ctx, a, id); err != nil {
		return a, err
	}
	c.connected(ctx, a)
	return a, nil
}

func appScopes(app *App, want mailbox.Capabilities) ([]string, mailbox.AppFlow, error) {
	p, ok := app.Provider.(mailbox.AppProvider)
	if !ok {
		return nil, "", unsupported()
	}
	return p.AppScopes(want)
}

// appTokens returns the tokens that an app gets in its own right for a mailbox.
// The client of the app keeps them.
func (c *Connector) appTokens(app *App, a mailbox.Account) (mailbox.TokenSource, error) {
	scopes, flow, err := appScopes(app, a.Wanted)
	if err != nil {
		return nil, err
	}
	return c.sources.get(a.Ref, a.Version, func() mailbox.TokenSource {
		return tokenstore.NewAppSource(tokenstore.AppSourceConfig{
			Client:    c.clients[app],
			Ref:       a.Ref,
			Directory: a.Directory,
			Subject:   a.Address,
			Scopes:    scopes,
			Flow:      flow,
			OnDead: func(ctx context.Context, err *mailbox.Error, version int64) {
				c.grantEnded(ctx, a, err, version)
			},
		})
	}), nil
}

// serviceAccount returns the service account of an app, nil if it has none.
func (a *App) serviceAccount(field string) (*tokenstore.ServiceAccount, error) {
	if len(a.ServiceAccountKey) == 0 {
		return nil, nil
	}
	account, err := tokenstore.ParseServiceAccount(a.ServiceAccountKey)
	if fe, ok := errors.AsType[*mailbox.FieldError](err); ok {
		return nil, mailbox.Invalid(field+".ServiceAccountKey: "+fe.Field, fe.Limit, fe.Problem)
	}
	return account, err
}
