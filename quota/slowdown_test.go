package quota_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

var (
	mailboxLog = quota.Log{Tenant: "t", Kind: quota.LogMailbox, Name: "m"}
	domainLog  = quota.Log{Tenant: "t", Kind: quota.LogDomain, Name: "example.com"}
	tenantLog  = quota.Log{Tenant: "t", Kind: quota.LogTenant}
)

// signal is one about mailbox m of tenant t.
func signal(kind quota.SignalKind, id string) quota.Signal {
	return quota.Signal{Ref: request("", 0).Ref, Provider: "test", Kind: kind, ID: id, From: "Ann@Example.COM"}
}

func mustSignal(t *testing.T, s *quota.Sends, g quota.Signal) *quota.Change {
	t.Helper()
	c, err := s.Signal(t.Context(), g)
	if err != nil {
		t.Fatalf("Signal(%+v): %v", g, err)
	}
	return c
}

// signals tells of n signals and returns the change that the last one made; the
// others may not make one.
func signals(t *testing.T, s *quota.Sends, kind quota.SignalKind, prefix string, n int) *quota.Change {
	t.Helper()
	for i := range n - 1 {
		if c := mustSignal(t, s, signal(kind, fmt.Sprint(prefix, i))); c != nil {
			t.Errorf("signal %d of %d made %+v", i+1, n, *c)
		}
	}
	return mustSignal(t, s, signal(kind, fmt.Sprint(prefix, n-1)))
}

