package quota

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// SendLimits are the limits on what one mailbox sends. The zero value means
// those of [DefaultSendLimits]. To change some, begin with these or with a
// [Preset]: the first four are required, so that a cap of 0 is an error and not
// taken for a default; the others are no limit where they are zero.
type SendLimits struct {
	// Messages is how many messages may go out in any 24 hours.
	Messages int
	// Recipients is how many recipients they may have together; the same address
	// counts each time. A message with more than that can never be sent.
	Recipients int
	// PerMessage is how many recipients one message may have.
	PerMessage int
	// PerMinute is how many messages may go out in any 60 seconds.
	PerMinute int

	// DayMessages and DayRecipients are such caps for a calendar day in Zone, from
	// midnight to midnight, on what is reserved on it. A message that is on its way
	// at midnight counts on both days. 0 means none.
	DayMessages, DayRecipients int
	// Gap is the smallest time between two messages, and Jitter how much longer it
	// may be at random, so that sending has no beat. What is drawn for a message
	// depends on its key, so that asking again gives the same answer. Together at
	// most 24 hours.
	Gap, Jitter time.Duration

	// Zone is the time zone of the mailbox's owner, a name of the IANA time zone
	// database. Empty means UTC. It needs the database on the machine, or in the
	// program (package time/tzdata).
	Zone string
	// Hours are when the mailbox may send; nil means always.
	Hours []Hours
	// WarmUp, if set, lets a new mailbox begin with little.
	WarmUp *WarmUp
	// SlowDown says how signals slow the mailbox down; nil means
	// [DefaultSlowDown].
	SlowDown *SlowDown

	// ForceAboveProviderLimit allows values above [ProviderSendLimits]. The
	// provider will then bounce mail or block the mailbox, unless it has granted
	// more.
	ForceAboveProviderLimit bool
}

// WarmUp lets the messages of 24 hours grow from Start by Step with each day on
// which the mailbox has sent, until they reach SendLimits.Messages. Days without
// mail do not count: a mailbox that pauses goes on where it was. Recipients
// grow in proportion; a message with more than that goes when nothing else went
// within 24 hours.
type WarmUp struct {
	// Start is the cap of the first day, at least 1.
	Start int
	// Step is what each day adds, at least 1.
	Step int
	// Days is on how many days the mailbox had sent before mailtether knew it, at
	// most 10,000.
	Days int
}

const maxWarmUpDays = 10_000

// cap returns the cap on a sending day, where 1 is the first.
func (w *WarmUp) cap(day, messages int) int {
	day += w.Days
	if day > 1+(messages-w.Start)/w.Step {
		return messages
	}
	return min(messages, w.Start+w.Step*max(0, day-1))
}

// GroupLimits are caps that several mailboxes, or all mail to a domain, share. A
// zero field is no limit. They are counted exactly, like those of a mailbox;
// ask a store that many processes share about its speed with large logs.
type GroupLimits struct {
	// Messages and Recipients are caps of any 24 hours. In a group of recipients
	// only the recipients of that domain count.
	Messages, Recipients int
	// PerMinute is how many messages may go out in any 60 seconds.
	PerMinute int
	// Gap is the smallest time between two messages, at most 24 hours.
	Gap time.Duration
}

// Preset is a kind of account with limits that suit it. Use one where the kind
// is known: it cannot be told from outside.
type Preset string

// The presets. Their caps leave room below those of the provider for mail that
// is not seen at once, and for errors in what the provider publishes.
const (
	// PresetGmail is a consumer account of Gmail: 500 messages in a rolling 24 h
	// (https://support.google.com/mail/answer/22839, copies of 2026).
	PresetGmail Preset = "gmail"
	// PresetWorkspace is a paid account of Google Workspace, on a domain that has
	// paid 100 USD and is 60 days old: 2,000 messages and 10,000 recipients, 3,000
	// of them outside and 2,000 outside that differ, in a rolling 24 h
	// (https://support.google.com/a/answer/166852, copies of 2026).
	PresetWorkspace Preset = "workspace"
	// PresetWorkspaceTrial is one that is younger: 500 (same page).
	PresetWorkspaceTrial Preset = "workspace_trial"
	// PresetMicrosoft365 is Exchange Online: 10,000 recipients in a rolling 24 h,
	// 30 messages a minute, 500 recipients a message
	// (https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits,
	// copies of 2026-07). The allowance of outside recipients that the whole
	// organisation shares comes on top: see [TenantExternalRecipients].
	PresetMicrosoft365 Preset = "microsoft365"
	// PresetOutlook is a consumer account of Outlook.com that has no subscription:
	// no figure is published; users report 15 to between 300 and 500 recipients a
	// day (Microsoft Q&A, 2024-12 and 2026-03).
	PresetOutlook Preset = "outlook"
	// PresetNewDomain is a mailbox of a domain that has not sent before, on any
	// provider: from 30 a day to 150, which takes 25 days of sending. These
	// figures are the custom of the trade; no provider publishes any.
	PresetNewDomain Preset = "new_domain"
)

