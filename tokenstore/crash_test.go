package tokenstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// writerEnv names the directory for a process of this test that only writes.
const writerEnv = "MAILTETHER_TEST_FILE_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		if err := writeForever(dir); err != nil {
			fmt.Println("failed:", err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForever writes one record over and over, and tells each number that is
// stored.
func writeForever(dir string) error {
	f, err := tokenstore.NewFile(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	rec, err := f.Get(ctx, ref)
	if errors.Is(err, tokenstore.ErrNotFound) {
		rec, err = record(ref, ""), nil
	}
	if err != nil {
		return err
	}
	n := 0
	if len(rec.Sealed) > 0 {
		if n, err = numberIn(rec.Sealed); err != nil {
			return err
		}
	}
	for {
		n++
		rec.Sealed = []byte(strings.Repeat(fmt.Sprintf("%08d", n), 1000+n%1000))
		if rec, err = f.Put(ctx, rec); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// numberIn returns the number that sealed bytes are made of, and fails if they are
// not those of one write.
func numberIn(sealed []byte) (int, error) {
	var n int
	if _, err := fmt.Sscanf(string(sealed[:8]), "%d", &n); err != nil {
		return 0, err
	}
	if string(sealed) != strings.Repeat(fmt.Sprintf("%08d", n), 1000+n%1000) {
		return 0, errors.New("the record is torn")
	}
	return n, nil
}

// A process that is killed while it writes leaves the old record or the new one,
// and its lock ends with it.
func TestFileCrash(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tokens")
	for range 12 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), writerEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		told, lines := 0, bufio.NewScanner(out)
		for range 1 + rand.N(20) {
			if !lines.Scan() {
				break
			}
			if _, err := fmt.Sscanf(lines.Text(), "%d", &told); err != nil {
				t.Fatalf("the writer says %q", lines.Text())
			}
		}
		if _, err := tokenstore.NewFile(dir); !errors.Is(err, mailbox.ClassConfig) {
			t.Errorf("NewFile while another process writes: %v, want ClassConfig", err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()

		f, err := tokenstore.NewFile(dir)
		if err != nil {
			t.Fatalf("NewFile after a crash: %v", err)
		}
		rec, err := f.Get(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		n, err := numberIn(rec.Sealed)
		if err != nil || n < told {
			t.Fatalf("number %d is stored, the writer had told %d; error %v", n, told, err)
		}
		left, err := os.ReadDir(filepath.Join(dir, "tmp"))
		if err != nil || len(left) > 0 {
			t.Errorf("%d temporary files are left, error %v", len(left), err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
