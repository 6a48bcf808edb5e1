package quota_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func sends(t *testing.T, l quota.SendLimits) *quota.Sends {
	t.Helper()
	return sendsOn(t, quota.NewMemory(), l)
}

func sendsOn(t *testing.T, store quota.Store, l quota.SendLimits) *quota.Sends {
	t.Helper()
	s, err := quota.NewSends(quota.SendsConfig{Store: store, Providers: map[mailbox.ProviderName]quota.SendLimits{"test": filled("test", l)}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filled takes the required limits that are 0 from the default of a provider.
func filled(p mailbox.ProviderName, l quota.SendLimits) quota.SendLimits {
	d := quota.DefaultSendLimits(p)
	l.Messages, l.Recipients, l.PerMinute = cmp.Or(l.Messages, d.Messages), cmp.Or(l.Recipients, d.Recipients), cmp.Or(l.PerMinute, d.PerMinute)
	l.PerMessage = cmp.Or(l.PerMessage, min(d.PerMessage, l.Recipients))
	return l
}

func request(key string, recipients int) quota.SendRequest {
	return quota.SendRequest{Ref: mailbox.Ref{Tenant: "t", Mailbox: "m"}, Provider: "test", Key: key, Recipients: recipients}
}

func reserve(t *testing.T, s *quota.Sends, r quota.SendRequest) (quota.Reservation, quota.Decision) {
	t.Helper()
	res, d, err := s.Reserve(t.Context(), r)
	if err != nil {
		t.Fatalf("Reserve(%q): %v", r.Key, err)
	}
	return res, d
}

func mustReserve(t *testing.T, s *quota.Sends, r quota.SendRequest) quota.Reservation {
	t.Helper()
	res, d := reserve(t, s, r)
	if !d.Allowed {
		t.Fatalf("Reserve(%q) was refused: %+v", r.Key, d.Reasons())
	}
	return res
}

func TestSendsRefuseBadConfiguration(t *testing.T) {
	t.Parallel()
	nine := quota.Weekdays(quota.At(9, 0), quota.At(17, 0))
	with := func(p mailbox.ProviderName, change func(*quota.SendLimits)) quota.SendLimits {
		l := quota.DefaultSendLimits(p)
		change(&l)
		return l
	}
	tests := []struct {
		provider mailbox.ProviderName
		field    string // "" is fine
		change   func(*quota.SendLimits)
	}{
		{mailbox.Gmail, "messages", func(l *quota.SendLimits) { l.Messages = 0 }},
		{mailbox.Gmail, "messages", func(l *quota.SendLimits) { l.Messages = -1 }},
		{mailbox.Gmail, "", func(l *quota.SendLimits) { l.Messages = 2000 }},
		{mailbox.Gmail, "messages", func(l *quota.SendLimits) { l.Messages = 2001 }},
		{mailbox.Gmail, "", func(l *quota.SendLimits) { l.Messages, l.ForceAboveProviderLimit = 2001, true }},
		{mailbox.Gmail, "recipients", func(l *quota.SendLimits) { l.Recipients = 0 }},
		{mailbox.Gmail, "recipients", func(l *quota.SendLimits) { l.Recipients = 10_001 }},
		{mailbox.Gmail, "per_message", func(l *quota.SendLimits) { l.PerMessage = 0 }},
		{mailbox.Gmail, "per_message", func(l *quota.SendLimits) { l.PerMessage = 501 }},
		{mailbox.Gmail, "per_message", func(l *quota.SendLimits) { l.Recipients = 99 }},
		{mailbox.Gmail, "per_message", func(l *quota.SendLimits) { l.DayRecipients = 99 }},
		{mailbox.Gmail, "", func(l *quota.SendLimits) { l.PerMinute = 10_000 }},
		{mailbox.Outlook, "per_minute", func(l *quota.SendLimits) { l.PerMinute = 0 }},
		{mailbox.Outlook, "per_minute", func(l *quota.SendLimits) { l.PerMinute = -3 }},
		{mailbox.Outlook, "", func(l *quota.SendLimits) { l.PerMinute = 30 }},
		{mailbox.Outlook, "per_minute", func(l *quota.SendLimits) { l.PerMinute = 31 }},
		{mailbox.Outlook, "recipients", func(l *quota.SendLimits) { l.Recipients = 10_001 }},
		{mailbox.Outlook, "day_messages", func(l *quota.SendLimits) { l.DayMessages = -1 }},
		{mailbox.Outlook, "day_messages", func(l *quota.SendLimits) { l.DayMessages = 10_001 }},
		{mailbox.Outlook, "day_recipients", func(l *quota.SendLimits) { l.DayRecipients = -1 }},
		{mailbox.Outlook, "gap", func(l *quota.SendLimits) { l.Gap = -1 }},
		{mailbox.Outlook, "gap", func(l *quota.SendLimits) { l.Gap = 25 * time.Hour }},
		{mailbox.Outlook, "jitter", func(l *quota.SendLimits) { l.Jitter = -1 }},
		{mailbox.Outlook, "jitter", func(l *quota.SendLimits) { l.Gap, l.Jitter = 20*time.Hour, 5*time.Hour }},
		{mailbox.Outlook, "zone", func(l *quota.SendLimits) { l.Zone = "Mars/Olympus" }},
		{mailbox.Outlook, "zone", func(l *quota.SendLimits) { l.Zone = "Local" }},
		{mailbox.Outlook, "zone", func(l *quota.SendLimits) { l.Zone = "../etc/passwd" }},
		{mailbox.Outlook, "", func(l *quota.SendLimits) { l.Zone, l.Hours = "Europe/Vienna", []quota.Hours{nine} }},
		{mailbox.Outlook, "hours", func(l *quota.SendLimits) { l.Hours = []quota.Hours{} }},
		{mailbox.Outlook, "hours[1].days", func(l *quota.SendLimits) { l.Hours = []quota.Hours{nine, {From: 0, Until: 1}} }},
		{mailbox.Outlook, "hours[0].days", func(l *quota.SendLimits) { l.Hours = []quota.Hours{{Days: []time.Weekday{7}, Until: 1}} }},
		{mailbox.Outlook, "hours[0].until", func(l *quota.SendLimits) { l.Hours = []quota.Hours{quota.Weekdays(60, 60)} }},
		{mailbox.Outlook, "hours[0].until", func(l *quota.SendLimits) { l.Hours = []quota.Hours{quota.Weekdays(-1, 60)} }},
		{mailbox.Outlook, "hours[0].until", func(l *quota.SendLimits) { l.Hours = []quota.Hours{quota.Weekdays(0, 24*60+1)} }},
		{mailbox.Gmail, "", func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 500, Step: 1} }},
		{mailbox.Gmail, "warm_up.start", func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 501, Step: 1} }},
		{mailbox.Gmail, "warm_up.start", func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Step: 1} }},
		{mailbox.Gmail, "warm_up.step", func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 1} }},
		{mailbox.Gmail, "warm_up.days", func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 1, Step: 1, Days: -1} }},
		{mailbox.Gmail, "warm_up.days", func(l *quota.SendLimits) { l.WarmUp = &quota.WarmUp{Start: 1, Step: 1, Days: 10_001} }},
		{mailbox.Gmail, "slow_down.floor", func(l *quota.SendLimits) { l.SlowDown = &quota.SlowDown{Floor: 1.1} }},
		{mailbox.Gmail, "slow_down.floor", func(l *quota.SendLimits) { l.SlowDown = &quota.SlowDown{Floor: math.NaN()} }},
		{mailbox.Gmail, "slow_down.recovery", func(l *quota.SendLimits) { l.SlowDown = &quota.SlowDown{Recovery: -0.1} }},
		{mailbox.Gmail, "slow_down.reactions[x].kind", func(l *quota.SendLimits) { l.SlowDown = reaction("x", quota.Reaction{}) }},
		{mailbox.Gmail, "slow_down.reactions[bounce].count", func(l *quota.SendLimits) { l.SlowDown = reaction("bounce", quota.Reaction{}) }},
		{mailbox.Gmail, "slow_down.reactions[bounce].within", func(l *quota.SendLimits) { l.SlowDown = reaction("bounce", quota.Reaction{Count: 1}) }},
		{mailbox.Gmail, "slow_down.reactions[bounce].factor", func(l *quota.SendLimits) {
			l.SlowDown = reaction("bounce", quota.Reaction{Count: 1, Within: time.Hour})
		}},
		{mailbox.Gmail, "slow_down.reactions[bounce].share", func(l *quota.SendLimits) {
			l.SlowDown = reaction("bounce", quota.Reaction{Count: 1, Share: 2, Within: time.Hour, Factor: 1})
		}},
		{mailbox.Gmail, "slow_down.reactions[bounce].pause", func(l *quota.SendLimits) {
			l.SlowDown = reaction("bounce", quota.Reaction{Count: 1, Within: time.Hour, Factor: 1, Pause: 31 * 24 * time.Hour})
		}},
		{"other", "", func(l *quota.SendLimits) { l.Messages, l.Recipients, l.PerMinute = 1_000_000, 1_000_000, 1_000_000 }},
		{"other", "messages", func(l *quota.SendLimits) { l.Messages, l.ForceAboveProviderLimit = -5, true }},
	}
	for _, tt := range tests {
		limits := with(tt.provider, tt.change)
		providers := map[mailbox.ProviderName]quota.SendLimits{tt.provider: limits}
		_, err := quota.NewSends(quota.SendsConfig{Providers: providers})
		if tt.field != "" {
			wantInvalid(t, err, "providers["+string(tt.provider)+"]."+tt.field)
		} else if err != nil {
			t.Errorf("%s %+v: %v", tt.provider, limits, err)
		}

		s, err := quota.NewSends(quota.SendsConfig{
			Limits: func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits { return limits },
		})
		if err != nil {
			t.Fatal(err)
		}
		r := request("k", 1)
		r.Provider = tt.provider
		_, d, err := s.Reserve(t.Context(), r)
		if tt.field != "" {
			wantInvalid(t, err, "limits."+tt.field)
			if d.Allowed {
				t.Error("allowed with invalid limits")
			}
		} else if err != nil || !d.Allowed && d.Binding != quota.RuleHours {
			t.Errorf("%s %+v: %+v, %v", tt.provider, limits, d, err)
		}
	}
}

