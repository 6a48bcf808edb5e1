package inbox_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/inbox"
)

// watchers are mailboxes whose provider announces changes.
type watchers struct {
	w *world

	mu     sync.Mutex
	did    []string
	closed bool  // the mailbox cannot be opened
	err    error // of Watch and Unwatch
	hang   bool
}

type watcher struct {
	mailbox.Mailbox
	all *watchers
}

func (ws *watchers) open(ctx context.Context, r mailbox.Ref) (mailbox.Mailbox, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		return nil, &mailbox.Error{Class: mailbox.ClassReconnect}
	}
	mb, err := ws.w.open(ctx, r)
	return watcher{mb, ws}, err
}

func (ws *watchers) set(closed bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = closed
}

func (ws *watchers) note(ctx context.Context, what string) error {
	ws.mu.Lock()
	ws.did = append(ws.did, what)
	hang, err := ws.hang, ws.err
	ws.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (ws *watchers) want(t *testing.T, want ...string) {
	t.Helper()
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if diff := cmp.Diff(want, ws.did); diff != "" {
		t.Errorf("announcements (-want +got):\n%s", diff)
	}
	ws.did = nil
}

func (w watcher) Watch(ctx context.Context, r mailbox.WatchRequest) (mailbox.Watch, error) {
	return mailbox.Watch{}, w.all.note(ctx, "watch "+string(w.Account().Mailbox)+" "+r.Topic)
}

func (w watcher) Unwatch(ctx context.Context) error {
	return w.all.note(ctx, "unwatch "+string(w.Account().Mailbox))
}

// watched makes the mailboxes of a world watchers.
func watched(t *testing.T) (*world, *watchers) {
	w := newWorld(t)
	ws := &watchers{w: w}
	w.config.Open = ws.open
	w.config.Policy = inbox.PolicyHeaders
	w.config.Interval = time.Hour
	w.config.Mailboxes = func(context.Context) iter.Seq2[mailbox.Ref, error] {
		return func(yield func(mailbox.Ref, error) bool) { yield(ref, nil) }
	}
	w.config.Watch = func(_ context.Context, a mailbox.Account) (mailbox.WatchRequest, bool) {
		return mailbox.WatchRequest{Topic: "topic"}, a.Owner != "no"
	}
	return w, ws
}

var alice = mailbox.Account{Ref: ref, Subject: "sub-alice", Capabilities: caps}

// Ten days later the mailbox is connected again: announcements are on, and what
// came meanwhile is told at once, not with the next round.
func TestReconnectFillsTheGap(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"by the cursor": false, "by a resync": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, ws := watched(t)
				in := w.inbox()
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() {
					if err := in.Run(ctx); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(30 * time.Minute)
				ws.set(true)
				time.Sleep(time.Hour)
				w.deliver("x@y.example", "one")
				time.Sleep(240 * time.Hour)
				w.deliver("x@y.example", "two")
				if lost {
					w.service.LoseCursors()
				}
				w.wantKinds()
				ws.set(false)
				if err := in.Connected(t.Context(), alice); err != nil {
					t.Fatal(err)
				}
				ws.want(t, "watch alice topic")
				time.Sleep(time.Second)
				if lost {
					w.mu.Lock()
					n := len(w.events)
					w.mu.Unlock()
					if n != 3 {
						t.Errorf("events %q", w.kinds())
					}
				} else {
					w.wantKinds("message one", "message two")
				}
				stop()
				running.Wait()
			})
		})
	}
}

