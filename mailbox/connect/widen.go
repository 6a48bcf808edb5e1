package connect

import (
	"context"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// Widen gets an account what is wanted for it and was agreed to after it was
// connected, by an administrator above all: it asks the token endpoint for all
// scopes of mailbox.Account.Wanted and ExtraScopes with the grant that is there.
// Microsoft allows that: a refresh token gives tokens for every scope that was
// consented to (entra-docs, "Refresh tokens", 2026-11). The new token is stored
// first, then the account; then Config.Rooms and Config.OnState are told.
//
// It is safe to repeat, and does nothing for an account that lacks nothing. What
// is still missing afterwards is in mailbox.Account.Missing.
//
// Errors, by class: ClassConsent or ClassAdmin while the consent is missing, with
// nothing changed; ClassReconnect when the grant itself has ended;
// ClassUnsupported for providers without such a consent and for mailboxes that
// have no grant of their own; ClassNotFound, ClassConfig, ClassUnavailable,
// ClassThrottled and ClassStorage.
func (c *Connector) Widen(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error) {
	a, err := c.widen(ctx, ref, 0, nil)
	if err != nil {
		return mailbox.Account{}, failed("widen", a.Provider, ref, err)
	}
	return a, nil
}

// widen also adds to what is wanted. With an error it returns the account as it
// was.
func (c *Connector) widen(ctx context.Context, ref mailbox.Ref, want mailbox.Capabilities, extra []string) (mailbox.Account, error) {
	a, err := c.config.Accounts.Get(ctx, ref)
	if err != nil {
		return a, err
	}
	if a.State == mailbox.StateDisconnected {
		return a, &mailbox.Error{Class: mailbox.ClassReconnect, Code: CodeDisconnected}
	}
	want |= a.Wanted
	extra = withExtra(a.ExtraScopes, extra)
	if a.State == mailbox.StateConnected && a.Capabilities.Has(want) && containsAll(a.Scopes, extra) {
		return a, nil
	}
	app, err := c.appOf(a)
	if err != nil {
		return a, err
	}
	if a.Access != mailbox.AccessUser || mailbox.OAuthAt(app.Provider, a.Directory).AdminConsentURL == "" {
		return a, &mailbox.Error{Class: mailbox.ClassUnsupported}
	}
	scopes, err := app.Provider.Scopes(want | a.Capabilities)
	if err != nil {
		return a, err
	}
	tok, err := c.widenToken(ctx, app, a, scopes, extra)
	if err != nil {
		return a, err
	}
	// An answer that gives nothing new leaves the account as it is.
	granted := app.Provider.Granted(tok.Scopes)
	if missing := granted.Missing(want); missing != 0 && a.State == mailbox.StateConnected &&
		a.Capabilities.Has(granted) && containsAll(a.Scopes, tok.Scopes) {
		return a, consentMissing(app.Provider, scopes, tok.Scopes, want, missing)
	}
	return c.widened(ctx, app, ref, want, extra)
}

// widenToken asks for the scopes, with the extra ones if they can be had: those
// are never required, and one that nobody has consented to fails the request.
func (c *Connector) widenToken(ctx context.Context, app *App, a mailbox.Account, scopes, extra []string) (tokenstore.Token, error) {
	source := tokenstore.NewSource(tokenstore.SourceConfig{
		Vault: c.config.Vault, Ref: a.Ref, Client: c.clients[app], Directory: a.Directory,
	})
	tok, err := source.Widen(ctx, withExtra(scopes, extra))
	had := slices.DeleteFunc(slices.Clone(extra), func(s string) bool { return !slices.Contains(a.Scopes, s) })
	if class := mailbox.ClassOf(err); (class == mailbox.ClassConsent || class == mailbox.ClassAdmin) && len(had) < len(extra) {
		return source.Widen(ctx, withExtra(scopes, had))
	}
	return tok, err
}

// widened writes to the account what its token allows now.
func (c *Connector) widened(ctx context.Context, app *App, ref mailbox.Ref, want mailbox.Capabilities, extra []string) (mailbox.Account, error) {
	var before mailbox.AccountState
	a, err := c.update(ctx, ref, func(a *mailbox.Account) error {
		before = a.State
		if a.State == mailbox.StateDisconnected {
			return ErrConflict // disconnected meanwhile
		}
		// Read after the account was: a reconnect stores its token before it writes
		// the account, so either its token shows here, or the write is a conflict.
		tok, _, err := c.config.Vault.Get(ctx, ref)
		if err != nil {
			return err
		}
		a.Scopes, a.Capabilities = tok.Scopes, app.Provider.Granted(tok.Scopes)
		a.Wanted |= want
		a.ExtraScopes = withExtra(a.ExtraScopes, extra)
		if a.State != mailbox.StateUnavailable { // a token does not make a mailbox
			setState(a, mailbox.StateConnected)
		}
		return nil
	}, nil)
	if err != nil {
		return a, err
	}
	if a.State == before { // otherwise update has told it
		c.tell(ctx, a, nil)
	}
	if a.State == mailbox.StateConnected {
		c.connected(ctx, a)
	}
	return a, nil
}

// containsAll reports whether every one of some is among all.
func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
