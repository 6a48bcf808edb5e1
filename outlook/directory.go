package outlook

import (
	"net/url"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Tenants of the sign-in authority that are no directory.
const (
	tenantCommon        = "common"
	tenantOrganizations = "organizations"
	tenantConsumers     = "consumers"
)

// personalDirectory is the tenant id of personal accounts (Microsoft identity
// platform, "ID token claims reference", 2026).
const personalDirectory = "9188040d-6c67-4c5b-b112-36a304b66dad"

// OAuth tells how to sign in. There is no way to revoke one grant: Graph's
// revokeSignInSessions ends those of all apps, so RevokeURL is empty.
func (p *Provider) OAuth() mailbox.OAuth { return p.oauth(p.config.Tenant) }

// OAuthAt implements [mailbox.DirectoryProvider]: tokens are refreshed at the
// directory of the account, and where that is the one of personal accounts at
// "consumers", since the wrong tenant has been reported to end their grants
// (omamail issue 230, 2026-09). Signing in stays at [Config.Tenant], where a code
// has to be redeemed as well (AADSTS700005). A Config.Tenant that is a directory
// itself outranks the account's, and what is neither a tenant id nor a domain
// counts as not known.
func (p *Provider) OAuthAt(directory string) mailbox.OAuth {
	tenant := p.config.Tenant
	switch {
	case isDirectory(tenant) || !isDirectory(directory):
	case strings.EqualFold(directory, personalDirectory):
		tenant = tenantConsumers
	default:
		tenant = directory
	}
	o := p.oauth(tenant)
	o.AuthURL = p.OAuth().AuthURL
	return o
}

func (p *Provider) oauth(tenant string) mailbox.OAuth {
	base := p.config.Endpoints.AuthorityURL + "/"
	at := base + url.PathEscape(tenant)
	o := mailbox.OAuth{
		AuthURL:  at + "/oauth2/v2.0/authorize",
		TokenURL: at + "/oauth2/v2.0/token",
		KeysURL:  at + "/discovery/v2.0/keys",
		// Without it a browser that is signed in connects whichever account it
		// happens to be.
		AuthParams:           map[string]string{"prompt": "select_account"},
		RotatesRefreshTokens: true,
	}
	switch tenant {
	case tenantConsumers: // nobody administers personal accounts
	case tenantCommon, tenantOrganizations:
		// The administrator's own directory; the page refuses "common".
		o.AdminConsentURL = base + tenantOrganizations + "/v2.0/adminconsent"
	default:
		o.AdminConsentURL = at + "/v2.0/adminconsent"
	}
	return o
}

// isTenant reports whether t may stand for a tenant in the URL of an authority.
func isTenant(t string) bool {
	return t == tenantCommon || t == tenantOrganizations || t == tenantConsumers || isDirectory(t)
}

// isDirectory reports whether d has the form of a tenant id or of a domain with
// at least one dot. It becomes part of URLs that secrets go to.
func isDirectory(d string) bool {
	if isGUID(d) {
		return true
	}
	if len(d) > 253 || !strings.Contains(d, ".") {
		return false
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsFunc(label, func(r rune) bool { return r != '-' && !isAlphanumeric(r) }) {
			return false
		}
	}
	return true
}

// isGUID reports whether s is written as 8-4-4-4-12 hexadecimal digits.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if r != '-' {
				return false
			}
		} else if r > 'f' || r > 'F' && r < 'a' || !isAlphanumeric(r) {
			return false
		}
	}
	return true
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}
