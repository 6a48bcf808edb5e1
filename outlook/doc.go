// Package outlook is the driver for Outlook.com and Microsoft 365 mailboxes,
// through Microsoft Graph v1.0.
//
// # Sending
//
// With [mailbox.CanDraft] a message is first a draft, then sent, then still
// known under the same immutable id: whatever happens to the answer,
// [Mailbox.ResolveSend] can look up what became of it.
//
//   - New mail, and replies whose original is not in the mailbox, are drafts made
//     from MIME: every header field is under our control.
//   - A reply to a message of the mailbox is made by createReply, so that it
//     stands in the user's own conversation, and then gets our recipients,
//     subject and body. A quoted original is the one of [mailbox.Reply.Quote],
//     not Outlook's.
//   - Mail that is too large for one request is a JSON draft whose files are
//     attached one by one, large ones by upload session. Graph lets only X-
//     fields be set there: List-Unsubscribe is refused, In-Reply-To and
//     References are set as MAPI properties, which other products rely on but
//     Microsoft does not document for this.
//
// The last two let Graph write the Date field, and send HTML or text, HTML if
// there is both: Exchange makes the other form.
//
// Without [mailbox.CanDraft] the message goes out by sendMail, and an unclear
// answer stays [mailbox.OutcomeUnknown] unless the sent copy can be found.
//
// Exchange passes MIME on nearly unchanged for work accounts; for personal ones
// it replaces the Message-ID. [mailbox.Sent.RFCMessageIDs] names all that are
// known; read the sent copy to complete it.
//
// # Reading
//
// Ids are immutable ids throughout: they survive moves between folders. Bodies
// are never asked for unless [mailbox.PartBody] is; contents of attachments
// never. Graph withholds transport headers of sent mail:
// [mailbox.Message.HeaderComplete] tells. It does not tell the Content-ID of
// attachments or the size of a message.
//
// Changes come from one delta chain for each watched folder. A change is
// [mailbox.ChangeAdded] unless the cursor remembers that the message was
// reported before; it remembers the latest 256. A message that was moved to a
// folder that is not watched is [mailbox.ChangeUpdated] with its new folder. Read
// state of messages that were received before the cursor was made is not
// followed.
//
// # Signing in
//
// An ID token tells the directory (Entra tenant) of an account; from then on tokens
// are asked for at that directory ([Provider.OAuthAt]). Refusals of the sign-in
// authority get a class, which decides what to do, and a cause, which is for
// people: both come from the AADSTS numbers where there are any, of which
// Microsoft says that they may change. The secret of the app being wrong or too
// old is mailbox.ClassConfig; the app being disabled or deleted in one directory
// is mailbox.ClassAdmin with mailbox.CauseAppRegistration, since an administrator
// there did it and all other mailboxes go on. [Config.Cloud] chooses among
// Microsoft's clouds.
//
// # Mailboxes of others
//
// A shared mailbox (mailbox.AccessShared) is used with the grant of a member,
// within the ".Shared" scopes and the rights that Exchange gives the member. Found by
// trying ([Mailbox.FindShared]), it is a mailbox of its own: its drafts,
// sent copies, positions and pages never mix with those of the member. Mail goes
// out as the mailbox, or on behalf of it: [mailbox.Sent.Sender] tells once the
// copy was read. To keep the copy in the member's own mailbox, send from that one with
// [mailbox.Outgoing.From]. Microsoft reports trouble with large files in shared
// mailboxes (Microsoft Graph, "Attach large files to Outlook messages", 2026).
//
// An app with application permissions (mailbox.AccessApp) opens any mailbox of a
// directory without a user: see [Provider.AppScopes].
//
// # Announcements
//
// [Mailbox.Watch] subscribes to new messages of the watched folders. Shared
// mailboxes cannot be watched, and announcements get lost: poll as well.
//
// # Native side
//
// errors.As reaches [*APIError] behind refusals of Graph and [*TokenError]
// behind those of the token endpoint. [Mailbox.Do] sends any other Graph request
// through the same limits, tokens and error mapping.
package outlook
