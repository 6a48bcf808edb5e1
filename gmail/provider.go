package gmail

import (
	"maps"
	"net/url"
	"time"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// Config sets up a [Provider]. The zero value is right for Google's service.
type Config struct {
	// Endpoints are where Google is. Empty fields are Google's own.
	Endpoints Endpoints
	// Units replaces the cost of methods, by name; see [DefaultUnits]. A project
	// that is still under the quotas from before May 2026 sets [LegacyUnits].
	Units map[string]int
	// BatchSize is how many messages one HTTP request asks for, 1 to 50; 0
	// means 25. Gmail runs the calls of a batch side by side against a limit
	// per mailbox that it does not publish: 100 were refused and 25 passed
	// (amd/gaia issue 2720, July 2026). It is halved whenever it is too much.
	// The units of a minute pay for 5 messages a second, so large batches save
	// requests and no time.
	BatchSize int
	// MaxRecipients is how many To, Cc and Bcc addresses one message may have;
	// 0 means 100, negative means that Gmail decides. Google's pages name 100
	// and 500 for the API (support.google.com/a/answer/166852, 2026).
	MaxRecipients int
	// SettleTime is how long after a send ResolveSend leaves it open that the
	// message shows up yet; 0 means two minutes. Google does not say how soon
	// a sent message is filed.
	SettleTime time.Duration
}

// Endpoints are the URLs of Google's services. All have to be https, or http to
// a loopback address.
type Endpoints struct {
	// APIURL is the root of the Gmail API, without a path.
	APIURL string
	// AuthURL and TokenURL are the OAuth endpoints, RevokeURL ends a grant.
	AuthURL, TokenURL, RevokeURL string
	// UserinfoURL is the OpenID Connect userinfo endpoint, KeysURL has the keys
	// of ID tokens, and Issuer is who they say they are from.
	UserinfoURL, KeysURL, Issuer string
}

// google is Google's service (openid-configuration of accounts.google.com and
// the discovery document of the Gmail API, revision 20261005).
func google() Endpoints {
	return Endpoints{
		APIURL:      "https://gmail.googleapis.com/",
		AuthURL:     "https://accounts.google.com/o/oauth2/v2/auth",
		TokenURL:    "https://oauth2.googleapis.com/token",
		RevokeURL:   "https://oauth2.googleapis.com/revoke",
		UserinfoURL: "https://openidconnect.googleapis.com/v1/userinfo",
		KeysURL:     "https://www.googleapis.com/oauth2/v3/certs",
		Issuer:      "https://accounts.google.com",
	}
}

// EndpointsAt puts all endpoints on one host, for fakes and proxies. The base is
// a URL without a path, such as "http://127.0.0.1:8080".
func EndpointsAt(base string) Endpoints {
	return Endpoints{
		APIURL:      base + "/",
		AuthURL:     base + "/o/oauth2/v2/auth",
		TokenURL:    base + "/token",
		RevokeURL:   base + "/revoke",
		UserinfoURL: base + "/v1/userinfo",
		KeysURL:     base + "/oauth2/v3/certs",
		Issuer:      base,
	}
}

// Provider is Gmail. Make one with [New]; it serves all mailboxes of all
// tenants and is safe for concurrent use.
type Provider struct {
	endpoints     Endpoints
	api           *url.URL
	origins       []string
	costs         quota.CostTable
	batchSize     int
	maxRecipients int
	settleTime    time.Duration
}

var (
	_ mailbox.Provider          = (*Provider)(nil)
	_ mailbox.IDTokenReader     = (*Provider)(nil)
	_ mailbox.GrantExplainer    = (*Provider)(nil)
	_ mailbox.AppProvider       = (*Provider)(nil)
	_ mailbox.AccountIdentifier = (*Provider)(nil)
)

// New returns a provider. It fails with ClassInvalid when the configuration
// cannot work.
func New(c Config) (*Provider, error) {
	p := &Provider{endpoints: google(), costs: quota.GmailCosts(), batchSize: 25, maxRecipients: 100, settleTime: 2 * time.Minute}
	set(&p.endpoints.APIURL, c.Endpoints.APIURL)
	set(&p.endpoints.AuthURL, c.Endpoints.AuthURL)
	set(&p.endpoints.TokenURL, c.Endpoints.TokenURL)
	set(&p.endpoints.RevokeURL, c.Endpoints.RevokeURL)
	set(&p.endpoints.UserinfoURL, c.Endpoints.UserinfoURL)
	set(&p.endpoints.KeysURL, c.Endpoints.KeysURL)
	set(&p.endpoints.Issuer, c.Endpoints.Issuer)
	set(&p.batchSize, c.BatchSize)
	set(&p.maxRecipients, c.MaxRecipients)
	set(&p.settleTime, c.SettleTime)

	for _, e := range []struct {
		field, url string
		tokens     bool // access tokens go there
	}{
		{"endpoints.api_url", p.endpoints.APIURL, true},
		{"endpoints.userinfo_url", p.endpoints.UserinfoURL, true},
		{"endpoints.auth_url", p.endpoints.AuthURL, false},
		{"endpoints.token_url", p.endpoints.TokenURL, false},
		{"endpoints.revoke_url", p.endpoints.RevokeURL, false},
		{"endpoints.keys_url", p.endpoints.KeysURL, false},
		{"endpoints.issuer", p.endpoints.Issuer, false},
	} {
		origin, err := gate.Origin(e.field, e.url)
		if err != nil {
			return nil, err
		}
		if e.tokens {
			p.origins = append(p.origins, origin)
		}
	}
	api, err := url.Parse(p.endpoints.APIURL)
	if err != nil || api.Path != "" && api.Path != "/" || api.RawQuery != "" {
		return nil, mailbox.Invalid("endpoints.api_url", "a URL without a path", "has a path")
	}
	api.Path = "/"
	p.api = api

	if p.batchSize < 1 || p.batchSize > 50 {
		return nil, mailbox.Invalid("batch_size", "1 to 50", "is out of range")
	}
	if p.settleTime < 0 {
		return nil, mailbox.Invalid("settle_time", "not negative", "is negative")
	}
	for method, units := range c.Units {
		if units < 0 {
			return nil, mailbox.Invalid("units."+method, "not negative", "is negative")
		}
	}
	p.costs.Units[methodUserinfo] = 0 // not a call of the Gmail API
	maps.Copy(p.costs.Units, c.Units)
	return p, nil
}

// set replaces *v by a value that is not zero.
func set[T comparable](v *T, by T) {
	var zero T
	if by != zero {
		*v = by
	}
}

// Name returns [mailbox.Gmail].
func (p *Provider) Name() mailbox.ProviderName { return mailbox.Gmail }

// OAuth tells how to sign in to Google. A refresh token comes only with a
// consent screen, therefore every connect asks for one. Revoking a token ends
// the user's grant to the whole Google Cloud project: every token of every
// client in it, whoever got it (developers.google.com/identity/protocols/oauth2,
// 2026).
func (p *Provider) OAuth() mailbox.OAuth {
	return mailbox.OAuth{
		AuthURL:   p.endpoints.AuthURL,
		TokenURL:  p.endpoints.TokenURL,
		RevokeURL: p.endpoints.RevokeURL,
		KeysURL:   p.endpoints.KeysURL,
		AuthParams: map[string]string{
			"access_type": "offline",
			"prompt":      "consent select_account",
		},
	}
}

// Open returns the mailbox of an account, a [*Mailbox]. It makes no request. The
// token decides whose mailbox it is: that of an account of mailbox.AccessApp is
// given to a service account in the name of its Address. Gmail has no
// mailboxes of mailbox.AccessShared: they are ClassUnsupported.
func (p *Provider) Open(a mailbox.Account, s mailbox.Session) (mailbox.Mailbox, error) {
	if a.Provider != "" && a.Provider != mailbox.Gmail {
		return nil, mailbox.Invalid("account.provider", string(mailbox.Gmail), "is another one")
	}
	if a.Access != mailbox.AccessUser && a.Access != mailbox.AccessApp {
		return nil, &mailbox.Error{Op: "open", Provider: mailbox.Gmail, Mailbox: a.Mailbox, Class: mailbox.ClassUnsupported}
	}
	m, err := p.open(a, s)
	if err != nil {
		return nil, err
	}
	return m, nil
}
