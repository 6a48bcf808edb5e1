package tokenstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

const (
	// faultPause is how long a refused app does not ask again.
	faultPause = time.Minute
	// maxRequests is how many requests of an app for its mailboxes are under way
	// at the same time.
	maxRequests = 32
)

// breaker holds back the requests of an app that the provider refuses, and bounds
// how many run at the same time. The zero value is ready.
type breaker struct {
	mu    sync.Mutex
	slots chan struct{}
	// faults are the episodes that last, by where they hold: a token endpoint, or
	// everywhere.
	faults map[string]*episode
	// clock numbers what happens, so that an answer is not believed over one to
	// a later question. accepted is when the last request was sent that the
	// provider granted.
	clock, accepted int64
}

// episode is the time in which the app is refused.
type episode struct {
	err   *mailbox.Error
	at    int64     // when it was refused last, by breaker.clock
	until time.Time // when the next request may find out whether it is over
}

// everywhere is the place of a fault that has nothing to do with the endpoint.
const everywhere = ""

// acquire waits for a slot, and returns the error of the episode if there is one.
// It waits no longer than half of the time that ctx has left: the rest is for the
// request.
func (b *breaker) acquire(ctx context.Context, endpoint string) error {
	if err := b.standing(endpoint, false); err != nil {
		return err
	}
	b.mu.Lock()
	if b.slots == nil {
		b.slots = make(chan struct{}, maxRequests)
	}
	slots := b.slots
	b.mu.Unlock()

	wait := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	if err := ctx.Err(); err != nil { // select would toss a coin
		return err
	}
	select {
	case slots <- struct{}{}:
	case <-wait.Done():
		return &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "busy", Err: wait.Err()}
	}
	if err := b.standing(endpoint, true); err != nil {
		b.release()
		return err
	}
	return nil
}

func (b *breaker) release() { <-b.slots }

// standing returns the error of an episode. Where one may be over, the caller is
// let through to find out, if it says that it is about to ask.
func (b *breaker) standing(endpoint string, asks bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, where := range [...]string{everywhere, endpoint} {
		e := b.faults[where]
		if e == nil {
			continue
		}
		if left := e.until.Sub(now); left > 0 {
			err := asError(e.err)
			err.RetryAfter = left
			return err
		}
	}
	if asks {
		for _, where := range [...]string{everywhere, endpoint} {
			if e := b.faults[where]; e != nil {
				e.until = now.Add(faultPause) // the others wait for the answer
			}
		}
	}
	return nil
}

// ask notes that a request is sent.
func (b *breaker) ask() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock++
	return b.clock
}

// answer notes what became of the request with the number. code is the error that
// the endpoint named, if it did. It reports whether an episode has begun.
func (b *breaker) answer(asked int64, endpoint, code string, err error) (began bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock++
	where, fault := faultOf(err, code, endpoint)
	if !fault {
		b.pass(asked, endpoint, err)
		return false
	}
	if asked < b.accepted {
		return false // it was repaired meanwhile
	}
	began = b.faults[where] == nil
	if b.faults == nil {
		b.faults = make(map[string]*episode)
	}
	b.faults[where] = &episode{err: asError(err), at: b.clock, until: time.Now().Add(faultPause)}
	return began
}

// pass notes that a request failed by no fault of the app, or not at all.
func (b *breaker) pass(asked int64, endpoint string, err error) {
	if err == nil {
		b.accepted = max(b.accepted, asked)
	}
	for _, where := range [...]string{everywhere, endpoint} {
		switch e := b.faults[where]; {
		case e == nil || e.at >= asked:
		case err == nil:
			delete(b.faults, where)
		case grantEnded(mailbox.ClassOf(err)):
			e.until = time.Now() // this was about one mailbox: the next may find out
		}
	}
}

// faultOf reports whether an error is about the app and not about one mailbox,
// and where that holds. code is the error that the endpoint named.
func faultOf(err error, code, endpoint string) (where string, fault bool) {
	e, ok := errors.AsType[*mailbox.Error](err)
	switch {
	case !ok || e.Class != mailbox.ClassConfig:
		return "", false
	case e.Cause == mailbox.CauseAppSecret:
		return everywhere, true
	case e.Cause == mailbox.CauseAppRegistration:
		// An app can be unknown or disabled in one organisation alone.
		return endpoint, true
	case code == "invalid_client" || code == "deleted_client":
		return everywhere, true
	default:
		return "", false // about what this request asked for
	}
}
