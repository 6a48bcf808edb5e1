package assembly_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

// Every four bytes make a message: its id, what it cites twice, its time.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte{1, 2, 0, 0, 2, 1, 0, 0, 3, 9, 1, 5, 3, 1, 9, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		var all []*mailbox.Message
		for part := range slices.Chunk(b[:min(len(b), 400)], 4) {
			if len(part) == 4 {
				all = append(all, message(fmt.Sprintf("id-%d-x@x", part[0]%32), int(part[3]%8),
					"In-Reply-To", fmt.Sprintf("<id-%d-x@x>", part[1]%32), "References", fmt.Sprintf("<id-%d-x@x>", part[2]%32)))
			}
		}
		want := assemble(all...)
		slices.Reverse(all)
		if diff := cmp.Diff(want, assemble(all...)); diff != "" {
			t.Error(diff)
		}
	})
}
