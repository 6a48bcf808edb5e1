package outlook

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// bodyBatch is how many bodies are read in one request: as many as Graph works
// on at a time, so that a few large ones do not outgrow one answer.
const bodyBatch = 4

// Fetch implements [mailbox.Mailbox]. It reads 20 headers or 4 bodies with one
// request.
func (m *Mailbox) Fetch(ctx context.Context, ids []mailbox.MessageID, parts mailbox.Parts) ([]*mailbox.Message, error) {
	want := mailbox.CanReadHeaders
	if parts == mailbox.PartBody {
		want |= mailbox.CanReadBodies
	}
	if err := m.need("fetch", want); err != nil {
		return nil, err
	}
	if parts > mailbox.PartIDs {
		return nil, m.fail("fetch", mailbox.Invalid("parts", "headers, body, ids", "is unknown"))
	}
	if len(ids) == 0 {
		return nil, nil
	}
	raw, err := m.get(ctx, ids, parts)
	if err != nil {
		return nil, err
	}
	folders := &folderMap{}
	if parts != mailbox.PartIDs {
		if folders, err = m.folderMap(ctx); err != nil {
			return nil, err
		}
	}
	out := make([]*mailbox.Message, len(ids))
	var bodies []graph.Message
	var described []*mailbox.Message
	for i, g := range raw {
		if g == nil {
			continue
		}
		out[i] = convert(g, folders.of(g.ParentFolderID))
		bodies, described = append(bodies, *g), append(described, out[i])
	}
	if parts == mailbox.PartBody {
		err = m.describeAttachments(ctx, bodies, described)
	}
	return out, err
}

// get reads messages by id; nil stands for an id that does not exist.
func (m *Mailbox) get(ctx context.Context, ids []mailbox.MessageID, parts mailbox.Parts) ([]*graph.Message, error) {
	var places []int
	for i, id := range ids {
		if plausible(id) {
			places = append(places, i)
		}
	}
	size := graph.MaxBatch
	if parts == mailbox.PartBody {
		size = bodyBatch
	}
	out := make([]*graph.Message, len(ids))
	err := m.readable(ctx, func(header bool) error {
		fields := fieldsOf(parts, header)
		calls := make([]graph.Inner, len(places))
		for i, n := range places {
			calls[i] = m.graph.GetMessage(ids[n], fields)
		}
		return m.each(ctx, calls, size, func(i int, body string) error {
			g, err := graph.ParseMessage(body)
			g.ID = cmp.Or(g.ID, string(ids[places[i]]))
			out[places[i]] = &g
			return err
		})
	})
	return out, err
}

// plausible refuses ids that would change the path of a URL. Real ones are
// base64 in the alphabet for URLs.
func plausible(id mailbox.MessageID) bool {
	return id != "" && len(id) <= 1024 && strings.Trim(string(id), ".") != "" &&
		!strings.ContainsFunc(string(id), func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' || r == '\\' })
}

// describeAttachments fills in what is attached. It asks only for messages that
// say so, or whose HTML shows a part of the message: Graph does not count inline
// files as attachments.
func (m *Mailbox) describeAttachments(ctx context.Context, raw []graph.Message, out []*mailbox.Message) error {
	var calls []graph.Inner
	var places []int
	for i, g := range raw {
		if g.HasAttachments || strings.Contains(g.Body, attachedPart) {
			calls, places = append(calls, m.graph.GetAttachments(out[i].ID)), append(places, i)
		}
	}
	return m.each(ctx, calls, graph.MaxBatch, func(i int, body string) (err error) {
		out[places[i]].Attachments, err = graph.ParseAttachments(body)
		return err
	})
}

// each makes calls in batches of a size and gives every answer to take, except
// for what does not exist any more. An error of take is that of a bad answer.
func (m *Mailbox) each(ctx context.Context, calls []graph.Inner, size int, take func(i int, body string) error) error {
	answers, _, err := m.batch(ctx, calls, size)
	if err != nil {
		return err
	}
	for i, a := range answers {
		switch err := m.refused(calls[i], a); {
		case gone(err):
		case err != nil:
			return err
		default:
			if err := take(i, a.Body); err != nil {
				return m.fail(calls[i].Name, &mailbox.Error{Class: mailbox.ClassUnavailable, Code: "bad_answer", Err: err})
			}
		}
	}
	return nil
}

// SetRead implements [mailbox.Mailbox].
func (m *Mailbox) SetRead(ctx context.Context, read bool, ids ...mailbox.MessageID) error {
	if err := m.need("set read", mailbox.CanWriteReadState); err != nil {
		return err
	}
	var calls []graph.Inner
	for _, id := range ids {
		if plausible(id) {
			calls = append(calls, m.graph.SetRead(id, read))
		}
	}
	return m.each(ctx, calls, graph.MaxBatch, func(int, string) error { return nil })
}

// Raw implements [mailbox.RawReader].
func (m *Mailbox) Raw(ctx context.Context, id mailbox.MessageID, limit int64) ([]byte, error) {
	if err := m.need("raw", mailbox.CanReadHeaders|mailbox.CanReadBodies); err != nil {
		return nil, err
	}
	if !plausible(id) {
		return nil, m.fail("raw", &mailbox.Error{Class: mailbox.ClassNotFound, Status: http.StatusNotFound})
	}
	limit = cmp.Or(limit, 64<<20)
	return m.graph.Raw(ctx, id, limit)
}
