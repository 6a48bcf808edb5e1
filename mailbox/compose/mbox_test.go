package compose

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

func TestMbox(t *testing.T) {
	t.Parallel()
	const from = "From anna@example.com Fri Nov 20 10:00:00 2026\n"
	tests := []struct {
		name string
		in   string
		want []string
	}{
		{"empty", "", nil},
		{"blank lines", "\n\n\n", nil},
		{"one", from + "Subject: a\n\nbody\n", []string{"Subject: a\n\nbody\n"}},
		{"two", from + "Subject: a\n\nbody\n\n" + from + "Subject: b\n\n", []string{"Subject: a\n\nbody\n", "Subject: b\n\n"}},
		{"no blank line between", from + "Subject: a\n\nbody\n" + from + "x\n", []string{"Subject: a\n\nbody\n" + from + "x\n"}},
		{"CRLF", strings.ReplaceAll(from+"Subject: a\n\nbody\n\n"+from+"Subject: b\n", "\n", "\r\n"), []string{"Subject: a\r\n\r\nbody\r\n", "Subject: b\r\n"}},
		{"quoted", from + "Subject: a\n\n>From here\n>>From there\n> From nowhere\n", []string{"Subject: a\n\nFrom here\n>From there\n> From nowhere\n"}},
		{"a sentence", from + "Subject: a\n\nFrom now on: nothing.\n\nFrom 10 to 12\n", []string{"Subject: a\n\nFrom now on: nothing.\n\nFrom 10 to 12\n"}},
		{"no separator", "Subject: a\n\nbody\n", []string{"Subject: a\n\nbody\n"}},
		{"text in front", "Subject: a\n\nbody\n\n" + from + "Subject: b\n", []string{"Subject: a\n\nbody\n", "Subject: b\n"}},
		{"empty message", from + "\n" + from + "Subject: b\n", []string{"Subject: b\n"}},
		{"no line end", from + "Subject: a", []string{"Subject: a"}},
		{"long separator", "From anna@example.com Fri Nov 20 10:00:00 2026 " + strings.Repeat("x", 100_000) + "\nSubject: a\n", []string{"Subject: a\n"}},
		{"long line", from + strings.Repeat("x", 100_000) + "\n", []string{strings.Repeat("x", 100_000) + "\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, src := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				var got []string
				for b, err := range Mbox(src) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, string(b))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestMboxStopsEarly(t *testing.T) {
	t.Parallel()
	const file = "From a Fri Nov 20 10:00:00 2026\none\n\nFrom a Fri Nov 20 10:00:00 2026\ntwo\n"
	n := 0
	for range Mbox(strings.NewReader(file)) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestMboxError(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk lost")
	src := io.MultiReader(strings.NewReader("From a Fri Nov 20 10:00:00 2026\none\n\nFrom a Fri Nov 20 10:00:00 2026\nhalf of"), iotest.ErrReader(broken))
	var messages []string
	var last error
	for b, err := range Mbox(src) {
		if last != nil {
			t.Fatal("the sequence goes on behind an error of the source")
		}
		if last = err; err == nil {
			messages = append(messages, string(b))
		}
	}
	if !errors.Is(last, broken) || len(messages) != 1 {
		t.Errorf("%q, %v", messages, last)
	}
}

// TestMboxTooLarge passes over a large message and reads the ones around it.
func TestMboxTooLarge(t *testing.T) {
	t.Parallel()
	const from = "From a Fri Nov 20 10:00:00 2026\n"
	file := from + "one\n\n" + from + strings.Repeat("large\n", 50) + "\n" + from + "three\n"
	m := mboxReader{lines: newLineReader(strings.NewReader(file), bufferSize), max: 100}
	var got []string
	for more := true; more; {
		var b []byte
		var err error
		b, more, err = m.next()
		switch {
		case err == nil && b != nil:
			got = append(got, string(b))
		case err != nil:
			fe, ok := errors.AsType[*mailbox.FieldError](err)
			if !ok || !errors.Is(err, mailbox.ClassInvalid) {
				t.Fatal(err)
			}
			got = append(got, fe.Field)
		}
	}
	if diff := cmp.Diff([]string{"one\n", "message 2", "three\n"}, got); diff != "" {
		t.Error(diff)
	}
}

// A file that was cut, gzipped for instance, is not a whole one.
func TestMboxCutSource(t *testing.T) {
	t.Parallel()
	src := io.MultiReader(strings.NewReader("From x Mon Jun  2 10:00:00 2025\nSubject: one\n\nbo"), iotest.ErrReader(io.ErrUnexpectedEOF))
	var errs []error
	for _, err := range Mbox(src) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || !errors.Is(errs[0], io.ErrUnexpectedEOF) {
		t.Errorf("errors are %v, want io.ErrUnexpectedEOF", errs)
	}
	if _, err := Read(io.MultiReader(strings.NewReader("Subject: one\n\nbo"), iotest.ErrReader(io.ErrUnexpectedEOF)), ReadOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read: error is %v, want io.ErrUnexpectedEOF", err)
	}
}
