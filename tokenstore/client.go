package tokenstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Client speaks to the token endpoint of a provider as one OAuth app. All its
// requests are form POSTs with the app's credentials in the body
// (client_secret_post, which both Google and Microsoft accept), follow no
// redirect, and go only to https or to a loopback address.
//
// Its errors are *mailbox.Error with the class that [mailbox.Provider.OAuthError]
// names. An answer that is not OAuth (HTML, cut, too long), HTTP 5xx and a
// failing network are mailbox.ClassUnavailable, HTTP 429 is
// mailbox.ClassThrottled, whatever the provider makes of them.
type Client struct {
	Provider     mailbox.Provider
	ClientID     string
	ClientSecret Secret
	// Transport carries the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
}

// Format prints everything but the secret, with every verb.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "Client{%q, %s}", c.ClientID, redacted) }

// Exchange turns an authorization code into a token (RFC 6749, 4.1.3; RFC 7636,
// 4.5), and returns the ID token that came with it, if any, unverified. A code
// works once: it must not be repeated.
func (c *Client) Exchange(ctx context.Context, code, verifier, redirectURL string) (Token, Secret, error) {
	t, body, err := c.token(ctx, "exchange code", c.Provider.OAuth().TokenURL, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"code_verifier": {verifier},
		"redirect_uri":  {redirectURL},
	})
	t.GrantedAt = t.IssuedAt
	return t, idToken(body), err
}

// RefreshRequest asks for the successor of a token.
type RefreshRequest struct {
	Refresh Secret
	// Directory is mailbox.Account.Directory: it decides which endpoint is asked.
	Directory string
	// Claims is a claims challenge to pass on, or empty.
	Claims string
	// Scopes narrow the token, or widen it to what was consented to meanwhile at
	// a provider that allows that (Microsoft); empty means those of the grant.
	Scopes []string
}

// Refresh asks for a new token (RFC 6749, 6). What the answer leaves out is left
// out of the Token, also the refresh token. It must not be repeated with a
// provider that rotates refresh tokens, since the first answer may have been
// lost on its way.
func (c *Client) Refresh(ctx context.Context, r RefreshRequest) (Token, error) {
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {string(r.Refresh)},
	}
	if r.Claims != "" {
		form.Set("claims", r.Claims)
	}
	if len(r.Scopes) > 0 {
		form.Set("scope", strings.Join(r.Scopes, " "))
	}
	t, _, err := c.token(ctx, "refresh token", mailbox.OAuthAt(c.Provider, r.Directory).TokenURL, form)
	return t, err
}

// Revoke ends the grant that the token belongs to (RFC 7009). A grant that has
// ended already is no error. Safe to repeat. Providers without a revocation
// endpoint fail with mailbox.ClassUnsupported.
func (c *Client) Revoke(ctx context.Context, token Secret) error {
	const op = "revoke token"
	endpoint := c.Provider.OAuth().RevokeURL
	if endpoint == "" {
		return &mailbox.Error{Op: op, Provider: c.Provider.Name(), Class: mailbox.ClassUnsupported}
	}
	status, header, body, err := c.post(ctx, op, endpoint, url.Values{"token": {string(token)}})
	if err != nil || status/100 == 2 {
		return err
	}
	// RFC 7009 (2.2) wants 200 for a token that has ended already; Google
	// answers 400 (facts of 2026-11-20).
	if status == http.StatusBadRequest && errorCode(body) == "invalid_token" {
		return nil
	}
	return c.refused(op, status, header, body)
}

func (c *Client) token(ctx context.Context, op, endpoint string, form url.Values) (Token, []byte, error) {
	status, header, body, err := c.post(ctx, op, endpoint, form)
	if err != nil {
		return Token{}, nil, err
	}
	if status/100 != 2 {
		return Token{}, nil, c.refused(op, status, header, body)
	}
	t, err := parseToken(body, time.Now())
	if errors.Is(err, errRefusal) { // an error with status 200
		return Token{}, nil, c.refused(op, status, header, body)
	}
	if err != nil {
		return Token{}, nil, c.unavailable(op, status, "bad_answer", err)
	}
	return t, body, nil
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

// maxAnswer bounds what is read from a token endpoint.
const maxAnswer = 1 << 20

func (c *Client) post(ctx context.Context, op, endpoint string, form url.Values) (int, http.Header, []byte, error) {
	if err := CheckURL("token URL", endpoint); err != nil {
		return 0, nil, nil, &mailbox.Error{Op: op, Provider: c.Provider.Name(), Class: mailbox.ClassConfig, Err: err.Err}
	}
	form.Set("client_id", c.ClientID)
	if c.ClientSecret != "" {
		form.Set("client_secret", string(c.ClientSecret))
	}
	req, err := http.NewRequestWithContext(withoutCall{ctx}, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, nil, c.unavailable(op, 0, "", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	client := http.Client{
		Transport:     c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, nil, c.unavailable(op, 0, "", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errors.New("the answer is longer than 1 MiB")
	}
	if err != nil {
		return 0, nil, nil, c.unavailable(op, resp.StatusCode, "bad_answer", err)
	}
	return resp.StatusCode, resp.Header, body, nil
}

// refused classifies a refusal. The provider decides, except that trouble of the
// server must never look like the end of a grant.
func (c *Client) refused(op string, status int, header http.Header, body []byte) *mailbox.Error {
	e := c.Provider.OAuthError(status, header, body)
	if e == nil {
		e = &mailbox.Error{}
	}
	e.Op, e.Provider, e.Status = op, c.Provider.Name(), status
	e.RetryAfter = min(max(e.RetryAfter, 0), mailbox.MaxRetryAfter)
	switch {
	case status == http.StatusTooManyRequests:
		e.Class = mailbox.ClassThrottled
	case status >= 500 || !isObject(body):
		if e.Class != mailbox.ClassThrottled {
			e.Class = mailbox.ClassUnavailable
		}
	}
	return e
}

func (c *Client) unavailable(op string, status int, code string, err error) *mailbox.Error {
	return &mailbox.Error{
		Op: op, Provider: c.Provider.Name(), Class: mailbox.ClassUnavailable,
		Code: code, Status: status, Err: err,
	}
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

// CheckURL refuses a URL to which no secret may go: anything but absolute https,
// or plain http to the local machine, which is for fakes. The error is
// mailbox.ClassInvalid and names field.
func CheckURL(field, raw string) *mailbox.Error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return mailbox.Invalid(field, "an absolute https URL", "is not one")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return mailbox.Invalid(field, "https, or http to a loopback address", "is not https")
	}
	return nil
}

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

// withoutCall hides the mailbox.Call of a context: a request to the token
// endpoint is not the call to the mail service for which it is made, and must
// not be charged or held back as that.
type withoutCall struct{ context.Context }

func (c withoutCall) Value(key any) any {
	v := c.Context.Value(key)
	if _, ok := v.(mailbox.Call); ok {
		return nil
	}
	return v
}
