package tokenstore

import (
	"encoding/json"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// plainToken is the form in which a token is sealed. The names are stored: they
// never change.
type plainToken struct {
	Access        string    `json:"access"`
	Refresh       string    `json:"refresh,omitempty"`
	Type          string    `json:"type,omitempty"`
	Expiry        time.Time `json:"expiry,omitzero"`
	IssuedAt      time.Time `json:"issued_at,omitzero"`
	GrantedAt     time.Time `json:"granted_at,omitzero"`
	RefreshExpiry time.Time `json:"refresh_expiry,omitzero"`
	Scopes        []string  `json:"scopes,omitempty"`
}

func encodeToken(t Token) ([]byte, error) {
	switch {
	case t.Access == "" && t.Refresh == "":
		return nil, mailbox.Invalid("token", "an access or a refresh token", "is empty")
	case !printable(string(t.Access)) || !printable(string(t.Refresh)):
		return nil, mailbox.Invalid("token", "printable ASCII (RFC 6749, A.12)", "has other characters")
	}
	b, err := json.Marshal(plainToken{
		Access:        string(t.Access),
		Refresh:       string(t.Refresh),
		Type:          t.Type,
		Expiry:        t.Expiry.UTC(),
		IssuedAt:      t.IssuedAt.UTC(),
		GrantedAt:     t.GrantedAt.UTC(),
		RefreshExpiry: t.RefreshExpiry.UTC(),
		Scopes:        t.Scopes,
	})
	if err != nil { // strings always marshal, times do not
		return nil, mailbox.Invalid("token", "times up to the year 9999", "has a time out of range")
	}
	return b, nil
}

func decodeToken(b []byte) (Token, error) {
	var p plainToken
	if err := json.Unmarshal(b, &p); err != nil {
		return Token{}, err
	}
	return Token{
		Access:        mailbox.AccessToken(p.Access),
		Refresh:       Secret(p.Refresh),
		Type:          p.Type,
		Expiry:        p.Expiry,
		IssuedAt:      p.IssuedAt,
		GrantedAt:     p.GrantedAt,
		RefreshExpiry: p.RefreshExpiry,
		Scopes:        p.Scopes,
	}, nil
}
