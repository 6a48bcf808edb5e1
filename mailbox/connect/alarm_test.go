package connect_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

// The app's secret expires: one alarm a day, no user is asked, and everything
// goes on when the operator has acted.
func TestAppAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var alarms []mailbox.Event
		h := newHost(t, func(c *connect.Config) {
			c.OnAlarm = func(_ context.Context, e mailbox.Event) { alarms = append(alarms, e) }
		})
		var boxes []mailbox.Mailbox
		for _, user := range []string{"ann", "bob", "cid"} {
			r := request()
			r.Mailbox = mailbox.MailboxID(user)
			h.connect(t, r, user)
			mb, err := h.Open(t.Context(), r.Ref)
			if err != nil {
				t.Fatal(err)
			}
			boxes = append(boxes, mb)
		}
		h.told()
		ask := func(want mailbox.Class) {
			t.Helper()
			for _, mb := range boxes {
				if _, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); mailbox.ClassOf(err) != want {
					t.Errorf("Token: %v, want %s", err, want)
				}
			}
		}
		began := time.Now()
		for range 2 {
			time.Sleep(2 * time.Hour)
			h.gmail.trouble["/token"] = answer(401, `{"error":"invalid_client"}`)
			ask(mailbox.ClassConfig)
			time.Sleep(5 * time.Minute)
			for _, mb := range boxes { // mended
				if _, err := tokensOf(mb).Token(t.Context(), mailbox.TokenRequest{}); err != nil {
					t.Errorf("Token: %v", err)
				}
			}
		}
		time.Sleep(24 * time.Hour)
		h.gmail.trouble["/token"] = answer(401, `{"error":"invalid_client"}`)
		ask(mailbox.ClassConfig)

		var ids []string
		for _, e := range alarms {
			ids = append(ids, e.ID)
			if e.Kind != mailbox.EventAppAlarm || e.Provider != mailbox.Gmail || e.App != "" || e.Mailbox != "" || !errors.Is(e.Err, mailbox.ClassConfig) {
				t.Errorf("alarm %+v", e)
			}
			wantNoSecrets(t, "alarm", e)
		}
		day := func(d int) string {
			return "app_alarm:gmail::invalid_client:" + began.UTC().AddDate(0, 0, d).Format(time.DateOnly)
		}
		// Twice on the first day, under one ID.
		if diff := cmp.Diff([]string{day(0), day(0), day(1)}, ids); diff != "" {
			t.Errorf("alarms (-want +got):\n%s", diff)
		}
		if got := h.told(); len(got) != 0 {
			t.Errorf("states changed: %v", got)
		}
		for _, user := range []mailbox.MailboxID{"ann", "bob", "cid"} {
			if a := h.accountOf(t, mailbox.Ref{Tenant: ref.Tenant, Mailbox: user}); a.State != mailbox.StateConnected || a.Cause != "" {
				t.Errorf("%s is %s %s", user, a.State, a.Cause)
			}
		}
	})
}
