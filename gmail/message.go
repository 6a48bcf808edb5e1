package gmail

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

// The label ids that mean something here (schema Label of the discovery
// document).
const (
	labelInbox  = "INBOX"
	labelSent   = "SENT"
	labelDraft  = "DRAFT"
	labelSpam   = "SPAM"
	labelTrash  = "TRASH"
	labelUnread = "UNREAD"
	labelChat   = "CHAT"
)

// folderLabel is a label that is a folder.
type folderLabel struct {
	label  string
	folder mailbox.Folder
}

// folders maps labels to folders, in the order in which Message.Folders has
// them.
var folders = [...]folderLabel{
	{labelInbox, mailbox.FolderInbox},
	{labelSent, mailbox.FolderSent},
	{labelDraft, mailbox.FolderDrafts},
	{labelSpam, mailbox.FolderSpam},
	{labelTrash, mailbox.FolderTrash},
}

// wireMessage is the schema Message as far as it is read. The generated types
// refuse an answer whose numbers are not written as strings, and cost half as
// many allocations more.
type wireMessage struct {
	ID           string   `json:"id"`
	ThreadID     string   `json:"threadId"`
	LabelIDs     []string `json:"labelIds"`
	InternalDate flexInt  `json:"internalDate"`
	SizeEstimate flexInt  `json:"sizeEstimate"`
	Payload      wirePart `json:"payload"`

	damaged bool // members of an unexpected type were left out
}

// wirePart is the schema MessagePart.
type wirePart struct {
	MimeType string          `json:"mimeType"`
	Filename string          `json:"filename"`
	Headers  []mailbox.Field `json:"headers"`
	Body     struct {
		AttachmentID string  `json:"attachmentId"`
		Size         flexInt `json:"size"`
		Data         string  `json:"data"`
	} `json:"body"`
	Parts []wirePart `json:"parts"`
}

// flexInt is a number, written as one or as a string; anything else is 0.
type flexInt int64

func (n *flexInt) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	if err != nil {
		v = 0
	}
	*n = flexInt(v)
	return nil
}

// decodeMessage reads a message. Members of an unexpected type are left out: one
// of them must not make a message unreadable.
func decodeMessage(data []byte) (*wireMessage, error) {
	w := new(wireMessage)
	err := json.Unmarshal(data, w)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		w.damaged, err = true, nil
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// message turns what Gmail gave into a message with its header, as far as it was
// asked for. The body is another matter: see addBody.
func (w *wireMessage) message() *mailbox.Message {
	m := &mailbox.Message{
		ID:       mailbox.MessageID(w.ID),
		ThreadID: mailbox.ThreadID(w.ThreadID),
		Folders:  foldersOf(w.LabelIDs),
		Read:     !slices.Contains(w.LabelIDs, labelUnread),
		Draft:    slices.Contains(w.LabelIDs, labelDraft),
		Size:     max(int64(w.SizeEstimate), 0),
	}
	if w.InternalDate > 0 {
		m.ReceivedAt = time.UnixMilli(int64(w.InternalDate)).UTC()
	}
	m.Header = w.Payload.header()
	if len(m.Header) > 0 {
		m.HeaderComplete = true
		compose.Describe(m)
	}
	if w.damaged {
		m.HeaderComplete = false
		m.Warnings = append(m.Warnings, mailbox.Warning{
			Code: mailbox.WarnIncomplete, Detail: "a part of Gmail's answer was of an unexpected type",
		})
	}
	return m
}

// header returns the header fields of a part, on one line each.
func (p *wirePart) header() mailbox.Header {
	for i, f := range p.Headers {
		if strings.ContainsAny(f.Value, "\r\n") {
			p.Headers[i].Value = unfold.Replace(f.Value)
		}
	}
	return mailbox.Header(p.Headers)
}

var unfold = strings.NewReplacer("\r", "", "\n", "")

// foldersOf tells where a message with these labels stands.
func foldersOf(labels []string) []mailbox.Folder {
	var all []mailbox.Folder
	for _, f := range folders {
		if slices.Contains(labels, f.label) {
			all = append(all, f.folder)
		}
	}
	if all == nil {
		return []mailbox.Folder{mailbox.FolderArchive}
	}
	return all
}

// labelOf is the label of a folder that can be listed.
func labelOf(f mailbox.Folder) (string, bool) {
	for _, known := range folders {
		if known.folder == f {
			return known.label, true
		}
	}
	return "", false
}

// decodeBase64 reads base64url with or without padding, and also base64. Of
// damaged data it returns what stands before the damage, and false.
func decodeBase64(s string) ([]byte, bool) {
	s = strings.TrimRight(s, "= \r\n")
	encoding := base64.RawURLEncoding
	if strings.ContainsAny(s, "+/") {
		encoding = base64.RawStdEncoding
	}
	data := make([]byte, encoding.DecodedLen(len(s)))
	n, err := encoding.Decode(data, []byte(s))
	return data[:n], err == nil
}