// observe counts n messages that were sent by hand at a time.
func observe(t *testing.T, s *quota.Sends, prefix string, n int, at time.Time) {
	t.Helper()
	for i := range n {
		r := request(fmt.Sprint(prefix, i), 1)
		r.At = at
		if err := s.Observe(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// limitNow is how many messages of 24 hours mailbox m may send now.
func limitNow(t *testing.T, s *quota.Sends) int {
	t.Helper()
	st, err := s.Status(t.Context(), request("", 1))
	if err != nil {
		t.Fatal(err)
	}
	return st.Limits[0].Limit
}

func TestEachSignalHasItsReaction(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind     quota.SignalKind
		messages int // sent before
		count    int // signals that it takes
		to       float64
		pause    time.Duration
		log      quota.Log
		reason   string
		text     string // of the pause
	}{
		{quota.SignalBounce, 90, 5, 0.5, 0, mailboxLog, "6 % of the messages of 24 hours bounced", ""},
		{quota.SignalBounce, 0, 5, 0.5, 0, mailboxLog, "messages bounced", ""},
		{quota.SignalComplaint, 100, 1, 0.5, 0, mailboxLog, "recipients called messages spam", ""},
		{quota.SignalThrottled, 100, 1, 0.7, time.Hour, mailboxLog, "the mail service asked to send less", "Sending is paused until 11:00 because the mail service asked to send less."},
		{quota.SignalReply, 100, 25, 0.7, 0, mailboxLog, "25 answers came within an hour", ""},
		{
			quota.SignalUnusualActivity, 100, 1, 0.25, 24 * time.Hour, mailboxLog, "the mail service noticed unusual activity in the account",
			"Sending is paused until Friday 10:00 because the mail service noticed unusual activity in the account.",
		},
		{quota.SignalAuthentication, 100, 1, 0.25, 0, domainLog, "mail of the domain fails SPF, DKIM or DMARC", ""},
		{
			quota.SignalTenantBlocked, 100, 1, 0.7, 4 * time.Hour, tenantLog, "the mail service refuses mail of the whole organisation",
			"Sending for the whole organisation is paused until 14:00 because the mail service refuses mail of the whole organisation.",
		},
	}
	for _, tt := range tests {
		now := vienna(t, "2026-01-01 10:00:00") // Thursday
		s := governor(t, quota.SendsConfig{Tenant: quota.GroupLimits{Messages: 1000}}, quota.SendLimits{Messages: 1000, PerMinute: manyPerMinute, Zone: "Europe/Vienna"}, &now)
		observe(t, s, "hand", tt.messages, now)
		if tt.kind == quota.SignalBounce && tt.messages > 0 {
			observe(t, s, "old", 50, now.Add(-24*time.Hour)) // count no more
		}
		got := signals(t, s, tt.kind, "s", tt.count)
		want := &quota.Change{At: now.UTC(), Kind: tt.kind, From: 1, To: tt.to, Count: tt.count, Within: quota.DefaultSlowDown().Reactions[tt.kind].Within}
		if quota.DefaultSlowDown().Reactions[tt.kind].Share > 0 {
			want.Messages = tt.messages
		}
		if tt.pause > 0 {
			want.Until = now.Add(tt.pause).UTC()
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", tt.kind, diff)
		}
		if got.Reason() != tt.reason {
			t.Errorf("%s: %q, want %q", tt.kind, got.Reason(), tt.reason)
		}
		r := request("k", 1)
		r.From = "other@EXAMPLE.com."
		_, d := reserve(t, s, r)
		if tt.pause > 0 {
			if d.Allowed || d.Binding != quota.RulePaused || d.Remaining != 0 || d.Reasons()[0].Text != tt.text || d.Reasons()[0].Log != tt.log || !d.NotBefore.Equal(now.Add(tt.pause)) {
				t.Errorf("%s: %+v", tt.kind, d)
			}
		} else if !d.Allowed {
			t.Errorf("%s: %+v", tt.kind, d)
		}
	}
}

func TestGroupsSlowDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   quota.SignalKind
		config quota.SendsConfig
		limit  int
		text   string
	}{
		{
			quota.SignalAuthentication,
			quota.SendsConfig{Domain: quota.GroupLimits{Messages: 20}},
			5,
			"Slowed down until 9 January 10:00 because mail of the domain fails SPF, DKIM or DMARC: 5 of 5 messages from example.com of the last 24 hours are used.",
		},
		{
			quota.SignalTenantBlocked,
			quota.SendsConfig{Tenant: quota.GroupLimits{Recipients: 20}},
			14,
			"Slowed down until Sunday 10:00 because the mail service refuses mail of the whole organisation: 14 of 14 recipients of the organisation of the last 24 hours are used.",
		},
	} {
		now := vienna(t, "2026-01-01 10:00:00")
		s := governor(t, tt.config, quota.SendLimits{PerMinute: manyPerMinute, Zone: "Europe/Vienna"}, &now)
		mustSignal(t, s, signal(tt.kind, "1"))
		now = now.Add(4 * time.Hour)
		r := request("k", 1)
		r.From = "ann@example.com"
		n, d := fill(t, s, r)
		if n != tt.limit || len(d.Reasons()) != 1 || d.Reasons()[0].Text != tt.text || d.Binding != quota.RuleSlowDown {
			t.Errorf("%s: %d messages, %+v", tt.kind, n, d)
		}
		r.Mailbox, r.From = "another", "ben@example.org"
		if _, d := reserve(t, s, r); d.Allowed != (tt.kind == quota.SignalAuthentication) {
			t.Errorf("%s: another mailbox: %+v", tt.kind, d)
		}
	}
}

func TestSlowDownExplainsItself(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00") // Thursday
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 50, PerMinute: manyPerMinute, Zone: "Europe/Vienna"}, &now)
	observe(t, s, "hand", 84, now.Add(-23*time.Hour))
	signals(t, s, quota.SignalBounce, "b", 5)
	now = now.Add(time.Hour)
	n, d := fill(t, s, request("k", 1))
	want := "Slowed down until Tuesday 10:00 because 6 % of the messages of 24 hours bounced: 25 of 25 messages of the last 24 hours are used."
	if n != 25 || len(d.Reasons()) != 1 || d.Reasons()[0].Text != want || d.Reasons()[0].Limit != 25 || d.Reasons()[0].Used != 25 {
		t.Errorf("%d messages, then %+v\nwant %q", n, d, want)
	}
	// The next tenth comes 24 hours after the reduction, before any message leaves.
	wantNotBefore(t, s, request("next", 1), &now, vienna(t, "2026-01-02 10:00:00"))
	now = vienna(t, "2026-01-02 10:00:00")
	if n, _ := fill(t, s, request("l", 1)); n != 5 {
		t.Errorf("%d more messages, want 5", n)
	}
	// Here the messages leave first.
	wantNotBefore(t, s, request("next", 1), &now, vienna(t, "2026-01-02 11:00:00"))
}

func TestSharesOfSignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind            quota.SignalKind
		messages, count int
		slower          bool
	}{
		{quota.SignalBounce, 100, 4, false}, // below the count
		{quota.SignalBounce, 10, 4, false},
		{quota.SignalBounce, 100, 5, true}, // exactly 5 %
		{quota.SignalBounce, 101, 5, false},
		{quota.SignalBounce, 120, 6, true},
		{quota.SignalBounce, 121, 6, false},
		{quota.SignalReply, 100, 7, true}, // 7 % here, and 0.07 * 100 is a little more than 7
		{quota.SignalReply, 101, 7, false},
		{quota.SignalBounce, 280, 14, true},
		{quota.SignalBounce, 281, 14, false},
		{quota.SignalComplaint, 1000, 1, true},
		{quota.SignalComplaint, 1001, 1, false},
	} {
		now := vienna(t, "2026-01-01 10:00:00")
		s := governor(t, quota.SendsConfig{}, quota.SendLimits{
			Messages: 5000, PerMinute: manyPerMinute,
			SlowDown: reaction(quota.SignalReply, quota.Reaction{Count: 1, Share: 0.07, Within: time.Hour, Factor: 0.5}),
		}, &now)
		observe(t, s, "hand", tt.messages, now)
		if c := signals(t, s, tt.kind, "s", tt.count); (c != nil) != tt.slower {
			t.Errorf("%d %s of %d messages: %+v", tt.count, tt.kind, tt.messages, c)
		}
	}
}

func TestSignalsCountOnce(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	store := quota.NewMemory()
	s := governor(t, quota.SendsConfig{Store: store}, quota.SendLimits{}, &now)
	other := governor(t, quota.SendsConfig{Store: store}, quota.SendLimits{}, &now)
	for range 3 {
		for _, s := range []*quota.Sends{s, other} {
			for i := range 4 {
				if c := mustSignal(t, s, signal(quota.SignalBounce, fmt.Sprint(i))); c != nil {
					t.Fatalf("%+v", c)
				}
			}
		}
		now = now.Add(7 * time.Hour)
	}
	// The same name for something else is something else.
	if c := mustSignal(t, s, signal(quota.SignalThrottled, "0")); c == nil || c.To != 0.7 {
		t.Errorf("%+v", c)
	}
	if c := mustSignal(t, other, signal(quota.SignalBounce, "4")); c == nil || c.Count != 5 || c.To != 0.35 {
		t.Errorf("%+v", c)
	}
}

func TestOldSignalsCountNoMore(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{}, &now)
	at := func(id string, at time.Time) *quota.Change {
		g := signal(quota.SignalBounce, id)
		g.At = at
		return mustSignal(t, s, g)
	}
	for i := range 4 {
		at(fmt.Sprint("old", i), now.Add(-24*time.Hour))
		at(fmt.Sprint("a", i), now.Add(-23*time.Hour))
	}
	now = now.Add(time.Hour)
	if c := at("b0", now.Add(time.Hour)); c != nil { // a clock that is ahead; the others are 24 hours old
		t.Errorf("%+v", c)
	}
	for i := range 3 {
		if c := at(fmt.Sprint("c", i), now); c != nil {
			t.Errorf("%+v", c)
		}
	}
	now = now.Add(24*time.Hour - time.Microsecond)
	if c := at("d", now); c == nil || c.Count != 5 {
		t.Errorf("%+v", c)
	}
}

