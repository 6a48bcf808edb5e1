package inbox

import (
	"context"
	"iter"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// The inbox is a room of package connect: it has changes announced, and fills the
// gap after a time in which a mailbox could not be read.

const (
	// watchTimeout bounds starting and ending announcements.
	watchTimeout = 10 * time.Second
	// maxWoken bounds how many mailboxes wait for Run out of turn. The others
	// wait for its next round.
	maxWoken = 64
)

// Connected is called after a mailbox was connected or reconnected, or may do
// more. It starts announcements as Config.Watch wants them, and has Run, if it
// runs in this process, poll the mailbox at once: everything since the stored
// cursor is read, with a resync if the provider has lost it. It does not wait for
// that, and takes 10 seconds at most. Safe to repeat.
func (in *Inbox) Connected(ctx context.Context, a mailbox.Account) error {
	if !a.Capabilities.Has(mailbox.CanReadHeaders) {
		return nil
	}
	// First the announcements, so that nothing falls between them and the poll.
	err := in.watch(ctx, a)
	select {
	case in.woken <- a.Ref:
	default:
	}
	return err
}

// Disconnecting ends the announcements of a mailbox, if Config.Watch wants any,
// the mailbox can still be opened, and no other one needs them. Safe to repeat.
func (in *Inbox) Disconnecting(ctx context.Context, a mailbox.Account, mb mailbox.Mailbox) error {
	w, ok := mb.(mailbox.Watcher)
	if !ok || in.config.Watch == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	if _, wanted := in.config.Watch(ctx, a); !wanted {
		return nil
	}
	if in.config.InUse != nil && a.Subject != "" {
		n, err := in.config.InUse(ctx, a.Provider, a.Subject)
		if err != nil || n > 1 { // a itself is one
			return err
		}
	}
	return unlessUnsupported(w.Unwatch(ctx))
}

func (in *Inbox) watch(ctx context.Context, a mailbox.Account) error {
	if in.config.Watch == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	r, wanted := in.config.Watch(ctx, a)
	if !wanted {
		return nil
	}
	mb, err := in.config.Open(ctx, a.Ref)
	if err != nil {
		return err
	}
	w, ok := mb.(mailbox.Watcher)
	if !ok {
		return nil
	}
	_, err = w.Watch(ctx, r)
	return unlessUnsupported(err)
}

// unlessUnsupported hides that a mailbox has no announcements, as those shared
// with another user: it is polled.
func unlessUnsupported(err error) error {
	if mailbox.ClassOf(err) == mailbox.ClassUnsupported {
		return nil
	}
	return err
}

// outOfTurn ranges over first and all other mailboxes that were woken.
func (in *Inbox) outOfTurn(first mailbox.Ref) iter.Seq2[mailbox.Ref, error] {
	return func(yield func(mailbox.Ref, error) bool) {
		for ref := first; yield(ref, nil); {
			select {
			case ref = <-in.woken:
			default:
				return
			}
		}
	}
}
