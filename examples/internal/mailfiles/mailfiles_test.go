package mailfiles_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
)

const (
	one  = "From: a@x.example\nSubject: one\n\nbody one\nFrom here on Mon Jun  2 10:00:00 2025\n"
	mbox = "From x Mon Jun  2 10:00:00 2025\nSubject: two\n\n>From me\n\nFrom x Mon Jun  2 10:00:00 2025\nSubject: three\n\nbody\n"
)

func zipped(content string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(content))
	z.Close()
	return b.String()
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
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

func TestAll(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"1.eml": one, "2.eml": "no header at all\xff\n", "3.mbox": mbox, "4/mbox.gz": zipped(mbox), "5.note.txt": "a note\n",
		"6.labels.json": `{"a": 1}`, "7/cur/1749.x:2,S": one, "8.empty": "", "9.eml.gz": zipped(one), "A.body.txt.gz": zipped("a body\n"),
	})
	missing := filepath.Join(dir, "missing")
	tests := []struct {
		name       string
		stdin      string
		paths      []string
		extensions []string
		want       []string
	}{
		{
			name: "folder", paths: []string{dir},
			want: []string{"1.eml 0 one", "2.eml 0 ?", "3.mbox 0 two", "3.mbox 1 three", "mbox.gz 0 two", "mbox.gz 1 three", "1749.x:2,S 0 one", "9.eml.gz 0 one"},
		},
		{
			name: "folder with bodies", paths: []string{dir}, extensions: []string{".txt"},
			want: []string{"1.eml 0 one", "2.eml 0 ?", "3.mbox 0 two", "3.mbox 1 three", "mbox.gz 0 two", "mbox.gz 1 three", "5.note.txt 0 ?", "1749.x:2,S 0 one", "9.eml.gz 0 one", "A.body.txt.gz 0 ?"},
		},
		{name: "any file that is named", paths: []string{filepath.Join(dir, "6.labels.json")}, want: []string{"6.labels.json 0 ?"}},
		{name: "standard input", stdin: mbox, paths: []string{"-"}, want: []string{"- 0 two", "- 1 three"}},
		{name: "zipped standard input", stdin: zipped(one), paths: []string{"-"}, want: []string{"- 0 one"}},
		{name: "missing, and on", paths: []string{missing, filepath.Join(dir, "1.eml")}, want: []string{"missing unopened", "1.eml 0 one"}},
		{name: "damaged", stdin: zipped(mbox)[:40], paths: []string{"-", filepath.Join(dir, "1.eml")}, want: []string{"- error", "1.eml 0 one"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for m := range mailfiles.All(strings.NewReader(tt.stdin), tt.paths, tt.extensions...) {
				name := filepath.Base(m.File)
				switch {
				case m.Unopened:
					got = append(got, name+" unopened")
				case m.Err != nil:
					got = append(got, name+" error")
				default:
					_, subject, found := strings.Cut(string(m.Raw), "Subject: ")
					subject, _, _ = strings.Cut(subject, "\n")
					if !found {
						subject = "?"
					}
					got = append(got, fmt.Sprint(name, " ", m.Index, " ", subject))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAllStopsWhenAsked(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"1.mbox": mbox, "2.mbox": mbox})
	n := 0
	for range mailfiles.All(nil, []string{dir, dir}) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d messages", n)
	}
}
