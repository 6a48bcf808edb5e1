package tokenstore

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

const redacted = "[redacted]"

// Secret is a string that prints as "[redacted]" in every format. Convert it to
// string to use it.
type Secret string

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Token is what a token endpoint grants for one mailbox. Both secrets print as
// "[redacted]"; a [Vault] stores it.
type Token struct {
	Access  mailbox.AccessToken
	Refresh Secret
	// Type is the token type; empty means Bearer, the only one that is used.
	Type string
	// Expiry is when Access expires. Zero means that the server did not say:
	// the token is used until the provider refuses it.
	Expiry time.Time
	// IssuedAt is when the token was received, by the clock of this machine.
	IssuedAt time.Time
	// GrantedAt is when the user agreed: IssuedAt of the first token of the
	// grant.
	GrantedAt time.Time
	// RefreshExpiry is when Refresh expires, if the grant was given for a
	// limited time (Google's refresh_token_expires_in). Zero means unknown.
	RefreshExpiry time.Time
	// Scopes are the scopes that the server says it granted. Empty means that
	// it did not say; RFC 6749 (5.1) then lets the requested ones hold.
	Scopes []string
}

// Format prints everything but the secrets, with every verb.
func (t Token) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "Token{%s, expires %s, scopes %q}", redacted, t.Expiry.UTC().Format(time.RFC3339), t.Scopes)
}

// LogValue prints everything but the secrets.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.Time("expiry", t.Expiry), slog.Any("scopes", t.Scopes))
}

// MarshalJSON prints everything but the secrets. It is for logs: what it writes
// cannot be read back.
func (t Token) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"token":%q,"expiry":%q}`, redacted, t.Expiry.UTC().Format(time.RFC3339)), nil
}

// after returns t as the successor of old: what a refresh answer leaves out
// stays as it was (RFC 6749, 6).
func (t Token) after(old Token) Token {
	if t.Refresh == "" {
		t.Refresh = old.Refresh
		if t.RefreshExpiry.IsZero() {
			t.RefreshExpiry = old.RefreshExpiry
		}
	}
	if len(t.Scopes) == 0 {
		t.Scopes = old.Scopes
	}
	t.GrantedAt = old.GrantedAt
	return t
}

// expiryMargin is how long before its expiry a token is no longer handed out,
// so that it survives the way to the provider.
const expiryMargin = 10 * time.Second

// valid reports whether the access token can be used at all at now.
func (t Token) valid(now time.Time) bool {
	return t.Access != "" && (t.Expiry.IsZero() || now.Before(t.Expiry.Add(-expiryMargin)))
}

// refreshAt returns when a successor should be asked for: early before the
// expiry, but never in the first three quarters of a short life. Zero means
// never.
func (t Token) refreshAt(early time.Duration) time.Time {
	if t.Expiry.IsZero() {
		return time.Time{}
	}
	if life := t.Expiry.Sub(t.IssuedAt); !t.IssuedAt.IsZero() && life > 0 {
		early = min(early, life/4)
	}
	return t.Expiry.Add(-max(early, expiryMargin))
}
