package connect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// CallbackRequest is what the browser brings back from the provider.
type CallbackRequest struct {
	// Query holds the parameters of the callback.
	Query url.Values
	// Browser is the same secret as in the StartRequest, as the browser presents
	// it now.
	Browser string
	// Provider is the provider whose redirect URL was called. A state of another
	// one is refused. Empty accepts any, for hosts with one redirect URL.
	Provider mailbox.ProviderName
}

// Format prints nothing of what the browser brought, with every verb.
func (r CallbackRequest) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "CallbackRequest{%s}", r.Provider)
}

const (
	// callbackTimeout bounds the work of a callback once its state is used up.
	callbackTimeout = time.Minute
	// maxCode bounds an authorization code. Google's have at most 256 bytes
	// (developers.google.com, "Using OAuth 2.0 to Access Google APIs", 2026-09);
	// Microsoft names no limit.
	maxCode = 16 << 10
	// maxConflicts bounds how often a write to an account is tried again.
	maxConflicts = 8
)

// Callback ends a flow and returns the connected account. It must not be
// repeated: state and code work once.
//
// Errors, by class: ClassBadCallback (a callback of no flow of this browser, or
// a code or an ID token that does not work: start again), ClassDeclined,
// ClassConsent with a [*ConsentError], ClassWrongAccount with a [*WrongAccountError], ClassConflict
// with ErrLinked, ClassAdmin (offer [Connector.AdminConsent]), ClassNoMailbox,
// ClassConfig (the app's registration), ClassUnavailable, ClassThrottled and
// ClassStorage. None of them changes what was connected before.
//
// Once the state is used up, the work goes on for up to a minute even if ctx is
// cancelled, since a half-finished connect helps nobody.
func (c *Connector) Callback(ctx context.Context, r CallbackRequest) (mailbox.Account, error) {
	a, _, err := c.callback(ctx, r)
	return a, err
}

// callback also returns the flow, which is nil if there is none.
func (c *Connector) callback(ctx context.Context, r CallbackRequest) (mailbox.Account, *flow, error) {
	const op = "connect"
	f, err := c.flows.take(ctx, r.Query["state"], r.Browser)
	if err != nil {
		return mailbox.Account{}, nil, failed(op, r.Provider, mailbox.Ref{}, err)
	}
	if r.Provider != "" && r.Provider != f.Provider {
		return mailbox.Account{}, nil, failed(op, r.Provider, mailbox.Ref{}, badCallback(CodeOtherProvider))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callbackTimeout)
	defer cancel()
	a, err := c.finish(ctx, f, r.Query)
	return a, f, failed(op, f.Provider, f.Ref, err)
}

// finish does the work of a callback whose state is right.
func (c *Connector) finish(ctx context.Context, f *flow, query url.Values) (mailbox.Account, error) {
	app := c.apps[appKey{f.Provider, f.App}]
	if app == nil || !app.allows(f.Tenant) {
		return mailbox.Account{}, &mailbox.Error{Class: mailbox.ClassConfig, Code: CodeUnknownApp}
	}
	if query.Has("error") {
		return mailbox.Account{}, refusal(app.Provider, query)
	}
	codes := query["code"]
	if len(codes) != 1 || codes[0] == "" || len(codes[0]) > maxCode {
		return mailbox.Account{}, badCallback(CodeNoCode)
	}
	tok, idToken, err := c.clients[app].Exchange(ctx, codes[0], f.Verifier, app.RedirectURL)
	if err != nil {
		return mailbox.Account{}, exchangeFailed(err)
	}
	var signedIn mailbox.Identity
	if v := c.verifiers[app]; v.expects(f.Scopes) {
		if signedIn, err = v.verify(ctx, idToken, f.Nonce); err != nil {
			return mailbox.Account{}, err
		}
	}
	if len(tok.Scopes) == 0 {
		tok.Scopes = f.Scopes // RFC 6749, 5.1: not told means as requested
	}
	if missing := app.Provider.Granted(tok.Scopes).Missing(f.Need); missing != 0 {
		return mailbox.Account{}, consentMissing(app.Provider, f.Scopes, tok.Scopes, f.Want, missing)
	}
	if tok.Refresh == "" {
		return mailbox.Account{}, &mailbox.Error{Class: mailbox.ClassConfig, Code: CodeNoRefreshToken}
	}
	id, err := app.Provider.Identify(ctx, mailbox.Session{
		Tokens:    freshToken(tok.Access),
		Transport: app.Transport,
	})
	switch {
	case err != nil:
		return mailbox.Account{}, err
	case id.Subject == "" || id.Address == "":
		return mailbox.Account{}, &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "no_identity"}
	case signedIn.Subject != "" && signedIn.Subject != id.Subject:
		return mailbox.Account{}, badCallback(CodeIDTokenSubject)
	}
	id.Directory = cmp.Or(signedIn.Directory, id.Directory)
	return c.adopt(ctx, f, tok, id, app.Provider.Granted(tok.Scopes))
}

