package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailtether/mailtether/mailbox/compose"
)

// readMail calls deliver with every message found at path: an .eml file, an
// mbox, either of them gzipped, or a folder of these.
func readMail(ctx context.Context, path string, deliver func(raw []byte) error) error {
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		plain := strings.TrimSuffix(strings.ToLower(file), ".gz")
		if file != path && !strings.HasSuffix(plain, ".eml") && !strings.HasSuffix(plain, ".mbox") {
			return nil // labels and notes beside the mail
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := readFile(file, deliver); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return nil
	})
}

func readFile(file string, deliver func(raw []byte) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(strings.ToLower(file), ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return err
		}
	}
	br := bufio.NewReader(r)
	if start, _ := br.Peek(5); !bytes.Equal(start, []byte("From ")) {
		raw, err := io.ReadAll(br)
		if err != nil {
			return err
		}
		return deliver(raw)
	}
	for raw, err := range compose.Mbox(br) {
		if err != nil {
			return err
		}
		if err := deliver(raw); err != nil {
			return err
		}
	}
	return nil
}
