package outlook

import (
	"context"
	"net/http"
	"time"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// How calls of a batch are repeated that were refused for now. All calls that
// are put in a batch are safe to repeat.
const (
	maxTries  = 4
	firstWait = time.Second
	// maxWait is the longest the driver waits by itself; whoever called decides
	// about longer waits.
	maxWait = 30 * time.Second
)

// batch carries out calls, at most size in one request and one request after
// the other: Graph asks for one batch at a time per mailbox. Answers come in the
// order of the calls. Calls that were throttled, or that met a passing fault, are
// repeated a few times. The time is that of the server, zero if it did not tell.
func (m *Mailbox) batch(ctx context.Context, calls []graph.Inner, size int) ([]graph.Answer, time.Time, error) {
	answers := make([]graph.Answer, len(calls))
	var at time.Time
	todo := make([]int, len(calls))
	for i := range calls {
		todo[i] = i
	}
	wait := firstWait
	for try := 1; len(todo) > 0; try++ {
		for start := 0; start < len(todo); start += size {
			part := todo[start:min(start+size, len(todo))]
			inner := make([]graph.Inner, len(part))
			for i, n := range part {
				inner[i] = calls[n]
			}
			got, now, err := m.graph.Batch(ctx, inner)
			if err != nil {
				return nil, at, err
			}
			at = now
			for i, n := range part {
				answers[n] = got[i]
			}
		}
		var again []int
		pause := wait
		for _, n := range todo {
			if !passing(answers[n].Status) {
				continue
			}
			again = append(again, n)
			if e, ok := m.refused(calls[n], answers[n]).(*mailbox.Error); ok {
				pause = max(pause, e.RetryAfter)
			}
		}
		if len(again) == 0 || try == maxTries || pause > maxWait {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, at, m.graph.Gate.Error(ctx, err)
		}
		todo, wait = again, 2*wait
	}
	return answers, at, nil
}

// passing tells of answers that may be different soon. 0 is a missing answer,
// 424 one that failed with another (Microsoft Graph, JSON batching).
func passing(status int) bool {
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusFailedDependency, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// refused returns the error of a call in a batch, nil if it succeeded.
func (m *Mailbox) refused(c graph.Inner, a graph.Answer) error {
	if a.Status/100 == 2 {
		return nil
	}
	call := m.graph.Call
	call.Method = c.Name
	if a.Status == 0 {
		return m.fail(c.Name, &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "no_answer"})
	}
	return m.graph.Gate.Refuse(gate.Answer{Call: call, Status: a.Status, Header: a.Header, Body: []byte(a.Body)})
}

// gone tells of ids that do not exist here (any more).
func gone(err error) bool { return mailbox.ClassOf(err) == mailbox.ClassNotFound }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
