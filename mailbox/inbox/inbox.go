// Package inbox notices what arrives in a mailbox and tells the host.
//
// It asks the mailbox for changes since a stored cursor, classifies and matches
// them by their headers, fetches a body only where the policy allows it, calls
// the host's handler, and only then moves the cursor. The handler is called at
// least once for every event; an event has the same id every time. A message
// the handler keeps failing on is set aside by name, so that it does not stop
// the rest. When the provider has lost the cursor, one bounded resync reads
// again what may have been missed, without delivering twice what was delivered.
package inbox

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/threading"
)

// Policy says what is delivered, and of which messages bodies are read.
type Policy string

// The policies.
const (
	// PolicyMatched delivers answers to what was sent, and reads only their
	// bodies. Nothing else of the mailbox reaches the host. The default.
	PolicyMatched Policy = "matched"
	// PolicyHeaders delivers every message, without any body.
	PolicyHeaders Policy = "headers"
	// PolicyFull delivers every message with its body.
	PolicyFull Policy = "full"
)

// Config wires an Inbox.
type Config struct {
	// Store keeps cursors. Required.
	Store Store
	// Open opens a connected mailbox. Required.
	Open func(ctx context.Context, ref mailbox.Ref) (mailbox.Mailbox, error)
	// Handler takes the events. An error leaves the event to be delivered again.
	// Events of one mailbox come one at a time, in order; those of different
	// mailboxes come concurrently. Required.
	Handler func(ctx context.Context, e mailbox.Event) error
	// Index knows what was sent; nil matches nothing.
	Index threading.Index
	// Sends is told of mail that the user sent by hand, so that it counts, and of
	// bounces, complaints and answers, so that the mailbox slows down in time; may
	// be nil.
	Sends *quota.Sends
	// Policy is what to deliver; empty means PolicyMatched.
	Policy Policy
	// MinLevel is the weakest link that makes a message an answer. 0 means
	// mailbox.LevelMedium.
	MinLevel mailbox.Level
	// Logger is told of trouble; nil is silent.
	Logger *slog.Logger

	// MaxAttempts is how often the handler is tried with one event before the
	// message is set aside. 0 means 5.
	MaxAttempts int
	// MaxResync bounds how many messages of a folder a resync reads. 0 means
	// 10,000.
	MaxResync int
	// Mailboxes ranges over the mailboxes that Run polls. Run requires it.
	Mailboxes func(ctx context.Context) iter.Seq2[mailbox.Ref, error]
	// Watch tells how changes of a mailbox are to be announced, and whether at all.
	// It is asked when a mailbox is connected and when it is disconnected; nil
	// means never. Receiving announcements is up to the host, which then calls
	// Poll, and so is renewing them, by mailbox.Watcher, before they run out (at
	// Google after 7 days: Gmail API, "Push notifications", 2026-09).
	Watch func(ctx context.Context, a mailbox.Account) (mailbox.WatchRequest, bool)
	// InUse counts the mailboxes of the host that are connected to an account of a
	// provider, see connect.AccountStore. They share its announcements, which end
	// with the last of them: at Google a user has one watch for each project. nil
	// means that no account is connected twice.
	InUse func(ctx context.Context, provider mailbox.ProviderName, subject string) (int, error)
	// Interval is the pause between two polls of Run. 0 means 1 minute.
	Interval time.Duration
	// Workers is how many mailboxes Run polls at a time. 0 means 8.
	Workers int
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Store == nil:
		return c, mailbox.Invalid("inbox.Config.Store", "required", "is missing")
	case c.Open == nil:
		return c, mailbox.Invalid("inbox.Config.Open", "required", "is missing")
	case c.Handler == nil:
		return c, mailbox.Invalid("inbox.Config.Handler", "required", "is missing")
	case c.MaxAttempts < 0 || c.MaxResync < 0 || c.Interval < 0 || c.Workers < 0:
		return c, mailbox.Invalid("inbox.Config", "no negative values", "holds a negative value")
	}
	switch c.Policy {
	case "":
		c.Policy = PolicyMatched
	case PolicyMatched, PolicyHeaders, PolicyFull:
	default:
		return c, mailbox.Invalid("inbox.Config.Policy", "matched, headers, full", "is unknown")
	}
	if c.MinLevel == mailbox.LevelNone {
		c.MinLevel = mailbox.LevelMedium
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 5
	}
	if c.MaxResync == 0 {
		c.MaxResync = 10_000
	}
	if c.Interval == 0 {
		c.Interval = time.Minute
	}
	if c.Workers == 0 {
		c.Workers = 8
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Inbox reads mailboxes. It is safe for concurrent use and starts no goroutine
// except in Run.
type Inbox struct {
	config  Config
	matcher threading.Matcher

	// woken are mailboxes that Run polls out of turn.
	woken chan mailbox.Ref

	mu   sync.Mutex
	busy map[mailbox.Ref]chan struct{}
}

// New returns an inbox.
func New(c Config) (*Inbox, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Inbox{
		config: c, matcher: threading.Matcher{Index: c.Index},
		woken: make(chan mailbox.Ref, maxWoken), busy: map[mailbox.Ref]chan struct{}{},
	}, nil
}

// Report counts what a poll did.
type Report struct {
	// Seen is how many messages were looked at, headers only.
	Seen int
	// Bodies is how many bodies were fetched.
	Bodies int
	// Events is how many events the handler took.
	Events int
	// SetAside is how many messages were given up.
	SetAside int
	// Resynced tells that the cursor was lost and the mailbox read again.
	Resynced bool
}

// Poll reads everything that changed in a mailbox since the last call. The
// first call only takes a position: what is in the mailbox already is not
// delivered. Calls for the same mailbox in one process wait for each other;
// processes that share a store detect each other by the state's version, and
// the later one fails with ClassConflict. Poll is safe to repeat after any
// error; the report counts what was done before it.
func (in *Inbox) Poll(ctx context.Context, ref mailbox.Ref) (Report, error) {
	if err := ref.Validate(); err != nil {
		return Report{}, err
	}
	release, err := in.acquire(ctx, ref)
	if err != nil {
		return Report{}, err
	}
	defer release()
	mb, err := in.config.Open(ctx, ref)
	if err != nil {
		return Report{}, err
	}
	state, err := in.config.Store.Load(ctx, ref)
	if err != nil {
		return Report{}, err
	}
	p := &poll{Inbox: in, mb: mb, state: state}
	err = p.run(ctx)
	return p.report, err
}

// acquire makes the polls of one mailbox take turns.
func (in *Inbox) acquire(ctx context.Context, ref mailbox.Ref) (release func(), err error) {
	for {
		in.mu.Lock()
		waiting, taken := in.busy[ref]
		if !taken {
			done := make(chan struct{})
			in.busy[ref] = done
			in.mu.Unlock()
			return func() {
				in.mu.Lock()
				delete(in.busy, ref)
				in.mu.Unlock()
				close(done)
			}, nil
		}
		in.mu.Unlock()
		select {
		case <-waiting:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Run polls all mailboxes again and again until ctx ends, and those that were
// connected out of turn; it waits for the polls it has begun, and returns nil.
// Failures of one mailbox are logged and tried again with the next round.
func (in *Inbox) Run(ctx context.Context) error {
	if in.config.Mailboxes == nil {
		return mailbox.Invalid("inbox.Config.Mailboxes", "required by Run", "is missing")
	}
	tick := time.NewTicker(in.config.Interval)
	defer tick.Stop()
	in.round(ctx, in.config.Mailboxes(ctx))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			in.round(ctx, in.config.Mailboxes(ctx))
		case ref := <-in.woken:
			in.round(ctx, in.outOfTurn(ref))
		}
	}
}

func (in *Inbox) round(ctx context.Context, mailboxes iter.Seq2[mailbox.Ref, error]) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, in.config.Workers)
	for ref, err := range mailboxes {
		if err != nil {
			in.config.Logger.WarnContext(ctx, "mailboxes not listed", "error", err)
			return
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := in.Poll(ctx, ref); err != nil && ctx.Err() == nil {
				in.config.Logger.WarnContext(ctx, "poll failed", "mailbox", ref.Mailbox, "error", err)
			}
		})
	}
}
