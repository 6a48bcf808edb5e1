package outlooktest

import "github.com/mailtether/mailtether/internal/fakeserver"

// Parts of the machinery that both fakes share.
type (
	// Fault is a scripted failure: see [Server.Inject].
	Fault = fakeserver.Fault
	// Exchange is one request with its answer: see [Server.Log].
	Exchange = fakeserver.Exchange
	// Decision is what a user does at the authorization page.
	Decision = fakeserver.Decision
	// Client is an OAuth client registration.
	Client = fakeserver.Client
	// Grant is what a user allowed a client.
	Grant = fakeserver.Grant
	// Envelope is a message on its way.
	Envelope = fakeserver.Envelope
	// IDTokenFault breaks an ID token: see OAuth.BreakIDToken.
	IDTokenFault = fakeserver.IDTokenFault
	// PageError is the error of [Decide] when the user was told something on a
	// page and not sent back.
	PageError = fakeserver.PageError
	// RefreshReuse is what becomes of a refresh token that was used.
	RefreshReuse = fakeserver.RefreshReuse
)

// The policies of [Options.RefreshReuse].
const (
	// ReuseAllowed: it goes on working until its own end.
	ReuseAllowed = fakeserver.ReuseAllowed
	// ReuseUntilSuccessorUsed: it goes on working until a token that came from it
	// is used.
	ReuseUntilSuccessorUsed = fakeserver.ReuseUntilSuccessorUsed
	// ReuseStrict: whoever uses it again ends the whole grant.
	ReuseStrict = fakeserver.ReuseStrict
)
