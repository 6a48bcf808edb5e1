package main

// usage measures how much of what a mailbox might have sent it did send: on days
// on which it had mail waiting from the first moment to the last, and nothing
// slowed it down.
type usage struct {
	began           bool
	idle, disturbed bool
	could           int // messages of this day
	couldRecipients int
	sent            int // this day, by hand included
	recipients      int
}

// workedOut is a sum over days.
type workedOut struct{ days, sent, could int }

// nextDay closes a day and begins another. One more message than the mailbox may
// have is waiting, or not.
func (r *referee) nextDay(now int64, waiting bool) workedOut {
	var done workedOut
	if u := &r.use; u.began && !u.idle && !u.disturbed && u.could > 0 {
		part := max(float64(u.sent)/float64(u.could), float64(u.recipients)/float64(u.couldRecipients))
		done = workedOut{days: 1, sent: int(min(1, part)*float64(u.could) + 0.5), could: u.could}
	}
	r.use = usage{began: true, idle: !waiting, disturbed: now < r.slow.paused}
	r.use.could, r.use.couldRecipients = r.capacity(now)
	return done
}

// capacity is what a mailbox could send on a day: the least of the caps and of
// what the hours have room for.
func (r *referee) capacity(now int64) (messages, recipients int) {
	l := &r.resident.limits
	messages, recipients, _ = r.caps(now)
	if l.DayMessages > 0 {
		messages = min(messages, l.DayMessages)
	}
	if l.DayRecipients > 0 {
		recipients = min(recipients, l.DayRecipients)
	}
	const quarter = 15 * minute
	open := int64(0)
	for at := now; at < r.dayOf(now).ends; at += quarter {
		if r.open(at) {
			open += quarter
		}
	}
	apart := max(minute/int64(l.PerMinute), (l.Gap+l.Jitter/2).Microseconds()+flightMean)
	return min(messages, int(open/apart)), recipients
}
