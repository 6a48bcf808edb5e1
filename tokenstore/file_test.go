package tokenstore_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
	"github.com/mailtether/mailtether/tokenstore/tokenstoretest"
)

func TestFile(t *testing.T) {
	t.Parallel()
	tokenstoretest.TestStore(t, func(t *testing.T) tokenstore.Store {
		f, _ := newFile(t)
		return f
	})
}

func TestFileLeases(t *testing.T) {
	t.Parallel()
	tokenstoretest.TestLeases(t, func(t *testing.T, life time.Duration) tokenstore.Store {
		f, _ := newFile(t)
		f.SetLeaseLife(life)
		return f
	})
}

func newFile(t testing.TB) (*tokenstore.File, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tokens")
	return openFile(t, dir), dir
}

func openFile(t testing.TB, dir string) *tokenstore.File {
	t.Helper()
	f, err := tokenstore.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func record(ref mailbox.Ref, sealed string) tokenstore.Record {
	return tokenstore.Record{
		Ref: ref, Provider: mailbox.Outlook, Sealed: []byte(sealed),
		UpdatedAt: time.Date(2026, 11, 20, 23, 59, 59, 123456000, time.UTC),
	}
}

func mustPut(t testing.TB, s tokenstore.Store, rec tokenstore.Record) tokenstore.Record {
	t.Helper()
	rec, err := s.Put(t.Context(), rec)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// recordFiles returns the files of records in a store, by what they hold.
func recordFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "records", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFileSurvivesRestart(t *testing.T) {
	t.Parallel()
	f, dir := newFile(t)
	kept := mustPut(t, f, record(ref, "kept"))
	gone := mustPut(t, f, record(mailbox.Ref{Tenant: "acme", Mailbox: "gone"}, "gone"))
	if err := f.Delete(t.Context(), gone.Ref); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(dir, "tmp", "LEFTOVER")
	if err := os.WriteFile(leftover, []byte("half a rec"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	f = openFile(t, dir)
	got, err := f.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept, got); diff != "" {
		t.Errorf("the record changed (-want +got):\n%s", diff)
	}
	if _, err := f.Get(t.Context(), gone.Ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Get of a deleted record: %v", err)
	}
	if _, err := f.Put(t.Context(), gone); !errors.Is(err, tokenstore.ErrConflict) {
		t.Errorf("Put over a deleted record: %v", err)
	}
	gone.Version = 0
	if again := mustPut(t, f, gone); again.Version <= gone.Version {
		t.Errorf("version %d after %d", again.Version, gone.Version)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a crash left is still there: %v", err)
	}
}

func TestFileIsExclusive(t *testing.T) {
	t.Parallel()
	f, dir := newFile(t)
	_, err := tokenstore.NewFile(dir)
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok || e.Class != mailbox.ClassConfig || e.Code != "locked" {
		t.Fatalf("a second store on the directory: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	openFile(t, dir)
}

func TestFileAfterClose(t *testing.T) {
	t.Parallel()
	f, _ := newFile(t)
	mustPut(t, f, record(ref, "sealed"))
	for range 2 {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	_, get := f.Get(t.Context(), ref)
	_, put := f.Put(t.Context(), record(ref, "other"))
	var list, tenants error
	for _, list = range f.List(t.Context(), ref.Tenant) {
	}
	for _, tenants = range f.Tenants(t.Context()) {
	}
	for name, err := range map[string]error{
		"Get": get, "Put": put, "Delete": f.Delete(t.Context(), ref), "List": list, "Tenants": tenants,
	} {
		if !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("%s after Close: %v, want ClassStorage", name, err)
		}
	}
}

func TestFileModes(t *testing.T) {
	t.Parallel()
	f, dir := newFile(t)
	mustPut(t, f, record(ref, "sealed"))
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	file := recordFiles(t, dir)[0]
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file that others could read has mode %v, error %v", info.Mode(), err)
	}

	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{open, ""} {
		if _, err := tokenstore.NewFile(dir); !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("NewFile(%q): %v, want ClassInvalid", dir, err)
		}
	}
	if _, err := tokenstore.NewFile(file); !errors.Is(err, mailbox.ClassStorage) {
		t.Errorf("NewFile on a file: %v, want ClassStorage", err)
	}
}

// A deleted record leaves nothing of its secret.
func TestFileErases(t *testing.T) {
	t.Parallel()
	f, dir := newFile(t)
	mustPut(t, f, record(ref, canaryRefresh))
	if err := f.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString([]byte(canaryRefresh)))) || bytes.Contains(b, []byte(canaryRefresh)) {
			t.Errorf("%s still holds the secret", name)
		}
		return err
	})
	if err != nil || n != 2 { // the lock and the tombstone
		t.Errorf("%d files, error %v", n, err)
	}
}

