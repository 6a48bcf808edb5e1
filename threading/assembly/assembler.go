package assembly

import (
	"iter"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Options are the choices of an [Assembler]. The zero value is a good one.
type Options struct {
	// Least is the weakest level of a link that is made. [mailbox.LevelNone]
	// means [mailbox.LevelMedium]: weaker links are for people to confirm. Lost by
	// that are links by an opener alone or by quoted phrases alone, and what would
	// be of medium level if the message did not name a parent that is missing, or
	// if not nearly all other answers named theirs.
	Least mailbox.Level
}

// Thread is a conversation: at least one message.
type Thread struct {
	// Root is the id of the first message.
	Root mailbox.RFCMessageID
	// Messages are in reading order: every answer behind its parent, answers to
	// one message oldest first. The first one is the root. When the message that
	// began the thread is missing, several may have no parent.
	Messages []Message
}

// Message is one message in its thread.
type Message struct {
	// ID is the Message-ID; for a message without one a private name, as
	// [Assembler.Add] returned it.
	ID mailbox.RFCMessageID
	// Others are further ids of the same message, sorted: those that a server
	// replaced, and those of copies that name this one as their original.
	Others []mailbox.RFCMessageID
	// Parent is the message that this one answers, or its nearest ancestor that
	// is in the mailbox; "" when there is none.
	Parent mailbox.RFCMessageID
	// Root is the topmost ancestor that is in the mailbox, the message itself if it
	// has none. It differs from that of the thread below a message whose parent is
	// missing. Of one that names no parent but missing ancestors, because its
	// References were cut, it is the first message of the thread.
	Root mailbox.RFCMessageID
	// Depth is the number of ancestors in the mailbox.
	Depth int
	// Sent is when the message was sent, as far as that can be told; zero if not.
	Sent time.Time
	// Level is how sure the link is: to the parent or, without a parent, to the
	// thread. It is [mailbox.LevelNone] for a message that stands alone and for
	// the root.
	Level mailbox.Level
	// Evidence names the rules that made the link.
	Evidence []mailbox.Evidence
}

// The rules of a link.
const (
	ruleInReplyTo  = "in_reply_to"
	ruleParentID   = "exchange_parent_id"
	ruleReferences = "references"
	// The parent that was cited is not in the mailbox: Parent is an ancestor.
	ruleMissing = "parent_missing"
	// The message and the root cite the same message, which is missing.
	ruleSibling     = "same_missing_parent"
	ruleThreadIndex = "thread_index"
	ruleQuote       = "quoted_text"
	ruleOpener      = "quote_opener"
	ruleSeries      = "series"
	ruleSubject     = "subject"
)

// Assembler collects messages and puts them into threads. It is not safe for
// concurrent use. Memory grows with the number of messages, and not with
// their size: by about 600 bytes for each short one (BenchmarkAssemble), by more where
// it cites and quotes much, up to fixed bounds.
type Assembler struct {
	least   mailbox.Level
	names   names
	people  map[uint64]struct{} // the address of every participant, hashed
	records []record
}

// New returns an empty Assembler.
func New(opts Options) *Assembler {
	if opts.Least == mailbox.LevelNone {
		opts.Least = mailbox.LevelMedium
	}
	return &Assembler{least: opts.Least, names: newNames(), people: make(map[uint64]struct{})}
}

// Add takes a message and returns the id under which [Assembler.Threads] lists
// it, as Message.ID or among Message.Others: its Message-ID or, if it has none
// that can be used, a private name made of the provider's id (without one: of
// its content) that ends in "@private.invalid". Messages with the same id are
// copies of one message. m is not kept and not changed.
//
// The header is enough. Body, where it is present, serves to find the parent of
// messages whose reply headers were lost.
func (a *Assembler) Add(m *mailbox.Message) mailbox.RFCMessageID {
	r := a.read(m)
	a.records = append(a.records, r)
	return a.names.list[r.id]
}

// Threads ranges over the threads of all messages added so far, ordered by the
// time of their roots, then by id. The work is done when the range begins, in
// time linear in the number of messages but for sorting; it may be ranged over
// again, and messages may be added afterwards.
func (a *Assembler) Threads() iter.Seq[Thread] {
	return func(yield func(Thread) bool) {
		f := a.gather()
		f.linkByID()
		f.linkByEvidence(a.least)
		f.joinSiblings()
		f.threads(yield)
	}
}
