package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestQuickstart(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out, ""); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		"gmail-reply", "gmail-other-sender", "gmail-out-of-office", "gmail-bounce",
		"outlook-reply", "outlook-other-sender", "outlook-out-of-office", "outlook-bounce",
	} {
		if n := strings.Count(out.String(), want); n != 2 {
			t.Errorf("%q stands %d times in the tables, want once as sent and once as answered", want, n)
		}
	}
}

const (
	one    = "From: a@x.example\nSubject: one\n\nbody one\n"
	broken = "no header at all\xff\xfe\n\n\n"
)

// mailFolder holds mail in every form that -mail reads.
func mailFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mbox := "From x Mon Jun  2 10:00:00 2025\nSubject: two\n\n>From me\n\nFrom x Mon Jun  2 10:00:00 2025\nSubject: three\n\nbody\n"
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	zw.Write([]byte(mbox))
	zw.Close()
	for name, content := range map[string]string{
		"1.eml": one, "sub/2.eml": broken, "3.mbox": mbox, "sub/4.mbox.gz": zipped.String(), "labels.json": "{}",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestQuickstartReadsNoBodyOfBackgroundMail(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out, mailFolder(t)); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
}
