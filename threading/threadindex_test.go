package threading_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/threading"
)

func TestParseThreadIndex(t *testing.T) {
	t.Parallel()
	raw := append([]byte{1, 0xdc}, make([]byte, 20)...)
	encode := base64.StdEncoding.EncodeToString
	valid := encode(append(raw, 1, 2, 3, 4, 5))
	tests := []struct {
		name, value string
		ok          bool
	}{
		{"a first message", encode(raw), true},
		{"an answer", valid, true},
		{"folded", valid[:10] + "\r\n\t" + valid[10:], true},
		{"without padding", strings.TrimRight(valid, "="), true},
		{"empty", "", false},
		{"no base64", "not%base64" + valid, false},
		{"too short", encode(raw[:21]), false},
		{"half a level", encode(append(raw, 1, 2)), false},
		{"home-made", encode(append([]byte{7}, raw[1:]...)), false},
		{"too deep", encode(append(raw, make([]byte, 5000)...)), false},
		{"endless", strings.Repeat("A", 1<<20), false},
	}
	for _, tt := range tests {
		x, ok := threading.ParseThreadIndex(tt.value)
		if ok != tt.ok || ok != (x != "") {
			t.Errorf("%s: %q, %v", tt.name, x, ok)
		}
	}
}

func TestThreadIndexRelations(t *testing.T) {
	t.Parallel()
	root, answer, below, aside, other := exchangeIndex(1), exchangeIndex(1, 1), exchangeIndex(1, 1, 2), exchangeIndex(1, 3), exchangeIndex(2, 1)
	tests := []struct {
		name             string
		x, parent        threading.ThreadIndex
		answers, follows bool
	}{
		{"an answer", answer, root, true, true},
		{"an answer to the answer", below, answer, true, true},
		{"two levels", below, root, false, true},
		{"the same", root, root, false, false},
		{"the parent", root, answer, false, false},
		{"a sibling", below, aside, false, false},
		{"another conversation", other, root, false, false},
		{"none above", answer, "", false, false},
		{"none below", "", root, false, false},
	}
	for _, tt := range tests {
		if got := tt.x.Answers(tt.parent); got != tt.answers {
			t.Errorf("%s: Answers is %v", tt.name, got)
		}
		if got := tt.x.Follows(tt.parent); got != tt.follows {
			t.Errorf("%s: Follows is %v", tt.name, got)
		}
	}
	if root.Conversation() != below.Conversation() || root.Conversation() == other.Conversation() || len(root.Conversation()) != 16 {
		t.Errorf("conversations %q, %q, %q", root.Conversation(), below.Conversation(), other.Conversation())
	}
	if c := threading.ThreadIndex("").Conversation(); c != "" {
		t.Errorf("the empty index has the conversation %q", c)
	}
}

func FuzzParseThreadIndex(f *testing.F) {
	f.Add(exchangeIndex(1, 2, 3).String())
	f.Add("AQHbd==\r\n x")
	f.Fuzz(func(t *testing.T, value string) {
		x, ok := threading.ParseThreadIndex(value)
		if !ok {
			return
		}
		again, ok := threading.ParseThreadIndex(x.String())
		if !ok || again != x || len(x.Conversation()) != 16 {
			t.Errorf("%q is read again as %q, %v", x, again, ok)
		}
	})
}
