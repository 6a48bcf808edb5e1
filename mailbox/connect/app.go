package connect

import (
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// allows reports whether the app is for the tenant.
func (a *App) allows(tenant mailbox.TenantID) bool {
	return len(a.Tenants) == 0 || slices.Contains(a.Tenants, tenant)
}

// app returns the app with the name. Without a name, an app that is for the
// tenant outranks one for all, and one that has no name outranks the others; what
// is left has to be one.
func (c *Connector) app(tenant mailbox.TenantID, provider mailbox.ProviderName, name string) (*App, error) {
	var own, common, others []*App
	for key, app := range c.apps {
		switch {
		case key.provider != provider:
		case !app.allows(tenant):
			others = append(others, app)
		case len(app.Tenants) > 0:
			own = append(own, app)
		default:
			common = append(common, app)
		}
	}
	if len(own)+len(common)+len(others) == 0 {
		return nil, mailbox.Invalid("provider", "the provider of a configured app", "is unknown")
	}
	if name != "" {
		app := c.apps[appKey{provider, name}]
		switch {
		case app == nil:
			return nil, mailbox.Invalid("app", "the name of a configured app", "is unknown")
		case !app.allows(tenant):
			return nil, mailbox.Invalid("app", "an app for the tenant", "is one for other tenants")
		}
		return app, nil
	}
	candidates := own
	if len(candidates) == 0 {
		candidates = common
	}
	if i := slices.IndexFunc(candidates, func(a *App) bool { return a.Name == "" }); i >= 0 {
		return candidates[i], nil
	}
	switch len(candidates) {
	case 0:
		return nil, mailbox.Invalid("app", "an app for the tenant", "is one for other tenants")
	case 1:
		return candidates[0], nil
	default:
		return nil, mailbox.Invalid("app", "the name of one of the provider's apps", "is empty")
	}
}

// sameApp returns the app that an account was connected with, for another flow
// of the same mailbox, or nil if there is none any more.
func (c *Connector) sameApp(a mailbox.Account) *App {
	if app := c.apps[appKey{a.Provider, a.App}]; app != nil && app.allows(a.Tenant) {
		return app
	}
	return nil
}
