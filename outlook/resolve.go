package outlook

import (
	"context"
	"slices"
	"time"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// lookBack is how long before a checkpoint the sent copy is looked for: clocks
// differ.
const lookBack = 10 * time.Minute

// ResolveSend implements [mailbox.SendResolver].
//
// With a draft, the draft decides: it is sent when it is no draft any more. One
// that still is a draft may be on its way, so it is OutcomeUnknown until
// [Config.SettleAfter] has passed since the checkpoint. Then it is moved to
// Deleted Items, so that it can never go out, and only then OutcomeNotSent is
// returned; a draft that stands there already has been.
//
// Without a draft, or when it has gone, the sent folder is searched by
// Message-ID and by [mailbox.RefHeader]. What is not found there stays
// OutcomeUnknown: it cannot be told from a message that is still on its way.
func (m *Mailbox) ResolveSend(ctx context.Context, c mailbox.Checkpoint) (mailbox.Sent, mailbox.Outcome, error) {
	if err := m.need("resolve send", mailbox.CanReadHeaders); err != nil {
		return mailbox.Sent{}, mailbox.OutcomeUnknown, unknown(err)
	}
	if plausible(c.DraftID) {
		sent, outcome, err := m.resolveDraft(ctx, c)
		if err == nil || !gone(err) {
			return sent, outcome, unknown(err)
		}
	}
	g, err := m.findSent(ctx, c)
	if err != nil || g == nil {
		return mailbox.Sent{}, mailbox.OutcomeUnknown, unknown(err)
	}
	return sentOf(*g, positionOf(c).IDs), mailbox.OutcomeSent, nil
}

func (m *Mailbox) resolveDraft(ctx context.Context, c mailbox.Checkpoint) (mailbox.Sent, mailbox.Outcome, error) {
	g, err := m.graph.Get(ctx, c.DraftID, sentFields(false))
	if err != nil {
		return mailbox.Sent{}, mailbox.OutcomeUnknown, err
	}
	if !g.IsDraft {
		return sentOf(g, positionOf(c).IDs), mailbox.OutcomeSent, nil
	}
	folders, err := m.folderMap(ctx)
	if err != nil {
		return mailbox.Sent{}, mailbox.OutcomeUnknown, err
	}
	switch folders.of(g.ParentFolderID) {
	case mailbox.FolderTrash:
		return mailbox.Sent{}, mailbox.OutcomeNotSent, nil
	case mailbox.FolderDrafts:
		if c.At.IsZero() || time.Since(c.At) < m.p.config.SettleAfter || !m.can.Has(mailbox.CanDraft) {
			return mailbox.Sent{}, mailbox.OutcomeUnknown, nil
		}
		if err := m.graph.Move(ctx, c.DraftID, folderName(mailbox.FolderTrash)); err != nil {
			return mailbox.Sent{}, mailbox.OutcomeUnknown, err
		}
		return mailbox.Sent{}, mailbox.OutcomeNotSent, nil
	default:
		return mailbox.Sent{}, mailbox.OutcomeUnknown, nil // in the outbox, for instance
	}
}

// ReadSent implements [mailbox.SentReader].
func (m *Mailbox) ReadSent(ctx context.Context, s mailbox.Sent) (mailbox.Sent, error) {
	if err := m.need("read sent", mailbox.CanReadHeaders); err != nil {
		return s, err
	}
	var g *graph.Message
	if plausible(s.ID) {
		got, err := m.getSent(ctx, s.ID)
		if err != nil && !gone(err) {
			return s, err
		}
		if err == nil && !got.IsDraft {
			g = &got
		}
	}
	if g == nil {
		var err error
		if g, err = m.findByID(ctx, s.RFCMessageIDs); err != nil {
			return s, err
		}
	}
	if g == nil {
		return s, m.fail("read sent", &mailbox.Error{Class: mailbox.ClassNotFound})
	}
	full := sentOf(*g, s.RFCMessageIDs)
	if !s.At.IsZero() {
		full.At = s.At
	}
	full.Warnings = s.Warnings
	return full, nil
}

// getSent reads a sent message, with its header block if Graph gives it.
func (m *Mailbox) getSent(ctx context.Context, id mailbox.MessageID) (graph.Message, error) {
	var g graph.Message
	err := m.readable(ctx, func(header bool) (err error) {
		g, err = m.graph.Get(ctx, id, sentFields(header))
		return err
	})
	return g, err
}

func sentFields(header bool) []string {
	fields := []string{"id", "isDraft", "parentFolderId", "internetMessageId", "conversationId", "sentDateTime", "from", "sender"}
	if header {
		fields = append(fields, headerBlock)
	}
	return fields
}

// findSent looks for the copy in the sent folder; nil if it is not there.
func (m *Mailbox) findSent(ctx context.Context, c mailbox.Checkpoint) (*graph.Message, error) {
	g, err := m.findByID(ctx, positionOf(c).IDs)
	if g != nil || err != nil || c.Ref == "" || c.At.IsZero() {
		return g, err
	}
	// The Message-ID may have been replaced on the way; the private field stays.
	var found *graph.Message
	err = m.readable(ctx, func(header bool) (err error) {
		if header {
			found, err = m.findByRef(ctx, c)
		}
		return err
	})
	return found, err
}

// Bounds of a search by the private field: it goes through the mail that was
// sent next after the checkpoint.
const (
	searchPage  = 100
	searchPages = 10
)

func (m *Mailbox) findByRef(ctx context.Context, c mailbox.Checkpoint) (*graph.Message, error) {
	page, err := m.graph.List(ctx, folderName(mailbox.FolderSent), graph.ListOptions{
		Select: sentFields(true), Size: searchPage,
		Filter: between(c.At.Add(-lookBack), time.Time{}), OrderBy: "receivedDateTime",
	})
	for n := 1; err == nil; n++ {
		for i := range page.Messages {
			if page.Messages[i].Header.Get(mailbox.RefHeader) == c.Ref {
				return &page.Messages[i], nil
			}
		}
		if page.NextLink == "" || n == searchPages {
			return nil, nil
		}
		page, err = m.graph.ListNext(ctx, page.NextLink)
	}
	return nil, err
}

// findByID looks for a message by its Message-ID in the sent folder.
func (m *Mailbox) findByID(ctx context.Context, ids []mailbox.RFCMessageID) (*graph.Message, error) {
	for _, id := range ids {
		page, err := m.graph.List(ctx, folderName(mailbox.FolderSent), graph.ListOptions{
			Select: sentFields(false), Filter: "internetMessageId eq " + quoted(id.Brackets()), Size: 1,
		})
		if err != nil {
			return nil, err
		}
		for i := range page.Messages {
			if !page.Messages[i].IsDraft {
				return &page.Messages[i], nil
			}
		}
	}
	return nil, nil
}

// sentOf puts a sent copy in the words of the mailbox package. known are the ids
// from before.
func sentOf(g graph.Message, known []mailbox.RFCMessageID) mailbox.Sent {
	s := mailbox.Sent{
		ID: mailbox.MessageID(g.ID), ThreadID: mailbox.ThreadID(g.ConversationID),
		From: g.From, RFCMessageIDs: slices.Clone(known),
	}
	if g.Sender.Address != "" && !mailbox.SameAddress(g.Sender.Address, g.From.Address) {
		s.Sender = g.Sender // on behalf of From
	}
	s.At, _ = time.Parse(time.RFC3339Nano, g.SentDateTime)
	values := append([]string{g.InternetMessageID}, g.Header.Values("X-Microsoft-Original-Message-ID")...)
	for _, v := range values {
		for _, id := range mailbox.ParseMessageIDs(v) {
			if !slices.Contains(s.RFCMessageIDs, id) {
				s.RFCMessageIDs = append(s.RFCMessageIDs, id)
			}
		}
	}
	return s
}

// unknown marks a failure to find out.
func unknown(err error) error {
	e, ok := err.(*mailbox.Error)
	if !ok {
		return err
	}
	copied := *e
	copied.Outcome = mailbox.OutcomeUnknown
	return &copied
}