func reaction(kind quota.SignalKind, r quota.Reaction) *quota.SlowDown {
	return &quota.SlowDown{Reactions: map[quota.SignalKind]quota.Reaction{kind: r}}
}

func TestBadLimitsOfGroups(t *testing.T) {
	t.Parallel()
	for field, c := range map[string]quota.SendsConfig{
		"tenant.messages":             {Tenant: quota.GroupLimits{Messages: -1}},
		"domain.recipients":           {Domain: quota.GroupLimits{Recipients: -1}},
		"recipient_domain.per_minute": {RecipientDomain: quota.GroupLimits{PerMinute: -1}},
		"recipient_domain.gap":        {RecipientDomain: quota.GroupLimits{Gap: 25 * time.Hour}},
		"down":                        {Down: "open"},
	} {
		_, err := quota.NewSends(c)
		wantInvalid(t, err, field)
	}
}

func TestDefaultsAreBelowTheProvidersLimits(t *testing.T) {
	t.Parallel()
	for _, p := range []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook, "other"} {
		if _, err := quota.NewSends(quota.SendsConfig{Providers: map[mailbox.ProviderName]quota.SendLimits{p: quota.DefaultSendLimits(p)}}); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for preset, p := range map[quota.Preset]mailbox.ProviderName{
		quota.PresetGmail: mailbox.Gmail, quota.PresetWorkspace: mailbox.Gmail, quota.PresetWorkspaceTrial: mailbox.Gmail,
		quota.PresetMicrosoft365: mailbox.Outlook, quota.PresetOutlook: mailbox.Outlook,
		quota.PresetNewDomain: mailbox.Gmail, "unknown": "other",
	} {
		l := preset.Limits()
		if _, err := quota.NewSends(quota.SendsConfig{Providers: map[mailbox.ProviderName]quota.SendLimits{p: l}}); err != nil {
			t.Errorf("%s: %v", preset, err)
		}
		if hard := quota.ProviderSendLimits(p); hard.Messages > 0 && (l.Messages >= hard.Messages || l.Recipients >= hard.Recipients) {
			t.Errorf("%s leaves no room below the provider's limits: %+v", preset, l)
		}
	}
}

