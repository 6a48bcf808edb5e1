package gmail

import (
	"context"
	"errors"
	"strings"
	"time"

	api "google.golang.org/api/gmail/v1"

	"github.com/mailtether/mailtether/mailbox"
)

// watched are the labels whose changes are announced: what comes in and what is
// sent by hand. Announcements name no message, so fewer labels mean fewer
// needless looks; what a filter files elsewhere at once is found by polling.
var watched = []string{"INBOX", "SENT"}

// Watch implements [mailbox.Watcher] with users.watch: Google publishes to the
// Pub/Sub Topic, which has to be in the project of the OAuth client and to let
// gmail-api-push@system.gserviceaccount.com publish. It lasts 7 days; Google
// advises to renew it every day (developers.google.com/workspace/gmail/api/guides/push,
// 2026). A topic that Google refuses is ClassConfig.
//
// A project has one watch for each mailbox. One with another topic is stopped and
// takes its announcements with it: two installations that share a project and a
// mailbox take it from each other.
func (m *Mailbox) Watch(ctx context.Context, r mailbox.WatchRequest) (mailbox.Watch, error) {
	const op = "watch"
	if err := m.need(op, mailbox.CanReadHeaders); err != nil {
		return mailbox.Watch{}, err
	}
	if !isTopic(r.Topic) {
		return mailbox.Watch{}, m.fail(ctx, op, mailbox.Invalid("topic", `"projects/P/topics/T"`, "is not one"))
	}
	w, err := m.watch(ctx, r.Topic)
	if errors.Is(err, mailbox.ClassConflict) {
		if err := m.stop(ctx); err != nil {
			return mailbox.Watch{}, m.fail(ctx, op, err)
		}
		w, err = m.watch(ctx, r.Topic)
	}
	if err != nil {
		return mailbox.Watch{}, m.fail(ctx, op, err)
	}
	return w, nil
}

func (m *Mailbox) watch(ctx context.Context, topic string) (mailbox.Watch, error) {
	ctx = m.call(ctx, mailbox.Call{Method: methodWatch})
	answer, err := do(ctx, m, m.users.Watch(me, &api.WatchRequest{
		TopicName: topic, LabelIds: watched, LabelFilterBehavior: "include",
	}).Context(ctx))
	if err != nil {
		return mailbox.Watch{}, err
	}
	if answer.Expiration <= 0 {
		return mailbox.Watch{}, errNoAnswer
	}
	return mailbox.Watch{ExpiresAt: time.UnixMilli(answer.Expiration).UTC()}, nil
}

// Unwatch implements [mailbox.Watcher] with users.stop, which ends the
// announcements of the mailbox for the whole project: call it only when no other
// account of this mailbox in the project is watched.
func (m *Mailbox) Unwatch(ctx context.Context) error {
	const op = "unwatch"
	if err := m.need(op, mailbox.CanReadHeaders); err != nil {
		return err
	}
	if err := m.stop(ctx); err != nil {
		return m.fail(ctx, op, err)
	}
	return nil
}

func (m *Mailbox) stop(ctx context.Context) error {
	ctx = m.call(ctx, mailbox.Call{Method: methodStop})
	return m.gate.Error(ctx, m.users.Stop(me).Context(ctx).Do())
}

// isTopic reports whether s has the form of the name of a topic.
func isTopic(s string) bool {
	parts := strings.Split(s, "/")
	return len(parts) == 4 && parts[0] == "projects" && parts[2] == "topics" && parts[1] != "" && parts[3] != "" && len(s) <= 512 &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
