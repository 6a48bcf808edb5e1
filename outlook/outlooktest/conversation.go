package outlooktest

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/mailtether/mailtether/mailbox"
)

// Thread-Index is PidTagConversationIndex in base64: one reserved byte 0x01,
// five bytes of time, a GUID of 16 bytes, then five bytes for every reply
// ([MS-OXOMSG] 2.2.1.3).
const (
	indexHead  = 22
	indexReply = 5
)

// readThreadIndex returns nil for a value that is not of that form.
func readThreadIndex(v string) []byte {
	v = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, v)
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(b) < indexHead || (len(b)-indexHead)%indexReply != 0 || b[0] != 1 {
		return nil
	}
	return b
}

// filetime counts 100 ns since 1601.
func filetime(t time.Time) uint64 {
	const epoch = 116444736000000000
	return uint64(t.UnixNano()/100 + epoch)
}

// newThreadIndex starts a conversation.
func newThreadIndex(t time.Time, guid [16]byte) []byte {
	var ft [8]byte
	binary.BigEndian.PutUint64(ft[:], filetime(t))
	b := make([]byte, 0, indexHead)
	b = append(b, 1)
	b = append(b, ft[:5]...)
	return append(b, guid[:]...)
}

// replyThreadIndex is the parent's index and five bytes more: one bit that
// tells the unit, 31 bits of time since the conversation began, four random
// bits and four of level.
func replyThreadIndex(parent []byte, t time.Time) []byte {
	var head [8]byte
	copy(head[:], parent[1:6])
	delta := int64(filetime(t)) - int64(binary.BigEndian.Uint64(head[:]))
	delta = max(delta, 0)
	unit, bits := uint32(0), uint32(delta>>18)&0x7fffffff
	if delta>>49 != 0 {
		unit, bits = 1<<31, uint32(delta>>23)&0x7fffffff
	}
	var tail [indexReply]byte
	binary.BigEndian.PutUint32(tail[:], unit|bits)
	var random [1]byte
	rand.Read(random[:])
	level := (len(parent) - indexHead) / indexReply
	tail[4] = random[0]&0xf0 | byte(level)&0x0f
	return append(append([]byte(nil), parent...), tail[:]...)
}

// baseTopic is the conversation topic: the subject without reply and forward
// prefixes.
func baseTopic(subject string) string {
	s := strings.TrimSpace(subject)
	for {
		cut := false
		for _, p := range []string{"re:", "fw:", "fwd:"} {
			if len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
				s, cut = strings.TrimSpace(s[len(p):]), true
			}
		}
		if !cut {
			return s
		}
	}
}

// topicKey is MD5 over the upper-cased topic in UTF-16LE, cut at 255
// characters ([MS-OXOMSG] 2.2.1.2).
func topicKey(prefix []byte, topic string) [16]byte {
	units := utf16.Encode([]rune(strings.ToUpper(topic)))
	if len(units) > 255 {
		units = units[:255]
	}
	b := append([]byte(nil), prefix...)
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return md5.Sum(b)
}

// converse gives an item that comes into the mailbox its conversation. The
// rule is a simplification of Exchange's:
//
//  1. A valid Thread-Index names the conversation by its GUID. When the topic
//     is another one than the mailbox knows for that GUID, a new conversation
//     begins.
//  2. Else a message that is cited in References or In-Reply-To and has the
//     same topic gives its conversation and the index to continue.
//  3. Else the topic alone decides, so that unrelated mail with equal subjects
//     shares a conversation; mail without a subject gets its own.
func (s *Server) converse(b *box, c *content) {
	topic := first(baseTopic(c.topic), baseTopic(c.subject))
	subject := baseTopic(c.subject)
	var guid [16]byte
	switch parent := b.cited(c); {
	case c.index != nil:
		copy(guid[:], c.index[6:])
		topic = subject
	case parent != nil && strings.EqualFold(baseTopic(parent.subject), subject) && !s.options.SplitExternalReplies:
		c.index = replyThreadIndex(parent.index, s.Now())
		c.topic, c.conversation = topic, parent.conversation
		return
	case parent != nil && s.options.SplitExternalReplies, topic == "":
		rand.Read(guid[:])
		c.index = newThreadIndex(s.Now(), guid)
	default:
		guid = topicKey(nil, topic)
		c.index = newThreadIndex(s.Now(), guid)
	}
	c.topic = topic
	c.conversation = b.conversation(guid, topic)
}

// conversation is the id for a GUID and a topic.
func (b *box) conversation(guid [16]byte, topic string) string {
	known, ok := b.topics[guid]
	if !ok {
		b.topics[guid] = topic
	} else if !strings.EqualFold(known, topic) {
		guid = topicKey(guid[:], topic)
	}
	return conversationID(b.number, guid)
}

// cited returns the message of this mailbox that c answers.
func (b *box) cited(c *content) *item {
	ids := mailbox.ParseMessageIDs(c.references)
	ids = append(ids, mailbox.ParseMessageIDs(c.inReplyTo)...)
	for i := len(ids) - 1; i >= 0; i-- {
		for _, it := range b.byRFC[ids[i]] {
			if !it.gone {
				return it
			}
		}
	}
	return nil
}
