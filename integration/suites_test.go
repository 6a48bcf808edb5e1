package integration

import (
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox/connect"
	"github.com/mailtether/mailtether/mailbox/connect/connecttest"
	"github.com/mailtether/mailtether/mailbox/sqlstore"
	"github.com/mailtether/mailtether/quota/quotatest"
	"github.com/mailtether/mailtether/threading"
	"github.com/mailtether/mailtether/threading/threadingtest"
	"github.com/mailtether/mailtether/tokenstore"
	"github.com/mailtether/mailtether/tokenstore/tokenstoretest"
)

func TestSuites(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if b.name == "PostgreSQL" {
				service(t, "MAILTETHER_POSTGRES")
			}
			t.Run("accounts", func(t *testing.T) {
				connecttest.TestAccountStore(t, func(t *testing.T) connect.AccountStore {
					store, _ := migrated(t, b.make(t))
					return store.Accounts()
				})
			})
			t.Run("states", func(t *testing.T) {
				connecttest.TestStateStore(t, func(t *testing.T) connect.StateStore {
					store, _ := migrated(t, b.make(t))
					return store.States()
				})
			})
			t.Run("tokens", func(t *testing.T) {
				tokenstoretest.TestStore(t, func(t *testing.T) tokenstore.Store {
					store, _ := migrated(t, b.make(t))
					return store.Tokens()
				})
			})
			t.Run("index", func(t *testing.T) {
				threadingtest.TestIndex(t, func(t *testing.T) threading.Index {
					store, _ := migrated(t, b.make(t))
					return store.Index()
				})
			})
			t.Run("sends", func(t *testing.T) {
				quotatest.Run(t, func(t *testing.T) quotatest.Harness {
					store, _ := migrated(t, b.make(t))
					return quotatest.Harness{Store: store.Sends()}
				})
			})
			t.Run("calls", func(t *testing.T) {
				quotatest.RunCalls(t, func(t *testing.T) quotatest.CallHarness {
					store, _ := migrated(t, b.make(t))
					return quotatest.CallHarness{Store: store.Calls()}
				})
			})
			t.Run("leases", func(t *testing.T) {
				tokenstoretest.TestLeases(t, func(t *testing.T, life time.Duration) tokenstore.Store {
					store, _ := migratedWith(t, b.make(t), sqlstore.Options{LeaseTTL: life})
					return store.Tokens()
				})
			})
		})
	}
}
