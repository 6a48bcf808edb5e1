package connect

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// alarm returns what is done when the provider refuses an app: the operator is
// told, and no account changes. The client of the app calls it once for each
// episode. Episodes of one day with the same cause, in whichever process, have
// one event ID.
func (c *Connector) alarm(app *App) func(context.Context, *mailbox.Error) {
	return func(ctx context.Context, refusal *mailbox.Error) {
		provider, at := app.Provider.Name(), now()
		c.log.ErrorContext(ctx, "the provider refuses an app", "provider", provider, "app", app.Name, "error", refusal)
		if c.config.OnAlarm == nil {
			return
		}
		cause := cmp.Or(string(refusal.Cause), refusal.Code)
		c.config.OnAlarm(ctx, mailbox.Event{
			ID:       strings.Join([]string{string(mailbox.EventAppAlarm), string(provider), app.Name, cause, at.Format(time.DateOnly)}, ":"),
			Kind:     mailbox.EventAppAlarm,
			At:       at,
			Err:      refusal,
			Cause:    refusal.Cause,
			App:      app.Name,
			Provider: provider,
		})
	}
}
