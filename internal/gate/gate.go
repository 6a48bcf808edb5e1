// Package gate holds the one way by which drivers speak to a provider: an
// http.RoundTripper that adds the access token only for configured origins,
// refreshes it once when it is refused, bounds what it reads, and turns every
// refusal into a mailbox.Error that says whether a send may have taken effect.
package gate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/mailtether/mailtether/mailbox"
)

// Limits of what is read and kept.
const (
	maxRefusal = 1 << 20  // bytes of an error body
	maxAnswer  = 96 << 20 // bytes of a successful body: a 64 MiB message in base64 and JSON
	maxRewind  = 64 << 20 // bytes of a request body that is kept to be sent again
)

// TooLarge is the code of the error that reading an answer ends with when it is
// larger than any that makes sense.
const TooLarge = "answer_too_large"

// Gate carries the calls of one mailbox. It is safe for concurrent use.
type Gate struct {
	Provider mailbox.ProviderName
	Mailbox  mailbox.MailboxID
	Session  mailbox.Session
	// Origins are the only places a token may go to, as "scheme://host[:port]".
	Origins []string
	// OpenOrigins may be called without a token, by requests under
	// WithoutToken: pre-authenticated upload links.
	OpenOrigins []string
	// Refusal classifies an answer that is not 2xx. It sets Class and, when it
	// knows better, Code, Scope, RetryAfter and Outcome.
	Refusal func(Answer) *mailbox.Error
}

// Answer is an answer that is not 2xx.
type Answer struct {
	Call   mailbox.Call
	Status int
	Header http.Header
	// Body is cut at 1 MiB.
	Body []byte
}

// Client returns an http.Client that goes through g. Redirects are not
// followed: they count as refusals.
func (g *Gate) Client() *http.Client {
	return &http.Client{
		Transport:     g,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Origin returns the origin of a base URL, in the form that Gate compares.
// Anything but https is refused, except plain http to the local machine, which
// is for fakes.
func Origin(field, base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil {
		return "", mailbox.Invalid(field, "an absolute https URL", "is not a URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", mailbox.Invalid(field, "https, or http to a loopback address", "is not https")
	}
	return originOf(u), nil
}

func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

type withoutToken struct{}

// WithoutToken marks requests that must not carry a token.
func WithoutToken(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutToken{}, true)
}

type failureKey struct{}

// WithFailure makes Error find out how the last request under the context
// failed. Google's client reports the error of the context in its place as soon
// as that is done, and with it would go whether anything was sent.
func WithFailure(ctx context.Context) context.Context {
	return context.WithValue(ctx, failureKey{}, new(atomic.Pointer[mailbox.Error]))
}

// RoundTrip implements http.RoundTripper. Every error it returns is a
// *mailbox.Error.
func (g *Gate) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.roundTrip(req)
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		if last, ok := req.Context().Value(failureKey{}).(*atomic.Pointer[mailbox.Error]); ok {
			last.Store(e)
		}
	}
	return resp, err
}

func (g *Gate) roundTrip(req *http.Request) (*http.Response, error) {
	call, _ := mailbox.CallOf(req.Context())
	bare := req.Context().Value(withoutToken{}) != nil
	err := req.Context().Err()
	if err == nil {
		err = g.admit(req.URL, bare)
	}
	if err == nil {
		req, err = rewindable(req)
	}
	if err != nil {
		closeBody(req)
		return nil, g.fail(call, err, mailbox.OutcomeNotSent)
	}
	if bare {
		resp, err := g.send(req, call)
		if err != nil {
			return nil, err
		}
		return g.judge(resp, call, "")
	}

	token, err := g.Session.Tokens.Token(req.Context(), mailbox.TokenRequest{})
	if err != nil {
		closeBody(req)
		return nil, g.fail(call, err, mailbox.OutcomeNotSent)
	}
	resp, err := g.send(authorized(req, token), call)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return g.judge(resp, call, token)
	}

	// A 401 was refused before any work, so repeating it is safe. It is done
	// once, with another token.
	fresh, ferr := g.Session.Tokens.Token(req.Context(), mailbox.TokenRequest{
		Rejected: token,
		Claims:   Claims(resp.Header),
	})
	again, replayable := replay(req)
	if ferr != nil || !replayable {
		_, err := g.judge(resp, call, token)
		if ferr != nil {
			err = g.fail(call, ferr, mailbox.OutcomeNotSent)
		}
		return nil, err
	}
	discard(resp)
	resp, err = g.send(authorized(again, fresh), call)
	if err != nil {
		return nil, err
	}
	return g.judge(resp, call, fresh)
}

// admit refuses every place that was not configured.
func (g *Gate) admit(u *url.URL, bare bool) error {
	origin := originOf(u)
	for _, o := range g.Origins {
		if o == origin {
			return nil
		}
	}
	if bare {
		for _, o := range g.OpenOrigins {
			if o == origin {
				return nil
			}
		}
	}
	return &mailbox.Error{
		Class: mailbox.ClassUnavailable,
		Code:  "foreign_host",
		Err:   fmt.Errorf("a link of the provider leads to a host that is not configured"),
	}
}

