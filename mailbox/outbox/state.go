package outbox

import (
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// The transitions of an intent. None of them stores anything.

// sent: it went out.
func (i *Intent) sent(s mailbox.Sent) {
	i.State, i.Sent, i.NextAt = StateSent, s, time.Time{}
	i.Failure, i.Error, i.Waiting, i.Announced, i.Looks = mailbox.ClassUnknown, "", nil, false, 0
	i.release(time.Now())
}

// retry: it certainly did not go out, and will be tried again.
func (i *Intent) retry(at time.Time) {
	i.State, i.NextAt, i.Checkpoint, i.Announced = StatePending, at, nil, false
}

// fail: it did not go out and will not.
func (i *Intent) fail(err error) {
	i.State, i.NextAt, i.Announced, i.Waiting = StateFailed, time.Time{}, false, nil
	i.release(time.Now())
	i.failure(err)
}

func (i *Intent) failure(err error) {
	i.Failure, i.Error = mailbox.ClassOf(err), err.Error()
}

// settled reports whether the state will not change by itself any more.
func (i *Intent) settled() bool {
	switch i.State {
	case StateSent, StateFailed:
		return true
	case StateUnknown:
		return i.NextAt.IsZero() || i.Announced
	default:
		return false
	}
}

func (i *Intent) event() mailbox.Event {
	e := mailbox.Event{Ref: i.Ref, Key: i.Key, At: i.UpdatedAt}
	switch i.State {
	case StateSent:
		e.Kind, e.At, e.Sent = mailbox.EventSent, i.Sent.At, &i.Sent
	case StateUnknown:
		e.Kind = mailbox.EventSendUnknown
	default:
		e.Kind = mailbox.EventSendFailed
	}
	if e.Sent == nil {
		e.Err = &mailbox.Error{Op: "send", Mailbox: i.Mailbox, Class: i.Failure}
	}
	e.ID = string(e.Kind) + ":" + i.Key
	return e
}
