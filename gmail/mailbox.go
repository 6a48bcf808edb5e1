package gmail

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

// userAgent makes Google compress its answers: it does so only for clients with
// "gzip" in their name (developers.google.com/workspace/gmail/api/guides/performance).
const userAgent = "mailtether (gzip)"

// me is the mailbox of the token. An alias in its place is refused.
const me = "me"

// Mailbox is one Gmail mailbox, opened by [Provider.Open]. It is safe for
// concurrent use.
type Mailbox struct {
	provider *Provider
	account  mailbox.Account
	gate     *gate.Gate
	client   *http.Client
	users    *api.UsersService
}

var (
	_ mailbox.Mailbox      = (*Mailbox)(nil)
	_ mailbox.SendResolver = (*Mailbox)(nil)
	_ mailbox.SentReader   = (*Mailbox)(nil)
	_ mailbox.RawReader    = (*Mailbox)(nil)
	_ mailbox.Watcher      = (*Mailbox)(nil)
)

func (p *Provider) open(a mailbox.Account, s mailbox.Session) (*Mailbox, error) {
	if s.Tokens == nil {
		return nil, mailbox.Invalid("session.tokens", "a token source", "is missing")
	}
	g := &gate.Gate{
		Provider: mailbox.Gmail, Mailbox: a.Mailbox, Session: s,
		Origins: p.origins, Refusal: refusal,
	}
	m := &Mailbox{provider: p, account: a, gate: g, client: g.Client()}
	// With a client of our own the library looks for no credentials. Its logger
	// would write whole messages when GOOGLE_SDK_GO_LOGGING_LEVEL is set.
	service, err := api.NewService(context.Background(),
		option.WithHTTPClient(m.client),
		option.WithEndpoint(p.api.String()),
		option.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, &mailbox.Error{Op: "open", Provider: mailbox.Gmail, Mailbox: a.Mailbox, Class: mailbox.ClassConfig, Err: err}
	}
	service.UserAgent = userAgent
	m.users = service.Users
	return m, nil
}

// Account returns the account the mailbox was opened for.
func (m *Mailbox) Account() mailbox.Account { return m.account }

// Do sends a request of the Gmail API that this package has no method for. The
// method is its id, for instance "gmail.users.labels.list"; it decides the
// quota units. The URL may be relative to the root of the API:
// "gmail/v1/users/me/labels". The token is added, limits are kept, and a
// refusal is a [*mailbox.Error]; nothing is repeated but a request whose token
// was refused. The caller closes the body of the answer.
func (m *Mailbox) Do(ctx context.Context, method string, req *http.Request) (*http.Response, error) {
	if req == nil || req.URL == nil {
		return nil, m.fail(ctx, "do", mailbox.Invalid("request", "one with a URL", "has none"))
	}
	lane := mailbox.LaneLive
	if method == methodSend || method == methodDraftSend {
		lane = mailbox.LaneSend
	}
	ctx = m.call(ctx, mailbox.Call{Method: method, Lane: lane, Upload: max(req.ContentLength, 0)})
	req = req.Clone(ctx)
	req.URL = m.provider.api.ResolveReference(req.URL)
	req.Host = ""
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", userAgent)
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, m.fail(ctx, "do", err)
	}
	return resp, nil
}

// call attaches to ctx what a request is and costs. c.Parallel is how many calls
// the request holds, 0 meaning 1.
func (m *Mailbox) call(ctx context.Context, c mailbox.Call) context.Context {
	c.Ref, c.Provider, c.App = m.account.Ref, mailbox.Gmail, m.account.App
	c.Units = m.provider.costs.Of(c.Method, max(c.Parallel, 1))
	return gate.WithFailure(mailbox.WithCall(ctx, c))
}

// need fails with ClassConsent when a capability was not granted.
func (m *Mailbox) need(op string, want mailbox.Capabilities) error {
	missing := m.account.Capabilities.Missing(want)
	if missing == 0 {
		return nil
	}
	return &mailbox.Error{
		Op: op, Provider: mailbox.Gmail, Mailbox: m.account.Mailbox,
		Class: mailbox.ClassConsent, Cause: mailbox.CauseConsent,
		Err: &mailbox.FieldError{Field: "capabilities", Problem: "lack " + missing.String()},
	}
}

// can reports whether a capability was granted.
func (m *Mailbox) can(want mailbox.Capabilities) bool { return m.account.Capabilities.Has(want) }

// fail gives err, which is not nil, its final form at the border of the package:
// with the name of the operation instead of the method's.
func (m *Mailbox) fail(ctx context.Context, op string, err error) *mailbox.Error {
	var e mailbox.Error
	if known, ok := errors.AsType[*mailbox.Error](m.gate.Error(ctx, err)); ok {
		e = *known
	}
	e.Op = op
	return &e
}

// errNoAnswer is a success without the body that belongs to it.
var errNoAnswer = errors.New("gmail: the answer is empty")

// caller is a call of the generated client.
type caller[T any] interface {
	Do(opts ...googleapi.CallOption) (*T, error)
}

// do makes a call under ctx, the one it was built with. It turns errors into
// those of the gate, and a success without a value into an error: for the body
// "null" the generated client returns neither.
func do[T any](ctx context.Context, m *Mailbox, c caller[T]) (*T, error) {
	v, err := c.Do()
	if err == nil && v == nil {
		err = errNoAnswer
	}
	if err != nil {
		return nil, m.gate.Error(ctx, err)
	}
	return v, nil
}

// historyID asks for the present end of the history.
func (m *Mailbox) historyID(ctx context.Context) (uint64, error) {
	profile, err := do(ctx, m, m.users.GetProfile(me).Context(ctx))
	if err != nil {
		return 0, err
	}
	if profile.HistoryId == 0 {
		return 0, errNoAnswer
	}
	return profile.HistoryId, nil
}

// pause waits, or returns the error of a context that ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
