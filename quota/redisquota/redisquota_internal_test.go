package redisquota

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzKeys takes the names of keys apart again: then no two logs share them. All
// keys of a log have one hash tag, as the specification of Redis Cluster finds
// it.
func FuzzKeys(f *testing.F) {
	f.Add("", "tenant", "mailbox", "name")
	f.Add("prefix:", "a:b", "{c}", "}{")
	f.Add("prefix:", "", "", "")
	f.Add("{", "%7B", "+ ", "\xff\x00")
	f.Fuzz(func(t *testing.T, prefix, a, b, c string) {
		s, parts := &Store{prefix: strings.NewReplacer("{", "", "}", "").Replace(prefix)}, []string{a, b, c}
		suffixes := []string{"times", "state"}
		for i, key := range s.keys(parts, suffixes...) {
			begin := strings.IndexByte(key, '{')
			end := begin + strings.IndexByte(key[begin:], '}')
			if key[:begin] != s.prefix || key[end:] != "}:"+suffixes[i] || end == begin+1 {
				t.Fatalf("key %q", key)
			}
			got := strings.Split(key[begin+1:end], ":")
			for i := range got {
				var err error
				if got[i], err = url.QueryUnescape(got[i]); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(got, parts) {
				t.Errorf("key %q is of %q, want %q", key, got, parts)
			}
		}
	})
}
