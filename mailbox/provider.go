package mailbox

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Provider is one mail service. It is stateless, holds no tokens and is safe
// for concurrent use; one value serves all mailboxes of all tenants.
//
// Implementations are the packages gmail, outlook and mailboxtest. The
// conformance suite in mailboxtest holds the rules that an implementation has
// to keep.
type Provider interface {
	// Name is stored with accounts.
	Name() ProviderName
	// OAuth tells how to sign in to this service.
	OAuth() OAuth
	// Scopes returns the fewest OAuth scopes that give the capabilities,
	// including those that connecting itself needs (identity, refresh token).
	// Capabilities the service does not have are a ClassUnsupported error.
	Scopes(want Capabilities) ([]string, error)
	// Granted returns what the scopes allow. Unknown scopes are ignored.
	Granted(scopes []string) Capabilities
	// OAuthError turns a refusal of the authorization endpoint (status 0, body
	// as query string) or of the token endpoint (body as received) into an
	// error with a class. It never returns nil.
	OAuthError(status int, header http.Header, body []byte) *Error
	// Identify asks who the token belongs to. It fails with ClassNoMailbox when
	// the account has no mailbox at this service.
	Identify(ctx context.Context, s Session) (Identity, error)
	// Open returns the mailbox of an account. It makes no request. The
	// capabilities of the account decide what the mailbox tries.
	Open(a Account, s Session) (Mailbox, error)
}

// Session is what a driver needs to speak for one mailbox.
type Session struct {
	// Tokens gives access tokens. Required.
	Tokens TokenSource
	// Transport carries the calls; nil means http.DefaultTransport. Limits are
	// kept here: the driver attaches a [Call] to the context of every request.
	Transport http.RoundTripper
}

// OAuth describes an OAuth 2.0 authorization server (RFC 6749).
type OAuth struct {
	AuthURL  string
	TokenURL string
	// RevokeURL is empty when tokens cannot be revoked without harming others.
	RevokeURL string
	// AuthParams are added to the authorization request, for instance
	// access_type=offline.
	AuthParams map[string]string
	// RotatesRefreshTokens tells that every refresh returns a new refresh token.
	RotatesRefreshTokens bool
	// KeysURL is the JSON Web Key Set that ID tokens are verified with (OpenID
	// Connect Discovery 1.0, jwks_uri). Empty means that the provider issues
	// none, or that none is asked for: see [IDTokenReader].
	KeysURL string
	// AdminConsentURL is where an administrator allows the app for the whole
	// organisation. Empty means that there is no such page.
	AdminConsentURL string
}

// DirectoryProvider is implemented by providers whose endpoints depend on the
// organisation of an account.
type DirectoryProvider interface {
	// OAuthAt returns what OAuth returns, for accounts of one directory
	// ([Account.Directory]).
	OAuthAt(directory string) OAuth
}

// OAuthAt returns the endpoints for accounts of a directory, which is empty when
// it is not known.
func OAuthAt(p Provider, directory string) OAuth {
	if d, ok := p.(DirectoryProvider); ok && directory != "" {
		return d.OAuthAt(directory)
	}
	return p.OAuth()
}

// IDTokenReader is implemented by providers that issue ID tokens (OpenID Connect
// Core 1.0, 2).
type IDTokenReader interface {
	// IDToken returns who the claims of an ID token are about. The caller has
	// verified signature, audience, expiry and nonce; IDToken checks the issuer.
	// A Subject that cannot be compared with that of Identify is left empty.
	IDToken(claims []byte) (Identity, error)
}

// GrantExplainer is implemented by providers that can tell more about the end of
// a grant from its history than from the refusal alone.
type GrantExplainer interface {
	// ExplainGrant returns the likely cause of a refused refresh, or e.Cause.
	ExplainGrant(e *Error, h GrantHistory) Cause
}

// GrantHistory is what is known about a grant that was refused. Zero times are
// unknown.
type GrantHistory struct {
	GrantedAt     time.Time // when the user agreed
	UsedAt        time.Time // when it last gave an access token
	RefreshExpiry time.Time // when it was said to end
	RefusedAt     time.Time
}

// Idle returns how long the grant had not been used when it was refused; 0 if
// that is not known.
func (h GrantHistory) Idle() time.Duration {
	used := h.UsedAt
	if used.IsZero() {
		used = h.GrantedAt
	}
	if used.IsZero() {
		return 0
	}
	return h.RefusedAt.Sub(used)
}

// AppProvider is implemented by providers whose mailboxes can be used without a
// user, by the app's own right (AccessApp).
type AppProvider interface {
	// AppScopes returns the scopes to ask for, for the capabilities, and how: by
	// the client's credentials (RFC 6749, 4.4), or by an assertion of a service
	// account that names the mailbox (RFC 7523, 2.1).
	AppScopes(want Capabilities) (scopes []string, flow AppFlow, err error)
}

// AppFlow is how an app gets tokens in its own right.
type AppFlow string

