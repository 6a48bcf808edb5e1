package main

// example is what one mailbox sent each day, for the chart. A nil one keeps
// nothing.
type example struct {
	mailbox string
	days    []exampleDay
}

// exampleDay is a day of an example: what was sent, and the highest cap of 24
// hours that was in force.
type exampleDay struct{ sent, cap int }

func (e *example) nextDay() {
	if e != nil {
		e.days = append(e.days, exampleDay{})
	}
}

// count counts what was sent, and looks at the cap.
func (e *example) count(r *referee, now int64, sent int) {
	if e == nil {
		return
	}
	today := &e.days[len(e.days)-1]
	today.sent += sent
	messages, _, _ := r.caps(now)
	today.cap = max(today.cap, messages)
}
