// Package mailbox is the vocabulary that every other package of mailtether
// speaks: what a mail service is ([Provider]), what one connected mailbox can do
// ([Mailbox] and its capability interfaces), what a message, an error and an
// event look like.
//
// It imports only the standard library, so naming an error class or
// implementing a test double costs a host nothing.
//
// # Identifiers
//
// Five kinds of identifiers travel side by side and must never be mixed up,
// therefore each is a type of its own: [TenantID] (the host's customer),
// [MailboxID] (the host's name of one connected mailbox), [MessageID] and
// [ThreadID] (names given by the provider, valid inside one mailbox only) and
// [RFCMessageID] (the Message-ID header field of RFC 5322, valid everywhere).
//
// # Errors
//
// Every failure that a driver reports is an [*Error]. Branch on its class with
// errors.Is(err, mailbox.ClassThrottled), read [Error.Action] to learn what has
// to happen and [Error.Actor] to learn who has to do it, and reach the
// provider's own error with errors.As. A failed write also says whether the
// write may have taken effect: see [Outcome].
package mailbox
