package tokenstore_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

// A vault seals what goes into the store. A key is replaced by making a new one
// the primary and keeping the old one until no record needs it.
func ExampleVault() {
	old := tokenstore.Key{ID: "2025-11", Secret: make([]byte, 32)}
	rand.Read(old.Secret) // in a host: from its configuration
	keys, err := tokenstore.NewKeyring(old)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	store := tokenstore.NewMemory()
	ref := mailbox.Ref{Tenant: "acme", Mailbox: "sales"}

	vault := tokenstore.NewVault(store, keys)
	if err := vault.Replace(ctx, ref, mailbox.Gmail, tokenstore.Token{Refresh: "secret"}); err != nil {
		panic(err)
	}

	primary := tokenstore.Key{ID: "2026-11", Secret: make([]byte, 32)}
	rand.Read(primary.Secret)
	keys, err = tokenstore.NewKeyring(primary, old)
	if err != nil {
		panic(err)
	}
	token, _, err := tokenstore.NewVault(store, keys).Get(ctx, ref)
	fmt.Println(token.Refresh, token.Refresh == "secret", err)
	// Output: [redacted] true <nil>
}

// A source hands a driver access tokens, and refreshes them in time.
func ExampleSource() {
	provider := newService() // in a host: gmail.New or outlook.New
	keys, err := tokenstore.NewKeyring(tokenstore.Key{ID: "2026-11", Secret: make([]byte, 32)})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	ref := mailbox.Ref{Tenant: "acme", Mailbox: "sales"}
	vault := tokenstore.NewVault(tokenstore.NewMemory(), keys)
	if err := vault.Replace(ctx, ref, provider.Name(), tokenstore.Token{Refresh: "refresh-0"}); err != nil {
		panic(err)
	}

	source := tokenstore.NewSource(tokenstore.SourceConfig{
		Vault: vault,
		Ref:   ref,
		Client: &tokenstore.Client{
			Provider:     provider,
			ClientID:     "app",
			ClientSecret: "app-secret",
			Transport:    provider, // leads to the provider; in a host nil
		},
		OnDead: func(_ context.Context, err *mailbox.Error, _ int64) {
			fmt.Println("tell the user:", err.Class)
		},
	})
	token, err := source.Token(ctx, mailbox.TokenRequest{})
	fmt.Println(token, string(token), err)
	// Output: [redacted] access-1 <nil>
}