// The figures are those of the announcement.
func TestTenantExternalRecipients(t *testing.T) {
	t.Parallel()
	for licences, want := range map[int]int{
		-1: 5_000, 0: 5_000, 1: 10_000, 2: 10_312, 10: 12_006, 25: 14_259, 100: 22_059, 1_000: 72_446, 10_000: 324_979, 100_000: 1_590_639,
	} {
		if got := quota.TenantExternalRecipients(licences); got != want {
			t.Errorf("%d licences: %d, want %d", licences, got, want)
		}
	}
}

func TestLimitsOfOneMailbox(t *testing.T) {
	t.Parallel()
	s, err := quota.NewSends(quota.SendsConfig{
		Providers: map[mailbox.ProviderName]quota.SendLimits{mailbox.Gmail: filled(mailbox.Gmail, quota.SendLimits{Messages: 3})},
		Limits: func(ref mailbox.Ref, p mailbox.ProviderName) quota.SendLimits {
			if ref.Mailbox == "new" && p == mailbox.Gmail {
				return filled(p, quota.SendLimits{Messages: 1})
			}
			return quota.SendLimits{}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	remaining := func(box string, p mailbox.ProviderName) int {
		r := request("k", 1)
		r.Mailbox, r.Provider = mailbox.MailboxID(box), p
		_, d := reserve(t, s, r)
		return d.Remaining
	}
	got := []int{remaining("new", mailbox.Gmail), remaining("old", mailbox.Gmail), remaining("new", mailbox.Outlook)}
	if want := []int{0, 2, quota.DefaultSendLimits(mailbox.Outlook).Messages - 1}; !slices.Equal(got, want) {
		t.Errorf("remaining %v, want %v", got, want)
	}
}

func TestInvalidRequests(t *testing.T) {
	t.Parallel()
	s := sends(t, quota.SendLimits{Recipients: 10})
	tests := []struct {
		field  string
		change func(*quota.SendRequest)
	}{
		{"tenant", func(r *quota.SendRequest) { r.Tenant = "" }},
		{"mailbox", func(r *quota.SendRequest) { r.Mailbox = "a\nb" }},
		{"key", func(r *quota.SendRequest) { r.Key = "" }},
		{"key", func(r *quota.SendRequest) { r.Key = string(make([]byte, 513)) }},
		{"recipients", func(r *quota.SendRequest) { r.Recipients = -1 }},
		{"recipients", func(r *quota.SendRequest) { r.Recipients = 11 }},
		{"recipients", func(r *quota.SendRequest) { r.Recipients = 10_001 }},
	}
	for _, tt := range tests {
		r := request("k", 1)
		tt.change(&r)
		_, d, err := s.Reserve(t.Context(), r)
		wantInvalid(t, err, tt.field)
		if d.Allowed {
			t.Errorf("%s: allowed", tt.field)
		}
		if r.Recipients == 11 {
			continue // can be counted, but not sent
		}
		wantInvalid(t, s.Observe(t.Context(), r), tt.field)
		res := quota.Reservation{Ref: r.Ref, ID: r.Key, Recipients: r.Recipients}
		wantInvalid(t, s.Commit(t.Context(), res), tt.field)
		if tt.field != "recipients" {
			wantInvalid(t, s.Cancel(t.Context(), res), tt.field)
		}
	}
}

// plainDecision compares what is exported of a decision; its reasons are compared
// beside it.
var plainDecision = cmpopts.IgnoreUnexported(quota.Decision{})

func wantDecision(t *testing.T, got, want quota.Decision, reasons ...quota.Reason) {
	t.Helper()
	if diff := gocmp.Diff(want, got, plainDecision); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(reasons, got.Reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestDecisionExplainsItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sends(t, quota.SendLimits{Messages: 3, Recipients: 10, PerMinute: 2, Gap: 45 * time.Second})
		start := time.Now()
		mustReserve(t, s, request("1", 1))
		time.Sleep(50 * time.Second)
		mustReserve(t, s, request("2", 6))
		time.Sleep(time.Second)

		_, d := reserve(t, s, request("3", 4))
		reasons := []quota.Reason{
			{Rule: quota.RuleRecipients, Text: "7 of 10 recipients of the last 24 hours are used; this message has 4.", NotBefore: start.Add(24 * time.Hour), Limit: 10, Used: 7},
			{Rule: quota.RuleGap, Text: "Less than 45s have passed since the last message.", NotBefore: start.Add(95 * time.Second), Limit: 1, Used: 1},
			{Rule: quota.RulePace, Text: "2 of 2 messages of the last minute are used.", NotBefore: start.Add(60 * time.Second), Limit: 2, Used: 2},
		}
		for i := range reasons {
			reasons[i].Log = quota.Log{Tenant: "t", Kind: quota.LogMailbox, Name: "m"}
		}
		wantDecision(t, d, quota.Decision{NotBefore: start.Add(24 * time.Hour), Remaining: 1, Binding: quota.RuleRecipients}, reasons...)

		time.Sleep(time.Minute)
		res, d := reserve(t, s, request("3", 2))
		wantDecision(t, d, quota.Decision{Allowed: true, Binding: quota.RuleMessages})
		if diff := gocmp.Diff(quota.Reservation{Ref: request("", 0).Ref, ID: "3", Recipients: 2, At: time.Now()}, res); diff != "" {
			t.Errorf("reservation (-want +got):\n%s", diff)
		}

		time.Sleep(time.Minute)
		_, d = reserve(t, s, request("4", 1))
		if d.Allowed || len(d.Reasons()) != 1 || d.Reasons()[0].Rule != quota.RuleMessages || d.Reasons()[0].Text != "3 of 3 messages of the last 24 hours are used." {
			t.Errorf("got %+v", d)
		}
	})
}

func TestLifeOfAReservation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := quota.NewMemory()
		l := quota.SendLimits{Messages: 2}
		s := sendsOn(t, store, l)
		one := mustReserve(t, s, request("1", 1))
		if again := mustReserve(t, s, request("1", 1)); !gocmp.Equal(again, one) {
			t.Errorf("the same key at the same time gave %+v after %+v", again, one)
		}
		mustReserve(t, s, request("2", 1))
		wantRefused(t, s, "3")

		if err := s.Cancel(t.Context(), one); err != nil { // certainly not sent
			t.Fatal(err)
		}
		three := mustReserve(t, s, request("3", 1))
		wantRefused(t, s, "1")

		s = sendsOn(t, store, l) // the process died and came back
		wantRefused(t, s, "1")
		mustReserve(t, s, request("2", 1)) // its own place

		time.Sleep(time.Hour) // the message of 3 took an hour to go out
		data, err := json.Marshal(three)
		if err != nil {
			t.Fatal(err)
		}
		var stored quota.Reservation
		if err := json.Unmarshal(data, &stored); err != nil || !gocmp.Equal(stored, three) {
			t.Fatalf("%s gives %+v (%v), want %+v", data, stored, err, three)
		}
		for range 2 {
			if err := s.Commit(t.Context(), stored); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // a repeated Commit changes nothing
		}
		time.Sleep(23*time.Hour - 2*time.Minute)
		mustReserve(t, s, request("4", 1)) // 2 was never committed, and has aged out
		wantRefused(t, s, "5")
		time.Sleep(time.Hour - time.Microsecond)
		wantRefused(t, s, "5")
		time.Sleep(time.Microsecond)
		mustReserve(t, s, request("5", 1)) // 24 hours after 3 went out
	})
}

