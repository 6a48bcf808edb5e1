package quota

import (
	"fmt"
	"slices"
	"time"
)

// Decision says whether a message may go now, and why not.
type Decision struct {
	Allowed bool
	// NotBefore is the earliest time at which the same request is allowed if
	// nothing else happens; zero if it is allowed now. It is not before any of the
	// Reasons.
	NotBefore time.Time
	// Reasons are the limits that hold the message back, the one that binds
	// longest first. Empty if it is allowed.
	Reasons []Reason
	// Remaining is how many more messages of one recipient the caps of 24 hours
	// and of the day leave, after this one if it was allowed; 0 during a pause.
	Remaining int
	// Binding is the rule that leaves the least: that of the first Reason, or
	// the one that Remaining comes from.
	Binding Rule
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

// decision explains the answers of all logs.
func (a *attempt) decision() Decision {
	d := Decision{Allowed: a.open.IsZero(), Remaining: -1}
	for i := range a.places {
		p := &a.places[i]
		d.Allowed = d.Allowed && p.answer.Allowed && !p.pause
	}
	paused := false
	for i := range a.places {
		p := &a.places[i]
		paused = paused || p.pause
		a.remaining(&d, p)
	}
	d.Remaining = max(d.Remaining, 0)
	if d.Allowed {
		return d
	}
	if paused {
		d.Remaining = 0
	}
	for i := range a.places {
		d.Reasons = a.reasons(d.Reasons, &a.places[i])
	}
	for _, r := range d.Reasons {
		d.NotBefore = later(d.NotBefore, r.NotBefore)
	}
	// The caps only open with time: what is free before the hours begin is free
	// then too.
	at := a.rules.schedule.next(later(a.now, d.NotBefore), a.rules.calendar.zone)
	if at.After(later(a.now, d.NotBefore)) || !a.open.IsZero() {
		begin := at
		if at.Equal(d.NotBefore) { // they begin before something else is over
			begin = a.open
		}
		d.NotBefore = at
		d.Reasons = append(d.Reasons, Reason{
			Rule: RuleHours, Log: a.places[0].entry.Log, NotBefore: begin,
			Text: fmt.Sprintf("Outside of the sending hours, which begin %s.", a.moment(begin)),
		})
	}
	slices.SortStableFunc(d.Reasons, func(a, b Reason) int { return b.NotBefore.Compare(a.NotBefore) })
	d.Binding = d.Reasons[0].Rule
	return d
}

// remaining lowers what the decision leaves to what a log leaves.
func (a *attempt) remaining(d *Decision, p *place) {
	for i, u := range p.usage[:len(p.answer.Usage)] {
		w := &p.windows[i]
		if w.Per > 0 && w.Per < Horizon || w.Advisory {
			continue
		}
		left := w.Max - p.limited[i].raised - u.Used
		if d.Allowed {
			left--
			if w.Recipients {
				left -= p.entry.Recipients - 1
			}
		}
		if d.Remaining < 0 || left < d.Remaining {
			d.Remaining = max(0, left)
			d.Binding = a.named(p, i)
		}
	}
}

// named returns the rule of a window: what made it smaller, if it is smaller than
// configured.
func (a *attempt) named(p *place, i int) Rule {
	rule := p.limited[i].rule
	if rule != RuleMessages && rule != RuleRecipients {
		return rule
	}
	part := a.part(p, a.now)
	switch {
	case part >= 1:
		return rule
	case p.state.factor(a.now, a.rules.slowDown.Recovery) <= part:
		return RuleSlowDown
	case a.rules.WarmUp.cap(a.sendingDay(p, a.now), a.rules.Messages) >= a.rules.Messages:
		return rule
	default:
		return RuleWarmUp
	}
}

// reasons adds what a log has against the message.
func (a *attempt) reasons(list []Reason, p *place) []Reason {
	if p.pause {
		list = append(list, Reason{
			Rule: RulePaused, Log: p.entry.Log, NotBefore: p.state.Paused,
			Text: fmt.Sprintf("%s is paused until %s because %s.", p.who("Sending", "Sending from "+p.entry.Name, "Sending for the whole organisation", ""), a.moment(p.state.Paused), p.state.why(true).Reason()),
		})
	}
	for i, u := range p.answer.Usage {
		if p.windows[i].Advisory || u.NotBefore.IsZero() {
			continue
		}
		rule := a.named(p, i)
		if rule == RuleGap {
			u.Used = 1 // more may have gone by hand
		}
		list = append(list, Reason{
			Rule: rule, Log: p.entry.Log, NotBefore: p.room(i), Limit: p.windows[i].Max, Used: u.Used,
			Text: a.text(p, i, rule, u),
		})
	}
	return list
}

// room is when there is room in a window, or in the larger ones that follow.
func (p *place) room(i int) time.Time {
	at := p.answer.Usage[i].NotBefore
	for j := i + 1; j < len(p.windows); j++ {
		if p.windows[j].Advisory && p.limited[j].rule == p.limited[i].rule {
			if then := later(p.limited[j].from, p.answer.Usage[j].NotBefore); then.Before(at) {
				at = then
			}
		}
	}
	return at
}

// who returns the word for the log's kind.
func (p *place) who(mailbox, domain, tenant, recipients string) string {
	switch p.entry.Kind {
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

func (a *attempt) text(p *place, i int, rule Rule, u Usage) string {
	w := &p.windows[i]
	of := p.who("", " from "+p.entry.Name, " of the organisation", " to "+p.entry.Name)
	what := "messages"
	if w.Recipients {
		what = "recipients"
	}
	own := ""
	if w.Recipients && p.entry.Recipients > 1 {
		own = fmt.Sprintf("; this message has %d", p.entry.Recipients)
	}
	switch rule {
	case RulePace:
		return fmt.Sprintf("%d of %d messages%s of the last minute are used.", u.Used, w.Max, of)
	case RuleGap:
		return fmt.Sprintf("Less than %s have passed since the last message%s.", w.Per.Round(time.Second/10), of)
	case RuleDayMessages, RuleDayRecipients:
		return fmt.Sprintf("%d of %d %s of today are used%s.", u.Used, w.Max, what, own)
	case RuleWarmUp:
		return fmt.Sprintf("%d of %d %s of the last 24 hours are used: the mailbox is on day %d of its warm-up%s.",
			u.Used, w.Max, what, a.sendingDay(p, a.now)+a.rules.WarmUp.Days, own)
	case RuleSlowDown:
		return fmt.Sprintf("Slowed down until %s because %s: %d of %d %s%s of the last 24 hours are used%s.",
			a.moment(p.state.recovered(a.rules.slowDown.Recovery)), p.state.why(false).Reason(), u.Used, w.Max, what, of, own)
	default:
		return fmt.Sprintf("%d of %d %s%s of the last 24 hours are used%s.", u.Used, w.Max, what, of, own)
	}
}

// moment is a time in words, on the wall of the mailbox's zone: the hour of the
// same day, with the weekday within a week, else with the date.
func (a *attempt) moment(t time.Time) string {
	zone := a.rules.calendar.zone
	local := t.In(zone)
	switch days := date(t, zone) - date(a.now, zone); {
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
