package outbox

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/threading/replytext"
)

// margin is how much longer a claim lasts than the attempt it covers.
const margin = 30 * time.Second

// recordTimeout bounds each step that goes on after the caller's context has
// ended.
const recordTimeout = 30 * time.Second

// work takes an intent one step further. If another process is at it, the
// intent is returned as that process left it.
func (o *Outbox) work(ctx context.Context, i Intent) (Intent, error) {
	var err error
	switch {
	case i.State == StatePending:
		i, err = o.attempt(ctx, i)
	case i.State == StateSending && i.Checkpoint == nil:
		i.retry(time.Now()) // its process died before the request that sends
		i, err = o.attempt(ctx, i)
	case i.State == StateSending:
		i.State, i.Announced = StateUnknown, false
		i, err = o.look(ctx, i)
	case i.State == StateUnknown && !i.NextAt.IsZero() && !i.settled():
		i, err = o.look(ctx, i)
	default:
		i, err = o.settle(ctx, i)
	}
	if mailbox.ClassOf(err) == mailbox.ClassConflict {
		return o.config.Ledger.Get(ctx, i.Ref, i.Key)
	}
	return i, err
}

// attempt claims a pending intent and tries to send it.
func (o *Outbox) attempt(ctx context.Context, i Intent) (Intent, error) {
	i.State = StateSending
	i.Attempts++
	i, err := o.save(ctx, i, time.Now().Add(o.config.SendTimeout+margin))
	if err != nil {
		return i, err
	}
	tryCtx, cancel := context.WithTimeout(ctx, o.config.SendTimeout)
	defer cancel()
	sent, err := o.try(tryCtx, &i)
	o.signal(ctx, &i, err)
	switch mailbox.OutcomeOf(err) {
	case mailbox.OutcomeSent:
		i.sent(sent)
	case mailbox.OutcomeNotSent:
		i.Checkpoint = nil
		o.hold(&i, err)
	default:
		if i.Checkpoint == nil { // the checkpoint comes before the point of no return
			o.hold(&i, err)
			break
		}
		i.State = StateUnknown
		i.failure(err)
		i.NextAt = time.Now().Add(lookDelay(0))
	}
	return o.settle(ctx, i)
}

// limited is why an intent goes back to waiting although nothing failed.
type limited struct{ decision quota.Decision }

func (limited) Error() string { return "outbox: sending limits hold the message back" }

// try sends, or says why it did not. It stores the checkpoint on the way.
func (o *Outbox) try(ctx context.Context, i *Intent) (mailbox.Sent, error) {
	mb, err := o.config.Open(ctx, i.Ref)
	if err != nil {
		return mailbox.Sent{}, notSent(err)
	}
	account := mb.Account()
	from := cmp.Or(i.Message.From.Address, account.Address)
	if i.Message.RFCMessageID == "" {
		i.Message.RFCMessageID = compose.NewMessageID(from)
	}
	if o.config.Limits != nil {
		r, decision, err := o.config.Limits.Reserve(ctx, quota.SendRequest{
			Ref: i.Ref, Provider: account.Provider, Key: i.Key, From: from, To: mailbox.AddrSpecs(i.Message.Recipients()),
		})
		if err != nil {
			return mailbox.Sent{}, notSent(err)
		}
		if !decision.Allowed {
			return mailbox.Sent{}, notSent(limited{decision})
		}
		i.Reservation = &r
	}
	return mb.Send(ctx, i.Message, mailbox.SendOptions{
		Checkpoint: func(ctx context.Context, c mailbox.Checkpoint) error {
			if err := o.remember(ctx, *i, account.Provider, mailbox.Sent{RFCMessageIDs: []mailbox.RFCMessageID{c.RFCMessageID}, At: c.At}); err != nil {
				return notSent(err)
			}
			i.release(c.At) // it can be used
			i.Checkpoint, i.HeldBefore = &c, i.Held
			saved, err := o.save(ctx, *i, time.Now().Add(o.config.SendTimeout+margin))
			if err != nil {
				i.Checkpoint = nil
				return notSent(err)
			}
			*i = saved
			return nil
		},
	})
}

