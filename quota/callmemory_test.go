package quota_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/quota/quotatest"
)

func TestCallMemory(t *testing.T) {
	t.Parallel()
	quotatest.RunCalls(t, func(*testing.T) quotatest.CallHarness {
		return quotatest.CallHarness{Store: quota.NewCallMemory()}
	})
}

func TestCallMemoryForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := quota.NewCallMemory()
		for i := range 10_000 {
			a := quota.CallAsk{
				CallKey: quota.CallKey{Ref: mailbox.Ref{Tenant: "t", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}},
				Budgets: []quota.BudgetAsk{{Name: "u", Budget: quota.Budget{Units: 10, Per: time.Minute, Burst: 1}, N: 1}},
			}
			if _, err := m.Enter(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := m.Size(); n > 2048 {
			t.Errorf("%d states are kept", n)
		}
	})
}
