//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package tokenstore

import (
	"io"
	"io/fs"
	"os"
)

// lockFile does not lock: the host has to see to it that one process at a time
// uses a directory.
func lockFile(root *os.Root, name string) (io.Closer, error) {
	return root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
}

// tooOpen cannot tell: these systems do not keep rights in the mode of a file.
func tooOpen(fs.FileInfo) bool { return false }

// syncDir does nothing: these systems make the names in a directory durable in
// their own time.
func syncDir(*os.Root, string) error { return nil }
