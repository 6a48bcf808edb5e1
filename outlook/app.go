package outlook

import (
	"github.com/mailtether/mailtether/mailbox"
)

// AppScopes implements [mailbox.AppProvider]: the credentials of the app give a
// token with all application permissions that an administrator of the directory
// consented to, ".default" of Graph in its cloud. Which those are cannot be asked
// for one by one, and is told neither beside the token nor by Graph: an account of
// mailbox.AccessApp has the capabilities that the host wants, as far as
// [Provider.IdentifyAccount] and the calls that follow are not refused. The
// permissions to configure have the names that [Provider.Scopes] gives:
// Mail.ReadBasic.All takes the place of Mail.ReadBasic.
//
// Without a policy for applications in Exchange Online the app may use every
// mailbox of the organisation.
func (p *Provider) AppScopes(want mailbox.Capabilities) ([]string, mailbox.AppFlow, error) {
	if (known &^ mailbox.CanShared).Missing(want) != 0 {
		return nil, "", &mailbox.Error{Op: "scopes", Provider: mailbox.Outlook, Class: mailbox.ClassUnsupported}
	}
	return []string{p.resources[0] + "/.default"}, mailbox.AppFlowCredentials, nil
}
