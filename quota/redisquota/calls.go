package redisquota

import (
	"context"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// Calls is a [quota.CallStore] in Redis. Make one with [Store.Calls].
type Calls struct {
	store *Store
}

var _ quota.CallStore = (*Calls)(nil)

// keys returns the keys of a state, in the order of budgets.lua.
func (c *Calls) keys(k quota.CallKey) []string {
	parts := []string{"calls", string(k.Provider), k.App, string(k.Tenant), string(k.Mailbox)}
	return c.store.keys(parts, "state", "steps", "slots")
}

// Enter implements [quota.CallStore].
func (c *Calls) Enter(ctx context.Context, a quota.CallAsk) (quota.CallAnswer, error) {
	const op = "enter call"
	if err := a.Validate(); err != nil {
		return quota.CallAnswer{}, err
	}
	args := []any{a.ID, a.Slots, a.MaxSlots, roundUp(a.TTL), flag(a.Send)}
	for _, b := range a.Budgets {
		args = append(args, b.Name, b.Units, roundUp(b.Per), b.Burst, b.N, b.Keep)
	}
	got, err := c.store.run(ctx, enterScript, c.keys(a.CallKey), args)
	if err != nil {
		return quota.CallAnswer{}, failed(ctx, op, a.Mailbox, err)
	}
	r := read(got)
	answer := quota.CallAnswer{
		Allowed: r.int() == 1,
		Wait:    time.Duration(r.int()) * time.Microsecond,
		Paused:  r.int() == 1,
	}
	if r.err != nil {
		return quota.CallAnswer{}, failed(ctx, op, a.Mailbox, r.err)
	}
	return answer, nil
}

// Leave implements [quota.CallStore].
func (c *Calls) Leave(ctx context.Context, k quota.CallKey, id string) error {
	if err := k.Validate(); err != nil {
		return err
	}
	_, err := c.store.run(ctx, leaveScript, c.keys(k), []any{id})
	return failed(ctx, "leave call", k.Mailbox, err)
}

// Pause implements [quota.CallStore].
func (c *Calls) Pause(ctx context.Context, k quota.CallKey, sends bool, d time.Duration) error {
	if err := k.Validate(); err != nil {
		return err
	}
	what := "paused"
	if sends {
		what = "sends"
	}
	_, err := c.store.run(ctx, pauseScript, c.keys(k), []any{what, roundUp(d)})
	return failed(ctx, "pause calls", k.Mailbox, err)
}

// roundUp returns a span in whole microseconds.
func roundUp(d time.Duration) int64 {
	micros := d.Microseconds()
	if d > time.Duration(micros)*time.Microsecond {
		micros++
	}
	return micros
}