// Limits returns the limits of a preset; of an unknown one those that
// DefaultSendLimits has for an unknown provider.
func (p Preset) Limits() SendLimits {
	switch p {
	case PresetGmail, PresetWorkspaceTrial:
		return SendLimits{Messages: 450, Recipients: 450, PerMessage: 100, PerMinute: 20}
	case PresetWorkspace:
		// The 2,000 different recipients outside bind, since that is what hosts write to.
		return SendLimits{Messages: 1_500, Recipients: 1_800, PerMessage: 100, PerMinute: 20}
	case PresetMicrosoft365:
		return SendLimits{Messages: 5_000, Recipients: 9_000, PerMessage: 500, PerMinute: 27}
	case PresetOutlook:
		return SendLimits{Messages: 100, Recipients: 100, PerMessage: 50, PerMinute: 10}
	case PresetNewDomain:
		return SendLimits{
			Messages: 150, Recipients: 150, PerMessage: 20, PerMinute: 5, Gap: 30 * time.Second, Jitter: time.Minute,
			WarmUp: &WarmUp{Start: 30, Step: 5},
		}
	default:
		return DefaultSendLimits("")
	}
}

// DefaultSendLimits returns the limits that hold for a mailbox unless they are
// configured otherwise. They are safe for the least kind of established account
// of the provider, since its kind cannot be told from outside: raise them for
// accounts that are known to have more. A provider that this package does not
// know gets the smallest of all.
func DefaultSendLimits(p mailbox.ProviderName) SendLimits {
	switch p {
	case mailbox.Gmail:
		// A consumer account or Workspace trial: 500 messages in a rolling 24 h,
		// https://support.google.com/mail/answer/22839 and
		// https://support.google.com/a/answer/166852 (copies of 2026). That 500
		// recipients go with it is not confirmed; it is the cautious reading. Of
		// recipients of one message sent through the API older copies of that page
		// say 100, newer ones 500. The pace is our choice: a third of the 60 sends
		// that the units of a minute pay for.
		return SendLimits{Messages: 500, Recipients: 500, PerMessage: 100, PerMinute: 20}
	case mailbox.Outlook:
		// Outlook.com publishes no figure for free accounts; users report from 15
		// to between 300 and 500 recipients a day (Microsoft Q&A, 2024-12 and
		// 2026-03). The pace is our choice, two thirds of Exchange's 30.
		return SendLimits{Messages: 300, Recipients: 300, PerMessage: 300, PerMinute: 20}
	default:
		return SendLimits{Messages: 300, Recipients: 300, PerMessage: 100, PerMinute: 20}
	}
}

// ProviderSendLimits returns what the provider allows the largest kind of
// account. No configuration goes above unless forced by name. Zero means that
// the provider publishes no limit.
func ProviderSendLimits(p mailbox.ProviderName) SendLimits {
	switch p {
	case mailbox.Gmail:
		// Paid Workspace: 2,000 messages and 10,000 recipients in a rolling 24 h,
		// https://support.google.com/a/answer/166852 (copies of 2026); 500
		// recipients of one message through the API (a copy of 2026).
		return SendLimits{Messages: 2_000, Recipients: 10_000, PerMessage: 500}
	case mailbox.Outlook:
		// Exchange Online: 10,000 recipients in a rolling 24 h and 30 messages a
		// minute, more being carried over; up to 1,000 recipients of one message
		// where an administrator allows it
		// (https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits,
		// copies of 2026-07). Each message has a recipient.
		return SendLimits{Messages: 10_000, Recipients: 10_000, PerMessage: 1_000, PerMinute: 30}
	default:
		return SendLimits{}
	}
}

// TenantExternalRecipients returns how many recipients outside of it an
// organisation of Microsoft 365 may write to in a rolling 24 h, by its number of
// paid licences: 500 · licences^0.7 + 9,500, and 5,000 for one that has trial
// licences only, which is 0 licences here (Exchange team blog of 2025-02, rolled
// out until 2025-05). All users and apps of the organisation share it.
func TenantExternalRecipients(licences int) int {
	if licences < 1 {
		return 5_000
	}
	return int(math.Round(500*math.Pow(float64(licences), 0.7))) + 9_500
}

