package quota

import (
	"cmp"
	"context"
	"math"
	"time"
)

// A lease is a part of an app's budget that this process took at once and spends
// by itself, so that the app's state is not asked for every call. It also stands
// for the answer that no pause is on, for as long as it lasts.
type lease struct {
	turn chan struct{} // held by who asks for the next one

	// The rest belongs to shared.mu.
	units  int
	until  time.Time // it is void after
	refuse CallAnswer
	again  time.Time // refused before
}

type leaseKey struct {
	CallKey
	rank rank // rankBackfill, or rankLive for all others
}

// maxLease is the longest that a lease lasts.
const maxLease = time.Second

// spend takes n units from a lease, or from a new one. Without limits it is
// about pauses alone.
func (s *shared) spend(ctx context.Context, k leaseKey, n int, limits *Limits) (CallAnswer, error) {
	l := s.lease(k)
	if answer, ok := s.spent(l, n); ok {
		return answer, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return CallAnswer{}, ctx.Err()
	}
	if answer, ok := s.spent(l, n); ok { // somebody took one meanwhile
		return answer, nil
	}

	ask := CallAsk{CallKey: k.CallKey, Send: limits == nil}
	chunk, lasts := math.MaxInt, maxLease
	if limits != nil {
		chunk, lasts, ask.Budgets = limits.lease(n, k.rank)
	}
	taken := time.Now() // or later
	var answer CallAnswer
	err := s.do(ctx, func(ctx context.Context) (err error) {
		answer, err = s.store.Enter(ctx, ask)
		return err
	})
	if err != nil {
		return CallAnswer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer.Allowed {
		left := 0
		if time.Now().Before(l.until) {
			left = l.units // less than n, or it would not have come here
		}
		l.units, l.until = left+chunk-n, taken.Add(lasts)
	} else {
		l.refuse, l.again = answer, time.Now().Add(answer.Wait)
	}
	return answer, nil
}

// spent decides by the lease alone, if it can.
func (s *shared) spent(l *lease, n int) (CallAnswer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(l.until) && n <= l.units {
		l.units -= n
		return CallAnswer{Allowed: true}, true
	}
	if now.Before(l.again) {
		return CallAnswer{Wait: l.again.Sub(now), Paused: l.refuse.Paused}, true
	}
	return CallAnswer{}, false
}

func (s *shared) lease(k leaseKey) *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.leases[k]; l != nil {
		return l
	}
	if len(s.leases) >= s.sweepAt {
		now := time.Now()
		for k, l := range s.leases {
			if now.After(l.until) && now.After(l.again) && len(l.turn) == 0 {
				delete(s.leases, k)
			}
		}
		s.sweepAt = max(minSweep, 2*len(s.leases))
	}
	l := &lease{turn: make(chan struct{}, 1)}
	s.leases[k] = l
	return l
}

// lease says how much of an app's budgets to take at once for a call of n units,
// and for how long.
//
// Units are spent up to that long after they were taken. So that no span of Per
// sees too many, they are taken from a budget that spreads them over that much
// more.
func (l *Limits) lease(n int, r rank) (chunk int, lasts time.Duration, budgets []BudgetAsk) {
	chunk, lasts = math.MaxInt, maxLease
	minute, day := l.App, Budget{Units: l.AppDay, Per: 24 * time.Hour}
	if minute.Units != Unlimited {
		chunk, lasts = minute.Burst/64, min(lasts, minute.Per/50)
	}
	if day.Units != Unlimited {
		chunk = min(chunk, day.Units/1000)
	}
	chunk = max(chunk, n)
	add := func(name string, b Budget) {
		if b.Units != Unlimited {
			b.Per += lasts
			budgets = append(budgets, BudgetAsk{Name: name, Budget: b, N: chunk, Keep: l.reserve(r, cmp.Or(b.Burst, b.Units))})
		}
	}
	add("units", minute)
	add("day", day)
	return chunk, lasts, budgets
}
