package quota_test

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/quota"
)

func TestAllLimitsAreReasonsAtOnce(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-06-10 16:50:00") // Wednesday
	now := begin
	s := governor(t, quota.SendsConfig{Domain: quota.GroupLimits{Gap: 2 * time.Minute}}, quota.SendLimits{
		Messages: 5, Recipients: 8, PerMessage: 8, PerMinute: 3, DayMessages: 4, DayRecipients: 8, Gap: 5 * time.Second, Zone: "Europe/Vienna",
		Hours: []quota.Hours{quota.Weekdays(quota.At(9, 0), quota.At(17, 0))},
	}, &now)
	for i := range 5 {
		r := from("m", "ann@example.com", fmt.Sprint("hand", i))
		r.At = now
		if err := s.Observe(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Second)
	_, d := reserve(t, s, from("m", "ann@example.com", "k", "a@x.example", "b@x.example", "c@x.example", "d@x.example"))
	tomorrow := begin.Add(24 * time.Hour)
	wantDecision(t, d, quota.Decision{NotBefore: tomorrow, Binding: quota.RuleMessages},
		[]quota.Reason{
			{Rule: quota.RuleMessages, Log: mailboxLog, NotBefore: tomorrow, Limit: 5, Used: 5, Text: "5 of 5 messages of the last 24 hours are used."},
			{Rule: quota.RuleRecipients, Log: mailboxLog, NotBefore: tomorrow, Limit: 8, Used: 5, Text: "5 of 8 recipients of the last 24 hours are used; this message has 4."},
			{Rule: quota.RuleDayMessages, Log: mailboxLog, NotBefore: vienna(t, "2026-06-11 00:00:00"), Limit: 4, Used: 5, Text: "5 of 4 messages of today are used."},
			{Rule: quota.RuleDayRecipients, Log: mailboxLog, NotBefore: vienna(t, "2026-06-11 00:00:00"), Limit: 8, Used: 5, Text: "5 of 8 recipients of today are used; this message has 4."},
			{Rule: quota.RuleGap, Log: domainLog, NotBefore: begin.Add(2 * time.Minute), Limit: 1, Used: 1, Text: "Less than 2m0s have passed since the last message from example.com."},
			{Rule: quota.RulePace, Log: mailboxLog, NotBefore: begin.Add(time.Minute), Limit: 3, Used: 5, Text: "5 of 3 messages of the last minute are used."},
			{Rule: quota.RuleGap, Log: mailboxLog, NotBefore: begin.Add(5 * time.Second), Limit: 1, Used: 1, Text: "Less than 5s have passed since the last message."},
		}...)
}

// What is written later is what was decided, whatever has happened meanwhile.
func TestReasonsAreThoseOfTheDecision(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 12:00:00")
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{
		Messages: 100, PerMinute: manyPerMinute, Zone: "Europe/Vienna", WarmUp: &quota.WarmUp{Start: 2, Step: 2},
	}, &now)
	if _, d := reserve(t, s, request("a", 1)); d.String() != "allowed, 1 more remain" || d.Reasons() != nil {
		t.Errorf("%v, reasons %+v", d, d.Reasons())
	}
	mustReserve(t, s, request("b", 1))
	_, d := reserve(t, s, request("c", 1))
	mustSignal(t, s, signal(quota.SignalUnusualActivity, "1"))
	now = now.Add(100 * time.Hour)
	mustReserve(t, s, request("d", 1))
	want := "2 of 2 messages of the last 24 hours are used: the mailbox is on day 1 of its warm-up."
	if r := d.Reasons(); len(r) != 1 || r[0].Text != want {
		t.Errorf("%+v", r)
	}
	if got := d.String(); got != "not before 2026-06-11T10:00:00Z: "+want {
		t.Errorf("%s", got)
	}
}

