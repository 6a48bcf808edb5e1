package quota

import (
	"math/rand/v2"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

const (
	backoffMin = time.Second
	backoffMax = 64 * time.Second
	// strikesFade is how long after a pause its strikes no longer count.
	strikesFade = 10 * time.Minute
	// restartWidth ends the slow restart where there is no cap on concurrency.
	restartWidth = 64
)

// gate holds calls back after a refusal, then lets them in again one by one.
// There is one per mailbox, one for the sends of a mailbox, one for the sends of
// a tenant, one per app.
type gate struct {
	until    time.Time // nothing goes before
	strikes  int       // refusals in a row, each episode counted once
	width    int       // calls in flight during a slow restart; 0 when none is on
	epoch    uint32    // number of pauses so far
	inflight int
}

// room reports whether a call that counts n fits beside those in flight, where
// limit is the cap in normal times. A call too wide for the cap goes alone.
func (g *gate) room(n, limit int) bool {
	if g.inflight == 0 {
		return true
	}
	if g.width > 0 && (limit == Unlimited || g.width < limit) {
		limit = g.width
	}
	return limit == Unlimited || g.inflight+n <= limit
}

// refused pauses the gate after the refusal of a call that was let in under the
// given epoch. Calls that were already on their way when the pause began belong
// to the same episode: they add no strike, but may name a later end. A wait of 0
// means the provider named none. It reports whether the pause grew.
func (g *gate) refused(now time.Time, epoch uint32, wait time.Duration) bool {
	until := now.Add(wait + jitter(min(wait/10, 5*time.Second)))
	if epoch == g.epoch {
		if now.Sub(g.until) > strikesFade {
			g.strikes = 0
		}
		if wait == 0 {
			d := min(backoffMax, backoffMin<<min(g.strikes, 10))
			until = now.Add(d - jitter(d/4))
		}
		g.epoch++
		g.strikes++
		g.width = 1
	} else if wait == 0 {
		return false
	}
	if !until.After(g.until) {
		return false
	}
	g.until = until
	return true
}

// pausedElsewhere takes over a pause that another process met. It adds no strike:
// that process counts it. It reports whether the pause grew by more than waits
// are exact to.
func (g *gate) pausedElsewhere(now time.Time, wait time.Duration) bool {
	until := now.Add(wait)
	if until.Sub(g.until) < 10*time.Millisecond {
		return false
	}
	g.until, g.width = until, 1
	return true
}

// passed widens a slow restart after a call of the present epoch went well, and
// ends it at the limit.
func (g *gate) passed(epoch uint32, limit int) {
	if g.width == 0 || epoch != g.epoch {
		return
	}
	if limit == Unlimited {
		limit = restartWidth
	}
	if g.width++; g.width > limit {
		g.width, g.strikes = 0, 0
	}
}

// quiet reports whether the gate holds nothing worth remembering.
func (g *gate) quiet(now time.Time) bool {
	return g.inflight == 0 && (g.until.IsZero() || now.Sub(g.until) > strikesFade)
}

// jitter returns a random duration in [0, d].
func jitter(d time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(d) + 1))
}

// refusal is what an answer says about limits.
type refusal struct {
	scope      mailbox.Scope
	wait       time.Duration // 0: not named
	concurrent bool          // too many calls at once
}
