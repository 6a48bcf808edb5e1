package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// kind is a kind of account: its preset, what share of the fleet it is, and the
// limits of the mail service that hosts it, which the preset has to stay below.
type kind struct {
	preset    quota.Preset
	share     int // percent
	providers []mailbox.ProviderName
	hard      hardLimits
}

// kinds are all presets.
var kinds = []kind{
	{quota.PresetNewDomain, 30, []mailbox.ProviderName{mailbox.Gmail, mailbox.Outlook}, hardLimits{messages: 500, recipients: 500}},
	{quota.PresetGmail, 25, []mailbox.ProviderName{mailbox.Gmail}, hardLimits{messages: 500, recipients: 500}},
	{quota.PresetWorkspaceTrial, 10, []mailbox.ProviderName{mailbox.Gmail}, hardLimits{messages: 500, recipients: 500}},
	{quota.PresetWorkspace, 12, []mailbox.ProviderName{mailbox.Gmail}, hardLimits{messages: 2_000, recipients: 3_000}},
	{quota.PresetMicrosoft365, 8, []mailbox.ProviderName{mailbox.Outlook}, hardLimits{messages: 10_000, recipients: 10_000}},
	{quota.PresetOutlook, 15, []mailbox.ProviderName{mailbox.Outlook}, hardLimits{messages: 300, recipients: 300}},
}

func kindOf(p quota.Preset) (kind, bool) {
	for _, k := range kinds {
		if k.preset == p {
			return k, true
		}
	}
	return kind{}, false
}

// zones are those of the owners. All but the last three change their clocks
// within the 30 days after the start; Beirut skips a midnight, and in Santiago
// an hour before midnight comes twice.
var zones = []string{
	"Europe/Vienna", "Europe/London", "Asia/Beirut", "America/Santiago", "Australia/Sydney", "Asia/Jerusalem",
	"America/New_York", "Asia/Kolkata", "UTC",
}

// start is the first moment of the simulation.
var start = time.Date(2026, time.March, 15, 0, 0, 0, 0, time.UTC)

// resident is a mailbox of the fleet, as the host's database knows it.
type resident struct {
	mailbox.Ref
	provider mailbox.ProviderName
	kind     kind
	limits   quota.SendLimits
	zone     *time.Location
	eager    bool // always has more to send than it may
	example  bool // is drawn
}

// newFleet makes up mailboxes. The first of each kind is the example: eager, with
// the plain limits of its preset, and with messages to one recipient.
func newFleet(o options) ([]*resident, error) {
	zone := make(map[string]*time.Location)
	for _, name := range zones {
		var err error
		if zone[name], err = time.LoadLocation(name); err != nil {
			return nil, err
		}
	}
	seen := make(map[quota.Preset]bool)
	fleet := make([]*resident, o.mailboxes)
	for i := range fleet {
		rng := rand.New(rand.NewPCG(o.seed, uint64(i)))
		r := &resident{Ref: mailbox.Ref{
			Tenant:  mailbox.TenantID(fmt.Sprintf("tenant-%02d", i%20)),
			Mailbox: mailbox.MailboxID(fmt.Sprintf("mailbox-%04d", i)),
		}}
		r.kind = kindAt(i, o.preset)
		r.provider = r.kind.providers[rng.IntN(len(r.kind.providers))]
		r.limits = r.kind.preset.Limits()
		r.limits.PerMessage = min(r.limits.PerMessage, 20)
		r.limits.Zone = zones[rng.IntN(len(zones))]
		if first := !seen[r.kind.preset]; first {
			seen[r.kind.preset] = true
			r.eager, r.example = true, true
			r.limits.Zone = "UTC" // its days are those of the chart
		} else {
			r.eager = rng.Float64() < rarely(r.limits.Messages)
			vary(&r.limits, rng)
		}
		r.zone = zone[r.limits.Zone]
		fleet[i] = r
	}
	return fleet, nil
}

// rarely is the part of the mailboxes, or of their days, with as much mail as
// they may send: smaller where that is more, so that each kind has its part in
// the work of a simulation.
func rarely(messages int) float64 { return min(0.1, 12/float64(messages)) }

// kindAt deals the kinds out by their shares, so that a small fleet has all.
func kindAt(i int, only quota.Preset) kind {
	if k, ok := kindOf(only); ok {
		return k
	}
	if i < len(kinds) {
		return kinds[i]
	}
	at := i * 37 % 100 // visits every percent once
	for _, k := range kinds {
		if at -= k.share; at < 0 {
			return k
		}
	}
	return kinds[0]
}

// vary gives a mailbox limits of its own, as hosts let their users do.
func vary(l *quota.SendLimits, rng *rand.Rand) {
	every := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	switch x := rng.Float64(); {
	case x < 0.45:
		l.Hours = []quota.Hours{quota.Weekdays(quota.At(9, 0), quota.At(17, 0))}
	case x < 0.55:
		l.Hours = []quota.Hours{quota.Weekdays(quota.At(8, 30), quota.At(12, 0)), quota.Weekdays(quota.At(14, 0), quota.At(18, 0))}
	case x < 0.65: // a night in which clocks change has another length
		l.Hours = []quota.Hours{{Days: every, From: quota.At(0, 30), Until: quota.At(5, 0)}, {Days: every, From: quota.At(22, 0), Until: quota.At(24, 0)}}
	}
	if l.Gap == 0 && rng.Float64() < 0.3 {
		l.Gap = time.Duration(4+rng.IntN(8)) * time.Second
		l.Jitter = time.Duration(rng.IntN(10)) * time.Second
	}
	if rng.Float64() < 0.25 {
		l.DayMessages = max(1, l.Messages*(60+rng.IntN(40))/100)
		l.DayRecipients = max(l.PerMessage, l.Recipients*(60+rng.IntN(40))/100)
	}
	if l.WarmUp == nil && rng.Float64() < 0.15 {
		l.WarmUp = &quota.WarmUp{Start: l.Messages / 10, Step: l.Messages / 20, Days: rng.IntN(5)}
	}
	if rng.Float64() < 0.15 {
		l.SlowDown = &quota.SlowDown{Floor: 0.2, Recovery: 0.25}
	}
}
