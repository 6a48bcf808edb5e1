package quota

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// SendsConfig configures a [Sends]. The zero value keeps the defaults of each
// provider in memory.
type SendsConfig struct {
	// Store remembers what was sent; nil means [NewMemory]. Processes that send
	// for the same mailboxes have to share it.
	Store Store
	// Providers are the limits for all mailboxes of a provider; those of a
	// provider that is missing are [DefaultSendLimits].
	Providers map[mailbox.ProviderName]SendLimits
	// Limits, if set, gives the limits of one mailbox; the zero value means those
	// of its provider. It is asked at every decision and must be safe for
	// concurrent use. Limits that make no sense make that decision fail with
	// ClassInvalid.
	Limits func(mailbox.Ref, mailbox.ProviderName) SendLimits

	// Tenant, Domain and RecipientDomain are caps on all mail of a tenant, on all
	// mail of a tenant from a domain, and on all mail of a tenant to a domain. The
	// zero value is none.
	Tenant, Domain, RecipientDomain GroupLimits
	// GroupLimits, if set, replaces the three for one group, as Limits does for
	// one mailbox.
	GroupLimits func(Log) GroupLimits

	// Down says what to do while the store fails. Empty means DownClosed.
	Down WhenDown
	// OnStore, if set, is told when the store begins to fail, with its error, and
	// with nil when it works again. It is called by whoever noticed, and should
	// return soon.
	OnStore func(error)

	// Now replaces the store's clock and that of the machine, for hosts that
	// simulate time. Nil is right for all others: processes that share a store
	// then agree on the time of what was sent; hours, calendar days and the
	// recovery from a slow-down go by the clock of the machine.
	Now func() time.Time
}

// WhenDown says what happens while a store fails.
type WhenDown string

// The choices.
const (
	// DownClosed lets nothing go.
	DownClosed WhenDown = "closed"
	// DownLocal decides by what this process alone knows, which is what it has
	// done itself: several processes may then go above the limits together. When
	// the store works again it is told what it has missed, before it is asked
	// about the same mailbox or group; of others a part at each call. A process
	// that ends before takes that with it. The days of a warm-up are not counted
	// meanwhile: it then takes longer.
	DownLocal WhenDown = "local"
)

// Sends decides how many messages a mailbox may send. All methods are safe for
// concurrent use.
//
// The life of a send: Reserve takes a place, the message is sent, then Commit if
// it went out or may have, Cancel if it certainly did not. A place that is
// neither committed nor cancelled, because the process died, keeps counting
// like a sent message: nobody knows that it was not sent. It ages out with the
// day like any other, and a later Reserve of the same key takes it over.
//
// A place counts from when it was reserved until it is committed, and from that
// moment on afterwards: no span of the length of a limit, between two moments at
// which messages certainly had gone out, holds more than the limit, as long as
// no send takes longer than that span.
type Sends struct {
	store     Store
	memory    *Memory // the store, if it is one that never fails nor hangs
	local     *local  // with DownLocal
	down      downSwitch
	states    states
	calendars calendars
	providers map[mailbox.ProviderName]*rules
	limits    func(mailbox.Ref, mailbox.ProviderName) SendLimits
	groups    groupLimits
	ofGroup   func(Log) GroupLimits
	now       func() time.Time
	attempts  sync.Pool
}

// groupLimits are the limits of groups that have no own ones.
type groupLimits struct{ tenant, domain, recipientDomain GroupLimits }

func (g *groupLimits) of(k LogKind) GroupLimits {
	switch k {
	case LogTenant:
		return g.tenant
	case LogDomain:
		return g.domain
	case LogRecipientDomain:
		return g.recipientDomain
	default:
		return GroupLimits{}
	}
}