func wantRefused(t *testing.T, s *quota.Sends, key string) {
	t.Helper()
	if res, d := reserve(t, s, request(key, 1)); d.Allowed || res.ID != "" {
		t.Fatalf("Reserve(%q) gave %+v, %+v, want a refusal", key, res, d)
	}
}

func TestUnknownThatTurnedOutNotSentGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	s := sends(t, quota.SendLimits{Messages: 1})
	res := mustReserve(t, s, request("1", 1))
	if err := s.Commit(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s, "2")
	if err := s.Cancel(t.Context(), quota.Reservation{Ref: res.Ref, ID: "1"}); err != nil {
		t.Fatal(err)
	}
	mustReserve(t, s, request("2", 1))
}

func TestMailSentByHandCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sends(t, quota.SendLimits{Messages: 3, Recipients: 5})
		byHand := request("hand", 0)
		byHand.At = time.Now().Add(-23 * time.Hour)
		for range 3 { // seen three times
			if err := s.Observe(t.Context(), byHand); err != nil {
				t.Fatal(err)
			}
		}
		old := request("old", 5)
		old.At = time.Now().Add(-24 * time.Hour)
		if err := s.Observe(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		_, d := reserve(t, s, request("1", 1))
		if !d.Allowed || d.Remaining != 1 {
			t.Errorf("got %+v, want one more", d)
		}
		if err := s.Observe(t.Context(), request("over", 9)); err != nil { // above the cap
			t.Fatal(err)
		}
		_, d = reserve(t, s, request("2", 1))
		if d.Allowed || d.Remaining != 0 || !d.NotBefore.Equal(time.Now().Add(24*time.Hour)) {
			t.Errorf("got %+v, want nothing for a day", d)
		}
	})
}

