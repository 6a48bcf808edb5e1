package outlook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"

	"github.com/mailtether/mailtether/mailbox"
)

// cursorVersion is that of the stored form.
const cursorVersion = 1

// cursor is where each folder's delta chain stands.
type cursor struct {
	Version int `json:"v"`
	// Mailbox is the address of a mailbox other than the user's own, whose links
	// lead nowhere else. Empty is the user's own.
	Mailbox string        `json:"mailbox,omitempty"`
	Folders []folderChain `json:"folders"`
	// Turn is the folder that is asked next.
	Turn int `json:"turn"`
	// Known remembers what was reported: delta does not tell a new message from
	// a changed one.
	Known memory `json:"known,omitempty"`
}

// folderChain is one chain. There must be only one for each folder: Graph keeps
// few states, and a link dies when newer ones are made.
type folderChain struct {
	Folder mailbox.Folder `json:"folder"`
	// Link is a nextLink or deltaLink, as Graph gave it.
	Link string `json:"link"`
}

// Bounds of a stored cursor.
const (
	maxCursor = 256 << 10
	maxChains = 16
)

func (c *cursor) encode() mailbox.Cursor {
	b, _ := json.Marshal(c) // strings and numbers always marshal
	return mailbox.Cursor(b)
}

// parseCursor reads a cursor that may be anybody's. A cursor of another version
// is as good as lost.
func parseCursor(s mailbox.Cursor) (*cursor, error) {
	invalid := mailbox.Invalid("cursor", "one that Cursor or Changes returned", "is not one")
	if len(s) > maxCursor {
		return nil, invalid
	}
	var c cursor
	if json.Unmarshal([]byte(s), &c) != nil {
		return nil, invalid
	}
	if c.Version > cursorVersion {
		return nil, &mailbox.Error{Class: mailbox.ClassCursorLost, Code: "cursor_version"}
	}
	if c.Version != cursorVersion || len(c.Folders) == 0 || len(c.Folders) > maxChains || c.Turn < 0 || c.Turn >= len(c.Folders) {
		return nil, invalid
	}
	for _, f := range c.Folders {
		if u, err := url.Parse(f.Link); err != nil || u.Host == "" || folderName(f.Folder) == "" {
			return nil, invalid
		}
	}
	return &c, nil
}

// memory is a set of message ids, as hashes of eight bytes, the latest last. It
// forgets the oldest: such a message is then reported as added again, which is
// allowed, while a wrong memory would lose one.
type memory []byte

const (
	hashSize  = 8
	maxMemory = 256 * hashSize
)

func hashOf(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:hashSize]
}

func (k memory) has(id string) bool {
	h := hashOf(id)
	for i := 0; i+hashSize <= len(k); i += hashSize {
		if string(k[i:i+hashSize]) == string(h) {
			return true
		}
	}
	return false
}

// add returns k with one more id.
func (k memory) add(id string) memory {
	if k.has(id) {
		return k
	}
	k = append(k[:len(k):len(k)], hashOf(id)...)
	return k[max(0, len(k)-maxMemory):]
}

// MarshalText implements encoding.TextMarshaler.
func (k memory) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(k)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *memory) UnmarshalText(b []byte) error {
	data, err := base64.RawURLEncoding.DecodeString(string(b))
	if err != nil {
		return err
	}
	data = data[:len(data)-len(data)%hashSize]
	*k = data[max(0, len(data)-maxMemory):]
	return nil
}
