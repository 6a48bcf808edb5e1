package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

var _ threading.Index = (*Index)(nil)

// Index is a [threading.Index] that keeps times to the microsecond. It returns
// mailbox.ClassInvalid for an identifier that mailbox.Ref.Validate refuses, for
// a message that threading.SentMessage.Validate refuses and for a time that JSON
// cannot hold (outside of the years 0 to 9999), and mailbox.ClassStorage for
// everything else that fails.
type Index struct {
	store *Store
	sql   indexStatements
}

// Add implements [threading.Index].
func (x *Index) Add(ctx context.Context, m threading.SentMessage) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if err := x.store.ready(ctx); err != nil {
		return err
	}
	m = threading.SentMessage{Ref: m.Ref, Key: m.Key}.Merge(m) // without what is empty
	args, err := sentArgs(m)
	if err != nil {
		return err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, maxAddWait) {
		n, err := x.store.change(ctx, x.sql.create, args)
		if err == nil && n == 0 {
			n, err = x.complete(ctx, m)
		}
		if err == nil && n == 0 { // somebody else has written the same message, or forgotten it
			err = sleep(ctx, wait)
		}
		if err != nil || n > 0 {
			return failed(ctx, "index message", m.Mailbox, err)
		}
	}
}

// maxAddWait bounds the pauses of those who write the same message at once.
const maxAddWait = 20 * time.Millisecond

// complete merges a message into the one under its key. It returns 0 if that is
// gone or changed meanwhile.
func (x *Index) complete(ctx context.Context, m threading.SentMessage) (int, error) {
	var version int64
	var document []byte
	key := []byte(m.Key)
	found, err := x.store.one(ctx, x.sql.get, []any{string(m.Tenant), string(m.Mailbox), key}, &version, &document)
	if err != nil || !found {
		return 0, err
	}
	old, err := decodeSent(document, m.Ref, key)
	if err != nil {
		return 0, err
	}
	args, err := sentArgs(old.Merge(m))
	if err != nil {
		return 0, err
	}
	return x.store.change(ctx, x.sql.update, append(args, version))
}

// sentArgs are the parameters 1 to 7 of the statements that write a message. The
// version is a number that no other write has, so that a message which was
// forgotten and added again is never taken for the one before.
func sentArgs(m threading.SentMessage) ([]any, error) {
	m.At = m.At.UTC().Truncate(time.Microsecond)
	document, err := encodeSent(m)
	if err != nil {
		return nil, err
	}
	return []any{
		string(m.Tenant), string(m.Mailbox), []byte(m.Key), termList(m.Terms()), rand.Int64(), document, m.At.UnixMicro(),
	}, nil
}

// termList returns terms in the one form of a list that every driver passes on
// and both databases can read: JSON.
func termList(terms []threading.Term) string {
	list := make([]string, len(terms))
	for i, t := range terms {
		list[i] = hex.EncodeToString(t[:])
	}
	b, _ := json.Marshal(list) // strings cannot fail
	return string(b)
}

// Find implements [threading.Index].
func (x *Index) Find(ctx context.Context, ref mailbox.Ref, terms ...threading.Term) ([]threading.SentMessage, error) {
	if err := x.ready(ctx, ref); err != nil {
		return nil, err
	}
	var found []threading.SentMessage
	args := []any{string(ref.Tenant), string(ref.Mailbox), termList(terms), threading.MaxPerTerm}
	err := x.store.retry(ctx, func() error {
		found = nil
		return x.store.each(ctx, x.sql.find, args, func(rows *sql.Rows) error {
			var key, document []byte
			if err := rows.Scan(&key, &document); err != nil {
				return err
			}
			m, err := decodeSent(document, ref, key)
			if err == nil {
				found = append(found, m)
			}
			return err
		})
	})
	if err != nil {
		return nil, failed(ctx, "find messages", ref.Mailbox, err)
	}
	return found, nil
}

// forgetBatch is how many messages are removed at a time.
const forgetBatch = 500

// Forget implements [threading.Index]. It goes by batches of 500: when it fails,
// those are gone that it returns the number of.
func (x *Index) Forget(ctx context.Context, ref mailbox.Ref, before time.Time) (int, error) {
	if err := x.ready(ctx, ref); err != nil {
		return 0, err
	}
	args := []any{string(ref.Tenant), string(ref.Mailbox), before.UnixMicro(), forgetBatch}
	for total := 0; ; {
		n, err := x.store.change(ctx, x.sql.forget, args)
		total += n
		if err != nil || n == 0 {
			return total, failed(ctx, "forget messages", ref.Mailbox, err)
		}
	}
}

func (x *Index) ready(ctx context.Context, ref mailbox.Ref) error {
	if err := ref.Validate(); err != nil {
		return err
	}
	return x.store.ready(ctx)
}