// Connected keeps the browser of the user waiting for no longer than it takes to
// ask the provider once, and waits for nobody who runs.
func TestConnectedIsQuick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, ws := watched(t)
		ws.hang = true
		in := w.inbox()
		began := time.Now()
		for range 200 {
			if err := in.Connected(t.Context(), alice); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v", err)
			}
		}
		if took := time.Since(began); took > 200*10*time.Second {
			t.Errorf("it took %s each", took/200)
		}
		began = time.Now()
		mb, err := ws.open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Disconnecting(t.Context(), alice, mb); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestRoomAnnouncements(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config  func(*inbox.Config)
		account func(*mailbox.Account)
		err     error
		uses    int
		closed  bool

		connected, disconnected []string
		fails                   error
	}{
		"wanted":         {connected: []string{"watch alice topic"}, disconnected: []string{"unwatch alice"}},
		"not wanted":     {account: func(a *mailbox.Account) { a.Owner = "no" }},
		"never wanted":   {config: func(c *inbox.Config) { c.Watch = nil }},
		"send only":      {account: func(a *mailbox.Account) { a.Capabilities = mailbox.CanSend }, disconnected: []string{"unwatch alice"}},
		"not supported":  {err: mailbox.ClassUnsupported, connected: []string{"watch alice topic"}, disconnected: []string{"unwatch alice"}},
		"provider down":  {err: mailbox.ClassUnavailable, fails: mailbox.ClassUnavailable, connected: []string{"watch alice topic"}, disconnected: []string{"unwatch alice"}},
		"needed by more": {uses: 2, connected: []string{"watch alice topic"}},
		"the last one":   {uses: 1, connected: []string{"watch alice topic"}, disconnected: []string{"unwatch alice"}},
		"cannot be told": {uses: -1, connected: []string{"watch alice topic"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ws := watched(t)
			ws.err = test.err
			if test.uses != 0 {
				w.config.InUse = func(_ context.Context, _ mailbox.ProviderName, subject string) (int, error) {
					if test.uses < 0 || subject != "sub-alice" {
						return 0, mailbox.ClassStorage
					}
					return test.uses, nil
				}
			}
			if test.config != nil {
				test.config(&w.config)
			}
			a := alice
			if test.account != nil {
				test.account(&a)
			}
			in := w.inbox()
			if err := in.Connected(t.Context(), a); !errors.Is(err, test.fails) {
				t.Errorf("Connected: %v", err)
			}
			ws.want(t, test.connected...)
			mb, err := ws.open(t.Context(), a.Ref)
			if err != nil {
				t.Fatal(err)
			}
			err = in.Disconnecting(t.Context(), a, mb)
			if test.uses < 0 != (mailbox.ClassOf(err) == mailbox.ClassStorage) || test.fails != nil && !errors.Is(err, test.fails) {
				t.Errorf("Disconnecting: %v", err)
			}
			ws.want(t, test.disconnected...)
			if err := in.Disconnecting(t.Context(), a, nil); err != nil {
				t.Errorf("Disconnecting without a mailbox: %v", err)
			}
		})
	}
}

// Announcements that cannot be had do not keep the gap from being filled.
func TestConnectedWakesInAnyCase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, ws := watched(t)
		ws.err = &mailbox.Error{Class: mailbox.ClassConfig}
		in := w.inbox()
		w.poll(in)
		w.deliver("x@y.example", "one")
		var polled []mailbox.Ref
		w.config.Mailboxes = func(context.Context) iter.Seq2[mailbox.Ref, error] {
			return func(func(mailbox.Ref, error) bool) {} // none in turn
		}
		w.config.Open = func(ctx context.Context, r mailbox.Ref) (mailbox.Mailbox, error) {
			w.mu.Lock()
			polled = append(polled, r)
			w.mu.Unlock()
			return ws.open(ctx, r)
		}
		in = w.inbox()
		if err := in.Connected(t.Context(), alice); !errors.Is(err, mailbox.ClassConfig) {
			t.Errorf("got %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { in.Run(ctx) })
		time.Sleep(time.Second)
		w.wantKinds("message one")
		stop()
		running.Wait()
		if !slices.Equal(polled, []mailbox.Ref{ref, ref}) { // to arm, and to poll
			t.Errorf("opened %v", polled)
		}
	})
}
