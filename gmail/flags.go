package gmail

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	api "google.golang.org/api/gmail/v1"

	"github.com/mailtether/mailtether/mailbox"
)

// maxModify is how many ids batchModify takes (schema
// BatchModifyMessagesRequest, revision 20261005).
const maxModify = 1000

// SetRead removes or adds the label UNREAD, 1,000 messages a request. Gmail
// passes over ids that do not exist (taylorwilsdon/google_workspace_mcp pull
// 1047, August 2026); should it refuse a request because of one of them, each
// message is changed on its own.
func (m *Mailbox) SetRead(ctx context.Context, read bool, ids ...mailbox.MessageID) error {
	const op = "set read"
	if err := m.need(op, mailbox.CanWriteReadState); err != nil {
		return err
	}
	seen := map[mailbox.MessageID]bool{}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id mailbox.MessageID) bool {
		drop := seen[id] || !plausible(id)
		seen[id] = true
		return drop
	})
	for chunk := range slices.Chunk(ids, maxModify) {
		req := &api.BatchModifyMessagesRequest{}
		for _, id := range chunk {
			req.Ids = append(req.Ids, string(id))
		}
		if read {
			req.RemoveLabelIds = []string{labelUnread}
		} else {
			req.AddLabelIds = []string{labelUnread}
		}
		ctxModify := m.call(ctx, mailbox.Call{Method: methodBatchModify})
		err := m.users.Messages.BatchModify(me, req).Context(ctxModify).Do()
		if class := mailbox.ClassOf(err); err != nil && (class == mailbox.ClassNotFound || class == mailbox.ClassInvalid) {
			err = m.modifyEach(ctx, chunk, &api.ModifyMessageRequest{AddLabelIds: req.AddLabelIds, RemoveLabelIds: req.RemoveLabelIds})
		}
		if err != nil {
			return m.fail(ctxModify, op, err)
		}
	}
	return nil
}

// modifyEach changes messages one by one and skips those that are not there.
func (m *Mailbox) modifyEach(ctx context.Context, ids []mailbox.MessageID, req *api.ModifyMessageRequest) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	parts := make([]part, len(ids))
	for i, id := range ids {
		parts[i] = part{
			method: http.MethodPost,
			path:   messagesPath + url.PathEscape(string(id)) + "/modify",
			body:   body,
		}
	}
	failed, err := m.batchCall(ctx, methodModify, parts, func(int, []byte) error { return nil })
	if err != nil {
		return err
	}
	for _, e := range failed {
		if e.Class != mailbox.ClassNotFound {
			return e
		}
	}
	return nil
}
