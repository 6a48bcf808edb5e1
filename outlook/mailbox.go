package outlook

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// Mailbox is a connected mailbox: a user's own, one that is shared with the user, or
// one that an app opens. It implements [mailbox.Mailbox] and all its capability
// interfaces, is safe for concurrent use and holds no goroutine.
type Mailbox struct {
	p       *Provider
	account mailbox.Account
	can     mailbox.Capabilities
	graph   *graph.Client
	// folders is nil until it is needed.
	folders atomic.Pointer[folderMap]
	// noHeaderBlock is set when Graph has refused the header block: whether
	// Mail.ReadBasic includes it is not documented.
	noHeaderBlock atomic.Bool
}

var (
	_ mailbox.Mailbox      = (*Mailbox)(nil)
	_ mailbox.SendResolver = (*Mailbox)(nil)
	_ mailbox.SentReader   = (*Mailbox)(nil)
	_ mailbox.RawReader    = (*Mailbox)(nil)
	_ mailbox.SharedFinder = (*Mailbox)(nil)
	_ mailbox.Watcher      = (*Mailbox)(nil)
)

// Account returns the account the mailbox was opened for.
func (m *Mailbox) Account() mailbox.Account { return m.account }

// need fails with ClassConsent when a capability was not granted.
func (m *Mailbox) need(op string, want mailbox.Capabilities) error {
	missing := m.can.Missing(want)
	if missing == 0 {
		return nil
	}
	return m.fail(op, &mailbox.Error{
		Class: mailbox.ClassConsent, Cause: mailbox.CauseConsent,
		Err: &mailbox.FieldError{Field: "capabilities", Problem: "lack " + missing.String()},
	})
}

// fail completes an error that was found without asking Graph.
func (m *Mailbox) fail(op string, e *mailbox.Error) *mailbox.Error {
	e.Op, e.Provider, e.Mailbox = op, mailbox.Outlook, m.account.Mailbox
	return e
}

// Do sends any Graph request with the mailbox's token, through the same limits
// and error mapping as the driver's own. The URL has to lead to the configured
// Graph root. An answer that is not 2xx is an error; redirects are not
// followed. Attach a [mailbox.Call] to the context of a request that costs more
// than one unit. Nothing is repeated, except once after a refused token.
//
// The caller closes the body.
func (m *Mailbox) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if _, ok := mailbox.CallOf(ctx); !ok {
		call := m.graph.Call
		call.Method, call.Units, call.Upload = "do", 1, max(req.ContentLength, 0)
		ctx = mailbox.WithCall(ctx, call)
		req = req.WithContext(ctx)
	}
	resp, err := m.graph.Gate.Client().Do(req)
	if err != nil {
		return nil, m.graph.Gate.Error(ctx, err)
	}
	return resp, nil
}

// readable reads with the header block, and without it when Graph refuses it
// but nothing else.
func (m *Mailbox) readable(ctx context.Context, read func(header bool) error) error {
	if m.noHeaderBlock.Load() {
		return read(false)
	}
	err := read(true)
	if class := mailbox.ClassOf(err); class != mailbox.ClassConsent && class != mailbox.ClassInvalid || ctx.Err() != nil {
		return err
	}
	if read(false) != nil {
		return err // it was not the header block
	}
	m.noHeaderBlock.Store(true)
	return nil
}

// headerBlock is the property that holds the header as it came.
const headerBlock = "internetMessageHeaders"

// fieldsOf are the properties to select.
func fieldsOf(parts mailbox.Parts, header bool) []string {
	if parts == mailbox.PartIDs {
		return []string{"id", "conversationId", "internetMessageId", "receivedDateTime", "isRead", "isDraft"}
	}
	fields := []string{
		"id", "conversationId", "parentFolderId", "internetMessageId", "subject", "receivedDateTime", "sentDateTime",
		"isRead", "isDraft", "hasAttachments", "from", "sender", "replyTo", "toRecipients", "ccRecipients", "bccRecipients",
	}
	if header {
		fields = append(fields, headerBlock)
	}
	if parts == mailbox.PartBody {
		fields = append(fields, "body")
	}
	return fields
}
