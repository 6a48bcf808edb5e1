package quota

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"math"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// sendState is the state of a log: how far a mailbox is warmed up, and what slows
// it or its group down. It is not changed once it is stored: see change.
type sendState struct {
	// SendingDays is on how many days mail was sent, Day being the last of them
	// (see date). They are kept only for mailboxes that warm up.
	SendingDays int `json:"sending_days,omitempty"`
	Day         int `json:"day,omitempty"`
	// Reduced is how much of the limits was taken away at Since: 0 is nothing.
	Reduced float64   `json:"reduced,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// Paused is until when nothing may be sent.
	Paused time.Time `json:"paused,omitzero"`
	// Signals are those of the last 24 hours, oldest first.
	Signals []seen `json:"signals,omitempty"`
	// Changes are the last ones, newest last.
	Changes []Change `json:"changes,omitempty"`
}

// seen is a signal that was counted.
type seen struct {
	Kind SignalKind `json:"kind"`
	ID   uint64     `json:"id"` // hash
	At   time.Time  `json:"at"`
}

const (
	maxSignals = 512 // 5 % of the most that any provider allows, and 48 KB
	maxChanges = 16
	maxNote    = 256
)

// recoveryStep is how often limits rise again.
const recoveryStep = 24 * time.Hour

// factor is which part of the limits holds at t.
func (s *sendState) factor(t time.Time, recovery float64) float64 {
	if s.Reduced == 0 {
		return 1
	}
	steps := math.Floor(max(0, t.Sub(s.Since).Hours()/recoveryStep.Hours()))
	// Rounded, so that ten tenths are one.
	return min(1, math.Round((1-s.Reduced+steps*recovery)*1e6)/1e6)
}

// recovered is when all of the limits hold again.
func (s *sendState) recovered(recovery float64) time.Time {
	return s.Since.Add(time.Duration(math.Ceil(math.Round(s.Reduced/recovery*1e6)/1e6)) * recoveryStep)
}

// nextRise is when the factor rises next after t; zero if it does not.
func (s *sendState) nextRise(t time.Time, recovery float64) time.Time {
	if s.factor(t, recovery) >= 1 {
		return time.Time{}
	}
	steps := max(0, t.Sub(s.Since)/recoveryStep)
	return s.Since.Add((steps + 1) * recoveryStep)
}

// clone returns a copy that can be changed.
func (s *sendState) clone() *sendState {
	c := *s
	c.Signals = append([]seen(nil), s.Signals...)
	c.Changes = append([]Change(nil), s.Changes...)
	return &c
}

// known is a state with its version, as far as this process knows.
type known struct {
	*sendState
	version int64
	at      time.Time // when it was read
}

var noState = &sendState{}

// states keeps the states that were read last. What the store has is decisive:
// it tells when a version is old.
type states struct {
	mu    sync.Mutex
	byLog map[Log]known
	// tenants are those of tenants, which every decision asks for: a map by one
	// string answers in less than half the time.
	tenants map[mailbox.TenantID]known
}

// maxStates bounds what is kept in each map; it costs one more call of the store
// to read a state again.
const maxStates = 50_000

func (c *states) get(l Log) known {
	c.mu.Lock()
	defer c.mu.Unlock()
	var k known
	var ok bool
	if l.Kind == LogTenant {
		k, ok = c.tenants[l.Tenant]
	} else {
		k, ok = c.byLog[l]
	}
	if !ok {
		k.sendState = noState
	}
	return k
}

func (c *states) put(l Log, k known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.Kind == LogTenant {
		c.tenants = keepState(c.tenants, l.Tenant, k)
	} else {
		c.byLog = keepState(c.byLog, l, k)
	}
}

func keepState[K comparable](all map[K]known, key K, k known) map[K]known {
	if all == nil {
		all = make(map[K]known)
	}
	if len(all) >= maxStates {
		n := 0
		for old := range all { // any will do
			delete(all, old)
			if n++; n > maxStates/16 {
				break
			}
		}
	}
	all[key] = k
	return all
}

// learn decodes and keeps a state that the store gave.
func (s *Sends) learn(l Log, st State) (known, error) {
	k := known{sendState: noState, version: st.Version, at: s.clock()}
	if len(st.Document) > 0 {
		k.sendState = new(sendState)
		if err := json.Unmarshal(st.Document, k.sendState); err != nil {
			return known{}, &mailbox.Error{Op: "state", Class: mailbox.ClassStorage, Err: err}
		}
	}
	s.states.put(l, k)
	return k, nil
}

// groupStateAge is how old the state of a group without limits may be: a pause
// that another process learned of is noticed after that time. States of
// mailboxes, and of groups with limits, are never old.
const groupStateAge = 30 * time.Second

func (k known) fresh(now time.Time) bool {
	age := now.Sub(k.at)
	return age >= 0 && age < groupStateAge
}

// groupState returns the state of a group, at most groupStateAge old.
func (s *Sends) groupState(ctx context.Context, l Log, now time.Time) (known, error) {
	k := s.states.get(l)
	if k.fresh(now) {
		return k, nil
	}
	if s.local != nil && s.down.rests() {
		return k, nil
	}
	var st State
	err := s.call(ctx, func(ctx context.Context, store Store) (err error) {
		st, err = store.State(ctx, l)
		return err
	})
	if err != nil && s.local != nil {
		return k, nil
	}
	if err != nil {
		return known{}, err
	}
	return s.learn(l, st)
}

// maxChangeTries bounds how often a change is tried while others change the
// same state.
const maxChangeTries = 100

// change replaces the state of a log by what f makes of a copy, unless f reports
// that there is nothing to change.
func (s *Sends) change(ctx context.Context, l Log, f func(*sendState) bool) error {
	for range maxChangeTries {
		var st State
		err := s.call(ctx, func(ctx context.Context, store Store) (err error) {
			st, err = store.State(ctx, l)
			return err
		})
		if err != nil {
			return err
		}
		k, err := s.learn(l, st)
		if err != nil {
			return err
		}
		next := k.clone()
		if !f(next) {
			return nil
		}
		document, err := json.Marshal(next)
		if err != nil {
			return err
		}
		var ok bool
		err = s.call(ctx, func(ctx context.Context, store Store) (err error) {
			ok, err = store.SetState(ctx, l, State{Document: document, Version: k.version})
			return err
		})
		if err != nil {
			return err
		}
		if ok {
			s.states.put(l, known{sendState: next, version: k.version + 1, at: s.clock()})
			return nil
		}
	}
	return &mailbox.Error{Op: "state", Class: mailbox.ClassStorage, Err: errBusyState}
}

// markDay counts a day on which a mailbox sent. While a fallback stands in for
// the store it counts none: the warm-up then takes a day longer.
func (s *Sends) markDay(ctx context.Context, l Log, day int) error {
	if s.states.get(l).Day >= day || s.local != nil && s.down.rests() {
		return nil
	}
	return s.change(ctx, l, func(st *sendState) bool {
		if st.Day >= day {
			return false
		}
		st.Day = day
		st.SendingDays++
		return true
	})
}

func hashOf(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}
