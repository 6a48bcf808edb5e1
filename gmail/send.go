package gmail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
)

const (
	// maxMessage is the size limit of messages.send and drafts.create
	// (discovery document, revision 20261005).
	maxMessage = 36_700_160
	// uploadFrom is the size from which a message goes to the upload endpoint as
	// it is. The JSON endpoint refuses bodies of about 5 MB
	// (googleapis/google-api-dotnet-client issue 856; EmailEngine switches at
	// 3.5 MiB, August 2026), and base64 makes a third more of a message.
	uploadFrom = 3_500_000
)

// letter is a message on its way out.
type letter struct {
	raw    []byte
	id     mailbox.RFCMessageID
	ref    string
	like   position // Likeness and Date
	thread string   // that was asked for; empty once Gmail did not know it
	reply  bool
}

// Send sends out with all recipients in its header; Gmail removes Bcc on the
// way. From 3.5 MB on the message is uploaded, up to 36,700,160 bytes; a larger
// one, or one with more recipients than [Config.MaxRecipients], is refused
// before any request is made.
//
// Without a checkpoint it is one request. With one, it depends on the
// capabilities how the outcome can be found out later: with CanDraft the message
// is made a draft first, which sending removes; with CanReadHeaders the end of
// the history is noted, behind which the sent copy has to appear. Gmail has no
// idempotency key, so a lost answer is OutcomeUnknown.
//
// A reply whose thread Gmail does not know (404: nothing was sent) goes out
// without it, with [mailbox.WarnThread]. The same warning tells that Gmail filed it in
// another thread, which it does when the subject differs from the thread's.
func (m *Mailbox) Send(ctx context.Context, out *mailbox.Outgoing, opts mailbox.SendOptions) (mailbox.Sent, error) {
	const op = "send"
	if err := m.need(op, mailbox.CanSend); err != nil {
		return mailbox.Sent{}, m.notSent(ctx, op, err)
	}
	l, err := m.write(out)
	if err != nil {
		return mailbox.Sent{}, m.notSent(ctx, op, err)
	}
	wanted := l.thread
	draft, err := m.prepare(ctx, l, opts)
	if err != nil {
		return mailbox.Sent{}, m.notSent(ctx, op, err)
	}
	var copied *api.Message
	if draft != "" {
		copied, err = m.sendDraft(ctx, draft)
	} else {
		copied, err = inThread(l, func() (*api.Message, error) { return m.sendLetter(ctx, l) })
	}
	if err != nil {
		e := m.fail(ctx, op, err)
		if e.Outcome == mailbox.OutcomeNotSent {
			m.discard(ctx, draft)
		}
		return mailbox.Sent{}, e
	}
	sent := mailbox.Sent{
		ID:            mailbox.MessageID(copied.Id),
		ThreadID:      mailbox.ThreadID(copied.ThreadId),
		RFCMessageIDs: []mailbox.RFCMessageID{l.id},
		At:            time.Now().UTC(),
	}
	if l.thread != wanted || wanted != "" && copied.ThreadId != "" && copied.ThreadId != wanted {
		sent.Warnings = append(sent.Warnings, mailbox.Warning{
			Code: mailbox.WarnThread, Part: "thread", Detail: "the reply stands in a thread of its own",
		})
	}
	return sent, nil
}

// notSent is fail for whatever happens before the request that sends.
func (m *Mailbox) notSent(ctx context.Context, op string, err error) *mailbox.Error {
	e := m.fail(ctx, op, err)
	e.Outcome = mailbox.OutcomeNotSent
	return e
}

// write makes a letter of out.
func (m *Mailbox) write(out *mailbox.Outgoing) (*letter, error) {
	if out == nil {
		return nil, mailbox.Invalid("message", "", "is nil")
	}
	if limit := m.provider.maxRecipients; limit >= 0 && len(out.To)+len(out.Cc)+len(out.Bcc) > limit {
		return nil, mailbox.Invalid("recipients", "at most "+strconv.Itoa(limit)+" in To, Cc and Bcc", "are too many")
	}
	date := out.Date
	if date.IsZero() {
		date = time.Now()
	}
	built, err := compose.Build(out, compose.BuildOptions{
		From:     mailbox.Address{Name: m.account.Name, Address: m.account.Address},
		Now:      date,
		Bcc:      true,
		MaxBytes: maxMessage,
	})
	if err != nil {
		return nil, err
	}
	l := &letter{
		raw: built.Raw, id: built.RFCMessageID, ref: out.Ref,
		like: position{Likeness: likeness(out.Subject, out.To, out.Cc), Date: date.Unix()},
	}
	if out.Reply != nil {
		l.reply, l.thread = true, string(out.Reply.ThreadID)
	}
	return l, nil
}

