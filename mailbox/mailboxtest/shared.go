package mailboxtest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

var (
	_ mailbox.AccountIdentifier = (*Service)(nil)
	_ mailbox.AppProvider       = (*Service)(nil)
	_ mailbox.SharedFinder      = (*box)(nil)
	_ mailbox.Watcher           = (*box)(nil)
)

// Share gives a user rights on the mailbox of another one: to read it, and to
// send from it.
func (s *Service) Share(owner, with string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.find(owner); u != nil && !u.opens(with) {
		u.sharedWith = append(u.sharedWith, with)
	}
}

// Unshare takes the rights back.
func (s *Service) Unshare(owner, with string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.find(owner); u != nil {
		u.sharedWith = slices.DeleteFunc(u.sharedWith, func(a string) bool { return mailbox.SameAddress(a, with) })
	}
}

func (u *user) opens(member string) bool {
	return slices.ContainsFunc(u.sharedWith, func(a string) bool { return mailbox.SameAddress(a, member) })
}

// AllowApp lets the app use every mailbox in its own right, as an administrator
// does, or no longer. The capabilities are those that a token was asked for.
func (s *Service) AllowApp(allowed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appAllowed = allowed
}

// AppScopes implements mailbox.AppProvider.
func (s *Service) AppScopes(want mailbox.Capabilities) ([]string, mailbox.AppFlow, error) {
	scopes, err := s.Scopes(want)
	if err != nil || want.Has(mailbox.CanShared) {
		return nil, "", &mailbox.Error{Op: "scopes", Provider: Memory, Class: mailbox.ClassUnsupported}
	}
	return scopes, mailbox.AppFlowCredentials, nil
}

// appGrant answers the client credentials grant.
func (s *Service) appGrant(r *http.Request, client string) (fakeserver.Grant, fakeserver.TokenError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.appAllowed {
		return fakeserver.Grant{}, notAllowed
	}
	return fakeserver.Grant{Client: client, Scopes: strings.Fields(r.PostForm.Get("scope"))}, ""
}

// notAllowed is the refusal of a token to the app itself.
const notAllowed fakeserver.TokenError = "unauthorized_client"

// IdentifyAccount implements mailbox.AccountIdentifier.
func (s *Service) IdentifyAccount(ctx context.Context, a mailbox.Account, session mailbox.Session) (mailbox.Identity, error) {
	if a.Access == mailbox.AccessUser || a.Address == "" {
		return mailbox.Identity{}, mailbox.Invalid("account", "one of shared or app access with an address", "is not")
	}
	b := &box{s: s, account: a, session: session}
	return do(ctx, b, "identify", 0, func(u *user) (mailbox.Identity, *mailbox.Error) { return u.identity(), nil })
}

func (u *user) identity() mailbox.Identity {
	return mailbox.Identity{Subject: "subject-" + u.address, Address: u.address, Aliases: slices.Clone(u.aliases), Name: u.name}
}

// owner returns the user whose mailbox is used, for a token of the member; nil is
// that of the app. s.mu is held.
func (b *box) owner(member *user) (*user, *mailbox.Error) {
	if b.account.Access == mailbox.AccessUser {
		if member == nil {
			return nil, &mailbox.Error{Class: mailbox.ClassReconnect}
		}
		return member, nil
	}
	u := b.s.find(b.account.Address)
	switch {
	case u == nil:
		return nil, &mailbox.Error{Class: mailbox.ClassNoMailbox}
	case member == nil && b.account.Access == mailbox.AccessApp && b.s.appAllowed,
		member != nil && b.account.Access == mailbox.AccessShared && u.opens(member.address):
		return u, nil
	}
	return nil, &mailbox.Error{Class: mailbox.ClassConsent, Cause: mailbox.CauseNoRights}
}

// FindShared implements mailbox.SharedFinder. Search compares names and
// addresses, and needs no further scope.
func (b *box) FindShared(ctx context.Context, q mailbox.SharedQuery) ([]mailbox.SharedMailbox, error) {
	if len(q.Addresses) == 0 && q.Search == "" || len(q.Addresses) > 100 {
		return nil, mailbox.Invalid("query", "a search, or 1 to 100 addresses", "is out of range")
	}
	return do(ctx, b, "find_shared", mailbox.CanShared, func(member *user) ([]mailbox.SharedMailbox, *mailbox.Error) {
		found := []mailbox.SharedMailbox{}
		for _, address := range append(slices.Clone(q.Addresses), b.s.order...) {
			u := b.s.find(address)
			asked := slices.ContainsFunc(q.Addresses, func(a string) bool { return mailbox.SameAddress(a, address) })
			if u == nil || u == member || !asked && !u.begins(q.Search) ||
				slices.ContainsFunc(found, func(have mailbox.SharedMailbox) bool { return have.Address == u.address }) {
				continue
			}
			found = append(found, mailbox.SharedMailbox{Address: u.address, Name: u.name, Readable: u.opens(member.address)})
		}
		return found, nil
	})
}

func (u *user) begins(search string) bool {
	search = strings.ToLower(search)
	return search != "" && (strings.HasPrefix(strings.ToLower(u.name), search) || strings.HasPrefix(strings.ToLower(u.address), search))
}

// watchFor is how long announcements last.
const watchFor = 7 * 24 * time.Hour

// Watch implements mailbox.Watcher. The service announces nothing by itself: see
// [Service.Watched]. It wants a URL or a Topic.
func (b *box) Watch(ctx context.Context, r mailbox.WatchRequest) (mailbox.Watch, error) {
	if u, err := url.Parse(r.URL); r.Topic == "" && (err != nil || u.Host == "") {
		return mailbox.Watch{}, mailbox.Invalid("url", "an absolute URL, or a topic", "is missing")
	}
	if b.account.Access == mailbox.AccessShared {
		return mailbox.Watch{}, b.fail("watch", mailbox.ClassUnsupported)
	}
	return do(ctx, b, "watch", mailbox.CanReadHeaders, func(u *user) (mailbox.Watch, *mailbox.Error) {
		u.watch, u.watchEnds = r, time.Now().Add(watchFor)
		return mailbox.Watch{ExpiresAt: u.watchEnds}, nil
	})
}

// Unwatch implements mailbox.Watcher.
func (b *box) Unwatch(ctx context.Context) error {
	_, err := do(ctx, b, "unwatch", mailbox.CanReadHeaders, func(u *user) (struct{}, *mailbox.Error) {
		u.watchEnds = time.Time{}
		return struct{}{}, nil
	})
	return err
}

// Watched returns the request of the announcements that run for a mailbox, and
// whether there are any. A test that wants one to arrive makes it itself.
func (s *Service) Watched(address string) (mailbox.WatchRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.find(address); u != nil && time.Now().Before(u.watchEnds) {
		return u.watch, true
	}
	return mailbox.WatchRequest{}, false
}
