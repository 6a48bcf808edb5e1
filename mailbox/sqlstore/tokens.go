package sqlstore

import (
	"context"
	"database/sql"
	"iter"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

var (
	_ tokenstore.Store        = (*Tokens)(nil)
	_ tokenstore.TenantLister = (*Tokens)(nil)
	_ tokenstore.Locker       = (*Tokens)(nil)
)

// Tokens is a [tokenstore.Store] that can name its tenants and lock mailboxes.
// Besides the errors named there, it returns mailbox.ClassInvalid for an
// identifier that mailbox.Ref.Validate refuses, and mailbox.ClassStorage for
// everything else that fails.
type Tokens struct {
	store *Store
	sql   tokenStatements
}

type tokenStatements struct{ get, list, tenants, create, update, erase, lock, release, sweep string }

func tokenSQL(d Dialect) tokenStatements {
	return tokenStatements{
		get: d.sql(`SELECT version, provider, sealed, updated_at FROM mailtether_tokens
			WHERE tenant = $1 AND mailbox = $2 AND sealed IS NOT NULL`),
		list: d.sql(`SELECT mailbox, version, provider, sealed, updated_at FROM mailtether_tokens
			WHERE tenant = $1 AND mailbox > $2 AND sealed IS NOT NULL ORDER BY mailbox LIMIT $3`),
		tenants: d.sql(`SELECT DISTINCT tenant FROM mailtether_tokens
			WHERE tenant > $1 AND sealed IS NOT NULL ORDER BY tenant LIMIT $2`),
		// What an erased record leaves behind carries its version on.
		create: d.sql(`INSERT INTO mailtether_tokens AS t (tenant, mailbox, version, provider, sealed, updated_at)
			VALUES ($1, $2, 1, $3, $4, $5)
			ON CONFLICT (tenant, mailbox) DO UPDATE
			SET version = t.version + 1, provider = excluded.provider, sealed = excluded.sealed, updated_at = excluded.updated_at
			WHERE t.sealed IS NULL
			RETURNING version`),
		update: d.sql(`UPDATE mailtether_tokens SET version = version + 1, provider = $3, sealed = $4, updated_at = $5
			WHERE tenant = $1 AND mailbox = $2 AND version = $6 AND sealed IS NOT NULL
			RETURNING version`),
		erase: d.sql(`UPDATE mailtether_tokens SET version = version + 1, provider = '', sealed = NULL, updated_at = $3
			WHERE tenant = $1 AND mailbox = $2 AND sealed IS NOT NULL`),
		lock: d.sql(`INSERT INTO mailtether_leases AS l (tenant, mailbox, holder, expires)
			VALUES ($1, $2, $3, {now} + $4)
			ON CONFLICT (tenant, mailbox) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
			WHERE l.expires <= {now}`),
		release: d.sql(`DELETE FROM mailtether_leases WHERE tenant = $1 AND mailbox = $2 AND holder = $3`),
		sweep:   d.sql(`DELETE FROM mailtether_leases WHERE expires <= {now}`),
	}
}

// Get implements [tokenstore.Store].
func (s *Tokens) Get(ctx context.Context, ref mailbox.Ref) (tokenstore.Record, error) {
	if err := s.ready(ctx, ref); err != nil {
		return tokenstore.Record{}, err
	}
	rec := tokenstore.Record{Ref: ref}
	var updated int64
	found, err := s.store.one(ctx, s.sql.get, []any{string(ref.Tenant), string(ref.Mailbox)},
		&rec.Version, (*string)(&rec.Provider), &rec.Sealed, &updated)
	if err != nil {
		return tokenstore.Record{}, failed(ctx, "load token", ref.Mailbox, err)
	}
	if !found {
		return tokenstore.Record{}, tokenstore.ErrNotFound
	}
	rec.UpdatedAt = time.UnixMicro(updated).UTC()
	return rec, nil
}

// Put implements [tokenstore.Store].
func (s *Tokens) Put(ctx context.Context, rec tokenstore.Record) (tokenstore.Record, error) {
	if err := s.ready(ctx, rec.Ref); err != nil {
		return tokenstore.Record{}, err
	}
	if rec.Provider == "" || encodeText(string(rec.Provider)) != string(rec.Provider) {
		return tokenstore.Record{}, mailbox.Invalid("provider", "the name of a provider", "is not one")
	}
	// A copy, and never NULL.
	rec.Sealed = append([]byte{}, rec.Sealed...)
	rec.UpdatedAt = rec.UpdatedAt.UTC().Truncate(time.Microsecond)
	statement := s.sql.create
	args := []any{string(rec.Tenant), string(rec.Mailbox), string(rec.Provider), rec.Sealed, rec.UpdatedAt.UnixMicro()}
	if rec.Version != 0 {
		statement = s.sql.update
		args = append(args, rec.Version)
	}
	found, err := s.store.one(ctx, statement, args, &rec.Version)
	if err != nil {
		return tokenstore.Record{}, failed(ctx, "store token", rec.Mailbox, err)
	}
	if !found {
		return tokenstore.Record{}, tokenstore.ErrConflict
	}
	return rec, nil
}

// Delete implements [tokenstore.Store].
func (s *Tokens) Delete(ctx context.Context, ref mailbox.Ref) error {
	if err := s.ready(ctx, ref); err != nil {
		return err
	}
	_, err := s.store.exec(ctx, s.sql.erase, string(ref.Tenant), string(ref.Mailbox), time.Now().UnixMicro())
	return failed(ctx, "delete token", ref.Mailbox, err)
}

// List implements [tokenstore.Store]. It goes by pages.
func (s *Tokens) List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[tokenstore.Record, error] {
	return pages(ctx,
		func(after string) ([]tokenstore.Record, error) { return s.page(ctx, tenant, after) },
		func(rec tokenstore.Record) string { return string(rec.Mailbox) })
}

func (s *Tokens) page(ctx context.Context, tenant mailbox.TenantID, after string) ([]tokenstore.Record, error) {
	if err := s.ready(ctx, mailbox.Ref{Tenant: tenant, Mailbox: anyMailbox}); err != nil {
		return nil, err
	}
	var page []tokenstore.Record
	err := s.store.retry(ctx, func() error {
		page = nil
		return s.store.each(ctx, s.sql.list, []any{string(tenant), after, pageSize}, func(rows *sql.Rows) error {
			rec := tokenstore.Record{Ref: mailbox.Ref{Tenant: tenant}}
			var updated int64
			err := rows.Scan((*string)(&rec.Mailbox), &rec.Version, (*string)(&rec.Provider), &rec.Sealed, &updated)
			if err == nil {
				rec.UpdatedAt = time.UnixMicro(updated).UTC()
				page = append(page, rec)
			}
			return err
		})
	})
	return page, failed(ctx, "list tokens", "", err)
}

// Tenants implements [tokenstore.TenantLister].
func (s *Tokens) Tenants(ctx context.Context) iter.Seq2[mailbox.TenantID, error] {
	return pages(ctx,
		func(after string) ([]mailbox.TenantID, error) { return s.tenantPage(ctx, after) },
		func(tenant mailbox.TenantID) string { return string(tenant) })
}

func (s *Tokens) tenantPage(ctx context.Context, after string) ([]mailbox.TenantID, error) {
	if err := s.store.ready(ctx); err != nil {
		return nil, err
	}
	var page []mailbox.TenantID
	err := s.store.retry(ctx, func() error {
		page = nil
		return s.store.each(ctx, s.sql.tenants, []any{after, pageSize}, func(rows *sql.Rows) error {
			var tenant string
			err := rows.Scan(&tenant)
			if err == nil {
				page = append(page, mailbox.TenantID(tenant))
			}
			return err
		})
	})
	return page, failed(ctx, "list tenants", "", err)
}

func (s *Tokens) ready(ctx context.Context, ref mailbox.Ref) error {
	if err := ref.Validate(); err != nil {
		return err
	}
	return s.store.ready(ctx)
}
