package mailbox

import "time"

// Outgoing is a message to be sent. It is plain data, so that it can be kept
// in a ledger and sent by another process. Text or HTML (or both) is required,
// and so is at least one recipient.
//
// Line breaks and control characters in any field that becomes a header are
// refused, never cleaned.
type Outgoing struct {
	// From is the sender; the zero value is the mailbox itself. An address that
	// the mailbox may not use is refused by Microsoft and silently replaced by
	// Gmail: see [Sent.From].
	From    Address   `json:"from,omitzero"`
	ReplyTo []Address `json:"reply_to,omitempty"`
	To      []Address `json:"to,omitempty"`
	Cc      []Address `json:"cc,omitempty"`
	Bcc     []Address `json:"bcc,omitempty"`
	Subject string    `json:"subject,omitempty"`

	Text        string `json:"text,omitempty"`
	HTML        string `json:"html,omitempty"`
	Attachments []File `json:"attachments,omitempty"`
	// Signature is appended to Text and HTML, above a quoted original.
	Signature *Signature `json:"signature,omitempty"`

	// Reply makes the message an answer to another one. Nil starts a new thread.
	Reply *Reply `json:"reply,omitempty"`
	// Unsubscribe adds List-Unsubscribe (RFC 2369) and, with a URL, one-click
	// List-Unsubscribe-Post (RFC 8058).
	Unsubscribe *Unsubscribe `json:"unsubscribe,omitempty"`
	// Header holds further fields. Only names that start with "X-" are allowed;
	// Outlook takes at most 5 with JSON drafts, which replies and large mail are.
	Header Header `json:"header,omitempty"`

	// RFCMessageID is the Message-ID to write; empty lets compose make one. The
	// provider may replace it on the way: see [Sent.RFCMessageIDs].
	RFCMessageID RFCMessageID `json:"rfc_message_id,omitempty"`
	// Date is the Date field; zero means now.
	Date time.Time `json:"date,omitzero"`
	// Ref is written into the private header field [RefHeader] so that the
	// sent copy can be recognised whatever happens to its ids. At most 64
	// characters of A-Z a-z 0-9 - _. The outbox sets it; empty writes no field.
	Ref string `json:"ref,omitempty"`
}

// Recipients returns To, Cc and Bcc together.
func (o *Outgoing) Recipients() []Address {
	all := make([]Address, 0, len(o.To)+len(o.Cc)+len(o.Bcc))
	all = append(all, o.To...)
	all = append(all, o.Cc...)
	return append(all, o.Bcc...)
}

// RefHeader is the header field that carries [Outgoing.Ref].
const RefHeader = "X-Mailtether-Ref"

// File is an attachment or inline image with its content.
type File struct {
	Name string `json:"name"`
	// ContentType is a media type; empty means application/octet-stream.
	ContentType string `json:"content_type,omitempty"`
	// ContentID names an inline image, as HTML cites it behind "cid:", without
	// brackets.
	ContentID string `json:"content_id,omitempty"`
	// Inline shows the file inside the HTML instead of listing it.
	Inline bool   `json:"inline,omitempty"`
	Data   []byte `json:"data"`
}

// Signature is appended to the written text, each form to its own part.
type Signature struct {
	Text string `json:"text,omitempty"`
	HTML string `json:"html,omitempty"`
}

// Reply names the message that is answered.
type Reply struct {
	// ID and ThreadID place the reply in the provider's own conversation. They
	// are names inside the sending mailbox; leave them empty when the original
	// is not there.
	ID       MessageID `json:"id,omitempty"`
	ThreadID ThreadID  `json:"thread_id,omitempty"`
	// RFCMessageID becomes In-Reply-To and the last of References.
	RFCMessageID RFCMessageID `json:"rfc_message_id"`
	// References are the References of the original (or its In-Reply-To when it
	// had a single one), oldest first.
	References []RFCMessageID `json:"references,omitempty"`
	// Quote appends the original below the answer; nil quotes nothing.
	Quote *Quote `json:"quote,omitempty"`
}

// Quote is the original that a reply quotes.
type Quote struct {
	From Address   `json:"from"`
	Date time.Time `json:"date,omitzero"`
	Body Body      `json:"body"`
}

// Unsubscribe tells recipients how to leave.
type Unsubscribe struct {
	// URL is an https URL that unsubscribes on POST (RFC 8058).
	URL string `json:"url,omitempty"`
	// Mailto is an address, optionally with "?subject=".
	Mailto string `json:"mailto,omitempty"`
}

// Sent is what is known of a message after it was sent. A provider gives the
// rest later: read the sent copy to learn the ids that recipients see.
type Sent struct {
	// ID is the sent copy; empty when the provider did not name it.
	ID       MessageID `json:"id,omitempty"`
	ThreadID ThreadID  `json:"thread_id,omitempty"`
	// RFCMessageIDs are all Message-IDs the message is known under, the one we
	// wrote first. Replies may cite any of them.
	RFCMessageIDs []RFCMessageID `json:"rfc_message_ids,omitempty"`
	// From is the sender that the provider really used, when the sent copy
	// could be read; zero otherwise.
	From Address `json:"from,omitzero"`
	// Sender is who sent it on behalf of From, when that is somebody else.
	Sender Address `json:"sender,omitzero"`
	// At is when the provider took the message.
	At time.Time `json:"at"`
	// Warnings tell of things that went differently than asked, for instance a
	// thread that no longer exists.
	Warnings []Warning `json:"warnings,omitempty"`
}
