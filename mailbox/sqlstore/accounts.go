package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/connect"
)

var _ connect.AccountStore = (*Accounts)(nil)

// Accounts is a [connect.AccountStore]. Besides the errors named there, it
// returns mailbox.ClassInvalid for an identifier that mailbox.Ref.Validate
// refuses, and mailbox.ClassStorage for everything else that fails.
type Accounts struct {
	store *Store
	sql   accountStatements
}

type accountStatements struct{ get, list, children, inUse, create, update, version, linked string }

func accountSQL(d Dialect) accountStatements {
	return accountStatements{
		get:  d.sql(`SELECT version, document FROM mailtether_accounts WHERE tenant = $1 AND mailbox = $2`),
		list: d.sql(`SELECT mailbox, version, document FROM mailtether_accounts WHERE tenant = $1 AND mailbox > $2 ORDER BY mailbox LIMIT $3`),
		children: d.sql(`SELECT mailbox, version, document FROM mailtether_accounts
			WHERE tenant = $1 AND mailbox > $2 AND parent = $4 AND parent <> '' ORDER BY mailbox LIMIT $3`),
		inUse: d.sql(`SELECT COUNT(*) FROM mailtether_accounts WHERE subject = $1 AND provider = $2 AND state <> $3`),
		// The conflict may be one of the key or of the link.
		create: d.sql(`INSERT INTO mailtether_accounts
			(tenant, mailbox, version, provider, app, owner, subject, address, state, parent, link, document, updated_at)
			VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT DO NOTHING`),
		update: d.sql(`UPDATE mailtether_accounts SET version = version + 1, provider = $3, app = $4, owner = $5, subject = $6,
			address = $7, state = $8, parent = $9, link = $10, document = $11, updated_at = $12
			WHERE tenant = $1 AND mailbox = $2 AND version = $13`),
		version: d.sql(`SELECT version FROM mailtether_accounts WHERE tenant = $1 AND mailbox = $2`),
		linked: d.sql(`SELECT 1 FROM mailtether_accounts
			WHERE link = $1 AND link <> '' AND NOT (tenant = $2 AND mailbox = $3)`),
	}
}

// Get implements [connect.AccountStore].
func (s *Accounts) Get(ctx context.Context, ref mailbox.Ref) (mailbox.Account, error) {
	const op = "load account"
	if err := s.ready(ctx, ref); err != nil {
		return mailbox.Account{}, err
	}
	var version int64
	var document []byte
	found, err := s.store.one(ctx, s.sql.get, []any{string(ref.Tenant), string(ref.Mailbox)}, &version, &document)
	if err != nil {
		return mailbox.Account{}, failed(ctx, op, ref.Mailbox, err)
	}
	if !found {
		return mailbox.Account{}, connect.ErrNotFound
	}
	a, err := decodeAccount(document, ref, version)
	return a, failed(ctx, op, ref.Mailbox, err)
}

// Put implements [connect.AccountStore].
func (s *Accounts) Put(ctx context.Context, a mailbox.Account) (mailbox.Account, error) {
	if err := s.ready(ctx, a.Ref); err != nil {
		return mailbox.Account{}, err
	}
	next, _ := mapText(a, func(text string) (string, bool) { return text, true }) // a copy
	next.Version++
	document, err := encodeAccount(next)
	if err != nil {
		return mailbox.Account{}, err
	}
	args := []any{
		string(a.Tenant), string(a.Mailbox),
		column(a.Provider), column(a.App), column(a.Owner), column(a.Subject), column(a.Address),
		column(a.State), column(a.Parent), column(a.Link), document, time.Now().UnixMicro(),
	}
	statement := s.sql.create
	if a.Version != 0 {
		statement = s.sql.update
		args = append(args, a.Version)
	}
	for range maxPuts {
		n, err := s.store.exec(ctx, statement, args...)
		if err == nil && n == 1 {
			return next, nil
		}
		if reason := s.refusal(ctx, a); reason != nil || err != nil {
			return mailbox.Account{}, s.refused(ctx, a.Ref, reason, err)
		}
		// What stood in the way is gone again.
	}
	return mailbox.Account{}, connect.ErrConflict
}

