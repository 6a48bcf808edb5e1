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

const (
	defaultBite = 100
	// maxHistoryPages bounds how many pages in a row may hold nothing that
	// counts. Pages without records but with a page token were seen
	// (gauteh/lieer issues 24 and 102).
	maxHistoryPages = 100

	// maxLate is how many messages a cursor owes at most.
	maxLate = 100
	// ghostTime is how long a message that the history names and messages.get
	// does not know is looked for. Fresh mail was seen to be missing for seconds
	// (byeokim/gmailpush issue 10).
	ghostTime = time.Minute
	// brokenTime is how long a message that Gmail fails to give is tried, while
	// others can be read.
	brokenTime = time.Hour
)

// Cursor returns the present end of the mailbox's history. Gmail keeps history
// for a week at least in most cases, sometimes only for hours
// (developers.google.com/workspace/gmail/api/guides/sync, 2026).
func (m *Mailbox) Cursor(ctx context.Context) (mailbox.Cursor, error) {
	const op = "cursor"
	if err := m.need(op, mailbox.CanReadHeaders); err != nil {
		return "", err
	}
	ctx = m.call(ctx, mailbox.Call{Method: methodProfile})
	id, err := m.historyID(ctx)
	if err != nil {
		return "", m.fail(ctx, op, err)
	}
	return cursor{History: id}.String(), nil
}

// Changes reads the history behind a cursor, one page a call, and the headers of
// the messages it names. Drafts and chats are left out; so are labels that are
// no folder and not the read state.
//
// What happened to a message in one bite is one change: its latest state, or
// ChangeRemoved when it is gone by then. ChangeAdded is reported for a message
// that is new, and again whenever it enters the inbox: from spam, from the
// archive, from a snooze.
//
// A message that Gmail names and cannot give yet does not hold up the others:
// the next cursor owes it, and the next call asks for it again. If it is still
// not there after a minute it is reported as ChangeRemoved. If Gmail fails to
// give a single message for an hour it is reported with nothing but its id and
// a warning, [mailbox.WarnIncomplete].
func (m *Mailbox) Changes(ctx context.Context, from mailbox.Cursor, limit int) (mailbox.Changes, error) {
	const op = "changes"
	if err := m.need(op, mailbox.CanReadHeaders); err != nil {
		return mailbox.Changes{}, err
	}
	at, err := parseCursor(from)
	if err == nil && limit < 0 {
		err = mailbox.Invalid("max", "not negative", "is negative")
	}
	if err != nil {
		return mailbox.Changes{}, m.fail(ctx, op, err)
	}
	if limit == 0 {
		limit = defaultBite
	}
	ctxList := m.call(ctx, mailbox.Call{Method: methodHistory})
	b, err := m.nextBite(ctxList, at, limit)
	if err != nil {
		return mailbox.Changes{}, m.fail(ctxList, op, err)
	}
	changes, err := m.report(ctx, b)
	if err != nil {
		return mailbox.Changes{}, m.fail(ctx, op, err)
	}
	return mailbox.Changes{Changes: changes, Next: b.next.String(), More: b.more}, nil
}

// bite is a stretch of history, by message.
type bite struct {
	order []mailbox.MessageID // by the first time a message is named
	fates map[mailbox.MessageID]*fate
	next  cursor
	more  bool
}

// fate is what a bite says about one message.
type fate struct {
	added   bool // new, or in the inbox again
	deleted bool
	draft   bool // or chat, as far as is known
	late    late // if it was owed already
}

// entry is one thing that a record says.
type entry struct {
	id      mailbox.MessageID
	what    fate
	ignored bool
}

// nextBite reads one page of history behind at, and further ones as long as
// they are empty, and takes of it what is about limit messages at most, those
// that are owed included; one message at least, so that it gets on.
func (m *Mailbox) nextBite(ctx context.Context, at cursor, limit int) (*bite, error) {
	b := &bite{fates: map[mailbox.MessageID]*fate{}, next: cursor{History: at.History}}
	for _, l := range at.Late {
		if b.fates[l.ID] == nil {
			b.order = append(b.order, l.ID)
			b.fates[l.ID] = &fate{added: true, late: l}
		}
	}
	token := ""
	for range maxHistoryPages {
		call := m.users.History.List(me).StartHistoryId(at.History).
			HistoryTypes("messageAdded", "messageDeleted", "labelAdded", "labelRemoved").
			MaxResults(int64(min(limit, maxPage))).Context(ctx)
		if token != "" {
			call.PageToken(token)
		}
		page, err := do(ctx, m, call)
		if err != nil {
			return nil, err
		}
		token = page.NextPageToken
		records := slices.DeleteFunc(page.History, func(h *api.History) bool { return h == nil })
		if len(records) == 0 && token != "" {
			continue
		}
		last := at.History
		if len(records) > 0 {
			last = max(last, records[len(records)-1].Id)
		}
		switch whole := b.take(records, at, max(limit, len(b.order)+1)); {
		case !whole:
			b.more = true
		case token == "":
			b.next.History = max(last, page.HistoryId)
		case last == at.History:
			return nil, errors.New("gmail: the history does not advance")
		default:
			b.next.History = last
			b.more = true
		}
		return b, nil
	}
	return nil, errors.New("gmail: the history has no end")
}

