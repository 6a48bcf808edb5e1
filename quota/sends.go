package quota

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// SendsConfig configures a [Sends]. The zero value keeps the defaults of each
// provider in memory.
type SendsConfig struct {
	// Store remembers what was sent; nil means [NewMemory]. Processes that send
	// for the same mailboxes have to share it.
	Store Store
	// Providers replaces limits for all mailboxes of a provider; what is missing
	// or zero is that of [DefaultSendLimits].
	Providers map[mailbox.ProviderName]SendLimits
	// Limits, if set, gives the limits of one mailbox; zero fields are those of
	// its provider. It is asked at every Reserve and must be safe for concurrent
	// use. Limits that make no sense make that Reserve fail with ClassInvalid.
	Limits func(mailbox.Ref, mailbox.ProviderName) SendLimits
	// Now replaces the store's clock, for hosts that simulate time. Nil is right
	// for all others: processes that share a store then agree on the time.
	Now func() time.Time
}

// Sends decides how many messages a mailbox may send. All methods are safe for
// concurrent use.
//
// The life of a send: Reserve takes a place, the message is sent, then Commit if
// it went out or may have, Cancel if it certainly did not. A place that is
// neither committed nor cancelled, because the process died, keeps counting
// like a sent message: nobody knows that it was not sent. It ages out with the
// day like any other, and a later Reserve of the same key takes it over.
type Sends struct {
	store     Store
	providers map[mailbox.ProviderName]SendLimits
	limits    func(mailbox.Ref, mailbox.ProviderName) SendLimits
	now       func() time.Time
}

// NewSends returns a Sends. A limit that makes no sense, or is above the
// provider's own and not forced, is refused with a ClassInvalid error that names
// the field.
func NewSends(c SendsConfig) (*Sends, error) {
	s := &Sends{store: c.Store, limits: c.Limits, now: c.Now, providers: make(map[mailbox.ProviderName]SendLimits)}
	if s.store == nil {
		s.store = NewMemory()
	}
	if s.now == nil {
		s.now = func() time.Time { return time.Time{} } // the store's clock
	}
	for p, l := range c.Providers {
		resolved, err := l.resolve("providers["+string(p)+"].", p, DefaultSendLimits(p))
		if err != nil {
			return nil, err
		}
		s.providers[p] = resolved
	}
	return s, nil
}

// SendRequest names one message that is to be sent, or was.
type SendRequest struct {
	mailbox.Ref
	Provider mailbox.ProviderName
	// Key is the idempotency key of the message, 1 to 512 bytes, unique within
	// the mailbox.
	Key string
	// Recipients is how many addresses the message goes to; 0 counts as 1.
	Recipients int
	// At is when it was sent; zero means now. It is not for planning ahead.
	At time.Time
}

// Reservation is a place for one message. It is plain data and may be stored;
// one that was lost can be put together again from mailbox, key and recipients.
type Reservation struct {
	mailbox.Ref
	// ID is the key it was made for: a mailbox has one place for a key.
	ID         string    `json:"id"`
	Recipients int       `json:"recipients"`
	At         time.Time `json:"at"`
}

// Decision says whether a message may go now, and why not.
type Decision struct {
	Allowed bool
	// NotBefore is the earliest time at which the same request is allowed if
	// nothing else happens in the mailbox; zero if it is allowed now. It is the
	// latest NotBefore of the Reasons.
	NotBefore time.Time
	// Reasons are the limits that hold the message back, the one that binds
	// longest first. Empty if it is allowed.
	Reasons []Reason
	// Remaining is how many more messages of one recipient the caps of 24 hours
	// leave, after this one if it was allowed.
	Remaining int
}

// Reason is one limit that holds a message back.
type Reason struct {
	Rule Rule
	// Text tells a user in one sentence; it holds nothing secret.
	Text string
	// NotBefore is when this limit alone would let the message go.
	NotBefore time.Time
	// Limit and Used are counts of what Rule is about. For RuleGap they are 1.
	Limit, Used int
}

// Rule names a limit on sending. The values are stable.
type Rule string

// The rules.
const (
	RuleMessages   Rule = "messages_24h"
	RuleRecipients Rule = "recipients_24h"
	RulePace       Rule = "messages_per_minute"
	RuleGap        Rule = "gap"
)

// Reserve takes a place for a message if one is free now. A refusal is a
// Decision with its reasons, and no error.
//
// The same key has one place, however often it is reserved: a retry moves its
// place to now if there would be room without it, and keeps the old place if
// not. So a retry is never refused because of itself, and a burst of retries
// after a crash keeps the pace like any other.
//
// An error of ClassInvalid means that the request can never be allowed as it is,
// for instance with more recipients than a day has. One of ClassStorage means
// that the store failed: do not send. It is safe to repeat.
func (s *Sends) Reserve(ctx context.Context, r SendRequest) (Reservation, Decision, error) {
	e, err := s.entry(r)
	if err != nil {
		return Reservation{}, Decision{}, err
	}
	l, err := s.limitsOf(r.Ref, r.Provider)
	if err != nil {
		return Reservation{}, Decision{}, err
	}
	if e.Recipients > l.Recipients {
		return Reservation{}, Decision{}, mailbox.Invalid("recipients", fmt.Sprintf("at most %d", l.Recipients), "are more than the mailbox may have in 24 hours")
	}
	a, err := s.store.Decide(ctx, Ask{Entry: e, Windows: l.windows()})
	if err != nil {
		return Reservation{}, Decision{}, storageError("reserve", r.Ref, mailbox.OutcomeNotSent, err)
	}
	d := l.decision(e, a)
	if !d.Allowed {
		return Reservation{}, d, nil
	}
	return Reservation{Ref: r.Ref, ID: r.Key, Recipients: e.Recipients, At: a.At}, d, nil
}

