package graph

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
)

// The methods that the driver tells apart after a refusal.
const (
	MethodSend     = "graph.messages.send"
	MethodSendMail = "graph.sendMail"
)

// immutableID asks for ids that survive a move, and with it a send. It has to
// stand in every request that carries or returns an id (Microsoft Graph,
// "Outlook immutable identifiers").
const immutableID = `IdType="ImmutableId"`

// A Client speaks for one mailbox. It is safe for concurrent use.
type Client struct {
	// Gate carries the requests.
	Gate *gate.Gate
	// Base is the root of the API without a slash at the end, for instance
	// "https://graph.microsoft.com/v1.0".
	Base string
	// User is the id or address of a mailbox other than the signed-in user's;
	// empty is the user's own.
	User string
	// Call is filled in with method and cost and attached to every request.
	Call mailbox.Call
}

// Of returns a client for another mailbox with the same token.
func (c *Client) Of(user string) *Client {
	other := *c
	other.User = user
	return &other
}

// path returns the path of the mailbox below Base, "/me" or "/users/{id}",
// followed by the given segments, escaped.
func (c *Client) path(segments ...string) string {
	var b strings.Builder
	if c.User == "" {
		b.WriteString("/me")
	} else {
		b.WriteString("/users/" + url.PathEscape(c.User))
	}
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// query is a list of names and values; pairs without a value are left out.
// Spaces become %20, since not everything behind OData reads "+" as a space.
func query(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if b.Len() == 0 {
			b.WriteByte('?')
		} else {
			b.WriteByte('&')
		}
		b.WriteString(pairs[i] + "=" + strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
	}
	return b.String()
}

// request is one call, before it is a *http.Request.
type request struct {
	name        string // for Call.Method
	method, url string
	contentType string
	body        []byte
	prefer      []string
	header      http.Header
	calls       int // 0 means 1
	parallel    int
	// outside marks a pre-authenticated link: it gets no token and none of our
	// own header fields.
	outside bool
}

// send carries out r. The caller closes the body of the answer.
func (c *Client) send(ctx context.Context, r request) (*http.Response, context.Context, error) {
	call := c.Call
	call.Method, call.Units, call.Parallel, call.Upload = r.name, quota.GraphCosts().Of(r.name, max(r.calls, 1)), max(r.parallel, 1), int64(len(r.body))
	ctx = mailbox.WithCall(ctx, call)
	if r.outside {
		ctx = gate.WithoutToken(ctx)
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, ctx, c.Gate.Error(ctx, mailbox.Invalid("url", "an absolute URL", "is malformed"))
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if !r.outside {
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Prefer", strings.Join(append([]string{immutableID}, r.prefer...), ", "))
	}
	resp, err := c.Gate.Client().Do(req)
	if err != nil {
		return nil, ctx, c.Gate.Error(ctx, err)
	}
	return resp, ctx, nil
}

// exec carries out r and ignores what a successful answer says.
func (c *Client) exec(ctx context.Context, r request) error {
	resp, _, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // lets the connection be used again
	resp.Body.Close()
	return nil
}

// text carries out r and returns the body of the answer.
func (c *Client) text(ctx context.Context, r request) (string, *http.Response, error) {
	resp, ctx, err := c.send(ctx, r)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	var b strings.Builder
	if n := resp.ContentLength; n > 0 && n < 64<<20 {
		b.Grow(int(n))
	}
	if _, err := io.Copy(&b, resp.Body); err != nil {
		return "", nil, c.Gate.Error(ctx, err)
	}
	return b.String(), resp, nil
}

// message carries out r, which answers with a message that has an id.
func (c *Client) message(ctx context.Context, r request) (Message, error) {
	text, _, err := c.text(ctx, r)
	if err != nil {
		return Message{}, err
	}
	m, err := ParseMessage(text)
	if err == nil && m.ID == "" {
		err = errJSON
	}
	if err != nil {
		return Message{}, c.badAnswer(ctx, r, err)
	}
	return m, nil
}

func (c *Client) badAnswer(ctx context.Context, r request, err error) error {
	call := c.Call
	call.Method = r.name
	return c.Gate.Error(mailbox.WithCall(ctx, call), err)
}
