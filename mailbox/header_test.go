package mailbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

func ids(all ...mailbox.RFCMessageID) []mailbox.RFCMessageID { return all }

func TestParseMessageIDs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 990)
	tests := []struct {
		name  string
		value string
		want  []mailbox.RFCMessageID
	}{
		{"empty", "", nil},
		{"one", "<a.1@example.com>", ids("a.1@example.com")},
		{"several", "<a@x> <b@x>\t<c@x>", ids("a@x", "b@x", "c@x")},
		{"no space between", "<a@x><b@x>", ids("a@x", "b@x")},
		{"commas", "<a@x>, <b@x>,<c@x>", ids("a@x", "b@x", "c@x")},
		{"bare", "a.1@example.com", ids("a.1@example.com")},
		{"bare, several", "a@x, b@x c@x", ids("a@x", "b@x", "c@x")},
		{"bare, full stop", "Message of a@example.com.", ids("a@example.com")},
		{"text before", `Your message of "Mon, 5 Aug 2002 10:00:00 +0200" <a@x>`, ids("a@x")},
		{"address first, id second", "Message from Ann <ann@example.com> of Monday <a@x>", ids("ann@example.com", "a@x")},
		{"text behind", "<a@x>; from ann@example.com on Mon, 5 Aug 2002", ids("a@x")},
		{"comment", "(ann@example.com wrote) <a@x>", ids("a@x")},
		{"name's message", `"ann@example.com"'s message of "Mon, 5 Aug 2002"`, nil},
		{"words only", "undefined undefined", nil},
		{"brackets without @", "<undefined> <a@x>", ids("a@x")},
		{"brackets without @ only", "<undefined>", nil},
		{"space from folding", "<a.1@exam ple.com>", ids("a.1@example.com")},
		{"tab and line break inside", "<a.1@exam\r\n\tple.com>", ids("a.1@example.com")},
		{"space at the edges", "< a@x >", ids("a@x")},
		{"doubled bracket", "< <a@x>", ids("a@x")},
		{"doubled brackets", "<<a@x>>", ids("a@x")},
		{"doubled bracket over lines", "< \r\n <a@x>", ids("a@x")},
		{"unclosed", "<a@x <b@x>", ids("a@x", "b@x")},
		{"unclosed at the end", "<a@x", ids("a@x")},
		{"unopened", "a@x>", ids("a@x")},
		{"quoted left side", `<"a.1"@x>`, ids("a.1@x")},
		{"quoted left side, bare", `"a.1"@x`, ids("a.1@x")},
		{"empty quotes", `<""@x>`, ids(`""@x`)},
		{"two @", "<a@b@x>", ids("a@b@x")},
		{"no left side", "<@x>", nil},
		{"no right side", "<a@>", nil},
		{"domain literal", "<a@[192.0.2.1]>", ids("a@[192.0.2.1]")},
		{"case is kept", "<A.b@X>", ids("A.b@X")},
		{"encoded word", "=?utf-8?Q?=3Ca=40x=3E?=", ids("a@x")},
		{"encoded words, id split", "=?utf-8?Q?=3Ca.1=40exam?= =?utf-8?Q?ple.com=3E?=", ids("a.1@example.com")},
		{"encoded word, charset unknown", "=?nonsense?Q?x?= <a@x>", ids("a@x")},
		{"looks like an encoded word", "<a=?b@x>", ids("a=?b@x")},
		{"longest", "<" + long + "@example>", ids(mailbox.RFCMessageID(long + "@example"))},
		{"too long", "<" + long + "@example.com> <a@x>", ids("a@x")},
		{"8-bit", "<caf\xe9@x>", ids("caf\xe9@x")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, mailbox.ParseMessageIDs(tt.value)); diff != "" {
				t.Errorf("ParseMessageIDs(%q) (-want +got):\n%s", tt.value, diff)
			}
		})
	}
}

// The root and the nearest ancestors are what matters of a long list.
func TestParseMessageIDsKeepsRootAndParent(t *testing.T) {
	t.Parallel()
	for _, n := range []int{999, 1000, 1001, 1999, 2000, 2001, 12_345} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<%d@x> ", i)
		}
		got := mailbox.ParseMessageIDs(b.String())
		if len(got) != min(n, 1000) {
			t.Fatalf("%d ids: got %d", n, len(got))
		}
		if got[0] != "0@x" {
			t.Errorf("%d ids: first is %s", n, got[0])
		}
		for i := 1; i < len(got); i++ {
			if want := mailbox.RFCMessageID(fmt.Sprintf("%d@x", n-len(got)+i)); got[i] != want {
				t.Fatalf("%d ids: number %d is %s, want %s", n, i, got[i], want)
			}
		}
	}
}

// hostile values of about a megabyte.
func hostile() map[string]string {
	const size = 1 << 20
	values := make(map[string]string)
	for _, unit := range []string{
		"<a@x> ", "a@x ", "<", ">", "< a@x", "<a", "@", `"`, "=?", "=?a?q?", "=?utf-8?q?a", "=?utf-8?q?=3C?= ", " ", "(", "\\", "\xff",
	} {
		values[unit] = strings.Repeat(unit, size/len(unit))
	}
	return values
}

func TestParseMessageIDsIsLinear(t *testing.T) {
	t.Parallel()
	for unit, value := range hostile() {
		began := time.Now()
		if got := len(mailbox.ParseMessageIDs(value)); got > 1000 {
			t.Errorf("repeated %q: %d ids", unit, got)
		}
		// A quadratic pass over a megabyte takes minutes.
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("repeated %q took %s", unit, took)
		}
	}
}

func FuzzParseMessageIDs(f *testing.F) {
	for _, seed := range []string{
		"", "<a@x>", "a@x", "<a@x> <b@x>", `<"a"@x>`, "< <a@x>", "<a@x; b", "=?utf-8?Q?=3Ca=40x=3E?=",
		"Message from A <a@x> of <b@x>", "undefined", "<a@b\r\n c>", "=?iso-8859-1?B?PGFAeD4=?=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, id := range mailbox.ParseMessageIDs(value) {
			s := string(id)
			at := strings.LastIndexByte(s, '@')
			if at <= 0 || at == len(s)-1 || len(s) > 998 || strings.ContainsAny(s, "<> \t\r\n\x00\x1b\x7f") {
				t.Fatalf("%q gave the id %q", value, id)
			}
			// What was read once reads the same when we write it.
			again := mailbox.ParseMessageIDs(id.Brackets())
			if !strings.Contains(s, "=?") && !strings.HasPrefix(s, `"`) && (len(again) != 1 || again[0] != id) {
				t.Fatalf("%q gave %q, which reads as %q", value, id, again)
			}
		}
	})
}

func TestHeader(t *testing.T) {
	t.Parallel()
	h := mailbox.Header{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "X-B"}}
	if got := h.Get("x-A"); got != "1" {
		t.Errorf("Get is %q, want the first", got)
	}
	if diff := cmp.Diff([]string{"1", "2"}, h.Values("X-A")); diff != "" {
		t.Errorf("Values (-want +got):\n%s", diff)
	}
	if !h.Has("x-b") || h.Has("X-C") || h.Get("X-C") != "" || h.Values("X-C") != nil {
		t.Error("Has, Get or Values is wrong on an empty or a missing field")
	}
}
