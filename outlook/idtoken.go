package outlook

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// IDToken implements [mailbox.IDTokenReader] (Microsoft identity platform, "ID
// token claims reference", 2026). The issuer has to be the authority of the
// configuration with the tenant id of the token, and with that of
// [Config.Tenant] if it is one. Directory is the tenant id; Subject is the object
// id, which Graph calls the id of the user.
//
// For personal accounts Subject and Address are empty: Graph spells their id
// otherwise, which Microsoft does not document, and their sign-in name need not
// be an address of the mailbox. The address of a work account is a name it signs
// in with and no proof of anything.
func (p *Provider) IDToken(claims []byte) (mailbox.Identity, error) {
	var c struct {
		Issuer    text `json:"iss"`
		Tenant    text `json:"tid"`
		Object    text `json:"oid"`
		Email     text
		Preferred text `json:"preferred_username"`
		Name      text
	}
	refuse := func(code string) (mailbox.Identity, error) {
		return mailbox.Identity{}, &mailbox.Error{Op: "id token", Provider: mailbox.Outlook, Class: mailbox.ClassBadCallback, Code: code}
	}
	if err := json.Unmarshal(claims, &c); err != nil {
		return refuse("id_token_malformed")
	}
	tenant := string(c.Tenant)
	if !isGUID(tenant) || string(c.Issuer) != p.config.Endpoints.AuthorityURL+"/"+tenant+"/v2.0" {
		return refuse("id_token_issuer")
	}
	if isGUID(p.config.Tenant) && !strings.EqualFold(p.config.Tenant, tenant) {
		return refuse("id_token_issuer")
	}
	id := mailbox.Identity{Name: string(c.Name), Directory: strings.ToLower(tenant)}
	if id.Directory == personalDirectory {
		return id, nil
	}
	id.Subject = string(c.Object) // comes with the scope "profile"
	if name := cmp.Or(c.Email, c.Preferred); strings.Contains(string(name), "@") {
		id.Address = string(name)
	}
	return id, nil
}
