package gmail

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// signIn are the scopes that tell who a user is.
var signIn = []string{"openid", "email"}

// AppScopes implements [mailbox.AppProvider]: a service account with domain-wide
// delegation gets a token in the name of a user by an assertion. The scopes are
// those of [Provider.Scopes] without openid and email, since an administrator of
// the domain has to allow every single one: until then the token endpoint answers
// unauthorized_client, or access_denied if only some are allowed, which becomes
// mailbox.ClassAdmin. Accounts of gmail.com cannot be used that way.
func (p *Provider) AppScopes(want mailbox.Capabilities) ([]string, mailbox.AppFlow, error) {
	scopes, err := p.Scopes(want)
	if err != nil {
		return nil, "", err
	}
	scopes = slices.DeleteFunc(scopes, func(s string) bool { return slices.Contains(signIn, s) })
	return scopes, mailbox.AppFlowAssertion, nil
}

// IdentifyAccount implements [mailbox.AccountIdentifier] for mailbox.AccessApp.
// Subject is empty, since what could be looked up depends on the scopes: the
// address decides, and a mailbox that was renamed is another account. The profile,
// as far as a scope reads it, proves that there is a mailbox, and tells its
// primary address if another one was given. With gmail.send alone nothing can be
// asked: that Google gave a token in the name of the address is all there is.
func (p *Provider) IdentifyAccount(ctx context.Context, a mailbox.Account, s mailbox.Session) (mailbox.Identity, error) {
	const op = "identify account"
	opened, err := p.Open(a, s)
	if err != nil {
		return mailbox.Identity{}, err
	}
	m := opened.(*Mailbox)
	switch {
	case a.Access != mailbox.AccessApp:
		return mailbox.Identity{}, m.fail(ctx, op, mailbox.Invalid("account.access", "app", "is that of a user"))
	case !strings.Contains(a.Address, "@"):
		return mailbox.Identity{}, m.fail(ctx, op, mailbox.Invalid("account.address", "the address of the mailbox", "is not one"))
	}
	id := mailbox.Identity{
		Address: a.Address, Name: a.Name, Directory: cmp.Or(a.Directory, mailbox.Domain(a.Address)),
	}

	ctxProfile := m.call(ctx, mailbox.Call{Method: methodProfile})
	profile, err := do(ctxProfile, m, m.users.GetProfile(me).Context(ctxProfile))
	switch {
	case err == nil && profile.EmailAddress != "" && !mailbox.SameAddress(profile.EmailAddress, a.Address):
		id.Aliases = []string{profile.EmailAddress}
	case err == nil:
	case errors.Is(err, mailbox.ClassConsent) && !(a.Wanted | a.Capabilities).Has(mailbox.CanReadHeaders):
		// The scopes do not allow to ask.
	default:
		e := m.fail(ctx, op, err)
		if e.Class == mailbox.ClassConsent {
			e.Cause = mailbox.CauseNoRights
		}
		return mailbox.Identity{}, e
	}
	if err := m.addSendAs(ctx, &id); err != nil {
		return mailbox.Identity{}, err
	}
	return id, nil
}
