package quota

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

var errBusyState = errors.New("quota: the state is changed by too many at once")

// Signal is something that happened to mail of a mailbox.
type Signal struct {
	mailbox.Ref
	Provider mailbox.ProviderName
	Kind     SignalKind
	// ID names what happened, so that hearing of it twice counts once: for
	// instance mailbox.Event.ID. Required.
	ID string
	// From is the address of the mailbox; required for SignalAuthentication.
	From string
	// At is when it happened; zero means now. What is older than 24 hours counts
	// no more.
	At time.Time
	// Wait is how long the provider asks to wait, for SignalThrottled and
	// SignalTenantBlocked; at most 30 days are believed.
	Wait time.Duration
}

// Signal counts a signal, and slows down or pauses what it is about when the
// limits of the mailbox say so. It returns the change, or nil. Safe to repeat
// with the same ID.
func (s *Sends) Signal(ctx context.Context, g Signal) (*Change, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	if g.ID == "" || len(g.ID) > 512 {
		return nil, mailbox.Invalid("id", "1 to 512 bytes", "is empty or too long")
	}
	rules, err := s.rulesOf(g.Ref, g.Provider)
	if err != nil {
		return nil, err
	}
	reaction, ok := rules.slowDown.reaction(g.Kind)
	if !ok {
		return nil, mailbox.Invalid("kind", "a kind that can be signalled", "is not known")
	}
	l := mailboxLog(g.Ref)
	switch g.Kind {
	case SignalAuthentication:
		l = domainLog(LogDomain, g.Tenant, g.From)
		if l.Name == "" {
			return nil, mailbox.Invalid("from", "an address", "is missing")
		}
	case SignalTenantBlocked:
		l = Log{Tenant: g.Tenant, Kind: LogTenant}
	}
	now := s.clock()
	if g.At.IsZero() || g.At.After(now) {
		g.At = now
	}
	if now.Sub(g.At) >= Horizon {
		return nil, nil
	}
	messages := 0
	if reaction.Share > 0 {
		if messages, err = s.sentWithin(ctx, l, reaction.Within); err != nil {
			return nil, storageError("signal", g.Ref, mailbox.OutcomeNone, err)
		}
	}
	var made *Change
	err = s.change(ctx, l, func(st *sendState) bool {
		made = nil
		id := hashOf(string(g.Kind) + "\n" + string(g.Mailbox) + "\n" + g.ID)
		if slices.ContainsFunc(st.Signals, func(x seen) bool { return x.ID == id }) {
			return false
		}
		st.Signals = slices.DeleteFunc(st.Signals, func(x seen) bool { return now.Sub(x.At) >= Horizon })
		for len(st.Signals) >= maxSignals {
			st.forgetSignal()
		}
		st.Signals = append(st.Signals, seen{Kind: g.Kind, ID: id, At: g.At})
		made = st.react(g, reaction, &rules.slowDown, now, messages)
		return true
	})
	if err != nil {
		return nil, storageError("signal", g.Ref, mailbox.OutcomeNone, err)
	}
	return made, nil
}

// sentWithin counts the messages of a log.
func (s *Sends) sentWithin(ctx context.Context, l Log, span time.Duration) (int, error) {
	ask := Ask{Entry: Entry{Log: l, Key: probe, Recipients: 1}, Windows: []Window{{Per: roundUp(span), Max: math.MaxInt32}}, DryRun: true}
	if s.now != nil {
		ask.At = s.now()
	}
	answer, err := s.askStore(ctx, ask)
	if err != nil {
		return 0, err
	}
	return answer.Usage[0].Used, nil
}

// forgetSignal forgets the first signal of the kind that has the most: many
// answers do not make the bounces forgotten.
func (s *sendState) forgetSignal() {
	counts := make(map[SignalKind]int)
	for _, x := range s.Signals {
		counts[x.Kind]++
	}
	first := 0
	for i, x := range slices.Backward(s.Signals) {
		if counts[x.Kind] >= counts[s.Signals[first].Kind] {
			first = i
		}
	}
	s.Signals = slices.Delete(s.Signals, first, first+1)
}

