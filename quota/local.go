package quota

import (
	"context"
	"errors"
	"sync"

	"github.com/mailtether/mailtether/mailbox"
)

// local stands in for a store that fails. It mirrors what this process does at
// the store, and keeps what the store has missed until it is told.
type local struct {
	memory *Memory

	telling sync.Mutex // held by the one who tells the store
	mu      sync.Mutex
	missed  map[Log]map[string]miss
}

// miss is what a store has missed of one entry, in this order.
type miss struct {
	entry   Entry
	removed bool
	made    bool // or moved
	settled bool
}

func newLocal() *local {
	return &local{memory: NewMemory(), missed: make(map[Log]map[string]miss)}
}

// ask decides in the place of the store. It has no states: it takes the one that
// the windows were made from.
func (l *local) ask(ctx context.Context, a Ask, answer *Answer) error {
	a.Version = 0
	if err := l.memory.decide(ctx, &a, answer); err != nil {
		return err
	}
	if answer.Allowed && !a.DryRun {
		a.Entry.At = answer.At
		l.note(miss{entry: a.Entry, made: true})
	}
	return nil
}

// mirror enters what the store has entered.
func (l *local) mirror(e Entry) {
	var answer Answer
	_ = l.memory.decide(context.Background(), &Ask{Entry: e}, &answer) // without windows nothing is refused
}

func (l *local) settle(ctx context.Context, e Entry, missed bool) error {
	err := l.memory.Settle(ctx, e)
	if err == nil && missed {
		l.note(miss{entry: e, settled: true})
	}
	return err
}

func (l *local) remove(ctx context.Context, log Log, key string, missed bool) error {
	err := l.memory.Remove(ctx, log, key)
	if err == nil && missed {
		l.note(miss{entry: Entry{Log: log, Key: key}, removed: true})
	}
	return err
}

// note adds to what the store has missed.
func (l *local) note(m miss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.missed[m.entry.Log]
	if log == nil {
		log = make(map[string]miss)
		l.missed[m.entry.Log] = log
	}
	if before, again := log[m.entry.Key]; again && m.settled {
		if before.settled {
			return // it stays as it is
		}
		m.made, m.removed = before.made, before.removed
		if before.made {
			m.entry.At, m.entry.Recipients = later(before.entry.At, m.entry.At), before.entry.Recipients
		}
	}
	log[m.entry.Key] = m
}

// next returns something that the store has missed, of one log or, if that is
// the zero value, of any.
func (l *local) next(of Log) (miss, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of == (Log{}) {
		for of = range l.missed {
			break
		}
	}
	for _, m := range l.missed[of] {
		return m, true
	}
	return miss{}, false
}

// told forgets what the store has been told, unless there is more to tell of the
// same entry by now.
func (l *local) told(m miss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.missed[m.entry.Log]
	if log[m.entry.Key] == m {
		delete(log, m.entry.Key)
	}
	if len(log) == 0 {
		delete(l.missed, m.entry.Log)
	}
}

// toldAtOnce is how much of other logs the store is told on the way.
const toldAtOnce = 32

// catchUp tells the store what it has missed: all of one log, and a part of the
// others. It reports whether the store can be asked about that log. While one
// caller tells, the others go on without the store.
func (s *Sends) catchUp(ctx context.Context, of Log) bool {
	if _, any := s.local.next(Log{}); !any {
		return true
	}
	if !s.local.telling.TryLock() {
		return false
	}
	defer s.local.telling.Unlock()
	for left := toldAtOnce; ; {
		m, more := s.local.next(of)
		if !more && of == (Log{}) || left == 0 {
			return true
		}
		if !more {
			of = Log{}
			continue
		}
		if of == (Log{}) {
			left--
		}
		if err := s.tell(ctx, m); err != nil && !errors.Is(err, mailbox.ClassInvalid) {
			return of == (Log{})
		}
		s.local.told(m)
	}
}

// tell tells the store what it has missed of one entry. What no window holds any
// more is left out.
func (s *Sends) tell(ctx context.Context, m miss) error {
	if m.removed {
		err := s.call(ctx, func(ctx context.Context, st Store) error { return st.Remove(ctx, m.entry.Log, m.entry.Key) })
		if err != nil {
			return err
		}
	}
	if s.clock().Sub(m.entry.At) > Retention {
		return nil
	}
	if m.made {
		if _, err := s.askStore(ctx, Ask{Entry: m.entry}); err != nil {
			return err
		}
	}
	if m.settled {
		return s.call(ctx, func(ctx context.Context, st Store) error { return st.Settle(ctx, m.entry) })
	}
	return nil
}