func (g *Gate) send(req *http.Request, call mailbox.Call) (*http.Response, error) {
	base := g.Session.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	var asked, got atomic.Bool
	resp, err := base.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})))
	if err != nil {
		outcome := mailbox.OutcomeUnknown
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || asked.Load() && !got.Load() {
			outcome = mailbox.OutcomeNotSent // there never was a connection to write to
		}
		return nil, g.fail(call, err, outcome)
	}
	return resp, nil
}

// fail wraps err, keeping the class of an error that already has one.
func (g *Gate) fail(call mailbox.Call, err error, outcome mailbox.Outcome) *mailbox.Error {
	e := &mailbox.Error{Class: mailbox.ClassUnavailable, Err: err}
	if known, ok := errors.AsType[*mailbox.Error](err); ok {
		copied := *known
		e = &copied
	}
	e.Op, e.Provider, e.Mailbox = call.Method, g.Provider, g.Mailbox
	if call.Lane == mailbox.LaneSend {
		if e.Outcome == mailbox.OutcomeNone {
			e.Outcome = outcome
		}
	} else {
		e.Outcome = mailbox.OutcomeNone
	}
	return e
}

// judge lets 2xx pass and turns everything else into an error. The token is
// blotted out of the body: proxies put what they were sent on their error pages.
func (g *Gate) judge(resp *http.Response, call mailbox.Call, token mailbox.AccessToken) (*http.Response, error) {
	if resp.StatusCode/100 == 2 {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer + 1}
		return resp, nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.Body.Close()
	if token != "" {
		body = bytes.ReplaceAll(body, []byte(token), []byte("[redacted]"))
		resp.Header.Del("Authorization")
	}
	return nil, g.Refuse(Answer{Call: call, Status: resp.StatusCode, Header: resp.Header, Body: body})
}

// Refuse turns an answer that is not 2xx into an error. Drivers need it for the
// parts of a batch, whose refusals RoundTrip does not see.
func (g *Gate) Refuse(a Answer) *mailbox.Error {
	e := g.Refusal(a)
	e.Status = a.Status
	e.RetryAfter = min(max(e.RetryAfter, 0), mailbox.MaxRetryAfter)
	outcome := mailbox.OutcomeNotSent
	if a.Status >= 500 {
		outcome = mailbox.OutcomeUnknown
	}
	return g.fail(a.Call, e, outcome)
}

// Claims returns the claims of a continuous access evaluation challenge,
// error="insufficient_claims", claims="...", or "". They come as base64 of JSON
// (Microsoft identity platform, "Claims challenges") and are needed as JSON, by
// the token endpoint and the next sign-in alike. A value that is anything else
// is returned as it came.
func Claims(h http.Header) string {
	for _, v := range h.Values("WWW-Authenticate") {
		if !strings.Contains(v, "insufficient_claims") {
			continue
		}
		_, rest, ok := strings.Cut(v, `claims="`)
		if !ok {
			continue
		}
		value, _, _ := strings.Cut(rest, `"`)
		unpadded := strings.TrimRight(value, "=")
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if claims, err := encoding.DecodeString(unpadded); err == nil && json.Valid(claims) {
				return string(claims)
			}
		}
		return value
	}
	return ""
}

func authorized(req *http.Request, t mailbox.AccessToken) *http.Request {
	r := req.Clone(req.Context())
	r.Header.Set("Authorization", "Bearer "+string(t))
	return r
}

// rewindable returns req with a GetBody. The generated clients of both providers
// leave it out, and without it neither the gate could repeat a request that was
// answered 401, nor net/http one that met a connection that was just closed.
func rewindable(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return req, nil
	}
	data, err := io.ReadAll(io.LimitReader(req.Body, maxRewind+1))
	if err != nil {
		return req, err
	}
	if len(data) > maxRewind {
		return req, mailbox.Invalid("request body", "at most 64 MiB", "is too large")
	}
	req.Body.Close()
	r := req.Clone(req.Context())
	r.ContentLength = int64(len(data))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	r.Body, err = r.GetBody()
	return r, err
}

// replay returns req with its body from the start, if it has one to give.
func replay(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	r := req.Clone(req.Context())
	r.Body = body
	return r, true
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

func discard(resp *http.Response) {
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	resp.Body.Close()
}

// boundedBody fails instead of reading without end.
type boundedBody struct {
	io.ReadCloser
	left int64 // one more than is allowed
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left <= 0 {
		return n, &mailbox.Error{Class: mailbox.ClassUnavailable, Code: TooLarge}
	}
	return n, err
}

// Error returns the *mailbox.Error behind err, which http.Client and the SDKs
// wrap, or a new one of ClassUnavailable for an error that is not ours: an
// answer that could not be decoded. A send that fails so late was taken, or
// may have been.
func (g *Gate) Error(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*mailbox.Error](err); ok {
		if e.Provider != "" {
			return e
		}
		call, _ := mailbox.CallOf(ctx)
		return g.fail(call, e, mailbox.OutcomeUnknown)
	}
	if last, ok := ctx.Value(failureKey{}).(*atomic.Pointer[mailbox.Error]); ok && ctx.Err() != nil {
		if e := last.Load(); e != nil {
			return e
		}
	}
	call, _ := mailbox.CallOf(ctx)
	e := g.fail(call, err, mailbox.OutcomeUnknown)
	if ctx.Err() == nil {
		e.Code = "bad_answer"
	}
	return e
}
