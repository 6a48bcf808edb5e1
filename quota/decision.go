package quota

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Decision says whether a message may go now, and why not. Who stores it or sends
// it on as JSON has to add its Reasons.
type Decision struct {
	Allowed bool
	// NotBefore is the earliest time at which the same request is allowed if
	// nothing else happens; zero if it is allowed now. It is not before any of the
	// Reasons.
	NotBefore time.Time
	// Remaining is how many more messages of one recipient the caps of 24 hours
	// and of the day leave, after this one if it was allowed; 0 during a pause.
	Remaining int
	// Binding is the rule that leaves the least: that of the first Reason, or
	// the one that Remaining comes from.
	Binding Rule

	// What Reasons are made of: the first ones are part of the decision, so that
	// one that nobody asks for reasons allocates nothing.
	rules      *rules
	now        time.Time
	first      [3]objection
	objections int // how many of first there are
	more       []objection
}

// Reasons are the limits that hold the message back, the one that binds longest
// first; none if it is allowed. They are written when they are asked for: a host
// that only waits until NotBefore does not pay for them.
func (d Decision) Reasons() []Reason {
	var list []Reason
	for _, o := range slices.Concat(d.first[:d.objections], d.more) {
		list = append(list, Reason{
			Rule: o.rule, Log: o.log, Text: o.text(d.rules, d.now), NotBefore: o.notBefore, Limit: o.limit, Used: o.used,
		})
	}
	slices.SortStableFunc(list, func(a, b Reason) int { return b.NotBefore.Compare(a.NotBefore) })
	return list
}

// String tells the decision in one line, with all reasons.
func (d Decision) String() string {
	if d.Allowed {
		return fmt.Sprintf("allowed, %d more remain", d.Remaining)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "not before %s:", d.NotBefore.Format(time.RFC3339))
	for _, r := range d.Reasons() {
		b.WriteString(" " + r.Text)
	}
	return b.String()
}

// object adds to what holds the message back, and returns it for what else there
// is to say.
func (d *Decision) object(rule Rule, log *Log, notBefore time.Time) *objection {
	if d.objections == 0 || notBefore.After(d.NotBefore) {
		d.NotBefore, d.Binding = notBefore, rule
	}
	var o *objection
	if d.objections < len(d.first) {
		o = &d.first[d.objections]
		d.objections++
	} else {
		d.more = append(d.more, objection{})
		o = &d.more[len(d.more)-1]
	}
	o.rule, o.log, o.notBefore = rule, *log, notBefore
	return o
}

// Reason is one limit that holds a message back.
type Reason struct {
	Rule Rule
	// Log is the mailbox or the group whose limit it is.
	Log Log
	// Text tells a user in one sentence; it holds nothing secret.
	Text string
	// NotBefore is when this limit alone would let the message go.
	NotBefore time.Time
	// Limit and Used are counts of what Rule is about. For RuleGap they are 1, for
	// RuleHours and RulePaused 0.
	Limit, Used int
}

// objection is a Reason before its text is written.
type objection struct {
	rule        Rule
	log         Log
	notBefore   time.Time
	limit, used int
	recipients  int           // how many the message has; 0 if the rule is about messages
	per         time.Duration // of a gap
	state       *sendState
}

// Rule names a limit on sending. The values are stable.
type Rule string

// The rules.
const (
	RuleMessages      Rule = "messages_24h"
	RuleRecipients    Rule = "recipients_24h"
	RuleDayMessages   Rule = "messages_day"
	RuleDayRecipients Rule = "recipients_day"
	RulePace          Rule = "messages_per_minute"
	RuleGap           Rule = "gap"
	RuleHours         Rule = "hours"
	RulePaused        Rule = "paused"
	// RuleWarmUp and RuleSlowDown stand for the first two where a warm-up or a
	// slow-down makes them smaller.
	RuleWarmUp   Rule = "warm_up"
	RuleSlowDown Rule = "slow_down"
)

// explain makes a decision of the answers of all logs.
func (a *attempt) explain(d *Decision) {
	d.Allowed, d.Remaining = a.open.IsZero(), -1
	for i := range a.places {
		p := &a.places[i]
		d.Allowed = d.Allowed && p.answer.Allowed && !p.pause
	}
	paused := false
	for i := range a.places {
		p := &a.places[i]
		paused = paused || p.pause
		a.remaining(d, p)
	}
	d.Remaining = max(d.Remaining, 0)
	if d.Allowed {
		return
	}
	if paused {
		d.Remaining = 0
	}
	d.rules, d.now = a.rules, a.now
	for i := range a.places {
		a.places[i].object(d)
	}
	// The caps only open with time: what is free before the hours begin is free
	// then too.
	at := a.rules.schedule.next(later(a.now, d.NotBefore), a.rules.calendar.zone)
	if at.After(later(a.now, d.NotBefore)) || !a.open.IsZero() {
		begin := at
		if at.Equal(d.NotBefore) { // they begin before something else is over
			begin = a.open
		}
		d.object(RuleHours, &a.places[0].ask.Log, begin)
	}
}

