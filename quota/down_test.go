package quota_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
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
		// It knows what it has done itself.
		n, d := fill(t, s, request("a", 1))
		if n != 2 || d.Binding != quota.RuleMessages {
			t.Errorf("%d more messages of 3, %+v", n, d)
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
		if _, d := reserve(t, s, request("d", 1)); d.Allowed || d.Binding != quota.RuleMessages {
			t.Errorf("the store does not know of three messages: %+v", d)
		}
		wantTold(t, told, errDown, nil)
		for l, want := range map[quota.Log]int{mailboxLog: 3, boxLog("other"): 1, tenantLog: 4} {
			if n := held(t, store, l); n != want {
				t.Errorf("%d messages of %v in the store, want %d", n, l, want)
			}
		}
		if err := s.Cancel(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if n := held(t, store, mailboxLog); n != 2 {
			t.Errorf("%d messages in the store", n)
		}
	})
}

// What happens while the store fails is told to it as if it had happened there.
func TestTheStoreIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	type step func(t *testing.T, s *quota.Sends, place *quota.Reservation)
	take := func(t *testing.T, s *quota.Sends, place *quota.Reservation) {
		*place = mustReserve(t, s, request("k", 1))
	}
	commit := func(t *testing.T, s *quota.Sends, place *quota.Reservation) {
		if err := s.Commit(t.Context(), *place); err != nil {
			t.Error(err)
		}
	}
	cancel := func(t *testing.T, s *quota.Sends, place *quota.Reservation) {
		if err := s.Cancel(t.Context(), *place); err != nil {
			t.Error(err)
		}
	}
	byHand := func(t *testing.T, s *quota.Sends, _ *quota.Reservation) {
		if err := s.Observe(t.Context(), request("k", 1)); err != nil {
			t.Error(err)
		}
	}
	wait := func(*testing.T, *quota.Sends, *quota.Reservation) { time.Sleep(time.Minute) }
	none := time.Duration(-1)
	for _, tt := range []struct {
		name                  string
		before, during, after []step
		at                    time.Duration // of the entry, since the beginning
	}{
		{"made", nil, []step{take}, nil, 0},
		{"made and sent", nil, []step{take, wait, commit}, nil, time.Minute},
		{"made, sent later", nil, []step{take}, []step{commit}, time.Minute},
		{"made, given back later", nil, []step{take}, []step{cancel}, none},
		{"made and given back", nil, []step{take, cancel}, nil, none},
		{"sent", []step{take}, []step{wait, commit}, nil, time.Minute},
		{"sent, told twice", []step{take}, []step{commit, wait, commit}, []step{commit}, 0},
		{"given back", []step{take}, []step{cancel}, nil, none},
		{"given back and made again", []step{take}, []step{cancel, wait, take}, nil, time.Minute},
		{"given back and seen", []step{take, commit}, []step{cancel, wait, byHand}, nil, time.Minute},
		{"made again", []step{take, commit}, []step{wait, take}, nil, time.Minute},
		{"made again, sent later", []step{take, commit}, []step{wait, take}, []step{commit}, 2 * time.Minute},
		{"by hand", nil, []step{byHand, wait, byHand}, nil, 0},
		{"by hand, known before", []step{byHand}, []step{wait, byHand}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, store, _ := withStore(t, quota.SendsConfig{Down: quota.DownLocal}, quota.SendLimits{})
				begin := time.Now()
				var place quota.Reservation
				for _, do := range tt.before {
					do(t, s, &place)
				}
				store.fail(down)
				for _, do := range tt.during {
					do(t, s, &place)
				}
				store.fail(nil)
				time.Sleep(time.Minute)
				for _, do := range tt.after {
					do(t, s, &place)
				}
				mustReserve(t, s, request("another", 1))
				entries, err := store.Memory.Entries(t.Context(), mailboxLog, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				var got []time.Duration
				for _, e := range entries[:len(entries)-1] { // without the other
					got = append(got, e.At.Sub(begin))
				}
				var want []time.Duration
				if tt.at != none {
					want = append(want, tt.at)
				}
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A process alone decides the same with a store that fails now and then as with
// one that always works, and they hold the same in the end.
func TestAloneNoOutageIsNoticed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			config := quota.SendsConfig{
				Down: quota.DownLocal, Tenant: quota.GroupLimits{Messages: 12, PerMinute: 4}, RecipientDomain: quota.GroupLimits{Recipients: 6},
			}
			limits := quota.SendLimits{Messages: 6, Recipients: 8, PerMinute: 3, Gap: 2 * time.Second, Jitter: 2 * time.Second}
			s, store, _ := withStore(t, config, limits)
			twin, works, _ := withStore(t, config, limits)
			places := make(map[string][2]quota.Reservation)
			logs := []quota.Log{tenantLog, recipientLog("x.example"), recipientLog("y.example")}
			for _, box := range []string{"a", "b"} {
				logs = append(logs, boxLog(box))
			}
			for range 80 {
				// No key is used for so long that the store may have forgotten it.
				half := time.Now().Unix() / (12 * 60 * 60)
				box, key := string('a'+rune(random.IntN(2))), fmt.Sprint(random.IntN(6), " of ", half)
				r := from(box, "", key, []string{"1@x.example", "2@y.example"}[:1+random.IntN(2)]...)
				id := box + key
				switch random.IntN(8) {
				case 0:
					if store.fail(nil); random.IntN(3) > 0 {
						store.fail(down)
					}
				case 1:
					time.Sleep([]time.Duration{time.Millisecond, time.Second, 20 * time.Second, 5 * time.Hour}[random.IntN(4)])
				case 2:
					r.At = []time.Time{{}, time.Now().Add(-time.Minute)}[random.IntN(2)]
					if errors.Join(s.Observe(t.Context(), r), twin.Observe(t.Context(), r)) != nil {
						t.Fatal("observe")
					}
				case 3, 4:
					p := places[id]
					if p[0].ID == "" {
						continue
					}
					if random.IntN(2) == 0 {
						if errors.Join(s.Commit(t.Context(), p[0]), twin.Commit(t.Context(), p[1])) != nil {
							t.Fatal("commit")
						}
					} else if errors.Join(s.Cancel(t.Context(), p[0]), twin.Cancel(t.Context(), p[1])) != nil {
						t.Fatal("cancel")
					}
				default:
					place, got := reserve(t, s, r)
					twins, want := reserve(t, twin, r)
					if got.String() != want.String() {
						t.Fatalf("seed %d: %v, the twin: %v", seed, got, want)
					}
					if got.Allowed {
						places[id] = [2]quota.Reservation{place, twins}
					}
				}
			}
			store.fail(nil)
			time.Sleep(time.Second)
			for range 10 {
				for _, box := range []string{"a", "b"} {
					r := from(box, "", "end", "1@x.example", "2@y.example")
					if errors.Join(s.Observe(t.Context(), r), twin.Observe(t.Context(), r)) != nil {
						t.Fatal("observe")
					}
				}
			}
			for _, l := range logs {
				if diff := gocmp.Diff(lastDay(t, works, l), lastDay(t, store, l)); diff != "" {
					t.Fatalf("seed %d: entries of %v (-twin +got):\n%s", seed, l, diff)
				}
			}
		})
	}
}

