package outlook

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/mailbox/compose"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// maxCustomHeaders is how many X- fields a JSON draft may have (reported limit
// of internetMessageHeaders, 2020 and later).
const maxCustomHeaders = 5

// MAPI properties that stand for the thread fields of a message
// ([MS-OXPROPS]: PidTagInReplyToId, PidTagInternetReferences).
const (
	propInReplyTo  = "String 0x1042"
	propReferences = "String 0x1039"
)

// prepareDraft makes the draft that fits the message: a reply draft, one of
// MIME, or one of JSON with files attached.
func (m *Mailbox) prepareDraft(ctx context.Context, out *mailbox.Outgoing) (*prepared, error) {
	d := &prepared{}
	if out.Reply != nil && plausible(out.Reply.ID) && m.jsonRefusal(out) == nil {
		err := m.replyDraft(ctx, d, out)
		if !gone(err) || d.draft != "" {
			return d, err
		}
		d.warnings = append(d.warnings, mailbox.Warning{
			Code: mailbox.WarnThread, Part: "thread", Detail: "the original is no longer in the mailbox",
		})
	}
	if m.fits(int(attached(out))) {
		built, err := m.build(out)
		if err != nil {
			return nil, err
		}
		if m.fits(len(built.Raw)) {
			return d, m.mimeDraft(ctx, d, built)
		}
	}
	return d, m.largeDraft(ctx, d, out)
}

func customHeader(out *mailbox.Outgoing) mailbox.Header {
	h := append(mailbox.Header(nil), out.Header...)
	if out.Ref != "" {
		h = append(h, mailbox.Field{Name: mailbox.RefHeader, Value: out.Ref})
	}
	return h
}

// attached is how many bytes the files of the message have.
func attached(out *mailbox.Outgoing) int64 {
	var n int64
	for _, f := range out.Attachments {
		n += int64(len(f.Data))
	}
	return n
}

// mimeDraft makes a draft of a whole message.
func (m *Mailbox) mimeDraft(ctx context.Context, d *prepared, built *compose.Built) error {
	d.ids = append(d.ids, built.RFCMessageID)
	g, err := m.graph.CreateDraftMIME(ctx, built.Raw)
	if err != nil {
		m.sweep(ctx, err, built.RFCMessageID)
		return err
	}
	d.note(g)
	return nil
}

// replyDraft makes a reply draft and then makes it say what out says.
func (m *Mailbox) replyDraft(ctx context.Context, d *prepared, out *mailbox.Outgoing) error {
	draft := m.jsonDraft(out)
	g, err := m.graph.CreateReply(ctx, out.Reply.ID, draft.RFCMessageID, customHeader(out))
	if err != nil {
		m.sweep(ctx, err, draft.RFCMessageID)
		return err
	}
	d.ids = append(d.ids, draft.RFCMessageID)
	d.note(g)
	if g, err = m.graph.UpdateDraft(ctx, d.draft, draft); err == nil {
		d.note(g)
		err = m.attach(ctx, d.draft, out.Attachments)
	}
	if err != nil {
		m.discard(ctx, d.draft)
	}
	return err
}

// largeDraft makes a draft whose files follow one by one.
func (m *Mailbox) largeDraft(ctx context.Context, d *prepared, out *mailbox.Outgoing) error {
	if err := m.jsonRefusal(out); err != nil {
		return m.fail("send", err)
	}
	draft := m.jsonDraft(out)
	draft.Header = customHeader(out)
	d.ids = append(d.ids, draft.RFCMessageID)
	if r := out.Reply; r != nil && r.RFCMessageID != "" {
		draft.Properties = []graph.Property{
			{ID: propInReplyTo, Value: r.RFCMessageID.Brackets()},
			{ID: propReferences, Value: references(r)},
		}
		d.warnings = append(d.warnings, mailbox.Warning{
			Code: mailbox.WarnIncomplete, Part: "References",
			Detail: "set as a property of a large message: recipients may not see it",
		})
	}
	g, err := m.graph.CreateDraft(ctx, draft)
	if err != nil {
		m.sweep(ctx, err, draft.RFCMessageID)
		return err
	}
	d.note(g)
	if err := m.attach(ctx, d.draft, out.Attachments); err != nil {
		m.discard(ctx, d.draft)
		return err
	}
	return nil
}

