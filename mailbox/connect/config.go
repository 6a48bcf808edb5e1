package connect

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// App is an OAuth app, as registered with a provider. It prints without its
// secret.
type App struct {
	// Name tells apps of one provider apart; it becomes mailbox.Account.App. The
	// only app of a provider needs none.
	Name     string
	Provider mailbox.Provider
	ClientID string
	// ClientSecret is empty for apps that have none.
	ClientSecret string `json:"-" xml:"-"`
	// RedirectURL is where the provider sends the browser back to, exactly as
	// registered: https, or http to a loopback address. Give every provider one
	// of its own. Only an app with a ServiceAccountKey may do without: no user can
	// connect with it then.
	RedirectURL string
	// AdminRedirectURL is where the provider sends an administrator back to after
	// consenting for an organisation; empty means that none can be asked.
	AdminRedirectURL string
	// ServiceAccountKey is the JSON key of a Google service account with
	// domain-wide delegation, for mailboxes of mailbox.AccessApp.
	ServiceAccountKey []byte `json:"-" xml:"-"`
	// Transport carries all requests of the app's mailboxes, those to the token
	// endpoint included; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Tenants are the tenants that the app is for, for hosts whose customers
	// bring an app of their own; empty means all. Where a request names no app,
	// one for the tenant outranks one for all.
	Tenants []mailbox.TenantID
	// AuthParams are added to the authorization request and outrank those of
	// the provider, for instance hd or domain_hint. The parameters of the
	// protocol cannot be set.
	AuthParams map[string]string
	// RevokeOnDisconnect ends the grant at the provider when a user's last mailbox
	// of the host is disconnected: while another one that is not disconnected has
	// the same subject, in any tenant, nothing is revoked.
	//
	// It is off unless it is asked for, since Google drops every grant of the user
	// to the whole project (developers.google.com, "Using OAuth 2.0 for Web Server
	// Applications", 2026-09), and what else the project is used for cannot be seen
	// from here: with "Sign in with Google" in the same project, disconnecting a
	// mailbox would sign the user out of the host. Switch it on for a project that
	// connects mailboxes and does nothing else. Providers without a way to end one
	// grant (Microsoft) are never asked.
	RevokeOnDisconnect bool
}

// Format prints everything but the secret, with every verb.
func (a App) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "App{%q, %q}", a.Name, a.ClientID) }

// LogValue prints everything but the secret.
func (a App) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(a)) }

func (a *App) client(field string) (*tokenstore.Client, error) {
	account, err := a.serviceAccount(field)
	return &tokenstore.Client{
		Provider:       a.Provider,
		ClientID:       a.ClientID,
		ClientSecret:   tokenstore.Secret(a.ClientSecret),
		ServiceAccount: account,
		Transport:      a.Transport,
	}, err
}

// Config is what a [Connector] needs. Apps, Accounts, Vault and StateKey are
// required.
type Config struct {
	Apps     []App
	Accounts AccountStore
	Vault    *tokenstore.Vault
	// States keeps flows between start and callback; nil keeps them in memory,
	// which serves one process.
	States StateStore
	// StateKey signs and seals flows: at least 32 random bytes, the same in
	// every process. Changing it breaks flows that are under way and links for
	// administrators, nothing else.
	StateKey []byte `json:"-" xml:"-"`
	// StateTTL is how long a user may take to sign in; 0 means 10 minutes, at
	// most 1 hour.
	StateTTL time.Duration
	// LinkPer says how often one account of a provider can be connected: once in
	// the whole host (LinkPerHost), or once for each tenant (LinkPerTenant). nil
	// means LinkPerHost for all.
	LinkPer func(tenant mailbox.TenantID) LinkScope
	// Origins are the origins of pages that may open a flow in a popup and are
	// told its result, for instance "https://app.example.com". Pages of the origin
	// of an app's RedirectURL always may, for flows of that app.
	Origins []string
	// Rooms are told when a mailbox is connected and before it is disconnected.
	Rooms []Room
	// AdminConsentURL is where [Connector.AdminConsentHandler] is mounted, for the
	// links of [Connector.AdminConsent]: https, or http to a loopback address.
	// Empty means that no administrator is asked.
	AdminConsentURL string
	// ReturnTo is the path that CallbackHandler returns to when a request named
	// none, or when a callback belongs to no flow; empty means "/".
	ReturnTo string
	// OnState is told when the state of an account changed, or when more was
	// granted for it, with mailbox.EventAccountState, after the change was
	// stored. It must return soon. nil means nobody wants to know.
	OnState func(ctx context.Context, e mailbox.Event)
	// OnAlarm is told with mailbox.EventAppAlarm when a provider refuses one of
	// the apps: the operator has to act, no user. It must return soon. nil means
	// nobody wants to know.
	OnAlarm func(ctx context.Context, e mailbox.Event)
	// Logger receives what the HTTP handlers do not tell the browser; nil means
	// silence.
	Logger *slog.Logger
}

