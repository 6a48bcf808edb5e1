package quota

import (
	"context"
	"sync"
	"time"
)

// CallMemory is a [CallStore] in the memory of one process. A [Limiter] needs
// none for itself; it is for tests, and for several limiters of one process that
// have to share. It forgets states that equal new ones; memory is at most twice
// that of the others.
type CallMemory struct {
	mu      sync.Mutex
	states  map[CallKey]*CallState
	sweepAt int // number of states at which idle ones are looked for
}

// NewCallMemory returns an empty store.
func NewCallMemory() *CallMemory {
	return &CallMemory{states: make(map[CallKey]*CallState), sweepAt: minSweep}
}

// Enter implements [CallStore].
func (m *CallMemory) Enter(ctx context.Context, a CallAsk) (CallAnswer, error) {
	if err := ctx.Err(); err != nil {
		return CallAnswer{}, err
	}
	if err := a.Validate(); err != nil {
		return CallAnswer{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	return m.state(a.CallKey, now).Enter(a, now), nil
}

// Leave implements [CallStore].
func (m *CallMemory) Leave(ctx context.Context, k CallKey, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.states[k]; s != nil {
		s.Leave(id)
	}
	return nil
}

// Pause implements [CallStore].
func (m *CallMemory) Pause(ctx context.Context, k CallKey, sends bool, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.state(k, now).Pause(sends, d, now)
	return nil
}

func (m *CallMemory) state(k CallKey, now time.Time) *CallState {
	if s := m.states[k]; s != nil {
		return s
	}
	if len(m.states) >= m.sweepAt {
		for k, s := range m.states {
			if s.Idle(now) {
				delete(m.states, k)
			}
		}
		m.sweepAt = max(minSweep, 2*len(m.states))
	}
	s := new(CallState)
	m.states[k] = s
	return s
}
