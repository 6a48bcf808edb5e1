package mailboxtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

// user is one mailbox of the service. Service.mu guards it.
type user struct {
	address, name string
	aliases       []string
	messages      []*stored
	changes       []change
	forgotten     int // cursors below are lost
	sharedWith    []string
	watch         mailbox.WatchRequest
	watchEnds     time.Time
}

type stored struct {
	id     mailbox.MessageID
	thread mailbox.ThreadID
	rfcID  mailbox.RFCMessageID
	raw    []byte
	folder mailbox.Folder
	read   bool
	at     time.Time
}

type change struct {
	kind mailbox.ChangeKind
	id   mailbox.MessageID
}

func (u *user) log(kind mailbox.ChangeKind, id mailbox.MessageID) {
	u.changes = append(u.changes, change{kind, id})
}

func (u *user) index(id mailbox.MessageID) int {
	return slices.IndexFunc(u.messages, func(m *stored) bool { return m.id == id })
}

func (u *user) byRFC(id mailbox.RFCMessageID) *stored {
	for _, m := range u.messages {
		if m.rfcID == id && id != "" {
			return m
		}
	}
	return nil
}

// message converts a stored message to what a driver gives.
func (m *stored) message(parts mailbox.Parts) *mailbox.Message {
	if parts == mailbox.PartIDs {
		return &mailbox.Message{ID: m.id, ThreadID: m.thread}
	}
	msg, err := compose.Read(bytes.NewReader(m.raw), compose.ReadOptions{HeadersOnly: parts == mailbox.PartHeaders})
	if err != nil {
		msg = &mailbox.Message{Warnings: []mailbox.Warning{{Code: mailbox.WarnTruncated}}}
	}
	msg.ID, msg.ThreadID = m.id, m.thread
	msg.Folders, msg.Read, msg.ReceivedAt = []mailbox.Folder{m.folder}, m.read, m.at
	msg.Size, msg.HeaderComplete = int64(len(m.raw)), true
	return msg
}

// box is a mailbox opened by a Service.
type box struct {
	s       *Service
	account mailbox.Account
	session mailbox.Session
}

var (
	_ mailbox.Mailbox      = (*box)(nil)
	_ mailbox.SendResolver = (*box)(nil)
	_ mailbox.SentReader   = (*box)(nil)
	_ mailbox.RawReader    = (*box)(nil)
)

func (b *box) Account() mailbox.Account { return b.account }

func (b *box) fail(op string, c mailbox.Class) *mailbox.Error {
	return &mailbox.Error{Op: op, Provider: Memory, Mailbox: b.account.Mailbox, Class: c}
}

// do runs one operation for the user behind the session's token, with scripted
// failures around it.
func do[T any](ctx context.Context, b *box, op string, need mailbox.Capabilities, run func(*user) (T, *mailbox.Error)) (T, error) {
	var none T
	write := op == "send"
	if missing := b.account.Capabilities.Missing(need); missing != 0 {
		e := b.fail(op, mailbox.ClassConsent)
		e.Code = missing.String()
		if write {
			e.Outcome = mailbox.OutcomeNotSent
		}
		return none, e
	}
	u, err := b.authenticate(ctx, op, write)
	if err != nil {
		return none, err
	}
	b.s.mu.Lock()
	b.s.calls[op]++
	f := b.s.failure(op)
	var result T
	var refused *mailbox.Error
	u, refused = b.owner(u)
	if refused == nil && (f == nil || f.After) {
		result, refused = run(u)
	}
	b.s.mu.Unlock()
	if f != nil {
		return none, b.struck(ctx, op, f, write)
	}
	if refused != nil {
		if write && refused.Outcome == mailbox.OutcomeNone {
			refused.Outcome = mailbox.OutcomeNotSent
		}
		refused.Op, refused.Provider, refused.Mailbox = op, Memory, b.account.Mailbox
		return none, refused
	}
	return result, nil
}

func (b *box) struck(ctx context.Context, op string, f *Failure, write bool) error {
	e := b.fail(op, mailbox.ClassUnavailable)
	if f.Hang {
		<-ctx.Done()
		e.Err = ctx.Err()
		e.Outcome = mailbox.OutcomeUnknown
	} else if f.Err != nil {
		class := *f.Err
		class.Op, class.Provider, class.Mailbox = op, Memory, b.account.Mailbox
		e = &class
	}
	if !write {
		e.Outcome = mailbox.OutcomeNone
	} else if e.Outcome == mailbox.OutcomeNone {
		e.Outcome = mailbox.OutcomeUnknown
	}
	return e
}