// Whatever happens to a file is an error for its own mailbox, and no other.
func TestFileDamage(t *testing.T) {
	t.Parallel()
	f, dir := newFile(t)
	mustPut(t, f, record(mailbox.Ref{Tenant: "other", Mailbox: "sales"}, "of another tenant"))
	foreign := recordFiles(t, dir)[0]
	mustPut(t, f, record(mailbox.Ref{Tenant: ref.Tenant, Mailbox: "good"}, "good"))
	before := mustPut(t, f, mustPut(t, f, record(ref, canaryRefresh)))
	file := ""
	for _, name := range recordFiles(t, dir) {
		if b, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		} else if bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString([]byte(canaryRefresh)))) {
			file = name
		}
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, what string) {
		t.Helper()
		_, err := f.Get(t.Context(), ref)
		if e, ok := errors.AsType[*mailbox.Error](err); !ok || e.Class != mailbox.ClassStorage || e.Code != "damaged" {
			t.Fatalf("%s: Get: %v, want damaged", what, err)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			wantNoCanary(t, what, fmt.Sprintf("%v %+v", err, err))
		}
	}
	write := func(t *testing.T, b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		write(t, bad)
		check(t, fmt.Sprintf("a bit of byte %d flipped", i))
		write(t, good[:i])
		check(t, fmt.Sprintf("cut at %d", i))
	}
	write(t, append(bytes.Clone(good), '\n'))
	check(t, "a byte more")
	write(t, bytes.Repeat([]byte("a"), 3<<20))
	check(t, "far too long")
	other, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	write(t, other)
	check(t, "the file of another tenant")
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	check(t, "a directory")
	if err := errors.Join(os.Remove(file), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	check(t, "empty")

	// The others are listed, and the damage is told last.
	var listed []string
	var last error
	for rec, err := range f.List(t.Context(), ref.Tenant) {
		if last = err; err == nil {
			listed = append(listed, string(rec.Sealed))
		}
	}
	if !slices.Equal(listed, []string{"good"}) || !errors.Is(last, mailbox.ClassStorage) {
		t.Errorf("List: %q, then %v", listed, last)
	}
	if _, err := f.Put(t.Context(), record(ref, "new")); !errors.Is(err, mailbox.ClassStorage) {
		t.Errorf("Put over a damaged file: %v", err)
	}
	// A new grant repairs it, and so does Delete.
	vault := tokenstore.NewVault(f, newKeyring(t, "k1"))
	if err := vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "new grant"}); err != nil {
		t.Errorf("Replace: %v", err)
	}
	if tok, _, err := vault.Get(t.Context(), ref); err != nil || tok.Refresh != "new grant" {
		t.Errorf("Get after Replace: %v", err)
	}
	// So does one over what Delete left of another tenant's.
	if err := f.Delete(t.Context(), mailbox.Ref{Tenant: "other", Mailbox: "sales"}); err != nil {
		t.Fatal(err)
	}
	if other, err = os.ReadFile(foreign); err != nil {
		t.Fatal(err)
	}
	write(t, other)
	check(t, "the tombstone of another tenant")
	if err := vault.Replace(t.Context(), ref, mailbox.Outlook, tokenstore.Token{Refresh: "new grant"}); err != nil {
		t.Errorf("Replace: %v", err)
	}
	write(t, nil)
	check(t, "empty again")
	if err := f.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Get after Delete: %v", err)
	}
	if after := mustPut(t, f, record(ref, "new")); after.Version <= before.Version {
		t.Errorf("version %d, it was %d before the damage", after.Version, before.Version)
	}
}

// A link does not lead out of the directory.
func TestFileStaysInside(t *testing.T) {
	t.Parallel()
	f, dir := newFile(t)
	mustPut(t, f, record(ref, "sealed"))
	file := recordFiles(t, dir)[0]
	outside := filepath.Join(t.TempDir(), "outside")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(outside, b, 0o600), os.Remove(file), os.Symlink(outside, file)); err != nil {
		t.Fatal(err)
	}
	if rec, err := f.Get(t.Context(), ref); !errors.Is(err, mailbox.ClassStorage) || len(rec.Sealed) > 0 {
		t.Errorf("Get through a link: %v", err)
	}
}

func TestFileRefuses(t *testing.T) {
	t.Parallel()
	f, _ := newFile(t)
	tests := map[string]func(rec *tokenstore.Record){
		"no tenant":             func(rec *tokenstore.Record) { rec.Tenant = "" },
		"a mailbox of no text":  func(rec *tokenstore.Record) { rec.Mailbox = "\xff" },
		"a provider of no text": func(rec *tokenstore.Record) { rec.Provider = "\xff" },
		"2 MiB":                 func(rec *tokenstore.Record) { rec.Sealed = make([]byte, 2<<20) },
		"the year 10000":        func(rec *tokenstore.Record) { rec.UpdatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	for name, change := range tests {
		rec := record(ref, "sealed")
		change(&rec)
		if _, err := f.Put(t.Context(), rec); !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%s: %v, want ClassInvalid", name, err)
		}
	}
	if _, err := f.Get(t.Context(), ref); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("something was stored: %v", err)
	}
}

// Lists are whole while records are written.
func TestFileListWhileWriting(t *testing.T) {
	t.Parallel()
	f, _ := newFile(t)
	const n = 20
	for i := range n {
		mustPut(t, f, record(mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID(fmt.Sprint(i))}, strings.Repeat("x", 2000)))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				rec, err := f.Get(t.Context(), mailbox.Ref{Tenant: "acme", Mailbox: mailbox.MailboxID(fmt.Sprint(i))})
				if err == nil {
					_, err = f.Put(t.Context(), rec)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		seen := make(map[mailbox.MailboxID]bool)
		for rec, err := range f.List(t.Context(), "acme") {
			if err != nil {
				t.Error(err)
			}
			seen[rec.Mailbox] = true
		}
		if len(seen) != n {
			t.Errorf("a list of %d records, want %d", len(seen), n)
		}
	}
	close(stop)
	wg.Wait()
}
