package main

import (
	"fmt"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// referee watches one mailbox. It knows the limits and what happened, and judges
// by plain code of its own, which shares nothing with the library: whatever
// went out must have been allowed, and whatever was refused must have been
// forbidden.
//
// It keeps two tallies. In the one is what really went out, at the time at which
// the mail service took it (at the time of its reservation, if the process died
// before it knew: nobody can tell). In the other is what the governor has to
// count: every place from its reservation on, and from its commit on afterwards.
type referee struct {
	resident *resident
	report   func(rule, problem string)

	sent   tally
	places tally
	days   map[int]*dayCount

	today     localDay
	warmedUp  int // days of sending
	warmedDay int // the last of them
	slow      slowness
	use       usage
}

// dayCount counts a calendar day by reservation.
type dayCount struct{ sent, sentRecipients, places, placeRecipients int }

func newReferee(r *resident, report func(rule, problem string)) *referee {
	return &referee{resident: r, report: report, days: make(map[int]*dayCount), slow: newSlowness(r.limits.SlowDown)}
}

// wentOut judges a message that was reserved at one time and certainly had gone
// out at another.
func (r *referee) wentOut(reserved, certain int64, recipients int) {
	l := &r.resident.limits
	last := r.sent.last(certain)
	r.sent.add(certain, recipients)
	d := r.dayAt(reserved)
	d.sent++
	d.sentRecipients += recipients
	r.use.sent++
	r.use.recipients += recipients

	if !r.open(reserved) {
		r.report("hours", "sent outside of the hours")
	}
	if reserved < r.slow.paused {
		r.report("paused", "sent during a pause")
	}
	if last != 0 && certain-last < l.Gap.Microseconds() {
		r.report("gap", fmt.Sprintf("%v after the last message, the gap is %v", micros(certain-last), l.Gap))
	}
	if m, _ := r.sent.since(certain - minute); m > l.PerMinute {
		r.report("messages_per_minute", fmt.Sprintf("%d messages in a minute, the pace is %d", m, l.PerMinute))
	}
	if l.DayMessages > 0 && d.sent > l.DayMessages {
		r.report("messages_day", fmt.Sprintf("%d messages on a day, the cap is %d", d.sent, l.DayMessages))
	}
	if l.DayRecipients > 0 && d.sentRecipients > l.DayRecipients {
		r.report("recipients_day", fmt.Sprintf("%d recipients on a day, the cap is %d", d.sentRecipients, l.DayRecipients))
	}
	m, n := r.sent.since(certain - day)
	messages, most, rule := r.caps(reserved)
	if m > messages {
		r.report(or(rule, "messages_24h"), fmt.Sprintf("%d messages in 24 hours, the cap in force is %d of %d", m, messages, l.Messages))
	}
	if n > max(most, recipients) {
		r.report(or(rule, "recipients_24h"), fmt.Sprintf("%d recipients in 24 hours, the cap in force is %d of %d", n, most, l.Recipients))
	}
}

// refused judges a refusal: some limit must have been in the way. The place that
// the message itself holds, if it has one, does not count.
func (r *referee) refused(now int64, m *message) {
	if m.placed != 0 {
		r.leave(m.placed, m.recipients)
		defer r.reserve(m.placed, m.recipients)
	}
	if !r.forbidden(now, m.recipients) {
		r.report("needless", "refused although no limit is in the way")
	}
}

// forbidden reports whether a limit is in the way of one more message.
func (r *referee) forbidden(now int64, recipients int) bool {
	l := &r.resident.limits
	if !r.open(now) || now < r.slow.paused {
		return true
	}
	// What the key of a message draws of the jitter, the referee does not know.
	if longest := (l.Gap + l.Jitter).Microseconds() + 1; longest > 1 && r.places.last(1<<62) > now-longest {
		return true
	}
	if m, _ := r.places.since(now - minute); m+1 > l.PerMinute {
		return true
	}
	d := r.dayAt(now)
	if l.DayMessages > 0 && d.places+1 > l.DayMessages || l.DayRecipients > 0 && d.placeRecipients+recipients > l.DayRecipients {
		return true
	}
	m, n := r.places.since(now - day)
	messages, most, _ := r.caps(now)
	return m+1 > messages || n+recipients > max(most, recipients)
}

// reserve counts a place.
func (r *referee) reserve(now int64, recipients int) {
	r.places.add(now, recipients)
	d := r.dayAt(now)
	d.places++
	d.placeRecipients += recipients
}

// leave takes a place out again that was reserved at a time.
func (r *referee) leave(reserved int64, recipients int) {
	r.places.remove(reserved, recipients)
	d := r.dayAt(reserved)
	d.places--
	d.placeRecipients -= recipients
}

// settle moves a place from its reservation to its commit. If that is another
// day, it counts on both.
func (r *referee) settle(reserved, now int64, recipients int) {
	r.places.remove(reserved, recipients)
	r.places.add(now, recipients)
	if d := r.dayAt(now); d != r.dayAt(reserved) {
		d.places++
		d.placeRecipients += recipients
	}
	r.warm(r.dateOf(reserved))
}

// observed counts a message that was sent by hand at a time.
func (r *referee) observed(at int64, recipients int) {
	r.sent.add(at, recipients)
	r.reserve(at, recipients)
	d := r.dayAt(at)
	d.sent++
	d.sentRecipients += recipients
	r.use.sent++
	r.use.recipients += recipients
	r.warm(r.dateOf(at))
}

// warm counts a day of sending.
func (r *referee) warm(date int) {
	if date > r.warmedDay {
		r.warmedDay = date
		r.warmedUp++
	}
}

// caps are the caps of 24 hours in force, and the rule that makes them smaller
// than configured, if one does.
func (r *referee) caps(now int64) (messages, recipients int, rule string) {
	l := &r.resident.limits
	messages, recipients = l.Messages, l.Recipients
	if w := l.WarmUp; w != nil {
		days := r.warmedUp + w.Days
		if r.dateOf(now) > r.warmedDay {
			days++
		}
		if grown := w.Start + w.Step*(days-1); grown < messages {
			recipients = recipients * grown / messages
			messages, rule = grown, "warm_up"
		}
	}
	part := r.slow.part(now)
	if slowed := max(1, l.Messages*part/whole); slowed < messages {
		messages, recipients, rule = slowed, l.Recipients*part/whole, "slow_down"
	}
	return messages, recipients, rule
}

// open reports whether a moment is within the hours, by the clock on the wall.
func (r *referee) open(at int64) bool {
	hours := r.resident.limits.Hours
	if hours == nil {
		return true
	}
	local := time.UnixMicro(at).In(r.resident.zone)
	wall := quota.At(local.Hour(), local.Minute())
	for _, h := range hours {
		for _, d := range h.Days {
			if d == local.Weekday() && h.From <= wall && wall < h.Until {
				return true
			}
		}
	}
	return false
}

func (r *referee) dayAt(at int64) *dayCount {
	date := r.dateOf(at)
	d := r.days[date]
	if d == nil {
		d = new(dayCount)
		r.days[date] = d
		delete(r.days, date-5)
	}
	return d
}

func or(rule, otherwise string) string {
	if rule == "" {
		return otherwise
	}
	return rule
}

func micros(d int64) time.Duration { return time.Duration(d) * time.Microsecond }