// prepare does what makes the outcome of the send resolvable, and hands over the
// checkpoint. It returns the id of the draft to send, if there is one.
func (m *Mailbox) prepare(ctx context.Context, l *letter, opts mailbox.SendOptions) (draft string, err error) {
	if opts.Checkpoint == nil {
		return "", nil
	}
	c := mailbox.Checkpoint{Ref: l.ref, RFCMessageID: l.id}
	var at position
	if m.can(mailbox.CanReadHeaders) {
		at = l.like
		at.History, err = m.historyID(m.call(ctx, mailbox.Call{Method: methodProfile, Lane: mailbox.LaneSend}))
		if err != nil {
			return "", err
		}
	}
	if m.can(mailbox.CanDraft) {
		d, err := inThread(l, func() (*api.Draft, error) { return m.createDraft(ctx, l) })
		if err != nil {
			return "", err
		}
		if d.Id == "" {
			return "", errNoAnswer
		}
		draft = d.Id
		c.DraftID = mailbox.MessageID(draft)
		if !l.reply && d.Message != nil {
			at.Thread = d.Message.ThreadId
		}
	}
	c.Position = at.String()
	c.At = time.Now().UTC()
	if err := opts.Checkpoint(ctx, c); err != nil {
		m.discard(ctx, draft)
		if _, ok := errors.AsType[*mailbox.Error](err); !ok {
			err = &mailbox.Error{Class: mailbox.ClassStorage, Err: err}
		}
		return "", err
	}
	return draft, nil
}

// inThread repeats what was refused because of a thread that is not there,
// without the thread.
func inThread[T any](l *letter, try func() (T, error)) (T, error) {
	v, err := try()
	if l.thread != "" && errors.Is(err, mailbox.ClassNotFound) {
		l.thread = ""
		return try()
	}
	return v, err
}

// message is the JSON part of the request: all of it, or for an upload only what
// goes beside the media.
func (l *letter) message() *api.Message {
	m := &api.Message{ThreadId: l.thread}
	if !l.large() {
		m.Raw = base64.URLEncoding.EncodeToString(l.raw)
	}
	return m
}

func (l *letter) large() bool { return len(l.raw) >= uploadFrom }

// media returns the options of a single multipart request: chunks would be
// repeated by the client library when an answer is lost.
func (l *letter) media() (*bytes.Reader, []googleapi.MediaOption) {
	return bytes.NewReader(l.raw), []googleapi.MediaOption{googleapi.ContentType("message/rfc822"), googleapi.ChunkSize(0)}
}

// outgoing is the context of a request that carries l.
func (m *Mailbox) outgoing(ctx context.Context, method string, l *letter) context.Context {
	size := len(l.raw)
	if !l.large() {
		size = base64.URLEncoding.EncodedLen(size)
	}
	return m.call(ctx, mailbox.Call{Method: method, Lane: mailbox.LaneSend, Upload: int64(size)})
}

func (m *Mailbox) sendLetter(ctx context.Context, l *letter) (*api.Message, error) {
	ctx = m.outgoing(ctx, methodSend, l)
	call := m.users.Messages.Send(me, l.message()).Context(ctx)
	if l.large() {
		media, options := l.media()
		call.Media(media, options...)
	}
	return do(ctx, m, call)
}

func (m *Mailbox) createDraft(ctx context.Context, l *letter) (*api.Draft, error) {
	ctx = m.outgoing(ctx, methodDraftCreate, l)
	call := m.users.Drafts.Create(me, &api.Draft{Message: l.message()}).Context(ctx)
	if l.large() {
		media, options := l.media()
		call.Media(media, options...)
	}
	return do(ctx, m, call)
}

func (m *Mailbox) sendDraft(ctx context.Context, id string) (*api.Message, error) {
	ctx = m.call(ctx, mailbox.Call{Method: methodDraftSend, Lane: mailbox.LaneSend})
	return do(ctx, m, m.users.Drafts.Send(me, &api.Draft{Id: id}).Context(ctx))
}

// discardTime bounds how long a send that failed goes on tidying up.
const discardTime = 10 * time.Second

// discard removes a draft that certainly was not sent and will not be. If that
// fails it stays in the user's drafts.
func (m *Mailbox) discard(ctx context.Context, draft string) {
	if draft == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	_ = m.deleteDraft(ctx, draft) // nothing depends on it
}
