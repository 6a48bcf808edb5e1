package tokenstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

var (
	errRefusal   = errors.New("the answer is an error")
	errNotToken  = errors.New("the answer is not a JSON object")
	errNoAccess  = errors.New("the answer has no usable access token")
	errTokenType = errors.New("the answer has a token type other than Bearer")
)

// maxLife bounds the lifetime that a server may claim.
const maxLife = 10 * 365 * 24 * time.Hour

// parseToken reads the answer of a token endpoint (RFC 6749, 5.1). Fields of the
// wrong type count as missing, and a lifetime may be a number or a string.
// Errors hold nothing of the answer.
func parseToken(body []byte, now time.Time) (Token, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return Token{}, errNotToken
	}
	text := func(name string) string {
		var s string
		if json.Unmarshal(fields[name], &s) != nil {
			return ""
		}
		return s
	}
	access := text("access_token")
	switch {
	case access == "" && errorCode(body) != "":
		return Token{}, errRefusal
	case access == "" || !printable(access) || !printable(text("refresh_token")):
		return Token{}, errNoAccess
	case text("token_type") != "" && !strings.EqualFold(text("token_type"), "Bearer"):
		return Token{}, errTokenType
	}
	return Token{
		Access:        mailbox.AccessToken(access),
		Refresh:       Secret(text("refresh_token")),
		Type:          text("token_type"),
		Expiry:        expiry(fields["expires_in"], now),
		IssuedAt:      now,
		RefreshExpiry: expiry(fields["refresh_token_expires_in"], now),
		Scopes:        strings.Fields(text("scope")),
	}, nil
}

// printable reports whether a token has only the characters that RFC 6749
// (A.12, A.17) allows and a header field can carry.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// expiry reads a lifetime in seconds. Missing, zero, negative or unreadable
// means that the server did not say.
func expiry(raw json.RawMessage, now time.Time) time.Time {
	seconds, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || !(seconds > 0) {
		return time.Time{}
	}
	return now.Add(time.Duration(min(seconds, maxLife.Seconds()) * float64(time.Second)))
}

// idToken reads the ID token of an answer (OpenID Connect Core 1.0, 3.1.3.3).
func idToken(body []byte) Secret {
	var answer struct {
		IDToken any `json:"id_token"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	s, _ := answer.IDToken.(string)
	return Secret(s)
}

// isObject reports whether body is a JSON object, the only thing that RFC 6749
// (5.1, 5.2) lets a token endpoint answer.
func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) && json.Valid(body)
}

// errorCode returns the "error" member of an answer (RFC 6749, 5.2).
func errorCode(body []byte) string {
	var answer struct {
		Error any `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	code, _ := answer.Error.(string)
	return code
}
