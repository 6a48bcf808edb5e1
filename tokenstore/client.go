package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Client speaks to the token endpoint of a provider as one OAuth app. All its
// requests are form POSTs with the app's credentials in the body
// (client_secret_post, which both Google and Microsoft accept), follow no
// redirect, and go only to https or to a loopback address. It is safe for
// concurrent use: share one between all mailboxes of an app, by its pointer, and
// do not change it. It holds no goroutine.
//
// Its errors are *mailbox.Error with the class that [mailbox.Provider.OAuthError]
// names. An answer that is not OAuth (HTML, cut, too long), HTTP 5xx and a
// failing network are mailbox.ClassUnavailable, HTTP 429 is
// mailbox.ClassThrottled, whatever the provider makes of them.
//
// When the provider refuses the app itself (its secret has expired, it was
// deleted), that is mailbox.ClassConfig, all mailboxes stay connected, and the
// requests for them fail with the same error, and RetryAfter, without being sent.
// Once a minute one is sent to find out whether the app was repaired. A refusal
// that names the app's registration (mailbox.CauseAppRegistration) holds for the
// token endpoint that gave it, any other for all of them. Exchange and Revoke are
// always sent. At most 32 of the other requests are under way at the same time.
type Client struct {
	Provider     mailbox.Provider
	ClientID     string
	ClientSecret Secret
	// ServiceAccount signs assertions; nil for apps without [Client.Assertion].
	ServiceAccount *ServiceAccount
	// Transport carries the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// OnFault is called when the provider refuses the app itself: the operator
	// has to act, no user. It is called once per episode, which ends with the
	// first request that is granted, before the caller gets the error, and must
	// return soon. nil means nobody wants to know.
	OnFault func(ctx context.Context, err *mailbox.Error) `json:"-"`

	breaker breaker
	tokens  appTokens
}

// Format prints everything but the secrets, with every verb.
func (c *Client) Format(f fmt.State, _ rune) {
	if c == nil {
		fmt.Fprint(f, "Client(nil)")
		return
	}
	fmt.Fprintf(f, "Client{%q, %s}", c.ClientID, redacted)
}

// LogValue prints everything but the secrets.
func (c *Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Exchange turns an authorization code into a token (RFC 6749, 4.1.3; RFC 7636,
// 4.5), and returns the ID token that came with it, if any, unverified. A code
// works once: it must not be repeated.
func (c *Client) Exchange(ctx context.Context, code, verifier, redirectURL string) (Token, Secret, error) {
	t, body, err := c.token(ctx, call{
		op:       "exchange code",
		endpoint: c.Provider.OAuth().TokenURL,
		form: url.Values{
			"grant_type":    {"authorization_code"},
			"code":          {code},
			"code_verifier": {verifier},
			"redirect_uri":  {redirectURL},
		},
		urgent: true,
	})
	t.GrantedAt = t.IssuedAt
	return t, Secret(readAnswer(body).text("id_token")), err
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
// lost on its way; for the same reason ctx should not be that of a caller who may
// go away.
//
// Refusals that speak to somebody who signs in (mailbox.ClassWrongAccount,
// ClassDeclined, ClassBadCallback) become mailbox.ClassReconnect, or
// ClassNoMailbox if the account was deleted.
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
	t, _, err := c.token(ctx, call{
		op:       "refresh token",
		endpoint: mailbox.OAuthAt(c.Provider, r.Directory).TokenURL,
		form:     form,
		refused:  withoutSignIn,
	})
	return t, err
}

// withoutSignIn gives a refusal the class that it has where nobody is signing in.
func withoutSignIn(e *mailbox.Error, _ string) {
	switch e.Class {
	case mailbox.ClassWrongAccount, mailbox.ClassDeclined, mailbox.ClassBadCallback:
		e.Class = mailbox.ClassReconnect
		if e.Cause == mailbox.CauseAccountDeleted {
			e.Class = mailbox.ClassNoMailbox
		}
	}
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
	// answers 400 (developers.google.com, "Using OAuth 2.0 for Web Server
	// Applications", 2026-09). That it says invalid_token then is an
	// assumption.
	if status == http.StatusBadRequest && errorCode(body) == "invalid_token" {
		return nil
	}
	return c.refused(op, status, header, body)
}

// call is one request for a token.
type call struct {
	op, endpoint string
	form         url.Values
	urgent       bool // somebody waits for it at the browser: always sent
	// refused changes a refusal to what it means here. code is the error that
	// the endpoint named. nil leaves it as it is.
	refused func(e *mailbox.Error, code string)
}

func (c *Client) token(ctx context.Context, r call) (Token, []byte, error) {
	t, body, began, err := c.counted(ctx, r)
	if began && c.OnFault != nil {
		c.OnFault(context.WithoutCancel(ctx), asError(err))
	}
	return t, body, err
}

// counted makes a request if the breaker lets it through. It reports whether an
// episode of refusals has begun with it.
func (c *Client) counted(ctx context.Context, r call) (t Token, body []byte, began bool, err error) {
	if !r.urgent {
		if err := c.breaker.acquire(ctx, r.endpoint); err != nil {
			e := asError(err)
			e.Op, e.Provider = r.op, c.Provider.Name()
			return Token{}, nil, false, e
		}
		defer c.breaker.release()
	}
	asked := c.breaker.ask()
	t, body, code, err := c.grant(ctx, r)
	return t, body, c.breaker.answer(asked, r.endpoint, code, err), err
}

// grant makes a request. code is the error that the endpoint named, if it did.
func (c *Client) grant(ctx context.Context, r call) (t Token, body []byte, code string, err error) {
	status, header, body, err := c.post(ctx, r.op, r.endpoint, r.form)
	if err != nil {
		return Token{}, nil, "", err
	}
	err = errRefusal
	if status/100 == 2 {
		t, err = parseToken(body, time.Now())
	}
	switch {
	case err == nil:
		return t, body, "", nil
	case errors.Is(err, errRefusal): // also with status 200
		code = errorCode(body)
		e := c.refused(r.op, status, header, body)
		if r.refused != nil {
			r.refused(e, code)
		}
		return Token{}, nil, code, e
	default:
		return Token{}, nil, "", c.unavailable(r.op, status, "bad_answer", err)
	}
}
