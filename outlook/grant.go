package outlook

import (
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// inactiveAfter is how long a refresh token lives without being used (Microsoft
// identity platform, "Refresh tokens in the Microsoft identity platform", 2026).
const inactiveAfter = 90 * 24 * time.Hour

// ExplainGrant implements [mailbox.GrantExplainer]. Microsoft mostly tells the
// cause by a number. Where it does not, a grant that was not used for 90 days has
// probably ended for that; for personal accounts, which get one number for
// everything, that is all that can be told.
func (p *Provider) ExplainGrant(e *mailbox.Error, h mailbox.GrantHistory) mailbox.Cause {
	if e == nil || e.Cause != "" || e.Class != mailbox.ClassReconnect {
		return causeOf(e)
	}
	if h.Idle() >= inactiveAfter {
		return mailbox.CauseInactive
	}
	return ""
}

func causeOf(e *mailbox.Error) mailbox.Cause {
	if e == nil {
		return ""
	}
	return e.Cause
}
