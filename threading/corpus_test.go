package threading_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
)

// corpora returns the folder of real mail that the evaluation runs on.
func corpora(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MAILTETHER_CORPORA")
	if dir == "" {
		t.Skip("MAILTETHER_CORPORA names no folder of test mail")
	}
	return dir
}

// message makes a message of raw bytes, header only, as a driver without the
// right to read bodies would.
func message(raw []byte) *mailbox.Message {
	m := &mailbox.Message{HeaderComplete: true}
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 && len(m.Header) > 0 {
			break
		}
		raw = rest
		if name, value, ok := strings.Cut(string(line), ":"); ok && !strings.ContainsAny(name, " \t") {
			m.Header = append(m.Header, mailbox.Field{Name: name, Value: strings.TrimSpace(value)})
		} else if n := len(m.Header); n > 0 {
			m.Header[n-1].Value += " " + strings.TrimSpace(string(line))
		}
	}
	if ids := mailbox.ParseMessageIDs(m.Header.Get("Message-ID")); len(ids) > 0 {
		m.RFCMessageID = ids[0]
	}
	if date, err := mail.ParseDate(m.Header.Get("Date")); err == nil {
		m.Date = date
	}
	return m
}

func readLabels(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(path) == ".gz" {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// eachMessage calls f for the raw header of every message of a gzipped mbox, in
// order.
func eachMessage(t *testing.T, path string, f func(header []byte)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReaderSize(z, 1<<16)
	var header []byte
	inHeader := false
	for {
		line, err := r.ReadBytes('\n')
		switch {
		case bytes.HasPrefix(line, []byte("From ")):
			if header != nil {
				f(header)
			}
			header, inHeader = []byte{}, true
		case inHeader && len(bytes.TrimSpace(line)) == 0:
			inHeader = false
		case inHeader:
			header = append(header, line...)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if header != nil {
		f(header)
	}
}
