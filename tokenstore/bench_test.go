package tokenstore_test

import (
	"fmt"
	"testing"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

func BenchmarkSourceCached(b *testing.B) {
	f := newFixture(b)
	f.want(b, "access-0")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.source.Token(b.Context(), mailbox.TokenRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

// A token in hand costs no memory.
func TestCachedTokenAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	f.want(t, "access-0")
	app := newAppFixture().source("a", "")
	wantAppToken(t, app, mailbox.TokenRequest{}, "access-1")
	for name, source := range map[string]mailbox.TokenSource{"Source": f.source, "AppSource": app} {
		ctx := t.Context()
		if n := testing.AllocsPerRun(100, func() {
			if _, err := source.Token(ctx, mailbox.TokenRequest{}); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %g allocations, want none", name, n)
		}
	}
}

// Seal, store, load and open one token.
func BenchmarkVaultRoundTrip(b *testing.B) {
	stores := map[string]func(b *testing.B) tokenstore.Store{
		"memory": func(*testing.B) tokenstore.Store { return tokenstore.NewMemory() },
		"file":   func(b *testing.B) tokenstore.Store { f, _ := newFile(b); return f },
	}
	for name, open := range stores {
		b.Run(name, func(b *testing.B) {
			v := tokenstore.NewVault(open(b), newKeyring(b, "k1"))
			tok := firstToken()
			version := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if version, err = v.Put(b.Context(), ref, mailbox.Outlook, tok, version); err != nil {
					b.Fatal(err)
				}
				if _, _, err = v.Get(b.Context(), ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Seal all records of a store again, with progress.
func BenchmarkRotate(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := tokenstore.NewMemory()
			fill(b, s, newKeyring(b, "k0"), n/10, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
			keys := []string{"k0", "k1"}
			b.ReportAllocs()
			for b.Loop() {
				keys[0], keys[1] = keys[1], keys[0]
				told := 0
				report, err := tokenstore.NewVault(s, newKeyring(b, keys...)).Rotate(b.Context(), tokenstore.RotateOptions{
					Progress: func(tokenstore.RotateReport) { told++ },
				})
				if err != nil || report.Rotated != n || told != n/1000+1 {
					b.Fatalf("%+v, told %d times, %v", report, told, err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
