package gmail

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
)

func TestCursor(t *testing.T) {
	t.Parallel()
	for _, c := range []cursor{
		{History: 1},
		{History: 1<<64 - 1},
		{History: 7, Record: 9, Skip: 3},
		{History: 7, Late: []late{{ID: "18c0", Since: 1_800_000_000}, {ID: "18c1"}}},
	} {
		got, err := parseCursor(c.String())
		c.Version = cursorVersion
		if err != nil {
			t.Errorf("%s: %v", c.String(), err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	full := cursor{History: 1<<64 - 1}
	for range maxLate {
		full.Late = append(full.Late, late{ID: mailbox.MessageID(strings.Repeat("f", 16)), Since: 1 << 40})
	}
	if _, err := parseCursor(full.String()); err != nil {
		t.Errorf("the longest cursor (%d bytes) is refused: %v", len(full.String()), err)
	}
}

func TestHostileCursor(t *testing.T) {
	t.Parallel()
	for _, s := range []mailbox.Cursor{
		"", "0", "12345", "null", "[]", `"x"`, "{}", `{"v":1}`, `{"v":1,"h":"0"}`, `{"v":1,"h":5}`, `{"v":1,"h":"-1"}`,
		`{"v":1,"h":"18446744073709551616"}`, `{"v":2,"h":"5"}`, `{"v":1,"h":"5"}{}`, `{"v":1,"h":"5"} x`,
		`{"v":1,"h":"5","u":1}`, `{"v":1,"h":"5","s":1}`, `{"v":1,"h":"5","r":"4","s":1}`, `{"v":1,"h":"5","r":"6"}`,
		`{"v":1,"h":"5","r":"6","s":-1}`, `{"v":1,"h":"5","l":[{"i":""}]}`, `{"v":1,"h":"5","l":[{"i":"a b"}]}`,
		`{"v":1,"h":"5","l":[{"i":".."}]}`, `{"v":1,"h":"5","l":[null]}`,
		mailbox.Cursor(`{"v":1,"h":"5","l":[` + strings.Repeat(`{"i":"a"},`, maxLate) + `{"i":"a"}]}`),
		mailbox.Cursor(strings.Repeat(" ", maxCursor) + `{"v":1,"h":"5"}`),
		"https://graph.microsoft.com/v1.0/me/delta?$deltatoken=x",
	} {
		c, err := parseCursor(s)
		fe, ok := errors.AsType[*mailbox.FieldError](err)
		if !errors.Is(err, mailbox.ClassInvalid) || !ok || fe.Field != "cursor" {
			t.Errorf("parseCursor(%.60q) = %+v, %v; want ClassInvalid naming the field", s, c, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(string(cursor{History: 7, Record: 9, Skip: 3}.String()))
	f.Add(string(cursor{History: 7, Late: []late{{ID: "18c0", Since: 5}}}.String()))
	f.Add(`{"h":"1","t":"18c0"}`)
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := parseCursor(mailbox.Cursor(s)); err == nil {
			again, err := parseCursor(c.String())
			if err != nil {
				t.Fatalf("%q parses, but not when written again: %v", s, err)
			}
			if diff := cmp.Diff(c, again, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%q (-first +second):\n%s", s, diff)
			}
		}
		if p, err := parsePosition(s); err == nil {
			again, err := parsePosition(p.String())
			if err != nil || again != p {
				t.Errorf("position %q: %+v, then %+v, %v", s, p, again, err)
			}
		}
	})
}