func TestCapsThatOpenAtNightWaitForTheHours(t *testing.T) {
	t.Parallel()
	limits := quota.SendLimits{
		Messages: 1, PerMinute: 3, Zone: "Europe/Vienna",
		Hours: []quota.Hours{quota.Weekdays(quota.At(9, 0), quota.At(17, 0))},
	}
	for _, tt := range []struct{ at, until, text string }{
		{"2026-06-12 16:59:00", "2026-06-15 09:00:00", "Outside of the sending hours, which begin Monday 09:00."},
		{"2026-06-10 16:59:00", "2026-06-11 16:59:00", ""},
		{"2026-03-27 10:00:00", "2026-03-30 09:00:00", "Outside of the sending hours, which begin Monday 09:00."},
		{"2026-10-23 16:30:00", "2026-10-26 09:00:00", "Outside of the sending hours, which begin Monday 09:00."},
	} {
		now := vienna(t, tt.at)
		s := governor(t, quota.SendsConfig{}, limits, &now)
		mustReserve(t, s, request("a", 1))
		now = now.Add(time.Second)
		_, d := reserve(t, s, request("b", 1))
		if rule := quota.RuleHours; tt.text != "" && (d.Binding != rule || len(d.Reasons()) != 2 || d.Reasons()[0].Text != tt.text) {
			t.Errorf("%s: %+v", tt.at, d)
		}
		wantNotBefore(t, s, request("b", 1), &now, vienna(t, tt.until))
	}
	// Outside of the hours with a cap that opens within the next ones: that binds.
	now := vienna(t, "2026-06-10 16:00:00")
	s := governor(t, quota.SendsConfig{}, limits, &now)
	mustReserve(t, s, request("a", 1))
	now = vienna(t, "2026-06-10 20:00:00")
	if _, d := reserve(t, s, request("b", 1)); d.Binding != quota.RuleMessages || len(d.Reasons()) != 2 || d.Remaining != 0 ||
		d.Reasons()[1].Text != "Outside of the sending hours, which begin Thursday 09:00." || !d.Reasons()[1].NotBefore.Equal(vienna(t, "2026-06-11 09:00:00")) {
		t.Errorf("%+v", d)
	}
	wantNotBefore(t, s, request("b", 1), &now, vienna(t, "2026-06-11 16:00:00"))
	now = vienna(t, "2026-06-11 18:00:00")
	if _, d := reserve(t, s, request("b", 1)); d.Allowed || d.Binding != quota.RuleHours || d.Remaining != 1 {
		t.Errorf("%+v", d)
	}
	wantNotBefore(t, s, request("b", 1), &now, vienna(t, "2026-06-12 09:00:00"))
}

func TestCalendarDays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ zone, now, ends string }{
		{"Europe/Vienna", "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"},
		{"Europe/Vienna", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}, // a day of 25 hours
		{"America/Sao_Paulo", "2017-10-14T04:00:00Z", "2017-10-15T03:00:00Z"},
		{"America/Havana", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"},
		{"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		ends, err := time.Parse(time.RFC3339, tt.ends)
		if err != nil {
			t.Fatal(err)
		}
		s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 10, DayMessages: 2, PerMinute: manyPerMinute, Zone: tt.zone}, &now)
		res := mustReserve(t, s, request("a", 1))
		_, d := reserve(t, s, request("b", 1))
		if d.Remaining != 0 || d.Binding != quota.RuleDayMessages {
			t.Errorf("%+v", d)
		}
		wantNotBefore(t, s, request("c", 1), &now, ends)
		now = ends.Add(time.Minute)
		if err := s.Commit(t.Context(), res); err != nil { // late: it counts on both days
			t.Fatal(err)
		}
		if n, _ := fill(t, s, request("d", 1)); n != 1 {
			t.Errorf("%s %s: %d messages on the next day", tt.zone, tt.now, n)
		}
	}
}

func TestJitterIsDrawnOnce(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-06-10 10:00:00")
	now := begin
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{PerMinute: manyPerMinute, Gap: time.Minute, Jitter: 30 * time.Second}, &now)
	mustReserve(t, s, request("first", 1))
	least, most, seen := time.Hour, time.Duration(0), make(map[time.Duration]bool)
	alike, last := 0, time.Duration(0)
	for i := range 200 {
		r := request(fmt.Sprintf("campaign-7/message-%04d", i), 1) // keys that count up
		now = begin.Add(time.Duration(i) * time.Millisecond)
		_, d := reserve(t, s, r)
		gap := d.NotBefore.Sub(begin)
		least, most, seen[gap] = min(least, gap), max(most, gap), true
		if (gap - last).Abs() < time.Second {
			alike++
		}
		last = gap
		if i%20 == 0 {
			wantNotBefore(t, s, r, &now, d.NotBefore)
		}
	}
	if least < time.Minute || most > 90*time.Second || most-least < 28*time.Second || len(seen) < 190 || alike > 40 {
		t.Errorf("200 keys draw %d gaps from %v to %v, %d almost like the one before", len(seen), least, most, alike)
	}
}

