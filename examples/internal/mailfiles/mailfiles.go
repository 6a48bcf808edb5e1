// Package mailfiles reads mail from where people keep it: messages, mailbox
// files, either of them gzipped, and folders of these.
package mailfiles

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailtether/mailtether/mailbox/compose"
)

// Message is one message of a file.
type Message struct {
	// File is the path, "-" for standard input.
	File string
	// Index is the position in the file, from 0.
	Index int
	// Raw is the message as it stands in the file.
	Raw []byte
	// Err tells why the message, or the rest of the file, could not be read.
	Err error
	// Unopened tells that the file could not be opened at all.
	Unopened bool
}

// All ranges over the messages of the paths in the given order, those of a folder
// by the names of its files. What cannot be read gives a message with an error,
// and the next one follows. In a folder files that hold no mail are passed over,
// unless their names end in ".eml", ".mbox" or one of the extensions (".txt").
func All(stdin io.Reader, paths []string, extensions ...string) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for _, path := range paths {
			if path == "-" {
				if !readAll(stdin, path, yield) {
					return
				}
				continue
			}
			stop := false
			_ = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
					stop = !yield(Message{File: file, Err: err, Unopened: true})
				case d.IsDir() || file != path && !d.Type().IsRegular():
				default:
					named := file == path || hasExtension(file, ".eml", ".mbox") || hasExtension(file, extensions...)
					stop = !readFile(file, named, yield)
				}
				if stop {
					return fs.SkipAll
				}
				return nil
			})
			if stop {
				return
			}
		}
	}
}

// maxMessage is the size in bytes above which [compose.Read] refuses a message.
const maxMessage = 256 << 20

func hasExtension(file string, extensions ...string) bool {
	if strings.EqualFold(filepath.Ext(file), ".gz") {
		file = file[:len(file)-len(".gz")]
	}
	for _, e := range extensions {
		if strings.EqualFold(filepath.Ext(file), e) {
			return true
		}
	}
	return false
}

// readFile reports whether to go on.
func readFile(file string, wanted bool, yield func(Message) bool) bool {
	f, err := os.Open(file)
	if err != nil {
		return yield(Message{File: file, Err: err, Unopened: true})
	}
	defer f.Close()
	if !wanted && !holdsMail(f) {
		return true
	}
	return readAll(f, file, yield)
}

// holdsMail looks at the beginning of a file and winds it back.
func holdsMail(f *os.File) bool {
	defer f.Seek(0, io.SeekStart)
	r, err := unzipped(bufio.NewReader(f))
	if err != nil {
		return false
	}
	start, _ := r.Peek(4096)
	line, _, _ := bytes.Cut(bytes.TrimLeft(start, "\r\n"), []byte("\n"))
	if bytes.HasPrefix(line, []byte("From ")) {
		return true
	}
	name, _, found := bytes.Cut(line, []byte(":"))
	return found && len(name) > 0 && !bytes.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-')
	})
}

// unzipped returns what r holds, unpacked if it is gzipped.
func unzipped(r *bufio.Reader) (*bufio.Reader, error) {
	if magic, _ := r.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return r, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return bufio.NewReader(z), nil
}

func readAll(src io.Reader, file string, yield func(Message) bool) bool {
	r, err := unzipped(bufio.NewReader(src))
	if err != nil {
		return yield(Message{File: file, Err: err})
	}
	if start, _ := r.Peek(5); !bytes.Equal(start, []byte("From ")) {
		raw, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
		return yield(Message{File: file, Raw: raw, Err: err})
	}
	index := 0
	for raw, err := range compose.Mbox(r) {
		if !yield(Message{File: file, Index: index, Raw: raw, Err: err}) {
			return false
		}
		index++
	}
	return true
}