// authenticate returns the user of the session's token, nil for one of the app,
// asking once for another token when it is refused.
func (b *box) authenticate(ctx context.Context, op string, write bool) (*user, error) {
	var rejected mailbox.AccessToken
	for range 2 {
		token, err := b.session.Tokens.Token(ctx, mailbox.TokenRequest{Rejected: rejected})
		if err != nil {
			e := b.fail(op, mailbox.ClassOf(err))
			e.Err = err
			if ctx.Err() != nil {
				e.Class = mailbox.ClassUnavailable
			}
			if write {
				e.Outcome = mailbox.OutcomeNotSent
			}
			return nil, e
		}
		req := &http.Request{Header: http.Header{"Authorization": {"Bearer " + string(token)}}}
		if g := b.s.oauth.Bearer(req); g != nil && g.User == "" {
			return nil, nil // the app itself
		} else if g != nil {
			b.s.mu.Lock()
			u := b.s.find(g.User)
			b.s.mu.Unlock()
			if u != nil {
				return u, nil
			}
		}
		rejected = token
	}
	e := b.fail(op, mailbox.ClassReconnect)
	if write {
		e.Outcome = mailbox.OutcomeNotSent
	}
	return nil, e
}

// Send implements mailbox.Mailbox.
func (b *box) Send(ctx context.Context, out *mailbox.Outgoing, opts mailbox.SendOptions) (mailbox.Sent, error) {
	if !b.account.Capabilities.Has(mailbox.CanSend) {
		e := b.fail("send", mailbox.ClassConsent)
		e.Outcome = mailbox.OutcomeNotSent
		return mailbox.Sent{}, e
	}
	from := mailbox.Address{Name: b.account.Name, Address: b.account.Address}
	built, err := compose.Build(out, compose.BuildOptions{From: from})
	if err != nil {
		return mailbox.Sent{}, err
	}
	if err := ctx.Err(); err != nil {
		e := b.fail("send", mailbox.ClassUnavailable)
		e.Err, e.Outcome = err, mailbox.OutcomeNotSent
		return mailbox.Sent{}, e
	}
	if opts.Checkpoint != nil {
		c := mailbox.Checkpoint{Ref: out.Ref, RFCMessageID: built.RFCMessageID, At: time.Now()}
		if err := opts.Checkpoint(ctx, c); err != nil {
			e := b.fail("send", mailbox.ClassOf(err))
			e.Err, e.Outcome = err, mailbox.OutcomeNotSent
			return mailbox.Sent{}, e
		}
	}
	recipients := mailbox.AddrSpecs(out.Recipients())
	return do(ctx, b, "send", mailbox.CanSend, func(u *user) (mailbox.Sent, *mailbox.Error) {
		id := b.s.file(u, built.Raw, mailbox.FolderSent, true)
		m := u.messages[len(u.messages)-1]
		if out.Reply != nil && out.Reply.ThreadID != "" {
			m.thread = out.Reply.ThreadID
		}
		sent := mailbox.Sent{ID: id, ThreadID: m.thread, RFCMessageIDs: []mailbox.RFCMessageID{built.RFCMessageID}, At: m.at}
		b.s.route(u, recipients, built.Raw)
		return sent, nil
	})
}

// ResolveSend implements mailbox.SendResolver.
func (b *box) ResolveSend(ctx context.Context, c mailbox.Checkpoint) (mailbox.Sent, mailbox.Outcome, error) {
	outcome := mailbox.OutcomeUnknown
	sent, err := do(ctx, b, "resolve", mailbox.CanReadHeaders, func(u *user) (mailbox.Sent, *mailbox.Error) {
		outcome = mailbox.OutcomeNotSent
		if m := u.byRFC(c.RFCMessageID); m != nil {
			outcome = mailbox.OutcomeSent
			return mailbox.Sent{ID: m.id, ThreadID: m.thread, RFCMessageIDs: []mailbox.RFCMessageID{m.rfcID}, At: m.at}, nil
		}
		return mailbox.Sent{}, nil
	})
	if err != nil {
		outcome = mailbox.OutcomeUnknown
	}
	return sent, outcome, err
}

// ReadSent implements mailbox.SentReader.
func (b *box) ReadSent(ctx context.Context, s mailbox.Sent) (mailbox.Sent, error) {
	return do(ctx, b, "read_sent", mailbox.CanReadHeaders, func(u *user) (mailbox.Sent, *mailbox.Error) {
		i := u.index(s.ID)
		if i < 0 {
			return s, &mailbox.Error{Class: mailbox.ClassNotFound}
		}
		if msg := u.messages[i].message(mailbox.PartHeaders); len(msg.From) > 0 {
			s.From = msg.From[0]
		}
		if id := u.messages[i].rfcID; !slices.Contains(s.RFCMessageIDs, id) {
			s.RFCMessageIDs = append(s.RFCMessageIDs, id)
		}
		return s, nil
	})
}

