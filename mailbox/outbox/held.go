package outbox

import (
	"context"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// The outbox is a room of package connect: messages of a mailbox that cannot be
// used are held until it can.

// Connected makes the held messages of a mailbox due at once. It is called after
// the mailbox was connected or reconnected, or may do more; should that be missed,
// they are tried within 15 minutes. Safe to repeat.
func (o *Outbox) Connected(ctx context.Context, a mailbox.Account) error {
	var keys []string
	for i, err := range o.config.Ledger.List(ctx, a.Ref) {
		if err != nil {
			return err
		}
		if i.waits() {
			keys = append(keys, i.Key)
		}
	}
	for _, key := range keys {
		i, err := o.config.Ledger.Get(ctx, a.Ref, key)
		if err != nil {
			return err
		}
		if !i.waits() {
			continue // somebody is at it
		}
		if _, err := o.save(ctx, i, time.Now()); err != nil && mailbox.ClassOf(err) != mailbox.ClassConflict {
			return err
		}
	}
	return nil
}

// Disconnecting has nothing to do: what has not gone out is held from then on.
func (o *Outbox) Disconnecting(context.Context, mailbox.Account, mailbox.Mailbox) error { return nil }

// holds reports whether a failure of the class lasts until somebody has acted on
// the mailbox or on the app.
func holds(c mailbox.Class) bool {
	switch c {
	case mailbox.ClassReconnect, mailbox.ClassConsent, mailbox.ClassAdmin, mailbox.ClassNoMailbox, mailbox.ClassConfig:
		return true
	default:
		return false
	}
}

// waits reports whether the intent is held and nobody is at it.
func (i *Intent) waits() bool {
	return !i.HeldSince.IsZero() && !i.NextAt.IsZero() && (i.State == StatePending || i.State == StateUnknown)
}

// holdBack: the mailbox cannot be used now. It reports whether that lasts longer
// than limit, if there is one.
func (i *Intent) holdBack(class mailbox.Class, now time.Time, limit time.Duration) (over bool) {
	if i.HeldSince.IsZero() {
		i.HeldSince = now
	}
	i.Waiting = []string{holdText(class)}
	return limit > 0 && now.Sub(i.HeldSince) > limit
}

// release: the mailbox can be used again. The time in which it could not does not
// count as time of trying.
func (i *Intent) release(now time.Time) {
	if !i.HeldSince.IsZero() {
		i.Held += now.Sub(i.HeldSince)
		i.HeldSince = time.Time{}
	}
}

// holdText says what a held message waits for.
func holdText(c mailbox.Class) string {
	switch c.Actor() {
	case mailbox.ActorUser:
		return "held until the user has connected the mailbox again: " + c.String()
	case mailbox.ActorAdmin:
		return "held until an administrator has acted: " + c.String()
	default:
		return "held until the app has been put right: " + c.String()
	}
}