func TestOneStrikeAnEpisode(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 100}, &now)
	if c := signals(t, s, quota.SignalBounce, "a", 5); c == nil || c.To != 0.5 {
		t.Fatalf("%+v", c)
	}
	now = now.Add(24*time.Hour - time.Microsecond)
	for i := range 10 {
		if c := mustSignal(t, s, signal(quota.SignalBounce, fmt.Sprint("b", i))); c != nil {
			t.Fatalf("the second strike of an episode: %+v", c)
		}
	}
	now = now.Add(time.Microsecond) // ten are there already
	if c := mustSignal(t, s, signal(quota.SignalBounce, "c")); c == nil || c.From != 0.6 || c.To != 0.3 || c.Count != 11 {
		t.Errorf("%+v", c)
	}
	// Another kind is another episode.
	if c := mustSignal(t, s, signal(quota.SignalComplaint, "d")); c == nil || c.From != 0.3 || c.To != 0.15 {
		t.Errorf("%+v", c)
	}
}

func TestThrottledWaitsAsLongAsTheProviderAsks(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 100}, &now)
	throttled := func(id string, wait time.Duration) *quota.Change {
		g := signal(quota.SignalThrottled, id)
		g.Wait = wait
		return mustSignal(t, s, g)
	}
	for i, tt := range []struct {
		wait, until time.Duration // 0: no change
		to          float64
	}{
		{2 * time.Hour, 2 * time.Hour, 0.7},
		{time.Hour, 0, 0.7}, // sooner than the pause that is there
		{-time.Hour, 0, 0.7},
		{3 * time.Hour, 3 * time.Hour, 0.7}, // the same episode, but a longer pause
		{100 * 24 * time.Hour, 30 * 24 * time.Hour, 0.7},
	} {
		c := throttled(fmt.Sprint(i), tt.wait)
		if tt.until == 0 {
			if c != nil {
				t.Errorf("%d: %+v", i, c)
			}
			continue
		}
		if c == nil || !c.Until.Equal(now.Add(tt.until)) || c.To != tt.to {
			t.Errorf("%d: %+v", i, c)
		}
		wantNotBefore(t, s, request("k", 1), &now, now.Add(tt.until))
	}
}

func TestLimitsComeBackInSteps(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-10-22 10:00:00") // clocks change on the way
	now := begin
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 10}, &now)
	signals(t, s, quota.SignalBounce, "b", 5)
	for step, want := range []int{5, 6, 7, 8, 9, 10, 10, 10} {
		now = begin.Add(time.Duration(step) * 24 * time.Hour)
		if got := limitNow(t, s); got != want {
			t.Errorf("after %d days: %d, want %d", step, got, want)
		}
		now = now.Add(24*time.Hour - time.Microsecond)
		if got := limitNow(t, s); got != want {
			t.Errorf("just before %d days: %d, want %d", step+1, got, want)
		}
	}
	now = begin.Add(-time.Minute) // a clock that is behind
	if got := limitNow(t, s); got != 5 {
		t.Errorf("before the reduction: %d", got)
	}
	for _, recovery := range []float64{1e-9, 0.01, 0.3, 1} {
		now = begin
		s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 1000, SlowDown: &quota.SlowDown{Recovery: recovery}}, &now)
		mustSignal(t, s, signal(quota.SignalUnusualActivity, "u"))
		last := 0
		for range 120 {
			got := limitNow(t, s)
			if got < last || got > 1000 || got < 250 {
				t.Errorf("%v: %d after %d", recovery, got, last)
			}
			last = got
			now = now.Add(24 * time.Hour)
		}
		if want := min(1000, int(250+math.Round(1000*recovery*119))); last != want {
			t.Errorf("%v: %d after 119 days, want %d", recovery, last, want)
		}
	}
}

