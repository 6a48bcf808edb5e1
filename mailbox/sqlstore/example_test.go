package sqlstore_test

import (
	"context"
	"database/sql"
	"os"

	"github.com/mailtether/mailtether"
	"github.com/mailtether/mailtether/mailbox/sqlstore"
)

// Accounts, sign-ins, tokens, sent messages and limits in PostgreSQL, with the driver pgx.
func Example() {
	useDatabase := func(ctx context.Context, config *mailtether.Config) error {
		db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
		if err != nil {
			return err
		}
		store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
		if err != nil {
			return err
		}
		if err := store.Migrate(ctx); err != nil {
			return err
		}
		config.Stores = mailtether.Stores{
			Accounts: store.Accounts(), States: store.States(), Tokens: store.Tokens(),
			Index: store.Index(), Sends: store.Sends(), Calls: store.Calls(),
		}
		return nil
	}
	_ = useDatabase // needs a database and a driver
}
