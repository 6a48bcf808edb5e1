package gmail

import (
	"encoding/json"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// IDToken implements [mailbox.IDTokenReader]
// (developers.google.com/identity/openid-connect/openid-connect, 2026). The
// issuer has to be [Endpoints.Issuer], with or without its scheme: Google writes
// both. Subject is the one of [Provider.Identify], Directory the domain of the
// Google Workspace organisation (hd). An address that Google does not vouch for
// is left out.
func (p *Provider) IDToken(claims []byte) (mailbox.Identity, error) {
	var c struct {
		Issuer   flexString `json:"iss"`
		Subject  flexString `json:"sub"`
		Email    flexString `json:"email"`
		Verified flexBool   `json:"email_verified"`
		Name     flexString `json:"name"`
		Domain   flexString `json:"hd"`
	}
	refuse := func(code string) (mailbox.Identity, error) {
		return mailbox.Identity{}, &mailbox.Error{Op: "id token", Provider: mailbox.Gmail, Class: mailbox.ClassBadCallback, Code: code}
	}
	if err := json.Unmarshal(claims, &c); err != nil {
		return refuse("id_token_malformed")
	}
	issuer := p.endpoints.Issuer
	_, bare, _ := strings.Cut(issuer, "://")
	if s := string(c.Issuer); s != issuer && s != bare {
		return refuse("id_token_issuer")
	}
	if c.Subject == "" {
		return refuse("id_token_subject")
	}
	id := mailbox.Identity{Subject: string(c.Subject), Name: string(c.Name), Directory: strings.ToLower(string(c.Domain))}
	if c.Verified {
		id.Address = string(c.Email)
	}
	return id, nil
}
