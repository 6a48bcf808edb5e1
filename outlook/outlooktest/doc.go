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
// the limits of a mailbox. Refresh tokens only for offline_access, rotated with
// every refresh, the old one going on working.
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
// expire); rich notifications; application permissions and national clouds;
// tenant consent policies and admin consent; id_token and OpenID Connect;
// Exchange's sanitising of HTML (bodies come back as they were sent); the rate
// of 30 messages a minute, the tenant-wide recipient limit and the upload
// volume limit; real conversation merging, of which the rule in use is told at
// the unexported method converse: by Thread-Index, else by cited messages with
// the same topic, else by topic alone.
package outlooktest
