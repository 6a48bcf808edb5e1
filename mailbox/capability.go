package mailbox

import "strings"

// Capabilities is a set of things a host wants to do with a mailbox, or was
// granted. The zero value is the empty set. The numbers are stored; they never
// change.
type Capabilities uint32

// The capabilities. A driver names the fewest OAuth scopes for a set
// ([Provider.Scopes]) and reads back what was granted ([Provider.Granted]).
const (
	// CanSend allows sending. On its own it does not allow looking up what
	// became of a message, so a lost answer stays OutcomeUnknown.
	CanSend Capabilities = 1 << iota
	// CanReadHeaders allows listing messages and reading header fields:
	// enough to notice replies, bounces and automatic answers.
	CanReadHeaders
	// CanReadBodies allows reading text and attachments.
	CanReadBodies
	// CanWriteReadState allows marking messages read and unread.
	CanWriteReadState
	// CanDraft allows creating drafts, and with them sends whose outcome can
	// always be looked up.
	CanDraft
	// CanShared allows opening mailboxes shared with the signed-in user.
	CanShared
)

var capabilityNames = [...]string{"send", "read_headers", "read_bodies", "write_read_state", "drafts", "shared"}

// Has reports whether every capability of want is in c.
func (c Capabilities) Has(want Capabilities) bool { return c&want == want }

// WithImplied returns c and what comes with it: whoever may read bodies may read
// headers.
func (c Capabilities) WithImplied() Capabilities {
	if c.Has(CanReadBodies) {
		c |= CanReadHeaders
	}
	return c
}

// Missing returns the capabilities of want that are not in c.
func (c Capabilities) Missing(want Capabilities) Capabilities { return want &^ c }

// String lists the capabilities, separated by commas, in a fixed order.
func (c Capabilities) String() string {
	var names []string
	for i, name := range capabilityNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}