// take adds records to the bite until it holds limit messages. It reports
// whether all of them were taken, and otherwise sets where to go on.
func (b *bite) take(records []*api.History, at cursor, limit int) bool {
	done := at.History
	for _, h := range records {
		skip := 0
		if h.Id == at.Record {
			skip = at.Skip
		}
		for i, e := range entriesOf(h) {
			if i < skip || e.ignored {
				continue
			}
			f := b.fates[e.id]
			if f == nil {
				if len(b.order) >= limit {
					b.next.History = done
					if i > 0 {
						b.next.Record, b.next.Skip = h.Id, i
					}
					return false
				}
				f = new(fate)
				b.fates[e.id] = f
				b.order = append(b.order, e.id)
			}
			f.added = f.added || e.what.added
			f.deleted = f.deleted || e.what.deleted
			f.draft = e.what.draft || f.draft && !e.what.added
		}
		done = h.Id
	}
	return true
}

// entriesOf takes a record apart, always in the same order, since Skip counts
// the entries. The field messages says nothing that the others do not.
func entriesOf(h *api.History) []entry {
	var all []entry
	add := func(msg *api.Message, what fate, ignored bool) {
		if msg == nil {
			msg = new(api.Message)
		}
		what.draft = unwatched(msg.LabelIds)
		id := mailbox.MessageID(msg.Id)
		all = append(all, entry{id: id, what: what, ignored: ignored || !plausible(id)})
	}
	for _, a := range h.MessagesAdded {
		if a != nil {
			add(a.Message, fate{added: true}, false)
		}
	}
	for _, a := range h.LabelsAdded {
		if a != nil {
			entered := slices.Contains(a.LabelIds, labelInbox) || slices.Contains(a.LabelIds, labelSent)
			add(a.Message, fate{added: entered}, !matters(a.LabelIds))
		}
	}
	for _, a := range h.LabelsRemoved {
		if a != nil {
			add(a.Message, fate{}, !matters(a.LabelIds))
		}
	}
	for _, a := range h.MessagesDeleted {
		if a != nil {
			add(a.Message, fate{deleted: true}, false)
		}
	}
	return all
}

// matters reports whether labels include a folder or the read state.
func matters(labels []string) bool {
	return slices.ContainsFunc(labels, func(label string) bool {
		return label == labelUnread || slices.ContainsFunc(folders[:], func(f folderLabel) bool { return f.label == label })
	})
}

// unwatched reports whether a message with these labels is a draft or a chat.
func unwatched(labels []string) bool {
	return slices.Contains(labels, labelDraft) || slices.Contains(labels, labelChat)
}

// report reads the messages of a bite and says what happened to them. What
// cannot be read yet goes into the next cursor.
func (m *Mailbox) report(ctx context.Context, b *bite) ([]mailbox.Change, error) {
	var ids []mailbox.MessageID
	for _, id := range b.order {
		if f := b.fates[id]; !f.deleted && !f.draft {
			ids = append(ids, id)
		}
	}
	got, failed, err := m.get(ctx, ids, url.Values{"format": {formatMetadata}})
	if err != nil {
		return nil, err
	}
	if len(failed) > 1 && len(failed) == len(ids) {
		return nil, failed[0] // it is not about single messages
	}
	index := make(map[mailbox.MessageID]int, len(ids))
	for i, id := range ids {
		index[id] = i
	}

	now := time.Now()
	var changes []mailbox.Change
	for _, id := range b.order {
		f, i := b.fates[id], index[id]
		switch {
		case f.draft:
		case f.deleted:
			changes = append(changes, mailbox.Change{Kind: mailbox.ChangeRemoved, ID: id})
		case failed[i] != nil:
			if b.owe(id, brokenTime, now) {
				continue
			}
			if f.late.age(now) < brokenTime {
				return nil, failed[i] // too many to owe
			}
			changes = append(changes, mailbox.Change{Kind: mailbox.ChangeAdded, ID: id, Message: unreadable(id)})
		case got[i] == nil && !f.added: // deleted by now, which a later bite will say
		case got[i] == nil:
			if !b.owe(id, ghostTime, now) {
				changes = append(changes, mailbox.Change{Kind: mailbox.ChangeRemoved, ID: id})
			}
		case unwatched(got[i].LabelIDs):
		default:
			msg := got[i].message()
			msg.ID = id
			kind := mailbox.ChangeUpdated
			if f.added {
				kind = mailbox.ChangeAdded
			}
			changes = append(changes, mailbox.Change{Kind: kind, ID: id, Message: msg})
		}
	}
	return changes, nil
}

// owe puts a message into the next cursor, unless it was owed for too long
// already or there is no more room.
func (b *bite) owe(id mailbox.MessageID, patience time.Duration, now time.Time) bool {
	f := b.fates[id]
	if f.late.ID == "" {
		f.late = late{ID: id, Since: now.Unix()}
	}
	if f.late.age(now) >= patience || len(b.next.Late) >= maxLate {
		return false
	}
	b.next.Late = append(b.next.Late, f.late)
	return true
}

// unreadable stands for a message that Gmail does not give.
func unreadable(id mailbox.MessageID) *mailbox.Message {
	return &mailbox.Message{
		ID:       id,
		Warnings: []mailbox.Warning{{Code: mailbox.WarnIncomplete, Detail: "Gmail fails to give the message"}},
	}
}
