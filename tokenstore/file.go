package tokenstore

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// File is a [Store] in a directory, one file for each mailbox, for hosts with one
// process and no database. It is also a [TenantLister] and a [Locker], whose
// leases last a minute. It is safe for concurrent use. Use [NewFile].
//
// A write is durable when it returns, and a crash leaves the old record or the
// new one: each is written to a file of its own, synced, and renamed. One process
// at a time may use the directory. On Linux, macOS and the BSDs a lock sees to
// that, which the kernel drops when the process ends, however it ends; elsewhere
// the host has to.
//
// The directory has mode 0700, the files have 0600, repaired where they are wider
// (on Unix). File names are hashes; tenant, mailbox, provider and times stand in
// the files in clear. A deleted record leaves a file of some 200 bytes without
// any secret, since its version must not be given again.
//
// A damaged file is ErrDamaged for its own mailbox, and at the end of a list; the
// other records stay readable. Delete replaces it, and so does [Vault.Replace],
// which is what connecting the mailbox again does.
type File struct {
	root   *os.Root
	lock   io.Closer
	leases leases

	// stripes order the writers of one record.
	stripes [16]sync.Mutex
	// renames is held for reading while a file gets its name, and for writing
	// while a directory is read: a name that moves could be missed.
	renames sync.RWMutex

	// create makes a temporary file; tests replace it.
	create func(name string) (tempFile, error)
}

// tempFile is what a record is written to before it gets its name.
type tempFile interface {
	io.WriteCloser
	Sync() error
}

const (
	lockName   = "lock"
	recordsDir = "records"
	tempDir    = "tmp"
	dirMode    = 0o700
	fileMode   = 0o600
)

// NewFile opens the store in dir, which is created if need be, and removes what a
// crash left half written. Errors: mailbox.ClassInvalid for a dir that is empty
// or can be entered by other users, mailbox.ClassConfig with the Code "locked" if
// another process, or another File of this one, uses it, mailbox.ClassStorage for
// all else. Close it.
func NewFile(dir string) (*File, error) {
	const op = "open token store"
	if dir == "" {
		return nil, mailbox.Invalid("dir", "the name of a directory", "is empty")
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fileFailed(op, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fileFailed(op, err)
	}
	f := &File{root: root, leases: newLeases()}
	f.create = f.createTemp
	if err := f.prepare(); err != nil {
		root.Close()
		return nil, fileFailed(op, err)
	}
	return f, nil
}

// prepare locks the directory and makes it fit for use.
func (f *File) prepare() (err error) {
	info, err := f.root.Stat(".")
	if err != nil {
		return err
	}
	if tooOpen(info) {
		return mailbox.Invalid("dir", "a directory with mode 0700", "can be entered by other users")
	}
	if f.lock, err = lockFile(f.root, lockName); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.lock.Close()
		}
	}()
	if err := f.root.RemoveAll(tempDir); err != nil {
		return err
	}
	for _, dir := range []string{tempDir, recordsDir} {
		if err := f.root.MkdirAll(dir, dirMode); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(f.root, recordsDir), syncDir(f.root, "."))
}

// Close lets another process use the directory. Every later call but Lock fails. Closing
// again is no error.
func (f *File) Close() error {
	// Writers are waited for: nothing of this process is written once another
	// has the directory.
	for i := range f.stripes {
		f.stripes[i].Lock()
		defer f.stripes[i].Unlock()
	}
	err := f.root.Close()
	if unlocked := f.lock.Close(); !errors.Is(unlocked, os.ErrClosed) {
		err = errors.Join(err, unlocked)
	}
	return fileFailed("close token store", err)
}

// Get implements [Store].
func (f *File) Get(ctx context.Context, ref mailbox.Ref) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	e, err := f.read(fileOf(ref))
	switch {
	case err != nil:
		return Record{}, fileFailed("read token file", err)
	case e.Ref != ref && e.Version != 0:
		return Record{}, fileFailed("read token file", ErrDamaged)
	case e.Version == 0 || e.Deleted:
		return Record{}, ErrNotFound
	}
	return e.Record, nil
}

