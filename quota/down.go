package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// downSwitch notices that a store begins to fail, and that it works again.
type downSwitch struct {
	tell  func(error)
	mu    sync.Mutex
	down  bool
	retry time.Time // not asked before, while there is something else to ask
}

// downRetry is how long a store that failed is left alone.
const downRetry = time.Second

// rests reports whether the store has just failed.
func (d *downSwitch) rests() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down && time.Now().Before(d.retry)
}

func (d *downSwitch) note(err error) {
	d.mu.Lock()
	if err != nil {
		d.retry = time.Now().Add(downRetry)
	}
	changed := d.down != (err != nil)
	d.down = err != nil
	d.mu.Unlock()
	if changed && d.tell != nil {
		d.tell(err)
	}
}

// asks reports whether the store may be asked: while it is down, by one call now
// and then, which finds out whether it is back and is the only one it slows down.
func (d *downSwitch) asks(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.down {
		return true
	}
	if now.Before(d.retry) {
		return false
	}
	d.retry = now.Add(storeTimeout + downRetry)
	return true
}

// watch takes a step of the store and notes whether that failed, which it has
// after limit, too.
func (d *downSwitch) watch(ctx context.Context, limit time.Duration, step func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := step(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil { // the deadline was not the caller's
		err = fmt.Errorf("%w: no answer in %v", mailbox.ClassStorage, limit)
	}
	if err == nil || ctx.Err() == nil && !errors.Is(err, mailbox.ClassInvalid) {
		d.note(err) // other errors say nothing about the store
	}
	return err
}

var errStoreDown = fmt.Errorf("%w a moment ago", mailbox.ClassStorage)

// decisionTimeout is how long a step of the store may take: those about one log
// stand in line.
const decisionTimeout = 10 * time.Second

// call asks the store, and notes whether that failed. A store that hangs has
// failed after decisionTimeout.
func (s *Sends) call(ctx context.Context, f func(context.Context, Store) error) error {
	if s.memory != nil {
		return f(ctx, s.store)
	}
	return s.down.watch(ctx, decisionTimeout, func(ctx context.Context) error { return f(ctx, s.store) })
}

// try takes a step about one log at the store, which is told first what it has
// missed. It reports false if the store fails and there is something to stand in
// for it.
func (s *Sends) try(ctx context.Context, l Log, f func(context.Context, Store) error) (done bool, err error) {
	if s.local == nil {
		return true, s.call(ctx, f)
	}
	if s.down.rests() || !s.catchUp(ctx, l) {
		return false, ctx.Err()
	}
	err = s.call(ctx, f)
	if err != nil && mailbox.ClassOf(err) != mailbox.ClassInvalid && ctx.Err() == nil {
		return false, nil
	}
	return true, err
}

// ask asks for a decision.
func (s *Sends) ask(ctx context.Context, a *Ask, answer *Answer) error {
	if s.memory != nil {
		return s.memory.decide(ctx, a, answer)
	}
	done, err := s.try(ctx, a.Log, func(ctx context.Context, st Store) (err error) {
		*answer, err = st.Decide(ctx, *a)
		return err
	})
	switch {
	case err != nil:
		return err
	case !done:
		return s.local.ask(ctx, *a, answer)
	case s.local != nil && answer.Allowed && !a.DryRun:
		e := a.Entry
		e.At = answer.At
		s.local.mirror(e)
	}
	return nil
}

// askStore asks the store itself, with the newest state, about windows that do
// not depend on it.
func (s *Sends) askStore(ctx context.Context, a Ask) (answer Answer, err error) {
	for range maxStale {
		a.Version = s.states.get(a.Log).version
		err := s.call(ctx, func(ctx context.Context, st Store) (err error) {
			answer, err = st.Decide(ctx, a)
			return err
		})
		if err != nil || !answer.Stale {
			return answer, err
		}
		if _, err := s.learn(a.Log, answer.State); err != nil {
			return Answer{}, err
		}
	}
	return Answer{}, errBusyState
}

// settle tells that the message of an entry went out, or may have.
func (s *Sends) settle(ctx context.Context, e Entry) error {
	done, err := s.try(ctx, e.Log, func(ctx context.Context, st Store) error { return st.Settle(ctx, e) })
	if err != nil || s.local == nil {
		return err
	}
	if e.At.IsZero() {
		e.At = s.clock()
	}
	return s.local.settle(ctx, e, !done)
}

// remove takes an entry out.
func (s *Sends) remove(ctx context.Context, l Log, key string) error {
	done, err := s.try(ctx, l, func(ctx context.Context, st Store) error { return st.Remove(ctx, l, key) })
	if err != nil || s.local == nil {
		return err
	}
	return s.local.remove(ctx, l, key, !done)
}
