package connect

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
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
	// App names one of several apps of the provider. Empty means that of the
	// account on a reconnect, otherwise one that is for the tenant, otherwise one
	// for all: see App.Tenants.
	App string
	// Want is what the host asks for; 0 on a reconnect means what the account
	// had.
	Want mailbox.Capabilities
	// Need is the part of Want without which connecting fails; 0 means all of
	// it. Set it to accept users who grant only some of the scopes: the account
	// then tells what it lacks (mailbox.Account.Missing).
	Need mailbox.Capabilities
	// Later is wanted too, but not asked for now, since an administrator has to
	// agree first: see [Connector.AdminConsent]. 0 together with Want 0 on a
	// reconnect means what the account still waits for.
	Later mailbox.Capabilities
	// ExtraScopes are asked for besides those of the capabilities, for instance
	// of a calendar. They are remembered and asked for again on a reconnect; nil
	// there means those of the account. Connecting works without them: compare
	// with mailbox.Account.Scopes. At most 32.
	ExtraScopes []string
	// LoginHint is the address to sign in with; empty on a reconnect means that
	// of the account. It is a hint, not a proof.
	LoginHint string
	// Claims is a claims challenge (mailbox.Error.Claims) to answer.
	Claims string
	// ReturnTo is the path of the host's site that CallbackHandler returns to.
	ReturnTo string
	// Popup is the origin of the page that has opened the flow in a popup: one of
	// Config.Origins, or that of the app's RedirectURL. CallbackHandler then
	// answers with a page that tells it the result and closes the popup. Empty
	// means that there is none. StartHandler sets it from what the script of
	// [ScriptHandler] sends.
	Popup string
	// PopupID is chosen by that page, which recognises the result by it: up to 64
	// letters, digits, "-" and "_". It has to be hard to guess.
	PopupID string
	// Browser is a secret that only this browser can present at the callback: a
	// random value in a cookie, or derived from the session. 16 to 256 bytes.
	// StartHandler sets it.
	Browser string
}

// Format prints which mailbox it is for, with every verb.
func (r StartRequest) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "StartRequest{%s, %s, %s}", r.Ref, r.Provider, r.Want)
}

// Started is a flow that waits for its callback.
type Started struct {
	// URL is the provider's page to send the browser to.
	URL string
	// ExpiresAt is when the flow ends.
	ExpiresAt time.Time
}

// flow is what is remembered from Start to Callback. It is stored sealed, for
// minutes only.
type flow struct {
	mailbox.Ref
	Owner    string               `json:"owner,omitempty"`
	Provider mailbox.ProviderName `json:"provider"`
	App      string               `json:"app,omitempty"`
	Want     mailbox.Capabilities `json:"want"`
	Need     mailbox.Capabilities `json:"need"`
	Later    mailbox.Capabilities `json:"later,omitempty"`
	Scopes   []string             `json:"scopes"`
	Extra    []string             `json:"extra,omitempty"`
	Verifier string               `json:"verifier"`
	Nonce    string               `json:"nonce,omitempty"`
	ReturnTo string               `json:"return_to"`
	Popup    string               `json:"popup,omitempty"`
	PopupID  string               `json:"popup_id,omitempty"`
}

// Start begins a flow. Nothing but the StateStore is changed; it is safe to
// repeat. A request that cannot work is a mailbox.ClassInvalid error that names
// the field.
func (c *Connector) Start(ctx context.Context, r StartRequest) (Started, error) {
	s, err := c.start(ctx, r)
	return s, failed("start", r.Provider, r.Ref, err)
}

func (c *Connector) start(ctx context.Context, r StartRequest) (Started, error) {
	if err := r.check(c.config.ReturnTo); err != nil {
		return Started{}, err
	}
	app, err := c.complete(ctx, &r)
	if err != nil {
		return Started{}, err
	}
	if app.RedirectURL == "" {
		return Started{}, mailbox.Invalid("app", "one with a RedirectURL", "has none")
	}
	if r.Need == 0 {
		r.Need = r.Want
	}
	if r.Want == 0 || !r.Want.Has(r.Need) {
		return Started{}, mailbox.Invalid("want", "at least one capability, and all that are needed", "is not that")
	}
	scopes, err := app.Provider.Scopes(r.Want)
	if err != nil {
		return Started{}, err
	}
	if _, err := app.Provider.Scopes(r.Want | r.Later); err != nil {
		return Started{}, err
	}
	if r.Popup != "" {
		if r.Popup, err = c.checkPopup(r.Popup, app); err != nil {
			return Started{}, err
		}
	}
	f := flow{
		Ref: r.Ref, Owner: r.Owner, Provider: r.Provider, App: app.Name,
		Want: r.Want, Need: r.Need, Later: r.Later, Scopes: withExtra(scopes, r.ExtraScopes), Extra: r.ExtraScopes,
		Verifier: oauth2.GenerateVerifier(), ReturnTo: r.ReturnTo, Popup: r.Popup, PopupID: r.PopupID,
	}
	if c.verifiers[app].expects(f.Scopes) {
		f.Nonce = rand.Text()
	}
	param, expires, err := c.flows.keep(ctx, f, r.Browser)
	if err != nil {
		return Started{}, err
	}
	return Started{URL: app.authURL(f, param, r.LoginHint, r.Claims), ExpiresAt: expires}, nil
}

// check refuses what can be told to be wrong without the account.
func (r *StartRequest) check(defaultReturn string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if len(r.Browser) < 16 || len(r.Browser) > 256 {
		return mailbox.Invalid("browser", "16 to 256 random bytes", "has the wrong length")
	}
	if len(r.PopupID) > 64 || strings.ContainsFunc(r.PopupID, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}) {
		return mailbox.Invalid("popup_id", `up to 64 letters, digits, "-" and "_"`, "is not that")
	}
	r.ReturnTo = cmp.Or(r.ReturnTo, defaultReturn)
	if err := checkReturnTo("return_to", r.ReturnTo); err != nil {
		return err
	}
	return checkScopes("extra_scopes", r.ExtraScopes)
}

// complete fills in what a reconnect takes from the account, and returns the app
// to use.
func (c *Connector) complete(ctx context.Context, r *StartRequest) (*App, error) {
	a, err := c.config.Accounts.Get(ctx, r.Ref)
	if errors.Is(err, ErrNotFound) {
		return c.app(r.Tenant, r.Provider, r.App)
	}
	if err != nil {
		return nil, err
	}
	r.Provider = cmp.Or(r.Provider, a.Provider)
	if r.Provider != a.Provider {
		return nil, mailbox.Invalid("provider", "the provider of the mailbox", "is another one")
	}
	if r.Want == 0 {
		r.Want = a.Capabilities
		if r.Later == 0 {
			r.Later = a.Missing()
		}
	}
	if r.ExtraScopes == nil {
		r.ExtraScopes = a.ExtraScopes
	}
	r.LoginHint = cmp.Or(r.LoginHint, a.Address)
	if r.App == "" {
		if app := c.sameApp(a); app != nil {
			return app, nil
		}
	}
	return c.app(r.Tenant, r.Provider, cmp.Or(r.App, a.App))
}

// authURL is the authorization request (RFC 6749, 4.1.1; RFC 7636, 4.3; OpenID
// Connect Core 1.0, 3.1.2.1).
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
	if f.Nonce != "" {
		opts = append(opts, oidc.Nonce(f.Nonce))
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		opts = append(opts, oauth2.SetAuthURLParam(name, params[name]))
	}
	return config.AuthCodeURL(state, opts...)
}
