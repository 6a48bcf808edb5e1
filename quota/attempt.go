package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// attempt is one decision while it is made: the logs that have a say in it, the
// mailbox's first. It is reused, so that a decision allocates nothing.
type attempt struct {
	sends *Sends
	rules *rules
	now   time.Time // by the clock of this machine
	dry   bool
	// open is when the mailbox's hours begin, if they are closed now.
	open   time.Time
	places []place
}

// place is what one log is asked about a message, and what it says.
type place struct {
	ask     Ask
	limits  GroupLimits // of a group
	state   known
	limited []limit // one for each window
	answer  Answer
	pause   bool // it is paused
	entered bool // the entry was made
}

// limit is what a window stands for.
type limit struct {
	rule Rule
	// from is when the limit begins to hold: a window of later is advisory.
	from time.Time
	// raised is by how much the window is larger than the limit, so that a message
	// with many recipients can go at all.
	raised int
}

// counts reports whether messages are counted in the log.
func (p *place) counts() bool {
	return p.ask.Kind == LogMailbox || p.limits != GroupLimits{}
}

// begin checks a request and finds the logs that have a say in it.
func (a *attempt) begin(s *Sends, r *SendRequest, dry bool) error {
	a.places = a.places[:0]
	own := a.add()
	if err := s.fillEntry(&own.ask.Entry, r); err != nil {
		return err
	}
	rules, err := s.rulesOf(r.Ref, r.Provider)
	if err != nil {
		return err
	}
	a.sends, a.rules, a.dry, a.now, a.open = s, rules, dry, s.clock(), time.Time{}
	if s.memory != nil && own.ask.At.IsZero() {
		own.ask.At = a.now // its clock is this one
	}
	if at := rules.schedule.next(a.now, rules.calendar.zone); at.After(a.now) {
		a.open = at
	}
	return a.addGroups(r)
}

// add adds a place, with the space that an earlier attempt left.
func (a *attempt) add() *place {
	if n := len(a.places); n < cap(a.places) {
		a.places = a.places[:n+1]
	} else {
		a.places = append(a.places, place{})
	}
	p := &a.places[len(a.places)-1]
	p.limits, p.pause, p.entered = GroupLimits{}, false, false
	p.state, p.answer = known{}, Answer{}
	p.ask.Windows, p.limited = p.ask.Windows[:0], p.limited[:0]
	return p
}

