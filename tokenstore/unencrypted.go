package tokenstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Unencrypted is an [AEAD] that does not encrypt: whoever reads the store can use
// the tokens, and whoever writes to it can plant some. It is for development, and
// for stores that are encrypted by other means. It has to be asked for by name:
//
//	tokenstore.NewVault(store, tokenstore.Unencrypted{})
//
// A checksum over the content and the associated data finds records that were
// damaged or moved by accident; it protects from nobody. Records that a [Keyring]
// sealed cannot be opened with it, nor the other way round: to begin or to give
// up encryption, the mailboxes are connected again.
type Unencrypted struct{}

// The form of a record: the mark, which tells whoever looks at it what it is, the
// SHA-256 over associated data and plaintext, the plaintext.
const unencryptedMark = "unencrypted\n"

// Encrypt implements [AEAD]. It does not encrypt, and does not fail.
func (Unencrypted) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	return slices.Concat([]byte(unencryptedMark), checksum(plaintext, associatedData), plaintext), nil
}

// Decrypt implements [AEAD]. The only error is ErrSealed.
func (Unencrypted) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(ciphertext, []byte(unencryptedMark))
	if !ok || len(rest) < sha256.Size {
		return nil, ErrSealed
	}
	sum, plaintext := rest[:sha256.Size], rest[sha256.Size:]
	if !bytes.Equal(sum, checksum(plaintext, associatedData)) {
		return nil, ErrSealed
	}
	return bytes.Clone(plaintext), nil
}

// SealedByPrimary implements [PrimaryChecker].
func (Unencrypted) SealedByPrimary(ciphertext []byte) bool {
	return bytes.HasPrefix(ciphertext, []byte(unencryptedMark))
}

func checksum(plaintext, associatedData []byte) []byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(associatedData))))
	h.Write(associatedData)
	h.Write(plaintext)
	return h.Sum(nil)
}
