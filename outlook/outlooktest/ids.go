package outlooktest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
)

// The kinds of ids. The first bytes of an id give the letters that ids of the
// service begin with; a reader must treat them as opaque.
var (
	kindMutable      = [3]byte{0x00, 0x03, 0x24} // "AAMk"
	kindImmutable    = [3]byte{0x00, 0x09, 0x00} // "AAkA"
	kindFolder       = [3]byte{0x01, 0x03, 0x24} // "AQMk"
	kindConversation = [3]byte{0x00, 0x04, 0x24} // "AAQk"
	kindAttachment   = [3]byte{0x00, 0x06, 0x24} // "AAYk"
)

// idLen gives 48 characters with one "=" at the end, as real ids have.
const idLen = 35

// makeID renders an id. Its numbers are the mailbox, the object in it, and a
// generation that changes when the object moves.
func makeID(kind [3]byte, box uint32, object uint64, generation uint32) string {
	var b [idLen]byte
	copy(b[:], kind[:])
	binary.BigEndian.PutUint32(b[3:], box)
	copy(b[7:], "outlooktest")
	binary.BigEndian.PutUint64(b[18:], object)
	binary.BigEndian.PutUint32(b[26:], generation)
	return base64.URLEncoding.EncodeToString(b[:])
}

// parseID tells the kind and the mailbox of an id. It is false for anything
// that is not an id of a fake.
func parseID(id string) (kind [3]byte, box uint32, ok bool) {
	b, err := base64.URLEncoding.DecodeString(id)
	if err != nil || len(b) != idLen || string(b[7:18]) != "outlooktest" {
		return kind, 0, false
	}
	copy(kind[:], b)
	return kind, binary.BigEndian.Uint32(b[3:]), true
}

// conversationID renders the id of a conversation, which is different in every
// mailbox.
func conversationID(box uint32, key [16]byte) string {
	var b [idLen]byte
	copy(b[:], kindConversation[:])
	binary.BigEndian.PutUint32(b[3:], box)
	copy(b[7:], "conversati")
	b[17], b[18] = 0x10, 0x00
	copy(b[19:], key[:])
	return base64.URLEncoding.EncodeToString(b[:])
}

// newGUID returns a random UUID in its usual spelling.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	return formatGUID(b, 4)
}

// formatGUID spells a UUID of a version (RFC 9562).
func formatGUID(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
