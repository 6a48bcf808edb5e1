package connect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/mailtether/mailtether/mailbox"
)

// StartRequest begins a connect, or a reconnect if the mailbox has an account.
type StartRequest struct {
	mailbox.Ref
	// Owner becomes mailbox.Account.Owner; empty keeps the present one.
	Owner string
	// Provider is required for a mailbox that was never connected.
	Provider mailbox.ProviderName
	// App names one of several apps of the provider.
	App string
	// Want is what the host asks for; 0 on a reconnect means what the account
	// had.
	Want mailbox.Capabilities
	// Need is the part of Want without which connecting fails; 0 means all of
	// it. Set it to accept users who grant only some of the scopes.
	Need mailbox.Capabilities
	// LoginHint is the address to sign in with; empty on a reconnect means that
	// of the account. It is a hint, not a proof.
	LoginHint string
	// Claims is a claims challenge (mailbox.Error.Claims) to answer.
	Claims string
	// ReturnTo is the path of the host's site that CallbackHandler returns to.
	ReturnTo string
	// Browser is a secret that only this browser can present at the callback: a
	// random value in a cookie, or derived from the session. 16 to 256 bytes.
	// StartHandler sets it.
	Browser string
}

// Started is a flow that waits for its callback.
type Started struct {
	// URL is the provider's page to send the browser to.
	URL string
	// ExpiresAt is when the flow ends.
	ExpiresAt time.Time
}

// Start begins a flow. Nothing but the StateStore is changed; it is safe to
// repeat. A request that cannot work is a mailbox.ClassInvalid error that names
// the field.
func (c *Connector) Start(ctx context.Context, r StartRequest) (Started, error) {
	s, err := c.start(ctx, r)
	return s, failed("start", r.Provider, r.Ref, err)
}

func (c *Connector) start(ctx context.Context, r StartRequest) (Started, error) {
	if err := r.Validate(); err != nil {
		return Started{}, err
	}
	if len(r.Browser) < 16 || len(r.Browser) > 256 {
		return Started{}, mailbox.Invalid("browser", "16 to 256 random bytes", "has the wrong length")
	}
	if r.ReturnTo == "" {
		r.ReturnTo = c.config.ReturnTo
	}
	if err := checkReturnTo("return_to", r.ReturnTo); err != nil {
		return Started{}, err
	}
	if err := c.complete(ctx, &r); err != nil {
		return Started{}, err
	}
	if r.Need == 0 {
		r.Need = r.Want
	}
	if r.Want == 0 || !r.Want.Has(r.Need) {
		return Started{}, mailbox.Invalid("want", "at least one capability, and all that are needed", "is not that")
	}
	app, err := c.app(r.Provider, r.App)
	if err != nil {
		return Started{}, err
	}
	scopes, err := app.Provider.Scopes(r.Want)
	if err != nil {
		return Started{}, err
	}

	f := flow{
		Ref: r.Ref, Owner: r.Owner, Provider: r.Provider, App: app.Name,
		Want: r.Want, Need: r.Need, Scopes: scopes,
		Verifier: oauth2.GenerateVerifier(), ReturnTo: r.ReturnTo,
	}
	param, expires, err := c.flows.keep(ctx, f, r.Browser)
	if err != nil {
		return Started{}, err
	}
	return Started{URL: app.authURL(f, param, r.LoginHint, r.Claims), ExpiresAt: expires}, nil
}

// complete fills in what a reconnect takes from the account.
func (c *Connector) complete(ctx context.Context, r *StartRequest) error {
	a, err := c.config.Accounts.Get(ctx, r.Ref)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.Provider == "" {
		r.Provider = a.Provider
	}
	if r.Provider != a.Provider {
		return mailbox.Invalid("provider", "the provider of the mailbox", "is another one")
	}
	if r.App == "" {
		r.App = a.App
	}
	if r.Want == 0 {
		r.Want = a.Capabilities
	}
	if r.LoginHint == "" {
		r.LoginHint = a.Address
	}
	return nil
}

// authURL is the authorization request (RFC 6749, 4.1.1; RFC 7636, 4.3).
func (a *App) authURL(f flow, state, loginHint, claims string) string {
	o := a.Provider.OAuth()
	config := oauth2.Config{
		ClientID:    a.ClientID,
		Endpoint:    oauth2.Endpoint{AuthURL: o.AuthURL},
		RedirectURL: a.RedirectURL,
		Scopes:      f.Scopes,
	}
	params := maps.Clone(o.AuthParams)
	if params == nil {
		params = make(map[string]string)
	}
	maps.Copy(params, a.AuthParams)
	if loginHint != "" {
		params["login_hint"] = loginHint
	}
	if claims != "" {
		params["claims"] = claims
	}
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.Verifier)}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		opts = append(opts, oauth2.SetAuthURLParam(name, params[name]))
	}
	return config.AuthCodeURL(state, opts...)
}
