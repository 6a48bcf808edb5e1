package quota

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// SignalKind is what happened to the mail of a mailbox. The values are stable.
type SignalKind string

// The kinds of signals, and what they slow down.
const (
	// SignalBounce: a message was not delivered, for good. The mailbox.
	SignalBounce SignalKind = "bounce"
	// SignalComplaint: a recipient called a message spam. The mailbox.
	SignalComplaint SignalKind = "complaint"
	// SignalThrottled: the provider refuses to send for a while; Signal.Wait says
	// for how long, if that is known. The mailbox.
	SignalThrottled SignalKind = "throttled"
	// SignalReply: a person answered. Many at once are more than the user can
	// read. The mailbox.
	SignalReply SignalKind = "reply"
	// SignalUnusualActivity: the provider suspects that the account is misused. The
	// mailbox.
	SignalUnusualActivity SignalKind = "unusual_activity"
	// SignalAuthentication: SPF, DKIM or DMARC of the domain fails. All mailboxes
	// of the tenant with that domain.
	SignalAuthentication SignalKind = "authentication"
	// SignalTenantBlocked: the provider refuses mail of the whole organisation (of
	// Exchange: 5.7.232, 5.7.233, 5.7.705, 5.7.708). All mailboxes of the tenant.
	SignalTenantBlocked SignalKind = "tenant_blocked"
	// SignalManual stands in changes for what the host did by [Sends.Pause] and
	// [Sends.Resume]. It cannot be signalled.
	SignalManual SignalKind = "manual"
)

// SlowDown says how signals reduce what a mailbox or a group may send in 24
// hours: quickly down, slowly up. The zero value of a field means that of
// [DefaultSlowDown].
type SlowDown struct {
	// Reactions replaces reactions; what is missing is that of the default. One
	// with a Factor of 1 and no Pause switches a kind off.
	Reactions map[SignalKind]Reaction
	// Floor is the smallest part of the limits that remains, above 0 and at most 1.
	// At least one message remains in any case.
	Floor float64
	// Recovery is how much of the limits comes back with every 24 hours after the
	// last reduction, above 0 and at most 1. The limits as they are configured are
	// the ceiling.
	Recovery float64
}

// Reaction is what a kind of signal does.
type Reaction struct {
	// Count is how many signals it takes within Within, 1 to 512.
	Count int
	// Share is which part of the messages sent within Within they have to be, 0 to
	// 1. 0 means any.
	Share float64
	// Within is above 0 and at most 24 hours. A kind reacts once within that time:
	// what belongs to one episode is one strike.
	Within time.Duration
	// Factor multiplies the limits, above 0 and at most 1.
	Factor float64
	// Pause stops sending for as long, unless Signal.Wait says for how long. At
	// most 30 days.
	Pause time.Duration
}

// DefaultSlowDown returns the reactions that hold unless they are configured
// otherwise. The figures are our choice; the share of complaints is the one
// that Gmail asks bulk senders to stay below
// (https://support.google.com/a/answer/81126, copies of 2026).
func DefaultSlowDown() SlowDown {
	d := SlowDown{Floor: defaultFloor, Recovery: defaultRecovery, Reactions: make(map[SignalKind]Reaction)}
	for _, kind := range []SignalKind{
		SignalBounce, SignalComplaint, SignalThrottled, SignalReply,
		SignalUnusualActivity, SignalAuthentication, SignalTenantBlocked,
	} {
		d.Reactions[kind], _ = d.reaction(kind)
	}
	return d
}

const (
	defaultFloor    = 0.1
	defaultRecovery = 0.1
)

// reaction returns what a kind does. It is not ok if it cannot be signalled.
func (c *SlowDown) reaction(kind SignalKind) (r Reaction, ok bool) {
	switch kind {
	case SignalBounce:
		r = Reaction{Count: 5, Share: 0.05, Within: 24 * time.Hour, Factor: 0.5}
	case SignalComplaint:
		r = Reaction{Count: 1, Share: 0.001, Within: 24 * time.Hour, Factor: 0.5}
	case SignalThrottled:
		r = Reaction{Count: 1, Within: time.Hour, Factor: 0.7, Pause: time.Hour}
	case SignalReply:
		r = Reaction{Count: 25, Within: time.Hour, Factor: 0.7}
	case SignalUnusualActivity:
		r = Reaction{Count: 1, Within: 24 * time.Hour, Factor: 0.25, Pause: 24 * time.Hour}
	case SignalAuthentication:
		r = Reaction{Count: 1, Within: 24 * time.Hour, Factor: 0.25}
	case SignalTenantBlocked:
		r = Reaction{Count: 1, Within: 4 * time.Hour, Factor: 0.7, Pause: 4 * time.Hour}
	default:
		return Reaction{}, false
	}
	if own, found := c.Reactions[kind]; found {
		r = own
	}
	return r, true
}