// Commit tells that the message of a reservation went out, or may have: its
// place counts from now on. Safe to repeat, and useful even when the place has
// been forgotten.
func (s *Sends) Commit(ctx context.Context, r Reservation) error {
	e, err := s.entry(SendRequest{Ref: r.Ref, Key: r.ID, Recipients: r.Recipients})
	if err != nil {
		return err
	}
	return storageError("commit", r.Ref, mailbox.OutcomeNone, s.store.Settle(ctx, e))
}

// Cancel gives the place of a reservation back, because its message certainly
// was not sent. It may follow a Commit whose outcome was unknown and turned out
// so. Safe to repeat.
func (s *Sends) Cancel(ctx context.Context, r Reservation) error {
	if _, err := s.entry(SendRequest{Ref: r.Ref, Key: r.ID}); err != nil {
		return err
	}
	return storageError("cancel", r.Ref, mailbox.OutcomeNone, s.store.Remove(ctx, r.Ref, r.ID))
}

// Observe counts a message that was sent without a reservation, by hand or by
// another program. It always counts, also above the caps. The same key counts
// once. What is older than 24 hours need not be told. Safe to repeat.
func (s *Sends) Observe(ctx context.Context, r SendRequest) error {
	e, err := s.entry(r)
	if err != nil {
		return err
	}
	return storageError("observe", r.Ref, mailbox.OutcomeNone, s.store.Settle(ctx, e))
}

// maxRecipients bounds the recipients of one message, so that sums stay sane.
const maxRecipients = 1_000_000

// entry checks a request.
func (s *Sends) entry(r SendRequest) (Entry, error) {
	if err := r.Validate(); err != nil {
		return Entry{}, err
	}
	if r.Key == "" || len(r.Key) > 512 {
		return Entry{}, mailbox.Invalid("key", "1 to 512 bytes", "is empty or too long")
	}
	if r.Recipients < 0 || r.Recipients > maxRecipients {
		return Entry{}, mailbox.Invalid("recipients", fmt.Sprintf("0 to %d", maxRecipients), "are out of range")
	}
	if r.At.IsZero() {
		r.At = s.now()
	}
	return Entry{Ref: r.Ref, Key: r.Key, Recipients: max(1, r.Recipients), At: r.At}, nil
}

func (s *Sends) limitsOf(ref mailbox.Ref, p mailbox.ProviderName) (SendLimits, error) {
	l, ok := s.providers[p]
	if !ok {
		l = DefaultSendLimits(p)
	}
	if s.limits == nil {
		return l, nil
	}
	return s.limits(ref, p).resolve("limits.", p, l)
}

// storageError wraps the error of a store. A request that the store finds
// invalid is no failure of the store.
func storageError(op string, ref mailbox.Ref, outcome mailbox.Outcome, err error) error {
	if err == nil {
		return nil
	}
	if mailbox.ClassOf(err) == mailbox.ClassInvalid {
		return err
	}
	return &mailbox.Error{Op: op, Mailbox: ref.Mailbox, Class: mailbox.ClassStorage, Outcome: outcome, Err: err}
}

// The windows of a mailbox, by their place in an Ask.
const (
	windowMessages = iota
	windowRecipients
	windowPace
	windowGap // last, since there may be none
)

// windows returns the limits as windows of a store.
func (l SendLimits) windows() []Window {
	w := []Window{
		windowMessages:   {Per: Horizon, Max: l.Messages},
		windowRecipients: {Per: Horizon, Max: l.Recipients, Recipients: true},
		windowPace:       {Per: time.Minute, Max: l.PerMinute},
		windowGap:        {Per: roundUp(l.Gap), Max: 1},
	}
	if l.Gap == 0 {
		return w[:windowGap]
	}
	return w
}

// roundUp rounds to the precision of stores.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Microsecond - 1).Truncate(time.Microsecond)
}

// decision explains the answer of a store.
func (l SendLimits) decision(e Entry, a Answer) Decision {
	d := Decision{Allowed: a.Allowed}
	messages := l.Messages - a.Usage[windowMessages].Used
	recipients := l.Recipients - a.Usage[windowRecipients].Used
	if a.Allowed {
		d.Remaining = max(0, min(messages-1, recipients-e.Recipients))
		return d
	}
	d.Remaining = max(0, min(messages, recipients))
	for i, u := range a.Usage {
		if u.NotBefore.IsZero() {
			continue
		}
		d.Reasons = append(d.Reasons, l.reason(i, e, u))
		if u.NotBefore.After(d.NotBefore) {
			d.NotBefore = u.NotBefore
		}
	}
	slices.SortStableFunc(d.Reasons, func(a, b Reason) int { return b.NotBefore.Compare(a.NotBefore) })
	return d
}

func (l SendLimits) reason(window int, e Entry, u Usage) Reason {
	r := Reason{NotBefore: u.NotBefore, Used: u.Used}
	switch window {
	case windowMessages:
		r.Rule, r.Limit = RuleMessages, l.Messages
		r.Text = fmt.Sprintf("%d of %d messages of the last 24 hours are used.", u.Used, l.Messages)
	case windowRecipients:
		r.Rule, r.Limit = RuleRecipients, l.Recipients
		r.Text = fmt.Sprintf("%d of %d recipients of the last 24 hours are used; this message has %d.", u.Used, l.Recipients, e.Recipients)
	case windowPace:
		r.Rule, r.Limit = RulePace, l.PerMinute
		r.Text = fmt.Sprintf("%d of %d messages of the last minute are used.", u.Used, l.PerMinute)
	default:
		r.Rule, r.Limit = RuleGap, 1
		r.Text = fmt.Sprintf("Less than %s have passed since the last message.", l.Gap)
	}
	return r
}
