//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package tokenstore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/mailtether/mailtether/mailbox"
)

// lockFile takes an exclusive lock on a file, which ends with the process, and
// fails if another holds it.
func lockFile(root *os.Root, name string) (io.Closer, error) {
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	file.Close()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, &os.PathError{Op: "flock", Path: name, Err: err}
	}
	return nil, &mailbox.Error{
		Op: "open token store", Class: mailbox.ClassConfig, Code: "locked",
		Err: &mailbox.FieldError{Field: "dir", Limit: "a directory that nobody else uses", Problem: "is in use"},
	}
}

// tooOpen reports whether other users have any right on a file or directory.
func tooOpen(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// syncDir makes the names in a directory durable.
func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
