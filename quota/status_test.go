package quota_test

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// clocked returns a governor for the provider "test" with a clock that the test
// moves.
func clocked(t *testing.T, c quota.SendsConfig, l quota.SendLimits, start time.Time) (*quota.Sends, *time.Time) {
	t.Helper()
	now := start
	c.Providers = map[mailbox.ProviderName]quota.SendLimits{"test": filled("test", l)}
	c.Now = func() time.Time { return now }
	s, err := quota.NewSends(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, &now
}

func TestForecastIsWhatHappens(t *testing.T) {
	t.Parallel()
	store := quota.NewMemory()
	s, now := clocked(t, quota.SendsConfig{Store: store, Tenant: quota.GroupLimits{Messages: 40}}, quota.SendLimits{
		Messages: 25, PerMinute: 3, Gap: 10 * time.Second, DayMessages: 20, Zone: "America/New_York",
		Hours: []quota.Hours{quota.Weekdays(quota.At(9, 0), quota.At(17, 30))}, WarmUp: &quota.WarmUp{Start: 5, Step: 4},
	}, time.Date(2026, 3, 4, 13, 0, 0, 0, time.UTC)) // Wednesday before clocks change
	r := request("", 1)
	r.From = "ann@example.com"

	send := func(key string) {
		t.Helper()
		r := r
		r.Key = key
		if err := s.Commit(t.Context(), mustReserve(t, s, r)); err != nil {
			t.Fatal(err)
		}
	}
	*now = time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	send("before")
	other := r
	other.Mailbox, other.Key = "another", "of the tenant"
	mustReserve(t, s, other)
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		if _, err := s.Signal(t.Context(), quota.Signal{Ref: r.Ref, Provider: "test", Kind: quota.SignalBounce, ID: id}); err != nil {
			t.Fatal(err)
		}
	}

	const n = 120
	times, err := s.Forecast(t.Context(), r, n)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Forecast(t.Context(), r, n)
	if diff := gocmp.Diff(times, again); err != nil || diff != "" {
		t.Errorf("a forecast changed something (-first +second):\n%s, %v", diff, err)
	}
	var happened []time.Time
	for i := 0; len(happened) < n; i++ {
		r.Key = string(rune('A' + len(happened)))
		place, d := reserve(t, s, r)
		if !d.Allowed {
			*now = d.NotBefore
			continue
		}
		happened = append(happened, *now)
		if err := s.Commit(t.Context(), place); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(happened, times); diff != "" {
		t.Errorf("forecast (-happened +forecast):\n%s", diff)
	}
	if days := happened[n-1].Sub(happened[0]).Hours() / 24; days < 8 || days > 16 {
		t.Errorf("took %.1f days: the test shows little", days)
	}

	for _, n := range []int{-1, 0, 10_001} {
		_, err := s.Forecast(t.Context(), r, n)
		wantInvalid(t, err, "n")
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	s, now := clocked(t, quota.SendsConfig{Domain: quota.GroupLimits{Messages: 10}}, quota.SendLimits{
		Messages: 8, Recipients: 80, PerMinute: 4, WarmUp: &quota.WarmUp{Start: 4, Step: 2},
	}, start)
	r := request("1", 2)
	r.From = "Ann@Example.COM"
	place := mustReserve(t, s, r)
	if err := s.Commit(t.Context(), place); err != nil {
		t.Fatal(err)
	}
	*now = start.Add(time.Hour)
	domain := quota.Log{Tenant: "t", Kind: quota.LogDomain, Name: "example.com"}
	if err := s.Pause(t.Context(), domain, start.Add(26*time.Hour), "the domain moves"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Status(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	own := quota.Log{Tenant: "t", Kind: quota.LogMailbox, Name: "m"}
	want := quota.Status{
		Decision: quota.Decision{
			NotBefore: start.Add(26 * time.Hour),
			Binding:   quota.RulePaused,
		},
		Limits: []quota.LimitStatus{
			{Rule: quota.RuleWarmUp, Log: own, Limit: 4, Used: 1},
			{Rule: quota.RuleWarmUp, Log: own, Limit: 40, Used: 2},
			{Rule: quota.RulePace, Log: own, Limit: 4},
			{Rule: quota.RuleMessages, Log: domain, Limit: 10, Used: 1},
		},
		Logs: []quota.LogStatus{{
			Log: domain, Factor: 1, Paused: start.Add(26 * time.Hour),
			Changes: []quota.Change{{At: *now, Kind: quota.SignalManual, From: 1, To: 1, Until: start.Add(26 * time.Hour), Note: "the domain moves"}},
		}},
		SendingDay: 1,
	}
	if diff := gocmp.Diff(want, got, plainDecision); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	wantDecision(t, got.Decision, want.Decision, quota.Reason{
		Rule: quota.RulePaused, Log: domain, NotBefore: start.Add(26 * time.Hour),
		Text: "Sending from example.com is paused until Tuesday 12:00 because the domain moves.",
	})
	if err := s.Resume(t.Context(), domain, "it has moved"); err != nil {
		t.Fatal(err)
	}
	*now = start.Add(24 * time.Hour)
	if got, err = s.Status(t.Context(), r); err != nil || !got.Decision.Allowed || got.SendingDay != 2 || got.Limits[0].Limit != 6 {
		t.Errorf("a day later: %+v, %v", got, err)
	}
}