// remaining lowers what the decision leaves to what a log leaves.
func (a *attempt) remaining(d *Decision, p *place) {
	for i, u := range p.answer.Usage {
		w := &p.ask.Windows[i]
		if w.Per > 0 && w.Per < Horizon || w.Advisory {
			continue
		}
		left := w.Max - p.limited[i].raised - u.Used
		if d.Allowed {
			left--
			if w.Recipients {
				left -= p.ask.Recipients - 1
			}
		}
		if d.Remaining < 0 || left < d.Remaining {
			d.Remaining = max(0, left)
			d.Binding = p.limited[i].rule
		}
	}
}

// object tells what a log has against the message.
func (p *place) object(d *Decision) {
	if p.pause {
		d.object(RulePaused, &p.ask.Log, p.state.Paused).state = p.state.sendState
	}
	for i := range p.answer.Usage {
		u, w := &p.answer.Usage[i], &p.ask.Windows[i]
		if w.Advisory || u.NotBefore.IsZero() {
			continue
		}
		o := d.object(p.limited[i].rule, &p.ask.Log, p.room(i))
		o.limit, o.used, o.per, o.state = w.Max, u.Used, w.Per, p.state.sendState
		if o.rule == RuleGap {
			o.used = 1 // more may have gone by hand
		}
		if w.Recipients {
			o.recipients = p.ask.Recipients
		}
	}
}

// room is when there is room in a window, or in the larger ones that follow.
func (p *place) room(i int) time.Time {
	at := p.answer.Usage[i].NotBefore
	for j := i + 1; j < len(p.ask.Windows); j++ {
		if p.ask.Windows[j].Advisory && p.limited[j].rule == p.limited[i].rule && p.ask.Windows[j].Recipients == p.ask.Windows[i].Recipients {
			if then := later(p.limited[j].from, p.answer.Usage[j].NotBefore); then.Before(at) {
				at = then
			}
		}
	}
	return at
}

// of returns the word for the kind of a log.
func (l Log) of(mailbox, domain, tenant, recipients string) string {
	switch l.Kind {
	case LogDomain:
		return domain
	case LogTenant:
		return tenant
	case LogRecipientDomain:
		return recipients
	default:
		return mailbox
	}
}

// text tells the reason in one sentence.
func (o *objection) text(r *rules, now time.Time) string {
	of := o.log.of("", " from "+o.log.Name, " of the organisation", " to "+o.log.Name)
	what, own := "messages", ""
	if o.recipients > 0 {
		what = "recipients"
	}
	if o.recipients > 1 {
		own = fmt.Sprintf("; this message has %d", o.recipients)
	}
	switch o.rule {
	case RuleHours:
		return fmt.Sprintf("Outside of the sending hours, which begin %s.", r.moment(o.notBefore, now))
	case RulePaused:
		who := o.log.of("Sending", "Sending from "+o.log.Name, "Sending for the whole organisation", "")
		return fmt.Sprintf("%s is paused until %s because %s.", who, r.moment(o.notBefore, now), o.state.why(true).Reason())
	case RulePace:
		return fmt.Sprintf("%d of %d messages%s of the last minute are used.", o.used, o.limit, of)
	case RuleGap:
		return fmt.Sprintf("Less than %s have passed since the last message%s.", o.per.Round(time.Second/10), of)
	case RuleDayMessages, RuleDayRecipients:
		return fmt.Sprintf("%d of %d %s of today are used%s.", o.used, o.limit, what, own)
	case RuleWarmUp:
		return fmt.Sprintf("%d of %d %s of the last 24 hours are used: the mailbox is on day %d of its warm-up%s.",
			o.used, o.limit, what, r.sendingDay(o.state, now)+r.WarmUp.Days, own)
	case RuleSlowDown:
		return fmt.Sprintf("Slowed down until %s because %s: %d of %d %s%s of the last 24 hours are used%s.",
			r.moment(o.state.recovered(r.slowDown.Recovery), now), o.state.why(false).Reason(), o.used, o.limit, what, of, own)
	default:
		return fmt.Sprintf("%d of %d %s%s of the last 24 hours are used%s.", o.used, o.limit, what, of, own)
	}
}

// moment is a time in words, on the wall of the mailbox's zone: the hour of the
// same day, with the weekday within a week, else with the date.
func (r *rules) moment(t, now time.Time) string {
	zone := r.calendar.zone
	local := t.In(zone)
	switch days := date(t, zone) - date(now, zone); {
	case days == 0:
		return local.Format("15:04")
	case days < 7:
		return local.Format("Monday 15:04")
	default:
		return local.Format("2 January 15:04")
	}
}

// why returns the change that made the pause, or the one that lowered the limits
// last.
func (s *sendState) why(pause bool) Change {
	for _, c := range slices.Backward(s.Changes) {
		if pause && c.Until.Equal(s.Paused) || !pause && c.To < c.From {
			return c
		}
	}
	return Change{Kind: SignalManual}
}