func TestAFloorRemains(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	store := quota.NewMemory()
	limits := quota.SendLimits{Messages: 7, Recipients: 20, SlowDown: &quota.SlowDown{Floor: 0.2, Recovery: 1e-9}}
	s := governor(t, quota.SendsConfig{Store: store}, limits, &now)
	least := 1.0
	for day := range 5 {
		for _, kind := range []quota.SignalKind{quota.SignalComplaint, quota.SignalUnusualActivity} {
			if c := mustSignal(t, s, signal(kind, fmt.Sprint(day))); c != nil {
				least = c.To
			}
		}
		now = now.Add(24 * time.Hour)
	}
	if got := limitNow(t, s); least != 0.2 || got != 1 {
		t.Errorf("%v of the limits are left, %d messages", least, got)
	}
	mustReserve(t, s, request("one", 20)) // one goes in any case, whatever its recipients

	// A floor that was raised gives nothing back, and says so.
	limits.SlowDown = &quota.SlowDown{Floor: 0.9}
	s = governor(t, quota.SendsConfig{Store: store}, limits, &now)
	if c := mustSignal(t, s, signal(quota.SignalUnusualActivity, "again")); c == nil || c.To > c.From || c.Until.IsZero() {
		t.Errorf("%+v", c)
	}
	limits.SlowDown = &quota.SlowDown{Recovery: 1e-9}
	s = governor(t, quota.SendsConfig{}, limits, &now)
	for day := range 10 {
		if c := mustSignal(t, s, signal(quota.SignalUnusualActivity, fmt.Sprint(day))); c != nil {
			least = c.To
		}
		now = now.Add(24 * time.Hour)
	}
	if least != 0.1 {
		t.Errorf("%v of the limits are left", least)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	now := vienna(t, "2026-01-01 10:00:00")
	store := quota.NewMemory()
	limits := quota.SendLimits{Messages: 10, PerMinute: manyPerMinute, Zone: "Europe/Vienna"}
	s := governor(t, quota.SendsConfig{Store: store}, limits, &now)
	other := governor(t, quota.SendsConfig{Store: store}, limits, &now)
	for _, tt := range []struct {
		log   quota.Log
		until string
		note  string
		text  string
	}{
		{mailboxLog, "2026-01-01 23:59:59", "Ann is on holiday", "Sending is paused until 23:59 because Ann is on holiday."},
		{mailboxLog, "2026-01-02 00:00:00", "", "Sending is paused until Friday 00:00 because it was asked for."},
		{mailboxLog, "2026-01-07 23:59:00", "", "Sending is paused until Wednesday 23:59 because it was asked for."},
		{domainLog, "2026-01-08 00:00:00", "DNS moves", "Sending from example.com is paused until 8 January 00:00 because DNS moves."},
		{tenantLog, "2026-01-31 10:00:00", "the invoice is open", "Sending for the whole organisation is paused until 31 January 10:00 because the invoice is open."},
	} {
		if err := s.Pause(ctx, tt.log, vienna(t, tt.until), tt.note); err != nil {
			t.Fatal(err)
		}
		r := request("k", 1)
		r.From = "Ann@example.com"
		for _, s := range []*quota.Sends{s, other} {
			_, d := reserve(t, s, r)
			want := []quota.Reason{{Rule: quota.RulePaused, Log: tt.log, Text: tt.text, NotBefore: vienna(t, tt.until)}}
			if diff := gocmp.Diff(want, d.Reasons()); diff != "" || d.Allowed || d.Binding != quota.RulePaused || d.Remaining != 0 {
				t.Errorf("%+v, reasons (-want +got):\n%s", d, diff)
			}
		}
		wantNotBefore(t, s, r, &now, vienna(t, tt.until))
		if err := other.Resume(ctx, tt.log, "done"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(30 * time.Second) // states of groups without limits are that old at most
		if d, err := s.Check(ctx, r); err != nil || !d.Allowed {
			t.Errorf("resumed: %+v, %v", d, err)
		}
		now = now.Add(-30 * time.Second)
		other = governor(t, quota.SendsConfig{Store: store}, limits, &now)
		s = governor(t, quota.SendsConfig{Store: store}, limits, &now)
	}

	signals(t, s, quota.SignalBounce, "b", 5)
	if n, d := fill(t, other, request("k", 1)); n != 5 || d.Binding != quota.RuleSlowDown {
		t.Errorf("%d messages, %+v", n, d)
	}
	if err := s.Resume(ctx, mailboxLog, "the list is clean"); err != nil {
		t.Fatal(err)
	}
	if n, d := fill(t, other, request("l", 1)); n != 5 || d.Binding != quota.RuleMessages {
		t.Errorf("%d more messages, %+v", n, d)
	}

	for _, until := range []time.Time{{}, now, now.Add(-1), now.Add(30*24*time.Hour + 1)} {
		wantInvalid(t, s.Pause(ctx, mailboxLog, until, ""), "until")
	}
	wantInvalid(t, s.Pause(ctx, mailboxLog, now.Add(time.Hour), strings.Repeat("x", 257)), "note")
	wantInvalid(t, s.Resume(ctx, mailboxLog, strings.Repeat("x", 257)), "note")
	wantInvalid(t, s.Pause(ctx, quota.Log{}, now.Add(time.Hour), ""), "log")
}

// The clock of a machine has nanoseconds, that of decisions microseconds.
func TestAPauseEndsWhenItSays(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{}, &now)
	if err := s.Pause(t.Context(), mailboxLog, now.Add(time.Hour+1), ""); err != nil {
		t.Fatal(err)
	}
	_, d := reserve(t, s, request("k", 1))
	if times, err := s.Forecast(t.Context(), request("", 1), 1); err != nil || !times[0].Equal(d.NotBefore) {
		t.Errorf("a forecast of %v, %v", times, err)
	}
	g := signal(quota.SignalThrottled, "1")
	g.Wait = 2*time.Hour + 1
	mustSignal(t, s, g)
	_, d = reserve(t, s, request("k", 1))
	now = d.NotBefore
	mustReserve(t, s, request("l", 1))
}

func TestProcessesHearOfChangesAtOnce(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	store := quota.NewMemory()
	c := quota.SendsConfig{Store: store, Tenant: quota.GroupLimits{Messages: 8}}
	limits := quota.SendLimits{Messages: 10, PerMinute: manyPerMinute}
	one, two := governor(t, c, limits, &now), governor(t, c, limits, &now)
	mustReserve(t, two, request("before", 1)) // it knows of no state
	for i, step := range []struct {
		change func() error
		rule   quota.Rule
	}{
		{func() error { return one.Pause(t.Context(), mailboxLog, now.Add(time.Hour), "") }, quota.RulePaused},
		{func() error { return two.Resume(t.Context(), mailboxLog, "") }, ""},
		{func() error { return two.Pause(t.Context(), tenantLog, now.Add(time.Hour), "") }, quota.RulePaused},
		{func() error { return one.Resume(t.Context(), tenantLog, "") }, ""},
		{func() error { _, err := one.Signal(t.Context(), signal(quota.SignalThrottled, "1")); return err }, quota.RulePaused},
		{func() error { return one.Resume(t.Context(), mailboxLog, "") }, ""},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]*quota.Sends{"one": one, "two": two} {
			if _, d := reserve(t, s, request("k", 1)); d.Allowed != (step.rule == "") || !d.Allowed && d.Binding != step.rule {
				t.Errorf("step %d, process %s: %+v", i, name, d)
			}
		}
	}
}

