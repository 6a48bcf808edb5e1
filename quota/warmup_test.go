package quota_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// governor returns a governor for the provider "test" that goes by a clock which
// others may share.
func governor(t *testing.T, c quota.SendsConfig, l quota.SendLimits, now *time.Time) *quota.Sends {
	t.Helper()
	c.Providers = map[mailbox.ProviderName]quota.SendLimits{"test": filled("test", l)}
	c.Now = func() time.Time { return *now }
	s, err := quota.NewSends(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill sends messages of one recipient until one is refused, and returns how
// many went and the refusal.
func fill(t *testing.T, s *quota.Sends, r quota.SendRequest) (int, quota.Decision) {
	t.Helper()
	prefix := r.Key
	for n := 0; ; n++ {
		r.Key = fmt.Sprint(prefix, n)
		res, d := reserve(t, s, r)
		if !d.Allowed {
			return n, d
		}
		if err := s.Commit(t.Context(), res); err != nil {
			t.Fatal(err)
		}
	}
}

// wantNotBefore checks that a refusal ends at a time: the same request is refused
// a microsecond before, and allowed then.
func wantNotBefore(t *testing.T, s *quota.Sends, r quota.SendRequest, now *time.Time, want time.Time) {
	t.Helper()
	defer func(at time.Time) { *now = at }(*now)
	check := func() quota.Decision {
		d, err := s.Check(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := check(); d.Allowed || !d.NotBefore.Equal(want) {
		t.Errorf("at %v: not before %v, want %v; %+v", *now, d.NotBefore, want, d.Reasons())
	}
	*now = want.Add(-time.Microsecond)
	if d := check(); d.Allowed || !d.NotBefore.Equal(want) {
		t.Errorf("a microsecond before %v: %+v", want, d)
	}
	*now = want
	if d := check(); !d.Allowed {
		t.Errorf("at %v: %+v", want, d)
	}
}

const manyPerMinute = 100_000

func vienna(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation(time.DateTime, text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWarmUpGrowsWithTheDaysOfSending(t *testing.T) {
	t.Parallel()
	store := quota.NewMemory()
	limits := quota.SendLimits{
		Messages: 10, PerMinute: manyPerMinute, Zone: "Europe/Vienna", WarmUp: &quota.WarmUp{Start: 2, Step: 3},
	}
	// Through the changes of clocks and a leap day; some days are idle.
	for _, begin := range []string{"2026-03-26 12:00:00", "2026-10-22 12:00:00", "2028-02-26 12:00:00"} {
		now := vienna(t, begin)
		r := request("", 1)
		r.Mailbox = mailbox.MailboxID(begin[:4+3])
		processes := []*quota.Sends{governor(t, quota.SendsConfig{Store: store}, limits, &now), governor(t, quota.SendsConfig{Store: store}, limits, &now)}
		var got []int
		for day, idle := range []int{0, 2, 0, 0, 5, 0, 0} {
			now = now.AddDate(0, 0, idle)
			r.Key = fmt.Sprint(day, "-")
			n, d := fill(t, processes[day%2], r)
			got = append(got, n)
			other, _ := fill(t, processes[(day+1)%2], r)
			if other != n { // the same keys, and no more
				t.Errorf("day %d: %d, in another process %d", day, n, other)
			}
			if want := quota.RuleWarmUp; n < 10 && d.Binding != want {
				t.Errorf("day %d: %s binds, want %s", day, d.Binding, want)
			}
			if day == 3 {
				processes[0] = governor(t, quota.SendsConfig{Store: store}, limits, &now)
			}
			now = now.Add(24 * time.Hour)
			now = time.Date(now.Year(), now.Month(), now.Day(), 12, 30+day, 0, 0, now.Location())
		}
		if want := []int{2, 5, 8, 10, 10, 10, 10}; !slices.Equal(got, want) {
			t.Errorf("%s: %v messages a day, want %v", begin, got, want)
		}
	}
}

func TestWarmUpSaysWhenMoreIsAllowed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		zone, begin, want string // UTC
		more              int    // messages that are allowed then
	}{
		{"Europe/Vienna", "2026-06-10T20:00:00Z", "2026-06-10T22:00:00Z", 3},
		{"Europe/Vienna", "2026-10-24T22:30:00Z", "2026-10-25T22:30:00Z", 2}, // 25 hours: what was sent leaves before midnight
		{"Europe/Vienna", "2026-03-28T23:30:00Z", "2026-03-29T22:00:00Z", 3}, // one of 23
		{"America/Sao_Paulo", "2017-10-15T01:00:00Z", "2017-10-15T03:00:00Z", 3},
		{"America/Havana", "2024-11-02T20:00:00Z", "2024-11-03T04:00:00Z", 3},
		{"Africa/Cairo", "2023-10-26T19:30:00Z", "2023-10-26T22:00:00Z", 3}, // 23:00 comes twice
		{"Pacific/Apia", "2011-12-30T08:00:00Z", "2011-12-30T10:00:00Z", 3}, // the next day is the 31st
		{"Asia/Kathmandu", "2026-06-10T18:00:00Z", "2026-06-10T18:15:00Z", 3},
	}
	for _, tt := range tests {
		now, err := time.Parse(time.RFC3339, tt.begin)
		if err != nil {
			t.Fatal(err)
		}
		want, err := time.Parse(time.RFC3339, tt.want)
		if err != nil {
			t.Fatal(err)
		}
		s := governor(t, quota.SendsConfig{}, quota.SendLimits{
			Messages: 10, PerMinute: manyPerMinute, Zone: tt.zone, WarmUp: &quota.WarmUp{Start: 2, Step: 3},
		}, &now)
		if n, _ := fill(t, s, request("a", 1)); n != 2 {
			t.Errorf("%s: %d messages on the first day", tt.zone, n)
		}
		now = now.Add(time.Minute)
		wantNotBefore(t, s, request("next", 1), &now, want)
		now = want
		if n, _ := fill(t, s, request("b", 1)); n != tt.more {
			t.Errorf("%s: %d more messages then, want %d", tt.zone, n, tt.more)
		}
	}
}

func TestADayOfSendingCountsOnce(t *testing.T) {
	t.Parallel()
	store := quota.NewMemory()
	now := vienna(t, "2026-06-10 10:00:00")
	limits := quota.SendLimits{Messages: 100, PerMinute: manyPerMinute, Zone: "Europe/Vienna", WarmUp: &quota.WarmUp{Start: 5, Step: 5}}
	one := governor(t, quota.SendsConfig{Store: store}, limits, &now)
	two := governor(t, quota.SendsConfig{Store: store}, limits, &now)
	a, b := mustReserve(t, one, request("a", 1)), mustReserve(t, two, request("b", 1))
	for range 3 {
		for _, s := range []*quota.Sends{one, two} {
			for _, res := range []quota.Reservation{a, b} {
				if err := s.Commit(t.Context(), res); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Observe(t.Context(), request("hand", 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, _ := fill(t, two, request("c", 1)); n != 2 {
		t.Errorf("%d more messages on the first day, want 2", n)
	}
	now = now.AddDate(0, 0, 3)
	// One that was reserved before midnight and went out after it.
	now = vienna(t, "2026-06-13 23:59:00")
	late := mustReserve(t, one, request("late", 1))
	now = vienna(t, "2026-06-14 00:01:00")
	if err := two.Commit(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if n, _ := fill(t, one, request("d", 1)); n != 15-1 {
		t.Errorf("%d more messages on the third day, want 14", n)
	}
	// A place that nobody told of is no day of sending, but holds its place.
	now = vienna(t, "2026-06-20 12:00:00")
	mustReserve(t, one, request("crash", 1))
	if n, _ := fill(t, two, request("e", 1)); n != 20-1 {
		t.Errorf("%d more messages on the fourth day, want 19", n)
	}
	now = vienna(t, "2026-06-22 12:00:00")
	mustReserve(t, one, request("crash again", 1))
	now = vienna(t, "2026-06-24 12:00:00")
	if n, _ := fill(t, two, request("f", 1)); n != 25 {
		t.Errorf("%d messages on the fifth day, want 25", n)
	}
}

func TestMailByHandWarmsUp(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	limits := quota.SendLimits{Messages: 100, PerMinute: manyPerMinute, Zone: "Europe/Vienna", WarmUp: &quota.WarmUp{Start: 3, Step: 2, Days: 2}}
	s := governor(t, quota.SendsConfig{}, limits, &now)
	hand := request("hand", 1)
	hand.At = vienna(t, "2026-06-09 23:30:00")
	if err := s.Observe(t.Context(), hand); err != nil {
		t.Fatal(err)
	}
	// Two days before, yesterday by hand, and today: the cap is that of the
	// fourth day, of which yesterday's message is one.
	if n, d := fill(t, s, request("a", 1)); n != 3+3*2-1 || d.Reasons()[0].Text != "9 of 9 messages of the last 24 hours are used: the mailbox is on day 4 of its warm-up." {
		t.Errorf("%d messages, then %+v", n, d.Reasons())
	}
	for i := range 20 { // more than the cap, by hand
		if err := s.Observe(t.Context(), request(fmt.Sprint("hand", i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	now = vienna(t, "2026-06-11 09:00:00")
	if n, d := fill(t, s, request("b", 1)); n != 0 || d.Reasons()[0].Used != 28 || d.Reasons()[0].Limit != 11 {
		t.Errorf("%d messages, then %+v", n, d.Reasons())
	}
	now = vienna(t, "2026-06-11 10:00:00")
	if n, _ := fill(t, s, request("b", 1)); n != 11 {
		t.Errorf("%d messages, want 11", n)
	}
}

func TestRecipientsWarmUpInProportion(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	limits := quota.SendLimits{
		Messages: 10, Recipients: 40, PerMessage: 20, PerMinute: manyPerMinute, WarmUp: &quota.WarmUp{Start: 3, Step: 1},
	}
	s := governor(t, quota.SendsConfig{}, limits, &now)
	mustReserve(t, s, request("a", 12)) // all there are
	_, d := reserve(t, s, request("b", 1))
	if d.Allowed || d.Reasons()[0].Text != "12 of 12 recipients of the last 24 hours are used: the mailbox is on day 1 of its warm-up." {
		t.Errorf("%+v", d)
	}
	_, d = reserve(t, s, request("b", 20)) // more than there are, ever
	if d.Allowed || !d.NotBefore.Equal(now.Add(24*time.Hour)) {
		t.Errorf("%+v", d)
	}
	now = now.Add(24 * time.Hour)
	mustReserve(t, s, request("b", 20))
	if _, d = reserve(t, s, request("c", 1)); d.Allowed {
		t.Errorf("%+v", d)
	}
}

func TestWarmUpReachesTheCap(t *testing.T) {
	t.Parallel()
	for _, w := range []quota.WarmUp{{Start: 1, Step: 7}, {Start: 7, Step: 1}, {Start: 7, Step: 7, Days: 10_000}, {Start: 3, Step: 4, Days: 1}, {Start: 3, Step: 2, Days: 2}} {
		now := vienna(t, "2026-06-10 10:00:00")
		s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 7, Recipients: 100, PerMinute: manyPerMinute, WarmUp: &w}, &now)
		for day := range 4 {
			n, d := fill(t, s, request(fmt.Sprint(day, "-"), 1))
			if want := min(7, w.Start+w.Step*min(1000, day+w.Days)); n != want {
				t.Errorf("%+v: %d messages on day %d, want %d", w, n, day+1, want)
			}
			if n == 7 && d.Binding != quota.RuleMessages {
				t.Errorf("%+v: %s binds on day %d", w, d.Binding, day+1)
			}
			now = now.Add(24 * time.Hour)
		}
	}
}

// No cap is one too small because of how fractions are rounded.
func TestCapsOfAWarmUpAreExact(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	var limits quota.SendLimits
	s, err := quota.NewSends(quota.SendsConfig{
		Now:    func() time.Time { return now },
		Limits: func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits { return limits },
	})
	if err != nil {
		t.Fatal(err)
	}
	for messages := range 130 {
		for start := range messages {
			limits = filled("test", quota.SendLimits{Messages: messages, Recipients: 1000, WarmUp: &quota.WarmUp{Start: start + 1, Step: 1}})
			if got := limitNow(t, s); got != start+1 {
				t.Fatalf("%d messages, of which %d at first: %d", messages, start+1, got)
			}
		}
	}
}
