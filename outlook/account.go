package outlook

import (
	"context"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// directoryReaders are the permissions that allow looking up other users.
var directoryReaders = []string{"user.readbasic.all", "user.read.all", "user.readwrite.all", "directory.read.all", "directory.readwrite.all"}

// IdentifyAccount implements [mailbox.AccountIdentifier].
//
// With User.ReadBasic.All, which [Provider.Scopes] does not ask for, the directory
// tells who the mailbox is: Subject is its object id, Address its primary one.
// Without it the address is taken as it is given, and Subject is "shared:" or
// "app:" and the address in lower case: such an account is another one after it
// was renamed, or when it is connected by an alias. An app on its own tries, since
// it cannot know its permissions.
//
// If headers are to be read, the inbox is asked for as a proof of the rights. What
// may be sent is known only after a try. Graph gives the same answer to
// missing rights and missing permissions; those among the scopes of a shared
// mailbox are looked at first.
func (p *Provider) IdentifyAccount(ctx context.Context, a mailbox.Account, s mailbox.Session) (mailbox.Identity, error) {
	const op = "identify account"
	opened, err := p.Open(a, s)
	if err != nil {
		return mailbox.Identity{}, err
	}
	m := opened.(*Mailbox)
	if a.Access == mailbox.AccessUser {
		return mailbox.Identity{}, m.fail(op, mailbox.Invalid("account.access", "shared or app", "is that of a user"))
	}
	reads := (a.Wanted | a.Capabilities).Has(mailbox.CanReadHeaders)
	if a.Access == mailbox.AccessShared {
		granted := p.grantedShared(a.Scopes)
		if granted == 0 || reads && !granted.Has(mailbox.CanReadHeaders) {
			return mailbox.Identity{}, m.fail(op, lacks("Mail.Send.Shared or Mail.Read.Shared"))
		}
	}

	id := mailbox.Identity{
		Subject: string(a.Access) + ":" + strings.ToLower(a.Address),
		Address: a.Address, Name: a.Name, Directory: a.Directory,
	}
	if a.Access == mailbox.AccessApp || p.hasScope(a.Scopes, directoryReaders...) {
		profile, err := m.graph.Profile(ctx)
		switch {
		case err == nil:
			id.Subject, id.Name = profile.ID, profile.DisplayName
			if profile.Mail != "" && !mailbox.SameAddress(profile.Mail, a.Address) {
				id.Address, id.Aliases = profile.Mail, []string{a.Address}
			}
		case mailbox.ClassOf(err) != mailbox.ClassConsent: // the directory is no must
			return mailbox.Identity{}, m.noMailbox(op, err)
		}
	}
	if reads {
		if err := m.graph.Inbox(ctx); err != nil {
			return mailbox.Identity{}, m.noMailbox(op, err)
		}
	}
	return id, nil
}

// noMailbox completes an error of asking for a mailbox: what does not exist is
// no mailbox.
func (m *Mailbox) noMailbox(op string, err error) error {
	e, ok := err.(*mailbox.Error)
	if !ok {
		return err
	}
	copied := *e
	if copied.Op = op; copied.Class == mailbox.ClassNotFound {
		copied.Class = mailbox.ClassNoMailbox
	}
	return &copied
}

// lacks is the error of a permission that was not granted.
func lacks(permission string) *mailbox.Error {
	return &mailbox.Error{
		Class: mailbox.ClassConsent, Cause: mailbox.CauseConsent,
		Err: &mailbox.FieldError{Field: "scopes", Problem: "lack " + permission},
	}
}