// isZero reports whether the limits are left to the default.
func (l *SendLimits) isZero() bool {
	return l.Messages == 0 && l.Recipients == 0 && l.PerMessage == 0 && l.PerMinute == 0 &&
		l.DayMessages == 0 && l.DayRecipients == 0 && l.Gap == 0 && l.Jitter == 0 &&
		l.Zone == "" && l.Hours == nil && l.WarmUp == nil && l.SlowDown == nil && !l.ForceAboveProviderLimit
}

// rules are SendLimits that were checked, ready for use.
type rules struct {
	SendLimits
	calendar *calendar
	schedule schedule
	slowDown SlowDown
}

// resolve refuses what makes no sense or exceeds the provider's own limits.
// Errors name the field below prefix.
func (l SendLimits) resolve(prefix string, p mailbox.ProviderName, zones *calendars) (*rules, error) {
	hard := ProviderSendLimits(p)
	for _, f := range []struct {
		name           string
		v, least, hard int
	}{
		{"messages", l.Messages, 1, hard.Messages},
		{"recipients", l.Recipients, 1, hard.Recipients},
		{"per_message", l.PerMessage, 1, hard.PerMessage},
		{"per_minute", l.PerMinute, 1, hard.PerMinute},
		{"day_messages", l.DayMessages, 0, hard.Messages},
		{"day_recipients", l.DayRecipients, 0, hard.Recipients},
	} {
		if f.v < f.least {
			return nil, mailbox.Invalid(prefix+f.name, fmt.Sprintf("at least %d", f.least), "is too small")
		}
		if f.hard > 0 && f.v > f.hard && !l.ForceAboveProviderLimit {
			return nil, mailbox.Invalid(prefix+f.name, fmt.Sprintf("at most %d", f.hard), "is above the provider's limit and not forced")
		}
	}
	if l.PerMessage > l.Recipients {
		return nil, mailbox.Invalid(prefix+"per_message", fmt.Sprintf("at most %d, the recipients of a day", l.Recipients), "is out of range")
	}
	if l.DayRecipients > 0 && l.PerMessage > l.DayRecipients {
		return nil, mailbox.Invalid(prefix+"per_message", fmt.Sprintf("at most %d, the recipients of a calendar day", l.DayRecipients), "is out of range")
	}
	if l.Gap < 0 || l.Gap > Horizon {
		return nil, mailbox.Invalid(prefix+"gap", "0 to 24h", "is out of range")
	}
	if l.Jitter < 0 || l.Jitter > Horizon-l.Gap {
		return nil, mailbox.Invalid(prefix+"jitter", "0 to 24h together with the gap", "is out of range")
	}
	if w := l.WarmUp; w != nil {
		switch {
		case w.Start < 1 || w.Start > l.Messages:
			return nil, mailbox.Invalid(prefix+"warm_up.start", fmt.Sprintf("1 to %d, the messages of a day", l.Messages), "is out of range")
		case w.Step < 1 || w.Step > l.Messages:
			return nil, mailbox.Invalid(prefix+"warm_up.step", fmt.Sprintf("1 to %d, the messages of a day", l.Messages), "is out of range")
		case w.Days < 0 || w.Days > maxWarmUpDays:
			return nil, mailbox.Invalid(prefix+"warm_up.days", fmt.Sprintf("0 to %d", maxWarmUpDays), "is out of range")
		}
	}
	r := &rules{SendLimits: l}
	var err error
	if r.calendar, err = zones.get(prefix+"zone", l.Zone); err != nil {
		return nil, err
	}
	if l.Hours != nil && len(l.Hours) == 0 {
		return nil, mailbox.Invalid(prefix+"hours", "at least one window, or nil for always", "is empty")
	}
	if r.schedule, err = newSchedule(prefix+"hours", l.Hours); err != nil {
		return nil, err
	}
	r.Hours = slices.Clone(l.Hours)
	if r.slowDown, err = l.SlowDown.resolve(prefix + "slow_down."); err != nil {
		return nil, err
	}
	return r, nil
}

// resolve refuses what makes no sense. Errors name the field below prefix.
func (l GroupLimits) resolve(prefix string) error {
	for _, f := range []struct {
		name string
		v    int
	}{{"messages", l.Messages}, {"recipients", l.Recipients}, {"per_minute", l.PerMinute}} {
		if f.v < 0 {
			return mailbox.Invalid(prefix+f.name, "at least 1, or 0 for no limit", "is negative")
		}
	}
	if l.Gap < 0 || l.Gap > Horizon {
		return mailbox.Invalid(prefix+"gap", "0 to 24h", "is out of range")
	}
	return nil
}
