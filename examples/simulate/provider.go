package main

import "time"

// hardLimits are the rolling 24 h limits of a mail service.
type hardLimits struct{ messages, recipients int }

// service is the mail service that hosts one mailbox. It counts what really
// arrives, and refuses what exceeds its own limits.
type service struct {
	hard hardLimits
	seen tally
}

// accept takes a message that arrives at a time, or refuses it.
func (s *service) accept(at int64, recipients int) bool {
	m, r := s.seen.since(at - day)
	if m+1 > s.hard.messages || r+recipients > s.hard.recipients {
		return false
	}
	s.seen.add(at, recipients)
	return true
}

// Spans in microseconds, the unit of the simulation and of stores.
const (
	second = int64(time.Second / time.Microsecond)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)
