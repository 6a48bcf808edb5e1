package fakeserver_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/internal/fakeserver"
	"github.com/mailtether/mailtether/mailbox"
)

func TestParseMail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		raw  string
		want mailbox.Header
		body string
	}{
		"plain":          {"A: 1\r\nB: 2\r\n\r\nbody\r\n", mailbox.Header{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, "body\r\n"},
		"LF":             {"A: 1\nB: 2\n\nbody\n", mailbox.Header{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, "body\n"},
		"folded":         {"A: 1\r\n  2\r\n\t3\r\n\r\n", mailbox.Header{{Name: "A", Value: "1  2\t3"}}, ""},
		"value below":    {"Message-ID:\r\n <a@b>\r\n\r\n", mailbox.Header{{Name: "Message-ID", Value: "<a@b>"}}, ""},
		"space at colon": {"A : 1\r\n\r\n", mailbox.Header{{Name: "A", Value: "1"}}, ""},
		"twice":          {"A: 1\r\na: 2\r\n\r\n", mailbox.Header{{Name: "A", Value: "1"}, {Name: "a", Value: "2"}}, ""},
		"mbox line":      {"From x@y Thu Jan 1 00:00:00\nA: 1\n\nb", mailbox.Header{{Name: "A", Value: "1"}}, "b"},
		"no colon":       {"nonsense\r\nA: 1\r\n\r\nb", mailbox.Header{{Name: "A", Value: "1"}}, "b"},
		"no body":        {"A: 1", mailbox.Header{{Name: "A", Value: "1"}}, ""},
		"no header":      {"\r\nbody", mailbox.Header{}, "body"},
		"nothing":        {"", mailbox.Header{}, ""},
		"blank fold":     {"A: 1\r\n \r\n 2\r\n\r\nb", mailbox.Header{{Name: "A", Value: "1  2"}}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := fakeserver.ParseMail([]byte(c.raw))
			if diff := cmp.Diff(c.want, m.Header()); diff != "" {
				t.Error(diff)
			}
			if got := string(m.Body()); got != c.body {
				t.Errorf("body = %q", got)
			}
			if got := string(m.Bytes()); got != c.raw {
				t.Errorf("Bytes = %q", got)
			}
		})
	}
}

func TestEditMail(t *testing.T) {
	t.Parallel()
	const raw = "A: 1\r\nB: 2\r\na: 3\r\n\r\nbody"
	for name, c := range map[string]struct {
		raw  string
		edit func(m *fakeserver.Mail)
		want string
	}{
		"replace":        {raw, func(m *fakeserver.Mail) { m.Set("A", "x") }, "A: x\r\nB: 2\r\n\r\nbody"},
		"add":            {raw, func(m *fakeserver.Mail) { m.Set("C", "x") }, "A: 1\r\nB: 2\r\na: 3\r\nC: x\r\n\r\nbody"},
		"delete":         {raw, func(m *fakeserver.Mail) { m.Del("a") }, "B: 2\r\n\r\nbody"},
		"prepend":        {raw, func(m *fakeserver.Mail) { m.Prepend("R", "x") }, "R: x\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\nbody"},
		"add, LF":        {"A: 1\n\nbody", func(m *fakeserver.Mail) { m.Set("C", "x") }, "A: 1\nC: x\n\nbody"},
		"add, no end":    {"A: 1", func(m *fakeserver.Mail) { m.Set("C", "x") }, "A: 1\r\nC: x\r\n"},
		"add to nothing": {"", func(m *fakeserver.Mail) { m.Set("C", "x") }, "C: x\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original := []byte(c.raw)
			m := fakeserver.ParseMail(original)
			c.edit(m)
			if got := string(m.Bytes()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if string(original) != c.raw {
				t.Errorf("the input was changed: %q", original)
			}
		})
	}
}

func TestMailFields(t *testing.T) {
	t.Parallel()
	m := fakeserver.ParseMail([]byte("To: Ann <ann@x.example>, BOB@x.example\r\nCc: bob@x.example, c@x.example\r\n" +
		"References: <a@b>\r\n <c@d>\r\nReferences: e@f\r\n\r\n"))
	want := []mailbox.Address{{Name: "Ann", Address: "ann@x.example"}, {Address: "BOB@x.example"}, {Address: "c@x.example"}}
	if diff := cmp.Diff(want, m.Addresses("To", "Cc")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]mailbox.RFCMessageID{"a@b", "c@d", "e@f"}, m.IDs("references")); diff != "" {
		t.Error(diff)
	}
	if got := m.Values("REFERENCES"); len(got) != 2 || m.Get("references") != got[0] || m.Get("none") != "" {
		t.Errorf("Values = %q", got)
	}
}

func TestParseAddresses(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"a@b.example":                          {"a@b.example"},
		"A <a@b.example>, c@d.example":         {"a@b.example", "c@d.example"},
		"=?utf-8?q?=C3=A4?= <a@b.example>":     {"a@b.example"},
		"=?klingon?q?x?= <a@b.example>":        {"a@b.example"},
		"broken, \"quote <a@b.example>; <c@d>": {"a@b.example", "c@d"},
		"undisclosed-recipients:;":             nil,
		"group: a@b.example, c@d.example;":     {"a@b.example", "c@d.example"},
		"nobody":                               nil,
		"@x, x@":                               nil,
	} {
		var got []string
		for _, a := range fakeserver.ParseAddresses(value) {
			got = append(got, a.Address)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", value, diff)
		}
	}
}

func TestToCRLF(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a\nb": "a\r\nb", "a\r\nb": "a\r\nb", "\n\r\n\n": "\r\n\r\n\r\n", "a\rb": "a\rb"} {
		if got := string(fakeserver.ToCRLF([]byte(in))); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func FuzzMail(f *testing.F) {
	f.Add([]byte("A: 1\r\nB: <a@b>\r\n 2\r\n\r\nbody"), "Subject")
	f.Add([]byte("From x@y\nTo: \"a, b@c\n\nx"), "To")
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		before := bytes.Clone(raw)
		m := fakeserver.ParseMail(raw)
		if !bytes.Equal(m.Bytes(), raw) {
			t.Fatalf("Bytes = %q", m.Bytes())
		}
		m.Addresses("To", name)
		m.IDs(name)
		m.Prepend("X-First", "1")
		m.Set("X-Last", "2")
		again := fakeserver.ParseMail(m.Bytes())
		// A message that begins with a folded line folds into what stands before.
		if !strings.HasPrefix(again.Get("X-First"), "1") {
			t.Errorf("X-First is lost in %q", m.Bytes())
		}
		if !strings.HasPrefix(string(raw), " ") && !strings.HasPrefix(string(raw), "\t") && again.Get("X-Last") != "2" {
			t.Errorf("X-Last is lost in %q", m.Bytes())
		}
		if !bytes.Equal(again.Body(), m.Body()) {
			t.Errorf("the body became %q", again.Body())
		}
		if !bytes.Equal(raw, before) {
			t.Error("the input was changed")
		}
	})
}