// Retries after a crash keep the pace and the gap like any other send.
func TestRetriesKeepThePace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sends(t, quota.SendLimits{PerMinute: 2, Gap: 10 * time.Second})
		for i := range 6 {
			mustReserve(t, s, request(fmt.Sprint(i), 1))
			time.Sleep(time.Minute)
		}
		var at []time.Duration
		start := time.Now()
		for i := range 6 {
			for {
				_, d := reserve(t, s, request(fmt.Sprint(i), 1))
				if d.Allowed {
					break
				}
				time.Sleep(time.Until(d.NotBefore))
			}
			at = append(at, time.Since(start))
		}
		want := []time.Duration{0, 10 * time.Second, 60 * time.Second, 70 * time.Second, 120 * time.Second, 130 * time.Second}
		if diff := gocmp.Diff(want, at); diff != "" {
			t.Errorf("times of retries (-want +got):\n%s", diff)
		}
	})
}

// brokenStore fails every call.
type brokenStore struct{ err error }

func (b brokenStore) Decide(context.Context, quota.Ask) (quota.Answer, error) {
	return quota.Answer{Allowed: true}, b.err
}
func (b brokenStore) Settle(context.Context, quota.Entry) error       { return b.err }
func (b brokenStore) Remove(context.Context, quota.Log, string) error { return b.err }
func (b brokenStore) Entries(context.Context, quota.Log, time.Time) ([]quota.Entry, error) {
	return nil, b.err
}

