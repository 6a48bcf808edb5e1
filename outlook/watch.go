package outlook

import (
	"context"
	"crypto/subtle"
	"net/url"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// Limits of subscriptions to messages (Microsoft Graph, "subscription resource
// type", 2026-09).
const (
	watchFor = 10_080 * time.Minute
	// watchMargin keeps a clock of ours that is ahead from asking for too much.
	watchMargin = time.Hour
	maxSecret   = 128
	// changeCreated leaves out what happens to messages later: every message that
	// is read or flagged would be an announcement.
	changeCreated = "created"
)

// Watch implements [mailbox.Watcher] with a subscription of Graph for each of
// [Config.Folders], to created messages and for seven days less an hour. URL and
// Secret are required; LifecycleURL is told when Graph wants the subscription
// renewed (call Watch), has ended it (call Watch), or lost announcements (ask for
// changes). Graph calls both URLs before it answers, and they have to echo a
// token within ten seconds.
//
// A subscription of this app to the same folder and with the same URLs is
// renewed. One that has another Secret, as far as Graph tells, or that stands in
// the way with another URL, is ended and made anew: two installations that share
// an app and a mailbox take it from each other.
//
// Mailboxes of mailbox.AccessShared are ClassUnsupported: Graph takes no
// delegated permission for them (Microsoft Graph, "Share Outlook message folders",
// 2026). Poll instead, or connect them by mailbox.AccessApp.
func (m *Mailbox) Watch(ctx context.Context, r mailbox.WatchRequest) (mailbox.Watch, error) {
	const op = "watch"
	if err := m.checkWatch(op, r); err != nil {
		return mailbox.Watch{}, err
	}
	have, err := m.graph.Subscriptions(ctx)
	if err != nil {
		return mailbox.Watch{}, err
	}
	var w mailbox.Watch
	for _, f := range m.p.config.Folders {
		want := graph.Subscription{
			Resource: m.graph.Resource(folderName(f)), ChangeType: changeCreated,
			URL: r.URL, LifecycleURL: r.LifecycleURL, State: r.Secret,
			ExpiresAt: time.Now().Add(watchFor - watchMargin).UTC().Truncate(time.Second),
		}
		s, err := m.subscribe(ctx, have, want)
		if err != nil {
			return mailbox.Watch{}, err
		}
		ends := s.ExpiresAt
		if ends.IsZero() { // Graph did not tell
			ends = want.ExpiresAt
		}
		if w.ExpiresAt.IsZero() || ends.Before(w.ExpiresAt) {
			w.ExpiresAt = ends
		}
	}
	return w, nil
}

func (m *Mailbox) checkWatch(op string, r mailbox.WatchRequest) error {
	if m.account.Access == mailbox.AccessShared {
		return m.fail(op, &mailbox.Error{Class: mailbox.ClassUnsupported})
	}
	if err := m.need(op, mailbox.CanReadHeaders); err != nil {
		return err
	}
	if !isWebhook(r.URL) {
		return m.fail(op, mailbox.Invalid("url", "an absolute https URL", "is not one"))
	}
	if r.LifecycleURL != "" && !isWebhook(r.LifecycleURL) {
		return m.fail(op, mailbox.Invalid("lifecycle_url", "an absolute https URL, or none", "is not one"))
	}
	if r.Secret == "" || len(r.Secret) > maxSecret {
		return m.fail(op, mailbox.Invalid("secret", "1 to 128 bytes", "is missing or too long"))
	}
	return nil
}

func isWebhook(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

// subscribe renews the subscription that is wanted if it is among have, and
// creates it otherwise.
func (m *Mailbox) subscribe(ctx context.Context, have []graph.Subscription, want graph.Subscription) (graph.Subscription, error) {
	if s, err := m.renew(ctx, have, want); err != nil || s.ID != "" {
		return s, err
	}
	s, err := m.graph.Subscribe(ctx, want)
	if mailbox.ClassOf(err) != mailbox.ClassConflict {
		return s, err
	}
	// It was made since have was read, or another one stands in the way.
	if have, err = m.graph.Subscriptions(ctx); err != nil {
		return graph.Subscription{}, err
	}
	if s, err := m.renew(ctx, have, want); err != nil || s.ID != "" {
		return s, err
	}
	for _, s := range have {
		if m.sameResource(s, want) {
			if err := m.unsubscribe(ctx, s); err != nil {
				return graph.Subscription{}, err
			}
		}
	}
	return m.graph.Subscribe(ctx, want)
}

// renew puts off the end of the subscription that is wanted. Without an id it has
// found none.
func (m *Mailbox) renew(ctx context.Context, have []graph.Subscription, want graph.Subscription) (graph.Subscription, error) {
	for _, s := range have {
		if !m.sameResource(s, want) || s.URL != want.URL {
			continue
		}
		if s.LifecycleURL != want.LifecycleURL || s.State != "" && !sameSecret(s.State, want.State) {
			if err := m.unsubscribe(ctx, s); err != nil {
				return graph.Subscription{}, err
			}
			continue
		}
		renewed, err := m.graph.RenewSubscription(ctx, s.ID, want.ExpiresAt)
		if gone(err) || mailbox.ClassOf(err) == mailbox.ClassNoMailbox {
			continue
		}
		return renewed, err
	}
	return graph.Subscription{}, nil
}

func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// sameResource tells of two subscriptions to this mailbox that Graph keeps only
// one of.
func (m *Mailbox) sameResource(a, b graph.Subscription) bool {
	one, other := m.below(a.Resource), m.below(b.Resource)
	return one != "" && one == other && strings.EqualFold(a.ChangeType, b.ChangeType)
}

// unsubscribe ends a subscription; one that has ended is no error.
func (m *Mailbox) unsubscribe(ctx context.Context, s graph.Subscription) error {
	err := m.graph.Unsubscribe(ctx, s.ID)
	if gone(err) || mailbox.ClassOf(err) == mailbox.ClassNoMailbox {
		return nil
	}
	return err
}

// Unwatch implements [mailbox.Watcher]. It ends every subscription of this app to
// messages of this mailbox, those with other URLs too, and leaves alone what the
// host subscribed to otherwise. Of an account of mailbox.AccessApp those that name
// its address are found.
func (m *Mailbox) Unwatch(ctx context.Context) error {
	const op = "unwatch"
	if m.account.Access == mailbox.AccessShared {
		return m.fail(op, &mailbox.Error{Class: mailbox.ClassUnsupported})
	}
	if err := m.need(op, mailbox.CanReadHeaders); err != nil {
		return err
	}
	have, err := m.graph.Subscriptions(ctx)
	if err != nil {
		return err
	}
	for _, s := range have {
		if !m.isOurs(s.Resource) {
			continue
		}
		if err := m.unsubscribe(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// isOurs reports whether a resource is messages of this mailbox.
func (m *Mailbox) isOurs(resource string) bool {
	path, _, _ := strings.Cut(m.below(resource), "?")
	return path == "messages" || strings.HasPrefix(path, "mailfolders") && strings.HasSuffix(path, "/messages")
}

// below returns what a resource of this mailbox is without its owner, in lower
// case, and "" for those of others. Graph may name the owner otherwise than the
// subscription did: by the object id, as far as the account knows it.
func (m *Mailbox) below(resource string) string {
	path := strings.ToLower(strings.TrimPrefix(resource, "/"))
	if after, ok := strings.CutPrefix(path, "users/"); ok {
		owner, below, _ := strings.Cut(after, "/")
		if unescaped, err := url.PathUnescape(owner); err == nil {
			owner = unescaped
		}
		if owner == "" || owner != strings.ToLower(m.account.Address) && owner != strings.ToLower(m.account.Subject) {
			return ""
		}
		return below
	}
	if after, ok := strings.CutPrefix(path, "me/"); ok && m.account.Access == mailbox.AccessUser {
		return after
	}
	return ""
}
