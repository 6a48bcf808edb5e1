package tokenstore

import (
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
	fields := readAnswer(body)
	if fields == nil {
		return Token{}, errNotToken
	}
	access := fields.text("access_token")
	switch {
	case access == "" && fields.text("error") != "":
		return Token{}, errRefusal
	case access == "" || !printable(access) || !printable(fields.text("refresh_token")):
		return Token{}, errNoAccess
	case fields.text("token_type") != "" && !strings.EqualFold(fields.text("token_type"), "Bearer"):
		return Token{}, errTokenType
	}
	return Token{
		Access:        mailbox.AccessToken(access),
		Refresh:       Secret(fields.text("refresh_token")),
		Type:          fields.text("token_type"),
		Expiry:        expiry(fields["expires_in"], now),
		IssuedAt:      now,
		RefreshExpiry: expiry(fields["refresh_token_expires_in"], now),
		Scopes:        strings.Fields(fields.text("scope")),
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

// answer is the JSON object that a token endpoint answers with (RFC 6749, 5.1,
// 5.2).
type answer map[string]json.RawMessage

// readAnswer returns nil if body is anything but a JSON object.
func readAnswer(body []byte) answer {
	var a answer
	_ = json.Unmarshal(body, &a)
	return a
}

// text returns a member that is a string, else "".
func (a answer) text(name string) string {
	var s string
	if json.Unmarshal(a[name], &s) != nil {
		return ""
	}
	return s
}

// errorCode returns the "error" member of an answer (RFC 6749, 5.2).
func errorCode(body []byte) string { return readAnswer(body).text("error") }
