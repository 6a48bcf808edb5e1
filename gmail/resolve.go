package gmail

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	api "google.golang.org/api/gmail/v1"

	"github.com/mailtether/mailtether/mailbox"
)

// originalID keeps a Message-ID that Gmail replaced.
const originalID = "X-Google-Original-Message-ID"

// ResolveSend looks for the sent copy among what was filed under SENT since the
// checkpoint (the history, not the search index, which lags), by its marks:
// [mailbox.RefHeader], a Message-ID, the thread its draft began, or subject,
// recipients and date together; and whether the draft, if there was one, is
// still there.
//
//   - Found: OutcomeSent.
//   - Not found within [Config.SettleTime]: OutcomeUnknown.
//   - Not found after that: OutcomeNotSent if the draft was still there, or if
//     there was none and everything filed since is certainly another message. A
//     draft that is gone without a sent copy may have been deleted or changed by
//     the user: it stays OutcomeUnknown.
//   - With CanDraft alone there is only the draft to look at; one that is gone
//     counts as sent.
//
// Before OutcomeNotSent is returned, the draft is deleted, so that it can never
// go out beside the message that is sent instead. Store the outcome: who asks
// again finds no draft, and gets OutcomeUnknown.
func (m *Mailbox) ResolveSend(ctx context.Context, c mailbox.Checkpoint) (mailbox.Sent, mailbox.Outcome, error) {
	const op = "resolve"
	unknown := func(err *mailbox.Error) (mailbox.Sent, mailbox.Outcome, error) {
		err.Outcome = mailbox.OutcomeUnknown
		return mailbox.Sent{}, mailbox.OutcomeUnknown, err
	}
	readable, draftOnly := m.can(mailbox.CanReadHeaders), c.DraftID != "" && m.can(mailbox.CanDraft)
	if !readable && !draftOnly {
		return unknown(m.fail(ctx, op, m.need(op, mailbox.CanReadHeaders)))
	}
	at, err := parsePosition(c.Position)
	if err != nil {
		return unknown(m.fail(ctx, op, err))
	}
	var seenAll bool
	if readable {
		var sent mailbox.Sent
		var found bool
		sent, found, seenAll, err = m.findSent(ctx, c, at)
		if err != nil {
			return unknown(m.fail(ctx, op, err))
		}
		if found {
			return sent, mailbox.OutcomeSent, nil
		}
	}
	settled := time.Since(c.At) >= m.provider.settleTime
	if c.DraftID == "" || !m.can(mailbox.CanDraft) {
		if settled && seenAll && c.DraftID == "" {
			return mailbox.Sent{}, mailbox.OutcomeNotSent, nil
		}
		return mailbox.Sent{}, mailbox.OutcomeUnknown, nil
	}
	there, err := m.draftExists(ctx, string(c.DraftID))
	switch {
	case err != nil:
		return unknown(m.fail(ctx, op, err))
	case there && settled && readable:
		if err := m.deleteDraft(ctx, string(c.DraftID)); err != nil {
			return unknown(m.fail(ctx, op, err))
		}
		return mailbox.Sent{}, mailbox.OutcomeNotSent, nil
	case there && settled:
		return mailbox.Sent{}, mailbox.OutcomeNotSent, nil // deleted, it would count as sent
	case !there && !readable:
		return mailbox.Sent{RFCMessageIDs: ids(c.RFCMessageID), At: c.At}, mailbox.OutcomeSent, nil
	default:
		return mailbox.Sent{}, mailbox.OutcomeUnknown, nil
	}
}

