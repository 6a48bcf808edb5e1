package gmailtest

import (
	"cmp"
	"time"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// Options sets how the fake behaves where Google's documentation leaves it open
// or lets it vary. The zero value is what was seen most often.
type Options struct {
	// Seed makes ids and orders repeatable. 0 means 1.
	Seed uint64
	// ProjectID is the Google Cloud project of the OAuth clients. It appears in
	// error texts and has to match the topic of a watch. Empty means
	// "mailtether-test".
	ProjectID string
	// Disabled answers every API call as a project does that has not switched
	// the Gmail API on.
	Disabled bool

	// MessageID is what messages.send does to the Message-ID of the caller,
	// DraftMessageID what drafts.send does. Reports of 2026 saw it replaced; no
	// official word exists.
	MessageID, DraftMessageID MessageIDPolicy
	// ThreadIDAlone lets threadId place a sent message in its thread even when
	// References or Subject do not fit. The contract names all three.
	ThreadIDAlone bool
	// NoSubjectGrouping keeps mail apart that has no References, even when
	// sender, recipients and subject agree within a week.
	NoSubjectGrouping bool
	// DSNOwnThread files delivery reports in a thread of their own instead of
	// the thread of the message they are about.
	DSNOwnThread bool
	// StripSentBcc removes Bcc from the sender's own copy as well.
	StripSentBcc bool
	// StripXHeaders removes X- fields from everything that is sent.
	StripXHeaders bool

	// SentLag is how long sent messages stay invisible to the sender's lists and
	// history.
	SentLag Lag
	// IndexLag is how long new messages stay invisible to searches (q=).
	IndexLag time.Duration
	// Disorder returns the messages of a list page in an order that is not
	// strictly newest first.
	Disorder bool
	// EmptyHistoryPages begins every list of history with a page that has a
	// nextPageToken and no records.
	EmptyHistoryPages bool
	// HistoryAge is how long history is kept. 0 means one week.
	HistoryAge time.Duration

	// PageTokenLife is how long page tokens stay good. 0 means for ever; Google
	// names no time.
	PageTokenLife time.Duration
	// DraftLingers is how long a draft can still be read after it was sent.
	// Google does not say that both happen at once.
	DraftLingers time.Duration

	// EncodedHeaders gives header values as they stand in the message instead of
	// decoded (RFC 2047).
	EncodedHeaders bool
	// RawCharset gives text parts in the charset of the message. Gmail was seen
	// to give UTF-8 whatever Content-Type says (openclaw/gogcli issue 446,
	// 2026-03).
	RawCharset bool
	// Unpadded leaves the padding off base64url values.
	Unpadded bool
	// InlineBytes is the largest text part that is given in place; larger ones
	// and all attachments have an attachmentId. 0 means 1 MiB.
	InlineBytes int

	// Latency is how long every API call takes.
	Latency time.Duration
	// Quota is what a project and its users may use. The zero value has no
	// limits.
	Quota Quota
	// SendLimit is how many messages a user may send in 24 hours; 0 means no
	// limit. For SendLimitGrace after it is reached sends are still answered
	// with 200 and come back as bounces; 0 means five minutes, negative none.
	// Then they are answered 429 with a date.
	SendLimit      int
	SendLimitGrace time.Duration
	// MaxRecipients is how many recipients one message may have; 0 means 500.
	// Sources name 100 and 500.
	MaxRecipients int
	// MaxJSON is the largest JSON request body. 0 means 5 MiB.
	MaxJSON int
	// TooLarge is how a request that is too large is refused.
	TooLarge TooLargeStyle

	// ErrorShape varies what error bodies hold.
	ErrorShape ErrorShape
	// AccessTTL is the life of an access token. 0 means one hour.
	AccessTTL time.Duration

	// Testing is the publishing status of the project: refresh tokens end 7 days
	// after consent, unless only sign-in scopes were granted (Google, "Using
	// OAuth 2.0 to access Google APIs", read 2026-11).
	Testing bool
	// RefreshInactivity ends a refresh token that was not used for so long. 0
	// means the six months that Google names, as 183 days; -1 means never.
	RefreshInactivity time.Duration
	// OpenerPolicy is the Cross-Origin-Opener-Policy of the authorization page.
	// Empty sends none.
	OpenerPolicy string
}

// MessageIDPolicy is what happens to the Message-ID of a sent message.
type MessageIDPolicy int

// The policies.
const (
	// MessageIDReplace puts <CA…@mail.gmail.com> in its place.
	MessageIDReplace MessageIDPolicy = iota
	// MessageIDKeep keeps a well-formed one. A malformed one is replaced by
	// <…@mx.google.com> and kept in X-Google-Original-Message-ID, as Gmail's
	// SMTP service does.
	MessageIDKeep
)

// Lag says how long something stays invisible. Both conditions have to be over.
type Lag struct {
	// For is a time by the clock of the fake.
	For time.Duration
	// Requests is how many lists (of messages or history) do not show it.
	Requests int
	// Get also hides it from messages.get, which then answers 404.
	Get bool
}

// Quota holds limits. Zero means unlimited; Google's numbers are in the
// comments (usage limits page of 2026-07-31; older projects differ).
type Quota struct {
	// UserUnits is per user and minute (6,000).
	UserUnits int
	// ProjectUnits is per project and minute (1,200,000).
	ProjectUnits int
	// DayUnits is per project and day (80,000,000).
	DayUnits int
	// Parallel is how many calls of one mailbox may run at once; the parts of a
	// batch count each. Google publishes no number.
	Parallel int
	// Units replaces the cost of methods, by id ("gmail.users.messages.get").
	Units map[string]int
	// Status is the status of refusals for units, 403 or 429. 0 means 403.
	Status int
	// RetryAfter adds a Retry-After header of so many seconds to every refusal
	// for a limit. Whether Gmail ever sends one is not known.
	RetryAfter int
}

// TooLargeStyle is one of the ways in which oversize requests were seen refused.
type TooLargeStyle int

// The styles.
const (
	TooLargeAuto    TooLargeStyle = iota // JSON 400 for a JSON body, JSON 413 for an upload
	TooLargeHTML400                      // a front end's page
	TooLargeHTML413
)

// ErrorShape varies error bodies. The zero value has everything Google
// documents except for details, which only come where a method always has them.
type ErrorShape struct {
	// Array wraps the body in an array of one element.
	Array bool
	// NoErrors, NoStatus and NoDetails leave those members out.
	NoErrors, NoStatus, NoDetails bool
}

// User is an account of the fake.
type User struct {
	// Address is the primary address. Required.
	Address string
	// Name is the display name.
	Name string
	// Aliases are further addresses that receive mail and may send it, as
	// Workspace gives them: they are listed without verificationStatus.
	Aliases []string
	// SendAs are addresses of other accounts that this one may send from, and
	// PendingSendAs such that were not verified yet.
	SendAs, PendingSendAs []string
	// Subject is the stable id of the account; empty makes one up.
	Subject string
	// HostedDomain is the Workspace domain, empty for a consumer account.
	HostedDomain string
	// Labels are names of labels the user has made.
	Labels []string
	// NoGmail is an account without Gmail: every API call fails.
	NoGmail bool
}

// The building blocks that both fakes share.
type (
	// Fault is a scripted failure; see Server.Inject.
	Fault = fakeserver.Fault
	// Exchange is one logged request with its answer.
	Exchange = fakeserver.Exchange
	// Client is an OAuth client.
	Client = fakeserver.Client
	// Decision is what a user does at the authorization page.
	Decision = fakeserver.Decision
	// Grant is what a user allowed a client.
	Grant = fakeserver.Grant
	// Envelope is a message that leaves the fake.
	Envelope = fakeserver.Envelope
	// IDTokenFault breaks an ID token; see OAuth.BreakIDToken.
	IDTokenFault = fakeserver.IDTokenFault
	// PageError is the error of [Decide] when the user was told something on a
	// page and not sent back.
	PageError = fakeserver.PageError
)

func (o Options) withDefaults() Options {
	o.Seed = cmp.Or(o.Seed, 1)
	o.ProjectID = cmp.Or(o.ProjectID, "mailtether-test")
	o.HistoryAge = cmp.Or(o.HistoryAge, 7*24*time.Hour)
	o.InlineBytes = cmp.Or(o.InlineBytes, 1<<20)
	o.Quota.Status = cmp.Or(o.Quota.Status, 403)
	o.SendLimitGrace = cmp.Or(o.SendLimitGrace, 5*time.Minute)
	o.MaxRecipients = cmp.Or(o.MaxRecipients, 500)
	o.MaxJSON = cmp.Or(o.MaxJSON, 5<<20)
	o.RefreshInactivity = max(cmp.Or(o.RefreshInactivity, 183*24*time.Hour), 0)
	return o
}