// maxPuts bounds how often a write is tried whose obstacle has gone by the time
// it is looked for.
const maxPuts = 4

// refusal looks for the reason why an account was not written: drivers have no
// common way to tell a violated constraint. It returns nil if there is none
// (any more).
func (s *Accounts) refusal(ctx context.Context, a mailbox.Account) error {
	var version int64
	found, err := s.store.one(ctx, s.sql.version, []any{string(a.Tenant), string(a.Mailbox)}, &version)
	if err != nil {
		return err
	}
	if version != a.Version || found != (a.Version != 0) {
		return connect.ErrConflict
	}
	var one int
	found, err = s.store.one(ctx, s.sql.linked, []any{column(a.Link), string(a.Tenant), string(a.Mailbox)}, &one)
	if err == nil && found {
		return connect.ErrLinked
	}
	return err
}

// refused returns what to tell about a write that failed with err, or changed
// nothing. Only a link explains a failure: that of its unique index.
func (s *Accounts) refused(ctx context.Context, ref mailbox.Ref, reason, err error) error {
	if errors.Is(reason, connect.ErrLinked) || err == nil && errors.Is(reason, connect.ErrConflict) {
		return reason
	}
	if err == nil {
		err = reason
	}
	return failed(ctx, "store account", ref.Mailbox, err)
}

// List implements [connect.AccountStore]. It goes by pages: an account that is
// written meanwhile may be seen in either state.
func (s *Accounts) List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[mailbox.Account, error] {
	return pages(ctx,
		func(after string) ([]mailbox.Account, error) {
			return s.page(ctx, mailbox.Ref{Tenant: tenant, Mailbox: anyMailbox}, s.sql.list, after)
		},
		func(a mailbox.Account) string { return string(a.Mailbox) })
}

// Children implements [connect.AccountStore], as List does.
func (s *Accounts) Children(ctx context.Context, parent mailbox.Ref) iter.Seq2[mailbox.Account, error] {
	return pages(ctx,
		func(after string) ([]mailbox.Account, error) {
			return s.page(ctx, parent, s.sql.children, after, column(parent.Mailbox))
		},
		func(a mailbox.Account) string { return string(a.Mailbox) })
}

// page reads the page of a list behind the mailbox after.
func (s *Accounts) page(ctx context.Context, of mailbox.Ref, statement, after string, more ...any) ([]mailbox.Account, error) {
	const op = "list accounts"
	if err := s.ready(ctx, of); err != nil {
		return nil, err
	}
	var page []mailbox.Account
	err := s.store.retry(ctx, func() error {
		page = nil
		return s.store.each(ctx, statement, append([]any{string(of.Tenant), after, pageSize}, more...), func(rows *sql.Rows) error {
			ref := mailbox.Ref{Tenant: of.Tenant}
			var version int64
			var document []byte
			if err := rows.Scan((*string)(&ref.Mailbox), &version, &document); err != nil {
				return err
			}
			a, err := decodeAccount(document, ref, version)
			if err == nil {
				page = append(page, a)
			}
			return err
		})
	})
	return page, failed(ctx, op, "", err)
}

// InUse implements [connect.AccountStore].
func (s *Accounts) InUse(ctx context.Context, provider mailbox.ProviderName, subject string) (int, error) {
	if err := s.store.ready(ctx); err != nil {
		return 0, err
	}
	var n int
	_, err := s.store.one(ctx, s.sql.inUse, []any{column(subject), column(provider), string(mailbox.StateDisconnected)}, &n)
	return n, failed(ctx, "count accounts", "", err)
}

func (s *Accounts) ready(ctx context.Context, ref mailbox.Ref) error {
	if err := ref.Validate(); err != nil {
		return err
	}
	return s.store.ready(ctx)
}
