package connect

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// FindShared looks which mailboxes the user of a connected mailbox may use
// besides it, see mailbox.SharedFinder. Safe to repeat.
//
// Errors, by class: those of Open; ClassConsent with a [*ConsentError] without
// mailbox.CanShared; ClassUnsupported for providers without shared mailboxes;
// those of the provider.
func (c *Connector) FindShared(ctx context.Context, parent mailbox.Ref, q mailbox.SharedQuery) ([]mailbox.SharedMailbox, error) {
	const op = "find shared mailboxes"
	a, err := c.sharing(ctx, parent)
	if err != nil {
		return nil, failed(op, a.Provider, parent, err)
	}
	app, session, err := c.session(a, a)
	if err != nil {
		return nil, failed(op, a.Provider, parent, err)
	}
	mb, err := app.Provider.Open(a, session)
	if err != nil {
		return nil, failed(op, a.Provider, parent, err)
	}
	finder, ok := mb.(mailbox.SharedFinder)
	if !ok {
		return nil, failed(op, a.Provider, parent, unsupported())
	}
	found, err := finder.FindShared(ctx, q)
	return found, failed(op, a.Provider, parent, err)
}

// SharedRequest connects a mailbox that is shared with a connected user.
type SharedRequest struct {
	mailbox.Ref
	// Parent is the connected mailbox of the same tenant whose user has rights on
	// this one: its grant is used.
	Parent mailbox.MailboxID
	// Owner becomes mailbox.Account.Owner; empty keeps the present one.
	Owner string
	// Address is that of the shared mailbox.
	Address string
	// Want is what the host asks for; 0 means what the account had, or all that
	// the grant allows.
	Want mailbox.Capabilities
}

// ConnectShared connects a shared mailbox through a member's account. It asks
// the provider whether the member may use it, and starts no flow in a browser.
// The account has mailbox.AccessShared and a state of its own, which follows the
// parent's: it is unavailable for mailbox.CauseParent while the parent is, and
// disconnected when the parent is disconnected. Safe to repeat: on a mailbox
// that is connected it renews what is known of it.
//
// The capabilities are those wanted that the parent's scopes allow on shared
// mailboxes. No provider tells whether mail may be sent from one; a send without
// the right fails with mailbox.ClassSender.
//
// Errors, by class: those of Open, about the parent; ClassConsent with a
// [*ConsentError] if the parent's scopes do not allow any of it, and with
// mailbox.CauseNoRights if the user may not; ClassNoMailbox without such a
// mailbox; ClassUnsupported; ClassConflict with ErrLinked; ClassWrongAccount with
// a [*WrongAccountError] if the mailbox belongs to another account; ClassInvalid.
func (c *Connector) ConnectShared(ctx context.Context, r SharedRequest) (mailbox.Account, error) {
	a, err := c.connectShared(ctx, r)
	if err != nil {
		return mailbox.Account{}, failed("connect shared mailbox", a.Provider, r.Ref, err)
	}
	return a, nil
}

func (c *Connector) connectShared(ctx context.Context, r SharedRequest) (mailbox.Account, error) {
	parentRef := mailbox.Ref{Tenant: r.Tenant, Mailbox: r.Parent}
	if err := errors.Join(r.Ref.Validate(), parentRef.Validate(), checkAddress(r.Address)); err != nil {
		return mailbox.Account{}, err
	}
	parent, err := c.sharing(ctx, parentRef)
	if err != nil {
		return mailbox.Account{}, err
	}
	if r.Parent == r.Mailbox {
		return mailbox.Account{}, mailbox.Invalid("parent", "another mailbox", "is the mailbox itself")
	}
	known, err := c.known(ctx, r.Ref)
	if err != nil {
		return mailbox.Account{}, err
	}
	allowed := c.sharedCapabilities(parent)
	want := cmp.Or(r.Want&^mailbox.CanShared, known.Wanted&^mailbox.CanShared, allowed).WithImplied()
	a := mailbox.Account{
		Ref: r.Ref, Owner: r.Owner, Provider: parent.Provider, App: parent.App, Directory: parent.Directory,
		Access: mailbox.AccessShared, Parent: r.Parent, Address: r.Address,
		Scopes: parent.Scopes, Wanted: want, Capabilities: want & allowed,
	}
	if a.Capabilities == 0 {
		return a, notGranted(want, allowed)
	}
	id, err := c.identify(ctx, a, parent)
	if err != nil {
		return a, err
	}
	byAddress := mailbox.Identity{Address: id.Address, Aliases: id.Aliases}
	if own := parent.Identity(); own.Same(id) || own.Same(byAddress) {
		return a, mailbox.Invalid("address", "that of a shared mailbox", "is the user's own")
	}
	if a, err = c.attach(ctx, a, id); err != nil {
		return a, err
	}
	// The parent may have been disconnected meanwhile.
	if a, err = c.following(ctx, a.Ref, nil); err != nil {
		return a, err
	}
	if err := refused(a); err != nil {
		return a, err
	}
	c.connected(ctx, a)
	return a, nil
}

// sharing returns a connected account whose user's grant extends to shared
// mailboxes.
func (c *Connector) sharing(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error) {
	a, _, err := c.usable(ctx, ref)
	if err != nil {
		return a, err
	}
	if a.Access != mailbox.AccessUser {
		return a, mailbox.Invalid("parent", "a mailbox that its user connected", "is none")
	}
	app, err := c.appOf(a)
	if err != nil {
		return a, err
	}
	if _, err := app.Provider.Scopes(mailbox.CanShared); err != nil {
		return a, unsupported()
	}
	if !a.Capabilities.Has(mailbox.CanShared) {
		return a, notGranted(mailbox.CanShared, a.Capabilities)
	}
	return a, nil
}

// known returns the account of a mailbox, the zero Account if there is none.
func (c *Connector) known(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error) {
	a, err := c.config.Accounts.Get(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return mailbox.Account{}, nil
	}
	return a, err
}

func unsupported() error { return &mailbox.Error{Class: mailbox.ClassUnsupported} }

func notGranted(want, granted mailbox.Capabilities) error {
	return &mailbox.Error{
		Class: mailbox.ClassConsent,
		Err:   &ConsentError{Wanted: want, Granted: granted, Missing: granted.Missing(want)},
	}
}

// maxAddress is the longest address that SMTP can carry (RFC 5321, 4.5.3.1.3,
// without the brackets).
const maxAddress = 254

func checkAddress(s string) error {
	if len(s) > maxAddress || mailbox.Domain(s) == "" || strings.HasPrefix(s, "@") ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("<>,;/?#\\", r) }) {
		return mailbox.Invalid("address", "local@domain, at most 254 bytes", "is not one")
	}
	return nil
}
