package tokenstore

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mailtether/mailtether/mailbox"
)

// ServiceAccount signs the assertions of an app that acts without a user (RFC
// 7523, 2.1). It prints without its key. Use [ParseServiceAccount].
type ServiceAccount struct {
	// Email names the account: it is the issuer of the assertions.
	Email string
	// KeyID names the key for the provider.
	KeyID string

	key *rsa.PrivateKey
}

const (
	// maxServiceAccount is far above the 2.4 kB of Google's files.
	maxServiceAccount = 64 << 10
	maxRSABits        = 8192
	minRSABits        = 2048 // RFC 7518, 3.3
)

// ParseServiceAccount reads a JSON key file of a Google service account. Its
// token_uri is ignored: assertions go to the token endpoint of the provider and
// nowhere else. What is missing or wrong is a mailbox.ClassInvalid error that
// names the field, and never holds anything of the file.
func ParseServiceAccount(file []byte) (*ServiceAccount, error) {
	if len(file) > maxServiceAccount {
		return nil, mailbox.Invalid("service account", "at most 64 KiB", "is too long")
	}
	var fields struct {
		Type  *string `json:"type"`
		Email string  `json:"client_email"`
		KeyID string  `json:"private_key_id"`
		Key   string  `json:"private_key"`
	}
	if err := json.Unmarshal(file, &fields); err != nil {
		return nil, mailbox.Invalid("service account", "the JSON key file of a Google service account", "is not one")
	}
	switch {
	case fields.Type == nil || *fields.Type != "service_account":
		return nil, mailbox.Invalid("type", `"service_account"`, "is another")
	case !plausible(fields.Email) || !strings.Contains(fields.Email, "@"):
		return nil, mailbox.Invalid("client_email", "the address of the service account", "is not one")
	case !plausible(fields.KeyID):
		return nil, mailbox.Invalid("private_key_id", "1 to 255 printable characters", "is not that")
	}
	key, ok := parseRSA(fields.Key)
	if !ok {
		return nil, mailbox.Invalid("private_key", "an RSA key of 2048 to 8192 bits, PKCS #8 or PKCS #1, in PEM", "is not one")
	}
	return &ServiceAccount{Email: fields.Email, KeyID: fields.KeyID, key: key}, nil
}

func plausible(s string) bool { return s != "" && len(s) <= 255 && printable(s) }

func parseRSA(s string) (*rsa.PrivateKey, bool) {
	block, rest := pem.Decode([]byte(s))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, false
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || key.N.BitLen() < minRSABits || key.N.BitLen() > maxRSABits {
		return nil, false
	}
	return key, true
}

// Format prints the ID of the key only, with every verb.
func (s ServiceAccount) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "ServiceAccount{%q, %s}", s.KeyID, redacted)
}

// LogValue prints the ID of the key only.
func (s ServiceAccount) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// MarshalText prints the ID of the key only. It is for logs: what it writes
// cannot be read back.
func (s ServiceAccount) MarshalText() ([]byte, error) { return fmt.Append(nil, s), nil }

const (
	// assertionLife is the longest that Google accepts (Google Identity, Using
	// OAuth 2.0 for Server to Server Applications, 2026-09).
	assertionLife = time.Hour
	// assertionBack is how far the clock of this machine may be ahead of the
	// provider's, which refuses an assertion from the future. That much of the
	// life is gone from the start.
	assertionBack = 10 * time.Minute
)

// assertion returns a signed claim that the account wants to act for subject.
func (s *ServiceAccount) assertion(audience, subject, scope string, now time.Time) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: s.key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.KeyID),
	)
	if err != nil {
		return "", err
	}
	issued := now.Add(-assertionBack)
	return jwt.Signed(signer).Claims(map[string]any{
		"iss":   s.Email,
		"sub":   subject,
		"aud":   audience,
		"scope": scope,
		"iat":   issued.Unix(),
		"exp":   issued.Add(assertionLife).Unix(),
	}).Serialize()
}
