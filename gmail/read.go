package gmail

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	api "google.golang.org/api/gmail/v1"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
)

// The formats of messages.get. All cost the same.
const (
	formatMinimal  = "minimal"
	formatMetadata = "metadata"
	formatFull     = "full"
	formatRaw      = "raw"
)

const (
	defaultPage = 50
	maxPage     = 500 // of all lists (discovery document, revision 20261005)
)

const (
	// disorder is how far from newest-first a list is thought to be at most.
	// Google promises no order; it was seen to be nearly that
	// (googleapis/google-api-nodejs-client issue 3508, June 2024).
	disorder = 7 * 24 * time.Hour
	// indexLag is how long a message may be missing from searches. Hours to days
	// were reported (anthropics/claude-code issue 82548, July 2026).
	indexLag = 3 * 24 * time.Hour
)

// List lists the inbox, sent mail, drafts, spam or trash; other folders are a
// ClassUnsupported error. A page that is filtered by Since or Before may be
// short or empty and yet have a Next.
//
// The list ends when a whole page is a week older than Since. Gmail's search is
// used only for a Before that lies days in the past and with CanReadBodies,
// since its index lags: with CanReadHeaders alone, or for a recent Before, the
// newer messages are read and left out.
//
// [mailbox.PartIDs] gives id and thread; with Since or Before also what does not
// need the header.
func (m *Mailbox) List(ctx context.Context, q mailbox.Query) (mailbox.Page, error) {
	const op = "list"
	if err := m.needParts(ctx, op, q.Parts); err != nil {
		return mailbox.Page{}, err
	}
	fail := func(ctx context.Context, err error) (mailbox.Page, error) {
		return mailbox.Page{}, m.fail(ctx, op, err)
	}
	if q.Folder == "" {
		q.Folder = mailbox.FolderInbox
	}
	label, ok := labelOf(q.Folder)
	if !ok {
		return fail(ctx, &mailbox.Error{
			Class: mailbox.ClassUnsupported,
			Err:   &mailbox.FieldError{Field: "folder", Limit: "inbox, sent, drafts, spam, trash", Problem: "cannot be listed"},
		})
	}
	if q.Max < 0 {
		return fail(ctx, mailbox.Invalid("max", "0 to 500", "is negative"))
	}
	size := min(q.Max, maxPage)
	if size == 0 {
		size = defaultPage
	}

	ctxList := m.call(ctx, mailbox.Call{Method: methodList})
	call := m.users.Messages.List(me).LabelIds(label).MaxResults(int64(size)).Context(ctxList)
	if q.Folder == mailbox.FolderSpam || q.Folder == mailbox.FolderTrash {
		call.IncludeSpamTrash(true)
	}
	if search := m.search(q); search != "" {
		call.Q(search)
	}
	if q.Page != "" {
		call.PageToken(q.Page)
	}
	list, err := do(ctxList, m, call)
	if err != nil {
		return fail(ctxList, err)
	}

	page := mailbox.Page{Next: list.NextPageToken}
	found := listed(list.Messages)
	bounded := !q.Since.IsZero() || !q.Before.IsZero()
	if q.Parts == mailbox.PartIDs && !bounded {
		page.Messages = found
		return page, nil
	}
	ids := make([]mailbox.MessageID, len(found))
	for i, msg := range found {
		ids[i] = msg.ID
	}
	got, err := m.fetch(ctx, ids, q.Parts)
	if err != nil {
		return fail(ctx, err)
	}
	read, old := 0, 0
	for _, msg := range got {
		if msg == nil {
			continue
		}
		read++
		at := msg.ReceivedAt
		if at.Before(q.Since.Add(-disorder)) {
			old++
		}
		if (q.Since.IsZero() || !at.Before(q.Since)) && (q.Before.IsZero() || at.Before(q.Before)) {
			page.Messages = append(page.Messages, msg)
		}
	}
	if !q.Since.IsZero() && read > 0 && old == read {
		page.Next = ""
	}
	return page, nil
}

// search returns the search that narrows a list, or "". Its bounds are one
// second wider, since Google does not say which side they belong to. Without a
// scope for bodies any search is refused.
func (m *Mailbox) search(q mailbox.Query) string {
	if q.Before.IsZero() || time.Since(q.Before) < indexLag || !m.can(mailbox.CanReadBodies) {
		return ""
	}
	s := "before:" + strconv.FormatInt(q.Before.Unix()+1, 10)
	if !q.Since.IsZero() {
		s += " after:" + strconv.FormatInt(q.Since.Unix()-1, 10)
	}
	return s
}

// listed turns the entries of a list into messages of which little is known.
func listed(list []*api.Message) []*mailbox.Message {
	out := make([]*mailbox.Message, 0, len(list))
	for _, w := range list {
		if w != nil && w.Id != "" {
			out = append(out, &mailbox.Message{ID: mailbox.MessageID(w.Id), ThreadID: mailbox.ThreadID(w.ThreadId)})
		}
	}
	return out
}

// needParts checks the capability that reading parts needs.
func (m *Mailbox) needParts(ctx context.Context, op string, parts mailbox.Parts) error {
	switch parts {
	case mailbox.PartHeaders, mailbox.PartIDs:
		return m.need(op, mailbox.CanReadHeaders)
	case mailbox.PartBody:
		return m.need(op, mailbox.CanReadHeaders|mailbox.CanReadBodies)
	default:
		return m.fail(ctx, op, mailbox.Invalid("parts", "PartHeaders, PartBody, PartIDs", "is unknown"))
	}
}

