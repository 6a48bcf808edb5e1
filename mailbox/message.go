package mailbox

import "time"

// Message is a message in a mailbox, headers first. A body is present only when
// it was asked for and the capabilities allow it.
type Message struct {
	ID       MessageID `json:"id"`
	ThreadID ThreadID  `json:"thread_id,omitempty"`
	// RFCMessageID is the Message-ID that the message carries, without
	// brackets; empty when it has none.
	RFCMessageID RFCMessageID `json:"rfc_message_id,omitempty"`
	// Folders tells where the message stands. Gmail messages may stand in
	// several at once (sent to oneself: inbox and sent).
	Folders []Folder `json:"folders,omitempty"`
	// Header holds the header fields as they came, in order. A provider may
	// withhold some of them: see HeaderComplete.
	Header Header `json:"header,omitempty"`
	// HeaderComplete is false when the provider gave only a part of the header
	// (Graph omits transport headers of sent items, for instance). Absence of a
	// field then proves nothing.
	HeaderComplete bool `json:"header_complete"`

	From    []Address `json:"from,omitempty"`
	Sender  Address   `json:"sender,omitzero"`
	ReplyTo []Address `json:"reply_to,omitempty"`
	To      []Address `json:"to,omitempty"`
	Cc      []Address `json:"cc,omitempty"`
	Bcc     []Address `json:"bcc,omitempty"`
	// Subject is decoded, as written, prefixes included.
	Subject string `json:"subject,omitempty"`
	// Date is what the sender claims (Date field); zero when it is missing or
	// cannot be read.
	Date time.Time `json:"date,omitzero"`
	// ReceivedAt is when the provider took the message; for sent mail, when it
	// was sent. Trust it over Date.
	ReceivedAt time.Time `json:"received_at,omitzero"`
	Read       bool      `json:"read"`
	Draft      bool      `json:"draft,omitempty"`
	// Size is the provider's estimate in bytes; 0 when unknown.
	Size int64 `json:"size,omitempty"`

	// Body is nil unless it was asked for.
	Body *Body `json:"body,omitempty"`
	// Attachments are metadata only, filled together with Body.
	Attachments []Attachment `json:"attachments,omitempty"`
	// Warnings name what had to be repaired to read the message.
	Warnings []Warning `json:"warnings,omitempty"`
}

// InReplyTo returns the ids of all In-Reply-To fields, in order.
func (m *Message) InReplyTo() []RFCMessageID { return m.ids("In-Reply-To") }

// References returns the ids of all References fields, in order.
func (m *Message) References() []RFCMessageID { return m.ids("References") }

func (m *Message) ids(name string) []RFCMessageID {
	var ids []RFCMessageID
	for i := range m.Header {
		if f := &m.Header[i]; !f.is(name) {
			continue
		} else if more := ParseMessageIDs(f.Value); ids == nil {
			ids = more
		} else {
			ids = append(ids, more...)
		}
	}
	return ids
}

// In reports whether the message stands in the folder.
func (m *Message) In(f Folder) bool {
	for _, have := range m.Folders {
		if have == f {
			return true
		}
	}
	return false
}

// Body is the readable content of a message, decoded to UTF-8. Either part may
// be empty. HTML is the sender's: sanitise it before showing it to anybody.
type Body struct {
	Text string `json:"text,omitempty"`
	HTML string `json:"html,omitempty"`
}

// Attachment describes an attachment without its content.
type Attachment struct {
	// ID names the part for the provider. Gmail's ids change with every read.
	ID          string `json:"id,omitempty"`
	Name        string `json:"name,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	// ContentID is the Content-ID without brackets, for inline images.
	ContentID string `json:"content_id,omitempty"`
	// Size is in bytes, decoded; an estimate for some providers.
	Size   int64 `json:"size"`
	Inline bool  `json:"inline,omitempty"`
}

// Folder is a place that both services have. Other folders and labels are
// FolderOther.
type Folder string

// The folders that matter to a conversation.
const (
	FolderInbox   Folder = "inbox"
	FolderSent    Folder = "sent"
	FolderDrafts  Folder = "drafts"
	FolderSpam    Folder = "spam"
	FolderTrash   Folder = "trash"
	FolderArchive Folder = "archive"
	FolderOther   Folder = "other"
)

// Warning tells of one repair made while reading a message.
type Warning struct {
	// Code says what kind of repair it was.
	Code WarningCode `json:"code"`
	// Part is the header field or MIME part, for instance "Subject" or "1.2".
	Part string `json:"part,omitempty"`
	// Detail is text for a developer. It holds no content of the message.
	Detail string `json:"detail,omitempty"`
}

// String returns code, part and detail on one line.
func (w Warning) String() string {
	s := string(w.Code)
	if w.Part != "" {
		s += " in " + w.Part
	}
	if w.Detail != "" {
		s += ": " + w.Detail
	}
	return s
}

// WarningCode is the kind of a [Warning].
type WarningCode string

// The kinds of repairs.
const (
	WarnHeader     WarningCode = "malformed_header"     // a header line was not "Name: value"
	WarnDuplicate  WarningCode = "duplicate_header"     // a field that may occur once occurs again; address lists are joined, otherwise the first counts
	WarnMissing    WarningCode = "missing_header"       // From or Date is missing
	WarnAddress    WarningCode = "malformed_address"    // an address list could only be read in part
	WarnDate       WarningCode = "malformed_date"       // the Date field could not be read
	WarnCharset    WarningCode = "unknown_charset"      // text was read as Windows-1252 or UTF-8 instead
	WarnEncoding   WarningCode = "malformed_encoding"   // base64, quoted-printable or an encoded word was damaged
	WarnMultipart  WarningCode = "malformed_multipart"  // a boundary is missing or was never closed
	WarnTooDeep    WarningCode = "too_deep"             // nested parts below the limit were not read
	WarnTruncated  WarningCode = "truncated"            // something was cut at a size limit
	WarnIncomplete WarningCode = "incomplete_by_server" // the provider withheld or damaged something
	WarnThread     WarningCode = "thread_not_kept"      // a reply went out outside of its thread in the sender's mailbox
)
