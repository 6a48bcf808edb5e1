package assembly_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

// Mailboxes that make careless threaders slow. Each is made of n messages, and
// says how many threads they are.
var hostile = []struct {
	name    string
	n       int
	mail    func(n, i int) *mailbox.Message
	threads int
}{
	{"a chain", 100_000, func(_, i int) *mailbox.Message {
		return message(fmt.Sprintf("%d.c@x", i), i, "In-Reply-To", fmt.Sprintf("<%d.c@x>", i-1))
	}, 1},
	{"a loop", 20_000, func(n, i int) *mailbox.Message {
		return message(fmt.Sprintf("%d.c@x", i), i, "In-Reply-To", fmt.Sprintf("<%d.c@x>", (i+1)%n))
	}, 1},
	{"all cite one missing message", 20_000, func(_, i int) *mailbox.Message {
		return message(fmt.Sprintf("%d.c@x", i), i, "In-Reply-To", "<0a1b2c3d4e.gone@x>")
	}, 1},
	{"all answer one message", 20_000, func(_, i int) *mailbox.Message {
		return message(fmt.Sprintf("%d.c@x", i), i, "In-Reply-To", "<0.c@x>")
	}, 1},
	{"hello from strangers", 20_000, func(_, i int) *mailbox.Message {
		m := letter(fmt.Sprintf("%d.c@x", i), i, "Re: Hello", "Hello!")
		m.From = []mailbox.Address{{Address: fmt.Sprintf("%d@example.net", i)}}
		m.To = []mailbox.Address{{Address: fmt.Sprintf("%d@example.org", i)}}
		return m
	}, 20_000},
	{"one phrase for all", 20_000, func(_, i int) *mailbox.Message {
		return letter(fmt.Sprintf("%d.c@x", i), i, fmt.Sprint("Letter ", i), benches+"\n\n> "+benches+"\n")
	}, 20_000},
	{"copies of one message", 20_000, func(_, i int) *mailbox.Message { return message("1.c@x", i) }, 1},
	{"all claim one original id", 20_000, func(_, i int) *mailbox.Message {
		return message(fmt.Sprintf("%d.c@x", i), 60*i, "X-Google-Original-Message-ID", "<0a1b2c3d4e.old@x>")
	}, 20_000},
}

func TestHostileMailboxes(t *testing.T) {
	t.Parallel()
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			a := assembly.New(assembly.Options{})
			for i := range h.n {
				a.Add(h.mail(h.n, i))
			}
			threads := 0
			for range a.Threads() {
				threads++
			}
			if threads != h.threads {
				t.Errorf("%d threads, want %d", threads, h.threads)
			}
			// What is quadratic in this many takes minutes.
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestReferencesOfAMegabyte(t *testing.T) {
	t.Parallel()
	var ids strings.Builder
	for i := range 1 << 16 {
		fmt.Fprintf(&ids, " <%08d.ref@x>", i)
	}
	long := message("long@x", 1, "References", ids.String())
	m := placed(t, "long@x", 0, long, message("00000000.ref@x", 0))
	if m.Parent != "00000000.ref@x" {
		t.Errorf("parent %q, want the first id, which is kept", m.Parent)
	}
	if got := assembly.Format(assembly.References([]*mailbox.Message{message("00000000.ref@x", 0), long})); got != "(1 2)" {
		t.Errorf("REFERENCES gives %s", got)
	}
}

func TestReferencesDeepChain(t *testing.T) {
	t.Parallel()
	const n = 100_000
	all := make([]*mailbox.Message, n)
	for i := range all {
		all[i] = message(fmt.Sprintf("%d.a@x", i), i, "In-Reply-To", fmt.Sprintf("<%d.a@x>", i-1))
	}
	all[0].Header = nil
	for _, order := range []string{"in order", "reversed"} {
		depth := 0
		for nodes := assembly.References(all); len(nodes) == 1; nodes = nodes[0].Children {
			depth++
		}
		if depth != n {
			t.Errorf("%s: depth %d, want %d", order, depth, n)
		}
		slices.Reverse(all)
	}
}
