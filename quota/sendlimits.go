package quota

import (
	"fmt"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// SendLimits are the limits on what one mailbox sends. A zero field means the
// default of the provider ([DefaultSendLimits]).
type SendLimits struct {
	// Messages is how many messages may go out in any 24 hours.
	Messages int
	// Recipients is how many recipients they may have together; the same address
	// counts each time. A message with more than that can never be sent.
	Recipients int
	// PerMinute is how many messages may go out in any 60 seconds.
	PerMinute int
	// Gap is the smallest time between two messages, at most 24 hours. The
	// default is none.
	Gap time.Duration
	// ForceAboveProviderLimit allows values above [ProviderSendLimits]. The
	// provider will then bounce mail or block the mailbox, unless it has granted
	// more.
	ForceAboveProviderLimit bool
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
		// recipients go with it is not confirmed; it is the cautious reading.
		// The pace is our choice: a third of the 60 sends that the units of a
		// minute pay for.
		return SendLimits{Messages: 500, Recipients: 500, PerMinute: 20}
	case mailbox.Outlook:
		// Outlook.com publishes no figure for free accounts; users report from 15
		// to between 300 and 500 recipients a day (Microsoft Q&A, 2024-12 and
		// 2026-03). The pace is our choice, two thirds of Exchange's 30.
		return SendLimits{Messages: 300, Recipients: 300, PerMinute: 20}
	default:
		return SendLimits{Messages: 300, Recipients: 300, PerMinute: 20}
	}
}

// ProviderSendLimits returns what the provider allows the largest kind of
// account. No configuration goes above unless forced by name. Zero means that
// the provider publishes no limit.
func ProviderSendLimits(p mailbox.ProviderName) SendLimits {
	switch p {
	case mailbox.Gmail:
		// Paid Workspace: 2,000 messages and 10,000 recipients in a rolling 24 h,
		// https://support.google.com/a/answer/166852 (copies of 2026).
		return SendLimits{Messages: 2_000, Recipients: 10_000}
	case mailbox.Outlook:
		// Exchange Online: 10,000 recipients in a rolling 24 h and 30 messages a
		// minute, more being carried over
		// (https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits,
		// copies of 2026-07). Each message has a recipient.
		return SendLimits{Messages: 10_000, Recipients: 10_000, PerMinute: 30}
	default:
		return SendLimits{}
	}
}

// resolve fills zero fields from def and refuses what makes no sense or exceeds
// the provider's own limits. Errors name the field below prefix.
func (l SendLimits) resolve(prefix string, p mailbox.ProviderName, def SendLimits) (SendLimits, error) {
	hard := ProviderSendLimits(p)
	fields := []struct {
		name      string
		v         *int
		def, hard int
	}{
		{"messages", &l.Messages, def.Messages, hard.Messages},
		{"recipients", &l.Recipients, def.Recipients, hard.Recipients},
		{"per_minute", &l.PerMinute, def.PerMinute, hard.PerMinute},
	}
	for _, f := range fields {
		switch {
		case *f.v == 0:
			*f.v = f.def
		case *f.v < 0:
			return SendLimits{}, mailbox.Invalid(prefix+f.name, "at least 1", "is negative")
		case f.hard > 0 && *f.v > f.hard && !l.ForceAboveProviderLimit:
			return SendLimits{}, mailbox.Invalid(prefix+f.name, fmt.Sprintf("at most %d", f.hard), "is above the provider's limit and not forced")
		}
	}
	if l.Gap == 0 {
		l.Gap = def.Gap
	}
	if l.Gap < 0 || l.Gap > Horizon {
		return SendLimits{}, mailbox.Invalid(prefix+"gap", "0 to 24h", "is out of range")
	}
	return l, nil
}
