package quota_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// from is a request of a mailbox with an address, to some others.
func from(box, address, key string, to ...string) quota.SendRequest {
	return quota.SendRequest{Ref: mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID(box)}, Provider: "test", From: address, Key: key, To: to}
}

// held is how many entries a log has.
func held(t *testing.T, store quota.Store, l quota.Log) int {
	t.Helper()
	entries, err := store.Entries(t.Context(), l, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func boxLog(box string) quota.Log {
	return quota.Log{Tenant: "t", Kind: quota.LogMailbox, Name: box}
}

func recipientLog(domain string) quota.Log {
	return quota.Log{Tenant: "t", Kind: quota.LogRecipientDomain, Name: domain}
}

func TestMailboxesShareTheCapsOfAGroup(t *testing.T) {
	t.Parallel()
	ann := func(key string, to ...string) quota.SendRequest { return from("ann", "ann@example.com", key, to...) }
	ben := func(key string, to ...string) quota.SendRequest {
		return from("ben", "ben@EXAMPLE.COM.", key, to...)
	}
	eve := func(key string, to ...string) quota.SendRequest { return from("eve", "eve@example.org", key, to...) }
	tests := []struct {
		name    string
		config  quota.SendsConfig
		allowed []quota.SendRequest
		refused quota.SendRequest
		reason  quota.Reason
		other   quota.SendRequest // is not concerned
	}{
		{
			"messages of a tenant",
			quota.SendsConfig{Tenant: quota.GroupLimits{Messages: 3}},
			[]quota.SendRequest{ann("1", "a@x.example"), ben("1", "a@x.example"), eve("1", "a@x.example")},
			eve("2", "a@y.example"),
			quota.Reason{Rule: quota.RuleMessages, Log: tenantLog, Limit: 3, Used: 3, Text: "3 of 3 messages of the organisation of the last 24 hours are used."},
			quota.SendRequest{Ref: mailbox.Ref{Tenant: "u", Mailbox: "ann"}, Provider: "test", Key: "1"},
		},
		{
			"recipients of a tenant",
			quota.SendsConfig{Tenant: quota.GroupLimits{Recipients: 5}},
			[]quota.SendRequest{ann("1", "a@x.example", "b@x.example"), eve("1", "a@x.example", "a@y.example")},
			ben("1", "a@x.example", "a@x.example"),
			quota.Reason{
				Rule: quota.RuleRecipients, Log: tenantLog, Limit: 5, Used: 4,
				Text: "4 of 5 recipients of the organisation of the last 24 hours are used; this message has 2.",
			},
			ben("2", "a@x.example"),
		},
		{
			"messages of a domain",
			quota.SendsConfig{Domain: quota.GroupLimits{Messages: 2}},
			[]quota.SendRequest{ann("1", "a@x.example"), ben("1", "a@x.example")},
			ann("2", "a@x.example"),
			quota.Reason{Rule: quota.RuleMessages, Log: domainLog, Limit: 2, Used: 2, Text: "2 of 2 messages from example.com of the last 24 hours are used."},
			eve("1", "a@x.example"),
		},
		{
			"a minute of a domain",
			quota.SendsConfig{Domain: quota.GroupLimits{PerMinute: 2}},
			[]quota.SendRequest{ann("1", "a@x.example"), ben("1", "a@x.example")},
			ann("2", "a@x.example"),
			quota.Reason{Rule: quota.RulePace, Log: domainLog, Limit: 2, Used: 2, Text: "2 of 2 messages from example.com of the last minute are used."},
			eve("1", "a@x.example"),
		},
		{
			"messages to a domain",
			quota.SendsConfig{RecipientDomain: quota.GroupLimits{Messages: 2}},
			[]quota.SendRequest{ann("1", "a@x.example", "b@x.example", "c@y.example"), eve("1", "d@X.example.")},
			ben("1", "e@y.example", "e@X.EXAMPLE"),
			quota.Reason{Rule: quota.RuleMessages, Log: recipientLog("x.example"), Limit: 2, Used: 2, Text: "2 of 2 messages to x.example of the last 24 hours are used."},
			ben("2", "e@y.example"),
		},
		{
			"recipients of a domain",
			quota.SendsConfig{RecipientDomain: quota.GroupLimits{Recipients: 3}},
			[]quota.SendRequest{ann("1", "a@x.example", "b@x.example", "c@y.example")},
			eve("1", "a@X.example", "b@x.example", "c@z.example"),
			quota.Reason{
				Rule: quota.RuleRecipients, Log: recipientLog("x.example"), Limit: 3, Used: 2,
				Text: "2 of 3 recipients to x.example of the last 24 hours are used; this message has 2.",
			},
			eve("2", "a@x.example", "c@z.example"),
		},
		{
			"a gap to a domain",
			quota.SendsConfig{RecipientDomain: quota.GroupLimits{Gap: time.Hour}},
			[]quota.SendRequest{ann("1", "a@x.example")},
			eve("1", "a@X.example"),
			quota.Reason{Rule: quota.RuleGap, Log: recipientLog("x.example"), Limit: 1, Used: 1, Text: "Less than 1h0m0s have passed since the last message to x.example."},
			eve("2", "a@y.example"),
		},
	}
	for _, tt := range tests {
		begin := vienna(t, "2026-06-10 10:00:00")
		now := begin
		store := quota.NewMemory()
		tt.config.Store = store
		s := governor(t, tt.config, quota.SendLimits{PerMinute: manyPerMinute}, &now)
		again := governor(t, tt.config, quota.SendLimits{PerMinute: manyPerMinute}, &now)
		for _, r := range tt.allowed {
			mustReserve(t, s, r)
		}
		now = now.Add(time.Second)
		before := held(t, store, boxLog(string(tt.refused.Mailbox)))
		_, d := reserve(t, again, tt.refused)
		switch tt.reason.Rule {
		case quota.RulePace:
			tt.reason.NotBefore = begin.Add(time.Minute)
		case quota.RuleGap:
			tt.reason.NotBefore = begin.Add(time.Hour)
		default:
			tt.reason.NotBefore = begin.Add(24 * time.Hour)
		}
		if diff := gocmp.Diff([]quota.Reason{tt.reason}, d.Reasons()); diff != "" || d.Allowed || d.Binding != tt.reason.Rule {
			t.Errorf("%s: %+v, reasons (-want +got):\n%s", tt.name, d, diff)
		}
		if after := held(t, store, boxLog(string(tt.refused.Mailbox))); after != before {
			t.Errorf("%s: the mailbox has %d places, before the refusal %d", tt.name, after, before)
		}
		wantNotBefore(t, s, tt.refused, &now, tt.reason.NotBefore)
		mustReserve(t, again, tt.other)
	}
}

func TestARefusalLeavesNoPlaceAnywhere(t *testing.T) {
	t.Parallel()
	logs := []quota.Log{boxLog("ann"), domainLog, tenantLog, recipientLog("x.example"), recipientLog("y.example"), recipientLog("z.example")}
	caps := quota.GroupLimits{Messages: 10}
	for _, full := range logs {
		now := vienna(t, "2026-06-10 10:00:00")
		store := quota.NewMemory()
		s := governor(t, quota.SendsConfig{Store: store, Tenant: caps, Domain: caps, RecipientDomain: caps}, quota.SendLimits{Messages: 10, PerMinute: manyPerMinute}, &now)
		for i := range 10 {
			e := quota.Entry{Log: full, Key: fmt.Sprint(i), Recipients: 1, At: now}
			if err := store.Settle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		r := from("ann", "ann@example.com", "k", "a@x.example", "a@y.example", "a@z.example")
		for range 3 {
			if _, d := reserve(t, s, r); d.Allowed || len(d.Reasons()) != 1 || d.Reasons()[0].Log != full || d.Remaining != 0 {
				t.Errorf("%v: %+v", full, d)
			}
		}
		for _, l := range logs {
			want := 0
			if l == full {
				want = 10
			}
			if got := held(t, store, l); got != want {
				t.Errorf("%v is full: %d places in %v, want %d", full, got, l, want)
			}
		}
	}
}

func TestCommitAndCancelReachTheGroups(t *testing.T) {
	t.Parallel()
	caps := quota.GroupLimits{Messages: 10}
	begin := vienna(t, "2026-06-10 10:00:00")
	now := begin
	store := quota.NewMemory()
	s := governor(t, quota.SendsConfig{Store: store, Tenant: caps, Domain: caps, RecipientDomain: caps}, quota.SendLimits{}, &now)
	logs := []quota.Log{boxLog("ann"), domainLog, tenantLog, recipientLog("x.example"), recipientLog("y.example")}
	entries := func(after time.Time) (got []int) {
		for _, l := range logs {
			entries, err := store.Entries(t.Context(), l, after)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, e := range entries {
				n += e.Recipients
			}
			got = append(got, n)
		}
		return got
	}
	want := func(what string, after time.Time, want ...int) {
		t.Helper()
		if diff := gocmp.Diff(want, entries(after)); diff != "" {
			t.Errorf("%s: recipients in the logs (-want +got):\n%s", what, diff)
		}
	}
	res := mustReserve(t, s, from("ann", "Ann@example.com", "k", "a@x.example", "b@X.example", "a@y.example"))
	want("reserved", begin.Add(-1), 3, 3, 3, 2, 1)

	data, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var stored quota.Reservation
	if err := json.Unmarshal(data, &stored); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(res, stored); diff != "" {
		t.Errorf("a reservation after a round trip (-want +got):\n%s", diff)
	}

	now = begin.Add(time.Hour)
	s = governor(t, quota.SendsConfig{Store: store, Tenant: caps, Domain: caps, RecipientDomain: caps}, quota.SendLimits{}, &now)
	for range 2 {
		if err := s.Commit(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		want("committed", begin.Add(time.Hour-1), 3, 3, 3, 2, 1)
	}
	want("once", begin.Add(-1), 3, 3, 3, 2, 1)
	for range 2 {
		if err := s.Cancel(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		want("cancelled", begin.Add(-1), 0, 0, 0, 0, 0)
	}
	hand := from("ann", "ann@EXAMPLE.com", "hand", "a@x.example", "b@y.EXAMPLE", "nobody")
	for range 2 {
		if err := s.Observe(t.Context(), hand); err != nil {
			t.Fatal(err)
		}
	}
	want("by hand", begin.Add(-1), 3, 3, 3, 1, 1)
}

// What was sent by hand has gone, whatever a group allows.
func TestMailByHandCountsAboveTheCapsOfGroups(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	caps := quota.GroupLimits{Recipients: 2}
	s := governor(t, quota.SendsConfig{Tenant: caps, RecipientDomain: caps}, quota.SendLimits{}, &now)
	r := from("ann", "ann@example.com", "hand", "a@x.example", "b@x.example", "c@x.example")
	if err := s.Observe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, d := reserve(t, s, from("ben", "", "k", "d@x.example"))
	if d.Allowed || len(d.Reasons()) != 2 || d.Reasons()[0].Used != 3 || d.Reasons()[1].Used != 3 {
		t.Errorf("%+v", d)
	}
	_, _, err := s.Reserve(t.Context(), r) // would never be allowed
	wantInvalid(t, err, "recipients")
	if _, err := s.Check(t.Context(), r); err == nil {
		t.Error("Check has nothing against it")
	}
}

func TestLimitsOfOneGroup(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	asked := make(map[quota.Log]bool)
	s := governor(t, quota.SendsConfig{
		RecipientDomain: quota.GroupLimits{Messages: 3},
		GroupLimits: func(l quota.Log) quota.GroupLimits {
			asked[l] = true
			switch l {
			case recipientLog("x.example"):
				return quota.GroupLimits{Messages: 1}
			case recipientLog("bad.example"):
				return quota.GroupLimits{Messages: -1}
			}
			return quota.GroupLimits{}
		},
	}, quota.SendLimits{PerMinute: manyPerMinute}, &now)
	if n, _ := fill(t, s, from("ann", "ann@example.com", "x", "a@X.example")); n != 1 {
		t.Errorf("%d messages to x.example", n)
	}
	if n, _ := fill(t, s, from("ann", "ann@example.com", "y", "a@y.example")); n != 3 {
		t.Errorf("%d messages to y.example", n)
	}
	_, _, err := s.Reserve(t.Context(), from("ann", "ann@example.com", "z", "a@bad.example"))
	wantInvalid(t, err, "group_limits.messages")
	for _, l := range []quota.Log{tenantLog, domainLog, recipientLog("y.example")} {
		if !asked[l] {
			t.Errorf("the limits of %v were not asked for", l)
		}
	}
}

// The keys of two mailboxes are different messages in the log of a group.
func TestKeysOfMailboxesAreTheirOwn(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	s := governor(t, quota.SendsConfig{Tenant: quota.GroupLimits{Messages: 2}}, quota.SendLimits{}, &now)
	a := mustReserve(t, s, from("ann", "", "k"))
	mustReserve(t, s, from("ben", "", "k"))
	wantRefusedBy(t, s, from("eve", "", "k"), tenantLog)
	if err := s.Cancel(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	mustReserve(t, s, from("eve", "", "k"))
	wantRefusedBy(t, s, from("ann", "", "k"), tenantLog)
}

func wantRefusedBy(t *testing.T, s *quota.Sends, r quota.SendRequest, l quota.Log) {
	t.Helper()
	if _, d := reserve(t, s, r); d.Allowed || d.Reasons()[0].Log != l {
		t.Errorf("got %+v, want a refusal by %v", d, l)
	}
}

// A retry that a group refuses keeps the place that its first try took.
func TestARefusedRetryKeepsItsPlace(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	caps := quota.GroupLimits{Messages: 10}
	store := quota.NewMemory()
	s := governor(t, quota.SendsConfig{Store: store, Tenant: caps}, quota.SendLimits{}, &now)
	mustReserve(t, s, from("ann", "", "k"))
	if err := s.Pause(t.Context(), tenantLog, now.Add(2*time.Hour), ""); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	for range 2 {
		wantRefusedBy(t, s, from("ann", "", "k"), tenantLog)
	}
	if held(t, store, boxLog("ann")) != 1 || held(t, store, tenantLog) != 1 {
		t.Error("the place is gone")
	}
}

// The place of a message that may have gone out counts from when it was
// reserved: refusing its retry during a pause does not make it younger.
func TestARetryDuringAPauseDoesNotMoveItsPlace(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-06-10 10:00:00")
	now := begin
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 1}, &now)
	mustReserve(t, s, from("ann", "", "k"))
	if err := s.Pause(t.Context(), boxLog("ann"), begin.Add(2*time.Hour), ""); err != nil {
		t.Fatal(err)
	}
	now = begin.Add(time.Hour)
	wantRefusedBy(t, s, from("ann", "", "k"), boxLog("ann"))
	wantNotBefore(t, s, from("ann", "", "other"), &now, begin.Add(24*time.Hour))
}

// The place of a message that may have gone out counts from when it was
// reserved: refusing its retry, for whatever reason, does not make it younger.
func TestARefusedRetryDoesNotMoveItsPlace(t *testing.T) {
	t.Parallel()
	begin := vienna(t, "2026-06-10 10:00:00")
	now := begin
	s := governor(t, quota.SendsConfig{}, quota.SendLimits{Messages: 1}, &now)
	mustReserve(t, s, from("ann", "", "k"))
	if err := s.Pause(t.Context(), tenantLog, begin.Add(2*time.Hour), ""); err != nil {
		t.Fatal(err)
	}
	now = begin.Add(time.Hour)
	wantRefusedBy(t, s, from("ann", "", "k"), tenantLog)
	wantNotBefore(t, s, from("ann", "", "other"), &now, begin.Add(24*time.Hour))
}

// What a decision found about one tenant says nothing about the next.
func TestDecisionsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	s := governor(t, quota.SendsConfig{GroupLimits: func(l quota.Log) quota.GroupLimits {
		if l.Tenant == "t" && l.Kind == quota.LogTenant {
			return quota.GroupLimits{Messages: 1}
		}
		return quota.GroupLimits{}
	}}, quota.SendLimits{Messages: 50, PerMinute: manyPerMinute}, &now)
	for i := range 5 {
		limited := from(fmt.Sprint("box-", i), "", "1")
		if _, d := reserve(t, s, limited); d.Allowed != (i == 0) {
			t.Fatalf("%d: %v", i, d)
		}
		other := limited
		other.Tenant = "u"
		_, d := reserve(t, s, other)
		wantDecision(t, d, quota.Decision{Allowed: true, Remaining: 49, Binding: quota.RuleMessages})
	}
}

// A retry that its mailbox holds back keeps its place in the group, whatever the
// decision before it entered there.
func TestRefusedRetriesKeepTheirPlacesInGroups(t *testing.T) {
	t.Parallel()
	now := vienna(t, "2026-06-10 10:00:00")
	s := governor(t, quota.SendsConfig{Tenant: quota.GroupLimits{Messages: 3}},
		quota.SendLimits{Messages: 50, PerMinute: manyPerMinute, Gap: time.Hour}, &now)
	for i := range 2 {
		if _, d := reserve(t, s, from("box", "", fmt.Sprint(i))); !d.Allowed {
			t.Fatalf("%d: %v", i, d)
		}
		now = now.Add(time.Hour)
	}
	if _, d := reserve(t, s, from("box", "", "1")); !d.Allowed {
		t.Fatal(d)
	}
	if _, d := reserve(t, s, from("box", "", "0")); d.Allowed || d.Binding != quota.RuleGap {
		t.Fatal(d)
	}
	if _, d := reserve(t, s, from("other", "", "2")); !d.Allowed || d.Remaining != 0 {
		t.Error("after two messages of three:", d)
	}
}

// A domain that no store could take is refused, whatever the limits.
func TestLongDomainsAreRefused(t *testing.T) {
	t.Parallel()
	long := "a@" + strings.Repeat("x", 252) + ".org"
	now := vienna(t, "2026-06-10 10:00:00")
	for name, c := range map[string]quota.SendsConfig{
		"no limits":             {},
		"of the domain":         {Domain: quota.GroupLimits{Messages: 3}},
		"of recipients' domain": {RecipientDomain: quota.GroupLimits{Messages: 3}},
	} {
		s := governor(t, c, quota.SendLimits{Messages: 50}, &now)
		r := from("box", long, "k")
		if name == "of recipients' domain" {
			r = from("box", "", "k", long)
		}
		if _, _, err := s.Reserve(t.Context(), r); !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