// Fetch reads messages in batches of [Config.BatchSize]: 1,000 headers are 40
// requests. Calls that Gmail refuses for being too many are tried again after
// a wait, in smaller batches; when the wait is longer than a minute, or nothing
// helps, the error is ClassThrottled. An id that is not even of the form of
// Gmail's ids is one that does not exist.
//
// [mailbox.PartBody] reads text of up to 8 MiB and never the content of an
// attachment. [mailbox.PartIDs] gives everything but the header.
func (m *Mailbox) Fetch(ctx context.Context, ids []mailbox.MessageID, parts mailbox.Parts) ([]*mailbox.Message, error) {
	const op = "fetch"
	if err := m.needParts(ctx, op, parts); err != nil {
		return nil, err
	}
	got, err := m.fetch(ctx, ids, parts)
	if err != nil {
		return nil, m.fail(ctx, op, err)
	}
	return got, nil
}

func (m *Mailbox) fetch(ctx context.Context, ids []mailbox.MessageID, parts mailbox.Parts) ([]*mailbox.Message, error) {
	format := formatMetadata
	switch parts {
	case mailbox.PartBody:
		format = formatFull
	case mailbox.PartIDs:
		format = formatMinimal
	}
	got, failed, err := m.get(ctx, ids, url.Values{"format": {format}})
	if err != nil {
		return nil, err
	}
	for _, e := range failed {
		return nil, e
	}
	out := make([]*mailbox.Message, len(ids))
	for i, w := range got {
		if w == nil {
			continue
		}
		out[i] = w.message()
		out[i].ID = ids[i]
		if parts == mailbox.PartBody {
			if err := w.addBody(out[i], m.loader(ctx, ids[i])); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// get reads messages with the same query. An entry of the result is nil for a
// message that is not there, and for one in failed, which is by index.
func (m *Mailbox) get(ctx context.Context, ids []mailbox.MessageID, query url.Values) (got []*wireMessage, failed map[int]*mailbox.Error, err error) {
	got = make([]*wireMessage, len(ids))
	var parts []part
	var index []int                     // of the first id that a part stands for
	same := map[mailbox.MessageID]int{} // where an id came first
	for i, id := range ids {
		if _, known := same[id]; known || !plausible(id) {
			continue
		}
		same[id] = i
		index = append(index, i)
		parts = append(parts, part{
			method: http.MethodGet,
			path:   messagesPath + url.PathEscape(string(id)) + "?" + query.Encode(),
		})
	}
	refused, err := m.batchCall(ctx, methodGet, parts, func(n int, body []byte) error {
		w, err := decodeMessage(body)
		if err != nil {
			return err
		}
		if w.ID != "" && w.ID != string(ids[index[n]]) {
			return errors.New("gmail: the answer is about another message")
		}
		got[index[n]] = w
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	failed = map[int]*mailbox.Error{}
	for n, e := range refused {
		if e.Class != mailbox.ClassNotFound {
			failed[index[n]] = e
		}
	}
	for i, id := range ids {
		if first, ok := same[id]; ok && first != i {
			got[i] = got[first]
		}
	}
	return got, failed, nil
}

// messagesPath is where messages are, for parts of batches.
const messagesPath = "/gmail/v1/users/me/messages/"

// plausible keeps what cannot be an id out of the paths of requests.
func plausible(id mailbox.MessageID) bool {
	return id != "" && len(id) <= 256 && strings.Trim(string(id), ".") != "" &&
		!strings.ContainsFunc(string(id), func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// defaultRaw is what Raw reads at most when it is not told.
const defaultRaw = 64 << 20

// Raw reads a whole message as it came.
func (m *Mailbox) Raw(ctx context.Context, id mailbox.MessageID, limit int64) ([]byte, error) {
	const op = "raw"
	if err := m.need(op, mailbox.CanReadBodies); err != nil {
		return nil, err
	}
	if limit < 0 {
		return nil, m.fail(ctx, op, mailbox.Invalid("max", "not negative", "is negative"))
	}
	if limit == 0 {
		limit = defaultRaw
	}
	if !plausible(id) {
		return nil, m.fail(ctx, op, &mailbox.Error{Class: mailbox.ClassNotFound})
	}
	ctx = m.call(ctx, mailbox.Call{Method: methodGet})
	tooLarge := mailbox.Invalid("message size", "at most "+strconv.FormatInt(limit, 10)+" bytes", "is larger")
	msg, err := do(ctx, m, m.users.Messages.Get(me, string(id)).Format(formatRaw).Context(ctx))
	if err != nil {
		e := m.fail(ctx, op, err)
		if e.Code == gate.TooLarge {
			e = m.fail(ctx, op, tooLarge)
		}
		return nil, e
	}
	raw, whole := decodeBase64(msg.Raw)
	if !whole || len(raw) == 0 {
		return nil, m.fail(ctx, op, errors.New("gmail: the base64 of the answer is damaged"))
	}
	if int64(len(raw)) > limit {
		return nil, m.fail(ctx, op, tooLarge)
	}
	return raw, nil
}
