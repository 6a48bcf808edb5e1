package quota

// adaptiveCap is the cap on the calls in flight of one mailbox where
// [Limits.MinConcurrency] lets it adapt: additive increase, multiplicative
// decrease. The zero value is at the ceiling.
type adaptiveCap struct {
	at  int // 0: at the ceiling
	run int // calls that went well since it changed
}

// growAfter is how many calls have to go well before one more may be in flight.
const growAfter = 100

// limit is the cap in force.
func (c *adaptiveCap) limit(l *Limits) int {
	if c.at == 0 {
		return l.Concurrency
	}
	return c.at
}

// halve lowers the cap after a refusal.
func (c *adaptiveCap) halve(l *Limits) {
	if l.MinConcurrency == Unlimited || l.Concurrency == Unlimited {
		return
	}
	c.at, c.run = max(l.MinConcurrency, c.limit(l)/2), 0
}

// passed counts a call that went well. It reports whether the cap grew.
func (c *adaptiveCap) passed(l *Limits) bool {
	if c.at == 0 {
		return false
	}
	if c.run++; c.run < growAfter {
		return false
	}
	c.at, c.run = c.at+1, 0
	if c.at >= l.Concurrency {
		c.at = 0
	}
	return true
}
