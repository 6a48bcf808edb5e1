package integration

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// Random scripts of sending, told to several processes that share a store, are
// compared with a plain model of what the documentation of quota.Sends says.
// More of them: go test -run TestSendingLimits -rapid.checks=10000
func TestSendingLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newSendWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"reserve":  w.reserve,
			"reserve2": w.reserve, // the action that matters most
			"reserve3": w.reserve,
			"reserve4": w.reserve,
			"hammer":   w.hammer,
			"commit":   w.commit,
			"commit2":  w.commit,
			"cancel":   w.cancel,
			"observe":  w.observe,
			"signal":   w.signal,
			"pause":    w.pause,
			"restart":  w.restart,
			"forward":  w.forward,
			"forward2": w.forward,
			"wait":     w.wait,
			"wait2":    w.wait,
			"back":     w.back,
		})
		w.checkWhatWentOut(t)
	})
}

// sendWorld is a tenant with mailboxes, the processes that send for them, and
// the model of both.
type sendWorld struct {
	clock, latest time.Time
	zone          *time.Location
	limits        quota.SendLimits
	recovery      float64
	groups        map[quota.LogKind]quota.GroupLimits
	store         *recordingStore
	processes     []*quota.Sends
	keys          int
	known         map[mailbox.MailboxID][]quota.SendRequest
	waitFor       time.Time // of the last refusal

	open    []quota.Reservation // places that may be committed or cancelled
	out     map[quota.Log]map[string]outgoing
	factors map[quota.Log]reduction
	paused  map[quota.Log]time.Time
	warm    map[mailbox.MailboxID]warmth
}

// outgoing is a message that went out, or may have, at a moment.
type outgoing struct {
	reserved, moment time.Time
	day              string // of the reservation, on the wall
	recipients       int
	took             time.Duration
	settled          bool
}

type reduction struct {
	by    float64
	since time.Time
}

type warmth struct{ days, last int }

// recordingStore keeps a model of the entries of a store beside it.
type recordingStore struct {
	*quota.Memory
	mu   sync.Mutex
	logs map[quota.Log]map[string]modelEntry
}

type modelEntry struct {
	at         time.Time
	recipients int
	settled    bool
}

func (s *recordingStore) log(l quota.Log) map[string]modelEntry {
	if s.logs[l] == nil {
		s.logs[l] = make(map[string]modelEntry)
	}
	return s.logs[l]
}

func (s *recordingStore) Decide(ctx context.Context, a quota.Ask) (quota.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.Memory.Decide(ctx, a)
	if err == nil && answer.Allowed && !a.DryRun {
		s.log(a.Log)[a.Key] = modelEntry{at: answer.At, recipients: a.Recipients}
	}
	return answer, err
}

func (s *recordingStore) Settle(ctx context.Context, e quota.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, had := s.log(e.Log)[e.Key]
	switch {
	case !had:
		old = modelEntry{at: e.At, recipients: e.Recipients}
	case !old.settled:
		old.at = later(old.at, e.At)
	}
	old.settled = true
	s.log(e.Log)[e.Key] = old
	return s.Memory.Settle(ctx, e)
}

func (s *recordingStore) Remove(ctx context.Context, l quota.Log, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.log(l), key)
	return s.Memory.Remove(ctx, l, key)
}