// Remaining are messages of one recipient, whatever the message at hand has.
func TestRemaining(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-06-10 10:00:00")
	for _, tt := range []struct {
		name   string
		limits quota.SendLimits
		groups quota.GroupLimits
		before []int // recipients of what was sent
		ask    int   // recipients
		slower bool  // to a quarter
		want   int
		rule   quota.Rule
	}{
		{"messages", quota.SendLimits{Messages: 9, Recipients: 100}, quota.GroupLimits{}, []int{1, 1}, 5, false, 6, quota.RuleMessages},
		{"recipients", quota.SendLimits{Messages: 9, Recipients: 10}, quota.GroupLimits{}, []int{3}, 5, false, 2, quota.RuleRecipients},
		{"a day", quota.SendLimits{Messages: 9, DayMessages: 4}, quota.GroupLimits{}, []int{3}, 5, false, 2, quota.RuleDayMessages},
		{"recipients of a day", quota.SendLimits{Messages: 9, DayRecipients: 100}, quota.GroupLimits{}, []int{92}, 1, false, 7, quota.RuleMessages},
		{"a group", quota.SendLimits{Messages: 9}, quota.GroupLimits{Messages: 3}, []int{1}, 1, false, 1, quota.RuleMessages},
		{"recipients of a group", quota.SendLimits{Messages: 9}, quota.GroupLimits{Recipients: 6}, []int{2}, 3, false, 1, quota.RuleRecipients},
		{"a refusal", quota.SendLimits{Messages: 9, Recipients: 10}, quota.GroupLimits{}, []int{7}, 4, false, 3, quota.RuleRecipients},
		{"slower", quota.SendLimits{Messages: 20, Recipients: 40}, quota.GroupLimits{}, []int{1}, 2, true, 3, quota.RuleSlowDown},
		{"a refusal of more than there are", quota.SendLimits{Messages: 20, Recipients: 16}, quota.GroupLimits{}, []int{1, 1}, 8, true, 2, quota.RuleSlowDown},
		{"more than there are", quota.SendLimits{Messages: 20, Recipients: 16}, quota.GroupLimits{}, nil, 8, true, 0, quota.RuleSlowDown},
		{"a pace does not count", quota.SendLimits{Messages: 20, PerMinute: 2, Gap: 10 * time.Second}, quota.GroupLimits{PerMinute: 1}, []int{1, 1}, 1, false, 18, quota.RulePace},
	} {
		now := begin
		if tt.limits.PerMinute == 0 {
			tt.limits.PerMinute = manyPerMinute
		}
		s := governor(t, quota.SendsConfig{Tenant: tt.groups}, withoutPause(tt.limits), &now)
		if tt.slower {
			mustSignal(t, s, signal(quota.SignalUnusualActivity, "1"))
		}
		for i, n := range tt.before {
			r := request(fmt.Sprint("hand", i), n)
			if err := s.Observe(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		d, err := s.Check(t.Context(), request("k", tt.ask))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := reserve(t, s, request("k", tt.ask)); gocmp.Diff(d, got, plainDecision) != "" || gocmp.Diff(d.Reasons(), got.Reasons()) != "" {
			t.Errorf("%s: Check says %+v, Reserve %+v", tt.name, d, got)
		}
		if d.Remaining != tt.want || d.Binding != tt.rule {
			t.Errorf("%s: %d remain by %s, want %d by %s; %+v", tt.name, d.Remaining, d.Binding, tt.want, tt.rule, d)
		}
		if tt.limits.PerMinute == manyPerMinute {
			if n, _ := fill(t, s, request("l", 1)); n != tt.want {
				t.Errorf("%s: %d more went, %d had remained", tt.name, n, tt.want)
			}
		}
	}
}

// withoutPause lets unusual activity slow down to a quarter, and not pause.
func withoutPause(l quota.SendLimits) quota.SendLimits {
	l.SlowDown = reaction(quota.SignalUnusualActivity, quota.Reaction{Count: 1, Within: time.Hour, Factor: 0.25})
	return l
}

// With a warm-up and a slow-down, whichever rises next counts.
func TestTheNextRiseOfTwo(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-06-10 10:00:00")
	for _, tt := range []struct {
		start int
		want  string
	}{
		{9, "2026-06-11 10:00:00"}, // the slow-down holds it back: 5 of 10, then 6
		{2, "2026-06-11 00:00:00"}, // the warm-up does
	} {
		now := begin
		s := governor(t, quota.SendsConfig{}, quota.SendLimits{
			Messages: 10, PerMinute: manyPerMinute, Zone: "Europe/Vienna", WarmUp: &quota.WarmUp{Start: tt.start, Step: 1},
		}, &now)
		mustSignal(t, s, signal(quota.SignalComplaint, "1"))
		now = begin.Add(time.Hour)
		if n, _ := fill(t, s, request("a", 1)); n != min(5, tt.start) {
			t.Errorf("%d messages", n)
		}
		wantNotBefore(t, s, request("next", 1), &now, vienna(t, tt.want))
	}
}
