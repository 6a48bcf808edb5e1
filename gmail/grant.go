package gmail

import (
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// When grants end (developers.google.com/identity/protocols/oauth2, 2024-11 and
// later).
const (
	// testingLife is how long a grant to an app in testing lives.
	testingLife = 7 * 24 * time.Hour
	// testingSlack is how exactly that has to be met: access tokens that are out
	// live for an hour more, and clocks differ.
	testingSlack = time.Hour
	// testingSeen is how long after consent the refusal may be noticed.
	testingSeen = 8 * 24 * time.Hour
	// inactiveAfter is a little less than the six months that an unused grant
	// lives.
	inactiveAfter = 180 * 24 * time.Hour
)

// ExplainGrant implements [mailbox.GrantExplainer]. Google answers a refresh with
// the same invalid_grant for nearly everything, so the history of the grant tells
// what is likely:
//
//   - it was given for a limited time, and that is over: CauseExpired. If the time
//     was 7 days, which no user can choose (they choose among 30 and 180), it is
//     that of an app in testing: CauseTesting;
//   - it was refused 7 days after consent, give or take: CauseTesting, unless it
//     was used after those;
//   - it was not used for six months: CauseInactive.
//
// Anything else stays without a cause: the user may have ended the grant, changed
// the password, or given this app more than 100 grants.
func (p *Provider) ExplainGrant(e *mailbox.Error, h mailbox.GrantHistory) mailbox.Cause {
	switch {
	case e == nil:
		return ""
	case e.Cause != "" || e.Class != mailbox.ClassReconnect || h.RefusedAt.IsZero():
		return e.Cause
	}
	known := !h.GrantedAt.IsZero()
	if !h.RefreshExpiry.IsZero() && !h.RefusedAt.Before(h.RefreshExpiry.Add(-testingSlack)) {
		if life := h.RefreshExpiry.Sub(h.GrantedAt); known && (life-testingLife).Abs() <= testingSlack {
			return mailbox.CauseTesting
		}
		return mailbox.CauseExpired
	}
	age := h.RefusedAt.Sub(h.GrantedAt)
	if known && age >= testingLife-testingSlack && age <= testingSeen && h.UsedAt.Sub(h.GrantedAt) <= testingLife+testingSlack {
		return mailbox.CauseTesting
	}
	if h.Idle() >= inactiveAfter {
		return mailbox.CauseInactive
	}
	return ""
}
