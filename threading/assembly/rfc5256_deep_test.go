package assembly_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading/assembly"
)

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
