package tokenstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// maxAnswer bounds what is read from a token endpoint.
const maxAnswer = 1 << 20

// post sends a form, with the app's credentials unless the form has an assertion
// instead.
func (c *Client) post(ctx context.Context, op, endpoint string, form url.Values) (int, http.Header, []byte, error) {
	if err := CheckURL("token URL", endpoint); err != nil {
		return 0, nil, nil, &mailbox.Error{Op: op, Provider: c.Provider.Name(), Class: mailbox.ClassConfig, Err: err.Err}
	}
	if !form.Has("assertion") {
		form.Set("client_id", c.ClientID)
		if c.ClientSecret != "" {
			form.Set("client_secret", string(c.ClientSecret))
		}
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
	return resp.StatusCode, resp.Header, withoutEcho(resp.StatusCode, body, form), nil
}

// secretFields are the fields of a form that nobody else may see.
var secretFields = [...]string{"client_secret", "code", "code_verifier", "refresh_token", "assertion", "token"}

// withoutEcho blots the secrets of a request out of its answer: proxies put what
// they were sent on their error pages, and those end up in native errors. A
// refresh token that comes back in a token answer is known already.
func withoutEcho(status int, body []byte, form url.Values) []byte {
	if a := readAnswer(body); status/100 == 2 && a.text("access_token") != "" && a.text("error") == "" {
		return body
	}
	for _, name := range secretFields {
		if secret := form.Get(name); secret != "" {
			body = bytes.ReplaceAll(body, []byte(secret), []byte(redacted))
			body = spellings(secret).ReplaceAllLiteral(body, []byte(redacted))
		}
	}
	return body
}

// spellings matches a text however it is escaped: for a URL or a form (RFC 3986,
// 2.1), or for JSON (RFC 8259, 7).
func spellings(text string) *regexp.Regexp {
	var b strings.Builder
	for _, r := range text {
		quoted := regexp.QuoteMeta(string(r))
		fmt.Fprintf(&b, `(?:%s|\\%s|(?i:\\u%04x|%s)`, quoted, quoted, r, percent(string(r)))
		if r == ' ' {
			b.WriteString(`|\+`)
		}
		b.WriteString(")")
	}
	return regexp.MustCompile(b.String())
}

func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
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
	case status >= 500 || readAnswer(body) == nil:
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
