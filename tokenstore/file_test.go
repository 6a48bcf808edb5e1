package tokenstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mailtether/mailtether/tokenstore"
	"github.com/mailtether/mailtether/tokenstore/tokenstoretest"
)

func newFile(t testing.TB) (*tokenstore.File, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tokens")
	f, err := tokenstore.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

func TestFile(t *testing.T) {
	t.Parallel()
	tokenstoretest.TestStore(t, func(t *testing.T) tokenstore.Store {
		f, _ := newFile(t)
		return f
	})
}

func TestFileLeases(t *testing.T) {
	t.Parallel()
	tokenstoretest.TestLeases(t, func(t *testing.T, life time.Duration) tokenstore.Store {
		f, _ := newFile(t)
		f.SetLeaseLife(life)
		return f
	})
}
