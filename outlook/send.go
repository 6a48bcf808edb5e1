package outlook

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// prepared is a message that is ready to go out.
type prepared struct {
	raw      []byte // for sendMail; nil if there is a draft
	draft    mailbox.MessageID
	thread   mailbox.ThreadID
	ids      []mailbox.RFCMessageID
	warnings []mailbox.Warning
}

// note takes down what Graph tells of a draft.
func (d *prepared) note(g graph.Message) {
	for _, id := range mailbox.ParseMessageIDs(g.InternetMessageID) {
		if !slices.Contains(d.ids, id) {
			d.ids = append(d.ids, id)
		}
	}
	d.draft = mailbox.MessageID(g.ID)
	d.thread = cmp.Or(mailbox.ThreadID(g.ConversationID), d.thread)
}

// Send implements [mailbox.Mailbox]: see the package documentation. With
// CanDraft the checkpoint names the draft. A 202 is success, whatever header it
// carries: Graph sends Retry-After with it at times, and repeating would send
// twice. A draft that certainly did not go out is deleted again.
func (m *Mailbox) Send(ctx context.Context, out *mailbox.Outgoing, opts mailbox.SendOptions) (mailbox.Sent, error) {
	if err := m.need("send", mailbox.CanSend); err != nil {
		return mailbox.Sent{}, notSent(err)
	}
	if out == nil {
		return mailbox.Sent{}, m.fail("send", mailbox.Invalid("message", "a message", "is nil"))
	}
	if err := compose.Check(out); err != nil {
		return mailbox.Sent{}, m.invalid(err)
	}
	host := ctx
	ctx = mailbox.WithLane(ctx, mailbox.LaneSend)
	d, err := m.prepare(ctx, out)
	if err != nil {
		return mailbox.Sent{}, notSent(err)
	}
	if opts.Checkpoint != nil {
		c := mailbox.Checkpoint{Ref: out.Ref, DraftID: d.draft, Position: d.position(), At: time.Now()}
		if len(d.ids) > 0 {
			c.RFCMessageID = d.ids[0]
		}
		if err := opts.Checkpoint(host, c); err != nil {
			m.discard(ctx, d.draft)
			return mailbox.Sent{}, m.stopped(err)
		}
	}
	if d.draft == "" {
		err = m.graph.SendMIME(ctx, d.raw)
	} else if err = m.graph.Send(ctx, d.draft); mailbox.OutcomeOf(err) == mailbox.OutcomeNotSent {
		m.discard(ctx, d.draft)
	}
	if err != nil {
		return mailbox.Sent{}, err
	}
	return mailbox.Sent{ID: d.draft, ThreadID: d.thread, RFCMessageIDs: d.ids, At: time.Now(), Warnings: d.warnings}, nil
}

// prepare does everything but send. What it leaves behind when it fails it has
// tried to delete.
func (m *Mailbox) prepare(ctx context.Context, out *mailbox.Outgoing) (*prepared, error) {
	if m.can.Has(mailbox.CanDraft) {
		return m.prepareDraft(ctx, out)
	}
	built, err := m.build(out)
	if err != nil {
		return nil, err
	}
	if !m.fits(len(built.Raw)) {
		return nil, m.fail("send", mailbox.Invalid("message size",
			fmt.Sprintf("about %d bytes without the drafts capability", m.p.config.MaxRequest/4*3), "is larger"))
	}
	return &prepared{raw: built.Raw, ids: []mailbox.RFCMessageID{built.RFCMessageID}}, nil
}

// build renders the message. Graph reads blind copies from the header (Microsoft
// Graph, "Create message").
func (m *Mailbox) build(out *mailbox.Outgoing) (*compose.Built, error) {
	built, err := compose.Build(out, compose.BuildOptions{
		From: mailbox.Address{Name: m.account.Name, Address: m.account.Address}, Bcc: true, MaxBytes: m.p.config.MaxMessage,
	})
	if err != nil {
		return nil, m.invalid(err)
	}
	return built, nil
}

// fits reports whether n bytes fit into one request as base64.
func (m *Mailbox) fits(n int) bool {
	return int64(base64.StdEncoding.EncodedLen(n)) <= m.p.config.MaxRequest
}

// discard deletes a draft that will not be sent. It does what it can: the send
// has failed already, perhaps because the context ended.
func (m *Mailbox) discard(ctx context.Context, draft mailbox.MessageID) {
	if draft == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = m.graph.Delete(ctx, draft)
}

// invalid completes an error of compose.
func (m *Mailbox) invalid(err error) error {
	if e, ok := err.(*mailbox.Error); ok {
		return m.fail("send", e)
	}
	return m.fail("send", &mailbox.Error{Class: mailbox.ClassInvalid, Outcome: mailbox.OutcomeNotSent, Err: err})
}

// stopped reports a checkpoint that could not be stored.
func (m *Mailbox) stopped(err error) error {
	e := &mailbox.Error{Class: mailbox.ClassStorage, Err: err}
	if class := mailbox.ClassOf(err); class != mailbox.ClassUnknown {
		e.Class = class
	}
	return notSent(m.fail("send", e))
}

// notSent says of a failure before the sending request what it means for the
// send, whatever it means for the request that failed.
func notSent(err error) error {
	e, ok := err.(*mailbox.Error)
	if !ok {
		return err
	}
	copied := *e
	copied.Outcome = mailbox.OutcomeNotSent
	return &copied
}

// position is the driver's own part of a checkpoint.
type position struct {
	Version int                    `json:"v"`
	IDs     []mailbox.RFCMessageID `json:"ids,omitempty"`
}

func (d *prepared) position() string {
	b, _ := json.Marshal(position{Version: 1, IDs: d.ids}) // strings always marshal
	return string(b)
}

// positionOf reads it back. One that cannot be read tells nothing.
func positionOf(c mailbox.Checkpoint) position {
	var p position
	if json.Unmarshal([]byte(c.Position), &p) != nil || p.Version != 1 {
		p = position{}
	}
	if c.RFCMessageID != "" && !slices.Contains(p.IDs, c.RFCMessageID) {
		p.IDs = append([]mailbox.RFCMessageID{c.RFCMessageID}, p.IDs...)
	}
	return p
}