func (m *Mailbox) draftExists(ctx context.Context, id string) (bool, error) {
	ctx = m.call(ctx, mailbox.Call{Method: methodDraftGet})
	_, err := do(ctx, m, m.users.Drafts.Get(me, id).Format("minimal").Context(ctx))
	if errors.Is(err, mailbox.ClassNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (m *Mailbox) deleteDraft(ctx context.Context, id string) error {
	ctx = m.call(ctx, mailbox.Call{Method: methodDraftDelete, Lane: mailbox.LaneSend})
	return m.gate.Error(ctx, m.users.Drafts.Delete(me, id).Context(ctx).Do())
}

// maxCandidates bounds how many sent messages are compared. The one that is
// looked for was sent right after the position was noted, so it is among the
// first.
const maxCandidates = 500

// findSent looks for the sent copy. seenAll tells that everything filed under
// SENT since the position was compared.
func (m *Mailbox) findSent(ctx context.Context, c mailbox.Checkpoint, at position) (sent mailbox.Sent, found, seenAll bool, err error) {
	candidates, seenAll, err := m.sentSince(ctx, at)
	if err != nil {
		return sent, false, false, err
	}
	for chunk := range slices.Chunk(candidates, m.provider.batchSize) {
		got, err := m.getHeaders(ctx, chunk, mailbox.RefHeader, "Message-ID", originalID, "From", "To", "Cc", "Subject", "Date")
		if err != nil {
			return sent, false, false, err
		}
		for i, w := range got {
			if w == nil {
				seenAll = false // not visible yet, or gone already
				continue
			}
			copied := w.message()
			if !copied.In(mailbox.FolderSent) {
				continue
			}
			switch isCopy(copied, c, at) {
			case same:
				copied.ID = chunk[i]
				return complete(mailbox.Sent{RFCMessageIDs: ids(c.RFCMessageID)}, copied), true, true, nil
			case maybe:
				seenAll = false
			}
		}
	}
	return sent, false, seenAll, nil
}

// wireIDs are all ids that a sent copy names.
func wireIDs(msg *mailbox.Message) []mailbox.RFCMessageID {
	var all []mailbox.RFCMessageID
	for _, name := range []string{"Message-ID", originalID} {
		for _, v := range msg.Header.Values(name) {
			all = append(all, mailbox.ParseMessageIDs(v)...)
		}
	}
	return all
}

// complete adds to s what the sent copy tells.
func complete(s mailbox.Sent, copied *mailbox.Message) mailbox.Sent {
	s.ID, s.ThreadID = copied.ID, copied.ThreadID
	s.RFCMessageIDs = slices.Clone(s.RFCMessageIDs)
	for _, id := range wireIDs(copied) {
		if !slices.Contains(s.RFCMessageIDs, id) {
			s.RFCMessageIDs = append(s.RFCMessageIDs, id)
		}
	}
	if len(copied.From) > 0 {
		s.From = copied.From[0]
	}
	if s.At.IsZero() {
		s.At = copied.ReceivedAt
	}
	return s
}

// ids is a list of one id, or of none.
func ids(id mailbox.RFCMessageID) []mailbox.RFCMessageID {
	if id == "" {
		return nil
	}
	return []mailbox.RFCMessageID{id}
}

// sentSince lists what was filed under SENT since the position, oldest first.
// Without a position, or when Gmail has forgotten it, it falls back to the
// newest sent messages, which proves nothing about the rest.
func (m *Mailbox) sentSince(ctx context.Context, at position) (list []mailbox.MessageID, all bool, err error) {
	if at.History == 0 {
		list, err = m.newestSent(ctx)
		return list, false, err
	}
	ctxList := m.call(ctx, mailbox.Call{Method: methodHistory})
	add := func(msg *api.Message) {
		if msg != nil && msg.Id != "" && !slices.Contains(list, mailbox.MessageID(msg.Id)) {
			list = append(list, mailbox.MessageID(msg.Id))
		}
	}
	token := ""
	for range maxHistoryPages {
		call := m.users.History.List(me).StartHistoryId(at.History).LabelId(labelSent).
			HistoryTypes("messageAdded", "labelAdded").MaxResults(maxCandidates).Context(ctxList)
		if token != "" {
			call.PageToken(token)
		}
		page, err := do(ctxList, m, call)
		if errors.Is(err, mailbox.ClassCursorLost) {
			list, err = m.newestSent(ctx)
			return list, false, err
		}
		if err != nil {
			return nil, false, err
		}
		for _, h := range page.History {
			if h == nil {
				continue
			}
			for _, a := range h.MessagesAdded {
				if a != nil {
					add(a.Message)
				}
			}
			for _, a := range h.LabelsAdded {
				if a != nil && slices.Contains(a.LabelIds, labelSent) {
					add(a.Message)
				}
			}
		}
		if len(list) > maxCandidates {
			return list[:maxCandidates], false, nil
		}
		if page.NextPageToken == "" {
			return list, true, nil
		}
		token = page.NextPageToken
	}
	return list, false, nil
}

func (m *Mailbox) newestSent(ctx context.Context) ([]mailbox.MessageID, error) {
	ctx = m.call(ctx, mailbox.Call{Method: methodList})
	page, err := do(ctx, m, m.users.Messages.List(me).LabelIds(labelSent).MaxResults(100).Context(ctx))
	if err != nil {
		return nil, err
	}
	var list []mailbox.MessageID
	for _, msg := range page.Messages {
		if msg != nil && msg.Id != "" {
			list = append(list, mailbox.MessageID(msg.Id))
		}
	}
	return list, nil
}

// ReadSent reads the Message-ID under which a message went out, which Gmail
// mostly replaces, and the sender it used. Replies cite that id.
func (m *Mailbox) ReadSent(ctx context.Context, s mailbox.Sent) (mailbox.Sent, error) {
	const op = "read sent"
	if err := m.need(op, mailbox.CanReadHeaders); err != nil {
		return s, err
	}
	if s.ID == "" {
		return s, m.fail(ctx, op, mailbox.Invalid("sent.id", "the id that Send gave", "is empty"))
	}
	got, err := m.getHeaders(ctx, []mailbox.MessageID{s.ID}, "Message-ID", originalID, "From")
	if err != nil {
		return s, m.fail(ctx, op, err)
	}
	if got[0] == nil {
		return s, &mailbox.Error{Op: op, Provider: mailbox.Gmail, Mailbox: m.account.Mailbox, Class: mailbox.ClassNotFound}
	}
	copied := got[0].message()
	copied.ID = s.ID
	return complete(s, copied), nil
}

// getHeaders reads a few header fields. An entry is nil for a message that is
// not there.
func (m *Mailbox) getHeaders(ctx context.Context, list []mailbox.MessageID, names ...string) ([]*wireMessage, error) {
	got, failed, err := m.get(ctx, list, url.Values{"format": {formatMetadata}, "metadataHeaders": names})
	if err != nil {
		return nil, err
	}
	for _, e := range failed {
		return nil, e
	}
	return got, nil
}
