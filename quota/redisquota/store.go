package redisquota

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/mailbox"
)

// Options configure a [Store]. The zero value is ready for use.
type Options struct {
	// Prefix begins the name of every key; empty means "mailtether:". Stores with
	// the same prefix on the same database share everything, others nothing. At
	// most 100 bytes, without braces, which name the slot of a Redis Cluster.
	Prefix string
}

// Store keeps logs of sends and budgets of calls in Redis. It is safe for
// concurrent use, and has nothing to close: the client belongs to the host.
type Store struct {
	client redis.UniversalClient
	prefix string
}

// New returns a store that uses the client. It does not speak to the server yet;
// see [Store.Check].
func New(client redis.UniversalClient, o Options) (*Store, error) {
	if client == nil {
		return nil, mailbox.Invalid("client", "a client of Redis", "is missing")
	}
	if len(o.Prefix) > 100 || strings.ContainsAny(o.Prefix, "{}") {
		return nil, mailbox.Invalid("prefix", "at most 100 bytes without braces", "is too long or has braces")
	}
	return &Store{client: client, prefix: cmp.Or(o.Prefix, "mailtether:")}, nil
}

// Sends returns the store of logs of sends.
func (s *Store) Sends() *Sends { return &Sends{store: s} }

// Calls returns the store of budgets of calls.
func (s *Store) Calls() *Calls { return &Calls{store: s} }

// keys returns the names of keys that share a slot: prefix, the parts in braces,
// one of the suffixes. The parts are escaped like a query in a URL, so that they
// have no colon or brace, and no two lists of parts make the same name.
func (s *Store) keys(parts []string, suffixes ...string) []string {
	var b strings.Builder
	b.WriteString(s.prefix)
	for i, part := range parts {
		b.WriteByte("{:"[min(i, 1)])
		b.WriteString(url.QueryEscape(part))
	}
	b.WriteString("}:")
	keys := make([]string, len(suffixes))
	for i, suffix := range suffixes {
		keys[i] = b.String() + suffix
	}
	return keys
}

// run runs a script, and loads it into a server that has not seen it yet.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args []any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return script.Run(ctx, s.client, keys, args...).Result()
}

// failed returns a failure of the server as an error of this package. That of a
// context is reachable in it, also where the client puts it in words of its own.
func failed(ctx context.Context, op string, id mailbox.MailboxID, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return &mailbox.Error{Op: op, Mailbox: id, Class: mailbox.ClassStorage, Err: err}
}

// malformed is the error for an answer that no script of this package gives.
func malformed(answer any) error {
	return fmt.Errorf("redisquota: unexpected answer of type %T", answer)
}

// reader takes an answer of a script apart. The first thing that is not what it
// should be makes it fail.
type reader struct {
	rest []any
	err  error
}

func read(answer any) *reader {
	list, ok := answer.([]any)
	if !ok {
		return &reader{err: malformed(answer)}
	}
	return &reader{rest: list}
}

// next returns the next element; nil is one that is not there.
func (r *reader) next() any {
	if !r.more() {
		r.fail(nil)
		return nil
	}
	v := r.rest[0]
	r.rest = r.rest[1:]
	return v
}

// more reports whether there is another element, and nothing was wrong so far.
func (r *reader) more() bool { return r.err == nil && len(r.rest) > 0 }

func (r *reader) fail(v any) {
	if r.err == nil {
		r.err = malformed(v)
	}
}

func (r *reader) string() string {
	v := r.next()
	s, ok := v.(string)
	if !ok {
		r.fail(v)
	}
	return s
}

func (r *reader) int() int64 {
	v := r.next()
	n, ok := v.(int64)
	if !ok {
		r.fail(v)
	}
	return n
}

func (r *reader) list() *reader {
	v := r.next()
	list, ok := v.([]any)
	if !ok {
		r.fail(v)
	}
	return &reader{rest: list, err: r.err}
}