func TestInvalidSignals(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{}, &now)
	for field, change := range map[string]func(*quota.Signal){
		"tenant": func(g *quota.Signal) { g.Tenant = "" },
		"id":     func(g *quota.Signal) { g.ID = "" },
		"kind":   func(g *quota.Signal) { g.Kind = quota.SignalManual },
		"from":   func(g *quota.Signal) { g.Kind, g.From = quota.SignalAuthentication, "nobody" },
	} {
		g := signal(quota.SignalThrottled, "1")
		change(&g)
		c, err := s.Signal(t.Context(), g)
		wantInvalid(t, err, field)
		if c != nil {
			t.Errorf("%s: %+v", field, c)
		}
	}
	if _, d := reserve(t, s, request("k", 1)); !d.Allowed {
		t.Errorf("%+v", d)
	}
}

func TestReactionsCanBeReplaced(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	limits := quota.SendLimits{SlowDown: &quota.SlowDown{Reactions: map[quota.SignalKind]quota.Reaction{
		quota.SignalReply:  {Count: 3, Within: 90 * time.Minute, Factor: 0.5, Pause: 10 * time.Minute},
		quota.SignalBounce: {Count: 1, Within: time.Hour, Factor: 1},
	}}}
	s := governor(t, quota.SendsConfig{}, limits, &now)
	if c := signals(t, s, quota.SignalBounce, "b", 50); c != nil {
		t.Errorf("switched off, and made %+v", c)
	}
	c := signals(t, s, quota.SignalReply, "r", 3)
	if c == nil || c.To != 0.5 || !c.Until.Equal(now.Add(10*time.Minute)) || c.Reason() != "3 answers came within 1h30m0s" {
		t.Errorf("%+v", c)
	}
	if c := mustSignal(t, s, signal(quota.SignalComplaint, "c")); c == nil || c.To != 0.25 { // as by default
		t.Errorf("%+v", c)
	}
}

