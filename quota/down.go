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

// try asks the store, and in its place the fallback, if there is one.
func (s *Sends) try(ctx context.Context, f func(context.Context, Store) error) error {
	if s.fallback != nil && s.down.rests() {
		return f(ctx, s.fallback)
	}
	err := s.call(ctx, f)
	if err != nil && s.fallback != nil && mailbox.ClassOf(err) != mailbox.ClassInvalid && ctx.Err() == nil {
		return f(ctx, s.fallback)
	}
	return err
}

// ask asks the store for a decision. The fallback has no states: it takes the
// one that the windows were made from.
func (s *Sends) ask(ctx context.Context, a *Ask, answer *Answer) error {
	if s.memory != nil {
		return s.memory.decide(ctx, a, answer)
	}
	return s.try(ctx, func(ctx context.Context, st Store) (err error) {
		a := *a
		if st == Store(s.fallback) {
			a.Version = 0
		}
		*answer, err = st.Decide(ctx, a)
		return err
	})
}