// fork returns a store with the same content.
func (s *recordingStore) fork(t *rapid.T, now time.Time) *quota.Memory {
	m := quota.NewMemory()
	for l, entries := range s.logs {
		keys := slices.SortedFunc(maps.Keys(entries), func(a, b string) int { return entries[a].at.Compare(entries[b].at) })
		for _, key := range keys {
			e := quota.Entry{Log: l, Key: key, Recipients: entries[key].recipients, At: entries[key].at}
			if e.At.Before(now.Add(-quota.Retention)) {
				continue
			}
			_, err := m.Decide(context.Background(), quota.Ask{Entry: e})
			if err == nil && entries[key].settled {
				err = m.Settle(context.Background(), e)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, l := range allLogs {
		st, err := s.State(context.Background(), l)
		if err == nil && st.Version > 0 {
			st.Version = 0
			_, err = m.SetState(context.Background(), l, st)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

var (
	mailboxes = []mailbox.MailboxID{"ann", "bob"}
	addresses = map[mailbox.MailboxID]string{"ann": "ann@one.example", "bob": "bob@TWO.example"}
	allLogs   = []quota.Log{
		{Tenant: "t", Kind: quota.LogMailbox, Name: "ann"},
		{Tenant: "t", Kind: quota.LogMailbox, Name: "bob"},
		{Tenant: "t", Kind: quota.LogDomain, Name: "one.example"},
		{Tenant: "t", Kind: quota.LogDomain, Name: "two.example"},
		{Tenant: "t", Kind: quota.LogRecipientDomain, Name: "a.example"},
		{Tenant: "t", Kind: quota.LogRecipientDomain, Name: "b.example"},
		{Tenant: "t", Kind: quota.LogTenant},
	}
)

// strangeDays are zones with days near which scripts begin: changes of clocks,
// a leap day, a day that does not exist.
var strangeDays = map[string][]string{
	"":                    {"2028-02-27", "2026-12-30"},
	"Europe/Vienna":       {"2026-03-27", "2026-10-23", "2028-02-27"},
	"America/New_York":    {"2026-03-06", "2026-10-30", "2028-02-27"},
	"America/Sao_Paulo":   {"2017-10-13", "2018-02-16"},
	"Asia/Beirut":         {"2024-03-29", "2023-03-28", "2023-10-27"},
	"Africa/Cairo":        {"2023-04-26", "2023-10-25"},
	"America/Havana":      {"2024-03-08", "2024-11-01"},
	"Australia/Lord_Howe": {"2024-04-05", "2024-10-04"},
	"Pacific/Apia":        {"2011-12-28"},
	"Asia/Kathmandu":      {"1985-12-30"},
}

func draw[V any](t *rapid.T, name string, of ...V) V { return rapid.SampledFrom(of).Draw(t, name) }

func between(t *rapid.T, name string, low, high int) int {
	return rapid.IntRange(low, high).Draw(t, name)
}

// orNone is 0 half of the time.
func orNone(t *rapid.T, name string, low, high int) int {
	if draw(t, "with "+name, false, true) {
		return between(t, name, low, high)
	}
	return 0
}

func newSendWorld(t *rapid.T) *sendWorld {
	w := &sendWorld{
		store:   &recordingStore{Memory: quota.NewMemory(), logs: make(map[quota.Log]map[string]modelEntry)},
		known:   make(map[mailbox.MailboxID][]quota.SendRequest),
		out:     make(map[quota.Log]map[string]outgoing),
		factors: make(map[quota.Log]reduction), paused: make(map[quota.Log]time.Time), warm: make(map[mailbox.MailboxID]warmth),
	}
	zone := draw(t, "zone", slices.Sorted(maps.Keys(strangeDays))...)
	begin, err := time.Parse(time.DateOnly, draw(t, "day", strangeDays[zone]...))
	if err != nil {
		t.Fatal(err)
	}
	if w.zone, err = time.LoadLocation(zone); err != nil {
		t.Fatal(err)
	}
	w.clock = begin.Add(time.Duration(between(t, "minutes", 0, 36*60))*time.Minute + draw(t, "part", 0, time.Microsecond, 59*time.Second))
	w.latest = w.clock
	w.limits = drawLimits(t, zone)
	w.recovery = quota.DefaultSlowDown().Recovery
	if w.limits.SlowDown != nil {
		w.recovery = w.limits.SlowDown.Recovery
	}
	group := func(name string) quota.GroupLimits {
		return quota.GroupLimits{
			Messages: orNone(t, name+" messages", 1, 12), Recipients: orNone(t, name+" recipients", 5, 25),
			PerMinute: orNone(t, name+" per minute", 1, 6), Gap: draw(t, name+" gap", 0, 0, 5*time.Second, 20*time.Minute),
		}
	}
	w.groups = map[quota.LogKind]quota.GroupLimits{
		quota.LogTenant: group("tenant"), quota.LogDomain: group("domain"), quota.LogRecipientDomain: group("recipient domain"),
	}
	for range 2 {
		w.processes = append(w.processes, w.start(t, w.store, &w.clock))
	}
	return w
}

func drawLimits(t *rapid.T, zone string) quota.SendLimits {
	l := quota.SendLimits{
		Messages: between(t, "messages", 1, 12), Recipients: between(t, "recipients", 5, 30), PerMessage: 5,
		PerMinute:   between(t, "per minute", 1, 5),
		DayMessages: orNone(t, "day messages", 1, 10), DayRecipients: orNone(t, "day recipients", 5, 25),
		Gap:    draw(t, "gap", 0, 0, 7*time.Second, 90*time.Second, time.Hour, 24*time.Hour),
		Jitter: draw(t, "jitter", 0, 0, 30*time.Second),
		Zone:   zone,
	}
	if l.Gap == quota.Horizon {
		l.Jitter = 0
	}
	if draw(t, "with hours", false, true) {
		for range between(t, "windows", 1, 3) {
			from := between(t, "from", 0, 24*60-1)
			until := draw(t, "until", 24*60, min(24*60, from+1), min(24*60, from+8*60))
			days := rapid.SliceOfNDistinct(rapid.SampledFrom([]time.Weekday{0, 1, 2, 3, 4, 5, 6}), 1, 7, rapid.ID).Draw(t, "days")
			l.Hours = append(l.Hours, quota.Hours{Days: days, From: quota.Clock(from), Until: quota.Clock(until)})
		}
	}
	if draw(t, "with warm-up", false, true) {
		l.WarmUp = &quota.WarmUp{Start: between(t, "start", 1, l.Messages), Step: between(t, "step", 1, min(3, l.Messages)), Days: between(t, "days", 0, 2)}
	}
	if draw(t, "with slow-down", false, true) {
		l.SlowDown = &quota.SlowDown{Floor: draw(t, "floor", 0.1, 0.3), Recovery: draw(t, "recovery", 0.15, 0.5, 1)}
	}
	return l
}

func (w *sendWorld) start(t *rapid.T, store quota.Store, clock *time.Time) *quota.Sends {
	s, err := quota.NewSends(quota.SendsConfig{
		Store: store, Providers: map[mailbox.ProviderName]quota.SendLimits{"test": w.limits},
		Tenant: w.groups[quota.LogTenant], Domain: w.groups[quota.LogDomain], RecipientDomain: w.groups[quota.LogRecipientDomain],
		Now: func() time.Time { return *clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request is for a new message, or for one that was tried before.
func (w *sendWorld) request(t *rapid.T) quota.SendRequest {
	box := draw(t, "mailbox", mailboxes...)
	r := quota.SendRequest{Ref: mailbox.Ref{Tenant: "t", Mailbox: box}, Provider: "test", From: addresses[box]}
	if known := w.known[box]; len(known) > 0 && between(t, "again", 0, 4) == 0 {
		return known[between(t, "which", 0, len(known)-1)]
	}
	to := []string{"1@a.example", "2@A.example", "3@b.example", "4@B.example.", "5@c.example"}
	r.To = to[between(t, "first", 0, 2) : 2+between(t, "last", 1, 3)]
	w.name(&r)
	return r
}

// name gives a message a new key.
func (w *sendWorld) name(r *quota.SendRequest) {
	w.keys++
	r.Key = fmt.Sprint("key", w.keys)
	w.known[r.Mailbox] = append(w.known[r.Mailbox], *r)
}

func (w *sendWorld) process(t *rapid.T) *quota.Sends {
	return w.processes[between(t, "process", 0, len(w.processes)-1)]
}

// forgotten reports whether the store may have forgotten a message in some log:
// hearing of it again then counts it again.
func (w *sendWorld) forgotten(box mailbox.MailboxID, key string) bool {
	for l, entries := range w.store.logs {
		e, ok := entries[entryKey(l, quota.SendRequest{Ref: mailbox.Ref{Mailbox: box}, Key: key})]
		if ok && w.clock.Sub(e.at) >= quota.Horizon && (l.Kind != quota.LogMailbox || l.Name == string(box)) {
			return true
		}
	}
	return false
}

func mailboxLog(box mailbox.MailboxID) quota.Log {
	return quota.Log{Tenant: "t", Kind: quota.LogMailbox, Name: string(box)}
}

func (w *sendWorld) reserve(t *rapid.T) {
	r := w.request(t)
	want := w.judge(r)
	before := w.snapshot(t)
	check, err := w.process(t).Check(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.snapshot(t)); diff != "" {
		t.Fatalf("Check changed the store:\n%s", diff)
	}
	res, d, err := w.process(t).Reserve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(check, d, cmpopts.IgnoreUnexported(d)) + cmp.Diff(check.Reasons(), d.Reasons()); diff != "" {
		t.Fatalf("Check and Reserve differ:\n%s", diff)
	}
	t.Logf("%s reserve %s of %s to %v: %v until %v %v, %d remain", w.wall(w.clock), r.Key, r.Mailbox, r.To, d.Allowed, w.wall(d.NotBefore), want.reasons, d.Remaining)
	want.check(t, w, d)
	if d.Allowed {
		w.took(t, r, res)
		return
	}
	for l, had := range want.had {
		if _, has := w.store.log(l)[entryKey(l, r)]; has != had {
			t.Fatalf("after a refusal the place in %v is there: %v, before: %v", l, has, had)
		}
	}
	w.waitFor = d.NotBefore
	w.checkNotBefore(t, r, d)
}

// checkNotBefore asks again on copies of the world.
func (w *sendWorld) checkNotBefore(t *rapid.T, r quota.SendRequest, d quota.Decision) {
	if !d.NotBefore.After(w.clock) {
		t.Fatalf("refused at %v until %v", w.clock, d.NotBefore)
	}
	for _, x := range []struct {
		at   time.Time
		want bool
	}{{d.NotBefore.Add(-time.Microsecond), false}, {d.NotBefore, true}} {
		if !x.at.After(w.clock) {
			continue
		}
		clock := x.at
		later, err := w.start(t, w.store.fork(t, w.clock), &clock).Check(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if later.Allowed != x.want {
			t.Fatalf("refused at %v until %v (%v); at %v allowed: %v\n%+v", w.wall(w.clock), w.wall(d.NotBefore), d.Binding, w.wall(x.at), later.Allowed, later.Reasons())
		}
	}
}

// took notes a place that was taken.
func (w *sendWorld) took(t *rapid.T, r quota.SendRequest, res quota.Reservation) {
	if res.ID != r.Key || res.Recipients != len(r.To) || !res.At.Equal(w.clock) {
		t.Fatalf("reservation %+v for %+v", res, r)
	}
	w.open = append(slices.DeleteFunc(w.open, func(x quota.Reservation) bool { return x.ID == r.Key && x.Mailbox == r.Mailbox }), res)
	for l, n := range w.logsOf(r) {
		if _, ok := w.store.log(l)[entryKey(l, r)]; !ok && w.counted(l) {
			t.Fatalf("allowed, but without a place in %v", l)
		}
		if w.out[l] == nil {
			w.out[l] = make(map[string]outgoing)
		}
		w.out[l][entryKey(l, r)] = outgoing{reserved: w.clock, moment: w.clock, day: w.day(w.clock), recipients: n}
	}
}

// hammer reserves several messages at the same moment. Which of them are allowed
// is left open; that none is too many is not.
func (w *sendWorld) hammer(t *rapid.T) {
	requests := make([]quota.SendRequest, 6)
	for i := range requests {
		requests[i] = w.request(t)
		w.name(&requests[i]) // each its own
	}
	got := make([]quota.Reservation, len(requests))
	errs := make([]error, len(requests))
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() { got[i], _, errs[i] = w.processes[i%len(w.processes)].Reserve(t.Context(), r) })
	}
	wg.Wait()
	for i, r := range requests {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		t.Logf("%s hammer %s of %s to %v: %v", w.wall(w.clock), r.Key, r.Mailbox, r.To, got[i].ID != "")
		if got[i].ID != "" {
			w.took(t, r, got[i])
			continue
		}
		for l := range w.logsOf(r) {
			if _, ok := w.store.log(l)[entryKey(l, r)]; ok {
				t.Fatalf("refused, but with a place in %v", l)
			}
		}
	}
	for i, r := range requests {
		if got[i].ID == "" {
			continue
		}
		// There was room for each without itself.
		if want := w.judge(r); len(want.reasons) > 0 {
			t.Fatalf("%s was allowed at once with others: too many, %v", r.Key, want.reasons)
		}
	}
}

func (w *sendWorld) commit(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip("no place")
	}
	res := w.open[between(t, "reservation", 0, len(w.open)-1)]
	if w.forgotten(res.Mailbox, res.ID) {
		t.Skip("too late")
	}
	t.Logf("%s commit %s of %s", w.wall(w.clock), res.ID, res.Mailbox)
	if err := w.process(t).Commit(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	w.settle(res.Mailbox, res.ID, w.clock)
	if w.limits.WarmUp != nil {
		w.mark(res.Mailbox, res.At)
	}
}

func (w *sendWorld) cancel(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip("no place")
	}
	i := between(t, "reservation", 0, len(w.open)-1)
	res := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	t.Logf("%s cancel %s of %s", w.wall(w.clock), res.ID, res.Mailbox)
	if err := w.process(t).Cancel(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	for l, key := range w.placesOf(res.Mailbox, res.ID) {
		delete(w.out[l], key)
		if _, ok := w.store.log(l)[key]; ok {
			t.Fatalf("cancelled, but with a place in %v", l)
		}
	}
}

// placesOf yields the logs in which a message of ours may count, with its key
// there.
func (w *sendWorld) placesOf(box mailbox.MailboxID, key string) iter.Seq2[quota.Log, string] {
	return func(yield func(quota.Log, string) bool) {
		for l := range w.out {
			if l.Kind == quota.LogMailbox && l.Name != string(box) {
				continue
			}
			if !yield(l, entryKey(l, quota.SendRequest{Ref: mailbox.Ref{Mailbox: box}, Key: key})) {
				return
			}
		}
	}
}

// settle notes that a message of ours went out, if that was not known yet.
func (w *sendWorld) settle(box mailbox.MailboxID, key string, at time.Time) {
	for l, key := range w.placesOf(box, key) {
		o, ok := w.out[l][key]
		if !ok || o.settled {
			continue
		}
		o.moment, o.settled = later(o.moment, at), true
		o.took = w.latest.Sub(o.reserved) // a clock that was set back has seen more time pass
		w.out[l][key] = o
	}
}

func (w *sendWorld) observe(t *rapid.T) {
	r := w.request(t)
	if w.forgotten(r.Mailbox, r.Key) || between(t, "by hand", 0, 3) != 0 {
		w.name(&r)
	}
	r.At = w.clock.Add(-draw(t, "ago", 0, 0, time.Second, 10*time.Hour, 23*time.Hour))
	t.Logf("%s observe %s of %s to %v at %v", w.wall(w.clock), r.Key, r.Mailbox, r.To, w.wall(r.At))
	if err := w.process(t).Observe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.settle(r.Mailbox, r.Key, r.At)
	if w.limits.WarmUp != nil {
		w.mark(r.Mailbox, r.At)
	}
}

func (w *sendWorld) mark(box mailbox.MailboxID, at time.Time) {
	if h, d := w.warm[box], dayNumber(at, w.zone); d > h.last {
		w.warm[box] = warmth{h.days + 1, d}
	}
}

func (w *sendWorld) signal(t *rapid.T) {
	box := draw(t, "mailbox", mailboxes...)
	kind := draw(t, "kind", slices.Sorted(maps.Keys(quota.DefaultSlowDown().Reactions))...)
	w.keys++
	g := quota.Signal{
		Ref: mailbox.Ref{Tenant: "t", Mailbox: box}, Provider: "test", Kind: kind, ID: fmt.Sprint("signal", w.keys), From: addresses[box],
	}
	if kind == quota.SignalThrottled || kind == quota.SignalTenantBlocked {
		g.Wait = draw(t, "wait", 0, time.Second, 30*time.Hour, 90*24*time.Hour)
	}
	l := mailboxLog(box)
	switch kind {
	case quota.SignalAuthentication:
		l = quota.Log{Tenant: "t", Kind: quota.LogDomain, Name: domainOf(addresses[box])}
	case quota.SignalTenantBlocked:
		l = quota.Log{Tenant: "t", Kind: quota.LogTenant}
	}
	for range between(t, "how many", 1, 6) {
		g.ID += "x"
		c, err := w.process(t).Signal(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			continue
		}
		t.Logf("%s %s: %+v", w.wall(w.clock), kind, *c)
		if factor := w.factor(l, w.clock); c.From != factor || c.To > c.From || c.To <= 0 || !c.At.Equal(w.clock) {
			t.Fatalf("change %+v from a factor of %v", *c, factor)
		}
		if c.To < c.From {
			w.factors[l] = reduction{1 - c.To, c.At}
		}
		if !c.Until.IsZero() {
			if !c.Until.After(w.clock) || c.Until.Before(w.paused[l]) || c.Until.Sub(w.clock) > 30*24*time.Hour {
				t.Fatalf("paused until %v after %v", c.Until, w.paused[l])
			}
			w.paused[l] = c.Until
		}
	}
	w.letGroupsKnow(l)
}

func (w *sendWorld) pause(t *rapid.T) {
	l := draw(t, "log", allLogs...)
	s := w.process(t)
	if draw(t, "resume", false, true) {
		t.Logf("%s resume %v", w.wall(w.clock), l)
		if err := s.Resume(t.Context(), l, "mended"); err != nil {
			t.Fatal(err)
		}
		delete(w.factors, l)
		delete(w.paused, l)
	} else {
		until := w.clock.Add(draw(t, "for", time.Microsecond, 5*time.Second, time.Hour, 30*time.Hour))
		t.Logf("%s pause %v until %v", w.wall(w.clock), l, w.wall(until))
		if err := s.Pause(t.Context(), l, until, "a look at it"); err != nil {
			t.Fatal(err)
		}
		w.paused[l] = until
	}
	w.letGroupsKnow(l)
}

// letGroupsKnow lets the time pass that other processes may take to hear of
// changes of a group.
func (w *sendWorld) letGroupsKnow(l quota.Log) {
	if l.Kind != quota.LogMailbox && !w.counted(l) {
		w.clock = w.clock.Add(time.Minute)
		w.latest = later(w.latest, w.clock)
	}
}

func (w *sendWorld) restart(t *rapid.T) {
	i := between(t, "process", 0, len(w.processes)-1)
	w.processes[i] = w.start(t, w.store, &w.clock)
	// What it was about to send may have gone out; nobody will ever tell.
	w.open = slices.DeleteFunc(w.open, func(quota.Reservation) bool { return draw(t, "lost", false, true) })
}

func (w *sendWorld) forward(t *rapid.T) {
	w.clock = w.clock.Add(draw(t, "by", time.Microsecond, time.Second, 10*time.Second, time.Minute, 20*time.Minute, 3*time.Hour, 20*time.Hour, 24*time.Hour, 40*time.Hour))
	w.latest = later(w.latest, w.clock)
}

// wait lets the time pass until the last refusal is over.
func (w *sendWorld) wait(t *rapid.T) {
	if at := w.waitFor.Add(draw(t, "too early", 0, time.Microsecond)); at.After(w.clock) && at.Sub(w.clock) < 10*24*time.Hour {
		w.clock = at
		w.latest = later(w.latest, w.clock)
	}
}

// back is a clock that is set right.
func (w *sendWorld) back(t *rapid.T) {
	w.clock = later(w.clock.Add(-draw(t, "by", time.Microsecond, time.Second, 15*time.Second)), w.latest.Add(-20*time.Second))
}

// verdict is what the model says about a request.
type verdict struct {
	reasons   []string // one for each limit that is in the way
	gapDepend bool     // the gap is in the way or not, as the jitter draws
	remaining int
	had       map[quota.Log]bool // whether the request had a place
}

// modelCap is a cap with what the model knows of its use.
type modelCap struct {
	name      string
	used, max int
	need      int
	forOne    int  // what max is for a message of one recipient
	ofADay    bool // of 24 hours or of a calendar day
}

func (w *sendWorld) judge(r quota.SendRequest) verdict {
	v := verdict{remaining: math.MaxInt, had: make(map[quota.Log]bool)}
	if !w.inHours(w.clock) {
		v.reasons = append(v.reasons, "hours")
	}
	paused := false
	var caps []modelCap
	for l, recipients := range w.logsOf(r) {
		if w.counted(l) || l.Kind != quota.LogRecipientDomain {
			if w.paused[l].After(w.clock) {
				v.reasons = append(v.reasons, fmt.Sprint("paused ", l))
				paused = true
			}
		}
		if e, ok := w.store.log(l)[entryKey(l, r)]; !ok || w.clock.Sub(e.at) < quota.Horizon {
			v.had[l] = ok
		} // an older one may be forgotten
		caps = append(caps, w.caps(l, entryKey(l, r), recipients)...)
	}
	least, greatest := w.limits.Gap, w.limits.Gap+w.limits.Jitter
	own := mailboxLog(r.Mailbox)
	switch {
	case w.used(own, r.Key, least, false) > 0 && least > 0:
		v.reasons = append(v.reasons, fmt.Sprint("gap ", own))
	case w.used(own, r.Key, greatest, false) > 0 && greatest > 0:
		v.gapDepend = true
	}
	for _, c := range caps {
		if c.used+c.need > c.max {
			v.reasons = append(v.reasons, c.name)
		}
	}
	allowed := len(v.reasons) == 0
	for _, c := range caps {
		if c.ofADay {
			left := c.forOne - c.used
			if allowed {
				left -= c.need
			}
			v.remaining = min(v.remaining, max(0, left))
		}
	}
	if w.limits.Gap == quota.Horizon { // a cap of one in 24 hours
		left := 1 - w.used(own, r.Key, quota.Horizon, false)
		if allowed {
			left--
		}
		v.remaining = min(v.remaining, max(0, left))
	}
	if paused {
		v.remaining = 0
	}
	slices.Sort(v.reasons)
	return v
}

// caps are the caps of a log for a message.
func (w *sendWorld) caps(l quota.Log, key string, recipients int) []modelCap {
	limits, group := w.groups[l.Kind]
	if !group {
		limits = quota.GroupLimits{Messages: w.limits.Messages, Recipients: w.limits.Recipients, PerMinute: w.limits.PerMinute}
	}
	part := w.factor(l, w.clock)
	if u := w.limits.WarmUp; u != nil && !group {
		h := w.warm[mailbox.MailboxID(l.Name)]
		day := h.days + 1
		if dayNumber(w.clock, w.zone) <= h.last {
			day = h.days
		}
		warm := min(w.limits.Messages, u.Start+u.Step*max(0, day+u.Days-1))
		part = min(part, float64(warm)/float64(w.limits.Messages))
	}
	var list []modelCap
	add := func(name string, used, need, most int, ofADay bool) {
		c := modelCap{used: used, max: most, need: need, forOne: max(1, most), ofADay: ofADay}
		if name == "24h" {
			c.max = max(need, c.forOne) // a message goes in any case, when nothing else went
		}
		c.name = fmt.Sprintf("%s %v: %d of %d", name, l, used, c.max)
		list = append(list, c)
	}
	if limits.Messages > 0 {
		add("24h", w.used(l, key, quota.Horizon, false), 1, int(part*float64(limits.Messages)+1e-6), true)
	}
	if limits.Recipients > 0 {
		add("24h", w.used(l, key, quota.Horizon, true), recipients, int(part*float64(limits.Recipients)+1e-6), true)
	}
	if limits.PerMinute > 0 {
		add("pace", w.used(l, key, time.Minute, false), 1, limits.PerMinute, false)
	}
	if limits.Gap > 0 && w.used(l, key, limits.Gap, false) > 0 {
		list = append(list, modelCap{name: fmt.Sprint("gap ", l), used: 1, max: 1, need: 1})
	}
	if !group && w.limits.DayMessages > 0 {
		add("day", w.usedOfDay(l, key, false), 1, w.limits.DayMessages, true)
	}
	if !group && w.limits.DayRecipients > 0 {
		add("day", w.usedOfDay(l, key, true), recipients, w.limits.DayRecipients, true)
	}
	return list
}

// used counts what other messages of a log use of a span that ends now.
func (w *sendWorld) used(l quota.Log, but string, span time.Duration, recipients bool) int {
	return w.count(l, but, recipients, func(at time.Time) bool { return w.clock.Sub(at) < span })
}

// usedOfDay counts what they use of the date on the wall.
func (w *sendWorld) usedOfDay(l quota.Log, but string, recipients bool) int {
	return w.count(l, but, recipients, func(at time.Time) bool { return dayNumber(at, w.zone) >= dayNumber(w.clock, w.zone) })
}

func (w *sendWorld) count(l quota.Log, but string, recipients bool, which func(time.Time) bool) int {
	n := 0
	for key, e := range w.store.log(l) {
		switch {
		case key == but || !which(e.at):
		case recipients:
			n += e.recipients
		default:
			n++
		}
	}
	return n
}

func (v *verdict) check(t *rapid.T, w *sendWorld, d quota.Decision) {
	var reasons []string
	longest := time.Time{}
	for i, r := range d.Reasons() {
		if !r.NotBefore.After(w.clock) || i > 0 && r.NotBefore.After(d.Reasons()[i-1].NotBefore) {
			t.Fatalf("reasons out of order, or over already: %+v", d.Reasons())
		}
		longest = later(longest, r.NotBefore)
		if r.Text == "" || !strings.HasSuffix(r.Text, ".") {
			t.Fatalf("text %q", r.Text)
		}
		switch r.Rule {
		case quota.RuleHours:
			if !w.inHours(w.clock) {
				reasons = append(reasons, "hours")
			} // else the caps open at a time that is outside of the hours
		case quota.RuleGap:
			if !v.gapDepend || r.Log.Kind != quota.LogMailbox {
				reasons = append(reasons, fmt.Sprint("gap ", r.Log))
			}
		case quota.RulePaused:
			reasons = append(reasons, fmt.Sprint("paused ", r.Log))
		case quota.RulePace:
			reasons = append(reasons, fmt.Sprintf("pace %v: %d of %d", r.Log, r.Used, r.Limit))
		case quota.RuleDayMessages, quota.RuleDayRecipients:
			reasons = append(reasons, fmt.Sprintf("day %v: %d of %d", r.Log, r.Used, r.Limit))
		default:
			reasons = append(reasons, fmt.Sprintf("24h %v: %d of %d", r.Log, r.Used, r.Limit))
		}
	}
	slices.Sort(reasons)
	want := v.reasons
	if hours := slices.Index(want, "hours"); hours >= 0 && !slices.Contains(reasons, "hours") && len(reasons) > 0 {
		want = slices.Delete(slices.Clone(want), hours, hours+1) // they begin before the rest is over
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Fatalf("%v: reasons (-want +got):\n%s", w.wall(w.clock), diff)
	}
	if allowed := len(v.reasons) == 0; d.Allowed != allowed && !v.gapDepend {
		t.Fatalf("allowed: %v, want %v", d.Allowed, allowed)
	}
	if !d.NotBefore.Equal(longest) || d.Allowed != (len(d.Reasons()) == 0) {
		t.Fatalf("not before %v, and the longest reason is until %v", d.NotBefore, longest)
	}
	if !d.Allowed && d.Binding != d.Reasons()[0].Rule {
		t.Fatalf("%s binds, and the first reason is %+v", d.Binding, d.Reasons()[0])
	}
	if d.Remaining != v.remaining && !v.gapDepend {
		t.Fatalf("%d remain, want %d", d.Remaining, v.remaining)
	}
}

// checkWhatWentOut looks back at the whole script: no span and no day held more
// of our own mail than configured.
func (w *sendWorld) checkWhatWentOut(t *rapid.T) {
	for l, sent := range w.out {
		limits, group := w.groups[l.Kind]
		if !group {
			limits = quota.GroupLimits{Messages: w.limits.Messages, Recipients: w.limits.Recipients, PerMinute: w.limits.PerMinute, Gap: w.limits.Gap}
		}
		for _, x := range []struct {
			span                 time.Duration
			messages, recipients int
		}{{quota.Horizon, limits.Messages, limits.Recipients}, {time.Minute, limits.PerMinute, 0}, {limits.Gap, 1, 0}} {
			messages, recipients := most(sent, x.span)
			if x.messages > 0 && messages > x.messages || x.recipients > 0 && recipients > x.recipients {
				t.Fatalf("%v: %v held %d messages of %d, %d recipients of %d", l, x.span, messages, x.messages, recipients, x.recipients)
			}
		}
		if group {
			continue
		}
		messages, recipients := make(map[string]int), make(map[string]int)
		for _, o := range sent {
			messages[o.day]++
			recipients[o.day] += o.recipients
			if !w.inHours(o.reserved) {
				t.Fatalf("%v: something went out at %v", l, w.wall(o.reserved))
			}
		}
		for day := range messages {
			if w.limits.DayMessages > 0 && messages[day] > w.limits.DayMessages || w.limits.DayRecipients > 0 && recipients[day] > w.limits.DayRecipients {
				t.Fatalf("%v: %s had %d messages of %d, %d recipients of %d", l, day, messages[day], w.limits.DayMessages, recipients[day], w.limits.DayRecipients)
			}
		}
	}
}

// most returns the most messages and recipients in a span between two moments;
// sends that took as long as the span are left out.
func most(sent map[string]outgoing, span time.Duration) (messages, recipients int) {
	for _, last := range sent {
		m, r := 0, 0
		for _, o := range sent {
			if age := last.moment.Sub(o.moment); age >= 0 && age < span && o.took < span && last.took < span {
				m++
				r += o.recipients
			}
		}
		messages, recipients = max(messages, m), max(recipients, r)
	}
	return messages, recipients
}

// logsOf are the logs that have a say in a message, with its recipients in each.
func (w *sendWorld) logsOf(r quota.SendRequest) map[quota.Log]int {
	logs := map[quota.Log]int{
		mailboxLog(r.Mailbox):                                        len(r.To),
		{Tenant: "t", Kind: quota.LogTenant}:                         len(r.To),
		{Tenant: "t", Kind: quota.LogDomain, Name: domainOf(r.From)}: len(r.To),
	}
	for _, address := range r.To {
		logs[quota.Log{Tenant: "t", Kind: quota.LogRecipientDomain, Name: domainOf(address)}]++
	}
	return logs
}

func (w *sendWorld) counted(l quota.Log) bool {
	return l.Kind == quota.LogMailbox || w.groups[l.Kind] != quota.GroupLimits{}
}

func (w *sendWorld) factor(l quota.Log, at time.Time) float64 {
	r, ok := w.factors[l]
	if !ok {
		return 1
	}
	days := max(0, at.Sub(r.since)/(24*time.Hour))
	return min(1, math.Round((1-r.by+float64(days)*w.recovery)*1e6)/1e6)
}

func (w *sendWorld) inHours(at time.Time) bool {
	local := at.In(w.zone)
	minute := quota.At(local.Hour(), local.Minute())
	return w.limits.Hours == nil || slices.ContainsFunc(w.limits.Hours, func(h quota.Hours) bool {
		return slices.Contains(h.Days, local.Weekday()) && h.From <= minute && minute < h.Until
	})
}

// snapshot is what the store holds.
func (w *sendWorld) snapshot(t *rapid.T) map[quota.Log]any {
	all := make(map[quota.Log]any)
	for _, l := range allLogs {
		entries, err := w.store.Entries(t.Context(), l, w.latest.Add(-quota.Retention))
		if err != nil {
			t.Fatal(err)
		}
		st, err := w.store.State(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(entries, func(a, b quota.Entry) int { return strings.Compare(a.Key, b.Key) })
		all[l] = []any{entries, st}
	}
	return all
}

func (w *sendWorld) wall(at time.Time) string {
	return at.In(w.zone).Format("Mon 2006-01-02 15:04:05.999999 -0700")
}

func (w *sendWorld) day(at time.Time) string { return at.In(w.zone).Format(time.DateOnly) }

func entryKey(l quota.Log, r quota.SendRequest) string {
	if l.Kind == quota.LogMailbox {
		return r.Key
	}
	return string(r.Mailbox) + "\n" + r.Key
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return strings.ToLower(strings.TrimSuffix(domain, "."))
}

// dayNumber counts dates on the wall.
func dayNumber(at time.Time, zone *time.Location) int {
	y, m, d := at.In(zone).Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
