// Package threading tells what an incoming message is and which of our messages
// it answers. It works on header fields alone, or better with the body, without
// a driver and without network access:
//
//   - [Classify] separates people from machines: bounce, delay, receipt,
//     complaint, calendar, reaction, automatic reply, list mail. It comes first,
//     because a bounce or an absence note cites our Message-ID as perfectly as a
//     person does.
//   - [ReadReport] reads a bounce, a read receipt or a feedback report from the
//     raw message: its machine-readable parts (RFC 3464, RFC 6533, RFC 8098,
//     RFC 5965) or its words. [ReportOf] does so where there is no raw message.
//   - [Matcher] links a message to one that was sent: by ids, and where they are
//     lost by tokens, conversations, quoted text and subjects.
//   - [Index] is where sent messages are remembered; [Memory] is one, package
//     mailbox/sqlstore has another.
//
// Package replytext takes the body of a reply apart, package assembly threads a
// whole mailbox.
//
// Every verdict and every link carries the rules that made it and a level. A
// false link is worse than none: when in doubt there is no link, and a weak one
// says that it is weak. All header fields can be forged, so weigh a level with
// the result of authentication before an automatic action that does harm.
//
// # What absence proves
//
// RFC 3834 makes no header field mandatory for automatic answers, so
// [mailbox.KindHuman] means "no sign of a machine". Its level is high for a
// complete header and low for one that the provider gave in part
// ([mailbox.Message.HeaderComplete]).
//
// # One mailbox
//
// A lookup never leaves the mailbox that received the message. An answer that
// arrives in another mailbox than the one that sent finds no link; the host may
// call [Matcher.Match] again with the other mailbox.
package threading
