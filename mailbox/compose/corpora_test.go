package compose

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
)

// TestCorpora reads every message below the folder that the environment
// variable MAILTETHER_CORPORA names: .eml and .mbox files, also compressed.
// All of it has to be read, hardly any of it may need repairs, and each message
// can be answered.
func TestCorpora(t *testing.T) {
	t.Parallel()
	root := os.Getenv("MAILTETHER_CORPORA")
	if root == "" {
		t.Skip("MAILTETHER_CORPORA is not set: no real mail to read")
	}
	var messages, noSender, noBody, undecoded int
	warnings := map[mailbox.WarningCode]int{}
	read := func(t *testing.T, raw []byte) {
		messages++
		m, err := Read(bytes.NewReader(raw), ReadOptions{})
		if err != nil {
			t.Fatalf("message %d: %v", messages, err)
		}
		checkReadable(t, m)
		if len(m.From) == 0 && m.Header.Has("From") {
			noSender++
		}
		if m.Body.Text == "" && m.Body.HTML == "" && len(m.Attachments) == 0 && m.Size > int64(len(m.Header)*100) {
			noBody++
		}
		if strings.Contains(m.Subject, "=?") {
			undecoded++
		}
		for _, w := range m.Warnings {
			warnings[w.Code]++
		}
		out := ReplyTo(m, mailbox.Identity{Address: "me@example.com"}, ReplyOptions{All: true, Quote: true})
		out.Text, out.HTML = "answer", "<p>answer</p>"
		out.To = append(out.To, mailbox.Address{Address: "somebody@example.com"})
		built, err := Build(out, BuildOptions{From: mailbox.Address{Address: "me@example.com"}})
		if err != nil {
			t.Fatalf("message %d cannot be answered: %v", messages, err)
		}
		checkWire(t, built.Raw)
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.TrimSuffix(path, ".gz")
		if ext := filepath.Ext(name); ext != ".eml" && ext != ".mbox" {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var src io.Reader = f
		if name != path {
			if src, err = gzip.NewReader(f); err != nil {
				return err
			}
		}
		if filepath.Ext(name) == ".eml" {
			raw, err := io.ReadAll(src)
			read(t, raw)
			return err
		}
		for raw, err := range Mbox(src) {
			if err != nil {
				return err
			}
			read(t, raw)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages; %d without sender, %d without content; repairs: %v", messages, noSender, noBody, warnings)
	if messages == 0 {
		t.Fatal("no messages found")
	}
	total := 0
	for _, n := range warnings {
		total += n
	}
	if undecoded > 0 || noBody > 0 || noSender*100 > messages || total*20 > messages {
		t.Errorf("%d undecoded subjects, %d without content, %d without sender, %d repairs", undecoded, noBody, noSender, total)
	}
}