// refusal classifies an error of the authorization endpoint (RFC 6749, 4.1.2.1).
func refusal(p mailbox.Provider, query url.Values) *mailbox.Error {
	code := query.Get("error")
	told := url.Values{}
	for name, values := range query {
		if name != "state" && name != "code" { // secrets of the flow
			told[name] = values
		}
	}
	e := p.OAuthError(0, nil, []byte(told.Encode()))
	if e == nil {
		e = &mailbox.Error{}
	}
	// RFC 6749 gives access_denied its meaning; a provider may know better.
	if e.Class == mailbox.ClassUnknown && code == "access_denied" {
		e.Class = mailbox.ClassDeclined
	}
	return e
}

// exchangeFailed corrects the class of a failed code exchange: an invalid_grant
// there is about the code (used, expired, wrong PKCE verifier), not about a
// grant that ended.
func exchangeFailed(err error) error {
	e, ok := errors.AsType[*mailbox.Error](err)
	if ok && e.Class == mailbox.ClassReconnect {
		e.Class = mailbox.ClassBadCallback
	}
	return err
}

// freshToken is the token source of an account that is not stored yet.
type freshToken mailbox.AccessToken

// Token implements mailbox.TokenSource.
func (t freshToken) Token(_ context.Context, req mailbox.TokenRequest) (mailbox.AccessToken, error) {
	if req.Rejected == mailbox.AccessToken(t) {
		return "", &mailbox.Error{Op: "identify", Class: mailbox.ClassUnavailable, Code: "token_rejected"}
	}
	return mailbox.AccessToken(t), nil
}

// Format prints nothing of the token, with every verb.
func (t freshToken) Format(f fmt.State, verb rune) { tokenstore.Secret(t).Format(f, verb) }

// adopt stores token and account. The order matters: first the account is
// claimed for the identity, so that of two flows for one mailbox only the one
// with the right account gets to store a token; then the token is stored; only
// then is the account connected.
func (c *Connector) adopt(ctx context.Context, f *flow, tok tokenstore.Token, id mailbox.Identity, granted mailbox.Capabilities) (mailbox.Account, error) {
	if err := c.claim(ctx, f, id); err != nil {
		return mailbox.Account{}, err
	}
	if err := c.config.Vault.Replace(ctx, f.Ref, f.Provider, tok); err != nil {
		return mailbox.Account{}, err
	}
	a, err := c.update(ctx, f.Ref, func(a *mailbox.Account) error {
		if a.State == mailbox.StateDisconnected {
			return ErrConflict // disconnected while the user signed in
		}
		if f.Owner != "" {
			a.Owner = f.Owner
		}
		if a.ConnectedAt.IsZero() {
			a.ConnectedAt = now()
		}
		a.App = f.App
		c.rename(a, id)
		a.Directory = id.Directory
		a.Access, a.Parent = mailbox.AccessUser, ""
		a.Scopes, a.Capabilities = tok.Scopes, granted
		a.ExtraScopes, a.Wanted = f.Extra, f.Want|f.Later
		setState(a, mailbox.StateConnected)
		return nil
	}, nil)
	if errors.Is(err, ErrConflict) {
		err = errors.Join(err, c.config.Vault.Delete(ctx, f.Ref))
	}
	if err == nil {
		c.connected(ctx, a)
	}
	return a, err
}

// claim makes sure that the mailbox belongs to the identity, and that no other
// mailbox does: see Config.LinkPer.
func (c *Connector) claim(ctx context.Context, f *flow, id mailbox.Identity) error {
	for range maxConflicts {
		a, err := c.config.Accounts.Get(ctx, f.Ref)
		switch {
		case errors.Is(err, ErrNotFound):
			a = mailbox.Account{
				Ref: f.Ref, Owner: f.Owner, Provider: f.Provider, App: f.App,
				Subject: id.Subject, Address: id.Address, Aliases: id.Aliases, Name: id.Name,
				ExtraScopes: f.Extra, Wanted: f.Want | f.Later,
				State: mailbox.StateDisconnected,
			}
		case err != nil:
			return err
		case a.Provider != f.Provider || !a.Identity().Same(id):
			return &mailbox.Error{
				Class: mailbox.ClassWrongAccount,
				Err:   &WrongAccountError{Expected: a.Address, Actual: id.Address},
			}
		}
		if a.State != mailbox.StateDisconnected && a.Link != "" {
			return nil // and the mailbox keeps it
		}
		if err := c.takeLink(ctx, &a, id); err != nil {
			return err
		}
		if a.State == mailbox.StateDisconnected {
			setState(&a, mailbox.StateNeedsReconnect)
		}
		if _, err = c.config.Accounts.Put(ctx, a); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return errConflicts
}
