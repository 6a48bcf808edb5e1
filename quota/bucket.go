package quota

import (
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// bucket keeps a Budget in the memory of a limiter. The zero value has no limit.
type bucket struct {
	budget Budget
	flow   *rate.Limiter // nil without a burst
	spent  unitSteps
}

func newBucket(b Budget) bucket {
	switch {
	case b.Units == Unlimited:
		return bucket{}
	case b.Burst == 0:
		return bucket{budget: b}
	}
	return bucket{budget: b, flow: rate.NewLimiter(rate.Limit(float64(b.Units)/b.Per.Seconds()), b.Burst)}
}

// readyAt returns when a call of n units that leaves keep units can go after
// others of ahead units. A time that is not after now means at once.
func (b *bucket) readyAt(now time.Time, ahead, n, keep int) time.Time {
	if b.budget.Units == 0 || n == 0 {
		return now
	}
	at := now
	if micros := now.UnixMicro(); len(b.spent) > 0 {
		if ready := b.spent.readyAt(b.budget.Units, ahead+n+keep, micros); ready > micros {
			at = time.UnixMicro(ready)
		}
	}
	if b.flow == nil {
		return at
	}
	missing := float64(ahead) + float64(min(n+keep, b.budget.Burst)) - b.flow.TokensAt(now)
	if missing <= 0 {
		return at
	}
	seconds := min(missing/float64(b.flow.Limit()), forever.Seconds())
	return later(at, now.Add(time.Duration(math.Ceil(seconds*1e6))*time.Microsecond))
}

// forever bounds computed waits so that they never overflow a time.
const forever = 365 * 24 * time.Hour

// take spends n units that readyAt found, going into debt for what exceeds the
// burst.
func (b *bucket) take(now time.Time, n int) {
	if b.budget.Units == 0 || n == 0 {
		return
	}
	b.spent = b.spent.take(b.budget.Per, n, now.UnixMicro())
	if b.flow == nil || b.flow.AllowN(now, n) {
		return
	}
	for n > 0 {
		b.flow.ReserveN(now, min(n, b.budget.Burst))
		n -= b.budget.Burst
	}
}

// full reports whether the bucket holds nothing worth remembering.
func (b *bucket) full(now time.Time) bool {
	return !b.spent.counts(now.UnixMicro()) && (b.flow == nil || b.flow.TokensAt(now) >= float64(b.budget.Burst))
}

// unitSteps are the units that were used of a budget, by time.
type unitSteps []unitStep

// unitStep is how many units were used in a step of time.
type unitStep struct {
	ends  int64 // when they no longer count
	units int64
}

const (
	// stepsPer is how many steps a span is counted in.
	stepsPer = 96
	// maxUnitSteps bounds the steps of a budget. A budget whose Per never changes
	// has at most stepsPer+1.
	maxUnitSteps = 128
)

// counts reports whether any units still count.
func (s unitSteps) counts(now int64) bool {
	return len(s) > 0 && s[len(s)-1].ends > now
}

// readyAt returns when n of units are left, or all of them if that is less, at
// the earliest now.
func (s unitSteps) readyAt(units, n int, now int64) int64 {
	excess := int64(min(n, units) - units)
	for _, st := range s {
		if st.ends > now {
			excess += st.units
		}
	}
	ready := now
	for _, st := range s {
		if excess <= 0 {
			break
		}
		if st.ends > now {
			excess -= st.units
			ready = st.ends
		}
	}
	return ready
}

// take adds n units that count for per, and drops those that no longer count.
func (s unitSteps) take(per time.Duration, n int, now int64) unitSteps {
	old := 0
	for old < len(s) && s[old].ends <= now {
		old++
	}
	s = slices.Delete(s, 0, old)
	step := max(1, (per.Microseconds()+stepsPer-1)/stepsPer)
	ends := min((now/step+1+stepsPer)*step, maxMicros) // stepsPer steps after this one
	if k := len(s); k > 0 {
		ends = max(ends, s[k-1].ends) // a clock that runs backwards frees nothing
		if s[k-1].ends == ends {
			s[k-1].units = min(s[k-1].units+int64(n), maxMicros)
			return s
		}
		if k == maxUnitSteps {
			s[1].units = min(s[0].units+s[1].units, maxMicros)
			s = slices.Delete(s, 0, 1)
		}
	}
	return append(s, unitStep{ends, int64(n)})
}
