// Package assembly puts the messages of a whole mailbox into threads: for every
// message the one it answers, the thread it stands in, how sure that is, and
// why.
//
// [Assembler] is for mail as it comes: reply headers first, and where they are
// missing what else tells the parent (Thread-Index, quoted text, the line that
// introduces it, numbered series, subject with participants and time).
// [References] and [OrderedSubject] are the algorithms of RFC 5256 to the
// letter, for those who answer an IMAP THREAD command.
//
// The threads are a function of the set of messages. In which order they were
// added, how often, and which copy came first makes no difference.
//
// Nothing of a message is kept but ids, addresses and phrases as hashes, times
// and the base subject; texts cannot be had back from an Assembler.
package assembly
