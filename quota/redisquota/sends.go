package redisquota

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// Sends is a [quota.Store] in Redis. Make one with [Store.Sends].
type Sends struct {
	store *Store
}

var _ quota.Store = (*Sends)(nil)

// keysFor is how long the keys of a log stay after the last entry was made or
// moved. An entry may be as much ahead of the server's clock as this is longer
// than an entry has to be kept.
const keysFor = quota.Retention + 22*time.Hour

// logKeys returns the keys of a log, in the order of log.lua.
func (s *Sends) logKeys(l quota.Log) []string {
	return s.store.keys([]string{"log", string(l.Tenant), string(l.Kind), l.Name}, "times", "more", "above", "spans", "state")
}

// Decide implements [quota.Store].
func (s *Sends) Decide(ctx context.Context, a quota.Ask) (quota.Answer, error) {
	const op = "decide"
	if err := a.Validate(); err != nil {
		return quota.Answer{}, err
	}
	args := []any{
		a.Key, a.Recipients, moment(a.At), strconv.FormatInt(a.Version, 10), flag(a.DryRun),
		quota.Retention.Microseconds(), keysFor.Milliseconds(),
	}
	for _, w := range a.Windows {
		args = append(args, measure(w), flag(w.Advisory), w.Max, w.Per.Microseconds(), len(w.Days))
		for _, day := range w.Days {
			args = append(args, day.UnixMicro())
		}
	}
	got, err := s.store.run(ctx, decideScript, s.logKeys(a.Log), args)
	if err != nil {
		return quota.Answer{}, s.failed(ctx, op, a.Log, err)
	}
	answer, err := readAnswer(read(got), a)
	if mailbox.ClassOf(err) == mailbox.ClassInvalid {
		return quota.Answer{}, err
	}
	return answer, s.failed(ctx, op, a.Log, err)
}

// readAnswer reads what decide.lua answers.
func readAnswer(r *reader, a quota.Ask) (quota.Answer, error) {
	switch kind := r.string(); kind {
	case "stale":
		state := readState(r)
		return quota.Answer{Stale: true, State: state}, r.err
	case "days":
		window := r.int()
		if r.err != nil {
			return quota.Answer{}, r.err
		}
		return quota.Answer{}, mailbox.Invalid(fmt.Sprintf("windows[%d].days", window-1), "the time of the decision", "are of another time: the clocks differ by more than a day")
	case "decided":
		answer := quota.Answer{
			Allowed: r.int() == 1, Known: r.int() == 1, At: timeOf(r.int()), Usage: a.Usage[:0],
		}
		for range a.Windows {
			u := quota.Usage{Used: int(r.int())}
			if notBefore := r.next(); notBefore != nil {
				n, ok := notBefore.(int64)
				if !ok {
					r.fail(notBefore)
				}
				u.NotBefore = timeOf(n)
			}
			answer.Usage = append(answer.Usage, u)
		}
		return answer, r.err
	default:
		r.fail(kind)
		return quota.Answer{}, r.err
	}
}

// Settle implements [quota.Store].
func (s *Sends) Settle(ctx context.Context, e quota.Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	_, err := s.store.run(ctx, settleScript, s.logKeys(e.Log),
		[]any{e.Key, e.Recipients, moment(e.At), keysFor.Milliseconds()})
	return s.failed(ctx, "settle", e.Log, err)
}

// Remove implements [quota.Store].
func (s *Sends) Remove(ctx context.Context, l quota.Log, key string) error {
	_, err := s.store.run(ctx, removeScript, s.logKeys(l), []any{key})
	return s.failed(ctx, "remove", l, err)
}

// Entries implements [quota.Store]. Entries of the same time come by key.
func (s *Sends) Entries(ctx context.Context, l quota.Log, after time.Time) ([]quota.Entry, error) {
	const op = "entries"
	got, err := s.store.run(ctx, entriesScript, s.logKeys(l), []any{after.UnixMicro()})
	if err != nil {
		return nil, s.failed(ctx, op, l, err)
	}
	entries, err := readEntries(read(got), l)
	return entries, s.failed(ctx, op, l, err)
}

// readEntries reads what entries.lua answers.
func readEntries(r *reader, l quota.Log) ([]quota.Entry, error) {
	times, more := r.list(), r.list()
	if r.err != nil {
		return nil, r.err
	}
	above := make(map[string]int, len(more.rest)/2)
	for more.more() {
		digits, key, _ := strings.Cut(more.string(), ":")
		n, err := strconv.Atoi(digits)
		if err != nil {
			more.fail(digits)
		}
		above[key] = n
		more.next() // its time
	}
	entries := make([]quota.Entry, 0, len(times.rest)/2)
	for times.more() {
		member, score := times.string(), times.string()
		at, err := strconv.ParseFloat(score, 64)
		if err != nil || member == "" {
			times.fail(member)
			continue
		}
		key := member[1:]
		entries = append(entries, quota.Entry{Log: l, Key: key, Recipients: 1 + above[key], At: timeOf(int64(at))})
	}
	if err := cmp.Or(times.err, more.err); err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b quota.Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	})
	return entries, nil
}

// State implements [quota.Store].
func (s *Sends) State(ctx context.Context, l quota.Log) (quota.State, error) {
	const op = "read state"
	got, err := s.store.run(ctx, stateScript, s.logKeys(l), nil)
	if err != nil {
		return quota.State{}, s.failed(ctx, op, l, err)
	}
	r := read(got)
	state := readState(r)
	return state, s.failed(ctx, op, l, r.err)
}

// readState reads a version and a document.
func readState(r *reader) quota.State {
	digits, document := r.string(), r.string()
	version, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		r.fail(digits)
	}
	if r.err != nil || version == 0 {
		return quota.State{}
	}
	return quota.State{Document: []byte(document), Version: version}
}

// SetState implements [quota.Store].
func (s *Sends) SetState(ctx context.Context, l quota.Log, state quota.State) (bool, error) {
	const op = "set state"
	if err := state.Validate(); err != nil {
		return false, err
	}
	got, err := s.store.run(ctx, setStateScript, s.logKeys(l), []any{
		strconv.FormatInt(state.Version, 10), strconv.FormatInt(state.Version+1, 10), state.Document,
	})
	if err != nil {
		return false, s.failed(ctx, op, l, err)
	}
	changed, ok := got.(int64)
	if !ok {
		return false, s.failed(ctx, op, l, malformed(got))
	}
	return changed == 1, nil
}

// failed is failed with the mailbox that the log is of, if it is one of a mailbox.
func (s *Sends) failed(ctx context.Context, op string, l quota.Log, err error) error {
	var id mailbox.MailboxID
	if l.Kind == quota.LogMailbox {
		id = mailbox.MailboxID(l.Name)
	}
	return failed(ctx, op, id, err)
}

// moment returns a time as an argument of a script; empty for the zero time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func measure(w quota.Window) string {
	if w.Recipients {
		return "recipients"
	}
	return "messages"
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return ""
}
