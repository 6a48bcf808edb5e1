package quota_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func sends(t *testing.T, l quota.SendLimits) *quota.Sends {
	t.Helper()
	return sendsOn(t, quota.NewMemory(), l)
}

func sendsOn(t *testing.T, store quota.Store, l quota.SendLimits) *quota.Sends {
	t.Helper()
	s, err := quota.NewSends(quota.SendsConfig{Store: store, Providers: map[mailbox.ProviderName]quota.SendLimits{"test": l}})
	if err != nil {
		t.Fatal(err)
	}
	return s
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
		t.Fatalf("Reserve(%q) was refused: %+v", r.Key, d.Reasons)
	}
	return res
}

func TestSendsRefuseBadConfiguration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		provider mailbox.ProviderName
		limits   quota.SendLimits
		field    string // "" is fine
	}{
		{mailbox.Gmail, quota.SendLimits{Messages: -1}, "messages"},
		{mailbox.Gmail, quota.SendLimits{Messages: 2000}, ""},
		{mailbox.Gmail, quota.SendLimits{Messages: 2001}, "messages"},
		{mailbox.Gmail, quota.SendLimits{Messages: 2001, ForceAboveProviderLimit: true}, ""},
		{mailbox.Gmail, quota.SendLimits{Recipients: -1}, "recipients"},
		{mailbox.Gmail, quota.SendLimits{Recipients: 10_001}, "recipients"},
		{mailbox.Gmail, quota.SendLimits{PerMinute: 10_000}, ""},
		{mailbox.Outlook, quota.SendLimits{PerMinute: -3}, "per_minute"},
		{mailbox.Outlook, quota.SendLimits{PerMinute: 30}, ""},
		{mailbox.Outlook, quota.SendLimits{PerMinute: 31}, "per_minute"},
		{mailbox.Outlook, quota.SendLimits{Recipients: 10_001}, "recipients"},
		{mailbox.Outlook, quota.SendLimits{Gap: -1}, "gap"},
		{mailbox.Outlook, quota.SendLimits{Gap: 25 * time.Hour}, "gap"},
		{"other", quota.SendLimits{Messages: 1_000_000, Recipients: 1_000_000, PerMinute: 1_000_000}, ""},
		{"other", quota.SendLimits{Messages: -5, ForceAboveProviderLimit: true}, "messages"},
	}
	for _, tt := range tests {
		providers := map[mailbox.ProviderName]quota.SendLimits{tt.provider: tt.limits}
		_, err := quota.NewSends(quota.SendsConfig{Providers: providers})
		if tt.field != "" {
			wantInvalid(t, err, "providers["+string(tt.provider)+"]."+tt.field)
		} else if err != nil {
			t.Errorf("%s %+v: %v", tt.provider, tt.limits, err)
		}

		s, err := quota.NewSends(quota.SendsConfig{
			Limits: func(mailbox.Ref, mailbox.ProviderName) quota.SendLimits { return tt.limits },
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
		} else if err != nil || !d.Allowed {
			t.Errorf("%s %+v: %+v, %v", tt.provider, tt.limits, d, err)
		}
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

func TestLimitsOfOneMailbox(t *testing.T) {
	t.Parallel()
	s, err := quota.NewSends(quota.SendsConfig{
		Providers: map[mailbox.ProviderName]quota.SendLimits{mailbox.Gmail: {Messages: 3}},
		Limits: func(ref mailbox.Ref, p mailbox.ProviderName) quota.SendLimits {
			if ref.Mailbox == "new" && p == mailbox.Gmail {
				return quota.SendLimits{Messages: 1}
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
		{"recipients", func(r *quota.SendRequest) { r.Recipients = 1 << 40 }},
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
		want := quota.Decision{
			NotBefore: start.Add(24 * time.Hour),
			Reasons: []quota.Reason{
				{Rule: quota.RuleRecipients, Text: "7 of 10 recipients of the last 24 hours are used; this message has 4.", NotBefore: start.Add(24 * time.Hour), Limit: 10, Used: 7},
				{Rule: quota.RuleGap, Text: "Less than 45s have passed since the last message.", NotBefore: start.Add(95 * time.Second), Limit: 1, Used: 1},
				{Rule: quota.RulePace, Text: "2 of 2 messages of the last minute are used.", NotBefore: start.Add(60 * time.Second), Limit: 2, Used: 2},
			},
			Remaining: 1,
		}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("decision (-want +got):\n%s", diff)
		}

		time.Sleep(time.Minute)
		res, d := reserve(t, s, request("3", 2))
		if diff := cmp.Diff(quota.Decision{Allowed: true}, d); diff != "" {
			t.Errorf("decision (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(quota.Reservation{Ref: request("", 0).Ref, ID: "3", Recipients: 2, At: time.Now()}, res); diff != "" {
			t.Errorf("reservation (-want +got):\n%s", diff)
		}

		time.Sleep(time.Minute)
		_, d = reserve(t, s, request("4", 1))
		if d.Allowed || len(d.Reasons) != 1 || d.Reasons[0].Rule != quota.RuleMessages || d.Reasons[0].Text != "3 of 3 messages of the last 24 hours are used." {
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
		if again := mustReserve(t, s, request("1", 1)); again != one {
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
		if err := json.Unmarshal(data, &stored); err != nil || stored != three {
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
	if res, d := reserve(t, s, request(key, 1)); d.Allowed || res != (quota.Reservation{}) {
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
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("times of retries (-want +got):\n%s", diff)
		}
	})
}

// brokenStore fails every call.
type brokenStore struct{ err error }

func (b brokenStore) Decide(context.Context, quota.Ask) (quota.Answer, error) {
	return quota.Answer{Allowed: true}, b.err
}
func (b brokenStore) Settle(context.Context, quota.Entry) error         { return b.err }
func (b brokenStore) Remove(context.Context, mailbox.Ref, string) error { return b.err }

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