// NewSends returns a Sends. A limit that makes no sense, or is above the
// provider's own and not forced, is refused with a ClassInvalid error that names
// the field.
func NewSends(c SendsConfig) (*Sends, error) {
	s := &Sends{
		store: c.Store, limits: c.Limits, ofGroup: c.GroupLimits, now: c.Now,
		providers: make(map[mailbox.ProviderName]*rules),
		groups:    groupLimits{tenant: c.Tenant, domain: c.Domain, recipientDomain: c.RecipientDomain},
	}
	s.attempts.New = func() any { return new(attempt) }
	if s.store == nil {
		s.store = NewMemory()
	}
	s.memory, _ = s.store.(*Memory)
	s.down.tell = c.OnStore
	switch c.Down {
	case "", DownClosed:
	case DownLocal:
		if s.memory == nil { // which never fails
			s.local = newLocal()
		}
	default:
		return nil, mailbox.Invalid("down", `"closed" or "local"`, "is neither")
	}
	for _, p := range slices.Concat([]mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook}, slices.Sorted(maps.Keys(c.Providers))) {
		l := c.Providers[p]
		if l.isZero() {
			l = DefaultSendLimits(p)
		}
		r, err := l.resolve("providers["+string(p)+"].", p, &s.calendars)
		if err != nil {
			return nil, err
		}
		s.providers[p] = r
	}
	for _, g := range []struct {
		name   string
		limits GroupLimits
	}{{"tenant", c.Tenant}, {"domain", c.Domain}, {"recipient_domain", c.RecipientDomain}} {
		if err := g.limits.resolve(g.name + "."); err != nil {
			return nil, err
		}
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
	// Recipients is how many addresses the message goes to; 0 means as many as
	// there are in To, at least 1.
	Recipients int
	// From is the address that sends. Limits and pauses of its domain hold only if
	// it is given.
	From string
	// To are the addresses of the recipients. Limits of their domains hold only if
	// they are given.
	To []string
	// At is when it was sent; zero means now. It is not for planning ahead.
	At time.Time
}

// Reservation is a place for one message. It is plain data and may be stored;
// one that was lost can be put together again from mailbox, key and recipients:
// it then has effect on the mailbox alone, not on its groups.
type Reservation struct {
	mailbox.Ref
	// ID is the key it was made for: a mailbox has one place for a key.
	ID         string    `json:"id"`
	Recipients int       `json:"recipients"`
	At         time.Time `json:"at"`
	// Day is the date of a mailbox that warms up, see WarmUp; 0 for others.
	Day int `json:"day,omitempty"`
	// Groups are the places it has in groups.
	Groups []GroupPlace `json:"groups,omitempty"`
}

// GroupPlace is a place in the log of a group.
type GroupPlace struct {
	Log        Log `json:"log"`
	Recipients int `json:"recipients"`
}

// Reserve takes a place for a message if one is free now. A refusal is a
// Decision with its reasons, and no error.
//
// The same key has one place, however often it is reserved: a retry moves its
// place to now if there would be room without it, and keeps the old place if
// not. So a retry is never refused because of itself, and a burst of retries
// after a crash keeps the pace like any other. Where a group refuses a retry, its
// place in the mailbox may have moved to now all the same. A key is reserved by
// one caller at a time.
//
// An error of ClassInvalid means that the request can never be allowed as it is,
// for instance with more recipients than a message may have. One of ClassStorage
// means that the store failed: do not send. It is safe to repeat.
func (s *Sends) Reserve(ctx context.Context, r SendRequest) (place Reservation, d Decision, err error) {
	err = s.reserve(ctx, &r, &place, &d)
	return place, d, err
}

// Check tells what Reserve would decide, and takes no place.
func (s *Sends) Check(ctx context.Context, r SendRequest) (d Decision, err error) {
	err = s.reserve(ctx, &r, nil, &d)
	return d, err
}

// reserve decides, and takes a place unless there is none to fill in.
func (s *Sends) reserve(ctx context.Context, r *SendRequest, place *Reservation, d *Decision) error {
	a := s.attempts.Get().(*attempt)
	defer s.attempts.Put(a)
	if err := a.begin(s, r, place == nil); err != nil {
		return err
	}
	if err := a.possible(); err != nil {
		return err
	}
	if err := a.decide(ctx); err != nil {
		return storageError("reserve", r.Ref, mailbox.OutcomeNotSent, err)
	}
	a.explain(d)
	if d.Allowed && place != nil {
		*place = a.reservation(r.Ref)
	}
	return nil
}

// Commit tells that the message of a reservation went out, or may have: its
// place counts from now on. Safe to repeat, and useful even when the place has
// been forgotten.
func (s *Sends) Commit(ctx context.Context, r Reservation) error {
	var e Entry
	err := s.fillEntry(&e, &SendRequest{Ref: r.Ref, Key: r.ID, Recipients: r.Recipients})
	if err != nil {
		return err
	}
	err = s.settle(ctx, e)
	for _, g := range r.Groups {
		if err == nil {
			err = s.settle(ctx, groupEntry(e, g))
		}
	}
	if err == nil && r.Day != 0 {
		err = s.markDay(ctx, e.Log, r.Day)
	}
	return storageError("commit", r.Ref, mailbox.OutcomeNone, err)
}