func (b brokenStore) State(context.Context, quota.Log) (quota.State, error) {
	return quota.State{}, b.err
}

func (b brokenStore) SetState(context.Context, quota.Log, quota.State) (bool, error) {
	return false, b.err
}

func TestBrokenStoreFailsClosed(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused by db.internal")
	s := sendsOn(t, brokenStore{down}, quota.SendLimits{})
	res, d, err := s.Reserve(t.Context(), request("k", 1))
	if d.Allowed || res.ID != "" {
		t.Errorf("got %+v, %+v", res, d)
	}
	if !errors.Is(err, mailbox.ClassStorage) || !errors.Is(err, down) || mailbox.OutcomeOf(err) != mailbox.OutcomeNotSent {
		t.Errorf("got %v", err)
	}
	res = quota.Reservation{Ref: request("", 0).Ref, ID: "k"}
	for _, err := range []error{s.Commit(t.Context(), res), s.Cancel(t.Context(), res), s.Observe(t.Context(), request("k", 1))} {
		if !errors.Is(err, mailbox.ClassStorage) || !errors.Is(err, down) {
			t.Errorf("got %v", err)
		}
	}
}

func TestOldSendsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := quota.NewMemory()
		s := sendsOn(t, store, quota.SendLimits{})
		for day := range 10 {
			for i := range 1000 {
				r := request("k", 1)
				r.Mailbox = mailbox.MailboxID(fmt.Sprint(day, "-", i))
				mustReserve(t, s, r)
			}
			time.Sleep(26 * time.Hour)
		}
		if mailboxes, entries := store.Size(); mailboxes > 3000 || entries > 3000 {
			t.Errorf("%d mailboxes with %d entries are remembered of 10000", mailboxes, entries)
		}
		for i := range 3000 { // one mailbox for two months
			mustReserve(t, s, request(fmt.Sprint("busy", i), 1))
			time.Sleep(30 * time.Minute)
		}
		if _, entries := store.Size(); entries > 3100 {
			t.Errorf("%d entries are remembered", entries)
		}
		for i := range 10_000 { // a backfill tells of old mail
			r := request(fmt.Sprint("old", i), 1)
			r.At = time.Now().Add(-time.Duration(10_000-i) * time.Hour)
			if err := s.Observe(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if _, entries := store.Size(); entries > 3200 {
			t.Errorf("%d entries are remembered", entries)
		}
	})
}
