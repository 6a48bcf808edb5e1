// Package outbox sends each message once.
//
// The host gives every message an idempotency key. The outbox writes an intent
// under it before anything else happens, claims it by compare-and-swap, and
// stores a checkpoint just before the request that sends. Whatever breaks after
// that, the intent tells what to do: without a checkpoint nothing has gone out
// and the message may be sent; with one the mailbox is asked what became of it
// (see mailbox.SendResolver), and only a certain "not sent" leads to another
// try. Where the granted capabilities do not allow looking, the intent stays
// StateUnknown until the host decides.
package outbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
)

// Config wires an Outbox.
type Config struct {
	// Ledger keeps the intents. Required.
	Ledger Ledger
	// Open opens a connected mailbox. Required.
	Open func(ctx context.Context, ref mailbox.Ref) (mailbox.Mailbox, error)
	// Limits decides when a mailbox may send; nil means always.
	Limits *quota.Sends
	// Index remembers what was sent, so that answers can be matched; nil
	// remembers nothing.
	Index threading.Index
	// Handler takes the events EventSent, EventSendFailed and EventSendUnknown,
	// at least once each. A failing handler is asked again later. Nil takes none.
	Handler func(ctx context.Context, e mailbox.Event) error
	// Logger is told of trouble; nil is silent.
	Logger *slog.Logger

	// SendTimeout bounds one attempt. 0 means 2 minutes.
	SendTimeout time.Duration
	// LookFor is how long an unclear send is looked up before the host is asked
	// to decide. 0 means 1 hour. Time in which it is held does not count.
	LookFor time.Duration
	// GiveUpAfter is how long a message that cannot be sent for a passing
	// reason is kept before it fails. 0 means 72 hours. Time in which it waits for
	// sending limits or is held does not count: a campaign may take weeks.
	GiveUpAfter time.Duration
	// HoldFor is how long a message is held before it fails, because its mailbox
	// is disconnected, needs its user or an administrator, or because the provider
	// refuses the app. 0 means as long as it takes: it goes out when the mailbox is
	// connected again, be it months later; [Outbox.Cancel] withdraws it.
	HoldFor time.Duration
	// Workers is how many intents Run works on at a time. 0 means 8.
	Workers int
	// Interval is how often Run looks for due intents. 0 means 5 seconds.
	Interval time.Duration
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Ledger == nil:
		return c, mailbox.Invalid("outbox.Config.Ledger", "required", "is missing")
	case c.Open == nil:
		return c, mailbox.Invalid("outbox.Config.Open", "required", "is missing")
	case c.SendTimeout < 0 || c.LookFor < 0 || c.GiveUpAfter < 0 || c.HoldFor < 0 || c.Interval < 0 || c.Workers < 0:
		return c, mailbox.Invalid("outbox.Config", "no negative values", "holds a negative value")
	}
	c.SendTimeout = cmp.Or(c.SendTimeout, 2*time.Minute)
	c.LookFor = cmp.Or(c.LookFor, time.Hour)
	c.GiveUpAfter = cmp.Or(c.GiveUpAfter, 72*time.Hour)
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.Workers = cmp.Or(c.Workers, 8)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Outbox sends messages once. It is safe for concurrent use, and several
// processes may share one ledger. It starts no goroutine except in Run.
type Outbox struct {
	config Config
}

// New returns an outbox.
func New(c Config) (*Outbox, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Outbox{config: c}, nil
}

// Request asks for one message to be sent.
type Request struct {
	mailbox.Ref
	// Key is the idempotency key: 1 to 255 bytes, chosen by the host, unique for
	// this message within the mailbox.
	Key     string
	Message *mailbox.Outgoing
	// At delays the message; zero sends as soon as the limits allow.
	At time.Time
}

// Send records the message under its key and, if it is due, tries to send it
// before it returns. Calling it again with the same key and message is safe and
// returns the intent as it stands; with another message it is a ClassConflict
// error.
//
// The state of the returned intent tells how it went: StateSent; StatePending
// when limits or a passing fault hold it back (Run, or calling Send again, goes
// on); StateUnknown; StateFailed. An error means that the request is invalid or
// the ledger failed; if the ledger failed after the message went out, the
// intent is found and settled later.
func (o *Outbox) Send(ctx context.Context, r Request) (Intent, error) {
	i, err := newIntent(r)
	if err != nil {
		return Intent{}, err
	}
	stored, created, err := o.config.Ledger.Create(ctx, i)
	if err != nil {
		return Intent{}, err
	}
	if !created && stored.Digest != i.Digest {
		return stored, &mailbox.Error{
			Op: "send", Mailbox: r.Mailbox, Class: mailbox.ClassConflict, Outcome: mailbox.OutcomeNotSent,
			Err: &mailbox.FieldError{Field: "key", Limit: "one message per key", Problem: "was used for another message"},
		}
	}
	if stored.NextAt.IsZero() || stored.NextAt.After(time.Now()) {
		return stored, nil
	}
	return o.work(ctx, stored)
}

