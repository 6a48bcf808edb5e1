package compose

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDump(t *testing.T) {
	if os.Getenv("DUMP") == "" {
		t.Skip()
	}
	out, _ := os.Create(os.Getenv("DUMP"))
	defer out.Close()
	one := func(path string, i int, b []byte) {
		m, _ := Read(strings.NewReader(string(b)), ReadOptions{})
		m.Header = nil
		j, _ := json.Marshal(m)
		fmt.Fprintf(out, "{\"path\":%q,\"i\":%d,\"m\":%s}\n", path, i, j)
	}
	root := "/work/shared/corpora"
	filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if info.IsDir() {
			return nil
		}
		f, _ := os.Open(path)
		defer f.Close()
		var r io.Reader = f
		name := path
		if strings.HasSuffix(path, ".gz") {
			r, _ = gzip.NewReader(f)
			name = strings.TrimSuffix(path, ".gz")
		}
		switch filepath.Ext(name) {
		case ".eml":
			b, _ := io.ReadAll(r)
			one(path, 0, b)
		case ".mbox":
			i := 0
			for b := range Mbox(r) {
				one(path, i, b)
				i++
			}
		}
		return nil
	})
}
