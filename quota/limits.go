package quota

import (
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Unlimited switches a limit of [Limits] off.
const Unlimited = -1

// Limits are the limits of one provider on calls. A zero field means the
// default of the provider ([DefaultLimits]); [Unlimited] switches it off.
type Limits struct {
	// Mailbox is the budget of one mailbox with one app, in the units of
	// [mailbox.Call.Units].
	Mailbox Budget
	// App is the budget of one app over all its mailboxes, in the same units.
	App Budget
	// AppDay is how many units one app may use in any 24 hours. It is counted in
	// steps of 15 minutes, rounded against the app, and forgotten on restart.
	AppDay int
	// Upload is the budget of one mailbox with one app in bytes of request
	// bodies ([mailbox.Call.Upload]).
	Upload Budget
	// Concurrency is how many calls of one mailbox may be in flight, counted by
	// [mailbox.Call.Parallel]. A call that counts more than that goes alone.
	// Backfill leaves one of them free.
	Concurrency int
	// MinConcurrency lets the cap of each mailbox adapt, for providers that
	// publish none: a refusal because of too many calls at once, or without a
	// named time, halves it down to MinConcurrency, once in an episode, and every
	// 100 calls that go well add one up to Concurrency. At most Concurrency;
	// Unlimited keeps the cap as it is.
	MinConcurrency int
	// BackfillShare is the part of AppDay, and of the bursts of Mailbox and App,
	// that backfill may use, above 0 and at most 1; 0 means 0.8. Backfill goes only
	// while the rest is left, so live calls and sends find units at once; what
	// they leave it uses whole.
	BackfillShare float64
}

// Budget allows Units in any span of Per, counted in steps of a 96th and rounded
// against the caller. Within that, Burst of them may be spent at once, the others
// flow evenly, Units in Per. A call that costs more than Burst waits for a full
// burst, goes, and is paid off before the next one; one that costs more than
// Units waits until nothing was used for Per.
type Budget struct {
	// Units is at least 2. 0 means the default, Unlimited no budget.
	Units int
	// Per is above 0. 0 means that of the default, a minute where there is none.
	Per time.Duration
	// Burst is at least 1 and below Units. 0 means a tenth of Units, or the
	// default's where Units is the default's.
	Burst int
}

// reserve is what a call has to leave of units that all lanes share.
func (l *Limits) reserve(r rank, units int) int {
	if r != rankBackfill || units <= 0 {
		return 0
	}
	return units - max(1, int(l.BackfillShare*float64(units)))
}

// travel is by how much calls may take longer to get to the provider than others
// do, the first of a connection above all. Calls that left in a minute and a
// little more may so arrive within the minute that the provider counts.
const travel = 500 * time.Millisecond

// DefaultLimits returns the limits that hold for a provider unless they are
// configured otherwise. A provider that this package does not know has none
// besides the pauses it asks for.
//
// Where a provider publishes several figures the stricter one is the default.
// Spans are half a second longer than the published ones, for calls that travel
// for different times.
func DefaultLimits(p mailbox.ProviderName) Limits {
	switch p {
	case mailbox.Gmail:
		return Limits{
			// 6,000 units per user per project per minute for projects made since
			// 2026-05-01; older ones may still have 15,000.
			// https://developers.google.com/workspace/gmail/api/reference/quota,
			// page of 2026-07-31.
			Mailbox: Budget{Units: 6_000, Per: time.Minute + travel, Burst: 600},
			// 1,200,000 units per project per minute. Same page.
			App: Budget{Units: 1_200_000, Per: time.Minute + travel, Burst: 120_000},
			// 80,000,000 units per project per day: above it charges are planned;
			// older projects have no such threshold. Same page.
			AppDay: 80_000_000,
			Upload: Budget{Units: Unlimited},
			// Google caps concurrent requests per mailbox and names no number. In
			// published measurements (2026-07) a batch of 25 passes alone and two at
			// once do not: 10 is our choice.
			Concurrency:    10,
			MinConcurrency: 1,
			BackfillShare:  0.8,
		}
	case mailbox.Outlook:
		// https://learn.microsoft.com/graph/throttling-limits, Outlook service
		// limits, per app and mailbox, versions of 2023-04 to 2025-01.
		return Limits{
			// 10,000 requests in 10 minutes.
			Mailbox: Budget{Units: 10_000, Per: 10*time.Minute + travel, Burst: 1_000},
			// 130,000 requests in 10 seconds, over all tenants and services
			// (versions of 2024-06 and 2025-01).
			App:    Budget{Units: 130_000, Per: 10*time.Second + travel, Burst: 13_000},
			AppDay: Unlimited,
			// 150 MB of POST, PUT and PATCH bodies in 5 minutes. Half of it may go at
			// once, so that one large attachment is not slowed down.
			Upload: Budget{Units: 150_000_000, Per: 5*time.Minute + travel, Burst: 75_000_000},
			// 4 concurrent requests. Whether that is per mailbox or per app and
			// mailbox is disputed; one app per mailbox makes it the same.
			Concurrency:    4,
			MinConcurrency: Unlimited,
			BackfillShare:  0.8,
		}
	default:
		return Limits{
			Mailbox:        Budget{Units: Unlimited},
			App:            Budget{Units: Unlimited},
			AppDay:         Unlimited,
			Upload:         Budget{Units: Unlimited},
			Concurrency:    Unlimited,
			MinConcurrency: Unlimited,
			BackfillShare:  0.8,
		}
	}
}

// resolve fills zero fields with the defaults of the provider and refuses what
// makes no sense. Errors name the field below prefix.
func (l Limits) resolve(prefix string, p mailbox.ProviderName) (Limits, error) {
	def := DefaultLimits(p)
	budgets := []struct {
		field string
		b     *Budget
		def   Budget
	}{
		{"mailbox", &l.Mailbox, def.Mailbox},
		{"app", &l.App, def.App},
		{"upload", &l.Upload, def.Upload},
	}
	for _, x := range budgets {
		var err error
		if *x.b, err = x.b.resolve(prefix+x.field, x.def); err != nil {
			return Limits{}, err
		}
	}
	if l.AppDay == 0 {
		l.AppDay = def.AppDay
	}
	if l.AppDay != Unlimited && l.AppDay < 1 {
		return Limits{}, mailbox.Invalid(prefix+"app_day", "at least 1, or -1 for no limit", "is out of range")
	}
	if l.Concurrency == 0 {
		l.Concurrency = def.Concurrency
	}
	if l.Concurrency != Unlimited && l.Concurrency < 1 {
		return Limits{}, mailbox.Invalid(prefix+"concurrency", "at least 1, or -1 for no limit", "is out of range")
	}
	if l.MinConcurrency == 0 {
		l.MinConcurrency = def.MinConcurrency
		if l.Concurrency != Unlimited {
			l.MinConcurrency = min(l.MinConcurrency, l.Concurrency)
		}
	}
	if l.MinConcurrency != Unlimited && (l.MinConcurrency < 1 || l.Concurrency != Unlimited && l.MinConcurrency > l.Concurrency) {
		return Limits{}, mailbox.Invalid(prefix+"min_concurrency", "1 to concurrency, or -1 for a fixed cap", "is out of range")
	}
	if l.BackfillShare == 0 {
		l.BackfillShare = def.BackfillShare
	}
	if !(l.BackfillShare > 0 && l.BackfillShare <= 1) { // written so that NaN fails
		return Limits{}, mailbox.Invalid(prefix+"backfill_share", "above 0, at most 1", "is out of range")
	}
	return l, nil
}

func (b Budget) resolve(field string, def Budget) (Budget, error) {
	if b == (Budget{}) {
		return def, nil
	}
	if b.Units == 0 {
		b.Units = def.Units
	}
	if b.Units == Unlimited {
		return Budget{Units: Unlimited}, nil
	}
	if b.Units < 2 {
		return Budget{}, mailbox.Invalid(field+".units", "at least 2, or -1 for no limit", "is out of range")
	}
	if b.Per == 0 {
		b.Per = def.Per
	}
	if b.Per == 0 {
		b.Per = time.Minute
	}
	if b.Per < 0 {
		return Budget{}, mailbox.Invalid(field+".per", "above 0", "is negative")
	}
	if b.Burst == 0 {
		if b.Units == def.Units {
			b.Burst = def.Burst
		} else {
			b.Burst = max(1, b.Units/10)
		}
	}
	if b.Burst < 1 || b.Burst >= b.Units {
		return Budget{}, mailbox.Invalid(field+".burst", fmt.Sprintf("1 to %d", b.Units-1), "is out of range")
	}
	return b, nil
}
