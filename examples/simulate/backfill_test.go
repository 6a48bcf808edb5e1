package main

import (
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

func TestBackfill(t *testing.T) {
	t.Parallel()
	limits := quota.DefaultLimits(mailbox.Gmail)
	b, r := runBackfill(1, limits), newResult()
	b.judge(r)
	if r.violations > 0 {
		t.Errorf("violations: %v", r.worst)
	}
	used := 0
	for _, l := range lanes {
		used += b.total(l.lane)
		if b.total(l.lane) == 0 {
			t.Errorf("%s used nothing", l.name)
		}
	}
	if least := backfillMinutes * unitsPerMinute * 95 / 100; used < least {
		t.Errorf("%d units used, want at least %d", used, least)
	}
	for _, lane := range []mailbox.Lane{mailbox.LaneLive, mailbox.LaneSend} {
		if b.longest[lane] > 5*time.Second {
			t.Errorf("lane %v waited %v behind the backfill", lane, b.longest[lane])
		}
	}
}

func TestBackfillAboveTheBudgetIsFound(t *testing.T) {
	t.Parallel()
	limits := quota.DefaultLimits(mailbox.Gmail)
	limits.Mailbox.Units += 1_500
	b, r := runBackfill(1, limits), newResult()
	b.judge(r)
	if r.byRule["units_per_minute"] == 0 {
		t.Errorf("%d units in a minute are no violation", b.most)
	}
}
