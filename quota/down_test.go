package quota_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// failingStore is a store that a test lets fail.
type failingStore struct {
	*quota.Memory
	mu    sync.Mutex
	fails func(quota.Log) error // nil: it works
	calls int
}

func (s *failingStore) fail(f func(quota.Log) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = f
}

// asked returns how many calls there were since it was asked last.
func (s *failingStore) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.calls = 0 }()
	return s.calls
}

func (s *failingStore) fault(l quota.Log) error {
	s.mu.Lock()
	s.calls++
	f := s.fails
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(l)
}

func (s *failingStore) Decide(ctx context.Context, a quota.Ask) (quota.Answer, error) {
	if err := s.fault(a.Log); err != nil {
		return quota.Answer{Allowed: true}, err
	}
	return s.Memory.Decide(ctx, a)
}

func (s *failingStore) Settle(ctx context.Context, e quota.Entry) error {
	if err := s.fault(e.Log); err != nil {
		return err
	}
	return s.Memory.Settle(ctx, e)
}

func (s *failingStore) Remove(ctx context.Context, l quota.Log, key string) error {
	if err := s.fault(l); err != nil {
		return err
	}
	return s.Memory.Remove(ctx, l, key)
}

func (s *failingStore) Entries(ctx context.Context, l quota.Log, after time.Time) ([]quota.Entry, error) {
	if err := s.fault(l); err != nil {
		return nil, err
	}
	return s.Memory.Entries(ctx, l, after)
}

func (s *failingStore) State(ctx context.Context, l quota.Log) (quota.State, error) {
	if err := s.fault(l); err != nil {
		return quota.State{}, err
	}
	return s.Memory.State(ctx, l)
}

func (s *failingStore) SetState(ctx context.Context, l quota.Log, st quota.State) (bool, error) {
	if err := s.fault(l); err != nil {
		return false, err
	}
	return s.Memory.SetState(ctx, l, st)
}

var errDown = errors.New("connection refused")

func down(quota.Log) error { return errDown }

// withStore returns a governor on the clock of the machine, and what its host is
// told about the store.
func withStore(t *testing.T, c quota.SendsConfig, l quota.SendLimits) (*quota.Sends, *failingStore, *[]error) {
	t.Helper()
	store := &failingStore{Memory: quota.NewMemory()}
	told := new([]error)
	c.Store = store
	c.OnStore = func(err error) { *told = append(*told, err) }
	c.Providers = map[mailbox.ProviderName]quota.SendLimits{"test": filled("test", l)}
	s, err := quota.NewSends(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, store, told
}

func wantTold(t *testing.T, told *[]error, want ...error) {
	t.Helper()
	same := len(want) == len(*told)
	for i := range want {
		same = same && errors.Is((*told)[i], want[i]) && (want[i] == nil) == ((*told)[i] == nil)
	}
	if !same {
		t.Errorf("the host was told %v, want %v", *told, want)
	}
}

func TestNothingGoesWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, told := withStore(t, quota.SendsConfig{Tenant: quota.GroupLimits{Messages: 10}}, quota.SendLimits{Messages: 3, PerMinute: manyPerMinute})
		mustReserve(t, s, request("a", 1))
		wantTold(t, told)
		for range 2 {
			*told = nil
			store.fail(down)
			for i := range 5 {
				res, d, err := s.Reserve(t.Context(), request("b", 1))
				if !errors.Is(err, mailbox.ClassStorage) || !errors.Is(err, errDown) || d.Allowed || res.ID != "" || mailbox.OutcomeOf(err) != mailbox.OutcomeNotSent {
					t.Errorf("%d: %+v, %+v, %v", i, res, d, err)
				}
				if d, err := s.Check(t.Context(), request("b", 1)); err == nil || d.Allowed {
					t.Errorf("%d: check: %+v, %v", i, d, err)
				}
				time.Sleep(time.Duration(i) * 300 * time.Millisecond)
			}
			wantTold(t, told, errDown)
			store.fail(nil)
			for range 3 { // at once
				mustReserve(t, s, request("a", 1))
			}
			wantTold(t, told, errDown, nil)
		}
	})
}