// List implements mailbox.Mailbox.
func (b *box) List(ctx context.Context, q mailbox.Query) (mailbox.Page, error) {
	need := mailbox.CanReadHeaders
	if q.Parts == mailbox.PartBody {
		need |= mailbox.CanReadBodies
	}
	return do(ctx, b, "list", need, func(u *user) (mailbox.Page, *mailbox.Error) {
		folder := q.Folder
		if folder == "" {
			folder = mailbox.FolderInbox
		}
		size := q.Max
		if size <= 0 {
			size = 50
		}
		skip, err := strconv.Atoi("0" + q.Page)
		if err != nil || skip < 0 {
			return mailbox.Page{}, mailbox.Invalid("page", "a Next of an earlier page", "is unknown")
		}
		var page mailbox.Page
		for _, m := range slices.Backward(u.messages) {
			if m.folder != folder || m.at.Before(q.Since) || !q.Before.IsZero() && !m.at.Before(q.Before) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if len(page.Messages) == size {
				first, _ := strconv.Atoi("0" + q.Page)
				page.Next = strconv.Itoa(first + size)
				break
			}
			page.Messages = append(page.Messages, b.read(m, q.Parts))
		}
		return page, nil
	})
}

func (b *box) read(m *stored, parts mailbox.Parts) *mailbox.Message {
	if parts == mailbox.PartBody {
		b.s.calls["fetch_body"]++
	}
	return m.message(parts)
}

// Fetch implements mailbox.Mailbox.
func (b *box) Fetch(ctx context.Context, ids []mailbox.MessageID, parts mailbox.Parts) ([]*mailbox.Message, error) {
	need := mailbox.CanReadHeaders
	if parts == mailbox.PartBody {
		need |= mailbox.CanReadBodies
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return do(ctx, b, "fetch", need, func(u *user) ([]*mailbox.Message, *mailbox.Error) {
		found := make([]*mailbox.Message, len(ids))
		for n, id := range ids {
			if i := u.index(id); i >= 0 {
				found[n] = b.read(u.messages[i], parts)
			}
		}
		return found, nil
	})
}

// Raw implements mailbox.RawReader.
func (b *box) Raw(ctx context.Context, id mailbox.MessageID, max int64) ([]byte, error) {
	return do(ctx, b, "raw", mailbox.CanReadBodies, func(u *user) ([]byte, *mailbox.Error) {
		i := u.index(id)
		if i < 0 {
			return nil, &mailbox.Error{Class: mailbox.ClassNotFound}
		}
		raw := u.messages[i].raw
		if max > 0 && int64(len(raw)) > max {
			return nil, mailbox.Invalid("message size", fmt.Sprintf("at most %d bytes", max), "is too large")
		}
		return slices.Clone(raw), nil
	})
}

const cursorPrefix = "memory:"

// Cursor implements mailbox.Mailbox.
func (b *box) Cursor(ctx context.Context) (mailbox.Cursor, error) {
	return do(ctx, b, "cursor", mailbox.CanReadHeaders, func(u *user) (mailbox.Cursor, *mailbox.Error) {
		return cursorAt(len(u.changes)), nil
	})
}

func cursorAt(n int) mailbox.Cursor { return mailbox.Cursor(cursorPrefix + strconv.Itoa(n)) }

// Changes implements mailbox.Mailbox.
func (b *box) Changes(ctx context.Context, from mailbox.Cursor, max int) (mailbox.Changes, error) {
	digits, ok := strings.CutPrefix(string(from), cursorPrefix)
	at, err := strconv.Atoi(digits)
	if !ok || err != nil || at < 0 {
		return mailbox.Changes{}, mailbox.Invalid("cursor", "a cursor of this provider", "is unknown")
	}
	if max <= 0 {
		max = 100
	}
	return do(ctx, b, "changes", mailbox.CanReadHeaders, func(u *user) (mailbox.Changes, *mailbox.Error) {
		if at < u.forgotten || at > len(u.changes) {
			return mailbox.Changes{}, &mailbox.Error{Class: mailbox.ClassCursorLost}
		}
		end := min(at+max, len(u.changes))
		out := mailbox.Changes{Next: cursorAt(end), More: end < len(u.changes)}
		for _, c := range u.changes[at:end] {
			i := u.index(c.id)
			switch {
			case c.kind == mailbox.ChangeRemoved:
				out.Changes = append(out.Changes, mailbox.Change{Kind: c.kind, ID: c.id})
			case i >= 0:
				out.Changes = append(out.Changes, mailbox.Change{Kind: c.kind, ID: c.id, Message: u.messages[i].message(mailbox.PartHeaders)})
			}
		}
		return out, nil
	})
}

// SetRead implements mailbox.Mailbox.
func (b *box) SetRead(ctx context.Context, read bool, ids ...mailbox.MessageID) error {
	_, err := do(ctx, b, "set_read", mailbox.CanWriteReadState, func(u *user) (struct{}, *mailbox.Error) {
		for _, id := range ids {
			if i := u.index(id); i >= 0 && u.messages[i].read != read {
				u.messages[i].read = read
				u.log(mailbox.ChangeUpdated, id)
			}
		}
		return struct{}{}, nil
	})
	return err
}
