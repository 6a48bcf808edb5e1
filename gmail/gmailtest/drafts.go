package gmailtest

import (
	"fmt"

	"github.com/mailtether/mailtether/internal/fakeserver"
)

// draftJSON is the schema Draft.
type draftJSON struct {
	ID      string       `json:"id"`
	Message *messageJSON `json:"message"`
}

type draftsJSON struct {
	Drafts             []draftJSON `json:"drafts,omitempty"`
	NextPageToken      string      `json:"nextPageToken,omitempty"`
	ResultSizeEstimate int         `json:"resultSizeEstimate"`
}

// draftBody reads the message of a draft request.
func (c *call) draftBody() (in draftIn, raw []byte, err *apiError) {
	media, err := c.media()
	if err != nil {
		return in, nil, err
	}
	if err := c.decode(&in); err != nil {
		return in, nil, err
	}
	raw, err = in.Message.raw(media)
	return in, raw, err
}

// saveDraft files a draft's message. Every save makes a new message.
func (c *call) saveDraft(draftID string, in draftIn, raw []byte, stay string) (*message, *apiError) {
	thread := ""
	if in.Message != nil {
		thread = in.Message.ThreadID
	}
	if thread != "" && c.b.threads[thread] == nil {
		return nil, notFound()
	}
	m := newMessage(c.s.newID(), fakeserver.ToCRLF(raw), c.now, labelDraft)
	m.draftID = draftID
	m.indexed = c.now.Add(c.s.opts.IndexLag)
	c.place(m, thread, stay)
	c.b.add(m)
	c.b.drafts[draftID] = m
	c.s.note(c.b, kindAdded, m)
	return m, nil
}

// discard deletes a message for good.
func (c *call) discard(m *message) {
	c.b.remove(m)
	c.s.note(c.b, kindDeleted, m)
}

// sweep deletes the drafts that were sent long enough ago.
func (c *call) sweep() {
	for _, m := range c.b.drafts {
		if !m.sentAt.IsZero() && c.now.Sub(m.sentAt) >= c.s.opts.DraftLingers {
			c.discard(m)
		}
	}
}

// draft returns a draft that was not sent.
func (c *call) draft(id string) (*message, *apiError) {
	if m := c.b.drafts[id]; m != nil && m.sentAt.IsZero() {
		return m, nil
	}
	return nil, notFound()
}

func (c *call) draftsCreate() (any, *apiError) {
	in, raw, err := c.draftBody()
	if err != nil {
		return nil, err
	}
	m, err := c.saveDraft(fmt.Sprintf("r%d", c.s.rand.Int64()), in, raw, "")
	if err != nil {
		return nil, err
	}
	return draftJSON{m.draftID, c.s.ref(m)}, nil
}

func (c *call) draftsUpdate() (any, *apiError) {
	old, err := c.draft(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	in, raw, err := c.draftBody()
	if err != nil {
		return nil, err
	}
	m, err := c.saveDraft(old.draftID, in, raw, old.thread)
	if err != nil {
		return nil, err
	}
	old.draftID = "" // the id now belongs to the new version
	c.discard(old)
	return draftJSON{m.draftID, c.s.ref(m)}, nil
}

func (c *call) draftsGet() (any, *apiError) {
	m := c.b.drafts[c.r.PathValue("id")] // one that lingers, too
	if m == nil {
		return nil, notFound()
	}
	rendered, err := c.render(m)
	if err != nil {
		return nil, err
	}
	return draftJSON{m.draftID, rendered}, nil
}

func (c *call) draftsList() (any, *apiError) {
	c.query["labelIds"] = []string{labelDraft}
	page, err := c.page(nil)
	if err != nil {
		return nil, err
	}
	out := draftsJSON{NextPageToken: page.next, ResultSizeEstimate: page.estimate}
	for _, m := range page.messages {
		out.Drafts = append(out.Drafts, draftJSON{m.draftID, &messageJSON{ID: m.id, ThreadID: m.thread}})
	}
	return out, nil
}

func (c *call) draftsDelete() (any, *apiError) {
	m, err := c.draft(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	c.discard(m)
	return noContent{}, nil
}

// draftsSend sends a draft: the draft is deleted and a new message with the
// label SENT takes its place (guide "drafts", read 2026-11-20).
func (c *call) draftsSend() (any, *apiError) {
	media, err := c.media()
	if err != nil {
		return nil, err
	}
	var in draftIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	draft, err := c.draft(in.ID)
	if err != nil {
		return nil, err
	}
	raw, thread := draft.raw, ""
	if media != nil || in.Message != nil && in.Message.Raw != "" {
		if raw, err = in.Message.raw(media); err != nil {
			return nil, err
		}
	}
	if in.Message != nil {
		thread = in.Message.ThreadID
	}
	m, err := c.send(raw, thread, draft.thread, c.s.opts.DraftMessageID)
	if err != nil {
		return nil, err
	}
	draft.sentAt = c.now
	c.sweep()
	return c.s.ref(m), nil
}
