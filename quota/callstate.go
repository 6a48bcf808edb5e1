package quota

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// CallState is one state of a [CallStore] and the arithmetic of its rules, for
// stores that keep it as a document: read it, change it, write it back, all in
// one atomic step. The zero value is a new state. Times are kept to the
// microsecond. It is not safe for concurrent use.
type CallState struct {
	until   int64 // microseconds since 1970; no call goes before
	sends   int64 // no send goes before
	budgets []budgetState
	slots   []slotState
}

// budgetState is what is used of one budget.
type budgetState struct {
	name string
	// full is when the bucket of a budget with a burst is full again. It holds
	// the whole state of a bucket: what is missing is what flows in until then.
	full  int64
	steps unitSteps
}

// slotState is one call in flight.
type slotState struct {
	id      string
	slots   int64
	expires int64
}

// maxMicros bounds times, and with them all sums: the year 2255.
const maxMicros = 1 << 53

// Enter is [CallStore.Enter] for a valid ask, at now by the store's clock.
func (s *CallState) Enter(a CallAsk, now time.Time) CallAnswer {
	at := clampMicros(now)
	s.forget(at)

	goes := max(at, s.until)
	if a.Send {
		goes = max(goes, s.sends)
	}
	answer := CallAnswer{Paused: goes > at}
	for _, b := range a.Budgets {
		goes = max(goes, s.budget(b.Name).readyAt(b, at))
	}
	answer.Wait = time.Duration(goes-at) * time.Microsecond
	if answer.Wait > 0 || !s.room(a) {
		return answer
	}

	answer.Allowed = true
	for _, b := range a.Budgets {
		s.take(b, at)
	}
	if a.Slots > 0 {
		s.hold(a.ID, int64(a.Slots), laterBy(at, a.TTL))
	}
	return answer
}

// Leave is [CallStore.Leave].
func (s *CallState) Leave(id string) {
	if i, found := s.slot(id); found {
		s.slots = slices.Delete(s.slots, i, i+1)
	}
}

// Pause is [CallStore.Pause].
func (s *CallState) Pause(sends bool, d time.Duration, now time.Time) {
	if d <= 0 {
		return
	}
	until := laterBy(clampMicros(now), d)
	if sends {
		s.sends = max(s.sends, until)
		return
	}
	s.until = max(s.until, until)
}

// Idle reports whether the state equals a new one, so that it may be forgotten.
func (s *CallState) Idle(now time.Time) bool {
	at := clampMicros(now)
	s.forget(at)
	return s.until <= at && s.sends <= at && len(s.budgets) == 0 && len(s.slots) == 0
}

// IdleAt returns from when on the state equals a new one if nothing else
// happens; a time that is not after now means already.
func (s *CallState) IdleAt() time.Time {
	at := max(s.until, s.sends)
	for _, b := range s.budgets {
		at = max(at, b.full)
		for _, st := range b.steps {
			at = max(at, st.ends)
		}
	}
	for _, sl := range s.slots {
		at = max(at, sl.expires)
	}
	return time.UnixMicro(at).UTC()
}

// forget drops what no longer counts.
func (s *CallState) forget(now int64) {
	s.slots = slices.DeleteFunc(s.slots, func(sl slotState) bool { return sl.expires <= now })
	s.budgets = slices.DeleteFunc(s.budgets, func(b budgetState) bool {
		return b.full <= now && !slices.ContainsFunc(b.steps, func(st unitStep) bool { return st.ends > now })
	})
}

// room reports whether the slots of a call fit beside those of the others.
func (s *CallState) room(a CallAsk) bool {
	if a.Slots == 0 {
		return true
	}
	var others int64
	for _, sl := range s.slots {
		if sl.id != a.ID {
			others += sl.slots
		} else if sl.slots >= int64(a.Slots) {
			return true // it has them
		}
	}
	return others == 0 || others+int64(a.Slots) <= int64(a.MaxSlots)
}

func (s *CallState) slot(id string) (int, bool) {
	return slices.BinarySearchFunc(s.slots, id, func(sl slotState, id string) int { return cmp.Compare(sl.id, id) })
}

func (s *CallState) hold(id string, slots, expires int64) {
	i, found := s.slot(id)
	if !found {
		s.slots = slices.Insert(s.slots, i, slotState{id: id})
	}
	sl := &s.slots[i]
	sl.slots, sl.expires = max(sl.slots, slots), max(sl.expires, expires)
}

func (s *CallState) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.budgets, name, func(b budgetState, name string) int { return cmp.Compare(b.name, name) })
}

// budget returns what is used of a budget.
func (s *CallState) budget(name string) budgetState {
	if i, found := s.find(name); found {
		return s.budgets[i]
	}
	return budgetState{}
}

// take spends what readyAt found.
func (s *CallState) take(b BudgetAsk, now int64) {
	if b.N == 0 {
		return
	}
	i, found := s.find(b.Name)
	if !found {
		s.budgets = slices.Insert(s.budgets, i, budgetState{name: b.Name})
	}
	s.budgets[i].take(b, now)
}

// readyAt returns when the budget has what a call takes, at the earliest now.
func (u budgetState) readyAt(b BudgetAsk, now int64) int64 {
	if b.N == 0 {
		return now
	}
	ready := u.steps.readyAt(b.Units, b.N+b.Keep, now)
	if b.Burst > 0 {
		most := b.flow(b.Burst)
		ready = max(ready, u.full+min(b.flow(b.N+b.Keep), most)-most)
	}
	return ready
}

func (u *budgetState) take(b BudgetAsk, now int64) {
	u.steps = u.steps.take(b.Per, b.N, now)
	if b.Burst > 0 {
		u.full = min(max(u.full, now)+b.flow(b.N), maxMicros)
	}
}

// flow returns in how many microseconds n units flow into the bucket, rounded
// up. It is bounded so that sums do not overflow.
func (b Budget) flow(n int) int64 {
	per, rate := uint64(max(1, b.Per.Microseconds())), uint64(b.Units)
	hi, lo := bits.Mul64(uint64(n), per)
	lo, carry := bits.Add64(lo, rate-1, 0)
	if hi += carry; hi >= rate {
		return maxMicros
	}
	q, _ := bits.Div64(hi, lo, rate)
	return int64(min(q, maxMicros))
}

// clampMicros returns t in microseconds.
func clampMicros(t time.Time) int64 { return min(max(t.UnixMicro(), 0), maxMicros) }

// laterBy returns the time d after now, rounded up to a microsecond.
func laterBy(now int64, d time.Duration) int64 {
	micros := int64(d / time.Microsecond)
	if d%time.Microsecond != 0 {
		micros++
	}
	return min(now+micros, maxMicros)
}
