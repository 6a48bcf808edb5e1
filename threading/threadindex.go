package threading

import (
	"encoding/base64"
	"strings"
)

// ThreadIndex is the value of a Thread-Index field, decoded: a header of 22
// bytes, whose last 16 name the conversation, and 5 bytes for every answer
// (PidTagConversationIndex, [MS-OXOMSG] 2.2.1.3, read 2026-11-20).
type ThreadIndex string

const (
	threadIndexHeader = 22
	threadIndexLevel  = 5
	// maxThreadIndex bounds what is read: 400 answers deep.
	maxThreadIndex = threadIndexHeader + 400*threadIndexLevel
)

// ParseThreadIndex decodes a Thread-Index value, folded or not. Values of
// another length and those whose first byte is not 1 are home-made (91 of 2,199
// in public mail) and refused.
func ParseThreadIndex(value string) (ThreadIndex, bool) {
	if len(value) > 2*maxThreadIndex {
		return "", false
	}
	value = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, value)
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil || len(raw) < threadIndexHeader || len(raw) > maxThreadIndex ||
		(len(raw)-threadIndexHeader)%threadIndexLevel != 0 || raw[0] != 1 {
		return "", false
	}
	return ThreadIndex(raw), true
}

// String returns the value as it stands in the header field.
func (x ThreadIndex) String() string { return base64.StdEncoding.EncodeToString([]byte(x)) }

// Conversation returns the 16 bytes that all messages of one conversation
// share, "" for the empty index. Exchange begins a new one when the mail that is
// answered has none: another value proves nothing.
func (x ThreadIndex) Conversation() string {
	if len(x) < threadIndexHeader {
		return ""
	}
	return string(x[threadIndexHeader-16 : threadIndexHeader])
}

// Answers reports whether x is that of a direct answer to a message with the
// index parent.
func (x ThreadIndex) Answers(parent ThreadIndex) bool {
	return parent != "" && len(x) == len(parent)+threadIndexLevel && strings.HasPrefix(string(x), string(parent))
}

// Follows reports whether x belongs to an answer below parent, at any depth.
func (x ThreadIndex) Follows(parent ThreadIndex) bool {
	return parent != "" && len(x) > len(parent) && strings.HasPrefix(string(x), string(parent))
}