func TestAFailureInTheMiddleLeavesNoPlace(t *testing.T) {
	t.Parallel()
	s, store, told := withStore(t, quota.SendsConfig{Tenant: quota.GroupLimits{Messages: 10}}, quota.SendLimits{})
	store.fail(func(l quota.Log) error {
		if l == tenantLog {
			return errDown
		}
		return nil
	})
	if _, d, err := s.Reserve(t.Context(), request("k", 1)); !errors.Is(err, errDown) || d.Allowed {
		t.Errorf("%+v, %v", d, err)
	}
	store.fail(nil)
	if n := held(t, store, mailboxLog); n != 0 {
		t.Errorf("%d places in the mailbox", n)
	}
	if len(*told) == 0 || (*told)[0] == nil {
		t.Errorf("the host was told %v", *told)
	}
}

// A caller that goes away in the middle leaves no place, and says nothing about
// the store.
func TestACallerThatGoesAwaySaysNothingAboutTheStore(t *testing.T) {
	t.Parallel()
	for _, c := range []quota.SendsConfig{{}, {Down: quota.DownLocal}} {
		c.Tenant = quota.GroupLimits{Messages: 10}
		s, store, told := withStore(t, c, quota.SendLimits{})
		ctx, cancel := context.WithCancel(t.Context())
		store.fail(func(l quota.Log) error {
			if l == tenantLog {
				cancel()
				return fmt.Errorf("query: %w", ctx.Err())
			}
			return nil
		})
		_, d, err := s.Reserve(ctx, request("k", 1))
		if !errors.Is(err, context.Canceled) || d.Allowed {
			t.Errorf("%q: %+v, %v", c.Down, d, err)
		}
		store.fail(nil)
		if n := held(t, store, mailboxLog); n != 0 {
			t.Errorf("%q: %d places in the mailbox", c.Down, n)
		}
		for _, err := range []error{
			s.Commit(ctx, quota.Reservation{Ref: request("", 0).Ref, ID: "k", Recipients: 1}), s.Observe(ctx, request("hand", 1)),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%q: %v", c.Down, err)
			}
		}
		wantTold(t, told)
	}
}

func TestInvalidRequestsSayNothingAboutTheStore(t *testing.T) {
	t.Parallel()
	s, store, told := withStore(t, quota.SendsConfig{Down: quota.DownLocal}, quota.SendLimits{})
	store.fail(func(quota.Log) error { return mailbox.Invalid("log", "shorter", "is too long") })
	_, d, err := s.Reserve(t.Context(), request("k", 1))
	if !errors.Is(err, mailbox.ClassInvalid) || errors.Is(err, mailbox.ClassStorage) || d.Allowed {
		t.Errorf("%+v, %v", d, err)
	}
	wantTold(t, told)
}

func TestLocalDecisionsWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, told := withStore(t, quota.SendsConfig{Down: quota.DownLocal, Tenant: quota.GroupLimits{Messages: 4}}, quota.SendLimits{
			Messages: 3, PerMinute: manyPerMinute, WarmUp: &quota.WarmUp{Start: 2, Step: 1, Days: 1},
		})
		before := mustReserve(t, s, request("before", 1))
		if err := s.Commit(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		store.fail(down)
		// It knows nothing of what was sent before, but keeps to the limits.
		n, d := fill(t, s, request("a", 1))
		if n != 3 || d.Binding != quota.RuleMessages {
			t.Errorf("%d messages of 3, %+v", n, d)
		}
		other := request("b", 1)
		other.Mailbox = "other"
		if n, d := fill(t, s, other); n != 1 || d.Reasons()[0].Log != tenantLog {
			t.Errorf("%d more messages of the tenant, %+v", n, d)
		}
		if err := s.Cancel(t.Context(), quota.Reservation{Ref: request("", 0).Ref, ID: "a0", Groups: []quota.GroupPlace{{Log: tenantLog, Recipients: 1}}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Observe(t.Context(), request("hand", 1)); err != nil {
			t.Fatal(err)
		}
		if _, d := reserve(t, s, request("c", 1)); d.Allowed {
			t.Errorf("%+v", d)
		}
		wantTold(t, told, errDown)

		time.Sleep(10 * time.Second)
		store.fail(nil)
		if _, d := reserve(t, s, request("d", 1)); !d.Allowed || d.Remaining != 1 {
			t.Errorf("the store knows of one message: %+v", d)
		}
		wantTold(t, told, errDown, nil)
		if n := held(t, store, mailboxLog); n != 2 {
			t.Errorf("%d messages in the store", n)
		}
		if err := s.Cancel(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if n := held(t, store, mailboxLog); n != 1 {
			t.Errorf("%d messages in the store", n)
		}
	})
}

func TestAStoreThatFailsIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, tenant := range map[string]quota.GroupLimits{"with limits": {Messages: 1000}, "without": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, store, _ := withStore(t, quota.SendsConfig{Down: quota.DownLocal, Tenant: tenant}, quota.SendLimits{PerMinute: manyPerMinute})
				store.fail(down)
				for second := range 5 {
					for i := range 20 {
						res := mustReserve(t, s, from("m", "ann@example.com", fmt.Sprint(second, "-", i)))
						if err := s.Commit(t.Context(), res); err != nil {
							t.Fatal(err)
						}
					}
					if n := store.asked(); n != 1 {
						t.Errorf("asked %d times in a second", n)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

func TestAPauseHoldsWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, _ := withStore(t, quota.SendsConfig{Down: quota.DownLocal}, quota.SendLimits{})
		for _, l := range []quota.Log{mailboxLog, tenantLog} {
			if err := s.Pause(t.Context(), l, time.Now().Add(time.Hour), ""); err != nil {
				t.Fatal(err)
			}
			store.fail(down)
			for range 3 {
				if _, d := reserve(t, s, request("k", 1)); d.Allowed || d.Binding != quota.RulePaused {
					t.Errorf("%v: %+v", l, d)
				}
				time.Sleep(10 * time.Minute)
			}
			time.Sleep(30 * time.Minute)
			mustReserve(t, s, request("k", 1))
			store.fail(nil)
			time.Sleep(time.Minute)
		}
	})
}

func TestSignalsAreToldAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	for _, mode := range []quota.WhenDown{quota.DownClosed, quota.DownLocal} {
		s, store, _ := withStore(t, quota.SendsConfig{Down: mode}, quota.SendLimits{})
		store.fail(down)
		c, err := s.Signal(t.Context(), signal(quota.SignalUnusualActivity, "1"))
		if c != nil || !errors.Is(err, mailbox.ClassStorage) || !errors.Is(err, errDown) {
			t.Errorf("%s: %+v, %v", mode, c, err)
		}
		if err := s.Pause(t.Context(), mailboxLog, time.Now().Add(time.Hour), ""); !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("%s: %v", mode, err)
		}
		store.fail(nil)
		if c := mustSignal(t, s, signal(quota.SignalUnusualActivity, "1")); c == nil || c.To != 0.25 {
			t.Errorf("%s: %+v", mode, c)
		}
		if diff := gocmp.Diff([]quota.SignalKind{quota.SignalUnusualActivity}, changesOf(t, s)); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", mode, diff)
		}
	}
}

func changesOf(t *testing.T, s *quota.Sends) (kinds []quota.SignalKind) {
	t.Helper()
	st, err := s.Status(t.Context(), request("", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range st.Logs {
		for _, c := range l.Changes {
			kinds = append(kinds, c.Kind)
		}
	}
	return kinds
}

// hanging is a store that answers nothing.
type hanging struct{ *quota.Memory }

func (hanging) Decide(ctx context.Context, _ quota.Ask) (quota.Answer, error) {
	<-ctx.Done()
	return quota.Answer{}, ctx.Err()
}

// A store that hangs has failed after a while, also for who gave no deadline.
func TestAStoreThatHangsHasFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []error
		s, err := quota.NewSends(quota.SendsConfig{
			Store:   hanging{quota.NewMemory()},
			OnStore: func(err error) { told = append(told, err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, d, err := s.Reserve(t.Context(), request("k", 1))
		if d.Allowed || !errors.Is(err, mailbox.ClassStorage) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", d, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it took %v to notice", took)
		}
		if len(told) != 1 || told[0] == nil {
			t.Errorf("told %v, want one failure", told)
		}
		// The caller's own deadline says nothing about the store.
		told = nil
		s, err = quota.NewSends(quota.SendsConfig{
			Store:   hanging{quota.NewMemory()},
			OnStore: func(err error) { told = append(told, err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := s.Reserve(ctx, request("k", 1)); !errors.Is(err, context.DeadlineExceeded) || len(told) != 0 {
			t.Errorf("%v, told %v", err, told)
		}
	})
}
