package mailbox

import "context"

// Call says what one request to a provider is and costs, so that limits can be
// kept below the driver, in the transport. Drivers attach it to the context of
// every request they make.
type Call struct {
	Ref
	Provider ProviderName
	// App is [Account.App].
	App string
	// Method is the provider's name of the method, for instance
	// "gmail.users.messages.get".
	Method string
	// Units is the cost in the provider's own units (Gmail quota units; 1 for a
	// Graph request).
	Units int
	// Parallel is how many of the mailbox's concurrent requests it uses; 0
	// means 1. A batch counts each of its inner calls.
	Parallel int
	// Upload is the size of the request body in bytes.
	Upload int64
	// Lane is who asks. All requests of a send are LaneSend, its draft and its
	// uploads included.
	Lane Lane
}

// Lane orders calls that compete for the same limit.
type Lane uint8

// The lanes. Sends outrank live sync, live sync outranks backfill.
const (
	LaneLive     Lane = 0
	LaneSend     Lane = 1
	LaneBackfill Lane = 2
)

type (
	callKey struct{}
	laneKey struct{}
)

// WithCall attaches c to the context of a request. The lane of the context, if
// any, replaces that of c unless c is a send.
func WithCall(ctx context.Context, c Call) context.Context {
	if lane, ok := ctx.Value(laneKey{}).(Lane); ok && c.Lane != LaneSend {
		c.Lane = lane
	}
	return context.WithValue(ctx, callKey{}, c)
}

// CallOf returns the call that was attached, and whether there is one.
func CallOf(ctx context.Context) (Call, bool) {
	c, ok := ctx.Value(callKey{}).(Call)
	return c, ok
}

// WithLane marks all calls made under the context. Use it around a backfill.
func WithLane(ctx context.Context, lane Lane) context.Context {
	return context.WithValue(ctx, laneKey{}, lane)
}