func newIntent(r Request) (Intent, error) {
	if err := r.Ref.Validate(); err != nil {
		return Intent{}, err
	}
	switch {
	case r.Key == "" || len(r.Key) > 255:
		return Intent{}, mailbox.Invalid("key", "1 to 255 bytes", "is empty or too long")
	case r.Message == nil:
		return Intent{}, mailbox.Invalid("message", "required", "is missing")
	}
	msg := *r.Message
	digest, err := digestOf(&msg)
	if err != nil {
		return Intent{}, err
	}
	msg.Ref = markOf(r.Ref, r.Key)
	if err := compose.Check(&msg); err != nil {
		return Intent{}, err
	}
	now := time.Now()
	at := now
	if r.At.After(now) {
		at = r.At
	}
	return Intent{
		Ref: r.Ref, Key: r.Key, Message: &msg, Digest: digest,
		At: at, State: StatePending, NextAt: at, CreatedAt: now, UpdatedAt: now,
	}, nil
}

// markOf derives the mark of a message from its key, so that the same key
// always gives the same mark. It reveals nothing of the key.
func markOf(ref mailbox.Ref, key string) string {
	h := sha256.New()
	for _, part := range []string{string(ref.Tenant), string(ref.Mailbox), key} {
		binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

func digestOf(msg *mailbox.Outgoing) (string, error) {
	raw, err := json.Marshal(msg)
	if err != nil {
		return "", mailbox.Invalid("message", "valid UTF-8 and dates", "cannot be stored")
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// Get returns an intent, or a ClassNotFound error.
func (o *Outbox) Get(ctx context.Context, ref mailbox.Ref, key string) (Intent, error) {
	return o.config.Ledger.Get(ctx, ref, key)
}

// Settle ends an unknown intent by the host's decision, for instance after a
// person looked into the mailbox: OutcomeSent, or OutcomeNotSent to have it sent
// again. Other states are a ClassConflict error.
func (o *Outbox) Settle(ctx context.Context, ref mailbox.Ref, key string, outcome mailbox.Outcome) (Intent, error) {
	i, err := o.config.Ledger.Get(ctx, ref, key)
	if err != nil {
		return Intent{}, err
	}
	if i.State != StateUnknown {
		return i, &mailbox.Error{Op: "settle", Mailbox: ref.Mailbox, Class: mailbox.ClassConflict}
	}
	switch outcome {
	case mailbox.OutcomeSent:
		i.sent(mailbox.Sent{RFCMessageIDs: []mailbox.RFCMessageID{i.Message.RFCMessageID}, At: i.Checkpoint.At})
		i.Complete = true
	case mailbox.OutcomeNotSent:
		i.retry(time.Now())
	default:
		return i, mailbox.Invalid("outcome", "OutcomeSent or OutcomeNotSent", "decides nothing")
	}
	return o.settle(ctx, i)
}

// Cancel withdraws a message that has not been tried yet, or that waits for
// another try: it becomes StateFailed with ClassDeclined. Other states are a
// ClassConflict error.
func (o *Outbox) Cancel(ctx context.Context, ref mailbox.Ref, key string) (Intent, error) {
	i, err := o.config.Ledger.Get(ctx, ref, key)
	if err != nil {
		return Intent{}, err
	}
	if i.State != StatePending {
		return i, &mailbox.Error{Op: "cancel", Mailbox: ref.Mailbox, Class: mailbox.ClassConflict}
	}
	i.fail(&mailbox.Error{Op: "send", Class: mailbox.ClassDeclined, Outcome: mailbox.OutcomeNotSent})
	return o.settle(ctx, i)
}

// Run works on everything that is due until ctx ends, then waits for what it
// has begun and returns nil. Run it in one process, or in several: claims are
// exclusive. It is the only goroutine owner of the package.
func (o *Outbox) Run(ctx context.Context) error {
	tick := time.NewTicker(o.config.Interval)
	defer tick.Stop()
	for {
		worked, err := o.RunDue(ctx)
		if err != nil && ctx.Err() == nil {
			o.config.Logger.WarnContext(ctx, "outbox run failed", "error", err)
		}
		if worked == o.batch() && err == nil {
			continue // more may be due
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// batch is how many intents one round takes up.
func (o *Outbox) batch() int { return 4 * o.config.Workers }

// RunDue works once on what is due now, up to a bounded number, and returns how
// many intents it took up. Hosts with a scheduler of their own call it instead
// of Run.
func (o *Outbox) RunDue(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	due, err := o.config.Ledger.Due(ctx, time.Now(), o.batch())
	if err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, o.config.Workers)
	for _, i := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := o.work(ctx, i); err != nil && ctx.Err() == nil {
				o.config.Logger.WarnContext(ctx, "outbox intent failed", "mailbox", i.Mailbox, "error", err)
			}
		})
	}
	wg.Wait()
	return len(due), nil
}