// signal tells the sending limits that the provider refused to send, so that the
// mailbox rests instead of trying again.
func (o *Outbox) signal(ctx context.Context, i *Intent, err error) {
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok || o.config.Limits == nil {
		return
	}
	kind := quota.SignalThrottled
	switch {
	case e.Class == mailbox.ClassSendBlocked:
		kind = quota.SignalUnusualActivity
	case e.Class == mailbox.ClassSendLimit && e.Scope == mailbox.ScopeTenant:
		kind = quota.SignalTenantBlocked
	case e.Class != mailbox.ClassSendLimit:
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	_, err = o.config.Limits.Signal(ctx, quota.Signal{
		Ref: i.Ref, Provider: e.Provider, Kind: kind, ID: i.Key + "#" + strconv.Itoa(i.Attempts), From: i.Message.From.Address, Wait: e.RetryAfter,
	})
	if err != nil {
		o.config.Logger.WarnContext(ctx, "sending limits were not told of a refusal", "mailbox", i.Mailbox, "error", err)
	}
}

// notSent marks an error as one that came before anything could have gone out.
func notSent(err error) error {
	e := &mailbox.Error{Op: "send", Class: mailbox.ClassOf(err), Err: err}
	if known, ok := errors.AsType[*mailbox.Error](err); ok {
		copied := *known
		e = &copied
	}
	e.Outcome = mailbox.OutcomeNotSent
	return e
}

// hold decides what becomes of a message that certainly did not go out.
func (o *Outbox) hold(i *Intent, err error) {
	now := time.Now()
	if l, ok := errors.AsType[limited](err); ok {
		i.release(now)
		i.Waiting = nil
		for _, r := range l.decision.Reasons() {
			i.Waiting = append(i.Waiting, r.Text)
		}
		i.Attempts-- // it was not tried
		i.Held += max(0, l.decision.NotBefore.Sub(now))
		i.State, i.NextAt = StatePending, l.decision.NotBefore
	} else {
		i.failure(err)
		class := mailbox.ClassOf(err)
		if class.Action() == mailbox.ActionFixRequest {
			i.fail(err)
			return
		}
		i.State, i.NextAt = StatePending, now.Add(retryDelay(class, i.Attempts, retryAfter(err)))
		if holds(class) {
			if i.holdBack(class, now, o.config.HoldFor) {
				i.fail(err)
			}
			return
		}
		i.release(now)
		i.Waiting = []string{class.String()}
	}
	if now.Sub(i.At)-i.Held > o.config.GiveUpAfter {
		i.fail(err)
	}
}

// retryDelay is how long to wait after a failure that passes by itself or that
// somebody has to mend first.
func retryDelay(c mailbox.Class, attempts int, asked time.Duration) time.Duration {
	first, longest := 2*time.Second, 10*time.Minute
	switch c.Action() {
	case mailbox.ActionReconnect, mailbox.ActionAskAdmin, mailbox.ActionFixConfig, mailbox.ActionEscalate:
		first, longest = time.Minute, 15*time.Minute
	}
	return max(asked, min(first<<min(max(attempts-1, 0), 16), longest))
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// settle stores the state an intent has come to and does what is left to do:
// give the place back or keep it, complete the ids, tell the host. It survives
// the end of the caller's context, because the message may be gone already.
func (o *Outbox) settle(ctx context.Context, i Intent) (Intent, error) {
	next, safe := i.NextAt, i.NextAt
	if i.settled() {
		next = time.Time{}
		safe = time.Now().Add(o.config.SendTimeout + margin) // should this process die now, the rest is done later
	}
	ctx = context.WithoutCancel(ctx)
	i, err := o.save(ctx, i, safe)
	if err != nil {
		return i, err
	}
	i.NextAt = next
	if err := o.account(ctx, &i); err != nil {
		o.config.Logger.WarnContext(ctx, "sending limits not updated", "mailbox", i.Mailbox, "error", err)
	}
	if i.State == StateSent {
		o.complete(ctx, &i)
	}
	o.announce(ctx, &i)
	return o.save(ctx, i, i.NextAt)
}

// account tells the sending limits how the attempt ended.
func (o *Outbox) account(ctx context.Context, i *Intent) error {
	if o.config.Limits == nil || i.Reservation == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	var err error
	switch i.State {
	case StateSent, StateUnknown: // an unknown keeps its place
		err = o.config.Limits.Commit(ctx, *i.Reservation)
	default:
		err = o.config.Limits.Cancel(ctx, *i.Reservation)
	}
	if err == nil {
		i.Reservation = nil
	}
	return err
}

// maxCompletions bounds how often the sent copy is looked for.
const maxCompletions = 8

// complete reads the sent copy, to learn the ids that recipients see.
func (o *Outbox) complete(ctx context.Context, i *Intent) {
	if i.Complete {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	provider, sent, err := o.readSent(ctx, *i)
	i.Looks++
	switch {
	case err == nil:
		i.Sent, i.Complete = sent, true
		if err := o.remember(ctx, *i, provider, sent); err != nil {
			o.config.Logger.WarnContext(ctx, "sent message not indexed", "mailbox", i.Mailbox, "error", err)
			i.Complete = false
		}
	case mailbox.ClassOf(err) == mailbox.ClassUnsupported, mailbox.ClassOf(err) == mailbox.ClassConsent,
		i.Looks >= maxCompletions:
		i.Complete = true // this is all there is to know
	}
	if !i.Complete {
		i.NextAt = time.Now().Add(lookDelay(i.Looks - 1))
	}
}

func (o *Outbox) readSent(ctx context.Context, i Intent) (mailbox.ProviderName, mailbox.Sent, error) {
	mb, err := o.config.Open(ctx, i.Ref)
	if err != nil {
		return "", mailbox.Sent{}, err
	}
	r, ok := mb.(mailbox.SentReader)
	if !ok {
		return "", mailbox.Sent{}, &mailbox.Error{Op: "read sent", Class: mailbox.ClassUnsupported}
	}
	sent, err := r.ReadSent(ctx, i.Sent)
	return mb.Account().Provider, sent, err
}

// remember puts the message into the index under all ids that are known.
func (o *Outbox) remember(ctx context.Context, i Intent, p mailbox.ProviderName, sent mailbox.Sent) error {
	if o.config.Index == nil {
		return nil
	}
	recipients := mailbox.AddrSpecs(i.Message.Recipients())
	token := threading.FindToken(sent.RFCMessageIDs...)
	for _, a := range i.Message.ReplyTo {
		token = cmp.Or(token, threading.FindToken(a.Address))
	}
	return o.config.Index.Add(ctx, threading.SentMessage{
		Ref: i.Ref, Key: i.Key, Provider: p, Token: token,
		IDs: sent.RFCMessageIDs, Thread: sent.ThreadID,
		Recipients: recipients, Subject: i.Message.Subject, At: sent.At,
		Phrases: threading.Phrases(replytext.ParseBody(i.Message.Text, i.Message.HTML).Text),
	})
}

// announce tells the host of a state that is final, once it has not been told.
func (o *Outbox) announce(ctx context.Context, i *Intent) {
	if i.Announced || !i.settled() {
		return
	}
	if o.config.Handler == nil {
		i.Announced = true
		return
	}
	if err := o.config.Handler(ctx, i.event()); err != nil {
		o.config.Logger.WarnContext(ctx, "handler failed", "mailbox", i.Mailbox, "error", err)
		if next := time.Now().Add(time.Minute); i.NextAt.IsZero() || i.NextAt.After(next) {
			i.NextAt = next
		}
		return
	}
	i.Announced = true
}

// save stores i with the given NextAt.
func (o *Outbox) save(ctx context.Context, i Intent, next time.Time) (Intent, error) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	i.NextAt, i.UpdatedAt = next, time.Now()
	saved, err := o.config.Ledger.Update(ctx, i)
	if err != nil {
		return i, err
	}
	return saved, nil
}