// Where clocks disagree, an entry may be later than the decision: the cap may
// rise after 24 hours, and before it ages out.
func TestRiseBeforeAMessageOfAnotherClockAgesOut(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-01-01 10:00:00")
	now := begin
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 3, PerMinute: manyPerMinute}, &now)
	mustSignal(t, s, signal(quota.SignalComplaint, "1"))
	now = begin.Add(time.Minute)
	fill(t, s, request("k", 1))
	now = begin.Add(-time.Minute)
	wantNotBefore(t, s, request("next", 1), &now, begin.Add(24*time.Hour+time.Minute)) // 0.6 of 3 are 1
	now = begin
	s = governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 4, PerMinute: manyPerMinute, SlowDown: &quota.SlowDown{Recovery: 0.25}}, &now)
	mustSignal(t, s, signal(quota.SignalComplaint, "1"))
	now = begin.Add(time.Minute)
	fill(t, s, request("k", 1))
	now = begin.Add(-time.Minute)
	wantNotBefore(t, s, request("next", 1), &now, begin.Add(24*time.Hour))
}

func TestPercents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		count, messages int
		want            string
	}{{6, 100, "6 %"}, {5, 90, "6 %"}, {1, 400, "0.2 %"}, {99, 100, "99 %"}, {7, 7, "100 %"}, {9, 7, "100 %"}} {
		c := quota.Change{Kind: quota.SignalBounce, Count: tt.count, Messages: tt.messages, Within: 24 * time.Hour}
		if got, want := c.Reason(), tt.want+" of the messages of 24 hours bounced"; got != want {
			t.Errorf("%d of %d: %q, want %q", tt.count, tt.messages, got, want)
		}
	}
}

// Many answers do not make the bounces forgotten.
func TestOneKindOfSignalDoesNotPushOutAnother(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{}, &now)
	for i := range 4 {
		mustSignal(t, s, signal(quota.SignalBounce, fmt.Sprint(i)))
	}
	for i := range 300 {
		mustSignal(t, s, signal(quota.SignalReply, fmt.Sprint(i)))
	}
	if c := mustSignal(t, s, signal(quota.SignalBounce, "4")); c == nil || c.Count != 5 {
		t.Errorf("the fifth bounce made %+v", c)
	}
	if c := mustSignal(t, s, signal(quota.SignalBounce, "0")); c != nil {
		t.Errorf("the first one, heard of again, made %+v", c)
	}
}

func TestAReactionCanBeReached(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	many := func(count int) quota.SendLimits {
		return filled("test", quota.SendLimits{SlowDown: reaction(quota.SignalReply, quota.Reaction{Count: count, Within: time.Hour, Factor: 0.5})})
	}
	_, err := quota.NewSends(quota.SendsConfig{Providers: map[mailbox.ProviderName]quota.SendLimits{"test": many(513)}})
	wantInvalid(t, err, "providers[test].slow_down.reactions[reply].count")
	s := governor(t, quota.SendsConfig{}, many(512), &now)
	if c := signals(t, s, quota.SignalReply, "r", 512); c == nil || c.Count != 512 {
		t.Errorf("512 answers made %+v", c)
	}
}

