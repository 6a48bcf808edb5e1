package tokenstore

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"

	"github.com/mailtether/mailtether/mailbox"
)

// List implements [Store]. It ranges over the records that there are when
// ranging begins, each as it is when it is reached. Damaged files do not end it:
// the first is reported after all other records.
func (f *File) List(ctx context.Context, tenant mailbox.TenantID) iter.Seq2[Record, error] {
	const op = "list token files"
	return func(yield func(Record, error) bool) {
		dir := dirOf(tenant)
		names, err := f.names(dir)
		if err != nil {
			yield(Record{}, fileFailed(op, err))
			return
		}
		var damaged error
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			e, err := f.read(path.Join(dir, name))
			switch {
			case err != nil:
				damaged = cmp.Or(damaged, err)
			case e.Version == 0 || e.Deleted:
			case e.Tenant != tenant || fileOf(e.Ref) != path.Join(dir, name):
				damaged = cmp.Or(damaged, ErrDamaged)
			case !yield(e.Record, nil):
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Record{}, err)
		} else if damaged != nil {
			yield(Record{}, fileFailed(op, damaged))
		}
	}
}

// Tenants implements [TenantLister]. It reads a record of each tenant, since the
// name of a directory does not tell whose it is.
func (f *File) Tenants(ctx context.Context) iter.Seq2[mailbox.TenantID, error] {
	const op = "list tenants"
	return func(yield func(mailbox.TenantID, error) bool) {
		dirs, err := f.names(recordsDir)
		if err != nil {
			yield("", fileFailed(op, err))
			return
		}
		var damaged error
		for _, dir := range dirs {
			tenant, err := f.tenantOf(ctx, path.Join(recordsDir, dir))
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				damaged = cmp.Or(damaged, err)
			}
			if tenant != "" && !yield(tenant, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield("", err)
		} else if damaged != nil {
			yield("", fileFailed(op, damaged))
		}
	}
}

// tenantOf returns the tenant of a directory, or "" if it has no record. The
// error is that of a file that may have been one.
func (f *File) tenantOf(ctx context.Context, dir string) (mailbox.TenantID, error) {
	names, err := f.names(dir)
	if err != nil {
		return "", err
	}
	var damaged error
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		e, err := f.read(path.Join(dir, name))
		switch {
		case err != nil:
			damaged = err
		case e.Version == 0 || e.Deleted:
		case dirOf(e.Tenant) != dir:
			damaged = ErrDamaged
		default:
			return e.Tenant, nil
		}
	}
	return "", damaged
}

// names returns what a directory holds; a missing one holds nothing.
func (f *File) names(dir string) ([]string, error) {
	f.renames.Lock()
	defer f.renames.Unlock()
	d, err := f.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// dirOf and fileOf name the place of a tenant and of a record. Hashes fit every
// file system, however long the names are and whatever is in them.
func dirOf(tenant mailbox.TenantID) string {
	return recordsDir + "/" + hashed(string(tenant))
}

func fileOf(ref mailbox.Ref) string {
	return dirOf(ref.Tenant) + "/" + hashed(string(ref.Mailbox))
}

func hashed(s string) string { return hexSum([]byte(s)) }
