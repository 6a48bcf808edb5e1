package gmail

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// maxCursor bounds the length of a cursor: maxLate debts and some more.
const maxCursor = 16 << 10

// cursor is a position in the history of a mailbox. It holds no page token: those
// do not last.
type cursor struct {
	Version int `json:"v"`
	// History is the last record that was dealt with in full.
	History uint64 `json:"h,string"`
	// Record is the record behind it of which the first Skip entries were dealt
	// with, for records of more entries than one bite has.
	Record uint64 `json:"r,omitempty,string"`
	Skip   int    `json:"s,omitempty"`
	// Late are messages that the history named and that could not be read yet.
	Late []late `json:"l,omitempty"`
}

// late is a message that is owed.
type late struct {
	ID mailbox.MessageID `json:"i"`
	// Since is when it could not be read first, in Unix seconds.
	Since int64 `json:"t"`
}

func (l late) age(now time.Time) time.Duration { return now.Sub(time.Unix(l.Since, 0)) }

const cursorVersion = 1

func (c cursor) String() mailbox.Cursor {
	c.Version = cursorVersion
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // a struct of numbers and strings
	}
	return mailbox.Cursor(b)
}

func parseCursor(s mailbox.Cursor) (cursor, error) {
	var c cursor
	malformed := mailbox.Invalid("cursor", "a value that Cursor or Changes gave", "is malformed")
	if len(s) == 0 || len(s) > maxCursor {
		return c, malformed
	}
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || d.More() {
		return cursor{}, malformed
	}
	if c.Version != cursorVersion || c.History == 0 || c.Skip < 0 || len(c.Late) > maxLate ||
		(c.Skip > 0) != (c.Record > c.History) {
		return cursor{}, malformed
	}
	for _, l := range c.Late {
		if !plausible(l.ID) {
			return cursor{}, malformed
		}
	}
	return c, nil
}