// lastDay are the entries of the last day, without their keys.
func lastDay(t *testing.T, s *failingStore, l quota.Log) []quota.Entry {
	t.Helper()
	entries, err := s.Memory.Entries(t.Context(), l, time.Now().Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		entries[i].Key = ""
	}
	slices.SortFunc(entries, func(a, b quota.Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Recipients, b.Recipients)) // the store is told in any order
	})
	return entries
}

// The store is not asked about what it could not be told.
func TestAFailureWhileTheStoreIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, told := withStore(t, quota.SendsConfig{Down: quota.DownLocal}, quota.SendLimits{Messages: 1})
		store.fail(down)
		mustReserve(t, s, request("k", 1))
		time.Sleep(time.Second)
		store.asked()
		once := true
		store.fail(func(l quota.Log) error {
			if l == mailboxLog && once {
				once = false
				return errDown
			}
			return nil
		})
		if _, d := reserve(t, s, request("another", 1)); d.Allowed {
			t.Error(d)
		}
		time.Sleep(time.Second)
		if _, d := reserve(t, s, request("another", 1)); d.Allowed {
			t.Error(d)
		}
		if once || held(t, store, mailboxLog) != 1 {
			t.Errorf("%d entries, told %v", held(t, store, mailboxLog), *told)
		}
	})
}

// What changes while the store is told is told as well, and waits for nobody.
func TestChangesWhileTheStoreIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, _ := withStore(t, quota.SendsConfig{Down: quota.DownLocal}, quota.SendLimits{})
		store.fail(down)
		place := mustReserve(t, s, request("k", 1))
		time.Sleep(time.Second)
		once := true
		store.fail(func(l quota.Log) error {
			if l == mailboxLog && once {
				once = false
				if err := s.Cancel(t.Context(), place); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		mustReserve(t, s, request("another", 1))
		if n := held(t, store, mailboxLog); once || n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

// What counts no more is not told.
func TestTheStoreIsNotToldWhatIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, _ := withStore(t, quota.SendsConfig{Down: quota.DownLocal}, quota.SendLimits{})
		store.fail(down)
		mustReserve(t, s, request("k", 1))
		time.Sleep(quota.Retention + time.Second)
		store.fail(nil)
		store.asked()
		mustReserve(t, s, request("another", 1))
		if calls, n := store.asked(), held(t, store, mailboxLog); n != 1 || calls > 2 {
			t.Errorf("%d entries, %d calls", n, calls)
		}
	})
}

// After a long outage no call has to tell everything, and what fails on the way
// is told again.
func TestALongOutageIsToldInParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, _ := withStore(t, quota.SendsConfig{Down: quota.DownLocal}, quota.SendLimits{PerMinute: manyPerMinute})
		store.fail(down)
		const boxes, each = 100, 3
		box := func(i int) string { return "box-" + strconv.Itoa(i) }
		for i := range boxes {
			for j := range each {
				mustReserve(t, s, from(box(i), "", strconv.Itoa(j)))
			}
		}
		time.Sleep(time.Second)
		store.asked()
		left := 5
		store.fail(func(quota.Log) error {
			if left--; left < 0 {
				return errDown
			}
			return nil
		})
		mustReserve(t, s, from(box(0), "", "again"))
		time.Sleep(time.Second)
		store.fail(nil)
		store.asked()
		mustReserve(t, s, from(box(1), "", "again"))
		if n := held(t, store, boxLog(box(1))); n != each+1 {
			t.Errorf("%d entries", n)
		}
		if n := store.asked(); n > each+32+3 {
			t.Errorf("%d calls at once", n)
		}
		for range 10 {
			mustReserve(t, s, from(box(1), "", "again"))
		}
		for i := range boxes {
			want := each
			if i < 2 {
				want++
			}
			if n := held(t, store, boxLog(box(i))); n != want {
				t.Errorf("%d entries of %s, want %d", n, box(i), want)
			}
		}
		store.asked()
		for i := range 3 {
			if err := s.Commit(t.Context(), mustReserve(t, s, from("box", "", strconv.Itoa(i)))); err != nil {
				t.Fatal(err)
			}
		}
		if n := store.asked(); n != 6 {
			t.Errorf("%d calls for three messages when all is told", n)
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