// The flows.
const (
	AppFlowCredentials AppFlow = "client_credentials"
	AppFlowAssertion   AppFlow = "assertion"
)

// AccountIdentifier is implemented by providers with mailboxes that are not the
// token's own: those of AccessShared and AccessApp.
type AccountIdentifier interface {
	// IdentifyAccount asks who the mailbox at a.Address is, and whether the token
	// of the session may use it. a.Scopes are those of the token, as far as they
	// are known. A Subject that the provider does not tell is left empty: then the
	// address decides. It fails with ClassNoMailbox when there is no mailbox, and
	// with ClassConsent and CauseNoRights when the token may not.
	IdentifyAccount(ctx context.Context, a Account, s Session) (Identity, error)
}

// TokenSource gives access tokens for one mailbox. It is safe for concurrent
// use.
type TokenSource interface {
	// Token returns a token that is valid for now. The zero request accepts any.
	Token(ctx context.Context, req TokenRequest) (AccessToken, error)
}

// TokenRequest narrows which token is acceptable.
type TokenRequest struct {
	// Rejected is a token that the service answered 401 to: the source must
	// return another one or fail.
	Rejected AccessToken
	// Claims is a claims challenge to pass to the token endpoint (Microsoft).
	Claims string
}

// AccessToken is a bearer token. It prints as "[redacted]" in every format.
type AccessToken string

// Format implements fmt.Formatter for every verb.
func (AccessToken) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

const redacted = "[redacted]"

// String returns "[redacted]".
func (AccessToken) String() string { return redacted }

// MarshalText refuses to spell the token out in JSON, logs and the like.
func (AccessToken) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Mailbox is one connected mailbox: what both services can do. What only some
// can do, or only with more capabilities, is an extra interface of this package
// ([SendResolver]) that callers assert; a method that the granted capabilities
// do not allow fails with ClassConsent before any request is made.
//
// A Mailbox is safe for concurrent use and holds no goroutine.
type Mailbox interface {
	// Account returns the account the mailbox was opened for.
	Account() Account
	// Send sends out once. See [SendOptions.Checkpoint] for what makes it
	// possible to learn the outcome after a crash. A failure carries an
	// [Outcome]; the driver never repeats a send by itself unless the provider
	// certainly refused it.
	Send(ctx context.Context, out *Outgoing, opts SendOptions) (Sent, error)
	// List returns one page of messages of a folder, newest first as far as the
	// provider keeps that order. Safe to repeat.
	List(ctx context.Context, q Query) (Page, error)
	// Fetch reads messages by id. The result has one entry per id, in the same
	// order; an id that does not exist (any more) is nil. Safe to repeat.
	Fetch(ctx context.Context, ids []MessageID, parts Parts) ([]*Message, error)
	// Cursor returns a position such that everything from now on will be seen
	// by Changes. Safe to repeat.
	Cursor(ctx context.Context) (Cursor, error)
	// Changes returns what happened since the cursor, oldest first, in bites of
	// at most max changes (0 means 100, a provider may return fewer). It fails
	// with ClassCursorLost when the provider no longer knows the cursor. Safe to
	// repeat: the same cursor gives the same changes again.
	Changes(ctx context.Context, from Cursor, max int) (Changes, error)
	// SetRead marks messages read or unread. Ids that do not exist are skipped.
	// Safe to repeat.
	SetRead(ctx context.Context, read bool, ids ...MessageID) error
}

// SendOptions are the rarely needed arguments of [Mailbox.Send].
type SendOptions struct {
	// Checkpoint, if set, is called once with all that is needed to find out
	// later what became of the send, after every preparation and before the
	// request that sends. If it fails, nothing is sent and its error is
	// returned with OutcomeNotSent. Store the checkpoint before returning.
	Checkpoint func(ctx context.Context, c Checkpoint) error
}

// Checkpoint is the state of a send just before the point of no return.
type Checkpoint struct {
	// Ref and RFCMessageID are what the message carries.
	Ref          string       `json:"ref,omitempty"`
	RFCMessageID RFCMessageID `json:"rfc_message_id"`
	// DraftID is the draft that is about to be sent, if there is one.
	DraftID MessageID `json:"draft_id,omitempty"`
	// Position is the driver's own note, for instance a cursor.
	Position string `json:"position,omitempty"`
	// At is when the send was about to start.
	At time.Time `json:"at"`
}

// SendResolver is implemented by mailboxes that can find out what became of a
// send whose answer was lost. Whether they can depends on the capabilities:
// with CanSend alone it fails with ClassConsent and OutcomeUnknown.
type SendResolver interface {
	// ResolveSend looks once. OutcomeSent comes with Sent filled in;
	// OutcomeNotSent means the message certainly did not go out and may be sent
	// again; OutcomeUnknown means it cannot be told yet: ask again later. It
	// never sends. Store OutcomeNotSent before anything else: what could still
	// have gone out has been removed, and asking again may say OutcomeUnknown.
	ResolveSend(ctx context.Context, c Checkpoint) (Sent, Outcome, error)
}

