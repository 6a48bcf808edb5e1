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
// tenants that follow Microsoft's default consent policy of 2025.
func (p *Provider) Scopes(want mailbox.Capabilities) ([]string, error) {
	if known.Missing(want) != 0 {
		return nil, &mailbox.Error{Op: "scopes", Provider: mailbox.Outlook, Class: mailbox.ClassUnsupported}
	}
	scopes := []string{"offline_access", "User.Read"}
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
// token endpoint does not echo offline_access.
func (p *Provider) Granted(scopes []string) mailbox.Capabilities {
	var all mailbox.Capabilities
	for _, s := range scopes {
		s = strings.ToLower(strings.TrimSpace(s))
		if i := strings.LastIndexByte(s, '/'); i >= 0 {
			if !slices.Contains(graphResources, s[:i]) {
				continue
			}
			s = s[i+1:]
		}
		switch s {
		case "mail.send":
			all |= mailbox.CanSend
		case "mail.readbasic":
			all |= mailbox.CanReadHeaders
		case "mail.read":
			all |= mailbox.CanReadHeaders | mailbox.CanReadBodies
		case "mail.readwrite":
			all |= mailbox.CanReadHeaders | mailbox.CanReadBodies | mailbox.CanWriteReadState | mailbox.CanDraft
		case "mail.send.shared", "mail.readbasic.shared", "mail.read.shared", "mail.readwrite.shared":
			all |= mailbox.CanShared
		}
	}
	return all
}

// graphResources are the names of Graph in scopes, one for each cloud.
var graphResources = []string{
	"https://graph.microsoft.com",
	"https://graph.microsoft.us",
	"https://dod-graph.microsoft.us",
	"https://microsoftgraph.chinacloudapi.cn",
}