// addGroups adds the groups that a message belongs to.
func (a *attempt) addGroups(r *SendRequest) error {
	if err := a.addGroup(Log{Tenant: r.Tenant, Kind: LogTenant}, a.places[0].ask.Recipients); err != nil {
		return err
	}
	if r.From != "" {
		if l := domainLog(LogDomain, r.Tenant, r.From); l.Name != "" {
			if err := a.addGroup(l, a.places[0].ask.Recipients); err != nil {
				return err
			}
		}
	}
	if s := a.sends; s.groups.recipientDomain == (GroupLimits{}) && s.ofGroup == nil {
		return nil
	}
	counts := make(map[string]int)
	var order []Log
	for _, address := range r.To {
		l := domainLog(LogRecipientDomain, r.Tenant, address)
		if counts[l.Name]++; counts[l.Name] == 1 && l.Name != "" {
			order = append(order, l)
		}
	}
	for _, l := range order {
		if err := a.addGroup(l, counts[l.Name]); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) addGroup(l Log, recipients int) error {
	if len(l.Name) > maxName {
		return mailbox.Invalid("domain", fmt.Sprintf("at most %d bytes", maxName), "is too long")
	}
	limits, err := a.sends.groupLimitsOf(l)
	if err != nil {
		return err
	}
	if limits == (GroupLimits{}) {
		if l.Kind == LogRecipientDomain {
			return nil // it has no state either
		}
		if k := a.sends.states.get(l); k.sendState == noState && k.fresh(a.now) {
			return nil // nor has this
		}
		a.add().ask.Entry = Entry{Log: l} // enough for its state
		return nil
	}
	e := groupEntry(a.places[0].ask.Entry, GroupPlace{Log: l, Recipients: recipients})
	p := a.add()
	p.ask.Entry, p.limits = e, limits
	return nil
}

// possible refuses what could never be allowed.
func (a *attempt) possible() error {
	if most := a.rules.PerMessage; a.places[0].ask.Recipients > most {
		return mailbox.Invalid("recipients", fmt.Sprintf("at most %d", most), "are more than a message of the mailbox may have")
	}
	for i := range a.places {
		if p := &a.places[i]; p.limits.Recipients > 0 && p.ask.Recipients > p.limits.Recipients {
			return mailbox.Invalid("recipients", "what a group may have in 24 hours", "are too many")
		}
	}
	return nil
}

// decide asks every log. What was entered in some is taken back when another
// refuses; those after that are asked all the same, for their reasons.
func (a *attempt) decide(ctx context.Context) error {
	refused := a.dry || !a.open.IsZero()
	for i := range a.places { // pauses first: nothing is entered that they refuse
		if p := &a.places[i]; !p.counts() {
			if err := a.ask(ctx, p, true); err != nil {
				return err
			}
			refused = refused || p.pause
		}
	}
	for i := range a.places {
		p := &a.places[i]
		if !p.counts() {
			continue
		}
		err := a.ask(ctx, p, refused)
		if err == nil && (refused || p.answer.Allowed && !p.pause) {
			continue
		}
		if undo := a.undo(ctx); err == nil {
			err = undo
		}
		if err != nil {
			return err
		}
		refused = true
	}
	return nil
}

// undo takes back the entries that were made. One that was there before stays:
// its message may have gone out.
func (a *attempt) undo(ctx context.Context) error {
	var failed error
	for i := range a.places {
		p := &a.places[i]
		if !p.entered || p.answer.Known {
			continue
		}
		p.entered = false
		// Also when ctx is over: the place would be lost for a day.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		err := a.sends.remove(ctx, p.ask.Log, p.ask.Key)
		cancel()
		if err != nil {
			failed = err
		}
	}
	return failed
}

const undoTimeout = 5 * time.Second

// maxStale bounds how often a decision is begun again because others change the
// state meanwhile.
const maxStale = 100

// ask asks one log, with the newest state.
func (a *attempt) ask(ctx context.Context, p *place, dry bool) error {
	s := a.sends
	if !p.counts() {
		state, err := s.groupState(ctx, p.ask.Log, a.now)
		if err != nil {
			return err
		}
		p.state, p.pause, p.answer.Allowed = state, state.paused(a.now), true
		return nil
	}
	p.state = s.states.get(p.ask.Log)
	for range maxStale {
		p.pause = p.state.paused(a.now)
		a.fillWindows(p)
		p.ask.Version, p.ask.DryRun = p.state.version, dry || p.pause
		if err := s.ask(ctx, &p.ask, &p.answer); err != nil {
			return err
		}
		if !p.answer.Stale {
			p.ask.Usage = p.answer.Usage
			p.entered = p.answer.Allowed && !p.ask.DryRun
			return nil
		}
		var err error
		if p.state, err = s.learn(p.ask.Log, p.answer.State); err != nil {
			return err
		}
	}
	return errBusyState
}

func (a *attempt) fillWindows(p *place) {
	p.ask.Windows, p.limited = p.ask.Windows[:0], p.limited[:0]
	if p.ask.Kind == LogMailbox {
		a.fillMailbox(p)
		return
	}
	l := &p.limits
	a.fillRising(p, l.Messages, l.Recipients)
	if l.PerMinute > 0 {
		p.add(RulePace, Window{Per: time.Minute, Max: l.PerMinute})
	}
	if l.Gap > 0 {
		p.add(RuleGap, Window{Per: roundUp(l.Gap), Max: 1})
	}
}

func (a *attempt) fillMailbox(p *place) {
	r := a.rules
	a.fillRising(p, r.Messages, r.Recipients)
	p.add(RulePace, Window{Per: time.Minute, Max: r.PerMinute})
	if gap := r.gap(p.ask.Key); gap > 0 {
		p.add(RuleGap, Window{Per: gap, Max: 1})
	}
	if r.DayMessages > 0 {
		p.add(RuleDayMessages, Window{Days: r.calendar.around(a.now), Max: r.DayMessages})
	}
	if r.DayRecipients > 0 {
		p.add(RuleDayRecipients, Window{Days: r.calendar.around(a.now), Max: r.DayRecipients, Recipients: true})
	}
}

// fillRising adds the caps of 24 hours: as they are now, and as they will be when
// they rise before all that counts now has aged out, which is later than 24 hours
// where clocks disagree.
func (a *attempt) fillRising(p *place, messages, recipients int) {
	need := p.ask.Recipients
	ofMessages, ofRecipients := RuleMessages, RuleRecipients
	if smaller := a.smaller(p); smaller != "" {
		ofMessages, ofRecipients = smaller, smaller
	}
	for from, last := a.now, 0; ; {
		part := a.part(p, from)
		m, r := partOf(messages, part), partOf(recipients, part)
		raised := max(0, need-r)
		r += raised
		if rank := m + r; rank > last {
			advisory := from.After(a.now)
			if messages > 0 {
				p.addFrom(ofMessages, from, Window{Per: Horizon, Max: m, Advisory: advisory})
			}
			if recipients > 0 {
				p.addFrom(ofRecipients, from, Window{Per: Horizon, Max: r, Recipients: true, Advisory: advisory})
				p.limited[len(p.limited)-1].raised = raised
			}
			last = rank
		}
		next := a.nextRise(p, from)
		if next.IsZero() || next.Sub(a.now) > Retention || len(p.ask.Windows) > maxWindows-8 {
			return
		}
		from = next
	}
}

// partOf is a part of a cap, at least one: 0.69 of 5,000 is 3,450, and not a little
// less.
func partOf(limit int, part float64) int { return max(1, int(part*float64(limit)+1e-6)) }

// part is how much of the caps of 24 hours holds at a time: what the warm-up
// gives, or what a slow-down leaves if that is less.
func (a *attempt) part(p *place, at time.Time) float64 {
	part := p.state.factor(at, a.rules.slowDown.Recovery)
	if w := a.rules.WarmUp; w != nil && p.ask.Kind == LogMailbox {
		part = min(part, float64(w.cap(a.rules.sendingDay(p.state.sendState, at), a.rules.Messages))/float64(a.rules.Messages))
	}
	return part
}

// smaller is the rule that makes the caps of 24 hours smaller than configured, if
// one does.
func (a *attempt) smaller(p *place) Rule {
	part := a.part(p, a.now)
	switch {
	case part >= 1:
		return ""
	case p.state.factor(a.now, a.rules.slowDown.Recovery) <= part:
		return RuleSlowDown
	case a.rules.WarmUp.cap(a.rules.sendingDay(p.state.sendState, a.now), a.rules.Messages) >= a.rules.Messages:
		return ""
	default:
		return RuleWarmUp
	}
}

// sendingDay is which day of sending a message that goes at a time is part of,
// where 1 is the first.
func (r *rules) sendingDay(s *sendState, at time.Time) int {
	if date(at, r.calendar.zone) <= s.Day {
		return s.SendingDays
	}
	return s.SendingDays + 1
}

// nextRise is when part may rise next.
func (a *attempt) nextRise(p *place, after time.Time) time.Time {
	next := p.state.nextRise(after, a.rules.slowDown.Recovery)
	if a.rules.WarmUp == nil || p.ask.Kind != LogMailbox {
		return next
	}
	for _, day := range a.rules.calendar.around(a.now) {
		if day.After(after) {
			return sooner(next, day)
		}
	}
	return next
}

// gap is the gap before a message, with what its key draws.
func (r *rules) gap(key string) time.Duration {
	gap := r.Gap
	if r.Jitter > 0 {
		h := hashOf(key)
		h = (h ^ h>>32) * 0x9e3779b97f4a7c15 // spreads what keys that count up differ in
		gap += time.Duration(float64(r.Jitter) * (float64(h>>11) / (1 << 53)))
	}
	return roundUp(gap)
}

// roundUp rounds to the precision of stores.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Microsecond - 1).Truncate(time.Microsecond)
}

func (p *place) add(rule Rule, w Window) { p.addFrom(rule, time.Time{}, w) }

func (p *place) addFrom(rule Rule, from time.Time, w Window) {
	p.limited = append(p.limited, limit{rule: rule, from: from})
	p.ask.Windows = append(p.ask.Windows, w)
}

func (s *sendState) paused(at time.Time) bool { return s.Paused.After(at) }

func (a *attempt) reservation(ref mailbox.Ref) Reservation {
	own := &a.places[0]
	r := Reservation{Ref: ref, ID: own.ask.Key, Recipients: own.ask.Recipients, At: own.answer.At}
	if a.rules.WarmUp != nil {
		r.Day = date(own.answer.At, a.rules.calendar.zone)
	}
	for i := range a.places[1:] {
		if p := &a.places[1+i]; p.counts() {
			r.Groups = append(r.Groups, GroupPlace{Log: p.ask.Log, Recipients: p.ask.Recipients})
		}
	}
	return r
}
