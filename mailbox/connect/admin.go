package connect

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// AdminRequest asks for a link for the administrator of an organisation.
type AdminRequest struct {
	// Ref is the mailbox that waits for the consent. Everything else but Owner is
	// taken from its account where it is left empty. A mailbox without an account
	// is one whose user could not connect at all so far. Without a Mailbox, the
	// link is for the organisation alone.
	mailbox.Ref
	Provider mailbox.ProviderName
	// App is chosen as for a StartRequest.
	App string
	// Directory is the organisation (mailbox.Account.Directory); empty means that
	// of the administrator who signs in.
	Directory string
	// Want is what the administrator is to allow; 0 means mailbox.Account.Wanted.
	Want mailbox.Capabilities
	// ExtraScopes are those of StartRequest.ExtraScopes.
	ExtraScopes []string
	// TTL is how long the link works; 0 means 7 days, at most 30.
	TTL time.Duration
	// ReturnTo is the path of the host's site that AdminCallbackHandler returns
	// to; empty means Config.ReturnTo. An administrator need not be a user of the
	// host, so it has to be a page for everybody.
	ReturnTo string
}

// AdminLink is a link for an administrator, and a letter to send it with.
type AdminLink struct {
	URL string
	// Subject and Text are in English. Permissions are for hosts that write a
	// letter of their own.
	Subject, Text string
	Permissions   []Permission
	ExpiresAt     time.Time
}

const (
	defaultTicketTTL = 7 * 24 * time.Hour
	maxTicketTTL     = 30 * 24 * time.Hour
)

// AdminConsent returns a link by which an administrator allows the app for a
// whole organisation. Whoever has the link can do nothing with it but go to the
// provider's page and, as an administrator, agree; it may be used several times.
// Nothing is stored, so it is safe to repeat, and a link cannot be taken back.
//
// Errors, by class: ClassInvalid names the field, also of a configuration without
// AdminConsentURL or App.AdminRedirectURL; ClassUnsupported if the provider has
// no such page or not these capabilities; ClassStorage.
func (c *Connector) AdminConsent(ctx context.Context, r AdminRequest) (AdminLink, error) {
	link, err := c.adminConsent(ctx, r)
	return link, failed("admin consent", r.Provider, r.Ref, err)
}

func (c *Connector) adminConsent(ctx context.Context, r AdminRequest) (AdminLink, error) {
	if c.config.AdminConsentURL == "" {
		return AdminLink{}, mailbox.Invalid("Config.AdminConsentURL", "where AdminConsentHandler is mounted", "is empty")
	}
	r.TTL = cmp.Or(r.TTL, defaultTicketTTL)
	if r.TTL < time.Minute || r.TTL > maxTicketTTL {
		return AdminLink{}, mailbox.Invalid("ttl", "1 minute to 30 days", "is out of range")
	}
	r.ReturnTo = cmp.Or(r.ReturnTo, c.config.ReturnTo)
	if err := checkReturnTo("return_to", r.ReturnTo); err != nil {
		return AdminLink{}, err
	}
	a, app, err := c.completeAdmin(ctx, &r)
	if err != nil {
		return AdminLink{}, err
	}
	if _, err := adminPage(app, r.Directory); err != nil {
		return AdminLink{}, err
	}
	if r.Want == 0 {
		return AdminLink{}, mailbox.Invalid("want", "at least one capability", "is empty")
	}
	scopes, err := app.Provider.Scopes(r.Want)
	if err != nil {
		return AdminLink{}, err
	}
	expires := time.Now().Add(r.TTL).Truncate(time.Second)
	sealed, err := c.sealTicket(ticket{
		Ref: r.Ref, Provider: app.Provider.Name(), App: app.Name, Directory: r.Directory,
		Want: r.Want, Extra: r.ExtraScopes, ReturnTo: r.ReturnTo, Expires: expires.Unix(),
	})
	if err != nil {
		return AdminLink{}, err
	}
	link := AdminLink{
		URL:         withTicket(c.config.AdminConsentURL, sealed),
		Permissions: permissions(app.Provider, withExtra(scopes, r.ExtraScopes), r.Want),
		ExpiresAt:   expires,
	}
	link.Subject, link.Text = adminLetter(link, app, r, a)
	return link, nil
}

// completeAdmin fills in what the request takes from the account, and returns
// the account, which is zero if there is none, and the app to use.
func (c *Connector) completeAdmin(ctx context.Context, r *AdminRequest) (mailbox.Account, *App, error) {
	if r.Mailbox == "" {
		if err := (mailbox.Ref{Tenant: r.Tenant, Mailbox: "none"}).Validate(); err != nil {
			return mailbox.Account{}, nil, err
		}
	} else if err := r.Validate(); err != nil {
		return mailbox.Account{}, nil, err
	}
	var a mailbox.Account
	if r.Mailbox != "" {
		var err error
		if a, err = c.config.Accounts.Get(ctx, r.Ref); err != nil && !errors.Is(err, ErrNotFound) {
			return mailbox.Account{}, nil, err
		}
	}
	r.Provider = cmp.Or(r.Provider, a.Provider)
	if a.Provider != "" && r.Provider != a.Provider {
		return mailbox.Account{}, nil, mailbox.Invalid("provider", "the provider of the mailbox", "is another one")
	}
	r.Directory = cmp.Or(r.Directory, a.Directory)
	if err := checkDirectory(r.Directory); err != nil {
		return mailbox.Account{}, nil, err
	}
	r.Want = cmp.Or(r.Want, a.Wanted)
	if r.ExtraScopes == nil {
		r.ExtraScopes = a.ExtraScopes
	}
	if err := checkScopes("extra_scopes", r.ExtraScopes); err != nil {
		return mailbox.Account{}, nil, err
	}
	if r.App == "" && a.Provider != "" {
		if app := c.sameApp(a); app != nil {
			return a, app, nil
		}
	}
	app, err := c.app(r.Tenant, r.Provider, cmp.Or(r.App, a.App))
	return a, app, err
}

// checkDirectory refuses what cannot be one part of a path: a directory is an id
// or a domain.
func checkDirectory(s string) error {
	if len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}) || strings.Contains(s, "..") {
		return mailbox.Invalid("directory", "the id or the domain of an organisation", "is neither")
	}
	return nil
}

// adminPage returns the provider's page for the administrators of a directory.
func adminPage(app *App, directory string) (string, error) {
	page := mailbox.OAuthAt(app.Provider, directory).AdminConsentURL
	if page == "" {
		return "", &mailbox.Error{Class: mailbox.ClassUnsupported}
	}
	if app.AdminRedirectURL == "" {
		return "", mailbox.Invalid("App.AdminRedirectURL", "where AdminCallbackHandler is mounted", "is empty")
	}
	if err := tokenstore.CheckURL("Provider.AdminConsentURL", page); err != nil {
		return "", err
	}
	return page, nil
}

// paramTicket is the query parameter of AdminConsentHandler.
const paramTicket = "ticket"

// withTicket adds a ticket to a URL that tokenstore.CheckURL has passed.
func withTicket(to, ticket string) string {
	return addQuery(to, url.Values{paramTicket: {ticket}})
}

// addQuery adds parameters to a URL without a fragment.
func addQuery(to string, params url.Values) string {
	if strings.Contains(to, "?") {
		return to + "&" + params.Encode()
	}
	return to + "?" + params.Encode()
}
