package outlooktest

import (
	"cmp"
	"net/http"
	"time"
)

// Options are the ways in which a fake can differ from the default. Every field
// that the documentation of the service leaves open has the more likely answer as
// its zero value.
type Options struct {
	// Origin is what the URLs begin with while the fake is used in process;
	// empty means "https://graph.fake".
	Origin string

	// Transport of mail. With both delays zero, a message has left Drafts before
	// its 202 is answered.

	// SendDelay keeps an accepted message in Drafts for that long (by the clock
	// of the fake) before it is handed over and filed in Sent Items.
	SendDelay time.Duration
	// SendDelayRequests keeps it there until the mailbox was asked that many
	// more times.
	SendDelayRequests int
	// HideInTransport answers 404 for an accepted message until it is filed, and
	// leaves it out of lists.
	HideInTransport bool
	// SendRetryAfter adds a Retry-After header to every 202 of a send.
	SendRetryAfter string
	// RewriteWorkIDs replaces a Message-ID that the sender chose in work
	// mailboxes too. Personal mailboxes do so anyway unless KeepPersonalIDs.
	RewriteWorkIDs  bool
	KeepPersonalIDs bool
	// IgnorePropertyThreading keeps In-Reply-To and References that were set
	// through extended properties off the wire.
	IgnorePropertyThreading bool
	// SendFromAlias keeps an alias in From; without it Exchange writes the
	// primary address.
	SendFromAlias bool
	// SplitExternalReplies starts a new conversation for a reply that comes
	// without Thread-Index, although its References are right.
	SplitExternalReplies bool
	// NDR shapes non-delivery reports.
	NDR NDR

	// Reading.

	// SentHeaders is what internetMessageHeaders of a sent message holds.
	SentHeaders SentHeaders
	// ReadBasicBody and ReadBasicHeaders say what happens when a token that has
	// only Mail.ReadBasic selects the body, or internetMessageHeaders.
	// Defaults: Refuse and Allow.
	ReadBasicBody    Policy
	ReadBasicHeaders Policy
	// DeltaHeaders says what happens to internetMessageHeaders inside delta.
	// Default: Allow.
	DeltaHeaders Policy
	// HTMLBodies turns text-only messages into HTML bodies.
	HTMLBodies bool
	// MixedCaseEnums spells enum values "HTML", "Normal", "Focused".
	MixedCaseEnums bool
	// StrictIDs answers ErrorItemNotFound for an id of the other flavour than
	// the request's Prefer header names. Without it both resolve.
	StrictIDs bool

	// Delta.

	// DeltaStates is how many states a delta chain keeps; an older link is gone.
	// 0 means 4.
	DeltaStates int
	// DeltaChains is how many chains a folder keeps; 0 means 64.
	DeltaChains int
	// DeltaReplays is how many changes of the round before each round repeats.
	DeltaReplays int
	// DeltaPartial reports a changed message with its changed properties only.
	DeltaPartial bool
	// DeltaEmptyPages answers every round with an empty page first.
	DeltaEmptyPages bool
	// DeltaLosesMoves reports a message that was moved out and back between two
	// rounds as removed, and never as added again. DeltaOmitsMoves never
	// reports a message that was moved into the folder. Sent messages are
	// reported all the same.
	DeltaLosesMoves bool
	DeltaOmitsMoves bool
	// DeltaLag is how long it takes until a change is reported.
	DeltaLag time.Duration

	// Limits.

	// MaxConcurrent is how many requests of one app a mailbox serves at a time
	// before it answers 429; 0 means no limit. The real number is 4.
	MaxConcurrent int
	// MaxRequests is how many requests of one app a mailbox serves in ten
	// minutes before it answers 429; 0 means 10,000, -1 no limit.
	MaxRequests int
	// RetryAfter is the Retry-After of a 429; empty means "10", "-" leaves the
	// header out.
	RetryAfter string
	// Latency is how long every request takes.
	Latency time.Duration
	// MaxRequestBytes bounds a request body; 0 means 4 MiB. OversizeStatus is
	// what a larger one is answered with; 0 means 413.
	MaxRequestBytes int
	OversizeStatus  int
	// MaxMessageBytes bounds a message that is sent; 0 means 35 MiB.
	MaxMessageBytes int64
	// SendLimitStatus is the HTTP status of ErrorExceededMessageLimit; 0 means
	// 429.
	SendLimitStatus int
	// QuotaStatus is the HTTP status of ErrorQuotaExceeded; 0 means 413.
	QuotaStatus int

	// Signing in.

	// RefreshReuse is what becomes of a refresh token that was used. The default
	// is what Microsoft documents: it goes on working.
	RefreshReuse RefreshReuse
	// RefreshInactivity ends a refresh token that is older; every refresh gives a
	// new one. 0 means the 90 days of Microsoft, -1 never.
	RefreshInactivity time.Duration
	// PersonalAuthorityOnly refuses refreshes of personal accounts at /common
	// with 9002331: only /consumers, or their directory by its id, takes them. A
	// report of 2026-09 had such failures (huacnlee/omamail issue 230).
	PersonalAuthorityOnly bool
	// ConsentWorkflow lets users ask an administrator for what they may not
	// allow: the refusal is 90095 instead of 90094.
	ConsentWorkflow bool
	// ApprovalError is the error that the client gets then. Empty means
	// "access_denied"; "consent_required" was reported too.
	ApprovalError string
	// OpenerPolicy is the Cross-Origin-Opener-Policy of the sign-in pages. Empty
	// means "same-origin", which cuts a popup off from its opener; "-" sends none.
	// Microsoft began to send it in 2026
	// (learn.microsoft.com/answers/questions/5790872, 2026-02, and
	// learn.microsoft.com/entra/identity-platform/how-to-prepare-app-coop-enforcement,
	// 2026-09).
	OpenerPolicy string

	// Notify reaches notification URLs for the validation handshake of
	// subscriptions; nil leaves the handshake out.
	Notify http.RoundTripper
}

