// Package compose builds and reads mail messages (RFC 5322, MIME).
//
// # Building
//
// [Build] renders a [mailbox.Outgoing]: text, HTML or both, inline images,
// attachments, a signature, a quoted original, the fields that keep a reply in
// its thread and those that let a recipient unsubscribe. It is strict: whatever
// could break out of a header field is refused with [mailbox.Invalid] naming
// the field, nothing is silently cleaned. [Check] applies the same rules
// without rendering. [ReplyTo] prepares an answer to a message, and [Bodies]
// gives the final text and HTML to drivers that do not send raw messages.
//
// # Reading
//
// [Read] takes whatever arrives. Any bytes give a message; what had to be
// repaired is told in [mailbox.Message.Warnings]. [Describe] does the same for
// header fields that a provider delivers as a list, [DecodeText] for a single
// text part. Time is linear in the input, and memory is bounded by
// [ReadOptions]: attachments are measured, not kept.
//
// [Mbox] splits mailbox files into messages.
//
// Writing rests on github.com/emersion/go-message. Reading does not: its
// readers stop at the first line that is not a header field, at mixed line
// ends and at damaged base64, all of which real mail contains.
//
// All functions are safe for concurrent use, and none keeps state.
package compose