// Put implements [Store]. A Ref that [mailbox.Ref.Validate] refuses, a provider
// that is not valid UTF-8 and more than 1 MiB are mailbox.ClassInvalid errors.
func (f *File) Put(ctx context.Context, rec Record) (Record, error) {
	const op = "write token file"
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	if err := checkRecord(rec); err != nil {
		return Record{}, err
	}
	name := fileOf(rec.Ref)
	defer f.order(name)()
	e, err := f.read(name)
	if err != nil {
		return Record{}, fileFailed(op, err)
	}
	if e.Version != 0 && e.Ref != rec.Ref {
		return Record{}, fileFailed(op, ErrDamaged)
	}
	now := e.Version
	if e.Deleted {
		now = 0
	}
	if now != rec.Version {
		return Record{}, ErrConflict
	}
	rec = rec.clone()
	rec.Version = nextVersion(e.Version)
	if err := f.write(name, entry{Record: rec}); err != nil {
		return Record{}, fileFailed(op, err)
	}
	return rec, nil
}

// Delete implements [Store]. It erases a damaged file too.
func (f *File) Delete(ctx context.Context, ref mailbox.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := fileOf(ref)
	defer f.order(name)()
	e, err := f.read(name)
	switch {
	case errors.Is(err, ErrDamaged):
		// What version it had is lost, but they follow the clock.
	case err != nil:
		return fileFailed("delete token file", err)
	case e.Version == 0 || e.Deleted && e.Ref == ref:
		return nil
	}
	stone := entry{Deleted: true, Record: Record{
		Ref: ref, Version: nextVersion(e.Version), UpdatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}}
	return fileFailed("delete token file", f.write(name, stone))
}

// Lock implements [Locker].
func (f *File) Lock(ctx context.Context, ref mailbox.Ref) (Lease, error) {
	return f.leases.lock(ctx, ref)
}

// nextVersion follows the clock, so that not even a file that was removed by hand
// makes a version come back.
func nextVersion(last int64) int64 { return max(last+1, time.Now().UnixMicro()) }

// order waits until no other writer of the record is at work. The result ends the
// turn.
func (f *File) order(name string) func() {
	// A name ends with a hexadecimal digit.
	stripe := &f.stripes[strings.IndexByte("0123456789abcdef", name[len(name)-1])]
	stripe.Lock()
	return stripe.Unlock
}

// read returns the entry of a file, the zero entry if there is none.
func (f *File) read(name string) (entry, error) {
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return entry{}, nil
	}
	if err != nil {
		return entry{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return entry{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxEntry {
		return entry{}, ErrDamaged
	}
	if tooOpen(info) {
		if err := file.Chmod(fileMode); err != nil {
			return entry{}, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(file, maxEntry+1))
	if err != nil {
		return entry{}, err
	}
	return parseEntry(b)
}

// write puts e in the place of what is there, durably and in one step.
func (f *File) write(name string, e entry) error {
	b, err := e.encode()
	if err != nil {
		return err
	}
	temp := tempDir + "/" + rand.Text()
	if err := f.fill(temp, b); err != nil {
		_ = f.root.Remove(temp) // what stays is removed by the next NewFile
		return err
	}
	dir := path.Dir(name)
	if err := f.makeDir(dir); err != nil {
		_ = f.root.Remove(temp)
		return err
	}
	f.renames.RLock()
	err = f.root.Rename(temp, name)
	f.renames.RUnlock()
	if err != nil {
		_ = f.root.Remove(temp)
		return err
	}
	return syncDir(f.root, dir)
}

// makeDir makes the directory of a tenant, durably before anybody writes there.
func (f *File) makeDir(dir string) error {
	f.renames.Lock()
	defer f.renames.Unlock()
	if err := f.root.Mkdir(dir, dirMode); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	if err := syncDir(f.root, recordsDir); err != nil {
		_ = f.root.Remove(dir)
		return err
	}
	return nil
}

// fill writes a temporary file.
func (f *File) fill(name string, b []byte) error {
	file, err := f.create(name)
	if err != nil {
		return err
	}
	if _, err = file.Write(b); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (f *File) createTemp(name string) (tempFile, error) {
	return f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
}

// fileFailed gives an error a class.
func fileFailed(op string, err error) error {
	if _, ok := errors.AsType[*mailbox.Error](err); ok || err == nil {
		return err
	}
	e := &mailbox.Error{Op: op, Class: mailbox.ClassStorage, Err: err}
	if errors.Is(err, ErrDamaged) {
		e.Code = "damaged"
	}
	return e
}