// NDR shapes the non-delivery reports that the fake writes.
type NDR struct {
	// SubjectPrefix is put before the original subject; empty means
	// "Undeliverable: ".
	SubjectPrefix string
	// Text is the first sentence of the body; empty means the English one.
	Text string
	// Language is Content-Language; empty means "en-US".
	Language string
	// NoInReplyTo leaves In-Reply-To and References out.
	NoInReplyTo bool
	// NoReport leaves the delivery-status part and the original header out.
	NoReport bool
}

// Policy is what happens to something that may or may not be readable.
type Policy string

// The policies. The empty Policy means the default of the option.
const (
	Allow  Policy = "allow"
	Omit   Policy = "omit"   // left out of the answer without a word
	Refuse Policy = "refuse" // 403 ErrorAccessDenied
)

// SentHeaders is what internetMessageHeaders of a message in Sent Items holds.
type SentHeaders string

// The variants. The empty value means SentCustom.
const (
	SentCustom SentHeaders = "custom" // only the X- fields of the client
	SentNone   SentHeaders = "none"
	SentFull   SentHeaders = "full"
)

// User is a mailbox of the fake.
type User struct {
	// Address is the primary address. Required.
	Address string
	// Name is the display name; empty means the address.
	Name string
	// Aliases are further addresses that deliver to the mailbox.
	Aliases []string
	// UserPrincipalName is the sign-in name; empty means Address.
	UserPrincipalName string
	// ID is the object id; empty makes one: a GUID, or the 16 hexadecimal digits
	// of a personal account.
	ID string
	// TenantID is the directory; empty means one of its own for every mail
	// domain, which [Server.Tenant] tells. Personal accounts are all in
	// [PersonalTenant].
	TenantID string
	// Admin may allow apps for the whole directory.
	Admin bool
	// Personal makes it an Outlook.com account: Message-IDs are rewritten, send
	// limits are answered at once, and /me has no proxyAddresses.
	Personal bool
	// NoMailbox is an account without an Exchange Online mailbox: every mail
	// call is answered 404 MailboxNotEnabledForRESTAPI.
	NoMailbox bool
	// Shared makes it a shared mailbox: nobody signs in with it.
	Shared bool
	// SharedWith lists users who have full access and Send As: what members of a
	// shared mailbox are usually given. FullAccess, SendAs and SendOnBehalf give
	// each of the rights alone. Who has full access opens the mailbox; who may
	// send as it is not seen in the message; who may send on behalf of it stands
	// in Sender.
	SharedWith                       []string
	FullAccess, SendAs, SendOnBehalf []string
	// SendLimit is how many recipients may be written to in 24 hours; 0 means
	// 10,000 for work and 5,000 for personal accounts.
	SendLimit int
}

func (o Options) withDefaults() Options {
	o.Origin = cmp.Or(o.Origin, "https://graph.fake")
	o.NDR.SubjectPrefix = cmp.Or(o.NDR.SubjectPrefix, "Undeliverable: ")
	o.NDR.Text = cmp.Or(o.NDR.Text, "Delivery has failed to these recipients or groups:")
	o.NDR.Language = cmp.Or(o.NDR.Language, "en-US")
	o.SentHeaders = cmp.Or(o.SentHeaders, SentCustom)
	o.ReadBasicBody = cmp.Or(o.ReadBasicBody, Refuse)
	o.ReadBasicHeaders = cmp.Or(o.ReadBasicHeaders, Allow)
	o.DeltaHeaders = cmp.Or(o.DeltaHeaders, Allow)
	o.RetryAfter = cmp.Or(o.RetryAfter, "10")
	o.DeltaStates = cmp.Or(o.DeltaStates, 4)
	o.DeltaChains = cmp.Or(o.DeltaChains, 64)
	o.MaxRequests = cmp.Or(o.MaxRequests, 10_000)
	o.MaxRequestBytes = cmp.Or(o.MaxRequestBytes, 4<<20)
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, 35<<20)
	o.OversizeStatus = cmp.Or(o.OversizeStatus, http.StatusRequestEntityTooLarge)
	o.SendLimitStatus = cmp.Or(o.SendLimitStatus, http.StatusTooManyRequests)
	o.QuotaStatus = cmp.Or(o.QuotaStatus, http.StatusRequestEntityTooLarge)
	o.RefreshInactivity = max(cmp.Or(o.RefreshInactivity, refreshLife), 0)
	o.ApprovalError = cmp.Or(o.ApprovalError, "access_denied")
	o.OpenerPolicy = cmp.Or(o.OpenerPolicy, "same-origin")
	if o.OpenerPolicy == "-" {
		o.OpenerPolicy = ""
	}
	return o
}