// jsonRefusal tells what a JSON draft cannot carry of the message; nil if
// nothing.
func (m *Mailbox) jsonRefusal(out *mailbox.Outgoing) *mailbox.Error {
	body := compose.Bodies(out)
	text := int64(len(cmp.Or(body.HTML, body.Text)))
	most := m.p.config.MaxRequest / 2 // JSON writes some bytes as two and more
	switch {
	case out.Unsubscribe != nil:
		return mailbox.Invalid("unsubscribe", fmt.Sprintf("messages up to about %d bytes", m.p.config.MaxRequest/4*3),
			"cannot be set on a message that large")
	case len(customHeader(out)) > maxCustomHeaders:
		return mailbox.Invalid("header", fmt.Sprintf("%d X- fields, ref included, on a message that large", maxCustomHeaders), "has more")
	case text > most:
		return mailbox.Invalid("body", fmt.Sprintf("at most %d bytes", most), "is larger")
	case text+attached(out)/3*4 > m.p.config.MaxMessage:
		return mailbox.Invalid("message size", fmt.Sprintf("at most %d bytes", m.p.config.MaxMessage), "is larger")
	}
	return nil
}

// jsonDraft is everything but the header. An empty From leaves it to Graph,
// except in the mailbox of somebody else, which is the sender then.
func (m *Mailbox) jsonDraft(out *mailbox.Outgoing) graph.Draft {
	body := compose.Bodies(out)
	from := out.From
	if from == (mailbox.Address{}) && m.account.Access != mailbox.AccessUser {
		from = mailbox.Address{Name: m.account.Name, Address: m.account.Address}
	}
	return graph.Draft{
		From: from, To: out.To, Cc: out.Cc, Bcc: out.Bcc, ReplyTo: out.ReplyTo,
		Subject: out.Subject, Text: body.Text, HTML: body.HTML,
		RFCMessageID: cmp.Or(out.RFCMessageID, compose.NewMessageID(cmp.Or(out.From.Address, m.account.Address))),
	}
}

// maxReferences bounds the property: the first id and the latest ones.
const maxReferences = 20

func references(r *mailbox.Reply) string {
	ids := slices.DeleteFunc(slices.Clone(r.References), func(id mailbox.RFCMessageID) bool { return id == r.RFCMessageID })
	ids = append(ids, r.RFCMessageID)
	if len(ids) > maxReferences {
		ids = append(ids[:1:1], ids[len(ids)-maxReferences+1:]...)
	}
	var all []string
	for _, id := range ids {
		all = append(all, id.Brackets())
	}
	return strings.Join(all, " ")
}

// attach adds files to a draft, each in the way its size asks for.
func (m *Mailbox) attach(ctx context.Context, draft mailbox.MessageID, files []mailbox.File) error {
	const envelope = 4 << 10 // what stands around the content in JSON
	for _, f := range files {
		f.ContentType = cmp.Or(f.ContentType, "application/octet-stream")
		f.Name = cmp.Or(f.Name, "attachment")
		add := m.graph.Upload
		if int64(base64.StdEncoding.EncodedLen(len(f.Data))+envelope) <= m.p.config.MaxRequest {
			add = m.graph.Attach
		}
		if err := add(ctx, draft, f); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes a draft whose creation failed without certainty: it may be
// there although nobody told its id. It does what it can.
func (m *Mailbox) sweep(ctx context.Context, failure error, id mailbox.RFCMessageID) {
	if mailbox.OutcomeOf(failure) != mailbox.OutcomeUnknown {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	page, err := m.graph.List(ctx, folderName(mailbox.FolderDrafts), graph.ListOptions{
		Select: []string{"id"}, Filter: "internetMessageId eq " + quoted(id.Brackets()), Size: 2,
	})
	if err != nil {
		return
	}
	for _, g := range page.Messages {
		_ = m.graph.Delete(ctx, mailbox.MessageID(g.ID))
	}
}
