package connect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// reasons tells an administrator what a capability is for.
var reasons = [...]struct {
	capability mailbox.Capabilities
	reason     string
}{
	{mailbox.CanSend, "to send mail"},
	{mailbox.CanReadHeaders, "to notice answers, by the header fields of messages"},
	{mailbox.CanReadBodies, "to read the text of messages"},
	{mailbox.CanWriteReadState, "to mark messages as read and unread"},
	{mailbox.CanDraft, "to write drafts, and to check that a message has gone out"},
	{mailbox.CanShared, "to do so in mailboxes that are shared with the user"},
}

// why tells what a permission is for, in words.
func (p Permission) why(extra []string) string {
	var words []string
	for _, r := range reasons {
		if p.For.Has(r.capability) {
			words = append(words, r.reason)
		}
	}
	switch {
	case len(words) > 0:
		return strings.Join(words, "; ")
	case slices.Contains(extra, p.Scope):
		return "for further features of the application"
	default:
		return "to sign the user in, and to stay connected"
	}
}

// adminLetter returns subject and text of the letter to an administrator. It
// holds nothing but what the administrator has to know.
func adminLetter(link AdminLink, app *App, r AdminRequest, a mailbox.Account) (subject, text string) {
	var b strings.Builder
	who := "A user of your organisation"
	if a.Address != "" {
		who = a.Address
	}
	fmt.Fprintf(&b, "%s wants to connect a mailbox to an application. In your organisation, this takes the consent of an administrator.\n\n", who)
	fmt.Fprintf(&b, "Application (client) ID: %s\n", app.ClientID)
	if r.Directory != "" {
		fmt.Fprintf(&b, "Organisation: %s\n", r.Directory)
	}
	b.WriteString("\nThe application asks for these permissions, to use them on behalf of users who connect their mailbox:\n\n")
	for _, p := range link.Permissions {
		fmt.Fprintf(&b, "- %s: %s\n", p.Scope, p.why(r.ExtraScopes))
	}
	fmt.Fprintf(&b, "\nTo agree, open this link, sign in as an administrator, and accept:\n\n%s\n\n", link.URL)
	fmt.Fprintf(&b, "The link works until %s.\n\n", link.ExpiresAt.UTC().Format("2 January 2006, 15:04 UTC"))
	b.WriteString("What happens next: ")
	switch a.State {
	case mailbox.StateConnected, mailbox.StateNeedsConsent, mailbox.StateNeedsAdmin:
		b.WriteString("the mailbox above can be used with these permissions at once; nothing has to be connected again. ")
	default:
		b.WriteString("the user can connect the mailbox with these permissions. ")
	}
	b.WriteString("Other users of your organisation can connect theirs without asking you again. " +
		"No mailbox can be used before its user has signed in. " +
		"You can take the consent back at any time, in the list of applications of your organisation.\n")
	return "Please allow an application to use mailboxes of your organisation", b.String()
}
