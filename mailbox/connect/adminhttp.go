package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// ParamAdminConsent is the query parameter that AdminCallbackHandler adds to the
// path it returns to after an administrator has agreed. After a failure there is
// a ParamError instead.
const ParamAdminConsent = "admin_consent"

// The values of ParamAdminConsent.
const (
	// AdminConsentGranted: and the mailbox, if the link was for one that is
	// connected, has what was waited for.
	AdminConsentGranted = "granted"
	// AdminConsentPending: the mailbox does not have it yet: the provider takes
	// its time, or the administrator of another organisation agreed. Call
	// [Connector.Widen] later, or let the user connect again.
	AdminConsentPending = "pending"
)

// consent is what is remembered while an administrator is at the provider's
// page. It is stored sealed, for minutes only.
type consent struct {
	mailbox.Ref
	Provider mailbox.ProviderName `json:"provider"`
	App      string               `json:"app,omitempty"`
	Want     mailbox.Capabilities `json:"want"`
	Extra    []string             `json:"extra,omitempty"`
	ReturnTo string               `json:"return_to"`
}

// AdminConsentHandler returns the handler for Config.AdminConsentURL: it sends
// whoever has a link of [Connector.AdminConsent] to the provider's page. It is
// for people who are not signed in to the host. A link that does not work leads
// to Config.ReturnTo with ParamError.
//
// The handler keeps the same cookie as StartHandler: the answer of the provider
// works once, in this browser, for as long as Config.StateTTL.
func (c *Connector) AdminConsentHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(w, r, http.MethodGet) {
			return
		}
		cookie := c.browserCookie(r)
		page, err := c.startConsent(r.Context(), r.URL.Query()[paramTicket], cookie.Value)
		if err != nil {
			c.logFailure(r, "starting an admin consent failed", err)
			redirect(w, r, withParam(c.config.ReturnTo, ParamError, ErrorCode(err)))
			return
		}
		http.SetCookie(w, cookie)
		redirect(w, r, page)
	})
}

func (c *Connector) startConsent(ctx context.Context, tickets []string, browser string) (string, error) {
	const op = "start admin consent"
	if len(tickets) != 1 {
		return "", failed(op, "", mailbox.Ref{}, badCallback(CodeBadTicket))
	}
	t, err := c.openTicket(tickets[0])
	if err != nil {
		return "", failed(op, "", mailbox.Ref{}, err)
	}
	page, err := c.consentPage(ctx, t, browser)
	return page, failed(op, t.Provider, t.Ref, err)
}

// consentPage begins the flow of a ticket and returns where it goes on: the
// admin consent endpoint (Microsoft identity platform, "Admin consent",
// learn.microsoft.com/entra/identity-platform/v2-admin-consent, 2026-11).
func (c *Connector) consentPage(ctx context.Context, t ticket, browser string) (string, error) {
	app := c.apps[appKey{t.Provider, t.App}]
	if app == nil || !app.allows(t.Tenant) {
		return "", &mailbox.Error{Class: mailbox.ClassConfig, Code: CodeUnknownApp}
	}
	page, err := adminPage(app, t.Directory)
	if err != nil {
		return "", err
	}
	scopes, err := app.Provider.Scopes(t.Want)
	if err != nil {
		return "", err
	}
	state, _, err := c.consents.keep(ctx, consent{
		Ref: t.Ref, Provider: t.Provider, App: t.App, Want: t.Want, Extra: t.Extra, ReturnTo: t.ReturnTo,
	}, browser)
	if err != nil {
		return "", err
	}
	return addQuery(page, url.Values{
		"client_id":    {app.ClientID},
		"scope":        {strings.Join(withExtra(scopes, t.Extra), " ")},
		"redirect_uri": {app.AdminRedirectURL},
		"state":        {state},
	}), nil
}

// AdminCallbackHandler returns the handler for App.AdminRedirectURL of a
// provider. What the browser brings back is no proof: anybody can write
// "admin_consent=True" and a tenant of choice into the URL, and the provider says
// so too. So nothing is believed but that it is time to ask: the mailbox that the
// link was for gets what the token endpoint grants it, see [Connector.Widen]. The
// handler then returns to the path that the AdminRequest named.
func (c *Connector) AdminCallbackHandler(provider mailbox.ProviderName) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(w, r, http.MethodGet) {
			return
		}
		f, err := c.finishConsent(r.Context(), provider, r.URL.Query(), c.browser(r))
		if err != nil {
			returnTo := c.config.ReturnTo
			if f != nil {
				returnTo = f.ReturnTo
			}
			c.logFailure(r, "admin consent failed", err)
			redirect(w, r, withParam(returnTo, ParamError, ErrorCode(err)))
			return
		}
		value := AdminConsentGranted
		if err := c.afterConsent(r.Context(), f); err != nil {
			c.logFailure(r, "widening after admin consent failed", err)
			value = AdminConsentPending
		}
		redirect(w, r, withParam(f.ReturnTo, ParamAdminConsent, value))
	})
}

// finishConsent checks the answer of the provider's page. The flow is nil if it
// belongs to none.
func (c *Connector) finishConsent(ctx context.Context, provider mailbox.ProviderName, query url.Values, browser string) (*consent, error) {
	const op = "admin consent"
	f, err := c.consents.take(ctx, query["state"], browser)
	if err != nil {
		return nil, failed(op, provider, mailbox.Ref{}, err)
	}
	if provider != "" && provider != f.Provider {
		return nil, failed(op, provider, mailbox.Ref{}, badCallback(CodeOtherProvider))
	}
	if query.Has("error") {
		return f, failed(op, f.Provider, f.Ref, c.consentRefused(f, query))
	}
	if !strings.EqualFold(query.Get("admin_consent"), "true") {
		return f, failed(op, f.Provider, f.Ref, badCallback(CodeNoConsent))
	}
	return f, nil
}

// consentRefused classifies an error of the admin consent endpoint.
func (c *Connector) consentRefused(f *consent, query url.Values) error {
	app := c.apps[appKey{f.Provider, f.App}]
	if app == nil {
		return &mailbox.Error{Class: mailbox.ClassConfig, Code: CodeUnknownApp}
	}
	e := refusal(app.Provider, query)
	// What Microsoft sends when the administrator cancels (as above).
	if e.Class == mailbox.ClassUnknown && query.Get("error") == "permission_denied" {
		e.Class = mailbox.ClassDeclined
	}
	return e
}

// afterConsent widens the mailbox that the consent was for, if it is connected
// and lacks something.
func (c *Connector) afterConsent(ctx context.Context, f *consent) error {
	if f.Mailbox == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callbackTimeout)
	defer cancel()
	a, err := c.widen(ctx, f.Ref, f.Want, f.Extra)
	if errors.Is(err, ErrNotFound) {
		return nil // the user connects later
	}
	if err == nil && a.Missing() != 0 {
		err = &mailbox.Error{Class: mailbox.ClassConsent}
	}
	return failed("widen", f.Provider, f.Ref, err)
}
