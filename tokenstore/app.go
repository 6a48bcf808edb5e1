package tokenstore

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// Credentials asks for a token in the app's own right (RFC 6749, 4.4), in a
// directory: Microsoft gives none without one. Safe to repeat. Besides those of
// Client its errors are mailbox.ClassAdmin where an administrator of the
// directory has to allow the app.
func (c *Client) Credentials(ctx context.Context, directory string, scopes []string) (Token, error) {
	const op = "app token"
	if _, ok := c.Provider.(mailbox.DirectoryProvider); ok && directory == "" {
		return Token{}, c.invalid(op, mailbox.Invalid("directory", "the directory of the mailbox", "is empty"))
	}
	t, _, err := c.token(ctx, call{
		op:       op,
		endpoint: mailbox.OAuthAt(c.Provider, directory).TokenURL,
		form: url.Values{
			"grant_type": {"client_credentials"},
			"scope":      {strings.Join(scopes, " ")},
		},
		refused: withoutUser,
	})
	return t, err
}

// Assertion asks for a token in the app's own right for the mailbox of subject,
// an address, with an assertion of the ServiceAccount (RFC 7523, 2.1). Safe to
// repeat. The clock may be 10 minutes off. Besides those of Client its errors are
// mailbox.ClassAdmin where an administrator has to delegate to the app, or has no
// such user.
func (c *Client) Assertion(ctx context.Context, subject string, scopes []string) (Token, error) {
	const op = "app token"
	if c.ServiceAccount == nil || c.ServiceAccount.key == nil {
		return Token{}, &mailbox.Error{
			Op: op, Provider: c.Provider.Name(), Class: mailbox.ClassConfig,
			Err: &mailbox.FieldError{Field: "ServiceAccount", Limit: "one of ParseServiceAccount", Problem: "is missing"},
		}
	}
	if subject == "" {
		return Token{}, c.invalid(op, mailbox.Invalid("subject", "the address of the mailbox", "is empty"))
	}
	endpoint := c.Provider.OAuth().TokenURL
	assertion, err := c.ServiceAccount.assertion(endpoint, subject, strings.Join(scopes, " "), time.Now())
	if err != nil {
		return Token{}, &mailbox.Error{Op: op, Provider: c.Provider.Name(), Class: mailbox.ClassConfig, Err: err}
	}
	t, _, err := c.token(ctx, call{
		op:       op,
		endpoint: endpoint,
		form: url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			"assertion":  {assertion},
		},
		refused: withoutUser,
	})
	return t, err
}

func (c *Client) invalid(op string, e *mailbox.Error) *mailbox.Error {
	e.Op, e.Provider = op, c.Provider.Name()
	return e
}

// withoutUser gives a refusal the class that it has where the app acts in its own
// right: nobody can sign in, and what one organisation does not allow is no fault
// of the app. Google answers unauthorized_client where the delegation is missing,
// and Microsoft where the app is not known in the directory, or disabled there.
func withoutUser(e *mailbox.Error, code string) {
	withoutSignIn(e, code)
	switch {
	case e.Class == mailbox.ClassReconnect && e.Cause == mailbox.CauseAccountDeleted:
		e.Class = mailbox.ClassNoMailbox
	case e.Class == mailbox.ClassReconnect, e.Class == mailbox.ClassConsent:
		e.Class = mailbox.ClassAdmin
	case e.Class == mailbox.ClassConfig && code == "unauthorized_client" && e.Cause != mailbox.CauseAppSecret:
		e.Class, e.Cause = mailbox.ClassAdmin, mailbox.CausePolicy
	}
}
