package quota

import (
	"context"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// CallStore shares the budgets, the calls in flight and the pauses of a
// [Limiter] among processes. It holds one small state for each mailbox as used
// by an app, and one for each app; package quotatest holds the rules as a
// conformance suite.
//
// Each method is one atomic step on one state, by the store's clock;
// [CallState] is its arithmetic. A state that equals a new one may be forgotten.
// What [CallAsk.Validate] refuses is refused. Any other error means that nothing
// happened as far as the store knows. A CallStore is safe for concurrent use and
// keeps nothing of the slices it is given.
type CallStore interface {
	// Enter lets a call go if the state is not paused, has a slot, and every
	// budget has what the call takes; then it takes them. Otherwise nothing is
	// taken, and the answer says how long to wait.
	Enter(ctx context.Context, a CallAsk) (CallAnswer, error)
	// Leave gives the slots of a call back. Those of an unknown call are no error.
	Leave(ctx context.Context, k CallKey, id string) error
	// Pause lets no call of the state go for d from now, or no send if sends is
	// set; the one says nothing about the other. It never shortens a pause, and
	// without a d above 0 it does nothing.
	Pause(ctx context.Context, k CallKey, sends bool, d time.Duration) error
}

// CallKey names the state of a mailbox as used by an app, with an empty Mailbox
// that of a tenant, and with an empty Ref that of an app. Its parts are at most
// 255 bytes of UTF-8 without NUL, compared byte by byte.
type CallKey struct {
	Provider mailbox.ProviderName
	App      string
	mailbox.Ref
}

// CallAsk is what a call takes.
type CallAsk struct {
	CallKey
	// ID names the call among those in flight, 1 to 64 bytes of UTF-8 without NUL.
	// Empty for a call that takes no slots. A call that asks again under its ID keeps the slots it
	// has: safe to repeat, except for the budgets.
	ID string
	// Slots is how many of the calls in flight it counts as, at most 1000; 0 for
	// none. MaxSlots is how many there are, 1 to 1000 with Slots; a call that
	// counts more goes when no other has one.
	Slots, MaxSlots int
	// TTL is after how long the slots of a call that never leaves are free again,
	// 1 ms to 366 days with Slots.
	TTL time.Duration
	// Send tells that it is stopped also by a pause of sends.
	Send bool
	// Budgets are at most 8, of different names.
	Budgets []BudgetAsk
}

// BudgetAsk is what a call takes from a budget. The budget itself comes with
// each call: only what is used of it is stored.
type BudgetAsk struct {
	// Name is 1 to 16 bytes of a-z and _.
	Name string
	// Budget has Units from 1 to 2^40 and Per from 1 ms to 366 days: so many may be
	// used in any span of Per, counted in steps of Per/96 (the step of now begins
	// at a multiple of it, and what is used in it counts for the 96 after it as
	// well). Burst is below Units. Above 0 it adds a bucket that holds Burst and
	// fills at Units/Per.
	Budget
	// N is how many units it takes, 0 to 2^40. A call that takes more than the
	// burst waits for a full bucket, goes, and is paid off before the next one; one
	// that takes more than Units waits until none count.
	N int
	// Keep is how many units it leaves for others, 0 to 2^40: it goes only when as
	// many are there besides, or all that there can be if that is less.
	Keep int
}

// CallAnswer tells whether a call may go.
type CallAnswer struct {
	Allowed bool
	// Wait is how long to wait if it is not allowed: until the pause and the
	// budgets let it go. It is 0 when only other calls in flight are in the way.
	Wait time.Duration
	// Paused tells that a pause is in the way.
	Paused bool
}
