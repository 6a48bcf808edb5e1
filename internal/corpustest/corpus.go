// Package corpustest reads folders of real mail that stand outside of the
// repository, and counts how well something did on them. The environment
// variable MAILTETHER_CORPORA names the folder; without it the tests that need
// it are skipped.
package corpustest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

// Dir returns a folder of the corpora.
func Dir(t testing.TB, name ...string) string {
	t.Helper()
	dir := os.Getenv("MAILTETHER_CORPORA")
	if dir == "" {
		t.Skip("MAILTETHER_CORPORA names no folder of test mail")
	}
	return filepath.Join(append([]string{dir}, name...)...)
}

// Read returns the content of a file, unpacked if its name ends in ".gz".
func Read(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(path) != ".gz" {
		return raw
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return raw
}

// Labels reads a file of JSON.
func Labels(t testing.TB, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(Read(t, path), into); err != nil {
		t.Fatal(err)
	}
}

// Mbox ranges over the raw messages of a mailbox file.
func Mbox(t testing.TB, path string) iter.Seq[[]byte] {
	t.Helper()
	raw := Read(t, path)
	return func(yield func([]byte) bool) {
		for message, err := range compose.Mbox(bytes.NewReader(raw)) {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(message) {
				return
			}
		}
	}
}

// Message reads a raw message with its body.
func Message(t testing.TB, raw []byte) *mailbox.Message {
	t.Helper()
	return read(t, raw, compose.ReadOptions{})
}

// Header reads the header of a raw message, as one does who may not read
// bodies.
func Header(t testing.TB, raw []byte) *mailbox.Message {
	t.Helper()
	return read(t, raw, compose.ReadOptions{HeadersOnly: true})
}

func read(t testing.TB, raw []byte, opts compose.ReadOptions) *mailbox.Message {
	t.Helper()
	m, err := compose.Read(bytes.NewReader(raw), opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