// Cancel gives the place of a reservation back, because its message certainly
// was not sent. It may follow a Commit whose outcome was unknown and turned out
// so. Safe to repeat.
func (s *Sends) Cancel(ctx context.Context, r Reservation) error {
	var e Entry
	err := s.fillEntry(&e, &SendRequest{Ref: r.Ref, Key: r.ID})
	if err != nil {
		return err
	}
	err = s.remove(ctx, e.Log, e.Key)
	for _, g := range r.Groups {
		if err == nil {
			x := groupEntry(e, g)
			err = s.remove(ctx, x.Log, x.Key)
		}
	}
	return storageError("cancel", r.Ref, mailbox.OutcomeNone, err)
}

// Observe counts a message that was sent without a reservation, by hand or by
// another program. It always counts, also above the caps. The same key counts
// once. What is older than 24 hours need not be told. Safe to repeat.
func (s *Sends) Observe(ctx context.Context, r SendRequest) error {
	a := s.attempts.Get().(*attempt)
	defer s.attempts.Put(a)
	err := a.begin(s, &r, false)
	if err != nil {
		return err
	}
	for i := range a.places {
		p := &a.places[i]
		if !p.counts() || err != nil {
			continue
		}
		err = s.settle(ctx, p.ask.Entry)
	}
	if err == nil && a.rules.WarmUp != nil {
		at := r.At
		if at.IsZero() {
			at = a.now
		}
		err = s.markDay(ctx, a.places[0].ask.Log, date(at, a.rules.calendar.zone))
	}
	return storageError("observe", r.Ref, mailbox.OutcomeNone, err)
}

// fillEntry checks a request and fills in its entry in the mailbox's log.
func (s *Sends) fillEntry(e *Entry, r *SendRequest) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Key == "" || len(r.Key) > 512 {
		return mailbox.Invalid("key", "1 to 512 bytes", "is empty or too long")
	}
	e.Log, e.Key, e.Recipients, e.At = mailboxLog(r.Ref), r.Key, r.Recipients, r.At
	if e.Recipients == 0 {
		e.Recipients = max(1, len(r.To))
	}
	if e.Recipients < 0 || e.Recipients > MaxRecipients {
		return mailbox.Invalid("recipients", fmt.Sprintf("0 to %d", MaxRecipients), "are out of range")
	}
	if e.At.IsZero() && s.now != nil {
		e.At = s.now()
	}
	return nil
}

func mailboxLog(r mailbox.Ref) Log {
	return Log{Tenant: r.Tenant, Kind: LogMailbox, Name: string(r.Mailbox)}
}

// domainLog returns the log of an address's domain; its name is empty if there
// is none.
func domainLog(kind LogKind, tenant mailbox.TenantID, address string) Log {
	return Log{Tenant: tenant, Kind: kind, Name: strings.TrimSuffix(mailbox.Domain(address), ".")}
}

// groupEntry is the entry of a mailbox's message in the log of a group. No
// mailbox id holds a control character.
func groupEntry(e Entry, g GroupPlace) Entry {
	return Entry{Log: g.Log, Key: e.Name + "\n" + e.Key, Recipients: g.Recipients, At: e.At}
}

func (s *Sends) rulesOf(ref mailbox.Ref, p mailbox.ProviderName) (*rules, error) {
	if s.limits != nil {
		if l := s.limits(ref, p); !l.isZero() {
			return l.resolve("limits.", p, &s.calendars)
		}
	}
	if r, ok := s.providers[p]; ok {
		return r, nil
	}
	return DefaultSendLimits(p).resolve("limits.", p, &s.calendars)
}

func (s *Sends) groupLimitsOf(l Log) (GroupLimits, error) {
	if s.ofGroup == nil {
		return s.groups.of(l.Kind), nil
	}
	limits := s.ofGroup(l)
	if limits == (GroupLimits{}) {
		return s.groups.of(l.Kind), nil
	}
	return limits, limits.resolve("group_limits.")
}

// clock is the time of what is decided here and not by the store.
func (s *Sends) clock() time.Time {
	if s.now != nil {
		return s.now().UTC().Truncate(time.Microsecond)
	}
	return time.Now().UTC().Truncate(time.Microsecond)
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