// maxPause bounds a pause, so that a wrong clock somewhere does not stop a
// mailbox for good.
const maxPause = 30 * 24 * time.Hour

// resolve fills in the default and refuses what makes no sense. Errors name the
// field below prefix.
func (c *SlowDown) resolve(prefix string) (SlowDown, error) {
	r := SlowDown{Floor: defaultFloor, Recovery: defaultRecovery}
	if c == nil {
		return r, nil
	}
	if c.Floor != 0 {
		r.Floor = c.Floor
	}
	if c.Recovery != 0 {
		r.Recovery = c.Recovery
	}
	if !share(r.Floor) { // written so that NaN fails
		return r, mailbox.Invalid(prefix+"floor", "above 0, at most 1", "is out of range")
	}
	if !share(r.Recovery) {
		return r, mailbox.Invalid(prefix+"recovery", "above 0, at most 1", "is out of range")
	}
	r.Reactions = maps.Clone(c.Reactions)
	for _, kind := range slices.Sorted(maps.Keys(c.Reactions)) {
		field, x := fmt.Sprintf("%sreactions[%s].", prefix, kind), c.Reactions[kind]
		if _, known := r.reaction(kind); !known {
			return r, mailbox.Invalid(field+"kind", "a kind that can be signalled", "is not known")
		}
		switch {
		case x.Count < 1 || x.Count > maxSignals:
			return r, mailbox.Invalid(field+"count", fmt.Sprintf("1 to %d", maxSignals), "is out of range")
		case x.Share != 0 && !share(x.Share):
			return r, mailbox.Invalid(field+"share", "0 to 1", "is out of range")
		case x.Within <= 0 || x.Within > Horizon:
			return r, mailbox.Invalid(field+"within", "above 0, at most 24h", "is out of range")
		case !share(x.Factor):
			return r, mailbox.Invalid(field+"factor", "above 0, at most 1", "is out of range")
		case x.Pause < 0 || x.Pause > maxPause:
			return r, mailbox.Invalid(field+"pause", "0 to 30 days", "is out of range")
		}
	}
	return r, nil
}

func share(x float64) bool { return x > 0 && x <= 1 }

// Change is one change of how much a mailbox or a group may send, with its
// reason.
type Change struct {
	At   time.Time  `json:"at"`
	Kind SignalKind `json:"kind"`
	// From and To are parts of the configured limits, 1 being all of them.
	From float64 `json:"from"`
	To   float64 `json:"to"`
	// Until is the end of a pause, if there is one.
	Until time.Time `json:"until,omitzero"`
	// Count is how many signals there were among Messages sent within Within.
	Count    int           `json:"count,omitempty"`
	Messages int           `json:"messages,omitempty"`
	Within   time.Duration `json:"within,omitempty"`
	// Note is what the host gave to Pause or Resume.
	Note string `json:"note,omitempty"`
}

// Reason says in words why, without a full stop: "6 % of the messages of 24
// hours bounced".
func (c Change) Reason() string {
	part := ""
	if c.Messages > 0 {
		part = fmt.Sprintf("%s of the messages of %s", percent(c.Count, c.Messages), span(c.Within))
	}
	switch {
	case c.Kind == SignalBounce && part != "":
		return part + " bounced"
	case c.Kind == SignalBounce:
		return "messages bounced"
	case c.Kind == SignalComplaint:
		return "recipients called messages spam"
	case c.Kind == SignalThrottled:
		return "the mail service asked to send less"
	case c.Kind == SignalReply:
		return fmt.Sprintf("%d answers came within %s", c.Count, span(c.Within))
	case c.Kind == SignalUnusualActivity:
		return "the mail service noticed unusual activity in the account"
	case c.Kind == SignalAuthentication:
		return "mail of the domain fails SPF, DKIM or DMARC"
	case c.Kind == SignalTenantBlocked:
		return "the mail service refuses mail of the whole organisation"
	case c.Note != "":
		return c.Note
	default:
		return "it was asked for"
	}
}

// percent is a share in whole percent, or in tenths where it is small. There may
// be more bounces than messages: what bounces was sent before.
func percent(part, whole int) string {
	p := min(100, 100*float64(part)/float64(whole))
	if p < 1 {
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

// span is a duration in words.
func span(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "an hour"
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	default:
		return d.String()
	}
}