// react applies a reaction if the signals call for it.
func (s *sendState) react(g Signal, r Reaction, c *SlowDown, now time.Time, messages int) *Change {
	if r.Factor == 1 && r.Pause == 0 {
		return nil // switched off
	}
	if g.Kind != SignalThrottled && g.Kind != SignalTenantBlocked {
		g.Wait = 0
	}
	count, struck := 0, false
	for _, x := range s.Signals {
		if x.Kind == g.Kind && now.Sub(x.At) < r.Within {
			count++
		}
	}
	for _, old := range s.Changes {
		struck = struck || old.Kind == g.Kind && old.To < old.From && now.Sub(old.At) < r.Within
	}
	if count < r.Count || float64(count) < r.Share*float64(messages)*(1-1e-9) { // 0.07 * 100 is a little more than 7
		return nil
	}
	before := s.factor(now, c.Recovery)
	change := Change{At: now, Kind: g.Kind, From: before, To: before, Count: count, Messages: messages, Within: r.Within}
	if until := now.Add(roundUp(min(maxPause, cmp.Or(max(g.Wait, 0), r.Pause)))); until.After(later(now, s.Paused)) {
		change.Until = until
		s.Paused = until
	}
	if !struck {
		change.To = min(before, max(c.Floor, before*r.Factor)) // the floor may have been lower
	}
	if change.To >= before && change.Until.IsZero() {
		return nil
	}
	if change.To < before {
		s.Reduced, s.Since = 1-change.To, now
	}
	s.record(change)
	return &change
}

func (s *sendState) record(c Change) {
	if len(s.Changes) >= maxChanges {
		first := 0
		if c := s.Changes[0]; !c.Until.IsZero() && c.Until.Equal(s.Paused) {
			first = 1 // it tells why there is a pause
		}
		s.Changes = slices.Delete(s.Changes, first, first+1)
	}
	s.Changes = append(s.Changes, c)
}

// Pause stops the sending of a log until a time, at most 30 days from now: of a
// mailbox, of all mailboxes with a domain, or of a tenant. The note is for
// people, at most 256 bytes; it stands in the reasons of decisions. Messages
// that are on their way are not stopped.
func (s *Sends) Pause(ctx context.Context, l Log, until time.Time, note string) error {
	now := s.clock()
	if !until.After(now) || until.Sub(now) > maxPause {
		return mailbox.Invalid("until", "within the next 30 days", "is out of range")
	}
	until = now.Add(roundUp(until.Sub(now))) // decisions know no parts of a microsecond
	return s.manual(ctx, l, note, func(st *sendState, c *Change) { st.Paused, c.Until = until, until })
}

// Resume ends a pause and a slow-down of a log, for instance because a person
// has mended what had caused them.
func (s *Sends) Resume(ctx context.Context, l Log, note string) error {
	return s.manual(ctx, l, note, func(st *sendState, c *Change) {
		st.Paused, st.Reduced, st.Since, c.To = time.Time{}, 0, time.Time{}, 1
	})
}

// manual changes a state by hand. Which limits a log has is not known here: From
// and To of the change go by the default recovery.
func (s *Sends) manual(ctx context.Context, l Log, note string, f func(*sendState, *Change)) error {
	if len(note) > maxNote {
		return mailbox.Invalid("note", "at most 256 bytes", "is too long")
	}
	if err := (Entry{Log: l, Key: "-", Recipients: 1}).Validate(); err != nil {
		return err
	}
	if l.Kind == LogDomain {
		l.Name = strings.ToLower(l.Name)
	}
	now := s.clock()
	err := s.change(ctx, l, func(st *sendState) bool {
		factor := st.factor(now, defaultRecovery)
		c := Change{At: now, Kind: SignalManual, From: factor, To: factor, Note: note}
		f(st, &c)
		st.record(c)
		return true
	})
	return storageError("pause", mailbox.Ref{Tenant: l.Tenant}, mailbox.OutcomeNone, err)
}
