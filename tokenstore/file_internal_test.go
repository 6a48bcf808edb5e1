package tokenstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
)

// faultyFile is a temporary file on a disk with trouble.
type faultyFile struct {
	tempFile
	room    int   // bytes until the disk is full; -1: no end
	syncErr error // of Sync
	closed  error // of Close
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if f.room >= 0 && len(b) > f.room {
		n, err := f.tempFile.Write(b[:f.room])
		return n, errors.Join(syscall.ENOSPC, err)
	}
	return f.tempFile.Write(b)
}

func (f *faultyFile) Sync() error  { return errors.Join(f.syncErr, f.tempFile.Sync()) }
func (f *faultyFile) Close() error { return errors.Join(f.closed, f.tempFile.Close()) }

// A disk that is full, or fails, leaves the old record as it was.
func TestFileOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tokens")
	f, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old, err := f.Put(t.Context(), Record{Ref: mailbox.Ref{Tenant: "t", Mailbox: "m"}, Provider: "p", Sealed: []byte("old"), UpdatedAt: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	next := old
	next.Sealed = bytes.Repeat([]byte("new"), 1000)
	for name, fault := range map[string]faultyFile{
		"full at once":     {room: 0},
		"full in between":  {room: 700},
		"full at the sync": {room: -1, syncErr: syscall.ENOSPC},
		"failed close":     {room: -1, closed: syscall.EIO},
	} {
		f.create = func(name string) (tempFile, error) {
			file, err := f.createTemp(name)
			fault := fault
			fault.tempFile = file
			return &fault, err
		}
		if _, err := f.Put(t.Context(), next); !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("%s: Put: %v, want ClassStorage", name, err)
		}
		if err := f.Delete(t.Context(), old.Ref); fault.room != 700 && !errors.Is(err, mailbox.ClassStorage) {
			t.Errorf("%s: Delete: %v, want ClassStorage", name, err)
		} else if fault.room == 700 && err == nil {
			old.Version = 0 // a tombstone is small enough
			f.create = f.createTemp
			if old, err = f.Put(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			next.Version = old.Version
		}
		got, err := f.Get(t.Context(), old.Ref)
		if err != nil {
			t.Fatalf("%s: Get: %v", name, err)
		}
		if diff := cmp.Diff(old, got); diff != "" {
			t.Errorf("%s: the old record changed (-want +got):\n%s", name, diff)
		}
		if left, err := os.ReadDir(filepath.Join(dir, tempDir)); err != nil || len(left) > 0 {
			t.Errorf("%s: %d temporary files are left, error %v", name, len(left), err)
		}
	}
	f.create = f.createTemp
	if _, err := f.Put(t.Context(), next); err != nil {
		t.Errorf("Put on a disk with room again: %v", err)
	}
}

func FuzzParseEntry(f *testing.F) {
	e := entry{Record: Record{
		Ref: mailbox.Ref{Tenant: "t", Mailbox: "m"}, Provider: "outlook", Version: 1, Sealed: []byte("sealed"),
		UpdatedAt: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	}}
	b, err := e.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[entryHead:])
	f.Add([]byte(`{"tenant":"t","mailbox":"m","version":9,"deleted":true,"updated_at":"2026-11-20T12:00:00Z"}` + "\n"))
	f.Add([]byte(`{"tenant":null,"sealed":"AAAA","version":-1}` + "\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := parseEntry(body); err != nil && err != ErrDamaged { //nolint:errorlint // the very value
			t.Fatalf("error %v", err)
		}
		// With a checksum that fits, the content is reached.
		file := append([]byte(entryMark), hexSum(bytes.TrimSuffix(body, []byte("\n")))...)
		file = append(append(file, '\n'), body...)
		e, err := parseEntry(file)
		if err != nil {
			if err != ErrDamaged || e.Version != 0 || len(e.Sealed) != 0 { //nolint:errorlint // the very value
				t.Fatalf("error %v with %d bytes", err, len(e.Sealed))
			}
			return
		}
		if e.Validate() != nil || e.Version <= 0 || e.Deleted && len(e.Sealed) > 0 {
			t.Fatalf("an entry that was never written: %+v", e)
		}
		again, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseEntry(again)
		if err != nil || back.Ref != e.Ref || back.Version != e.Version || !bytes.Equal(back.Sealed, e.Sealed) || !back.UpdatedAt.Equal(e.UpdatedAt) {
			t.Fatalf("round trip: %+v became %+v, %v", e, back, err)
		}
	})
}
