package tokenstore_test

import (
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

func BenchmarkVaultRoundTrip(b *testing.B) {
	v := tokenstore.NewVault(tokenstore.NewMemory(), newKeyring(b, "k1"))
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
}
