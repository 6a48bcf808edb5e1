// Command tink seals tokens with Tink instead of the keyring that ships with
// mailtether: any AEAD of Tink fits, also one whose keys are wrapped by a KMS.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/tokenstore"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run stores a token under a Tink key, replaces the key, and seals everything
// that is stored again with the new one.
func run(ctx context.Context, out io.Writer) error {
	// A real host reads an encrypted keyset: keyset.Read with its KMS.
	manager := keyset.NewManager()
	first, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if err := manager.SetPrimary(first); err != nil {
		return err
	}
	store := tokenstore.NewMemory()
	vault, err := newVault(manager, store)
	if err != nil {
		return err
	}
	ref := mailbox.Ref{Tenant: "acme", Mailbox: "sales"}
	if err := vault.Replace(ctx, ref, mailbox.Gmail, tokenstore.Token{Refresh: "secret"}); err != nil {
		return err
	}

	// Rotation: add a key, make it the primary, seal again, disable the old one.
	second, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if err := manager.SetPrimary(second); err != nil {
		return err
	}
	if vault, err = newVault(manager, store); err != nil {
		return err
	}
	report, err := vault.Rotate(ctx, tokenstore.RotateOptions{})
	if err != nil {
		return err
	}
	if err := manager.Disable(first); err != nil {
		return err
	}
	if vault, err = newVault(manager, store); err != nil {
		return err
	}
	token, _, err := vault.Get(ctx, ref)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "sealed again: %d, opened without the old key: %v\n", report.Rotated, token.Refresh != "")
	return nil
}

func newVault(m *keyset.Manager, s tokenstore.Store) (*tokenstore.Vault, error) {
	handle, err := m.Handle()
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, err
	}
	return tokenstore.NewVault(s, primitive), nil
}
