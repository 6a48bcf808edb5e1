package outlook

import (
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// known are the capabilities this service has.
const known = mailbox.CanSend | mailbox.CanReadHeaders | mailbox.CanReadBodies |
	mailbox.CanWriteReadState | mailbox.CanDraft | mailbox.CanShared

// Scopes returns the fewest delegated permissions for a set of capabilities
// (Microsoft Graph permissions reference, 2026). Mail.Send can be granted by
// users themselves nearly everywhere; what reads mail needs an administrator in
// tenants that follow Microsoft's default consent policy of 2025. With openid and
// profile, which never need one, comes an ID token that tells the directory of
// the account. The names are short: they mean Graph in every cloud (Microsoft
// Graph, "Access national cloud deployments with the Microsoft Graph SDKs", 2026).
func (p *Provider) Scopes(want mailbox.Capabilities) ([]string, error) {
	if known.Missing(want) != 0 {
		return nil, &mailbox.Error{Op: "scopes", Provider: mailbox.Outlook, Class: mailbox.ClassUnsupported}
	}
	scopes := []string{"openid", "profile", "offline_access", "User.Read"}
	var mail []string
	switch {
	case want&(mailbox.CanDraft|mailbox.CanWriteReadState) != 0:
		mail = append(mail, "Mail.ReadWrite")
	case want.Has(mailbox.CanReadBodies):
		mail = append(mail, "Mail.Read")
	case want.Has(mailbox.CanReadHeaders):
		mail = append(mail, "Mail.ReadBasic")
	}
	if want.Has(mailbox.CanSend) {
		mail = append(mail, "Mail.Send")
	}
	if want.Has(mailbox.CanShared) && len(mail) == 0 {
		mail = append(mail, "Mail.ReadBasic") // the least that can be shared
	}
	scopes = append(scopes, mail...)
	if want.Has(mailbox.CanShared) {
		for _, s := range mail {
			scopes = append(scopes, s+".Shared")
		}
	}
	return scopes, nil
}

// Granted returns what scopes allow, in the short spelling ("Mail.Send") or the
// full one ("https://graph.microsoft.com/Mail.Send"), whatever the case. The
// token endpoint does not echo offline_access; openid and profile allow nothing.
// Nor does ".default": what an administrator gave an app stands in the access
// token alone, see [Provider.AppScopes].
func (p *Provider) Granted(scopes []string) mailbox.Capabilities {
	var all mailbox.Capabilities
	for _, s := range scopes {
		s = p.permission(s)
		all |= permissions[s]
		if of, ok := strings.CutSuffix(s, sharedSuffix); ok && permissions[of] != 0 {
			all |= mailbox.CanShared
		}
	}
	return all
}

// grantedShared returns what scopes allow with mailboxes that others share.
func (p *Provider) grantedShared(scopes []string) mailbox.Capabilities {
	var all mailbox.Capabilities
	for _, s := range scopes {
		if of, ok := strings.CutSuffix(p.permission(s), sharedSuffix); ok {
			all |= permissions[of]
		}
	}
	return all
}

// permission is a scope in lower case and without the name of Graph; "" for one
// of another resource.
func (p *Provider) permission(scope string) string {
	s := strings.ToLower(strings.TrimSpace(scope))
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		if !slices.Contains(p.resources, s[:i]) {
			return ""
		}
		s = s[i+1:]
	}
	return s
}

// hasScope reports whether any of the permissions, in lower case, is among the
// scopes.
func (p *Provider) hasScope(scopes []string, names ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(names, p.permission(s)) })
}

// sharedSuffix marks permissions on mailboxes that others share.
const sharedSuffix = ".shared"

var permissions = map[string]mailbox.Capabilities{
	"mail.send":      mailbox.CanSend,
	"mail.readbasic": mailbox.CanReadHeaders,
	"mail.read":      mailbox.CanReadHeaders | mailbox.CanReadBodies,
	"mail.readwrite": mailbox.CanReadHeaders | mailbox.CanReadBodies | mailbox.CanWriteReadState | mailbox.CanDraft,
}
