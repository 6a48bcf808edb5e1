package tokenstore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

// AEAD seals data together with associated data: both have to be presented to
// open it. It has the shape of Tink's interface of the same name, so that a Tink
// keyset or a KMS client fits without an adapter.
type AEAD interface {
	Encrypt(plaintext, associatedData []byte) ([]byte, error)
	Decrypt(ciphertext, associatedData []byte) ([]byte, error)
}

// PrimaryChecker is implemented by an [AEAD] with several keys that can tell
// which of them sealed something. [Vault.Rotate] then leaves alone what need not
// be sealed again; with another AEAD it seals everything again.
type PrimaryChecker interface {
	// SealedByPrimary reports whether ciphertext names the key that Encrypt uses.
	// It need not be able to open it.
	SealedByPrimary(ciphertext []byte) bool
}

// Key is one key of a [Keyring]. It prints without its secret.
type Key struct {
	// ID names the key inside what it sealed, in clear: 1 to 255 bytes. Never
	// give a new secret an ID that was used before.
	ID string
	// Secret is the key itself: 32 bytes from a cryptographic random generator.
	Secret []byte `json:"-" xml:"-"`
}

// Format prints the ID only, with every verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "Key{%q, %s}", k.ID, redacted) }

// LogValue prints the ID only.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.ID) }

// Keyring is an [AEAD] on AES-256-GCM with random nonces. It seals with the
// primary key and opens with whichever of its keys the ciphertext names, so that
// keys can be replaced while old ciphertexts are still around. It is safe for
// concurrent use. One key must not seal more than 2^32 times (NIST SP 800-38D,
// 8.3).
type Keyring struct {
	primary string
	keys    map[string]cipher.AEAD
}

// NewKeyring returns a Keyring that seals with primary and opens with all. It
// copies the secrets. A key without ID, with an ID of another, or whose secret
// does not have 32 bytes is a mailbox.ClassInvalid error.
func NewKeyring(primary Key, others ...Key) (*Keyring, error) {
	r := &Keyring{primary: primary.ID, keys: make(map[string]cipher.AEAD)}
	for i, k := range slices.Concat([]Key{primary}, others) {
		field := func(name string) string { return fmt.Sprintf("keys[%d].%s", i, name) }
		if k.ID == "" || len(k.ID) > maxKeyID {
			return nil, mailbox.Invalid(field("ID"), "1 to 255 bytes", "has the wrong length")
		}
		if r.keys[k.ID] != nil {
			return nil, mailbox.Invalid(field("ID"), "a different ID for every key", "is used twice")
		}
		if len(k.Secret) != 32 {
			return nil, mailbox.Invalid(field("Secret"), "32 bytes", "has the wrong length")
		}
		block, err := aes.NewCipher(k.Secret)
		if err != nil {
			return nil, mailbox.Invalid(field("Secret"), "an AES-256 key", "is refused by crypto/aes")
		}
		gcm, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, mailbox.Invalid(field("Secret"), "an AES-256 key", "is refused by crypto/cipher")
		}
		r.keys[k.ID] = gcm
	}
	return r, nil
}

// Format prints the ID of the primary key only, with every verb.
func (r *Keyring) Format(f fmt.State, _ rune) {
	if r == nil {
		io.WriteString(f, "Keyring(nil)")
		return
	}
	fmt.Fprintf(f, "Keyring{%q}", r.primary)
}

// The envelope around a ciphertext:
//
//	version (1 byte) | length of key ID (1 byte) | key ID | nonce (12) | ciphertext and tag
//
// The part before the nonce is authenticated together with the associated data
// of the caller; it is self-delimiting, so the two cannot be confused.
const (
	envelopeVersion = 1
	maxKeyID        = 255
	gcmOverhead     = 12 + 16 // nonce and tag
)

// Encrypt implements [AEAD] with the primary key. It does not fail.
func (r *Keyring) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	head := append([]byte{envelopeVersion, byte(len(r.primary))}, r.primary...)
	sealed := r.keys[r.primary].Seal(nil, nil, plaintext, slices.Concat(head, associatedData))
	return append(head, sealed...), nil
}

// Decrypt implements [AEAD] with the key that the ciphertext names. The only
// error is ErrSealed.
func (r *Keyring) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	head, sealed, ok := splitEnvelope(ciphertext)
	if !ok {
		return nil, ErrSealed
	}
	key := r.keys[string(head[2:])]
	if key == nil {
		return nil, ErrSealed
	}
	plaintext, err := key.Open(nil, nil, sealed, slices.Concat(head, associatedData))
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}

// SealedByPrimary implements [PrimaryChecker].
func (r *Keyring) SealedByPrimary(ciphertext []byte) bool {
	head, _, ok := splitEnvelope(ciphertext)
	return ok && string(head[2:]) == r.primary
}

// splitEnvelope cuts an envelope before its nonce.
func splitEnvelope(b []byte) (head, sealed []byte, ok bool) {
	if !bytes.HasPrefix(b, []byte{envelopeVersion}) || len(b) < 2 {
		return nil, nil, false
	}
	cut := 2 + int(b[1])
	if b[1] == 0 || len(b) < cut+gcmOverhead {
		return nil, nil, false
	}
	return b[:cut:cut], b[cut:], true
}
