package tokenstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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

// A key is replaced in three steps: every process gets the new key as one that
// opens, then as the primary, and then the whole store is sealed again, in use.
// After that the old key can go.
func ExampleVault_Rotate() {
	old := tokenstore.Key{ID: "2025-11", Secret: make([]byte, 32)}
	primary := tokenstore.Key{ID: "2026-11", Secret: make([]byte, 32)}
	rand.Read(old.Secret)
	rand.Read(primary.Secret)
	ctx := context.Background()
	store := tokenstore.NewMemory()
	before, err := tokenstore.NewKeyring(old, primary)
	if err != nil {
		panic(err)
	}
	vault := tokenstore.NewVault(store, before)
	for _, id := range []mailbox.MailboxID{"sales", "support", "info"} {
		ref := mailbox.Ref{Tenant: "acme", Mailbox: id}
		if err := vault.Replace(ctx, ref, mailbox.Gmail, tokenstore.Token{Refresh: "secret"}); err != nil {
			panic(err)
		}
	}

	both, err := tokenstore.NewKeyring(primary, old)
	if err != nil {
		panic(err)
	}
	report, err := tokenstore.NewVault(store, both).Rotate(ctx, tokenstore.RotateOptions{
		Progress: func(r tokenstore.RotateReport) { fmt.Println("done:", r.Done) },
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("rotated:", report.Rotated, "failed:", report.Failed)

	alone, err := tokenstore.NewKeyring(primary)
	if err != nil {
		panic(err)
	}
	_, _, err = tokenstore.NewVault(store, alone).Get(ctx, mailbox.Ref{Tenant: "acme", Mailbox: "sales"})
	fmt.Println("the new key alone:", err)
	// Output:
	// done: 3
	// rotated: 3 failed: 0
	// the new key alone: <nil>
}

// Tokens in files survive a restart. One process at a time uses the directory.
func ExampleNewFile() {
	parent, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(parent)
	store, err := tokenstore.NewFile(filepath.Join(parent, "tokens"))
	if err != nil {
		panic(err)
	}
	defer store.Close()

	_, err = tokenstore.NewFile(filepath.Join(parent, "tokens"))
	fmt.Println(errors.Is(err, mailbox.ClassConfig), err)
	// Output: true mailtether: open token store: app misconfigured (locked): dir is in use (allowed: a directory that nobody else uses)
}

// Without keys nothing is stored; plain text has to be asked for.
func ExampleUnencrypted() {
	ctx := context.Background()
	ref := mailbox.Ref{Tenant: "acme", Mailbox: "sales"}
	token := tokenstore.Token{Refresh: "secret"}

	err := tokenstore.NewVault(tokenstore.NewMemory(), nil).Replace(ctx, ref, mailbox.Gmail, token)
	fmt.Println(err)
	err = tokenstore.NewVault(tokenstore.NewMemory(), tokenstore.Unencrypted{}).Replace(ctx, ref, mailbox.Gmail, token)
	fmt.Println(err)
	// Output:
	// mailtether: app misconfigured: Vault lacks one of them (allowed: a Store and an AEAD)
	// <nil>
}

// An app that acts in its own right needs no user and stores no token.
func ExampleAppSource() {
	provider := newService() // in a host: gmail.New or outlook.New
	source := tokenstore.NewAppSource(tokenstore.AppSourceConfig{
		Client: &tokenstore.Client{
			Provider:     provider,
			ClientID:     "app",
			ClientSecret: "app-secret",
			Transport:    provider, // leads to the provider; in a host nil
			OnFault: func(_ context.Context, err *mailbox.Error) {
				fmt.Println("tell the operator:", err.Class)
			},
		},
		Ref:    mailbox.Ref{Tenant: "acme", Mailbox: "support"},
		Flow:   mailbox.AppFlowCredentials, // from mailbox.AppProvider, as the scopes
		Scopes: []string{"https://graph.test/.default"},
	})
	token, err := source.Token(context.Background(), mailbox.TokenRequest{})
	fmt.Println(token, string(token), err)
	// Output: [redacted] access-1 <nil>
}