// SentReader is implemented by mailboxes that can read their own sent copies.
type SentReader interface {
	// ReadSent completes what is known of a sent message: the ids it went out
	// under and the sender that was used. It fails with ClassNotFound while the
	// provider has not filed the copy yet. Safe to repeat.
	ReadSent(ctx context.Context, s Sent) (Sent, error)
}

// RawReader is implemented by mailboxes that can give a message as it came.
// Bounces are read this way: their report is a part of its own.
type RawReader interface {
	// Raw returns the whole message (RFC 5322). It needs CanReadBodies, and
	// fails with ClassInvalid for one above max bytes (0 means 64 MiB). Safe to
	// repeat.
	Raw(ctx context.Context, id MessageID, max int64) ([]byte, error)
}

// SharedFinder is implemented by mailboxes whose user may be given rights on
// other mailboxes (Microsoft). It needs CanShared.
type SharedFinder interface {
	// FindShared looks which mailboxes the user may use. No provider lists them:
	// it tries those of the query. Safe to repeat.
	FindShared(ctx context.Context, q SharedQuery) ([]SharedMailbox, error)
}

// SharedQuery names the mailboxes to try. At least one field is needed.
type SharedQuery struct {
	// Addresses are tried as they are, at most 100.
	Addresses []string
	// Search is the beginning of a name or address to look up in the
	// organisation's directory first, at most 100 entries. It needs a scope of
	// its own, see the driver.
	Search string
}

// SharedMailbox is a mailbox that could be tried.
type SharedMailbox struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	// Readable tells that the user can read it. Whether mail can be sent from it
	// is known only after a try: no provider tells.
	Readable bool `json:"readable"`
}

// Watcher is implemented by mailboxes whose provider can announce changes.
// Announcements may get lost or come late: they make polling faster, not
// needless.
type Watcher interface {
	// Watch starts announcements, or renews those that run. Safe to repeat.
	Watch(ctx context.Context, r WatchRequest) (Watch, error)
	// Unwatch ends all announcements of this mailbox that this app has started.
	// It is no error if there are none. Safe to repeat.
	Unwatch(ctx context.Context) error
}

// WatchRequest says where announcements go. Which fields count is up to the
// driver; a missing one is a ClassInvalid error that names it.
type WatchRequest struct {
	// Topic is the Pub/Sub topic, "projects/P/topics/T" (Gmail).
	Topic string
	// URL and LifecycleURL are https URLs that announcements are posted to
	// (Graph). LifecycleURL may be empty.
	URL, LifecycleURL string
	// Secret comes back with every announcement (Graph: clientState, at most 128
	// bytes).
	Secret string
}

// Watch is a running announcement.
type Watch struct {
	// ExpiresAt is when it ends unless it is renewed.
	ExpiresAt time.Time
}

// Parts says how much of a message to read.
type Parts uint8

// The parts.
const (
	// PartHeaders: header fields and metadata; needs CanReadHeaders.
	PartHeaders Parts = 0
	// PartBody: also text, HTML and attachment metadata; needs CanReadBodies.
	PartBody Parts = 1
	// PartIDs: only what the provider's list gives; often just the id.
	PartIDs Parts = 2
)

// Query selects messages of a folder. The zero value is the newest of the
// inbox, headers only.
type Query struct {
	// Folder is where to look; empty means FolderInbox.
	Folder Folder
	// Since and Before bound ReceivedAt (Since included, Before excluded); zero
	// means no bound.
	Since, Before time.Time
	Parts         Parts
	// Max is the size of a page; 0 means 50. Providers allow at most 500.
	Max int
	// Page is the Next of an earlier page; empty starts from the beginning.
	Page string
}

// Page is one page of a list.
type Page struct {
	Messages []*Message
	// Next continues the list; empty at the end. A page may be empty and yet
	// have a Next.
	Next string
}

// Cursor is an opaque position in a mailbox's changes: store it as it is.
type Cursor string

// Changes is one bite of a mailbox's changes.
type Changes struct {
	Changes []Change
	// Next is the position after these changes. Store it only when all of them
	// have been dealt with.
	Next Cursor
	// More tells that Changes should be called again at once.
	More bool
}

// Change is one thing that happened in a mailbox. The same change may be
// reported more than once.
type Change struct {
	Kind ChangeKind
	ID   MessageID
	// Message has the headers; nil for ChangeRemoved.
	Message *Message
}

// ChangeKind is the kind of a [Change].
type ChangeKind string

// The kinds of changes.
const (
	// ChangeAdded: a message arrived in, was sent from, or was moved into a
	// watched folder.
	ChangeAdded ChangeKind = "added"
	// ChangeUpdated: read state or folders of a message changed.
	ChangeUpdated ChangeKind = "updated"
	// ChangeRemoved: a message was deleted. One that was moved to a folder that
	// is not watched is ChangeUpdated, if the provider still tells where it is.
	ChangeRemoved ChangeKind = "removed"
)
