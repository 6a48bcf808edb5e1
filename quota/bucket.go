package quota

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// bucket keeps a Budget. The zero value has no limit.
//
// A token bucket of burst b and rate r lets at most b + r·t pass in any span t.
// With r = (Units-Burst)/Per that is Units in any span of Per.
type bucket struct {
	lim *rate.Limiter
}

// newBucket makes a bucket for a share of the budget.
func newBucket(b Budget, share float64) bucket {
	if b.Units == Unlimited {
		return bucket{}
	}
	perSecond := share * float64(b.Units-b.Burst) / b.Per.Seconds()
	return bucket{rate.NewLimiter(rate.Limit(perSecond), max(1, int(share*float64(b.Burst))))}
}

// readyAt returns when a call of n units can go after others of ahead units. A
// time that is not after now means at once.
func (b bucket) readyAt(now time.Time, ahead, n int) time.Time {
	if b.lim == nil || n == 0 {
		return now
	}
	missing := float64(ahead) + float64(min(n, b.lim.Burst())) - b.lim.TokensAt(now)
	if missing <= 0 {
		return now
	}
	seconds := missing / float64(b.lim.Limit())
	if seconds > forever.Seconds() {
		return now.Add(forever)
	}
	return now.Add(time.Duration(math.Ceil(seconds*1e6)) * time.Microsecond)
}

// forever bounds computed waits so that they never overflow a time.
const forever = 365 * 24 * time.Hour

// take spends n units that readyAt found, going into debt for what exceeds the
// burst.
func (b bucket) take(now time.Time, n int) {
	if b.lim == nil || n == 0 || b.lim.AllowN(now, n) {
		return
	}
	for burst := b.lim.Burst(); n > 0; n -= burst {
		b.lim.ReserveN(now, min(n, burst))
	}
}

// full reports whether the bucket holds nothing worth remembering.
func (b bucket) full(now time.Time) bool {
	return b.lim == nil || b.lim.TokensAt(now) >= float64(b.lim.Burst())
}

const (
	dayStep  = 15 * time.Minute
	daySteps = int64(24*time.Hour/dayStep) + 1 // the current step is not over yet
)

// dayCounter counts units over the last 24 hours in steps of dayStep. The zero
// value has no limit. Unlike a bucket it does not spread the units over the
// day: a backfill may use them as fast as the minute's budget allows.
type dayCounter struct {
	max   int
	used  int
	step  int64 // the newest step
	steps []int // see at
}

// at returns the count of a step, also of one just before 1970.
func (d *dayCounter) at(step int64) *int { return &d.steps[(step+daySteps)%daySteps] }

func newDayCounter(units int, share float64) dayCounter {
	if units == Unlimited {
		return dayCounter{}
	}
	return dayCounter{max: max(1, int(share*float64(units))), steps: make([]int, daySteps)}
}

// advance forgets the steps that have left the last 24 hours. A clock that runs
// backwards forgets nothing.
func (d *dayCounter) advance(now time.Time) {
	step := now.UnixNano() / int64(dayStep)
	if step <= d.step {
		return
	}
	if step-d.step >= daySteps {
		clear(d.steps)
		d.used = 0
	} else {
		for s := d.step + 1; s <= step; s++ {
			d.used -= *d.at(s)
			*d.at(s) = 0
		}
	}
	d.step = step
}

func (d *dayCounter) readyAt(now time.Time, n int) time.Time {
	if d.max == 0 || n == 0 {
		return now
	}
	d.advance(now)
	excess := d.used + min(n, d.max) - d.max
	if excess <= 0 {
		return now
	}
	for s := d.step - daySteps + 1; s <= d.step; s++ {
		if excess -= *d.at(s); excess <= 0 {
			return time.Unix(0, (s+daySteps)*int64(dayStep))
		}
	}
	return now // not reached: the steps add up to used
}

func (d *dayCounter) take(now time.Time, n int) {
	if d.max == 0 {
		return
	}
	d.advance(now)
	*d.at(d.step) += n
	d.used += n
}
