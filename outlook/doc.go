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
// # Native side
//
// errors.As reaches [*APIError] behind refusals of Graph and [*TokenError]
// behind those of the token endpoint. [Mailbox.Do] sends any other Graph request
// through the same limits, tokens and error mapping.
package outlook
