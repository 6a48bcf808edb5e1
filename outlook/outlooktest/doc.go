// Package outlooktest is a fake Microsoft for tests: the sign-in pages of Entra
// and the mail API of Graph v1.0, over HTTP, with several mailboxes that write
// to each other.
//
//	fake := outlooktest.NewServer(t, outlooktest.Options{})
//	fake.AddUser(outlooktest.User{Address: "anna@contoso.example"})
//	provider, err := outlook.New(outlook.Config{Endpoints: outlook.EndpointsAt(fake.URL())})
//	// hand fake.Transport() to the code under test, or call fake.Listen()
//
// The transport calls the fake in the goroutine of the caller and works inside a
// testing/synctest bubble; the fake starts no goroutine of its own unless it
// listens. Its clock ([Server.SetTime], [Server.Advance]) decides about token
// lifetimes, limits and transport delays.
//
// # What it enforces
//
// Scopes per call, and what Mail.ReadBasic withholds. Immutable ids only with
// the Prefer header; mutable ids change when a message moves, and so when it is
// sent. A 202 means accepted: the message waits in Drafts until transport moves
// it to Sent Items ([Options.SendDelay]). Unknown recipients, full mailboxes and
// [Server.SetBounce] come back as a non-delivery report in the sender's inbox. A
// Message-ID that the client chose is replaced in personal mailboxes and kept
// in X-Microsoft-Original-Message-ID. At most five internetMessageHeaders, with
// X- names. Delta per folder only, with states that are forgotten
// ([Options.DeltaStates], [Server.ExpireDelta]), options frozen into the links,
// and removals. The rule behind InefficientFilter. Upload sessions in order,
// without a token. Batches of at most 20, answered in another order. 429 above
// the limits of a mailbox.
//
// # Signing in
//
// Every user is in a directory ([User.TenantID], [Server.Tenant]), and every
// endpoint of Entra is one of an authority: common, organizations, consumers, or
// a directory by id or mail domain. Accounts that an authority is not for are
// refused, on the page (a [PageError] of [Decide]) and at the token endpoint.
// Refresh tokens come only with offline_access, rotate with every refresh and
// end when they are 90 days old; what becomes of a used one is
// [Options.RefreshReuse]. A refresh may ask for more than its token has, if that
// was consented to. With openid there is an ID token, signed by a key of the
// fake at /{tenant}/discovery/v2.0/keys: OAuth.RotateKey changes the key,
// OAuth.BreakIDToken makes tokens that a client must refuse.
//
// [Server.SetConsentPolicy] says what users may allow alone. Administrators
// ([User.Admin]) allow an app for everybody at /{tenant}/v2.0/adminconsent, which
// [Decide] plays too, or [Server.GrantConsent] does it at once.
// [Server.GrantRoles] gives an app permissions of its own: it gets tokens by its
// client credentials and reaches the mailboxes of that directory at /users/{id}.
// [Server.EndGrant] and [Server.SetClientFault] make refreshes fail for a reason.
//
// A shared mailbox ([User.Shared]) is reached at /users/{id} by those who have
// rights on it, and found in the directory at /users.
//
// # Options and failures
//
// Whatever the documentation of the service leaves open is a field of [Options].
// Failures are scripted with [Server.Inject]: any status with any header and
// body, before or after the effect, lost answers, hanging and slow ones. A
// refusal of the sign-in page is a fault with Status 302 and a Location.
//
// # Looking inside
//
// [Server.Messages] and [Server.In] show what is in a mailbox,
// [Server.Submissions] what transport really took, [Server.Log] every request
// with its answer. [Server.Deliver] brings mail from outside, however broken;
// [Server.SetRelay] gets mail to domains that no user has. [Server.SetRead],
// [Server.Move], [Server.Delete] and [Server.SendByHand] act as the user does.
//
// # Not modelled
//
// Calls that the fake does not know are answered 501 notImplemented, so that
// they cannot be mistaken for the service. Not there are: $search;
// createForward, forward and copy; changing, moving and deleting folders,
// childFolders and folder delta; replacing $value; attachments that are items
// or references, when they are created; open extensions and multi-value
// extended properties; categories of the mailbox, rules, focused inbox and
// mentions; automatic replies and mailbox settings; calendars and contacts;
// sending of change notifications (subscriptions are validated, kept and
// expire); rich notifications; national clouds;
// Exchange's sanitising of HTML (bodies come back as they were sent); the rate
// of 30 messages a minute, the tenant-wide recipient limit and the upload
// volume limit; real conversation merging, of which the rule in use is told at
// the unexported method converse: by Thread-Index, else by cited messages with
// the same topic, else by topic alone.
//
// Of signing in: sessions and single sign-on (prompt=none is always
// login_required, and domain_hint changes nothing); consent that is all or
// nothing (the page has a box per scope); guests of other directories;
// ".default" outside of admin consent and client credentials; client
// certificates; refresh tokens of single-page apps, which last 24 hours; access
// tokens that outlive their grant (they end with it); discovery documents;
// risk-based step-up consent. Of app tokens: application access policies of Exchange, and
// the concurrency limit inside a batch. Of the directory: $filter beyond eq and
// startswith joined by or, $search, $orderby and $count.
package outlooktest
