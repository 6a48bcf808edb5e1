package main

import (
	"fmt"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// whole is all of a cap, in millionths.
const whole = 1_000_000

// slowness is what signals have done to a mailbox, as the referee works it out.
type slowness struct {
	rules   quota.SlowDown
	signals map[quota.SignalKind][]int64
	struck  map[quota.SignalKind]int64 // the last reduction
	left    int                        // millionths of the caps, since then
	since   int64
	paused  int64 // until then
}

func newSlowness(own *quota.SlowDown) slowness {
	s := slowness{
		rules:   quota.DefaultSlowDown(),
		signals: make(map[quota.SignalKind][]int64), struck: make(map[quota.SignalKind]int64), left: whole,
	}
	if own != nil {
		s.rules.Floor, s.rules.Recovery = own.Floor, own.Recovery
	}
	return s
}

// part is which part of the caps is in force.
func (s *slowness) part(now int64) int {
	steps := int((now - s.since) / day)
	return min(whole, s.left+steps*int(s.rules.Recovery*whole+0.5))
}

// signalled judges what the governor made of a signal.
func (r *referee) signalled(now int64, kind quota.SignalKind, wait time.Duration, got *quota.Change) {
	s := &r.slow
	rule := s.rules.Reactions[kind]
	within := rule.Within.Microseconds()
	recent := s.signals[kind][:0]
	for _, at := range append(s.signals[kind], now) {
		if now-at < within {
			recent = append(recent, at)
		}
	}
	s.signals[kind] = recent
	messages, _ := r.places.since(now - within)
	before := s.part(now)
	after, until := before, int64(0)
	if len(recent) >= rule.Count && float64(len(recent)) >= rule.Share*float64(messages) {
		if last, ok := s.struck[kind]; !ok || now-last >= within {
			after = max(int(s.rules.Floor*whole+0.5), int(float64(before)*rule.Factor+0.5))
		}
		pause := rule.Pause
		if wait > 0 {
			pause = wait
		}
		if pause > 0 && now+pause.Microseconds() > s.paused {
			until = now + pause.Microseconds()
		}
	}
	if after == before && until == 0 {
		if got != nil {
			r.report("signal", fmt.Sprintf("slowed down from %.2f to %.2f by %s without need", got.From, got.To, kind))
		}
		return
	}
	r.use.disturbed = true
	if after < before {
		s.struck[kind], s.left, s.since = now, after, now
	}
	if until > 0 {
		s.paused = until
	}
	switch {
	case got == nil:
		r.report("signal", fmt.Sprintf("%d signals of %s among %d messages did not slow it down", len(recent), kind, messages))
	case diff(got.To, after) > 2 || until > 0 && got.Until.UnixMicro() != until:
		r.report("signal", fmt.Sprintf("%s slowed it down to %.6f until %v, not to %.6f until %v", kind, got.To, got.Until, float64(after)/whole, time.UnixMicro(until).UTC()))
	}
}

// diff is how far a part is from one in millionths.
func diff(part float64, millionths int) int {
	d := int(part*whole+0.5) - millionths
	return max(d, -d)
}