// Format prints nothing but the apps, with every verb.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "Config{%v}", c.Apps) }

// Connector connects, opens and disconnects mailboxes. It is safe for concurrent
// use and holds no goroutine. Use [New].
type Connector struct {
	config Config
	apps   map[appKey]*App
	// clients hold what is known of the apps while the process lives.
	clients   map[*App]*tokenstore.Client
	sources   *sources
	verifiers map[*App]*verifier
	flows     *keeper[flow]
	consents  *keeper[consent]
	tickets   *tokenstore.Keyring
	origins   map[string]bool // that may open popups
	secure    bool            // every URL of the host is https
	log       *slog.Logger
}

type appKey struct {
	provider mailbox.ProviderName
	name     string
}

// Format prints nothing but the apps, with every verb.
func (c *Connector) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "Connector{%v}", c.config.Apps) }

const (
	defaultStateTTL = 10 * time.Minute
	maxStateTTL     = time.Hour
)

// New returns a Connector. A configuration that cannot work is a
// mailbox.ClassInvalid error that names the field.
func New(c Config) (*Connector, error) {
	if c.Accounts == nil {
		return nil, mailbox.Invalid("Accounts", "an AccountStore", "is missing")
	}
	if c.Vault == nil {
		return nil, mailbox.Invalid("Vault", "a tokenstore.Vault", "is missing")
	}
	if len(c.Apps) == 0 {
		return nil, mailbox.Invalid("Apps", "at least one", "is empty")
	}
	if c.StateTTL == 0 {
		c.StateTTL = defaultStateTTL
	}
	if c.StateTTL < 0 || c.StateTTL > maxStateTTL {
		return nil, mailbox.Invalid("StateTTL", "up to 1 hour", "is out of range")
	}
	if c.ReturnTo == "" {
		c.ReturnTo = "/"
	}
	if err := checkReturnTo("ReturnTo", c.ReturnTo); err != nil {
		return nil, err
	}
	if c.States == nil {
		c.States = NewMemoryStates()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Apps = slices.Clone(c.Apps)
	conn := &Connector{
		apps: make(map[appKey]*App), clients: make(map[*App]*tokenstore.Client), verifiers: make(map[*App]*verifier),
		sources: newSources(maxSources),
		origins: make(map[string]bool), log: c.Logger,
	}
	if err := conn.deriveKeys(c); err != nil {
		return nil, err
	}
	c.StateKey = nil // the derived keys do
	conn.config = c
	if err := conn.allowOrigins(c.Origins); err != nil {
		return nil, err
	}
	if c.AdminConsentURL != "" {
		if err := tokenstore.CheckURL("AdminConsentURL", c.AdminConsentURL); err != nil {
			return nil, err
		}
	}
	conn.secure = secure(c.AdminConsentURL)
	for i := range c.Apps {
		app := &c.Apps[i]
		field := fmt.Sprintf("Apps[%d]", i)
		if err := app.check(field); err != nil {
			return nil, err
		}
		key := appKey{app.Provider.Name(), app.Name}
		if conn.apps[key] != nil {
			return nil, mailbox.Invalid(field+".Name", "a different name for every app of a provider", "is used twice")
		}
		client, err := app.client(field)
		if err != nil {
			return nil, err
		}
		client.OnFault = conn.alarm(app)
		conn.apps[key], conn.clients[app] = app, client
		conn.verifiers[app] = newVerifier(app)
		conn.secure = conn.secure && secure(app.RedirectURL, app.AdminRedirectURL)
	}
	return conn, nil
}

// secure reports whether none of the URLs is plain http.
func secure(urls ...string) bool {
	return !slices.ContainsFunc(urls, func(u string) bool { return strings.HasPrefix(strings.ToLower(u), "http:") })
}

func (c *Connector) deriveKeys(config Config) (err error) {
	if c.flows, err = newKeeper[flow](config, "connect"); err != nil {
		return err
	}
	if c.consents, err = newKeeper[consent](config, "admin consent"); err != nil {
		return err
	}
	c.tickets, err = deriveRing(config.StateKey, "admin consent ticket")
	return err
}

// protocolParams are set by this package alone: overriding one would switch off
// a protection.
var protocolParams = [...]string{
	"response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
	"code_challenge", "code_challenge_method", "request", "request_uri",
}

func (a *App) check(field string) error {
	if a.Provider == nil {
		return mailbox.Invalid(field+".Provider", "a mailbox.Provider", "is missing")
	}
	if a.ClientID == "" {
		return mailbox.Invalid(field+".ClientID", "the client ID of the registration", "is empty")
	}
	o := a.Provider.OAuth()
	endpoints := map[string]string{".Provider.AuthURL": o.AuthURL, ".Provider.TokenURL": o.TokenURL}
	if a.RedirectURL != "" || len(a.ServiceAccountKey) == 0 {
		endpoints[".RedirectURL"] = a.RedirectURL
	}
	if a.AdminRedirectURL != "" && a.AdminRedirectURL == a.RedirectURL {
		return mailbox.Invalid(field+".AdminRedirectURL", "another URL than RedirectURL", "is the same")
	}
	for name, optional := range map[string]string{
		".AdminRedirectURL": a.AdminRedirectURL, ".Provider.RevokeURL": o.RevokeURL,
		".Provider.KeysURL": o.KeysURL, ".Provider.AdminConsentURL": o.AdminConsentURL,
	} {
		if optional != "" {
			endpoints[name] = optional
		}
	}
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		if err := tokenstore.CheckURL(field+name, endpoints[name]); err != nil {
			return err
		}
	}
	for i, tenant := range a.Tenants {
		if (mailbox.Ref{Tenant: tenant, Mailbox: "any"}).Validate() != nil || slices.Contains(a.Tenants[:i], tenant) {
			return mailbox.Invalid(field+".Tenants", "valid tenants, each once", "has another")
		}
	}
	for _, params := range []map[string]string{o.AuthParams, a.AuthParams} {
		for _, name := range protocolParams {
			if _, ok := params[name]; ok {
				return mailbox.Invalid(field+".AuthParams", "parameters that the protocol does not define", "sets "+name)
			}
		}
	}
	return nil
}

const maxReturnTo = 2048

// checkReturnTo refuses everything but a path of the same site. Browsers take
// "//host" and "/\host" for another host, and drop tabs and line breaks before
// they look.
func checkReturnTo(field, s string) error {
	if len(s) > maxReturnTo {
		return mailbox.Invalid(field, "at most 2048 bytes", "is too long")
	}
	_, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.Contains(s, `\`) ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return mailbox.Invalid(field, `an escaped path that begins with one "/"`, "is not one")
	}
	return nil
}