// A factor of 1 and no pause switch a kind off, whatever the provider asks.
func TestAKindThatIsSwitchedOffDoesNotPause(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{
		SlowDown: reaction(quota.SignalThrottled, quota.Reaction{Count: 1, Within: time.Hour, Factor: 1}),
	}, &now)
	g := signal(quota.SignalThrottled, "1")
	g.Wait = time.Hour
	if c := mustSignal(t, s, g); c != nil {
		t.Errorf("%+v", c)
	}
	g = signal(quota.SignalBounce, "1") // and only two kinds come with a wait
	for i := range 5 {
		g.ID, g.Wait = fmt.Sprint(i), time.Hour
		if c := mustSignal(t, s, g); c != nil && !c.Until.IsZero() {
			t.Errorf("%+v", c)
		}
	}
}

// Later changes do not hide why a mailbox is paused.
func TestWhyAPauseIsThereIsNotForgotten(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{SlowDown: &quota.SlowDown{Recovery: 1}}, &now)
	if err := s.Pause(t.Context(), mailboxLog, now.Add(30*24*time.Hour), "Ann is ill"); err != nil {
		t.Fatal(err)
	}
	for day := range 20 {
		now = now.Add(24 * time.Hour)
		mustSignal(t, s, signal(quota.SignalComplaint, fmt.Sprint(day)))
	}
	if _, d := reserve(t, s, request("k", 1)); d.Reasons()[0].Text != "Sending is paused until 31 January 09:00 because Ann is ill." {
		t.Errorf("%q", d.Reasons()[0].Text)
	}
}

// A part of a cap is not a little less for the sake of its decimals.
func TestPartsAreExact(t *testing.T) {
	t.Parallel()
	for percent := 1; percent <= 100; percent++ {
		now := vienna(t, "2026-01-01 10:00:00")
		s := governor(t, quota.SendsConfig{}, quota.SendLimits{
			Messages: 5000, Recipients: 5000, PerMinute: manyPerMinute,
			SlowDown: &quota.SlowDown{Floor: 0.01, Reactions: map[quota.SignalKind]quota.Reaction{
				quota.SignalComplaint: {Count: 1, Within: time.Hour, Factor: float64(percent) / 100},
			}},
		}, &now)
		if _, err := s.Signal(t.Context(), signal(quota.SignalComplaint, "1")); err != nil {
			t.Fatal(err)
		}
		st, err := s.Status(t.Context(), request("", 1))
		if err != nil || st.Limits[0].Limit != 50*percent || st.Limits[1].Limit != 50*percent {
			t.Errorf("%d %% of 5000: %+v, %v", percent, st.Limits, err)
		}
	}
}

// A pause that is made longer is no strike: a service that goes on refusing gets
// the next one when the time of the first is over.
func TestLongerPausesDoNotPutOffAStrike(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-01-01 10:00:00")
	now := begin
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{}, &now)
	var to []float64
	for i := range 5 { // one strike an hour
		now = begin.Add(time.Duration(i) * 40 * time.Minute)
		g := signal(quota.SignalThrottled, fmt.Sprint(i))
		g.Wait = time.Hour
		to = append(to, mustSignal(t, s, g).To)
	}
	for i, want := range []float64{0.7, 0.7, 0.49, 0.49, 0.343} {
		if math.Abs(to[i]-want) > 1e-6 {
			t.Errorf("parts after signals %v, want 0.7, 0.7, 0.49, 0.49, 0.343", to)
			break
		}
	}
}

func TestPausesOfADomainDoNotKnowCase(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-01-01 10:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{}, &now)
	l := quota.Log{Tenant: "t", Kind: quota.LogDomain, Name: "Example.COM"}
	if err := s.Pause(t.Context(), l, now.Add(time.Hour), ""); err != nil {
		t.Fatal(err)
	}
	r := request("k", 1)
	r.From = "ann@example.com"
	if _, d := reserve(t, s, r); d.Allowed {
		t.Error("a paused domain sends")
	}
}
