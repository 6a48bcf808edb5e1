package mailboxtest

import (
	"testing"

	"github.com/mailtether/mailtether/mailbox"
)

// Harness gives the conformance suite a provider over a service with two users
// and the means to break it. Every case gets a harness of its own, inside a
// testing/synctest bubble: the service has to be reached in process.
type Harness struct {
	Provider mailbox.Provider
	// Alice and Bob are users whose mail reaches each other.
	Alice, Bob string
	// NoOne is an address at the service that does not exist.
	NoOne string
	// All is everything the provider can be asked for.
	All mailbox.Capabilities

	// Session returns a session for a user whose token carries the scopes. Its
	// transport leads to the service; its token source gives another token when
	// one is rejected, or fails with ClassReconnect once the user has revoked.
	Session func(t *testing.T, address string, scopes []string) mailbox.Session
	// Deliver puts a message from outside into a user's inbox.
	Deliver func(t *testing.T, to string, raw []byte)
	// Delete removes a message for good, as the user would do elsewhere.
	Delete func(t *testing.T, address string, id mailbox.MessageID)
	// Requests is how many requests reached the service so far, OAuth apart.
	Requests func() int
	// BodyReads is how many times the content of a message was asked for.
	BodyReads func() int
	// Break makes the next call fail; BreakSend the next call that sends.
	Break     func(t *testing.T, how Breakage)
	BreakSend func(t *testing.T, how Breakage)
	// ExpireTokens makes the access tokens that are out invalid.
	ExpireTokens func(t *testing.T)
	// Revoke ends the user's grant.
	Revoke func(t *testing.T, address string)
	// LoseCursors makes the service forget every cursor.
	LoseCursors func(t *testing.T)

	// What follows is for rules on optional interfaces, and may be left out.

	// IDToken returns the claims of an ID token that the service gives to a user.
	IDToken func(t *testing.T, address string) []byte
	// Announce is where the service may announce changes to.
	Announce mailbox.WatchRequest
	// Watching is how many announcements run for a user.
	Watching func(t *testing.T, address string) int
	// Shared is a mailbox that Alice may read and send from, and Bob's is none.
	Shared string
}

// Breakage is a way in which a call can fail.
type Breakage int

// The breakages.
const (
	// Lost: the call takes effect and the answer never arrives.
	Lost Breakage = iota
	// Refused500: the call fails with a server fault and has no effect.
	Refused500
	// HTMLError: the call is answered by a front end with 502 and HTML.
	HTMLError
	// Throttled: the call is refused for 30 seconds.
	Throttled
	// Hangs: the call has no effect and never ends.
	Hangs
)

// open opens the mailbox of a user with capabilities.
func (h *Harness) open(t *testing.T, address string, caps mailbox.Capabilities) mailbox.Mailbox {
	t.Helper()
	scopes, err := h.Provider.Scopes(caps)
	if err != nil {
		t.Fatalf("Scopes(%v): %v", caps, err)
	}
	mb, err := h.Provider.Open(h.account(address, scopes), h.Session(t, address, scopes))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return mb
}

func (h *Harness) account(address string, scopes []string) mailbox.Account {
	return mailbox.Account{
		Ref:      mailbox.Ref{Tenant: "t1", Mailbox: mailbox.MailboxID("box-" + address)},
		Provider: h.Provider.Name(), Address: address, Name: "Zoë Test",
		Scopes: scopes, Capabilities: h.Provider.Granted(scopes), State: mailbox.StateConnected,
	}
}
