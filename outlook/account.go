package outlook

import (
	"cmp"
	"context"

	"github.com/mailtether/mailtether/mailbox"
)

// directoryReaders are the permissions that allow looking up other users.
var directoryReaders = []string{"user.readbasic.all", "user.read.all", "user.readwrite.all", "directory.read.all", "directory.readwrite.all"}

// IdentifyAccount implements [mailbox.AccountIdentifier]. Subject is empty: an
// identity that depended on what the token may look up would change with its
// permissions. So the address decides, and a mailbox that was renamed is another
// account.
//
// Name, and the primary address if another one was given, come from the
// directory, as far as the token may look into it (User.ReadBasic.All or, for an
// app, User.Read.All; [Provider.Scopes] asks for neither).
//
// If headers are to be read, the inbox is asked for as a proof of the rights. What
// may be sent is known only after a try. Graph gives the same answer to
// missing rights and missing permissions: the scopes of a shared mailbox are
// looked at first, if the account has any.
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
	looks := true
	if a.Access == mailbox.AccessShared && len(a.Scopes) > 0 {
		granted := p.grantedShared(a.Scopes)
		if granted == 0 || reads && !granted.Has(mailbox.CanReadHeaders) {
			return mailbox.Identity{}, m.fail(op, lacks("Mail.Send.Shared or Mail.Read.Shared"))
		}
		looks = p.hasScope(a.Scopes, directoryReaders...)
	}

	id := mailbox.Identity{
		Address: a.Address, Name: a.Name, Directory: a.Directory,
	}
	if looks {
		profile, err := m.graph.Profile(ctx)
		switch {
		case err == nil:
			id.Name = cmp.Or(profile.DisplayName, id.Name)
			if profile.Mail != "" && !mailbox.SameAddress(profile.Mail, a.Address) {
				id.Aliases = []string{profile.Mail}
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
