package outbox

import (
	"context"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// lookDelay grows from 5 seconds to 5 minutes.
func lookDelay(looks int) time.Duration {
	return min(5*time.Second<<min(looks, 16), 5*time.Minute)
}

// look asks the mailbox what became of an unclear send. It never sends.
func (o *Outbox) look(ctx context.Context, i Intent) (Intent, error) {
	i.Looks++
	i, err := o.save(ctx, i, time.Now().Add(o.config.SendTimeout+margin)) // claims the look
	if err != nil {
		return i, err
	}
	lookCtx, cancel := context.WithTimeout(ctx, o.config.SendTimeout)
	defer cancel()
	sent, outcome, held, err := o.resolve(lookCtx, i)
	now := time.Now()
	if !held {
		i.release(now)
	}
	switch {
	case outcome == mailbox.OutcomeSent:
		i.sent(sent)
	case outcome == mailbox.OutcomeNotSent && err == nil:
		i.Checkpoint = nil
		i.retry(now)
	case held:
		class := mailbox.ClassOf(err)
		i.failure(err)
		i.NextAt = now.Add(retryDelay(class, i.Looks, retryAfter(err)))
		if i.holdBack(class, now, o.config.HoldFor) {
			i.NextAt = time.Time{}
		}
	default:
		if err != nil {
			i.failure(err)
		}
		i.NextAt = now.Add(max(lookDelay(i.Looks), retryAfter(err)))
		class := mailbox.ClassOf(err)
		if class == mailbox.ClassUnsupported || class == mailbox.ClassConsent ||
			now.Sub(i.Checkpoint.At)-(i.Held-i.HeldBefore) > o.config.LookFor {
			i.NextAt = time.Time{} // only the host can decide
		}
	}
	return o.settle(ctx, i)
}

// resolve also reports whether the mailbox cannot be used now, so that it has to
// be asked later. A mailbox that is open and may not look never will.
func (o *Outbox) resolve(ctx context.Context, i Intent) (sent mailbox.Sent, outcome mailbox.Outcome, held bool, err error) {
	mb, err := o.config.Open(ctx, i.Ref)
	if err != nil {
		return mailbox.Sent{}, mailbox.OutcomeUnknown, holds(mailbox.ClassOf(err)), err
	}
	r, ok := mb.(mailbox.SendResolver)
	if !ok {
		return mailbox.Sent{}, mailbox.OutcomeUnknown, false, &mailbox.Error{Op: "resolve", Class: mailbox.ClassUnsupported}
	}
	sent, outcome, err = r.ResolveSend(ctx, *i.Checkpoint)
	class := mailbox.ClassOf(err)
	return sent, outcome, holds(class) && class != mailbox.ClassConsent, err
}
