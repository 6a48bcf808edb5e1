package outlook

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// maxShared bounds the addresses that one search tries, and what it takes from the
// directory beside them.
const maxShared = 100

// FindShared implements [mailbox.SharedFinder]. No call of Graph lists the
// mailboxes that a user has rights on (Microsoft Graph, "Send Outlook messages
// from another user", 2024): it asks for the inbox of each one that is given, 20
// with one request. What is no mailbox is left out; what may not be read stays,
// since it may still be sent from.
//
// Search looks up users whose name, address or sign-in name begins with it. It
// needs the scope User.ReadBasic.All in [mailbox.Account.Scopes]: ask for it as
// an extra scope. Without a .Shared scope that reads, nothing is Readable and no
// address is looked at.
func (m *Mailbox) FindShared(ctx context.Context, q mailbox.SharedQuery) ([]mailbox.SharedMailbox, error) {
	const op = "find shared"
	if err := m.need(op, mailbox.CanShared); err != nil {
		return nil, err
	}
	if m.account.Access != mailbox.AccessUser {
		return nil, m.fail(op, &mailbox.Error{Class: mailbox.ClassUnsupported})
	}
	found, err := m.candidates(ctx, op, q)
	if err != nil || !m.p.grantedShared(m.account.Scopes).Has(mailbox.CanReadHeaders) {
		return found, err
	}
	calls := make([]graph.Inner, len(found))
	for i, f := range found {
		calls[i] = m.graph.Of(f.Address).GetFolder(folderName(mailbox.FolderInbox))
	}
	answers, _, err := m.batch(ctx, calls, graph.MaxBatch)
	if err != nil {
		return nil, err
	}
	out := make([]mailbox.SharedMailbox, 0, len(found))
	for i, f := range found {
		switch err := m.refused(calls[i], answers[i]); mailbox.ClassOf(err) {
		case mailbox.ClassConsent:
		case mailbox.ClassNotFound, mailbox.ClassNoMailbox:
			continue
		default:
			if err != nil {
				return nil, err
			}
			f.Readable = true
		}
		out = append(out, f)
	}
	return out, nil
}

// candidates are the mailboxes to try, each once, without the user's own.
func (m *Mailbox) candidates(ctx context.Context, op string, q mailbox.SharedQuery) ([]mailbox.SharedMailbox, error) {
	if len(q.Addresses) == 0 && q.Search == "" {
		return nil, m.fail(op, mailbox.Invalid("query", "addresses or a search", "is empty"))
	}
	if len(q.Addresses) > maxShared {
		return nil, m.fail(op, mailbox.Invalid("addresses", fmt.Sprint("at most ", maxShared), "are more"))
	}
	if strings.ContainsFunc(q.Search, isControl) || len(q.Search) > maxAddress {
		return nil, m.fail(op, mailbox.Invalid("search", fmt.Sprintf("at most %d bytes without control characters", maxAddress), "is not"))
	}
	var all []mailbox.SharedMailbox
	add := func(address, name string) {
		if !mailbox.SameAddress(address, m.account.Address) &&
			!slices.ContainsFunc(all, func(have mailbox.SharedMailbox) bool { return mailbox.SameAddress(have.Address, address) }) {
			all = append(all, mailbox.SharedMailbox{Address: address, Name: name})
		}
	}
	for i, address := range q.Addresses {
		if !isAddress(address) {
			return nil, m.fail(op, mailbox.Invalid(fmt.Sprintf("addresses[%d]", i), "an address", "is not one"))
		}
		add(address, "")
	}
	if q.Search == "" {
		return all, nil
	}
	if !m.p.hasScope(m.account.Scopes, directoryReaders...) {
		return nil, m.fail(op, lacks("User.ReadBasic.All"))
	}
	users, err := m.graph.FindUsers(ctx, startsWith(q.Search, "displayName", "mail", "userPrincipalName"), maxShared)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if isAddress(u.Mail) {
			add(u.Mail, u.DisplayName)
		}
	}
	return all, nil
}

// startsWith is an OData filter: any of the properties begins with the prefix.
func startsWith(prefix string, properties ...string) string {
	terms := make([]string, len(properties))
	for i, p := range properties {
		terms[i] = "startswith(" + p + "," + quoted(prefix) + ")"
	}
	return strings.Join(terms, " or ")
}

// maxAddress is the longest address (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

// isAddress reports whether a can name a mailbox in a path. It is escaped there;
// "." and ".." would not be.
func isAddress(a string) bool {
	local, domain, ok := strings.Cut(a, "@")
	return ok && local != "" && domain != "" && len(a) <= maxAddress && !strings.ContainsFunc(a, func(r rune) bool {
		return r == ' ' || isControl(r)
	})
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
