package gmail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// position is what Checkpoint.Position holds: where the sent copy has to show
// up, and by what else than its ids it can be told.
type position struct {
	// History is the end of the history before the send; 0 when it could not be
	// read.
	History uint64 `json:"h,omitempty,string"`
	// Thread is the thread of a draft that began one.
	Thread string `json:"t,omitempty"`
	// Likeness is what the likeness function gives for the message, and Date its
	// Date field in Unix seconds.
	Likeness string `json:"l,omitempty"`
	Date     int64  `json:"d,omitempty"`
}

// likeness tells messages apart that have no mark of ours: a hash of subject and
// recipients.
func likeness(subject string, to, cc []mailbox.Address) string {
	h := sha256.New()
	io.WriteString(h, strings.Join(strings.Fields(subject), " "))
	var all []string
	for _, a := range slices.Concat(to, cc) {
		all = append(all, strings.ToLower(a.Address))
	}
	slices.Sort(all)
	for _, a := range all {
		io.WriteString(h, "\n"+a)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// String is the stored form; empty for the zero position.
func (p position) String() string {
	if p == (position{}) {
		return ""
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // a struct of a number and a string
	}
	return string(b)
}

func parsePosition(s string) (position, error) {
	var p position
	if s == "" {
		return p, nil
	}
	if len(s) > maxCursor || json.Unmarshal([]byte(s), &p) != nil {
		return position{}, mailbox.Invalid("checkpoint.position", "a value that Send gave", "is malformed")
	}
	return p, nil
}

// likelihood is whether two messages are the same.
type likelihood int

const (
	different likelihood = iota
	maybe
	same
)

// isCopy tells whether a message under SENT is the one of the checkpoint. It is
// not known for certain that Gmail leaves X- fields alone, and it mostly replaces
// the Message-ID, so a message that has no mark of ours and looks like the one
// that was sent is not ruled out.
func isCopy(msg *mailbox.Message, c mailbox.Checkpoint, at position) likelihood {
	if ref := msg.Header.Get(mailbox.RefHeader); c.Ref != "" && ref != "" {
		if ref == c.Ref {
			return same
		}
		return different
	}
	switch {
	case c.RFCMessageID != "" && slices.Contains(wireIDs(msg), c.RFCMessageID),
		at.Thread != "" && string(msg.ThreadID) == at.Thread:
		return same
	case at.Likeness == "":
		return maybe
	case at.Likeness != likeness(msg.Subject, msg.To, msg.Cc):
		return different
	case msg.Date.Unix() == at.Date:
		return same
	default:
		return maybe
	}
}
