package assembly_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func message(id string, minute int, fields ...string) *mailbox.Message {
	m := &mailbox.Message{
		RFCMessageID: mailbox.RFCMessageID(id), Date: noon.Add(time.Duration(minute) * time.Minute),
		From: []mailbox.Address{{Address: "ann@example.com"}}, To: []mailbox.Address{{Address: "ben@example.org"}},
	}
	for i := 0; i+1 < len(fields); i += 2 {
		m.Header = append(m.Header, mailbox.Field{Name: fields[i], Value: fields[i+1]})
	}
	return m
}

func assemble(all ...*mailbox.Message) []assembly.Thread {
	a := assembly.New(assembly.Options{})
	for _, m := range all {
		a.Add(m)
	}
	return slices.Collect(a.Threads())
}

// Duplicates, a loop, a missing parent, equal dates, an original id, a message
// without an id, an address in In-Reply-To.
func difficult() []*mailbox.Message {
	return []*mailbox.Message{
		message("1@x", 0), message("2@x", 0, "In-Reply-To", "<1@x>"), message("2@x", 3, "References", "<1@x>"),
		message("loop-1@x", 1, "In-Reply-To", "<loop-2@x>"), message("loop-2@x", 1, "In-Reply-To", "<loop-1@x>"),
		message("3@x", 2, "In-Reply-To", "<1f3a9c.gone@x>"), message("4@x", 2, "References", "<1f3a9c.gone@x>"),
		message("new.9@x", 4, "X-Google-Original-Message-ID", "<old.9@x>"), message("5@x", 5, "In-Reply-To", "<old.9@x>"),
		message("", 6), message("6@x", 7, "In-Reply-To", "<ben@example.org>"), message("7@x", 7, "In-Reply-To", "<ben@example.org>"),
		message("self@x", 8, "In-Reply-To", "<self@x>"),
	}
}

func TestOrderOfAddMakesNoDifference(t *testing.T) {
	t.Parallel()
	want := assemble(difficult()...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		all := append(difficult(), difficult()[:5]...)
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if diff := cmp.Diff(want, assemble(all...)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestThreads(t *testing.T) {
	t.Parallel()
	roots := make(map[mailbox.RFCMessageID][2]mailbox.RFCMessageID)
	for _, thread := range assemble(difficult()...) {
		for _, m := range thread.Messages {
			roots[m.ID] = [2]mailbox.RFCMessageID{m.Parent, m.Root}
			if m.ID == "4@x" && thread.Root != "3@x" {
				t.Errorf("4@x stands in the thread of %s, want that of 3@x, which cites the same missing message", thread.Root)
			}
		}
	}
	for id, want := range map[mailbox.RFCMessageID][2]mailbox.RFCMessageID{
		"1@x": {"", "1@x"}, "2@x": {"1@x", "1@x"}, "loop-1@x": {"", "loop-1@x"}, "loop-2@x": {"loop-1@x", "loop-1@x"},
		"3@x": {"", "3@x"}, "4@x": {"", "4@x"}, "5@x": {"new.9@x", "new.9@x"},
		"6@x": {"", "6@x"}, "7@x": {"", "7@x"}, "self@x": {"", "self@x"},
	} {
		if got := roots[id]; got != want {
			t.Errorf("%s: parent and root %q, want %q", id, got, want)
		}
	}
	if len(roots) != 12 {
		t.Errorf("%d messages, want 12: %v", len(roots), roots)
	}
}

// Where References were cut to the first id, those that cite the same missing
// message have the first of them for a root.
func TestRootOfCutReferences(t *testing.T) {
	t.Parallel()
	all := []*mailbox.Message{
		message("1@x", 0, "References", "<1f3a9c.gone@x>"),
		message("2@x", 1, "References", "<1f3a9c.gone@x>"),
		message("3@x", 2, "References", "<1f3a9c.gone@x>"),
	}
	for _, thread := range assemble(all...) {
		for _, m := range thread.Messages {
			if m.Root != "1@x" || m.Parent != "" {
				t.Errorf("%s: parent %q, root %q, want none and 1@x", m.ID, m.Parent, m.Root)
			}
		}
	}
	// Beside messages that name their parents, References hold all there is.
	for i := range 3 {
		id := string(rune('a' + i))
		all = append(all, message(id+"1@x", 10+2*i), message(id+"2@x", 11+2*i, "In-Reply-To", "<"+id+"1@x>"))
	}
	for _, thread := range assemble(all...) {
		for _, m := range thread.Messages {
			if m.Parent == "" && m.Root != m.ID {
				t.Errorf("%s: root %q, want itself", m.ID, m.Root)
			}
		}
	}
}
