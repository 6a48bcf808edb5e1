package mailbox

import (
	"context"
	"iter"
)

// All ranges over every message of a query, page after page, starting at
// q.Page. The last pair of a failed listing has a nil message and the error.
// Ranging again starts over.
func All(ctx context.Context, mb Mailbox, q Query) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		q := q
		for {
			page, err := mb.List(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, m := range page.Messages {
				if !yield(m, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Page = page.Next
		}
	}
}
